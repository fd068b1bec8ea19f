"""Rosters, worksheets and times as spreadsheets, registrars and platforms really write them."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.arrivals import Arrival, read_times
from tinybert_l.grading.identities import match
from tinybert_l.grading.outcome import _with_number
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.lms import StudentTotal
from tinybert_l.grading.results.packing import moodles_numbers
from tinybert_l.grading.results.worksheet import Filled, fill
from tinybert_l.grading.rosters import read_roster

TOTALS = [
    StudentTotal("u1", "Li", "Ann", "ann@x.org", "51", score=17.5, max_score=25.0),
    StudentTotal("u2", "Wu", "Bo", "bo@x.org", "52", score=9.0, max_score=25.0),
]


def written(tmp_path: Path, text: str | bytes, encoding: str = "utf-8") -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('id,name\n"=""00123""",Ann\n="00124",Bo\n\'00125,Cy\n', ["00123", "00124", "00125"]),
        ('学号,姓名\n"2023001\t",王芳\n２０２３００２,李娜\n', ["2023001", "2023002"]),
        ("id,name\n\u200f2023\u200b,محمد\n", ["2023"]),
        ("id|name\nu1|Ann\n", ["u1"]),
        ("id,name\ru1,Ann\ru2,Bo\r", ["u1", "u2"]),
        ("id,name\nu1,Ann\x0bLi\nu2,Bo\u2028Wu\n", ["u1", "u2"]),
        ("id,name\nu1,Ann\n".encode("utf-16-le"), ["u1"]),
        ("id,remarks\nu1," + "x" * 200_000 + "\n", ["u1"]),
        ("Student ID,Name\nu1,Ann\n", ["u1"]),
        ("ID,学号,姓名\n1,u1,王芳\n2,u2,李娜\n", ["u1", "u2"]),
        ("序号,学生学号,学生姓名\n1,u1,王芳\n", ["u1"]),
        ("Vorname,Nachname,Anmeldename\nAnn,Li,u1\n", ["u1"]),
        ("Email address,ID number\na@x.org,\nb@x.org,\n", ["a@x.org", "b@x.org"]),
        ('Student,ID,Section,L3 (9)\n    Points Possible,,,25\n"Li, Ann",51,S1,\n', ["51"]),
        ("OrgDefinedId,End-of-Line Indicator\n#77,#\n", ["77"]),
        ("Name,User ID,Role\nAnn,u1,Student\nBo,u2,Student\n", ["u1", "u2"]),  # Sakai
        ("# Student ID,# Student Name,Lecture 3 [25]\nu1,Ann,\n", ["u1"]),
        ("Name;Login;Rolle\nAnn;u1;Kursmitglied\nX;x;Kursadministrator\n", ["u1"]),  # ILIAS
        ("First Name,Unique User ID,School UID\nAnn,u1,7\n", ["u1"]),  # Schoology
        ("canvas_user_id,user_id,login_id,email\n51,s1,u1,a@x.org\n", ["u1"]),
        ("Course,NLP,Term,Fall\nStudent ID,Name\nu1,Ann\n", ["u1"]),
    ],
)
def test_ids_are_read_as_they_were_meant(tmp_path, text, ids):
    people = read_roster(written(tmp_path, text))
    assert [person["id"] for person in people] == ids


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("id\n2.02312E+09\n", "line 2.*rounded by a spreadsheet"),
        ("id;name\n2,02312E+09;Ann\n", "rounded"),
        ("id,name\n20230001.0,Ann\n", "decimal"),
        ("id,name\n101,Ann\n１０１,Bo\n", "twice"),
        ('id,name\nu1,"Ann\nu2,Bo\nu3,Cy\n', "line 2: a quotation mark is not closed"),
        (b"<html><table><tr><td>id", "web page"),
        (b"PK\x03\x04" + b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "ods"),
    ],
)
def test_ids_that_a_program_has_spoilt_are_named(tmp_path, text, why):
    with pytest.raises(InvalidInput, match=why):
        read_roster(written(tmp_path, text))


@pytest.mark.parametrize("name", ["Sean O’Brien", "\u200fSean O'Brien", "Sean  O´Brien"])
def test_one_person_is_known_however_the_name_is_typed(name):
    identities, _ = match([{"id": "u1", "first_name": "Sean", "last_name": "O'Brien"}])
    for platform in ("moodle", "brightspace"):
        facts = {"platform": platform, "known": {"last_name": name}}
        arrival = Arrival("x", b"", datetime.now(UTC), "x", **facts)
        assert identities.applied([arrival])[0].student == "u1"


# Worksheets


