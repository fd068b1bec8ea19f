"""The assignment as plain data, as it was released: its cells, its texts, their order.

Nothing here runs code, and only `Assignment.read` opens the gradebook.
"""

import copy
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbformat import NotebookNode

from tinybert_l.cache import short_digest
from tinybert_l.course.authoring import cell_in_language, in_language
from tinybert_l.course.markers import without_hidden_tests
from tinybert_l.languages import LANGUAGES

if TYPE_CHECKING:
    from nbgrader.api import Notebook

SUBMISSION_LIMIT = 20 * 10**6  # bytes
NOT_REACHED = "This test was not reached, so it gives no points. 该测试未被执行，不计分。"
_TEXT_DIGITS = 16  # of the sha256 that stands for a text cell
# what students put above a cell to time it or to silence it; it changes nothing that is compared
_TIMING = re.compile(r"\A(?:%%?(?:time|timeit|capture)\b.*\n)+")


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
        texts: digests of the source's text cells; any other text is a student's.
        kernelspec: of the source notebook.
        layout: what stands for each cell of the source, in its order (see `place_of`).
        reduced: {digest of a text as a release in one language has it: that of the source's text}.
    """

    name: str
    lecture: int
    cells: tuple[Cell, ...]
    demos: frozenset[str]
    texts: frozenset[str]
    kernelspec: dict[str, Any]
    layout: tuple[str, ...] = ()
    reduced: Mapping[str, str] = field(default_factory=dict)

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
        layout = []
        for index, cell in enumerate(notebook.cells):
            position[grade_id(cell)] = index
            layout.append(place_of(cell))
            if _is_demo(cell):
                demos.add(cell.source)
            if cell.cell_type == "markdown":
                texts.add(text_digest(cell.source))
        reduced = _reduced_texts(notebook)
        texts.update(reduced)
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
        return cls(
            name,
            lecture,
            tuple(cells),
            frozenset(demos),
            frozenset(texts),
            kernelspec,
            tuple(layout),
            reduced,
        )

    def to_json(self) -> str:
        plain = {**asdict(self), "demos": sorted(self.demos), "texts": sorted(self.texts)}
        return json.dumps(plain, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Assignment":
        fields = json.loads(text)
        fields["cells"] = tuple(Cell(**cell) for cell in fields["cells"])
        fields["demos"] = frozenset(fields["demos"])
        fields["texts"] = frozenset(fields["texts"])
        fields["layout"] = tuple(fields.get("layout", ()))
        return cls(**fields)

    @cached_property  # asked for each student of a class
    def fingerprint(self) -> str:
        """SHA-256 that changes with every test, point and demonstration, and not with the prose."""
        tree = json.loads(replace(self, texts=frozenset()).to_json())
        del tree["layout"], tree["reduced"]
        text = json.dumps(tree, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def is_demo(self, source: str) -> bool:
        """Tell whether a cell's text is that of a demonstration, in whatever way it was saved."""
        digest = text_digest(source)
        return self.reduced.get(digest, digest) in _digests(self.demos)

    def place_of(self, cell: NotebookNode) -> str:
        """Return what stands in `layout` for a cell of a release, in whatever language."""
        name = grade_id(cell)
        digest = text_digest(cell.source)
        return f"name {name}" if name else f"text {self.reduced.get(digest, digest)}"

    def own_texts_at_end(self, cells: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the student's own texts behind the last released cell: many write on there."""
        texts: list[str] = []
        for cell in reversed(cells):
            node = NotebookNode(cell)
            if grade_id(node) is not None or self.place_of(node) in self.layout:
                break
            if node.cell_type == "code" or not node.source.strip():
                continue
            if text_digest(node.source) in self.texts:
                break
            texts.insert(0, node.source)
        return texts

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


def grade_id(cell: NotebookNode) -> str | None:
    """Return nbgrader's name of a cell, or None."""
    if not isinstance(cell.metadata, dict):
        return None
    settings = cell.metadata.get("nbgrader")
    name = settings.get("grade_id") if isinstance(settings, dict) else None
    return name if isinstance(name, str) else None


def normalised(source: str) -> str:
    """Return a cell's text without what editors and timing change: line ends, blanks, `%%time`."""
    lines = [line.rstrip() for line in source.splitlines()]
    return _TIMING.sub("", "\n".join(lines).strip("\n") + "\n").strip("\n")


@cache
def _digests(texts: frozenset[str]) -> frozenset[str]:
    return frozenset(map(text_digest, texts))


def _reduced_texts(notebook: NotebookNode) -> dict[str, str]:
    """Return `Assignment.reduced` of a source notebook."""
    sources = {cell.id: text_digest(cell.source) for cell in notebook.cells}
    reduced = {}
    for language in LANGUAGES:
        for cell in in_language(copy.deepcopy(notebook), language).cells:
            digest = text_digest(cell.source)
            if digest != sources[cell.id]:
                reduced[digest] = sources[cell.id]
    return reduced


def as_released(source: str) -> set[str]:
    """Return what may stand in a release for a code cell of the source: in both languages, in one.

    Args:
        source: the instructor's text; hidden tests are taken out.
    """
    released = without_hidden_tests(source)
    texts = {released, *(cell_in_language(released, language) for language in LANGUAGES)}
    return set(map(normalised, texts))


def place_of(cell: NotebookNode) -> str:
    """Return what stands for a cell in `Assignment.layout`: its name, else a digest of its text."""
    name = grade_id(cell)
    return f"name {name}" if name else f"text {text_digest(cell.source)}"


def text_digest(text: str) -> str:
    """Return a digest that stands for a text, in whatever way it was saved."""
    return short_digest(normalised(text), _TEXT_DIGITS)


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
