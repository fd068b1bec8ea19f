"""The command line: one subcommand for each step of the course's journey."""

import functools
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import tinybert_l

if TYPE_CHECKING:
    from tinybert_l.method.joint import Supernet
    from tinybert_l.method.teacher import TeacherRecipe

QUICK_HELP = "A small slice, to see it work within a minute; its numbers mean little."
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
quick_option = click.option("--quick", is_flag=True, help=QUICK_HELP)
output_option = click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("outputs"),
    show_default=True,
    help="Where results are written.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="Of matrix products in training; auto measures which is faster here.",
)
course_option = click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder whose course/ is meant; when left out, the course around here (course.toml), else outputs/course.",
)
lecture_argument = click.argument("lecture", type=click.IntRange(1, 11))


def table_options(command: Any) -> Any:
    """--data and its two columns; the command gets `table`, a `Table` or None."""

    @functools.wraps(command)
    def with_table(
        *args: Any,
        data: Path | None = None,
        text_column: str = "",
        label_column: str = "",
        **kwargs: Any,
    ) -> Any:
        from tinybert_l.method.data import Table

        table = Table(str(data.resolve()), text_column, label_column) if data else None
        return command(*args, table=table, **kwargs)

    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    for option in (
        click.option("--label-column", default="label", show_default=True, help="Of --data."),
        click.option("--text-column", default="text", show_default=True, help="Of --data."),
        click.option(
            "--data",
            type=file,
            help="Your own texts: CSV in UTF-8; the embedded reviews when left out.",
        ),
    ):
        with_table = option(with_table)
    return with_table


seed_option = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of all that is random.",
)


scratch_option = click.option(
    "--from-scratch",
    is_flag=True,
    help="Train the teacher too, although the default one comes with the library.",
)


