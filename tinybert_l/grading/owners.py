"""Tell whose file it is by its path, as learning platforms, nbgrader and people write them.

The owner of a submission is told by the name that the platform or the instructor gave, never by a
name that the student chose.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath

from tinybert_l.exercises.registry import NOTEBOOKS

NAME_LIMIT = 64  # characters of a student's name
LMS_NAME_LIMIT = 40  # characters of a platform's name that go into the student's
# Canvas: doejane_LATE_12_345_notebook.ipynb; anonymous: anon_aB3xY_345_…, with LATE at any place
CANVAS_NAME = re.compile(
    r"(?P<late1>LATE_)?(?:(?P<name>(?!anon_)[^_/]+)_(?P<late2>LATE_)?(?P<lms>\d+)"
    r"|anon_(?P<late3>LATE_)?(?P<anonymous>[A-Za-z0-9]{3,12}))_(?P<late4>LATE_)?"
    r"(?P<submission>\d+)_(?P<rest>[^/]+)"
)
_MOODLE_NAME = re.compile(
    r"(?P<name>[^/]+?)_(?P<lms>\d+)_assignsubmission_(?:file|onlinetext)_?/?(?P<rest>.*)"
)
_EXCHANGE_NAME = re.compile(
    r"(?P<name>[^+/]+)\+(?P<assignment>[^+/]+)\+(?P<when>[^+/]+)(?:\+[^/]*)?/(?P<rest>.+)"
)
_PLAIN_NAME = re.compile(
    r"(?P<name>[^/]+?)(?:/(?P<rest>.+)|\.ipynb(?:\.json|\.txt)?)", re.IGNORECASE
)
_PATTERNS = (
    ("moodle", _MOODLE_NAME),
    ("canvas", CANVAS_NAME),
    ("exchange", _EXCHANGE_NAME),
    ("", _PLAIN_NAME),
)
# Beside letters, digits and what combines with them; no name begins with a full stop or a blank.
_OTHER_CHARACTERS = "_.@-'’ ·•‧・,()&\u200c\u200d"
_ONLINE_TEXTS = re.compile(r"onlinetext|(?:^|[/_])(?:text|url|link)\.html?$")


@dataclass(frozen=True)
class Owner:
    """What a path says.

    Args:
        student: whose file it is.
        file_name: with the folders below the student's.
        assignment: for which assignment, if it says.
        known: facts that the platform gave, by column of the gradebook: lms_user_id, last_name.
        platform: "canvas", "moodle", "exchange", or "" for a plain path.
        is_late: what Canvas says.
        when: when it was handed in, if the path says.
    """

    student: str
    file_name: str
    assignment: str | None = None
    known: dict[str, str] = field(default_factory=dict)
    platform: str = ""
    is_late: bool = False
    when: datetime | None = None


def owner_of(path: str) -> Owner | None:
    """Read the owner from a path; None when it does not say whose the file is."""
    platform, match = _match(path)
    if match is None:
        return None
    parts = match.groupdict()
    file_name = parts.get("rest") or PurePosixPath(path).name
    assignment = parts.get("assignment")
    if platform in ("moodle", "canvas"):
        student, known = _of_platform(parts)
    else:
        student, known = tidy_name(parts["name"]), {}
    if not platform:
        first, _, rest = file_name.partition("/")
        if rest and first in NOTEBOOKS.values():  # student/assignment/x.ipynb, as in `submitted`
            assignment, file_name = first, rest
    if not is_student_name(student):
        return None
    is_late = any(parts.get(key) for key in ("late1", "late2", "late3", "late4"))
    when = _time(parts.get("when"))
    return Owner(student, file_name, assignment, known, platform, is_late, when)


def _match(path: str) -> tuple[str, re.Match[str] | None]:
    """Return where a path of this shape comes from, with the match of its parts."""
    for platform, pattern in _PATTERNS:
        match = pattern.fullmatch(path)
        if match:
            return platform, match
    return "", None


def _of_platform(parts: dict[str, str | None]) -> tuple[str, dict[str, str]]:
    """Return the student's name and what is known, from the parts of a platform's file name."""
    if parts.get("anonymous"):
        return f"anon-{parts['anonymous']}", {}
    name = tidy_name(parts["name"] or "")
    short = "".join(x if _is_letter(x) or x in ".@-" else "_" for x in name)
    short = re.sub("_+", "_", short)[:LMS_NAME_LIMIT]
    lms = parts["lms"] or ""
    return f"{short}-{lms}", {"lms_user_id": lms, "last_name": name}


def tidy_name(name: str) -> str:
    """Return a name in one form of its characters, without blanks at its ends or in a row."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", name)).strip()


def is_student_name(name: str) -> bool:
    """Tell whether a name may be a student's: letters of any script, digits and a few others."""
    if not 0 < len(name) <= NAME_LIMIT or name[0] in ".'’,(&" or name[-1] in ". ":
        return False
    return all(_may_stand_in_name(character) for character in name)


def _may_stand_in_name(character: str) -> bool:
    return _is_letter(character) or character in _OTHER_CHARACTERS


def _is_letter(character: str) -> bool:
    """Tell whether it is a letter or digit, or combines with one (which `\\w` does not know)."""
    return unicodedata.category(character)[0] in "LMN"


def folded(student: str) -> str:
    """Fold what file systems may hold equal: capital and small letters, forms of one character."""
    return unicodedata.normalize("NFKC", student).casefold()


def names_person(folder: str) -> bool:
    """Tell whether the name of a folder is one that Moodle or nbgrader's exchange gives."""
    return bool(_MOODLE_NAME.match(folder)) or "+" in folder


def is_online_text(file_name: str) -> bool:
    """Tell whether a file stands for a text or an address that was typed into the platform."""
    return bool(_ONLINE_TEXTS.search(file_name.casefold()))


def _time(text: str | None) -> datetime | None:
    """Read the time that nbgrader writes into the name of a submission's folder."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.removesuffix(" UTC").strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
