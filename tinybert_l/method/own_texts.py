"""Read the user's own texts, whatever holds them; split them evenly; say what they are like."""

import io
import json
import math
import reprlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from tinybert_l.cache import read_json
from tinybert_l.errors import InvalidInput
from tinybert_l.method.data import (
    TEST_SIZE,
    VALIDATION_SIZE,
    Encoded,
    Table,
    encode,
    normalised,
    read_table,
    stable_rank,
)
from tinybert_l.method.data import Split as LabelledSplit

SPLITS = ("train", "validation", "test")
SMALLEST = 20  # texts, to train, validate and test
Rows = list[tuple[str, str | None]]


@dataclass(frozen=True)
class Columns:
    """Names of the columns that hold the texts and their labels."""

    text: str = "text"
    label: str = "label"


@dataclass(frozen=True)
class OwnTexts:
    """The user's texts, each in one split.

    Args:
        splits: {"train", "validation", "test"}: (text, label or None) of each text.
        repeated: rows that were left out since their text stands in another one.
        contradictory: texts that had several labels; the first one counts.
    """

    splits: dict[str, Rows]
    repeated: int
    contradictory: int

    @property
    def are_labelled(self) -> bool:
        """Whether every text has a label."""
        return all(label is not None for rows in self.splits.values() for _, label in rows)

    def labels(self) -> list[str]:
        """Return the different labels, in alphabetical order."""
        return sorted({str(label) for rows in self.splits.values() for _, label in rows})

    def texts(self, split: str) -> list[str]:
        """Return the texts of a split."""
        return [text for text, _ in self.splits[split]]


def read_own_texts(source: Any, columns: Columns) -> OwnTexts:
    """Read texts, with or without labels.

    Args:
        source: a file (.csv, .tsv, .jsonl, .json, .parquet), a folder made by `save_to_disk` of
            `datasets`, a `Dataset` or a `DataFrame`, a list of texts or of dictionaries, or
            {"train": one of these, "validation": ..., "test": ...}.
        columns: which columns hold text and label; where there is no column of labels, the texts
            have none.
    Raises:
        InvalidInput: what cannot be read, too few texts, or labels for some texts alone.
    """
    if columns.text == columns.label:
        raise InvalidInput(f"texts: text and label are both {columns.text}; allowed: two columns.")
    if isinstance(source, str | Path) and Path(source).is_dir():
        source = _from_disk(Path(source))
    if isinstance(source, Mapping):
        others = [str(name) for name in source if name not in SPLITS]
        if others or "train" not in source:
            raise InvalidInput(
                f"texts: splits {', '.join(map(str, source))}; allowed: train, and of "
                "validation and test those that there are. If these are columns, give "
                "pandas.DataFrame(texts). 应为train等划分；若是各列，请用DataFrame。"
            )
        given = {name: _rows(source[name], columns) for name in SPLITS if name in source}
    else:
        given = {"train": _rows(source, columns)}
    return _separated(given)


def _rows(source: Any, columns: Columns) -> Rows:
    """Read the rows of one source."""
    if isinstance(source, str | Path):
        return _rows_of_file(Path(source), columns)
    if isinstance(source, set | frozenset):
        raise InvalidInput(
            "texts: a set, which has no order; allowed: a list, such as sorted(texts)."
        )
    if isinstance(source, io.IOBase):
        raise InvalidInput("texts: an open file; allowed: its path. 请给出文件路径。")
    if hasattr(source, "to_dict") and hasattr(source, "columns"):  # a DataFrame
        repeated = [name for name, count in Counter(source.columns).items() if count > 1]
        if repeated:
            raise InvalidInput(
                f"texts: the column {repeated[0]} is there twice; allowed: one name each. "
                "列名重复。"
            )
        return _rows_of_records(source.to_dict("records"), columns)
    names = getattr(source, "features", None)
    if names is not None:  # a Dataset, whose numbers of classes have names
        return _rows_of_records(_named(source, columns), columns)
    if isinstance(source, Iterable):
        return _rows_of_records(list(source), columns)
    raise InvalidInput(
        f"texts: a {type(source).__name__}; allowed: a file, a folder, a list, a Dataset, "
        "a DataFrame, or a dictionary of splits."
    )


def _rows_of_file(path: Path, columns: Columns) -> Rows:
    kind = path.suffix.lower()
    if kind in (".csv", ".tsv", ".txt"):
        named = columns.label != Columns().label
        return list(read_table(Table(str(path), columns.text, columns.label), labelled=named))
    if not path.is_file():
        raise InvalidInput(f"{path}: there is no such file. 文件不存在。")
    if kind == ".parquet":
        return _rows(_from_parquet(path), columns)
    if kind in (".jsonl", ".json"):
        return _rows_of_records(_records_of_json(path), columns)
    raise InvalidInput(
        f"{path}: allowed: .csv, .tsv, .jsonl, .json, .parquet, or a folder of datasets. "
        "不支持的文件类型。"
    )


