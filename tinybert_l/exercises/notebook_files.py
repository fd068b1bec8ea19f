"""Read notebooks as editors really write them: the one reader of the student's side and of grading.

A notebook comes out in today's format, its cells with text, settings and nothing else that could
surprise: sources are strings, ids differ, outputs are gone. What was repaired is said.
"""

import json
import re
from typing import Any

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.file_kinds import kind_of

Tree = dict[str, Any]
FORMATS = (3, 4)  # of notebooks, that are read
MINOR = 5  # of the format that is written
CELL_TYPES = ("code", "markdown", "raw")
TEXT_LIKE_TYPES = ("html", "heading")  # of format 3
REPAIRS_SHOWN = 8  # of one kind
_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_OTHER_ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "gb18030")  # tried on what is not UTF-8
# NUL and halves of surrogate pairs stand in no text that a file or a page can hold
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_SCRIPT = re.compile(r"^(?:# %%|import marimo$|(?:# *)?jupyter:$|# ?In ?\[)", re.MULTILINE)
_CONFLICT = re.compile(r"^[ \t]*<{7} ", re.MULTILINE)


class UnreadableNotebook(InvalidInput):
    """A file that is no notebook, or one that cannot be read; the message says why."""


def read_notebook(raw: bytes, name: str) -> tuple[Tree, list[str]]:
    """Read a notebook; returns it in format 4, with a sentence for each thing that was repaired.

    Args:
        raw: the bytes of the file.
        name: of the file, for messages.
    Raises:
        UnreadableNotebook: not text, not JSON, or no notebook.
    """
    kind = kind_of(raw)
    if kind:
        raise UnreadableNotebook(f"{name} is no notebook 不是笔记本: it is {kind}")
    text, repairs = _decoded(raw, name)
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = _conflict(text) or _script(text) or clean_text(str(error))[:120]
        raise UnreadableNotebook(f"{name} is no JSON 不是有效的JSON: {reason}") from None
    version = _whole_number(tree.get("nbformat")) if isinstance(tree, dict) else None
    if version is None:
        raise UnreadableNotebook(f"{name} is JSON, but no notebook 不是有效的笔记本")
    if version not in FORMATS:
        raise UnreadableNotebook(
            f"{name} has notebook format {version}; allowed: 3 and 4 笔记本格式不支持"
        )
    cells = tree.get("cells")
    if version == 3:
        repairs.append("notebook format 3 was converted 已由格式3转换")
        cells = _cells_of_format_3(tree)
    if not isinstance(cells, list):
        raise UnreadableNotebook(f"{name} is no notebook: it has no cells 不是有效的笔记本")
    new_cells = []
    for number, cell in enumerate(cells):
        what = f"{name} is no notebook 不是有效的笔记本: cell {number}"
        new_cells.append(_whole_cell(cell, what))
    repairs += _said_once(_cleaned(new_cells), "held characters that are no text 含有无效字符")
    repairs += _said_once(
        _ids_made_unique(new_cells), "its id was doubled or unusable 单元格编号重复或无效"
    )
    notebook = {
        "cells": new_cells,
        "metadata": _settings(tree.get("metadata")),
        "nbformat": 4,
        "nbformat_minor": MINOR,
    }
    return notebook, repairs


def _conflict(text: str) -> str:
    """Say so where Git has left both versions of a conflict in a file."""
    match = _CONFLICT.search(text)
    if match is None:
        return ""
    line = text.count("\n", 0, match.start()) + 1
    return f"Git's merge conflict is not solved (line {line}) 合并冲突未解决"


def _script(text: str) -> str:
    """Say so where it is a notebook that an editor keeps as a script or a text."""
    if not _SCRIPT.search(text[:2000]):
        return ""
    return "a notebook as a script: ask for the .ipynb 脚本形式的笔记本，请交.ipynb"


