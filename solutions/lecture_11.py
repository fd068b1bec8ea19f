"""Reference answers of lecture 11."""


def flops(config, sequence_length):
    if sequence_length < 1:
        raise ValueError(f"flops: sequence_length={sequence_length}; allowed: at least 1.")
    s, hidden, inner = sequence_length, config.hidden_size, config.intermediate_size
    projections = s * (4 * hidden**2 + 2 * hidden * inner)
    attention = 2 * s**2 * hidden
    return 2 * config.num_hidden_layers * (projections + attention)
