"""What a teacher keeps in the course's folder is never overwritten, whatever it is called."""

import pytest
from click.testing import CliRunner
from quick_course import quick_course

from tinybert_l.cli.app import main
from tinybert_l.errors import InvalidInput
from tinybert_l.grading.course import Course
from tinybert_l.grading.outcome import summarise
from tinybert_l.grading.release import handout, release
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.results.edited import edited_pages, write_page
from tinybert_l.grading.setup import init
from tinybert_l.grading.written import FILE_NAME, Written, beside

CANVAS = "Student,ID,SIS Login ID,Section,Lecture 3 (902)\n    Points Possible,,,,100\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / FILE_NAME).write_text("{}\n")
    return tmp_path


def test_a_command_overwrites_its_own_file_and_no_other(folder):
    written = Written(folder, "grade")
    path = folder / "grades.csv"
    assert written.write(path, "a\n1\n") == path and written.write(path, "a\n2\n") == path
    assert Written(folder, "grades").write(path, "b\n") != path, "another command's"
    path.write_text("a\n2\nmine\n")
    place = written.write(path, "a\n3\n")
    assert place.stem == "grades-tinybert-l-2", "the first is of another command"
    assert path.read_text() == "a\n2\nmine\n" and place.read_text() == "a\n3\n"
    assert written.write(path, "a\n4\n") == place, "it finds its own again"
    assert path.name in beside(path, place) and beside(place, place) == ""


def test_a_folder_or_a_file_elsewhere_is_left_alone_too(folder, tmp_path_factory):
    written = Written(folder, "similar")
    (folder / "similar.html").mkdir()
    assert written.write(folder / "similar.html", "page").name == "similar-tinybert-l.html"
    other = tmp_path_factory.mktemp("other") / "out.csv"
    other.write_text("mine")
    with pytest.raises(InvalidInput, match=r"out\.csv is there already"):
        written.require(other)


def test_a_run_that_was_ended_in_between_knows_its_file_again(folder, monkeypatch):
    written = Written(folder, "grade")
    path = folder / "report.html"
    written.write(path, "old")
    monkeypatch.setattr("tinybert_l.grading.written.write_atomically", _fails_for(path))
    with pytest.raises(OSError, match="full"):
        written.write(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old" and written.write(path, "newer") == path


def _fails_for(path):
    from tinybert_l.cache import write_atomically

    def write(place, content):
        if place == path:
            raise OSError("disk full")
        write_atomically(place, content)

    return write


def test_a_course_of_before_keeps_its_tables_and_its_teachers(tmp_path):
    written = Written(tmp_path, "grade")
    ours, theirs = tmp_path / "gradebook.csv", tmp_path / "grades.csv"
    ours.write_text("assignment,student\nx,ann\n")
    theirs.write_text(CANVAS)
    assert written.place_for(ours, "assignment,student\n") == ours
    assert written.place_for(theirs, "student,cell\n") != theirs
    zipped = tmp_path / "x.zip"
    zipped.write_bytes(b"PK of before")
    assert written.write(ours, "assignment,student\ny,bo\n") == ours, "the record begins"
    assert (
        written.may_write(zipped, b"PK") and written.place_for(theirs, "student,cell\n") != theirs
    )
    with pytest.raises(InvalidInput, match="there already"):
        Written(tmp_path, "grades").require(theirs)


def test_an_export_never_takes_the_place_of_the_downloaded_file(folder, monkeypatch):
    course = quick_course(folder, 3, monkeypatch)
    (folder / "course.toml").write_text("")
    sheet = folder / "grades.csv"
    sheet.write_text(CANVAS)
    course.submission("ann", 3).parent.mkdir(parents=True)
    course.submission("ann", 3).write_text("{}")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TINYBERT_L_DEBUG", "")
    for options in (["--worksheet", str(sheet)], []):
        result = CliRunner().invoke(main, ["grades", "3", *options, "--to", str(sheet)])
        assert result.exit_code and "is there already" in result.output
    assert sheet.read_text() == CANVAS


@pytest.mark.slow
def test_grading_and_releasing_leave_a_teachers_files_alone(tmp_path):
    course = init(tmp_path / "course")
    release(course, 3, answers=())
    names = ("gradebook.csv", "grades.csv", "report-03-architecture.html")
    for name in names:
        (course.folder / name).write_text(CANVAS)
    for _ in range(2):
        with Book(course.database, "03-architecture") as book:
            grading = summarise(course, book, course.assignment(3))
        for name in names:
            assert any(line.startswith(f"{name} was not written by") for line in grading.notices)
            assert (course.folder / name).read_text() == CANVAS
    assert len(list(course.folder.glob("*-tinybert-l*"))) == 3
    _release_refuses(course)


def _release_refuses(course: Course) -> None:
    release(course, 3, answers=())
    slides = course.folder / "release" / "03-architecture" / "slides.pdf"
    slides.write_bytes(b"%PDF")
    with pytest.raises(InvalidInput, match=r"slides\.pdf is not of a release"):
        release(course, 3, answers=())
    slides.unlink()
    handout(course, 3).write_bytes(b"my own zip")
    with pytest.raises(InvalidInput, match=r"03-architecture\.zip is not of a release"):
        release(course, 3, answers=())
    assert handout(course, 3).read_bytes() == b"my own zip"


PAGE = "<html><head><title>x</title></head><body>{}</body></html>"


def test_a_page_of_feedback_that_somebody_has_edited_is_kept_and_said(tmp_path):
    path = tmp_path / "feedback" / "ann" / "x" / "x.html"
    for text in ("one", "two"):
        write_page(path, PAGE.format(text))
        assert text in path.read_text() and edited_pages(tmp_path, "x") == []
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    write_page(path, PAGE.format("three"))
    assert edited_pages(tmp_path, "x") == [], "other line ends are no edit"
    for number in (1, 2):
        path.write_text(path.read_text().replace("</body>", f"well done {number}</body>"))
        write_page(path, PAGE.format(f"</head> new {number}"))
        assert "well done" not in path.read_text()
    for name, number in (("x-edited.html", 1), ("x-edited-2.html", 2)):
        assert f"well done {number}" in path.with_name(name).read_text()
    assert "2 pages of feedback" in edited_pages(tmp_path, "x")[0]
    path.write_text("<p>of a course before, without a mark</p>")
    write_page(path, PAGE.format("new"))
    assert len(list(path.parent.glob("*edited*"))) == 2
