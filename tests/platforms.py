"""Moodle and Canvas as far as a teacher's files go: what they write, and what they take in.

Written after their sources. Moodle: mod/assign/classes/downloader.php (names in its zip file),
gradingtable.php (the worksheet's columns), feedback/offline/importgradeslib.php and
feedback/file/importziplib.php (what it takes in). Canvas: lib/content_zipper (names in its zip
file), lib/gradebook_exporter.rb and gradebook_importer.rb, Assignment#infer_comment_context.
"""

import csv
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

DOWNLOADED = datetime(2026, 12, 20, 9, 30)


@dataclass(frozen=True)
class Person:
    """Somebody who is enrolled.

    Args:
        number: in Canvas, or in Moodle's first assignment.
        is_late: whether the hand-in came after the due date.
    """

    first_name: str
    last_name: str
    login: str
    number: int
    is_late: bool = False

    @property
    def email(self) -> str:
        return f"{self.login}@uni.example"

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}"


def write_csv(path: Path, rows: list[list[str]], encoding: str = "utf-8") -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(rows)


def read_csv(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a zip file in which everything has the time of the download, as both systems do."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, DOWNLOADED.timetuple()[:6]), content)


@dataclass
class Moodle:
    """One course of Moodle.

    Args:
        people: who is enrolled.
        grades: {login: (grade, comment)} that were taken in.
        pages: {login: content of the feedback file} that were taken in.
    """

    people: list[Person]
    grades: dict[str, tuple[str, str]] = field(default_factory=dict)
    pages: dict[str, bytes] = field(default_factory=dict)
    roster = "participants.csv"
    worksheet = "grades.csv"

    def identifier(self, person: Person, assignment: int) -> int:
        """Return a person's number, which is new for each assignment."""
        return person.number + 1000 * assignment

    def write_roster(self, path: Path) -> None:
        rows = [["First name", "Last name", "Email address"]]
        rows += [[person.first_name, person.last_name, person.email] for person in self.people]
        write_csv(path, rows, "utf-8-sig")

    def write_submissions(self, path: Path, files: Mapping[str, Path], assignment: int = 0) -> None:
        """Write what "Download all submissions" gives.

        Args:
            files: {login: what was handed in}.
        """
        members = {}
        for person in self.people:
            if person.login in files:
                folder = f"{person.full_name}_{self.identifier(person, assignment)}"
                file = files[person.login]
                members[f"{folder}_assignsubmission_file/{file.name}"] = file.read_bytes()
        write_zip(path, members)

    def write_worksheet(self, path: Path) -> None:
        """Write what "Download grading worksheet" gives."""
        header = (
            "Identifier,Full name,Email address,Status,Grade,Maximum grade,Grade can be changed,"
            "Last modified (submission),Last modified (grade),Feedback comments"
        )
        rows = [header.split(",")]
        for person in self.people:
            grade, comment = self.grades.get(person.login, ("", ""))
            who = [f"Participant {self.identifier(person, 0)}", person.full_name, person.email]
            times = ["Friday, 4 December 2026, 10:15 AM", "-"]
            status = "Submitted for grading"
            rows.append([*who, status, grade, "100.00", "Yes", *times, comment])
        write_csv(path, rows)

    def take_worksheet(self, path: Path) -> None:
        """Take in an uploaded worksheet; all columns that Moodle needs are looked for by name."""
        header, *rows = read_csv(path)
        columns = [header.index(name) for name in ("Identifier", "Grade", "Feedback comments")]
        assert "Last modified (grade)" in header
        known = {f"Participant {self.identifier(person, 0)}": person for person in self.people}
        for row in rows:
            identifier, grade, comment = (row[column] for column in columns)
            assert not grade or 0 <= float(grade) <= 100
            if grade:
                self.grades[known[identifier].login] = (grade, comment)

    def take_feedback(self, path: Path) -> None:
        """Take in an uploaded zip of feedback: NAME_NUMBER_assignfeedback_file_FILE."""
        known = {self.identifier(person, 0): person for person in self.people}
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                _, number, subtype, kind, _ = name.split("_", 4)
                assert (subtype, kind) == ("assignfeedback", "file")
                self.pages[known[int(number)].login] = archive.read(name)


@dataclass
class Canvas:
    """One course of Canvas, as `Moodle` is one of Moodle."""

    people: list[Person]
    grades: dict[str, tuple[str, str]] = field(default_factory=dict)
    pages: dict[str, bytes] = field(default_factory=dict)
    roster = "gradebook.csv"
    worksheet = "gradebook.csv"
    test_student = Person("Test", "Student", "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", 999)

    def write_roster(self, path: Path) -> None:
        self.write_worksheet(path)

    def attachment(self, person: Person, assignment: int) -> int:
        """Return the number of the file that a person handed in."""
        return 7000 + person.number + 100 * assignment

    def write_submissions(self, path: Path, files: Mapping[str, Path], assignment: int = 0) -> None:
        """Write what "Download submissions" gives."""
        members = {}
        for person in self.people:
            if person.login in files:
                name = re.sub(r"\W", "", f"{person.last_name}{person.first_name}").lower()
                late = "_LATE" if person.is_late and assignment == 0 else ""
                numbers = f"{person.number}_{self.attachment(person, assignment)}"
                file = files[person.login]
                members[f"{name}{late}_{numbers}_{file.name}"] = file.read_bytes()
        write_zip(path, members)

    def write_worksheet(self, path: Path) -> None:
        """Write what "Export entire gradebook" gives, with a second assignment posted by hand."""
        header = "Student,ID,SIS Login ID,Section,Lecture 2 (901),Lecture 3 (902),Final Score"
        rows = [
            header.split(","),
            ["", "", "", "", "Manual Posting", "", ""],
            ["    Points Possible", "", "", "", "25.00", "28.00", "(read only)"],
        ]
        for person in [*self.people, self.test_student]:
            who = [f"{person.last_name}, {person.first_name}", str(person.number), person.login]
            rows.append([*who, "S1", "20.00", self.grades.get(person.login, ("", ""))[0], "80.00"])
        rows[-1][0] = "Student, Test"
        write_csv(path, rows)

    def take_worksheet(self, path: Path) -> None:
        """Take in an imported gradebook; everything but the one column is as it was."""
        header, _, points, *rows = read_csv(path)
        assert header[:4] == ["Student", "ID", "SIS Login ID", "Section"]
        assert "Points Possible" in points[0]
        known = {str(person.number): person for person in self.people}
        for row in rows:
            assert row[4] == "20.00" and row[6] == "80.00"
            if row[5]:
                self.grades[known[row[1]].login] = (row[5], "")

    def take_feedback(self, path: Path) -> None:
        """Take in "Upload Submissions": the first two parts that are numbers say whose it is."""
        known = {}
        for person in self.people:
            known[person.number, self.attachment(person, 0)] = person
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                numbers = [int(part) for part in name.split("_") if part.isdigit()]
                self.pages[known[tuple(numbers[:2])].login] = archive.read(name)
