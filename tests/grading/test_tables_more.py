"""Further rosters and worksheets: other languages, rows of nobody's, ids that programs change."""

import re

import pytest
from test_tables_odd import TOTALS, filled, written

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.results import worksheet
from tinybert_l.grading.results.lms import StudentTotal
from tinybert_l.grading.rosters import read_roster


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("SID,Name\nu1,Ann\n", ["u1"]),
        ("Nombre;Apellido(s);Dirección de correo;Número de ID\nAnn;Li;a@x.org;u1\n", ["u1"]),
        ("Prénom;Nom de famille;Numéro d’identification\nAnn;Li;u1\n", ["u1"]),
        ("Имя;Фамилия;Индивидуальный номер\nAnn;Li;u1\n", ["u1"]),
        ("学号/工号,姓名\nu1,王芳\n", ["u1"]),
        ("学号（必填）,姓名\nu1,王芳\n", ["u1"]),
        ("“id”,“name”\nu1,Ann\n", ["u1"]),
        ("Student,Username\nAnn Li,u1\nBo Wu,u2\n", ["u1", "u2"]),
        ("a\nb\nc\nd\ne\nf\ng\n学号,姓名\nu1,王芳\n", ["u1"]),
        ("学号,姓名\nu1,王芳\n合计,1\n", ["u1"]),
        ("id,name\nu1,Ann\nTotal,1\nAverage,1\n", ["u1"]),
        ("id,name,section\nu1,Ann,A\nu1,Ann,B\n", ["u1"]),
        ("| id | first_name |\n|---|:---|\n| u1 | Ann |\n", ["u1"]),
        ("学 号,姓　名\nu1,王芳\n", ["u1"]),
        ("name,email,role\nAnn,a@x.org,Student\nX,x@x.org,Professor\n", ["a@x.org"]),
        (
            'Email address,Roles\na@x.org,"Student, Teaching assistant"\nb@x.org,Manager\n',
            ["a@x.org"],
        ),
        ("学号,姓名,状态\nu1,王芳,在读\nu2,李雷,退课\n", ["u1"]),
        ("id,name,Registration Status\nu1,Ann,**Web Registered**\nu2,Bo,Withdrew\n", ["u1"]),
        ("学号,姓名\nu1,王芳\n学号,姓名\nu2,李雷\n", ["u1", "u2"]),
        ("Họ và tên,Mã số sinh viên\nAnn,u1\n", ["u1"]),
        ("identifier,github_username,github_id,name\nu1,annli,123,\n", ["u1"]),
        ("Display name,Email,Role\nAnn,a@x.org,Member\nX,x@x.org,Owner\n", ["a@x.org"]),
        ("id,name\n00123,Ann\n123,Bo\n", ["00123", "123"]),
        ("学号,姓名,角色\nu1,王芳,学生\nu2,李老师,教师\n", ["u1"]),
        ("id,name,,\nu1,Ann,,\n,,,\n", ["u1"]),
        ('Student,ID,Section,L3 (9)\n"    满分",,,25\n"Li, Ann",51,S1,\n', ["51"]),
    ],
)
def test_people_are_read_from_further_lists(tmp_path, text, ids):
    assert [person["id"] for person in read_roster(written(tmp_path, text))] == ids


def test_a_name_on_two_lines_and_with_marks_that_nobody_sees_is_one_name(tmp_path):
    text = 'id,name\r\nu1,"Li,\r\nAnn"\r\nu2,\u200fمحمد\u200e\r\n'
    ann, other = read_roster(written(tmp_path, text))
    assert (ann["first_name"], ann["last_name"], other["last_name"]) == ("Ann", "Li", "محمد")


