"""The commands that grade what was handed in, prove the grades and export them."""

import sys
from pathlib import Path

import click

from tinybert_l.cli import grade_tables
from tinybert_l.cli.answer_disputes import answer
from tinybert_l.cli.courses import pass_course
from tinybert_l.cli.options import (
    FILE,
    FILE_OR_FOLDER,
    FOLDER,
    NEW_FILE,
    encoding_option,
    lecture_argument,
)
from tinybert_l.errors import CourseError, InvalidInput, printable
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading import job as jobs
from tinybert_l.grading import run
from tinybert_l.grading.course import Course
from tinybert_l.grading.results.audit import Audit, changes
from tinybert_l.grading.results.edited import edited_pages
from tinybert_l.grading.results.packing import LMS, pack_feedback
from tinybert_l.grading.results.worksheet import Filled
from tinybert_l.grading.written import Written


@click.command()
@lecture_argument
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Grade so many submissions at a time. Default: what cores and memory allow.",
)
@click.option(
    "--scheduler",
    default="",
    help="Let a Dask cluster do the work: tcp://… (its workers see the same folders).",
)
@click.option(
    "--exercise",
    default="",
    help="Run only the tests of this exercise; all other points stay as they are.",
)
@click.option("--again", is_flag=True, help="Regrade unchanged submissions too.")
@click.option(
    "--disputes",
    type=FILE_OR_FOLDER,
    help="Judge anew what the requests ('dispute') in this folder or zip file ask for.",
)
@click.option(
    "--only-prepare", is_flag=True, help="Write the job directories for 'run-job' and stop."
)
@click.option(
    "--unsafe", is_flag=True, help="Grade without isolation: only for submissions that you trust."
)
@pass_course
def grade(
    course: Course,
    lecture: int,
    workers: int | None,
    scheduler: str,
    exercise: str,
    again: bool,
    disputes: Path | None,
    only_prepare: bool,
) -> None:
    """Autograde all submissions of a LECTURE.

    Writes feedback, grades.csv, gradebook.csv and a report of the class. Each submission runs in a
    sandbox (bubblewrap) without network, files or a view of its tests; a second process, which
    never runs student code, judges it. Where there is no sandbox, grading refuses. What is graded
    and has not changed is not graded again, so a run that was stopped goes on where it was.
    """
    options = run.Options(workers, scheduler, exercise, again)
    _require_submissions(course, lecture)
    if disputes is not None:
        answer(course, lecture, disputes, options)
    elif only_prepare:
        click.echo("\n".join(map(str, run.prepare_jobs(course, lecture, options))))
    else:
        _grade(course, lecture, options)


@click.command("run-job")
@click.argument("job", type=FOLDER)
def run_job(job: Path) -> None:
    """Do one JOB of 'grade --only-prepare', on any machine.

    JOB is a job directory. 'grade' then records what came out.
    """
    job = job.resolve()
    if not (job / "job.json").is_file():
        raise InvalidInput(f"JOB {job}; allowed: a folder that 'grade --only-prepare' has printed.")
    result = job.parents[1] / "results" / job.name
    failure = jobs.run_job(str(job), str(result))
    if failure:
        raise CourseError(failure)


@click.command()
@lecture_argument
@click.option(
    "--changes",
    "with_changes",
    is_flag=True,
    help="Show what changed between each student's last two gradings.",
)
@pass_course
def audit(course: Course, lecture: int, with_changes: bool) -> None:
    """Prove the gradebook of a LECTURE against the record.

    The record is the course's audit.jsonl: what came in and what was decided, append-only.
    """
    course.assignment(lecture)  # raises where the lecture was not released
    record = Audit(course.folder)
    if with_changes:
        grade_tables.show_changes(changes(record, NOTEBOOKS[lecture]), lecture)
    _require_proof(run.prove(course, lecture))
    grade_tables.show_proof(record.verdicts(NOTEBOOKS[lecture]), record.path)
    grade_tables.show_other_programs(run.other_programs(course, lecture))


