"""TODO"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tinybert_l.exercises.lecture_07 import head_importance
from tinybert_l.method.extraction import sliced_state
from tinybert_l.method.model import ElasticBertForSequenceClassification


@dataclass(frozen=True)
class Importance:
    """How much the loss would change without each head and each FFN neuron, one tensor a layer."""

    heads: list[torch.Tensor]
    neurons: list[torch.Tensor]


def measure_importance(
    model: ElasticBertForSequenceClassification, batches: Iterable[dict[str, torch.Tensor]]
) -> Importance:
    """First-order importance of heads and neurons (Michel et al. 2019, section 4.1; DynaBERT, section 2.1).

    For a head: the absolute inner product of its output with the loss's gradient there, summed over
    examples; for a neuron the same with its activation.
    """
    layers = model.bert.layers
    head_size: int = layers[0].attention.self.head_size
    heads = [torch.zeros(model.config.num_attention_heads) for _ in layers]
    neurons = [torch.zeros(model.config.intermediate_size) for _ in layers]
    inputs: dict[tuple[str, int], torch.Tensor] = {}
    hooks = []
    for index, layer in enumerate(layers):
        for kind, module in (("heads", layer.attention.output), ("neurons", layer.output)):

            def remember(
                _: nn.Module, args: tuple[torch.Tensor, ...], key: Any = (kind, index)
            ) -> None:
                inputs[key] = args[
                    0
                ].requires_grad_()  # already so, unless all weights before it are frozen

            hooks.append(module.register_forward_pre_hook(remember))
    was_training, _ = model.training, model.eval()
    try:
        for batch in batches:
            with torch.enable_grad():
                loss = model(**batch).loss
            gradients = torch.autograd.grad(loss, list(inputs.values()))  # not those of the weights
            for ((kind, index), features), gradient in zip(inputs.items(), gradients, strict=True):
                both = (features.detach().float().cpu(), gradient.float().cpu())
                if kind == "heads":
                    by_head = (part.unflatten(-1, (-1, head_size)).transpose(1, 2) for part in both)
                    heads[index] += len(both[0]) * head_importance(*by_head)
                else:
                    neurons[index] += (both[0] * both[1]).sum(1).abs().sum(0)
    finally:
        for hook in hooks:
            hook.remove()
        model.train(was_training)
    return Importance(heads, neurons)


@torch.no_grad()
def sort_by_importance(
    model: ElasticBertForSequenceClassification, importance: Importance
) -> ElasticBertForSequenceClassification:
    """A copy of the model with heads and neurons in falling importance; it computes the same function."""
    model = copy.deepcopy(model)
    for layer, head_scores, neuron_scores in zip(
        model.bert.layers, importance.heads, importance.neurons, strict=True
    ):
        heads = head_scores.argsort(descending=True, stable=True).tolist()
        layer.load_state_dict(
            sliced_state(layer, heads, neuron_scores.argsort(descending=True, stable=True))
        )
    return model
