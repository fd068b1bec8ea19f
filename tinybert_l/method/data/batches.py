"""Batches of token ids: texts of nearly the same length together, padded to one tensor."""

from collections.abc import Sequence

import torch

from tinybert_l.errors import InvalidInput
from tinybert_l.method.data.encoding import Encoded
from tinybert_l.method.seeding import step_generator

LENGTH_STEP = 8  # padded lengths in training are multiples of this
Batch = dict[str, torch.Tensor]


def bucketed_batches(
    lengths: Sequence[int], batch_size: int, generator: torch.Generator | None = None
) -> list[list[int]]:
    """Group indices so that a batch holds texts of nearly the same length: hardly any padding.

    Args:
        lengths: tokens of each text.
        batch_size: texts a batch, at least 1; the last batch may be smaller.
        generator: shuffles which texts meet and the order of the batches; None: the order of
            length.
    Raises:
        InvalidInput: a batch size below 1.
    """
    if batch_size < 1:
        raise InvalidInput(f"bucketed_batches: batch_size={batch_size}; allowed: at least 1.")
    if generator is None:
        return _sorted_batches(range(len(lengths)), lengths, batch_size)
    shuffled = torch.randperm(len(lengths), generator=generator).tolist()
    pool = 50 * batch_size  # large enough for even lengths, small enough to stay random
    batches: list[list[int]] = []
    for start in range(0, len(shuffled), pool):
        batches += _sorted_batches(shuffled[start : start + pool], lengths, batch_size)
    order = torch.randperm(len(batches), generator=generator).tolist()
    return [batches[place] for place in order]


def _sorted_batches(
    indices: Sequence[int], lengths: Sequence[int], batch_size: int
) -> list[list[int]]:
    """Sort the indices by length and cut them into batches."""
    by_length = sorted(indices, key=lengths.__getitem__)
    starts = range(0, len(by_length), batch_size)
    return [by_length[start : start + batch_size] for start in starts]


def training_batches(data: Encoded, batch_size: int, num_steps: int, seed: int) -> list[list[int]]:
    """Return the indices of every step's batch.

    There are as many shuffled passes over the data as the steps need.

    Raises:
        InvalidInput: no texts.
    """
    if not len(data):
        raise InvalidInput("training_batches: data is empty; allowed: at least one text.")
    lengths = data.lengths()
    batches: list[list[int]] = []
    while len(batches) < num_steps:
        batches += bucketed_batches(lengths, batch_size, step_generator(seed, len(batches)))
    return batches[:num_steps]


def collate(
    data: Encoded,
    indices: Sequence[int],
    device: torch.device | str = "cpu",
    at_most: int | None = None,
) -> Batch:
    """Return one padded batch.

    Args:
        indices: the texts of the batch, at least one.
        device: where the tensors are put.
        at_most: pad to a multiple of 8, at most this. torch caches a kernel per input shape;
            without rounding that cache grew by 0.5 GB. None: pad to the longest text.
    Returns:
        input_ids and attention_mask [batch, length] (1 = token, 0 = padding), labels [batch], and
        for pairs token_type_ids [batch, length].
    Raises:
        InvalidInput: no indices.
    """
    if not indices:
        raise InvalidInput("collate: indices is empty; allowed: at least one text a batch.")
    rows = [data.token_ids[i] for i in indices]
    length = max(map(len, rows))
    if at_most is not None:
        rounded = -(-length // LENGTH_STEP) * LENGTH_STEP
        length = max(length, min(rounded, at_most))
    batch = {
        "input_ids": _padded(rows, length, data.pad_token_id),
        "attention_mask": _padded([[1] * len(row) for row in rows], length, 0),
        "labels": torch.tensor([data.labels[i] for i in indices]),
    }
    if data.token_type_ids is not None:
        batch["token_type_ids"] = _padded([data.token_type_ids[i] for i in indices], length, 0)
    return {name: tensor.to(device) for name, tensor in batch.items()}


def _padded(rows: list[list[int]], length: int, filler: int) -> torch.Tensor:
    """Return rows of a batch, filled up at the right."""
    return torch.tensor([row + [filler] * (length - len(row)) for row in rows])


def model_inputs(batch: Batch) -> Batch:
    """Return what a batch gives a model to read: all but the labels."""
    return {name: tensor for name, tensor in batch.items() if name != "labels"}