def filled(tmp_path: Path, text: str, totals=TOTALS, **options) -> tuple[list[list[str]], Filled]:
    result = fill(written(tmp_path, text), totals, **options)
    content = io.StringIO(result.content.decode("utf-8-sig"), newline="")
    separator = ";" if text.lstrip("\ufeff").split("\n")[0].count(";") else ","
    return list(csv.reader(content, delimiter=separator)), result


@pytest.mark.parametrize(
    ("text", "grades"),
    [
        ("ID;Name;Grade;Maximum grade\nTeilnehmer/in 51;Ann;;100,00\nTeilnehmer/in 52;Bo;;100,00\n",
         ["17,5", "9"]),
        ("\ufeffStudent;ID;Section;L3 (901)\n    Points Possible;;;25,00\nLi;51;S;\nWu;52;S;\n",
         ["25,00", "17,5", "9"]),
        ("id,Note,score\nu1,ill in week 3,\nu2,,\n", ["17.5", "9"]),
        ("id,Note\nu1,ill in week 3\nu2,\n", ["17.5", "9"]),
        ("Matrikelnummer;Note\nu1;\nu2;1,3\n", ["17,5", "9"]),
        ("ID,学号,成绩\n1,u1,\n2,Ｕ２,\n", ["17.5", "9"]),
        ("id,remark,grade\nu1,a\x0bb\u2028c,\nu2,d,\n", ["17.5", "9"]),
        ("id,grade\nu1,\nu2,\n,=AVERAGE(B2:B3)\n", ["17.5", "9", "=AVERAGE(B2:B3)"]),
        ('id;"Name, Vorname";grade\nu1;"Li, Ann";\nu2;"Wu, Bo";\n', ["17,5", "9"]),
    ],
)  # fmt: skip
def test_a_grade_is_written_where_and_as_the_file_has_grades(tmp_path, text, grades):
    rows, _ = filled(tmp_path, text)
    if "Vorname" in text:  # nothing in this file says how it writes numbers
        grades = ["17.5", "9"]
    assert [row[-1] for row in rows[1:]] == grades or [row[-2] for row in rows[1:]] == grades
    for before, after in zip(text.split("\n")[1:], rows[1:], strict=False):
        assert all(cell in before for cell in after if cell not in grades)


def test_ids_that_end_in_figures_are_no_participants_of_moodle(tmp_path):
    totals = [StudentTotal("cs101", score=1.0), StudentTotal("cs102", score=2.0)]
    rows, _ = filled(tmp_path, "id,grade\ncs101,\ncs102,\n", totals)
    assert rows[1:] == [["cs101", "1"], ["cs102", "2"]]


def test_a_column_of_an_assignment_is_found_by_its_title_or_refused(tmp_path):
    blackboard = 'Username,"Lecture 3 [Total Pts: 25 Score] |123"\nu1,\nu2,\n'
    rows, _ = filled(tmp_path, blackboard, title="Lecture 3")
    assert [row[1] for row in rows[1:]] == ["17.5", "9"]
    brightspace = "OrgDefinedId,Lecture 3 Points Grade <Numeric MaxPoints:25>,x\n#u1,,#\n#u2,,#\n"
    rows, _ = filled(tmp_path, brightspace, title="Lecture 3")
    assert [row[1] for row in rows[1:]] == ["17.5", "9"]
    with pytest.raises(InvalidInput, match="Lecture 5"):
        filled(tmp_path, "id,Lecture 3\nu1,\n", title="Lecture 5")


MOODLE = "Identifier,Grade,Maximum grade,Grade can be changed\n"


@pytest.mark.parametrize(
    ("text", "cell", "said"),
    [
        (MOODLE + "Participant 51,5.00,100.00,No\nParticipant 52,,100.00,Yes\n", "5.00", "u1"),
        ("Student,ID,Section,L3 (9)\nLi,51,S,EX\nWu,52,S,\n", "EX", "excused.*u1"),
        ("id,grade\nu1,\nu1,\nu2,\n", "17.5", "several rows.*u1"),
        ("id,grade\nu1,\nTotal,\n", "17.5", "Total"),
        (MOODLE + "Participant 51,,100.00,Yes\nTotal,,,\n", "17.5", "Total"),
        ("id,grade\nu1,\n2.02312E+09,\n", "17.5", "rounded by a spreadsheet"),
    ],
)
def test_what_was_left_as_it_was_is_listed(tmp_path, text, cell, said):
    import re

    rows, result = filled(tmp_path, text)
    assert cell in rows[1] and any(re.search(said, line) for line in result.problems)


def test_canvass_maximum_is_looked_at_too(tmp_path):
    with pytest.raises(InvalidInput, match="maximum is 10"):
        filled(tmp_path, "Student,ID,Section,L3 (9)\n    Points Possible,,,10\nLi,51,S,\n")


# Times


