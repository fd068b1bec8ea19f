"""Files and folders that people named by hand: by number and name, by lecture, by repository."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from quick_course import quick_course
from test_intake_odd import ANSWER, NAME, OTHER_ANSWER, write_zip

from tinybert_l.errors import InvalidInput
from tinybert_l.grading import intake
from tinybert_l.grading.arrivals import Arrival
from tinybert_l.grading.course import Course
from tinybert_l.grading.intake import Reading, collect_archive, read_archive
from tinybert_l.grading.own_names import with_ids, without_others_numbers
from tinybert_l.grading.owners import CANVAS_IN_FOLDERS
from tinybert_l.grading.results.lms import StudentTotal

PEOPLE = [
    StudentTotal("2023001", "李", "雷"),
    StudentTotal("2023002", "韩", "梅梅"),
    StudentTotal("20230011", "Wu", "Bo"),
    StudentTotal("s-2023.004@uni.example", "Li", "Ann"),
    StudentTotal("cs1", "Roe", "Jo"),
    StudentTotal("cs2", "Kim", "Min"),
    StudentTotal("cs3", "Kim", "Min"),
]


def arrivals(*names: str, platform: str = "") -> list[Arrival]:
    now = datetime.now(UTC)
    return [Arrival(name, b"", now, name, [], platform=platform) for name in names]


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("2023001-李雷-第3讲", "2023001"),
        ("李雷(2023001)", "2023001"),
        ("2023001李雷", "2023001"),
        ("第三讲_2023002_韩梅梅_作业", "2023002"),
        ("hw3 20230011", "20230011"),
        ("Li, Ann (s-2023.004@uni.example)", "s-2023.004@uni.example"),
        ("李雷_2023002", "李雷_2023002"),  # two people
        ("2023009-某人", "2023009-某人"),
        ("120230011", "120230011"),  # part of a longer number
        ("cs1-work", "cs1-work"),  # too few figures
        ("2023001", "2023001"),
        ("Jo Roe", "cs1"),
        ("Roe_Jo_cs1", "cs1"),
        ("123456789 - Roe, Jo", "cs1"),
        ("韩梅梅", "2023002"),
        ("Jo Roe cs2", "Jo Roe cs2"),  # two people
        ("Mary-Jo Roe", "Mary-Jo Roe"),
        ("joroe", "joroe"),  # a login, which may be another's
        ("Min Kim", "Min Kim"),  # the name of two
    ],
)
def test_a_number_or_a_full_name_of_the_roster_says_whose_it_is(name, student):
    (arrival,) = with_ids(arrivals(name), PEOPLE)
    assert arrival.student == student
    assert bool(arrival.notes) == (student != name or name == "李雷_2023002")


@pytest.mark.parametrize(
    "name", ["2023001 2023002", "2023001和cs1", "cs1_20230011", "cs1, 2023002", "cs1 & 2023001 hw3"]
)
def test_a_groups_name_is_no_single_person_and_is_pointed_out(name):
    (arrival,) = with_ids(arrivals(name), PEOPLE)
    assert arrival.student == name
    assert "group" in arrival.notes[0] and "2023" in arrival.notes[0]


def test_what_a_platform_says_and_two_files_of_one_person_stay():
    (arrival,) = with_ids(arrivals("Ann-2023001", platform="moodle"), PEOPLE)
    assert arrival.student == "Ann-2023001"
    names = ["2023001-a", "b-2023001"]
    kept = with_ids(arrivals(*names), PEOPLE)
    assert [x.student for x in kept] == names
    assert all("which one counts" in x.notes[0] for x in kept)
    first, _ = with_ids(arrivals("2023001-a", "2023001"), PEOPLE)
    assert first.student == "2023001-a"


@pytest.mark.parametrize(
    ("folder", "student"),
    [
        ("2023001 李雷/附件", "2023001 李雷"),
        ("Ann Li/Lecture 3/Version 1", "Ann Li"),
        ("Ann Li/Attachments", "Ann Li"),
        ("Homework 3/Ann Li", "Ann Li"),
        ("Li_Ann_51/1_submissions", "Li_Ann_51"),
        ("03-architecture-annli-main", "annli"),
        ("03-architecture-annli-master", "annli"),
    ],
)
def test_a_folder_that_says_what_lies_in_it_is_nobody(tmp_path: Path, folder, student):
    path = write_zip(tmp_path / "a.zip", {f"{folder}/{NAME}.ipynb": ANSWER})
    (arrival,), _ = read_archive(path, NAME, Reading())
    assert arrival.student == student


OWN = [".", "..", "notebooks", "release", "autograded", "handouts/03-architecture.zip",
       "exchange/nlp/outbound", "feedback"]  # fmt: skip


@pytest.mark.parametrize("place", OWN)
def test_a_courses_own_folders_are_nobodys_submissions(tmp_path, monkeypatch, place):
    course = quick_course(tmp_path / "course", 3, monkeypatch)
    path = course.folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        write_zip(path, {f"ann/{NAME}.ipynb": ANSWER})
    else:
        path.mkdir(exist_ok=True)
    with pytest.raises(InvalidInput, match="course's own"):
        collect_archive(course, 3, path)


@pytest.mark.parametrize("top", ["第三讲作业", "Homework 3", "nlp"])
def test_a_folder_of_everybodys_files_is_no_student(tmp_path, top):
    members = {
        f"{top}/2023001-李雷.ipynb": ANSWER,
        f"{top}/20230011 Bo.ipynb": OTHER_ANSWER,
        f"{top}/韩梅梅(2023002)/附件/{NAME}.ipynb": ANSWER,
    }
    found, refused = read_archive(write_zip(tmp_path / "a.zip", members), NAME, Reading())
    known = [arrival.student for arrival in with_ids(found, PEOPLE)]
    assert sorted(known) == ["2023001", "20230011", "2023002"] and not refused
    members = {"ann/notes-20261120.ipynb": ANSWER, f"ann/{NAME}.ipynb": ANSWER}
    (arrival,), _ = read_archive(write_zip(tmp_path / "b.zip", members), NAME, Reading())
    assert arrival.student == "ann"


def test_a_branch_is_no_person(tmp_path):
    members = {f"ann/{NAME}.ipynb": ANSWER, f"{NAME}-main/x.ipynb": OTHER_ANSWER}
    found, _ = read_archive(write_zip(tmp_path / "a.zip", members), NAME, Reading())
    assert [arrival.student for arrival in found] == ["ann"]


def test_somebody_new_is_pointed_out_where_there_is_a_roster(tmp_path, monkeypatch):
    course = Course(tmp_path)
    for people in ([], [StudentTotal("ann")]):
        book = contextlib.nullcontext(SimpleNamespace(students=lambda people=people: people))
        monkeypatch.setattr(intake, "Book", lambda *_, book=book: book)
        known = intake._as_in_gradebook(arrivals("Ann", "ana"), course, NAME)
        noted = {x.student: intake.NEW in x.notes for x in known}
        assert noted == ({"ann": False, "ana": True} if people else {"Ann": False, "ana": False})


def test_canvass_number_of_another_person_in_a_folder_is_not_taken_over():
    people = [StudentTotal("u1", lms_user_id="51"), StudentTotal("u2"), StudentTotal("u3")]
    came = arrivals("u1", "u2", "u3", platform=CANVAS_IN_FOLDERS)
    came = [
        replace(x, known={"lms_user_id": n}) for x, n in zip(came, ("60", "51", "53"), strict=True)
    ]
    checked = without_others_numbers(came, people)
    assert [x.known for x in checked] == [{}, {}, {"lms_user_id": "53"}]
    assert ["right folder" in "".join(x.notes) for x in checked] == [True, True, False]
