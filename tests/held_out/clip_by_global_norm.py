"""Held-out answers to exercise 4.3, `clip_by_global_norm`."""

import math

import torch


def wrong_list_is_new_tensors_are_not(gradients, max_norm):
    present = [g for g in gradients if g is not None]
    norm = torch.sqrt(sum(((g**2).sum() for g in present), torch.zeros(())))
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = min(1.0, max_norm / float(norm)) if norm > 0 else 1.0
    new = list(gradients)
    for g in new:
        if g is not None:
            g *= factor
    return new, norm


def wrong_only_nan_is_an_error(gradients, max_norm):
    present = [g for g in gradients if g is not None]
    norm = torch.sqrt(sum(((g**2).sum() for g in present), torch.zeros(())))
    if torch.isnan(norm):
        raise ValueError("norm")
    factor = min(1.0, max_norm / float(norm)) if norm > 0 else 1.0
    return [None if g is None else g * factor for g in gradients], norm


def wrong_only_infinity_is_an_error(gradients, max_norm):
    present = [g for g in gradients if g is not None]
    norm = torch.sqrt(sum(((g**2).sum() for g in present), torch.zeros(())))
    if torch.isinf(norm):
        raise ValueError("norm")
    factor = min(1.0, max_norm / float(norm)) if norm > 0 else 1.0
    return [None if g is None else g * factor for g in gradients], norm


def wrong_norm_has_one_dimension(gradients, max_norm):
    flat = [g.flatten() for g in gradients if g is not None]
    norm = torch.cat(flat).norm(keepdim=True) if flat else torch.zeros(1)
    if not torch.isfinite(norm).all():
        raise ValueError("norm")
    factor = min(1.0, max_norm / float(norm)) if norm > 0 else 1.0
    return [None if g is None else g * factor for g in gradients], norm


def right_no_gradient_at_all(gradients, max_norm):
    norm = torch.stack([g.norm() for g in gradients if g is not None]).norm()
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = min(1.0, max_norm / float(norm)) if norm > 0 else 1.0
    return [None if g is None else g * factor for g in gradients], norm


def wrong_none_becomes_zero(gradients, max_norm):
    new = [torch.zeros(1) if g is None else g for g in gradients]
    norm = torch.stack([g.norm() for g in new]).norm() if new else torch.tensor(0.0)
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = min(1.0, max_norm / float(norm)) if norm > 0 else 1.0
    return [g * factor for g in new], norm


def wrong_epsilon_for_zero(gradients, max_norm):
    present = [g for g in gradients if g is not None]
    norm = torch.sqrt(sum(((g**2).sum() for g in present), torch.zeros(())) + 1e-6)
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = min(1.0, max_norm / float(norm))
    return [None if g is None else g * factor for g in gradients], norm


def wrong_norm_of_first_dimension(gradients, max_norm):
    present = [g for g in gradients if g is not None]
    norms = [g.norm(dim=-1).sum() if g.dim() > 1 else g.norm() for g in present]
    norm = torch.stack(norms).norm() if norms else torch.tensor(0.0)
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = min(1.0, max_norm / float(norm)) if norm > 0 else 1.0
    return [None if g is None else g * factor for g in gradients], norm


def wrong_norm_after(gradients, max_norm):
    present = [g for g in gradients if g is not None]
    norm = torch.stack([g.norm() for g in present]).norm() if present else torch.tensor(0.0)
    if not torch.isfinite(norm):
        raise ValueError("norm")
    factor = min(1.0, max_norm / float(norm)) if norm > 0 else 1.0
    return [None if g is None else g * factor for g in gradients], norm.clamp(max=max_norm)


def right_cat(gradients, max_norm):
    flat = [g.reshape(-1) for g in gradients if g is not None]
    norm = torch.linalg.vector_norm(torch.cat(flat)) if flat else torch.tensor(0.0)
    if not math.isfinite(norm):
        raise ValueError("norm is not finite")
    if norm <= max_norm:
        return [None if g is None else g.clone() for g in gradients], norm
    return [None if g is None else g / norm * max_norm for g in gradients], norm


def right_torch(gradients, max_norm):
    from torch.nn.utils import get_total_norm

    present = [g for g in gradients if g is not None]
    norm = get_total_norm(present) if present else torch.zeros(())
    if torch.isnan(norm) or torch.isinf(norm):
        raise ValueError("norm is not finite")
    scale = 1.0
    if norm > 0:
        scale = torch.clamp(max_norm / norm, max=1.0)
    return [g if g is None else torch.mul(g, scale) for g in gradients], norm


def right_loop(gradients, max_norm):
    total = 0.0
    for g in gradients:
        if g is not None:
            total += float(torch.sum(g.double() * g.double()))
    norm = math.sqrt(total)
    if not math.isfinite(norm):
        raise ValueError("not finite")
    factor = 1.0 if norm == 0 else min(1.0, max_norm / norm)
    new = []
    for g in gradients:
        new.append(g)
        if g is not None:
            new[-1] = g * factor
    return new, torch.tensor(norm)


def right_unchanged_when_small(gradients, max_norm):
    squares = [torch.dot(g.flatten(), g.flatten()) for g in gradients if g is not None]
    norm = torch.stack(squares).sum().sqrt() if squares else torch.tensor(0.0)
    if not norm.isfinite():
        raise ValueError("norm")
    if norm <= max_norm:
        return list(gradients), norm
    return [g if g is None else g.mul(max_norm).div(norm) for g in gradients], norm


def wrong_shares_the_bound(gradients, max_norm):
    given = [g for g in gradients if g is not None]
    norm = torch.sqrt(sum((g**2).sum() for g in given))
    if not torch.isfinite(norm):
        raise ValueError("the norm is not finite")
    share = max_norm / max(len(given), 1)
    new = []
    for g in gradients:
        factor = 1.0 if g is None or g.norm() <= share else share / g.norm()
        new.append(None if g is None else g * factor)
    return new, norm


def wrong_equal_shapes_only(gradients, max_norm):
    norm = torch.stack([g for g in gradients if g is not None]).norm()
    if not torch.isfinite(norm):
        raise ValueError("the norm is not finite")
    factor = min(1.0, max_norm / float(norm)) if norm > 0 else 1.0
    return [None if g is None else g * factor for g in gradients], norm


def wrong_by_value(gradients, max_norm):
    norm = torch.sqrt(sum((g**2).sum() for g in gradients if g is not None))
    if not torch.isfinite(norm):
        raise ValueError("the norm is not finite")
    return [None if g is None else g.clamp(-max_norm, max_norm) for g in gradients], norm


def right_hypot(gradients, max_norm):
    from functools import reduce

    norms = [torch.linalg.vector_norm(g) for g in gradients if g is not None]
    norm = reduce(torch.hypot, norms, torch.zeros(()))
    if not math.isfinite(norm):
        raise ValueError(f"the norm is {float(norm)}")
    factor = max_norm / norm if norm > max_norm else torch.ones(())
    return [g if g is None else g.clone() * factor for g in gradients], norm


def right_dot_products(gradients, max_norm):
    total = torch.tensor(0.0, dtype=torch.float64)
    for g in gradients:
        if g is not None:
            flat = g.detach().reshape(-1).double()
            total = total + torch.dot(flat, flat)
    norm = total.sqrt().float()
    if norm.isnan() or norm.isinf():
        raise ValueError("the norm is not finite")
    factor = 1.0
    if norm > max_norm:
        factor = float(max_norm / norm)
    return [None if g is None else torch.mul(g, factor) for g in gradients], norm
