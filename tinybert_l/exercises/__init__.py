"""Exercises: specifications without a body, one file per lecture, and the registry that runs them.

- `registry`: what an exercise is, the decorator that declares it, and `begin`.
- `lecture_NN`: the specifications of lecture NN; their answers are in `solutions/lecture_NN.py`.
- `released`: finds and loads the reference answers that a student may have.
- `answers`: finds and runs the student's own answers in the notebooks of earlier lectures.
- `answer_errors`: the errors of absent and unfit answers, and how a notebook shows them.
"""
