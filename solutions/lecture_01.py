"""Reference answers of lecture 1."""

import torch


def parameter_count(config, pooler=True):
    hidden, inner = config.hidden_size, config.intermediate_size
    tables = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    layer_norm = 2 * hidden
    projection = hidden * hidden + hidden
    attention = 4 * projection + layer_norm
    ffn = (hidden * inner + inner) + (inner * hidden + hidden) + layer_norm
    embeddings = tables * hidden + layer_norm
    return embeddings + config.num_hidden_layers * (attention + ffn) + (projection if pooler else 0)


def soft_cross_entropy(student_logits, teacher_logits, temperature=1.0):
    if student_logits.shape != teacher_logits.shape:
        raise ValueError(
            f"soft_cross_entropy: student_logits {tuple(student_logits.shape)} and teacher_logits "
            f"{tuple(teacher_logits.shape)} differ in shape; allowed: one shape [batch, classes]."
        )
    if not 0 < temperature < float("inf"):
        raise ValueError(
            f"soft_cross_entropy: temperature={temperature}; allowed: a finite number above 0."
        )
    soft_labels = torch.softmax(teacher_logits.detach() / temperature, dim=-1)
    log_probabilities = torch.log_softmax(student_logits / temperature, dim=-1)
    return -(soft_labels * log_probabilities).sum(dim=-1).mean()
