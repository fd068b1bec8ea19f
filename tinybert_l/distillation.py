"""What the student learns from: layer mapping, TinyBERT's losses, and who takes part in a step."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from tinybert_l.exercise import exercise
from tinybert_l.submodels import SubModel

Stages = Sequence[tuple[float, Sequence[SubModel]]]


def _evenly_spaced(num_student_layers: int, num_teacher_layers: int, strategy: str = "uniform") -> list[int]:
    """Stand-in before lecture 3: one strategy, rounded to the nearest layer."""
    spaced = torch.linspace(num_teacher_layers / num_student_layers, num_teacher_layers, num_student_layers)
    return spaced.round().int().tolist()


def _padding_too(
    student: torch.Tensor, teacher: torch.Tensor, projection: torch.Tensor | None, attention_mask: torch.Tensor
) -> torch.Tensor:
    """Stand-in before lecture 3: counts padding as if it were text."""
    return F.mse_loss(student if projection is None else student @ projection, teacher)


def _all_pairs(student: torch.Tensor, teacher: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Stand-in before lecture 3: counts padding as if it were text."""
    return F.mse_loss(student, teacher)


def _plain_mean(losses: list[torch.Tensor], weights: list[float] | None = None) -> torch.Tensor:
    """Stand-in before lecture 2: no weights."""
    return torch.stack(list(losses)).mean()


def _largest_and_smallest(submodels: list[Any], num_random: int, generator: torch.Generator) -> list[Any]:
    """Stand-in before lecture 2: a sandwich without filling."""
    return list(dict.fromkeys((submodels[-1], submodels[0])))


@exercise(lecture=3, peer=_evenly_spaced)
def layer_map(num_student_layers: int, num_teacher_layers: int, strategy: str = "uniform") -> list[int]:
    """Which teacher layer g(m) each student layer m imitates (TinyBERT, section 3.1 and table 5).

    With M student and N teacher layers, both counted from 1: uniform g(m) = floor(m·N/M),
    top g(m) = N - M + m, bottom g(m) = m.

    Args:
        num_student_layers: M, 1 <= M <= N.
        num_teacher_layers: N.
        strategy: "uniform", "top" or "bottom".
    Returns:
        M teacher layers from 1..N; entry m-1 belongs to student layer m.
    Raises:
        ValueError: M > N, M < 1, or another strategy.

    Worked example: layer_map(2, 4) is [2, 4]; "top" gives [3, 4], "bottom" [1, 2].
    """
    raise NotImplementedError


@exercise(lecture=3, peer=_all_pairs)
def attention_loss(
    student_scores: torch.Tensor, teacher_scores: torch.Tensor, attention_mask: torch.Tensor
) -> torch.Tensor:
    """Mean squared gap of attention scores before the softmax (TinyBERT, eq. 7).

    Mean over heads and over the real pairs (q, k) of the whole batch: both are tokens.
    Does not map layers (see `layer_map`).

    Args:
        student_scores: float [batch, heads, query, key]; padding may hold -inf.
        teacher_scores: same shape; receives no gradient.
        attention_mask: 1 = token, 0 = padding, [batch, length].
    Returns:
        Scalar; 0 if no pair is real.
    Raises:
        ValueError: the numbers of heads differ.

    Worked example: one head, tokens [1, 0], scores 1 and 3 at the only real pair: (1 - 3)² = 4.
    """
    raise NotImplementedError


@exercise(lecture=3, peer=_padding_too)
def hidden_loss(
    student_hidden: torch.Tensor,
    teacher_hidden: torch.Tensor,
    projection: torch.Tensor | None,
    attention_mask: torch.Tensor,
) -> torch.Tensor:
    """Mean squared gap of hidden states after a projection (TinyBERT, eq. 8; eq. 9 for embeddings).

    Args:
        student_hidden: float [batch, length, h]; padding may hold anything, finite or not.
        teacher_hidden: float [batch, length, H]; receives no gradient.
        projection: [h, H], or None when h = H.
        attention_mask: 1 = token, 0 = padding, [batch, length].
    Returns:
        Scalar: mean over tokens and over the H numbers; 0 if there is no token.
    Raises:
        ValueError: sizes differ and no projection joins them.

    Worked example: one token, student [1, 0], teacher [3, 4], no projection: (4 + 16) / 2 = 10.
    """
    raise NotImplementedError


@exercise(lecture=1)
def soft_cross_entropy(
    student_logits: torch.Tensor, teacher_logits: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    """Cross-entropy between softened predictions (TinyBERT, eq. 10); no factor t².

    Args:
        student_logits, teacher_logits: [batch, classes]; the teacher's receive no gradient.
        temperature: t > 0; both sides are divided by it.
    Returns:
        Scalar: mean over the batch.
    """
    raise NotImplementedError


@exercise(lecture=2, peer=_plain_mean)
def joint_loss(losses: list[torch.Tensor], weights: list[float] | None = None) -> torch.Tensor:
    """One loss of many: sum of weight·loss over sum of weights; equal weights by default.

    Args:
        losses: scalars, at least one.
        weights: none below 0, at least one above 0.
    Raises:
        ValueError: no losses, lengths that differ, weights out of range.
    """
    raise NotImplementedError


@exercise(lecture=2, peer=_largest_and_smallest)
def sandwich_sample(submodels: list[Any], num_random: int, generator: torch.Generator) -> list[Any]:
    """Who takes part in a step (sandwich rule: Yu & Huang 2019).

    Args:
        submodels: from smallest to largest.
        num_random: how many of the others join, drawn uniformly without replacement.
        generator: where the drawing comes from.
    Returns:
        [largest, smallest, then the drawn others]; fewer others than asked: all; one sub-model: just it.
    """
    raise NotImplementedError


def _open_stages(step: int, total_steps: int, stages: Stages) -> list[SubModel]:
    """Stand-in before lecture 4: the stages that have begun, as they come, unchecked."""
    begun = bisect_right([start for start, _ in stages], step / total_steps)
    return [sub_model for _, group in stages[:begun] for sub_model in group]


@exercise(lecture=4, peer=_open_stages)
def submodel_schedule(step: int, total_steps: int, stages: Stages) -> list[SubModel]:
    """Which sub-models are open at a step (progressive shrinking: Cai et al. 2020).

    Args:
        step: 0 <= step < total_steps.
        stages: (start as a fraction, sub-models); the first starts at 0, starts rise strictly.
    Returns:
        The sub-models of all stages whose start <= step/total_steps, in order, each once; none closes.
    """
    raise NotImplementedError
