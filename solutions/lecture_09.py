"""Reference answers of lecture 9."""

import torch


def causal_mask(query_length, key_length):
    if not 1 <= query_length <= key_length:
        raise ValueError(
            f"causal_mask: query_length={query_length}, key_length={key_length}; "
            "allowed: 1 <= query_length <= key_length."
        )
    positions = torch.arange(key_length - query_length, key_length)
    return torch.arange(key_length)[None, :] <= positions[:, None]


def top_p_filter(logits, p):
    if not 0 < p <= 1:
        raise ValueError(f"top_p_filter: p={p}; allowed: above 0 and at most 1.")
    if p == 1:
        return logits.clone()
    ranked, order = logits.sort(dim=-1, descending=True, stable=True)
    probabilities = torch.softmax(ranked.double(), dim=-1)
    # the probability of all tokens that are more likely than this one
    reached_before = probabilities.cumsum(dim=-1) - probabilities
    kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, reached_before < p)
    return logits.masked_fill(~kept, float("-inf"))


def distinct_n(token_ids, n):
    if n < 1:
        raise ValueError(f"distinct_n: n={n}; allowed: at least 1.")
    ngrams = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    return len(set(ngrams)) / len(ngrams) if ngrams else 0.0
