"""Slides of every lecture: `python tools/make_slides.py [zh|en|both]`, written to outputs/slides.

Takes the executed copies of outputs/notebooks where they are there (see run_notebooks.py), so that figures show.
"""

import sys
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from traitlets.config import Config

from tinybert_l.exercise import NOTEBOOKS

CHECKOUT = Path(__file__).resolve().parent.parent
OTHER = {"zh": {"lang-en"}, "en": {"lang-zh"}, "both": set()}


def deck(name: str, language: str) -> str:
    """One lecture's slides as HTML; exercises, tests and hints are left to the notebook."""
    executed = CHECKOUT / "outputs" / "notebooks" / name / f"{name}.ipynb"
    source = executed if executed.is_file() else CHECKOUT / "notebooks" / name / f"{name}.ipynb"
    notebook = nbformat.read(source, as_version=4)
    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = OTHER[language]
    config.SlidesExporter.exclude_input = True
    config.SlidesExporter.reveal_scroll = True
    html, _ = SlidesExporter(config=config).from_notebook_node(notebook)
    return html


def main() -> None:
    language = sys.argv[1] if len(sys.argv) > 1 else "both"
    if language not in OTHER:
        sys.exit(f"make_slides: {language!r}; allowed: {', '.join(OTHER)}.")
    folder = CHECKOUT / "outputs" / "slides" / language
    folder.mkdir(parents=True, exist_ok=True)
    for name in NOTEBOOKS.values():
        path = folder / f"{name}.slides.html"
        path.write_text(deck(name, language), encoding="utf-8")
        print(path.relative_to(CHECKOUT))


if __name__ == "__main__":
    main()
