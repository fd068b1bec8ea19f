"""Attention by two products is the fused one, where a CPU trains in bfloat16 and elsewhere."""

import pytest
import torch
from torch.nn import functional as F

from tinybert_l.method.layers import attention_by_products
from tinybert_l.method.token_masks import attention_bias


def random_heads(dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (3, 2, 5, 8)
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for _ in range(3)]


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.bfloat16, 4e-2)])
@pytest.mark.parametrize("causal", [False, True])
def test_two_products_equal_fused_attention_and_so_do_their_gradients(dtype, error, causal):
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    bias = attention_bias(mask, torch.ones(5, 5).tril().bool() if causal else None, torch.float32)
    results = []
    for attend in (attention_by_products, F.scaled_dot_product_attention):
        heads = random_heads(dtype)
        given = bias if attend is attention_by_products else bias.clamp(min=-1e30).to(dtype)
        context = attend(*heads, given, 0.0)
        context.float().sin().sum().backward()
        results.append([context, *(head.grad for head in heads)])
    for ours, theirs in zip(*results, strict=True):
        assert torch.isfinite(ours).all()  # the third text is padding alone
        torch.testing.assert_close(ours[:2], theirs[:2], atol=error, rtol=error)
