"""A course that version 0.1.0 released and graded stays proved, and nothing in it is lost."""

import json
import sqlite3
import zipfile
from pathlib import Path

import pytest

from tinybert_l import __version__
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course
from tinybert_l.grading.identities import match
from tinybert_l.grading.intake import NEW, IntakeResult, collect_archive
from tinybert_l.grading.job import Job, Result, program_hash
from tinybert_l.grading.outcome import NotProved, fill_worksheet, missing_students
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.release import release
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.run import (
    Options,
    WrongVersion,
    export,
    feedback,
    grade,
    other_programs,
    prove,
)
from tinybert_l.grading.setup import enrol

LECTURE = 3
NAME = NOTEBOOKS[LECTURE]
OLD = json.loads(Path(__file__).with_name("old_course.json").read_text(encoding="utf-8"))
UNFINISHED = "207b39b0f26edc67519e"  # key of a job that was done and not recorded
POINTS = {
    ("ann", "test_kept_layers"): 2.0,
    ("ann", "test_kept_layers_hidden"): 2.0,
    ("bob", "test_kept_layers"): 2.0,
    ("bob", "test_kept_layers_hidden"): 0.0,
}


@pytest.fixture
def course(tmp_path) -> Course:
    folder = tmp_path / "old-course"
    for name, text in OLD["files"].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", newline="")
    with sqlite3.connect(folder / "gradebook.db") as gradebook:
        gradebook.executescript(OLD["files"]["gradebook.sql"])
    course = Course.at(folder)
    assert course.sources == folder / "notebooks"
    return Course(folder, course.sources, course.solutions, unsafe=problem() is not None)


def points(grading) -> dict[tuple[str, str], float]:
    return {(grade.student, grade.cell): grade.points for grade in grading.grades}


def test_its_grades_are_proved_exported_and_explained(course):
    assert prove(course, LECTURE) == []
    text = export(course, LECTURE, "csv", provisional=True)
    assert [line.split(",")[1] for line in text.splitlines()] == ["student", "ann", "bob"]
    assert feedback(course, LECTURE) == 2
    page = course.folder / "feedback" / "bob" / NAME / f"{NAME}.html"
    html = page.read_text(encoding="utf-8")
    assert "floor(12 (i + 1) / 5) - 1" in html and "HIDDEN TESTS" not in html


def test_a_changed_grade_in_it_is_found(course):
    with sqlite3.connect(course.database) as gradebook:
        gradebook.execute(
            "UPDATE grade SET auto_score = 2 WHERE auto_score = 0 AND cell_id IN "
            "(SELECT id FROM base_cell WHERE name = 'test_kept_layers_hidden')"
        )
    assert prove(course, LECTURE) == [
        "bob: test_kept_layers_hidden has 2.0 points in the gradebook, 0.0 on record 不符"
    ]


def test_it_says_which_program_graded_it_and_how_to_go_on(course):
    (line,) = other_programs(course, LECTURE)
    assert line.startswith("2 submissions") and OLD["program"] in line and program_hash() in line
    assert f"tinybert-l grade {LECTURE} --again" in line


def test_submissions_come_in_from_a_platforms_zip_with_names_and_refusals(course, tmp_path):
    notebook = course.submission("ann", LECTURE).read_bytes()
    with zipfile.ZipFile(tmp_path / "moodle.zip", "w") as archive:
        archive.writestr(f"Dan Li_77_assignsubmission_file_/{NAME}.ipynb", notebook)
        archive.writestr("../eve.ipynb", notebook)
    results = collect_archive(course, LECTURE, tmp_path / "moodle.zip")
    assert results == [
        IntakeResult("Dan_Li-77", f"taken in 已接收; {NEW}"),
        IntakeResult("../eve.ipynb", "a path that leaves its folder 路径越界", refused=True),
    ]
    with sqlite3.connect(course.database) as gradebook:
        rows = gradebook.execute("SELECT id, last_name FROM student WHERE lms_user_id = '77'")
        assert rows.fetchall() == [("Dan_Li-77", "Dan Li")]
    assert prove(course, LECTURE) == ["Dan_Li-77: no grading on record 没有评分记录"]


def test_another_version_refuses_to_grade_it_and_says_how_to_go_on(course):
    course.note_release(LECTURE, "0.0.9")
    before = Audit(course.folder).path.read_bytes()
    with pytest.raises(WrongVersion, match=r"tinybert_l_instructor-0\.0\.9.*release 3"):
        grade(course, LECTURE)
    assert Audit(course.folder).path.read_bytes() == before
    assert prove(course, LECTURE) == []


