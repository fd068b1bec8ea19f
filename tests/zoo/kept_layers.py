"""Wrong and right answers to exercise 3.1, `kept_layers`."""

import math

from zoo import right, wrong


@wrong("off by one", message="Layers count from 0")
def off_by_one(num_layers, depth):
    return [i * num_layers // depth for i in range(1, depth + 1)]


@wrong("first layers", message="worked example")
def first_layers(num_layers, depth):
    return list(range(depth))


@wrong("fixed step", message="fixed step")
def fixed_step(num_layers, depth):
    s = num_layers // depth
    return list(range(s - 1, num_layers, s))[:depth]


@wrong("rounds", message="round")
def rounds(num_layers, depth):
    return [round(i * num_layers / depth) - 1 for i in range(1, depth + 1)]


@wrong("no check", message="should raise ValueError")
def no_check(num_layers, depth):
    return [i * num_layers // depth - 1 for i in range(1, depth + 1)]


@wrong("floats", message="whole numbers")
def floats(num_layers, depth):
    return [i * num_layers / depth // 1 - 1 for i in range(1, depth + 1)]


@wrong("rounded step", message="multiply by i first")
def rounded_step(num_layers, depth):
    if not 1 <= depth <= num_layers:
        raise ValueError(f"1 to {num_layers}")
    step = num_layers / depth
    return [int(i * step) - 1 for i in range(1, depth + 1)]


@wrong("rounds up", message="floor")
def rounds_up(num_layers, depth):
    if not 1 <= depth <= num_layers:
        raise ValueError(f"1 to {num_layers}")
    return [math.ceil(i * num_layers / depth) - 1 for i in range(1, depth + 1)]


@right("error without the range")
def error_without_the_range(num_layers, depth):
    if not 1 <= depth <= num_layers:
        raise ValueError("wrong depth")
    return [i * num_layers // depth - 1 for i in range(1, depth + 1)]


@right("loop")
def loop(num_layers, depth):
    if depth < 1 or depth > num_layers:
        raise ValueError("at least one layer, at most all layers")
    out = []
    for i in range(1, depth + 1):
        out.append(int(i * num_layers / depth) - 1)
    return out


@right("by layer_map")
def by_layer_map(num_layers, depth):
    if depth < 1 or depth > num_layers:
        raise ValueError("深度为1到层数")
    return tuple(math.floor(i * num_layers / depth) - 1 for i in range(1, depth + 1))


@right("divmod")
def by_divmod(num_layers, depth):
    if depth not in range(1, num_layers + 1):
        raise ValueError(f"depth {depth} is not in 1..{num_layers}")
    step, rest = divmod(num_layers, depth)
    return [i * step + i * rest // depth - 1 for i in range(1, depth + 1)]
