"""A marker in a real browser, by keyboard alone: rubric, comments, groups, undo; in two languages.

Needs no sandbox: what was handed in is graded already.
"""

import base64
import contextlib
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from browser import PATIENCE, picture, violations
from marking_class import QUESTION, make_class
from tests_support import CHROMIUM

from tinybert_l.grading.course import Course
from tinybert_l.grading.marking.desk import Desk

LECTURE = 3
ENGLISH = """\
I propose the mapping **[1, 3, 6]**: early layers hold syntax, late ones the task, so the student's
first layer should not skip the embeddings' neighbourhood.

- *Prediction*: the divergence of 2×¼ falls by at least 0.02 against `uniform`.
- *Experiment*: seeds 0, 1, 2 give 0.31, 0.33, 0.30; uniform gives 0.34, 0.35, 0.33.

The difference is 0.027 with a standard error of 0.004, $n = 3$ seeds only, so I call it likely.
"""
CHINESE = """\
我提出映射**[2, 4, 6]**：低层学词法，中层学句法，高层学任务，因此应均匀而偏上。

预测：2×¼的散度比`uniform`低0.02。实验用三个种子，得0.31、0.33、0.30，对照为0.34、0.35、0.33；差0.027，标准误0.004。
"""
HOSTILE = """\
<script>document.title = "owned"</script><img src="https://evil.example/x.png">
[click](javascript:alert(1)) My mapping is the top one, because the last layers know the task.
"""


def png() -> str:
    """A blue picture of 300 x 120 pixels, in base64."""
    rows = (b"\0" + b"\0\x72\xb2" * 300) * 120
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 300, 120, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    raw = b"\x89PNG\r\n\x1a\n"
    for kind, data in parts:
        check = struct.pack(">I", zlib.crc32(kind + data))
        raw += struct.pack(">I", len(data)) + kind + data + check
    return base64.b64encode(raw).decode()


pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
    ),
]


def drawn() -> list[nbformat.NotebookNode]:
    """An essay with a drawing."""
    cell = nbformat.v4.new_markdown_cell("My drawing of the mapping:\n\n![map](attachment:map.png)")
    cell.metadata.nbgrader = {"grade_id": QUESTION}
    cell.attachments = {"map.png": {"image/png": png()}}
    return [cell]


def lost_box() -> list[nbformat.NotebookNode]:
    """An essay that stands in a cell of the student's own, since the box was deleted."""
    return [nbformat.v4.new_markdown_cell("The top layers, since they know the task best.")]


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    answers: dict = {
        "ann": ENGLISH,
        "bo": ENGLISH.replace("likely", "quite likely"),
        "chen": CHINESE,
        "dai": HOSTILE,
        "eva": drawn(),
        "fu": "你的回答 · Your answer",
        "gao": lost_box(),
        "hu": "Uniform is best.",
    }
    return make_class(tmp_path_factory.mktemp("marking") / "course", answers)


