"""The student's way around the course: the course home, how far one is, and the file to hand in."""

import getpass
import hashlib
import html
import json
import re
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat

from tinybert_l import __version__
from tinybert_l.cache import cache_root, write_atomically
from tinybert_l.course.judging import judge_notebook, read_tests
from tinybert_l.exercises.answers import answer_cells
from tinybert_l.exercises.registry import NOTEBOOKS, exercises

HOME = "course-home.ipynb"
STATES = {
    "absent": "not handed out yet 尚未发布",
    "open": "not begun 未开始",
    "passes": "passes the visible tests 通过可见测试",
    "fails": "does not pass yet 尚未通过",
    "unchecked": "not checked yet: run this cell 尚未检查，请运行此单元格",
}


@dataclass(frozen=True)
class Progress:
    """How far one exercise is.

    Args:
        state: one of `STATES`.
        message: the first visible test that fails, in its own words.
    """

    exercise: str
    state: str
    message: str = ""


def notebooks_in(folder: Path) -> dict[int, Path]:
    """The lectures that lie in a folder, in folders of their own below it, or in those of its notebooks/, by number."""
    found = {}
    for lecture, name in NOTEBOOKS.items():
        places = (
            folder / f"{name}.ipynb",
            *(folder / part / name / f"{name}.ipynb" for part in (".", "notebooks")),
        )
        for place in places:
            if place.is_file():
                found[lecture] = place
                break
    return found


def progress(folder: Path, judge_new: bool = True) -> list[Progress]:
    """Judge every answer in the folder's notebooks by its visible tests; unchanged answers are not judged again.

    Args:
        judge_new: whether to run the tests of answers that were not judged before; else they are "unchecked".
    """
    with ThreadPoolExecutor(2) as pool:
        of_lectures = pool.map(
            lambda item: _states(item[0], item[1], judge_new), notebooks_in(folder).items()
        )
        found = {p.exercise: p for states in of_lectures for p in states}
    return [found.get(name, Progress(name, "absent")) for name in exercises()]


def _states(lecture: int, notebook: Path, judge_new: bool = True) -> list[Progress]:
    """How far each exercise of one notebook is; new answers are judged together."""
    names = [name for name, item in exercises().items() if item.lecture == lecture]
    sources = {
        name: source
        for name, source in answer_cells(notebook).items()
        if name in names and is_begun(source)
    }
    kept = {name: _kept_at(name, source, notebook) for name, source in sources.items()}
    new = {name: source for name, source in sources.items() if not kept[name].is_file()}
    if judge_new and new:
        for state in _judged(new, notebook):
            write_atomically(kept[state.exercise], json.dumps(asdict(state), ensure_ascii=False))

    def state_of(name: str) -> Progress:
        if name not in kept:
            return Progress(name, "open")
        if not kept[name].is_file():
            return Progress(name, "unchecked")
        return Progress(**json.loads(kept[name].read_text(encoding="utf-8")))

    return [state_of(name) for name in names]


def _kept_at(name: str, source: str, notebook: Path) -> Path:
    """Where the state of this very answer under these very tests is kept."""
    seal = hashlib.sha256(
        json.dumps([__version__, source, read_tests(notebook, name)]).encode()
    ).hexdigest()
    return cache_root() / "progress" / f"{seal[:24]}.json"


def _judged(sources: dict[str, str], notebook: Path) -> list[Progress]:
    """What the visible tests say of answers, {exercise: source}."""
    states = []
    with tempfile.TemporaryDirectory() as folder:
        answers = {name: Path(folder) / f"{name}.py" for name in sources}
        for name, path in answers.items():
            path.write_text(sources[name], encoding="utf-8")
        for name, verdicts in judge_notebook(notebook, answers).items():
            failed = [v for v in verdicts if not v.passed and v.part != "hidden"]
            states.append(
                Progress(name, "fails", failed[0].message) if failed else Progress(name, "passes")
            )
    return states


def is_begun(source: str) -> bool:
    """Whether an answer cell holds more than the stub that students get."""
    return "your answer goes here" not in source


def show(folder: Path | str = ".") -> Any:
    """The course home's table, for a notebook."""
    from IPython.display import HTML

    return HTML(table(Path(folder)))


