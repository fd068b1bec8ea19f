"""Reference answers of lecture 4."""

from itertools import pairwise


def submodel_schedule(step, total_steps, stages):
    starts = [start for start, _ in stages]
    if not 0 <= step < total_steps:
        raise ValueError(f"submodel_schedule: step={step}; allowed: 0 to total_steps - 1 = {total_steps - 1}.")
    if not starts or starts[0] != 0 or any(a >= b for a, b in pairwise(starts)) or starts[-1] >= 1:
        raise ValueError(f"submodel_schedule: starts {starts}; allowed: from 0, strictly rising, below 1.")
    opened = [sub_model for start, group in stages if start <= step / total_steps for sub_model in group]
    return list(dict.fromkeys(opened))
