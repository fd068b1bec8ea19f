"""A class of seven sample students, whose grades are known before anything is graded."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

import tinybert_l
from tinybert_l.cache import write_atomically
from tinybert_l.course.items import QUIZ as QUIZ_PREFIX
from tinybert_l.exercises.answers import answer_cells, read_cells
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course
from tinybert_l.grading.release import release
from tinybert_l.grading.run import Grading, Options, grade

LECTURE = 3
EXERCISES = ("layer_map", "attention_loss", "hidden_loss", "kept_layers", "slice_heads")
QUIZ = ("quiz_3_1", "quiz_3_2", "quiz_3_3", "quiz_3_4")
STAMP = "graded.json"  # in the course folder: fingerprint of the files the class was graded with
ESSAY = (
    "The top map should help the classifier, since the last layers hold what it reads, "
    "but the student's first layer then has to make a large step. "
    "I predict a loss of one to two points against the uniform map."
)
MISSES_THE_REMAINDER = """@kept_layers.implement
def kept_layers(num_layers, depth):
    if not 1 <= depth <= num_layers:
        raise ValueError("depth must be 1 to num_layers")
    step = num_layers // depth
    return list(range(step - 1, num_layers, step))[:depth]
"""
NOT_PYTHON = """@slice_heads.implement
def slice_heads(weight, bias, kept_heads, head_size)
    return weight
"""
NEVER_ENDS = """@layer_map.implement
def layer_map(num_student_layers, num_teacher_layers, strategy="uniform"):
    while True:
        pass
"""
KILLS_THE_KERNEL = """import os

os._exit(1)
"""

WRONG_CHOICE = 'quiz_3_1 = "n"'

Answers = dict[str, str]


@dataclass(frozen=True)
class SampleStudent:
    """One sample student.

    Args:
        answers: makes what the student hands in, {cell: source}, from the reference answers.
        lost_cells: the test cells in which the student earns nothing; in all others everything.
        writes_essay: whether the question graded by hand is answered.
    """

    answers: Callable[[Answers], Answers]
    lost_cells: frozenset[str]
    writes_essay: bool = True


@dataclass(frozen=True)
class SampleClassReport:
    """What grading the sample class gave, beside the grades that were written down beforehand.

    Args:
        expected: {student: {test cell: points}}.
        differences: a line for each grade that differs, and for each student not graded.
        graded_anew: False when nothing had changed and the grades on record are shown again.
    """

    grading: Grading
    expected: dict[str, dict[str, float]]
    differences: list[str]
    graded_anew: bool


def _only(*exercises: str) -> Callable[[Answers], Answers]:
    """Hand in the reference answers of these exercises and nothing else."""

    def choose(answers: Answers) -> Answers:
        return {exercise: answers[exercise] for exercise in exercises}

    return choose


def _all_but(**wrong: str) -> Callable[[Answers], Answers]:
    """Hand in all reference answers, with wrong answers, {cell: source}, in the place of theirs."""

    def replace_answers(answers: Answers) -> Answers:
        return {**answers, **wrong}

    return replace_answers


def _tests_of(*exercises: str) -> frozenset[str]:
    """Name the visible and the hidden test cell of each exercise."""
    cells = set()
    for exercise in exercises:
        cells.add(f"test_{exercise}")
        cells.add(f"test_{exercise}_hidden")
    return frozenset(cells)


SAMPLE_STUDENTS: dict[str, SampleStudent] = {
    "perfect": SampleStudent(_only(*EXERCISES, *QUIZ), frozenset()),
    "blank": SampleStudent(_only(), _tests_of(*EXERCISES, *QUIZ), writes_essay=False),
    "half_right": SampleStudent(_only(*EXERCISES[:3]), _tests_of(*EXERCISES[3:], *QUIZ)),
    "wrong_idea": SampleStudent(
        _all_but(kept_layers=MISSES_THE_REMAINDER, quiz_3_1=WRONG_CHOICE),
        frozenset({"test_kept_layers_hidden", "test_quiz_3_1"}),
    ),
    "syntax_error": SampleStudent(_all_but(slice_heads=NOT_PYTHON), _tests_of("slice_heads")),
    "endless_loop": SampleStudent(_all_but(layer_map=NEVER_ENDS), _tests_of("layer_map")),
    "killed_kernel": SampleStudent(
        _all_but(attention_loss=KILLS_THE_KERNEL), _tests_of("attention_loss")
    ),
}


def expected_points(course: Course, student: str) -> dict[str, float]:
    """Look up {test cell: points} that a sample student deserves, before anything is graded."""
    points = course.maximum(LECTURE)
    points.update(dict.fromkeys(SAMPLE_STUDENTS[student].lost_cells & points.keys(), 0.0))
    return points


def hand_in(course: Course, released: Path, students: Collection[str] | None = None) -> list[str]:
    """Write the sample students' submissions, made from the released notebook.

    Args:
        released: folder of the released lecture.
        students: names in SAMPLE_STUDENTS; all when None or empty.
    Returns:
        The names of the students who handed in.
    """
    name = NOTEBOOKS[LECTURE]
    source = course.sources / name / f"{name}.ipynb"
    reference_answers = {**answer_cells(source), **_quiz_answers(source)}
    chosen = list(students or SAMPLE_STUDENTS)
    for student in chosen:
        sample = SAMPLE_STUDENTS[student]
        answers = sample.answers(reference_answers)
        if sample.writes_essay:
            answers = {**answers, "essay": ESSAY}
        notebook = nbformat.read(released / f"{name}.ipynb", as_version=4)
        for cell in notebook.cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            if grade_id in answers:
                cell.source = answers[grade_id]
        path = course.submission(student, LECTURE)
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
    return chosen


def _quiz_answers(source: Path) -> Answers:
    """Return the right answers to a lecture's quiz, from its source notebook."""
    answers = {}
    for cell in read_cells(source):
        name = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        if name.startswith(QUIZ_PREFIX):
            answers[name] = "".join(cell["source"])
    return answers