@contextlib.contextmanager
def marking(course: Course, *options: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """Start the command and yield the address that it prints."""
    output = course.folder.parent
    command = [sys.executable, "-m", "tinybert_l.cli", "mark", str(LECTURE), "--no-browser"]
    command += ["--output", str(output), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip(), process
    finally:
        process.terminate()
        process.wait(30)


def opened(browser, address: str, language: str, width: int = 1280):
    """A page on the question in a language, with all requests that leave this machine noted."""
    page = browser.new_page(viewport={"width": width, "height": 860}, locale=language)
    page.strangers = []
    page.on(
        "request",
        lambda request: "127.0.0.1" in request.url or page.strangers.append(request.url),
    )
    page.goto(address)
    return page


def shown(page, name: str) -> None:
    """Save a picture of the page, with its font."""
    page.evaluate("document.fonts.ready")
    picture(page, name)


def is_said(page, text: str) -> None:
    from playwright.sync_api import expect

    expect(page.locator("#said")).to_contain_text(text, timeout=PATIENCE)


def current(page) -> str:
    return page.locator("#current").inner_text()


def marks(course: Course) -> dict:
    with Desk(course, LECTURE) as desk:
        return desk.sheet(QUESTION).marks


def test_a_class_is_marked_by_keyboard_alone(course, browser):
    with marking(course) as (address, _):
        page = opened(browser, address, "en-GB")
        assert "token=" not in page.url and violations(page) == []
        shown(page, "marking-overview-en")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Essay"
        page.keyboard.press("Enter")
        page.locator("article.current").wait_for(timeout=PATIENCE)
        assert page.evaluate("document.activeElement.tagName") == "ARTICLE"
        assert page.title() != "owned" and page.strangers == []
        page.locator("article img").scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        assert page.locator("article img").evaluate("image => image.naturalWidth") == 300
        walk_through(page)
        assert violations(page) == []
        assert not [name for name in ("ann", "chen", "gao") if name in page.inner_text("body")]
    assert len([mark for mark in marks(course).values() if mark.points is not None]) == 3


def walk_through(page) -> None:
    """Mark some answers as a person does, and look at each reply."""
    while not page.locator("article.current", has_text="quite likely").count():
        page.keyboard.press("j")
    nearly_equal = current(page)
    page.keyboard.press("g")
    page.keyboard.press("1")
    page.keyboard.press("3")
    is_said(page, "2/5")
    assert page.locator("article.done").count() == 3  # the group of two, and the empty answer
    page.keyboard.press("c")
    page.keyboard.type("Say also what would refute it.")
    page.keyboard.press("Alt+Enter")
    is_said(page, "kept for use again")
    shown(page, "marking-group-en")
    page.keyboard.press("u")
    is_said(page, "Undone")
    assert page.locator("article.done .given", has_text="refute").count() == 0
    page.keyboard.press("n")
    assert current(page) != nearly_equal
    page.keyboard.press("p")
    page.keyboard.type("9")
    page.keyboard.press("Enter")
    is_said(page, "Not saved")
    page.keyboard.press("p")
    page.keyboard.type("2.5")
    page.keyboard.press("Enter")
    is_said(page, "2.5/5")
    page.keyboard.press("r")
    page.keyboard.press("1")
    is_said(page, "saved")
    page.keyboard.press("?")
    page.locator("dialog#keys[open]").wait_for(timeout=PATIENCE)
    assert violations(page) == []
    shown(page, "marking-help-en")
    page.keyboard.press("Escape")


def test_the_page_speaks_chinese_and_fits_a_narrow_window(course, browser):
    with marking(course) as (address, _):
        page = opened(browser, address, "zh-CN")
        shown(page, "marking-overview-zh")
        page.goto(page.url + f"question/{QUESTION}")
        page.locator("article.current").wait_for(timeout=PATIENCE)
        page.keyboard.press("q")
        assert "评分标准" in page.inner_text("#prompt") and violations(page) == []
        shown(page, "marking-zh")
        page.keyboard.press("?")
        shown(page, "marking-help-zh")
        page.keyboard.press("Escape")
        page.set_viewport_size({"width": 420, "height": 860})
        page.keyboard.press("j")
        assert violations(page) == []
        shown(page, "marking-narrow-zh")


@pytest.fixture
def small(tmp_path) -> Course:
    """A class of three whose answers nobody has marked."""
    texts = {"ann": ENGLISH, "hu": "Uniform is best.", "ida": "The top layers know the task."}
    return make_class(tmp_path / "course", texts)


def on_question(browser, address: str, first=None):
    """A page on the question, opened by whoever has the address; or as a second page of theirs."""
    if first is None:
        page = opened(browser, address, "en-GB")
    else:
        page = browser.new_context(storage_state=first.context.storage_state()).new_page()
    page.goto(address.partition("?")[0] + f"question/{QUESTION}")
    page.locator("article.current").wait_for(timeout=PATIENCE)
    return page


def go_to(page, text: str) -> str:
    """Go to the answer with a text, by keyboard; returns its pseudonym."""
    for key in "jk":
        for _ in range(12):
            if page.locator("article.current", has_text=text).count():
                return current(page)
            page.keyboard.press(key)
    raise AssertionError(text)


def test_of_two_pages_none_overwrites_what_it_does_not_show(small, browser):
    with marking(small) as (address, _):
        first = on_question(browser, address)
        second = on_question(browser, address, first)
        code = go_to(first, "Uniform is best")
        assert go_to(second, "Uniform is best") == code
        first.keyboard.press("f")
        is_said(first, "5/5")
        second.keyboard.press("0")
        is_said(second, "marked elsewhere")
        assert "5/5" in second.inner_text(f"#status-{code}")
        second.keyboard.press("0")  # meant, now that it is shown
        is_said(second, "0/5")
        second.keyboard.press("u")
        second.keyboard.press("u")
        second.locator(f"#status-{code}", has_text="to do").wait_for(timeout=PATIENCE)


def test_undo_on_one_page_leaves_the_others_step_until_it_is_shown(small, browser):
    with marking(small) as (address, _):
        first = on_question(browser, address)
        second = on_question(browser, address, first)
        code = go_to(first, "Uniform is best")
        first.keyboard.press("f")
        is_said(first, "5/5")
        second.keyboard.press("u")
        is_said(second, "another page made a step")
        assert "5/5" in second.inner_text(f"#status-{code}")
        second.keyboard.press("u")  # meant, now that it is shown
        second.locator(f"#status-{code}", has_text="to do").wait_for(timeout=PATIENCE)


def test_ticks_go_where_they_were_made_however_slow_the_disk_is(small, browser):
    with marking(small) as (address, _):
        page = on_question(browser, address)
        page.route("**/do/**", lambda route: (time.sleep(0.3), route.continue_()))
        code = go_to(page, "Uniform is best")
        page.keyboard.press("1")
        page.keyboard.press("2")
        page.keyboard.press("c")
        page.keyboard.type("typed meanwhile")
        page.locator(f"#status-{code}", has_text="2/5").wait_for(timeout=PATIENCE)
        assert page.input_value("#comment") == "typed meanwhile"
        page.reload()  # a comment that is typed is kept, too
        page.locator(f"#given-{code}", has_text="typed meanwhile").wait_for(timeout=PATIENCE)


@pytest.mark.parametrize(
    "typed, told", [("2,5", "2.5/5"), ("３", "3/5"), ("7,5", "0 to 5"), ("2.5.1", "no number")]
)
def test_points_are_read_as_people_type_them(small, browser, typed, told):
    with marking(small) as (address, _):
        page = on_question(browser, address)
        page.keyboard.press("p")
        page.keyboard.insert_text(typed)
        page.keyboard.press("Enter")
        is_said(page, told)
        page.keyboard.press("u")
        page.wait_for_timeout(300)


def test_a_comment_outlives_a_program_that_has_stopped(small, browser):
    with marking(small) as (address, process):
        page = on_question(browser, address)
        page.keyboard.press("c")
        page.keyboard.type("not to be lost")
        process.terminate()
        process.wait(30)
        page.keyboard.press("Control+Enter")
        is_said(page, "stopped")
        page.keyboard.press("j")
        page.keyboard.press("k")
        assert page.input_value("#comment") == "not to be lost"


def test_a_second_reader_sees_no_marks_and_hears_of_the_agreement(course, browser):
    options = ("--second-reader", "Bea", "--sample", "3")
    with marking(course, *options) as (address, process):
        page = opened(browser, address, "en-GB")
        page.goto(page.url + f"question/{QUESTION}")
        page.locator("article.current").wait_for(timeout=PATIENCE)
        assert page.locator("article").count() == 3 and page.locator("article.done").count() == 0
        page.keyboard.press("f")
        is_said(page, "5/5")
        shown(page, "marking-second-en")
        process.terminate()
        printed = process.stdout.read()
    assert "1 of 3 marked" in printed and "marked by both readers" in printed
    assert Path(course.folder / "marking" / "03-architecture" / "essay-second-Bea.json").is_file()
