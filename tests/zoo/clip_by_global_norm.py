"""Wrong and right answers to exercise 4.3, `clip_by_global_norm`."""

import math

import torch

from zoo import right, wrong


@wrong("each by itself", message="by itself")
def each_by_itself(gradients, max_norm):
    norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
    norm = torch.tensor(sum(norms)).sqrt()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = 1.0 if norm == 0 else min(1.0, max_norm / float(norm))
    return [
        None if g is None else g * min(1.0, max_norm / max(float(g.norm()), 1e-12))
        for g in gradients
    ], norm


@wrong("in place", message="input was changed")
def in_place(gradients, max_norm):
    norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
    norm = torch.tensor(sum(norms)).sqrt()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = 1.0 if norm == 0 else min(1.0, max_norm / float(norm))
    return [None if g is None else g.mul_(factor) for g in gradients], norm


@wrong("scales up", message="scaled up|times")
def scales_up(gradients, max_norm):
    norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
    norm = torch.tensor(sum(norms)).sqrt()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = max_norm / max(float(norm), 1e-12)
    return [None if g is None else g * factor for g in gradients], norm


@wrong("drops none", message="None")
def drops_none(gradients, max_norm):
    norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
    norm = torch.tensor(sum(norms)).sqrt()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = 1.0 if norm == 0 else min(1.0, max_norm / float(norm))
    return [g * factor for g in gradients if g is not None], norm


@wrong("nan at zero", message="Norm 0")
def nan_at_zero(gradients, max_norm):
    norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
    norm = torch.tensor(sum(norms)).sqrt()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = torch.clamp(max_norm / norm, max=1.0) * (norm / norm)
    return [None if g is None else g * factor for g in gradients], norm


@wrong("no check", message="ValueError")
def no_check(gradients, max_norm):
    norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
    norm = torch.tensor(sum(norms)).sqrt()
    factor = 1.0 if norm == 0 else min(1.0, max_norm / float(norm))
    return [None if g is None else g * factor for g in gradients], norm


@wrong("norm after", message="norm")
def norm_after(gradients, max_norm):
    norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
    norm = torch.tensor(sum(norms)).sqrt()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = 1.0 if norm == 0 else min(1.0, max_norm / float(norm))
    return [None if g is None else g * factor for g in gradients], norm * factor


@wrong("sum of norms", message="One norm")
def sum_of_norms(gradients, max_norm):
    norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
    norm = torch.tensor(sum(n**0.5 for n in norms))
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = 1.0 if norm == 0 else min(1.0, max_norm / float(norm))
    return [None if g is None else g * factor for g in gradients], norm


@wrong("largest entry", message="norm")
def largest_entry(gradients, max_norm):
    norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
    norm = torch.stack([g.abs().max() for g in gradients if g is not None]).max()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = 1.0 if norm == 0 else min(1.0, max_norm / float(norm))
    return [None if g is None else g * factor for g in gradients], norm


@wrong("float norm", message="0-dim")
def float_norm(gradients, max_norm):
    norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
    norm = torch.tensor(sum(norms)).sqrt()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = 1.0 if norm == 0 else min(1.0, max_norm / float(norm))
    return [None if g is None else g * factor for g in gradients], float(norm)


@wrong("squeezed", message="axes of size one")
def squeezed(gradients, max_norm):
    present = [g for g in gradients if g is not None]
    norm = torch.cat([g.flatten() for g in present]).norm()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = 1.0 if norm == 0 else min(1.0, max_norm / float(norm))
    return [None if g is None else (g * factor).squeeze() for g in gradients], norm


@wrong("numbers without axes left out", message="without axes")
def numbers_without_axes_left_out(gradients, max_norm):
    present = [g for g in gradients if g is not None and g.dim() > 0]
    norm = torch.cat([g.flatten() for g in present]).norm()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = 1.0 if norm == 0 else min(1.0, max_norm / float(norm))
    return [None if g is None else g * factor for g in gradients], norm


@wrong("clips above 1 only", message="below 1")
def clips_above_1_only(gradients, max_norm):
    norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
    norm = torch.tensor(sum(norms)).sqrt()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = min(1.0, max_norm / float(norm)) if norm > 1 else 1.0
    return [None if g is None else g * factor for g in gradients], norm


@right("no gradient at all is not asked for")
def no_gradient_at_all(gradients, max_norm):
    norm = torch.stack([g.norm() for g in gradients if g is not None]).norm()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = min(1.0, max_norm / float(norm)) if norm > 0 else 1.0
    return [None if g is None else g * factor for g in gradients], norm


@right("loop")
def loop(gradients, max_norm):
    norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
    norm = torch.tensor(sum(norms)).sqrt()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = 1.0 if norm == 0 else min(1.0, max_norm / float(norm))
    return [None if g is None else g * factor for g in gradients], norm


@right("torch's epsilon")
def torch_epsilon(gradients, max_norm):
    norms = [float((g.double() ** 2).sum()) for g in gradients if g is not None]
    norm = torch.tensor(sum(norms)).sqrt()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = min(1.0, max_norm / (float(norm) + 1e-6))
    return [None if g is None else g.mul(factor) for g in gradients], norm


@right("get_total_norm")
def get_total_norm(gradients, max_norm):
    present = [g for g in gradients if g is not None]
    norm = torch.nn.utils.get_total_norm(present)
    if torch.isnan(norm) or torch.isinf(norm):
        raise ValueError("norm")
    scale = torch.clamp(max_norm / torch.clamp(norm, min=1e-12), max=1.0)
    return [g if g is None else (g * scale).to(g.dtype) for g in gradients], norm


@right("one long vector")
def one_long_vector(gradients, max_norm):
    present = [g.reshape(-1) for g in gradients if g is not None]
    norm = torch.cat([torch.zeros(0), *present]).square().sum().sqrt()
    if not math.isfinite(float(norm)):
        raise ValueError("norm")
    clipped = []
    for g in gradients:
        if g is not None and norm > max_norm:
            g = g / norm * max_norm
        clipped.append(g if g is None else g.clone())
    return clipped, norm