class FriendlyGroup(click.Group):
    """Errors that a user can do something about are shown without a stack trace; exit status 1."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (
            ValueError,
            OSError,
            NotImplementedError,
            ArithmeticError,
            RuntimeError,
            TypeError,
        ) as error:
            if isinstance(error, click.exceptions.Exit | click.Abort) or os.environ.get(
                "TINYBERT_L_DEBUG"
            ):
                raise
            raise click.ClickException(f"{error}\n(TINYBERT_L_DEBUG=1 shows where.)") from error


@click.group(cls=FriendlyGroup, context_settings=CONTEXT)
@click.version_option(tinybert_l.__version__, package_name="tinybert-l")
def main() -> None:
    """TinyBERT-L: one weight-sharing student whose sub-models are trained jointly.

    "demo" does everything once; the other commands are its steps. What is trained is kept in a cache
    (TINYBERT_L_CACHE moves it), so that no step is done twice.
    """


@main.command()
@quick_option
@precision_option
@seed_option
@scratch_option
@table_options
def teacher(quick: bool, precision: str, seed: int, from_scratch: bool, table: Any) -> None:
    """Fine-tune the teacher, on the embedded reviews or on your own texts."""
    from tinybert_l.method.teacher import load_teacher

    loaded = load_teacher(_teacher_recipe(quick, precision, seed, table), from_scratch)
    click.echo(
        f"test accuracy {100 * loaded.metrics['test_accuracy']:.1f} %; kept in {loaded.folder}"
    )


@main.command()
@quick_option
@precision_option
@seed_option
@scratch_option
@table_options
def train(quick: bool, precision: str, seed: int, from_scratch: bool, table: Any) -> None:
    """Train the student's nine sub-models jointly (and the teacher first, where needed).

    Several processes share the work under `accelerate launch -m tinybert_l.cli train`.
    """
    from tinybert_l.method.training import is_main_process

    _open_all_answers()
    supernet = _supernet(quick, precision, seed, table, from_scratch)
    if is_main_process():
        click.echo(f"{len(supernet.recipe.sub_models())} sub-models; kept in {supernet.folder}")


@main.command()
@quick_option
@precision_option
@seed_option
@table_options
@output_option
def evaluate(quick: bool, precision: str, seed: int, output: Path, table: Any) -> None:
    """Measure accuracy, size and speed of the teacher and of every sub-model."""
    _open_all_answers()
    _evaluate(_supernet(quick, precision, seed, table), output, quick)


@main.command()
@click.argument("sub_model", metavar="SUB_MODEL")
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder; outputs/export/SUB_MODEL when left out.",
)
@click.option(
    "--vocabulary",
    type=click.IntRange(min=1),
    help="Word pieces to keep, the most frequent of the training texts: smaller files. All when left out.",
)
@quick_option
@precision_option
@seed_option
@table_options
def export(
    sub_model: str,
    to: Path | None,
    vocabulary: int | None,
    quick: bool,
    precision: str,
    seed: int,
    table: Any,
) -> None:
    """Write one SUB_MODEL, such as 3x0.5, as safetensors and ONNX (float32, int8), with its measured numbers."""
    from tinybert_l.method.export import export_all

    _open_all_answers()
    supernet = _supernet(quick, precision, seed, table)
    known = {s.name: s for s in supernet.recipe.sub_models()}
    if sub_model not in known:
        raise click.ClickException(f"SUB_MODEL {sub_model!r}; allowed: {', '.join(known)}.")
    folder = to or Path("outputs") / "export" / sub_model
    numbers = export_all(
        supernet, known[sub_model], folder, 0.1 if quick else 0.6, vocabulary
    )
    for row in numbers["rows"]:
        click.echo(
            f"{row['model']}: {100 * row['accuracy']:.1f} %, {row['ms, batch 1']:.2f} ms, {row['bytes'] / 1e6:.1f} MB"
        )
    click.echo(f"written: {folder}")


@main.command()
@click.option(
    "--max-latency-ms",
    type=click.FloatRange(min=0, min_open=True),
    required=True,
    help="Budget for one text.",
)
@click.option(
    "--runtime",
    type=click.Choice(["torch", "onnx", "onnx-int8"]),
    default="torch",
    show_default=True,
    help="What it will run in: onnx and onnx-int8 are the other files that export writes.",
)
@quick_option
@precision_option
@seed_option
@table_options
def choose(
    max_latency_ms: float, runtime: str, quick: bool, precision: str, seed: int, table: Any
) -> None:
    """Choose the sub-model with the best validation accuracy that answers in time on this machine."""
    from tinybert_l.course.tables import console, rows_table
    from tinybert_l.exercises.lecture_08 import choose_submodel
    from tinybert_l.method.export import speed_and_accuracy

    _open_all_answers()
    supernet = _supernet(quick, precision, seed, table)
    candidates: list[dict[str, Any]] = []
    for sub_model in supernet.recipe.sub_models():
        latency, quality = speed_and_accuracy(
            supernet, sub_model, runtime, seconds=0.1 if quick else 0.6
        )
        candidates.append({"name": sub_model.name, "latency_ms": latency, "quality": quality})
    rows = [(c["name"], f"{c['latency_ms']:.2f}", f"{100 * c['quality']:.1f}") for c in candidates]
    title = f"Sub-models on this machine 本机上的子模型: {runtime}, one text of 32 tokens"
    console().print(
        rows_table(title, ("sub-model 子模型", "ms", "validation accuracy 验证集准确率 (%)"), rows)
    )
    click.echo(f"chosen: {choose_submodel(candidates, max_latency_ms)}")


@main.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--test",
    type=click.Path(exists=True, path_type=Path),
    help="Questions to measure with; FILE's own.",
)
@click.option(
    "--steps", type=click.IntRange(min=1), default=240, show_default=True, help="Of joint training."
)
@quick_option
@seed_option
def questions(file: Path, test: Path | None, steps: int, quick: bool, seed: int) -> None:
    """Learn to answer questions from a FILE in SQuAD's JSON format, or a folder of `datasets`; measure sub-models.

    An answer may have up to thirty tokens.
    """
    from tinybert_l.course.tables import console, rows_table
    from tinybert_l.tasks.questions import load_reader, read_squad

    _open_all_answers()
    asked = read_squad(test or file)
    reader = load_reader(4 if quick else steps, 4 if quick else 32, seed, squad=file)
    rows = []
    for sub_model in reversed(reader.recipe.sub_models()):
        score = reader.score(asked, sub_model, max_answer_length=30)
        rows.append(
            (sub_model.label, f"{100 * score['exact_match']:.1f}", f"{100 * score['f1']:.1f}")
        )
    which = "seen in training 训练中见过" if test is None else "not seen in training 训练中未见"
    title = f"{len(asked)} questions 问题, {which}"
    console().print(rows_table(title, ("sub-model 子模型", "exact match (%)", "F1 (%)"), rows))


@main.command()
def prepare() -> None:
    """Train everything that the notebooks take from the cache, so that the lectures begin at once.

    Teacher, supernet, question answering, language model: fifteen to thirty minutes on two cores, the first time.
    """
    from tinybert_l.course import experiments

    _open_all_answers()
    steps = {
        "teacher and supernet 教师与超网络": experiments.open_supernet,
        "questions 问答": experiments.open_reader,
        "language model 语言模型": experiments.open_writer,
    }
    for number, (name, step) in enumerate(steps.items(), 1):
        click.echo(f"{number}/{len(steps)} {name}")
        step()
    click.echo("The cache is warm. 缓存已就绪。")


@main.command()
@click.option("--lecture", type=click.IntRange(1, 11), help="Only this one's.")
def exercises(lecture: int | None) -> None:
    """List the exercises: points, effort, and what each builds on."""
    from tinybert_l.course.tables import console, rows_table
    from tinybert_l.exercises.registry import exercises

    rows = [
        (
            str(i.lecture),
            name,
            f"{i.title_zh} · {i.title_en}",
            str(i.points),
            str(i.minutes),
            ", ".join(i.needs),
        )
        for name, i in exercises().items()
        if lecture in (None, i.lecture)
    ]
    headings = (
        "lecture 讲",
        "exercise 练习",
        "title 题目",
        "points 分",
        "minutes 分钟",
        "builds on 基于",
    )
    console().print(rows_table("Exercises 练习", headings, rows))


@main.command()
@lecture_argument
@click.option(
    "--lang", type=click.Choice(["zh", "en"]), help="Only this language; both when left out."
)
@click.option(
    "--wheel", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The library's wheel goes with it, for students without a package index.",
)  # fmt: skip
@course_option
def release(lecture: int, lang: str | None, wheel: Path | None, output: Path | None) -> None:
    """Make the student version of a LECTURE, and scan it for answers and hidden tests.

    A folder under release/, and the same as a zip file under handouts/. Answers of earlier lectures go with it once
    their late period has ended (course.toml).
    """
    _instructor()
    from tinybert_l.grading.release import handout
    from tinybert_l.grading.release import release as make

    course = _course(output)
    click.echo(f"released: {make(course, lecture, lang, wheel)}")
    click.echo(f"for students: {handout(course, lecture)}")


@main.group()
def course() -> None:
    """A course of one's own: make it, say who takes part."""


