"""What goes wrong around a running course is said in a sentence, and can be done again."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from platforms import write_zip
from short_course import NAME, judge_here, make_short_course, without_sandbox

from tinybert_l.cli.app import main
from tinybert_l.grading import intake, run
from tinybert_l.grading.course import Course

STUDENTS = ("ann", "cy")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A short course with a zip file of what two students hand in, beside it."""
    course = make_short_course(tmp_path_factory.mktemp("mistakes"))
    raw = (course / "release" / NAME / f"{NAME}.ipynb").read_bytes()
    members = {f"ann/{NAME}.ipynb": raw, "cy/my homework (1).ipynb": raw}
    write_zip(course / "class.zip", members)
    return course


@pytest.fixture
def course(made, tmp_path, monkeypatch) -> Path:
    """The course, moved to another folder."""
    folder = tmp_path / "moved here (2)"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "300")
    without_sandbox(monkeypatch)
    return folder


def typed(command: str) -> Result:
    return CliRunner().invoke(main, command.split())


def graded(course: Path) -> set[str]:
    return {path.name for path in (course / "feedback").glob("*")}


@contextmanager
def held(database: Path) -> Iterator[None]:
    """Hold a gradebook, as a program does that is in the middle of writing."""
    other = sqlite3.connect(database)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


def is_sentence(result: Result, text: str) -> None:
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.exception
    error = result.stderr.strip().splitlines()[-1]
    assert error.startswith("Error: ") and text in error, error
    assert "Traceback" not in result.stderr and "sqlalche.me" not in result.stderr


def test_a_moved_course_takes_in_a_renamed_notebook_and_is_graded(course):
    result = typed("collect 3 class.zip")
    assert result.exit_code == 0, result.output
    assert typed("grade 3").exit_code == 0 and graded(course) == set(STUDENTS)


def test_an_empty_archive_is_no_class_that_handed_nothing_in(course):
    write_zip(course / "nothing.zip", {})
    is_sentence(typed("collect 3 nothing.zip"), "nothing.zip is empty: nothing was taken in")


@pytest.mark.parametrize("command", ["grades 3", "feedback 3", "grade 3"])
def test_before_anybody_handed_in_the_first_step_is_named(course, command):
    is_sentence(typed(command), "take them in with 'tinybert-l collect 3 ARCHIVE'")


def test_grades_that_are_not_there_yet_are_asked_for_in_one_line(course):
    assert typed("collect 3 class.zip").exit_code == 0
    result = typed("grades 3")
    last = result.stderr.strip().splitlines()[-1]
    assert result.exit_code == 1
    assert "not graded yet: 2 students (ann, cy); run 'tinybert-l grade 3' first" in last


@pytest.mark.parametrize("command", ["grade 3", "release 3"])
def test_a_damaged_gradebook_is_named(course, command):
    assert typed("collect 3 class.zip").exit_code == 0
    (course / "gradebook.db").write_bytes(b"no database " * 99)
    is_sentence(typed(command), "gradebook.db cannot be read as a gradebook")
    assert (course / "release" / NAME).is_dir() and not graded(course)


def test_a_gradebook_that_another_program_holds_is_waited_for_and_then_named(course, monkeypatch):
    assert typed("collect 3 class.zip").exit_code == 0
    connect = sqlite3.dbapi2.connect  # nbgrader waits five seconds
    monkeypatch.setattr(sqlite3.dbapi2, "connect", lambda path, **kw: connect(path, timeout=0.05))
    with held(course / "gradebook.db"):
        is_sentence(typed("grade 3"), "held by another program, such as a running Formgrader")
    assert typed("grade 3").exit_code == 0 and "ann" in graded(course)


def test_a_gradebook_that_is_gone_can_be_made_anew(course):
    assert typed("collect 3 class.zip").exit_code == 0
    (course / "gradebook.db").unlink()
    is_sentence(typed("grade 3"), "'tinybert-l release 3' and 'tinybert-l grade 3 --again'")
    assert not (course / "gradebook.db").exists()
    assert typed("release 3").exit_code == 0 and typed("grade 3").exit_code == 0


