"""Read names of files as programs and people write them: copies, endings, what an archiver adds."""

import re
from pathlib import PurePosixPath

from tinybert_l.exercises.registry import NOTEBOOKS

_ENDING = re.compile(r"(?:\.ipynb)+(?:\.(?:json|txt|download|ipynb))*\s*$", re.IGNORECASE)
_TEXT_ENDING = re.compile(r"\.(?:json|txt)\s*$", re.IGNORECASE)
# of archives that are opened; x.ipynb.gz is a notebook packed alone, x.tar (1).gz a browser's copy
_ARCHIVE_ENDING = re.compile(
    r"\.(?:zip|tar|tar(?: ?\(\d+\))?\.(?:gz|bz2|xz)|tgz|tbz2?|txz|(?<=\.ipynb\.)(?:gz|bz2|xz))\s*$",
    re.IGNORECASE,
)
_COPY_BEFORE = re.compile(
    r"^(?:copy of|copie de|copia de|cópia de|kopie von|kopia|копия|نسخة من|副本|复件|複本)[\s_-]*",
    re.IGNORECASE,
)
_COPY_WORD = (
    r"copy|copie|copia|cópia|kopie|kopia|копия|コピー|복사본|사본|的副本|副本|复件|複本|की प्रति"
)
_COPY_AFTER = re.compile(
    rf"(?:[\s_.]*[-–—]\s*(?:{_COPY_WORD})\s*(?P<a>\d*)|[\s_.]*(?:{_COPY_WORD})\s*(?P<b>\d*)"
    r"|のコピー|의 사본"
    rf"|[\s_]*[(（](?:another |\d+\w\w )?(?:{_COPY_WORD})[)）]"
    r"|[\s_]*\((?P<c>\d+)\)|[\s_]*（(?P<d>\d+)）|[\s_]*\[(?P<e>\d+)\]"
    # what programs that keep folders alike write where two machines changed a file
    r"|(?P<conflict>\.sync-conflict-[\w-]+"
    r"|[\s_]*[(（][^()（）]*(?:conflict|冲突|konflikt|conflit)[^()（）]*[)）]"
    r"|-(?:DESKTOP|LAPTOP)-[A-Z0-9]+))\s*$",
    re.IGNORECASE,
)
# words beside an assignment's name that tell a state of the work, and never a person
_STATE = re.compile(
    r"(?:(?:my|the)?[\s_-]*(?:final(?:[\s_-]?final)*|draft|new|old|fixed|done|completed?|finished|"
    r"checkpoint|backup|submission|submitted|submit|solutions?|solved|answers?|homework|hw(?=\d)|"
    r"assignment|version|rev|v(?=\d)|executed|output|"
    r"main|master|"  # the branch, in the name of what GitHub packs
    r"最终版?|终稿|定稿|完成版?|已完成|修改版?|新版?|答案|作业|作業|提交版?|草稿|版本)"
    r"[\s_.-]*(?:v?\d+)?[\s_-]*)+",
    re.IGNORECASE,
)
# "Ann Li - Copy of x.ipynb" is Ann Li's
_COPY_BEHIND_NAME = re.compile(
    r"[\s_-]*(?:copy of|copie de|copia de|cópia de|kopie von)$", re.IGNORECASE
)
_BRANCH = re.compile(r"-(?:main|master)$")  # GitHub: 03-architecture-ann-main.zip
# folders that tell what lies in them, and never whose it is
_FOLDER_OF_NOBODY = re.compile(
    r"(?:\d{1,2}[_. -]+)?"  # OpenOLAT: 1_submissions
    r"(?:lecture|lab|week|homework|hw|assignment|exercise|submission|attempt|version|attachment|"
    r"files?|upload|abgabe|abgaben|rendu|entrega|consegne|assignsubmission_[a-z]+|附件|作业|作業|实验|提交|第)s?[\s_-]*(?:\(s\))?[\s_-]*[\d一二三四五六七八九十]*[讲周次课章]?"
    r"(?:作业)?|revision \d+ - .+",  # Schoology: Revision 2 - On time
    re.IGNORECASE,
)
# Teams keeps attempts apart in folders: Version 1, Version 2
_VERSION_FOLDER = re.compile(
    r"(?:version|attempt|versuch|versión|versão|版本|第|revision(?= \d+ - ))[\s_-]*"
    r"(?P<n>\d{1,4})\s*(?:次提交|次|版| - .+)?",
    re.IGNORECASE,
)
# a bare number is a copy's where the assignment's name stands before it, and nowhere else
_NUMBER_AFTER = re.compile(r"[\s_-](?P<n>\d{1,2})\s*$")
# what systems and editors put beside a student's files
_SYSTEMS_FOLDERS = {
    "__macosx",
    ".ipynb_checkpoints",
    ".git",
    ".vscode",
    ".idea",
    ".trashes",
    ".spotlight-v100",
    ".fseventsd",
    "@eadir",
    "$recycle.bin",
    "system volume information",
    "__pycache__",
}
_SYSTEMS_FILES = {".ds_store", "thumbs.db", "desktop.ini", "icon\r", ".localized", ".directory"}
# Windows's note of where a file comes from, beside it; swap and lock files of editors
_SYSTEMS_ENDINGS = (":zone.identifier", "zone.identifier", ".swp", ".swo")
_LOCKS = ("._", "~$", ".~lock.")


