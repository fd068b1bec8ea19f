"""The sentences of the capstone: to check an entry on, and to hold out."""

import re
from functools import cache
from pathlib import Path

from tinybert_l.course.capstone.asking import Sentences
from tinybert_l.course.capstone.rules import LABELS
from tinybert_l.errors import InvalidInput
from tinybert_l.method.data import Split, Table, load_reviews, read_table

_NO_LETTER = re.compile(r"[\W_]+")


def validation_sentences() -> Sentences:
    """Return the course's validation sentences, on which students choose."""
    return _of_split(load_reviews()["validation"])


def never_trained_on() -> Sentences:
    """Return the sentences that the course's own training never sees: the first fold's test."""
    return _of_split(load_reviews()["test"])


@cache
def all_embedded() -> frozenset[str]:
    """Return all sentences of the public data, in comparable form."""
    texts = []
    for split in load_reviews().values():
        texts += split.texts
    return frozenset(map(comparable, texts))


def comparable(text: str) -> str:
    """Return a text's letters and digits in lower case, with single blanks."""
    return _NO_LETTER.sub(" ", text.casefold()).strip()


def read_labelled(path: Path) -> Sentences:
    """Read a CSV file with the columns text and label; labels are names or the numbers 0 and 1.

    Raises:
        InvalidInput: the file cannot be used, or has another label; says which.
    """
    numbers = {name: number for number, name in enumerate(LABELS)}
    numbers |= {str(number): number for number in range(len(LABELS))}
    texts, labels = [], []
    for text, label in read_table(Table(str(path))):
        if label not in numbers:
            raise InvalidInput(f"{path}: label {label!r}; allowed: {', '.join(numbers)}.")
        texts.append(text)
        labels.append(numbers[label])
    return Sentences(texts, labels)


def _of_split(split: Split) -> Sentences:
    return Sentences(list(split.texts), list(split.labels))
