"""The course home: which exercises there are, which answers pass, and the file to hand in."""

import getpass
import hashlib
import io
import json
import re
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from jinja2 import Environment

from tinybert_l import __version__
from tinybert_l.cache import cache_root, short_digest, write_atomically
from tinybert_l.course.judging import judge_notebook, read_tests
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.answers import answer_cells
from tinybert_l.exercises.notebook_files import read_notebook
from tinybert_l.exercises.registry import NOTEBOOKS, Exercise, exercises

if TYPE_CHECKING:
    from IPython.display import HTML

HOME = "course-home.ipynb"
STATES = {
    "absent": "not handed out yet 尚未发布",
    "open": "not begun 未开始",
    "passes": "passes the visible tests 通过可见测试",
    "fails": "does not pass yet 尚未通过",
    "unchecked": "not checked yet: run this cell 尚未检查，请运行此单元格",
}
STATE_MARKS = {"passes": "✔ ", "fails": "✘ "}
MESSAGE_LIMIT = 200  # characters of a failed test's message in the table
BEGIN_OF_STUB = "your answer goes here"  # in each answer cell of a released notebook
STUDENT_NAME = re.compile(r"(?!\.)[\w.@-]{1,64}")


@dataclass(frozen=True)
class Progress:
    """The state of one exercise in a student's folder.

    Args:
        exercise: its name.
        state: a key of `STATES`.
        message: that of the first visible test that fails.
    """

    exercise: str
    state: str
    message: str = ""


def notebooks_in(folder: Path) -> dict[int, Path]:
    """Return the notebooks of the course in a folder, by the number of their lecture.

    Each stands in the folder itself, in a folder of its own below it, or in one of `notebooks/`.
    """
    notebooks = {}
    for lecture, name in NOTEBOOKS.items():
        for parent in (folder, folder / name, folder / "notebooks" / name):
            path = parent / f"{name}.ipynb"
            if path.is_file():
                notebooks[lecture] = path
                break
    return notebooks


def progress(folder: Path, judge_new: bool = True) -> list[Progress]:
    """Judge every answer in the folder's notebooks by its visible tests.

    An answer that was judged before under the same tests is not judged again.

    Args:
        folder: the student's folder.
        judge_new: whether to judge answers that were not judged before; else they are "unchecked".

    Returns:
        The states of all exercises of the course, in the order of the lectures.
    """

    def progress_in(item: tuple[int, Path]) -> list[Progress]:
        lecture, notebook = item
        return lecture_progress(lecture, notebook, judge_new)

    states = {}
    with ThreadPoolExecutor(2) as pool:
        for of_lecture in pool.map(progress_in, notebooks_in(folder).items()):
            for state in of_lecture:
                states[state.exercise] = state
    return [states.get(name, Progress(name, "absent")) for name in exercises()]


def lecture_progress(lecture: int, notebook: Path, judge_new: bool = True) -> list[Progress]:
    """Return the state of each exercise of one notebook; new answers are judged together.

    Args:
        lecture: number of the lecture.
        notebook: its notebook, with the student's answers.
        judge_new: as in `progress`.
    """
    sources = answer_cells(notebook)
    records = {}  # {exercise: the file that keeps the state of its present answer}
    new_sources = {}
    for name in exercises(lecture):
        if is_begun(sources.get(name, BEGIN_OF_STUB)):
            records[name] = _record_of(name, sources[name], notebook)
            if not records[name].is_file():
                new_sources[name] = sources[name]
    if judge_new and new_sources:
        for state in _judge_visible(new_sources, notebook):
            record = json.dumps(asdict(state), ensure_ascii=False)
            write_atomically(records[state.exercise], record)
    return [_read_record(name, records.get(name)) for name in exercises(lecture)]


def is_begun(source: str) -> bool:
    """Whether an answer cell holds more than the stub that students get."""
    return BEGIN_OF_STUB not in source


def _record_of(name: str, source: str, notebook: Path) -> Path:
    """Return the cache's file for the state of exactly this answer under exactly these tests."""
    content = json.dumps([__version__, source, read_tests(notebook, name)])
    return cache_root() / "progress" / f"{short_digest(content, 24)}.json"


def _read_record(name: str, record: Path | None) -> Progress:
    if record is None:
        return Progress(name, "open")
    if not record.is_file():
        return Progress(name, "unchecked")
    return Progress(**json.loads(record.read_text(encoding="utf-8")))


