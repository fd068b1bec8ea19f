"""Read a submission and put it right by its assignment: what it says of its cells decides nothing.

Cells are known by nbgrader's names for them. Where an editor has lost the names, cells are known by
their text and their place; what only a person can tell is marked for one, never given a zero.
"""

import ast
import re
from itertools import islice

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from tinybert_l.cache import short_digest
from tinybert_l.course.home import LANGUAGE_METADATA, language_in
from tinybert_l.exercises.notebook_files import Tree, UnreadableNotebook, read_notebook
from tinybert_l.grading.assignment import (
    SUBMISSION_LIMIT,
    Assignment,
    Cell,
    as_released,
    grade_id,
    normalised,
)

CELL_LIMIT = 2000
ATTACHMENT_LIMIT = 50  # of a cell; further ones are not looked at
_ID_DIGITS = 12  # of the sha256 in the id of a cell that was put back
_MARK = "tinybert_l"  # names this program's own settings of a cell
_ANSWER = re.compile(r"^\s*@\s*(\w+)\s*\.\s*implement\b|^(\w+)\.implement\(", re.MULTILINE)
FOUND_AGAIN = (
    "this cell had lost its name in another program and was found by its place: is it the answer? "
    "此单元格丢失了编号，按位置找回，请确认"
)
CAME_BACK = (
    "the box for this answer was missing and came back; the answer may stand elsewhere in the "
    "notebook. 作答单元格缺失后已恢复，答案可能写在别处"
)
SEVERAL = (
    "this question is answered in two cells; the other one is further below. "
    "此题有两个作答单元格，另一个在下方"
)
TEXT_NEARBY = (
    "this box is empty, and a text of the student's stands beside it. 此处为空，但旁边有学生的文字"
)
TEXT_BESIDE = (
    "a further text of the student's stands beside this box. 此处已作答，旁边另有学生的文字"
)


def read_submission(raw: bytes, name: str) -> tuple[NotebookNode, list[str]]:
    """Read a submitted notebook; returns it with a list of what was repaired to read it.

    Raises:
        UnreadableNotebook: too large, not text, not JSON, or no notebook.
    """
    if len(raw) > SUBMISSION_LIMIT:
        raise UnreadableNotebook(
            f"{name} has more than {SUBMISSION_LIMIT // 10**6} MB: clear its outputs, then hand it "
            "in again 文件过大，请清除输出后重新提交"
        )
    tree, repairs = read_notebook(raw, name)
    if len(tree["cells"]) > CELL_LIMIT:
        raise UnreadableNotebook(
            f"{name} has {len(tree['cells'])} cells; allowed: {CELL_LIMIT} 单元格过多"
        )
    return nbformat.from_dict(_slim(tree)), repairs


def _slim(tree: Tree) -> Tree:
    """Return a notebook with what grading looks at alone.

    Millions of small things in settings would each become an object that nobody asks for.
    """
    language = tree["metadata"].get(LANGUAGE_METADATA)
    settings = {LANGUAGE_METADATA: language} if isinstance(language, str) else {}
    cells = []
    for cell in tree["cells"]:
        name = grade_id(NotebookNode(metadata=cell["metadata"]))
        kept = {**cell, "metadata": {} if name is None else {"nbgrader": {"grade_id": name}}}
        if "attachments" in cell:
            kept["attachments"] = _slim_attachments(cell["attachments"])
        cells.append(kept)
    return {**tree, "metadata": settings, "cells": cells}


def _slim_attachments(attachments: Tree) -> Tree:
    """Return the first attachments of a cell, with what is a text in them."""
    kept: Tree = {}
    for name, by_type in islice(attachments.items(), ATTACHMENT_LIMIT):
        kept[name] = {}
        if isinstance(by_type, dict):
            for kind, content in islice(by_type.items(), ATTACHMENT_LIMIT):
                kept[name][kind] = content if isinstance(content, str) else None
    return kept


def needs_person(cell: NotebookNode) -> str:
    """Say why a person has to look at a cell of a sanitised submission; empty where none has to."""
    return cell.metadata.get(_MARK, {}).get("person", "")


