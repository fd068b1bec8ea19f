"""Copy models: a BERT as an elastic model, and a sub-model as a model that stands alone."""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_03 import slice_heads
from tinybert_l.method.config import ElasticBertConfig, config_settings
from tinybert_l.method.layers import ElasticLayer, what_was_added
from tinybert_l.method.model import (
    ElasticBertForSequenceClassification,
    ElasticBertModel,
    ElasticPreTrainedModel,
)
from tinybert_l.submodels import SubModel, share_of

LAYERS = "encoder.layer."  # begins the names of the layers' weights
PROJECTIONS = ("query", "key", "value", "dense")
# What a plain BERT's configuration has no use for.
ELASTIC_SETTINGS = (
    "attention_head_size",
    "attention_window",
    "kept_length",
    "layers_by_depth",
    "head_order",
    "auto_map",
)
# in torch.nn.init, in its counterpart of transformers, and of tensors
DRAWING = {"normal_", "uniform_", "kaiming_uniform_"}
Model = TypeVar("Model", bound=ElasticPreTrainedModel)


class NothingDrawn(TorchFunctionMode):
    """Leaves new weights undrawn, in this thread: for models that are filled at once.

    Drawing them takes most of the time of a copy, and moves the state of the random numbers.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function, unless it draws the weights that it is given."""
        named = kwargs or {}
        if getattr(func, "__name__", "") in DRAWING:
            return named["tensor"] if "tensor" in named else args[0]
        return func(*args, **named)


def elastic_copy(bert: PreTrainedModel) -> ElasticBertForSequenceClassification:
    """Copy a BERT classifier into an elastic model that computes the same function.

    The copy shares no memory with `bert`, is of the same type and on the same device, and is in
    eval mode.

    Raises:
        InvalidInput: `bert` is no BERT classifier, or holds more than a BERT, such as adapters.
    """
    if not isinstance(bert, BertForSequenceClassification | ElasticBertForSequenceClassification):
        raise InvalidInput(
            f"elastic_copy: bert is a {type(bert).__name__}; allowed: "
            "BertForSequenceClassification or ElasticBertForSequenceClassification."
        )
    config = ElasticBertConfig(**config_settings(bert.config))
    with NothingDrawn():
        model = ElasticBertForSequenceClassification(config)
    _load(model, bert.state_dict(), "elastic_copy: bert")
    return model.to(bert.device, bert.dtype).eval()


def to_bert(model: ElasticBertForSequenceClassification) -> BertForSequenceClassification:
    """Copy a full-width elastic model into a plain BERT, which needs no `tinybert_l` to be loaded.

    It computes the same function, with padding at the right, and is in eval mode.

    Raises:
        InvalidInput: `model` has no form of a plain BERT (see `is_plain`).
    """
    config = model.config
    if not is_plain(config):
        raise InvalidInput(
            f"to_bert: model has {config.num_attention_heads} heads of "
            f"{config.attention_head_size}, attention_window={config.attention_window}, "
            f"kept_length={config.kept_length}; allowed: heads that fill hidden_size="
            f"{config.hidden_size}, None, and 1."
        )
    settings = config_settings(config)
    for name in ELASTIC_SETTINGS:
        settings.pop(name, None)
    with NothingDrawn():
        bert = BertForSequenceClassification(BertConfig(**settings))
    _load(bert, model.state_dict(), "to_bert: model")
    return bert.to(model.device, model.dtype).eval()


def require_classifier(model: nn.Module, caller: str, instead: str) -> None:
    """Refuse a model that has another head than a classifier's.

    Args:
        caller: the function that was called, for the error.
        instead: what to do with other models.
    Raises:
        InvalidInput: names the class of the model.
    """
    if not isinstance(model, ElasticBertForSequenceClassification):
        raise InvalidInput(
            f"{caller}: model is a {type(model).__name__}; allowed: "
            f"ElasticBertForSequenceClassification (see elastic_copy), or {instead}."
        )


