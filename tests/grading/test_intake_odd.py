"""What learning platforms, archivers and students really hand in: taken in, or refused truly."""

import io
import json
import os
import struct
import zipfile
import zlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tinybert_l.errors import InvalidInput, printable
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.arrivals import Arrival, read_times, with_times
from tinybert_l.grading.csv_files import encoding_notice
from tinybert_l.grading.identities import match
from tinybert_l.grading.intake import Reading, read_archive
from tinybert_l.grading.owners import is_student_name
from tinybert_l.grading.rosters import read_roster
from tinybert_l.grading.versions import copy_number, stem

NAME = NOTEBOOKS[3]
DATE = (2026, 11, 20, 10, 0, 0)
NTFS_TICKS = (1_800_000_000 + 11_644_473_600) * 10**7  # since 1601
DUE = datetime(2026, 12, 1, 16, 0, tzinfo=UTC)


def notebook(*sources: str) -> bytes:
    cells = [{"cell_type": "code", "metadata": {}, "source": source} for source in sources]
    tree = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    return json.dumps(tree).encode()


STUB = notebook("import torch", "raise NotImplementedError('your answer goes here')")
ANSWER = notebook("import torch", "return 1")
OTHER_ANSWER = notebook("import torch", "return 2")
RELEASED = ("import torch", "raise NotImplementedError('your answer goes here')")


class RawName(zipfile.ZipInfo):
    """A member whose name is written as the bytes that it has, without a word on its encoding."""

    __slots__ = ("raw",)

    def _encodeFilenameFlags(self):
        return self.raw, self.flag_bits


