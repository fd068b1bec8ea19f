"""The assignment as plain data, and the reading, repairing and defusing of submissions by it.

Nothing here runs code, and only `Assignment.read` opens the gradebook.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbformat import NotebookNode

from tinybert_l.cache import short_digest
from tinybert_l.course.markers import without_hidden_tests
from tinybert_l.errors import CourseError

if TYPE_CHECKING:
    from nbgrader.api import Notebook

SUBMISSION_LIMIT = 20 * 10**6  # bytes
CELL_LIMIT = 2000
NOT_REACHED = "This test was not reached, so it gives no points. 该测试未被执行，不计分。"
_TEXT_DIGITS = 16  # of the sha256 that stands for a text cell
_ID_DIGITS = 12  # of the sha256 in the id of a cell that was put back
# HTML tags, character references, and addresses that a browser would run
_ACTIVE = re.compile(r"<[a-zA-Z/!?]|&#?\w+;|(?:javascript|vbscript|data)\s*:", re.IGNORECASE)
_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ENCODINGS = ("utf-16", "gb18030")  # tried in this order on bytes that are not UTF-8


@dataclass(frozen=True)
class Cell:
    """A cell that the gradebook knows.

    Args:
        source: the instructor's text, with hidden tests, without answers.
        points: 0.0 where a cell is not graded.
        checksum: nbgrader's, of the released cell.
    """

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
        """Return the cell's settings as nbgrader writes them into notebooks."""
        settings: dict[str, Any] = {"grade_id": self.name, "schema_version": 3}
        for key in ("cell_type", "locked", "grade", "solution", "task", "checksum"):
            settings[key] = getattr(self, key)
        if self.grade or self.task:
            settings["points"] = self.points
        return settings


@dataclass(frozen=True)
class Assignment:
    """A lecture's assignment as it was released.

    Args:
        name: such as "03-architecture".
        cells: the cells that nbgrader knows, in the source's order.
        demos: sources of cells that only show or train. They are not run, and a submission's own
            tags make no further cell a demonstration.
        texts: digests of the source's text cells; HTML in any other text is a student's.
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
        """Read an assignment from the gradebook and from its source notebook.

        Args:
            db_url: SQLAlchemy's address of the gradebook.
            source: the folder of the source notebook.
        Raises:
            FileNotFoundError: the assignment was never released, or its source is missing.
        """
        from nbgrader.api import Gradebook, MissingEntry

        path = source / f"{name}.ipynb"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing.")
        notebook = nbformat.read(path, as_version=4)
        position: dict[str | None, int] = {}
        demos = set()
        texts = set()
        for index, cell in enumerate(notebook.cells):
            position[grade_id(cell)] = index
            if _is_demo(cell):
                demos.add(cell.source)
            if cell.cell_type == "markdown":
                texts.add(_text_digest(cell.source))
        with Gradebook(db_url) as book:
            try:
                cells = _cells_of(book.find_notebook(name, name))
            except MissingEntry:
                raise FileNotFoundError(
                    f"{name} is not in the gradebook: release it first. 请先发布该讲。"
                ) from None
        cells.sort(key=lambda cell: position.get(cell.name, len(position)))
        match = re.match(r"(\d\d)-", name)
        lecture = int(match.group(1)) if match else 1
        kernelspec = dict(notebook.metadata.get("kernelspec", {}))
        return cls(name, lecture, tuple(cells), frozenset(demos), frozenset(texts), kernelspec)

    def to_json(self) -> str:
        plain = {**asdict(self), "demos": sorted(self.demos), "texts": sorted(self.texts)}
        return json.dumps(plain, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Assignment":
        fields = json.loads(text)
        fields["cells"] = tuple(Cell(**cell) for cell in fields["cells"])
        fields["demos"] = frozenset(fields["demos"])
        fields["texts"] = frozenset(fields["texts"])
        return cls(**fields)

    @property
    def fingerprint(self) -> str:
        """SHA-256 that changes with every test, point and demonstration, and not with the prose."""
        return hashlib.sha256(replace(self, texts=frozenset()).to_json().encode()).hexdigest()

    def tests(self) -> dict[str, float]:
        """Return {test cell: points}, in the source's order."""
        return {cell.name: cell.points for cell in self.cells if cell.is_test}