def sanitise(nb: NotebookNode, assignment: Assignment) -> list[str]:
    """Put a submission right, in place; returns a sentence for each repair.

    Cells' settings and the text of locked cells come from the assignment, by nbgrader's name of the
    cell. Copies of a cell are ordinary cells. A submission's tags and outputs decide nothing.
    Missing graded cells come back at their place.
    """
    known = {cell.name: cell for cell in assignment.cells}
    for cell in nb.cells:
        name = grade_id(cell)
        cell.metadata = NotebookNode()
        if name in known:
            cell.metadata.nbgrader = NotebookNode(grade_id=name)
    repairs = _find_names_again(nb, assignment)
    repairs += _leave_out_untouched_copies(nb, known)
    doubts = {**_doubts(nb, assignment), **_several_answers(nb, known)}
    seen: list[str] = []
    own: list[tuple[NotebookNode, str]] = []  # locked cells, and what a student made of them
    for cell in nb.cells:
        name = grade_id(cell)
        cell.metadata = NotebookNode()
        if cell.cell_type == "code":
            _clear(cell)
        if name is None:
            continue
        if name in seen:
            repairs.append(
                f"{name}: a copy counts as an ordinary cell 重复的单元格按普通单元格处理"
            )
            continue
        seen.append(name)
        if _holds_own_code(cell, known[name]):
            own.append((cell, _without_released(cell.source, known[name])))
        repairs += _put_right(cell, known[name])
        if name in doubts:
            _mark(cell, doubts[name])
            repairs.append(f"{name}: {doubts[name]}")
    repairs += _keep_own_code(nb, own)
    if seen != [cell.name for cell in assignment.cells if cell.name in seen]:
        repairs.append("cells were reordered 单元格顺序已改变")
    for known_cell in assignment.cells:
        needed = known_cell.grade or known_cell.task or known_cell.locked
        if needed and known_cell.name not in seen:
            repairs.append(f"{known_cell.name}: was missing and came back 缺失的单元格已恢复")
            new = _new_cell(known_cell)
            if _is_for_people(known_cell):
                _mark(new, CAME_BACK)
            nb.cells.insert(_place_for(known_cell.name, nb, assignment), new)
    language = language_in(nb.metadata)  # only its feedback's language hangs on it
    nb.metadata = NotebookNode(kernelspec=NotebookNode(assignment.kernelspec))
    if language is not None:
        nb.metadata[LANGUAGE_METADATA] = language
    return repairs


def _leave_out_untouched_copies(nb: NotebookNode, known: dict[str, Cell]) -> list[str]:
    """Take out copies of an answer's box that nobody touched, where another one is answered.

    Below the answer, the released box would take its place when it is run.
    """
    repairs = []
    left_out: list[NotebookNode] = []
    for name, copies in _copies(nb, known).items():
        untouched = [cell for cell in copies if _is_untouched(cell, known[name])]
        if 0 < len(untouched) < len(copies):
            left_out += untouched
            repairs.append(f"{name}: a copy that nobody touched was left out 未改动的副本不计")
    nb.cells = [cell for cell in nb.cells if not any(cell is other for other in left_out)]
    return repairs


def _several_answers(nb: NotebookNode, known: dict[str, Cell]) -> dict[str, str]:
    """Return {cell: why a person must look} of people's questions that are answered twice."""
    copies = _copies(nb, known)
    return {
        name: SEVERAL
        for name, cells in copies.items()
        if _is_for_people(known[name]) and not any(_is_untouched(x, known[name]) for x in cells)
    }


def _copies(nb: NotebookNode, known: dict[str, Cell]) -> dict[str, list[NotebookNode]]:
    """Return the unlocked cells that stand in a notebook more than once, by name.

    A code cell that lost its name is known by the released text.
    """
    boxes: dict[str, str] = {}
    for box in known.values():
        if box.cell_type == "code" and not box.locked:
            boxes.update(dict.fromkeys(as_released(box.source) - {""}, box.name))
    cells: dict[str, list[NotebookNode]] = {}
    for cell in nb.cells:
        name = grade_id(cell) or boxes.get(normalised(cell.source))
        if name in known and not known[name].locked:
            cells.setdefault(str(name), []).append(cell)
    return {name: copies for name, copies in cells.items() if len(copies) > 1}


