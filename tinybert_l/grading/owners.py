"""Tell whose file it is by its path, as learning platforms, nbgrader and people write them.

The owner of a submission is told by the name that the platform or the instructor gave, never by a
name that the student chose.
"""

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath

from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.file_names import (
    has_ending,
    is_archive_name,
    named_beside,
    without_archive_ending,
    without_copy_marks,
    without_ending,
)

NAME_LIMIT = 64  # characters of a student's name
LMS_NAME_LIMIT = 40  # characters of a platform's name that go into the student's
# Canvas: doejane_LATE_12_345_notebook.ipynb; anonymous: anon_aB3xY_345_…, with LATE at any place;
# what was typed in has no number of its own: doejane_12_text.html
CANVAS_NAME = re.compile(
    r"(?P<late1>LATE_)?(?:(?P<name>(?!anon_|gradebook_)[^/]+?)_(?P<late2>LATE_)?(?P<lms>\d+)"
    r"|anon_(?P<late3>LATE_)?(?P<anonymous>[A-Za-z0-9]{3,12}))_(?P<late4>LATE_)?"
    r"(?:(?P<submission>\d+)_(?P<rest>[^/]+)|(?P<typed>(?:text|link|url)\.html))"
)
CANVAS_IN_FOLDERS = "canvas in folders"  # Canvas's files that a person put into a folder of each
_MOODLE_PLUGIN = r"_(?P<lms>\d+)_assign(?P<what>submission|feedback)_[a-z]+"
_MOODLE_NAME = re.compile(rf"(?P<name>[^/]+?){_MOODLE_PLUGIN}_?/?(?P<rest>.*)")
MOODLE_FLAT_NAME = re.compile(  # of a file that lies in no folder of its student's
    rf"(?P<name>[^/]+?){_MOODLE_PLUGIN}_(?P<rest>[^/]+)"
)
# Blackboard: Lecture 3_jdoe_attempt_2026-11-20-10-00-00_x.ipynb, with gradebook_COURSE_ before
BLACKBOARD_NAME = re.compile(
    r"(?:[^/]*?_)?(?P<name>[^_/]+)_attempt_(?P<when>\d{4}(?:-\d\d){5})(?:_(?P<rest>[^/]+)|\.txt)"
)
# Brightspace: 123-45 - Jane Doe - Nov 20, 2026 1012 AM/x.ipynb, or … AM - x.ipynb; a group has one
# number, and the date is written as in the site's language
_DATE = r"(?:[^/-]*\b\d{4}|\d{4}[-./年]\d{1,2}[-./月]\d{1,2}日?)"
_CLOCK = r"(?:\d{3,4}|\d{1,2} ?[-.:hH] ?\d\d)(?: (?:[AaPp]\.?[Mm]\.?|[上下]午|午[前後]))?"
_BRIGHTSPACE_NAME = re.compile(
    r"(?P<lms>\d+)(?:-\d+)? ?- (?P<name>[^/]+?) ?- "
    rf"(?P<when>{_DATE},? {_CLOCK})(?:/| - )(?P<rest>.+)"
)
_ENGLISH_DATE = re.compile(
    r"(?P<a>[A-Za-z]{3}|\d{1,2}) (?P<b>[A-Za-z]{3}|\d{1,2}),? (?P<y>\d{4}),?"
)
_ISO_DATE = re.compile(r"(\d{4})[-./年](\d{1,2})[-./月](\d{1,2})日?,?")
_CLOCK_TIME = re.compile(
    r"(?P<hour>\d{1,2}?) ?[-.:h]? ?(?P<minute>\d\d)(?: (?P<half>[AP])\.?M\.?)?", re.IGNORECASE
)
_EXCHANGE_NAME = re.compile(
    r"(?P<name>[^+/]+)\+(?P<assignment>[^+/]+)\+(?P<when>[^+/]+)(?:\+[^/]*)?/(?P<rest>.+)"
)
_GRADESCOPE_NAME = re.compile(r"(?P<name>submission_\d{4,})/(?P<rest>.+)")
# Sakai: Li, Ann(login)/Submission attachment(s)/x.ipynb
_SAKAI_NAME = re.compile(
    r"[^/()]+, ?[^/()]*\((?P<name>[^()/ ]+)\)/(?:Submission attachment\(s\)/)?(?P<rest>.+)"
)
_PLAIN_NAME = re.compile(
    r"(?P<name>[^/]+?)(?:/(?P<rest>.+)|\.ipynb(?:\.json|\.txt)?)", re.IGNORECASE
)
_PATTERNS = (
    ("moodle", _MOODLE_NAME),
    ("canvas", CANVAS_NAME),
    ("blackboard", BLACKBOARD_NAME),
    ("brightspace", _BRIGHTSPACE_NAME),
    ("exchange", _EXCHANGE_NAME),
    ("gradescope", _GRADESCOPE_NAME),
    ("sakai", _SAKAI_NAME),
    ("", _PLAIN_NAME),
)
# Beside letters, digits and what combines with them; no name begins with a full stop or a blank.
_OTHER_CHARACTERS = "_.@-'’ ·•‧・,()&\u200c\u200d"
_UNSEEN = re.compile("[\u200b\u200e\u200f\u061c\u202a-\u202c\u2066-\u2069\u00ad\ufeff]")
OF_GROUP = (
    "Moodle's number 0 is a group's, of whoever is in none: put a copy into a folder of each "
    "编号0是默认小组，请为每人各放一份"
)
_ONLINE_TEXTS = re.compile(r"onlinetext|(?:^|[/_])(?:text|url|link)\.html?$")


