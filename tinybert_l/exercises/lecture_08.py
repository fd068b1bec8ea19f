"""Lecture 8: measuring a classifier, and choosing a sub-model for a budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinybert_l.exercises.registry import exercise

if TYPE_CHECKING:
    import torch


def _by_scikit_learn(predictions: Sequence[int], labels: Sequence[int], num_classes: int) -> float:
    """Serve before lecture 8: asks scikit-learn, and checks nothing."""
    from sklearn.metrics import f1_score

    return float(
        f1_score(labels, predictions, labels=range(num_classes), average="macro", zero_division=0)
    )


@exercise(8, minutes=10, points=4, zh="宏平均F1", en="Macro F1", peer=_by_scikit_learn)
def macro_f1(
    predictions: Sequence[int] | torch.Tensor,
    labels: Sequence[int] | torch.Tensor,
    num_classes: int,
) -> float:
    """Compute the F1 of each class, and average over all classes alike.

    For one class, with tp true positives, fp false positives and fn false negatives:
    F1 = 2·tp / (2·tp + fp + fn), and 0 when the class neither occurs nor is predicted.

    Args:
        predictions, labels: lists or integer tensors of equal length, at least 1; classes from 0 to
            num_classes - 1.
        num_classes: at least 1; a class that does not occur counts too.
    Returns:
        The mean of the classes' F1, 0..1.
    Raises:
        ValueError: lengths that differ, nothing to count, or a class out of range.

    Worked example: predictions [0, 0, 1], labels [0, 1, 1]: both classes have F1 = 2/3, so 2/3.
    """
    raise NotImplementedError


@exercise(
    8, minutes=10, points=4, zh="选择子模型", en="Choosing a sub-model", needs=("pareto_frontier",)
)
def choose_submodel(candidates: list[dict[str, Any]], latency_budget_ms: float) -> str:
    """Choose the model to ship: the best quality that fits the latency budget.

    Args:
        candidates: dictionaries with name, latency_ms, quality.
        latency_budget_ms: milliseconds; a latency equal to it fits.
    Returns:
        The name of the best fitting candidate; of equal qualities that with the lowest latency.
    Raises:
        ValueError: none fits (the message names the fastest), or there are no candidates.

    Worked example: a (5 ms, 0.8) and b (9 ms, 0.9): with 8 ms it is "a", with 9 ms "b".
    """
    raise NotImplementedError
