"""Prove what a course's record says, sum it up, explain it to students and export it."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from tqdm.auto import tqdm

from tinybert_l.course.fonts import FONT
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.archives import read_plain_file
from tinybert_l.grading.assignment import Assignment
from tinybert_l.grading.course import Course
from tinybert_l.grading.job import program_hash
from tinybert_l.grading.marking.ticked import read_ticked
from tinybert_l.grading.owners import folded
from tinybert_l.grading.policy import read_calendar
from tinybert_l.grading.results import audit as audit_module
from tinybert_l.grading.results import lms, report
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.results.edited import edited_pages
from tinybert_l.grading.results.grades import CellGrade, Grading, grades_on_record
from tinybert_l.grading.results.packing import moodles_numbers
from tinybert_l.grading.results.worksheet import Filled, fill
from tinybert_l.grading.written import Written, beside

NAMES_SHOWN = 5  # students in a message


class NotProved(CourseError, RuntimeError):
    """Grades that are not to be exported; the message says why."""


def summarise(course: Course, book: Book, assignment: Assignment) -> Grading:
    """Read the grades on record; write the tables and the report of the class.

    Writes grades.csv (a row for each student and cell), gradebook.csv (a row for each student) and
    the report with its font; beside files of these names that a teacher keeps there.
    """
    calendar = read_calendar(course.folder)
    book.settle_late(calendar.due.get(assignment.lecture), calendar.late)
    missing = missing_students(course, book, assignment.lecture)
    grading = replace(
        grades_on_record(Audit(course.folder), assignment),
        missing=[f"{total.student} {total.full_name}".strip() for total in missing],
    )
    rows: list[lms.Row] = [dict(vars(cell)) for cell in grading.grades]
    for student, reason in sorted(grading.errors.items()):
        rows.append({"student": student, "reason": f"NOT GRADED: {reason}"})
    page = report.page(assignment.name, grading.grades, grading.errors, FONT.name, grading.missing)
    files = {
        "grades.csv": lms.to_csv(rows),
        "gradebook.csv": lms.table([*book.totals(), *missing], assignment.name, "csv"),
        f"report-{assignment.name}.html": page,
    }
    written = Written(course.folder, "grade")
    for name, text in files.items():
        place = written.write(course.folder / name, text)
        grading.notices.extend(filter(None, [beside(course.folder / name, place)]))
    grading.notices.extend(edited_pages(course.folder, assignment.name))
    if not (course.folder / FONT.name).is_file():
        shutil.copy(FONT, course.folder / FONT.name)
    return grading


def missing_students(course: Course, book: Book, lecture: int) -> list[lms.StudentTotal]:
    """List who is in the gradebook and has not handed a lecture in."""
    handed_in = {folded(student) for student in course.students(lecture)}
    missing = []
    for person in book.students():
        if folded(person.student) not in handed_in:
            missing.append(person)
    return missing


def prove(course: Course, lecture: int) -> list[str]:
    """List what keeps a lecture's grades from being believed (see `audit.prove`)."""
    name = NOTEBOOKS[lecture]
    submissions = {}
    for student in course.students(lecture):
        try:
            raw = read_plain_file(course.submission(student, lecture))
        except InvalidInput:
            submissions[student] = ""  # no grading is of this: it is reported
        else:
            submissions[student] = sha256(raw).hexdigest()
    with Book(course.database, name) as book:
        return audit_module.prove(Audit(course.folder), name, book.automatic(), submissions)


def other_programs(course: Course, lecture: int) -> list[str]:
    """Tell which grades another version of the program gave, and how to go on.

    Such grades are proved like all others; a line for each program, empty when there is none.
    """
    current = program_hash()
    lines = []
    for program, students in audit_module.programs(
        Audit(course.folder), NOTEBOOKS[lecture]
    ).items():
        if program != current:
            lines.append(
                f"{students} submissions were graded by another version of the program, "
                f"{program} (installed is {current}). Their grades stay as they are; to grade "
                f"them with this version: tinybert-l grade {lecture} --again. 由其他版本评分。"
            )
    return lines


def export(
    course: Course,
    lecture: int,
    kind: str,
    title: str = "",
    without: Iterable[str] = (),
    provisional: bool = False,
) -> str:
    """Return a lecture's grades as CSV for a learning platform; the audit notes the export.

    Args:
        kind: one of `lms.FORMATS`.
        title: the assignment's name in the platform; the notebook's when empty.
        without: students who are left out on purpose, graded or not.
        provisional: export although manual grading is unfinished.
    Raises:
        NotProved: a submission is not graded, or the gradebook is not what was recorded.
    """
    name = NOTEBOOKS[lecture]
    totals = _proved_totals(course, lecture, without, provisional)
    students = sum(not total.is_missing for total in totals)
    Audit(course.folder).append(
        "exported", assignment=name, format=kind, students=students, without=sorted(set(without))
    )
    return lms.table(totals, title or name, kind)


