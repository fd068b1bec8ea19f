"""Held-out answers to exercise 4.2, `linear_warmup_decay`."""

import torch


def wrong_no_guard_for_full_warmup(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    if step < warmup_steps:
        return step / warmup_steps
    return max(0.0, (total_steps - step) / (total_steps - warmup_steps))


def wrong_divides_by_zero_warmup(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    if step >= total_steps:
        return 0.0
    if step <= warmup_steps:
        return step / warmup_steps
    return (total_steps - step) / (total_steps - warmup_steps)


def wrong_checks_negative_only(step, warmup_steps, total_steps):
    if warmup_steps < 0:
        raise ValueError("warm-up")
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    return (total_steps - step) / (total_steps - warmup_steps)


def wrong_checks_too_large_only(step, warmup_steps, total_steps):
    if warmup_steps > total_steps:
        raise ValueError("warm-up")
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    return (total_steps - step) / (total_steps - warmup_steps)


def wrong_full_warmup_refused(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps < total_steps:
        raise ValueError("warm-up")
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    return (total_steps - step) / (total_steps - warmup_steps)


def wrong_never_zero(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    if step < warmup_steps:
        return max(step, 1e-3) / warmup_steps
    return max(0.0, (total_steps - step) / max(1, total_steps - warmup_steps))


def wrong_flat_top(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    if step >= total_steps:
        return 0.0
    if warmup_steps == 0:
        return 1.0 - step / (total_steps - 1) if total_steps > 1 else 1.0
    if step < warmup_steps:
        return step / warmup_steps
    return (total_steps - step) / (total_steps - warmup_steps)


def wrong_remembers_total(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    seen = globals().setdefault("_total_steps", total_steps)
    if step >= seen:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    return (seen - step) / (seen - warmup_steps)


def right_minimum(step, warmup_steps, total_steps):
    if warmup_steps < 0 or warmup_steps > total_steps:
        raise ValueError("0 <= w <= T")
    up = step / warmup_steps if warmup_steps else 1.0
    down = (total_steps - step) / max(1, total_steps - warmup_steps)
    if warmup_steps == total_steps:
        down = 1.0 if step < total_steps else 0.0
    return max(0.0, min(up, down, 1.0))


def right_interp(step, warmup_steps, total_steps):
    import numpy as np

    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("w")
    if step >= total_steps:
        return 0.0
    if warmup_steps == 0:
        return float(np.interp(step, [0, total_steps], [1.0, 0.0]))
    if warmup_steps == total_steps:
        return float(step) / total_steps
    return float(np.interp(step, [0, warmup_steps, total_steps], [0.0, 1.0, 0.0]))


def right_torch_schedule(step, warmup_steps, total_steps):
    from transformers import get_linear_schedule_with_warmup

    if warmup_steps < 0 or warmup_steps > total_steps:
        raise ValueError("w")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    return get_linear_schedule_with_warmup(optimizer, warmup_steps, total_steps).lr_lambdas[0](step)


def right_fraction(step, warmup_steps, total_steps):
    from fractions import Fraction

    if warmup_steps not in range(total_steps + 1):
        raise ValueError("w")
    if step in range(warmup_steps):
        return float(Fraction(step, warmup_steps))
    if step in range(warmup_steps, total_steps):
        return float(1 - Fraction(step - warmup_steps, total_steps - warmup_steps))
    return 0


def wrong_rounds_to_two_digits(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError(f"warmup_steps: 0 to {total_steps}, got {warmup_steps}")
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return round(step / warmup_steps, 2)
    return round((total_steps - step) / (total_steps - warmup_steps), 2)


def wrong_shortens_the_warmup(step, warmup_steps, total_steps):
    warmup_steps = max(0, min(warmup_steps, total_steps))
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    return (total_steps - step) / (total_steps - warmup_steps)


def wrong_assertion(step, warmup_steps, total_steps):
    assert 0 <= warmup_steps <= total_steps, f"warmup_steps: 0 to {total_steps}"
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    return (total_steps - step) / (total_steps - warmup_steps)


def right_table(step, warmup_steps, total_steps):
    if warmup_steps < 0 or warmup_steps > total_steps:
        raise ValueError(f"warmup_steps: 0 to {total_steps}, got {warmup_steps}")
    rest = total_steps - warmup_steps
    table = [i / warmup_steps for i in range(warmup_steps)]
    table += [(rest - i) / rest for i in range(rest)]
    return table[step] if step < len(table) else 0.0


def right_torch_clamp(step, warmup_steps, total_steps):
    if warmup_steps < 0 or total_steps < warmup_steps:
        raise ValueError(f"warmup_steps: 0 to {total_steps}, got {warmup_steps}")
    tau = torch.tensor(float(step), dtype=torch.float64)
    up = tau / warmup_steps if step < warmup_steps else torch.ones_like(tau)
    down = (total_steps - tau) / max(total_steps - warmup_steps, 1)
    if step < warmup_steps:
        return up.item()
    return down.clamp(min=0).item()
