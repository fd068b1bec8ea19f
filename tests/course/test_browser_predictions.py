"""A student predicts in a form, sees the result beside it, and the saved notebook carries both."""

import json
import sys
import zipfile

import nbformat
import pytest
from browser import PATIENCE, cell, picture, server
from tests_support import CHROMIUM

from tinybert_l.course.authoring import answer_cell
from tinybert_l.course.prediction_log import METADATA
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import MATERIAL, Course
from tinybert_l.grading.release import handout, release

NAME = NOTEBOOKS[11]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.nightly,
    pytest.mark.lecture11,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
    ),
]


@pytest.fixture
def folder(tmp_path):
    """An unpacked handout of lecture 11 with its exercise answered."""
    course = Course(tmp_path / "course")
    release(course, 11)
    with zipfile.ZipFile(handout(course, 11)) as archive:
        archive.extractall(tmp_path)
    path = tmp_path / NAME / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    solutions = (MATERIAL / "solutions" / "lecture_11.py").read_text(encoding="utf-8")
    for notebook_cell in notebook.cells:
        if notebook_cell.source.startswith("@flops.implement"):
            notebook_cell.source = answer_cell(solutions, "flops")
    nbformat.write(notebook, path)
    return tmp_path / NAME


def run(page, source: str):
    """Run the cell with this text and wait until it has been run."""
    target = cell(page, source)
    target.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    done = target.locator(".jp-InputPrompt").get_by_text("[", exact=False)
    done.wait_for(timeout=PATIENCE)
    page.wait_for_function(
        "prompt => /[0-9]/.test(prompt.innerText)",
        arg=target.locator(".jp-InputPrompt").element_handle(),
        timeout=PATIENCE,
    )
    return target


def test_a_prediction_in_the_form_is_shown_beside_the_result_and_saved(folder, browser, tmp_path):
    command = [sys.executable, "-m", "tinybert_l.cli", "lab", "--no-browser"]
    with server(command, folder, tmp_path) as address:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(f"{address}/lab/tree/{NAME}.ipynb")
        run(page, "begin(lecture=11)")
        asked = run(page, 'predict("fewer-flops"')
        interval = asked.locator(".widget-vbox", has_text="round to the print")
        interval.wait_for(timeout=PATIENCE)
        ends = interval.locator("input")
        ends.nth(0).fill("3")
        ends.nth(1).fill("5")
        interval.get_by_role("button").click()
        interval.get_by_text("you 你: 3 to 5 of 5").wait_for(timeout=PATIENCE)
        assert "stored 已存" in interval.inner_text() and "SHA-256" in interval.inner_text()
        picture(page, "prediction-form")

        run(page, "@flops.implement")
        run(page, "def rounds(value, printed)")
        shown = run(page, 'show_answer("rows-that-round"').locator(".jp-OutputArea-output")
        text = shown.first.inner_text()
        assert "you 你: 3 to 5 of 5 rows 行; measured 实测: 2 of 5 rows 行" in text
        assert "outside your interval 在区间之外" in text
        shown.first.scroll_into_view_if_needed()
        picture(page, "prediction-and-result")

        page.keyboard.press("Escape")
        page.keyboard.press("Control+S")
        path = folder / f"{NAME}.ipynb"
        for _ in range(100):
            page.wait_for_timeout(200)
            if METADATA in path.read_text(encoding="utf-8"):
                break
        entries = json.loads(path.read_text(encoding="utf-8"))["metadata"][METADATA]
        assert [entry["kind"] for entry in entries] == ["prediction", "result"]
        page.keyboard.press("Control+S")  # no dialog about a file that changed on disk
        page.wait_for_timeout(1500)
        assert page.locator(".jp-Dialog").count() == 0
        saved = path.read_text(encoding="utf-8")
        assert "Run this cell to see the form" in saved and "widget-view+json" not in saved
        page.close()
