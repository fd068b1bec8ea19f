"""Held-out answers to exercise 3.1, `kept_layers`."""

import math


def wrong_divides_first(num_layers, depth):
    if not 1 <= depth <= num_layers:
        raise ValueError(f"depth must be in 1..{num_layers}, got {depth}")
    step = num_layers / depth
    return [int(i * step) - 1 for i in range(1, depth + 1)]


def wrong_negative_depth(num_layers, depth):
    if depth == 0 or depth > num_layers:
        raise ValueError(f"depth must be in 1..{num_layers}, got {depth}")
    return [i * num_layers // depth - 1 for i in range(1, depth + 1)]


def wrong_silent_error(num_layers, depth):
    if not 1 <= depth <= num_layers:
        raise ValueError
    return [i * num_layers // depth - 1 for i in range(1, depth + 1)]


def wrong_error_says_nothing_of_range(num_layers, depth):
    if not 1 <= depth <= num_layers:
        raise ValueError("wrong depth")
    return [i * num_layers // depth - 1 for i in range(1, depth + 1)]


def wrong_index_error(num_layers, depth):
    if not 1 <= depth <= num_layers:
        raise IndexError(f"depth must be in 1..{num_layers}, got {depth}")
    return [i * num_layers // depth - 1 for i in range(1, depth + 1)]


def wrong_full_depth_refused(num_layers, depth):
    if not 1 <= depth < num_layers:
        raise ValueError(f"depth must be from 1 to {num_layers}, got {depth}")
    return [i * num_layers // depth - 1 for i in range(1, depth + 1)]


def wrong_even_numbers_only(num_layers, depth):
    if not 1 <= depth <= num_layers:
        raise ValueError(f"depth must be from 1 to {num_layers}, got {depth}")
    step = num_layers // depth
    return [num_layers - 1 - step * i for i in reversed(range(depth))]


def right_numpy(num_layers, depth):
    import numpy as np

    if depth < 1 or depth > num_layers:
        raise ValueError(f"1 <= depth <= {num_layers}")
    return (np.arange(1, depth + 1) * num_layers // depth - 1).tolist()


def right_fraction(num_layers, depth):
    from fractions import Fraction

    if depth not in range(1, num_layers + 1):
        raise ValueError(f"depth {depth} is not allowed: it must be between 1 and {num_layers}.")
    return [math.floor(Fraction(i * num_layers, depth)) - 1 for i in range(1, depth + 1)]


def right_search(num_layers, depth):
    if depth < 1:
        raise ValueError(f"depth must be at least 1 and at most {num_layers}")
    if depth > num_layers:
        raise ValueError(f"深度最大为{num_layers}，最小为1")
    kept = []
    for layer in range(num_layers):
        if (layer + 1) * depth // num_layers > layer * depth // num_layers:
            kept.append(layer)
    result = []
    for i in range(1, depth + 1):
        k = 0
        while (k + 1) * depth <= i * num_layers:
            k += 1
        result.append(k - 1)
    return result


def wrong_both_ends(num_layers, depth):
    if depth < 1 or depth > num_layers:
        raise ValueError(f"depth must be from 1 to {num_layers}, got {depth}")
    if depth == 1:
        return [num_layers - 1]
    return [i * (num_layers - 1) // (depth - 1) for i in range(depth)]


def wrong_remembers_depth(num_layers, depth, known={}):
    if depth < 1 or depth > num_layers:
        raise ValueError(f"depth must be from 1 to {num_layers}, got {depth}")
    if depth not in known:
        known[depth] = [i * num_layers // depth - 1 for i in range(1, depth + 1)]
    return known[depth]


def wrong_assertion(num_layers, depth):
    assert 1 <= depth <= num_layers, f"depth must be from 1 to {num_layers}"
    return [i * num_layers // depth - 1 for i in range(1, depth + 1)]


def right_counting(num_layers, depth):
    if depth < 1 or depth > num_layers:
        raise ValueError(f"kept_layers: depth={depth}; allowed: 1 to {num_layers}.")
    kept = []
    for i in range(1, depth + 1):
        reached = sum(1 for layer in range(1, num_layers + 1) if layer * depth <= i * num_layers)
        kept.append(reached - 1)
    return kept


def right_recursive(num_layers, depth):
    if not (0 < depth <= num_layers):
        raise ValueError(f"kept_layers: depth={depth}; allowed: 1 to {num_layers}.")

    def first(count):
        return [] if count == 0 else [*first(count - 1), count * num_layers // depth - 1]

    return first(depth)
