"""More of what platforms, file managers and students hand in: other makes of the known kinds."""

import io
import unicodedata
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_intake_odd import ANSWER, NAME, OTHER_ANSWER, RELEASED, STUB, write_zip

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.notebook_files import UnreadableNotebook, read_notebook
from tinybert_l.grading.archives import INNER_MEMBER_LIMIT
from tinybert_l.grading.intake import Reading, read_archive

FILE = f"{NAME}.ipynb"
MOODLE = "Ann Li_9_assignsubmission_file_"
BLACKBOARD = "gradebook_NLP_L3_jdoe_attempt_2026-11-20-10-00-00"


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return buffer.getvalue()


def read(tmp_path: Path, members: dict[str | bytes, bytes], **reading):
    path = write_zip(tmp_path / "a.zip", members)
    arrivals, refusals = read_archive(path, NAME, Reading(**reading))
    return {arrival.student: arrival for arrival in arrivals}, refusals


# What lies beside


@pytest.mark.parametrize(
    "beside",
    [f"ann/._{FILE}", "._ann", "Desktop.ini", "ann/thumbs.DB", "@eaDir/x", "Icon\r",
     "ann/.ipynb_checkpoints/x.ipynb", ".git/config", ".vscode/settings.json"],
)  # fmt: skip
def test_what_systems_and_editors_add_is_nobodys_and_is_not_refused(tmp_path, beside):
    arrivals, refusals = read(tmp_path, {f"ann/{FILE}": ANSWER, beside: b"\0\5"})
    assert list(arrivals) == ["ann"] and not refusals


def test_a_notebook_is_found_behind_any_number_of_other_files(tmp_path):
    members = {f".git/objects/{n}": b"x" for n in range(INNER_MEMBER_LIMIT)}
    members |= {f"data/{n}.json": b"{}" for n in range(2 * INNER_MEMBER_LIMIT)}
    members |= {f"work/{FILE}": ANSWER, f"work/.ipynb_checkpoints/{NAME}-checkpoint.ipynb": STUB}
    arrivals, refusals = read(tmp_path, {f"{MOODLE}/w.zip": zipped(members)}, released=RELEASED)
    assert arrivals["Ann_Li-9"].raw == ANSWER and not refusals


def test_a_zip_file_in_a_zip_file_is_opened_and_a_third_is_said(tmp_path):
    inner = zipped({"inner.zip": zipped({FILE: ANSWER})})
    arrivals, _ = read(tmp_path, {f"{MOODLE}/w.zip": inner})
    assert arrivals["Ann_Li-9"].raw == ANSWER
    arrivals, refusals = read(tmp_path, {f"{MOODLE}/w.zip": zipped({"outer.zip": inner})})
    assert not arrivals and "zip file in a zip file in a zip file" in refusals[0].reason


def test_all_zip_files_of_a_student_share_one_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("tinybert_l.grading.archives.INNER_BYTES", len(ANSWER))
    both = zipped({"a.zip": zipped({"a.json": ANSWER}), FILE: ANSWER})
    arrivals, refusals = read(tmp_path, {f"{MOODLE}/w.zip": both})
    assert arrivals["Ann_Li-9"].raw == ANSWER and "in one zip file" in refusals[0].reason


@pytest.mark.parametrize("second", [ANSWER, STUB])
def test_equal_and_untouched_notebooks_of_one_name_are_no_riddle(tmp_path, second):
    inner = zipped({f"a/{FILE}": ANSWER, f"b/{FILE}": second})
    arrivals, _ = read(tmp_path, {f"{MOODLE}/w.zip": inner}, released=RELEASED)
    assert arrivals["Ann_Li-9"].raw == ANSWER
    inner = zipped({f"a/{FILE}": ANSWER, f"b/{FILE}": OTHER_ANSWER})
    arrivals, refusals = read(tmp_path, {f"{MOODLE}/w.zip": inner}, released=RELEASED)
    assert not arrivals and "2 notebooks of the same name" in refusals[0].reason


