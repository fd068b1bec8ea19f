"""A student's request to judge an answer anew, as a small file.

It names the hand-in by its SHA-256, the exercise and the reason. It asks, and decides nothing:
whoever grades checks each of its statements.
"""

import hashlib
import io
import json
import zipfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tinybert_l.cache import write_atomically
from tinybert_l.course.home import STUDENT_NAME
from tinybert_l.course.items import items_of
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.notebook_files import clean_text, read_notebook
from tinybert_l.exercises.registry import NOTEBOOKS

FORMAT = "tinybert-l dispute 1"
ENDING = ".dispute.json"
FILE_LIMIT = 20_000  # bytes
REASON_LIMIT = 2000  # characters
HAND_IN_LIMIT = 20 * 10**6  # bytes
_NAME_LIMIT = 64  # characters of a student's or an exercise's name
_DIGEST_DIGITS = 64


@dataclass(frozen=True)
class Dispute:
    """What a file of this kind says.

    Args:
        student: who asks.
        assignment: the notebook's name.
        exercise: of the exercise, or of the cell that a person grades.
        submission: SHA-256 of the notebook that was handed in.
        because: the reason, in the student's words.
        at: when it was written, by the student's clock.
    """

    student: str
    assignment: str
    exercise: str
    submission: str
    because: str
    at: str

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Dispute":
        """Read a file that anybody may have written.

        Raises:
            InvalidInput: it is none of this kind; says why.
        """
        if len(raw) > FILE_LIMIT:
            raise InvalidInput(f"more than {FILE_LIMIT} bytes 文件过大")
        encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        try:
            tree = json.loads(raw.decode(encoding))
        except (ValueError, RecursionError):
            raise InvalidInput("no dispute: it is no JSON in UTF-8 不是复核申请文件") from None
        fields = tuple(cls.__dataclass_fields__)
        if not isinstance(tree, dict) or set(tree) != {"format", *fields}:
            raise InvalidInput(f"no dispute; needed: format, {', '.join(fields)} 不是复核申请文件")
        if tree["format"] != FORMAT:
            raise InvalidInput(f"format {str(tree['format'])[:40]!r}; allowed: {FORMAT!r}")
        if not all(isinstance(tree[key], str) for key in fields):
            raise InvalidInput("a value is no text 字段不是文本")
        tree["submission"] = tree["submission"].lower()
        dispute = cls(**{key: clean_text(tree[key]) for key in fields})
        dispute.check()
        return dispute

    def check(self) -> None:
        """Raise InvalidInput where a statement is longer than it may be, or empty."""
        if not 0 < len(self.because.strip()) <= REASON_LIMIT:
            raise InvalidInput(
                f"--because: a reason of {len(self.because)} characters; allowed: 1 to "
                f"{REASON_LIMIT} 理由过长或为空"
            )
        for value in (self.student, self.exercise, self.assignment, self.at):
            if not 0 < len(value) <= _NAME_LIMIT:
                raise InvalidInput("a name is too long or empty 名称过长或为空")
        is_digest = len(self.submission) == _DIGEST_DIGITS
        if not is_digest or set(self.submission) - set("0123456789abcdef"):
            raise InvalidInput("submission: no SHA-256 不是SHA-256")


def write_dispute(
    lecture: int, exercise: str, because: str, student: str, hand_in: Path | None, folder: Path
) -> Path:
    """Write a request, whole or not at all; returns its path.

    Args:
        hand_in: what was handed in, a zip file of `submit` or a notebook; None: the zip file of
            `submit` in the current folder.
        folder: where the file goes.
    Raises:
        InvalidInput: the exercise is not in the hand-in, the reason is empty or too long, or the
            hand-in cannot be read or is not found.
    """
    name = NOTEBOOKS[lecture]
    if not STUDENT_NAME.fullmatch(student):
        raise InvalidInput(f"--student {student!r}; allowed: 1 to 64 letters, digits and . _ @ -")
    path = hand_in or _made_by_submit(name, student)
    raw = _notebook_in(path, name)
    tree, _ = read_notebook(raw, path.name)
    exercises = [item.name for item in items_of(lecture, tree["cells"])]
    if exercise not in exercises:
        raise InvalidInput(
            f"exercise {exercise!r} is not in {path.name}; allowed: {', '.join(exercises)}."
        )
    digest = hashlib.sha256(raw).hexdigest()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    dispute = Dispute(student, name, exercise, digest, clean_text(because), now)
    dispute.check()
    target = folder / f"{student}-{name}-{exercise}{ENDING}"
    write_atomically(target, dispute.to_json())
    return target


def _made_by_submit(name: str, student: str) -> Path:
    """Find the zip file that `submit` has made in the current folder."""
    own = Path(f"{student}-{name}.zip")
    if own.is_file():
        return own
    found = sorted(Path(".").glob(f"*-{name}.zip"))
    if len(found) != 1:
        names = ", ".join(map(str, found)) or "none"
        raise InvalidInput(
            f"which file did you hand in? Name it with --hand-in; here: {names}. "
            "请用--hand-in指明你提交的文件。"
        )
    return found[0]


def _notebook_in(path: Path, name: str) -> bytes:
    """Return the bytes of the notebook that was handed in, from a zip file or as it is."""
    if path.suffix.lower() != ".zip":
        return path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            members = [x for x in archive.infolist() if x.filename.endswith(".ipynb")]
            if len(members) == 1 and members[0].file_size <= HAND_IN_LIMIT:
                return archive.read(members[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        raise InvalidInput(f"{path}: it cannot be read ({error}). 无法读取。") from None
    raise InvalidInput(f"{path}: one notebook, {name}.ipynb, is needed in it. 需要一个笔记本。")
