"""Models that several test files make."""

import shutil

import torch

from tinybert_l.generation import ElasticBertForCausalLM
from tinybert_l.model import ElasticBertConfig


def small_causal_model() -> ElasticBertForCausalLM:
    """A random language model of 4 layers over 50 tokens, with weights far enough from zero to matter."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 4}
    model = ElasticBertForCausalLM(ElasticBertConfig(**sizes, intermediate_size=32, max_position_embeddings=60))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
