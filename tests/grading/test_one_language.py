"""A release in one language: Validate takes it, grading knows it, feedback answers in it."""

import copy
import re

import nbformat
import pytest

from tinybert_l.course.authoring import cell_in_language
from tinybert_l.course.home import LANGUAGE_METADATA, is_begun
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course
from tinybert_l.grading.leaks import read_secrets, scan_text
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.release import release
from tinybert_l.grading.results.feedback import render
from tinybert_l.grading.run import grade
from tinybert_l.grading.sample_class import LECTURE, hand_in
from tinybert_l.grading.submission import sanitise

NAME = NOTEBOOKS[LECTURE]
CHINESE = re.compile(r"[\u2e80-\u9fff]")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["zh", pytest.param("en", marks=pytest.mark.nightly)])
def language(request):
    return request.param


@pytest.fixture(scope="module")
def course(tmp_path_factory, language):
    course = Course(tmp_path_factory.mktemp(language), unsafe=problem() is not None)
    release(course, LECTURE, language)
    return course


@pytest.fixture
def released(course):
    path = course.folder / "release" / NAME / f"{NAME}.ipynb"
    return nbformat.read(path, as_version=4)


def test_validate_finds_no_changed_cell(released):
    from nbgrader.validator import Validator

    assert Validator()._get_changed_cells(released) == []


def test_grading_knows_each_cell_of_it(course, released, language):
    assignment = course.assignment(LECTURE)
    places = [assignment.place_of(cell) for cell in released.cells]
    assert set(places) <= set(assignment.layout)
    demos = [cell for cell in released.cells if "demo" in cell.metadata.get("tags", [])]
    assert demos and all(assignment.is_demo(cell.source) for cell in demos)
    tests = [cell for cell in released.cells if cell.id.startswith("test-")]
    assert tests and not any(assignment.is_demo(cell.source) for cell in tests)
    unnamed = copy.deepcopy(released)
    assert sanitise(released, assignment) == []
    assert released.metadata[LANGUAGE_METADATA] == language

    for cell in unnamed.cells:  # as another program may lose nbgrader's names
        cell.metadata.pop("nbgrader", None)
    repairs = sanitise(unnamed, assignment)
    named = [repair for repair in repairs if "found by its text" in repair]
    assert len(named) >= len(assignment.tests()) and not any("changed" in r for r in repairs)


def test_feedback_is_in_the_language_of_the_release(course, released, language):
    assignment = course.assignment(LECTURE)
    sanitise(released, assignment)
    name = next(iter(assignment.tests()))
    for cell in released.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == name:
            text = "It is 3; got [1, 2]. 应为3；得到[1, 2]。"
            error = {"ename": "AssertionError", "evalue": text, "traceback": [text]}
            cell.outputs = [nbformat.v4.new_output("error", **error)]
    scores = {**assignment.tests(), name: 0.0}
    page = render(released, NAME, scores, late_penalty=1.0)
    page = re.sub(r"<(style|script).*?</\1>", "", page, flags=re.DOTALL)
    if language == "en":
        assert not CHINESE.search(page) and "It is 3; got [1, 2]." in page
    else:
        assert "It is" not in page and "应为3；得到[1, 2]。" in page and "迟交扣分" in page
        assert "late" not in re.sub(r"<[^>]*>", "", page).split()


def test_a_hidden_test_in_one_language_is_found_as_a_leak(course, language):
    name = NOTEBOOKS[LECTURE]
    source = nbformat.read(course.sources / name / f"{name}.ipynb", as_version=4)
    hidden = next(cell.source for cell in source.cells if cell.id == "test-layer-map-hidden")
    planted = [
        line for line in cell_in_language(hidden, language).splitlines() if "[2, 4, 7" in line
    ]
    secrets = read_secrets(course.sources, course.solutions)
    assert planted[0] not in hidden and scan_text("x", planted[0], secrets)


def test_a_box_without_an_answer_is_known_as_such(released):
    boxes = [cell.source for cell in released.cells if ".implement" in cell.source]
    assert boxes and not any(map(is_begun, boxes))


@pytest.mark.nightly
def test_a_class_is_graded_as_one_of_a_release_in_both_languages(course, language):
    hand_in(course, course.folder / "release" / NAME, ["perfect", "wrong_idea", "blank"])
    points = {(g.student, g.cell): g.points for g in grade(course, LECTURE).grades}
    assert points["perfect", "test_kept_layers_hidden"] == 2.0
    assert points["wrong_idea", "test_kept_layers_hidden"] == 0.0
    assert points["blank", "test_kept_layers"] == 0.0
    pages = (course.folder / "feedback").rglob("*.html")
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert f'<html lang="{language}">' in text