@course.command("init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--id", "course_id", help="nbgrader's name of the course; the folder's when left out."
)
@click.option(
    "--roster",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with a column id and, where known, first_name, last_name, email.",
)
def course_init(folder: Path, course_id: str | None, roster: Path | None) -> None:
    """Make a course in a new FOLDER: configuration, calendar, notebooks, answers, roster, gradebook.

    The other commands then work inside it without any option.
    """
    _instructor()
    from tinybert_l.grading.setup import init

    made = init(folder, course_id, roster)
    click.echo(
        f"made: {made.folder}\nNow: cd {folder} && tinybert-l release 1    (README.md there lists the steps)"
    )


@course.command("roster")
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@course_option
def course_roster(file: Path | None, output: Path | None) -> None:
    """Write the people of a CSV FILE (roster.csv of the course when left out) into the gradebook."""
    _instructor()
    from tinybert_l.grading.setup import enrol, read_roster

    here = _course(output)
    click.echo(
        f"{enrol(here, read_roster(file or here.folder / 'roster.csv'))} people in the gradebook 名单人数"
    )


@main.command()
@click.argument(
    "folder", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
def home(folder: Path) -> None:
    """Show lectures, exercises, and which of your answers in FOLDER already pass their visible tests."""
    from tinybert_l.course.home import STATES, progress
    from tinybert_l.course.tables import console, rows_table
    from tinybert_l.exercises.registry import exercises

    rows = [
        (
            str(exercises()[p.exercise].lecture),
            p.exercise,
            f"{exercises()[p.exercise].minutes}",
            STATES[p.state],
            p.message,
        )
        for p in progress(folder)
        if p.state != "absent"
    ]
    if not rows:
        raise click.ClickException(
            f"No notebook of the course in {folder.resolve()}. 此文件夹中没有课程笔记本。"
        )
    headings = (
        "lecture 讲",
        "exercise 练习",
        "minutes 分钟",
        "your answer 你的解答",
        "first failure 首个问题",
    )
    console().print(rows_table("How far you are 进度", headings, rows))


@main.command()
@click.argument(
    "folder", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--no-browser", is_flag=True, help="Print the address, open nothing.")
def lab(folder: Path, no_browser: bool) -> None:
    """Open JupyterLab on the course home of FOLDER."""
    import subprocess

    from tinybert_l.course.home import notebooks_in, write_home

    folder = folder.resolve()
    if not notebooks_in(folder):
        raise click.ClickException(
            f"No notebook of the course in {folder}. Unzip a lecture and start here again. 此文件夹中没有课程笔记本。"
        )
    page = write_home(folder)
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
    # nothing goes online: no look for updates, no question about news
    command += [
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
    ]
    command += [
        f"--LabApp.default_url=/lab/tree/{page.name}",
        *(["--no-browser"] if no_browser else []),
    ]
    if os.name == "nt":  # which cannot replace a process by another
        sys.exit(subprocess.call(command, cwd=folder))
    os.chdir(folder)
    os.execv(command[0], command)  # so that what stops this process stops the server


@main.command()
@click.argument(
    "notebook", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--student", default=None, help="Your id in the course; your login name when left out."
)
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("."),
    help="Folder for the zip file; here.",
)
def submit(notebook: Path | None, student: str | None, to: Path) -> None:
    """Make the zip file to hand in from a NOTEBOOK (the only one of this folder when left out).

    It holds the notebook without outputs, and nothing else. Nothing is sent anywhere: upload it yourself.
    """
    from tinybert_l.course.home import STATES, hand_in, login_name, notebooks_in

    if notebook is None:
        found = list(notebooks_in(Path(".")).values())
        if len(found) != 1:
            names = ", ".join(map(str, found)) or "none"
            raise click.ClickException(
                f"Which NOTEBOOK? In this folder: {names}. 请指明要提交的笔记本。"
            )
        notebook = found[0]
    made = hand_in(notebook, student or login_name(), to)
    for state in made.states:
        click.echo(
            f"{state.exercise}: {STATES[state.state]}{'  ' + state.message if state.message else ''}"
        )
    click.echo(f"sha256 {made.sha256}")
    click.echo(f"to hand in 待提交: {made.path}  (as 学号 {student or login_name()})")


@main.command("sample-class")
@click.option("--student", "students", multiple=True, help="Only this one; may be repeated.")
@course_option
def sample_class(students: tuple[str, ...], output: Path | None) -> None:
    """Let a sample class of seven hand in lecture 3."""
    _instructor()
    from tinybert_l.exercises.registry import NOTEBOOKS
    from tinybert_l.grading.sample_class import LECTURE, SAMPLE_STUDENTS, hand_in

    unknown = set(students) - set(SAMPLE_STUDENTS)
    if unknown:
        raise click.ClickException(
            f"--student {', '.join(sorted(unknown))}; allowed: {', '.join(SAMPLE_STUDENTS)}."
        )
    course = _course(output)
    released = course.folder / "release" / NOTEBOOKS[LECTURE]
    if not released.is_dir():
        raise click.ClickException(
            f"{released} is missing: run 'tinybert-l release {LECTURE}' first."
        )
    for student in hand_in(course, released, list(students) or None):
        click.echo(f"handed in: {course.submission(student, LECTURE)}")


@main.command()
@lecture_argument
@click.argument("archive", type=click.Path(exists=True, path_type=Path))
@course_option
def collect(lecture: int, archive: Path, output: Path | None) -> None:
    """Take in the submissions of a LECTURE from an ARCHIVE: a zip of Moodle or Canvas, a plain zip, or a folder.

    Originals are kept for good under received/. What is refused is listed with its reason; exit status 1 then.
    """
    _instructor()
    from tinybert_l.course.tables import console, rows_table
    from tinybert_l.exercises.registry import NOTEBOOKS
    from tinybert_l.grading.intake import read_archive, take_in
    from tinybert_l.grading.results.book import Book

    course, name = _course(output), NOTEBOOKS[lecture]
    course.assignment(lecture)  # says so when it was not released
    arrivals, refusals = read_archive(archive, name)
    done = take_in(course, name, arrivals, refusals)
    with Book(course.database, name) as book:
        for arrival in arrivals:
            known = {k: v for k, v in arrival.known.items() if k != "assignment"}
            if known and arrival.student in done:
                book.introduce(arrival.student, **known)
    rows = [*done.items(), *((r.origin, f"REFUSED 拒收: {r.reason}") for r in refusals)]
    console().print(
        rows_table(
            f"Lecture {lecture}: {len(done)} taken in 接收", ("who 谁", "what happened 结果"), rows
        )
    )
    if refusals:
        sys.exit(1)


@main.command()
@lecture_argument
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Submissions at a time; what cores and memory allow when left out.",
)
@click.option(
    "--scheduler",
    default="",
    help="A Dask cluster does the work: tcp://… (its workers see the same folders).",
)
@click.option(
    "--exercise", default="", help="Only this one's tests: all other points stay as they are."
)
@click.option("--again", is_flag=True, help="Also what has been graded and has not changed.")
@click.option(
    "--only-prepare", is_flag=True, help="Write the job directories for 'run-job' and stop."
)
@click.option(
    "--unsafe", is_flag=True, help="Without isolation: only for submissions that you trust."
)
@course_option
def grade(
    lecture: int,
    workers: int | None,
    scheduler: str,
    exercise: str,
    again: bool,
    only_prepare: bool,
    unsafe: bool,
    output: Path | None,
) -> None:
    """Autograde all submissions of a LECTURE; write feedback, grades.csv, gradebook.csv and a report of the class.

    Each submission runs in a sandbox (bubblewrap) without network, files or a view of its tests; a second
    process, which never runs student code, judges it. Where there is no sandbox, grading refuses. What is graded and
    has not changed is not graded again, so a run that was stopped goes on where it was.
    """
    _instructor()
    from tinybert_l.grading import run as grading

    course = _course(output, unsafe)
    if not course.students(lecture):
        raise click.ClickException(
            f"No submission of lecture {lecture} below {course.folder / 'submitted'}."
        )
    options = grading.Options(workers, scheduler, exercise, again)
    if only_prepare:
        for folder in grading.prepare_jobs(course, lecture, options):
            click.echo(folder)
        return
    result = grading.grade(course, lecture, options=options)
    _show_grades(course, result, lecture)
    if result.errors:
        sys.exit(1)


