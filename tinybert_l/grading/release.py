"""A lecture as students get it, and the proof that it gives nothing away."""

import ast
import re
import shutil
import tokenize
import zipfile
from collections import Counter
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import nbformat

from tinybert_l import __version__
from tinybert_l.course.authoring import in_language
from tinybert_l.course.home import HOME, home_notebook
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.exercises.released import copy_released
from tinybert_l.grading.course import Course
from tinybert_l.grading.policy import read_calendar

CONFIGURATION = '''"""nbgrader for students: Validate skips the long demonstrations and gives a cell two minutes."""

c = get_config()  # noqa: F821
c.Execute.skip_cells_with_tag = "demo"
c.Execute.timeout = 120
'''
WELCOME = """# TinyBERT-L, lecture {lecture} · 第{lecture}讲

In this folder 在本文件夹中:

1. `pip install {package}` (Python 3.11 or newer; once a term / 需要Python 3.11或更高版本，一学期一次)
2. `tinybert-l lab` opens the course home; follow its link to {notebook}. 打开课程主页，点击链接进入{notebook}。
3. Write your answers, run the tests below each, press **Validate**. 写出解答，运行其下的测试，点击**Validate**。
4. `tinybert-l submit` makes the zip file to hand in. 生成用于提交的压缩包。

`solutions/` holds the reference answers of earlier lectures: {answers}.
`solutions/`中是之前各讲的参考答案。`tinybert-l doctor`检查本机 examines your machine.
"""


class LeakError(RuntimeError):
    """A release holds something that students must not see."""


def release(
    course: Course, lecture: int, lang: str | None = None, wheel: Path | None = None
) -> Path:
    """Make the student version of a lecture, as a folder and as a zip file beside it; returns the folder.

    Answers of earlier lectures go with it, but for those whose late period has not ended yet (`course.toml`).

    Args:
        lang: "zh" or "en" leaves the other language's cells out; None: both.
        wheel: the library's wheel, to go with it, for students who have no package index at hand.
    Raises:
        FileNotFoundError: there is no source notebook.
        LeakError: an answer or a hidden test is in it; the release is removed again.
    """
    name = NOTEBOOKS[lecture]
    if not (course.sources / name / f"{name}.ipynb").is_file():
        raise FileNotFoundError(f"release: {course.sources / name / name}.ipynb is missing.")
    result = course.api().generate_assignment(name, force=True, create=True)
    folder = course.folder / "release" / name
    if not result["success"]:
        raise RuntimeError(
            f"nbgrader generate_assignment failed:\n{result.get('error') or result.get('log')}"
        )
    if lang is not None:
        path = folder / f"{name}.ipynb"
        nbformat.write(in_language(nbformat.read(path, as_version=4), lang), path)
    for path in folder.iterdir():
        if path.name != f"{name}.ipynb":  # nbgrader copies whatever lies beside the source
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / "nbgrader_config.py").write_text(CONFIGURATION, encoding="utf-8")
    (folder / HOME).write_text(nbformat.writes(home_notebook()) + "\n", encoding="utf-8")
    answers = _add_answers(course, lecture, folder / "solutions")
    extra = (
        "[export]"
        if "export_onnx" in (folder / f"{name}.ipynb").read_text(encoding="utf-8")
        else ""
    )
    package = f'"tinybert-l{extra}=={__version__}"'
    if wheel is not None:
        shutil.copy(wheel, folder)
        package = f'"./{wheel.name}{extra}"'
    welcome = WELCOME.format(
        lecture=lecture, notebook=name, package=package, answers=", ".join(answers) or "none 无"
    )
    (folder / "README.md").write_text(welcome, encoding="utf-8")
    leaks = leak_scan(folder, course.sources, course.solutions, lecture)
    if leaks:
        shutil.rmtree(folder)
        raise LeakError(f"The release of lecture {lecture} was withdrawn:\n" + "\n".join(leaks))
    course.note_release(lecture, __version__)
    _zip(folder, handout(course, lecture))
    return folder


def handout(course: Course, lecture: int) -> Path:
    """The zip file that students get."""
    return course.folder / "handouts" / f"{NOTEBOOKS[lecture]}.zip"


