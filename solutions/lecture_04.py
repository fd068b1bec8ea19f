"""Reference answers of lecture 4."""

import math

import torch


def submodel_schedule(step, total_steps, stages):
    starts = [start for start, _ in stages]
    if not 0 <= step < total_steps:
        raise ValueError(
            f"submodel_schedule: step={step}; allowed: 0 to total_steps - 1 = {total_steps - 1}."
        )
    if (
        not starts
        or starts[0] != 0
        or any(a >= b for a, b in zip(starts, starts[1:]))
        or starts[-1] >= 1
    ):
        raise ValueError(
            f"submodel_schedule: starts {starts}; allowed: from 0, strictly rising, below 1."
        )
    opened = [
        sub_model for start, group in stages if start <= step / total_steps for sub_model in group
    ]
    return list(dict.fromkeys(opened))


def linear_warmup_decay(step, warmup_steps, total_steps):
    if step < 0 or total_steps < 1 or not 0 <= warmup_steps <= total_steps:
        raise ValueError(
            f"linear_warmup_decay: step={step}, warmup_steps={warmup_steps}, "
            f"total_steps={total_steps}; "
            "allowed: step >= 0, total_steps >= 1, 0 <= warmup_steps <= total_steps."
        )
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    return (total_steps - step) / (total_steps - warmup_steps)


def clip_by_global_norm(gradients, max_norm):
    if not max_norm > 0:
        raise ValueError(f"clip_by_global_norm: max_norm={max_norm}; allowed: a number above 0.")
    norms = [torch.linalg.vector_norm(gradient) for gradient in gradients if gradient is not None]
    norm = torch.linalg.vector_norm(torch.stack(norms)) if norms else torch.tensor(0.0)
    if not math.isfinite(norm):
        raise ValueError(
            f"clip_by_global_norm: the gradients' norm is {float(norm)}; allowed: a finite number."
        )
    factor = min(1.0, max_norm / float(norm)) if norm > 0 else 1.0
    return [None if gradient is None else gradient * factor for gradient in gradients], norm


def weight_decay_by_name(shapes, weight_decay):
    if not weight_decay >= 0:
        raise ValueError(f"weight_decay_by_name: weight_decay={weight_decay}; allowed: 0 or more.")
    return {name: 0.0 if len(shape) == 1 else weight_decay for name, shape in shapes.items()}
