"""Test slides in a real browser at 1280×720.

Nothing is fetched, no slide overflows, and none is shrunk beyond reading.
"""

import importlib.util
import itertools
import re
import sys

import pytest
from tests_support import CHROMIUM

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
def slides(checkout, tmp_path_factory):
    """The tool, writing to a folder of its own."""
    spec = importlib.util.spec_from_file_location(
        "make_slides", checkout / "tools" / "make_slides.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_slides"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("slides")
    module.copy_reveal(folder / "reveal")
    for language in ("zh", "en"):
        (folder / language).mkdir()
        for lecture, name in module.NOTEBOOKS.items():
            (folder / language / f"{name}.html").write_text(
                module.deck(lecture, language), encoding="utf-8"
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


def test_every_slide_has_its_time_and_the_minutes_add_up(slides):
    page = (slides / "en" / "03-architecture.html").read_text(encoding="utf-8")
    times = re.findall(r"<div>(\d+)–(\d+) min / 45 min</div>", page)
    assert len(times) == page.count("<aside") and times[0][0] == "0" and times[-1][1] == "45"
    assert all(a[1] == b[0] for a, b in itertools.pairwise(times))
    assert "<h1" in page and "TinyBERT-L: Architecture and Innovations" in page
    assert "架构与创新点" not in page.split("<script")[0]