def _proved_totals(
    course: Course, lecture: int, without: Iterable[str], provisional: bool
) -> list[lms.StudentTotal]:
    """Return the totals of a class; raises `NotProved` where they are not to be exported."""
    calendar = read_calendar(course.folder)
    left_out = set(without)
    problems = []
    for problem in prove(course, lecture):
        if problem.partition(":")[0] not in left_out:
            problems.append(problem)
    with Book(course.database, NOTEBOOKS[lecture]) as book:
        book.settle_late(calendar.due.get(lecture), calendar.late)
        everybody = [*book.totals(), *missing_students(course, book, lecture)]
    unknown = left_out - {total.student for total in everybody} - set(course.students(lecture))
    if unknown:
        raise InvalidInput(
            f"--without {', '.join(sorted(unknown))}; allowed: ids of students in this course. "
            "课程中没有此学号。"
        )
    totals = [total for total in everybody if total.student not in left_out]
    if not provisional:
        problems += _unfinished(totals)
    if problems:
        lines = "\n".join(_in_short(problems, lecture))
        raise NotProved(f"Nothing was exported 未导出:\n{lines}")
    return totals


def _in_short(problems: list[str], lecture: int) -> list[str]:
    """Put all who were not graded yet into one line, which says what to do."""
    ungraded = []
    others = []
    for problem in problems:
        student, _, what = problem.partition(": ")
        if what == audit_module.NOT_ON_RECORD:
            ungraded.append(student)
        else:
            others.append(problem)
    if not ungraded:
        return others
    names = ", ".join(ungraded[:NAMES_SHOWN]) + (" …" if len(ungraded) > NAMES_SHOWN else "")
    line = f"not graded yet: {len(ungraded)} students ({names}); run 'tinybert-l grade {lecture}' "
    return [f"{line}first 尚未评分", *others]


def fill_worksheet(
    course: Course,
    lecture: int,
    worksheet: Path,
    title: str = "",
    without: Iterable[str] = (),
    provisional: bool = False,
    encoding: str = "",
) -> Filled:
    """Fill a lecture's grades into a file that the teacher downloaded; the audit notes the export.

    Args:
        worksheet: the downloaded file.
        title: of the assignment, where the file has several.
        without: students who are left out on purpose, graded or not.
        provisional: export although manual grading is unfinished.
        encoding: of the file; empty: it is found out.
    Raises:
        NotProved: a submission is not graded, or the gradebook is not what was recorded.
        InvalidInput: the file cannot be filled.
    """
    name = NOTEBOOKS[lecture]
    totals = _proved_totals(course, lecture, without, provisional)
    numbers = moodles_numbers(Audit(course.folder), name)
    totals = [_with_number(total, numbers) for total in totals if not total.is_missing]
    grading = grades_on_record(Audit(course.folder), course.assignment(lecture))
    filled = fill(worksheet, totals, title, _remarks(grading.grades), encoding)
    Audit(course.folder).append(
        "exported",
        assignment=name,
        format=f"worksheet {worksheet.name}"[:100],
        students=filled.count,
        without=sorted(set(without)),
    )
    return filled


def _with_number(total: lms.StudentTotal, numbers: Mapping[str, str]) -> lms.StudentTotal:
    """Return a total with Moodle's number for this assignment: the gradebook has the last one's."""
    return replace(total, lms_user_id=numbers.get(total.student, total.lms_user_id))


def _remarks(grades: Iterable[CellGrade]) -> dict[str, str]:
    """Return {student: points by exercise, with the first reason for lost ones}."""
    parts: dict[str, dict[str, list[CellGrade]]] = {}
    for grade in grades:
        parts.setdefault(grade.student, {}).setdefault(grade.exercise, []).append(grade)
    remarks = {}
    for student, by_exercise in parts.items():
        lines = []
        for exercise, cells in by_exercise.items():
            points = sum(cell.points for cell in cells)
            worth = sum(cell.max_points for cell in cells)
            reason = next((f" ({cell.reason})" for cell in cells if cell.reason), "")
            lines.append(f"{exercise} {points:g}/{worth:g}{reason}")
        remarks[student] = ", ".join(lines)
    return remarks


def _unfinished(totals: list[lms.StudentTotal]) -> list[str]:
    """Say whose answers are still to be graded by hand; empty when there are none."""
    students = [total.student for total in totals if total.to_grade_by_hand]
    if not students:
        return []
    names = ", ".join(students[:NAMES_SHOWN])
    return [
        f"to be graded by hand: {len(students)} students ({names} …); "
        "'tinybert-l mark LECTURE' and Formgrader show their answers; "
        "--provisional exports all the same 仍有手动评分题待评"
    ]


def feedback(course: Course, lecture: int) -> int:
    """Write everybody's feedback anew, with the scores and comments that people gave.

    Returns:
        The number of pages.
    """
    calendar = read_calendar(course.folder)
    pages = 0
    ticked = read_ticked(course, lecture)
    with course.alone(), Book(course.database, NOTEBOOKS[lecture]) as book:
        book.set_due(calendar.due.get(lecture))
        for student in tqdm(course.students(lecture), desc="feedback 反馈", unit="page"):
            if course.graded(student, lecture).is_file():
                grades = book.settle(student, calendar.late)
                comments = {**grades.comments, **ticked.beside(student, grades)}
                course.write_feedback(student, lecture, replace(grades, comments=comments))
                pages += 1
    return pages
