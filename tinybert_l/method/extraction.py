"""Copy models: a BERT as an elastic model, and a sub-model as a model that stands alone."""

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_03 import slice_heads
from tinybert_l.method.config import ElasticBertConfig, config_settings
from tinybert_l.method.layers import ElasticLayer
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.submodels import SubModel, share_of


def elastic_copy(bert: PreTrainedModel) -> ElasticBertForSequenceClassification:
    """Copy a BERT classifier into an elastic model that computes the same function.

    The copy shares no memory with `bert` and is in eval mode.

    Raises:
        InvalidInput: `bert` is no BERT classifier.
    """
    if bert.config.model_type not in ("bert", "elastic_bert") or not hasattr(bert, "classifier"):
        raise InvalidInput(
            f"elastic_copy: bert is a {type(bert).__name__}; allowed: "
            "BertForSequenceClassification or ElasticBertForSequenceClassification."
        )
    config = ElasticBertConfig(**config_settings(bert.config))
    model = ElasticBertForSequenceClassification(config)
    model.load_state_dict(bert.state_dict())
    return model.eval()


def extract(
    model: ElasticBertForSequenceClassification, sub_model: SubModel
) -> ElasticBertForSequenceClassification:
    """Build the dense model that computes alone what the supernet computes at `sub_model`.

    It holds only the sub-model's weights, and can be saved, loaded and fine-tuned by itself.

    Raises:
        InvalidInput: `sub_model` is deeper than `model`.
    """
    model.check_sub_model(sub_model)
    num_heads = share_of(model.config.num_attention_heads, sub_model.width)
    num_neurons = share_of(model.config.intermediate_size, sub_model.width)
    settings = config_settings(model.config) | {
        "num_hidden_layers": sub_model.depth,
        "num_attention_heads": num_heads,
        "intermediate_size": num_neurons,
        "kept_length": sub_model.length,
        "layers_by_depth": None,
        "head_order": _order_of_kept(model.config, sub_model.depth, num_heads),
    }
    small = ElasticBertForSequenceClassification(ElasticBertConfig(**settings))
    layers = model.config.layers_of(sub_model.depth)
    small.bert.embeddings.load_state_dict(model.bert.embeddings.state_dict())
    small.bert.pooler.load_state_dict(model.bert.pooler.state_dict())
    small.classifier.load_state_dict(model.classifier.state_dict())
    for small_layer, index in zip(small.bert.layers, layers, strict=True):
        state = sliced_state(model.bert.layers[index], range(num_heads), torch.arange(num_neurons))
        small_layer.load_state_dict(state)
    return small.to(model.device, model.dtype).eval()


def _order_of_kept(config: ElasticBertConfig, depth: int, num_heads: int) -> list[list[int]] | None:
    """Return which of the original's heads a sub-model's heads were."""
    if config.head_order is None:
        return None
    return [config.head_order[layer][:num_heads] for layer in config.layers_of(depth)]


@torch.no_grad()
def sliced_state(
    layer: ElasticLayer, heads: Sequence[int], neurons: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return the state of a layer with only these heads and FFN neurons, in this order.

    Args:
        heads: indices of attention heads.
        neurons: indices of FFN neurons, integers [neurons].
    """
    state = layer.state_dict()
    head_size = layer.attention.self.head_size
    for name in ("query", "key", "value"):
        weight = f"attention.self.{name}.weight"
        bias = f"attention.self.{name}.bias"
        state[weight], state[bias] = slice_heads(state[weight], state[bias], list(heads), head_size)
    # The output projection has a column, not a row, for each number of a head.
    columns = state["attention.output.dense.weight"].T
    kept_columns, _ = slice_heads(columns, None, list(heads), head_size)
    state["attention.output.dense.weight"] = kept_columns.T.contiguous()
    neurons = neurons.to(layer.intermediate.dense.weight.device)
    for name in ("intermediate.dense.weight", "intermediate.dense.bias"):
        state[name] = state[name][neurons]
    state["output.dense.weight"] = state["output.dense.weight"][:, neurons]
    return state


def set_dropout_on_states(model: nn.Module, probability: float) -> None:
    """Set the dropout of embeddings, hidden states and the classifier's input, in place.

    The dropout on attention weights is no module and keeps its value.
    """
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = probability
