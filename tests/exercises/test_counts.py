"""The counters of lectures 1 and 11 give the integers that papers print."""

import pytest
import torch
from transformers import BertConfig, BertModel

from tinybert_l import flops, parameter_count
from tinybert_l.exercises.lecture_11 import _counted_by_torch

# Layers, hidden size, FFN size, parameters with and without pooler, GFLOPs over 128 tokens.
PUBLISHED = [
    (12, 768, 3072, 109_482_240, 108_891_648, 22.347),
    (6, 768, 3072, 66_955_008, 66_364_416, 11.174),
    (4, 768, 3072, 52_779_264, 52_188_672, 7.449),
    (4, 512, 2048, 28_763_648, 28_500_992, 3.355),
    (4, 312, 1200, 14_350_248, 14_252_592, 1.247),
    (12, 384, 1536, 33_360_000, 33_212_160, 5.738),
    (6, 384, 1536, 22_713_216, 22_565_376, 2.869),
]


@pytest.mark.parametrize(("layers", "hidden", "inner", "pooled", "bare", "gflops"), PUBLISHED)
def test_counters_give_the_published_integers(layers, hidden, inner, pooled, bare, gflops):
    config = BertConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        intermediate_size=inner,
        num_attention_heads=12 if hidden % 12 == 0 else 8,
    )
    assert parameter_count(config) == pooled
    assert parameter_count(config, pooler=False) == bare
    assert round(flops(config, 128) / 1e9, 3) == gflops
    assert flops(config, 128) == _counted_by_torch(config, 128)
    with torch.device("meta"):
        assert sum(p.numel() for p in BertModel(config).parameters()) == pooled
