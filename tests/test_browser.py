"""Formgrader in a real browser: autograde by its button, scores, feedback, with the sandbox in force."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from tests_support import CHROMIUM

from tinybert_l.exercise import NOTEBOOKS
from tinybert_l.grading.audit import Audit
from tinybert_l.grading.course import Course, prove
from tinybert_l.grading.release import release
from tinybert_l.grading.sample_class import LECTURE, hand_in
from tinybert_l.grading.sandbox import problem

NAME = NOTEBOOKS[LECTURE]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"),
    pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}"),
]


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    course = Course(tmp_path_factory.mktemp("browser") / "course")
    hand_in(course, release(course, LECTURE), ["perfect", "wrong_idea"])
    (course.folder / "nbgrader_config.py").write_text(
        "from pathlib import Path\nfrom tinybert_l.grading.course import Course\n"
        f"c = get_config()\nc.merge(Course(Path({str(course.folder)!r})).config())\n",
        encoding="utf-8",
    )
    return course


@pytest.fixture(scope="module")
def server(course):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
        "--IdentityProvider.token=", f"--ServerApp.root_dir={course.folder}",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_RUNTIME_DIR": str(course.folder.parent / "runtime"),
        "JUPYTER_CONFIG_DIR": str(course.folder.parent / "config"),
    }
    said = open(course.folder.parent / "server.log", "w")  # noqa: SIM115
    process = subprocess.Popen(command, cwd=course.folder, env=environment, stdout=said, stderr=said)
    address = f"http://127.0.0.1:{port}"
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{address}/api", timeout=2)
            break
        except OSError:
            assert process.poll() is None, (course.folder.parent / "server.log").read_text()
            time.sleep(0.25)
    yield address
    process.terminate()
    process.wait(30)
    said.close()


def test_formgrader_autogrades_by_its_button_and_shows_scores_and_feedback(course, server, browser, checkout):
    pictures = checkout / "outputs" / "screenshots"
    pictures.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{server}/formgrader/manage_assignments")
    page.get_by_role("link", name=NAME).first.wait_for(timeout=60_000)
    page.goto(f"{server}/formgrader/manage_submissions/{NAME}")
    row = page.locator("tr", has_text="wrong_idea")
    row.wait_for(timeout=60_000)
    row.locator(".autograde a").click()
    page.get_by_text("Successfully", exact=False).first.wait_for(timeout=120_000)
    page.screenshot(path=pictures / "formgrader-autograded.png")
    graded = [e for e in Audit(course.folder).entries() if e["event"] == "graded"]
    assert [e["student"] for e in graded] == ["wrong_idea"] and graded[0]["via"] == "nbgrader"
    assert sum(v["points"] or 0 for v in graded[0]["verdicts"]) == 18
    assert not [p for p in prove(course, LECTURE) if p.startswith("wrong_idea")]

    page.reload()
    row.wait_for(timeout=60_000)
    assert "18" in row.inner_text()
    page.goto(f"{server}/formgrader/gradebook/{NAME}/{NAME}")
    page.get_by_text("Submission #1").first.wait_for(timeout=60_000)
    page.screenshot(path=pictures / "formgrader-scores.png")
    page.goto(f"{server}/formgrader/manage_submissions/{NAME}")
    row.wait_for(timeout=60_000)
    row.locator(".generate-feedback a").click()
    feedback = course.folder / "feedback" / "wrong_idea" / NAME / f"{NAME}.html"
    for _ in range(120):
        if feedback.is_file():
            break
        time.sleep(0.5)
    page.goto(feedback.as_uri())
    page.get_by_text("fixed step").first.wait_for(timeout=20_000)
    page.screenshot(path=pictures / "feedback.png")
    text = feedback.read_text(encoding="utf-8")
    assert "HIDDEN TESTS" not in text and "18" in text
