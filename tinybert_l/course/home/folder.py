"""The notebooks of a student's folder, and what their release has written into them."""

import getpass
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tinybert_l.cache import read_json
from tinybert_l.errors import CourseError
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.languages import LANGUAGES

# in a released notebook's metadata
LANGUAGE_METADATA = "tinybert_l_language"  # its only language, zh or en
STUDENT_METADATA = "tinybert_l_student"  # for whom one with own numbers was made
DUE_METADATA = "tinybert_l_due"  # when it is due

STUDENT_NAME = re.compile(r"(?!\.)[\w.@-]{1,64}")


def notebooks_in(folder: Path) -> dict[int, Path]:
    """Return the notebooks of the course in a folder, by the number of their lecture.

    Each stands in the folder itself, in a folder of its own below it, or in one of `notebooks/`.
    """
    notebooks = {}
    for lecture, name in NOTEBOOKS.items():
        for parent in (folder, folder / name, folder / "notebooks" / name):
            path = parent / f"{name}.ipynb"
            if path.is_file():
                notebooks[lecture] = path
                break
    return notebooks


def due_date(notebook: Path) -> str:
    """Return when a notebook is due, as its release has written it; "" where it has not."""
    return _metadata(notebook, DUE_METADATA)


def released_for(notebook: Path) -> str:
    """Return the id that a release with own numbers was made for, else the login name.

    It names the file to hand in, and no more: whose a submission is says who receives it.
    """
    student = _metadata(notebook, STUDENT_METADATA)
    return student if STUDENT_NAME.fullmatch(student) else login_name()


def language_of(notebooks: Iterable[Path]) -> str | None:
    """Return the language, zh or en, that all these notebooks were released in alone."""
    languages = {_metadata(notebook, LANGUAGE_METADATA) for notebook in notebooks}
    return languages.pop() or None if len(languages) == 1 else None


def language_in(metadata: Mapping[str, Any]) -> str | None:
    """Return the language, zh or en, that a notebook's metadata names; None where it is both."""
    language = metadata.get(LANGUAGE_METADATA)
    return language if language in LANGUAGES else None


def _metadata(notebook: Path, key: str) -> str:
    """Return a text of a notebook's metadata; empty where it is none that can be read so."""
    try:
        content = read_json(notebook)
    except (CourseError, UnicodeDecodeError):
        return ""  # whoever reads the cells says what is wrong with it
    if not isinstance(content, dict):
        return ""
    return str(content.get("metadata", {}).get(key, ""))


def login_name() -> str:
    """Return the name of the user who is logged in; `student` where the system does not say."""
    try:
        return re.sub(r"[^\w.@-]+", "_", getpass.getuser())
    except (OSError, KeyError, ImportError):
        return "student"