def test_names_are_read_in_the_languages_of_their_columns(tmp_path):
    text = "Nombre;Apellido(s);Dirección de correo;Número de ID\nAnn;Li;a@x.org;u1\n"
    (person,) = read_roster(written(tmp_path, text))
    assert person == {"id": "u1", "first_name": "Ann", "last_name": "Li", "email": "a@x.org"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("id\n2-Mar\n", "line 2.*made a date"),
        ("id\n3月2日\n", "made a date"),
        ('id\n"20,231,001"\n', "without commas"),
        ("id\n#N/A\n", "spreadsheet's error"),
        ("OrgDefinedId,End-of-Line Indicator\n#REF!,#\n", "spreadsheet's error"),
        ("id,name\n-,Ann\n", "line 2: no id"),
        ("id,name\nnan,Ann\n", "line 2: no id"),
        ("Email address,ID number\na@x.org,\nb@x.org,u2\n", "no id in the column ID number"),
        ("id,name\nu1,Ann\nu1,Ann\n", "twice"),
        ("id,name\n00123,Ann\n123,Ann\n", "lost its zeros"),
        (b"<table><tr><td>id</td></tr></table>", "web page"),
        ("id,name\nu1,Ann\nu1,Bo\n", "twice"),
        ("学号,姓名,学 号,姓名\nu1,王芳,u2,李雷\n", "one below the other"),
        ("id,name\nu1,Li, Ann\n", "line 2: 3 cells below 2 columns"),
    ],
)
def test_a_list_is_refused_by_its_cause(tmp_path, text, why):
    with pytest.raises(InvalidInput, match=why):
        read_roster(written(tmp_path, text))


# Moodle's, with what stands in a row of it, in languages that no list here holds
MOODLE = [
    ("식별자,전체 이름,상태,성적,최고 성적,수정 가능,최종 수정,최종 수정 (성적),의견", "참가자"),
    ("Tanımlayıcı,Tam adı,Durum,Not,En yüksek,Değiştirilebilir,Gönderim,Son değiştirme,Yorum",
     "Katılımcı "),
]  # fmt: skip


@pytest.mark.parametrize(("header", "who"), MOODLE)
def test_moodles_worksheet_is_filled_in_a_language_that_nobody_listed(tmp_path, header, who):
    text = f"{header}\n{who}51,Ann,s,,100.00,y,-,-,\n{who}52,Bo,s,3.00,100.00,y,-,-,\n"
    rows, result = filled(tmp_path, text, remarks={"u1": "well done"})
    assert [row[3] for row in rows[1:]] == ["17.5", "9"]
    (problem,) = result.problems
    assert "u2 3 → 9" in problem
    assert rows[1][8] == "well done" and [row[4] for row in rows[1:]] == ["100.00"] * 2
    with pytest.raises(InvalidInput, match="maximum is 10"):
        filled(tmp_path, text.replace("100.00", "10.00"))


def test_a_column_of_times_is_no_column_of_feedback(tmp_path):
    header = MOODLE[0][0].rpartition(",")[0]
    rows, _ = filled(tmp_path, f"{header}\n참가자51,Ann,s,,100.00,y,-,-\n", remarks={"u1": "well"})
    assert rows[1] == ["참가자51", "Ann", "s", "17.5", "100.00", "y", "-", "-"]


@pytest.mark.parametrize(
    ("text", "title", "grade"),
    [
        ("ID number,Assignment: Lecture 3 (Real),Course total (Real)\nu1,-,-\n", "Lecture 3", 1),
        ("学号,作业：第3讲 (实际)\nu1,-\n", "第3讲", 1),
        ("Username\tLecture 3 [Total Pts: 25 Score] |_123_1\nu1\t\n", "Lecture 3", 1),
        ("Username,Lecture 3 [Total Pts: 25 Score] |9\nu1,\n", "", 1),
        ("Username,L3 Points Grade <Numeric MaxPoints:25 Weight:5>,x\n#u1,,#\n", "", 1),
        ("学号/工号,姓名,分数\nu1,Ann,\n", "", 2),
        ("id,grade\n满分,25\nu1,\n", "", 1),
    ],
)
def test_the_platforms_own_column_takes_the_grade(tmp_path, text, title, grade):
    rows, result = filled(tmp_path, text, totals=TOTALS[:1], title=title)
    cells = rows[-1] if "\t" not in text else rows[-1][0].split("\t")
    assert cells[grade] == "17.5" and not result.problems
    assert len(rows[0]) == len(text.split("\n")[0].split(","))  # no column was added