@main.command("run-job")
@click.argument("job", type=click.Path(exists=True, file_okay=False, path_type=Path))
def run_job(job: Path) -> None:
    """Do one JOB directory of 'grade --only-prepare', on any machine; 'grade' then records what came out."""
    _instructor()
    from tinybert_l.grading.job import run_job as run

    failure = run(str(job.resolve()), str(job.resolve().parents[1] / "results" / job.name))
    if failure:
        raise click.ClickException(failure)


@main.command()
@lecture_argument
@click.option(
    "--changes",
    "show_changes",
    is_flag=True,
    help="What changed between each student's last two gradings.",
)
@course_option
def audit(lecture: int, show_changes: bool, output: Path | None) -> None:
    """Prove the gradebook of a LECTURE against the append-only record of what came in and was decided."""
    _instructor()
    from tinybert_l.course.tables import console, rows_table
    from tinybert_l.exercises.registry import NOTEBOOKS
    from tinybert_l.grading.results.audit import Audit, changes
    from tinybert_l.grading.run import prove

    course = _course(output)
    course.assignment(lecture)
    record = Audit(course.folder)
    if show_changes:
        rows = [
            (c.student, c.cell, f"{c.before}", f"{c.after}", c.why)
            for c in changes(record, NOTEBOOKS[lecture])
        ]
        headings = ("student 学生", "cell 单元格", "before 此前", "after 现在", "because of 原因")
        console().print(rows_table(f"Lecture {lecture}: {len(rows)} changes 变动", headings, rows))
    problems = prove(course, lecture)
    for problem in problems:
        click.echo(problem)
    if problems:
        raise click.ClickException(
            f"{len(problems)} problems: these grades are not proved. 成绩未通过审计。"
        )
    graded = sum(e["event"] == "graded" for e in record.verdicts(NOTEBOOKS[lecture]).values())
    click.echo(
        f"Proved: {graded} submissions graded, each by its own entry in {record.path}. 审计通过。"
    )


