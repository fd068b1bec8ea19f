"""Grading by hand: schemes, groups, steps and their undoing, a second reader, and the page."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marking_class import QUESTION, make_class
from nbconvert.exporters import HTMLExporter
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory

from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import MATERIAL, Course, CourseBusy
from tinybert_l.grading.marking import marks as marks_module
from tinybert_l.grading.marking.desk import Desk, NotSeen, Options
from tinybert_l.grading.marking.grouping import groups_of
from tinybert_l.grading.marking.marks import Mark
from tinybert_l.grading.marking.notices import ANOTHER_COPY, REFUSED, record_of
from tinybert_l.grading.marking.scheme import read_questions, rubric_of
from tinybert_l.grading.marking.second import Agreement, agreement
from tinybert_l.grading.marking.server import do
from tinybert_l.grading.marking.store import Journal
from tinybert_l.grading.marking.words import _WORDS
from tinybert_l.grading.outcome import feedback
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.results.review import ask_about_new_answers

NAME = NOTEBOOKS[3]
LONG = "The mapping is uniform, since each layer of the student then imitates one that is as deep. "
ANSWERS = {
    "ann": LONG + "I predict 0.02.",
    "bo": LONG.upper() + "I predict: 0.02!",
    "cy": LONG + "I predict 0.03.",
    "dan": "Quite another answer, about the top layers of the teacher.",
    "eva": "你的回答 · Your answer",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Course:
    return make_class(tmp_path_factory.mktemp("class") / "course", ANSWERS)


@pytest.fixture
def course(made, tmp_path) -> Course:
    """A class that nobody has marked yet."""
    shutil.copytree(made.folder, tmp_path / "course")
    return Course(tmp_path / "course")


@pytest.fixture
def desk(course):
    with Desk(course, 3) as desk:
        yield desk


# --- schemes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lecture", NOTEBOOKS)
def test_every_lectures_marking_scheme_is_read_as_a_rubric(lecture):
    name = NOTEBOOKS[lecture]
    for question in read_questions(MATERIAL / "notebooks" / name / f"{name}.ipynb", lecture):
        worth = [item.points for item in question.rubric]
        assert len(worth) >= 3 and sum(worth) == question.points, question.cell
        for item in question.rubric:
            assert item.text["zh"] != item.text["en"] and "分）" not in item.text["zh"]
        assert question.prompts["zh"] != question.prompts["en"]


def test_a_scheme_that_does_not_add_up_gives_no_rubric():
    both = "**评分标准**：映射（1分）；理由（2分）。", "**Marking scheme**: map (1 point); why (2)."
    prompts = dict(zip(("zh", "en"), both, strict=True))
    assert [item.points for item in rubric_of(prompts, 3)] == [1, 2]
    assert rubric_of(prompts, 5) == ()
    assert rubric_of({**prompts, "en": "**Marking scheme**: map (2); why (1)."}, 3) == ()
    listed = "**Marking scheme**\n- a map (1 point)\n- why, at length (1.5 points)\n\nMore (9)."
    items = rubric_of({"zh": listed, "en": listed}, 2.5)
    assert [item.text["en"] for item in items] == ["a map", "why, at length"]


# --- groups -------------------------------------------------------------------------------------


def test_equal_and_nearly_equal_answers_are_grouped():
    (group,) = groups_of(ANSWERS)
    assert group.members == ("ann", "bo", "cy") and not group.equal
    (same,) = groups_of({"a": "One two.", "b": "one,  TWO", "c": "three"})
    assert same.members == ("a", "b") and same.equal


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=12))
def test_no_answer_is_in_two_groups_and_equal_ones_are_together(texts):
    named = {str(index): text for index, text in enumerate(texts)}
    groups = groups_of(named)
    members = [name for group in groups for name in group.members]
    assert len(members) == len(set(members))
    group_of = {name: group for group in groups for name in group.members}
    for name, text in named.items():
        for other, same in named.items():
            if name != other and text == same:
                assert group_of[name] is group_of[other]


# --- steps --------------------------------------------------------------------------------------


def totals(course: Course) -> dict[str, tuple[float, int]]:
    """{student: (points, answers that wait for a person)}, as `grades` reads them."""
    with Book(course.database, NAME) as book:
        return {row.student: (row.score, row.to_grade_by_hand) for row in book.totals()}


def test_a_mark_is_in_the_gradebook_as_formgrader_and_grades_read_it(course, desk):
    sheet = desk.sheet(QUESTION)
    assert sheet.progress() == (1, 5) and totals(course)["ann"] == (0, 1)
    code = sheet.codes["ann"]
    sheet.give(code, False, 2.5, [0, 1])
    sheet.comment(code, False, "Say why.\x00")
    assert totals(course)["ann"] == (2.5, 0) and totals(course)["bo"] == (0, 1)
    from nbgrader.api import Gradebook

    with Gradebook(course.database_url) as book:
        submission = book.find_submission_notebook(NAME, NAME, "ann")
        grade = book.find_grade(QUESTION, NAME, NAME, "ann")
        assert not submission.needs_manual_grade and grade.manual_score == 2.5
        assert book.find_comment(QUESTION, NAME, NAME, "ann").comment == "Say why."
        grade.manual_score = 4.0  # as Formgrader does
        book.db.commit()
    sheet.refresh()
    assert sheet.marks["ann"].points == 4.0 and sheet.marks["ann"].items == ()


def test_a_group_is_marked_at_once_and_undone_as_one(course, desk):
    sheet = desk.sheet(QUESTION)
    sheet.give(sheet.codes["bo"], False, 1, [0])
    changed = sheet.give(sheet.codes["cy"], True, 3, [0, 1, 2])
    assert sorted(changed) == ["ann", "cy"] and totals(course)["ann"] == (3, 0)
    assert sheet.undo()[0] and totals(course)["bo"] == (1, 0) and totals(course)["ann"] == (0, 1)
    assert sheet.marks["bo"].items == (0,)
    sheet.undo()
    assert sheet.progress() == (1, 5)
    with pytest.raises(InvalidInput, match="no step"):
        sheet.undo()


def test_who_has_a_mark_of_their_own_keeps_it_when_the_group_is_marked(course, desk):
    sheet = desk.sheet(QUESTION)
    ann, bo = sheet.codes["ann"], sheet.codes["bo"]
    sheet.give(bo, False, 1, [0])
    sheet.comment(bo, False, "Bo's own.")
    for points in (3, 4):  # marked together, they change together
        assert sheet.keep_their_own(ann, True, "points") == ["bo"]
        assert sorted(sheet.give(ann, True, points, [])) == ["ann", "cy"]
    sheet.comment(ann, True, "Both.")
    assert {x: m.comment for x, m in sheet.marks.items() if m.comment} == {
        "ann": "Both.", "bo": "Bo's own.", "cy": "Both.",
    }  # fmt: skip
    assert sheet.give(bo, True, 2, []) == ["bo"], "it is the others that keep theirs now"
    assert [totals(course)[x][0] for x in ("ann", "bo", "cy")] == [4, 2, 4]
    sheet.give(bo, False, 4, [])
    assert len(sheet.give(bo, True, 5, [])) == 3, "whoever has the same follows"


def test_undo_takes_back_no_step_that_the_page_does_not_know(course, desk):
    sheet = desk.sheet(QUESTION)
    assert sheet.last_step == 0
    sheet.give(sheet.codes["ann"], False, 3, [])
    mine = sheet.last_step
    sheet.give(sheet.codes["dan"], False, 2, [])  # on another page
    for unknown in (mine, None, "1", 0):
        with pytest.raises(NotSeen, match="another page"):
            do(sheet, {"action": "undo", "step": unknown})
    assert do(sheet, {"action": "undo", "step": sheet.last_step})["step"] == mine
    assert do(sheet, {"action": "undo", "step": mine})["step"] == 0
    assert [totals(course)[x][0] for x in ("ann", "dan")] == [0, 0]


def test_steps_can_be_undone_after_a_restart_also_after_a_killed_write(course):
    with Desk(course, 3) as desk:
        sheet = desk.sheet(QUESTION)
        sheet.give(sheet.codes["dan"], False, 2, [])
        code, path = sheet.codes["dan"], sheet.journal.path
    with path.open("ab") as file:
        file.write(b'{"n": 2, "befo')
    with Desk(course, 3) as desk:
        sheet = desk.sheet(QUESTION)
        assert sheet.codes["dan"] == code and sheet.marks["dan"].points == 2
        assert sheet.undo() == (["dan"], 0)
        sheet.give(code, False, 1, [])
    assert [step.number for step in Journal(path).steps] == [3]
    assert totals(course)["dan"] == (1, 0)


def test_what_was_changed_elsewhere_since_is_not_undone(course, desk):
    sheet = desk.sheet(QUESTION)
    sheet.give(sheet.codes["ann"], True, 3, [])
    with Desk(course, 3) as other:
        other.sheet(QUESTION).store.write({"bo": Mark(5.0, "", needs_person=False)})
    sheet.refresh()
    changed, stay = sheet.undo()
    assert sorted(changed) == ["ann", "cy"] and stay == 1
    assert totals(course)["bo"] == (5, 0) and totals(course)["ann"] == (0, 1)


def test_nothing_is_written_while_another_run_holds_the_course(course, desk, monkeypatch):
    monkeypatch.setattr(marks_module, "PATIENCE", 0)
    sheet = desk.sheet(QUESTION)
    with course.alone(), pytest.raises(CourseBusy):
        sheet.give(sheet.codes["ann"], False, 3, [])
    assert totals(course)["ann"] == (0, 1) and sheet.journal.steps == []
    assert sheet.marks["ann"].points is None


def test_who_answers_anew_after_being_marked_is_looked_at_again(course, desk):
    sheet = desk.sheet(QUESTION)
    sheet.give(sheet.codes["ann"], False, 4, [])
    path = course.graded("ann", 3)
    notebook = path.read_text(encoding="utf-8")
    (answer,) = [c for c in json.loads(notebook)["cells"] if "I predict" in "".join(c["source"])]
    old = json.dumps("".join(answer["source"]))[1:-1]
    assert old in notebook
    assignment = course.assignment(3)

    def asked(student: str, new: str, before: Path = path) -> list[str]:
        with Book(course.database, NAME) as book:
            return ask_about_new_answers(book, student, assignment, before, new)

    assert asked("ann", notebook) == [] and sheet.state_of("ann")["done"]
    new = notebook.replace(old, "Quite another answer.")
    assert asked("bo", new) == [], "nobody has marked it"
    assert asked("ann", new, course.folder / "missing.ipynb") == []
    (remark,) = asked("ann", new)
    assert remark.startswith(f"{QUESTION}: answered anew since it was marked")
    sheet.refresh()
    assert sheet.state_of("ann")["points"] == 4 and not sheet.state_of("ann")["done"]
    assert totals(course)["ann"] == (4, 1), "the export waits"


def test_a_step_on_what_the_page_does_not_show_is_refused(course, desk):
    sheet = desk.sheet(QUESTION)
    code = sheet.codes["ann"]

    def shown(*students: str) -> dict[str, list[str]]:
        return {sheet.codes[x]: [sheet.version(x), sheet.state_of(x)["seen"]] for x in students}

    before = shown("ann", "bo", "cy")
    sheet.require_seen(code, True, before)
    with pytest.raises(NotSeen, match="load the page anew"):
        sheet.require_seen(code, True, shown("ann"))  # the others of the group came later
    sheet.comment(sheet.codes["bo"], False, "Why?")
    sheet.require_seen(code, False, before)
    with pytest.raises(NotSeen, match="marked elsewhere"):
        sheet.require_seen(code, True, before)
    path = course.graded("ann", 3)
    path.write_text(path.read_text("utf-8").replace("I predict", "I now predict"), "utf-8")
    sheet.refresh()
    with pytest.raises(NotSeen, match="load the page anew"):
        sheet.require_seen(code, False, before)


def test_comments_are_kept_for_each_question_and_whole(course, desk):
    sheet = desk.sheet(QUESTION)
    sheet.keep("Say why.")
    sheet.keep("../../etc/passwd")
    sheet.keep("Say why.")
    kept = course.folder / "marking" / NAME / f"{QUESTION}-comments.json"
    assert json.loads(kept.read_text(encoding="utf-8")) == ["Say why.", "../../etc/passwd"]
    sheet.forget("Say why.")
    with Desk(course, 3) as again:
        assert again.sheet(QUESTION).phrases.read() == ["../../etc/passwd"]


@pytest.mark.parametrize(
    "points", [-0.5, 5.01, float("nan"), float("inf"), "3", True, [3], 10**400]
)
def test_points_outside_the_range_are_refused(desk, points):
    sheet = desk.sheet(QUESTION)
    with pytest.raises(InvalidInput, match="allowed: 0 to 5"):
        sheet.give(sheet.codes["ann"], False, points, [])
    with pytest.raises(InvalidInput, match="not known"):
        sheet.give("ann", False, 3, [])
    with pytest.raises(InvalidInput, match="numbers below 5"):
        sheet.give(sheet.codes["ann"], False, 3, [5])
    assert sheet.journal.steps == []


def test_students_read_which_items_they_got(course):
    with Desk(course, 3) as desk:
        sheet = desk.sheet(QUESTION)
        for student in ("ann", "dan"):
            sheet.give(sheet.codes[student], False, 2, [0, 2])
            sheet.comment(sheet.codes[student], False, "Say why.")
        sheet.store.write({"dan": Mark(3.0, "Say why.", needs_person=False)})  # in Formgrader
    assert feedback(course, 3) == 5
    pages = {}
    for student in ("ann", "dan", "bo"):
        path = course.folder / "feedback" / student / NAME / f"{NAME}.html"
        pages[student] = path.read_text(encoding="utf-8")
    assert "✓ 提出明确的映射 · a definite mapping (1/1)" in pages["ann"]
    assert "– 理由提到各层的作用 · reasons that speak of what layers do (0/1)" in pages["ann"]
    assert "Say why." in pages["dan"] and "(1/1)" not in pages["dan"] + pages["bo"]


def test_two_programs_do_not_mark_the_same_at_once(course, desk):
    with desk.alone(), Desk(course, 3) as other:
        with pytest.raises(CourseError, match="has this lecture open"), other.alone():
            pass
        with Desk(course, 3, Options(reader="Bea")) as second, second.alone():
            pass


# --- blind --------------------------------------------------------------------------------------


def test_pseudonyms_and_order_differ_from_question_to_question_and_stay(tmp_path):
    students = {f"s{index:02}": f"answer number {index} " * 3 for index in range(30)}
    course = make_class(tmp_path / "course", students, NOTEBOOKS[10])
    with Desk(course, 10) as desk:
        first, second = (desk.sheet(cell) for cell in desk.questions)
        assert len(set(first.codes.values())) == 30 and first.codes != second.codes
        assert [*first.codes] != [*second.codes] != sorted(students)
        codes = dict(first.codes)
    with Desk(course, 10) as desk:
        assert desk.sheet(next(iter(desk.questions))).codes == codes


def test_a_restored_or_doubtful_answer_says_so_and_names_nobody():
    entries = [
        {"event": "graded", "assignment": NAME, "student": "ann", "repairs": ["essay: came back"]},
        {"event": "refused", "assignment": NAME, "origin": "ann_LATE_7_8_x.ipynb", "reason": "?"},
        {
            "event": "received",
            "assignment": NAME,
            "student": "ann-7",
            "notes": ["kept, does not count 存档，不计分"],
        },
    ]
    record = record_of(entries, NAME)
    assert record.notices("ann", QUESTION) == ["came back"]
    assert record.notices("ann-7", QUESTION) == [REFUSED, ANOTHER_COPY]
    assert record_of(entries, NOTEBOOKS[4]).notices("ann", QUESTION) == []


# --- second reader ------------------------------------------------------------------------------


def test_a_second_reader_marks_a_sample_apart(course):
    with Desk(course, 3) as desk:
        sheet = desk.sheet(QUESTION)
        sheet.give(sheet.codes["ann"], True, 3, [])
        sheet.give(sheet.codes["dan"], False, 1, [])
        codes = dict(sheet.codes)
    before = totals(course)
    with Desk(course, 3, Options(reader="Bea", sample=20)) as desk:
        sheet = desk.sheet(QUESTION)
        assert sorted(sheet.marks) == ["ann", "bo", "cy", "dan"]  # who wrote nothing is left out
        assert sheet.progress() == (0, 4) and not set(sheet.codes.values()) & set(codes.values())
        assert all(mark.points is None for mark in sheet.marks.values())
        sheet.give(sheet.codes["ann"], False, 3, [])
        sheet.give(sheet.codes["dan"], False, 2, [])
    with Desk(course, 3, Options(reader="Bea", sample=2)) as desk:
        compared = desk.agreement(QUESTION)
        assert sorted(zip(compared.first, compared.second, strict=True)) == [(1, 2), (3, 3)]
        assert compared.size == 4 and compared.equal == 1 and compared.mean_difference == 0.5
    assert totals(course) == before
    with pytest.raises(InvalidInput, match="second-reader"):
        Desk(course, 3, Options(reader="../x"))


def by_definition(first, second) -> float:
    """Quadratically weighted kappa: 1 - mean square difference / that of unrelated readers."""
    pairs = list(zip(first, second, strict=True))
    observed = sum((a - b) ** 2 for a, b in pairs) / len(pairs)
    expected = sum((a - b) ** 2 for a in first for b in second) / len(pairs) ** 2
    return 1 - observed / expected


@pytest.mark.parametrize(
    ("first", "second"),
    [((1, 2, 3, 4), (1, 2, 3, 5)), ((0, 2.5, 5, 1.25), (0.5, 2.5, 4, 1)), ((0, 5), (5, 0))],
)
def test_kappa_weighs_by_the_distance_of_points(first, second):
    compared = Agreement(first, second, len(first))
    assert compared.kappa == pytest.approx(by_definition(first, second))


def test_agreement_that_cannot_be_computed_is_not_a_number():
    assert Agreement((3, 3), (3, 3), 2).kappa is None
    nothing = agreement({"ann": Mark(2.0)}, {"ann": Mark(), "bo": Mark(3.0)})
    assert nothing.first == () and nothing.kappa is None and nothing.size == 2
    assert Agreement((1, 2, 2), (2, 2, 3), 3).distributions() == [(1, 1, 0), (2, 2, 2), (3, 0, 1)]


# --- the program --------------------------------------------------------------------------------


def test_every_word_of_the_page_is_there_in_both_languages():
    for key, (zh, en) in _WORDS.items():
        assert zh and en and any("一" <= letter <= "鿿" for letter in zh + en), key


@pytest.mark.nightly
def test_marking_needs_neither_torch_nor_pandas():
    code = "import sys, tinybert_l.cli.marking; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "pandas", "sklearn", "transformers"} & set(done.stdout.split())


def test_graded_notebooks_that_cannot_be_read_are_said(course, desk):
    Path(course.graded("ann", 3)).write_text("{", encoding="utf-8")
    sheet = desk.sheet(QUESTION)
    assert "cannot be read" in sheet.answers["ann"].problem and "ann" not in sheet.group_of


# --- Formgrader ---------------------------------------------------------------------------------


def test_formgrader_opens_where_a_person_is_needed_and_stays_nbgraders_own(course):
    config = course.config()
    config.HTMLExporter.template_name = "formgrade"  # as Formgrader sets it
    resources = {"base_url": "", "index": 0, "total": 1, "notebook_path": "x"}
    path = str(course.graded("dan", 3))
    page, _ = HTMLExporter(config=config).from_filename(path, resources=resources)
    assert page.count("needs_manual_grade") == 1 and page.count("</html>") == 1
    assert 'class="score tabbable" id="essay"' in page and "Full credit" in page


def test_nbgraders_feedback_keeps_its_template(course):
    files = CourseDirectory(config=course.config())
    config = GenerateFeedback(coursedir=files, config=course.config()).config
    path = Path(HTMLExporter(config=config).template.filename)
    assert path.parent.name == "feedback" and "nbgrader" in path.parts
