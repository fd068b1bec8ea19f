"""Write slides of lectures: `python tools/make_slides.py [zh|en|both] [LECTURE ...]`.

Decks go to outputs/slides. Figures and tables come from the executed copies of outputs/notebooks
(see run_notebooks.py). A deck needs no network: reveal.js comes from a package and is copied beside
it, formulas are MathML, the Chinese font is the project's own. Key S opens the speaker's notes: the
time of each slide, and the folded answers.
"""

import html
import importlib.util
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import nbformat
from bs4 import BeautifulSoup, Tag
from jinja2 import Environment
from latex2mathml.converter import convert
from nbconvert.filters import markdown2html

from tinybert_l.cache import write_atomically
from tinybert_l.course.authoring import in_language
from tinybert_l.exercises.registry import NOTEBOOKS

CHECKOUT = Path(__file__).resolve().parent.parent
LANGUAGES = ("zh", "en", "both")
LESSON_MINUTES = 45  # ten lessons for ten lectures; the eleventh is for reading
# the room of a slide: lines, and half-widths of a Chinese character in a line
LINES = 13.5
UNITS = 82
TABLE_LINES = 11
TABLE_UNITS = 105
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$\n]+?)\$", re.S)


@dataclass
class Slide:
    """A slide: its HTML, the speaker's notes, and its share of the lesson (relative)."""

    body: str
    notes: list[str] = field(default_factory=list)
    weight: float = 1.0
    first: bool = True  # begins a new column


def deck(lecture: int, language: str) -> str:
    """Write a lecture's slides as a page, without the code, tests and hints of exercises."""
    slides: list[Slide] = []
    notebook = in_language(source_of(lecture), None if language == "both" else language)
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "skip")
        if kind == "skip":
            continue
        if cell.cell_type == "markdown":
            cell_slides = text_slides(cell.source)
        else:
            cell_slides = output_slides(cell)
        for slide in cell_slides:
            slide.first = kind == "slide" and slide is cell_slides[0]
        slides += cell_slides
    add_times(slides, LESSON_MINUTES if lecture < 11 else LESSON_MINUTES / 2)
    title = notebook.metadata.get("title") or NOTEBOOKS[lecture]
    template = Environment(autoescape=False).from_string(PAGE)
    return template.render(slides=slides, title=html.escape(title))


def add_times(slides: list[Slide], lesson: float) -> None:
    """Begin each slide's notes with its minutes in a lesson of so many minutes."""
    total = sum(slide.weight for slide in slides)
    begin = 0.0
    for slide in slides:
        end = begin + lesson * slide.weight / total
        slide.notes.insert(0, f"{begin:.0f}–{end:.0f} min / {lesson:g} min")
        begin = end


def source_of(lecture: int) -> nbformat.NotebookNode:
    """Read the executed copy of a lecture where there is one, else its source."""
    name = NOTEBOOKS[lecture]
    executed = CHECKOUT / "outputs" / "notebooks" / name / f"{name}.ipynb"
    source = executed if executed.is_file() else CHECKOUT / "notebooks" / name / f"{name}.ipynb"
    return nbformat.read(source, as_version=4)


def text_slides(source: str) -> list[Slide]:
    """Cut a text cell into slides: as many as it takes at lecture-hall size."""
    pages: list[list[str]] = [[]]
    for block in blocks(source):
        page = pages[-1]
        only_heading = len(page) == 1 and page[0].startswith("#")
        too_long = sum(map(lines, page)) + lines(block) > LINES
        if page and too_long and not only_heading:
            pages.append([])
        pages[-1].append(block)
    slides = []
    for page in pages:
        answers = re.findall(r"</summary>(.*?)</details>", "\n".join(page), re.S)
        weight = 0.6 + sum(map(lines, page)) / 12
        notes = [to_html(answer.strip()) for answer in answers]
        slides.append(Slide(to_html("\n\n".join(page)), notes, weight))
    return slides


def blocks(source: str) -> list[str]:
    """Cut a text into paragraphs, lists, tables and formulas.

    Folded answers and code fences stay whole, a line that announces a list stays with the list, and
    long lists are cut in two.
    """
    halves = []
    for block in with_announcements(whole_blocks(source)):
        halves += list_halves(block)
    return halves


def whole_blocks(source: str) -> list[str]:
    """Cut a text at empty lines, but not inside folded answers and code fences."""
    found: list[str] = []
    depth = 0  # of folded answers and code fences that are still open
    for part in re.split(r"\n\s*\n", source.strip()):
        if depth:
            found[-1] += "\n\n" + part
        else:
            found.append(part)
        depth += part.count("<details") - part.count("</details")
        if part.count("```") % 2:
            depth += -1 if depth else 1
    return found


