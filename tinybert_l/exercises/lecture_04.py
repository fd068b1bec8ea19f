"""Lecture 4: when sub-models open, and what keeps training stable."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tinybert_l.exercises.registry import exercise
from tinybert_l.submodels import SubModel

if TYPE_CHECKING:
    import torch


Stages = Sequence[tuple[float, Sequence[SubModel]]]


def _open_stages(step: int, total_steps: int, stages: Stages) -> list[SubModel]:
    """Stand-in before lecture 4: the stages that have begun, as they come, unchecked."""
    begun = bisect_right([start for start, _ in stages], step / total_steps)
    return [sub_model for _, group in stages[:begun] for sub_model in group]


@exercise(
    4,
    minutes=12,
    points=4,
    zh="渐进式引入",
    en="Progressive introduction",
    needs=("sandwich_sample",),
    peer=_open_stages,
)
def submodel_schedule(step: int, total_steps: int, stages: Stages) -> list[SubModel]:
    """Which sub-models are open at a step (progressive shrinking: Cai et al. 2020).

    Args:
        step: 0 <= step < total_steps.
        stages: (start as a fraction, sub-models); the first starts at 0, starts rise strictly.
    Returns:
        The sub-models of all stages whose start <= step/total_steps, in order, each once; none closes.
    """
    raise NotImplementedError


def _transformers_schedule(step: int, warmup_steps: int, total_steps: int) -> float:
    """Stand-in before lecture 4: transformers' own."""
    import torch
    from transformers import get_linear_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = get_linear_schedule_with_warmup(optimizer, warmup_steps, total_steps)
    return schedule.lr_lambdas[0](step)


@exercise(
    4, minutes=8, points=4, zh="预热与衰减", en="Warm-up and decay", peer=_transformers_schedule
)
def linear_warmup_decay(step: int, warmup_steps: int, total_steps: int) -> float:
    """The learning rate at a step, as a share of its peak: a straight rise, then a straight fall to 0.

    Args:
        step: 0 or more.
        warmup_steps: w, 0 <= w <= total_steps.
        total_steps: T, at least 1.
    Returns:
        step / w while step < w; then (T - step) / (T - w); 0.0 from T on.
    Raises:
        ValueError: a negative step, T below 1, or w outside 0..T.

    Worked example: w = 2, T = 6: steps 0..6 give 0, 0.5, 1, 0.75, 0.5, 0.25, 0.
    """
    raise NotImplementedError


def _torch_clipping(
    gradients: Sequence[torch.Tensor | None], max_norm: float
) -> tuple[list[torch.Tensor | None], torch.Tensor]:
    """Stand-in before lecture 4: torch's clipping, on parameters made for the occasion."""
    import torch

    holders = [None if g is None else torch.nn.Parameter(torch.empty_like(g)) for g in gradients]
    for holder, gradient in zip(holders, gradients, strict=True):
        if holder is not None and gradient is not None:
            holder.grad = gradient.clone()
    norm = torch.nn.utils.clip_grad_norm_(
        [holder for holder in holders if holder is not None], max_norm
    )
    return [None if holder is None else holder.grad for holder in holders], norm


@exercise(
    4,
    minutes=12,
    points=4,
    zh="按全局范数裁剪",
    en="Clipping by the global norm",
    peer=_torch_clipping,
)
def clip_by_global_norm(
    gradients: Sequence[torch.Tensor | None], max_norm: float
) -> tuple[list[torch.Tensor | None], torch.Tensor]:
    """Scale all gradients by one factor, so that their common norm is at most `max_norm` (Pascanu et al. 2013).

    The norm is that of all numbers of all tensors together: sqrt of the sum of their squares. The factor
    is min(1, max_norm / norm), and 1 when the norm is 0.

    Args:
        gradients: tensors of any shapes; None where a parameter has no gradient. Not changed.
        max_norm: above 0.
    Returns:
        (new list, None where None was; the norm before clipping as a 0-dim tensor).
    Raises:
        ValueError: max_norm not above 0, or a norm that is not finite.

    Worked example: [3.0], [4.0] with max_norm 1: the norm is 5, the factor 0.2, the result [0.6], [0.8].
    """
    raise NotImplementedError


def _decay_everything(shapes: Mapping[str, Sequence[int]], weight_decay: float) -> dict[str, float]:
    """Stand-in before lecture 4: what AdamW does when it is told nothing."""
    return dict.fromkeys(shapes, weight_decay)


@exercise(
    4, minutes=5, points=4, zh="哪些权重衰减", en="Which weights decay", peer=_decay_everything
)
def weight_decay_by_name(
    shapes: Mapping[str, Sequence[int]], weight_decay: float
) -> dict[str, float]:
    """Which parameter decays how much: matrices do; biases and LayerNorm do not.

    The shape decides, not the name: one-dimensional parameters are biases and LayerNorm weights.

    Args:
        shapes: {parameter name: shape}.
        weight_decay: 0 or more.
    Returns:
        {parameter name: 0.0 for one-dimensional shapes, weight_decay for the rest}.
    Raises:
        ValueError: weight_decay below 0.

    Worked example: {"dense.weight": (4, 3), "dense.bias": (4,)} with 0.01: 0.01 and 0.0.
    """
    raise NotImplementedError