def is_desktop_file(path: str) -> bool:
    """Recognise the files that macOS, Windows, Jupyter and editors add to folders."""
    parts = [part.casefold() for part in path.split("/")]
    if not _SYSTEMS_FOLDERS.isdisjoint(parts):
        return True
    last = parts[-1]
    return last in _SYSTEMS_FILES or last.startswith(_LOCKS) or last.endswith(_SYSTEMS_ENDINGS)


def has_ending(file_name: str) -> bool:
    """Tell whether a name ends as a notebook's does, whatever was put behind."""
    return bool(_ENDING.search(file_name))


def is_archive_name(path: str) -> bool:
    """Tell whether a name is that of an archive which is opened."""
    return bool(_ARCHIVE_ENDING.search(path))


def without_archive_ending(path: str) -> str:
    """Return a name without the ending of an archive.

    >>> without_archive_ending("work.tar.gz"), without_archive_ending("x.ipynb.gz")
    ('work', 'x.ipynb')
    """
    return _ARCHIVE_ENDING.sub("", path)


def may_be_notebook(file_name: str, name: str) -> bool:
    """Tell whether a student's file may be a notebook, by its name.

    Args:
        name: of the assignment; a file of that name may end in .json, .txt or nothing.
    """
    if any(part.startswith(".") for part in file_name.split("/")):
        return False
    last = PurePosixPath(file_name).name
    if has_ending(last):
        return True
    return is_called(last, name)  # with .json or .txt behind it, or no ending at all


def is_called(file_name: str, name: str) -> bool:
    """Tell whether a file has an assignment's name, in whatever letters, or is a copy of it."""
    return _folded(stem(file_name)) == _folded(name)


def _folded(text: str) -> str:
    return re.sub(r"[\s_-]+", "-", text.casefold())


def stem(file_name: str) -> str:
    """Drop folders, the ending, and what programs add to the name of a copy.

    >>> stem("Copy of 03-architecture (2).ipynb")
    '03-architecture'
    """
    return _taken_apart(file_name)[0]


def copy_number(file_name: str) -> int:
    """Return the number of a copy: 0 for an original, 1 for a first copy without a number."""
    return _taken_apart(file_name)[1]


def _taken_apart(file_name: str) -> tuple[str, int]:
    """Return a file's name without ending and marks of copies, and the copy's number.

    A mark may stand behind the ending, too: “x.ipynb”的副本, x.ipynb (1).
    """
    text = PurePosixPath(file_name).name
    number = 0
    while True:
        shorter, count = without_copy_marks(without_ending(text))
        number = max(number, count)
        if shorter == text:
            return text, number
        text = shorter


def is_folder_of_nobody(folder: str) -> bool:
    """Tell whether a folder's name says what lies in it, and not whose it is.

    >>> is_folder_of_nobody("Lecture 3"), is_folder_of_nobody("附件"), is_folder_of_nobody("Ann Li")
    (True, True, False)
    """
    return bool(_FOLDER_OF_NOBODY.fullmatch(folder.strip()))


def version_of(file_name: str) -> int | None:
    """Return the number of the attempt in whose folder a file lies; None where it lies in none.

    >>> version_of("Version 2/x.ipynb")
    2
    """
    for folder in reversed(PurePosixPath(file_name).parts[:-1]):
        match = _VERSION_FOLDER.fullmatch(folder)
        if match:
            return int(match["n"])
    return None


def without_ending(file_name: str) -> str:
    """Return a name without its ending, of a notebook or a text."""
    return _TEXT_ENDING.sub("", _ENDING.sub("", file_name)).strip()


def without_copy_marks(text: str) -> tuple[str, int]:
    """Return a name without what programs add to that of a copy, and the copy's number."""
    number = 0
    while True:
        before = _COPY_BEFORE.sub("", text)
        if before != text:
            text, number = before, max(number, 1)
        text = text.strip("“”\"'「」《》 ")
        match = _COPY_AFTER.search(text) or _number_behind_a_notebook(text)
        if match is None or match.start() == 0:
            if before == text and not _COPY_BEFORE.match(text):
                return text, number
            continue
        groups = match.groupdict()
        if groups.pop("conflict", None) is None:  # whose number is nobody's
            digits = "".join(group or "" for group in groups.values())
            number = max(number, int(digits[:9] or 1))
        text = text[: match.start()]


def _number_behind_a_notebook(text: str) -> re.Match[str] | None:
    match = _NUMBER_AFTER.search(text)
    notebooks = set(map(_folded, NOTEBOOKS.values()))
    return match if match and _folded(text[: match.start()]) in notebooks else None


def named_beside(text: str, name: str) -> str | None:
    """Return whom a name such as "ann-03-architecture" names beside an assignment.

    Args:
        text: without its ending.
        name: of the assignment.
    Returns:
        The other part of the name; the text itself where the assignment does not stand in it; None
        where nobody or more than one thing stands beside it.
    """
    if not name:
        return text
    shown = re.escape(name).replace(r"\-", r"[\s_-]")
    match = re.fullmatch(rf"(?P<before>.*?)[\s_-]*{shown}(?P<after>.*)", text, re.IGNORECASE)
    if match is None:
        return text
    after = without_copy_marks(f"{name}{match['after']}")[0]
    parts = (match["before"], after[len(name) :])
    tidied = [_COPY_BEHIND_NAME.sub("", part.strip("-_ ()（）[]")) for part in parts]
    tidied = [_BRANCH.sub("", part) for part in tidied]
    named = [part for part in tidied if part and not _STATE.fullmatch(part)]
    return named[0] if len(named) == 1 else None
