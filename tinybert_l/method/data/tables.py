"""The user's own labelled texts: a CSV file, read strictly and split as the reviews are."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinybert_l.errors import InvalidInput
from tinybert_l.method.data.splits import (
    QUICK_TRAIN_SIZE,
    TEST_SIZE,
    VALIDATION_SIZE,
    Split,
    normalised,
    shortened,
    split_by_hash,
)


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
        splits = shortened(splits, dict.fromkeys(splits, QUICK_TRAIN_SIZE))
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
                reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
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
