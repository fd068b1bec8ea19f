"""Release a lecture to students, and prove that the release gives nothing away."""

import re
import shutil
import zipfile
from collections.abc import Collection, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import nbformat

from tinybert_l import __version__
from tinybert_l.course.authoring import in_language
from tinybert_l.course.home import DUE_METADATA, HOME, LANGUAGE_METADATA, home_notebook
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.exercises.released import copy_released, solutions_file
from tinybert_l.grading.course import Course
from tinybert_l.grading.generating import (
    ReleaseFailed,
    generate,
    require_ready,
    restored_on_failure,
)
from tinybert_l.grading.handouts import write_handouts, zipped
from tinybert_l.grading.leaks import (
    LeakError,
    Secrets,
    lecture_of,
    read_secrets,
    require_none,
    scan,
)
from tinybert_l.grading.policy import FILE_NAME as CALENDAR
from tinybert_l.grading.policy import read_calendar
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.settings import prepare_gradebook
from tinybert_l.grading.variants import Variants, record_path
from tinybert_l.grading.written import Written

__all__ = ["LeakError", "Plan", "ReleaseFailed", "handout", "leak_scan", "plan", "release"]

CONFIGURATION = '''"""Make nbgrader's Validate show a list by exercise, and skip demonstrations."""

from tinybert_l.course.validating import install

install()
c = get_config()  # noqa: F821
c.Execute.skip_cells_with_tag = "demo"
c.Execute.timeout = 120
'''
WELCOME = {
    "both": """# TinyBERT-L, lecture {lecture} · 第{lecture}讲

In this folder 在本文件夹中:

1. `pip install {package}` (Python 3.11 or newer; once a term)
   需要Python 3.11或更高版本，一学期一次。{put_it_here}
2. `tinybert-l lab` opens the course home; follow its link to {notebook}.
   打开课程主页，点击链接进入{notebook}。
3. Write your answers, run the tests below each, press **Validate**.
   写出解答，运行其下的测试，点击**Validate**。
4. `tinybert-l submit` makes the zip file to hand in. 生成用于提交的压缩包。

`solutions/` holds the reference answers of earlier lectures: {answers}.
`solutions/`中是之前各讲的参考答案。

`tinybert-l doctor` examines your machine. 检查本机。
""",
    "en": """# TinyBERT-L, lecture {lecture}

In this folder:

1. `pip install {package}` (Python 3.11 or newer; once a term){put_it_here}
2. `tinybert-l lab` opens the course home; follow its link to {notebook}.
3. Write your answers, run the tests below each, press **Validate**.
4. `tinybert-l submit` makes the zip file to hand in.

`solutions/` holds the reference answers of earlier lectures: {answers}.

`tinybert-l doctor` examines your machine.
""",
    "zh": """# TinyBERT-L，第{lecture}讲

在本文件夹中：

1. `pip install {package}`（需要Python 3.11或更高版本，一学期一次）{put_it_here}
2. `tinybert-l lab`打开课程主页，点击链接进入{notebook}。
3. 写出解答，运行其下的测试，点击**Validate**。
4. `tinybert-l submit`生成用于提交的压缩包。

`solutions/`中是之前各讲的参考答案：{answers}。

`tinybert-l doctor`检查本机。
""",
}
STUDENTS_WHEEL = f"tinybert_l-{__version__}-py3-none-any.whl"
# where a release is without its wheel
PUT_IT_HERE = {
    "both": "\n   Put that file, which your instructor gives out, into this folder first.\n"
    "   请先把老师发的这个文件放进本文件夹。",
    "en": "\n   Put that file, which your instructor gives out, into this folder first.",
    "zh": "\n   请先把老师发的这个文件放进本文件夹。",
}
NO_ANSWERS = {"both": "none 无", "en": "none", "zh": "无"}


@dataclass(frozen=True)
class Plan:
    """What will go with a release.

    Args:
        answers: lectures whose reference answers go with it.
        withheld: {earlier lecture whose answers stay: why}.
    """

    answers: tuple[int, ...]
    withheld: dict[int, str]


def plan(course: Course, lecture: int, answers: Collection[int] | None = None) -> Plan:
    """Say what will go with the release of a lecture, before anything is made.

    Args:
        answers: earlier lectures whose answers are to go with it; None: those whose late period
            has ended. A lecture without a due date in `course.toml` keeps its answers.

    Raises:
        InvalidInput: answers of this lecture or a later one were asked for.
    """
    calendar = read_calendar(course.folder)
    now = datetime.now(UTC)
    wrong = sorted(set(answers or ()) - set(range(1, lecture)))
    if wrong:
        raise InvalidInput(
            f"release {lecture}: answers of lecture {', '.join(map(str, wrong))}; allowed: those "
            "of earlier lectures. 只能附之前各讲的答案。"
        )
    chosen = []
    withheld = {}
    for earlier in range(1, lecture):
        if not solutions_file(course.solutions, earlier).is_file():
            continue
        if answers is not None:
            is_open, reason = earlier in answers, "left out 未选"
        elif earlier not in calendar.due:
            is_open, reason = False, f"no due date in {CALENDAR} 未设截止时间"
        else:
            is_open = calendar.answers_open(earlier, now)
            reason = "its late period has not ended 迟交期未结束"
        if is_open:
            chosen.append(earlier)
        else:
            withheld[earlier] = reason
    return Plan(tuple(chosen), withheld)


