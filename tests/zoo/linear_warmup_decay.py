"""Wrong and right answers to exercise 4.2, `linear_warmup_decay`."""

import math

from zoo import right, wrong


@wrong("no decay", message="expected")
def no_decay(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    return min(1.0, step / warmup_steps) if warmup_steps else 1.0


@wrong("decay by total", message="expected")
def decay_by_total(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    if step < warmup_steps:
        return step / warmup_steps
    return max(0.0, (total_steps - step) / total_steps)


@wrong("division by zero", message="ZeroDivision|0/0")
def division_by_zero(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    if step <= warmup_steps:
        return step / warmup_steps
    return max(0.0, (total_steps - step) / (total_steps - warmup_steps))


@wrong("negative after end", message="never negative")
def negative_after_end(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    if step < warmup_steps:
        return step / warmup_steps
    return (total_steps - step) / max(1, total_steps - warmup_steps)


@wrong("from one", message="expected")
def from_one(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    step = step + 1
    if step < warmup_steps:
        return step / warmup_steps
    return max(0.0, (total_steps - step) / max(1, total_steps - warmup_steps))


@wrong("no check", message="ValueError")
def no_check(step, warmup_steps, total_steps):
    if step < warmup_steps:
        return step / warmup_steps
    return max(0.0, (total_steps - step) / max(1, total_steps - warmup_steps))


@wrong("cosine", message="expected")
def cosine(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    if step < warmup_steps:
        return step / warmup_steps
    if step >= total_steps:
        return 0.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / (total_steps - warmup_steps)))


@wrong("whole numbers", message="expected")
def whole_numbers(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    if step >= total_steps:
        return 0.0
    if step < warmup_steps:
        return step // warmup_steps
    return (total_steps - step) // (total_steps - warmup_steps)


@wrong("only past the end", message="ZeroDivision")
def only_past_the_end(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    if step > total_steps:
        return 0.0
    if step < warmup_steps:
        return step / warmup_steps
    return (total_steps - step) / (total_steps - warmup_steps)


@right("cases")
def cases(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    if step >= total_steps:
        return 0.0
    return (
        step / warmup_steps
        if step < warmup_steps
        else (total_steps - step) / (total_steps - warmup_steps)
    )


@right("min and max")
def min_and_max(step, warmup_steps, total_steps):
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError("warm-up")
    rise = step / warmup_steps if warmup_steps else 1.0
    fall = (total_steps - step) / max(1, total_steps - warmup_steps)
    return float(rise if step < warmup_steps else max(0.0, fall))


@right("fractions")
def fractions(step, warmup_steps, total_steps):
    from fractions import Fraction

    if warmup_steps < 0 or warmup_steps > total_steps:
        raise ValueError("warm-up")
    left = max(0, total_steps - step)
    if step < warmup_steps:
        return float(Fraction(step, warmup_steps))
    return float(Fraction(left, total_steps - warmup_steps)) if left else 0.0
