"""A supernet so small that a training run takes a moment: for a training task with own numbers.

A hidden layer of sixteen units learns a teacher's outputs. Its sub-models are its first units. In
the first half of a run only the largest is trained; then a sub-model opens, and both are trained on
the same data, with gradients added. Data and starting weights follow from a seed, alike on every
machine, so that a run can be made again by whoever grades it.
"""

import random

import numpy as np
from numpy.typing import NDArray

from tinybert_l.errors import InvalidInput

INPUTS = 6
UNITS = 16  # of the largest sub-model
TEACHER_UNITS = 24
POINTS = 96
STEPS = 400
NOTED = 50  # steps between two entries of a log
LEARNING_RATE = 0.1
Array = NDArray[np.float64]


def opening_run(seed: int, width: int) -> list[float]:
    """Train the supernet, with one sub-model that opens half-way; return the log.

    Args:
        seed: of data, teacher and starting weights.
        width: how many of the units the sub-model has that opens, 1 to 15.

    Returns:
        The largest one's loss on data that it was not trained on, every 50 steps.
    """
    if not 1 <= width < UNITS:
        raise InvalidInput(f"opening_run: width={width!r}; allowed: 1 to {UNITS - 1}.")
    stream = random.Random(seed)  # of all generators, the one whose numbers never change
    teacher_in = _uniform(stream, INPUTS, TEACHER_UNITS)
    teacher_out = _uniform(stream, TEACHER_UNITS, 1) / np.sqrt(TEACHER_UNITS)
    inputs = _uniform(stream, 2 * POINTS, INPUTS)
    targets = np.tanh(inputs @ (2 * teacher_in)) @ teacher_out
    layer = _uniform(stream, INPUTS, UNITS)
    head = _uniform(stream, UNITS, 1) / np.sqrt(UNITS)
    train, held_out = slice(0, POINTS), slice(POINTS, 2 * POINTS)
    log = []
    for step in range(1, STEPS + 1):
        widths = [UNITS] if step <= STEPS // 2 else [UNITS, width]
        change_of_layer = np.zeros_like(layer)
        change_of_head = np.zeros_like(head)
        for open_width in widths:
            hidden = np.tanh(inputs[train] @ layer[:, :open_width])
            error = (hidden @ head[:open_width] - targets[train]) / POINTS
            change_of_head[:open_width] += hidden.T @ error
            back = (error @ head[:open_width].T) * (1 - hidden**2)
            change_of_layer[:, :open_width] += inputs[train].T @ back
        layer = layer - LEARNING_RATE * change_of_layer
        head = head - LEARNING_RATE * change_of_head
        if step % NOTED == 0:
            gap = np.tanh(inputs[held_out] @ layer) @ head - targets[held_out]
            log.append(float(np.mean(gap**2)))
    return log


def _uniform(stream: random.Random, rows: int, columns: int) -> Array:
    """Return numbers between -1 and 1."""
    numbers = [2 * stream.random() - 1 for _ in range(rows * columns)]
    return np.array(numbers).reshape(rows, columns)