def release(
    course: Course,
    lecture: int,
    lang: str | None = None,
    wheel: Path | None = None,
    answers: Collection[int] | None = None,
    per_student: bool = False,
) -> Path:
    """Make the student version of a lecture, as a folder and as a zip file; returns the folder.

    Args:
        per_student: make a zip file for everybody in the gradebook, each with numbers of its own.
        lang: "zh" or "en" leaves the other language's cells out; None keeps both.
        wheel: the library's wheel, to be added; without it students get that file by itself.
        answers: as in `plan`.
    Raises:
        FileNotFoundError: there is no source notebook.
        InvalidInput: the wheel is another file, such as the instructor's wheel.
        ReleaseFailed: nbgrader could not make the student version. After this and every other
            error the earlier release stays as it was, folder and zip file.
        LeakError: an answer or a hidden test is in the release, which is removed again.
    """
    _require_students_wheel(wheel)
    answers_given = plan(course, lecture, answers).answers
    name = NOTEBOOKS[lecture]
    require_ready(course, name)
    _require_no_other_files(course, lecture, per_student)
    variants = _variants(course, lecture) if per_student else None
    if variants is None:
        _require_alike(course, lecture)
    folder = course.folder / "release" / name
    with restored_on_failure(folder):  # as long as the zip file is that of the earlier release
        generate(course, name)
        _fill(course, lecture, folder, lang, wheel, answers_given)
        secrets = read_secrets(course.sources, course.solutions, set(answers_given))
        leaks = scan(folder, secrets)
        if not leaks:
            _write_zips(course, lecture, folder, variants, lang, secrets)
    if leaks:
        shutil.rmtree(folder)
        require_none(leaks, f"the release of lecture {lecture}, which was withdrawn")
    course.note_release(lecture, __version__)
    _tell_formgrader(course, lecture, is_common=variants is None)
    return folder


def _fill(
    course: Course,
    lecture: int,
    folder: Path,
    lang: str | None,
    wheel: Path | None,
    answers_given: Collection[int],
) -> None:
    """Add to the notebook that nbgrader made what else students get."""
    notebook = folder / f"{folder.name}.ipynb"
    _write_language_and_due_date(notebook, lang, course, lecture)
    _remove_all_but(notebook)
    (folder / "nbgrader_config.py").write_text(CONFIGURATION, encoding="utf-8")
    home = home_notebook(lang=lang)
    (folder / HOME).write_text(nbformat.writes(home) + "\n", encoding="utf-8")
    _add_answers(course, lecture, folder / "solutions", answers_given)
    if wheel is not None:
        shutil.copy(wheel, folder)
    welcome = WELCOME[lang or "both"].format(
        lecture=lecture,
        notebook=folder.name,
        package=_package(notebook, wheel),
        put_it_here=PUT_IT_HERE[lang or "both"] if wheel is None else "",
        answers=", ".join(map(str, answers_given)) or NO_ANSWERS[lang or "both"],
    )
    (folder / "README.md").write_text(welcome, encoding="utf-8")


def _write_zips(
    course: Course,
    lecture: int,
    folder: Path,
    variants: Variants | None,
    lang: str | None,
    secrets: Secrets,
) -> None:
    """Pack the release into the zip file for all, or into one for everybody."""
    if variants is None:
        Written(course.folder, "release").write(handout(course, lecture), _zipped(folder))
        return
    write_handouts(folder, handout(course, lecture, True), variants, lang, secrets)
    variants.write(course)
    handout(course, lecture).unlink(missing_ok=True)  # nobody gets the common numbers


def _require_no_other_files(course: Course, lecture: int, per_student: bool) -> None:
    """Raise where a folder that is made anew holds a file that no release put there."""
    name = NOTEBOOKS[lecture]
    folder = course.folder / "release" / name
    released = {f"{name}.ipynb", "nbgrader_config.py", HOME, "README.md", "solutions"}
    released.add(f"{name}.predictions.json")  # the notebook's, where it was tried in its place
    others = [path for path in folder.glob("*") if path.name not in released]
    others = [path for path in others if path.suffix != ".whl" and not path.name.startswith(".")]
    if per_student:
        own_zips = handout(course, lecture, per_student)
        others += [path for path in own_zips.glob("*") if path.suffix != ".zip"]
    common = handout(course, lecture)
    if not Written(course.folder, "release").may_write(common):
        others.append(common)
    if others:
        raise InvalidInput(
            f"release {lecture}: {others[0]} is not of a release, and would be lost: move it "
            "elsewhere, then release again. 该文件不是发布生成的，请先移走。"
        )


