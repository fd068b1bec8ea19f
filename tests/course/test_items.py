"""One list everywhere: exercises, questions and essays, in home, Validate and `submit`."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from traitlets.config import Config

from tinybert_l.course import judging, validating
from tinybert_l.course.home import (
    DUE_METADATA,
    Row,
    hand_in,
    home_notebook,
    rows_of,
    shorten,
    summary,
    table,
)
from tinybert_l.course.items import Item, is_written, items_of
from tinybert_l.exercises.answer_errors import NameErrorExplainer, SetupReminder
from tinybert_l.exercises.registry import NOTEBOOKS, exercises
from tinybert_l.grading import setup
from tinybert_l.grading.course import Course
from tinybert_l.grading.release import release
from tinybert_l.languages import showing

pytestmark = pytest.mark.slow  # each lecture, record or release takes a second or two

NAME = NOTEBOOKS[3]
FOUR = """@layer_map.implement
def layer_map(num_student_layers, num_teacher_layers, strategy="uniform"):
    return list(range(1, num_student_layers + 1))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Course:
    course = setup.init(tmp_path_factory.mktemp("items") / "course")
    (course.folder / "course.toml").write_text("[due]\n3 = 2030-12-01T23:59:00+08:00\n")
    release(course, 3)
    release(course, 10)
    return course


