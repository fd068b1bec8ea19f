"""Release lectures, take submissions in, grade them and prove the grades; the instructor's part.

In the checkout and in the instructor's wheel, never in the students'.
"""