def _judge_visible(sources: dict[str, str], notebook: Path) -> list[Progress]:
    """Judge answers, {exercise: source}, by the visible tests of their notebook."""
    with tempfile.TemporaryDirectory() as folder:
        answers = {}
        for name, source in sources.items():
            answers[name] = Path(folder) / f"{name}.py"
            answers[name].write_text(source, encoding="utf-8")
        verdicts_by_exercise = judge_notebook(notebook, answers)
    states = []
    for name, verdicts in verdicts_by_exercise.items():
        state = Progress(name, "passes")
        for verdict in verdicts:
            if not verdict.passed and verdict.part != "hidden":
                state = Progress(name, "fails", verdict.message)
                break
        states.append(state)
    return states


def show(folder: Path | str = ".") -> "HTML":
    """Return the course home's table, for display in a notebook."""
    from IPython.display import HTML

    return HTML(table(Path(folder)))


@dataclass(frozen=True)
class _Row:
    """One exercise in the table of the course home."""

    entry: Exercise[..., Any]
    mark: str
    state: str
    message: str


@dataclass(frozen=True)
class _Group:
    """The rows of one lecture; `link` is the path of its notebook, "" where there is none."""

    title: str
    link: str
    rows: list[_Row]


def table(folder: Path, judge_new: bool = True) -> str:
    """Return the table of lectures, exercises, effort and states, as HTML.

    Args:
        folder: the student's folder.
        judge_new: as in `progress`.
    """
    notebooks = notebooks_in(folder)
    states = {}
    num_passed = 0
    for progress_of_exercise in progress(folder, judge_new):
        states[progress_of_exercise.exercise] = progress_of_exercise
        num_passed += progress_of_exercise.state == "passes"
    groups = []
    for lecture, title in NOTEBOOKS.items():
        link = ""
        if lecture in notebooks:
            link = notebooks[lecture].relative_to(folder).as_posix()
        rows = [_row(entry, states[name]) for name, entry in exercises(lecture).items()]
        groups.append(_Group(title, link, rows))
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return template.from_string(_TABLE).render(
        groups=groups, num_passed=num_passed, num_exercises=len(states)
    )


def _row(entry: Exercise[..., Any], progress_of_exercise: Progress) -> _Row:
    state = progress_of_exercise.state
    message = progress_of_exercise.message[:MESSAGE_LIMIT]
    return _Row(entry, STATE_MARKS.get(state, ""), STATES[state], message)


