"""TODO"""

from __future__ import annotations

import torch

from tinybert_l.exercises.lecture_01 import soft_cross_entropy
from tinybert_l.exercises.lecture_03 import attention_loss, hidden_loss, layer_map
from tinybert_l.method.model import ElasticOutput
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.training import WHOLE, Shares


def distillation_losses(
    output: ElasticOutput,
    target: ElasticOutput,
    largest_logits: torch.Tensor | None,
    projection: torch.Tensor | None,
    attention_mask: torch.Tensor,
    recipe: JointRecipe,
    shares: Shares = WHOLE,
) -> dict[str, torch.Tensor]:
    """TinyBERT's losses of one sub-model (eq. 7-11), already weighted; sums over the mapped layers.

    Args:
        largest_logits: soft labels of the largest sub-model, for in-place self-distillation; None: none.
    """
    losses = {}
    if recipe.soft_label_weight:
        sources = [target.logits] if largest_logits is None else [target.logits, largest_logits]
        terms = [
            soft_cross_entropy(output.logits.float(), s.float(), recipe.temperature)
            for s in sources
        ]
        losses["soft_labels"] = shares.texts * recipe.soft_label_weight * torch.stack(terms).mean()
    if output.hidden_states is None:
        return losses
    student_hidden, teacher_hidden = output.hidden_states, target.hidden_states
    mapping = layer_map(len(student_hidden) - 1, len(teacher_hidden) - 1, recipe.layer_map_strategy)
    if recipe.embedding_weight:
        gap = hidden_loss(student_hidden[0], teacher_hidden[0], projection, attention_mask)
        losses["embedding"] = shares.tokens * recipe.embedding_weight * gap
    if recipe.hidden_weight:
        gaps = [
            hidden_loss(student_hidden[m], teacher_hidden[g], projection, attention_mask)
            for m, g in enumerate(mapping, start=1)
        ]
        losses["hidden"] = shares.tokens * recipe.hidden_weight * torch.stack(gaps).sum()
    if recipe.attention_weight:
        gaps = []
        for student_scores, g in zip(output.attention_scores, mapping, strict=True):
            kept = student_scores.shape[
                1
            ]  # sorted: a narrower sub-model has the teacher's first heads
            gaps.append(
                attention_loss(
                    student_scores, target.attention_scores[g - 1][:, :kept], attention_mask
                )
            )
        losses["attention"] = shares.pairs * recipe.attention_weight * torch.stack(gaps).sum()
    return losses
