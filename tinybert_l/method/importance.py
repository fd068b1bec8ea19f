"""Measure how important heads and neurons are, and sort a model by it.

Sub-models keep the first heads and neurons; after sorting, those are the most important ones.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.answer_sources import SORTING, answers_in_use, tell_stand_ins
from tinybert_l.exercises.lecture_07 import head_importance
from tinybert_l.method.data import Encoded, collate
from tinybert_l.method.extraction import elastic_copy, sliced_state
from tinybert_l.method.model import ElasticBertForSequenceClassification


@dataclass(frozen=True)
class Importance:
    """How much the loss would change without each head and each FFN neuron, to first order.

    Attributes:
        heads: one tensor [heads] per layer.
        neurons: one tensor [neurons] per layer.
    """

    heads: list[torch.Tensor]
    neurons: list[torch.Tensor]


def measure_importance(
    model: ElasticBertForSequenceClassification, batches: Iterable[dict[str, torch.Tensor]]
) -> Importance:
    """Measure first-order importance (Michel et al. 2019, section 4.1; DynaBERT, section 2.1).

    For a head: the absolute inner product of its output with the loss's gradient there, summed over
    examples. For a neuron: the same with its activation. The model's weights, gradients and mode
    stay as they are.

    Args:
        batches: arguments of the model's `forward`, labels included; at least one.
    Raises:
        InvalidInput: no batches, one without labels, or importance that is not finite.
    """
    tell_stand_ins(SORTING, "measure_importance")
    importance = _none_yet(model)
    texts = 0
    was_training = model.training
    model.eval()
    try:
        with _recorded_inputs(model) as inputs:
            for batch in batches:
                if batch.get("labels") is None:
                    raise InvalidInput("measure_importance: a batch without labels; allowed: with.")
                texts += len(batch["labels"])
                with torch.enable_grad():
                    loss = model(**batch).loss
                # Gradients of the recorded inputs alone: those of the weights stay untouched.
                gradients = torch.autograd.grad(loss, list(inputs.values()))
                _add(importance, inputs, gradients, model.bert.layers[0].attention.self.head_size)
    finally:
        model.train(was_training)
    if not texts:
        raise InvalidInput("measure_importance: no batches; allowed: at least one.")
    scores_of_all = (*importance.heads, *importance.neurons)
    if not all(bool(scores.isfinite().all()) for scores in scores_of_all):
        raise InvalidInput(
            "measure_importance: importance that is not finite; allowed: a model whose weights, "
            "loss and gradients are finite."
        )
    return importance


def _none_yet(model: ElasticBertForSequenceClassification) -> Importance:
    """Return an importance of 0 for each head and neuron of each layer."""
    heads = []
    neurons = []
    for _ in model.bert.layers:
        heads.append(torch.zeros(model.config.num_attention_heads))
        neurons.append(torch.zeros(model.config.intermediate_size))
    return Importance(heads, neurons)


def _add(
    importance: Importance,
    inputs: dict[tuple[str, int], torch.Tensor],
    gradients: Sequence[torch.Tensor],
    head_size: int,
) -> None:
    """Add what one batch tells: features and their gradients, [batch, length, numbers] each."""
    for (kind, index), gradient in zip(inputs, gradients, strict=True):
        output = inputs[kind, index].detach().float().cpu()
        gradient = gradient.float().cpu()
        if kind == "heads":
            by_head = _split_heads(output, head_size)
            mean = head_importance(by_head, _split_heads(gradient, head_size))
            importance.heads[index] += len(output) * mean
        else:
            importance.neurons[index] += (output * gradient).sum(1).abs().sum(0)


@contextmanager
def _recorded_inputs(
    model: ElasticBertForSequenceClassification,
) -> Iterator[dict[tuple[str, int], torch.Tensor]]:
    """Record, at every forward pass, the inputs of both output projections of each layer.

    Yields:
        {("heads" or "neurons", layer index): features [batch, length, numbers]}, filled anew by
        each pass; all of them require gradients.
    """
    inputs: dict[tuple[str, int], torch.Tensor] = {}

    def recorder(kind: str, index: int) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        def record(_: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
            # They require gradients already, unless all weights before them are frozen.
            inputs[kind, index] = arguments[0].requires_grad_()

        return record

    hooks = []
    for index, layer in enumerate(model.bert.layers):
        attention_output = layer.attention.output
        hooks.append(attention_output.register_forward_pre_hook(recorder("heads", index)))
        hooks.append(layer.output.register_forward_pre_hook(recorder("neurons", index)))
    try:
        yield inputs
    finally:
        for hook in hooks:
            hook.remove()


def _split_heads(features: torch.Tensor, head_size: int) -> torch.Tensor:
    """Turn [batch, length, heads·head_size] into [batch, heads, length, head_size]."""
    return features.unflatten(-1, (-1, head_size)).transpose(1, 2)


@torch.no_grad()
def sort_by_importance(
    model: ElasticBertForSequenceClassification, importance: Importance
) -> ElasticBertForSequenceClassification:
    """Copy a model with heads and neurons in falling importance; it computes the same function.

    Raises:
        InvalidInput: an importance that was measured on a model of other sizes.
    """
    config = model.config
    measured = [(len(scores), len(importance.neurons[0])) for scores in importance.heads]
    sizes = [(config.num_attention_heads, config.intermediate_size)] * config.num_hidden_layers
    if measured != sizes:
        raise InvalidInput(
            f"sort_by_importance: importance of {len(measured)} layers with heads and neurons "
            f"{measured[:1]}; allowed: {len(sizes)} layers with {sizes[0]}, those of the model."
        )
    model = copy.deepcopy(model)
    orders = []
    for layer, head_scores, neuron_scores in zip(
        model.bert.layers, importance.heads, importance.neurons, strict=True
    ):
        heads = head_scores.argsort(descending=True, stable=True).tolist()
        neurons = neuron_scores.argsort(descending=True, stable=True)
        layer.load_state_dict(sliced_state(layer, heads, neurons))
        orders.append(heads)
    config = model.config
    config.head_order = _composed(config.head_order, orders)
    config.answers = {**(config.answers or {}), **answers_in_use(SORTING)}
    return model


def sorted_copy(
    bert: PreTrainedModel, data: Encoded, num_texts: int = 256
) -> ElasticBertForSequenceClassification:
    """Return an elastic copy of a BERT with its most important heads and neurons first.

    Args:
        data: labelled texts; importance is measured on the first `num_texts` of them.
    """
    elastic = elastic_copy(bert)
    rows = range(min(num_texts, len(data)))
    batches = [collate(data, rows[start : start + 32]) for start in rows[::32]]
    return sort_by_importance(elastic, measure_importance(elastic, batches))


def _composed(before: list[list[int]] | None, orders: list[list[int]]) -> list[list[int]]:
    """Return which of the original's heads each head is, after sorting what was sorted before."""
    if before is None:
        return orders
    composed = []
    for earlier, order in zip(before, orders, strict=True):
        composed.append([earlier[head] for head in order])
    return composed