def write_zip(path: Path, members: dict[str | bytes, bytes], extra: bytes = b"") -> Path:
    """Write a zip file; a name in bytes is written as it is."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            text = name if isinstance(name, str) else name.decode("cp437")
            info = RawName(text, DATE) if isinstance(name, bytes) else zipfile.ZipInfo(text, DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.extra = extra
            if isinstance(info, RawName):
                info.raw = name
            archive.writestr(info, raw)
    return path


def read(path: Path, **reading):
    return read_archive(path, NAME, Reading(**reading))


# Names


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("gb18030", ["王芳", "诸葛明"]),
        ("gbk", ["李娜", "刘洋", "Ann Li"]),
        ("big5", ["陳美玲", "許功蓋"]),  # the second byte of 許 and 功 is a backslash
        ("cp932", ["ソニアさくら", "たなか表"]),
        ("cp850", ["Jürgen Müller", "José Nuñez"]),
        ("utf-8", ["नमस्ते", "王芳"]),
    ],
)
def test_names_in_other_encodings_are_read_for_the_archive_as_a_whole(tmp_path, encoding, names):
    members = {}
    for number, name in enumerate(names, 70):
        path = f"{name}_{number}_assignsubmission_file_/{NAME}.ipynb"
        members[path.encode(encoding)] = ANSWER
    arrivals, refusals = read(write_zip(tmp_path / "moodle.zip", members))
    assert not refusals
    assert sorted(arrival.known["last_name"] for arrival in arrivals) == sorted(names)
    said = any("names read as" in note for arrival in arrivals for note in arrival.notes)
    assert said == (encoding != "utf-8")


def test_the_teacher_can_insist_on_an_encoding(tmp_path):
    path = write_zip(tmp_path / "a.zip", {f"é/{NAME}.ipynb".encode("cp1252"): ANSWER})
    (arrival,), _ = read(path, encoding="cp1252")
    assert arrival.student == "é"
    with pytest.raises(InvalidInput, match="--names 'klingon'"):
        read(path, encoding="klingon")


def test_a_name_that_info_zip_gives_in_utf_8_goes_before_a_guess(tmp_path):
    raw = f"?/{NAME}.ipynb".encode()
    right = f"孙悦/{NAME}.ipynb".encode()
    data = b"\x01" + struct.pack("<I", zlib.crc32(raw)) + right
    extra = struct.pack("<HH", 0x7075, len(data)) + data
    (arrival,), _ = read(write_zip(tmp_path / "a.zip", {raw: ANSWER}, extra))
    assert arrival.student == "孙悦"


@pytest.mark.parametrize(
    "name", ["o'brien", "a b", "नमस्ते", "阿卜杜拉·买买提", "Li, Ann", "x@y.org"]
)
def test_names_of_people_are_names(name):
    assert is_student_name(name)


@pytest.mark.parametrize("name", ["", ".x", "a/b", "=cmd", "a\x1b[2J", "a\u202eb", "x" * 65, "a|b"])
def test_what_no_folder_should_be_called_is_none(name):
    assert not is_student_name(name)


def test_a_long_group_prefix_keeps_the_number_that_tells_people_apart(tmp_path):
    group = "Tutorial group Wednesday 16:00, room 3.14 of the main building-Ann Li"
    members = {f"{group}_{n}_assignsubmission_file_/{NAME}.ipynb": ANSWER for n in (51, 52)}
    arrivals, refusals = read(write_zip(tmp_path / "a.zip", members))
    assert not refusals and len({arrival.student for arrival in arrivals}) == 2
    assert all(len(arrival.student) <= 64 for arrival in arrivals)


# Shapes


@pytest.mark.parametrize(
    ("member", "student"),
    [
        (rf"20239\{NAME}.ipynb", "20239"),
        (rf"submissions\20239\{NAME}.ipynb", "20239"),
        (f"Ann Li_9_assignsubmission_file_/work/final/{NAME}.ipynb", "Ann_Li-9"),
        (f"20239/{NAME}.ipynb.json", "20239"),
        (f"20239/{NAME}.ipynb.txt", "20239"),
        (f"20239/{NAME}.IPYNB", "20239"),
        (f"20239/{NAME} .ipynb ", "20239"),
        (f"./20239//{NAME}.ipynb", "20239"),
        (f"anon_Zz09q_77_{NAME}.ipynb", "anon-Zz09q"),
        (f"anon_LATE_Zz09q_77_{NAME}.ipynb", "anon-Zz09q"),
    ],
)
def test_it_is_clear_whose_and_what_it_is(tmp_path, member, student):
    arrivals, refusals = read(write_zip(tmp_path / "a.zip", {member: ANSWER}))
    assert not refusals and [arrival.student for arrival in arrivals] == [student]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"Ann Li_9_assignsubmission_onlinetext_/onlinetext.html": b"<p>hi"}, "typed in"),
        ({"liann_51_900_text.html": b"<p>hi"}, "typed in"),
        ({rf"..\ann\{NAME}.ipynb": ANSWER}, "path"),
        ({rf"C:\ann\{NAME}.ipynb": ANSWER}, "path"),
        ({f"group/ann/{NAME}.ipynb": ANSWER, f"group/bob/{NAME}.ipynb": ANSWER, "x.txt": b""},
         "several folders"),
    ],
)  # fmt: skip
def test_a_refusal_says_the_true_reason(tmp_path, members, reason):
    arrivals, refusals = read(write_zip(tmp_path / "a.zip", members))
    assert not arrivals and any(reason in refusal.reason for refusal in refusals)


# Damage


def damaged(tmp_path: Path, kind: str) -> Path:
    members = {f"{student}/{NAME}.ipynb": ANSWER for student in ("a1", "b2", "c3")}
    path = write_zip(tmp_path / "a.zip", members)
    raw = bytearray(path.read_bytes())
    name = f"b2/{NAME}.ipynb".encode()
    local = raw.index(name) - 30
    central = raw.rindex(name) - 46
    data = local + 30 + len(name)
    if kind == "bytes":
        raw[data + 3 : data + 20] = b"\xff" * 17
    elif kind == "deflate64":
        raw[local + 8] = raw[central + 10] = 9
    elif kind == "lzma":
        raw[local + 8] = raw[central + 10] = 14
    elif kind == "date":
        raw[central + 14 : central + 16] = b"\xff\xff"
    elif kind == "encrypted":
        raw[local + 6] |= 1
        raw[central + 8] |= 1
    elif kind == "name":
        raw[central + 9] |= 8
        raw[central + 46] = raw[local + 30] = 0xFF
    elif kind == "header":
        raw[local : local + 4] = b"\0\0\0\0"
    elif kind == "size":
        raw[central + 20 : central + 24] = struct.pack("<I", 10**8)
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(
    "kind", ["bytes", "deflate64", "lzma", "date", "encrypted", "name", "header", "size"]
)
def test_no_fault_of_one_member_keeps_the_others_out(tmp_path, kind):
    arrivals, refusals = read(damaged(tmp_path, kind))
    students = {arrival.student for arrival in arrivals}
    assert {"a1", "c3"} <= students and len(arrivals) + len(refusals) == 3
    assert all(refusal.reason for refusal in refusals)


def test_no_fault_of_a_students_own_zip_keeps_the_others_out(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(f"{NAME}.ipynb", ANSWER)
    lzma = bytearray(inner.getvalue())
    lzma[60:90] = b"\xff" * 30
    past_the_end = bytearray(inner.getvalue())
    past_the_end[-10:-6] = struct.pack("<I", 10**9)
    members = {
        "a1/w.zip": bytes(lzma),
        "b2/w.zip": bytes(past_the_end),
        "c3/w.zip": b"PK\x03\x04",
        "d4/w.zip": b"",
        f"e5/{NAME}.ipynb": ANSWER,
    }
    arrivals, refusals = read(write_zip(tmp_path / "a.zip", members))
    assert [arrival.student for arrival in arrivals] == ["e5"]
    assert {refusal.origin.split("/")[0] for refusal in refusals} >= {"b2", "c3", "d4"}


def test_escapes_for_the_terminal_are_written_out(tmp_path):
    _, refusals = read(write_zip(tmp_path / "a.zip", {"\x1b[2Jx/\u202ey.txt": b""}))
    assert "\x1b" not in refusals[0].origin and "\u202e" not in refusals[0].origin
    assert printable("a\tb\x9b") == r"a\tb\x9b" and printable("नमस्ते, 王芳") == "नमस्ते, 王芳"


# Copies


@pytest.mark.parametrize(
    "file_name",
    [
        f"Copy of {NAME}.ipynb",
        f"Copy of Copy of {NAME}.ipynb",
        f"{NAME}-Copy1.ipynb",
        f"{NAME} (2).ipynb",
        f"{NAME}(2).ipynb",
        f"{NAME}-3.ipynb",
        f"{NAME} copy.ipynb",
        f"{NAME} copy 2.ipynb",
        f"{NAME} - Copy.ipynb",
        f"{NAME} - Copy (2).ipynb",
        f"{NAME} - 副本.ipynb",
        f"{NAME} - 副本 (2).ipynb",
        f"“{NAME}”的副本.ipynb",
        f"{NAME}的副本.ipynb",
        f"副本{NAME}.ipynb",
        f"{NAME} 副本2.ipynb",
    ],
)
def test_every_programs_name_for_a_copy_is_known(file_name):
    assert stem(file_name) == NAME and copy_number(file_name) >= 1
    assert stem(f"{NAME}.ipynb") == NAME and copy_number(f"{NAME}.ipynb") == 0


@pytest.mark.parametrize("copy", [f"{NAME}-Copy1.ipynb", f"{NAME} - 副本.ipynb"])
@pytest.mark.parametrize("answer_is_copy", [True, False])
def test_a_copy_that_nobody_touched_is_never_the_answer(tmp_path, copy, answer_is_copy):
    contents = (STUB, ANSWER) if answer_is_copy else (ANSWER, STUB)
    members = dict(zip((f"ann/{NAME}.ipynb", f"ann/{copy}"), contents, strict=True))
    (arrival,), refusals = read(write_zip(tmp_path / "a.zip", members), released=RELEASED)
    assert not refusals and arrival.raw == ANSWER
    assert [raw for _, raw in arrival.others] == [STUB]
    assert "untouched since the release" in arrival.notes[0]


def test_an_untouched_notebook_beside_another_one_is_left_to_a_person(tmp_path):
    members = {f"ann/{NAME}.ipynb": STUB, "ann/final.ipynb": ANSWER, "ann/notes.txt": b""}
    path = write_zip(tmp_path / "a.zip", members)
    arrivals, (refusal,) = read(path, released=RELEASED)
    assert not arrivals and "which one counts" in refusal.reason
    (arrival,), _ = read(path)  # nothing is known of the release
    assert arrival.raw == STUB and [raw for _, raw in arrival.others] == [ANSWER]


def test_of_two_answers_the_later_one_counts_and_it_is_said(tmp_path):
    folder = tmp_path / "in" / "ann"
    folder.mkdir(parents=True)
    for name, raw, when in (("", ANSWER, 2_000), (" (1)", OTHER_ANSWER, 1_000)):
        path = folder / f"{NAME}{name}.ipynb"
        path.write_bytes(raw)
        os.utime(path, (when, when))
    (arrival,), _ = read(tmp_path / "in", released=RELEASED)
    assert arrival.raw == ANSWER and "an earlier version" in arrival.notes[0]


# Times


def arrival(student: str, when: datetime, **facts) -> Arrival:
    return Arrival(student, b"{}", when, "x", **facts)


def test_canvas_says_who_is_late_and_its_times_say_nothing():
    download = DUE + timedelta(days=3)
    arrivals = [
        arrival("a", download, platform="canvas"),
        arrival("b", download, platform="canvas", is_late=True),
    ]
    in_time, late = with_times(arrivals, DUE)
    assert in_time.when == DUE and not in_time.is_unsure
    assert late.is_unsure and "--handed-in" in late.notes[-1]
    told = {"b": DUE + timedelta(hours=5)}
    _, late = with_times(arrivals, DUE, told)
    assert late.when == told["b"] and late.is_told and not late.is_unsure


def test_times_that_nearly_agree_make_nobody_late():
    download = DUE + timedelta(days=3)
    close = [arrival(str(n), download + timedelta(seconds=10 * n)) for n in range(5)]
    assert all(x.is_unsure and x.when == DUE for x in with_times(close, DUE))
    apart = [arrival(str(n), download + timedelta(hours=n)) for n in range(5)]
    assert with_times(apart, DUE) == apart
    assert with_times(close, None) == close


@pytest.mark.parametrize(
    ("extra", "seconds"),
    [
        (struct.pack("<HHBi", 0x5455, 5, 1, 1_800_000_000), 1_800_000_000),
        (struct.pack("<HHII", 0x5855, 8, 0, 1_800_000_000), 1_800_000_000),
        (struct.pack("<HHIHHQQQ", 0x000A, 32, 0, 1, 24, NTFS_TICKS, 0, 0), 1_800_000_000),
    ],
)  # fmt: skip
def test_a_time_in_utc_goes_before_one_without_a_zone(tmp_path, extra, seconds):
    (taken,), _ = read(write_zip(tmp_path / "a.zip", {f"ann/{NAME}.ipynb": ANSWER}, extra))
    assert taken.when.timestamp() == seconds


def test_a_plain_time_is_one_of_the_courses_zone(tmp_path):
    path = write_zip(tmp_path / "a.zip", {f"ann/{NAME}.ipynb": ANSWER})
    (taken,), _ = read(path, zone=timezone(timedelta(hours=8)))
    assert taken.when == datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def test_the_exchanges_time_is_not_that_of_a_file_which_a_student_sets(tmp_path):
    folder = tmp_path / "inbound" / f"ann+{NAME}+2026-12-05 08:00:00.000000 UTC+ab"
    folder.mkdir(parents=True)
    path = folder / f"{NAME}.ipynb"
    path.write_bytes(ANSWER)
    os.utime(path, (0, 1_000_000))
    (taken,), _ = read(tmp_path / "inbound")
    assert taken.when == datetime(2026, 12, 5, 8, tzinfo=UTC)
    assert with_times([taken, taken], DUE)[0].when == taken.when


def test_the_teachers_file_of_times(tmp_path):
    path = tmp_path / "times.csv"
    path.write_text("id;handed_in\nann;2026-12-02 03:00\nbob;\n", encoding="utf-8-sig")
    times = read_times(path, timezone(timedelta(hours=8)))
    assert times == {"ann": datetime(2026, 12, 1, 19, tzinfo=UTC)}
    path.write_text("id,handed_in\nann,tomorrow\n")
    with pytest.raises(InvalidInput, match="line 2"):
        read_times(path, None)


# Rosters

PEOPLE = [{"id": "u1", "first_name": "Ann", "last_name": "Li", "email": "a@x.org"}]


@pytest.mark.parametrize(
    "raw",
    [
        b"id,first_name,last_name,email\r\nu1,Ann,Li,a@x.org\r\n,,,\r\n\r\n",
        "id;first_name;last_name;email\nu1;Ann;Li;a@x.org\n".encode("utf-8-sig"),
        b"sep=;\nid;first_name;last_name;email\nu1;Ann;Li;a@x.org\n",
        "id\tfirst_name\tlast_name\temail\nu1\tAnn\tLi\ta@x.org\n".encode("utf-16"),
        "Term 1, group B\n学号,名,姓,邮箱\nu1,Ann,Li,a@x.org\n".encode(),
        b"First name,Last name,ID number,Email address\nAnn,Li,u1,a@x.org\n",
        b'Student,ID,SIS User ID,SIS Login ID,Section\n"    Points Possible",,,,\n'
        b'"Li, Ann",51,s1,u1,S1\n',
        b"Student,ID,SIS Login ID,Section,Essay (9)\n,,,,Manual Posting\n"
        b'    Points Possible,,,,5\n"Li, Ann",51,u1,S1,\n"Student, Test",99,0a1b,S1,\n',
        b"LastName,FirstName,ID,SIS Login ID,Section\n    Points Possible,,,,\n"
        b"Li,Ann,51,u1,S1\nStudent,Test,99,0a1b,S1\n",
    ],
)
def test_lists_of_people_as_programs_write_them(tmp_path, raw):
    path = tmp_path / "roster.csv"
    path.write_bytes(raw)
    (person,) = read_roster(path)
    assert {key: person[key] for key in ("id", "first_name", "last_name")} == {
        key: PEOPLE[0][key] for key in ("id", "first_name", "last_name")
    }


def test_in_moodles_own_list_the_address_is_the_id(tmp_path):
    path = tmp_path / "participants.csv"
    path.write_bytes(b"First name,Last name,Email address\nAnn,Li,a@x.org\n")
    (person,) = read_roster(path)
    assert person == {**PEOPLE[0], "id": "a@x.org"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"id\nann\nANN\n", "line 3: ANN differs from ann"),
        (b"PK\x03\x04xlsx", "Excel"),
        ("id,name\nu1,José\nu2,Zoë\nu3,Åsa\n".encode("latin-1"), "not UTF-8"),
        ("id,имя\nu1,Иван Петров\nu2,Анна\nu3,Олег\n".encode("cp1251"), "not UTF-8"),
        ("id,name\nu1,哪\n".encode("gbk"), "not UTF-8"),  # also of three other scripts
        ("id,name\nu1,田中\nu2,鈴木\nu3,高橋\n".encode("euc_jp"), "not UTF-8"),
        ("id,name\nu1,김철수\nu2,박영희\nu3,이민\n".encode("cp949"), "not UTF-8"),
        (b"name,mark\nann,1\n", "needed: id"),
        (b"id\nbad id\n", "line 2"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_by_its_cause(tmp_path, raw, message):
    path = tmp_path / "roster.csv"
    path.write_bytes(raw)
    with pytest.raises(InvalidInput, match=message):
        read_roster(path)


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        ("id,姓名\nu1,王芳\n", "gbk", "王芳"),
        ("学号;姓名;邮箱\nu1;欧阳娜娜;a@x.org\n", "gb18030", "欧阳娜娜"),
        ("2026级名单\n学号\t姓名\nu1\t㐂田\n", "gb18030", "㐂田"),
        ("id,full name\nu1,刘洋\nu2,张伟\nu3,Ann Li\nu4,陈晨\n", "gbk", "刘洋"),
        ("學號,姓名\nu1,許功蓋\n", "big5", "許功蓋"),
        ("学籍番号,氏名\nu1,表田\n", "cp932", "表田"),
        ("학번,이름\nu1,김철수\n", "cp949", "김철수"),
    ],
)
def test_a_list_in_a_spreadsheets_own_encoding_is_read_and_it_is_said(
    tmp_path, text, encoding, name
):
    path = tmp_path / "roster.csv"
    path.write_bytes(text.encode(encoding))
    first, *_ = read_roster(path)
    assert first["id"] == "u1" and first["last_name"] == name
    shown = {"gbk": "GB18030"}.get(encoding, encoding.upper())
    assert f"read as {shown}" in encoding_notice(path)
    path.write_text(text, encoding="utf-8")
    assert encoding_notice(path) == ""


def test_one_person_is_one_person_and_namesakes_are_never_guessed():
    people = [
        {"id": "u1", "first_name": "Ann", "last_name": "Li", "lms_user_id": "51"},
        {"id": "u2", "first_name": "芳", "last_name": "王"},
        {"id": "u3", "first_name": "Bo", "last_name": "Wu"},
        {"id": "u4", "first_name": "Bo", "last_name": "Wu"},
    ]
    identities, shared = match(people)
    assert any("u3, u4" in line for line in shared)
    now = datetime.now(UTC)

    def of(platform: str, name: str, number: str) -> Arrival:
        known = {"last_name": name, "lms_user_id": number}
        return arrival(f"{name}-{number}", now, platform=platform, known=known)

    came = [of("moodle", "Ann Li", "7"), of("moodle", "王芳", "8"), of("moodle", "Bo Wu", "9")]
    assert [x.student for x in identities.applied(came)] == ["u1", "u2", "Bo Wu-9"]
    assert identities.applied([of("canvas", "liann", "51")])[0].student == "u1"
    twice = [of("moodle", "Ann Li", "7"), of("moodle", "Ann Li", "17")]
    assert [x.student for x in identities.applied(twice)] == ["Ann Li-7", "Ann Li-17"]