def _whole_number(value: Any) -> int | None:
    """Return a format's number however it was written; None for what is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:9])
    if isinstance(value, int | float) and not isinstance(value, bool) and value in FORMATS:
        return int(value)
    return value if isinstance(value, int) else None


def clean_text(text: str) -> str:
    """Return a text that every file and page can hold: without NUL and halves of characters."""
    return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", text)


def _decoded(raw: bytes, name: str) -> tuple[str, list[str]]:
    """Decode a file; returns the text with a list of what was repaired."""
    encodings = list(_OTHER_ENCODINGS)
    for mark, encoding in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            encodings = [encoding]
            break
    else:
        try:
            if b"\0" not in raw[:4]:  # or it is UTF-16, whose every second byte is often 0
                return raw.decode("utf-8-sig").lstrip("\ufeff"), []
        except UnicodeDecodeError:
            pass
    for encoding in encodings:
        try:
            text = raw.decode(encoding)
            json.loads(text)
            return text, [f"not UTF-8: read as {encoding} 不是UTF-8编码"]
        except (UnicodeError, ValueError, RecursionError):
            continue
    raise UnreadableNotebook(f"{name} is not UTF-8 不是UTF-8编码")


def _cells_of_format_3(tree: Tree) -> list[Any] | None:
    """Return the cells of a notebook of format 3 as format 4 has them; None without any."""
    sheets = tree.get("worksheets")
    if not isinstance(sheets, list):
        return tree.get("cells")
    cells = []
    for sheet in sheets:
        of_sheet = sheet.get("cells") if isinstance(sheet, dict) else None
        if not isinstance(of_sheet, list):
            return None
        for cell in of_sheet:
            cells.append(_cell_of_format_3(cell) if isinstance(cell, dict) else cell)
    return cells


def _cell_of_format_3(cell: Tree) -> Tree:
    kind = cell.get("cell_type")
    source = cell.get("input" if kind == "code" else "source", "")
    metadata = cell.get("metadata", {})
    if kind == "heading":
        level = cell.get("level")
        marks = "#" * level if isinstance(level, int) and 1 <= level <= 6 else "#"
        source = f"{marks} {_joined(source)}"
    if kind in TEXT_LIKE_TYPES:
        kind = "markdown"
    return {"cell_type": kind, "source": source, "metadata": metadata}


def _whole_cell(cell: Any, what: str) -> Tree:
    """Return what is known of a cell; unknown fields and all outputs are left out.

    Args:
        what: begins the message.
    """
    if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
        raise UnreadableNotebook(f"{what} has no type 单元格没有类型")
    source = "" if cell.get("source") is None else _joined(cell["source"])  # an empty cell
    if source is None:
        raise UnreadableNotebook(f"{what} has no source 单元格没有内容")
    kind = cell["cell_type"]
    new: Tree = {
        "cell_type": kind if kind in CELL_TYPES else "raw",
        "id": cell.get("id"),
        "metadata": _settings(cell.get("metadata")),
        "source": source,
    }
    if kind == "code":
        new |= {"outputs": [], "execution_count": None}
    elif isinstance(cell.get("attachments"), dict):
        new["attachments"] = _settings(cell["attachments"])
    return new


def _joined(source: Any) -> str | None:
    """Return a source that is a text or a list of lines as one text; None for anything else."""
    if isinstance(source, str):
        return source
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    return None


def _cleaned(cells: list[Tree]) -> list[str]:
    """Clean the cells' texts in place; returns the names of those that were changed."""
    names = []
    for number, cell in enumerate(cells):
        source = clean_text(cell["source"])
        if source != cell["source"]:
            cell["source"] = source
            names.append(f"cell {number}")
    return names


def _ids_made_unique(cells: list[Tree]) -> list[str]:
    """Give cells new ids where they are missing, doubled or malformed, in place.

    Grading goes by nbgrader's own names of cells, so these ids decide nothing.

    Returns:
        The names of the cells whose id was replaced.
    """
    names = []
    seen: set[str] = set()
    for number, cell in enumerate(cells):
        cell_id = cell["id"]
        usable = isinstance(cell_id, str) and _CELL_ID.fullmatch(cell_id)
        if not usable or cell_id in seen:
            cell["id"] = _free_id(number, seen)
            if cell_id is not None:
                names.append(f"cell {number}")
        seen.add(cell["id"])
    return names


def _free_id(number: int, taken: set[str]) -> str:
    """Return an id for a cell that no cell before it has."""
    cell_id = f"cell-{number}"
    attempt = 1
    while cell_id in taken:
        cell_id = f"cell-{number}-{attempt}"
        attempt += 1
    return cell_id


def _settings(metadata: Any) -> Tree:
    """Return metadata with clean texts; empty where it is none, or nested beyond reason."""
    try:
        cleaned = _clean_tree(metadata)
    except RecursionError:
        return {}
    return cleaned if isinstance(cleaned, dict) else {}


def _clean_tree(value: Any) -> Any:
    """Return a JSON tree whose texts, keys included, are clean."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [_clean_tree(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean_tree(item) for key, item in value.items()}
    return value


def _said_once(cells: list[str], what: str) -> list[str]:
    """Return one sentence for all cells with the same fault; none where there are none."""
    if not cells:
        return []
    names = ", ".join(cells[:REPAIRS_SHOWN])
    if len(cells) > REPAIRS_SHOWN:
        names += f" and {len(cells) - REPAIRS_SHOWN} more"
    return [f"{names}: {what}"]