def test_a_source_notebook_that_was_damaged_leaves_the_release_as_it_was(course):
    source = course / "notebooks" / NAME / f"{NAME}.ipynb"
    source.write_text(source.read_text(encoding="utf-8")[:900], encoding="utf-8")
    before = sorted((course / "release").rglob("*"))
    is_sentence(typed("release 3"), "is no notebook that can be read")
    assert sorted((course / "release").rglob("*")) == before


def test_a_course_home_among_the_sources_is_no_second_notebook(course):
    """`tinybert-l lab` in a lecture's own folder would end every further release."""
    home = course / "notebooks" / NAME / "course-home.ipynb"
    home.write_text("{}", encoding="utf-8")
    is_sentence(typed("release 3"), "course-home.ipynb was made by 'tinybert-l lab' there; delete")
    home.unlink()
    assert typed("release 3").exit_code == 0


def test_a_release_that_fails_leaves_the_last_one_as_it_was(course, monkeypatch):
    before = sorted((course / "release").rglob("*"))

    failed = {"success": False, "log": "OperationalError: database is locked"}
    api = SimpleNamespace(generate_assignment=lambda *_, **__: failed)
    monkeypatch.setattr(Course, "api", lambda self: api)
    is_sentence(typed("release 3"), "held by another program")
    assert sorted((course / "release").rglob("*")) == before


def test_a_disk_that_fills_up_takes_nobody_in_twice(course, monkeypatch):
    write, written = intake.write_atomically, []

    def fill_up(path: Path, content: str | bytes) -> None:
        written.append(path)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, content)

    monkeypatch.setattr(intake, "write_atomically", fill_up)
    is_sentence(typed("collect 3 class.zip"), "the disk is full; make room and run the command")
    monkeypatch.setattr(intake, "write_atomically", write)
    assert typed("collect 3 class.zip").exit_code == 0
    assert {path.name for path in (course / "submitted").iterdir()} == set(STUDENTS)
    assert len(list((course / "received").rglob("*.ipynb"))) == len(STUDENTS)


def test_a_read_only_folder_is_named(course, monkeypatch):
    def refuse(path: Path, content: str | bytes) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(intake, "write_atomically", refuse)
    is_sentence(
        typed("collect 3 class.zip"), "it is read-only; choose a folder that can be written"
    )
    assert not list(course.glob("submitted/*/*/*.ipynb"))


def test_grading_that_is_stopped_goes_on_where_it_was(course, monkeypatch):
    assert typed("collect 3 class.zip").exit_code == 0

    def stop(tasks: list[tuple[str, str]], *_: object) -> Iterator[tuple[int, str]]:
        yield next(judge_here(tasks[:1]))
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run_here", stop)
    stopped = typed("grade 3")
    assert stopped.exit_code == 130 and "Traceback" not in stopped.stderr
    assert len(graded(course)) == 1
    monkeypatch.setattr(run, "run_here", judge_here)
    assert typed("grade 3").exit_code == 0 and graded(course) == set(STUDENTS)
    assert typed("audit 3").exit_code == 0


def test_grading_twice_at_once_is_refused(course):
    assert typed("collect 3 class.zip").exit_code == 0
    with Course.at(course).alone():
        is_sentence(typed("grade 3"), "Another run is grading")


@pytest.mark.parametrize("number", ["three", "3.0", "03-architecture"])
def test_a_lecture_is_a_number(course, number):
    result = typed(f"grade {number}")
    assert result.exit_code == 2
    assert f"'{number}'; allowed: the number of a lecture, 1 to 11" in result.stderr
    assert ("that is lecture 3" in result.stderr) == (number == NAME)


def test_a_name_that_nobody_has_is_not_left_out_of_an_export_in_silence(course):
    """A slip of the pen would export whom the teacher wanted to leave out."""
    assert typed("collect 3 class.zip").exit_code == 0 and typed("grade 3").exit_code == 0
    is_sentence(typed("grades 3 --provisional --without anm"), "--without anm; allowed: ids of")
    left_out = typed("grades 3 --provisional --without ann")
    assert left_out.exit_code == 0 and "ann" not in left_out.stdout
