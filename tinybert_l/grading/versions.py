"""Choose among several notebooks of one student; all are kept, and the choice is explained.

Colab writes "Copy of x.ipynb", Jupyter "x-Copy1.ipynb", browsers "x (1).ipynb", Canvas "x-1.ipynb",
file managers "x - Copy.ipynb", "x copy 2.ipynb", "x的副本.ipynb". A copy that nobody has touched
since the release is never taken for the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.file_kinds import kind_of
from tinybert_l.exercises.notebook_files import UnreadableNotebook, read_notebook
from tinybert_l.grading.archives import IncomingFile, is_archive, notebook_within
from tinybert_l.grading.assignment import SUBMISSION_LIMIT, normalised
from tinybert_l.grading.contents import Contents, why_foreign
from tinybert_l.grading.file_names import copy_number, is_called, stem, version_of
from tinybert_l.grading.owners import CANVAS_IN_FOLDERS, Owner

SAME_TIME_SECONDS = 2  # a zip file knows no smaller steps


@dataclass(frozen=True)
class Candidate:
    """A notebook that may be a student's submission."""

    file: IncomingFile
    owner: Owner

    @property
    def file_name(self) -> str:
        return self.owner.file_name


@dataclass(frozen=True)
class Choice:
    """The notebook that counts, its bytes, what to say of it, and all others with their bytes."""

    candidate: Candidate
    raw: bytes
    notes: list[str]
    others: list[tuple[str, bytes]]


@dataclass(frozen=True)
class _Read:
    """A candidate with its bytes.

    Args:
        texts: of its cells; None where it is no notebook.
        foreign: why it is not of this assignment; empty where it is.
        fault: why it is no notebook.
    """

    candidate: Candidate
    raw: bytes
    texts: tuple[str, ...] | None
    foreign: str = ""
    fault: str = ""


def choose(
    candidates: Sequence[Candidate],
    name: str,
    released: tuple[str, ...] = (),
    cell_names: frozenset[str] = frozenset(),
) -> Choice:
    """Choose the notebook that counts among a student's.

    Args:
        name: of the assignment.
        released: texts of the cells of the release; empty where they are not known.
        cell_names: nbgrader's names of its cells.
    Raises:
        InvalidInput: a person has to choose, or the only one cannot be read; says why.
    """
    newest = _of_newest_attempt(candidates)
    every, notes = _read_all(newest)
    every = [_looked_into(one, name, released, cell_names) for one in every]
    own = [one for one in every if not one.foreign]
    if not own:
        raise InvalidInput(every[0].foreign)
    unread = [x for x in newest if all(one.candidate is not x for one in every)]
    is_named = {id(x): is_called(x.file_name, name) for x in newest}
    read = [one for one in own if is_named[id(one.candidate)]]
    if not read and any(is_named[id(x)] for x in unread):
        raise InvalidInput("; ".join(notes))
    has_name = bool(read)
    read = read or own
    pool = [one.candidate for one in read]
    stems = {stem(candidate.file_name) for candidate in pool}
    if not has_name and len(stems) > 1:
        raise InvalidInput(f"{len(pool)} notebooks, and none is {name}.ipynb 笔记本不唯一")
    if _lies_in_several_folders(pool):
        raise InvalidInput(
            "notebooks in several folders: whose are they? If each is a student's, collect the "
            "folder that holds them 多个文件夹中均有笔记本；若为各学生的文件夹，请指定其上一级"
        )
    _require_own_names(read, released)
    best = _best_of(read, released)
    notes += _explained(best, read, released)
    if best.fault:
        notes.append(f"cannot be graded as it is 目前无法评分: {best.fault}")
    beside = [one for one in every if all(one is not other for other in read)]
    notes += [_why_beside(one) for one in beside]
    earlier = [x for x in candidates if all(x is not other for other in newest)]
    notes += [f"{x.file.path}: an earlier attempt 较早的提交" for x in earlier]
    rest = beside + _read_all(earlier, may_be_none=True)[0]
    if best.texts is None or _is_untouched(best, released):
        touched = [x for x in rest if x.texts and not x.foreign and not _is_untouched(x, released)]
        if touched and released:
            raise InvalidInput(
                f"{best.candidate.file_name} is as it was released, and "
                f"{touched[0].candidate.file_name} is not: which one counts? "
                "笔记本与发布时相同，另有其他笔记本，请人工确认"
            )
    others = [(x.candidate.file.path, x.raw) for x in [*read, *rest] if x is not best]
    return Choice(best.candidate, best.raw, notes, others)


