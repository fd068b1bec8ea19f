"""Files that users damage are named in one line; nothing of them ends in a traceback."""

import pytest

from tinybert_l.cache import read_json
from tinybert_l.course.judging import judge_notebook, read_tests
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.exercises.answers import answer_cells, read_cells
from tinybert_l.grading.course import Course
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.rosters import read_roster

NO_NOTEBOOKS = {
    "empty": b"",
    "cut_off": b'{"cells": [',
    "a_list": b"[]",
    "no_cells": b'{"nbformat": 4}',
    "format_2": b'{"worksheets": [{"cells": []}], "nbformat": 2}',
    "no_source": b'{"cells": [{"cell_type": "code", "metadata": {}}]}',
    "gbk": '{"cells": ["第三讲"]}'.encode("gbk"),
}


@pytest.mark.parametrize("kind", NO_NOTEBOOKS)
@pytest.mark.parametrize("read", [answer_cells, read_cells, lambda path: read_tests(path, "flops")])
def test_what_is_no_notebook_is_named(tmp_path, kind, read):
    path = tmp_path / f"{kind}.ipynb"
    path.write_bytes(NO_NOTEBOOKS[kind])
    with pytest.raises(InvalidInput, match=rf"{kind}\.ipynb"):
        read(path)


def test_a_byte_order_mark_is_no_damage(tmp_path):
    path = tmp_path / "marked.json"
    path.write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(path) == [1]


def test_the_place_of_the_damage_is_told(tmp_path):
    path = tmp_path / "two_lines.json"
    path.write_text('{"a": 1,\n"b": }')
    with pytest.raises(InvalidInput, match="line 2"):
        read_json(path)


def test_an_answer_that_is_not_utf_8(tmp_path, checkout):
    answer = tmp_path / "answer.py"
    answer.write_bytes("# 层\ndef layer_map(): ...".encode("gbk"))
    notebook = checkout / "notebooks" / "03-architecture" / "03-architecture.ipynb"
    with pytest.raises(InvalidInput, match=r"answer\.py: not UTF-8"):
        judge_notebook(notebook, {"layer_map": answer})


def test_a_damaged_line_of_the_audit(tmp_path):
    audit = Audit(tmp_path)
    audit.path.write_bytes(b'{"n": 1, "event"\n')
    with pytest.raises(CourseError, match="a line is damaged"):
        list(audit.entries())


def test_damaged_releases(tmp_path):
    course = Course(tmp_path)
    (tmp_path / "releases.json").write_text("{")
    with pytest.raises(CourseError, match=r"releases\.json"):
        course.note_release(3, "0.2.0")


def test_a_gradebook_that_is_no_database(tmp_path):
    path = tmp_path / "gradebook.db"
    path.write_bytes(b"not a database, but more than a hundred bytes of text " * 9)
    with pytest.raises(CourseError, match="cannot be read as a gradebook"), Book(path, "03"):
        pass


def test_a_cell_of_a_roster_that_is_far_too_long(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text("id,name\nann," + "a" * 200_000)
    with pytest.raises(CourseError, match=r"roster\.csv, after line"):
        read_roster(path)
