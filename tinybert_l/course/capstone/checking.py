"""What a student does with an entry: check it as the league does, and pack it for handing in."""

import tempfile
from pathlib import Path

from tinybert_l.course.capstone.asking import Program, Score, score
from tinybert_l.course.capstone.entries import teacher_folder
from tinybert_l.course.capstone.folder import Entry, read_entry, zip_entry
from tinybert_l.course.capstone.sentences import validation_sentences
from tinybert_l.course.home import STUDENT_NAME, login_name
from tinybert_l.errors import InvalidInput

SUFFIX = "capstone"


def check(path: Path, timed: bool = True) -> Score:
    """Check one's own entry: the league's rules, and an estimate of what it would measure.

    The model runs in a process of its own, without a sandbox.

    Args:
        path: a folder or a zip file.
        timed: measure times beside the teacher, whose files are made first where they are missing.
    Raises:
        EntryRefused: it breaks a rule.
    """
    entry = read_entry(path)
    program = Program.here(teacher_folder() if timed else None)
    return measured_here(entry, program)


def measured_here(entry: Entry, program: Program) -> Score:
    """Measure an entry on the validation sentences."""
    with tempfile.TemporaryDirectory(prefix="tinybert-l-entry-") as work:
        folder = Path(work) / "entry"
        entry.write(folder)
        return score(entry, str(folder), validation_sentences(), program)


def pack(path: Path, student: str | None, folder: Path) -> tuple[Path, Entry]:
    """Write the zip file that is handed in; returns it, and the entry.

    Args:
        student: whose entry it is; None: the login name.
        folder: where the zip file goes.
    Raises:
        InvalidInput: a name that a file cannot have, or an entry that breaks a rule.
    """
    who = student or login_name()
    if not STUDENT_NAME.fullmatch(who):
        raise InvalidInput(
            f"submit: --student {who!r}; allowed: 1 to 64 letters, digits and . _ @ -"
        )
    entry = read_entry(path)
    made = folder / f"{who}-{SUFFIX}.zip"
    zip_entry(entry, made)
    return made, entry
