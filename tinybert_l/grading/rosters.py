"""Read the people of a course from a list: the course's own, Moodle's, Canvas's, any table."""

import re
from pathlib import Path

from tinybert_l.errors import InvalidInput
from tinybert_l.grading.csv_files import Table, read_table, spoilt, tidy
from tinybert_l.grading.owners import folded, tidy_name

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
    "学生学号",
    "学籍番号",
    "학번",
    "Student ID",
    "StudentID",
    "Student Number",
    "Student No",
    "Student No.",
    "Roll No",
    "Roll No.",
    "Roll Number",
    "Enrollment No",
    "NetID",
    "用户名",
    "使用者名稱",
    "ID号",
    "Matrikelnummer",
    "Matrikel-Nr.",
    "Matrikelnr.",
    "Anmeldename",
    "Benutzername",
    "ID-Nummer",
    "Nom d'utilisateur",
    "Nombre de usuario",
    "OrgDefinedId",
    "SID",
    "Roll",
    "Número de ID",
    "Número de matrícula",
    "Numéro d'identification",
    "Numéro étudiant",
    "Codice identificativo",
    "Matricola",
    "Número de identificação",
    "Matrícula",
    "Индивидуальный номер",
    "IDナンバー",
    "ユーザ名",
    "ID 번호",
    "Gebruikersnaam",
    "ID-nummer",
    "工号",
    "工號",
    "编号",
    "رقم المعرّف",
    "الرقم الجامعي",
    "Mã số sinh viên",
    "MSSV",
    "Numer albumu",
    "Öğrenci No",
    "identifier",
    "roster identifier",
    "Login",
    "Login ID",
    "User ID",
    "Unique ID",
    "Unique User ID",
)
# say that a row sums up others, and is nobody
TOTALS = frozenset({
    "total", "totals", "sum", "average", "mean", "median", "count", "合计", "总计", "總計", "小计",
    "平均", "平均分", "人数", "summe", "durchschnitt", "moyenne", "media",
})  # fmt: skip
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
    "Indirizzo email",
    "Endereço de email",
    "Адрес электронной почты",
    "メールアドレス",
    "이메일 주소",
    "이메일",
    "E-mailadres",
    "E-Mail",
    "电子邮箱",
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
        "Nombre",
        "Nome",
        "Имя",
        "Voornaam",
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
        "Nom de famille",
        "Apellido(s)",
        "Apellidos",
        "Cognome",
        "Sobrenome",
        "Фамилия",
        "Achternaam",
        "성",
    ),
    "email": EMAIL_COLUMNS,
    "full_name": (
        *("name", "full name", "student name", "display name", "姓名", "学生姓名", "氏名", "이름"),
        *("Vollständiger Name", "Nom complet", "Nombre completo"),
    ),
}
CANVAS_ID_COLUMNS = ("SIS Login ID", "SIS User ID")
BRIGHTSPACE_COLUMNS = ("OrgDefinedId", "End-of-Line Indicator")  # whose ids begin with "#"
ROLE_COLUMNS = ("role", "roles", "course role", "角色", "身份", "Rolle", "Rollen", "Rôle", "Rôles",
                "Rol", "Roles", "Ruolo", "Ruoli", "Papel", "Papéis")  # fmt: skip
STATUS_COLUMNS = ("status", "enrollment status", "registration status", "状态", "學籍狀態",
                  "学籍状态", "Statut", "Estado", "Stato")  # fmt: skip
_HAS_LEFT = re.compile(
    r"dropped|withdrawn?|withdrew|deleted|cancell?ed|removed|退课|退選|退学|退學|休学|休學|注销|"
    r"abandon|retirado|ritirato|abgemeldet",
    re.IGNORECASE,
)
_STAFF = re.compile(
    r"owner|teach|admin|profess|instruct|lectur|manager|assist|tutor|grader|staff|\bta\b|designer|observer|"
    r"教师|老师|教員|教授|助教|管理|lehr|dozent|enseign|profesor|docente|insegnant",
    re.IGNORECASE,
)
_STUDENT = re.compile(r"student|learner|学生|學生|学員|étudiant|estudiante|aluno", re.IGNORECASE)
_RULE = re.compile(r":?-{2,}:?")  # below the header of a table in Markdown
CELL_LIMIT = 1_000  # characters
_NO_ID = ("", "-", "--", "n/a", "N/A", "nan", "NaN", "null", "None", "无")
_ID = re.compile(r"[\w@-][\w.@-]{0,63}")
_POINTS_POSSIBLE = "points possible"  # begins a row of Canvas's that is nobody's
_TEST_STUDENTS = ("student, test", "test student")  # Canvas's own
Person = dict[str, str]  # {column of COLUMNS: text}, with lms_user_id where Canvas gave it


