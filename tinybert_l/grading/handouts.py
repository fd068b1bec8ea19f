"""Make everybody's own copy of a release, each with that student's numbers, as a zip file.

The release is made and scanned once. A copy differs from it in the cells that hold numbers, and
these are scanned again.
"""

import copy
import io
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from tqdm.auto import tqdm

from tinybert_l.cache import read_json, write_atomically
from tinybert_l.course.home import STUDENT_METADATA
from tinybert_l.grading.leaks import Secrets, quiz_secrets, require_none, scan_text
from tinybert_l.grading.variants import Change, Variants
from tinybert_l.languages import in_words

STORED = {".whl", ".zip"}  # packed already
README = "README.md"
MADE_FOR = (
    "Made for {student}: the numbers in questions are yours alone, and you are graded by them. "
    "本文件夹为{student}制作：题目中的数只属于你，也按它们评分。"
)


def write_handouts(
    released: Path, target: Path, variants: Variants, language: str | None, secrets: Secrets
) -> list[Path]:
    """Write a zip file for each student into a folder that holds nothing else; returns them.

    Args:
        released: the folder of the release, which has been scanned.
        target: the folder; it appears whole, in the place of an earlier one.
        language: of the release; None: both.
        secrets: what no cell may hold; the right answers to a student's questions are added.

    Raises:
        LeakError: a cell with a student's numbers gives something away; nothing is written.
    """
    notebook = released / f"{released.name}.ipynb"
    tree = read_json(notebook)
    other_files = {}
    for path in sorted(released.rglob("*")):
        if path.is_file() and path != notebook:
            other_files[path.relative_to(released.parent).as_posix()] = path.read_bytes()
    work = target.with_name(f".{target.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    for student in tqdm(variants.students, desc="release 发布", unit="student"):
        cells = _own_cells(tree["cells"], variants.changes(student), language)
        _require_no_leaks(cells.values(), variants, student, secrets)
        own = {**tree, "cells": [cells.get(cell["id"], cell) for cell in tree["cells"]]}
        own["metadata"] = {**tree["metadata"], STUDENT_METADATA: student}
        text = json.dumps(own, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        files = {f"{released.name}/{notebook.name}": text.encode(), **other_files}
        readme = f"{released.name}/{README}"
        made_for = in_words(MADE_FOR, language).format(student=student)
        files[readme] = f"{made_for}\n\n".encode() + files[readme]
        write_atomically(work / f"{student}.zip", zipped(files))
    shutil.rmtree(target, ignore_errors=True)
    work.rename(target)
    return sorted(target.glob("*.zip"))


def _own_cells(
    cells: Sequence[Mapping[str, Any]], changes: Sequence[Change], language: str | None
) -> dict[str, dict[str, Any]]:
    """Return {id: cell} of the cells that hold a student's numbers."""
    by_id = {change.cell: change for change in changes}
    own = {}
    for cell in cells:
        if cell["id"] not in by_id:
            continue
        changed = copy.deepcopy(dict(cell))
        source = by_id[cell["id"]].applied("".join(cell["source"]), language)
        changed["source"] = source.splitlines(keepends=True)
        _sign_again(changed, source)
        own[cell["id"]] = changed
    return own


def _sign_again(cell: dict[str, Any], source: str) -> None:
    """Give a cell the checksum by which Validate knows it unchanged, where it has one."""
    from nbgrader.utils import compute_checksum

    settings = cell["metadata"].get("nbgrader", {})
    if settings.get("checksum"):
        metadata = NotebookNode(nbgrader=NotebookNode(settings))
        node = NotebookNode(cell_type=cell["cell_type"], source=source, metadata=metadata)
        settings["checksum"] = compute_checksum(node)


def _require_no_leaks(cells: Any, variants: Variants, student: str, secrets: Secrets) -> None:
    """Raise `LeakError` where a cell with own numbers holds a secret, or a right answer."""
    own_secrets = dict(secrets)
    numbers = variants.numbers(student)
    for question in variants.questions:
        own = question.with_numbers(numbers[question.name])
        own_secrets |= dict.fromkeys(quiz_secrets(own), f"the answer to {question.name}")
    own_secrets[variants.secret.hex()] = "the course's secret"
    text = "\n".join("".join(cell["source"]) for cell in cells)
    require_none(scan_text(student, text, own_secrets), f"the release for {student}")


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Pack {name: content} into a zip file, with names that every system can read."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            is_packed = Path(name).suffix in STORED
            archive.writestr(name, content, zipfile.ZIP_STORED if is_packed else None)
    return buffer.getvalue()