@dataclass(frozen=True)
class Owner:
    """What a path says.

    Args:
        student: whose file it is.
        file_name: with the folders below the student's.
        assignment: for which assignment, if it says.
        known: facts that the platform gave, by column of the gradebook: lms_user_id, last_name.
        platform: "canvas", CANVAS_IN_FOLDERS, "moodle", "blackboard", "brightspace", "gradescope",
            "sakai", "exchange"; "": a plain path.
        is_late: what Canvas says.
        when: when it was handed in, if the path says; without a zone in the platform's own.
    """

    student: str
    file_name: str
    assignment: str | None = None
    known: dict[str, str] = field(default_factory=dict)
    platform: str = ""
    is_late: bool = False
    when: datetime | None = None


def owner_of(path: str, assignment: str = "") -> Owner | None:
    """Read the owner from a path; None when it does not say whose the file is.

    Args:
        assignment: whose name may stand beside the student's, as in "ann-03-architecture.ipynb".
    """
    platform, match = _match(path)
    if match is None or is_feedback(path) or _is_moodles_group(path):
        return None
    parts = match.groupdict()
    file_name = parts.get("rest") or parts.get("typed") or PurePosixPath(path).name
    of_assignment = parts.get("assignment")
    known: dict[str, str] = {}
    student: str | None
    if platform in ("moodle", "canvas", "brightspace"):
        student, known = _of_platform(parts, platform)
    else:
        student = tidy_name(parts["name"])
    if not platform:
        first, _, rest = file_name.partition("/")
        if rest and first in NOTEBOOKS.values():  # student/assignment/x.ipynb, as in `submitted`
            of_assignment, file_name = first, rest
        else:
            student = _of_plain_name(student, assignment, is_file=not parts.get("rest"))
    if not student or not is_student_name(student):
        return None
    is_late = any(parts.get(key) for key in ("late1", "late2", "late3", "late4"))
    when = _time(parts.get("when"))
    return Owner(student, file_name, of_assignment, known, platform, is_late, when)


def _of_plain_name(name: str, assignment: str, is_file: bool) -> str | None:
    """Return whom the name of a folder, or of a file that lies in none, stands for."""
    if is_file:
        name = without_copy_marks(name)[0]
    student = named_beside(name, assignment)
    return None if student is None else tidy_name(student)


def is_feedback(path: str) -> bool:
    """Tell whether a path is that of a teacher's feedback in Moodle, which nobody hands in."""
    match = _MOODLE_NAME.fullmatch(path)
    return match is not None and match["what"] == "feedback"


def _is_moodles_group(path: str) -> bool:
    """Tell whether Moodle gives a file to its default group, "Default group_0": to no person."""
    match = _MOODLE_NAME.fullmatch(path)
    return match is not None and not match["lms"].strip("0")


def why_nobody(path: str, assignment: str = "") -> str:
    """Say why a path names no student; empty where it is plain that it names none."""
    platform, match = _match(path)
    if is_feedback(path):
        return "a teacher's feedback file, no submission 教师的反馈文件，不是提交"
    if _is_moodles_group(path):
        return OF_GROUP
    if match is None:
        return ""
    name = tidy_name(match["name"] or "")
    if not platform and named_beside(name, assignment) is None:
        return ""
    if len(name) > NAME_LIMIT:
        return f"{name[:20]}… has more than {NAME_LIMIT} characters 名称过长"
    odd = sorted({character for character in name if not _may_stand_in_name(character)})
    if odd:
        return f"{name!r} holds {' '.join(odd)}, which no folder here may 名称含不支持的字符"
    return ""


