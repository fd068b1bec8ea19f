"""Release a lecture to students, and prove that the release gives nothing away."""

import ast
import io
import re
import shutil
import tokenize
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import nbformat

from tinybert_l import __version__
from tinybert_l.cache import write_atomically
from tinybert_l.course.authoring import in_language
from tinybert_l.course.home import HOME, home_notebook
from tinybert_l.course.markers import BEGIN_OF_REGION, hidden_tests, without_regions
from tinybert_l.errors import CourseError
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.exercises.released import copy_released
from tinybert_l.grading.course import Course
from tinybert_l.grading.policy import read_calendar

TELLING_LENGTH = 24  # characters, white space aside; a shorter line may be equal by chance
CONFIGURATION = '''"""Make nbgrader's Validate skip demonstrations and give a cell two minutes."""

c = get_config()  # noqa: F821
c.Execute.skip_cells_with_tag = "demo"
c.Execute.timeout = 120
'''
WELCOME = """# TinyBERT-L, lecture {lecture} · 第{lecture}讲

In this folder 在本文件夹中:

1. `pip install {package}` (Python 3.11 or newer; once a term)
   需要Python 3.11或更高版本，一学期一次。
2. `tinybert-l lab` opens the course home; follow its link to {notebook}.
   打开课程主页，点击链接进入{notebook}。
3. Write your answers, run the tests below each, press **Validate**.
   写出解答，运行其下的测试，点击**Validate**。
4. `tinybert-l submit` makes the zip file to hand in. 生成用于提交的压缩包。

`solutions/` holds the reference answers of earlier lectures: {answers}.
`solutions/`中是之前各讲的参考答案。

`tinybert-l doctor` examines your machine. 检查本机。
"""


class LeakError(CourseError, RuntimeError):
    """A release holds something that students must not see."""


class ReleaseFailed(CourseError, RuntimeError):
    """nbgrader could not make the student version; the message holds its log."""


def release(
    course: Course, lecture: int, lang: str | None = None, wheel: Path | None = None
) -> Path:
    """Make the student version of a lecture, as a folder and as a zip file; returns the folder.

    Answers of earlier lectures are added, except those whose late period has not ended yet
    (`course.toml`).

    Args:
        lang: "zh" or "en" leaves the other language's cells out; None keeps both.
        wheel: the library's wheel, to be added for students who have no package index at hand.
    Raises:
        FileNotFoundError: there is no source notebook.
        ReleaseFailed: nbgrader could not make the student version.
        LeakError: an answer or a hidden test is in the release, which is removed again.
    """
    name = NOTEBOOKS[lecture]
    if not (course.sources / name / f"{name}.ipynb").is_file():
        raise FileNotFoundError(f"release: {course.sources / name / name}.ipynb is missing.")
    result = course.api().generate_assignment(name, force=True, create=True)
    if not result["success"]:
        log = result.get("error") or result.get("log")
        raise ReleaseFailed(f"nbgrader generate_assignment failed:\n{log}")
    folder = course.folder / "release" / name
    notebook = folder / f"{name}.ipynb"
    if lang is not None:
        nbformat.write(in_language(nbformat.read(notebook, as_version=4), lang), notebook)
    _remove_all_but(notebook)
    (folder / "nbgrader_config.py").write_text(CONFIGURATION, encoding="utf-8")
    (folder / HOME).write_text(nbformat.writes(home_notebook()) + "\n", encoding="utf-8")
    lectures = _add_answers(course, lecture, folder / "solutions")
    if wheel is not None:
        shutil.copy(wheel, folder)
    welcome = WELCOME.format(
        lecture=lecture,
        notebook=name,
        package=_package(notebook, wheel),
        answers=", ".join(lectures) or "none 无",
    )
    (folder / "README.md").write_text(welcome, encoding="utf-8")
    leaks = leak_scan(folder, course.sources, course.solutions, lecture)
    if leaks:
        shutil.rmtree(folder)
        raise LeakError(f"The release of lecture {lecture} was withdrawn:\n" + "\n".join(leaks))
    course.note_release(lecture, __version__)
    write_atomically(handout(course, lecture), _zipped(folder))
    return folder


