"""Splits as token ids, by a tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from tinybert_l.cache import short_digest
from tinybert_l.method.data.reviews import load_reviews
from tinybert_l.method.data.splits import Split


@dataclass(frozen=True)
class Encoded:
    """A split as token ids, without padding.

    Args:
        token_ids: of each text.
        labels: of each text: a class number, numbers, or 0 or 1 for each class.
        pad_token_id: what fills a batch.
        token_type_ids: 0 or 1 for the first or second text of a pair; None: no pairs.
        source: digits that change with the texts, whatever tokenizer read them; "": unknown.
    """

    token_ids: Sequence[list[int]]
    labels: Sequence[Any]
    pad_token_id: int
    token_type_ids: list[list[int]] | None = None
    source: str = ""

    def __len__(self) -> int:
        return len(self.token_ids)

    def lengths(self) -> list[int]:
        """Return the number of tokens of each text."""
        known = getattr(self.token_ids, "lengths", None)  # texts on disk know them unread
        return list(map(len, self.token_ids)) if known is None else known()


def encode(split: Split, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Encoded:
    """Return token ids with [CLS] and [SEP], cut at `max_length` tokens."""
    token_ids = tokenizer(split.texts, truncation=True, max_length=max_length)["input_ids"]
    source = short_digest(repr(split.texts), 16)
    return Encoded(token_ids, split.labels, tokenizer.pad_token_id, source=source)


def encode_all(
    splits: dict[str, Split], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> dict[str, Encoded]:
    """Return each split as token ids."""
    return {name: encode(split, tokenizer, max_length) for name, split in splits.items()}


def prepare_data(
    tokenizer: PreTrainedTokenizerBase, max_length: int = 64, quick: bool = False, fold: int = 0
) -> dict[str, Encoded]:
    """Return the embedded sentences, split and tokenised."""
    splits = load_reviews(quick=quick, fold=fold)
    return encode_all(splits, tokenizer, max_length)