def home_notebook(folder: Path | None = None) -> nbformat.NotebookNode:
    """Return the course home as a notebook.

    Args:
        folder: the student's folder: the notebook then shows its table, as far as the states are
            known without running any test.
    """
    cell = nbformat.v4.new_code_cell(f"{HOME_CODE}show()", id="progress")
    if folder is not None:
        data = {
            "text/html": table(folder, judge_new=False),
            "text/plain": "<the table of exercises>",
        }
        cell.outputs = [nbformat.v4.new_output("execute_result", data, execution_count=1)]
        cell.execution_count = 1
    introduction, *other_texts = [
        nbformat.v4.new_markdown_cell(text, id=f"text-{number}")
        for number, text in enumerate(HOME_TEXTS)
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return nbformat.v4.new_notebook(
        cells=[introduction, cell, *other_texts],
        metadata={"kernelspec": kernel, "language_info": {"name": "python"}},
    )


def write_home(folder: Path) -> Path:
    """Write the course home, up to date, into a folder, and return its path."""
    path = folder / HOME
    write_atomically(path, nbformat.writes(home_notebook(folder)) + "\n")
    return path


@dataclass(frozen=True)
class HandIn:
    """A submission that `hand_in` has packed.

    Args:
        path: the zip file.
        lecture: number of the lecture.
        sha256: digest of the notebook inside, as the gradebook shows it.
        states: the state of each exercise.
    """

    path: Path
    lecture: int
    sha256: str
    states: list[Progress]


def hand_in(notebook: Path, student: str, folder: Path) -> HandIn:
    """Pack a notebook for handing in: without outputs, which grading makes anew, and alone.

    Args:
        notebook: the student's notebook of a lecture.
        student: the student's name at the course; it becomes a part of the file's name.
        folder: where the zip file goes.

    Raises:
        InvalidInput: the file is no notebook of the course or is damaged, or the name contains
            what a file name may not.
    """
    lecture = _lecture_of(notebook)
    if not STUDENT_NAME.fullmatch(student):
        raise InvalidInput(
            f"submit: --student {student!r}; allowed: 1 to 64 letters, digits and . _ @ -"
        )
    content = _read_submission(notebook, lecture)
    states = lecture_progress(lecture, notebook)  # before anything is written
    raw = (nbformat.writes(content) + "\n").encode("utf-8")
    path = folder / f"{student}-{notebook.stem}.zip"
    write_atomically(path, _zipped(f"{notebook.stem}.ipynb", raw))
    digest = hashlib.sha256(raw).hexdigest()
    return HandIn(path, lecture, digest, states)


def _lecture_of(notebook: Path) -> int:
    for lecture, name in NOTEBOOKS.items():
        if name == notebook.stem:
            return lecture
    raise InvalidInput(
        f"submit: {notebook.name}; allowed: a notebook of the course, such as {NOTEBOOKS[3]}.ipynb."
    )


def _read_submission(notebook: Path, lecture: int) -> nbformat.NotebookNode:
    """Read a student's notebook, and check that it has the tests of each exercise."""
    tree, _ = read_notebook(notebook.read_bytes(), f"submit: {notebook}")
    content = nbformat.from_dict(tree)
    grade_ids = set()
    for cell in content.cells:
        settings = cell.metadata.get("nbgrader")
        if isinstance(settings, dict):
            grade_ids.add(settings.get("grade_id"))
    untested = [name for name in exercises(lecture) if f"test_{name}" not in grade_ids]
    if untested:
        raise InvalidInput(
            f"submit: {notebook} lacks the tests of {', '.join(untested)}; is it the released one, "
            "with your answers in its own cells? 缺少题目的测试单元格。"
        )
    return content


def _zipped(name: str, content: bytes) -> bytes:
    """Return a zip file that holds one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def login_name() -> str:
    """Return the name of the user who is logged in; `student` where the system does not say."""
    try:
        return re.sub(r"[^\w.@-]+", "_", getpass.getuser())
    except (OSError, KeyError, ImportError):
        return "student"


HOME_CODE = "from tinybert_l.course.home import show\n\n"
HOME_TEXTS = (
    """# TinyBERT-L · 课程主页 · Course home

下表列出各讲、练习、用时，以及你的哪些解答已通过可见测试。点击讲名打开笔记本；运行下面的单元格刷新表格。

The table lists lectures, exercises, effort, and which of your answers already pass their visible
tests. A lecture's name opens it; run the cell below to bring the table up to date.""",
    """## 提交 · Handing in

1. 在讲义笔记本中点击 **Validate** 检查全部可见测试。
   Press **Validate** in the lecture's notebook: it runs all visible tests.
2. 在终端运行 `tinybert-l submit`，把生成的压缩包上传到教学平台。
   Run `tinybert-l submit` in a terminal, and upload the zip file it makes.

有问题时运行 `tinybert-l doctor`。 If something does not work, run `tinybert-l doctor`.""",
)

# The styles stand in the cells themselves: JupyterLab removes style sheets from outputs.
_TABLE = """\
{% set left = 'style="text-align:left"'|safe %}
<table {{ left }}><caption {{ left }}>{{ num_passed }} of {{ num_exercises }} exercises pass their \
visible tests 练习通过可见测试</caption>
<thead><tr>
<th scope="col" {{ left }}>lecture 讲</th>
<th scope="col" {{ left }}>exercise 练习</th>
<th scope="col" {{ left }}>title 题目</th>
<th scope="col" {{ left }}>minutes 分钟</th>
<th scope="col" {{ left }}>points 分</th>
<th scope="col" {{ left }}>your answer 你的解答</th>
</tr></thead>
<tbody>
{% macro heading(group) %}
{% if group.link %}<a href="{{ group.link }}">{{ group.title }}</a>{% else %}{{ group.title }}\
{% endif %}
{% endmacro %}
{% for group in groups %}
{% for row in group.rows %}
<tr>
{% if loop.first %}
<th scope="rowgroup" {{ left }} rowspan="{{ group.rows|length }}">{{ heading(group) }}</th>
{% endif %}
<td {{ left }}><code>{{ row.entry.name }}</code></td>
<td {{ left }}>{{ row.entry.title_zh }}<br>{{ row.entry.title_en }}</td>
<td {{ left }}>{{ row.entry.minutes }}</td>
<td {{ left }}>{{ row.entry.points }}</td>
<td {{ left }}>{{ row.mark }}{{ row.state }}\
{% if row.message %}<br><small>{{ row.message }}</small>{% endif %}
</td>
</tr>
{% else %}
<tr>
<th scope="rowgroup" {{ left }}>{{ heading(group) }}</th>
<td colspan="5" {{ left }}>discussion, graded by people 讨论题，人工评分</td>
</tr>
{% endfor %}
{% endfor %}
</tbody></table>
"""
