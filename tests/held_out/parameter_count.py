"""Held-out answers to exercise 1.1, `parameter_count`."""

import math

import torch


def wrong_padding_row(config, pooler=True):
    H, I, L = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    rows = config.vocab_size - 1 + config.max_position_embeddings + config.type_vocab_size
    layer = 4 * (H * H + H) + 2 * H * I + H + I + 4 * H
    return rows * H + 2 * H + L * layer + (H * H + H if pooler else 0)


def wrong_cached_by_size(config, pooler=True):
    cache = globals().setdefault("_counted", {})
    H, I, L = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    key = (H, L, pooler)
    if key not in cache:
        rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
        layer = 4 * (H * H + H) + 2 * H * I + H + I + 4 * H
        cache[key] = rows * H + 2 * H + L * layer + (H * H + H if pooler else 0)
    return cache[key]


def wrong_pooler_without_bias(config, pooler=True):
    H, I, L = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    layer = 4 * (H * H + H) + 2 * H * I + H + I + 4 * H
    return rows * H + 2 * H + L * layer + (H * H if pooler else 0)


def wrong_changes_config(config, pooler=True):
    H, I, L = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    config.vocab_size += config.max_position_embeddings + config.type_vocab_size
    layer = 4 * (H * H + H) + 2 * H * I + H + I + 4 * H
    return config.vocab_size * H + 2 * H + L * layer + (H * H + H if pooler else 0)


def right_meta_model(config, pooler=True):
    from transformers import BertModel

    with torch.device("meta"):
        model = BertModel(config, add_pooling_layer=pooler)
    return sum(p.numel() for p in model.parameters())


def right_shapes(config, pooler=True):
    H, I = config.hidden_size, config.intermediate_size
    shapes = [
        (config.vocab_size, H),
        (config.max_position_embeddings, H),
        (config.type_vocab_size, H),
    ]
    shapes += [(H,), (H,)]
    layer = [(H, H), (H,)] * 4 + [(I, H), (I,), (H, I), (H,)] + [(H,)] * 4
    for _ in range(config.num_hidden_layers):
        shapes.extend(layer)
    if pooler:
        shapes += [(H, H), (H,)]
    return sum(math.prod(shape) for shape in shapes)


def right_numpy(config, pooler=True):
    import numpy as np

    H, I, L = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    V = np.array([config.vocab_size, config.max_position_embeddings, config.type_vocab_size])
    terms = np.array(
        [V.sum() * H, 2 * H, L * (4 * H * H + 2 * H * I + 9 * H + I), pooler * (H * H + H)]
    )
    return terms.sum()


def wrong_stores_result_on_config(config, pooler=True):
    h, i = config.hidden_size, config.intermediate_size
    rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    layer = 4 * (h * h + h) + (h * i + i) + (i * h + h) + 4 * h
    config.num_parameters = rows * h + 2 * h + config.num_hidden_layers * layer
    return config.num_parameters + (h * h + h if pooler else 0)


def wrong_cached_by_identity(config, pooler=True, cache={}):
    key = (id(config), pooler)
    if key not in cache:
        h, i = config.hidden_size, config.intermediate_size
        rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
        layer = 4 * (h * h + h) + (h * i + i) + (i * h + h) + 4 * h
        total = rows * h + 2 * h + config.num_hidden_layers * layer
        cache[key] = config, total + (h * h + h if pooler else 0)
    return cache[key][1]


def wrong_segments_only_if_two(config, pooler=True):
    h, i = config.hidden_size, config.intermediate_size
    rows = config.vocab_size + config.max_position_embeddings
    if config.type_vocab_size > 1:
        rows += config.type_vocab_size
    layer = 4 * (h * h + h) + (h * i + i) + (i * h + h) + 4 * h
    total = rows * h + 2 * h + config.num_hidden_layers * layer
    return total + (h * h + h if pooler else 0)


def right_polynomial(config, pooler=True):
    h, i, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size + 2
    return h * rows + layers * (4 * h**2 + 2 * h * i + 9 * h + i) + pooler * h * (h + 1)


def right_recursion(config, pooler=True):
    def linear(inputs, outputs):
        return (inputs + 1) * outputs

    def layers(n):
        if n == 0:
            return 0
        h, i = config.hidden_size, config.intermediate_size
        return layers(n - 1) + 4 * linear(h, h) + linear(h, i) + linear(i, h) + 2 * 2 * h

    tables = [config.vocab_size, config.max_position_embeddings, config.type_vocab_size]
    total = sum(n * config.hidden_size for n in tables) + 2 * config.hidden_size
    total += layers(config.num_hidden_layers)
    if not pooler:
        return total
    return total + linear(config.hidden_size, config.hidden_size)
