"""A student goes from the handout to the zip file, a lecturer runs all: in a real browser."""

import shutil
import sys
import zipfile

import nbformat
import pytest
from browser import PATIENCE, cell, picture, server, type_into
from tests_support import CHROMIUM

from tinybert_l.course.authoring import answer_cell
from tinybert_l.course.home import hand_in
from tinybert_l.course.lab import lab_environment
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import MATERIAL, Course
from tinybert_l.grading.release import handout, release

NAME = NOTEBOOKS[3]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
    ),
]

KERNEL_IS_IDLE = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
LAST_CELL_IS_RUN = (
    "() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
    ".at(-1).innerText.match(/[0-9]/)"
)
WRONG = """@layer_map.implement
def layer_map(num_student_layers, num_teacher_layers, strategy="uniform"):
    return list(range(1, num_student_layers + 1))"""


def reference(exercise: str) -> str:
    """The answer cell as the solutions have it."""
    return answer_cell(
        (MATERIAL / "solutions" / "lecture_03.py").read_text(encoding="utf-8"), exercise
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An unpacked handout in which everything but layer_map is answered."""
    work = tmp_path_factory.mktemp("student")
    course = Course(work / "course")
    release(course, 3)
    with zipfile.ZipFile(handout(course, 3)) as archive:
        archive.extractall(work)
    path = work / NAME / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for notebook_cell in notebook.cells:
        source = notebook_cell.source
        if source == "YOUR ANSWER HERE":  # a question that people grade
            notebook_cell.source = "It depends on what the layers are for."
        name = source.partition(".implement")[0].removeprefix("@")
        if source.startswith("@") and name != "layer_map":
            notebook_cell.source = reference(name)
    nbformat.write(notebook, path)
    return work / NAME


@pytest.fixture(scope="module")
def server_log(tmp_path_factory):
    """The log of the server that `lab` starts."""
    return tmp_path_factory.mktemp("lab") / "server.log"


@pytest.fixture(scope="module")
def lab(folder, server_log):
    command = [sys.executable, "-m", "tinybert_l.cli", "lab", "--no-browser"]
    with server(command, folder, server_log.parent) as address:
        yield address


@pytest.mark.lecture3
def test_a_student_from_the_course_home_to_the_file_to_hand_in(folder, lab, browser, tmp_path):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    console_errors = []

    def note(message):
        if message.type == "error" and "404" not in message.text:
            console_errors.append(message.text)

    page.on("console", note)
    page.goto(f"{lab}/")
    page.get_by_text("exercises pass their visible tests").wait_for(timeout=PATIENCE)
    picture(page, "course-home")
    page.locator(".jp-OutputArea a", has_text=NAME).first.click()
    page.get_by_role("tab", name=NAME).wait_for(timeout=PATIENCE)
    type_into(page, cell(page, "@layer_map.implement"), WRONG)
    dialog = validate(page)
    picture(page, "validate-wrong")
    text = dialog.inner_text()
    assert "layer_map" in text and "fail" in text.lower()
    assert "层映射 · Layer mapping" in text and "论述题 · Essay" in text
    assert "The following cell" not in text and "assert " not in text
    dialog.get_by_role("button").last.click()

    type_into(page, cell(page, "@layer_map.implement"), reference("layer_map"))
    dialog = validate(page)
    picture(page, "validate-right")
    assert "success" in dialog.inner_text().lower()
    page.close()

    submission = hand_in(folder / f"{NAME}.ipynb", "ann", tmp_path)
    assert submission.path.is_file()
    for row in submission.rows:
        if not row.item.by_hand and not row.item.is_quiz:
            assert row.state == "passes", row.item.name
    assert submission.rows[-1].state == "written"
    assert not console_errors


@pytest.mark.lecture3
def test_a_forgotten_first_cell_is_named_and_nothing_else_is_in_the_way(folder, lab, browser):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{lab}/lab/tree/{NAME}.ipynb")
    target = cell(page, "@kept_layers.implement")
    target.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    error = target.locator(".jp-OutputArea-output", has_text="run the first code cell")
    error.wait_for(timeout=PATIENCE)
    picture(page, "forgotten-first-cell")
    assert "Traceback" not in error.inner_text()
    assert page.get_by_text("official Jupyter news").count() == 0
    font = "document.fonts.load('16px \"TinyBERTL Sans SC\"', '讲').then(faces => faces.length)"
    assert page.evaluate(font) == 1, "Chinese needs no font of the machine"
    page.close()


@pytest.mark.nightly
@pytest.mark.lecture3
def test_a_quiz_question_shows_its_choices_and_takes_a_letter(folder, lab, browser):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{lab}/lab/tree/{NAME}.ipynb")
    cell(page, "# quiz_3_1 = one letter")
    page.locator(".jp-MarkdownCell", has_text="Quiz 3.1 (1 point)").first.click()
    page.keyboard.press("Shift+Enter")  # the text
    page.keyboard.press("Shift+Enter")  # the choices
    shown = page.locator(".jp-OutputArea-output li")
    shown.first.wait_for(timeout=PATIENCE)
    texts = shown.all_inner_texts()
    assert len(texts) == 4 and {text[0] for text in texts} == set("CGNV")
    assert page.locator(".cm-content", has_text="show_choices").count() == 0, "the code is folded"
    picture(page, "quiz-choices")
    type_into(page, cell(page, "# quiz_3_1 = one letter"), "quiz_3_1 = 'c'")
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")  # its test
    test = cell(page, "from tinybert_l.course.quizzes import chosen, remarks")
    test.locator(".jp-InputPrompt", has_text="[").first.wait_for(timeout=PATIENCE)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.jp-CodeCell')].some(cell => "
        "cell.innerText.includes('\"quiz_3_1\" in globals()') "
        "&& /[0-9]/.test(cell.querySelector('.jp-InputPrompt').innerText))",
        timeout=PATIENCE,
    )
    assert test.locator(".jp-OutputArea-output").count() == 0, "the form is right"
    page.close()


@pytest.mark.lecture3
def test_the_servers_log_has_no_warning_that_a_student_should_not_see(lab, server_log):
    text = server_log.read_text(encoding="utf-8")
    assert "without encryption" not in text and "FutureWarning" not in text


def validate(page):
    """Press Validate in the toolbar; returns the dialog that opens."""
    page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-NotebookPanel-toolbar").get_by_text(
        "Validate"
    ).click()
    dialog = page.locator(".jp-Dialog-content", has_text="alidation")
    dialog.wait_for(timeout=PATIENCE)
    return dialog


@pytest.mark.parametrize("lecture", [10, pytest.param(1, marks=pytest.mark.nightly)])
def test_a_lecturer_runs_all_and_figures_appear(checkout, browser, tmp_path, lecture):
    """A lecture as `begin(lecture=…, demo=True)`, at the size for tests."""
    name = NOTEBOOKS[lecture]
    notebook = nbformat.read(checkout / "notebooks" / name / f"{name}.ipynb", as_version=4)
    for notebook_cell in notebook.cells:
        notebook_cell.source = notebook_cell.source.replace(
            f"begin(lecture={lecture})", f"begin(lecture={lecture}, demo=True)"
        )
    (tmp_path / "talk").mkdir()
    nbformat.write(notebook, tmp_path / "talk" / f"{name}.ipynb")
    shutil.copytree(checkout / "solutions", tmp_path / "talk" / "solutions")
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={tmp_path / 'talk'}"]
    settings = {**lab_environment({}), "TINYBERT_L_REDUCED": "1"}
    with server(command, tmp_path / "talk", tmp_path, **settings) as address:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(f"{address}/lab/tree/{name}.ipynb")
        cell(page, f"begin(lecture={lecture}")
        # the kernel answers: what is run while it still connects may be lost
        page.locator(KERNEL_IS_IDLE).first.wait_for(timeout=PATIENCE)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_function(LAST_CELL_IS_RUN, timeout=240_000)
        figures = page.locator(".jp-OutputArea img")
        assert figures.count() >= 1
        for i in range(figures.count()):
            assert figures.nth(i).evaluate("image => image.naturalWidth > 300")
        errors = page.locator(
            ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']"
        )
        assert errors.count() == 0, errors.first.inner_text()
        figures.first.scroll_into_view_if_needed()
        picture(page, "lecturer-run-all")
        page.close()
