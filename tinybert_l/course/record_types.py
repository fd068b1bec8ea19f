"""What a record, a piece of evidence and a verdict are, as they are made, kept and shown.

`Evidence` and `ClaimVerdict` are made by `tinybert_l.course.evidence` alone, from records or
counting functions; what a live run has measured cannot become one.
"""

import dataclasses
import math
from dataclasses import InitVar, dataclass
from typing import Any, Literal

from tinybert_l.course.captions.words import unit_in_language
from tinybert_l.course.rows import Row
from tinybert_l.errors import CourseError
from tinybert_l.languages import in_words

Better = Literal["larger", "smaller"]
# where an interval comes from
Method = Literal[
    "seeds_and_items",  # hierarchical, from the values of every item and seed
    "one_seed",  # from the values of every item of one trained model
    "seeds",  # one value a seed, or mean and spread over seeds
    "rounds",  # quartiles of a benchmark's rounds
    "count",  # an exact number by a counting function, or one that a record holds
    "bare",  # a measured number without any spread
    "missing",  # the record is not part of this installation
]
VerdictKind = Literal[
    "holds", "does_not_hold", "undecided", "holds_if", "does_not_hold_if", "no_record"
]
VERDICT_WORDS: dict[VerdictKind, str] = {
    "holds": "holds 成立",
    "does_not_hold": "does not hold 不成立",
    "undecided": "undecided 未定",
    "holds_if": "holds if {en} 若{zh}，则成立",
    "does_not_hold_if": "does not hold if {en} 若{zh}，则不成立",
    "no_record": "cannot be decided with this data; needed: {en} 凭现有数据无法判定，还缺：{zh}",
}
MOST_DECIMALS = 4  # of an interval's end
MAKER = object()  # what only `evidence` hands over


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


@dataclass(frozen=True)
class Evidence:
    """A number from a record, with its 95 % interval; made by `tinybert_l.course.evidence` alone.

    Attributes:
        record: the file under results/ without its ending, or the counting function.
        row: the row and field of the record, or what was counted.
        compared: what the number is, for people.
        mean, low, high: in `unit`; a count's interval is a point.
        seeds: how many; None where there are none.
        stale: whether the recipe in the code has changed since.
    """

    record: str
    row: str
    compared: str
    mean: float
    low: float
    high: float
    unit: str
    method: Method
    seeds: int | None = None
    stale: bool = False
    maker: InitVar[object] = None

    def __post_init__(self, maker: object) -> None:
        _check_maker("Evidence", maker)

    @property
    def number(self) -> str:
        """The mean and its interval: "-0.3 [-0.9, 0.3] points"."""
        if self.method == "missing":
            return "no record 无记录"
        unit = f" {unit_in_language(self.unit)}" if self.unit else ""
        if self.method in ("count", "bare"):
            return f"{written(self.mean)}{unit}"
        mean, low, high = written_interval(self.mean, self.low, self.high)
        return f"{mean} [{low}, {high}]{unit}"


@dataclass(frozen=True)
class Verdict:
    """A verdict as it is kept and read again; files of the old form hold the first four texts."""

    claim: str
    test: str
    number: str
    verdict: str
    kind: VerdictKind | None = None  # None: the old form
    record: str = ""
    row: str = ""
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    margin: float | None = None
    better: Better | None = None
    condition: str = ""
    method: Method | None = None
    stale: bool = False
    parts: "tuple[Verdict, ...]" = ()