def test_released_again_it_keeps_its_grades_and_grades_nothing_twice(course):
    before = Audit(course.folder).path.read_bytes()
    release(course, LECTURE)
    assert course.released_with(LECTURE) == __version__
    assert points(grade(course, LECTURE)) == POINTS
    assert Audit(course.folder).path.read_bytes() == before
    assert prove(course, LECTURE) == [] and len(other_programs(course, LECTURE)) == 1


@pytest.mark.slow
def test_graded_again_it_has_the_same_grades_by_this_program(course):
    release(course, LECTURE)
    assert points(grade(course, LECTURE, options=Options(again=True))) == POINTS
    assert prove(course, LECTURE) == [] and other_programs(course, LECTURE) == []
    programs = [entry["program"] for entry in Audit(course.folder).gradings(NAME)]
    assert programs == [OLD["program"]] * 2 + [program_hash()] * 2


def test_its_job_and_result_files_are_read_and_written_as_they_are():
    files = OLD["files"]
    job = Job.from_tree(json.loads(files[f"work/{NAME}/jobs/{UNFINISHED}/job.json"]))
    text = files[f"work/{NAME}/results/{UNFINISHED}/result.json"]
    result = Result.from_json(text)
    assert job.key == UNFINISHED and result.job == job and result.to_json() == text
    assert {verdict.cell: verdict.points for verdict in result.verdicts} == {
        "kept_layers": None,
        "test_kept_layers": 2.0,
        "test_kept_layers_hidden": 2.0,
        "essay": 0.0,
    }


def test_the_teachers_own_table_is_filled_and_noted(course, tmp_path):
    table = tmp_path / "moodle.csv"
    table.write_text("学号;成绩\nANN;\nzoe;\n", encoding="utf-8-sig")
    filled = fill_worksheet(course, LECTURE, table, provisional=True)
    rows = filled.content.decode("utf-8-sig").split()
    assert rows[1].startswith("ANN;") and float(rows[1].split(";")[1]) >= 4 and rows[2] == "zoe;"
    assert ["zoe" in line or "bob" in line for line in filled.problems] == [True, True]
    exported = [entry for entry in Audit(course.folder).entries() if entry["event"] == "exported"]
    assert exported[-1]["format"] == "worksheet moodle.csv" and exported[-1]["students"] == 1
    with sqlite3.connect(course.database) as gradebook:
        gradebook.execute("UPDATE grade SET auto_score = 0")
    with pytest.raises(NotProved):
        fill_worksheet(course, LECTURE, table, provisional=True)


def test_the_roster_knows_who_came_when_and_who_did_not(course, tmp_path):
    people = [
        {"id": "ann", "first_name": "Ann", "last_name": "Li"},
        {"id": "cy", "first_name": "Cy", "last_name": "Xu"},
    ]
    enrol(course, people)
    identities, _ = match(people)
    identities.write(course.folder)
    calendar = course.folder / "course.toml"
    text = f"zone = 'Asia/Shanghai'\n[due]\n{LECTURE} = 2026-11-20T00:00:00Z\n"
    calendar.write_text(f"{text}[late]\npercent_per_day = 10\ncount = 'calendar'\n")
    times = tmp_path / "times.csv"
    times.write_text("name,handed_in\nAnn Li,2026-11-21 23:00\n")  # the next day in Shanghai
    with zipfile.ZipFile(tmp_path / "moodle.zip", "w") as archive:
        raw = course.submission("ann", LECTURE).read_bytes()
        archive.writestr(f"Ann Li_77_assignsubmission_file_/{NAME}.ipynb", raw)
    (result,) = collect_archive(course, LECTURE, tmp_path / "moodle.zip", handed_in=times)
    assert result.who == "ann" and not result.refused and "known from the roster" in result.outcome
    with Book(course.database, NAME) as book:
        totals = {total.student: total for total in book.totals()}
        missing = [person.full_name for person in missing_students(course, book, LECTURE)]
    assert totals["ann"].late_penalty == pytest.approx(totals["ann"].raw_score / 10)
    assert missing == ["Cy Xu"]
    text = export(course, LECTURE, "moodle", provisional=True)
    (row,) = [line for line in text.splitlines() if "Cy Xu" in line]
    assert row.split(",")[3] == "", "no grade where nothing came"
