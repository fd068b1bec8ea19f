"""Releasing and grading a lecture with nbgrader. Part of the instructor's checkout only."""
