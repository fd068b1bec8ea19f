"""What lateness costs, whenever points, extensions and dates come, and in a zone's odd hours."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from marking_class import QUESTION, make_class

from tinybert_l.grading import outcome
from tinybert_l.grading.arrivals import read_times
from tinybert_l.grading.marking.desk import Desk
from tinybert_l.grading.policy import DAY, LatePolicy, read_calendar
from tinybert_l.grading.results.book import SUBMISSIONS, Book

NAME = "03-architecture"
DUE = datetime(2026, 11, 20, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def course(tmp_path, monkeypatch):
    course = make_class(tmp_path / "course", {"ann": "An answer.", "bo": "Another one."})
    monkeypatch.setattr(outcome, "prove", lambda course, lecture: [])
    calendar(course, DUE)
    with Book(course.database, NAME) as book:
        book.set_due(DUE)
        for student, days in (("ann", 1.5), ("bo", -1)):
            book.hand_in_at(student, DUE + timedelta(days), LatePolicy(percent_per_day=10))
    with Desk(course, 3) as desk:
        sheet = desk.sheet(QUESTION)
        for student in ("ann", "bo"):
            sheet.give(sheet.codes[student], False, 4, [])
    return course


def calendar(course, due: datetime, percent: int = 10) -> None:
    text = f"[due]\n3 = {due.isoformat()}\n[late]\npercent_per_day = {percent}\n"
    (course.folder / "course.toml").write_text(text, encoding="utf-8")


def exported(course) -> dict[str, float]:
    """Return the points in an export, which nobody preceded by `feedback`."""
    rows = outcome.export(course, 3, "csv").splitlines()
    return {row.split(",")[1]: float(row.split(",")[-1]) for row in rows[1:]}


def test_points_given_by_hand_are_late_too(course):
    assert exported(course) == {"ann": 3.2, "bo": 4}


def test_an_extension_counts_at_the_next_export(course):
    exported(course)
    with Book(course.database, NAME) as book, book.engine.begin() as db:
        mine = SUBMISSIONS.c.student_id == "ann"
        db.execute(sa.update(SUBMISSIONS).where(mine).values(extension=timedelta(days=1)))
    assert exported(course)["ann"] == 3.6
    with Book(course.database, NAME) as book, book.engine.begin() as db:
        db.execute(sa.update(SUBMISSIONS).where(mine).values(extension=timedelta(days=2)))
    assert exported(course)["ann"] == 4


def test_another_date_or_price_counts_at_the_next_export_and_in_the_tables(course):
    calendar(course, DUE - timedelta(days=2), percent=20)
    assert exported(course) == {"ann": 0.8, "bo": 3.2}
    calendar(course, DUE + timedelta(days=2))
    with Book(course.database, NAME) as book:
        outcome.summarise(course, book, course.assignment(3))
    table = (course.folder / "gradebook.csv").read_text(encoding="utf-8-sig")
    assert [line.rpartition(",")[2] for line in table.splitlines()[1:]] == ["4", "4"]


# Odd hours


@pytest.mark.parametrize("clock", ["02:30", "02:59:59.5"])
def test_an_hour_that_a_clock_shows_twice_or_never_is_read_in_the_students_favour(tmp_path, clock):
    """Python holds a time of the doubled hour unequal to itself in another zone."""
    path = tmp_path / "times.csv"
    path.write_text(f"id,handed_in\nu1,2026-10-25 {clock}\nu2,2026-03-29 {clock}\n")
    times = read_times(path, BERLIN)
    assert times["u1"].hour == 0  # the first of the two; the second is an hour later
    assert times["u2"].hour == 1  # there was none: an hour after 01:30


CALENDAR = LatePolicy(percent_per_day=1, count="calendar", zone="Europe/Berlin")


def days_late(due: str, came: str) -> float:
    moments = [datetime.fromisoformat(text).astimezone(UTC) for text in (due, came)]
    return CALENDAR.penalty(100, (moments[1] - moments[0]).total_seconds(), moments[0])


@pytest.mark.parametrize(
    ("due", "came", "days"),
    [
        # the day of 25 hours, and that of 23
        ("2026-10-24T23:59:59+02:00", "2026-10-25T23:59:00+01:00", 1),
        ("2026-10-24T23:59:59+02:00", "2026-10-26T00:00:00+01:00", 2),
        ("2026-03-28T23:59:59+01:00", "2026-03-29T23:59:00+02:00", 1),
        ("2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", 1),  # the second 02:30
        ("2026-10-25T02:30:00+01:00", "2026-10-25T02:30:00+02:00", 0),  # the first one
        # due when a day ends, written as the next one's beginning
        ("2026-11-21T00:00:00+01:00", "2026-11-21T23:59:00+01:00", 1),
        ("2026-11-21T00:00:00+01:00", "2026-11-22T00:01:00+01:00", 2),
        # a zone that is far away writes the due date
        ("2026-11-20T23:00:00+00:00", "2026-11-21T22:59:00+00:00", 1),
    ],
)
def test_days_late_are_those_of_the_zones_calendar(due, came, days):
    assert days_late(due, came) == days


def test_a_day_of_24_hours_knows_no_clock(tmp_path):
    policy = LatePolicy(percent_per_day=1, zone="Europe/Berlin")
    due = datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert [policy.penalty(100, s, due) for s in (DAY, DAY + 1)] == [1, 2]
    (tmp_path / "course.toml").write_text("zone = 'Europe/Berlin'\n[due]\n3 = 2026-10-25T02:30:00Z")
    assert read_calendar(tmp_path).late.zone == "Europe/Berlin"
