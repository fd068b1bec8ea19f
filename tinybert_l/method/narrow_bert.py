"""A BERT whose heads do not fill its hidden size: what a narrow sub-model is once it stands alone.

An exported folder holds a copy of this file, which transformers runs where `tinybert_l` is not
installed (`trust_remote_code=True`); so it imports torch and transformers alone.
"""

from typing import Any

from torch import nn
from transformers import BertConfig, BertForSequenceClassification


class NarrowBertConfig(BertConfig):
    """A `BertConfig` with a head size of its own.

    Args:
        attention_head_size: numbers per head.
        Everything else as in `BertConfig`.
    """

    model_type = "elastic_bert"
    attention_head_size: int | None = None


class NarrowBertForSequenceClassification(BertForSequenceClassification):
    """transformers' BERT with fewer heads; padding stands at the right."""

    config_class = NarrowBertConfig

    def __init__(self, config: Any) -> None:
        heads = config.num_attention_heads
        config.num_attention_heads = 1  # one divides every hidden size; the real ones come below
        super().__init__(config)
        config.num_attention_heads = heads
        size = config.attention_head_size or config.hidden_size // heads
        for layer in self.bert.encoder.layer:
            attention = layer.attention.self
            attention.num_attention_heads = heads
            attention.attention_head_size = size
            attention.all_head_size = heads * size
            attention.scaling = size**-0.5
            for name in ("query", "key", "value"):
                setattr(attention, name, nn.Linear(config.hidden_size, heads * size))
            layer.attention.output.dense = nn.Linear(heads * size, config.hidden_size)