def sample_class_is_graded(course: Course, students: Collection[str] | None = None) -> bool:
    """Tell whether these students were graded with today's notebooks, answers and library."""
    stamp = course.folder / STAMP
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != _course_fingerprint(course):
        return False
    return course.students(LECTURE) == sorted(students or SAMPLE_STUDENTS)


def _course_fingerprint(course: Course) -> str:
    library = Path(tinybert_l.__file__).parent
    return _fingerprint(course.sources, course.solutions, library)


def grade_sample_class(
    course: Course, students: Collection[str] | None = None
) -> SampleClassReport:
    """Release the lecture, let the sample students hand it in, grade them, compare the grades.

    Nothing is done again while the notebooks, the answers and the library are those that the class
    was graded with; the grades on record are then reported. Prints nothing, and reports differing
    grades without raising.

    Args:
        course: a course of its own, without other submissions of the lecture.
        students: names in SAMPLE_STUDENTS; all when None.
    """
    chosen = list(students or SAMPLE_STUDENTS)
    graded_anew = not sample_class_is_graded(course, chosen)
    if graded_anew:
        hand_in(course, release(course, LECTURE), chosen)
    grading = grade(course, LECTURE, chosen, Options(again=graded_anew))
    if graded_anew and not grading.errors:
        write_atomically(course.folder / STAMP, _course_fingerprint(course))
    expected = {student: expected_points(course, student) for student in chosen}
    return SampleClassReport(grading, expected, list(_differences(grading, expected)), graded_anew)


def _differences(grading: Grading, expected: dict[str, dict[str, float]]) -> Iterator[str]:
    for cell in grading.grades:
        deserved = expected[cell.student][cell.cell]
        if cell.points != deserved:
            yield (
                f"{cell.student}: {cell.cell} got {cell.points:g}, "
                f"written down beforehand {deserved:g}"
            )
    for student, reason in grading.errors.items():
        yield f"{student}: not graded: {reason}"


def _fingerprint(*folders: Path) -> str:
    """Hash the paths and contents of all Python files and notebooks in these folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix not in (".py", ".ipynb") or ".ipynb_checkpoints" in path.parts:
                continue
            name = str(path.relative_to(folder))
            digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