def _cells_of(notebook: "Notebook") -> list[Cell]:
    """Read the cells of a notebook that is in the gradebook."""
    solutions = {cell.name for cell in notebook.solution_cells}
    grade_points = {cell.name: float(cell.max_score) for cell in notebook.grade_cells}
    task_points = {cell.name: float(cell.max_score) for cell in notebook.task_cells}
    points = grade_points | task_points
    cells = []
    for cell in notebook.source_cells:
        cells.append(
            Cell(
                name=cell.name,
                cell_type=cell.cell_type,
                source=cell.source,
                locked=bool(cell.locked),
                grade=cell.name in grade_points,
                solution=cell.name in solutions,
                task=cell.name in task_points,
                points=points.get(cell.name, 0.0),
                checksum=cell.checksum,
            )
        )
    return cells


class UnreadableSubmission(CourseError, ValueError):
    """A file that cannot be graded; the message says why."""


def read_submission(raw: bytes, name: str) -> tuple[NotebookNode, list[str]]:
    """Read a submitted notebook; returns it with a list of what was repaired to read it.

    Raises:
        UnreadableSubmission: too large, not text, not JSON, or no notebook.
    """
    if len(raw) > SUBMISSION_LIMIT:
        raise UnreadableSubmission(f"{name} has more than {SUBMISSION_LIMIT // 10**6} MB 文件过大")
    text, repairs = _decoded(raw, name)
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error)[:120]
        raise UnreadableSubmission(f"{name} is no JSON 不是有效的JSON: {reason}") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("nbformat"), int):
        raise UnreadableSubmission(f"{name} is JSON, but no notebook 不是有效的笔记本")
    if not 3 <= tree["nbformat"] <= 4:
        raise UnreadableSubmission(
            f"{name} has notebook format {tree['nbformat']}; allowed: 3 and 4 笔记本格式不支持"
        )
    try:
        if tree["nbformat"] == 3:
            repairs.append("notebook format 3 was converted 已由格式3转换")
            tree = _converted_to_4(text)
        repairs += _make_ids_unique(tree)
        nb = nbformat.reads(json.dumps(tree), as_version=4)
        nbformat.validate(nb)
    except Exception as error:  # nbformat raises many kinds for a tree that is no notebook
        reason = str(error)[:120]
        raise UnreadableSubmission(f"{name} is no notebook 不是有效的笔记本: {reason}") from None
    if len(nb.cells) > CELL_LIMIT:
        raise UnreadableSubmission(
            f"{name} has {len(nb.cells)} cells; allowed: {CELL_LIMIT} 单元格过多"
        )
    return nb, repairs


def _decoded(raw: bytes, name: str) -> tuple[str, list[str]]:
    """Decode a file; returns the text with a list of what was repaired."""
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


def _converted_to_4(text: str) -> dict[str, Any]:
    tree = nbformat.convert(nbformat.reads(text, as_version=3), 4)
    for cell in tree["cells"]:
        cell.pop("id", None)  # nbformat makes it at random; equal submissions stay equal
    return tree


def _make_ids_unique(tree: dict[str, Any]) -> list[str]:
    """Give cells new ids where they are missing, doubled or malformed, in place.

    Grading goes by nbgrader's own names of cells, so these ids decide nothing.

    Returns:
        A sentence for each id that was replaced.
    """
    repairs = []
    seen: set[str] = set()
    for index, cell in enumerate(tree["cells"]):
        cell_id = cell.get("id")
        usable = isinstance(cell_id, str) and _CELL_ID.fullmatch(cell_id)
        if not usable or cell_id in seen:
            cell["id"] = f"cell-{index}"
            if cell_id is not None:
                repairs.append(f"cell {index}: its id was doubled or unusable 单元格编号重复或无效")
        seen.add(cell["id"])
    tree["nbformat"] = 4
    tree["nbformat_minor"] = 5
    return repairs


def grade_id(cell: NotebookNode) -> str | None:
    """Return nbgrader's name of a cell, or None."""
    if not isinstance(cell.metadata, dict):
        return None
    name = (cell.metadata.get("nbgrader") or {}).get("grade_id")
    return name if isinstance(name, str) else None


