"""Local-window attention with one global token: cost linear in length (Beltagy et al. 2020, Longformer)."""

import math

import torch
from torch.nn import functional as F


def windowed_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bias: torch.Tensor | None,
    window: int,
) -> torch.Tensor:
    """Attention in blocks: a token sees its own block, the two beside it, and the first token ([CLS]).

    The first token sees everything. Equals full attention when `window` covers the whole text.

    Args:
        query, key, value: [batch, heads, length, head_size].
        bias: added to the scores, 0 at tokens and very low at padding, [batch, 1, 1, length]; None: no padding.
        window: tokens a block, at least 1.
    Returns:
        Context [batch, heads, length, head_size].
    Raises:
        ValueError: window below 1.
    """
    if window < 1:
        raise ValueError(f"windowed_attention: window={window}; allowed: at least 1 token.")
    batch, _, length, head_size = query.shape
    blocks = -(-length // window)
    tail = blocks * window - length
    if bias is None:
        bias = query.new_zeros(batch, 1, 1, length)
    is_first = (
        torch.arange(length, device=query.device) == 0
    )  # it is everyone's global key: not counted twice
    local_bias = bias.masked_fill(is_first, -math.inf).transpose(2, 3)
    all_bias = _neighbours(
        local_bias, bias[:, :, :1, :1], blocks, window, tail, -math.inf
    ).transpose(3, 4)
    blocked_query = F.pad(query, (0, 0, 0, tail)).unflatten(2, (blocks, window))
    keys, values = (
        _neighbours(part, part[:, :, :1], blocks, window, tail) for part in (key, value)
    )
    scores = torch.matmul(blocked_query, keys.transpose(3, 4)) / math.sqrt(head_size) + all_bias
    context = torch.matmul(torch.softmax(scores, -1), values)
    first = F.scaled_dot_product_attention(query[:, :, :1], key, value, attn_mask=bias)
    return torch.cat((first, context.flatten(2, 3)[:, :, 1:length]), 2)


def _neighbours(
    features: torch.Tensor,
    first: torch.Tensor,
    blocks: int,
    window: int,
    tail: int,
    filler: float = 0.0,
) -> torch.Tensor:
    """What each block looks at: the first token, then three blocks; [batch, heads, blocks, 1 + 3·window, numbers]."""
    padded = F.pad(features, (0, 0, window, window + tail), value=filler).unflatten(
        2, (blocks + 2, window)
    )
    before, own, after = padded[:, :, :-2], padded[:, :, 1:-1], padded[:, :, 2:]
    return torch.cat((first[:, :, None].expand(-1, -1, blocks, -1, -1), before, own, after), 3)