def _is_untouched(cell: NotebookNode, known: Cell) -> bool:
    return normalised(cell.source) in {"", normalised(known.source), *as_released(known.source)}


def _holds_own_code(cell: NotebookNode, known: Cell) -> bool:
    """Tell whether a student wrote an answer, or what answers need, into a locked cell."""
    if not known.locked or known.solution or known.cell_type != "code":
        return False
    source = normalised(cell.source)
    if source in {normalised(known.source), *as_released(known.source)}:
        return False
    return not known.grade or bool(_ANSWER.search(cell.source))


def _without_released(source: str, known: Cell) -> str:
    """Return what a student wrote into a locked cell, without the text that stood there."""
    source = normalised(source)
    for text in sorted(as_released(known.source), key=len, reverse=True):
        if text and text in source:
            return source.replace(text, "", 1).strip("\n")
    return source


def _keep_own_code(nb: NotebookNode, own: list[tuple[NotebookNode, str]]) -> list[str]:
    """Put what students wrote into locked cells into cells of their own below; say so."""
    repairs = []
    for cell, source in own:
        name = grade_id(cell)
        cell_id = f"own-{short_digest(str(name), _ID_DIGITS)}"
        place = next(i for i, other in enumerate(nb.cells) if other is cell)
        nb.cells.insert(place + 1, nbformat.v4.new_code_cell(source, id=cell_id))
        repairs.append(
            f"{name}: what the student wrote into it runs in a cell of its own "
            "其中学生的代码另行运行"
        )
    return repairs


def _is_for_people(cell: Cell) -> bool:
    """Tell whether a person grades what a student writes into a cell."""
    return cell.task or (cell.grade and cell.solution)


def _mark(cell: NotebookNode, doubt: str) -> None:
    cell.metadata[_MARK] = NotebookNode(person=doubt)


def _find_names_again(nb: NotebookNode, assignment: Assignment) -> list[str]:
    """Name cells that lost their names by their text; returns a sentence for each."""
    present = {grade_id(cell) for cell in nb.cells}
    lost = [cell for cell in assignment.cells if cell.name not in present]
    names_by_text: dict[str, list[str]] = {}
    lost_answers = set()
    for known in lost:
        if known.locked:
            for text in as_released(known.source):
                names_by_text.setdefault(f"{known.cell_type} {text}", []).append(known.name)
        elif known.cell_type == "code":
            lost_answers.add(known.name)
    repairs = []
    for cell in nb.cells:
        if grade_id(cell) is not None or not lost:
            continue
        name = None
        names = names_by_text.get(f"{cell.cell_type} {normalised(cell.source)}")
        match = _ANSWER.search(cell.source) if cell.cell_type == "code" else None
        if names:
            name = names.pop(0)
            for others in names_by_text.values():  # it stands there once for each language
                if name in others:
                    others.remove(name)
        elif match and (match.group(1) or match.group(2)) in lost_answers:
            name = match.group(1) or match.group(2)
            lost_answers.discard(name)
        if name is not None:
            cell.metadata.nbgrader = NotebookNode(grade_id=name)
            repairs.append(f"{name}: had lost its name and was found by its text 按内容找回编号")
    return repairs


def _doubts(nb: NotebookNode, assignment: Assignment) -> dict[str, str]:
    """Look beside the boxes of people's questions; returns {cell: why a person must look}.

    A lone text of the student's, where a box is missing, becomes the box.
    """
    doubts = {}
    cells: dict[str | None, NotebookNode] = {}
    for cell in nb.cells:
        cells.setdefault(grade_id(cell), cell)
    for known in assignment.cells:
        if not _is_for_people(known):
            continue
        cell = cells.get(known.name)
        if cell is None:
            texts = _own_texts_near(known.name, nb, assignment, neighbours=1)
            if len(texts) == 1:
                texts[0].metadata.nbgrader = NotebookNode(grade_id=known.name)
                doubts[known.name] = FOUND_AGAIN
            continue
        if normalised(cell.source) in ("", normalised(known.source)):
            texts = _own_texts_near(known.name, nb, assignment, 2, with_code=True)
            if texts or assignment.own_texts_at_end(nb.cells):
                doubts[known.name] = TEXT_NEARBY
        elif any(map(_is_prose, _own_texts_near(known.name, nb, assignment, 1, with_code=True))):
            doubts[known.name] = TEXT_BESIDE
    return doubts


