"""Test slides in a real browser at 1280×720.

Nothing is fetched, no slide overflows, and none is shrunk beyond reading.
"""

import html
import importlib
import itertools
import re

import nbformat
import pytest
from tests_support import CHROMIUM

from tinybert_l.course.quiz_questions import read_questions
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import MATERIAL

SMALLEST = 0.75  # of the lecture-hall size
MEASURE = """() => {
  const slide = Reveal.getCurrentSlide();
  fit(slide);
  const place = slide.getBoundingClientRect();
  const hasNotes = slide.querySelector("aside.notes").textContent.length > 10;
  const zoom = parseFloat(slide.style.zoom);
  return [zoom, place.bottom, place.right, slide.innerText.slice(0, 40), hasNotes];
}"""


@pytest.fixture(scope="module")
def maker(checkout):
    """The tool as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(checkout / "tools")
        return importlib.import_module("make_slides")


@pytest.fixture(scope="module")
def slides(maker, tmp_path_factory):
    """A folder with all decks, in Chinese and in English."""
    folder = tmp_path_factory.mktemp("slides")
    maker.copy_reveal(folder / "reveal")
    for language in ("zh", "en"):
        (folder / language).mkdir()
        for lecture, name in maker.NOTEBOOKS.items():
            (folder / language / f"{name}.html").write_text(
                maker.deck(lecture, language), encoding="utf-8"
            )
    return folder


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)")
@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_slide_overflows_and_nothing_comes_from_the_network(slides, browser, language):
    for path in sorted((slides / language).glob("*.html")):
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        urls, errors = [], []
        page.on("request", lambda request, urls=urls: urls.append(request.url))
        page.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
        page.goto(path.as_uri())
        page.wait_for_function("() => window.Reveal && Reveal.isReady()", polling=200)
        total = page.evaluate("Reveal.getTotalSlides()")
        assert total >= 10 and not errors
        assert all(url.startswith("file:") for url in urls)
        for number in range(total):
            zoom, bottom, right, text, notes = page.evaluate(MEASURE)
            measured = (path.name, number, zoom, bottom, right, text)
            assert notes and zoom >= SMALLEST and bottom <= 721 and right <= 1281, measured
            page.evaluate("Reveal.next()")
        page.close()


def text_of(path):
    """A page whose Chinese is not hidden in entities."""
    return html.unescape(path.read_text(encoding="utf-8"))


TIMES = re.compile(r"<div>(?:lesson 课 (\d): )?(\d+:\d\d)–(\d+:\d\d) / ([\d.]+) min</div>")


@pytest.mark.parametrize(("name", "lessons"), [("02-joint-learning", 1), ("03-architecture", 2)])
def test_every_slide_has_its_time_and_the_minutes_add_up_to_lessons(slides, name, lessons):
    page = text_of(slides / "en" / f"{name}.html")
    times = TIMES.findall(page)
    assert len(times) == page.count("<aside")
    for lesson, own in itertools.groupby(times, key=lambda time: time[0]):
        due = list(own)
        assert due[0][1] == "0:00" and due[-1][2] == "45:00", lesson
        assert all(a[2] == b[1] and a[1] != a[2] for a, b in itertools.pairwise(due))
    assert len(dict.fromkeys(time[0] for time in times)) == lessons
    assert ("it fills two lessons" in page) == (lessons == 2)


def test_a_deck_in_english_has_no_chinese_title(slides):
    page = text_of(slides / "en" / "03-architecture.html")
    assert "<h1" in page and "TinyBERT-L: Architecture and Innovations" in page
    assert "架构与创新点" not in page.split("<script")[0]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_quiz_questions_are_shown_with_their_choices_and_without_answers(maker, slides, language):
    for lecture, name in NOTEBOOKS.items():
        cells = {cell.id: cell for cell in maker.source_of(lecture).cells}
        page = text_of(slides / language / f"{name}.html")
        for question in read_questions(MATERIAL / "solutions", lecture):
            cell = cells.get(question.name.replace("_", "-") + "-zh")
            if cell is None or cell.metadata.slideshow.slide_type == "skip":
                continue  # a copy that was executed before the question was written
            title = f"测验{question.number}" if language == "zh" else f"Quiz {question.number}"
            (slide,) = [part for part in page.split("<section>") if title in part]
            letters = re.findall(r"<li><strong>([A-Z])</strong> ·", slide)
            assert letters == sorted(question.choices), (language, question.name)
            assert f"{question.name} =" not in page


@pytest.fixture
def texts(checkout, monkeypatch):
    """The tool that makes slides of cells, as a module."""
    monkeypatch.syspath_prepend(checkout / "tools")
    return importlib.import_module("slide_texts")


def test_two_headings_do_not_stand_on_a_slide_by_themselves(texts):
    steps = "\n".join(f"{number}. {'a step of many words ' * 9}" for number in range(1, 5))
    first = texts.text_slides(f"## Title\n\n### Below it\n\n{steps}")[0]
    assert "Below it" in first.body and "a step" in first.body


def test_a_line_or_two_join_the_slide_before_where_they_fit(texts):
    paragraph = "words " * 95  # seven lines and a half
    assert len(texts.text_slides(f"{paragraph}\n\n{'words ' * 55}\n\nA last line.")) == 1
    assert len(texts.text_slides(f"{paragraph}\n\n{paragraph}\n\n{paragraph}")) == 3


def test_a_picture_is_in_the_language_of_the_deck(texts):
    data = {"image/png": "both", "application/x-png-zh": "chinese"}
    metadata = {"image/png": {"alt": "Left: a. 左：甲。"}}
    output = nbformat.v4.new_output("display_data", data, metadata=metadata)
    cell = nbformat.v4.new_code_cell(outputs=[output])
    for language, picture, alt in (
        ("zh", "chinese", "左：甲。"),
        ("en", "both", "Left: a."),
        ("both", "both", "Left: a. 左：甲。"),
    ):
        (slide,) = texts.output_slides(cell, language)
        assert f"base64,{picture}" in slide.body and slide.notes == [alt]


def test_a_caption_is_not_squeezed_to_the_width_of_its_table(texts):
    rows = "".join(f"<tr><td>{number}</td></tr>" for number in range(40))
    page = f"<table><caption>Record `a` &lt; b</caption><tbody>{rows}</tbody></table>"
    parts = texts.tables(page, "en")
    assert len(parts) > 1 and all("<caption" not in part for part in parts)
    assert parts[0].startswith(
        f'<div class="table"><p class="caption">Record a &lt; b (1/{len(parts)})</p>'
    )
