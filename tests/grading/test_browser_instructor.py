"""An instructor in a real browser: Create Assignment, Formgrader, grading by hand; sandboxed."""

import sys
import time

import pytest
from browser import PATIENCE, picture, server
from tests_support import CHROMIUM

from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading import setup
from tinybert_l.grading.course import Course
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.release import release
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.book import Book
from tinybert_l.grading.run import feedback, prove
from tinybert_l.grading.sample_class import LECTURE, hand_in

NAME = NOTEBOOKS[LECTURE]
# typed before Formgrader has fetched grades and comments, a number is overwritten by them
LISTENS = "window.formgrader?.grades?.loaded && window.formgrader?.comments?.loaded"
OPEN_AT_THE_ESSAY = """() => {
    const box = document.getElementById("essay").getBoundingClientRect();
    const isFocused = document.activeElement.id === "essay";
    return isFocused && scrollY > innerHeight && box.top > 0 && box.bottom < innerHeight;
}"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
    ),
    pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}"),
]


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    course = setup.init(tmp_path_factory.mktemp("browser") / "course")
    hand_in(course, release(course, LECTURE), ["perfect", "wrong_idea"])
    return course


@pytest.fixture(scope="module")
def lab_log(tmp_path_factory):
    """The log of the server that the tests start."""
    return tmp_path_factory.mktemp("lab") / "server.log"


@pytest.fixture(scope="module")
def lab(course, lab_log):
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={course.folder}"]
    with server(command, course.folder, lab_log.parent) as address:
        yield address


def test_formgrader_autogrades_by_its_button_and_shows_scores_and_feedback(course, lab, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{lab}/formgrader/manage_assignments")
    page.get_by_role("link", name=NAME).first.wait_for(timeout=PATIENCE)
    page.goto(f"{lab}/formgrader/manage_submissions/{NAME}")
    row = page.locator("tr", has_text="wrong_idea")
    row.wait_for(timeout=PATIENCE)
    row.locator(".autograde a").click()
    page.get_by_text("Successfully", exact=False).first.wait_for(timeout=PATIENCE)
    picture(page, "formgrader-autograded")
    graded = [e for e in Audit(course.folder).entries() if e["event"] == "graded"]
    assert [e["student"] for e in graded] == ["wrong_idea"] and graded[0]["via"] == "nbgrader"
    assert sum(v["points"] or 0 for v in graded[0]["verdicts"]) == 21
    assert not [p for p in prove(course, LECTURE) if p.startswith("wrong_idea")]

    page.reload()
    row.wait_for(timeout=PATIENCE)
    assert "21" in row.inner_text()
    page.goto(f"{lab}/formgrader/gradebook/{NAME}/{NAME}")
    page.get_by_text("Submission #1").first.wait_for(timeout=PATIENCE)
    picture(page, "formgrader-scores")
    page.goto(f"{lab}/formgrader/manage_submissions/{NAME}")
    row.wait_for(timeout=PATIENCE)
    row.locator(".generate-feedback a").click()
    feedback = course.folder / "feedback" / "wrong_idea" / NAME / f"{NAME}.html"
    deadline = time.monotonic() + PATIENCE / 1000
    while not feedback.is_file() and time.monotonic() < deadline:
        time.sleep(0.5)
    page.goto(feedback.as_uri())
    page.get_by_text("fixed step").first.wait_for(timeout=PATIENCE)
    picture(page, "feedback")
    text = feedback.read_text(encoding="utf-8")
    assert "HIDDEN TESTS" not in text and "20" in text


def test_an_answer_is_graded_by_hand_with_a_comment_that_reaches_the_student(course, lab, browser):
    """Give points and a comment in Formgrader to what the test before autograded."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{lab}/formgrader/gradebook/{NAME}/{NAME}")
    page.get_by_text("Submission #1").first.click()
    page.wait_for_function(LISTENS, timeout=PATIENCE)
    page.wait_for_function(OPEN_AT_THE_ESSAY, timeout=PATIENCE)
    picture(page, "formgrader-opens-at-the-essay")
    scores, comments = page.locator("input.score"), page.locator("textarea.comment")
    scores.nth(scores.count() - 1).fill("3")
    comments.nth(comments.count() - 1).fill("Clear; say also what the largest costs.")
    with page.expect_response(is_of_a_comment, timeout=PATIENCE):  # after the points
        page.keyboard.press("Tab")
    deadline = time.monotonic() + PATIENCE / 1000
    while (row := total(course, "wrong_idea")).score != 24 and time.monotonic() < deadline:
        page.wait_for_timeout(500)
    picture(page, "formgrader-by-hand")
    assert row.score == 24 and row.to_grade_by_hand == 0
    feedback(course, LECTURE)
    page.goto((course.folder / "feedback" / "wrong_idea" / NAME / f"{NAME}.html").as_uri())
    page.get_by_text("say also what the largest costs").first.wait_for(timeout=PATIENCE)
    picture(page, "feedback-with-comment")


def is_of_a_comment(response) -> bool:
    """Whether the server answers that it has stored a comment."""
    return response.request.method == "PUT" and "/api/comment/" in response.url and response.ok


def total(course, student):
    """The student's row of the gradebook."""
    with Book(course.database, NAME) as book:
        (row,) = [r for r in book.totals() if r.student == student]
    return row


def test_create_assignment_shows_what_each_cell_is(course, lab, browser):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{lab}/lab/tree/notebooks/{NAME}/{NAME}.ipynb")
    page.locator(".jp-CodeCell").first.wait_for(timeout=PATIENCE)
    page.get_by_role("tab", name="Create Assignment").click()
    panel = page.locator(".nbgrader-CreateAssignmentWidget")
    panel.get_by_text("Total points").first.wait_for(timeout=PATIENCE)
    page.wait_for_timeout(1000)
    picture(page, "create-assignment")
    text = panel.inner_text()
    assert (
        "Autograded tests" in text and "Autograded answer" in text and "Manually graded" in text
    ), text[:2000]
    ids = panel.locator("input[type=text]").evaluate_all(
        "inputs => inputs.map(input => input.value)"
    )
    assert {"layer_map", "test_layer_map", "test_layer_map_hidden"} <= set(ids)


@pytest.mark.nightly
def test_a_plain_jupyter_lab_in_a_course_shows_no_news_and_logs_no_warning(lab, lab_log, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{lab}/lab")
    page.locator(".jp-Launcher").first.wait_for(timeout=PATIENCE)
    page.locator(".jp-LauncherCard[data-category='Notebook']").first.click()
    page.locator(".jp-Notebook").first.wait_for(timeout=PATIENCE)
    page.wait_for_timeout(3000)  # the news would come after the page
    picture(page, "plain-lab-in-a-course")
    assert page.get_by_text("official Jupyter news").count() == 0
    page.close()
    text = lab_log.read_text(encoding="utf-8")
    assert "without encryption" not in text and "FutureWarning" not in text
