"""Read what a lecture's notebook says, for tests that compute its worked examples anew."""

import re
from pathlib import Path

import nbformat

from tinybert_l.exercises.registry import NOTEBOOKS

HAN = re.compile(r"[\u4e00-\u9fff]")
EXHIBIT = re.compile(r"(?:figure|table)-\d+")
READ_AT_HOME = {"title", "predict", "explain", "read", "verdict", "mistake", "further"}


def cells_of(checkout: Path, lecture: int) -> list[nbformat.NotebookNode]:
    """The cells of a lecture's notebook."""
    name = NOTEBOOKS[lecture]
    return nbformat.read(checkout / "notebooks" / name / f"{name}.ipynb", as_version=4).cells


def text_of(checkout: Path, lecture: int, language: str) -> str:
    """All text of a lecture in one language, "zh" or "en"."""
    other = {"zh": "lang-en", "en": "lang-zh"}[language]
    parts = []
    for cell in cells_of(checkout, lecture):
        if cell.cell_type == "markdown" and other not in cell.metadata.get("tags", []):
            parts.append(cell.source)
    return "\n".join(parts)


def reading_minutes(checkout: Path, lecture: int) -> int:
    """Chinese characters at 300 a minute and a minute for each exhibit, to the nearest 5."""
    characters = exhibits = 0
    for cell in cells_of(checkout, lecture):
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type == "code":
            exhibits += any(map(EXHIBIT.fullmatch, tags))
        elif "lang-en" not in tags and {f"role-{role}" for role in READ_AT_HOME} & tags:
            characters += len(HAN.findall(cell.source))
    return max(5, 5 * round((characters / 300 + exhibits) / 5))


def missing_from(checkout: Path, lecture: int, fragments: list[str]) -> list[str]:
    """The fragments that stand in one language and not in the other, or in neither."""
    missing = []
    for language in ("zh", "en"):
        text = text_of(checkout, lecture, language)
        missing += [f"{language}: {part}" for part in fragments if part not in text]
    return missing
