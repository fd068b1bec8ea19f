"""The course home: which exercises there are, which answers pass, and the file to hand in."""

import getpass
import hashlib
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from jinja2 import Environment

from tinybert_l import __version__
from tinybert_l.cache import cache_root, read_json, short_digest, write_atomically
from tinybert_l.course.items import Item, is_written, items_of
from tinybert_l.course.judging import judge_notebook, read_tests
from tinybert_l.course.prediction_log import carry_into
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.exercises.answers import answer_cells, read_cells
from tinybert_l.exercises.notebook_files import read_notebook
from tinybert_l.exercises.registry import NOTEBOOKS, exercises
from tinybert_l.languages import LANGUAGES, current_language, in_words

if TYPE_CHECKING:
    from IPython.display import HTML

HOME = "course-home.ipynb"
STATES = {
    "absent": "not handed out yet 尚未发布",
    "open": "not begun 未开始",
    "passes": "passes the visible tests 通过可见测试",
    "fails": "does not pass yet 尚未通过",
    "answered": "answered; right or wrong is said after grading 已作答，对错评分后可知",
    "unchecked": "not checked yet: run this cell 尚未检查，请运行此单元格",
    "unwritten": "still to be written 尚待作答",
    "written": "written; a person grades it 已作答，由人评分",
}
STATE_MARKS = {"passes": "✔ ", "answered": "✔ ", "written": "✔ ", "fails": "✘ "}
MESSAGE_LIMIT = 200  # characters of a failed test's message in the table
# in each answer cell of a released notebook: both, or the one of its language
BEGIN_OF_STUB = "your answer goes here"
BEGIN_OF_STUB_ZH = "请在此作答"
LANGUAGE_METADATA = "tinybert_l_language"  # likewise: its only language, zh or en
STUDENT_METADATA = "tinybert_l_student"  # likewise, with own numbers: for whom it was made
DUE_METADATA = "tinybert_l_due"  # in a released notebook's metadata: when it is due
STUDENT_NAME = re.compile(r"(?!\.)[\w.@-]{1,64}")


@dataclass(frozen=True)
class Progress:
    """The state of one exercise, question or essay in a student's folder.

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
    return _judged(list(exercises(lecture)), answer_cells(notebook), notebook, judge_new)


def _judged(
    names: list[str], sources: dict[str, str], notebook: Path, judge_new: bool
) -> list[Progress]:
    """Return the states of answers, {name: source}; new ones are judged together."""
    records = {}  # {name: the file that keeps the state of its present answer}
    new_sources = {}
    for name in names:
        if is_begun(sources.get(name, BEGIN_OF_STUB)):
            records[name] = _record_of(name, sources[name], notebook)
            if not records[name].is_file():
                new_sources[name] = sources[name]
    if judge_new and new_sources:
        for state in _judge_visible(new_sources, notebook):
            record = json.dumps(asdict(state), ensure_ascii=False)
            write_atomically(records[state.exercise], record)
    return [_read_record(name, records.get(name)) for name in names]


@dataclass(frozen=True)
class Row:
    """One item in the table that home, Validate and `submit` show."""

    item: Item
    state: str
    message: str

    @property
    def outcome(self) -> str:
        """The state in words, with a mark."""
        return f"{STATE_MARKS.get(self.state, '')}{in_words(STATES[self.state])}"

    @property
    def short_message(self) -> str:
        """The beginning of the message, cut between words."""
        return shorten(self.message, MESSAGE_LIMIT)


def shorten(text: str, limit: int) -> str:
    """Cut a text that is too long at the end of a word."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    before_word = cut.rpartition(" ")[0]
    return f"{before_word if len(before_word) > limit // 2 else cut}…"