@main.command()
@lecture_argument
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "canvas", "moodle"]),
    default="csv",
    show_default=True,
)
@click.option(
    "--title", default="", help="The assignment's name in the LMS; the notebook's when left out."
)
@click.option(
    "--without",
    multiple=True,
    metavar="STUDENT",
    help="Leave this one out on purpose; may be repeated.",
)
@click.option(
    "--provisional", is_flag=True, help="Although answers are still to be graded by hand."
)
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file; the terminal when left out.",
)
@course_option
def grades(
    lecture: int,
    kind: str,
    title: str,
    without: tuple[str, ...],
    provisional: bool,
    to: Path | None,
    output: Path | None,
) -> None:
    """Export the grades of a LECTURE for an LMS; refuses what the audit does not prove."""
    _instructor()
    from tinybert_l.cache import write_atomically
    from tinybert_l.grading.run import export

    course = _course(output)
    course.assignment(lecture)
    text = export(course, lecture, kind, title, without, provisional)
    if to is None:
        click.echo(text, nl=False)
    else:
        write_atomically(to, text)
        click.echo(f"written: {to}")


@main.command()
@lecture_argument
@course_option
def feedback(lecture: int, output: Path | None) -> None:
    """Write the feedback of a LECTURE anew, with the points and comments that people gave in Formgrader."""
    _instructor()
    from tinybert_l.grading.run import feedback as run

    course = _course(output)
    course.assignment(lecture)
    click.echo(f"{run(course, lecture)} pages below {course.folder / 'feedback'}")


