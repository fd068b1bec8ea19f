"""Derive the random numbers of a training step from the run's seed and the step alone.

So a resumed run draws what an uninterrupted one would have drawn.
"""

import torch

SEED_STRIDE = 1_000_003  # a prime above any number of steps: two seeds share no step's numbers


def step_seed(seed: int, step: int) -> int:
    """Return the seed of one step.

    >>> step_seed(2, 5)
    2000011
    """
    return seed * SEED_STRIDE + step


def step_generator(seed: int, step: int) -> torch.Generator:
    """Return a generator that is seeded for one step."""
    return torch.Generator().manual_seed(step_seed(seed, step))
