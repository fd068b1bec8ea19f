"""Set a course up in a new folder: configuration, sources, answers, roster, gradebook."""

import re
import shutil
import tempfile
from pathlib import Path

from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.grading.course import MATERIAL, Course
from tinybert_l.grading.owners import folded
from tinybert_l.grading.policy import FILE_NAME as CALENDAR
from tinybert_l.grading.policy import TEMPLATE
from tinybert_l.grading.results import lms
from tinybert_l.grading.rosters import COLUMNS, Person, read_roster
from tinybert_l.grading.settings import prepare_gradebook
from tinybert_l.grading.written import FILE_NAME as WRITTEN

CONFIGURATION = '''"""Configure nbgrader and Formgrader for this course. Start JupyterLab here."""

from pathlib import Path

from tinybert_l.grading.course import Course

c = get_config()  # noqa: F821
c.merge(Course.at(Path(__file__).resolve().parent).config())
'''
README = """# {name}

| step 步骤 | command, in this folder 在此文件夹里的命令 |
|---|---|
| is this machine ready? 这台机器准备好了吗？ | `tinybert-l doctor` |
| due dates, what lateness costs 截止时间，迟交规则 | edit 编辑 `course.toml` |
| who takes part 名单 | edit 编辑 `roster.csv`, then 然后 `tinybert-l course roster` |
| a lecture for students 学生版 | `tinybert-l release 3`: `handouts/03-architecture.zip` |
| take in what came 收作业（zip文件或文件夹） | `tinybert-l collect 3 submissions.zip` |
| grade; feedback, report, tables 评分 | `tinybert-l grade 3` |
| grade essays by hand 手动评分 | `tinybert-l mark 3`, or 或 `jupyter lab`, Formgrader |
| feedback with what people gave 重写反馈 | `tinybert-l feedback 3` |
| prove 核对 | `tinybert-l audit 3` |
| export 导出 | `tinybert-l grades 3 --format moodle --to moodle.csv` |

`notebooks/` holds the lectures with answers and hidden tests, `solutions/` the reference answers:
never hand these out. 这两个文件夹里有答案和隐藏测试，不要发给学生。
"""


class FolderNotEmpty(CourseError, FileExistsError):
    """A course was to be made in a folder that holds something."""


def read_people(roster: Path, encoding: str = "") -> list[Person]:
    """Read a roster that somebody chose, in which nobody must not be a slip.

    Args:
        encoding: of the file; empty: it is found out.
    Raises:
        InvalidInput: it cannot be used (see `rosters.read_roster`), or nobody stands in it.
    """
    people = read_roster(roster, encoding)
    if not people:
        raise InvalidInput(f"{roster}: nobody stands in it; needed: a row for each. 名单为空。")
    return people


def init(folder: Path, course_id: str | None = None, roster: Path | None = None) -> Course:
    """Make a course; the folder appears whole or not at all.

    Args:
        folder: must be new or empty.
        course_id: nbgrader's name of the course; None: made from the folder's name.
        roster: a CSV file (see `rosters.read_roster`).
    Raises:
        FolderNotEmpty: the folder holds something.
        InvalidInput: the name or the roster cannot be used; or the folder lies in a course, whose
            commands would then work on another course one folder deeper.
    """
    folder = folder.resolve()
    if folder.is_dir() and any(folder.iterdir()):
        raise FolderNotEmpty(
            f"course init: {folder} is not empty; allowed: a new or an empty folder. 文件夹非空。"
        )
    course_id = course_id or _id_from(folder.name)
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", course_id, re.ASCII):
        raise InvalidInput(
            f"course init: --id {course_id!r}; allowed: letters, digits, '-', '_' and '.'."
        )
    people = read_people(roster) if roster else []
    for around in folder.parents:
        if (around / CALENDAR).is_file():
            raise InvalidInput(
                f"course init: {folder} lies in the course {around}; that one can be used as it is "
                "('tinybert-l release 1'), or cd out of it first. 此处已在一门课程的文件夹中。"
            )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        new = Path(temporary) / folder.name
        _fill(new, course_id, people)
        enrol(Course.at(new), people)  # the gradebook holds no paths
        if folder.is_dir():
            folder.rmdir()  # it is empty
        new.rename(folder)
    return Course.at(folder)


def _id_from(folder_name: str) -> str:
    """Return nbgrader's name for a course from that of its folder; a usual one where none fits."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder_name).strip("-._")
    return name or "tinybert-l"


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
        WRITTEN: "{}\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def enrol(course: Course, people: list[Person]) -> int:
    """Write people into the gradebook; returns how many are in it then.

    Students who are in it already keep each column that is not given.
    """
    from nbgrader.api import Gradebook

    prepare_gradebook(course.database)
    with Gradebook(course.database_url, course.config().CourseDirectory.course_id) as book:
        present = {folded(student.id): student.id for student in book.students}
        for person in people:
            namesake = present.setdefault(folded(person["id"]), person["id"])
            if namesake != person["id"]:
                raise InvalidInput(
                    f"{person['id']} differs from {namesake}, who is in the gradebook, in capital "
                    "letters alone. 与成绩册中的学号仅大小写不同。"
                )
        for person in people:
            known = {}
            for column, text in person.items():
                if column != "id" and text:
                    known[column] = text
            book.update_or_create_student(person["id"], **known)
        return len(book.students)