def _match(path: str) -> tuple[str, re.Match[str] | None]:
    """Return where a path of this shape comes from, with the match of its parts."""
    for platform, pattern in _PATTERNS:
        match = pattern.fullmatch(path)
        if match:
            return platform, match
    return "", None


def _of_platform(parts: dict[str, str | None], platform: str) -> tuple[str, dict[str, str]]:
    """Return the student's name and what is known, from the parts of a platform's file name."""
    if parts.get("anonymous"):
        return f"anon-{parts['anonymous']}", {}
    name = tidy_name(parts["name"] or "")
    short = "".join(x if _is_letter(x) or x in ".@-" else "_" for x in name)
    short = re.sub("_+", "_", short)[:LMS_NAME_LIMIT]
    lms = parts["lms"] or ""
    known = {"last_name": name}
    if platform != "brightspace":  # its numbers are not those of its tables
        known["lms_user_id"] = lms
    return f"{short}-{lms}", known


def tidy_name(name: str) -> str:
    """Return a name in one form of its characters, without blanks at its ends or in a row.

    Marks of direction and width that nobody sees go: systems that write from the right add them.
    """
    return re.sub(r"\s+", " ", _UNSEEN.sub("", unicodedata.normalize("NFKC", name))).strip()


def is_student_name(name: str) -> bool:
    """Tell whether a name may be a student's: letters of any script, digits and a few others."""
    if not 0 < len(name) <= NAME_LIMIT or name[0] in ".'’,(&" or name[-1] == " ":
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
    """Tell whether the name of a folder is one that a platform or nbgrader's exchange gives."""
    is_brightspace = bool(_BRIGHTSPACE_NAME.match(f"{folder}/x"))
    is_of_others = any(x.match(f"{folder}/x") for x in (_GRADESCOPE_NAME, _SAKAI_NAME))
    return bool(_MOODLE_NAME.match(folder)) or is_brightspace or is_of_others or "+" in folder


def names_somebody(file_name: str, assignment: str) -> bool:
    """Tell whether the name of a file says whose it is, wherever it lies."""
    if any(x.fullmatch(file_name) for x in (CANVAS_NAME, MOODLE_FLAT_NAME, BLACKBOARD_NAME)):
        return True
    if not (has_ending(file_name) or is_archive_name(file_name)):
        return False
    text = without_copy_marks(without_ending(without_archive_ending(file_name)))[0]
    return named_beside(text, assignment) not in (None, text)


def is_online_text(file_name: str) -> bool:
    """Tell whether a file stands for a text or an address that was typed into the platform."""
    return bool(_ONLINE_TEXTS.search(file_name.casefold()))


def is_receipt(file_name: str) -> bool:
    """Tell whether a file is Blackboard's own word on an attempt, which lies beside its files."""
    match = BLACKBOARD_NAME.fullmatch(file_name)
    return match is not None and match["rest"] is None


def _time(text: str | None) -> datetime | None:
    """Read the time in a path; without a zone where a platform means its own."""
    if not text:
        return None
    with suppress(ValueError):  # Blackboard
        return datetime.strptime(text, "%Y-%m-%d-%H-%M-%S")
    with suppress(ValueError):
        moment = _brightspaces_time(text)
        if moment is not None:
            return moment
    try:
        moment = datetime.fromisoformat(text.removesuffix(" UTC").strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def _brightspaces_time(text: str) -> datetime | None:
    """Read Oct 3, 2026 1015 PM, 3 Oct 2026 22:15, 2026-10-03 2215 and the like.

    Raises:
        ValueError: there is no such time.
    """
    match = _ISO_DATE.match(text)
    if match:
        date = f"{match[1]}-{match[2]}-{match[3]}"
        form = "%Y-%m-%d"
    else:
        match = _ENGLISH_DATE.match(text)
        if match is None:
            return None
        date = f"{match['a']} {match['b']} {match['y']}"
        form = "%d %b %Y" if match["a"].isdigit() else "%b %d %Y"
    clock = _CLOCK_TIME.fullmatch(text[match.end() :].strip())
    if clock is None:
        return None
    date += f" {clock['hour']:0>2}{clock['minute']}"
    if clock["half"]:
        return datetime.strptime(f"{date} {clock['half']}M", f"{form} %I%M %p")
    return datetime.strptime(date, f"{form} %H%M")
