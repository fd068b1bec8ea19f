"""Lecture 4: at which step sub-models join the training, and how it is kept stable."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tinybert_l.exercises.registry import exercise
from tinybert_l.submodels import SubModel

if TYPE_CHECKING:
    import torch


# (start as a fraction of all steps, the sub-models that open there)
Stages = Sequence[tuple[float, Sequence[SubModel]]]


def _open_stages(step: int, total_steps: int, stages: Stages) -> list[SubModel]:
    """Serve before lecture 4: lists the stages that have begun, and checks nothing."""
    num_begun = bisect_right(stages, step / total_steps, key=lambda stage: stage[0])
    open_sub_models: list[SubModel] = []
    for _, sub_models in stages[:num_begun]:
        open_sub_models += sub_models
    return open_sub_models


@exercise(
    4,
    minutes=12,
    points=4,
    zh="渐进式引入",
    en="Progressive introduction",
    needs=("sandwich_sample",),
    peer=_open_stages,
    peer_differs=("出现在两个阶段的子模型计两次。", "a sub-model of two stages counts twice."),
)
def submodel_schedule(step: int, total_steps: int, stages: Stages) -> list[SubModel]:
    """List the sub-models that are open at a step (progressive shrinking: Cai et al. 2020).

    Args:
        step: 0 <= step < total_steps.
        total_steps: steps of the whole training.
        stages: (start as a fraction, sub-models); the first starts at 0, starts rise strictly.
    Returns:
        The sub-models of all stages whose start <= step/total_steps, in order, each once; none
        closes.
    """
    raise NotImplementedError


def _transformers_schedule(step: int, warmup_steps: int, total_steps: int) -> float:
    """Serve before lecture 4: asks the schedule of transformers, and checks nothing."""
    import torch
    from transformers import get_linear_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = get_linear_schedule_with_warmup(optimizer, warmup_steps, total_steps)
    return schedule.lr_lambdas[0](step)


@exercise(
    4, minutes=8, points=4, zh="预热与衰减", en="Warm-up and decay", peer=_transformers_schedule
)
def linear_warmup_decay(step: int, warmup_steps: int, total_steps: int) -> float:
    """Compute the learning rate at a step, as a share of its peak.

    It rises in a straight line, then falls in a straight line to 0.

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
    """Serve before lecture 4: torch's clipping, on parameters made to hold the gradients."""
    import torch

    parameters = []
    for gradient in gradients:
        if gradient is not None:
            parameters.append(torch.nn.Parameter(torch.empty_like(gradient)))
            parameters[-1].grad = gradient.clone()
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    clipped = iter(parameters)
    return [None if gradient is None else next(clipped).grad for gradient in gradients], norm


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
    """Scale all gradients by one factor, so that their common norm is at most `max_norm`.

    The norm is that of all numbers of all tensors together: the square root of the sum of their
    squares. The factor is min(1, max_norm / norm), and 1 when the norm is 0 (Pascanu et al. 2013).

    Args:
        gradients: tensors of any shapes; None where a parameter has no gradient. Not changed.
        max_norm: above 0.
    Returns:
        (new list, None where None was; the norm before clipping as a 0-dim tensor).
    Raises:
        ValueError: max_norm not above 0, or a norm that is not finite.

    Worked example: [3.0], [4.0] with max_norm 1: the norm is 5, the factor 0.2, the result
    [0.6], [0.8].
    """
    raise NotImplementedError


def _decay_everything(shapes: Mapping[str, Sequence[int]], weight_decay: float) -> dict[str, float]:
    """Serve before lecture 4: lets every parameter decay, as AdamW does by default."""
    return dict.fromkeys(shapes, weight_decay)


@exercise(
    4,
    minutes=5,
    points=4,
    zh="哪些权重衰减",
    en="Which weights decay",
    peer=_decay_everything,
    peer_differs=("偏置和LayerNorm也衰减。", "biases and LayerNorm decay too."),
)
def weight_decay_by_name(
    shapes: Mapping[str, Sequence[int]], weight_decay: float
) -> dict[str, float]:
    """Give each parameter its weight decay: matrices decay; biases and LayerNorm do not.

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
