"""Set a course up in a new folder: configuration, sources, answers, roster, gradebook."""

import csv
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.grading.course import MATERIAL, Course, find_alembic
from tinybert_l.grading.policy import FILE_NAME as CALENDAR
from tinybert_l.grading.policy import TEMPLATE
from tinybert_l.grading.results import lms

COLUMNS = ("id", "first_name", "last_name", "email")
ID_COLUMNS = ("id", "student", "username")  # any of these names a student
CONFIGURATION = '''"""Configure nbgrader and Formgrader for this course. Start JupyterLab here."""

from pathlib import Path

from tinybert_l.grading.course import Course

c = get_config()  # noqa: F821
c.merge(Course.at(Path(__file__).resolve().parent).config())
'''
README = """# {name}

| step | command, in this folder |
|---|---|
| is this machine ready? | `tinybert-l doctor` |
| due dates, what lateness costs | edit `course.toml` |
| who takes part | edit `roster.csv`, then `tinybert-l course roster` |
| a lecture for students: `handouts/03-architecture.zip` | `tinybert-l release 3` |
| take in what came: an LMS's zip, or a folder | `tinybert-l collect 3 submissions.zip` |
| grade; feedback, report, tables | `tinybert-l grade 3` |
| questions graded by hand, with their marking schemes | `jupyter lab`, menu Nbgrader, Formgrader |
| feedback anew, with what people gave | `tinybert-l feedback 3` |
| prove and export | `tinybert-l audit 3`, `tinybert-l grades 3 --format moodle --to grades.csv` |

`notebooks/` holds the lectures with answers and hidden tests, `solutions/` the reference answers:
never hand these out.
"""
Person = dict[str, str]  # {column of COLUMNS: text}


class FolderNotEmpty(CourseError, FileExistsError):
    """A course was to be made in a folder that holds something."""


def init(folder: Path, course_id: str | None = None, roster: Path | None = None) -> Course:
    """Make a course; the folder appears whole or not at all.

    Args:
        folder: must be new or empty.
        course_id: nbgrader's name of the course; None: made from the folder's name.
        roster: a CSV file (see `read_roster`).
    Raises:
        FolderNotEmpty: the folder holds something.
        InvalidInput: the name or the roster cannot be used.
    """
    folder = folder.resolve()
    if folder.is_dir() and any(folder.iterdir()):
        raise FolderNotEmpty(
            f"course init: {folder} is not empty; allowed: a new or an empty folder. 文件夹非空。"
        )
    course_id = course_id or re.sub(r"[^\w.-]+", "-", folder.name).strip("-.") or "tinybert-l"
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", course_id, re.ASCII):
        raise InvalidInput(
            f"course init: --id {course_id!r}; allowed: letters, digits, '-', '_' and '.'."
        )
    people = read_roster(roster) if roster else []
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        new = Path(temporary) / folder.name
        _fill(new, course_id, people)
        if folder.is_dir():
            folder.rmdir()  # it is empty
        new.rename(folder)
    course = Course.at(folder)
    enrol(course, people)
    return course


def _fill(folder: Path, course_id: str, people: list[Person]) -> None:
    """Write sources, answers and configuration of a course into a new folder."""
    ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.pyc")
    for part in ("notebooks", "solutions"):
        shutil.copytree(MATERIAL / part, folder / part, ignore=ignore)
    files = {
        CALENDAR: TEMPLATE.format(course=course_id),
        "nbgrader_config.py": CONFIGURATION,
        "README.md": README.format(name=course_id),
        "roster.csv": lms.to_csv(people, COLUMNS, quote_formulas=False),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _whole_rows(rows: "csv.DictReader[str]", path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a roster; a cell that csv refuses is an error that names its line."""
    try:
        yield from rows
    except csv.Error as error:
        raise InvalidInput(f"{path}, after line {rows.line_num}: {error}.") from None


def read_roster(path: Path) -> list[Person]:
    """Read the people of a CSV file.

    The file has a column id (or student, or username) and, where known, first_name, last_name and
    email. Other columns are ignored.

    Raises:
        InvalidInput: columns, encoding or an id cannot be used; the message gives the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{path}: not UTF-8 (byte {error.start}); save it as 'CSV UTF-8'. 请另存为UTF-8。"
        ) from None
    rows = csv.DictReader(lines)
    header = list(rows.fieldnames or [])
    column_of = {name.strip().casefold().replace(" ", "_"): name for name in header}
    id_column = next((column_of[name] for name in ID_COLUMNS if name in column_of), None)
    if id_column is None:
        columns = ", ".join(header) or "none"
        raise InvalidInput(
            f"{path}: columns {columns}; needed: id (or student, username). 缺少id列。"
        )
    people: dict[str, Person] = {}
    for row in _whole_rows(rows, path):
        student = (row[id_column] or "").strip()
        if not re.fullmatch(r"[\w@-][\w.@-]{0,63}", student):
            raise InvalidInput(
                f"{path}, line {rows.line_num}: id {student!r}; "
                "allowed: 1 to 64 of letters, digits, . _ @ -"
            )
        if student in people:
            raise InvalidInput(
                f"{path}, line {rows.line_num}: {student} stands there twice. 重复。"
            )
        person = {"id": student}
        for column in COLUMNS[1:]:
            person[column] = (row.get(column_of.get(column, "")) or "").strip()
        people[student] = person
    return list(people.values())


def enrol(course: Course, people: list[Person]) -> int:
    """Write people into the gradebook; returns how many are in it then.

    Students who are in it already keep each column that is not given.
    """
    from nbgrader.api import Gradebook

    find_alembic()
    address = f"sqlite:///{course.database.resolve().as_posix()}"
    with Gradebook(address, course.config().CourseDirectory.course_id) as book:
        for person in people:
            known = {}
            for column, text in person.items():
                if column != "id" and text:
                    known[column] = text
            book.update_or_create_student(person["id"], **known)
        return len(book.students)
