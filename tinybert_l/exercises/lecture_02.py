"""Lecture 2: the joint loss, and which sub-models take part in a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinybert_l.exercises.registry import exercise

if TYPE_CHECKING:
    import torch


def _plain_mean(losses: list[torch.Tensor], weights: list[float] | None = None) -> torch.Tensor:
    """Serve before lecture 2: the plain mean, which ignores the weights."""
    import torch

    return torch.stack(list(losses)).mean()


@exercise(2, minutes=8, points=4, zh="联合损失", en="The joint loss", peer=_plain_mean)
def joint_loss(losses: list[torch.Tensor], weights: list[float] | None = None) -> torch.Tensor:
    """Join losses into one: sum of weight·loss over sum of weights; equal weights by default.

    Args:
        losses: scalars, at least one.
        weights: none below 0, at least one above 0.
    Raises:
        ValueError: no losses, lengths that differ, weights out of range.
    """
    raise NotImplementedError


def _largest_and_smallest(
    submodels: list[Any], num_random: int, generator: torch.Generator
) -> list[Any]:
    """Serve before lecture 2: a sandwich without filling, which draws no other sub-model."""
    return list(dict.fromkeys((submodels[-1], submodels[0])))


@exercise(
    2,
    minutes=12,
    points=4,
    zh="三明治法则",
    en="The sandwich rule",
    peer=_largest_and_smallest,
    peer_differs=("不随机抽取中间的子模型。", "no random sub-model joins a step."),
)
def sandwich_sample(submodels: list[Any], num_random: int, generator: torch.Generator) -> list[Any]:
    """Choose the sub-models that take part in a step (sandwich rule: Yu & Huang 2019).

    Args:
        submodels: from smallest to largest.
        num_random: how many of the others join, drawn uniformly without replacement.
        generator: the source of all randomness.
    Returns:
        [largest, smallest, then the drawn others]. If there are fewer others than asked for, all of
        them join; if there is one sub-model, it stands in the list once.
    """
    raise NotImplementedError
