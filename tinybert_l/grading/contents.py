"""Tell by its contents of which lecture a notebook is, whatever its file is called."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tinybert_l.course.authoring import cell_in_language
from tinybert_l.course.markers import TEXT_STUBS
from tinybert_l.exercises.notebook_files import Tree
from tinybert_l.exercises.registry import NOTEBOOKS, exercises
from tinybert_l.grading.assignment import normalised
from tinybert_l.languages import LANGUAGES

SHARED_NAMES = frozenset({"setup", "essay"})  # of cells, that several lectures have
_ANSWER = re.compile(r"^\s*@\s*(\w+)\s*\.\s*implement\b|^\s*(\w+)\.implement\(", re.MULTILINE)
_BEGINS = re.compile(r"\bbegin\(\s*(?:lecture\s*=\s*)?(\d{1,2})\b")
_QUIZ = re.compile(r"(?:test_)?quiz_(\d{1,2})_\d+")
_CAPSTONE = re.compile(r"\btinybert_l\.course\.capstone\b")


@dataclass(frozen=True)
class Contents:
    """What a notebook holds.

    Args:
        texts: of its cells that are not empty, normalised.
        names: nbgrader's names of cells in it, and exercises that it answers.
        lectures: that it says it is of.
        is_capstone: whether it uses the capstone's own parts.
    """

    texts: tuple[str, ...]
    names: frozenset[str]
    lectures: tuple[int, ...]
    is_capstone: bool

    @classmethod
    def of(cls, tree: Tree) -> "Contents":
        """Look into a notebook as `read_notebook` gives it."""
        names = set()
        lectures = []
        is_capstone = False
        for cell in tree["cells"]:
            settings = cell["metadata"].get("nbgrader")
            name = settings.get("grade_id") if isinstance(settings, dict) else None
            if isinstance(name, str):
                names.add(name)
            if cell["cell_type"] != "code":
                continue
            for match in _ANSWER.finditer(cell["source"]):
                names.add(match[1] or match[2])
            lectures += [int(number) for number in _BEGINS.findall(cell["source"])]
            is_capstone = is_capstone or bool(_CAPSTONE.search(cell["source"]))
        texts = (normalised(cell["source"]) for cell in tree["cells"])
        return cls(tuple(filter(None, texts)), frozenset(names), tuple(lectures), is_capstone)


def why_foreign(
    contents: Contents, assignment: str, released: Sequence[str], names: frozenset[str]
) -> str:
    """Say why a notebook is not of an assignment; empty where it is, or where nobody can tell.

    Args:
        assignment: its name.
        released: texts of the cells of its release, normalised; empty: nothing is known of it.
        names: of its cells.
    """
    if not released or not contents.texts:
        return ""
    own_names = names - SHARED_NAMES
    if contents.names & own_names:
        return ""
    lecture = int(assignment[:2]) if assignment[:2].isdigit() else 0
    others = _lectures_of(contents, lecture)
    known = set(released) - _stubs()
    is_own = lecture in contents.lectures or not known.isdisjoint(contents.texts)
    if is_own and not others and not contents.is_capstone:
        return ""
    if others:
        other = others.most_common(1)[0][0]
        what = f"it is lecture {other}'s: tinybert-l collect {other} 这是第{other}讲的笔记本"
    elif contents.is_capstone:
        what = "it is the capstone's: tinybert-l league judge 这是毕业设计的笔记本"
    else:
        what = "no cell of it is in the release 其中没有发布的单元格"
    return f"not the notebook of {assignment} 不是该讲的笔记本: {what}"


def _lectures_of(contents: Contents, lecture: int) -> Counter[int]:
    """Count what in a notebook points to lectures other than this one."""
    lecture_of = {exercise.name: exercise.lecture for exercise in exercises().values()}
    found = [number for number in contents.lectures if number in NOTEBOOKS]
    for name in contents.names:
        exercise = name.removeprefix("test_").removesuffix("_hidden")
        match = _QUIZ.fullmatch(name.removesuffix("_hidden"))
        if match and int(match[1]) in NOTEBOOKS:
            found.append(int(match[1]))
        elif exercise in lecture_of:
            found.append(lecture_of[exercise])
    return Counter(number for number in found if number != lecture)


def _stubs() -> set[str]:
    """Return what stands in the answer boxes of every lecture, in both languages and in one."""
    stubs = set(map(normalised, TEXT_STUBS))
    for text in TEXT_STUBS:
        stubs |= {normalised(cell_in_language(text, language)) for language in LANGUAGES}
        stubs |= {normalised(part) for part in text.split(" · ")}
    return stubs