def _of_newest_attempt(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return what was handed in last, where a platform keeps attempts apart by time or number."""
    versions = [version_of(candidate.file_name) for candidate in candidates]
    if all(version is not None for version in versions):
        newest = max(version or 0 for version in versions)
        return [x for x, version in zip(candidates, versions, strict=True) if version == newest]
    times = [candidate.owner.when for candidate in candidates if candidate.owner.when is not None]
    if len(times) < len(candidates):
        return list(candidates)
    return [candidate for candidate in candidates if candidate.owner.when == max(times)]


def _require_own_names(read: Sequence[_Read], released: tuple[str, ...]) -> None:
    """Raise an error where several different answers have one name."""
    different = list({one.raw: one for one in read}.values())
    answers = [one for one in different if not _is_untouched(one, released)] or different
    if len({one.candidate.file_name for one in answers}) < len(answers):
        raise InvalidInput(f"{len(answers)} notebooks of the same name 笔记本不唯一")


def _lies_in_several_folders(pool: Sequence[Candidate]) -> bool:
    """Tell whether files of equal name lie in several folders, which may be several people's."""
    if any(candidate.owner.platform for candidate in pool):
        return False
    return len({PurePosixPath(candidate.file_name).parent for candidate in pool}) > 1


def _read_all(
    pool: Sequence[Candidate], may_be_none: bool = False
) -> tuple[list[_Read], list[str]]:
    """Read candidates; returns them, and a note for each that cannot be read."""
    read = []
    notes = []
    for candidate in pool:
        try:
            read.append(_read(candidate))
        except InvalidInput as error:
            if len(pool) == 1 and not may_be_none:
                raise
            notes.append(f"not read: {candidate.file_name}: {error}")
    if not read and not may_be_none:
        raise InvalidInput(f"{len(pool)} notebooks, and none can be read 均无法读取")
    return read, notes


def _read(candidate: Candidate) -> _Read:
    raw = candidate.file.read()
    if is_archive(raw):
        raw = notebook_within(raw) or raw
    if len(raw) > SUBMISSION_LIMIT:
        raise InvalidInput(
            f"more than {SUBMISSION_LIMIT // 10**6} MB: have its outputs cleared, and handed in "
            "again 文件过大，请清除输出后重新提交"
        )
    kind = kind_of(raw)
    if kind:
        raise InvalidInput(f"{candidate.file_name} is no notebook 不是笔记本: it is {kind}")
    try:
        return _Read(candidate, raw, texts_of(raw))
    except UnreadableNotebook as error:
        return _Read(candidate, raw, None, fault=str(error))


def _looked_into(
    read: _Read, name: str, released: tuple[str, ...], cell_names: frozenset[str]
) -> _Read:
    """Return a candidate with what its contents say of the assignment that it is of."""
    if read.texts is None or not released:
        return read
    contents = Contents.of(read_notebook(read.raw, name)[0])
    return replace(read, foreign=why_foreign(contents, name, released, cell_names))


def _why_beside(read: _Read) -> str:
    """Say why a notebook is kept beside the one that counts."""
    why = read.foreign or read.fault or "another name than the lecture's 文件名不是该讲的"
    return f"{read.candidate.file_name}: does not count, is kept 存档，不计分: {why}"


def texts_of(raw: bytes) -> tuple[str, ...]:
    """Return the texts of a notebook's cells, without what editors change.

    Raises:
        UnreadableNotebook: it is none.
    """
    tree, _ = read_notebook(raw, "notebook")
    texts = [normalised(cell["source"]) for cell in tree["cells"]]
    return tuple(text for text in texts if text)


def _is_untouched(read: _Read, released: tuple[str, ...]) -> bool:
    """Tell whether nothing was written into a notebook since its release."""
    return bool(released) and read.texts is not None and set(read.texts) <= set(released)


def _best_of(read: list[_Read], released: tuple[str, ...]) -> _Read:
    notebooks = [one for one in read if one.texts is not None] or read
    touched = [one for one in notebooks if not _is_untouched(one, released)] or notebooks
    return max(touched, key=lambda one: _version(one, touched))


def _version(read: _Read, among: list[_Read]) -> tuple[bool, datetime | int, int, int, str]:
    """Return what orders versions of a notebook.

    That is Canvas's number, else time, else the copy's number, else the shorter name: programs that
    keep folders alike make the other one's longer.
    """
    name = read.candidate.file_name
    number = copy_number(name)
    if read.candidate.owner.platform in ("canvas", CANVAS_IN_FOLDERS):
        return True, number, number, -len(name), name
    times = [one.candidate.file.modified for one in among]
    if (max(times) - min(times)).total_seconds() > SAME_TIME_SECONDS:
        return False, read.candidate.file.modified, number, -len(name), name
    return False, times[0], number, -len(name), name


def _explained(best: _Read, read: list[_Read], released: tuple[str, ...]) -> list[str]:
    """Say which of several notebooks counts, and why."""
    if len(read) == 1:
        return []
    reasons = []
    for one in read:
        if one is best:
            continue
        if one.texts is None:
            why = "no notebook 不是笔记本"
        elif one.texts == best.texts:
            why = "the same cells 内容相同"
        elif _is_untouched(one, released):
            why = "untouched since the release 未作答"
        elif _version(one, read)[:3] == _version(best, read)[:3]:
            why = "another version, by its name 另一版本，按文件名判断"
        else:
            why = "an earlier version, by time or number 较早的版本"
        reasons.append(f"{one.candidate.file_name}: {why}")
    return [
        f"{len(read)} notebooks; {best.candidate.file_name} counts 以此为准 ({'; '.join(reasons)}; "
        "all are kept 均已存档)"
    ]
