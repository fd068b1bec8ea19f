"""The table as a static page: one in each language, no script, nothing loaded, readable by ear."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from tinybert_l.course.capstone.rules import BUDGET_MS, SIZE_LIMIT, budget_ratio
from tinybert_l.course.intervals import Estimate
from tinybert_l.grading.league.heldout import HeldOut
from tinybert_l.grading.league.table import Table
from tinybert_l.grading.written import Written
from tinybert_l.languages import LANGUAGES, in_words

TEMPLATE = Path(__file__).with_name("page.html.j2")
BAR_WIDTH = 120  # of the picture of an interval


@dataclass(frozen=True)
class Bar:
    """Where an interval lies in its picture.

    Args:
        left, middle, width: in units of the picture.
    """

    left: float
    middle: float
    width: float


def write_pages(table: Table, held_out: HeldOut, folder: Path, course: Path) -> dict[Path, Path]:
    """Write league-zh.html and league-en.html.

    Args:
        course: the folder of the course, which records what commands have written.
    Returns:
        {path: where it was written}, which is beside a page that somebody has edited.
    """
    written = Written(course, "league")
    places = {}
    for lang in LANGUAGES:
        path = folder / f"league-{lang}.html"
        places[path] = written.write(path, page(table, held_out, lang))
    return places


def page(table: Table, held_out: HeldOut, lang: str) -> str:
    """Return the page in one language."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["words"] = lambda text: in_words(text, lang)
    environment.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    environment.filters["bar"] = lambda estimate: _bar(estimate, table)
    return environment.get_template(TEMPLATE.name).render(
        table=table,
        held_out=held_out,
        lang=lang,
        other="en" if lang == "zh" else "zh",
        budget=budget_ratio(),
        budget_ms=BUDGET_MS,
        size_limit=SIZE_LIMIT,
        bar_width=BAR_WIDTH,
    )


def _bar(estimate: Estimate, table: Table) -> Bar:
    """Place an interval between the least and the largest of the table."""
    estimates = [row.score.accuracy for row in table.rows]
    low = min(one.low for one in estimates)
    span = max(one.high for one in estimates) - low or 1.0
    scale = BAR_WIDTH / span
    left = (estimate.low - low) * scale
    middle = (estimate.mean - low) * scale
    return Bar(left, middle, (estimate.high - estimate.low) * scale)
