"""Grades go into the very file that a learning platform gave, in any language, or not at all."""

import csv
import io

import pytest

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.results.lms import StudentTotal, defused
from tinybert_l.grading.results.worksheet import fill

TOTALS = [
    StudentTotal("u1", "Li", "Ann", "ann@x.org", "51", score=17.5, max_score=25.0),
    StudentTotal("u2", "Wu", "Bo", "bo@x.org", "52", score=9.0, max_score=25.0),
]
MOODLE = {
    "en": "Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,"
    "Last modified (submission),Last modified (grade),Feedback comments",
    "zh": "标识符,全名,邮箱地址,状态,成绩,最高分,成绩可以更改,最后修改(提交),"
    "最后修改(成绩),反馈评论",
    "de": "ID,Vollständiger Name,E-Mail-Adresse,Status,Bewertung,Bestwertung,Bewertung kann "
    "geändert werden,Zuletzt geändert (Abgabe),Zuletzt geändert (Bewertung),Feedback als Kommentar",
    "fr": "Identifiant,Nom complet,Adresse de courriel,Statut,Note,Note maximale,La note peut être "
    "modifiée,Dernière modification (travail remis),Dernière modification (note),"
    "Feedback par commentaires",
}
PARTICIPANT = {"en": "Participant", "zh": "参与者", "de": "Teilnehmer/in", "fr": "Participant"}


def moodle(language: str, maximum: str = "100.00") -> str:
    rows = []
    for number, name in ((51, "Ann Li"), (52, "Bo Wu"), (99, "Cy Xu")):
        who = f"{PARTICIPANT[language]}{'' if language == 'zh' else ' '}{number}"
        rows.append(f'{who},{name},,"Submitted",,{maximum},Yes,"Friday, 4 December",-,')
    return "\r\n".join([MOODLE[language], *rows]) + "\r\n"


def read(content: bytes, encoding: str = "utf-8-sig", separator: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(encoding)), delimiter=separator))


@pytest.mark.parametrize("language", MOODLE)
def test_moodles_worksheet_keeps_all_columns_in_any_language(tmp_path, language):
    path = tmp_path / "grades.csv"
    path.write_text(moodle(language), encoding="utf-8-sig")
    filled = fill(path, TOTALS, remarks={"u1": "=1+1"})
    before, after = read(path.read_bytes()), read(filled.content)
    assert after[0] == before[0] and filled.count == 2
    assert [row[4] for row in after[1:]] == ["17.5", "9", ""]
    assert after[1][9] == "'=1+1"
    for old, new in zip(before[1:], after[1:], strict=True):
        assert old[:4] == new[:4] and old[5:9] == new[5:9]
    assert len(filled.problems) == 1 and "99" in filled.problems[0]


def test_rows_without_a_moodle_number_are_found_by_address(tmp_path):
    path = tmp_path / "grades.csv"
    text = moodle("en").replace("Ann Li,", "Ann Li,ANN@x.org")
    path.write_text(text.replace("Participant 51", "Participant 7777"), encoding="utf-8")
    assert fill(path, TOTALS).count == 2


def test_a_maximum_that_is_too_small_is_said_before_anything_is_written(tmp_path):
    path = tmp_path / "grades.csv"
    path.write_text(moodle("en", "10.00"), encoding="utf-8")
    with pytest.raises(InvalidInput, match="the file's maximum is 10"):
        fill(path, TOTALS)


CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,Lecture 3 (901),Lecture 4 (902),Final Score
    Points Possible,,,,,25,25,(read only)
"Li, Ann",51,s1,u1,S1,,,
"Wu, Bo",,s2,u2,S1,,,
"Student, Test",99,,,S1,,,
"""


def test_canvass_gradebook_gets_the_column_that_is_named(tmp_path):
    path = tmp_path / "canvas.csv"
    path.write_text(CANVAS, encoding="utf-8")
    with pytest.raises(InvalidInput, match="allowed: Lecture 3, Lecture 4"):
        fill(path, TOTALS)
    filled = fill(path, TOTALS, title="Lecture 4")
    rows = read(filled.content)
    assert [row[6] for row in rows[1:]] == ["25", "17.5", "9", ""] and not filled.problems
    assert [row[5] for row in rows[1:]] == ["25", "", "", ""]


def test_canvass_rows_that_are_nobodys_stay_and_are_not_listed(tmp_path):
    path = tmp_path / "canvas.csv"
    header, *rows = CANVAS.splitlines()
    posted = ",,,,,Manual Posting,,"
    path.write_text("\n".join([header, posted, *rows]) + "\n", encoding="utf-8")
    filled = fill(path, TOTALS, title="Lecture 4")
    assert read(filled.content)[1] == posted.split(",") and not filled.problems


@pytest.mark.parametrize(
    ("text", "encoding", "separator"),
    [
        ("id;Name\nu1;Ann\nu2;Bo\n", "utf-8-sig", ";"),
        ("学号\t成绩\nU1\t\nu2\t\n", "utf-16", "\t"),
        ("sep=,\nStudent,score\nu1,0\nu2,0\n", "utf-8", ","),
    ],
)
def test_any_table_with_ids_is_filled_as_it_came(tmp_path, text, encoding, separator):
    path = tmp_path / "class.csv"
    path.write_bytes(text.encode(encoding))
    filled = fill(path, TOTALS)
    rows = read(filled.content, encoding, separator)
    assert [row[-1] for row in rows[-2:]] == ["17.5", "9"]
    assert filled.content.decode(encoding).startswith(text[:3])


def test_a_table_of_strangers_is_refused(tmp_path):
    path = tmp_path / "class.csv"
    path.write_text("id,grade\nz1,\nz2,\n")
    with pytest.raises(InvalidInput, match="none of its rows"):
        fill(path, TOTALS)


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t=", " ="])
@pytest.mark.parametrize("before", ["", "a;", "b|", "c,", "d\n"])
def test_no_part_of_a_text_is_computed(sign, before):
    text = defused(f"{before}{sign}cmd()")
    for part in text.replace("|", ";").replace(",", ";").replace("\n", ";").split(";"):
        assert not part.strip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    assert defused("a-b = c") == "a-b = c"
