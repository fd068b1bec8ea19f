"""Wrong and right answers to exercise 4.4, `weight_decay_by_name`."""

import math

from zoo import right, wrong


@wrong("by name", message="shape decides|shape")
def by_name(shapes, weight_decay):
    return {n: 0.0 if "bias" in n or "LayerNorm" in n else weight_decay for n in shapes}


@wrong("bias only", message="one-dimensional")
def bias_only(shapes, weight_decay):
    return {n: 0.0 if n.endswith("bias") else weight_decay for n in shapes}


@wrong("inverted", message="Matrices decay")
def inverted(shapes, weight_decay):
    return {n: weight_decay if len(s) == 1 else 0.0 for n, s in shapes.items()}


@wrong("matrices only", message="shape decides")
def matrices_only(shapes, weight_decay):
    return {n: weight_decay if len(s) == 2 else 0.0 for n, s in shapes.items()}


@wrong("all", message="Biases do not")
def only_all(shapes, weight_decay):
    return dict.fromkeys(shapes, weight_decay)


@wrong("no check", message="negative")
def no_check(shapes, weight_decay):
    return {n: 0.0 if len(s) == 1 else weight_decay for n, s in shapes.items()}


@wrong("leaves out", message="Biases")
def leaves_out(shapes, weight_decay):
    return {n: weight_decay for n, s in shapes.items() if len(s) > 1}


@wrong("one long axis", message="count the axes")
def one_long_axis(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError("weight_decay")
    return {n: 0.0 if max(s) == math.prod(s) else weight_decay for n, s in shapes.items()}


@wrong("zero refused", message="weight_decay")
def zero_refused(shapes, weight_decay):
    if weight_decay <= 0:
        raise ValueError("weight_decay")
    return {n: 0.0 if len(s) == 1 else weight_decay for n, s in shapes.items()}


@wrong("checks in the loop", message="whatever the shapes")
def checks_in_the_loop(shapes, weight_decay):
    decay = {}
    for name, shape in shapes.items():
        if len(shape) == 1:
            decay[name] = 0.0
        elif weight_decay < 0:
            raise ValueError("weight_decay")
        else:
            decay[name] = weight_decay
    return decay


@right("loop")
def loop(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError("weight_decay")
    out = {}
    for name in shapes:
        out[name] = weight_decay if len(tuple(shapes[name])) != 1 else 0.0
    return out


@right("dict of pairs")
def dict_of_pairs(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError("weight_decay")
    pairs = ((k, weight_decay * (len(v) > 1)) for k, v in shapes.items())
    return dict(pairs)


@right("unpacks the shape")
def unpacks_the_shape(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError("weight_decay")
    rates = dict.fromkeys(shapes, weight_decay)
    for name, (_, *more_axes) in shapes.items():
        if not more_axes:
            rates[name] = 0.0
    return rates
