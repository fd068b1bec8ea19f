"""Held-out answers to exercise 11.1, `flops`."""

import math

import torch


def wrong_float32(config, sequence_length):
    L, H, I, s = (
        torch.tensor(float(x))
        for x in (
            config.num_hidden_layers,
            config.hidden_size,
            config.intermediate_size,
            sequence_length,
        )
    )
    return int(2 * L * (s * (4 * H * H + 2 * H * I) + 2 * s * s * H))


def wrong_int32(config, sequence_length):
    L, H, I, s = (
        torch.tensor(x, dtype=torch.int32)
        for x in (
            config.num_hidden_layers,
            config.hidden_size,
            config.intermediate_size,
            sequence_length,
        )
    )
    return int(2 * L * (s * (4 * H * H + 2 * H * I) + 2 * s * s * H))


def wrong_one_layer(config, sequence_length):
    H, I, s = config.hidden_size, config.intermediate_size, sequence_length
    return 2 * (s * (4 * H * H + 2 * H * I) + 2 * s * s * H)


def wrong_causal(config, sequence_length):
    L, H, I, s = (
        config.num_hidden_layers,
        config.hidden_size,
        config.intermediate_size,
        sequence_length,
    )
    return 2 * L * (s * (4 * H * H + 2 * H * I) + s * (s + 1) * H)


def wrong_pooler(config, sequence_length):
    L, H, I, s = (
        config.num_hidden_layers,
        config.hidden_size,
        config.intermediate_size,
        sequence_length,
    )
    return 2 * L * (s * (4 * H * H + 2 * H * I) + 2 * s * s * H) + 2 * H * H


def wrong_head_size_64(config, sequence_length):
    L, H, I, s = (
        config.num_hidden_layers,
        config.hidden_size,
        config.intermediate_size,
        sequence_length,
    )
    d = H // config.num_attention_heads
    return (
        2
        * L
        * (
            s * (4 * H * H + 2 * H * I)
            + 2 * s * s * config.num_attention_heads * d * (1 if H % 64 == 0 or H < 64 else 0)
        )
    )


def right_list_of_products(config, sequence_length):
    H, I, s = config.hidden_size, config.intermediate_size, sequence_length
    products = [(s, H, H)] * 4 + [(s, H, I), (s, I, H), (s, H, s), (s, s, H)]
    return sum(2 * m * k * n for m, k, n in products for _ in range(config.num_hidden_layers))


def right_numpy(config, sequence_length):
    import numpy as np

    H, I, s = map(np.int64, (config.hidden_size, config.intermediate_size, sequence_length))
    return int(config.num_hidden_layers * np.dot([8 * H * H + 4 * H * I, 4 * H], [s, s * s]))


def right_numpy_integer(config, sequence_length):
    import numpy as np

    H, I, s = map(np.int64, (config.hidden_size, config.intermediate_size, sequence_length))
    return np.int64(config.num_hidden_layers) * (s * (8 * H * H + 4 * H * I) + 4 * s * s * H)


def right_recursive(config, sequence_length):
    H, I, s = config.hidden_size, config.intermediate_size, sequence_length

    def layers(left):
        if left == 0:
            return 0
        return layers(left - 1) + s * (4 * H * H + 2 * H * I) + 2 * s * s * H

    return layers(config.num_hidden_layers) * 2


def wrong_remembers_the_sizes(config, sequence_length, known={}):
    key = config.num_hidden_layers, config.hidden_size, config.intermediate_size
    if key not in known:
        layers, h, i = key
        s = sequence_length
        known[key] = 2 * layers * (s * (4 * h * h + 2 * h * i) + 2 * s * s * h)
    return known[key]


def wrong_uses_up_the_layers(config, sequence_length):
    h, i, s = config.hidden_size, config.intermediate_size, sequence_length
    total = 0
    while config.num_hidden_layers > 0:
        total += 2 * (s * (4 * h * h + 2 * h * i) + 2 * s * s * h)
        config.num_hidden_layers -= 1
    return total


def wrong_square_of_length_everywhere(config, sequence_length):
    h, i, s = config.hidden_size, config.intermediate_size, sequence_length
    return 2 * config.num_hidden_layers * (s * s * (4 * h * h + 2 * h * i) + 2 * s * s * h)


def right_factored(config, sequence_length):
    h, i, s = config.hidden_size, config.intermediate_size, sequence_length
    return 4 * config.num_hidden_layers * s * h * (2 * h + i + s)


def right_products_of_a_layer(config, sequence_length):
    s, h, i = sequence_length, config.hidden_size, config.intermediate_size
    products = [(s, h, h)] * 4 + [(s, h, i), (s, i, h), (s, h, s), (s, s, h)]
    return config.num_hidden_layers * sum(2 * math.prod(shape) for shape in products)
