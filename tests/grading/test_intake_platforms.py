"""Archives of further platforms, files of further programs, and notebooks of other lectures."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from test_intake_more import FILE, MOODLE, read, zipped
from test_intake_odd import ANSWER, DUE, NAME, OTHER_ANSWER, RELEASED, STUB, notebook

from tinybert_l.course.capstone.baseline import NOTEBOOK as CAPSTONE
from tinybert_l.exercises.notebook_files import read_notebook
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.arrivals import Arrival, with_times
from tinybert_l.grading.identities import match
from tinybert_l.grading.versions import texts_of

ATTEMPT = "_attempt_2026-11-20-10-00-00"
GRADESCOPE = b"""---
submission_777001:
  :submitters:
  - :name: Ann Li
    :sid: '00123'
    :email: ann@x.org
  :created_at: 2026-11-20 10:00:00.000000000 -08:00
  :results:
    :sid: boss
submission_777002:
  :submitters:
  - :name: Bo Wu
    :sid: ''
    :email: bo@x.org
  :created_at: 2026-11-21 10:00:00 Z
submission_777003:
  :submitters:
  - :name: Cy
    :sid: u3
  - :name: Di
    :sid: u4
"""


def receipt(login: str) -> bytes:
    return f"Name: A (B) C ({login})\r\nAssignment: L3\r\n".encode()


# Whose it is


@pytest.mark.parametrize(
    ("member", "student"),
    [
        (f"ann_li_51_900_{FILE}", "ann_li-51"),
        (f"o_brien_sean_LATE_51_900_{FILE}", "o_brien_sean-51"),
        (f"mallory_51_900_ann_52_901_{FILE}", "mallory-51"),
        (f"12-3 - Ann Li - Oct 3, 2026 1015 PM - {FILE}", "Ann_Li-12"),
        (f"12-3 - Ann Li - oct. 3, 2026 22h15/{FILE}", "Ann_Li-12"),
        (f"12-3 - 王芳 - 2026年10月3日 22:15/{FILE}", "王芳-12"),
        (f"12 - Group 3 - Oct 3, 2026 1015 PM/{FILE}", "Group_3-12"),
        (f"12-3 - 李雷 - 十月 3, 2026 1015 下午/{FILE}", "李雷-12"),
        (f"Li, Ann - 51/Revision 1 - On time/{FILE}", "Li, Ann - 51"),  # Schoology
        (f"Ann Li_51/assignsubmission_file/{FILE}", "Ann Li_51"),
        (f"Li, Ann(u1)/Submission attachment(s)/{FILE}", "u1"),
        (f"Ann Li - Copy of {FILE}", "Ann Li"),
        (f"ann_{NAME}_final_v2.ipynb", "ann"),
        (f"Ann Li_9_assignsubmission_file/{FILE}", "Ann_Li-9"),
        (f"Participant_1234_assignsubmission_file_/{FILE}", "Participant-1234"),
    ],
)
def test_whose_it_is_by_further_names(tmp_path, member, student):
    arrivals, refusals = read(tmp_path, {member: ANSWER})
    assert list(arrivals) == [student] and not refusals


@pytest.mark.parametrize("state", ["_final", " v2", "-checkpoint", "_最终版", " (my solution)"])
def test_a_state_of_the_work_is_no_person(tmp_path, state):
    arrivals, (refusal,) = read(tmp_path, {f"{NAME}{state}.ipynb": ANSWER})
    assert not arrivals and "whose" in refusal.reason


@pytest.mark.parametrize(
    "folders",
    [
        ("Group 1/Ann Li_9_assignsubmission_file_", "Group 2/Bo_10_assignsubmission_file_"),
        ("L3 Oct 5, 2026/1-2 - Ann Li - Oct 3, 2026 900 AM",
         "L3 Oct 5, 2026/2-2 - Bo - Oct 3, 2026 910 AM"),
        ("L3/Li, Ann(u1)/Submission attachment(s)", "L3/Wu, Bo(u2)/Submission attachment(s)"),
    ],
)  # fmt: skip
def test_folders_of_people_are_found_in_folders_of_nobody(tmp_path, folders):
    members = {f"{folder}/{FILE}": ANSWER for folder in folders}
    members |= {f"{folders[0].split('/')[0]}/{name}": b"x" for name in ("index.html", "grades.csv")}
    arrivals, refusals = read(tmp_path, members)
    assert len(arrivals) == 2 and not refusals
    assert not any("Group" in student or "L3" in student for student in arrivals)


def test_no_student_puts_a_file_into_another_ones_folder(tmp_path):
    inner = f"Ann Li_9_assignsubmission_file_/{FILE}"
    arrivals, _ = read(tmp_path, {f"mallory/{inner}": ANSWER, f"bo/{FILE}": ANSWER})
    assert sorted(arrivals) == ["bo", "mallory"]


def test_blackboards_receipts_tell_logins_with_underscores(tmp_path):
    members = {
        f"gradebook_NLP_L3_j_doe{ATTEMPT}_{FILE}": ANSWER,
        f"gradebook_NLP_L3_k_doe{ATTEMPT}_{FILE}": OTHER_ANSWER,
    }
    arrivals, refusals = read(tmp_path, members)  # two people, never two attempts of one
    assert not arrivals and all(".txt" in refusal.reason for refusal in refusals)
    receipts = {f"gradebook_NLP_L3_{x}{ATTEMPT}.txt": receipt(x) for x in ("j_doe", "k_doe")}
    arrivals, refusals = read(tmp_path, members | receipts)
    assert sorted(arrivals) == ["j_doe", "k_doe"] and not refusals
    assert not arrivals["j_doe"].notes  # the receipt is nobody's file
    lie = {f"L3_eve{ATTEMPT}.txt": receipt("ann"), f"L3_eve{ATTEMPT}_{FILE}": ANSWER}
    assert list(read(tmp_path, lie)[0]) == ["eve"]
    _, (refusal,) = read(tmp_path, {f"L3_eve{ATTEMPT}.txt": receipt("eve")})
    assert "typed in" in refusal.reason


@pytest.mark.parametrize("top", ["", "assignment_5_export/"])
def test_gradescopes_list_tells_who_is_who(tmp_path, top):
    members = {f"{top}submission_77700{n}/{FILE}": ANSWER for n in (1, 2, 3, 4)}
    arrivals, refusals = read(tmp_path, {**members, f"{top}submission_metadata.yml": GRADESCOPE})
    assert sorted(arrivals) == ["00123", "bo@x.org"]
    assert arrivals["00123"].when == datetime(2026, 11, 20, 18, tzinfo=UTC)
    assert {"u3, u4" in x.reason or "along" in x.reason for x in refusals} == {True}
    arrivals, refusals = read(tmp_path, members)
    assert not arrivals and all("submission_metadata.yml" in x.reason for x in refusals)
    own = {**members, f"{top}submission_777001/submission_metadata.yml": GRADESCOPE}
    assert not read(tmp_path, own)[0]  # a student's own list says nothing


def of_moodle(*names: str) -> list[Arrival]:
    facts = {"platform": "moodle"}
    now = datetime.now(UTC)
    return [Arrival(f"x{n}", b"", now, "x", known={"last_name": name}, **facts)
            for n, name in enumerate(names)]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "students"),
    [
        (["Sean OBrien"], ["u1"]),  # Moodle leaves out what a file should not be called
        (["Team A-Sean OBrien", "Team B-Jean-Luc Petit"], ["u1", "u2"]),
        (["默认小组-Sean O'Brien", "默认小组-Luc Petit"], ["u1", "u3"]),
        (["Eva-Luc Petit"], ["x0"]),  # a name of its own, not Luc's in a group
        (["Eva-Luc Petit", "Sean OBrien"], ["x0", "u1"]),
    ],
)
def test_moodles_names_and_groups_are_joined_with_the_roster(names, students):
    people = [("u1", "Sean", "O'Brien"), ("u2", "Jean-Luc", "Petit"), ("u3", "Luc", "Petit")]
    identities, _ = match([{"id": i, "first_name": f, "last_name": n} for i, f, n in people])
    if "Team B-Jean-Luc Petit" in names:  # "Luc Petit" stands behind a hyphen, too
        identities, _ = match(
            [{"id": i, "first_name": f, "last_name": n} for i, f, n in people[:2]]
        )
    assert [x.student for x in identities.applied(of_moodle(*names))] == students


# What it is


@pytest.mark.parametrize(
    "name",
    [f"“{FILE}”的副本", f"{FILE} (1)", NAME, f"Copy of Copy of {FILE}"],
)
def test_a_notebook_is_known_whatever_stands_behind_its_ending(tmp_path, name):
    arrivals, refusals = read(tmp_path, {f"ann/{name}": ANSWER})
    assert list(arrivals) == ["ann"] and not refusals


@pytest.mark.parametrize(
    "beside",
    [f"{FILE}:Zone.Identifier", f".{FILE}.swp", "~$notes.docx", ".~lock.notes.odt#"],
)
def test_what_editors_and_systems_lay_beside_is_not_spoken_of(tmp_path, beside):
    arrivals, refusals = read(tmp_path, {f"ann/{FILE}": ANSWER, f"ann/{beside}": b"x"})
    assert not refusals and not arrivals["ann"].notes


@pytest.mark.parametrize(
    ("name", "raw", "what"),
    [
        (FILE, b"", "empty"),
        (FILE, b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
        (f"{NAME}.ipynb", b"<!DOCTYPE html><html>", "web page"),
        (f".{FILE}.icloud", b"bplist00", "iCloud"),
        (f"{NAME}.gdoc", b"{}", "a link"),
        (f"{NAME}.webloc", b"<?xml", "a link"),
        (f"{FILE}.crdownload", ANSWER, "not finished"),
        (f"{NAME}.html", b"<!DOCTYPE html>", "export as a web page"),
        (f"{NAME}.pdf", b"%PDF-1.7", "PDF"),
        (f"{NAME}.py", b"# %%\nx = 1\n", "export as a script"),
        ("work.py", b"# Databricks notebook source\n", "export as a script"),
        ("hw.tar.gz", b"\x1f\x8b\x08", "tar"),
        ("hw.rar", b"Rar!\x1a\x07", "RAR"),
        ("report.docx", b"PK\x03\x04", "a document"),
    ],
)
def test_what_came_instead_is_named_and_the_others_are_taken_in(tmp_path, name, raw, what):
    arrivals, (refusal,) = read(tmp_path, {f"ann/{name}": raw, f"bo/{FILE}": ANSWER})
    assert list(arrivals) == ["bo"] and what in refusal.reason


def test_a_notebook_that_is_broken_is_kept_for_a_person_and_said(tmp_path):
    arrivals, refusals = read(tmp_path, {f"ann/{FILE}": ANSWER[:-20]})
    assert not refusals and any("no JSON" in note for note in arrivals["ann"].notes)


# Which counts


@pytest.mark.parametrize(
    "folder", ["Version {}", "Lecture 3/Version {}", "Attempt {}", "第{}次提交"]
)
def test_of_a_platforms_folders_of_versions_the_last_counts(tmp_path, folder):
    members = {
        f"ann/{folder.format(n)}/{FILE}": raw for n, raw in ((9, ANSWER), (10, OTHER_ANSWER))
    }
    arrivals, refusals = read(tmp_path, {**members, f"bo/{FILE}": ANSWER})
    assert not refusals and arrivals["ann"].raw == OTHER_ANSWER
    assert [raw for _, raw in arrivals["ann"].others] == [ANSWER]
    assert any("an earlier attempt" in note for note in arrivals["ann"].notes)


@pytest.mark.parametrize(
    "copy",
    [f"{NAME}.sync-conflict-20261120-100000-ABCDEFG.ipynb", f"{NAME}-DESKTOP-AB12.ipynb",
     f"{NAME} (Ann's conflicted copy 2026-11-20).ipynb", f"{NAME} (安 的冲突副本).ipynb"],
)  # fmt: skip
@pytest.mark.parametrize("first", [ANSWER, STUB])
def test_a_copy_of_a_conflict_counts_only_where_the_other_is_untouched(tmp_path, copy, first):
    members = {f"ann/{FILE}": first, f"ann/{copy}": OTHER_ANSWER}
    arrivals, refusals = read(tmp_path, members, released=RELEASED)
    assert not refusals and len(arrivals["ann"].others) == 1
    assert arrivals["ann"].raw == (ANSWER if first == ANSWER else OTHER_ANSWER)
    assert any("2 notebooks" in note for note in arrivals["ann"].notes)


# Other lectures


def lecture(number: int) -> bytes:
    from tinybert_l.grading.course import MATERIAL

    name = NOTEBOOKS[number]
    return (MATERIAL / "notebooks" / name / f"{name}.ipynb").read_bytes()


def wiped(raw: bytes) -> bytes:
    tree = json.loads(raw)
    for cell in tree["cells"]:
        cell["metadata"] = {}
    return json.dumps(tree).encode()


def known() -> dict:
    raw = lecture(3)
    cells = read_notebook(raw, FILE)[0]["cells"]
    names = {cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in cells}
    return {"released": texts_of(raw), "cell_names": frozenset(names - {None})}


def test_a_foreign_notebook_is_known_by_its_contents_whatever_it_is_called(tmp_path):
    members = {
        "ann": CAPSTONE.read_bytes(),
        "bo": lecture(2),
        "cy": wiped(lecture(8)),  # it shares the quiz's introduction with others
        "di": notebook("print('of another course')"),
        "eve": wiped(lecture(3)),
        "fay": lecture(3),
        "gil": notebook("@kept_layers.implement\ndef kept_layers(a, b): ..."),
    }
    paths = {f"{student}/{FILE}": raw for student, raw in members.items()}
    arrivals, refusals = read(tmp_path, paths, **known())
    assert sorted(arrivals) == ["eve", "fay", "gil"]
    reasons = {refusal.origin.split("/")[0]: refusal.reason for refusal in refusals}
    assert "the capstone's" in reasons["ann"] and "collect 2" in reasons["bo"]
    assert "collect 8" in reasons["cy"] and "no cell of it" in reasons["di"]


def test_a_foreign_notebook_beside_the_right_one_is_kept_and_said(tmp_path):
    members = {f"{MOODLE}/hw.zip": zipped({FILE: lecture(2), "mine.ipynb": lecture(3)})}
    arrivals, refusals = read(tmp_path, members, **known())
    (arrival,) = arrivals.values()
    assert not refusals and arrival.raw == lecture(3) and len(arrival.others) == 1
    assert any("collect 2" in note for note in arrival.notes)


def test_folders_of_nobody_lie_in_each_other(tmp_path):
    inner = ("Li_Ann_annli_51", "Wu_Bo_bowu_52")
    files = {f"Lecture_3/Abgaben/{folder}/{FILE}": ANSWER for folder in inner}
    arrivals, refusals = read(tmp_path, files)
    assert sorted(arrivals) == [*inner] and not refusals


def test_the_last_revision_counts_and_brightspaces_clock_is_read_with_a_point(tmp_path):
    where = "Li, Ann - 51/Revision {} - {}/" + FILE
    files = {where.format(1, "Late"): OTHER_ANSWER, where.format(2, "On time"): ANSWER}
    arrivals, _ = read(tmp_path, files)
    assert "Revision 2" in arrivals["Li, Ann - 51"].origin and len(arrivals) == 1
    one = {f"12-3 - Ann Li - Oct 3, 2026 9.05 PM/{FILE}": ANSWER}
    arrivals, _ = read(tmp_path, one, zone=UTC)
    assert arrivals["Ann_Li-12"].when.strftime("%d %H:%M") == "03 21:05"


BRIGHTSPACE_TIMES = {
    "3 Dec 2026 22:15": (3, 22), "Dec 3, 2026 2215": (3, 22), "2026年12月3日 22:15": (3, 22),
    "2026-12-03 905": (3, 9), "3 Dec, 2026 10:15 PM": (3, 22),
}  # fmt: skip
UNREAD = [
    "déc. 3, 2026 22h15", "3. Dezember 2026 22.15", "十二月 3, 2026 1015 下午",
    "Dec 33, 2026 100 PM",
]  # fmt: skip


@pytest.mark.parametrize("text", BRIGHTSPACE_TIMES)
def test_brightspaces_time_is_read_in_its_forms(tmp_path, text):
    arrivals, _ = read(tmp_path, {f"12-3 - Ann Li - {text}/{FILE}": ANSWER}, zone=UTC)
    (arrival,) = with_times(list(arrivals.values()), DUE)
    assert (arrival.when.day, arrival.when.hour) == BRIGHTSPACE_TIMES[text]
    assert not arrival.is_unsure


@pytest.mark.parametrize("text", UNREAD)
def test_a_time_that_cannot_be_read_costs_nothing_and_is_said(tmp_path, text):
    arrivals, _ = read(tmp_path, {f"12-3 - Ann Li - {text}/{FILE}": ANSWER}, zone=UTC)
    (arrival,) = arrivals.values()
    for when in (DUE - timedelta(days=1), DUE + timedelta(days=9)):  # the file's own time
        (timed,) = with_times([replace(arrival, when=when)], DUE)
        assert timed.is_unsure and timed.when <= DUE and text in timed.notes[-1]
    late = DUE + timedelta(days=1)
    (timed,) = with_times([arrival], DUE, {arrival.student: late})
    assert timed.when == late and not timed.is_unsure


def test_moodles_default_group_is_nobody(tmp_path):
    members = {f"{who}_assignsubmission_file_/{FILE}": ANSWER for who in ("默认小组_0", "Bo_10")}
    arrivals, (refusal,) = read(tmp_path, members)
    assert list(arrivals) == ["Bo-10"] and "a group's" in refusal.reason


@pytest.mark.parametrize("top", ["", "submissions/"])
def test_canvass_files_in_a_folder_of_each_keep_what_canvas_says(tmp_path, top):
    inner = zipped({FILE: OTHER_ANSWER})
    members = {
        f"{top}Ann Li/annli_51_900_{NAME}-1.ipynb": OTHER_ANSWER,
        f"{top}Ann Li/annli_51_901_{NAME}-2.ipynb": ANSWER,
        f"{top}Bo/bowu_LATE_52_902_work.zip": inner,
        f"{top}Cy/cy_53_903_{FILE}": ANSWER,
        f"{top}Di/cy_53_904_{FILE}": ANSWER,
        f"{top}Eve/{FILE}": ANSWER,
    }
    arrivals, refusals = read(tmp_path, members)
    numbers = {student: x.known.get("lms_user_id") for student, x in arrivals.items()}
    assert numbers == {"Ann Li": "51", "Bo": "52", "Cy": None, "Di": None, "Eve": None}
    assert not refusals and arrivals["Ann Li"].raw == ANSWER
    timed = with_times([replace(x, when=DUE + timedelta(1)) for x in arrivals.values()], DUE)
    assert [(x.student, x.is_late, x.when) for x in timed][:2] == [
        ("Ann Li", False, DUE), ("Bo", True, DUE),
    ]  # fmt: skip


def test_canvass_files_are_shared_out_among_markers(tmp_path):
    members = {
        f"TA 1/annli_51_900_{FILE}": ANSWER,
        f"TA 1/bowu_LATE_52_901_{FILE}": ANSWER,
        f"TA 2/cy_53_902_{FILE}": ANSWER,
        f"TA 2/anon_x9Yz7_903_{FILE}": ANSWER,
    }
    arrivals, refusals = read(tmp_path, members)
    assert sorted(arrivals) == ["annli-51", "anon-x9Yz7", "bowu-52", "cy-53"] and not refusals
    own = {**members, f"mallory/mallory_60_904_{FILE}": ANSWER}  # among folders of one each
    arrivals, refusals = read(tmp_path, own)
    assert "annli-51" not in arrivals and len(refusals) == 2


def test_one_students_own_name_of_a_file_says_nothing(tmp_path):
    members = {f"{who}/{FILE}": ANSWER for who in ("ann", "bo")}
    arrivals, _ = read(tmp_path, {**members, f"mallory/ann_51_900_{FILE}": ANSWER})
    assert not any(x.known or x.platform for x in arrivals.values())
