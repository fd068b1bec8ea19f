"""Labelled texts: made unique, ranked by a stable hash, split for training and testing."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from tinybert_l.errors import InvalidInput

TEST_SIZE = 1200
VALIDATION_SIZE = 600
NUM_FOLDS = 3  # of test texts; seed k of a long run uses fold k
QUICK_TRAIN_SIZE = 512


@dataclass(frozen=True)
class Split:
    """Texts and the numbers of their labels, in one order.

    The embedded reviews have the labels 0 (negative) and 1 (positive).
    """

    texts: list[str]
    labels: list[int]

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.labels):
            raise InvalidInput(
                f"Split: {len(self.texts)} texts but {len(self.labels)} labels; allowed: one label "
                "for each text."
            )

    def __len__(self) -> int:
        return len(self.texts)

    def head(self, count: int) -> "Split":
        """Return the first texts."""
        return Split(self.texts[:count], self.labels[:count])


def normalised(text: str) -> str:
    """Return the text by which repetitions are recognised: in lower case, single spaces."""
    return " ".join(text.casefold().split())


def stable_rank(normalised_text: str) -> bytes:
    """Return a sort key that puts texts in an order without any meaning, always the same."""
    return hashlib.sha256(normalised_text.encode()).digest()


def split_by_hash(
    rows: Sequence[tuple[str, int]], test_size: int, validation_size: int, fold: int = 0
) -> dict[str, Split]:
    """Drop repeated texts (case and white space aside), rank the rest by a hash, cut at the sizes.

    A text's place depends on no seed and hardly on the other texts, so results stay comparable.

    Args:
        rows: (text, label) of each text.
        test_size: texts in "test", the first ones in the ranking.
        validation_size: texts in "validation", the next ones. The rest is "train".
        fold: above 0, "test" is so many times its size further on, behind the validation texts,
            and the first ones go to "train".
    Raises:
        InvalidInput: no text would be left for training.
    """
    unique: dict[str, tuple[str, int]] = {}
    for text, label in rows:
        unique.setdefault(normalised(text), (text, label))
    first_train = test_size + validation_size
    needed = first_train + fold * test_size
    if len(unique) <= needed:
        raise InvalidInput(
            f"split_by_hash: {len(unique)} different texts; allowed: more than test_size + "
            f"validation_size = {first_train} and {fold} further folds, so that some are left for "
            "training."
        )
    ranked = list(map(unique.__getitem__, sorted(unique, key=stable_rank)))
    validation = ranked[test_size:first_train]
    if fold == 0:
        test, train = ranked[:test_size], ranked[first_train:]
    else:
        test = ranked[needed - test_size : needed]
        train = ranked[:test_size] + ranked[first_train : needed - test_size] + ranked[needed:]
    return {"test": as_split(test), "validation": as_split(validation), "train": as_split(train)}


def shortened(splits: dict[str, Split], sizes: dict[str, int]) -> dict[str, Split]:
    """Keep the first texts of each split."""
    return {name: split.head(sizes[name]) for name, split in splits.items()}


def as_split(rows: Sequence[tuple[str, int]]) -> Split:
    """Turn rows of (text, label) into a split."""
    texts = []
    labels = []
    for text, label in rows:
        texts.append(text)
        labels.append(label)
    return Split(texts, labels)


def data_hash(splits: dict[str, Split]) -> str:
    """Return twelve hexadecimal digits that change with any text or label."""
    digest = hashlib.sha256()
    for name in sorted(splits):
        for text, label in zip(splits[name].texts, splits[name].labels, strict=True):
            digest.update(f"{name}\0{label}\0{text}\n".encode())
    return digest.hexdigest()[:12]