def test_a_zip_file_that_is_called_a_notebook_is_opened(tmp_path):
    arrivals, _ = read(tmp_path, {f"ann/{FILE}": zipped({FILE: ANSWER})})
    assert arrivals["ann"].raw == ANSWER


# What it is instead


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"Rar!\x1a\x07\x01\0", "RAR"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"%PDF-1.7", "PDF"),
        (b"\n<!DOCTYPE html>", "web page"),
        (b" \n", "empty"),
    ],
)
def test_a_file_that_is_something_else_is_called_so(tmp_path, raw, what):
    _, refusals = read(tmp_path, {f"{MOODLE}/w.zip": raw})
    assert what in refusals[0].reason
    (tmp_path / "all.zip").write_bytes(raw)
    with pytest.raises(InvalidInput, match=what):
        read_archive(tmp_path / "all.zip", NAME)
    with pytest.raises(UnreadableNotebook, match=what):
        read_notebook(raw, FILE)


def test_an_archive_that_was_cut_off_is_called_incomplete(tmp_path):
    path = write_zip(tmp_path / "a.zip", {f"ann/{FILE}": ANSWER})
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InvalidInput, match="incomplete"):
        read_archive(path, NAME)


# Whose it is


@pytest.mark.parametrize(
    ("member", "student"),
    [
        (f"ann-{NAME}.ipynb", "ann"),
        (f"{NAME}_ann.ipynb", "ann"),
        (f"{NAME} (王芳).ipynb", "王芳"),
        (f"ann-{NAME} (1).zip", "ann"),
        (f"hw/ann-{NAME} (1).zip", "ann"),
        (f"ann-{NAME}/{FILE}", "ann"),
        (f"ann_{NAME} (2)/{FILE}", "ann"),
        ("ann (1).ipynb", "ann"),
        ("cs-21.ipynb", "cs-21"),
        (f"submissions/liann_51_900_{FILE}", "liann-51"),
        (f"\u200fمحمد\u200f/{FILE}", "محمد"),
        (f"\ufeffAnn\u00a0Li/{FILE}", "Ann Li"),
        (f"２０２３/{FILE}", "2023"),
        (f"Sammy Davis Jr./{FILE}", "Sammy Davis Jr."),
        (f"{BLACKBOARD}_{FILE}", "jdoe"),
        (f"{BLACKBOARD}_smith_attempt_2026-11-20-10-00-01_x.ipynb", "jdoe"),
        ("liann_51_900_smith_attempt_2026-11-20-10-00-01_x.ipynb", "liann-51"),
        (f"12-3 - Jane Doe - Nov 20, 2026 1012 AM/{FILE}", "Jane_Doe-12"),
        (f"12-3 - 王芳 - 20 11月, 2026 1012/{FILE}", "王芳-12"),
    ],
)
def test_whose_it_is_is_read_from_every_platforms_names(tmp_path, member, student):
    raw = zipped({FILE: ANSWER}) if member.endswith(".zip") else ANSWER
    arrivals, refusals = read(tmp_path, {member: raw})
    assert list(arrivals) == [student] and not refusals


@pytest.mark.parametrize(
    "member", [FILE, f"{NAME} (1).ipynb", f"Copy of {FILE}", f"a-{NAME}-b.ipynb", f"{NAME}.zip"]
)
def test_a_file_that_names_the_lecture_alone_is_nobodys(tmp_path, member):
    raw = zipped({FILE: ANSWER}) if member.endswith(".zip") else ANSWER
    arrivals, refusals = read(tmp_path, {member: raw})
    assert not arrivals and "whose" in refusals[0].reason


@pytest.mark.parametrize(("name", "why"), [("Ann 🌸", "🌸"), ("x" * 70, "64"), ("a#1", "#")])
def test_a_name_that_cannot_be_used_says_why(tmp_path, name, why):
    arrivals, (refusal,) = read(tmp_path, {f"{name}/{FILE}": ANSWER, f"bo/{FILE}": ANSWER})
    assert list(arrivals) == ["bo"] and why in refusal.reason