@pytest.mark.parametrize(
    ("text", "title", "why"),
    [
        ("Username,L3 [Total Pts: 10 Score] |9\nu1,\n", "", "maximum is 10"),
        ("Username,L3 Points Grade <Numeric MaxPoints:10>,x\n#u1,,#\n", "L3", "maximum is 10"),
        ("id,grade\nMax points,10\nu1,\n", "", "maximum is 10"),
        ("Student,ID,Section,L3 (9)\n    Mögliche Punkte,,,10\nLi,51,S,\n", "", "maximum is 10"),
        ("Username,L3 [Total Pts: 25 Percentage] |9\nu1,\n", "L3", "per cent"),
        ("id,grade\nu1,70%\nu2,36 %\n", "", "per cent"),
        ("id,L3\nu1,70%\nu2,\n", "L3", "per cent"),
        ("id,grade\n2.02E+09,\n", "", "rounded by a spreadsheet"),
        ("Username,L3 [Total Pts: 25 Score] |9,L4 [Total Pts: 25 Score] |8\nu1,,\n", "", "--title"),
        ('Identifier,Grade,Scale\nParticipant 51,,"Good, Bad"\n', "", "scale"),
        ("Student,ID,Section,L3 (9),L3 (8)\nLi,51,S,,\n", "L3", r"allowed: L3 \(9\), L3 \(8\)"),
    ],
)
def test_a_column_that_cannot_take_points_is_refused(tmp_path, text, title, why):
    with pytest.raises(InvalidInput, match=why):
        filled(tmp_path, text, title=title)


def test_ids_that_lost_their_zeros_are_found_where_one_person_is_meant(tmp_path):
    totals = [StudentTotal("00123", score=1.0), StudentTotal("0045", score=2.0),
              StudentTotal("045", score=3.0)]  # fmt: skip
    rows, result = filled(tmp_path, "id,grade\n123,\n45,\n", totals)
    assert rows[1:] == [["123", "1"], ["45", ""]]
    said = "; ".join(result.problems)
    assert "123 → 00123" in said and re.search("without a grade here.*45", said)


@pytest.mark.parametrize(
    "text, why",
    [
        ("id,grade,name,grade\nu1,,A,\n", "several columns are called grade"),
        ("Email,GRADE,Grade\nann@x.org,5,\n", "several columns are called grade"),
        (
            "Identifier,Full name,Student,ID,SIS Login ID,Lecture 3 (12),Grade,Maximum Grade\n"
            "Participant 51,A,A,51,u1,,,100.00\n",
            "Canvas and of Moodle",
        ),
        ("id,grade,Maximum Grade\nu1,,10.00\n", "the file's maximum is 10"),
    ],
    ids=["one name twice", "in capital letters", "two platforms", "a maximum that is too small"],
)
def test_a_table_with_two_places_for_a_grade_or_a_small_maximum_is_refused(tmp_path, text, why):
    path = tmp_path / "grades.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=why):
        worksheet.fill(path, TOTALS, "Lecture 3" if "Lecture 3" in text else "")


def test_a_table_in_gbk_comes_back_in_gbk_and_as_utf8_where_that_lacks_a_letter(tmp_path):
    path = written(tmp_path, "学号,姓名,成绩,备注\r\nu1,王芳,,\r\n".encode("gbk"))
    result = worksheet.fill(path, TOTALS[:1])
    assert result.content == "学号,姓名,成绩,备注\r\nu1,王芳,17.5,\r\n".encode("gbk")
    assert any("read as GB18030" in line for line in result.problems)
    again = written(tmp_path, result.content)
    assert worksheet.fill(again, TOTALS[:1]).content == result.content
    rare = written(tmp_path, "学号,姓名,成绩\r\nu1,王㐂😀,\r\n".encode("gb18030"))
    content = worksheet.fill(rare, TOTALS[:1]).content
    assert content.decode("utf-8-sig") == "学号,姓名,成绩\r\nu1,王㐂😀,17.5\r\n"
    assert content.startswith(b"\xef\xbb\xbf")
