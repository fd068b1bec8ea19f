"""Read what a lecture's notebook says, for tests that compute its worked examples anew."""

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tinybert_l.exercises.registry import NOTEBOOKS

NOTEBOOK_FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
HAN = re.compile(r"[\u4e00-\u9fff]")
CHARACTERS_A_MINUTE = 300
EXHIBIT = re.compile(r"(?:figure|table)-\d+")
# exercises, hints, quiz and essay have minutes of their own
READ_AT_HOME = {"title", "predict", "explain", "read", "verdict", "mistake", "further"}


def cells_of(lecture: int) -> list[NotebookNode]:
    """The cells of a lecture's notebook."""
    name = NOTEBOOKS[lecture]
    return nbformat.read(NOTEBOOK_FOLDER / name / f"{name}.ipynb", as_version=4).cells


def text_of(lecture: int, language: str) -> str:
    """All text of a lecture in one language, "zh" or "en"."""
    other = {"zh": "lang-en", "en": "lang-zh"}[language]
    parts = []
    for cell in cells_of(lecture):
        if cell.cell_type == "markdown" and other not in cell.metadata.get("tags", []):
            parts.append(cell.source)
    return "\n".join(parts)


def reading_minutes(lecture: int) -> int:
    """Chinese characters at 300 a minute and a minute for each exhibit, to the nearest 5."""
    characters = exhibits = 0
    for cell in cells_of(lecture):
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type == "code":
            exhibits += any(map(EXHIBIT.fullmatch, tags))
        elif "lang-en" not in tags and {f"role-{role}" for role in READ_AT_HOME} & tags:
            characters += len(HAN.findall(cell.source))
    return max(5, 5 * round((characters / CHARACTERS_A_MINUTE + exhibits) / 5))


def missing_from(lecture: int, fragments: list[str]) -> list[str]:
    """The fragments that do not stand in both languages of a lecture."""
    missing = []
    for language in ("zh", "en"):
        text = text_of(lecture, language)
        missing += [f"{language}: {part}" for part in fragments if part not in text]
    return missing


def plain(source: str) -> str:
    """Drop spaces, dollar signs, and TeX's and Markdown's marks, which numbers may stand in.

    Commas between thousands go as well: a sentence has 7,000, a formula 7000 or 7{,}000.
    """
    source = re.sub(r"(?<=\d)(?:,|\{,\})(?=\d{3}(?!\d))", "", source)
    source = re.sub(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}", r"\1/\2", source)
    source = source.replace(r"\cdot", "·").replace(r"\sqrt", "√").replace(r"\approx", "≈")
    return re.sub(r"\\,|[\s$*{}\\]|text", "", source)


def assert_stands(lecture: int, *numbers: str) -> None:
    """Assert that each of the numbers stands in the lecture's text, in Chinese and in English.

    A number that is longer on either side, such as 10.35 for 0.35, does not count.
    """
    for language in ("zh", "en"):
        source = plain(text_of(lecture, language))
        for number in numbers:
            wanted = plain(number)
            before = r"(?<![\d.])" if wanted[0].isdigit() else ""
            assert re.search(rf"{before}{re.escape(wanted)}(?!\d|\.\d)", source), (
                f"lecture {lecture}, {language}: {number} is not in the text"
            )
