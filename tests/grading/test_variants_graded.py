"""A class with own numbers, by the commands: released in one language, collected, graded."""

import zipfile

import nbformat
import pytest
from click.testing import CliRunner

from tinybert_l.cli.app import main
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading import setup
from tinybert_l.grading.course import Course
from tinybert_l.grading.marking.desk import Desk
from tinybert_l.grading.marking.notices import RELEASED_FOR_ANOTHER
from tinybert_l.grading.variants import Variants

pytestmark = pytest.mark.nightly  # a release and a grading run in the sandbox

LECTURE = 4
NAME = NOTEBOOKS[LECTURE]
STUDENTS = ("ann1", "bea2", "cai3", "dov4")
OWN = ("quiz_4_3", "quiz_4_4")


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    folder = tmp_path_factory.mktemp("own")
    roster = folder / "roster.csv"
    people = [f"{student},{student.title()},Li" for student in STUDENTS]
    roster.write_text("\n".join(["id,first_name,last_name", *people]), encoding="utf-8")
    return setup.init(folder / "course", roster=roster)


def run(course: Course, *words: str, status: int = 0) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(course.folder)
        result = CliRunner().invoke(main, list(words), catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture(scope="module")
def released(course) -> str:
    return run(course, "release", "4", "--per-student", "--lang", "zh", "--answers", "none")


def notebook_of(course: Course, student: str) -> nbformat.NotebookNode:
    with zipfile.ZipFile(course.folder / "handouts" / NAME / f"{student}.zip") as archive:
        return nbformat.reads(archive.read(f"{NAME}/{NAME}.ipynb").decode(), as_version=4)


def written(course: Course, released_for: str, numbers_of: str) -> bytes:
    """A notebook released for one student, with the answers to the numbers of another."""
    notebook = notebook_of(course, released_for)
    variants = Variants.of(course, LECTURE)
    answers = {}
    for question in variants.questions:
        own = question.with_numbers(variants.numbers(numbers_of)[question.name])
        lines = [f"{question.name} = {own.answer}"]
        if own.call:
            module, _, function = own.call.rpartition(".")
            lines = [f"from {module} import {function}", own.number_lines, *lines]
        answers[question.name] = "\n".join(lines)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = answers.get(name, cell.source)
    return nbformat.writes(notebook).encode()


@pytest.fixture(scope="module")
def graded(course, released, tmp_path_factory) -> str:
    archive = tmp_path_factory.mktemp("in") / "in.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr(f"ann1/{NAME}.ipynb", written(course, "ann1", "ann1"))
        zipped.writestr(f"bea2/{NAME}.ipynb", written(course, "bea2", "ann1"))  # the answers alone
        zipped.writestr(f"cai3/{NAME}.ipynb", written(course, "ann1", "ann1"))  # the whole file
        zipped.writestr(f"dov4/{NAME}.ipynb", written(course, "dov4", "dov4"))
        zipped.writestr(f"stranger/{NAME}.ipynb", written(course, "dov4", "dov4"))
    said = run(course, "collect", "4", str(archive))
    assert "released for" in said.replace("\n", " ") and "no release" in said.replace("\n", " ")
    return run(course, "grade", "4", status=1)  # for the stranger: an error, never a zero


def table(course: Course) -> list[str]:
    return (course.folder / "grades.csv").read_text(encoding="utf-8").splitlines()


def points_of(course: Course, student: str) -> dict[str, float]:
    rows = [line.split(",") for line in table(course) if line.startswith(student)]
    return {row[1]: float(row[3]) for row in rows if row[1] in OWN}


def test_the_release_is_one_zip_file_a_student(course, released):
    assert f"handouts/{NAME}" in released.replace("\n", "")
    folder = course.folder / "handouts" / NAME
    assert sorted(path.name for path in folder.iterdir()) == [f"{name}.zip" for name in STUDENTS]
    assert not (course.folder / "handouts" / f"{NAME}.zip").exists()
    assert not list((course.folder / "exchange").rglob(f"{NAME}.ipynb")), "it has one for all"
    texts = {"\n".join(cell.source for cell in notebook_of(course, s).cells) for s in STUDENTS}
    assert len(texts) == len(STUDENTS)
    assert all("你自己的训练" in text and "Your own training" not in text for text in texts)
    said = run(course, "release", "4", "--answers", "none", status=1)
    assert "--per-student again" in said


def test_each_is_judged_by_own_numbers(course, graded):
    assert points_of(course, "ann1") == points_of(course, "dov4") == dict.fromkeys(OWN, 1.0)
    for copier in ("bea2", "cai3"):
        assert points_of(course, copier)["quiz_4_4"] == 0.0
    assert "cai3: the notebook was released for ann1" in graded
    (row,) = [row for row in table(course) if row.startswith("stranger")]
    assert "NOT GRADED: no release with own numbers was made for stranger" in row


def test_feedback_shows_ones_own_numbers(course, graded):
    variants = Variants.of(course, LECTURE)
    for student in ("ann1", "cai3"):
        page = course.folder / "feedback" / student / NAME / f"{NAME}.html"
        seed = variants.numbers(student)["quiz_4_4"]["my_seed"]
        assert f"{seed}" in page.read_text(encoding="utf-8")


def test_grading_again_and_a_new_release_change_nothing(course, graded):
    before = (course.folder / "grades.csv").read_text()
    numbers = Variants.of(course, LECTURE).numbers("ann1")
    run(course, "grade", "4", "--exercise", "quiz_4_4", "--again", status=1)
    assert (course.folder / "grades.csv").read_text() == before
    run(course, "release", "4", "--per-student", "--lang", "zh", "--answers", "none")
    assert Variants.of(course, LECTURE).numbers("ann1") == numbers
    run(course, "grade", "4", status=1)  # the stranger still has no numbers
    assert points_of(course, "ann1") == dict.fromkeys(OWN, 1.0)


def test_likeness_and_marking_read_the_class(course, graded):
    assert "similar-04-training.html" in run(course, "similar", "4").replace("\n", "")
    with Desk(course, LECTURE) as desk:
        (cell,) = list(desk.questions)[:1]
        sheet = desk.sheet(cell)
        assert not [answer for answer in sheet.answers.values() if answer.beside], "own numbers"
        assert desk.record.notices("cai3", cell) == [RELEASED_FOR_ANOTHER]
        assert desk.record.notices("ann1", cell) == []


def test_nbgraders_own_command_judges_by_the_same_numbers(course, graded):
    result = course.api().autograde(NAME, "cai3", force=True, create=True)
    assert result["success"], result.get("log")
    result = course.api().autograde(NAME, "ann1", force=True, create=True)
    assert result["success"], result.get("log")
    for student, right in (("ann1", True), ("cai3", False)):
        notebook = nbformat.read(course.graded(student, LECTURE), as_version=4)
        (test,) = [
            cell
            for cell in notebook.cells
            if cell.metadata.get("nbgrader", {}).get("grade_id") == "test_quiz_4_4"
        ]
        seed = Variants.of(course, LECTURE).numbers(student)["quiz_4_4"]["my_seed"]
        assert f"my_seed = {seed}\n" in test.source
        assert (not test.outputs) is right
