"""Spend less on easy texts: exits after every layer, and cascades of sub-models.

An exit is a head on a layer's first token. The supernet's own head reads the last layer alone, so
each earlier layer needs a head that was trained on it (Xin et al. 2020, DeeBERT). A cascade needs
no training beyond the joint run: a small sub-model answers first, and what it is unsure of goes to
a larger one, from the start.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import nn
from torch.nn import functional as F

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_07 import early_exit
from tinybert_l.method.data import Encoded, bucketed_batches, collate, training_batches
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import extract
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.submodels import SubModel


class ExitHead(nn.Module):
    """A pooler and a classifier on one layer's first token: logits [texts, classes]."""

    def __init__(self, model: ElasticBertForSequenceClassification) -> None:
        """Start from a copy of the model's own head."""
        super().__init__()
        self.pooler = copy.deepcopy(model.bert.pooler)
        self.classifier = copy.deepcopy(model.classifier)

    def forward(self, first_tokens: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.pooler(first_tokens[:, None]))


@torch.no_grad()
def first_tokens_by_layer(
    model: ElasticBertForSequenceClassification, data: Encoded, batch_size: int = 64
) -> torch.Tensor:
    """Return the state of each text's [CLS] after every layer, [layers, texts, hidden]."""
    states_of: dict[int, torch.Tensor] = {}
    for rows in bucketed_batches(data.lengths(), batch_size):
        batch = collate(data, rows)
        output = model(batch["input_ids"], batch["attention_mask"], output_hidden_states=True)
        first = torch.stack([states[:, 0] for states in output.hidden_states[1:]], dim=1)
        states_of.update(zip(rows, first, strict=True))
    return torch.stack([states_of[row] for row in range(len(data))], dim=1)


def untrained_exits(model: ElasticBertForSequenceClassification) -> list[ExitHead]:
    """Put the model's own head, which only ever read the last layer, on every layer."""
    return [ExitHead(model).eval() for _ in model.bert.layers]


def trained_exits(
    model: ElasticBertForSequenceClassification,
    data: Encoded,
    num_steps: int,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> list[ExitHead]:
    """Train a head on every layer but the last, whose own head stays; the layers are frozen.

    All heads learn the labels of the same batches by AdamW. The layers run once for each text.
    """
    batches = training_batches(data, batch_size, num_steps, seed)
    used = sorted({row for rows in batches for row in rows})
    place = {row: index for index, row in enumerate(used)}
    texts = [data.token_ids[row] for row in used]
    labels = torch.tensor([data.labels[row] for row in used])
    states = first_tokens_by_layer(model, Encoded(texts, labels.tolist(), data.pad_token_id))
    heads = untrained_exits(model)
    early = nn.ModuleList(heads[:-1])
    optimiser = torch.optim.AdamW(early.parameters(), lr=learning_rate)
    for rows in batches:
        chosen = torch.tensor([place[row] for row in rows])
        losses = []
        for layer, head in enumerate(early):
            losses.append(F.cross_entropy(head(states[layer, chosen]), labels[chosen]))
        optimiser.zero_grad()
        torch.stack(losses).sum().backward()
        optimiser.step()
    return heads


@torch.no_grad()
def logits_by_exit(
    model: ElasticBertForSequenceClassification, heads: Sequence[ExitHead], data: Encoded
) -> list[torch.Tensor]:
    """Return each exit's logits, [texts, classes], from the first layer on.

    Raises:
        InvalidInput: not one head for each layer.
    """
    states = first_tokens_by_layer(model, data)
    if len(heads) != len(states):
        raise InvalidInput(
            f"logits_by_exit: {len(heads)} heads; allowed: {len(states)}, one for each layer."
        )
    return [head(layer) for head, layer in zip(heads, states, strict=True)]


def exit_costs(model: ElasticBertForSequenceClassification, length: int = 32) -> list[int]:
    """Return the FLOPs of leaving at each exit: the layers up to it, and every head so far."""
    costs = []
    head = model.classifier
    head_flops = 2 * head.in_features * (head.in_features + head.out_features)
    for depth in range(1, model.config.num_hidden_layers + 1):
        # `extract` keeps other layers, but as many; and counts one head
        layers_and_head = count_flops(extract(model, SubModel(depth)), length)
        costs.append(layers_and_head + (depth - 1) * head_flops)
    return costs


def cascade_costs(
    model: ElasticBertForSequenceClassification, sub_models: Sequence[SubModel], length: int = 32
) -> list[int]:
    """Return the FLOPs of leaving a cascade at each sub-model: the sum of all that ran."""
    return list(accumulate(count_flops(extract(model, s), length) for s in sub_models))


@dataclass(frozen=True)
class ExitResult:
    """What leaving early gave: 1 or 0 for each text, and the mean FLOPs that were spent."""

    correct: list[int]
    flops: float


def leave_early(
    logits: Sequence[torch.Tensor],
    costs: Sequence[int],
    labels: Sequence[int],
    max_entropy: float,
) -> ExitResult:
    """Let every text leave at its first sure answer (`early_exit`).

    Args:
        logits: [texts, classes] of each exit, or of each sub-model of a cascade, in order.
        costs: FLOPs of leaving at each.
        labels: the right classes.
        max_entropy: an answer is sure up to this entropy, in nats; the last one always is.
    Raises:
        InvalidInput: not one cost for each exit.
    """
    if len(costs) != len(logits):
        raise InvalidInput(
            f"leave_early: {len(costs)} costs; allowed: {len(logits)}, one for each exit."
        )
    left_at = early_exit(list(logits), max_entropy) - 1
    answers = torch.stack(list(logits)).argmax(-1)[left_at, torch.arange(len(labels))]
    correct = (answers == torch.tensor(labels)).int().tolist()
    return ExitResult(correct, float(torch.tensor(costs, dtype=torch.double)[left_at].mean()))
