"""Pack a class's feedback into one archive, as a learning platform takes it for all at once."""

import io
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course
from tinybert_l.grading.leaks import Secrets, read_secrets, require_none, scan_bytes, scan_text
from tinybert_l.grading.owners import CANVAS_NAME
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.written import Written, beside

LMS = ("moodle", "canvas")


@dataclass(frozen=True)
class Packed:
    """An archive of feedback for a learning platform.

    Args:
        content: the zip file.
        names: {student: name of the page in it}.
        left_out: {student: why the platform could not know whose the page is}.
        notices: sentences on the archive as a whole.
    """

    content: bytes
    names: dict[str, str]
    left_out: dict[str, str]
    notices: list[str] = field(default_factory=list)


def pack_feedback(course: Course, lecture: int, lms: str) -> tuple[Packed, Path]:
    """Write the archive of a lecture's feedback for a learning platform; returns it and its path.

    Raises:
        InvalidInput: there is no page for that platform.
        LeakError: a page shows a hidden test; nothing is written then.
    """
    name = NOTEBOOKS[lecture]
    # what a student wrote may equal a reference answer
    hidden = read_secrets(course.sources, course.solutions, given_out=frozenset(NOTEBOOKS))
    packed = pack(course.folder, name, course.students(lecture), lms, hidden)
    path = course.folder / "handouts" / f"feedback-{name}-{lms}.zip"
    place = Written(course.folder, "feedback").write(path, packed.content)
    packed.notices.extend(filter(None, [beside(path, place)]))
    return packed, place


def pack(folder: Path, name: str, students: Iterable[str], lms: str, secrets: Secrets) -> Packed:
    """Pack a class's pages as a learning platform takes them for all at once.

    Moodle ("Upload multiple feedback files in a zip") and Canvas ("Upload Submissions") tell by a
    file's name whose it is, in the way in which they name the submissions that one downloads. Those
    names are in the course's record.

    Args:
        folder: the course's.
        name: of the assignment.
        lms: one of `LMS`.
        secrets: lines that no page may show beside the student's own.

    Raises:
        InvalidInput: there is no such platform, or no page.
        LeakError: a page shows a hidden test.
    """
    if lms not in LMS:
        raise InvalidInput(f"feedback: --zip {lms!r}; allowed: {', '.join(LMS)}.")
    origins = _origins(Audit(folder), name)
    names = {}
    left_out = {}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for student in students:
            page = folder / "feedback" / student / name / f"{name}.html"
            if not page.is_file():
                left_out[student] = "there is no feedback yet 尚无反馈"
                continue
            file_name = _name_in(lms, origins.get(student, []), name)
            if file_name is None:
                left_out[student] = (
                    f"the hand-in did not come in {lms}'s own zip file 提交不是来自{lms}的压缩包"
                )
                continue
            text = page.read_text(encoding="utf-8")
            _require_no_hidden_tests(folder, name, student, text, secrets)
            names[student] = file_name
            archive.writestr(file_name, text)
    if not names:
        reasons = sorted(set(left_out.values())) or ["nobody has handed in 无人提交"]
        raise InvalidInput(
            f"feedback: no page for {lms}: {'; '.join(reasons)}. The pages themselves are in "
            f"{folder / 'feedback'}. 没有可打包的反馈。"
        )
    return Packed(stream.getvalue(), names, left_out)


def _require_no_hidden_tests(
    folder: Path, name: str, student: str, page: str, secrets: Secrets
) -> None:
    """Raise `LeakError` where a page shows a secret that the student has not written."""
    label = f"{student}.ipynb"
    leaks = scan_text(label, page, secrets)
    submission = folder / "submitted" / student / name / f"{name}.ipynb"
    if leaks and submission.is_file():
        own = set(scan_bytes(label, submission.read_bytes(), secrets))
        leaks = [leak for leak in leaks if leak not in own]
    require_none(leaks, f"the feedback of {student}")


def _origins(audit: Audit, name: str) -> dict[str, list[str]]:
    """Return {student: names under which submissions came in, oldest first}."""
    origins: dict[str, list[str]] = {}
    for entry in audit.entries():
        if entry["event"] == "received" and entry.get("assignment") == name:
            origins.setdefault(entry["student"], []).append(str(entry.get("origin", "")))
    return origins


def moodles_numbers(audit: Audit, name: str) -> dict[str, str]:
    """Return {student: Moodle's number in this assignment, as its archive gave it}."""
    numbers = {}
    for student, origins in _origins(audit, name).items():
        for match in map(_MOODLE_ORIGIN.match, origins):
            if match:
                numbers[student] = match.group(2)
    return numbers


_MOODLE_ORIGIN = re.compile(r"(?:.*/)?([^/_]+)_(\d+)_assignsubmission_")


def _name_in(lms: str, origins: list[str], name: str) -> str | None:
    """Return what a page is called in the archive; None where no origin tells whose it is."""
    for origin in reversed(origins):
        if lms == "moodle":
            match = _MOODLE_ORIGIN.match(origin)
            if match:
                return f"{match.group(1)}_{match.group(2)}_assignfeedback_file_{name}.html"
        else:
            file_name = PurePosixPath(origin).name
            match = CANVAS_NAME.fullmatch(file_name)
            if match and match["rest"]:  # without the file's own number Canvas takes nothing
                return f"{file_name[: match.start('rest')]}{name}-feedback.html"
    return None
