"""What the instructor's side knows of an assignment, as plain data, and what it makes of a submission.

Nothing here runs code or opens the gradebook, apart from `Assignment.read`.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

SUBMISSION_LIMIT = 20 * 10**6  # bytes
CELL_LIMIT = 2000
NOT_REACHED = "This test was not reached, so it gives no points. 该测试未被执行，不计分。"
_ACTIVE = re.compile(r"<[a-zA-Z/!?]|&#?\w+;|(?:javascript|vbscript|data)\s*:", re.I)
_ENCODINGS = ("utf-16", "gb18030")  # tried in this order on what is not UTF-8


@dataclass(frozen=True)
class Cell:
    """A cell that the gradebook knows. `source` is the instructor's, with hidden tests, without answers."""

    name: str
    cell_type: str
    source: str
    locked: bool
    grade: bool
    solution: bool
    task: bool
    points: float
    checksum: str

    @property
    def is_test(self) -> bool:
        return self.cell_type == "code" and self.grade and not self.solution

    def metadata(self) -> dict[str, Any]:
        """As nbgrader writes it into notebooks."""
        keys = ("cell_type", "locked", "grade", "solution", "task", "checksum")
        settings = {key: getattr(self, key) for key in keys} | {
            "grade_id": self.name,
            "schema_version": 3,
        }
        return settings | ({"points": self.points} if self.grade or self.task else {})


