"""Damaged and odd zip files: a fault of one member never keeps the others out."""

import zipfile
from datetime import UTC, datetime
from pathlib import Path

from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.archives import incoming_files
from tinybert_l.grading.intake import read_archive

NAME = NOTEBOOKS[3]


def write_zip(path: Path, members: dict[str, bytes], date: tuple[int, ...] = (2026, 5, 1)) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for member, raw in members.items():
            archive.writestr(zipfile.ZipInfo(member, (*date, 12, 0, 0)), raw)
    return path


def test_a_damaged_member_is_refused_and_the_others_are_taken_in(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"ann.ipynb": b"{ ann }", "bob.ipynb": b"{ bob }"})
    path.write_bytes(path.read_bytes().replace(b"{ ann }", b"{ eve }"))  # its checksum is wrong now
    arrivals, refusals = read_archive(path, NAME)
    assert [(a.student, a.raw) for a in arrivals] == [("bob", b"{ bob }")]
    assert [r.origin for r in refusals] == ["ann.ipynb"]
    assert refusals[0].reason.startswith("damaged in the zip file")


def test_a_damaged_zip_of_a_student_is_refused_and_the_others_are_taken_in(tmp_path):
    inner = write_zip(tmp_path / "inner.zip", {f"{NAME}.ipynb": b"{ ann }"}).read_bytes()
    members = {f"ann-{NAME}.zip": inner.replace(b"{ ann }", b"{ eve }"), "bob.ipynb": b"{}"}
    arrivals, refusals = read_archive(write_zip(tmp_path / "a.zip", members), NAME)
    assert [a.student for a in arrivals] == ["bob"]
    assert [r.origin for r in refusals] == [f"ann/{NAME}.ipynb"]


def test_a_date_that_no_calendar_has_counts_as_now(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"ann.ipynb": b"{}"}, date=(2026, 15, 40))
    before = datetime.now(UTC)
    (arrival,), refusals = read_archive(path, NAME)
    assert not refusals and before <= arrival.when <= datetime.now(UTC)


def test_members_beyond_the_limit_of_a_students_zip_are_not_read(tmp_path):
    many = {f"part-{number}.txt": b"" for number in range(30)}
    inner = write_zip(tmp_path / "inner.zip", many).read_bytes()
    path = write_zip(tmp_path / "a.zip", {"ann/work.zip": inner})
    with incoming_files(path, NAME) as files:
        assert len(files) == 20 and {file.path.split("/")[0] for file in files} == {"ann"}
