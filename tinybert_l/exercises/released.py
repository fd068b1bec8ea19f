"""Reference answers: where those that a student may have are, and how they are loaded.

A file `lecture_NN.py` of the folder `solutions/` holds all answers of a lecture. Students get the
files of earlier lectures only.
"""

import os
import shutil
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinybert_l.errors import InvalidInput

SOLUTIONS_VARIABLE = "TINYBERT_L_SOLUTIONS"
COURSE_MARK = "course.toml"


@dataclass(frozen=True)
class SolutionsFolder:
    """A folder of reference answers, and why its code may run here.

    Args:
        folder: holds `lecture_NN.py`.
        origin: whose it is, in Chinese and English, for `begin` to print.
    """

    folder: Path
    origin: str


def solutions_folder() -> Path | None:
    """Return the folder of released answers whose code may run here, or None if there is none."""
    found = find_solutions()
    return None if found is None else found.folder


def find_solutions() -> SolutionsFolder | None:
    """Find the released answers.

    The environment variable TINYBERT_L_SOLUTIONS decides alone when it names a folder. Else it is
    the `solutions/` of the nearest course folder (with `course.toml`) or release (with a lecture's
    notebook) at or above the working directory, else the one of the checkout that this library
    lies in. No other folder is used: what stands in it would be run.
    """
    named = _named()
    if named is not None:
        return SolutionsFolder(named, SOLUTIONS_VARIABLE)
    here = Path.cwd().resolve()
    for parent in (here, *here.parents):
        origin = _marked(parent)
        if origin is not None:
            if distrust(parent) is None:
                return SolutionsFolder(parent / "solutions", origin)
            break  # `begin` says why; a folder further up is not this course's
    checkout = Path(__file__).resolve().parents[2]
    is_checkout = (checkout / "pyproject.toml").is_file() and (checkout / "notebooks").is_dir()
    if is_checkout and has_answers(checkout / "solutions"):
        return SolutionsFolder(checkout / "solutions", "the checkout 源码目录")
    return None


def refused_solutions() -> str | None:
    """Say of the folder that should have the answers here why they are not run."""
    named = _named()
    if named is not None:
        missing = f"{SOLUTIONS_VARIABLE} names {named}, which is no folder. 没有该文件夹。"
        return None if named.is_dir() else missing
    here = Path.cwd().resolve()
    for parent in (here, *here.parents):
        if _marked(parent) is not None:
            return distrust(parent)
    return None


def _named() -> Path | None:
    """Return the whole path that the environment variable names; None where it is unset or empty.

    An empty one would be the working directory, whatever lies there.
    """
    named = os.environ.get(SOLUTIONS_VARIABLE, "")
    return Path(named).expanduser().absolute() if named else None


def has_answers(folder: Path) -> bool:
    """Whether a folder holds a lecture's file of answers."""
    return any(folder.glob("lecture_*.py"))


def _marked(folder: Path) -> str | None:
    """Say what marks a folder with answers as the course's; None: nothing does.

    It is the course's calendar, or a lecture's notebook as `release` makes it.
    """
    if not has_answers(folder / "solutions"):
        return None
    if _is_calendar(folder / COURSE_MARK):
        return "this course 本课程"
    for notebook in folder.glob("[0-9][0-9]-*.ipynb"):
        if _is_released(notebook):
            return "this release 本次发布"
    return None


def _is_calendar(path: Path) -> bool:
    """Whether a file is a course's calendar: it names the course, due dates or lateness."""
    try:
        known = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        return not {"course", "due", "late"}.isdisjoint(known)
    except (OSError, ValueError):
        return False


def _is_released(notebook: Path) -> bool:
    """Whether a notebook was made by `release`: nbgrader's cells, and the begin of a lecture."""
    try:
        text = notebook.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return '"nbgrader"' in text and "tinybert_l.begin(lecture=" in text


def distrust(marked: Path) -> str | None:
    """Say why the answers beside a mark must not be run; None: they may.

    They must lie in the marked folder itself, no link leading elsewhere, and belong to whoever runs
    this process, to the system, or to the owner of this library. Nobody else may change them.
    """
    folder = marked / "solutions"
    for path in (folder, *sorted(folder.glob("lecture_*.py"))):
        if not path.resolve().is_relative_to(marked.resolve()):
            return f"{path} leads to {path.resolve()}, outside {marked}. 链接指向课程目录之外。"
        if not _is_trusted(path):
            return f"{path} belongs to another user. 文件属于其他用户。"
        if _is_open_to_all(path):
            return f"{path} can be changed by every user: chmod -R o-w {folder} 任何用户都能修改。"
    return None


def _is_trusted(path: Path) -> bool:
    if not hasattr(os, "geteuid"):  # Windows: a file's owner cannot be asked for
        return True
    return path.stat().st_uid in _trusted_owners()


def _is_open_to_all(path: Path) -> bool:
    """Whether every user of the machine may write there; Windows' modes do not say."""
    return hasattr(os, "geteuid") and bool(path.stat().st_mode & stat.S_IWOTH)


def _trusted_owners() -> set[int]:
    """Return whoever runs this process, the system, and the owner of this library."""
    return {os.geteuid(), 0, Path(__file__).stat().st_uid}


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

    Raises:
        InvalidInput: the file raises an error.
    """
    path = solutions_file(folder, lecture)
    if not path.is_file():
        return {}
    namespace: dict[str, Any] = {
        "__name__": f"tinybert_l_solutions.{path.stem}",
        "__file__": str(path),
    }
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), namespace)
    except Exception as error:  # whatever a damaged file raises
        raise InvalidInput(
            f"{path} does not run ({type(error).__name__}: {error}); take the file of the release "
            "again, or move it away. 参考答案文件无法运行，请换回发布的文件。"
        ) from error
    return namespace