@dataclass(frozen=True)
class Assignment:
    """A lecture's assignment as it was released.

    Args:
        name: such as "03-architecture".
        cells: what nbgrader knows, in the source's order.
        demos: the text of cells that only show or train: they are not run, whatever a submission tags.
        texts: seals of the source's text cells: HTML in any other text is a student's.
        kernelspec: of the source notebook.
    """

    name: str
    lecture: int
    cells: tuple[Cell, ...]
    demos: frozenset[str]
    texts: frozenset[str]
    kernelspec: dict[str, Any]

    @classmethod
    def read(cls, db_url: str, source: Path, name: str) -> "Assignment":
        """From the gradebook, and the source notebook in `source`.

        Raises:
            FileNotFoundError: the assignment was never released, or its source notebook is missing.
        """
        from nbgrader.api import Gradebook, MissingEntry

        notebook = source / f"{name}.ipynb"
        if not notebook.is_file():
            raise FileNotFoundError(f"{notebook} is missing.")
        nb = nbformat.read(notebook, as_version=4)
        with Gradebook(db_url) as book:
            try:
                known = book.find_notebook(name, name)
            except MissingEntry:
                raise FileNotFoundError(
                    f"{name} is not in the gradebook: release it first. 请先发布该讲。"
                ) from None
            points = {c.name: float(c.max_score) for c in (*known.grade_cells, *known.task_cells)}
            graded, tasks = {c.name for c in known.grade_cells}, {c.name for c in known.task_cells}
            solutions = {c.name for c in known.solution_cells}
            cells = tuple(
                Cell(
                    c.name, c.cell_type, c.source, bool(c.locked), c.name in graded, c.name in solutions,
                    c.name in tasks, points.get(c.name, 0.0), c.checksum,
                )
                for c in known.source_cells
            )  # fmt: skip
        order = {c.metadata.get("nbgrader", {}).get("grade_id"): i for i, c in enumerate(nb.cells)}
        cells = tuple(sorted(cells, key=lambda c: order.get(c.name, len(order))))
        demos = frozenset(c.source for c in nb.cells if _is_demo(c))
        texts = frozenset(_seal(c.source) for c in nb.cells if c.cell_type == "markdown")
        match = re.match(r"(\d\d)-", name)
        lecture = int(match.group(1)) if match else 1
        return cls(name, lecture, cells, demos, texts, dict(nb.metadata.get("kernelspec", {})))

    def to_json(self) -> str:
        plain = {**asdict(self), "demos": sorted(self.demos), "texts": sorted(self.texts)}
        return json.dumps(plain, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Assignment":
        known = json.loads(text)
        known |= {"cells": tuple(Cell(**c) for c in known["cells"])}
        return cls(**known | {name: frozenset(known[name]) for name in ("demos", "texts")})

    @property
    def fingerprint(self) -> str:
        """Changes with every test, point and demonstration; not with the prose."""
        return hashlib.sha256(replace(self, texts=frozenset()).to_json().encode()).hexdigest()

    def tests(self) -> dict[str, float]:
        """{test cell: points}, in the source's order."""
        return {c.name: c.points for c in self.cells if c.is_test}


class UnreadableSubmission(ValueError):
    """A file that cannot be graded; says why."""


def read_submission(raw: bytes, name: str) -> tuple[NotebookNode, list[str]]:
    """A submitted notebook, and what had to be repaired to read it.

    Raises:
        UnreadableSubmission: too large, not text, not JSON, or no notebook.
    """
    if len(raw) > SUBMISSION_LIMIT:
        raise UnreadableSubmission(f"{name} has more than {SUBMISSION_LIMIT // 10**6} MB 文件过大")
    text, repairs = _decoded(raw, name)
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableSubmission(
            f"{name} is no JSON 不是有效的JSON: {str(error)[:120]}"
        ) from None
    if not isinstance(tree, dict) or not isinstance(tree.get("nbformat"), int):
        raise UnreadableSubmission(f"{name} is JSON, but no notebook 不是有效的笔记本")
    if not 3 <= tree["nbformat"] <= 4:
        raise UnreadableSubmission(
            f"{name} has notebook format {tree['nbformat']}; allowed: 3 and 4 笔记本格式不支持"
        )
    if tree["nbformat"] == 3:
        repairs.append("notebook format 3 was converted 已由格式3转换")
    try:
        if tree["nbformat"] == 3:
            tree = nbformat.convert(nbformat.reads(text, as_version=3), 4)
            for cell in tree["cells"]:
                cell.pop("id", None)  # made at random
        _fill_in(tree, repairs)
        nb = nbformat.reads(json.dumps(tree), as_version=4)
        nbformat.validate(nb)
    except Exception as error:  # nbformat raises many kinds for what is no notebook
        raise UnreadableSubmission(
            f"{name} is no notebook 不是有效的笔记本: {str(error)[:120]}"
        ) from None
    if len(nb.cells) > CELL_LIMIT:
        raise UnreadableSubmission(
            f"{name} has {len(nb.cells)} cells; allowed: {CELL_LIMIT} 单元格过多"
        )
    return nb, repairs


def _decoded(raw: bytes, name: str) -> tuple[str, list[str]]:
    try:
        return raw.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        pass
    for encoding in _ENCODINGS:
        try:
            text = raw.decode(encoding)
            json.loads(text)
            return text, [f"not UTF-8: read as {encoding} 不是UTF-8编码"]
        except (UnicodeError, ValueError, RecursionError):
            continue
    raise UnreadableSubmission(f"{name} is not UTF-8 不是UTF-8编码")


def _fill_in(tree: dict[str, Any], repairs: list[str]) -> None:
    """Cell ids are made anew where they are missing or doubled: what counts is nbgrader's own."""
    seen: set[str] = set()
    for index, cell in enumerate(tree["cells"]):
        cell_id = cell.get("id")
        if (
            not isinstance(cell_id, str)
            or cell_id in seen
            or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell_id)
        ):
            cell["id"] = f"cell-{index}"
            if cell_id is not None:
                repairs.append(f"cell {index}: its id was doubled or unusable 单元格编号重复或无效")
        seen.add(cell["id"])
    tree["nbformat"], tree["nbformat_minor"] = 4, 5


def sanitise(nb: NotebookNode, assignment: Assignment) -> list[str]:
    """Put a submission right, in place; returns what was wrong.

    What nbgrader says of a cell, and the text of locked cells, comes from the assignment, by id. Copies are ordinary
    cells; tags and outputs of a submission decide nothing; missing graded cells come back at their place.
    """
    known = {c.name: c for c in assignment.cells}
    seen: list[str] = []
    repairs = []
    for cell in nb.cells:
        grade_id = (
            (cell.metadata.get("nbgrader") or {}).get("grade_id")
            if isinstance(cell.metadata, dict)
            else None
        )
        cell.metadata = NotebookNode()
        _clear(cell)
        if not isinstance(grade_id, str) or grade_id not in known:
            continue
        if grade_id in seen:
            repairs.append(
                f"{grade_id}: a copy counts as an ordinary cell 重复的单元格按普通单元格处理"
            )
            continue
        seen.append(grade_id)
        repairs += _put_right(cell, known[grade_id])
    if seen != [c.name for c in assignment.cells if c.name in seen]:
        repairs.append("cells were reordered 单元格顺序已改变")
    for c in assignment.cells:
        if c.name not in seen and (c.grade or c.task or c.locked):
            repairs.append(f"{c.name}: was missing and came back 缺失的单元格已恢复")
            nb.cells.insert(_place_for(c.name, nb, assignment), _new_cell(c))
    nb.metadata = NotebookNode(kernelspec=NotebookNode(assignment.kernelspec))
    return repairs


