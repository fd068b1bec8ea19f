"""Mask, find and drop tokens: helpers of the forward pass on tensors [batch, tokens, ...]."""

from collections.abc import Sequence

import torch


def attention_bias(
    attention_mask: torch.Tensor | None, allowed: torch.Tensor | None, dtype: torch.dtype
) -> torch.Tensor | None:
    """Turn masks into a term to add to attention scores.

    The term is 0 where attention is allowed and the lowest number of `dtype` elsewhere.

    Args:
        attention_mask: 1 = token, 0 = padding, [batch, key]; None: no padding.
        allowed: bool [query, key], True where attention is allowed; None: everywhere.
    Returns:
        [batch or 1, 1, 1 or query, key]; None where neither mask is given.
    """
    lowest = torch.finfo(dtype).min
    bias = None
    if attention_mask is not None:
        bias = (1.0 - attention_mask[:, None, None, :].to(dtype)) * lowest
    if allowed is None:
        return bias
    forbidden = torch.zeros_like(allowed, dtype=dtype).masked_fill(~allowed, lowest)
    if bias is None:
        return forbidden[None, None]
    # The sum of two lowest numbers is -inf, and a row of -inf has no softmax.
    return torch.maximum(bias + forbidden, bias.new_tensor(lowest))


def attention_weights(scores: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Apply the bias of `attention_bias`, then softmax over the keys; the shape of `scores`."""
    if bias is not None:
        scores = scores + bias
    return torch.softmax(scores, -1)


def token_positions(attention_mask: torch.Tensor) -> torch.Tensor:
    """Count positions from each text's first token on, which has position 0.

    Args:
        attention_mask: 1 = token, 0 = padding at either side, [batch, length].
    Returns:
        Integers [batch, length]; padding at the left has position 0.
    """
    return (attention_mask.cumsum(-1) - 1).clamp(min=0)


def first_tokens(hidden: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
    """Pick each text's first token [batch, 1, hidden], with padding at either side."""
    if attention_mask is None:
        return hidden[:, :1]
    first = attention_mask.argmax(1)
    return hidden.gather(1, first[:, None, None].expand(-1, -1, hidden.shape[-1]))


def drop_tokens(
    hidden: torch.Tensor, mask: torch.Tensor, attended: torch.Tensor, counts: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Drop the tokens that the first token attends to least.

    Goyal et al. 2020 (PoWER-BERT) rank tokens by the attention of all; here [CLS] alone decides.
    Each text keeps its own number of tokens, in order and with its first token, so the result does
    not depend on the other texts of the batch.

    Args:
        hidden: [batch, tokens, hidden].
        mask: 1 = token, 0 = padding, [batch, tokens].
        attended: attention weight of the first token on each token, [batch, tokens].
        counts: number of tokens that each text keeps, at least 1.
    Returns:
        (hidden states [batch, max(counts), hidden], mask [batch, max(counts)]) of the kept tokens.
    """
    order = attended.masked_fill(mask == 0, -1.0)
    order[:, 0] = 2.0  # above every attention weight, so that the first token stays
    rank = order.argsort(dim=1, descending=True, stable=True).argsort(1)
    kept = rank < torch.tensor(counts, device=hidden.device)[:, None]
    # A stable sort moves the kept tokens to the front without changing their order.
    places = (~kept).to(torch.int8).argsort(dim=1, stable=True)[:, : max(counts)]
    kept_hidden = hidden.gather(1, places[..., None].expand(-1, -1, hidden.shape[-1]))
    return kept_hidden, kept.gather(1, places).long()