def read_roster(path: Path, encoding: str = "") -> list[Person]:
    """Read the people of a CSV file.

    The file has a column id (or student, or username, or a platform's name for it; without any, the
    address is the id) and, where known, first_name, last_name and email. Other columns are ignored,
    and so are blank rows and Canvas's rows that are nobody's.

    Args:
        encoding: of the file; empty: it is found out.
    Raises:
        InvalidInput: columns, encoding or an id cannot be used; the message gives the line.
    """
    table = read_table(path, (*ID_COLUMNS, *EMAIL_COLUMNS), encoding)
    is_canvas = is_canvas_table(table)
    is_brightspace = table.column(*BRIGHTSPACE_COLUMNS) is not None
    id_column = _id_column(table, is_canvas)
    _require_one_below_the_other(table, id_column, path)
    people: dict[str, Person] = {}
    row_of: dict[str, list[str]] = {}
    line_of: dict[str, tuple[int, str]] = {}
    for row, line in zip(table.rows, table.lines, strict=True):
        if (is_canvas and is_nobody(table, row)) or _is_beside(table, row, id_column):
            continue
        _require_no_further_cells(table, row, path, line)
        student = table.key(row, id_column)
        if student.casefold() in TOTALS:
            continue
        if is_brightspace and not spoilt(student):
            student = student.removeprefix("#")
        if spoilt(student):
            raise InvalidInput(f"{path}, line {line}: {spoilt(student)}.")
        if student in _NO_ID:
            raise InvalidInput(
                f"{path}, line {line}: no id in the column {table.header[id_column or 0]}; "
                "fill it in for everybody, or leave the column out. 缺少学号。"
            )
        if not _ID.fullmatch(student):
            raise InvalidInput(
                f"{path}, line {line}: id {student!r}; allowed: 1 to 64 of letters, digits, . _ @ -"
            )
        person = _person(table, row, student, is_canvas)
        if people.get(student) == person and row != row_of[student]:
            continue  # a row for each section
        if student in people:
            raise InvalidInput(f"{path}, line {line}: {student} stands there twice. 重复。")
        first_line, namesake = line_of.setdefault(folded(student), (line, student))
        if namesake != student:
            raise InvalidInput(
                f"{path}, line {line}: {student} differs from {namesake} (line {first_line}) in "
                "capital letters alone; folders cannot tell them apart. 学号仅大小写不同。"
            )
        same = _without_zeros(student, people, person)
        if same:
            raise InvalidInput(
                f"{path}, line {line}: {student} and {same} are one person whose id has lost its "
                "zeros: write it once, as text. 学号前面的0丢失，同一人出现两次。"
            )
        people[student], row_of[student] = person, row
        _require_short(people[student], path, line)
    return list(people.values())


def _without_zeros(student: str, people: dict[str, Person], person: Person) -> str:
    """Return the id of the same person that differs in zeros at its beginning; empty without."""
    if not student.isdigit() or not (person["first_name"] or person["last_name"]):
        return ""
    facts = {key: value for key, value in person.items() if key != "id"}
    for other, known in people.items():
        is_same = other.isdigit() and other.lstrip("0") == student.lstrip("0")
        if is_same and {key: value for key, value in known.items() if key != "id"} == facts:
            return other
    return ""


def _is_beside(table: Table, row: list[str], id_column: int | None) -> bool:
    """Tell whether a row is a rule of a table, its header again, or somebody who teaches or left.

    Lists that are printed on several pages have their header on each.
    """
    if tidy(table.cell(row, id_column)) == tidy(table.header[id_column or 0]):
        return True
    if _HAS_LEFT.search(table.cell(row, table.column(*STATUS_COLUMNS))):
        return True
    cells = [cell.strip() for cell in row if cell.strip()]
    role = table.cell(row, table.column(*ROLE_COLUMNS))
    is_rule = all(map(_RULE.fullmatch, cells))
    return is_rule or (bool(_STAFF.search(role)) and not _STUDENT.search(role))


