"""A course.toml as editors leave it: with a mark of its encoding, other line ends, slips of pen."""

import pytest

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.released import _is_calendar
from tinybert_l.grading.policy import read_calendar

CALENDAR = 'course = "nlp-2026"\n[due]\n\t3 = 2026-12-01T23:59:00+08:00\n[late]\n'


def test_marks_of_encodings_line_ends_and_tabs_change_nothing(tmp_path):
    for text in (CALENDAR, CALENDAR.replace("\n", "\r\n"), "\ufeff" + CALENDAR):
        (tmp_path / "course.toml").write_bytes(text.encode("utf-8"))
        calendar = read_calendar(tmp_path)
        assert calendar.course_id == "nlp-2026" and list(calendar.due) == [3]
        assert _is_calendar(tmp_path / "course.toml"), "it marks the course's folder"


@pytest.mark.parametrize(
    ("slip", "message"),
    [
        ("[due]\n3 = 2026-12-01", "allowed: a time with its zone, such as"),
        ('[due]\n3 = "1.12.2026 23:59"', "allowed: a time with its zone, such as"),
        ("[due]\n3 = 2026-12-01T23:59:00", "allowed: a time with its zone, such as"),
        ("[due]\n3 = 1.12.2026", "course.toml"),
        ("[due]\n12 = 2026-12-01T23:59:00Z", "allowed: a lecture from 1 to 11"),
        (
            "[dues]\n3 = 2026-12-01T23:59:00Z",
            "unknown entry dues; allowed: course, due, late, zone",
        ),
        ("[late]\npercent = 10", "unknown entry percent; allowed: .*percent_per_day"),
        ('zone = "Mars/Olympus"', "allowed: a zone's name, such as Asia/Shanghai"),
        ("due = 3", r"allowed: a table, \[due\]"),
    ],
)
def test_a_slip_of_the_pen_is_named_with_what_is_allowed(tmp_path, slip, message):
    (tmp_path / "course.toml").write_text(slip)
    with pytest.raises(InvalidInput, match=message):
        read_calendar(tmp_path)


def test_another_encoding_is_named(tmp_path):
    (tmp_path / "course.toml").write_bytes(CALENDAR.encode("utf-16"))
    with pytest.raises(InvalidInput, match=r"course\.toml"):
        read_calendar(tmp_path)
