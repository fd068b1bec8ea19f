"""Runs first in each kernel that `tinybert-l lab` starts: explains a forgotten set-up cell."""

from tinybert_l.exercises.answer_errors import explain_forgotten_setup

explain_forgotten_setup()
del explain_forgotten_setup
