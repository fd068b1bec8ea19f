"""What the tests of worked examples share: a lecture's text in both languages, and its minutes."""

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tinybert_l.exercises.registry import NOTEBOOKS

NOTEBOOK_FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
HAN = re.compile(r"[\u4e00-\u9fff]")
CHARACTERS_A_MINUTE = 300


def cells(lecture: int) -> list[NotebookNode]:
    """Return all cells of a lecture's source."""
    name = NOTEBOOKS[lecture]
    return nbformat.read(NOTEBOOK_FOLDER / name / f"{name}.ipynb", as_version=4).cells


def text(lecture: int, language: str) -> str:
    """Return all Markdown of a lecture in one language, with formulas and spaces made plain."""
    sources = [
        cell.source
        for cell in cells(lecture)
        if cell.cell_type == "markdown" and f"lang-{language}" in cell.metadata.tags
    ]
    return plain("\n".join(sources))


def plain(source: str) -> str:
    """Drop spaces, dollar signs, and TeX's and Markdown's marks, which numbers may stand in."""
    source = re.sub(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}", r"\1/\2", source)
    source = source.replace(r"\cdot", "·").replace(r"\sqrt", "√").replace(r"\approx", "≈")
    return re.sub(r"\\,|[\s$*{}\\]|text", "", source)


def assert_stands(lecture: int, *numbers: str) -> None:
    """Assert that each of the numbers stands in the lecture's text, in Chinese and in English.

    A number that is longer on either side, such as 10.35 for 0.35, does not count.
    """
    for language in ("zh", "en"):
        source = text(lecture, language)
        for number in numbers:
            wanted = plain(number)
            before = r"(?<![\d.])" if wanted[0].isdigit() else ""
            assert re.search(rf"{before}{re.escape(wanted)}(?!\d|\.\d)", source), (
                f"lecture {lecture}, {language}: {number} is not in the text"
            )


def reading_minutes(lecture: int) -> int:
    """Return the minutes to read a lecture, to five.

    300 Chinese characters a minute, hints left out, and a minute for each exhibit that is read.
    """
    characters = exhibits = 0
    for cell in cells(lecture):
        if cell.cell_type != "markdown" or "lang-zh" not in cell.metadata.tags:
            continue
        exhibits += "role-read" in cell.metadata.tags
        if "role-hint" not in cell.metadata.tags:
            characters += len(HAN.findall(cell.source))
    return 5 * round((characters / CHARACTERS_A_MINUTE + exhibits) / 5)


def assert_minutes_are_stated(lecture: int) -> None:
    """Assert that the lecture's opening states the minutes of its reading, in both languages."""
    minutes = reading_minutes(lecture)
    opening = "\n".join(cell.source for cell in cells(lecture)[:2])
    assert f"阅读约{minutes}分钟" in opening, minutes
    assert f"About {minutes} minutes of reading" in opening, minutes