def _add_answers(course: Course, lecture: int, folder: Path) -> list[str]:
    """Copy the answers that are open by now; returns the lectures they belong to."""
    folder.mkdir()
    copy_released(lecture, folder, course.solutions)
    calendar, now = read_calendar(course.folder), datetime.now(UTC)
    for earlier in range(1, lecture):
        if not calendar.answers_open(earlier, now):
            (folder / f"lecture_{earlier:02d}.py").unlink(missing_ok=True)
    return [str(int(path.stem[-2:])) for path in sorted(folder.glob("lecture_*.py"))]


def _zip(folder: Path, target: Path) -> None:
    """One folder as a zip file with names that every system can read; whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, (Path(folder.name) / path.relative_to(folder)).as_posix())
    partial.replace(target)


def leak_scan(folder: Path, sources: Path, solutions: Path, lecture: int) -> list[str]:
    """What a folder for students of a lecture gives away; an empty list when nothing.

    Compares code line by line, white space and comments aside, with every line of the answers of this
    lecture and later ones and of all hidden tests, unless the line also stands in the open part of a locked cell.
    """
    secrets = _secret_lines(sources, solutions, lecture)
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".whl"):
        text = _text_of(path)
        found += [
            f"{path.relative_to(folder)}: {marker.strip()}" for marker in _MARKER.findall(text)
        ]
        lines = {_squeeze(line) for line in text.splitlines()}
        found += [
            f"{path.relative_to(folder)}: {secrets[line]}: {line}"
            for line in sorted(lines & secrets.keys())
        ]
    return found


_MARKER = re.compile(r"^\s*### BEGIN (?:SOLUTION|HIDDEN TESTS)", re.M)


def _secret_lines(sources: Path, solutions: Path, lecture: int) -> dict[str, str]:
    secrets: dict[str, str] = {}
    for path in sorted(solutions.glob("lecture_*.py")):
        if int(path.stem.removeprefix("lecture_")) >= lecture:
            secrets |= dict.fromkeys(
                _telling_lines(_bodies(path.read_text(encoding="utf-8"))), path.name
            )
    public: set[str] = set()
    times: Counter[str] = (
        Counter()
    )  # a line that tests of several exercises share tells nothing of any
    for notebook in sources.glob("*/*.ipynb"):
        for cell in nbformat.read(notebook, as_version=4).cells:
            hidden = "\n".join(
                re.findall(r"### BEGIN HIDDEN TESTS(.*?)### END HIDDEN TESTS", cell.source, re.S)
            )
            secrets |= dict.fromkeys(_telling_lines(hidden), f"hidden test of {notebook.name}")
            times.update(set(_telling_lines(hidden)))
            if not cell.metadata.get("nbgrader", {}).get("locked"):
                continue  # only set-up and test cells are meant to show code that tests use
            open_part = re.sub(
                r"### BEGIN (HIDDEN TESTS|SOLUTION).*?### END \1", "", cell.source, flags=re.S
            )
            public |= {_squeeze(line) for line in open_part.splitlines()}
    return {line: home for line, home in secrets.items() if line not in public and times[line] <= 1}


def _bodies(source: str) -> str:
    """The statements of a module's functions, without signatures and imports."""
    functions = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    return "\n".join(
        ast.get_source_segment(source, part) or "" for f in functions for part in f.body
    )


def _telling_lines(code: str) -> list[str]:
    squeezed = (_squeeze(line) for line in code.splitlines())
    return [
        line
        for line in squeezed
        if len(line) >= 24 and not line.startswith(('f"', '"', "raiseValueError"))
    ]


def _squeeze(line: str) -> str:
    try:
        tokens = tokenize.generate_tokens(StringIO(line.strip()).readline)
        kept = [token.string for token in tokens if token.type != tokenize.COMMENT]
    except (tokenize.TokenError, IndentationError, SyntaxError):
        kept = [line]
    return re.sub(r"\s+", "", "".join(kept))


def _text_of(path: Path) -> str:
    if path.suffix == ".ipynb":
        return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    return path.read_bytes().decode("utf-8", errors="replace")
