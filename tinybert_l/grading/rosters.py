"""Read the people of a course from a list: the course's own, Moodle's, Canvas's, any table."""

import re
from pathlib import Path

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.csv_files import Table, read_table
from tinybert_l.grading.owners import folded

COLUMNS = ("id", "first_name", "last_name", "email")
# Any of these names a student; the first that a file has is taken.
ID_COLUMNS = (
    "id",
    "student",
    "username",
    "ID number",
    "SIS Login ID",
    "SIS User ID",
    "学号",
    "學號",
    "Matrikelnummer",
)
# Moodle's own list of participants names them by their addresses alone, unless told otherwise.
EMAIL_COLUMNS = (
    "email",
    "Email address",
    "e-mail",
    "邮箱",
    "邮箱地址",
    "E-Mail-Adresse",
    "电子邮件",
    "电子邮件地址",
    "Email地址",
    "電子郵件信箱",
    "Adresse de courriel",
    "Dirección de correo",
)
OTHER_NAMES = {
    "first_name": (
        "first_name",
        "First name",
        "FirstName",
        "given name",
        "名",
        "Vorname",
        "Prénom",
    ),
    "last_name": (
        "last_name",
        "Last name",
        "LastName",
        "Surname",
        "family name",
        "姓",
        "姓氏",
        "Nachname",
        "Nom",
    ),
    "email": EMAIL_COLUMNS,
    "full_name": ("name", "full name", "姓名", "Vollständiger Name"),
}
_ID = re.compile(r"[\w@-][\w.@-]{0,63}")
_POINTS_POSSIBLE = "points possible"  # begins a row of Canvas's that is nobody's
_TEST_STUDENTS = ("student, test", "test student")  # Canvas's own
Person = dict[str, str]  # {column of COLUMNS: text}, with lms_user_id where Canvas gave it


def read_roster(path: Path) -> list[Person]:
    """Read the people of a CSV file.

    The file has a column id (or student, or username, or a platform's name for it; without any, the
    address is the id) and, where known, first_name, last_name and email. Other columns are ignored,
    and so are blank rows and Canvas's rows that are nobody's.

    Raises:
        InvalidInput: columns, encoding or an id cannot be used; the message gives the line.
    """
    table = read_table(path, (*ID_COLUMNS, *EMAIL_COLUMNS))
    is_canvas = table.column("SIS User ID", "SIS Login ID") is not None
    id_column = table.column(*(ID_COLUMNS[4:6] if is_canvas else (*ID_COLUMNS, *EMAIL_COLUMNS)))
    people: dict[str, Person] = {}
    line_of: dict[str, tuple[int, str]] = {}
    for row, line in zip(table.rows, table.lines, strict=True):
        if is_canvas and is_nobody(table, row):
            continue
        student = table.cell(row, id_column)
        if not _ID.fullmatch(student):
            raise InvalidInput(
                f"{path}, line {line}: id {student!r}; allowed: 1 to 64 of letters, digits, . _ @ -"
            )
        if student in people:
            raise InvalidInput(f"{path}, line {line}: {student} stands there twice. 重复。")
        first_line, namesake = line_of.setdefault(folded(student), (line, student))
        if namesake != student:
            raise InvalidInput(
                f"{path}, line {line}: {student} differs from {namesake} (line {first_line}) in "
                "capital letters alone; folders cannot tell them apart. 学号仅大小写不同。"
            )
        people[student] = _person(table, row, student, is_canvas)
    return list(people.values())


def is_nobody(table: Table, row: list[str]) -> bool:
    """Tell whether a row of Canvas's gradebook is nobody's.

    Such are the maximum points, how assignments are posted, and the test student.
    """
    first = table.cell(row, 0).casefold()
    names = f"{first}, {table.cell(row, 1).casefold()}"  # with a column for each of the two names
    is_test = first in _TEST_STUDENTS or names in _TEST_STUDENTS
    keys = ("ID", "SIS Login ID", "SIS User ID")
    has_number = any(table.cell(row, table.column(key)) for key in keys)
    return first.startswith(_POINTS_POSSIBLE) or is_test or not (first or has_number)


def _person(table: Table, row: list[str], student: str, is_canvas: bool) -> Person:
    person = {"id": student}
    for column in COLUMNS[1:]:
        person[column] = table.cell(row, table.column(*OTHER_NAMES[column]))
    if is_canvas:
        person["lms_user_id"] = table.cell(row, table.column("ID"))
        full_name = table.cell(row, table.column("Student"))
    else:
        full_name = table.cell(row, table.column(*OTHER_NAMES["full_name"]))
    if full_name and not (person["first_name"] or person["last_name"]):
        person["last_name"], _, person["first_name"] = map(str.strip, full_name.partition(","))
    return person
