"""Release and grading of lecture 3: nothing leaks, grades are those written down beforehand."""

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import nbformat
import pytest

from tinybert_l.grading.course import Course
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.release import LeakError, leak_scan, release
from tinybert_l.grading.run import Grading, grade
from tinybert_l.grading.sample_class import LECTURE, SAMPLE_STUDENTS, expected_points, hand_in
from tinybert_l.grading.submission import sanitise
from tinybert_l.grading.verdicts import make_plan

NAME = "03-architecture"


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    return Course(tmp_path_factory.mktemp("course"), unsafe=problem() is not None)


@pytest.fixture(scope="module")
def released(course) -> Path:
    return release(course, LECTURE, answers=(1, 2))


@pytest.fixture(scope="module")
def graded(course, released) -> Grading:
    students = hand_in(course, released)
    # two more: a file that is no notebook, and a student who tags tests to be skipped and calls
    # demo=True
    broken = course.submission("not_json", LECTURE)
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    hand_in(course, released, ["blank"])
    sly = course.submission("sly", LECTURE)
    shutil.copytree(course.submission("blank", LECTURE).parent, sly.parent)
    notebook = nbformat.read(sly, as_version=4)
    for cell in notebook.cells:
        cell.metadata["tags"] = sorted({*cell.metadata.get("tags", []), "demo"})
    notebook.cells.insert(4, nbformat.v4.new_code_cell("tinybert_l.begin(lecture=9, demo=True)"))
    nbformat.write(notebook, sly)
    hand_in_without_quiz(course)
    assert set(course.students(LECTURE)) == {*students, "not_json", "sly", "old_release"}
    return grade(course, LECTURE)


def hand_in_without_quiz(course: Course) -> None:
    """Hand in for a student whose notebook was released before there were quizzes, in English."""
    notebook = nbformat.read(course.submission("perfect", LECTURE), as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "quiz-" not in cell.id]
    notebook.metadata["tinybert_l_language"] = "en"
    path = course.submission("old_release", LECTURE)
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


@pytest.mark.slow
def test_a_submission_that_lacks_the_quiz_loses_its_points_alone(course, graded):
    got = {g.cell: (g.points, g.reason) for g in graded.grades if g.student == "old_release"}
    expected = expected_points(course, "perfect")
    for cell, (points, reason) in got.items():
        if cell.startswith("test_quiz"):
            assert points == 0 and f"Fill in {cell.removeprefix('test_')}" in reason
        else:
            assert points == expected[cell]
    assert len(got) == 14
    page = course.folder / "feedback" / "old_release" / NAME / f"{NAME}.html"
    listed = page.read_text(encoding="utf-8").partition("</table>")[0]
    assert "Fill in quiz_3_1 in the cell above." in listed and "单元格里填写" not in listed


@pytest.mark.parametrize("editor", ["VS Code", "Colab"])
def test_quiz_answers_count_where_an_editor_has_lost_the_cells_names(course, released, editor):
    """VS Code changes ids and adds settings of its own, Colab drops nbgrader's."""
    assignment = course.assignment(LECTURE)
    notebook = nbformat.read(released / f"{NAME}.ipynb", as_version=4)
    for i, cell in enumerate(notebook.cells):
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if name.startswith("quiz_"):
            cell.source = f"{name} = 'k'"
        cell.id = f"Y{i:03d}"
        if editor == "Colab":
            cell.metadata = {"id": cell.id, "colab": {"base_uri": "https://localhost/"}}
        else:
            cell.metadata["vscode"] = {"languageId": "python"}
    sanitise(notebook, assignment)
    plan, cells, tests = make_plan(notebook, assignment)
    assert len(cells) == len(plan.cells) and len(tests) == 14
    assert [source for source in plan.cells if source.startswith("quiz_")] == [
        f"quiz_3_{number} = 'k'" for number in (1, 2, 3, 4)
    ]
    assert not [source for source in plan.cells if "show_choices" in source]
    judged = [source for source in plan.tests if '"quiz_3_' in source]
    assert len(judged) == 4 and all("HIDDEN TESTS" in source for source in judged)


@pytest.mark.slow
@pytest.mark.parametrize("student", list(SAMPLE_STUDENTS))
def test_grades_equal_those_written_down_beforehand(course, graded, student):
    got = {g.cell: g.points for g in graded.grades if g.student == student}
    assert got == expected_points(course, student)
    assert len(got) == 14


def test_expectations_are_written_down_in_points(course):
    totals = {
        student: sum(expected_points(course, student).values()) for student in SAMPLE_STUDENTS
    }
    assert totals == {
        "perfect": 24,
        "blank": 0,
        "half_right": 12,
        "wrong_idea": 21,
        "syntax_error": 20,
        "endless_loop": 20,
        "killed_kernel": 20,
    }


@pytest.mark.slow
def test_a_student_cannot_skip_tests_by_tags_or_borrow_the_reference_answers(graded):
    points = [g.points for g in graded.grades if g.student == "sly"]
    assert points == [0] * 14


@pytest.mark.slow
def test_a_submission_that_cannot_be_graded_is_an_error_not_a_zero(course, graded):
    assert set(graded.errors) == {"not_json"}
    assert not [g for g in graded.grades if g.student == "not_json"]
    assert "NOT GRADED" in (course.folder / "grades.csv").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("student", "reason"),
    [
        ("endless_loop", "did not finish within"),
        ("killed_kernel", "ended the Python process"),
        ("syntax_error", "slice_heads has no answer yet"),
        ("syntax_error", "SyntaxError"),
        ("blank", "layer_map has no answer yet"),
        ("wrong_idea", "fixed step"),
        ("wrong_idea", "每行之和为1的是softmax之后的权重"),
        ("blank", "NotImplementedError"),
    ],
)
def test_the_feedback_gives_the_reason(course, graded, student, reason):
    html = (course.folder / "feedback" / student / NAME / f"{NAME}.html").read_text(
        encoding="utf-8"
    )
    assert reason in html