def _is_prose(cell: NotebookNode) -> bool:
    """Tell a text, be it in a code cell, from a program, such as an essay's experiment."""
    if cell.cell_type != "code":
        return True
    try:
        statements = ast.parse(TransformerManager().transform_cell(cell.source)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return all(
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
        for line in statements
    )


def _own_texts_near(
    name: str,
    nb: NotebookNode,
    assignment: Assignment,
    neighbours: int,
    with_code: bool = False,
) -> list[NotebookNode]:
    """Return the student's own texts that stand around a released cell.

    Args:
        neighbours: look as far as so many released cells on each side.
        with_code: code cells, too: some write a text into one.
    """
    start, end = _gap(name, nb, assignment, neighbours)
    released = set(assignment.layout)
    texts = []
    for cell in nb.cells[start:end]:
        is_own = grade_id(cell) is None and assignment.place_of(cell) not in released
        if is_own and cell.source.strip() and (with_code or cell.cell_type != "code"):
            texts.append(cell)
    return texts


def _gap(
    name: str, nb: NotebookNode, assignment: Assignment, neighbours: int = 1
) -> tuple[int, int]:
    """Return the range of a submission's cells between the released neighbours of a cell.

    The cell itself, where it is there, and cells of the student's own lie in it.

    Args:
        neighbours: which released cell before it, and which after it, ends the range.
    """
    layout = list(assignment.layout) or [f"name {cell.name}" for cell in assignment.cells]
    position: dict[str, int] = {}
    for index, cell in enumerate(nb.cells):
        position.setdefault(assignment.place_of(cell), index)
    target = f"name {name}"
    if target not in layout:
        return len(nb.cells), len(nb.cells)
    middle = layout.index(target)
    before = [position[place] for place in layout[:middle] if place in position]
    start = before[-neighbours] + 1 if len(before) >= neighbours else 0
    after = []
    for place in layout[middle + 1 :]:
        if position.get(place, -1) >= start:
            after.append(position[place])
    end = after[neighbours - 1] if len(after) >= neighbours else len(nb.cells)
    return start, end


def _place_for(name: str, nb: NotebookNode, assignment: Assignment) -> int:
    """Return the index where a missing cell belongs: below what the student wrote at its place."""
    _, end = _gap(name, nb, assignment)
    return end


def _clear(cell: NotebookNode) -> None:
    """Take from a code cell all that it may hold beside its source."""
    cell.pop("attachments", None)
    cell.outputs = []
    cell.execution_count = None


def _put_right(cell: NotebookNode, known: Cell) -> list[str]:
    """Give a cell the settings, type and locked text that it had; returns what was changed."""
    repairs = []
    cell.metadata["nbgrader"] = NotebookNode(known.metadata())
    if cell.cell_type != known.cell_type:
        repairs.append(
            f"{known.name}: was {cell.cell_type}, is {known.cell_type} again 单元格类型已恢复"
        )
        cell.cell_type = known.cell_type
        if known.cell_type == "code":
            _clear(cell)
        else:
            cell.pop("outputs", None)
            cell.pop("execution_count", None)
    is_code = known.cell_type == "code"
    if is_code and not known.locked and normalised(cell.source) in as_released(known.source):
        cell.source = known.source  # the box is as it was released, be it in one language
    if known.locked and not known.solution:
        allowed = {normalised(known.source), *as_released(known.source)}
        if normalised(cell.source) not in allowed:
            repairs.append(
                f"{known.name}: its locked text was changed and came back 锁定的内容已恢复"
            )
        cell.source = known.source
    return repairs


def _new_cell(known: Cell) -> NotebookNode:
    """Make a cell of a notebook from what the gradebook knows."""
    cell_id = f"restored-{short_digest(known.name, _ID_DIGITS)}"
    metadata = {"nbgrader": known.metadata()}
    if known.cell_type == "code":
        return nbformat.v4.new_code_cell(known.source, metadata=metadata, id=cell_id)
    return nbformat.v4.new_markdown_cell(known.source, metadata=metadata, id=cell_id)
