"""What a record and a lecture's verdicts are, as they are read and shown."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from tinybert_l.course.rows import Row


@dataclass(frozen=True)
class Record:
    """A record as it was read: typed rows and their provenance.

    Attributes:
        name: of the file, without its ending.
        recipe: the settings of a long run; None for a benchmark.
        details: further settings and measurements, by name.
        stale: whether the recipe in the code has changed since.
    """

    name: str
    kind: str
    command: str
    rows: tuple[Row, ...]
    recipe: dict[str, Any] | None
    details: dict[str, Any]
    versions: dict[str, str]
    machine: dict[str, Any]
    date: str
    stale: bool

    @property
    def day(self) -> str:
        """The date without the time of day."""
        return self.date[:10]


class Verdict(NamedTuple):
    """What a lecture found about a claim."""

    claim: str
    test: str
    number: str
    verdict: str


@dataclass(frozen=True)
class LectureVerdicts:
    """The verdicts of a lecture, the run they come from, and where they were read."""

    lecture: int
    verdicts: tuple[Verdict, ...]
    run: str
    source: str
