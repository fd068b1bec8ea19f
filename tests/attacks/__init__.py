"""Hostile submissions of lecture 3, by what they try.

Each hands in one honest answer (`layer_map`) beside the attack, and deserves the points of that
answer, unless `EXPECTED` says otherwise. `CODE` holds cells that are added to the notebook, by
group and name; `CHANGES` holds functions that change the whole notebook.
"""

from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from . import confuse, destroy, escape, exhaust, forge, persist, steal
from .notebooks import CHANGES, grade_id

LECTURE = 3
HONEST = 4.0
EXPECTED: dict[str, float] = {
    "retype_answer_as_markdown": 0.0,  # put right, but its text is no Python any more
    "everything_deleted": 0.0,
    # the library's stand-in for slice_heads, which students can read, passes the visible test
    "peer_reopened": HONEST + 2.0,
}
GROUPS = (forge, steal, destroy, persist, exhaust, confuse, escape)
Attack = str | Callable[[NotebookNode], None]

CODE: dict[str, dict[str, str]] = {}
ALL: dict[str, Attack] = {}
for group in GROUPS:
    cells = {name: source.strip("\n") for name, source in group.ATTACKS.items()}
    CODE[group.__name__.rpartition(".")[2]] = cells
    ALL |= cells
for change in CHANGES:
    ALL[change.__name__] = change


def submission(released: Path, answers: dict[str, str], attack: Attack, early: bool = False) -> str:
    """Return a notebook with one honest answer and an attack.

    Args:
        released: the notebook that students get.
        answers: the right answer by exercise.
        attack: one of `ALL`.
        early: put the attack's cell before any test, instead of at the end.
    """
    notebook = nbformat.read(released, as_version=4)
    ids = list(map(grade_id, notebook.cells))
    notebook.cells[ids.index("layer_map")].source = answers["layer_map"]
    if isinstance(attack, str):
        place = ids.index("setup") + 1 if early else len(ids)
        notebook.cells.insert(place, nbformat.v4.new_code_cell(attack))
    else:
        attack(notebook)
    return nbformat.writes(notebook)