def _require_students_wheel(wheel: Path | None) -> None:
    """Raise InvalidInput for a file that students could not install, or should not have."""
    if wheel is None:
        return
    if not (re.fullmatch(r"tinybert_l-[^-]+-.+\.whl", wheel.name) and zipfile.is_zipfile(wheel)):
        raise InvalidInput(
            f"--wheel {wheel.name!r}; allowed: the students' wheel, such as "
            f"{STUDENTS_WHEEL}. 应为学生版的wheel文件。"
        )


def _variants(course: Course, lecture: int) -> Variants:
    """Return the own numbers of everybody in the gradebook, for a release that is to be made."""
    from nbgrader.api import Gradebook

    prepare_gradebook(course.database)
    with Gradebook(course.database_url, course.config().CourseDirectory.course_id) as book:
        students = [student.id for student in book.students]
    return Variants.new(course, lecture, students)


def _require_alike(course: Course, lecture: int) -> None:
    """Raise where a lecture has been released with own numbers, by which it is graded."""
    path = record_path(course, lecture)
    if path.is_file():
        raise InvalidInput(
            f"release {lecture}: students have numbers of their own, and are graded by them; "
            f"release with --per-student again. To go back to one release for all, remove {path}. "
            "该讲已按学生分别发布。"
        )


def _tell_formgrader(course: Course, lecture: int, is_common: bool) -> None:
    """Let Formgrader show when a lecture is due, and that it is released.

    A lecture with own numbers stays a draft there: its exchange has one release for all.

    It calls released what lies in its exchange, which is a folder of the course. Where nbgrader's
    exchange does not work (Windows), Formgrader goes on saying "draft".
    """
    name = NOTEBOOKS[lecture]
    with Book(course.database, name) as book:
        book.set_due(read_calendar(course.folder).due.get(lecture))
    if not is_common:
        shutil.rmtree(exchange_folder(course, name), ignore_errors=True)
        return
    api = course.api()
    api.config.ExchangeReleaseAssignment.force = True  # again, where it was released before
    api.release_assignment(name)


def exchange_folder(course: Course, name: str) -> Path:
    """Return the folder from which nbgrader's exchange hands out an assignment."""
    course_id = read_calendar(course.folder).course_id
    return course.folder / "exchange" / course_id / "outbound" / name


def handout(course: Course, lecture: int, per_student: bool = False) -> Path:
    """Return the path of the zip file that students get; of the folder with one for each."""
    folder = course.folder / "handouts"
    return folder / (NOTEBOOKS[lecture] if per_student else f"{NOTEBOOKS[lecture]}.zip")


def _write_language_and_due_date(
    notebook: Path, lang: str | None, course: Course, lecture: int
) -> None:
    """Reduce a notebook to one language; note that, and when it is due, for the course home."""
    content = in_language(nbformat.read(notebook, as_version=4), lang)
    if lang is not None:
        content.metadata[LANGUAGE_METADATA] = lang
        _sign_again(content)
    due = read_calendar(course.folder).due.get(lecture)
    if due is not None:
        content.metadata[DUE_METADATA] = f"{due:%Y-%m-%d %H:%M} UTC"
    nbformat.write(content, notebook)


def _sign_again(content: nbformat.NotebookNode) -> None:
    """Give cells of a reduced notebook the checksums by which Validate knows them unchanged."""
    from nbgrader.utils import compute_checksum

    for cell in content.cells:
        settings = cell.metadata.get("nbgrader", {})
        if settings.get("checksum"):
            settings["checksum"] = compute_checksum(cell)


def _remove_all_but(notebook: Path) -> None:
    """Remove what nbgrader copied because it lay beside the source notebook."""
    for path in notebook.parent.iterdir():
        if path == notebook:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _package(notebook: Path, wheel: Path | None) -> str:
    """Return what students give to `pip install`."""
    needs_export = "export_onnx" in notebook.read_text(encoding="utf-8")
    extra = "[export]" if needs_export else ""
    if wheel is not None:
        return f'"./{wheel.name}{extra}"'
    return f'"./{STUDENTS_WHEEL}{extra}"'


def _add_answers(course: Course, lecture: int, folder: Path, lectures: Collection[int]) -> None:
    """Copy the answers of these earlier lectures."""
    folder.mkdir()
    copy_released(lecture, folder, course.solutions)
    for path in folder.glob("lecture_*.py"):
        if lecture_of(path) not in lectures:
            path.unlink()


def _zipped(folder: Path) -> bytes:
    """Pack a folder into a zip file, with names that every system can read."""
    files = {}
    for path in folder.rglob("*"):
        if path.is_file():
            files[path.relative_to(folder.parent).as_posix()] = path.read_bytes()
    return zipped(files)


def leak_scan(
    folder: Path, sources: Path, solutions: Path, lecture: int, given_out: Set[int] | None = None
) -> list[str]:
    """List what a folder for students of a lecture gives away; empty when nothing.

    Secret are the hidden tests of all lectures, the model answers to essays, and all reference
    answers but those of `given_out`.

    Args:
        given_out: lectures whose answers go with it; None: all earlier ones.
    """
    if given_out is None:
        given_out = set(range(1, lecture))
    return scan(folder, read_secrets(sources, solutions, given_out))
