"""Wrong and right answers to exercise 11.1, `flops`."""

import torch

from zoo import right, wrong


@wrong("multiply-adds", message="two operations")
def multiply_adds(config, sequence_length):
    c, s = config, sequence_length
    H, inner = c.hidden_size, c.intermediate_size
    return c.num_hidden_layers * (s * (4 * H * H + 2 * H * inner) + 2 * s * s * H)


@wrong("one attention product", message="two products")
def one_attention_product(config, sequence_length):
    c, s = config, sequence_length
    H, inner = c.hidden_size, c.intermediate_size
    return 2 * c.num_hidden_layers * (s * (4 * H * H + 2 * H * inner) + s * s * H)


@wrong("linear attention", message="264|square")
def linear_attention(config, sequence_length):
    c, s = config, sequence_length
    H, inner = c.hidden_size, c.intermediate_size
    return 2 * c.num_hidden_layers * (s * (4 * H * H + 2 * H * inner) + 2 * s * H)


@wrong("three projections", message="264")
def three_projections(config, sequence_length):
    c, s = config, sequence_length
    H, inner = c.hidden_size, c.intermediate_size
    return 2 * c.num_hidden_layers * (s * (3 * H * H + 2 * H * inner) + 2 * s * s * H)


@wrong("inner 4H", message="264|torch counts")
def inner_4H(config, sequence_length):
    c, s = config, sequence_length
    H = c.hidden_size
    return 2 * c.num_hidden_layers * (s * 12 * H * H + 2 * s * s * H)


@wrong("floats", message="whole number")
def floats(config, sequence_length):
    c, s = config, sequence_length
    H, inner = c.hidden_size, c.intermediate_size
    return 2.0 * c.num_hidden_layers * (s * (4 * H * H + 2 * H * inner) + 2 * s * s * H)


@wrong("adds embeddings", message="264")
def adds_embeddings(config, sequence_length):
    c, s = config, sequence_length
    H, inner = c.hidden_size, c.intermediate_size
    return (
        2 * c.num_hidden_layers * (s * (4 * H * H + 2 * H * inner) + 2 * s * s * H)
        + 2 * s * c.vocab_size * H
    )


@wrong("attention of each head", message="264|torch counts")
def attention_of_each_head(config, sequence_length):
    c, s = config, sequence_length
    H, inner = c.hidden_size, c.intermediate_size
    attention = 2 * s * s * H * c.num_attention_heads
    return 2 * c.num_hidden_layers * (s * (4 * H * H + 2 * H * inner) + attention)


@wrong("billions rounded", message="264|whole number")
def billions_rounded(config, sequence_length):
    c, s = config, sequence_length
    H, inner = c.hidden_size, c.intermediate_size
    exact = 2 * c.num_hidden_layers * (s * (4 * H * H + 2 * H * inner) + 2 * s * s * H)
    return round(exact / 1e9, 3) * 1e9


@wrong("float32", message="no 32-bit floats")
def float32(config, sequence_length):
    L, H, inner, s = (
        torch.tensor(float(x))
        for x in (
            config.num_hidden_layers,
            config.hidden_size,
            config.intermediate_size,
            sequence_length,
        )
    )
    return int(2 * L * (s * (4 * H * H + 2 * H * inner) + 2 * s * s * H))


@right("formula")
def formula(config, sequence_length):
    c, s = config, sequence_length
    return sum(
        2
        * (
            4 * s * c.hidden_size**2
            + 2 * s * c.hidden_size * c.intermediate_size
            + 2 * s * s * c.hidden_size
        )
        for _ in range(c.num_hidden_layers)
    )


@right("products one by one")
def products_one_by_one(config, sequence_length):
    s, H, inner = sequence_length, config.hidden_size, config.intermediate_size
    products = [(s, H, H)] * 4 + [(s, H, inner), (s, inner, H), (s, H, s), (s, s, H)]
    return 2 * config.num_hidden_layers * sum(m * k * n for m, k, n in products)


@right("per token")
def per_token(config, sequence_length):
    weights = 4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    looks = 2 * sequence_length * config.hidden_size
    return (weights + looks) * sequence_length * config.num_hidden_layers * 2


@right("numpy's whole number")
def numpy_integer(config, sequence_length):
    import numpy as np

    H, inner, s = map(np.int64, (config.hidden_size, config.intermediate_size, sequence_length))
    return np.int64(config.num_hidden_layers) * (s * (8 * H * H + 4 * H * inner) + 4 * s * s * H)
