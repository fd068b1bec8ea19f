"""Reference answers: where those that a student may have are, and how they are loaded.

A file `lecture_NN.py` of the folder `solutions/` holds all answers of a lecture. Students get the
files of earlier lectures only.
"""

import os
import shutil
from pathlib import Path
from typing import Any

SOLUTIONS_VARIABLE = "TINYBERT_L_SOLUTIONS"


def solutions_folder() -> Path | None:
    """Return the folder of released answers, or None if there is none.

    The environment variable TINYBERT_L_SOLUTIONS decides alone when it is set. Else it is the
    nearest `solutions/`: in the working directory, above it, or beside the library.
    """
    named = os.environ.get(SOLUTIONS_VARIABLE)
    if named is not None:
        return Path(named)
    here = Path.cwd().resolve()
    checkout = Path(__file__).resolve().parents[2]
    for parent in (here, *here.parents, checkout):
        if any((parent / "solutions").glob("lecture_*.py")):
            return parent / "solutions"
    return None


def solutions_file(folder: Path, lecture: int) -> Path:
    """Return the path of a lecture's reference answers in a folder of solutions."""
    return folder / f"lecture_{lecture:02d}.py"


def copy_released(lecture: int, folder: Path, source: Path | None = None) -> Path:
    """Copy the answers of all lectures before `lecture` into a folder, and return that folder.

    They are all that an answer to an exercise of `lecture` may see.

    Args:
        lecture: number of the lecture, 1..11.
        folder: where the copies go; must exist.
        source: the folder of all answers; None stands for `solutions_folder()`.
    """
    source = source or solutions_folder()
    if source is None:
        return folder
    for earlier_lecture in range(1, lecture):
        path = solutions_file(source, earlier_lecture)
        if path.is_file():
            shutil.copy(path, folder)
    return folder


def load_reference_answers(folder: Path, lecture: int) -> dict[str, Any]:
    """Run a lecture's file of reference answers, and return the names that it defines.

    The file is compiled from its text: no byte code is written beside it, and no module stays
    imported. The dictionary is empty if the folder has no such file.
    """
    path = solutions_file(folder, lecture)
    if not path.is_file():
        return {}
    namespace: dict[str, Any] = {
        "__name__": f"tinybert_l_solutions.{path.stem}",
        "__file__": str(path),
    }
    exec(compile(path.read_bytes(), str(path), "exec"), namespace)
    return namespace
