"""The Chinese font of figures, pages and slides, since students' machines may have none."""

from pathlib import Path

FONT = Path(__file__).parent / "TinyBERTLSansSC-Regular.ttf"