def sanitise(nb: NotebookNode, assignment: Assignment) -> list[str]:
    """Put a submission right, in place; returns a sentence for each repair.

    Cells' settings and the text of locked cells come from the assignment, by nbgrader's name of the
    cell. Copies of a cell are ordinary cells. A submission's tags and outputs decide nothing.
    Missing graded cells come back at their place.
    """
    known = {cell.name: cell for cell in assignment.cells}
    seen: list[str] = []
    repairs = []
    for cell in nb.cells:
        name = grade_id(cell)
        cell.metadata = NotebookNode()
        if cell.cell_type == "code":
            _clear(cell)
        if name not in known:
            continue
        if name in seen:
            repairs.append(
                f"{name}: a copy counts as an ordinary cell 重复的单元格按普通单元格处理"
            )
            continue
        seen.append(name)
        repairs += _put_right(cell, known[name])
    if seen != [cell.name for cell in assignment.cells if cell.name in seen]:
        repairs.append("cells were reordered 单元格顺序已改变")
    for known_cell in assignment.cells:
        needed = known_cell.grade or known_cell.task or known_cell.locked
        if needed and known_cell.name not in seen:
            repairs.append(f"{known_cell.name}: was missing and came back 缺失的单元格已恢复")
            place = _place_for(known_cell.name, nb, assignment)
            nb.cells.insert(place, _new_cell(known_cell))
    nb.metadata = NotebookNode(kernelspec=NotebookNode(assignment.kernelspec))
    return repairs


def _clear(cell: NotebookNode) -> None:
    """Take from a code cell all that it may hold beside its source."""
    cell.pop("attachments", None)
    cell.outputs = []
    cell.execution_count = None


def _put_right(cell: NotebookNode, known: Cell) -> list[str]:
    """Give a cell the settings, type and locked text that it had; returns what was changed."""
    repairs = []
    cell.metadata["nbgrader"] = NotebookNode(known.metadata())
    if cell.cell_type != known.cell_type:
        repairs.append(
            f"{known.name}: was {cell.cell_type}, is {known.cell_type} again 单元格类型已恢复"
        )
        cell.cell_type = known.cell_type
        if known.cell_type == "code":
            _clear(cell)
        else:
            cell.pop("outputs", None)
            cell.pop("execution_count", None)
    if known.locked and not known.solution:
        released = without_hidden_tests(known.source)
        if cell.source not in (known.source, released):
            repairs.append(
                f"{known.name}: its locked text was changed and came back 锁定的内容已恢复"
            )
        cell.source = known.source
    return repairs


def defuse(nb: NotebookNode, assignment: Assignment) -> None:
    """Show a student's texts that hold HTML as plain text, in place.

    HTML would run in the browser of whoever grades. Call it last, on notebooks that are only shown.
    """
    for cell in nb.cells:
        cell.pop("attachments", None)
        is_students = cell.cell_type == "markdown"
        is_students = is_students and _text_digest(cell.source) not in assignment.texts
        if cell.cell_type == "raw" or (is_students and _ACTIVE.search(cell.source)):
            cell.cell_type = "markdown"
            longest = max(map(len, re.findall("~+", cell.source)), default=0)
            fence = "~" * (4 + longest)
            note = "(Shown as plain text: it holds HTML. 含有HTML，按纯文本显示。)"
            cell.source = f"{note}\n\n{fence}\n{cell.source}\n{fence}"


def _text_digest(text: str) -> str:
    return short_digest(text, _TEXT_DIGITS)


def _new_cell(known: Cell) -> NotebookNode:
    """Make a cell of a notebook from what the gradebook knows."""
    cell_id = f"restored-{short_digest(known.name, _ID_DIGITS)}"
    metadata = {"nbgrader": known.metadata()}
    if known.cell_type == "code":
        return nbformat.v4.new_code_cell(known.source, metadata=metadata, id=cell_id)
    return nbformat.v4.new_markdown_cell(known.source, metadata=metadata, id=cell_id)


def _place_for(name: str, nb: NotebookNode, assignment: Assignment) -> int:
    """Return the index after the last cell that stands before this one in the source."""
    before: set[str | None] = set()
    for known in assignment.cells:
        if known.name == name:
            break
        before.add(known.name)
    place = 0
    for index, cell in enumerate(nb.cells):
        if grade_id(cell) in before:
            place = index + 1
    return place


def is_test(cell: NotebookNode) -> bool:
    """Tell whether a cell is an auto-graded test.

    Reads nbgrader's settings, which come from the source once a submission is sanitised.
    """
    settings = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and bool(settings.get("grade")) and not settings.get("solution")


def _is_demo(cell: NotebookNode) -> bool:
    """Tell whether a cell only shows or trains; cells that nbgrader knows never do."""
    return "demo" in cell.metadata.get("tags", []) and not cell.metadata.get("nbgrader")


def exercise_of(cell: str) -> str:
    """Return the exercise that a test cell belongs to."""
    return cell.removeprefix("test_").removesuffix("_hidden")
