"""Feedback and the page of alike answers in a real browser: phone, languages, accessibility."""

import random

import pytest
from browser import PATIENCE, picture, violations
from quick_course import Submissions, quick_course
from test_feedback import LANGUAGE_METADATA, NAME, graded, points
from test_likeness import LECTURE, essay, program
from tests_support import CHROMIUM

from tinybert_l.course.authoring import in_language
from tinybert_l.grading.likeness.find import compare_class
from tinybert_l.grading.likeness.page import page as likeness_page
from tinybert_l.grading.results.feedback import render

PHONE = {"width": 375, "height": 812}
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
    ),
]


def look(browser, path, name: str) -> None:
    """Open a page as on a phone: nothing is cut off, nothing fetched, axe finds nothing serious."""
    page = browser.new_page(viewport=PHONE)
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(path.as_uri(), timeout=PATIENCE)
    picture(page, name)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert fetched == [path.as_uri()] and violations(page) == []
    page.close()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_feedback_is_read_on_a_phone_without_a_network(tmp_path, browser, language):
    notebook = in_language(graded(), language)
    notebook.metadata[LANGUAGE_METADATA] = language
    scores = points(test_layer_map_hidden=0.0, essay=3.0)
    path = tmp_path / "feedback.html"
    path.write_text(render(notebook, NAME, scores, {"essay": "Good."}), encoding="utf-8")
    look(browser, path, f"feedback-phone-{language}")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_alike_answers_are_shown_side_by_side(tmp_path, browser, monkeypatch, language):
    submissions = Submissions(quick_course(tmp_path / "course", LECTURE, monkeypatch), LECTURE)
    chance = random.Random(0)
    copied = {"layer_map": program(chance), "essay": essay(chance)}
    for number in range(25):
        answers = {"layer_map": program(chance), "essay": essay(chance)}
        submissions.hand_in(f"s{number}", copied if number in (3, 9) else answers)
    likeness = compare_class(submissions.course, LECTURE)
    path = tmp_path / "similar.html"
    path.write_text(likeness_page(likeness, lang=language), encoding="utf-8")
    look(browser, path, f"similar-phone-{language}")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri(), timeout=PATIENCE)
    sides = page.locator(".pair").first.locator("pre")
    boxes = [sides.nth(index).bounding_box() for index in (0, 1)]
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]
    page.locator(".pair").first.scroll_into_view_if_needed()
    picture(page, f"similar-{language}")
