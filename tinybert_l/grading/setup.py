"""A new course in a new folder: configuration, sources, answers, roster, gradebook."""

import csv
import re
import shutil
import tempfile
from pathlib import Path

from tinybert_l.grading.course import MATERIAL, Course, find_alembic
from tinybert_l.grading.policy import NAME as CALENDAR
from tinybert_l.grading.policy import TEMPLATE

COLUMNS = ("id", "first_name", "last_name", "email")
CONFIGURATION = '''"""nbgrader for this course: Formgrader, nbgrader and its commands read it. Start JupyterLab here."""

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

`notebooks/` holds the lectures with answers and hidden tests, `solutions/` the reference answers: never hand these out.
"""


def init(folder: Path, course_id: str | None = None, roster: Path | None = None) -> Course:
    """Make a course; the folder appears whole or not at all.

    Args:
        folder: must be new or empty.
        course_id: nbgrader's name of the course; the folder's when None.
        roster: a CSV file (see `read_roster`).
    Raises:
        FileExistsError: the folder holds something.
        ValueError: the name or the roster cannot be used.
    """
    folder = folder.resolve()
    if folder.is_dir() and any(folder.iterdir()):
        raise FileExistsError(
            f"course init: {folder} is not empty; allowed: a new or an empty folder. 文件夹非空。"
        )
    course_id = course_id or re.sub(r"[^\w.-]+", "-", folder.name).strip("-.") or "tinybert-l"
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", course_id, re.ASCII):
        raise ValueError(
            f"course init: --id {course_id!r}; allowed: letters, digits, '-', '_' and '.'."
        )
    people = read_roster(roster) if roster else []
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        new = Path(temporary) / folder.name
        ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.pyc")
        for part in ("notebooks", "solutions"):
            shutil.copytree(MATERIAL / part, new / part, ignore=ignore)
        files = {
            CALENDAR: TEMPLATE.format(course=course_id),
            "nbgrader_config.py": CONFIGURATION,
            "README.md": README.format(name=course_id),
            "roster.csv": _roster_text(people),
        }
        for name, text in files.items():
            (new / name).write_text(text, encoding="utf-8")
        if folder.is_dir():
            folder.rmdir()  # it is empty
        new.rename(folder)
    course = Course.at(folder)
    enrol(course, people)
    return course


def read_roster(path: Path) -> list[dict[str, str]]:
    """The people of a CSV file with a column id (or student, username) and, where known, first_name, last_name, email.

    Raises:
        ValueError: columns, encoding or an id are not as they should be; says in which line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not UTF-8 (byte {error.start}); save it as 'CSV UTF-8'. 请另存为UTF-8。"
        ) from None
    rows = csv.DictReader(lines)
    names = {name.strip().casefold().replace(" ", "_"): name for name in rows.fieldnames or []}
    key = next((names[n] for n in ("id", "student", "username") if n in names), None)
    if key is None:
        found = ", ".join(rows.fieldnames or []) or "none"
        raise ValueError(f"{path}: columns {found}; needed: id (or student, username). 缺少id列。")
    people: dict[str, dict[str, str]] = {}
    for row in rows:
        person = (row[key] or "").strip()
        if not re.fullmatch(r"[\w@-][\w.@-]{0,63}", person):
            raise ValueError(
                f"{path}, line {rows.line_num}: id {person!r}; allowed: 1 to 64 of letters, digits, . _ @ -"
            )
        if person in people:
            raise ValueError(f"{path}, line {rows.line_num}: {person} stands there twice. 重复。")
        people[person] = {"id": person} | {
            c: (row.get(names.get(c, "")) or "").strip() for c in COLUMNS[1:]
        }
    return list(people.values())


def enrol(course: Course, people: list[dict[str, str]]) -> int:
    """Write people into the gradebook; who is there already keeps what is not given. Returns how many there are now."""
    from nbgrader.api import Gradebook

    find_alembic()
    with Gradebook(
        f"sqlite:///{course.database.resolve().as_posix()}",
        course.config().CourseDirectory.course_id,
    ) as book:
        for person in people:
            known = {column: value for column, value in person.items() if column != "id" and value}
            book.update_or_create_student(person["id"], **known)
        return len(book.students)


def _roster_text(people: list[dict[str, str]]) -> str:
    lines = [",".join(COLUMNS), *(",".join(_quoted(p[c]) for c in COLUMNS) for p in people)]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n') else text
