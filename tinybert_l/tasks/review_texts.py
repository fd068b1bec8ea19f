"""Whole reviews for a language model: shuffled, split by review, numbered by a small vocabulary."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from random import Random
from typing import Any

import torch

from tinybert_l.method.data import REVIEWS, packaged_file

UNKNOWN = 0  # the number of every token outside the vocabulary
END = 1  # the number that stands after every review
HELD_OUT = 400  # reviews each for validation and for testing
Numbers = list[int]


@dataclass(frozen=True)
class ReviewParts:
    """Reviews as texts; no review stands in two parts.

    Args:
        train: to learn from.
        validation: to choose by.
        test: to report on.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def whole_reviews() -> Iterator[str]:
    """Yield the embedded whole reviews, without markup of line breaks; first all negative ones."""
    with packaged_file(*REVIEWS).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["source"] == "imdb":
                yield row["text"].replace("<br />", " ")


@cache
def review_parts(seed: int = 0) -> ReviewParts:
    """Shuffle all embedded reviews, of both labels, and split them.

    A review that stands twice in the file, but for case and blanks, is taken once: else a copy
    could be learned by heart and tested.
    """
    distinct = {" ".join(text.casefold().split()): text for text in whole_reviews()}
    texts = list(distinct.values())
    Random(seed).shuffle(texts)
    validation, test = texts[:HELD_OUT], texts[HELD_OUT : 2 * HELD_OUT]
    return ReviewParts(tuple(texts[2 * HELD_OUT :]), tuple(validation), tuple(test))


def token_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return the tokenizer's ids of texts of any length, without special tokens."""
    return tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]


def frequent_tokens(tokenizer: Any, ids: Sequence[Sequence[int]], size: int) -> list[int]:
    """Return a vocabulary of `size` ids: the unknown token, the end, the most frequent of `ids`."""
    vocabulary = [tokenizer.unk_token_id, tokenizer.sep_token_id]
    counts = Counter(chain(*ids))
    for special in vocabulary:
        del counts[special]
    return vocabulary + [token for token, _ in counts.most_common(size - len(vocabulary))]


def numbered(ids: Iterable[int], vocabulary: Sequence[int]) -> Numbers:
    """Replace each token id by its number in the vocabulary, or by `UNKNOWN`."""
    numbers = dict(zip(vocabulary, range(len(vocabulary)), strict=True))
    return [numbers.get(token_id, UNKNOWN) for token_id in ids]


def in_numbers(tokenizer: Any, texts: Sequence[str], vocabulary: Sequence[int]) -> list[Numbers]:
    """Return each text in numbers of the vocabulary."""
    return [numbered(ids, vocabulary) for ids in token_ids(tokenizer, texts)]


def as_blocks(reviews: Sequence[Numbers], length: int) -> torch.Tensor:
    """Lay reviews end to end, `END` after each, and cut them into blocks [blocks, length]."""
    stream = list(chain.from_iterable([*review, END] for review in reviews))
    blocks = len(stream) // length
    return torch.tensor(stream[: blocks * length]).view(blocks, length)