@pytest.mark.slow
@pytest.mark.parametrize(
    ("student", "reason"),
    [
        ("killed_kernel", "KernelDied"),
        ("syntax_error", "SyntaxError"),
        ("endless_loop", "TimedOut"),
    ],
)
def test_the_table_of_grades_gives_the_first_cause(graded, student, reason):
    lost = [g for g in graded.grades if g.student == student and g.points < g.max_points]
    assert len(lost) == 2 and all(g.reason.startswith(reason) for g in lost)


@pytest.mark.slow
def test_feedback_does_not_show_the_code_of_hidden_tests(course, graded):
    for student in SAMPLE_STUDENTS:
        html = (course.folder / "feedback" / student / NAME / f"{NAME}.html").read_text(
            encoding="utf-8"
        )
        assert "HIDDEN TESTS" not in html and "copies[0]" not in html


@pytest.mark.slow
def test_the_export_lists_every_graded_student(course, graded):
    export = (course.folder / "gradebook.csv").read_text(encoding="utf-8")
    assert all(student in export for student in SAMPLE_STUDENTS)


def test_the_release_holds_the_notebook_and_earlier_answers_only(released):
    files = sorted(str(p.relative_to(released)) for p in released.rglob("*") if p.is_file())
    assert files == [
        "03-architecture.ipynb",
        "README.md",
        "course-home.ipynb",
        "nbgrader_config.py",
        "solutions/lecture_01.py",
        "solutions/lecture_02.py",
    ]


def test_the_release_gives_nothing_away_and_the_scan_would_have_noticed(course, released, tmp_path):
    assert leak_scan(released, course.sources, course.solutions, LECTURE) == []
    for number, secret in enumerate(
        [
            course.solutions / "lecture_03.py",
            course.solutions / "lecture_04.py",
            course.sources / NAME / f"{NAME}.ipynb",
        ]
    ):
        folder = tmp_path / str(number)
        shutil.copytree(released, folder)
        shutil.copy(secret, folder / f"notes{secret.suffix}")
        assert leak_scan(folder, course.sources, course.solutions, LECTURE), (
            f"{secret.name} was not noticed"
        )


def test_a_leaking_release_is_withdrawn(course, tmp_path, monkeypatch):
    leaking = Course(tmp_path / "own", sources=tmp_path / "sources")
    shutil.copytree(course.sources, leaking.sources)
    path = leaking.sources / NAME / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    source = (course.solutions / "lecture_03.py").read_text(encoding="utf-8")
    notebook.cells.append(nbformat.v4.new_markdown_cell(f"```python\n{source}\n```"))
    nbformat.write(notebook, path)
    with pytest.raises(LeakError, match=r"lecture_03\.py"):
        release(leaking, LECTURE)
    assert not (leaking.folder / "release" / NAME).exists()


@pytest.mark.slow
def test_the_students_distribution_gives_nothing_away(course, checkout, tmp_path):
    """Wheel and sdist: no answers, no hidden tests, no grading."""
    build = "import sys; from hatchling.build import {0} as b; b(sys.argv[1])"
    for what in ("build_wheel", "build_sdist"):
        subprocess.run(
            [sys.executable, "-c", build.format(what), str(tmp_path)], cwd=checkout, check=True
        )
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "sdist", filter="data")
    for folder in (tmp_path / "wheel", tmp_path / "sdist"):
        names = [str(p.relative_to(folder)) for p in folder.rglob("*")]
        assert any(n.endswith("tinybert_l/method/model.py") for n in names)
        assert not [
            n
            for n in names
            if "tinybert_l/grading" in n
            or "solutions" in n
            or (n.endswith(".ipynb") and not n.endswith("capstone/capstone.ipynb"))
        ]
        assert leak_scan(folder, course.sources, course.solutions, 1) == []


def test_sources_are_committed_without_outputs_and_with_the_answers_of_solutions(checkout):
    from tinybert_l.course.authoring import write_answers

    for lecture in range(1, 12):
        if lecture != 10:
            assert (
                write_answers(checkout / "notebooks", checkout / "solutions", lecture, check=True)
                == []
            )
    for path in (checkout / "notebooks").glob("*/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert not [c for c in cells if c.get("outputs") or c.get("execution_count")]
        markdown = [c for c in cells if c["cell_type"] == "markdown"]
        assert all({"lang-zh", "lang-en"} & set(c["metadata"].get("tags", [])) for c in markdown)
        assert all(c["metadata"].get("slideshow") for c in cells)


def test_answers_are_written_into_the_notebook(course, tmp_path):
    from tinybert_l.course.authoring import write_answers

    shutil.copytree(course.sources, tmp_path / "notebooks")
    path = tmp_path / "notebooks" / NAME / f"{NAME}.ipynb"
    path.write_text(
        path.read_text(encoding="utf-8").replace("num_layers // depth", "num_layers * depth"),
        encoding="utf-8",
    )
    assert write_answers(tmp_path / "notebooks", course.solutions, 3) == ["kept_layers"]
    assert write_answers(tmp_path / "notebooks", course.solutions, 3, check=True) == []
