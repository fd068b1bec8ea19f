"""Lecture 7: the importance of heads, and texts that leave the model early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinybert_l.exercises.registry import exercise

if TYPE_CHECKING:
    import torch


def _features_alone(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Serve before lecture 7: judges each number of a head by itself, as if it were a neuron."""
    return (activations * gradients).sum(2).abs().mean(0).sum(-1)


@exercise(
    7,
    minutes=10,
    points=4,
    zh="注意力头的重要性",
    en="The importance of heads",
    needs=("slice_heads",),
    peer=_features_alone,
    peer_differs=("逐个数值评分，头的次序可能不同。", "heads may come in another order."),
)
def head_importance(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Estimate how much the loss would change without each head, to first order.

    For one example, a head's importance is the absolute value of the inner product of its output
    with the loss's gradient there, over all tokens and all numbers of the head (Michel et al. 2019,
    eq. 2).

    Args:
        activations: each head's output [batch, heads, length, head_size].
        gradients: the loss's gradient with respect to that output, of the same shape.
    Returns:
        Mean over the examples, [heads]; no gradient flows through it.
    Raises:
        ValueError: the shapes differ.

    Worked example: two examples, one head, one token: activations 2 and 2, gradients 3 and -1:
    (|6| + |-2|) / 2 = 4.
    """
    raise NotImplementedError


@exercise(7, minutes=12, points=4, zh="提前退出", en="Early exit")
def early_exit(logits_per_layer: list[torch.Tensor], max_entropy: float) -> torch.Tensor:
    """Find the layer after which each text may leave: the first that is sure enough.

    A layer is the surer the lower the entropy of its prediction p = softmax(logits), which is
    -sum p·ln p, in nats (DeeBERT: Xin et al. 2020).

    Args:
        logits_per_layer: one [batch, classes] for each layer, from the first.
        max_entropy: a text leaves after the first layer whose entropy is at most this value; 0 or
            more.
    Returns:
        Integers [batch], counted from 1; the last layer for a text that is never sure.
    Raises:
        ValueError: no layers, or max_entropy below 0.

    Worked example: two layers, one text, logits [0, 0] then [9, 0]: the first has entropy
    ln 2 = 0.69, the second 0.001; with max_entropy 0.1 the text leaves after layer 2.
    """
    raise NotImplementedError
