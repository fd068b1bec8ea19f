"""The league's book: what was measured of each entry, sentence by sentence, and who was refused."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinybert_l.cache import read_json, write_atomically
from tinybert_l.course.capstone.asking import Score
from tinybert_l.course.capstone.folder import Entry
from tinybert_l.course.capstone.rules import EntryRefused

FILE_NAME = "league.json"
RESERVED = ("teacher",)  # keys of names that the table uses itself


@dataclass(frozen=True)
class Judged:
    """An entry's score.

    Args:
        score: what was measured.
        heldout: hash of the sentences that it answered.
        date: when it was judged.
        machine: where.
    """

    score: Score
    heldout: str
    date: str
    machine: dict[str, Any]


@dataclass(frozen=True)
class Refused:
    """An entry that was not judged, and why."""

    source: str
    reason: str
    date: str


@dataclass
class Book:
    """All that the league knows.

    Args:
        folder: the league's.
        teacher: its score on the held-out sentences; None: not measured yet.
        judged: by the key of the entry's name.
        refused: by the name of what was handed in.
    """

    folder: Path
    teacher: Judged | None = None
    judged: dict[str, Judged] = field(default_factory=dict)
    refused: dict[str, Refused] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Book":
        """Read the book of a league; an empty one where there is none."""
        path = folder / FILE_NAME
        if not path.is_file():
            return cls(folder)
        tree = read_json(path)
        teacher = None if tree["teacher"] is None else _judged(tree["teacher"])
        judged = {key: _judged(value) for key, value in tree["judged"].items()}
        refused = {key: Refused(**value) for key, value in tree["refused"].items()}
        return cls(folder, teacher, judged, refused)

    def write(self) -> None:
        """Write the book, whole or not at all."""
        tree = {
            "teacher": None if self.teacher is None else asdict(self.teacher),
            "judged": {key: asdict(value) for key, value in self.judged.items()},
            "refused": {key: asdict(value) for key, value in self.refused.items()},
        }
        text = json.dumps(tree, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
        write_atomically(self.folder / FILE_NAME, text)

    def require_free(self, entry: Entry) -> None:
        """Refuse an entry whose name another hand-in has, but for case, blanks and signs.

        A later hand-in of the same file name takes the place of the earlier one.

        Raises:
            EntryRefused: the name is taken.
        """
        key = entry.description.key
        holder = self.judged.get(key)
        if key in RESERVED or (holder is not None and holder.score.source != entry.source):
            raise EntryRefused(
                f"the name {entry.description.name!r} is taken; choose another. 名称已被使用。"
            )

    def has(self, entry: Entry, heldout: str) -> bool:
        """Whether this very hand-in was judged on the sentences with this hash."""
        known = self.judged.get(entry.description.key)
        return known is not None and (known.score.source, known.score.sha256, known.heldout) == (
            entry.source,
            entry.sha256,
            heldout,
        )

    def add(self, judged: Judged, key: str) -> list[str]:
        """Enter a score; what the same hand-in had before goes.

        Returns:
            The other names of what goes.
        """
        source = judged.score.source
        gone = [v.score.name for v in self.judged.values() if v.score.source == source]
        others = {k: v for k, v in self.judged.items() if v.score.source != source}
        self.judged = others | {key: judged}
        self.refused.pop(source, None)
        return [name for name in gone if name != judged.score.name]

    def refuse(self, refused: Refused) -> None:
        """Enter a refusal; an earlier score of the same hand-in stays."""
        self.refused[refused.source] = refused


def _judged(tree: dict[str, Any]) -> Judged:
    return Judged(**{**tree, "score": Score(**tree["score"])})
