"""Each lecture's opening states the minutes that its text takes to read, by one rule."""

import pytest
from lecture_text import cells_of, reading_minutes

from tinybert_l.exercises.registry import NOTEBOOKS


@pytest.mark.parametrize("lecture", list(NOTEBOOKS))
def test_the_stated_minutes_of_reading_are_counted(lecture):
    minutes = reading_minutes(lecture)
    opening = "\n".join(cell.source for cell in cells_of(lecture)[:2])
    assert f"阅读约{minutes}分钟" in opening, minutes
    assert f"bout {minutes} minutes of reading" in opening, minutes
