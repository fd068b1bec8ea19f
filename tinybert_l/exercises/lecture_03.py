"""Lecture 3: slicing a sub-model out, and the losses by which it imitates the teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinybert_l.exercises.registry import exercise

if TYPE_CHECKING:
    import torch


def _nearest_layers(num_layers: int, depth: int) -> list[int]:
    """Serve before lecture 3: rounds to the nearest layer, and checks nothing."""
    import numpy

    return [round(layer) - 1 for layer in numpy.linspace(num_layers / depth, num_layers, depth)]


@exercise(
    3,
    minutes=8,
    points=4,
    zh="保留的层",
    en="Which layers stay",
    peer=_nearest_layers,
    peer_differs=("层号四舍五入，有些深度不同。", "some depths keep other layers (rounded)."),
)
def kept_layers(num_layers: int, depth: int) -> list[int]:
    """Choose the layers that a sub-model of the given depth keeps.

    They are evenly spread, the last one always among them: entry i (i = 1..depth) is
    floor(i·N/depth) - 1. DynaBERT (Hou et al. 2020) drops others; the notebook compares.

    Args:
        num_layers: N, layers of the supernet, at least 1.
        depth: layers to keep, 1 <= depth <= N.
    Returns:
        `depth` layer numbers, 0-based, ascending.
    Raises:
        ValueError: depth below 1 or above N.

    Worked example: kept_layers(4, 2) is [1, 3].
    """
    raise NotImplementedError


def _by_permutation_matrix(
    weight: torch.Tensor, bias: torch.Tensor | None, kept_heads: list[int], head_size: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Serve before lecture 3: multiplies by a block matrix of zeros and ones, checks nothing."""
    import torch
    from torch.nn import functional as F

    chosen = F.one_hot(torch.tensor(kept_heads), weight.shape[0] // head_size).to(weight)
    blocks = torch.kron(chosen, torch.eye(head_size).to(weight))
    return blocks @ weight, None if bias is None else blocks @ bias


@exercise(
    3, minutes=12, points=4, zh="切出注意力头", en="Slicing heads", peer=_by_permutation_matrix
)
def slice_heads(
    weight: torch.Tensor, bias: torch.Tensor | None, kept_heads: list[int], head_size: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Take the rows of a projection that belong to the given heads.

    Head j owns the rows j·head_size to (j+1)·head_size - 1.

    Args:
        weight: [heads·head_size, in].
        bias: [heads·head_size] or None.
        kept_heads: different head numbers, from 0, in the order wanted.
        head_size: rows of a head.
    Returns:
        (weight [kept·head_size, in], bias [kept·head_size] or None), in the order of `kept_heads`;
        gradients reach the original.
    Raises:
        ValueError: a head out of range (negative too), or twice.
    """
    raise NotImplementedError


def _evenly_spaced(
    num_student_layers: int, num_teacher_layers: int, strategy: str = "uniform"
) -> list[int]:
    """Serve before lecture 3: knows one strategy, and rounds to the nearest layer."""
    import torch

    spaced = torch.linspace(
        num_teacher_layers / num_student_layers, num_teacher_layers, num_student_layers
    )
    return spaced.round().int().tolist()


@exercise(
    3,
    minutes=8,
    points=4,
    zh="层映射",
    en="Layer mapping",
    needs=("kept_layers",),
    peer=_evenly_spaced,
    peer_differs=("忽略映射策略，层号四舍五入。", "the strategy is ignored, layers are rounded."),
)
def layer_map(
    num_student_layers: int, num_teacher_layers: int, strategy: str = "uniform"
) -> list[int]:
    """Choose the teacher layer g(m) that each student layer m imitates.

    The strategies are those of TinyBERT (sections 3.1 and 4.6, table 4).

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


def _padding_too(
    student: torch.Tensor,
    teacher: torch.Tensor,
    projection: torch.Tensor | None,
    attention_mask: torch.Tensor,
) -> torch.Tensor:
    """Serve before lecture 3: counts padding as if it were text."""
    from torch.nn import functional as F

    return F.mse_loss(student if projection is None else student @ projection, teacher)


@exercise(
    3,
    minutes=15,
    points=4,
    zh="隐藏状态损失",
    en="The hidden-state loss",
    peer=_padding_too,
    peer_differs=("填充位也计入损失。", "padding counts as if it were text."),
)
def hidden_loss(
    student_hidden: torch.Tensor,
    teacher_hidden: torch.Tensor,
    projection: torch.Tensor | None,
    attention_mask: torch.Tensor,
) -> torch.Tensor:
    """Compute the mean squared gap of hidden states after a projection.

    This is TinyBERT's equation 8, and equation 9 for embeddings.

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


def _all_pairs(
    student: torch.Tensor, teacher: torch.Tensor, attention_mask: torch.Tensor
) -> torch.Tensor:
    """Serve before lecture 3: counts padding as if it were text."""
    from torch.nn import functional as F

    return F.mse_loss(student, teacher)


@exercise(
    3,
    minutes=17,
    points=4,
    zh="注意力损失",
    en="The attention loss",
    needs=("hidden_loss",),
    peer=_all_pairs,
    peer_differs=("填充位也计入损失。", "padding counts as if it were text."),
)
def attention_loss(
    student_scores: torch.Tensor, teacher_scores: torch.Tensor, attention_mask: torch.Tensor
) -> torch.Tensor:
    """Compute the mean squared gap of attention scores before the softmax (TinyBERT, eq. 7).

    The mean is over heads and over the real pairs (q, k) of the whole batch: both are tokens.
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
