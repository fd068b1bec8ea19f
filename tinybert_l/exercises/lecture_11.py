"""Lecture 11: counting floating-point operations."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tinybert_l.exercises.registry import exercise

if TYPE_CHECKING:
    from transformers import BertConfig


def _counted_by_torch(config: BertConfig, sequence_length: int) -> int:
    """Serve before lecture 11: runs torch's counter on a model without weights."""
    import torch
    import transformers
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model = transformers.BertModel._from_config(
            copy.deepcopy(config), attn_implementation="eager"
        ).eval()
        with FlopCounterMode(display=False) as counter:
            model(torch.zeros(1, sequence_length, dtype=torch.long))
    pooler = 2 * config.hidden_size**2
    return counter.get_total_flops() - pooler


@exercise(
    11,
    minutes=10,
    points=4,
    zh="浮点运算计数",
    en="Counting FLOPs",
    needs=("parameter_count",),
    peer=_counted_by_torch,
)
def flops(config: BertConfig, sequence_length: int) -> int:
    """Count the floating-point operations of a BERT encoder's forward pass over one text.

    Only matrix products count, with two operations per multiply-add; not the embeddings (a look-up)
    and not the pooler.
    With L layers, hidden size H, FFN size I and s tokens: 2·L·(s·(4H² + 2HI) + 2s²H).

    Args:
        config: num_hidden_layers, hidden_size, intermediate_size are used.
        sequence_length: s, at least 1.
    Returns:
        The number of operations, a whole number.
    Raises:
        ValueError: sequence_length below 1.

    Worked example: L = 1, H = 2, I = 4, s = 3: 2·(3·(16 + 16) + 2·9·2) = 264.
    """
    raise NotImplementedError
