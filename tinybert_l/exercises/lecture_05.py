"""Lecture 5: long documents in windows, and answers as spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinybert_l.exercises.registry import exercise

if TYPE_CHECKING:
    import torch


@exercise(5, minutes=10, points=4, zh="切分长文档", en="Splitting long documents")
def split_document(token_ids: list[int], max_length: int, stride: int) -> list[list[int]]:
    """Cut a long document into windows that overlap, so that every token is seen.

    Windows start at 0, stride, 2·stride, … up to the first that reaches the end of the document.

    Args:
        token_ids: the document; may be empty.
        max_length: tokens a window, at least 1.
        stride: tokens from one start to the next, 1 <= stride <= max_length.
    Returns:
        The windows, in order; none for an empty document.
    Raises:
        ValueError: max_length or stride out of range.

    Worked example: tokens 1..5, windows of 3, stride 2: [1, 2, 3], [3, 4, 5].
    """
    raise NotImplementedError


@exercise(5, minutes=12, points=4, zh="最佳答案片段", en="The best answer span")
def best_answer_span(
    start_logits: torch.Tensor, end_logits: torch.Tensor, max_answer_length: int
) -> tuple[int, int]:
    """Find the answer: the span of tokens with the highest sum of start and end logit.

    Args:
        start_logits, end_logits: [length] each.
        max_answer_length: tokens an answer may have, at least 1.
    Returns:
        (start, end), both inclusive, start <= end, at most max_answer_length tokens; of equal sums
        the earliest start, then the shortest.
    Raises:
        ValueError: no logits, lengths that differ, max_answer_length below 1.

    Worked example: starts [0, 2, 1], ends [5, 0, 1]: the best start is 1 and the best end 0, but
    that is no span; (0, 0) has the highest sum that is allowed, 5.
    """
    raise NotImplementedError