def with_announcements(found: list[str]) -> list[str]:
    """Join a list or table with the short line before it, which announces it."""
    joined: list[str] = []
    for block in reversed(found):
        below = joined[-1] if joined else ""
        is_list = re.match(r"[-*|]|1\. ", below)
        if is_list and lines(block) <= 2.5 and not block.startswith(("#", "<")):
            joined[-1] = block + "\n\n" + below
        else:
            joined.append(block)
    return joined[::-1]


def list_halves(block: str) -> list[str]:
    """Cut a list in two where it fills a slide."""
    items = re.split(r"\n(?=(?:[-*]|\d+\.) )", block)
    if len(items) <= 3 or lines(block) <= LINES - 2 or "<details" in block:
        return [block]
    half = (len(items) + 1) // 2
    return ["\n".join(items[:half]), "\n".join(items[half:])]


def lines(block: str) -> float:
    """Estimate the lines that a block takes on a slide."""
    if block.startswith("<details"):
        return 1.5
    if block.startswith("#"):
        return 2.2
    if block.startswith("|"):
        return 0.85 * block.count("\n") + 1
    keeps_its_lines = re.search(r"^(?:[-*`$]|\d+\.)", block, re.M)
    block_lines = block.split("\n") if keeps_its_lines else [block.replace("\n", " ")]
    count = 0.0
    for line in block_lines:
        plain = FORMULA.sub(lambda m: "x" * min(len(m.group(0)) // 2, 40), line)
        count += -(-units(plain) // UNITS)
    return count + 0.5 + 1.5 * block.count("$$") / 2


def units(text: str) -> int:
    """Measure the width of a text in halves of a Chinese character."""
    return sum(2 if ord(c) > 0x2E80 else 1 for c in text)


def to_html(source: str) -> str:
    """Convert Markdown to HTML, formulas to MathML."""
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        display = "block" if match.group(1) else "inline"
        kept.append(convert(match.group(1) or match.group(2), display=display))
        return f"FORMULA{len(kept) - 1}END"

    page = markdown2html(FORMULA.sub(keep, source))
    page = re.sub(r'<a class="anchor-link".*?</a>', "", page)
    return re.sub(r"FORMULA(\d+)END", lambda m: kept[int(m.group(1))], page)


def output_slides(cell: nbformat.NotebookNode) -> list[Slide]:
    """Put each picture and each table that a cell shows on a slide."""
    slides = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" in data:
            alt = output.metadata.get("image/png", {}).get("alt", "")
            source = "data:image/png;base64," + data["image/png"].replace("\n", "")
            body = f'<img class="figure" alt="{html.escape(alt)}" src="{source}">'
            slides.append(Slide(body, [html.escape(alt)], 2.0))
        elif "<table" in data.get("text/html", ""):
            slides += [Slide(part, [], 2.0) for part in tables(data["text/html"])]
    return slides


def tables(page: str) -> list[str]:
    """Cut a table where a slide is full; each part has caption and headings."""
    soup = BeautifulSoup(page, "html.parser")
    table = cast(Tag, soup.find("table"))
    body = cast(Tag, table.find("tbody"))
    parts = row_groups(body.find_all("tr", recursive=False))
    caption = table.find("caption")
    caption_text = "" if caption is None else re.sub(r" \(\d+/\d+\)$", "", caption.get_text())
    pages = []
    for number, part in enumerate(parts, 1):
        body.clear()
        body.extend(part)
        note = ""
        if len(parts) > 1:
            if caption is None:
                note = f"<p>({number}/{len(parts)})</p>"
            else:
                caption.string = f"{caption_text} ({number}/{len(parts)})"
        pages.append(f'<div class="table">{soup}{note}</div>')
    return pages


def row_groups(rows: Sequence[Tag]) -> list[list[Tag]]:
    """Put rows into groups that fit on a slide each."""
    texts = []
    for row in rows:
        texts.append([units(cell.get_text().strip()) for cell in row.find_all(["td", "th"])])
    # a browser shares the width among columns about as their fullest cells need it
    fullest = [min(max(column), 40) for column in zip(*texts, strict=False)]
    available = max(sum(fullest), TABLE_UNITS)
    shares = [max(6.0, TABLE_UNITS * full / available) for full in fullest]
    groups: list[list[Tag]] = [[]]
    used = 0.0
    for row, widths in zip(rows, texts, strict=True):
        height = 1.0
        for width, share in zip(widths, shares, strict=False):
            height = max(height, -(-width // share))
        if groups[-1] and used + height > TABLE_LINES:
            groups.append([])
            used = 0.0
        groups[-1].append(row)
        used += height
    return groups


def copy_reveal(folder: Path) -> None:
    """Copy reveal.js, its notes plugin and the font to a folder beside the decks."""
    spec = importlib.util.find_spec("sphinx_revealjs")
    if spec is None or spec.origin is None:
        sys.exit(
            "make_slides: sphinx-revealjs, which brings reveal.js, is missing: "
            "pip install -e '.[dev]'"
        )
    static = Path(spec.origin).parent / "_static" / "revealjs"
    for part in (
        "dist/reveal.css",
        "dist/reset.css",
        "dist/reveal.js",
        "plugin/notes/notes.js",
        "LICENSE",
    ):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(static / part, folder / part)
    fonts = CHECKOUT / "tinybert_l" / "course" / "fonts"
    shutil.copy(fonts / "TinyBERTLSansSC-Regular.ttf", folder)
    shutil.copy(fonts / "OFL.txt", folder)


def main() -> None:
    language = sys.argv[1] if len(sys.argv) > 1 else "both"
    if language not in LANGUAGES:
        sys.exit(f"make_slides: {language!r}; allowed: {', '.join(LANGUAGES)}.")
    folder = CHECKOUT / "outputs" / "slides"
    copy_reveal(folder / "reveal")
    for lecture in map(int, sys.argv[2:] or NOTEBOOKS):
        path = folder / language / f"{NOTEBOOKS[lecture]}.html"
        write_atomically(path, deck(lecture, language))
        print(path)


PAGE = """<!DOCTYPE html>
<html lang="zh">
<head>
<meta charset="utf-8"><title>{{ title }}</title>
<link rel="stylesheet" href="../reveal/dist/reset.css">
<link rel="stylesheet" href="../reveal/dist/reveal.css">
<style>
@font-face { font-family: "TinyBERTL Sans SC"; src: url("../reveal/TinyBERTLSansSC-Regular.ttf") }
body { background: #fff }
.reveal {
  font: 29px/1.42 "Noto Sans", "Noto Sans CJK SC", "TinyBERTL Sans SC", sans-serif;
  color: #1a1a1a;
}
.reveal .slides { text-align: left }
.reveal .slides > section { padding: 0 }
.reveal .slides > section > section {
  padding: 14px 26px; width: 100%; box-sizing: border-box;
}
.reveal h1 { font-size: 50px; line-height: 1.2; margin-bottom: 30px; color: #004a7c }
.reveal h2 { font-size: 38px; margin-bottom: 18px; color: #004a7c }
.reveal h3 { font-size: 33px; margin-bottom: 16px; color: #004a7c }
.reveal p { margin: 0 0 14px }
.reveal strong { font-weight: 700 }
.reveal em { font-style: italic }
.reveal ul, .reveal ol { margin: 0 0 14px 1.2em }
.reveal li { margin-bottom: 6px }
.reveal ul { list-style: disc }
.reveal ol { list-style: decimal }
.reveal code {
  font-family: ui-monospace, "DejaVu Sans Mono", monospace;
  font-size: .86em; background: #f1f3f5; padding: 0 4px;
}
.reveal pre code { display: block; padding: 12px; line-height: 1.3 }
.reveal a { color: #0057a3 }
.reveal details { margin-bottom: 14px }
.reveal summary { cursor: pointer; color: #0057a3 }
.reveal table { border-collapse: collapse; font-size: 21px }
.reveal th { font-weight: 700 }
.reveal th, .reveal td {
  padding: 4px 7px; border-bottom: 1px solid #bbb; text-align: left; vertical-align: top;
}
.reveal caption { text-align: left; font-weight: 700; padding-bottom: 10px; font-size: 25px }
.reveal img.figure { display: block; max-width: 1200px; max-height: 660px; margin: 0 auto }
.reveal .slide-number { color: #444; background: none; font-size: 18px }
</style>
</head>
<body>
<div class="reveal"><div class="slides">
{% for slide in slides -%}
{% if slide.first or loop.first %}{% if not loop.first %}</section>{% endif %}<section>{% endif %}
<section>{{ slide.body }}<aside class="notes">
{%- for note in slide.notes %}<div>{{ note }}</div>{% endfor -%}
</aside></section>
{% endfor %}</section>
</div></div>
<script src="../reveal/dist/reveal.js"></script>
<script src="../reveal/plugin/notes/notes.js"></script>
<script>
const room = 690;
function fit(section) {  // tables are as long as their measurement made them
  if (!section) return;
  for (let zoom = 1; zoom > 0.4; zoom -= 0.03) {
    section.style.zoom = zoom;
    const fits = section.scrollHeight * zoom <= room;
    if (fits && section.scrollWidth <= section.clientWidth + 1) return;
  }
}
Reveal.initialize({
  width: 1240, height: 700, margin: 0.014, center: false, hash: true, transition: "none",
  slideNumber: "c/t", plugins: [RevealNotes],
}).then(() => fit(Reveal.getCurrentSlide()));
Reveal.on("slidechanged", event => fit(event.currentSlide));
document.addEventListener("toggle", () => fit(Reveal.getCurrentSlide()), true);
</script>
</body>
</html>
"""

if __name__ == "__main__":
    main()
