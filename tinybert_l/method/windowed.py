"""Local-window attention with one global token: cost linear in length.

Beltagy et al. 2020, Longformer, section 3.
"""

import math

import torch
from torch.nn import functional as F

from tinybert_l.errors import InvalidInput


def windowed_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bias: torch.Tensor | None,
    window: int,
) -> torch.Tensor:
    """Attend within blocks: a token sees its own block, the two beside it, and [CLS].

    [CLS], the first token, sees everything. Equals full attention when `window` covers the text.

    Args:
        query, key, value: [batch, heads, length, head_size].
        bias: added to the scores, 0 at tokens and very low at padding, [batch, 1, 1, length];
            None: no padding.
        window: tokens per block, at least 1.
    Returns:
        Context [batch, heads, length, head_size].
    Raises:
        InvalidInput: window below 1.
    """
    if window < 1:
        raise InvalidInput(f"windowed_attention: window={window}; allowed: at least 1 token.")
    batch, _, length, head_size = query.shape
    blocks = _blocks(length, window)
    tail = blocks * window - length
    if bias is None:
        bias = query.new_zeros(batch, 1, 1, length)
    blocked_bias = _blocked_bias(bias, window)
    blocked_query = F.pad(query, (0, 0, 0, tail)).unflatten(2, (blocks, window))
    keys = _with_neighbours(key, key[:, :, :1], window)
    values = _with_neighbours(value, value[:, :, :1], window)
    scores = torch.matmul(blocked_query, keys.transpose(3, 4)) / math.sqrt(head_size) + blocked_bias
    context = torch.matmul(torch.softmax(scores, -1), values)
    first = F.scaled_dot_product_attention(query[:, :, :1], key, value, attn_mask=bias)
    return torch.cat((first, context.flatten(2, 3)[:, :, 1:length]), 2)


def _blocks(length: int, window: int) -> int:
    """Return the number of blocks that hold `length` tokens, rounded up.

    Integer division alone, so that a traced length stays a variable of the exported graph.
    """
    return -(-length // window)


def _blocked_bias(bias: torch.Tensor, window: int) -> torch.Tensor:
    """Lay out the bias [batch, 1, 1, length] as the keys of each block.

    Returns:
        [batch, 1, blocks, 1, 1 + 3·window]: the first token's bias, then that of three blocks.
    """
    is_first = torch.arange(bias.shape[-1], device=bias.device) == 0
    # Every block has the first token as its global key; within a block it must not count again.
    local_bias = bias.masked_fill(is_first, -math.inf).transpose(2, 3)
    return _with_neighbours(local_bias, bias[:, :, :1, :1], window, -math.inf).transpose(3, 4)


def _with_neighbours(
    features: torch.Tensor, first: torch.Tensor, window: int, filler: float = 0.0
) -> torch.Tensor:
    """Give each block the features that it sees: the first token's, then those of three blocks.

    Args:
        features: [batch, heads, length, numbers].
        first: the first token's, [batch, heads, 1, numbers].
        window: tokens per block.
        filler: stands before the first block and after the last token.
    Returns:
        [batch, heads, blocks, 1 + 3·window, numbers].
    """
    length = features.shape[2]
    blocks = _blocks(length, window)
    tail = blocks * window - length
    padded = F.pad(features, (0, 0, window, window + tail), value=filler)
    padded = padded.unflatten(2, (blocks + 2, window))
    before = padded[:, :, :-2]
    same = padded[:, :, 1:-1]
    after = padded[:, :, 2:]
    first_of_block = first[:, :, None].expand(-1, -1, blocks, -1, -1)
    return torch.cat((first_of_block, before, same, after), 3)
