"""Lecture 6: the sub-models that are worth having."""

from __future__ import annotations

from tinybert_l.exercises.registry import exercise


@exercise(6, minutes=12, points=4, zh="帕累托前沿", en="The Pareto frontier")
def pareto_frontier(points: list[tuple[float, float]]) -> list[int]:
    """Find the points that no other beats.

    A point is beaten by another whose cost is <= and whose quality is >=, one of them strictly; of
    equal points the first stays.

    Args:
        points: (cost, quality) each.
    Returns:
        Indices of the points that are not beaten, by rising cost.
    """
    raise NotImplementedError