@main.command()
def doctor() -> None:
    """Examine this machine: versions, memory, disk, cache, kernel, font, sandbox; says what to do about each problem.

    Exit status 1 when something is missing that everybody needs.
    """
    from tinybert_l.cli.doctor import examine
    from tinybert_l.course.tables import console, rows_table

    findings = list(examine())
    rows = [
        ("ok" if f.well else ("PROBLEM" if f.needed else "note"), f.name, f.found, f.advice or "-")
        for f in findings
    ]
    console().print(
        rows_table(
            "This machine 本机", ("", "what 项目", "found 结果", "what to do 处理办法"), rows
        )
    )
    if any(not f.well and f.needed for f in findings):
        sys.exit(1)


@main.command()
@click.argument("exercise")
@click.argument("answer", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--notebook",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Holds the tests.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=120,
    show_default=True,
    help="Seconds for all tests.",
)
def check(exercise: str, answer: Path, notebook: Path | None, timeout: float) -> None:
    """Judge one ANSWER, a Python file, by the tests of an EXERCISE.

    Exit status 0 only when every test in reach passes. Hidden tests are in reach in an instructor's checkout.
    """
    from tinybert_l.course.judging import judge

    verdicts = judge(exercise, answer, notebook, timeout)
    for verdict in verdicts:
        if verdict.part != "answer" or not verdict.passed:
            click.echo(f"{'pass' if verdict.passed else 'FAIL'}  {verdict.part:8}{verdict.message}")
    failed = [v for v in verdicts if not v.passed]
    parts = sorted({v.part for v in verdicts} - {"answer"}, reverse=True)
    checks = sum(v.part != "answer" for v in verdicts)
    if failed:
        click.echo(f"{exercise}: {len(failed)} failed, {checks} checks were run")
        sys.exit(1)
    click.echo(f"{exercise}: all {checks} checks pass ({' and '.join(parts)} tests)")