def released(course: Course, lecture: int, folder: Path, **answers: str) -> Path:
    """Copy a released notebook; put sources into its cells, by nbgrader's name of the cell."""
    name = NOTEBOOKS[lecture]
    notebook = nbformat.read(course.folder / "release" / name / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = answers.get(grade_id, cell.source)
    (folder / name).mkdir(exist_ok=True)
    path = folder / name / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.mark.parametrize("lecture", NOTEBOOKS)
def test_the_items_of_every_lecture_are_all_its_points(checkout, lecture):
    name = NOTEBOOKS[lecture]
    cells = nbformat.read(checkout / "notebooks" / name / f"{name}.ipynb", as_version=4).cells
    items = items_of(lecture, cells)
    points = [c.metadata.nbgrader.get("points", 0) for c in cells if "nbgrader" in c.metadata]
    assert sum(item.points for item in items) == sum(points)
    assert [item.name for item in items if item.name in exercises()] == list(exercises(lecture))
    assert any(item.by_hand for item in items)
    titles = [item.title for item in items]
    assert len(set(titles)) == len(titles) and all(" · " in title for title in titles)


def test_home_validate_and_submit_show_the_same_list(made, tmp_path, capsys):
    from tinybert_l.cli.tables import show_hand_in, show_progress

    path = released(made, 3, tmp_path, layer_map=FOUR)
    rows = rows_of(3, path)
    states = {row.item.name: row.state for row in rows}
    assert states == {
        "kept_layers": "open",
        "slice_heads": "open",
        "layer_map": "fails",
        "hidden_loss": "open",
        "attention_loss": "open",
        "quiz_3_1": "open",
        "quiz_3_2": "open",
        "quiz_3_3": "open",
        "quiz_3_4": "open",
        "essay": "unwritten",
    }
    (failed,) = [row for row in rows if row.state == "fails"]
    page = table(tmp_path)
    listed = validating.list_of(rows)
    show_hand_in(hand_in(path, "ann", tmp_path), "ann")
    show_progress(rows)
    printed = capsys.readouterr().out
    for row in rows:
        for shown in (page, listed, printed):
            assert row.item.title_zh in shown and row.item.title_en in shown, row.item
    assert "still to be written" in page and "still to be written" in listed
    assert "essay: still to be written 尚待作答 (论述题 · Essay, 5 points" in printed
    assert "0 of 5 exercises" in page and "due 截止 2030-12-01 15:59 UTC" in page
    assert failed.message.split(";")[0][:30] in printed


def test_an_essay_counts_as_written_once_it_is(made, tmp_path):
    path = released(made, 3, tmp_path, essay="The top map loses a point.")
    assert rows_of(3, path)[-1].state == "written"
    for untouched in ("YOUR ANSWER HERE", " 你的回答 · Your answer\n", ""):
        assert not is_written(untouched)


def test_questions_that_are_answered_by_variables_are_judged_too(made, tmp_path):
    path = released(made, 10, tmp_path, final_check='q1 = [2, 4, 6]\nq2 = "d"\nq3 = (1, 5)')
    rows = {row.item.name: row for row in rows_of(10, path)}
    assert rows["q1"].state == rows["q3"].state == "passes"
    assert rows["q2"].state == "fails" and '"a", "b" or "c"' in rows["q2"].message
    assert rows["q4"].state == "fails" and "Fill in q4" in rows["q4"].message
    assert rows["essay_2"].item.title == "论述题2 · Essay 2"
    assert "2 of 5 exercises" in table(tmp_path)
    answered = {"quiz_10_1": 'quiz_10_1 = "?"', "quiz_10_2": "quiz_10_2 = ['A', 'b']"}
    path = released(made, 10, tmp_path, **answered)
    rows = {row.item.name: row for row in rows_of(10, path)}
    assert [rows[f"quiz_10_{n}"].state for n in (1, 2, 3)] == ["fails", "fails", "open"]
    assert "choose from the letters" in rows["quiz_10_1"].message
    path = released(made, 10, tmp_path)
    assert {row.state for row in rows_of(10, path)} == {"open", "unwritten"}


def test_of_a_quiz_answer_only_the_form_is_told(made, tmp_path):
    """A right answer and a wrong one look alike until they are graded."""
    seen = set()
    for letter in "CGNV":
        rows = rows_of(3, released(made, 3, tmp_path, quiz_3_1=f'quiz_3_1 = "{letter}"'))
        (row,) = [row for row in rows if row.item.name == "quiz_3_1"]
        assert row.item.title == "测验3.1 · Quiz 3.1" and row.item.points == 1
        seen.add((row.state, row.message, summary(rows)))
    stub = 'raise NotImplementedError("your answer goes here")'
    rows = rows_of(3, released(made, 3, tmp_path, quiz_3_1=f"quiz_3_1 = 'C'\n{stub}"))
    seen |= {(r.state, r.message, summary(rows)) for r in rows if r.item.name == "quiz_3_1"}
    ((state, message, told),) = seen
    assert (state, message) == ("answered", "") and "3 quiz questions open" in told
    assert "0 of 5 exercises" in table(tmp_path), "quiz questions are no exercises"


def test_a_summary_encourages():
    def row(state: str, by_hand: bool = False) -> Row:
        return Row(Item("a", 3, "甲", "A", 4, 5, ("test_a",), by_hand), state, "")

    done = [row("passes"), row("written", True)]
    assert summary(done) == "Success: all visible tests pass 可见测试全部通过"
    essay = summary([row("passes"), row("unwritten", True)])
    assert essay.startswith("Success") and essay.endswith("1 still to be written 1道论述题待作答")
    assert "1 of 3 pass" in summary([row("passes"), row("fails"), row("open")])
    assert "1 fail" in summary([row("passes"), row("fails"), row("open")])
    begun = [row("passes"), row("fails"), row("unwritten", True)]
    with showing("zh"):
        assert summary(begun) == "2题中1题通过可见测试；1题未通过；1道论述题待作答"
    with showing("en"):
        assert summary(begun) == "1 of 2 pass their visible tests; 1 fail; 1 still to be written"


def test_a_message_is_cut_between_words():
    assert shorten("short", 9) == "short"
    assert shorten("one two three four", 12) == "one two…"
    assert shorten("层" * 30, 10) == "层" * 9 + "…"


@pytest.mark.parametrize("call", ["f(9)", "g(9)"])
def test_another_error_where_a_value_error_was_asked_for_is_said_to_be_one(call):
    code = f"try:\n    {call}\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError"
    verdicts = []
    names = {"f": lambda number: [][number], "g": int}
    judging._run_cell(code, "visible", names, lambda *parts: verdicts.append(parts))
    (_, passed, message) = verdicts[0]
    assert not passed
    asked = "a ValueError was asked for here, and the answer raised IndexError"
    assert message.startswith(asked) == (call == "f(9)")


class FakeValidator:
    """nbgrader's validator as far as the list needs it."""

    def __init__(self, changed: bool = False) -> None:
        self.changed = changed

    def _get_type_changed_cells(self, notebook):
        return []

    def _get_changed_cells(self, notebook):
        return [1] if self.changed else []


def test_validate_shows_the_list_and_no_test_code(made, tmp_path):
    path = released(made, 3, tmp_path, layer_map=FOUR)
    (entry,) = validating.results(FakeValidator(), path)["failed"]
    assert "1 fail" in entry["source"] and "1 still to be written" in entry["source"]
    assert "The following cell" not in entry["error"] and "assert " not in entry["error"]
    assert "YOUR ANSWER HERE" not in entry["error"] and "层映射 · Layer mapping" in entry["error"]
    assert validating.results(FakeValidator(changed=True), path) is None
    other = path.rename(path.with_name("own.ipynb"))
    assert validating.results(FakeValidator(), other) is None


def test_a_students_message_cannot_put_markup_into_the_dialog():
    item = Item("a", 3, "甲", "A", 4, 5, ("test_a",))
    page = validating.list_of([Row(item, "fails", "<img src=x onerror=alert(1)>")])
    assert "<img" not in page and "&lt;img" in page


def test_the_released_settings_install_it(made):
    text = (made.folder / "release" / NAME / "nbgrader_config.py").read_text(encoding="utf-8")
    ast.parse(text)
    from nbgrader.validator import Validator

    before = Validator.validate
    try:
        exec(text, {"get_config": Config})
        assert Validator.validate is not before
        exec(text, {"get_config": Config})  # once is enough
        assert validating._original == [before]
    finally:
        Validator.validate = before
        validating._original.clear()


def test_a_cell_that_nobody_filled_in_shows_no_traceback():
    explainer = NameErrorExplainer()
    for words in ("your answer goes here 请在此作答", "请在此作答"):
        error = NotImplementedError(words)
        explainer.explain(error)
        assert error._render_traceback_() == [f"NotImplementedError: {words}"]
    own = NotImplementedError("of a student's own")
    explainer.explain(own)
    assert not hasattr(own, "_render_traceback_")


def test_a_forgotten_first_cell_is_named():
    reminder = SetupReminder()
    error = NameError("name 'layer_map' is not defined")
    reminder.explain(error, {"In", "Out"})
    assert "layer_map" in str(error) and "run the first code cell" in str(error)
    assert error._render_traceback_() == [f"NameError: {error}"]
    later = NameError("name 'x' is not defined")
    reminder.explain(later, {"tinybert_l"})
    assert str(later) == "name 'x' is not defined"


def test_due_dates_stand_in_the_released_notebook(made):
    path = made.folder / "release" / NAME / f"{NAME}.ipynb"
    assert nbformat.read(path, as_version=4).metadata[DUE_METADATA] == "2030-12-01 15:59 UTC"
    other = made.folder / "release" / NOTEBOOKS[10] / f"{NOTEBOOKS[10]}.ipynb"
    assert DUE_METADATA not in nbformat.read(other, as_version=4).metadata


# what the other language looks like
OTHER = {"zh": r"[a-z]{3,} [a-z]{3,}", "en": "[\u4e00-\u9fff]"}


@pytest.mark.parametrize("lang", OTHER)
def test_a_release_in_one_language_has_home_and_readme_in_it_alone(made, lang):
    folder = release(made, 11, lang)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    home = home_notebook(folder)
    texts = [cell.source for cell in home.cells if cell.cell_type == "markdown"]
    page = table(folder)
    for text in (readme, *texts, re.sub(r"<[^>]*>", " ", page)):
        prose = re.sub(r"`[^`]*`", "", text)
        assert not re.search(OTHER[lang], prose), text
    assert "<code>flops</code>" in page and len(texts) == 2