def _clear(cell: NotebookNode) -> None:
    cell.pop("attachments", None) if cell.cell_type == "code" else None
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None


def _put_right(cell: NotebookNode, known: Cell) -> list[str]:
    repairs = []
    cell.metadata["nbgrader"] = NotebookNode(known.metadata())
    if cell.cell_type != known.cell_type:
        repairs.append(
            f"{known.name}: was {cell.cell_type}, is {known.cell_type} again 单元格类型已恢复"
        )
        cell.cell_type = known.cell_type
        if known.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.pop("attachments", None)
        else:
            cell.pop("outputs", None)
            cell.pop("execution_count", None)
    if known.locked and not known.solution:
        if cell.source != known.source and cell.source != _without_hidden(known.source):
            repairs.append(
                f"{known.name}: its locked text was changed and came back 锁定的内容已恢复"
            )
        cell.source = known.source
    return repairs


def defuse(nb: NotebookNode, assignment: Assignment) -> None:
    """Show texts of a student's that hold HTML as plain text, in place: HTML would run in the page of whoever grades.

    For notebooks that are shown, after everything else was done with them.
    """
    for cell in nb.cells:
        cell.pop("attachments", None)
        own = cell.cell_type == "markdown" and _seal(cell.source) not in assignment.texts
        if cell.cell_type == "raw" or (own and _ACTIVE.search(cell.source)):
            cell.cell_type = "markdown"
            fence = "~" * (4 + max((len(run) for run in re.findall("~+", cell.source)), default=0))
            note = "(Shown as plain text: it holds HTML. 含有HTML，按纯文本显示。)"
            cell.source = f"{note}\n\n{fence}\n{cell.source}\n{fence}"


def _seal(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_hidden(source: str) -> str:
    """As nbgrader's ClearHiddenTests leaves a cell for students."""
    lines, hidden = [], False
    for line in source.split("\n"):
        if "BEGIN HIDDEN TESTS" in line:
            hidden = True
        if not hidden:
            lines.append(line)
        if "END HIDDEN TESTS" in line:
            hidden = False
    return "\n".join(lines)


def _new_cell(known: Cell) -> NotebookNode:
    make = nbformat.v4.new_code_cell if known.cell_type == "code" else nbformat.v4.new_markdown_cell
    metadata = {"nbgrader": known.metadata()}
    return make(
        known.source,
        metadata=metadata,
        id=f"restored-{hashlib.sha256(known.name.encode()).hexdigest()[:12]}",
    )


def _place_for(name: str, nb: NotebookNode, assignment: Assignment) -> int:
    """After the cell that stands before it in the source, as far as that is there."""
    order = [c.name for c in assignment.cells]
    before = set(order[: order.index(name)])
    places = [
        i
        for i, c in enumerate(nb.cells)
        if c.metadata.get("nbgrader", {}).get("grade_id") in before
    ]
    return places[-1] + 1 if places else 0


def is_test(cell: NotebookNode) -> bool:
    """An auto-graded test cell, by nbgrader's metadata (which come from the source, not from the submission)."""
    settings = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and bool(settings.get("grade")) and not settings.get("solution")


def _is_demo(cell: NotebookNode) -> bool:
    """A cell that only shows or trains. Cells that nbgrader knows are never taken for one."""
    return "demo" in cell.metadata.get("tags", []) and not cell.metadata.get("nbgrader")


def exercise_of(cell: str) -> str:
    """The exercise that a test cell belongs to."""
    return cell.removeprefix("test_").removesuffix("_hidden")