def rows_of(lecture: int, notebook: Path, judge_new: bool = True) -> list[Row]:
    """Return all that a notebook is graded on, with its state, in the notebook's order.

    Args:
        lecture, notebook, judge_new: as in `lecture_progress`.
    """
    cells = read_cells(notebook)
    items = items_of(lecture, cells)
    sources = {**_question_sources(items, cells), **answer_cells(notebook)}
    judged = [item.name for item in items if not item.by_hand]
    states = {}
    for state in _judged(judged, sources, notebook, judge_new):
        states[state.exercise] = state
    for state in _essay_states(items, cells):
        states[state.exercise] = state
    rows = []
    for item in items:
        state = states.get(item.name, Progress(item.name, "open"))
        is_answered = item.is_quiz and state.state == "passes"
        rows.append(Row(item, "answered" if is_answered else state.state, state.message))
    return rows


def rows_in(folder: Path) -> list[Row]:
    """Return the rows of all notebooks of the course in a folder; new answers are judged."""
    rows = []
    for of_lecture in _rows_by_lecture(notebooks_in(folder), judge_new=True).values():
        rows += of_lecture
    return rows


def _rows_by_lecture(notebooks: dict[int, Path], judge_new: bool) -> dict[int, list[Row]]:
    """Return {lecture: its rows} of notebooks, {lecture: path}."""

    def of_lecture(lecture: int) -> list[Row]:
        return rows_of(lecture, notebooks[lecture], judge_new)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(notebooks, pool.map(of_lecture, notebooks), strict=True))


def _question_sources(items: list[Item], cells: list[dict[str, Any]]) -> dict[str, str]:
    """Return {question: source} of questions that are answered by variables.

    A quiz question has a cell of its name; the others of a notebook share one.
    """
    names = [item.name for item in items if not item.by_hand and item.name not in exercises()]
    quiz = {item.name for item in items if item.is_quiz}
    own = {}
    shared = []
    for cell in cells:
        settings = cell["metadata"].get("nbgrader", {})
        name = settings.get("grade_id")
        if cell["cell_type"] != "code" or not settings.get("solution"):
            continue
        if name in quiz:
            own[name] = _without_stub("".join(cell["source"]), name)
        elif name not in exercises():
            shared.append("".join(cell["source"]))
    sources = dict.fromkeys([name for name in names if name not in quiz], "\n".join(shared))
    return {**sources, **own}


def _without_stub(source: str, name: str) -> str:
    """Drop the stub's line from an answer that was written beside it; a lone stub stays.

    Args:
        name: of the variable that is the answer; others may be given with the stub.
    """
    lines = [line for line in source.splitlines() if is_begun(line)]
    code = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    is_answered = re.search(rf"\b{name}\s*(?::[^=\n]+)?=(?!=)", code)
    return "\n".join(lines) if is_answered else source


def _essay_states(items: list[Item], cells: list[dict[str, Any]]) -> list[Progress]:
    """Tell which questions that a person grades have been answered."""
    essays = {item.name for item in items if item.by_hand}
    states = []
    for cell in cells:
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if grade_id in essays:
            written = is_written("".join(cell["source"]))
            states.append(Progress(grade_id, "written" if written else "unwritten"))
    return states


def summary(rows: list[Row]) -> str:
    """Say in a sentence how far a notebook is."""
    judged = [row for row in rows if not row.item.by_hand and not row.item.is_quiz]
    failed = sum(row.state == "fails" for row in rows)
    passed = sum(row.state == "passes" for row in judged)
    unanswered = sum(row.item.is_quiz and row.state == "open" for row in rows)
    unwritten = sum(row.state == "unwritten" for row in rows)
    if passed == len(judged):
        parts = [in_words("Success: all visible tests pass 可见测试全部通过")]
    elif current_language() == "zh":
        parts = [f"{len(judged)}题中{passed}题通过可见测试"]
    else:
        parts = [in_words(f"{passed} of {len(judged)} pass their visible tests 题通过可见测试")]
    if failed:
        parts.append(in_words(f"{failed} fail 未通过"))
    if unanswered:
        parts.append(in_words(f"{unanswered} quiz questions open 测验题未答"))
    if unwritten:
        parts.append(in_words(f"{unwritten} still to be written 待作答"))
    return "; ".join(parts)