@dataclass(frozen=True)
class ClaimVerdict:
    """What a record says about a claim; made by `tinybert_l.course.evidence` alone.

    Attributes:
        evidence: None where there is no record, and for a claim of several parts.
        condition_zh, condition_en: under which it is decided; with the kind "no_record": what would
            be needed.
        parts: the verdicts of a claim that has several.
    """

    claim_zh: str
    claim_en: str
    kind: VerdictKind
    evidence: Evidence | None = None
    margin: float | None = None
    better: Better = "larger"
    condition_zh: str = ""
    condition_en: str = ""
    parts: "tuple[ClaimVerdict, ...]" = ()
    maker: InitVar[object] = None

    def __post_init__(self, maker: object) -> None:
        _check_maker("ClaimVerdict", maker)

    @property
    def text(self) -> str:
        """The verdict in both languages, or in that of a course of one language."""
        words = in_words(VERDICT_WORDS[self.kind])
        if self.stale:
            words += in_words(" (stale record 记录已过期)")
        return words.format(en=self.condition_en, zh=self.condition_zh)

    @property
    def _claim(self) -> str:
        """The claim in both languages, or in the one that a course of one language has."""
        if self.claim_zh and self.claim_en:
            return f"{self.claim_zh} ({self.claim_en})"
        return self.claim_zh or self.claim_en

    @property
    def test(self) -> str:
        """What was compared, and the margin that the claim names."""
        if self.parts:
            return "; ".join(part.test for part in self.parts)
        if self.evidence is None or self.margin is None:
            return ""
        sign = ">" if self.better == "larger" else "<"
        unit = f" {self.evidence.unit}" if self.evidence.unit else ""
        return f"{self.evidence.compared}: {sign} {written(self.margin)}{unit}"

    @property
    def number(self) -> str:
        """The evidence's number and interval."""
        if self.parts:
            return "; ".join(part.number for part in self.parts)
        return "" if self.evidence is None else self.evidence.number

    @property
    def source(self) -> str:
        """The records that it rests on."""
        if self.parts:
            return ", ".join(dict.fromkeys(part.source for part in self.parts if part.source))
        return "" if self.evidence is None else self.evidence.record

    @property
    def stale(self) -> bool:
        """Whether a record that it rests on is of an older recipe."""
        if self.parts:
            return any(part.stale for part in self.parts)
        return self.evidence is not None and self.evidence.stale

    def to_verdict(self) -> Verdict:
        """The plain values that are kept."""
        verdict = Verdict(
            claim=self._claim,
            test=self.test,
            number=self.number,
            verdict=self.text,
            kind=self.kind,
            record=self.source,
            condition=f"{self.condition_en} {self.condition_zh}".strip(),
            stale=self.stale,
            parts=tuple(part.to_verdict() for part in self.parts),
        )
        if self.evidence is None or self.evidence.method == "missing":
            return verdict
        return dataclasses.replace(
            verdict,
            row=self.evidence.row,
            mean=self.evidence.mean,
            low=self.evidence.low,
            high=self.evidence.high,
            unit=self.evidence.unit,
            margin=self.margin,
            better=self.better,
            method=self.evidence.method,
        )


@dataclass(frozen=True)
class LectureVerdicts:
    """The verdicts of a lecture, the run they come from, and where they were read."""

    lecture: int
    verdicts: tuple[Verdict, ...]
    run: str
    source: str


def written(value: float) -> str:
    """Write a number: none, one or two decimals; two digits where it is below 0.1."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def written_interval(mean: float, low: float, high: float) -> tuple[str, str, str]:
    """Write a mean and its interval's ends with as many decimals as the interval supports.

    Half its width keeps two digits, and one where that is 5 or more; no end but 0 is written as 0.
    """
    half = (high - low) / 2
    if not 0 < half < math.inf:
        return written(mean), written(low), written(high)
    exponent = math.floor(math.log10(half))
    decimals = max(0, (1 if half < 5 * 10.0**exponent else 0) - exponent)
    while decimals < MOST_DECIMALS and any(end and not round(end, decimals) for end in (low, high)):
        decimals += 1
    # 0.0 added: no "-0.0"
    texts = [f"{round(value, decimals) + 0.0:,.{decimals}f}" for value in (mean, low, high)]
    return texts[0], texts[1], texts[2]


def _check_maker(name: str, maker: object) -> None:
    if maker is not MAKER:
        raise CourseError(
            f"{name} is made by tinybert_l.course.evidence from a record or a counting function; "
            "what a live run measures illustrates and decides nothing. "
            "判断只能来自记录，现场运行不能写判断。"
        )