@pytest.mark.parametrize(
    "attempt",
    [
        f"gradebook_NLP_L3_ann_attempt_2026-11-{{}}-10-00-00_{FILE}",
        f"ann+{NAME}+2026-11-{{}} 10:00:00 UTC+ab/{FILE}",
        f"12-3 - ann - Nov {{}}, 2026 1000 AM/{FILE}",
    ],
)
def test_of_several_attempts_the_last_counts_and_all_are_kept(tmp_path, attempt):
    members = {attempt.format(20): ANSWER, attempt.format(21): OTHER_ANSWER}
    arrivals, refusals = read(tmp_path, members, zone=UTC)
    (arrival,) = arrivals.values()
    assert not refusals and arrival.raw == OTHER_ANSWER
    assert [raw for _, raw in arrival.others] == [ANSWER]
    assert arrival.has_own_time and arrival.when == datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_one_name_in_two_forms_of_its_characters_is_one_student(tmp_path):
    forms = [unicodedata.normalize(form, "José") for form in ("NFC", "NFD")]
    arrivals, refusals = read(tmp_path, {f"{name}/{FILE}": ANSWER for name in forms})
    assert list(arrivals) == ["José"] and not refusals


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp949", "김철수"),
        ("cp866", "Иван Петров"),
        ("cp1251", "Анна Смирнова"),
        ("cp737", "Γιώργος"),
    ],
)
def test_names_in_further_encodings(tmp_path, encoding, name):
    arrivals, _ = read(tmp_path, {f"{name}/{FILE}".encode(encoding): ANSWER})
    assert list(arrivals) == [name]


# Copies


@pytest.mark.parametrize(
    "copy",
    [f"{NAME} - Kopie.ipynb", f"{NAME} - コピー.ipynb", f"{NAME}의 사본.ipynb", f"Копия {FILE}",
     f"{NAME} (another copy).ipynb", f"{NAME} 2.ipynb", f"{NAME}_1.ipynb", f"{NAME} [1].ipynb",
     f"نسخة من {FILE}", f"{NAME.upper()} (1).ipynb", f"{NAME.replace('-', '_')}.ipynb",
     f"{NAME}.ipynb.json.txt"],
)  # fmt: skip
def test_copies_are_known_in_further_languages(tmp_path, copy):
    members = {f"ann/{FILE}": STUB, f"ann/{copy}": ANSWER}
    arrivals, refusals = read(tmp_path, members, released=RELEASED)
    assert not refusals and arrivals["ann"].raw == ANSWER


def test_a_number_makes_a_copy_of_a_lectures_notebook_alone(tmp_path):
    arrivals, refusals = read(tmp_path, {"ann/hw-1.ipynb": ANSWER, "ann/hw-2.ipynb": OTHER_ANSWER})
    assert not arrivals and "2 notebooks" in refusals[0].reason


# Notebooks


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (b'"nbformat": 4,', b"\n<<<<<<< HEAD\n", "merge conflict"),
        (b'"nbformat": 4,', b'"nbformat": 4,,', "no JSON"),
        (b'"nbformat": 4', b'"nbformat": "4"', ""),
        (b'"nbformat": 4', b'"nbformat": 4.0', ""),
        (b'"source": "import torch"', b'"source": null', ""),
        (b', "source": "import torch"', b"", ""),
        (b"{", b"\xef\xbb\xbf\xef\xbb\xbf{", ""),
    ],
)
def test_small_faults_of_a_notebook_are_read_over_and_others_named(before, after, why):
    raw = ANSWER.replace(before, after, 1)
    assert raw != ANSWER
    if why:
        with pytest.raises(UnreadableNotebook, match=why):
            read_notebook(raw, FILE)
    else:
        tree, _ = read_notebook(raw, FILE)
        assert [cell["source"] for cell in tree["cells"]][-1] == "return 1"