@main.command()
@click.option(
    "--check",
    "only_check",
    is_flag=True,
    help="Report differences and write nothing; exit 1 if any.",
)
def answers(only_check: bool) -> None:
    """Write the notebooks' answer cells from solutions/."""
    grading = _instructor()
    from tinybert_l.course.authoring import write_answers
    from tinybert_l.exercises.registry import NOTEBOOKS

    changed = []
    for lecture, name in NOTEBOOKS.items():
        if (grading.sources / name).is_dir() and (
            grading.solutions / f"lecture_{lecture:02d}.py"
        ).is_file():
            changed += write_answers(grading.sources, grading.solutions, lecture, only_check)
    click.echo(f"{'differ' if only_check else 'written'}: {', '.join(changed) or 'none'}")
    if only_check and changed:
        sys.exit(1)


@main.command()
@quick_option
@precision_option
@seed_option
@output_option
def demo(quick: bool, precision: str, seed: int, output: Path) -> None:
    """Everything once: teacher, joint training, trade-off, one lecture released, handed in and graded."""
    from tinybert_l.course.tables import console as terminal
    from tinybert_l.course.tables import rows_table

    console = terminal()
    output = output / "quick" if quick else output
    _instructor()
    _open_all_answers()
    console.rule("1 teacher and joint training 教师与联合训练")
    supernet = _supernet(quick, precision, seed)
    console.rule("2 trade-off 权衡")
    written = _evaluate(supernet, output, quick, console)
    console.rule("3 one lecture: release, hand in, grade 发布、提交、评分")
    written |= _grade_sample_class(output, quick, console)
    written |= {"teacher 教师": supernet.teacher.folder, "supernet 超网络": supernet.folder}
    console.print(
        rows_table(
            "Where everything was written 输出位置",
            ("what", "where"),
            [(k, str(v)) for k, v in written.items()],
        )
    )


def quick_teacher(quick: bool) -> dict[str, Any]:
    """Settings of the teacher on a small slice."""
    return {"quick": True, "epochs": 1} if quick else {}


def quick_joint(quick: bool) -> dict[str, Any]:
    """Settings of a joint run on a small slice."""
    return {"num_steps": 16, "checkpoint_every": 8} if quick else {}


def _open_all_answers() -> None:
    from tinybert_l.exercises.registry import begin

    begin(3, demo=True)


def _supernet(
    quick: bool, precision: str, seed: int, table: Any = None, from_scratch: bool = False
) -> "Supernet":
    from tinybert_l.method.joint import load_supernet
    from tinybert_l.method.recipe import JointRecipe

    recipe = JointRecipe(**quick_joint(quick), seed=seed, precision=precision)
    return load_supernet(recipe, _teacher_recipe(quick, precision, seed, table), from_scratch)


def _teacher_recipe(quick: bool, precision: str, seed: int, table: Any = None) -> "TeacherRecipe":
    from tinybert_l.method.teacher import TeacherRecipe

    return TeacherRecipe(**quick_teacher(quick), seed=seed, precision=precision, table=table)


def _evaluate(
    supernet: "Supernet", output: Path, quick: bool, console: Any = None
) -> dict[str, Path]:
    import torch

    from tinybert_l import figures, tables
    from tinybert_l.cache import provenance, read_entry, write_atomically
    from tinybert_l.method import evaluation

    data = supernet.teacher.data["test"]
    results = evaluation.evaluate(
        supernet.model,
        supernet.teacher.model,
        supernet.recipe.sub_models(),
        data,
        seconds=0.1 if quick else 0.6,
    )
    record = {"recipe": (read_entry(supernet.folder) or {}).get("recipe"), "texts": len(data)}
    record |= {
        "threads": torch.get_num_threads(),
        **provenance(),
        "results": evaluation.as_records(results),
    }
    write_atomically(output / "results.json", json.dumps(record, indent=2, ensure_ascii=False))
    picture = output / "pareto.png"
    figures.pareto(results).savefig(picture)
    title = f"Sub-models 子模型: {len(data)} held-out sentences; {torch.get_num_threads()} threads, length 32, median±IQR"
    (console or tables.console()).print(tables.results_table(results, title))
    return {"results 结果": output / "results.json", "Pareto picture 帕累托图": picture}