def is_plain(config: ElasticBertConfig) -> bool:
    """Whether a plain BERT can compute what an elastic model of this configuration does."""
    heads_fill = config.num_attention_heads * int(config.attention_head_size or 0)
    no_window = config.attention_window is None
    return heads_fill == config.hidden_size and no_window and config.kept_length == 1


def extract(model: Model, sub_model: SubModel) -> Model:
    """Build the dense model that computes alone what the supernet computes at `sub_model`.

    It holds only the sub-model's weights, has the same head, and can be saved, loaded and
    fine-tuned by itself.

    Args:
        model: an elastic model with any head, or without one.
    Raises:
        InvalidInput: `sub_model` is deeper than `model`, or a projection has more than its
            weights, such as adapters.
    """
    if not isinstance(model, ElasticPreTrainedModel):
        raise InvalidInput(
            f"extract: model is a {type(model).__name__}; allowed: an elastic model "
            "(see elastic_copy)."
        )
    model.check_sub_model(sub_model)
    _require_plain_numbers(model.state_dict(), "extract: model")
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
    with NothingDrawn():
        small = _same_kind(model, ElasticBertConfig(**settings))
    layers = model.config.layers_of(sub_model.depth)
    state = {name: value for name, value in model.state_dict().items() if LAYERS not in name}
    encoder = cast(ElasticBertModel, model.base_model)
    prefix = "" if encoder is model else f"{model.base_model_prefix}."
    for place, index in enumerate(layers):
        layer = encoder.layers[index]
        _require_weights_alone(layer, index)
        sliced = sliced_state(layer, range(num_heads), torch.arange(num_neurons))
        for name, value in sliced.items():
            state[f"{prefix}{LAYERS}{place}.{name}"] = value
    _load(small, state, "extract: model")
    return small.to(model.device, model.dtype).eval()


def _same_kind(model: Model, config: ElasticBertConfig) -> Model:
    """Return a new model of the same class."""
    if isinstance(model, ElasticBertModel):
        return cast(Model, type(model)(config, add_pooling_layer=model.pooler is not None))
    return type(model)(config)


def _require_weights_alone(layer: ElasticLayer, index: int) -> None:
    """Refuse a layer whose projections hold what a copy of their weights would leave behind."""
    for name, linear in layer.named_modules():
        if not name.endswith(PROJECTIONS):
            continue
        added = what_was_added(linear)
        if added not in (None, "hooks"):
            raise InvalidInput(
                f"extract: {name} of layer {index} has {added}, which would be left behind; "
                "allowed: plain projections (merge adapters, make pruning permanent first)."
            )


def _load(model: nn.Module, state: dict[str, torch.Tensor], what: str) -> None:
    """Load a state whose names must be those of the model.

    Raises:
        InvalidInput: they are not.
    """
    others = sorted(set(state) ^ set(model.state_dict()))
    if others:
        raise InvalidInput(
            f"{what} holds other weights than a BERT of its configuration ({others[0]}, "
            f"{len(others)} in all); allowed: plain weights (merge adapters, make pruning "
            "permanent first)."
        )
    _require_plain_numbers(state, what)
    model.load_state_dict(state)


def _require_plain_numbers(state: dict[str, torch.Tensor], what: str) -> None:
    """Refuse weights that are not there, or that a quantizer keeps in a tensor type of its own.

    Raises:
        InvalidInput: names the first such weight.
    """
    for name, value in state.items():
        if value.is_meta:
            raise InvalidInput(
                f"{what} is on the device meta, without weights; allowed: a loaded one."
            )
        if type(value) not in (torch.Tensor, nn.Parameter):
            raise InvalidInput(
                f"{what} holds {name} as a {type(value).__name__}; allowed: plain tensors. Copy or "
                "extract first, and quantize the copy. 请先提取子模型，再量化。"
            )


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