def handout(course: Course, lecture: int) -> Path:
    """Return the path of the zip file that students get."""
    return course.folder / "handouts" / f"{NOTEBOOKS[lecture]}.zip"


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
    return f'"tinybert-l{extra}=={__version__}"'


def _add_answers(course: Course, lecture: int, folder: Path) -> list[str]:
    """Copy the answers that are open by now; returns the numbers of their lectures."""
    folder.mkdir()
    copy_released(lecture, folder, course.solutions)
    calendar = read_calendar(course.folder)
    now = datetime.now(UTC)
    for earlier in range(1, lecture):
        if not calendar.answers_open(earlier, now):
            (folder / f"lecture_{earlier:02d}.py").unlink(missing_ok=True)
    return [str(_lecture_of(path)) for path in sorted(folder.glob("lecture_*.py"))]


def _lecture_of(answers: Path) -> int:
    """Read the number from a path such as lecture_03.py."""
    return int(answers.stem.removeprefix("lecture_"))


def _zipped(folder: Path) -> bytes:
    """Pack a folder into a zip file, with names that every system can read."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent).as_posix())
    return buffer.getvalue()


def leak_scan(folder: Path, sources: Path, solutions: Path, lecture: int) -> list[str]:
    """List what a folder for students of a lecture gives away; empty when nothing.

    Code is compared line by line, white space and comments aside. Secret are all lines of the
    answers of this lecture and later ones and of all hidden tests, except those that also stand in
    the open part of a locked cell.
    """
    secrets = _secret_lines(sources, solutions, lecture)
    leaks = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix == ".whl":
            continue
        name = path.relative_to(folder)
        text = _text_of(path)
        for marker in BEGIN_OF_REGION.findall(text):
            leaks.append(f"{name}: {marker.strip()}")
        lines = set(map(_squeeze, text.splitlines()))
        for line in sorted(lines & secrets.keys()):
            leaks.append(f"{name}: {secrets[line]}: {line}")
    return leaks


def _secret_lines(sources: Path, solutions: Path, lecture: int) -> dict[str, str]:
    """Return {squeezed line: where it comes from} of all that students must not see yet."""
    secrets: dict[str, str] = {}
    for path in sorted(solutions.glob("lecture_*.py")):
        if _lecture_of(path) >= lecture:
            bodies = "\n".join(_bodies(path.read_text(encoding="utf-8")))
            secrets |= dict.fromkeys(_telling_lines(bodies), path.name)
    public: set[str] = set()
    cells_with_line: Counter[str] = Counter()
    for notebook in sources.glob("*/*.ipynb"):
        for cell in nbformat.read(notebook, as_version=4).cells:
            hidden = _telling_lines("\n".join(hidden_tests(cell.source)))
            secrets |= dict.fromkeys(hidden, f"hidden test of {notebook.name}")
            cells_with_line.update(hidden)
            if cell.metadata.get("nbgrader", {}).get("locked"):
                open_part = without_regions(cell.source)
                public.update(map(_squeeze, open_part.splitlines()))
    for line, cells in cells_with_line.items():
        if cells > 1:  # a line that several hidden tests share tells nothing of any exercise
            public.add(line)
    return {line: origin for line, origin in secrets.items() if line not in public}


def _bodies(source: str) -> Iterator[str]:
    """Yield the statements of a module's functions, without signatures and imports."""
    for function in ast.parse(source).body:
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                yield ast.get_source_segment(source, statement) or ""


def _telling_lines(code: str) -> set[str]:
    """Squeeze lines of code; keep those that are long enough and no text or error message."""
    lines = set(map(_squeeze, code.splitlines()))
    messages = ('f"', '"', "raiseValueError")
    return {x for x in lines if len(x) >= TELLING_LENGTH and not x.startswith(messages)}


def _squeeze(line: str) -> str:
    """Drop white space and comments from a line of code."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(line.strip()).readline))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return re.sub(r"\s+", "", line)
    code = "".join(token.string for token in tokens if token.type != tokenize.COMMENT)
    return re.sub(r"\s+", "", code)


def _text_of(path: Path) -> str:
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        return "\n".join(cell.source for cell in cells)
    return path.read_bytes().decode("utf-8", errors="replace")