def _records_of_json(path: Path) -> list[Any]:
    """Read a JSON list, or one JSON value a line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: not UTF-8 (byte {error.start}). 文件不是UTF-8编码。") from None
    if text.lstrip().startswith("["):
        return read_json(path)
    records = []
    for number, line in enumerate(text.split("\n"), 1):  # a text may hold other line breaks
        if line.strip():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise InvalidInput(f"{path}, line {number}: no JSON ({error.msg}).") from None
    return records


def _from_parquet(path: Path) -> Any:
    import pandas

    try:
        return pandas.read_parquet(path)
    except ImportError:
        raise InvalidInput(f"{path}: pip install pyarrow, to read it. 缺少软件包。") from None
    except (OSError, ValueError) as error:
        why = str(error).partition("\n")[0][:200]
        raise InvalidInput(
            f"{path}: no Parquet file that can be read ({why}). 文件损坏。"
        ) from error


def _from_disk(folder: Path) -> Any:
    try:
        from datasets import load_from_disk
    except ImportError:
        raise InvalidInput(f"{folder}: to read it, pip install 'tinybert-l[squad]'.") from None
    try:
        return load_from_disk(str(folder))
    except FileNotFoundError:
        raise InvalidInput(
            f"{folder}: holds no data set; allowed: a folder made by save_to_disk of datasets."
        ) from None


def _named(dataset: Any, columns: Columns) -> list[Any]:
    """Return a data set's rows, with the names of its classes in place of their numbers."""
    names = getattr(dataset.features.get(columns.label), "names", None)
    rows = [dict(row) for row in dataset]
    if names is not None:
        for row in rows:
            number = row[columns.label]  # None or -1: a text without a label, as in GLUE's tests
            row[columns.label] = None if number in (None, -1) else names[number]
    return rows


def _rows_of_records(records: Sequence[Any], columns: Columns) -> Rows:
    rows: Rows = []
    for number, record in enumerate(records, 1):
        if isinstance(record, str):
            record = {columns.text: record}
        if not isinstance(record, Mapping) or columns.text not in record:
            if not isinstance(record, Mapping):
                raise InvalidInput(
                    f"texts, row {number}: a {type(record).__name__}, {reprlib.repr(record)}; "
                    f"allowed: a text, or a dictionary such as {{{columns.text!r}: ..., "
                    f"{columns.label!r}: ...}}. 每行应为一个文本或字典。"
                )
            known = ", ".join(map(str, record)) or "none"
            raise InvalidInput(
                f"texts, row {number}: no column {columns.text}; there are: {known}. 缺少所需的列。"
            )
        text = record[columns.text]
        if not isinstance(text, str) or not text.strip():
            raise InvalidInput(
                f"texts, row {number}: the text is {reprlib.repr(text)}; allowed: a text that is "
                "not empty. Leave such rows out. 此行没有可用的文本。"
            )
        if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise InvalidInput(
                f"texts, row {number}: half of a character (a lone surrogate); allowed: whole "
                "ones. Was the text read in another encoding than its own? 文本编码有误。"
            )
        rows.append((text.strip(), _label(record.get(columns.label), number)))
    _require_named_column(records, columns)
    return rows


def _label(label: Any, row: int) -> str | None:
    """Return a label as a text; None where it is missing.

    pandas has NaN and <NA> for what is missing, and makes 1.0 of a 1 beside it.

    Raises:
        InvalidInput: several labels in one row.
    """
    if getattr(label, "ndim", None) == 0 and hasattr(label, "item"):
        label = label.item()  # a number of numpy or torch
    if isinstance(label, Iterable) and not isinstance(label, str | bytes):
        shown = reprlib.repr(label)
        raise InvalidInput(f"texts, row {row}: the label is {shown}; allowed: one class.")
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    is_nan = isinstance(label, float) and math.isnan(label)
    text = "" if label is None or is_nan else str(label).strip()
    return None if text in ("", "<NA>") else text


def _require_named_column(records: Sequence[Any], columns: Columns) -> None:
    """Refuse a column of labels that was named and that no row has.

    Raises:
        InvalidInput: names the columns that there are.
    """
    if columns.label == Columns().label or not records:
        return
    known: dict[Any, None] = {}
    for record in records:
        known |= dict.fromkeys(record if isinstance(record, Mapping) else [columns.text])
    if columns.label not in known:
        raise InvalidInput(
            f"texts: no column {columns.label}; there are: {', '.join(map(str, known))}. "
            "缺少所需的列。"
        )


