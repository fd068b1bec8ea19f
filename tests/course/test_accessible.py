"""Test that axe-core finds nothing serious on the pages that people read."""

from pathlib import Path

import nbformat
import pytest
import warm
from browser import PATIENCE, picture, violations
from nbconvert import HTMLExporter
from tests_support import CHROMIUM

from tinybert_l.course.home import home_notebook
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading import run as grading
from tinybert_l.grading.course import Course
from tinybert_l.grading.leaks import read_secrets, scan
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.release import release
from tinybert_l.grading.sample_class import LECTURE, hand_in

NAME = NOTEBOOKS[LECTURE]
# Sphinx runs in the same process, which has imported already what the API's pages import
BUILD = """
import subprocess
import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx

sys.path.insert(0, "tools")
import make_site, make_slides

def run(command, check, cwd):
    assert command[1:3] == ["-m", "sphinx"] and check and Path(cwd).samefile(Path.cwd())
    status = sphinx(command[3:])
    if status:
        raise subprocess.CalledProcessError(status, command)

subprocess.run = run
out = Path(sys.argv[1])
(out / "zh").mkdir()
make_slides.copy_reveal(out / "reveal")
(out / "zh" / "deck.html").write_text(make_slides.deck(3, "zh"))
make_site.build("en", [3], out / "site" / "en")
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
    ),
]


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Course:
    course = Course(tmp_path_factory.mktemp("accessible") / "course", unsafe=problem() is not None)
    hand_in(course, release(course, LECTURE), ["perfect", "wrong_idea"])
    grading.grade(course, LECTURE)
    return course


@pytest.fixture(scope="module")
def pages(checkout, tmp_path_factory) -> Path:
    """A deck and the site of one lecture; with figures where the lectures were run here."""
    folder = tmp_path_factory.mktemp("pages")
    program = tmp_path_factory.mktemp("program") / "build.py"
    program.write_text(BUILD, encoding="utf-8")
    done = warm.run_tool(["python", str(program), str(folder)], checkout)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    return folder


def look(browser, path: Path, name: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    page.wait_for_timeout(500)
    picture(page, name)
    problems = violations(page)
    page.close()
    assert not problems, "\n".join(problems)


def test_the_course_home(graded, browser, tmp_path):
    exporter = HTMLExporter(exclude_input_prompt=True, exclude_output_prompt=True)
    notebook = home_notebook(graded.folder / "release" / NAME)
    nbformat.validate(notebook)
    (tmp_path / "home.html").write_text(exporter.from_notebook_node(notebook)[0], encoding="utf-8")
    look(browser, tmp_path / "home.html", "axe-home")


def test_feedback_and_report(graded, browser):
    look(browser, graded.folder / "feedback" / "wrong_idea" / NAME / f"{NAME}.html", "axe-feedback")
    look(browser, graded.folder / f"report-{NAME}.html", "axe-report")


def test_the_site_gives_nothing_away(pages, checkout):
    secrets = read_secrets(checkout / "notebooks", checkout / "solutions")
    assert scan(pages, secrets) == []
    assert not list(pages.rglob("*.ipynb")), "its sources are not published"


@pytest.mark.parametrize(
    "page",
    [
        "zh/deck.html",
        f"site/en/lectures/{NAME}.html",
        "site/en/index.html",
        "site/en/api/method.joint.html",
    ],
)
def test_slides_and_site(pages, browser, page):
    look(browser, pages / page, "axe-" + page.removesuffix(".html").replace("/", "-"))


def test_the_site_needs_no_network_and_its_search_finds(pages, browser):
    page = browser.new_page()
    urls = []
    page.on("request", lambda request: urls.append(request.url))
    page.goto((pages / "site" / "en" / "search.html").as_uri() + "?q=sandwich")
    page.locator("#search-results li a").first.wait_for(timeout=PATIENCE)
    assert page.locator("#search-results li a").count() >= 1
    assert not [url for url in urls if not url.startswith(("file:", "data:"))]