def is_begun(source: str) -> bool:
    """Whether an answer cell holds more than the stub that students get."""
    return BEGIN_OF_STUB not in source and BEGIN_OF_STUB_ZH not in source


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
class _Group:
    """The rows of one lecture.

    Args:
        link: path of its notebook; "" where it is not handed out.
        due: when it is due; "" where that is not known.
    """

    title: str
    link: str
    due: str
    rows: list[Row]


def table(folder: Path, judge_new: bool = True) -> str:
    """Return the table of lectures, exercises, effort and states, as HTML.

    Args:
        folder: the student's folder.
        judge_new: as in `progress`.
    """
    notebooks = notebooks_in(folder)
    rows = _rows_by_lecture(notebooks, judge_new)
    groups = []
    for lecture, title in NOTEBOOKS.items():
        if lecture in notebooks:
            link = notebooks[lecture].relative_to(folder).as_posix()
            due = due_date(notebooks[lecture])
            groups.append(_Group(title, link, due, rows[lecture]))
        else:
            groups.append(_Group(title, "", "", []))
    all_rows = [row for part in rows.values() for row in part]
    judged = [row for row in all_rows if not row.item.by_hand and not row.item.is_quiz]
    lang = language_of(notebooks.values())
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["words"] = lambda text: in_words(text, lang)
    return environment.from_string(_TABLE).render(
        lang=lang,
        groups=groups,
        num_passed=sum(row.state == "passes" for row in judged),
        num_exercises=len(judged),
        absent=STATES["absent"],
    )


def due_date(notebook: Path) -> str:
    """Return when a notebook is due, as its release has written it; "" where it has not."""
    return _metadata(notebook, DUE_METADATA)


def released_for(notebook: Path) -> str:
    """Return the id that a release with own numbers was made for, else the login name.

    It names the file to hand in, and no more: whose a submission is says who receives it.
    """
    student = _metadata(notebook, STUDENT_METADATA)
    return student if STUDENT_NAME.fullmatch(student) else login_name()


def language_of(notebooks: Iterable[Path]) -> str | None:
    """Return the language, zh or en, that all these notebooks were released in alone."""
    languages = {_metadata(notebook, LANGUAGE_METADATA) for notebook in notebooks}
    return languages.pop() or None if len(languages) == 1 else None


def language_in(metadata: Mapping[str, Any]) -> str | None:
    """Return the language, zh or en, that a notebook's metadata names; None where it is both."""
    language = metadata.get(LANGUAGE_METADATA)
    return language if language in LANGUAGES else None


def _metadata(notebook: Path, key: str) -> str:
    """Return a text of a notebook's metadata; empty where it is none that can be read so."""
    try:
        content = read_json(notebook)
    except (CourseError, UnicodeDecodeError):
        return ""  # whoever reads the cells says what is wrong with it
    if not isinstance(content, dict):
        return ""
    return str(content.get("metadata", {}).get(key, ""))


