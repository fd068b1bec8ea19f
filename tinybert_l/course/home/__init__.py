"""The course home: which exercises there are, which answers pass, and the file to hand in."""

from tinybert_l.course.home.folder import (
    DUE_METADATA,
    LANGUAGE_METADATA,
    STUDENT_METADATA,
    STUDENT_NAME,
    due_date,
    language_in,
    language_of,
    login_name,
    notebooks_in,
    released_for,
)
from tinybert_l.course.home.handing_in import HandIn, hand_in
from tinybert_l.course.home.judged_answers import is_begun
from tinybert_l.course.home.notebook_rows import rows_in, rows_of
from tinybert_l.course.home.page import HOME, home_notebook, no_notebook, write_home
from tinybert_l.course.home.progress_table import show, table
from tinybert_l.course.home.states import STATES, Progress, Row, shorten, summary
