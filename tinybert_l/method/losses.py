"""The distillation losses of one sub-model (TinyBERT: Jiao et al. 2020, eq. 7-11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_01 import soft_cross_entropy
from tinybert_l.exercises.lecture_03 import attention_loss, hidden_loss, layer_map
from tinybert_l.method.model import ElasticOutput
from tinybert_l.method.problem_types import SINGLE_LABEL, imitation_loss
from tinybert_l.method.processes import SINGLE_PROCESS, Shares
from tinybert_l.method.recipe import JointRecipe


def distillation_losses(
    output: ElasticOutput,
    target: ElasticOutput,
    largest_logits: torch.Tensor | None,
    projection: torch.Tensor | None,
    attention_mask: torch.Tensor,
    recipe: JointRecipe,
    shares: Shares = SINGLE_PROCESS,
    kind: str = SINGLE_LABEL,
) -> dict[str, torch.Tensor]:
    """Return the weighted losses of one sub-model by name; those with weight 0 are left out.

    Losses on layers are sums over the layers that `layer_map` pairs.

    Args:
        output: the sub-model's output on a batch.
        target: the teacher's output on the same batch.
        largest_logits: soft labels of the largest sub-model [batch, classes], for in-place
            self-distillation; None: the teacher's alone.
        projection: [student hidden, teacher hidden]; None: both are of one size.
        attention_mask: 0/1 [batch, length]; 1 = token.
        shares: correction of each mean when several processes share a batch.
        kind: what the logits mean (see `problem_types`).
    """
    losses = {}
    if recipe.soft_label_weight:
        gap = _soft_label_loss(
            output.logits, target.logits, largest_logits, recipe.temperature, kind
        )
        losses["soft_labels"] = shares.texts * recipe.soft_label_weight * gap
    if output.hidden_states is None:
        return losses
    student = output.hidden_states
    teacher = target.hidden_states
    mapping = layer_map(len(student) - 1, len(teacher) - 1, recipe.layer_map_strategy)
    if recipe.embedding_weight:
        gap = hidden_loss(student[0], teacher[0], projection, attention_mask)
        require_loss("hidden_loss", gap)
        losses["embedding"] = shares.tokens * recipe.embedding_weight * gap
    if recipe.hidden_weight:
        gaps = []
        for layer, teacher_layer in enumerate(mapping, start=1):
            pair = (student[layer], teacher[teacher_layer])
            gap = hidden_loss(*pair, projection, attention_mask)
            gaps.append(require_loss("hidden_loss", gap))
        losses["hidden"] = shares.tokens * recipe.hidden_weight * torch.stack(gaps).sum()
    if recipe.attention_weight:
        gap = _attention_loss(output, target, mapping, attention_mask)
        losses["attention"] = shares.pairs * recipe.attention_weight * gap
    return losses


def require_loss(name: str, value: Any, trained: bool = False) -> torch.Tensor:
    """Refuse what an answer to an exercise returned in place of a loss.

    Args:
        trained: whether the loss must have a gradient, as that of a step.
    Raises:
        InvalidInput: in the exercise's name.
    """
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        shape = list(value.shape) if isinstance(value, torch.Tensor) else ""
        raise InvalidInput(
            f"{name} returned a {type(value).__name__} {shape}; allowed: a tensor of one number. "
            f"{name}应返回只含一个数的张量。"
        )
    if trained and torch.is_grad_enabled() and not value.requires_grad:
        raise InvalidInput(
            f"{name} returned a loss without a gradient, which trains nothing; compute it from the "
            f"tensors given, without detach() or float(). {name}返回的损失没有梯度。"
        )
    return value


def _soft_label_loss(
    logits: torch.Tensor,
    teacher_logits: torch.Tensor,
    largest_logits: torch.Tensor | None,
    temperature: float,
    kind: str,
) -> torch.Tensor:
    """Return the mean of the losses of soft labels to the teacher and to the largest sub-model."""
    loss = imitation_loss(kind, soft_cross_entropy)
    sources = [teacher_logits]
    if largest_logits is not None:
        sources.append(largest_logits)
    terms = []
    for source in sources:
        term = loss(logits.float(), source.float(), temperature)
        terms.append(require_loss("soft_cross_entropy", term))
    return torch.stack(terms).mean()


def _attention_loss(
    output: ElasticOutput,
    target: ElasticOutput,
    mapping: Sequence[int],
    attention_mask: torch.Tensor,
) -> torch.Tensor:
    """Return the sum over the mapped layers of the loss on attention scores.

    Heads are sorted by importance, so a narrower sub-model has the teacher's first heads.
    """
    gaps = []
    for scores, teacher_layer in zip(output.attention_scores, mapping, strict=True):
        num_heads = scores.shape[1]
        teacher_scores = target.attention_scores[teacher_layer - 1][:, :num_heads]
        gap = attention_loss(scores, teacher_scores, attention_mask)
        gaps.append(require_loss("attention_loss", gap))
    return torch.stack(gaps).sum()