@pytest.mark.parametrize(
    "time",
    ["2026/12/1 9:05", "2026-12-01 09:05 UTC", "2026-12-01T17:05:00+08:00", "2026年12月1日 9:05",
     "01.12.2026 09:05", "２０２６-12-01 09:05"],
)  # fmt: skip
def test_times_as_they_are_typed(tmp_path, time):
    path = written(tmp_path, f"id;handed_in\nａ;{time}\n")
    assert read_times(path, UTC) == {"a": datetime(2026, 12, 1, 9, 5, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("rows", "why"),
    [("a,12/01/2026 9:05", "line 2"), ("a,2026-12-01 9:05\na,2026-12-02 9:05", "line 3.*twice")],
)
def test_times_that_can_be_read_in_two_ways_are_refused(tmp_path, rows, why):
    with pytest.raises(InvalidInput, match=why):
        read_times(written(tmp_path, f"id,handed_in\n{rows}\n"), UTC)


def test_a_word_in_a_row_of_people_is_no_header(tmp_path):
    with pytest.raises(InvalidInput, match="columns Name, Person, Role"):
        read_roster(written(tmp_path, "Name,Person,Role\nAnn,u1,Student\nBo,u2,Student\n"))


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("cp1252", "Müller"), ("cp1250", "Żółć"), ("gbk", "李"), ("cp1251", "Ли")],
)
def test_a_table_is_read_in_the_encoding_that_is_named(tmp_path, encoding, name):
    path = written(tmp_path, f"id,last_name,grade\nu1,{name},\n", encoding)
    with pytest.raises(InvalidInput, match="--encoding"):
        read_roster(path)
    (person,) = read_roster(path, encoding)
    assert person["last_name"] == name
    content = fill(path, TOTALS, encoding=encoding).content
    assert f"u1,{name},17.5" in content.decode(encoding)
    for wrong in ("utf-8", "nonsense"):
        with pytest.raises(InvalidInput, match=f"--encoding '{wrong}'"):
            read_roster(path, wrong)


def test_nbgraders_own_list_of_people_keeps_the_platforms_number(tmp_path):
    (person,) = read_roster(written(tmp_path, "id,first_name,lms_user_id\nu1,Ann,51\n"))
    assert person["lms_user_id"] == "51"


@pytest.mark.parametrize(
    ("text", "title", "grades"),
    [
        ("Student ID,Name,Lecture 3 [25]\nu1,Ann,\nu2,Bo,3\n", "", ["17.5", "9"]),
        ("# Student ID,L2 [9],L3 [30]\nu1,,\nu2,,\n", "L3", ["17.5", "9"]),
        ("Login;Name;Note\nu1;Ann;\nu2;Bo;\n", "", ["17.5", "9"]),
    ],
)
def test_sakais_and_iliass_tables_are_filled(tmp_path, text, title, grades):
    content = fill(written(tmp_path, text), TOTALS, title).content.decode()
    separator = ";" if ";" in text else ","
    rows = list(csv.reader(io.StringIO(content), delimiter=separator))
    assert [row[-1] for row in rows[1:]] == grades and len(rows[0]) == 3
    if "[" in text:
        with pytest.raises(InvalidInput, match="maximum is 10"):
            small = text.replace("[25]", "[10]").replace("[30]", "[10]")
            fill(written(tmp_path, small), TOTALS, title)


def test_moodles_people_are_found_by_their_id_number(tmp_path):
    header = (
        "Identifier,Full name,ID number,Email address,Grade,Maximum grade,Last modified (grade)"
    )
    text = f"{header}\nParticipant 999,Ann,U1,,,25.00,-\nParticipant 998,Bo,,bo@x.org,,25.00,-\n"
    assert fill(written(tmp_path, text), TOTALS).count == 2


def test_a_grade_that_stood_in_the_file_is_told_before_it_is_lost(tmp_path):
    text = "id,grade\nu1,17.50\nu2,12\n"
    (problem,) = fill(written(tmp_path, text), TOTALS).problems
    assert "u2 12 → 9" in problem and "u1" not in problem


def test_moodles_number_of_an_earlier_lecture_is_known_from_the_record(tmp_path):
    audit = Audit(tmp_path)
    for lecture, number in (("a", 9), ("b", 23)):
        origin = f"Ann Li_{number}_assignsubmission_file_/x.ipynb"
        audit.append("received", assignment=lecture, student="u1", origin=origin)
    audit.append("received", assignment="b", student="u2", origin="u2/x.ipynb")
    assert [moodles_numbers(audit, x) for x in "ab"] == [{"u1": "9"}, {"u1": "23"}]
    (total,) = [_with_number(TOTALS[0], moodles_numbers(audit, "a"))]
    assert total.lms_user_id == "9"
    assert _with_number(TOTALS[1], moodles_numbers(audit, "b")) == TOTALS[1]
