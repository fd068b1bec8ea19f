"""Lecture 6: which sub-models are worth having."""

from __future__ import annotations

from tinybert_l.exercises.registry import exercise


@exercise(6, minutes=12, points=4, zh="帕累托前沿", en="The Pareto frontier")
def pareto_frontier(points: list[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other beats, by rising cost.

    Args:
        points: (cost, quality). A point is beaten by one with cost <= and quality >=, one of them strictly;
            of equal points the first stays.
    """
    raise NotImplementedError
