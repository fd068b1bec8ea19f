"""Lecture 1: counting parameters, and soft labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinybert_l.exercises.registry import exercise

if TYPE_CHECKING:
    import torch
    from transformers import BertConfig


@exercise(1, minutes=15, points=4, zh="参数计数", en="Counting parameters")
def parameter_count(config: BertConfig, pooler: bool = True) -> int:
    """Count the numbers that a BERT encoder has, from its configuration alone.

    There are three embedding tables (words, positions, token types) and a LayerNorm; in each layer
    four projections of the attention and two of the FFN, all with biases, and two LayerNorms; and
    the pooler.

    Args:
        config: vocab_size, max_position_embeddings, type_vocab_size, hidden_size,
            num_hidden_layers, intermediate_size are used; no cross-attention.
        pooler: count the pooler (one more projection, hidden to hidden).
    Returns:
        The number of parameters of the `BertModel` that the configuration describes.
    """
    raise NotImplementedError


@exercise(1, minutes=10, points=4, zh="软标签交叉熵", en="Cross-entropy with soft labels")
def soft_cross_entropy(
    student_logits: torch.Tensor, teacher_logits: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    """Compute the cross-entropy between softened predictions (TinyBERT, eq. 10); no factor t².

    Args:
        student_logits, teacher_logits: [batch, classes]; the teacher's receive no gradient.
        temperature: t > 0; both sides are divided by it.
    Returns:
        Scalar: mean over the batch.
    """
    raise NotImplementedError
