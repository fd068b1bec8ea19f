"""The file of predictions beside a lecture's notebook: whole or absent, and each entry hashed.

A kernel cannot write its notebook's metadata: the editor holds the notebook and writes it over at
the next save. So predictions are kept in `NN-slug.predictions.json` beside the notebook, and are
copied into the metadata by those who write notebooks: the server that `tinybert-l lab` starts, at
each save, and `tinybert-l submit`. Where no released notebook lies in the working folder (the
sandbox, Colab, a lecturer's source), nothing is written, and predictions last as long as the
process.

An entry's hash covers the entry and the hash of the one before it, so an entry that was changed
later no longer fits. That is for the student's own eyes: whoever has the file can write it anew.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tinybert_l.cache import read_json, short_digest, write_atomically
from tinybert_l.course.markers import BEGIN_HIDDEN_TESTS
from tinybert_l.errors import CourseError, InvalidInput, printable
from tinybert_l.exercises.answers import find_own_notebook
from tinybert_l.exercises.registry import NOTEBOOKS

ENDING = ".predictions.json"
METADATA = "tinybert_l_predictions"  # in a notebook's metadata: the same entries
SCHEMA = 1
LARGEST_FILE = 1_000_000  # bytes
LARGEST_NUMBER = 1e12
_DIGITS = 64
_FIRST = ""  # stands for the hash before the first entry
_LONGEST_TEXT = 200
_NOT_HELD: dict[int, tuple["Entry", ...]] = {}  # {lecture: entries that no file keeps}

Value = dict[str, float | str]


@dataclass(frozen=True)
class Entry:
    """A prediction, or the result that was shown.

    Args:
        name: of the question.
        kind: "prediction" or "result".
        time: when, in UTC, to the second.
        value: of a prediction `low` and `high`, or `choice`; of a result `mean`, or `choice`.
        hash: SHA-256 of all this and of the hash before.
    """

    name: str
    kind: str
    time: str
    value: Value
    hash: str

    @property
    def short_hash(self) -> str:
        """The first twelve digits, for people."""
        return self.hash[:12]


def next_entry(entries: tuple[Entry, ...], name: str, kind: str, value: Value) -> Entry:
    """Return an entry that follows others, of this moment."""
    time = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Entry(name, kind, time, value, _hash(entries, name, kind, time, value))


def _hash(before: tuple[Entry, ...], name: str, kind: str, time: str, value: Value) -> str:
    previous = before[-1].hash if before else _FIRST
    text = json.dumps([previous, name, kind, time, value], sort_keys=True, ensure_ascii=False)
    return short_digest(text, _DIGITS)


def unchanged(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return the entries whose hash fits; the others were changed after they were stored."""
    fitting = []
    for i, entry in enumerate(entries):
        if entry.hash == _hash(entries[:i], entry.name, entry.kind, entry.time, entry.value):
            fitting.append(entry)
    return tuple(fitting)


def read_entries(lecture: int) -> tuple[Entry, ...]:
    """Return a lecture's entries in their order: of the file, else of the notebook's metadata.

    Raises:
        InvalidInput: the file is damaged, or holds what this module does not write.
    """
    if lecture in _NOT_HELD:
        return _NOT_HELD[lecture]
    notebook = find_own_notebook(NOTEBOOKS[lecture])
    return () if notebook is None else entries_beside(notebook)


def entries_beside(notebook: Path) -> tuple[Entry, ...]:
    """Return the entries of the file beside a notebook, else those of its metadata.

    Raises:
        InvalidInput: as in `read_entries`.
    """
    file = file_beside(notebook)
    if file.exists():
        if not file.is_file() or file.stat().st_size > LARGEST_FILE:
            raise InvalidInput(
                f"{file}: no file of at most {LARGEST_FILE:,} bytes; rename it to begin anew. "
                "预测文件过大或不是文件，改名后可重新开始。"
            )
        tree = _read_tree(file)
        if tree.get("schema") != SCHEMA:
            raise InvalidInput(f"{file}: schema={_short(tree.get('schema'))}; allowed: {SCHEMA}.")
        return _entries(tree.get("entries"), str(file))
    metadata = _read_tree(notebook).get("metadata")
    kept = metadata.get(METADATA) if isinstance(metadata, dict) else None
    return () if kept is None else _entries(kept, f"{notebook}: metadata.{METADATA}")


