"""The configuration of the elastic models."""

from typing import Any

from transformers import AutoConfig, BertConfig

from tinybert_l.errors import InvalidInput

# For runs that see each text at most once: no risk of overfitting, and SDPA has a faster kernel
# without dropout.
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


class ElasticBertConfig(BertConfig):
    """A `BertConfig` whose heads need not fill the hidden size.

    Args:
        attention_head_size: numbers per head; None: hidden_size / num_attention_heads, as in BERT.
        attention_window: block size of local-window attention (see `windowed`); None: full.
        kept_length: share of the tokens that reach the last layer when `forward` gets no sub-model.
        Everything else as in `BertConfig`.
    Raises:
        InvalidInput: `num_hidden_layers` below 1, or no head size given and hidden_size not
            divisible.
    """

    model_type = "elastic_bert"
    attention_head_size: int | None = None
    attention_window: int | None = None
    kept_length: float = 1.0

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.num_hidden_layers < 1:
            raise InvalidInput(
                f"ElasticBertConfig: num_hidden_layers={self.num_hidden_layers}; "
                "allowed: at least 1."
            )
        if self.attention_head_size is None:
            if self.hidden_size % self.num_attention_heads:
                raise InvalidInput(
                    f"ElasticBertConfig: hidden_size={self.hidden_size} is no multiple of "
                    f"num_attention_heads={self.num_attention_heads}; give attention_head_size."
                )
            self.attention_head_size = self.hidden_size // self.num_attention_heads


def config_settings(config: Any) -> dict[str, Any]:
    """Return a configuration's settings without those that name a class.

    `ElasticBertConfig(**config_settings(config))` is the elastic configuration of the same sizes.
    """
    settings = config.to_dict()
    settings.pop("model_type", None)
    settings.pop("architectures", None)
    return settings


# transformers reads a checkpoint's `model_type` and finds this class by it.
AutoConfig.register(ElasticBertConfig.model_type, ElasticBertConfig, exist_ok=True)
