"""Lecture 9: masks, sampling and repetition in text generation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tinybert_l.exercises.registry import exercise

if TYPE_CHECKING:
    import torch


def _lower_triangle(query_length: int, key_length: int) -> torch.Tensor:
    """Serve before lecture 9: cuts a triangle out of ones, and checks nothing."""
    import torch

    return torch.ones(query_length, key_length, dtype=torch.bool).tril(key_length - query_length)


@exercise(9, minutes=8, points=4, zh="因果掩码", en="The causal mask", peer=_lower_triangle)
def causal_mask(query_length: int, key_length: int) -> torch.Tensor:
    """Mark the tokens that a token may look at when text is written from left to right.

    The queries are the last `query_length` of `key_length` tokens (the earlier ones lie in a KV
    cache), so query i stands at position key_length - query_length + i, and sees the keys up to and
    with its own position.

    Args:
        query_length: at least 1, at most key_length.
        key_length: tokens in all.
    Returns:
        bool [query_length, key_length], True where attention is allowed.
    Raises:
        ValueError: query_length below 1 or above key_length.

    Worked example: causal_mask(2, 3): [[True, True, False], [True, True, True]].
    """
    raise NotImplementedError


def _top_p_by_transformers(logits: torch.Tensor, p: float) -> torch.Tensor:
    """Serve before lecture 9: asks transformers, and checks nothing."""
    import torch
    from transformers import TopPLogitsWarper

    return TopPLogitsWarper(p)(torch.zeros(len(logits), 0, dtype=torch.long), logits)


@exercise(9, minutes=15, points=4, zh="核采样", en="Top-p sampling", peer=_top_p_by_transformers)
def top_p_filter(logits: torch.Tensor, p: float) -> torch.Tensor:
    """Keep the smallest set of most likely tokens whose probability reaches p.

    A probability of exactly p reaches it. This is nucleus sampling (Holtzman et al. 2020).

    Args:
        logits: [batch, vocabulary]; not changed.
        p: 0 < p <= 1; 1 keeps every token.
    Returns:
        The logits, with -inf for the tokens outside the set; the token that crosses p stays.
    Raises:
        ValueError: p out of range.

    Worked example: probabilities 0.5, 0.3, 0.2 and p = 0.6: 0.5 does not reach it, 0.5 + 0.3 does:
    two stay.
    """
    raise NotImplementedError


@exercise(9, minutes=5, points=4, zh="不重复n元语法的比例", en="Distinct n-grams")
def distinct_n(token_ids: Sequence[int], n: int) -> float:
    """Measure how varied a text is: different n-grams over all n-grams (Li et al. 2016).

    Args:
        token_ids: the text's tokens.
        n: tokens of an n-gram, at least 1.
    Returns:
        0..1; 0.0 for a text shorter than n.
    Raises:
        ValueError: n below 1.

    Worked example: [1, 2, 1, 2] has the 2-grams (1, 2), (2, 1), (1, 2): 2 / 3.
    """
    raise NotImplementedError
