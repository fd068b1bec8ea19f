"""Windowed attention equals full attention under the mask that it stands for."""

import math

import pytest
import torch
from torch.nn import functional as F

from tinybert_l.method.windowed import windowed_attention


def sees(i: int, j: int, window: int) -> bool:
    """Whether token i attends to token j: in neighbouring blocks, or one is the first token."""
    return abs(i // window - j // window) <= 1 or 0 in (i, j)


@pytest.mark.parametrize("window", [1, 3, 11, 50])
def test_windowed_attention_equals_full_attention_under_its_mask(window):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 11, 4) for _ in range(3))
    mask = torch.ones(2, 11)
    mask[1, 6:] = 0
    bias = (1 - mask)[:, None, None, :] * torch.finfo(torch.float32).min
    allowed = torch.tensor([[sees(i, j, window) for j in range(11)] for i in range(11)])
    full_bias = bias.masked_fill(~allowed, -math.inf)
    expected = F.scaled_dot_product_attention(query, key, value, full_bias)
    got = windowed_attention(query, key, value, bias, window)
    assert torch.allclose(got[0], expected[0], atol=1e-5)
    assert torch.allclose(got[1, :, :6], expected[1, :, :6], atol=1e-5)


def test_a_window_below_one_token_is_refused():
    with pytest.raises(ValueError, match="window=0; allowed: at least 1"):
        windowed_attention(*torch.randn(3, 1, 1, 4, 2), None, 0)


def test_a_window_that_covers_the_text_changes_nothing_in_the_model(supernet, padded):
    full = supernet(**padded).logits
    for layer in supernet.bert.layers:
        layer.attention.self.window = 9
    assert torch.allclose(supernet(**padded).logits, full, atol=1e-5)