def _require_one_below_the_other(table: Table, id_column: int | None, path: Path) -> None:
    """Refuse a list printed in two halves side by side, of which one would be lost."""
    if id_column is None:
        return
    name = tidy(table.header[id_column])
    for column, other in enumerate(table.header):
        is_again = column != id_column and tidy(other) == name
        if is_again and any(table.cell(row, column) for row in table.rows):
            raise InvalidInput(
                f"{path}: the column {table.header[id_column]} stands there twice, with people in "
                "both: put them one below the other. 名单左右分成两栏，请合并为一栏。"
            )


def _require_no_further_cells(table: Table, row: list[str], path: Path, line: int) -> None:
    """Refuse a row whose cells have moved: a separator in a name that nobody quoted."""
    further = [cell for cell in row[len(table.header) :] if cell.strip()]
    if further:
        raise InvalidInput(
            f"{path}, line {line}: {len(table.header) + len(further)} cells below "
            f"{len(table.header)} columns: a name that holds {table.separator!r} needs quotation "
            "marks. 单元格多于列数，含分隔符的姓名须加引号。"
        )


def _require_short(person: Person, path: Path, line: int) -> None:
    """Refuse what nobody's name or address fills; columns that are not read may be long."""
    longest = max(map(len, person.values()))
    if longest > CELL_LIMIT:
        raise InvalidInput(
            f"{path}, after line {line - 1}: a name of {longest:,} characters; allowed: at most "
            f"{CELL_LIMIT:,}. Is a quotation mark missing? 姓名过长。"
        )


def is_canvas_table(table: Table) -> bool:
    """Tell Canvas's gradebook; whoever may not see login names gets it without those columns."""
    if table.column("SIS User ID", "SIS Login ID") is not None:
        return True
    return None not in (table.column("Student"), table.column("ID"), table.column("Section"))


def _id_column(table: Table, is_canvas: bool) -> int | None:
    """Return the column by which people are known: the first that is filled in with ids.

    One that only counts the rows, or that holds names, is taken where there is no other.
    """
    names = (*CANVAS_ID_COLUMNS, "ID") if is_canvas else (*ID_COLUMNS, *EMAIL_COLUMNS)
    counts = [str(number) for number in range(1, len(table.rows) + 1)]
    filled = []
    for name in names:
        column = table.column(name)
        cells = [table.cell(row, column) for row in table.rows]
        if any(cells) and cells != counts:
            filled.append((column, cells, name))
    for column, cells, name in filled:
        if name != "student" or not any(" " in cell for cell in cells):
            return column
    return filled[0][0] if filled else table.column(*names)


def is_nobody(table: Table, row: list[str]) -> bool:
    """Tell whether a row of Canvas's gradebook is nobody's.

    Such are the maximum points, how assignments are posted, and the test student.
    """
    first = table.cell(row, 0).casefold()
    is_indented = bool(row) and row[0].startswith("    ")  # "Points Possible" in any language
    names = f"{first}, {table.cell(row, 1).casefold()}"  # with a column for each of the two names
    is_test = first in _TEST_STUDENTS or names in _TEST_STUDENTS
    keys = ("ID", "SIS Login ID", "SIS User ID")
    has_number = any(table.cell(row, table.column(key)) for key in keys)
    is_maximum = first.startswith(_POINTS_POSSIBLE) or (is_indented and not has_number)
    return is_maximum or is_test or not (first or has_number)


def _person(table: Table, row: list[str], student: str, is_canvas: bool) -> Person:
    person = {"id": student}
    for column in COLUMNS[1:]:
        person[column] = tidy_name(table.cell(row, table.column(*OTHER_NAMES[column])))
    if is_canvas:
        person["lms_user_id"] = table.cell(row, table.column("ID"))
        full_name = table.cell(row, table.column("Student"))
    else:
        full_name = table.cell(row, table.column(*OTHER_NAMES["full_name"]))
        number = table.cell(row, table.column("lms_user_id"))  # as nbgrader writes its people
        person |= {"lms_user_id": number} if number else {}
    full_name = tidy_name(full_name)  # a quoted line end, marks of direction
    if full_name and not (person["first_name"] or person["last_name"]):
        person["last_name"], _, person["first_name"] = map(str.strip, full_name.partition(","))
    return person
