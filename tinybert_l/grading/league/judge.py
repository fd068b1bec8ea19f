"""Judge entries: each in a container of its own, on sentences whose labels stay outside."""

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tinybert_l.cache import provenance
from tinybert_l.course.capstone.asking import Program, Score, Sentences, score
from tinybert_l.course.capstone.description import Description, read_description
from tinybert_l.course.capstone.folder import Entry, read_entry, source_of, zip_entry
from tinybert_l.course.capstone.rules import DESCRIPTION, EntryRefused
from tinybert_l.errors import InvalidInput
from tinybert_l.grading.league.book import Book, Judged, Refused
from tinybert_l.grading.league.heldout import HeldOut
from tinybert_l.grading.outside import sandbox

ENTRIES = "/entries"  # in the container
REFERENCE = "/reference"
JUDGED = "judged"  # folder of the entries as they were judged
TEACHER = "teacher"
Tell = Callable[[str], None]


def judge(
    folder: Path,
    paths: Sequence[Path],
    held_out: HeldOut,
    reference: Path,
    tell: Tell = print,
    again: bool = False,
) -> Book:
    """Judge entries and write them into the league's book, each as soon as it is done.

    An entry that was judged on these sentences already is not judged again: a run that was stopped
    goes on.

    Args:
        folder: the league's.
        paths: folders or zip files, one an entry.
        reference: the teacher's folder.
        tell: called with a line for each entry.
        again: judge those anew that were judged already.
    Raises:
        SandboxMissing: entries cannot be isolated here.
        InvalidInput: two entries of one name, which says who handed in.
    """
    require_sandbox()
    _require_different_names(paths)
    book = Book.read(folder)
    if book.teacher is None or book.teacher.heldout != held_out.sha256:
        tell("teacher: its answers to the held-out sentences 教师的答案")
        book.teacher = _judged(_teacher_score(reference, held_out.sentences), held_out)
        book.write()
    for path in paths:
        try:
            entry = read_entry(path)
            book.require_free(entry)
            if not again and book.has(entry, held_out.sha256):
                tell(f"{entry.source}: judged before; --again judges it anew 已评判过")
                continue
            judged = _judged(score_in_sandbox(entry, held_out.sentences, reference), held_out)
            zip_entry(entry, folder / JUDGED / f"{entry.sha256}.zip")
            replaced = book.add(judged, entry.description.key)
            tell(f"{entry.source}: {judged.score.name}: judged 已评判")
            for name in replaced:
                tell(f"{entry.source}: it takes the place of {name} 取代了原来的 {name}")
        except EntryRefused as error:
            book.refuse(Refused(source_of(path), str(error), _now()))
            tell(f"{source_of(path)}: refused 未接受: {error}")
        book.write()
    return book


def _require_different_names(paths: Sequence[Path]) -> None:
    for source, count in Counter(map(source_of, paths)).items():
        if count > 1:
            raise InvalidInput(
                f"league judge: {count} entries are called {source}; allowed: a name for each, "
                "such as the student's, because it says who handed in. 作品文件名重复。"
            )


def require_sandbox() -> None:
    """Raise `SandboxMissing` where entries cannot be isolated."""
    reason = sandbox.problem()
    if reason:
        raise sandbox.SandboxMissing(
            f"The league opens strangers' files, and they cannot be isolated: {reason}. "
            "无法隔离参赛文件。"
        )


def score_in_sandbox(entry: Entry, sentences: Sentences, reference: Path | None) -> Score:
    """Measure an entry in a container of its own.

    Raises:
        EntryRefused: it breaks a rule.
    """
    with container([entry], reference) as program:
        return score(entry, f"{ENTRIES}/0", sentences, program)


@contextmanager
def container(entries: Sequence[Entry], reference: Path | None) -> Iterator[Program]:
    """Start programs in a container that shows these entries, read-only; no network, no labels.

    Args:
        entries: entry k is the folder /entries/k. More than one only for tests: they could harm
            each other.
    """
    with tempfile.TemporaryDirectory(prefix="tinybert-l-league-") as work:
        places = {name: Path(work) / name for name in ("entries", "none")}
        for place in places.values():
            place.mkdir()
        for number, entry in enumerate(entries):
            entry.write(places["entries"] / str(number))
        shown = {places["entries"]: ENTRIES}
        if reference is not None:
            shown[reference] = REFERENCE
        command = [*sandbox.container(places["none"], shown)]
        command += [os.path.abspath(sys.executable), "-I", "-B"]
        yield Program(command, "" if reference is None else REFERENCE, os.environ)


def _teacher_score(reference: Path, sentences: Sentences) -> Score:
    """Let the teacher answer; it is our own, and larger than an entry may be."""
    files = {path.name: path.read_bytes() for path in reference.iterdir()}
    description: Description = read_description(files[DESCRIPTION])
    entry = Entry(description, files, TEACHER)
    with container([], reference) as program:
        untimed = Program(program.command, "", program.environment)
        return score(entry, REFERENCE, sentences, untimed)


def _judged(measured: Score, held_out: HeldOut) -> Judged:
    return Judged(measured, held_out.sha256, _now(), provenance()["machine"])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
