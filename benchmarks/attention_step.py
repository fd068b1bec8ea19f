"""Time attention forwards and backwards on the CPU: `python benchmarks/attention_step.py`.

Torch's fused attention against two plain products, in both precisions; a minute. `layers` takes the
faster one. Prints the ratios and keeps no record, for it decides nothing but speed.
"""

import math
from collections.abc import Callable

import torch
from contest import contest
from torch.nn import functional as F

from tinybert_l.method.layers import attention_by_products
from tinybert_l.method.token_masks import attention_bias

HEADS, HEAD_SIZE = 12, 32
SIZES = ((32, 16), (32, 32), (32, 64), (16, 128), (8, 256), (4, 512))  # texts, tokens
ROUNDS = 5


def fused(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor, dropout: float
) -> torch.Tensor:
    """Torch's own attention, with the bias in the query's type, as it asks for."""
    bias = bias.clamp(min=torch.finfo(query.dtype).min).to(query.dtype)
    scale = 1 / math.sqrt(HEAD_SIZE)
    return F.scaled_dot_product_attention(query, key, value, bias, dropout, scale=scale)


def step(attend: Callable[..., torch.Tensor], texts: int, tokens: int, dtype: torch.dtype) -> None:
    """Run one attention forwards and backwards."""
    shape = (texts, HEADS, tokens, HEAD_SIZE)
    query, key, value = (torch.ones(shape, dtype=dtype, requires_grad=True) for _ in range(3))
    bias = attention_bias(torch.ones(texts, tokens), None, torch.float32)
    attend(query, key, value, bias, 0.0).float().sum().backward()


def main() -> None:
    for dtype in (torch.bfloat16, torch.float32):
        for texts, tokens in SIZES:
            ways = {"fused": fused, "products": attention_by_products}

            def timed(attend: Callable[..., torch.Tensor]) -> Callable[[], None]:
                return lambda: step(attend, texts, tokens, dtype)  # noqa: B023

            timings = contest({name: timed(attend) for name, attend in ways.items()}, ROUNDS)
            times = timings["products"].times_faster
            print(f"{dtype} {texts} × {tokens}: products {times:.1f}× as fast as fused")


if __name__ == "__main__":
    main()
