"""Held-out answers to exercise 4.4, `weight_decay_by_name`."""

import math

import torch


def wrong_matrices_only(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError("weight_decay")
    return {name: weight_decay if len(shape) == 2 else 0.0 for name, shape in shapes.items()}


def wrong_ones_are_squeezed(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError("weight_decay")
    return {
        n: 0.0 if len([d for d in s if d != 1]) == 1 else weight_decay for n, s in shapes.items()
    }


def wrong_zero_refused(shapes, weight_decay):
    if weight_decay <= 0:
        raise ValueError("weight_decay")
    return {name: 0.0 if len(shape) == 1 else weight_decay for name, shape in shapes.items()}


def wrong_checks_in_the_loop(shapes, weight_decay):
    decay = {}
    for name, shape in shapes.items():
        if len(shape) == 1:
            decay[name] = 0.0
        elif weight_decay < 0:
            raise ValueError("weight_decay")
        else:
            decay[name] = weight_decay
    return decay


def wrong_writes_into_shapes(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError("weight_decay")
    for name in shapes:
        shapes[name] = 0.0 if len(shapes[name]) == 1 else weight_decay
    return shapes


def wrong_small_is_a_bias(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError("weight_decay")
    return {
        name: 0.0 if math.prod(shape) == max(shape) else weight_decay
        for name, shape in shapes.items()
    }


def wrong_default_only(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError("weight_decay")
    return {name: 0.0 if len(shape) == 1 else 0.01 for name, shape in shapes.items()}


def wrong_matrices_alone_listed(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError("weight_decay")
    return {name: weight_decay for name, shape in shapes.items() if len(shape) != 1}


def right_loop(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError("weight_decay must not be negative")
    result = dict.fromkeys(shapes, weight_decay)
    for name, shape in shapes.items():
        match list(shape):
            case [_]:
                result[name] = 0.0
    return result


def right_size(shapes, weight_decay):
    if not weight_decay >= 0:
        raise ValueError("weight_decay must not be negative")
    return {
        name: weight_decay * (torch.Size(shape).numel() >= 0 and len(torch.Size(shape)) != 1)
        for name, shape in shapes.items()
    }


def right_map(shapes, weight_decay):
    if weight_decay < 0.0:
        raise ValueError("weight_decay must not be negative")
    vectors = {name for name in shapes if len(tuple(shapes[name])) == 1}
    decay = {}
    for name in shapes:
        decay[name] = 0 if name in vectors else weight_decay
    return decay


def wrong_plain_tuples_only(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError("weight_decay must be at least 0")
    decays = {}
    for name, shape in shapes.items():
        many = type(shape) is tuple and len(shape) > 1
        decays[name] = weight_decay if many else 0.0
    return decays


def wrong_embeddings_spared(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError("weight_decay must be at least 0")
    decays = {}
    for name, shape in shapes.items():
        spared = len(shape) == 1 or "embeddings" in name
        decays[name] = 0.0 if spared else weight_decay
    return decays


def wrong_keeps_earlier_names(shapes, weight_decay, decays={}):
    if weight_decay < 0:
        raise ValueError("weight_decay must be at least 0")
    for name, shape in shapes.items():
        decays[name] = weight_decay if len(shape) > 1 else 0.0
    return decays


def right_product(shapes, weight_decay):
    if weight_decay < 0:
        raise ValueError(f"weight_decay={weight_decay}; allowed: at least 0")
    return {name: weight_decay * (len(shape) > 1) for name, shape in shapes.items()}


def right_two_steps(shapes, weight_decay):
    if not weight_decay >= 0:
        raise ValueError(f"weight_decay={weight_decay}; allowed: at least 0")
    decays = dict.fromkeys(shapes, 0.0)
    for name in shapes:
        try:
            shapes[name][1]
        except IndexError:
            continue
        decays[name] = weight_decay
    return decays