def _grade_sample_class(output: Path, quick: bool, console: Any) -> dict[str, Path]:
    from tinybert_l.exercises.registry import NOTEBOOKS
    from tinybert_l.grading import run as grading
    from tinybert_l.grading.outside.sandbox import problem
    from tinybert_l.grading.release import release as make
    from tinybert_l.grading.sample_class import LECTURE, SAMPLE_STUDENTS, expected_points, hand_in

    reason = problem()
    if reason:
        console.print(
            f"[bold red]No sandbox here ({reason}); the sample class, whose code is ours, is graded without."
        )
    course = _course(output, unsafe=reason is not None)
    stamp = course.folder / "graded.json"
    fingerprint = _fingerprint([course.sources, course.solutions, Path(tinybert_l.__file__).parent])
    students = ["perfect", "blank"] if quick else list(SAMPLE_STUDENTS)
    unchanged = _read(stamp) == fingerprint and course.students(LECTURE) == sorted(students)
    if unchanged:
        console.print("Nothing has changed since the class was graded; its grades are shown again.")
    else:
        hand_in(course, make(course, LECTURE), students)
    result = grading.grade(course, LECTURE, students, grading.Options(again=not unchanged))
    if not unchanged and not result.errors:
        from tinybert_l.cache import write_atomically

        write_atomically(stamp, fingerprint)
    _show_grades(course, result, LECTURE, console)
    wrong = []
    for g in result.grades:
        expected = expected_points(course, g.student)[g.cell]
        if g.points != expected:
            wrong.append(
                f"{g.student}: {g.cell} got {g.points:g}, written down beforehand {expected:g}"
            )
    if wrong or result.errors:
        raise RuntimeError(
            "Grades differ from those expected:\n"
            + "\n".join([*wrong, *map(str, result.errors.items())])
        )
    name = NOTEBOOKS[LECTURE]
    return {
        "release 发布": course.folder / "release" / name,
        "grades 成绩": course.folder / "grades.csv",
        "gradebook export": course.folder / "gradebook.csv",
        "feedback 反馈": course.folder / "feedback",
        "report 班级报告": course.folder / f"report-{name}.html",
    }


def _show_grades(course: Any, result: Any, lecture: int, console: Any = None) -> None:
    from tinybert_l.course.tables import console as terminal
    from tinybert_l.course.tables import rows_table

    exercises = list(dict.fromkeys(g.exercise for g in result.grades))
    rows = []
    for student in dict.fromkeys(g.student for g in result.grades):
        own = [g for g in result.grades if g.student == student]
        points = [sum(g.points for g in own if g.exercise == e) for e in exercises]
        reason = next((f"{g.exercise}: {g.reason}" for g in own if g.reason), "")
        total = f"{sum(points):g}/{sum(g.max_points for g in own):g}"
        rows.append((student, *(f"{p:g}" for p in points), total, reason[:70]))
    rows += [
        (student, *("-" for _ in exercises), "ERROR", reason)
        for student, reason in result.errors.items()
    ]
    title = f"Lecture {lecture}: auto-graded points 自动评分 (manual questions still open 手动评分题待评)"
    (console or terminal()).print(
        rows_table(title, ("student", *exercises, "total", "first reason"), rows)
    )


def _fingerprint(folders: list[Path]) -> str:
    import hashlib

    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".ipynb")):
            if ".ipynb_checkpoints" not in path.parts:
                digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _instructor() -> Any:
    """The grading package's course module; says what is missing in a student's install."""
    try:
        from tinybert_l.grading import course
    except ModuleNotFoundError as error:
        if "tinybert_l.grading" not in str(error):
            raise
        raise click.ClickException(
            "This command needs the instructor's part (answers, notebook sources, grading): "
            f"pip install tinybert-l-instructor=={tinybert_l.__version__}. 该命令需要教师版。"
        ) from None

    class Places:
        sources, solutions = course.MATERIAL / "notebooks", course.MATERIAL / "solutions"

    return Places


def _course(output: Path | None, unsafe: bool = False) -> Any:
    from dataclasses import replace

    from tinybert_l.grading.course import Course

    around = Course.around(Path.cwd()) if output is None else None
    return replace(
        around or Course(((output or Path("outputs")) / "course").resolve()), unsafe=unsafe
    )