def _read_tree(path: Path) -> dict[str, Any]:
    try:
        tree = read_json(path)
    except (RecursionError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{path}: damaged, not JSON. 文件已损坏，不是JSON。") from None
    except OSError as error:
        raise InvalidInput(f"{path}: not readable ({error.strerror}). 无法读取。") from None
    if not isinstance(tree, dict):
        raise InvalidInput(f"{path}: {_short(tree)}; allowed: an object. 文件已损坏。")
    return tree


def file_beside(notebook: Path) -> Path:
    """Return the path of the file of predictions beside a notebook."""
    return notebook.with_name(f"{notebook.stem}{ENDING}")


def append(lecture: int, name: str, kind: str, value: Value) -> Entry:
    """Store an entry of this moment: in the file where there is a place for it, else in memory.

    Raises:
        InvalidInput: the file is damaged; it is left as it is.
    """
    entries = read_entries(lecture)
    entry = next_entry(entries, name, kind, value)
    all_entries = (*entries, entry)
    if not _write(lecture, all_entries):
        _NOT_HELD[lecture] = all_entries
    return entry


def is_held(lecture: int) -> bool:
    """Tell whether a file keeps the lecture's entries, and not this process alone."""
    return lecture not in _NOT_HELD


def place_of(lecture: int) -> Path | None:
    """Return the released notebook in the working folder; None: entries have no place there."""
    notebook = Path(f"{NOTEBOOKS[lecture]}.ipynb")
    try:
        if notebook.is_file() and BEGIN_HIDDEN_TESTS not in notebook.read_text(encoding="utf-8"):
            return notebook
    except (OSError, UnicodeDecodeError):
        pass
    return None


def _write(lecture: int, entries: tuple[Entry, ...]) -> bool:
    """Write the file where it has a place; False: it has none, or cannot be written."""
    notebook = place_of(lecture)
    if notebook is None:
        return False
    tree = {"schema": SCHEMA, "entries": plain(entries)}
    try:
        write_atomically(file_beside(notebook), json.dumps(tree, ensure_ascii=False, indent=1))
    except OSError:
        return False
    return True


def plain(entries: tuple[Entry, ...]) -> list[dict[str, Any]]:
    """Return entries as JSON has them."""
    return [asdict(entry) for entry in entries]


def carry_into(metadata: dict[str, Any], notebook: Path) -> None:
    """Copy the entries beside a notebook into metadata of it; a damaged file changes nothing."""
    try:
        entries = entries_beside(notebook)
    except (CourseError, OSError):
        return
    if entries:
        metadata[METADATA] = plain(entries)


def carry_on_save(model: Mapping[str, Any], path: str, contents_manager: Any, **_: Any) -> None:
    """Copy predictions into a notebook that a Jupyter server is about to save (a pre-save hook).

    Args:
        model: the server's, with the notebook's content.
        path: of the notebook, from the server's root.
        contents_manager: the server's.
    """
    notebook = Path(contents_manager.root_dir) / path.lstrip("/")
    content = model.get("content")
    if notebook.stem in NOTEBOOKS.values() and isinstance(content, dict):
        carry_into(content.setdefault("metadata", {}), notebook)


def _entries(tree: Any, where: str) -> tuple[Entry, ...]:
    if not isinstance(tree, list):
        raise InvalidInput(f"{where}: entries={_short(tree)}; allowed: a list. 预测文件已损坏。")
    return tuple(_entry(item, f"{where}: entry {number}") for number, item in enumerate(tree))


def _entry(tree: Any, where: str) -> Entry:
    fields = {"name", "kind", "time", "value", "hash"}
    if not isinstance(tree, dict) or tree.keys() != fields:
        raise InvalidInput(
            f"{where}: {_short(tree)}; allowed: {', '.join(sorted(fields))}. 预测文件已损坏。"
        )
    for field in sorted(fields - {"value"}):
        if not isinstance(tree[field], str) or len(tree[field]) > _LONGEST_TEXT:
            raise InvalidInput(
                f"{where}: {field}={_short(tree[field])}; allowed: a text of at most "
                f"{_LONGEST_TEXT} characters. 预测文件已损坏。"
            )
    if tree["kind"] not in ("prediction", "result"):
        raise InvalidInput(f"{where}: kind={_short(tree['kind'])}; allowed: prediction, result.")
    if not _fits(tree["value"], tree["kind"]):
        raise InvalidInput(
            f"{where}: value={_short(tree['value'])}; allowed: low and high, mean, or choice. "
            "预测文件已损坏。"
        )
    return Entry(**tree)


def _fits(value: Any, kind: str) -> bool:
    """Tell whether a value is one that an entry of this kind can have."""
    if not isinstance(value, dict):
        return False
    if value.keys() == {"choice"}:
        return isinstance(value["choice"], str) and len(value["choice"]) <= _LONGEST_TEXT
    numbers = {"low", "high"} if kind == "prediction" else {"mean"}
    return value.keys() == numbers and all(map(is_number, value.values()))


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number of a size that can be meant."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= LARGEST_NUMBER  # false of NaN, too


def _short(value: Any) -> str:
    return printable(repr(value)[:60])
