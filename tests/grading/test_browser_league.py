"""The league's page in a real browser: phone, both languages, accessibility, nothing fetched."""

import pytest
from browser import PATIENCE, picture, violations
from test_league import HASH, ITEMS, book_of, right, scored
from tests_support import CHROMIUM

from tinybert_l.course.capstone.asking import Sentences
from tinybert_l.course.capstone.rules import budget_ratio
from tinybert_l.grading.league.heldout import HeldOut
from tinybert_l.grading.league.page import write_pages
from tinybert_l.grading.league.table import make_table

PHONE = {"width": 375, "height": 812}
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
    ),
]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_table_is_read_on_a_phone_without_a_network(tmp_path, browser, language):
    scores = [scored(f"entry {n} 作品", right(850 - 30 * n)) for n in range(5)]
    scores.append(scored("slow", right(900), 2 * budget_ratio()))
    book = book_of(tmp_path, *scores, teacher=scored("teacher", right(860)))
    held_out = HeldOut(Sentences(["x"] * ITEMS, [0] * ITEMS), HASH, False)
    write_pages(make_table(book, HASH), held_out, tmp_path, tmp_path)
    path = tmp_path / f"league-{language}.html"
    page = browser.new_page(viewport=PHONE)
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(path.as_uri(), timeout=PATIENCE)
    picture(page, f"league-phone-{language}")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert fetched == [path.as_uri()] and violations(page) == []
    other = page.locator("header a")
    other.click()
    assert page.locator("h1").inner_text() == {"zh": "The league", "en": "榜单"}[language]
    page.close()
