"""What keeps training on the rails: learning-rate schedule, clipping, and which weights decay."""

from collections.abc import Mapping, Sequence

import torch
from transformers.optimization import _get_linear_schedule_with_warmup_lr_lambda

from tinybert_l.exercise import exercise


def _transformers_schedule(step: int, warmup_steps: int, total_steps: int) -> float:
    """Stand-in before lecture 4: transformers' own."""
    return _get_linear_schedule_with_warmup_lr_lambda(
        step, num_warmup_steps=warmup_steps, num_training_steps=total_steps
    )


def _torch_clipping(
    gradients: Sequence[torch.Tensor | None], max_norm: float
) -> tuple[list[torch.Tensor | None], torch.Tensor]:
    """Stand-in before lecture 4: torch's clipping, on parameters made for the occasion."""
    holders = [None if g is None else torch.nn.Parameter(torch.empty_like(g)) for g in gradients]
    for holder, gradient in zip(holders, gradients, strict=True):
        if holder is not None and gradient is not None:
            holder.grad = gradient.clone()
    norm = torch.nn.utils.clip_grad_norm_([holder for holder in holders if holder is not None], max_norm)
    return [None if holder is None else holder.grad for holder in holders], norm


def _decay_everything(shapes: Mapping[str, Sequence[int]], weight_decay: float) -> dict[str, float]:
    """Stand-in before lecture 4: what AdamW does when it is told nothing."""
    return dict.fromkeys(shapes, weight_decay)


@exercise(lecture=4, peer=_transformers_schedule)
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


@exercise(lecture=4, peer=_torch_clipping)
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


@exercise(lecture=4, peer=_decay_everything)
def weight_decay_by_name(shapes: Mapping[str, Sequence[int]], weight_decay: float) -> dict[str, float]:
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
