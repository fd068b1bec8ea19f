"""Slides made of one cell: its text cut into pages that fit, its figures and its tables."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import nbformat
from bs4 import BeautifulSoup, Tag
from latex2mathml.converter import convert
from nbconvert.filters import markdown2html

from tinybert_l.course.figures import MIME_OF_LANGUAGE
from tinybert_l.languages import in_words

# the room of a slide: lines, and half-widths of a Chinese character in a line
LINES = 13.5
UNITS = 82
SHORT_PAGE = 3.5  # lines; so little does not stand on a slide of its own
CROWDED = 16.0  # lines that still fit, in letters a little smaller
TABLE_LINES = 16
TABLE_UNITS = 105
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$\n]+?)\$", re.S)


@dataclass
class Slide:
    """A slide: its HTML, the speaker's notes, and its share of the lesson (relative)."""

    body: str
    notes: list[str] = field(default_factory=list)
    weight: float = 1.0
    first: bool = True  # begins a new column

    def with_title(self, title: str) -> str:
        """Put the title of the slide before on a slide without a heading; return its title."""
        heading = re.search(r"<h[1-6][^>]*>(.*?)</h[1-6]>", self.body, re.S)
        if heading is None:
            self.body = f'<p class="running">{title}</p>{self.body}'
            return title
        return re.sub(r"<[^>]+>", "", heading.group(1)).strip()


def text_slides(source: str) -> list[Slide]:
    """Cut a text cell into slides: as many as it takes at lecture-hall size."""
    pages: list[list[str]] = [[]]
    for block in blocks(source):
        page = pages[-1]
        only_heading = all(part.startswith("#") for part in page)
        too_long = sum(map(lines, page)) + lines(block) > LINES
        if page and too_long and not only_heading:
            pages.append([])
        pages[-1].append(block)
    if len(pages) > 1 and sum(map(lines, pages[-1])) < SHORT_PAGE:
        if sum(map(lines, [*pages[-2], *pages[-1]])) <= CROWDED:
            last = pages.pop()
            pages[-1] += last
        elif len(pages[-2]) > 2:
            pages[-1].insert(0, pages[-2].pop())
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


def output_slides(cell: nbformat.NotebookNode, language: str) -> list[Slide]:
    """Put each picture and each table that a cell shows on a slide.

    Tables are in the deck's language, and so are pictures that were kept in it.
    """
    slides = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" in data:
            alt = output.metadata.get("image/png", {}).get("alt", "")
            picture = data.get(MIME_OF_LANGUAGE.format(language), data["image/png"])
            if language != "both":
                alt = in_words(alt, language)
            source = "data:image/png;base64," + picture.replace("\n", "")
            body = f'<img class="figure" alt="{html.escape(alt)}" src="{source}">'
            slides.append(Slide(body, [html.escape(alt)], 2.0))
        elif "<table" in data.get("text/html", ""):
            slides += [Slide(part, [], 2.0) for part in tables(data["text/html"], language)]
    return slides


def tables(page: str, language: str) -> list[str]:
    """Cut a table where a slide is full; each part has caption and headings."""
    soup = BeautifulSoup(page, "html.parser")
    if language != "both":
        for text in soup.find_all(string=True):
            text.replace_with(in_words(str(text), language))
    table = cast(Tag, soup.find("table"))
    body = cast(Tag, table.find("tbody"))
    parts = row_groups(body.find_all("tr", recursive=False))
    caption = table.find("caption")
    title = ""
    if caption is not None:  # a caption is no wider than its table, a paragraph is
        title = html.escape(re.sub(r" \(\d+/\d+\)$", "", caption.get_text()).replace("`", ""))
        caption.extract()
    pages = []
    for number, part in enumerate(parts, 1):
        body.clear()
        body.extend(part)
        words = title
        if len(parts) > 1:
            words = f"{title} ({number}/{len(parts)})".strip()
        above = f'<p class="caption">{words}</p>' if words else ""
        pages.append(f'<div class="table">{above}{soup}</div>')
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
