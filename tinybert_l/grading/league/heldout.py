"""The held-out sentences: drawn in secret from those that no training sees, or the instructor's."""

import csv
import hashlib
import hmac
import io
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from tinybert_l.cache import write_atomically
from tinybert_l.course.capstone.asking import Sentences
from tinybert_l.course.capstone.rules import LABELS
from tinybert_l.course.capstone.sentences import (
    all_embedded,
    comparable,
    never_trained_on,
    read_labelled,
)
from tinybert_l.errors import InvalidInput
from tinybert_l.grading.written import Written

FILE_NAME = "heldout.csv"
SECRET = "secret"
COUNT = 1000
FEWEST = 100


@dataclass(frozen=True)
class HeldOut:
    """Held-out sentences.

    Args:
        sentences: with their labels.
        sha256: of the file; stands in the table, so that all can see that it stayed the same.
        is_own: whether they are the instructor's, and in no public package of the course.
    """

    sentences: Sentences
    sha256: str
    is_own: bool


def draw(folder: Path, count: int, material: Path) -> Path:
    """Draw sentences that no training of the course sees; which ones depends on a secret.

    Sentences that the notebooks quote are left out.

    Args:
        folder: the league's.
        count: how many to draw.
        material: the folder of the notebooks' sources.
    Raises:
        InvalidInput: there are not so many.
    """
    pool = never_trained_on()
    quoted = _quoted_text(material)
    kept = []
    for text, label in zip(pool.texts, pool.labels, strict=True):
        if comparable(text) not in quoted:
            kept.append((text, label))
    if not FEWEST <= count <= len(kept):
        raise InvalidInput(f"--count {count}; allowed: {FEWEST} to {len(kept)}.")
    key = _secret(folder)
    kept.sort(key=lambda row: hmac.digest(key, row[0].encode(), "sha256"))
    return _write(folder, kept[:count])


def take(folder: Path, path: Path) -> Path:
    """Take the instructor's own sentences from a CSV file with the columns text and label.

    Raises:
        InvalidInput: too few, another label, or sentences that stand in the course's public data.
    """
    own = read_labelled(path)
    public = all_embedded()
    known = [text for text in own.texts if comparable(text) in public]
    if known:
        raise InvalidInput(
            f"{path}: {len(known)} of these sentences stand in the course's public data, the first "
            f"is {known[0][:60]!r}; leave them out. 有句子在公开数据中。"
        )
    if len(own.texts) < FEWEST or len(set(own.labels)) < len(LABELS):
        raise InvalidInput(
            f"{path}: {len(own.texts)} sentences; allowed: at least {FEWEST}, of both labels."
        )
    return _write(folder, list(zip(own.texts, own.labels, strict=True)))


def read_held_out(folder: Path) -> HeldOut:
    """Read the held-out sentences of a league.

    Raises:
        InvalidInput: there are none yet.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise InvalidInput(f"{path} is missing: run 'tinybert-l league holdout' first.")
    sentences = read_labelled(path)
    public = all_embedded()
    is_own = not any(comparable(text) in public for text in sentences.texts)
    return HeldOut(sentences, hashlib.sha256(path.read_bytes()).hexdigest(), is_own)


def _write(folder: Path, rows: list[tuple[str, int]]) -> Path:
    """Write the file so that nobody else on the machine can read it.

    Raises:
        InvalidInput: somebody else's file has that name, or changed it; it stays.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("text", "label"))
    for sentence, label in rows:
        writer.writerow((sentence, LABELS[label]))
    path = folder / FILE_NAME
    with _private(folder):
        written = Written(folder, "league")
        if not written.record.is_file():  # a file that is there already is somebody else's
            write_atomically(written.record, "{}\n")
        written.require(path)
        return written.write(path, text.getvalue())


def _secret(folder: Path) -> bytes:
    path = folder / SECRET
    if not path.is_file():
        with _private(folder):
            write_atomically(path, secrets.token_hex(32))
    return path.read_bytes()


class _private:
    """Within it, new files belong to their owner alone; the folder is made so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        self.before = os.umask(0o077)
        self.folder.mkdir(parents=True, exist_ok=True)

    def __exit__(self, *_: object) -> None:
        os.umask(self.before)


def _quoted_text(material: Path) -> str:
    """Return the text of all notebooks, in comparable form."""
    texts = []
    for path in sorted(material.rglob("*.ipynb")):
        texts.append(comparable(path.read_text(encoding="utf-8")))
    return "\n".join(texts)