def table(folder: Path, judge_new: bool = True) -> str:
    """Lectures, exercises, effort, and how far one is, as HTML."""
    notebooks = notebooks_in(folder)
    states = {p.exercise: p for p in progress(folder, judge_new)}
    done = sum(p.state == "passes" for p in states.values())
    td = '<td style="text-align:left">'
    rows = []
    for lecture, name in NOTEBOOKS.items():
        items = {n: i for n, i in exercises().items() if i.lecture == lecture}
        path = notebooks.get(lecture)
        title = html.escape(name)
        if path is not None:
            title = f'<a href="{html.escape(path.relative_to(folder).as_posix())}">{title}</a>'
        for number, (exercise, item) in enumerate(items.items()):
            state = states[exercise]
            first = (
                f'<th scope="rowgroup" style="text-align:left" rowspan="{len(items)}">{title}</th>'
                if number == 0
                else ""
            )
            mark = {"passes": "✔ ", "fails": "✘ "}.get(state.state, "")
            told = f"<br><small>{html.escape(state.message[:200])}</small>" if state.message else ""
            rows.append(
                f"<tr>{first}{td}<code>{exercise}</code></td>{td}{html.escape(item.title_zh)}<br>"
                f"{html.escape(item.title_en)}</td>{td}{item.minutes}</td>{td}{item.points}</td>"
                f"{td}{mark}{STATES[state.state]}{told}</td></tr>"
            )
        if not items:
            by_hand = "discussion, graded by people 讨论题，人工评分"
            head_cell = f'<th scope="rowgroup" style="text-align:left">{title}</th>'
            rows.append(
                f'<tr>{head_cell}<td colspan="5" style="text-align:left">{by_hand}</td></tr>'
            )
    headings = (
        "lecture 讲",
        "exercise 练习",
        "title 题目",
        "minutes 分钟",
        "points 分",
        "your answer 你的解答",
    )
    head = "".join(f'<th scope="col" style="text-align:left">{h}</th>' for h in headings)
    caption = f"{done} of {len(exercises())} exercises pass their visible tests 练习通过可见测试"
    return (
        f'<table style="text-align:left"><caption style="text-align:left">{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def home_notebook(folder: Path | None = None) -> nbformat.NotebookNode:
    """The course home; when a folder is given, with its table as far as it is known without running any test."""
    cell = nbformat.v4.new_code_cell(f"{HOME_CODE}show()", id="progress")
    if folder is not None:
        shown = {
            "text/html": table(folder, judge_new=False),
            "text/plain": "<the table of exercises>",
        }
        cell.outputs = [nbformat.v4.new_output("execute_result", shown, execution_count=1)]
        cell.execution_count = 1
    texts = [
        nbformat.v4.new_markdown_cell(text, id=f"text-{n}") for n, text in enumerate(HOME_TEXTS)
    ]
    cells = [*texts[:1], cell, *texts[1:]]
    spec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": spec, "language_info": {"name": "python"}}
    )


def write_home(folder: Path) -> Path:
    """Put the course home, up to date, into a folder."""
    path = folder / HOME
    write_atomically(path, nbformat.writes(home_notebook(folder)) + "\n")
    return path


@dataclass(frozen=True)
class HandIn:
    """What `hand_in` made."""

    path: Path
    lecture: int
    sha256: str
    states: list[Progress]


def hand_in(notebook: Path, student: str, folder: Path) -> HandIn:
    """Pack a notebook for handing in: without outputs, which grading makes anew, and without anything else.

    Raises:
        ValueError: it is none of the course's notebooks, is damaged, or the name is not fit for a file.
    """
    lecture = next((n for n, name in NOTEBOOKS.items() if name == notebook.stem), None)
    if lecture is None:
        raise ValueError(
            f"submit: {notebook.name}; allowed: a notebook of the course, such as {NOTEBOOKS[3]}.ipynb."
        )
    if not re.fullmatch(r"[\w.@-]{1,64}", student) or student.startswith("."):
        raise ValueError(
            f"submit: --student {student!r}; allowed: 1 to 64 letters, digits and . _ @ -"
        )
    try:
        made = nbformat.reads(notebook.read_text(encoding="utf-8-sig"), as_version=4)
        ids = [c.metadata["nbgrader"]["grade_id"] for c in made.cells if "nbgrader" in c.metadata]
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        raise ValueError(
            f"submit: {notebook} is damaged ({type(error).__name__}: {error}); save it again."
        ) from None
    missing = [n for n, i in exercises().items() if i.lecture == lecture and f"test_{n}" not in ids]
    if missing:
        raise ValueError(
            f"submit: {notebook} lacks the tests of {', '.join(missing)}; is it the released one, with your answers in "
            "its own cells? 缺少题目的测试单元格。"
        )
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    raw = (nbformat.writes(made) + "\n").encode("utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{student}-{notebook.stem}.zip"
    partial = path.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{notebook.stem}.ipynb", raw)
    partial.replace(path)
    return HandIn(path, lecture, hashlib.sha256(raw).hexdigest(), _states(lecture, notebook))


def login_name() -> str:
    """Who is logged in; `student` where the system does not say."""
    try:
        return re.sub(r"[^\w.@-]+", "_", getpass.getuser())
    except (OSError, KeyError, ImportError):
        return "student"


HOME_CODE = "from tinybert_l.course.home import show\n\n"
HOME_TEXTS = (
    """# TinyBERT-L · 课程主页 · Course home

下表列出各讲、练习、用时，以及你的哪些解答已通过可见测试。点击讲名打开笔记本；运行下面的单元格刷新表格。

The table lists lectures, exercises, effort, and which of your answers already pass their visible tests. A lecture's
name opens it; run the cell below to bring the table up to date.""",
    """## 提交 · Handing in

1. 在讲义笔记本中点击 **Validate** 检查全部可见测试。
   Press **Validate** in the lecture's notebook: it runs all visible tests.
2. 在终端运行 `tinybert-l submit`，把生成的压缩包上传到教学平台。
   Run `tinybert-l submit` in a terminal, and upload the zip file it makes.

有问题时运行 `tinybert-l doctor`。 If something does not work, run `tinybert-l doctor`.""",
)
