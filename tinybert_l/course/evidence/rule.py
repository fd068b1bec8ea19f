"""The rule: a claim's verdict from an interval, a margin and a condition."""

import math
from collections.abc import Sequence
from typing import Literal

from tinybert_l.course.record_types import MAKER, Better, ClaimVerdict, Evidence, VerdictKind
from tinybert_l.errors import InvalidInput
from tinybert_l.languages import current_language

Answer = Literal["holds", "does_not_hold", "undecided"]
NO_SPREAD = (
    "各种子或各轮的数值（记录只保存了一个数字）",
    "the values of seeds or rounds, of which the record keeps one number",
)
ONE_SEED = (
    "只问这一个训练出的模型（单个种子）",
    "only this one trained model is asked about (one seed)",
)


def answer(low: float, high: float, margin: float, better: Better = "larger") -> Answer:
    """The rule: on which side of the margin the whole interval lies."""
    if better == "smaller":
        low, high, margin = -high, -low, -margin
    if low > margin:
        return "holds"
    return "does_not_hold" if high < margin else "undecided"


def judge(
    claim_zh: str,
    claim_en: str,
    evidence: Evidence,
    margin: float,
    *,
    better: Better = "larger",
    condition_zh: str = "",
    condition_en: str = "",
) -> ClaimVerdict:
    """Judge a claim by the one rule.

    Args:
        margin: what the claim says the number is beyond, in the evidence's unit; 0 for "better".
        better: whether the claim is that the number is larger, or smaller, than the margin.
        condition_zh, condition_en: under which the claim is meant; then it can at best hold "if".
    Raises:
        InvalidInput: no evidence, a margin that is no number, one language of a condition.
    """
    _check_claim(claim_zh, claim_en)
    if not isinstance(evidence, Evidence):
        raise InvalidInput(
            f"judge: evidence={evidence!r}; allowed: what from_record and others give."
        )
    if isinstance(margin, bool) or not isinstance(margin, int | float) or not math.isfinite(margin):
        raise InvalidInput(f"judge: margin={margin!r}; allowed: a number.")
    if better not in ("larger", "smaller"):
        raise InvalidInput(f"judge: better={better!r}; allowed: 'larger', 'smaller'.")
    if bool(condition_zh) != bool(condition_en) and current_language() is None:
        raise InvalidInput("judge: a condition in one language; allowed: both, or neither.")
    kind, own_condition = _kind(evidence, margin, better)
    conditions = [
        condition for condition in ((condition_zh, condition_en), own_condition) if any(condition)
    ]
    if kind in ("holds", "does_not_hold") and conditions:
        kind = "holds_if" if kind == "holds" else "does_not_hold_if"
    if kind == "undecided":
        conditions = []
    return ClaimVerdict(
        claim_zh=claim_zh,
        claim_en=claim_en,
        kind=kind,
        evidence=evidence,
        margin=float(margin),
        better=better,
        condition_zh="，且".join(condition[0] for condition in conditions),
        condition_en=" and ".join(condition[1] for condition in conditions),
        maker=MAKER,
    )


def _kind(evidence: Evidence, margin: float, better: Better) -> tuple[VerdictKind, tuple[str, str]]:
    """The verdict, and the condition that the evidence itself brings."""
    if evidence.method == "missing":
        file = f"results/{evidence.record}.json"
        return "no_record", (f"{file}，由make records生成", f"{file}, by make records")
    if evidence.method == "bare":
        return "no_record", NO_SPREAD
    decided = answer(evidence.low, evidence.high, margin, better)
    if evidence.method == "one_seed":
        return decided, ONE_SEED
    return decided, ("", "")


def judge_all(claim_zh: str, claim_en: str, parts: Sequence[ClaimVerdict]) -> ClaimVerdict:
    """Judge a claim of several parts: it holds where all hold, and does not where one does not."""
    _check_claim(claim_zh, claim_en)
    if not parts or not all(isinstance(part, ClaimVerdict) for part in parts):
        raise InvalidInput(f"judge_all: parts={parts!r}; allowed: at least one verdict of `judge`.")
    weakest_first: tuple[VerdictKind, ...] = (
        "does_not_hold",
        "does_not_hold_if",
        "no_record",
        "undecided",
        "holds_if",
        "holds",
    )
    kind = min((part.kind for part in parts), key=weakest_first.index)
    deciding = [part for part in parts if part.kind == kind]
    return ClaimVerdict(
        claim_zh=claim_zh,
        claim_en=claim_en,
        kind=kind,
        condition_zh="，且".join(dict.fromkeys(part.condition_zh for part in deciding)),
        condition_en=" and ".join(dict.fromkeys(part.condition_en for part in deciding)),
        parts=tuple(parts),
        maker=MAKER,
    )


def no_record(claim_zh: str, claim_en: str, needed_zh: str, needed_en: str) -> ClaimVerdict:
    """Say that no record tests a claim, and what would be needed.

    Raises:
        InvalidInput: an empty text.
    """
    _check_claim(claim_zh, claim_en)
    if not _is_said(needed_zh, needed_en):
        raise InvalidInput("no_record: needed is empty; allowed: what a record would need to hold.")
    return ClaimVerdict(
        claim_zh,
        claim_en,
        "no_record",
        condition_zh=needed_zh,
        condition_en=needed_en,
        maker=MAKER,
    )


def _check_claim(claim_zh: str, claim_en: str) -> None:
    if not _is_said(claim_zh, claim_en):
        raise InvalidInput(f"claim: {claim_zh!r}, {claim_en!r}; allowed: words in both languages.")


def _is_said(chinese: str, english: str) -> bool:
    """Tell whether a text is there, in both languages or in that of a course of one language."""
    if current_language() is None:
        return bool(chinese and english)
    return bool(chinese or english)
