"""Find answers of a class that are more alike than independent ones would be.

Submissions are read as text; not a line of them runs. What cannot be read is said and left out.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm.auto import tqdm

from tinybert_l.course.items import Item, is_written, items_of
from tinybert_l.course.markers import without_hidden_tests
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.archives import read_plain_file
from tinybert_l.grading.assignment import Assignment, Cell, grade_id, normalised
from tinybert_l.grading.course import Course
from tinybert_l.grading.likeness.grams import Gram, code_grams, essay_grams
from tinybert_l.grading.likeness.pairs import Comparison, Pair, compare
from tinybert_l.grading.submission import read_submission, sanitise
from tinybert_l.grading.variants import Variants

PAIRS_LISTED = 25  # of one exercise


@dataclass(frozen=True)
class Answer:
    """What one student wrote for one exercise."""

    student: str
    source: str


@dataclass(frozen=True)
class ExerciseLikeness:
    """One exercise of a class, compared.

    Args:
        item: the exercise or question.
        is_code: whether tokens were compared, or characters.
        given: runs of the release and of the reference answer, which count nothing.
    """

    item: Item
    is_code: bool
    answers: list[Answer]
    given: frozenset[str]
    comparison: Comparison

    def grams(self, source: str) -> list[Gram]:
        """Return the runs of an answer that count."""
        return [gram for gram in _grams(source, self.is_code) if gram.text not in self.given]


@dataclass(frozen=True)
class ClassLikeness:
    """All exercises of a lecture, compared.

    Args:
        students: how many submissions were read.
        unread: {student: why the submission was left out}.
    """

    name: str
    students: int
    exercises: list[ExerciseLikeness]
    unread: dict[str, str] = field(default_factory=dict)

    def listed(self) -> list[tuple[ExerciseLikeness, Pair]]:
        """Return all listed pairs, the most surprising first."""
        pairs = []
        for exercise in self.exercises:
            pairs += [(exercise, pair) for pair in exercise.comparison.pairs]
        return sorted(pairs, key=lambda found: (found[1].expected or 0.0, -found[1].score))


def compare_class(course: Course, lecture: int, only: str = "") -> ClassLikeness:
    """Compare what a class has handed in for a lecture, exercise by exercise.

    Args:
        only: compare this exercise alone.
    Raises:
        FileNotFoundError: the lecture was not released.
        InvalidInput: nobody has handed in, or `only` is not in the lecture.
    """
    name = NOTEBOOKS[lecture]
    assignment = course.assignment(lecture)
    variants = Variants.of(course, lecture)
    cells = {cell.name: cell for cell in assignment.cells if cell.solution}
    items = _items(course, name, lecture, cells, only)
    students = course.students(lecture)
    if not students:
        raise InvalidInput(
            f"No submission of lecture {lecture} below {course.folder / 'submitted'}. 无人提交。"
        )
    answers: dict[str, list[Answer]] = {item_name: [] for item_name in items}
    unread = {}
    for student in tqdm(students, desc="read 读取", unit="submission"):
        try:
            written = _answers(course, lecture, student, assignment)
        except InvalidInput as error:
            unread[student] = str(error)
            continue
        for item_name in items:
            if item_name in written:
                answers[item_name].append(Answer(student, written[item_name]))
    released = _read(course.folder / "release" / name / f"{name}.ipynb")
    reference = _sources(_read(course.sources / name / f"{name}.ipynb"))
    compared = []
    for item_name, item in tqdm(items.items(), desc="compare 比较", unit="exercise"):
        is_code = cells[item_name].cell_type == "code"
        texts = [*_texts(released, is_code), reference.get(item_name, "")]
        given = _given(texts, is_code)
        runs = _runs(answers[item_name], is_code, variants)
        comparison = compare(runs, given, PAIRS_LISTED)
        compared.append(ExerciseLikeness(item, is_code, answers[item_name], given, comparison))
    return ClassLikeness(name, len(students) - len(unread), compared, unread)


def _runs(
    answers: Sequence[Answer], is_code: bool, variants: Variants | None
) -> Iterator[list[str]]:
    """Yield the runs of each answer, without those of the student's own release."""
    for answer in answers:
        own = frozenset() if variants is None else _own_given(variants, answer.student, is_code)
        runs = [gram.text for gram in _grams(answer.source, is_code)]
        yield [run for run in runs if run not in own]


def _items(
    course: Course, name: str, lecture: int, cells: dict[str, Cell], only: str
) -> dict[str, Item]:
    """Return the items of a lecture that students write a text for, by name.

    A quiz question is none: two students with the same letter are no more alike than others.
    """
    source = _read(course.sources / name / f"{name}.ipynb")
    items = {}
    for item in items_of(lecture, source.cells):
        if item.name in cells and not item.is_quiz:
            items[item.name] = item
    if only and only not in items:
        raise InvalidInput(f"exercise {only!r}; allowed: {', '.join(items)}.")
    return {only: items[only]} if only else items


def _answers(course: Course, lecture: int, student: str, assignment: Assignment) -> dict[str, str]:
    """Return {item: what the student wrote}, without what was left as released."""
    path = course.submission(student, lecture)
    nb, _ = read_submission(read_plain_file(path), path.name)
    try:
        sanitise(nb, assignment)
    except (RecursionError, TypeError, AttributeError) as error:
        raise InvalidInput(f"cannot be put right 无法处理: {type(error).__name__}") from None
    released = {cell.name: normalised(cell.source) for cell in assignment.cells}
    written = {}
    for name, source in _sources(nb).items():
        if is_written(source) and normalised(source) != released.get(name):
            written[name] = source
    return written


def _read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def _sources(nb: NotebookNode) -> dict[str, str]:
    """Return {cell's name: source} of the cells that nbgrader knows."""
    sources: dict[str, str] = {}
    for cell in nb.cells:
        name = grade_id(cell)
        if name:
            sources.setdefault(name, cell.source)
    return sources


def _texts(nb: NotebookNode, is_code: bool) -> Iterator[str]:
    """Yield the released texts of the kind that an answer could repeat."""
    for cell in nb.cells:
        if (cell.cell_type == "code") == is_code:
            yield without_hidden_tests(cell.source)


def _given(texts: Sequence[str], is_code: bool) -> frozenset[str]:
    given: set[str] = set()
    for text in texts:
        given.update(gram.text for gram in _grams(text, is_code))
    return frozenset(given)


def _own_given(variants: Variants, student: str, is_code: bool) -> frozenset[str]:
    """Return the runs that a student's own release holds, and no other."""
    if student not in variants.students:
        return frozenset()
    texts = []
    for change in variants.changes(student):
        if bool(change.name) == is_code:  # only cells of code have a name
            texts.append(change.released(None)[1])
    return _given(texts, is_code)


def _grams(source: str, is_code: bool) -> list[Gram]:
    return code_grams(source) if is_code else essay_grams(source)


def blind_names(likeness: ClassLikeness) -> dict[str, str]:
    """Return {student: a number}, in an order that says nothing of names or times."""

    def place(student: str) -> str:
        return hashlib.sha256(f"{likeness.name} {student}".encode()).hexdigest()

    students = {answer.student for exercise in likeness.exercises for answer in exercise.answers}
    return {student: str(n) for n, student in enumerate(sorted(students, key=place), 1)}