def home_notebook(folder: Path | None = None, lang: str | None = None) -> nbformat.NotebookNode:
    """Return the course home as a notebook.

    Args:
        folder: the student's folder: the notebook then shows its table, as far as the states are
            known without running any test.
        lang: zh or en; None: that of the folder's notebooks, or both.
    """
    if folder is not None and lang is None:
        lang = language_of(notebooks_in(folder).values())
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
        for number, text in enumerate(HOME_TEXTS[lang or "both"])
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
        rows: the state of each exercise, question and essay.
    """

    path: Path
    lecture: int
    sha256: str
    rows: list[Row]

    @property
    def states(self) -> list[Progress]:
        """The states of what visible tests judge."""
        judged = [row for row in self.rows if not row.item.by_hand and not row.item.is_quiz]
        return [Progress(row.item.name, row.state, row.message) for row in judged]


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
    rows = rows_of(lecture, notebook)  # before anything is written
    carry_into(content.metadata, notebook)
    raw = (nbformat.writes(content) + "\n").encode("utf-8")
    path = folder / f"{student}-{notebook.stem}.zip"
    write_atomically(path, _zipped(f"{notebook.stem}.ipynb", raw))
    digest = hashlib.sha256(raw).hexdigest()
    return HandIn(path, lecture, digest, rows)


def _lecture_of(notebook: Path) -> int:
    for lecture, name in NOTEBOOKS.items():
        if name == notebook.stem:
            return lecture
    raise InvalidInput(
        f"submit: {notebook.name}; allowed: a notebook of the course, such as {NOTEBOOKS[3]}.ipynb."
    )


def _read_submission(notebook: Path, lecture: int) -> nbformat.NotebookNode:
    """Read a student's notebook, and check that it has the tests of each exercise."""
    try:
        tree, _ = read_notebook(notebook.read_bytes(), notebook.name)
    except CourseError as error:
        raise InvalidInput(
            f"submit: {notebook} is damaged: {error} Save it in JupyterLab again. 请重新保存。"
        ) from None
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
HOME_TEXTS = {
    "both": (
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
    ),
    "en": (
        """# TinyBERT-L · Course home

The table lists lectures, exercises, effort, and which of your answers already pass their visible
tests. A lecture's name opens it; run the cell below to bring the table up to date.""",
        """## Handing in

1. Press **Validate** in the lecture's notebook: it runs all visible tests.
2. Run `tinybert-l submit` in a terminal, and upload the zip file it makes.

If something does not work, run `tinybert-l doctor`.""",
    ),
    "zh": (
        """# TinyBERT-L · 课程主页

下表列出各讲、练习、用时，以及你的哪些解答已通过可见测试。点击讲名打开笔记本；运行下面的单元格刷新表格。""",
        """## 提交

1. 在讲义笔记本中点击 **Validate** 检查全部可见测试。
2. 在终端运行 `tinybert-l submit`，把生成的压缩包上传到教学平台。

有问题时运行 `tinybert-l doctor`。""",
    ),
}

# The styles stand in the cells themselves: JupyterLab removes style sheets from outputs.
_TABLE = """\
{% set left = 'style="text-align:left"'|safe %}
<table {{ left }}><caption {{ left }}>\
{% if lang == "zh" %}{{ num_exercises }}道题中{{ num_passed }}道通过可见测试{% else %}\
{{ num_passed }} of {{ num_exercises }} \
{{ "exercises pass their visible tests 练习通过可见测试"|words }}{% endif %}</caption>
<thead><tr>
<th scope="col" {{ left }}>{{ "lecture 讲"|words }}</th>
<th scope="col" {{ left }}>{{ "exercise 练习"|words }}</th>
<th scope="col" {{ left }}>{{ "minutes 分钟"|words }}</th>
<th scope="col" {{ left }}>{{ "points 分"|words }}</th>
<th scope="col" {{ left }}>{{ "your answer 你的解答"|words }}</th>
</tr></thead>
<tbody>
{% for group in groups %}
{% for row in group.rows %}
<tr>
{% if loop.first %}
<th scope="rowgroup" {{ left }} rowspan="{{ group.rows|length }}">
<a href="{{ group.link }}">{{ group.title }}</a>
{% if group.due %}<br><small>{{ "due 截止"|words }} {{ group.due }}</small>{% endif %}
</th>
{% endif %}
<td {{ left }}>{% if lang != "en" %}{{ row.item.title_zh }}<br>{% endif %}\
{% if lang != "zh" %}{{ row.item.title_en }}<br>{% endif %}\
<small><code>{{ row.item.name }}</code></small></td>
<td {{ left }}>{{ row.item.minutes or "" }}</td>
<td {{ left }}>{{ "%g"|format(row.item.points) }}</td>
<td {{ left }}>{{ row.outcome|words }}\
{% if row.message %}<br><small>{{ row.short_message|words }}</small>{% endif %}
</td>
</tr>
{% else %}
<tr>
<th scope="rowgroup" {{ left }}>{{ group.title }}</th>
<td colspan="4" {{ left }}>{{ absent|words }}</td>
</tr>
{% endfor %}
{% endfor %}
</tbody></table>
"""
