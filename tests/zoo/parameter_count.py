"""Wrong and right answers to exercise 1.1, `parameter_count`."""

import math

import torch

from zoo import right, wrong


@wrong("no biases", message="biases")
def no_biases(config, pooler=True):
    c, H, inner = config, config.hidden_size, config.intermediate_size
    emb = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * H + 2 * H
    layer = 4 * (H * H + 0) + 2 * H * inner + 0 + 4 * H
    return emb + c.num_hidden_layers * layer + (H * H + H if pooler else 0)


@wrong("no embedding norm", message="LayerNorm after the embeddings")
def no_embedding_norm(config, pooler=True):
    c, H, inner = config, config.hidden_size, config.intermediate_size
    emb = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * H + 0
    layer = 4 * (H * H + H) + 2 * H * inner + inner + H + 4 * H
    return emb + c.num_hidden_layers * layer + (H * H + H if pooler else 0)


@wrong("pooler always", message="Without the pooler")
def pooler_always(config, pooler=True):
    c, H, inner = config, config.hidden_size, config.intermediate_size
    emb = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * H + 2 * H
    layer = 4 * (H * H + H) + 2 * H * inner + inner + H + 4 * H
    return emb + c.num_hidden_layers * layer + H * H + H


@wrong("one norm a layer", message="84 parameters")
def one_norm_a_layer(config, pooler=True):
    c, H, inner = config, config.hidden_size, config.intermediate_size
    emb = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * H + 2 * H
    layer = 4 * (H * H + H) + 2 * H * inner + inner + H + 2 * H
    return emb + c.num_hidden_layers * layer + (H * H + H if pooler else 0)


@wrong("ffn biases alike", message="84 parameters")
def ffn_biases_alike(config, pooler=True):
    c, H, inner = config, config.hidden_size, config.intermediate_size
    emb = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * H + 2 * H
    layer = 4 * (H * H + H) + 2 * H * inner + 2 * inner + 4 * H
    return emb + c.num_hidden_layers * layer + (H * H + H if pooler else 0)


@wrong("three projections", message="84 parameters")
def three_projections(config, pooler=True):
    c, H, inner = config, config.hidden_size, config.intermediate_size
    emb = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * H + 2 * H
    layer = 3 * (H * H + H) + 2 * H * inner + inner + H + 4 * H
    return emb + c.num_hidden_layers * layer + (H * H + H if pooler else 0)


@wrong("fixed token types", message="every number of the table")
def fixed_token_types(config, pooler=True):
    c, H, inner = config, config.hidden_size, config.intermediate_size
    emb = (c.vocab_size + c.max_position_embeddings + 2) * H + 2 * H
    layer = 4 * (H * H + H) + 2 * H * inner + inner + H + 4 * H
    return emb + c.num_hidden_layers * layer + (H * H + H if pooler else 0)


@wrong("inner is 4H", message="84|every number")
def inner_is_4H(config, pooler=True):
    c, H, inner = config, config.hidden_size, 4 * config.hidden_size
    emb = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * H + 2 * H
    layer = 4 * (H * H + H) + 2 * H * inner + inner + H + 4 * H
    return emb + c.num_hidden_layers * layer + (H * H + H if pooler else 0)


@wrong("floats", message="whole number")
def floats(config, pooler=True):
    c, H, inner = config, config.hidden_size, config.intermediate_size
    emb = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * H + 2 * H
    layer = 4 * (H * H + H) + 2 * H * inner + inner + H + 4 * H
    return float(emb + c.num_hidden_layers * layer + (H * H + H if pooler else 0))


@wrong("layers shared", message="109,482,240")
def layers_shared(config, pooler=True):
    c, H, inner = config, config.hidden_size, config.intermediate_size
    emb = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * H + 2 * H
    layer = 4 * (H * H + H) + 2 * H * inner + inner + H + 4 * H
    return emb + layer + (H * H + H if pooler else 0)


@wrong("remembered by size", message="anew at each call")
def remembered_by_size(config, pooler=True):
    cache = globals().setdefault("_counted", {})
    H, inner, L = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    key = (H, L, pooler)
    if key not in cache:
        rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
        layer = 4 * (H * H + H) + 2 * H * inner + H + inner + 4 * H
        cache[key] = rows * H + 2 * H + L * layer + (H * H + H if pooler else 0)
    return cache[key]


@wrong("changes the configuration", message="Without the pooler")
def changes_the_configuration(config, pooler=True):
    H, inner = config.hidden_size, config.intermediate_size
    config.vocab_size += config.max_position_embeddings + config.type_vocab_size
    layer = 4 * (H * H + H) + 2 * H * inner + H + inner + 4 * H
    embeddings = config.vocab_size * H + 2 * H
    return embeddings + config.num_hidden_layers * layer + (H * H + H if pooler else 0)


@right("formula")
def formula(config, pooler=True):
    c, H, inner = config, config.hidden_size, config.intermediate_size
    emb = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * H + 2 * H
    layer = 4 * (H * H + H) + 2 * H * inner + inner + H + 4 * H
    return emb + c.num_hidden_layers * layer + (H * H + H if pooler else 0)


@right("instantiates")
def instantiates(config, pooler=True):
    from transformers import BertModel

    with torch.device("meta"):
        return sum(p.numel() for p in BertModel(config, add_pooling_layer=pooler).parameters())


@right("shapes one by one")
def shapes_one_by_one(config, pooler=True):
    H, inner = config.hidden_size, config.intermediate_size
    norm = [(H,), (H,)]
    layer = [(H, H), (H,)] * 4 + [(H, inner), (inner,), (inner, H), (H,)] + norm * 2
    tables = (config.vocab_size, config.max_position_embeddings, config.type_vocab_size)
    shapes = [(rows, H) for rows in tables] + norm + layer * config.num_hidden_layers
    if pooler:
        shapes += [(H, H), (H,)]
    return sum(math.prod(shape) for shape in shapes)


@right("numpy's sum")
def numpy_sum(config, pooler=True):
    import numpy as np

    H, inner, L = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    V = np.array([config.vocab_size, config.max_position_embeddings, config.type_vocab_size])
    terms = np.array(
        [V.sum() * H, 2 * H, L * (4 * H * H + 2 * H * inner + 9 * H + inner), pooler * (H * H + H)]
    )
    return terms.sum()
