"""A student's own answers: where they stand in a lecture's notebook, and how they are run."""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinybert_l.exercises.notebook_files import read_notebook

_BEGIN_OF_ANSWER = re.compile(r"^@(\w+)\.implement\b", re.MULTILINE)
# A lecture's set-up cell imports more, but answers are to need these two only.
_MODULES_OF_ANSWERS = ("torch", "math")


def answer_cells(notebook: Path) -> dict[str, str]:
    """Return the answer cells of a notebook as {exercise: source}.

    An answer cell is a code cell in which a line begins with `@exercise.implement`.
    """
    sources = {}
    for cell in read_cells(notebook):
        source = "".join(cell["source"])
        match = _BEGIN_OF_ANSWER.search(source)
        if cell["cell_type"] == "code" and match:
            sources[match.group(1)] = source
    return sources


def read_cells(notebook: Path) -> list[dict[str, Any]]:
    """Return the cells of a notebook file; each has a type, metadata and a source.

    Raises:
        InvalidInput: the file is no notebook.
    """
    tree, _ = read_notebook(notebook.read_bytes(), str(notebook))
    return tree["cells"]


def find_own_notebook(name: str) -> Path | None:
    """Return the path of a lecture's notebook: in the working directory, or in a folder beside it.

    Args:
        name: the notebook's name without its ending, such as "03-architecture".
    """
    for path in (Path(f"{name}.ipynb"), Path("..") / name / f"{name}.ipynb"):
        if path.is_file():
            return path
    return None


def run_answer_cell(notebook: Path, source: str, names: Mapping[str, Any]) -> None:
    """Run an answer cell in a namespace of its own, in which `@exercise.implement` takes effect.

    Magics and shell escapes do what they do in the notebook.

    Args:
        notebook: the notebook that holds the cell, for tracebacks.
        source: the cell's code.
        names: what the cell may use beside torch and math: the exercise that it answers.
    """
    from tinybert_l.exercises.shell import run_aside  # slow to import, and seldom needed

    known: dict[str, Any] = {}
    for module in _MODULES_OF_ANSWERS:
        known[module] = importlib.import_module(module)
    run_aside(source, str(notebook), {**known, **names})