def _separated(given: dict[str, Rows]) -> OwnTexts:
    """Leave out repeated texts, and take what is missing of validation and test from training."""
    labels_of: dict[str, set[str | None]] = {}
    unique: dict[str, Rows] = {}
    for name in ("test", "validation", "train"):  # a text of two splits is not trained on
        rows: Rows = []
        for text, label in given.get(name, []):
            known = labels_of.setdefault(normalised(text), set())
            if not known:
                rows.append((text, label))
            known.add(label)
        unique[name] = rows
    _check(unique, labels_of)
    for name, share, most in (("test", 5, TEST_SIZE), ("validation", 10, VALIDATION_SIZE)):
        if not unique[name]:
            unique[name], unique["train"] = _taken(unique["train"], share, most)
    total = sum(map(len, given.values()))
    contradictory = sum(len(labels) > 1 for labels in labels_of.values())
    return OwnTexts(unique, total - len(labels_of), contradictory)


def _check(unique: dict[str, Rows], labels_of: dict[str, set[str | None]]) -> None:
    if len(labels_of) >= SMALLEST and not unique["train"]:
        raise InvalidInput(
            "texts: all of train stand in validation or test too, and are not trained on; allowed: "
            "texts of its own for each split. 训练文本全部出现在验证或测试文本中。"
        )
    if len(labels_of) < SMALLEST:
        raise InvalidInput(
            f"texts: {len(labels_of)} different ones; allowed: at least {SMALLEST}, to train, "
            "validate and test. 文本太少。"
        )
    unlabelled = sum(None in labels for labels in labels_of.values())
    if 0 < unlabelled < len(labels_of):
        raise InvalidInput(
            f"texts: {unlabelled} of {len(labels_of)} have no label; allowed: all or none have one."
        )


def _taken(rows: Rows, share: int, most: int) -> tuple[Rows, Rows]:
    """Take one in `share` texts of each label, by a stable hash; return those and the rest."""
    by_label: dict[str | None, Rows] = {}
    for row in sorted(rows, key=lambda row: stable_rank(normalised(row[0]))):
        by_label.setdefault(row[1], []).append(row)
    most_of_one = most * share / len(rows)  # of a label's texts, so that all stay below `most`
    taken: Rows = []
    rest: Rows = []
    for group in by_label.values():
        count = round(len(group) / share * min(1.0, most_of_one))
        if len(group) > 1:
            count = max(1, count)
        taken += group[:count]
        rest += group[count:]
    if not taken:  # hardly two texts have one label
        count = max(1, round(len(rows) / share * min(1.0, most_of_one)))
        return rest[:count], rest[count:]
    return taken, rest


def encode_own_texts(
    texts: OwnTexts, numbers: Mapping[str, int], tokenizer: PreTrainedTokenizerBase, length: int
) -> dict[str, Encoded]:
    """Return each split as token ids, with labels as numbers; 0 where there are none."""
    encoded = {}
    for name, rows in texts.splits.items():
        labels = [numbers.get(str(label), 0) for _, label in rows]
        encoded[name] = encode(LabelledSplit(texts.texts(name), labels), tokenizer, length)
    return encoded


def describe(
    texts: OwnTexts, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> dict[str, Any]:
    """Return what a user should know of the texts before anything is trained on them.

    Returns:
        Numbers of texts and of each label in each split, rows that were left out, contradictions,
        and the share of the training texts that are cut at `max_length` tokens.
    """
    sizes = {name: len(rows) for name, rows in texts.splits.items()}
    sample = texts.texts("train")[:2000]
    whole = tokenizer(sample, truncation=False, verbose=False)["input_ids"]
    lengths = list(map(len, whole))
    cut = sum(length > max_length for length in lengths) / len(lengths)
    counts = {}
    if texts.are_labelled:
        for name, rows in texts.splits.items():
            counts[name] = dict(Counter(str(label) for _, label in rows))
    return {
        "texts": sizes,
        "labels": counts,
        "repeated": texts.repeated,
        "contradictory": texts.contradictory,
        "max_length": max_length,
        "cut": cut,
    }


def report_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return `describe`'s facts as lines for the user."""
    sizes = facts["texts"]
    lines = [
        f"texts 文本: {sizes['train']} to train, {sizes['validation']} to validate, "
        f"{sizes['test']} to test; {facts['repeated']} repeated rows left out"
    ]
    if facts["contradictory"]:
        lines.append(f"  {facts['contradictory']} texts have several labels; the first one counts")
    if facts["cut"]:
        lines.append(f"  {facts['cut']:.0%} are cut at {facts['max_length']} tokens (max_length)")
    if not facts["labels"]:
        lines.append(
            "  no labels: agreement with the teacher is measured 没有标签，衡量与教师的一致"
        )
    for name, counts in facts["labels"].items():
        shown = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
        lines.append(f"  {name}: {shown}")
    return lines