@click.command()
@lecture_argument
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "canvas", "moodle"]),
    default="csv",
    show_default=True,
    help="Write the columns that this system imports.",
)
@click.option(
    "--title", default="", help="Name the assignment as the LMS does. Default: the notebook's name."
)
@click.option(
    "--without",
    multiple=True,
    metavar="STUDENT",
    help="Leave this student out on purpose; may be repeated.",
)
@click.option("--provisional", is_flag=True, help="Export although manual grading is unfinished.")
@click.option(
    "--worksheet",
    type=FILE,
    help="Fill the grades into this file, downloaded from the LMS, in any language.",
)
@encoding_option
@click.option("--to", type=NEW_FILE, help="Write into this file. Default: the terminal.")
@pass_course
def grades(
    course: Course,
    lecture: int,
    kind: str,
    title: str,
    without: tuple[str, ...],
    provisional: bool,
    worksheet: Path | None,
    encoding: str,
    to: Path | None,
) -> None:
    """Export the grades of a LECTURE for an LMS.

    Refuses what the audit does not prove.
    """
    _require_released(course, lecture)
    written = _place_for_grades(course, to)
    chosen = (title, without, provisional)
    if worksheet is not None:
        filled = run.fill_worksheet(course, lecture, worksheet, *chosen, encoding)
        _write_worksheet(written, filled, worksheet, to)
    else:
        _write_table(written, run.export(course, lecture, kind, *chosen), to)


@click.command()
@lecture_argument
@click.option(
    "--zip",
    "lms",
    type=click.Choice(LMS),
    help="Pack all pages into one archive that this system hands back to everybody at once.",
)
@pass_course
def feedback(course: Course, lecture: int, lms: str | None) -> None:
    """Write the feedback of a LECTURE anew, after manual grading.

    Takes in the points and comments that people gave in Formgrader. With --zip, the archive goes to
    Moodle by "Upload multiple feedback files in a zip", to Canvas by "Upload Submissions"; it needs
    submissions that were collected from that system's own zip file.
    """
    _require_released(course, lecture)
    count = run.feedback(course, lecture)
    click.echo(f"{count} pages below {course.folder / 'feedback'}")
    for said in edited_pages(course.folder, NOTEBOOKS[lecture]):
        click.echo(printable(said))
    if lms is not None:
        grade_tables.show_packed(*pack_feedback(course, lecture, lms))


def _place_for_grades(course: Course, to: Path | None) -> Written:
    """Return what may be written in the course; refuses a file `to` that is somebody's own."""
    written = Written(course.folder, "grades")
    if to is not None:
        written.require(to)
    return written


def _write_worksheet(written: Written, filled: Filled, worksheet: Path, to: Path | None) -> None:
    """Write a filled worksheet, beside the one that it was made from where no place is named."""
    target = to or worksheet.with_name(f"{worksheet.stem}-graded{worksheet.suffix}")
    place = written.write(target, filled.content)
    click.echo(f"written: {place} ({filled.count} grades 成绩)")
    for problem in filled.problems:
        click.echo(printable(problem))


def _write_table(written: Written, text: str, to: Path | None) -> None:
    """Write a table into a file, or into the terminal where none is named."""
    if to is None:
        click.echo(text, nl=False)
    else:
        written.write(to, text)
        click.echo(f"written: {to}")


def _grade(course: Course, lecture: int, options: run.Options) -> None:
    grading = run.grade(course, lecture, options=options)
    grade_tables.show_grades(grading, lecture)
    if grading.errors:
        sys.exit(1)


def _require_released(course: Course, lecture: int) -> None:
    course.assignment(lecture)  # raises where the lecture was not released
    _require_submissions(course, lecture)


def _require_submissions(course: Course, lecture: int) -> None:
    if not course.folder.is_dir():
        raise InvalidInput(
            f"No course here ({course.folder} is missing): tinybert-l course init FOLDER makes "
            "one; then cd into it. 此处没有课程。"
        )
    if not course.students(lecture):
        raise InvalidInput(
            f"No submission of lecture {lecture} below {course.folder / 'submitted'}: take them in "
            f"with 'tinybert-l collect {lecture} ARCHIVE'. 无人提交。"
        )


def _require_proof(problems: list[str]) -> None:
    if problems:
        click.echo("\n".join(problems))
        raise CourseError(
            f"{len(problems)} problems: these grades are not proved. 成绩未通过审计。"
        )
