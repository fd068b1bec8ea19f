"""Predict first, then see the result: what a student expects is kept before it is measured.

At a "predict first" a notebook asks, and the student puts values in place of the dots, or fills in
the form where ipywidgets are installed::

    predict("embedding-share", low=..., high=...)
    predict("more-accurate", choice=...)

Dots that are left mean "no prediction". Where the result is measured, the notebook shows both::

    show_answer("embedding-share", evidence.ratio_of_counts(...))

Points never depend on it: no test reads a prediction, and grading writes and needs no file.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import TYPE_CHECKING

from tinybert_l.course.captions.words import unit_in_language
from tinybert_l.course.prediction_log import (
    Entry,
    Value,
    append,
    is_held,
    is_number,
    place_of,
    read_entries,
    unchanged,
)
from tinybert_l.course.prediction_questions import CONFIDENCE, QUESTIONS, Question, question_of
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.languages import current_language, in_words

if TYPE_CHECKING:
    from tinybert_l.course.record_types import Evidence

    Measured = Evidence | Sequence[float] | Sequence[str] | float | str | None

NO_PREDICTION = "no prediction 未作预测"
HOW_TO = f"put values in place of ... ({100 * CONFIDENCE:.0f} % sure) 把...换成数值（九成把握）"
WRITTEN_AFTER = "what you wrote after the result does not count 看过结果后写的不计"
CHANGED = "an entry was changed after it was stored and does not count 有记录存后被改，不计"
HOW_TO_CHOOSE = "put one of these in place of ... 把...换成其中之一"


@dataclass(frozen=True)
class _Result:
    """What was measured: the value that is kept, and the words that are shown."""

    value: Value
    words: str


@dataclass(frozen=True)
class History:
    """What is known of one prediction.

    Args:
        name: of the question.
        prediction: the last before the result was shown; None: there is none.
        result: the first that was shown; None: none yet.
        changed_after: whether another prediction was stored after the result.
        tampered: whether an entry no longer fits its hash; it counts as none.
    """

    name: str
    prediction: Entry | None
    result: Entry | None
    changed_after: bool
    tampered: bool

    @property
    def held(self) -> bool | None:
        """Whether the interval or the choice holds the result; None: one of them is missing."""
        if self.prediction is None or self.result is None:
            return None
        return _holds(self.prediction.value, self.result.value)


def predict(
    name: str,
    low: float | EllipsisType = ...,
    high: float | EllipsisType = ...,
    choice: str | EllipsisType = ...,
) -> None:
    """Store a prediction with a hash, and show it; dots mean that there is none.

    Args:
        name: of the question.
        low, high: the ends of an interval of which one is 90 % sure; one number twice is allowed.
        choice: one of the question's choices.
    Raises:
        InvalidInput: an unknown question; only one end; ends that are no numbers or change places;
            a choice that is none of the question's.
    """
    question = question_of(name)
    value = _checked(name, question, low, high, choice)
    try:
        if value is not None:
            store(name, value)
        status = describe(name)
    except CourseError as error:
        status = str(error)
    if not _show_form(name, status):
        print(status)


def _checked(
    name: str,
    question: Question,
    low: float | EllipsisType,
    high: float | EllipsisType,
    choice: str | EllipsisType,
) -> Value | None:
    """Return the value that was given, None where dots were left."""
    if question.kind == "choice":
        if low is not ... or high is not ...:
            raise InvalidInput(f"predict {name}: low or high; allowed: choice. 此题是选择。")
        return None if choice is ... else checked_choice(name, choice)
    if choice is not ...:
        raise InvalidInput(f"predict {name}: choice={choice!r}; allowed: low, high. 此题是区间。")
    if low is ... and high is ...:
        return None
    return checked_interval(name, low, high)


def checked_choice(name: str, choice: object) -> Value:
    """Return a choice as it is stored.

    Raises:
        InvalidInput: it is none of the question's.
    """
    keys = [key for key, _ in question_of(name).choices]
    if not isinstance(choice, str) or choice not in keys:
        allowed = ", ".join(map(repr, keys))
        raise InvalidInput(f"predict {name}: choice={choice!r:.60}; allowed: {allowed}.")
    return {"choice": choice}


def checked_interval(name: str, low: object, high: object) -> Value:
    """Return an interval as it is stored.

    Raises:
        InvalidInput: an end is no finite number, or they change places.
    """
    for end, value in (("low", low), ("high", high)):
        if not is_number(value):
            given = "..." if value is ... else f"{value!r:.60}"
            raise InvalidInput(
                f"predict {name}: {end}={given}; allowed: a finite number. 两端都要写成数。"
            )
    if low > high:  # type: ignore[operator]
        raise InvalidInput(
            f"predict {name}: low={low}, high={high}; allowed: low ≤ high. 下限不能大于上限。"
        )
    return {"low": float(low), "high": float(high)}  # type: ignore[arg-type]


def store(name: str, value: Value) -> Entry:
    """Store a prediction, unless it is the last one already; return its entry.

    Raises:
        InvalidInput: the file of predictions is damaged.
    """
    lecture = question_of(name).lecture
    last = None
    for entry in unchanged(read_entries(lecture)):
        if (entry.name, entry.kind) == (name, "prediction"):
            last = entry
    if last is not None and last.value == value:
        return last
    return append(lecture, name, "prediction", value)


def history(name: str) -> History:
    """Return what is known of a prediction.

    Raises:
        InvalidInput: as in `store`.
    """
    entries = read_entries(question_of(name).lecture)
    mine = [entry for entry in entries if entry.name == name]
    fitting = [entry for entry in unchanged(entries) if entry.name == name]
    prediction = result = None
    changed_after = False
    for entry in fitting:
        if entry.kind == "result":
            result = result or entry
        elif result is None:
            prediction = entry
        else:
            changed_after = True
    return History(name, prediction, result, changed_after, len(fitting) < len(mine))


def describe(name: str) -> str:
    """Say what is stored, or how to predict.

    Raises:
        InvalidInput: as in `store`.
    """
    question = question_of(name)
    known = history(name)
    if known.prediction is None:
        how = in_words(HOW_TO)
        if question.kind == "choice":
            listed = ", ".join(f"{key!r} {words}" for key, words in question.labels.items())
            how = f"{in_words(HOW_TO_CHOOSE)}: {listed}"
        return f"{question.words}: {in_words(NO_PREDICTION)}; {how}{_remarks(known)}"
    entry = known.prediction
    kept = "stored 已存" if is_held(question.lecture) else "kept while this kernel runs 仅存于内核"
    return (
        f"{question.words}: {_own_words(question, entry.value)}; {in_words(kept)}, {entry.time}, "
        f"SHA-256 {entry.short_hash}{_remarks(known)}"
    )


def _remarks(known: History) -> str:
    remarks = ""
    if known.changed_after:
        remarks += f"; {in_words(WRITTEN_AFTER)}"
    if known.tampered:
        remarks += (
            "; an entry was changed after it was stored and does not count 有记录存后被改，不计"
        )
    return remarks


def _own_words(question: Question, value: Value) -> str:
    """Write a student's interval or choice."""
    you = in_words("you 你")
    if "choice" in value:
        return f"{you}: {question.labels.get(str(value['choice']), '?')}"
    low, high = (f"{value[end]:g}" for end in ("low", "high"))
    ends = low if low == high else _range(low, high)
    return f"{you}: {_with_unit(ends, question.unit)}"


def _range(low: str, high: str) -> str:
    return f"{low}至{high}" if current_language() == "zh" else f"{low} to {high}"


def show_answer(name: str, measured: "Measured", because: "Measured" = None) -> None:
    """Show the student's prediction beside what was measured, and keep that it was shown.

    Args:
        measured: of an interval: evidence from a record, the values of a live run (one for each
            seed), or one number; of a choice: the right key, or all right ones. None, or evidence
            without a record: there is nothing to compare with.
        because: what decides the choice, as evidence or values of a live run.
    Raises:
        InvalidInput: an unknown question, or a result that does not fit it.
    """
    question = question_of(name)
    result = _result(name, question, measured, because)
    if result is None:
        print(f"{question.words}: {in_words('no record 无记录')}")
        return
    shown = f"{in_words('measured 实测')}: {result.words}"
    try:
        if history(name).result is None:
            append(question.lecture, name, "result", result.value)
        known = history(name)
    except CourseError as error:
        print(f"{question.words}: {shown} ({error})")
        return
    own, verdict = in_words(NO_PREDICTION), ""
    if known.prediction is not None:
        own = _own_words(question, known.prediction.value)
        verdict = f"; {_verdict(question, _holds(known.prediction.value, result.value))}"
    print(f"{question.words}: {own}; {shown}{verdict}{_remarks(known)}")


def _verdict(question: Question, held: bool) -> str:
    if question.kind == "choice":
        return in_words("right 猜对了" if held else "not so 没猜对")
    words = "your interval holds it 区间包含它" if held else "outside your interval 在区间之外"
    return in_words(words)


def _holds(prediction: Value, result: Value) -> bool:
    if "choice" in prediction:
        return prediction["choice"] in str(result.get("choice", "")).split(",")
    if "mean" not in result:
        return False
    return float(prediction["low"]) <= float(result["mean"]) <= float(prediction["high"])


def _result(
    name: str, question: Question, measured: "Measured", because: "Measured"
) -> _Result | None:
    """Return the value to keep and its words; None where nothing was measured."""
    if question.kind == "interval":
        estimate = _estimate(name, measured, question.unit)
        return None if estimate is None else _Result({"mean": estimate[0]}, estimate[1])
    if measured is None:
        return None
    keys = [measured] if isinstance(measured, str) else list(measured)  # type: ignore[arg-type]
    known = question.labels
    wrong = [key for key in keys if key not in known]
    if wrong:
        raise InvalidInput(f"show_answer {name}: {wrong!r:.60}; allowed: {', '.join(known)}.")
    words = ", ".join(known[str(key)] for key in keys) or in_words("none 无")
    reason = _estimate(name, because, "")
    if reason is not None:
        words += f" ({reason[1]})"
    return _Result({"choice": ",".join(map(str, keys))}, words)


def _estimate(name: str, measured: "Measured", unit: str) -> tuple[float, str] | None:
    """Return a mean, and the words with its interval and source."""
    from tinybert_l.course.record_types import Evidence, written, written_interval

    if isinstance(measured, Evidence):
        return _of_evidence(measured, unit)
    if measured is None:
        return None
    values = [measured] if isinstance(measured, int | float) else list(measured)
    try:
        numbers = [float(value) for value in values]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        numbers = []
    if not numbers or not all(map(is_number, numbers)):
        raise InvalidInput(f"show_answer {name}: {measured!r:.60}; allowed: finite numbers.")
    mean = math.fsum(numbers) / len(numbers)
    if isinstance(measured, int):
        return mean, _with_unit(f"{measured:,}", unit)
    words = _with_unit(written(mean), unit)
    if len(numbers) > 1:
        middle, low, high = written_interval(mean, min(numbers), max(numbers))
        words = _with_unit(middle, unit)
        ends = _range(low, high)
        words += f" ({ends}, {len(numbers)} {in_words('live runs 次现场运行')})"
    return mean, words


def _with_unit(number: str, unit: str) -> str:
    return f"{number}×" if unit == "×" else f"{number} {unit_in_language(unit)}".strip()


def _of_evidence(measured: "Evidence", unit: str) -> tuple[float, str] | None:
    from tinybert_l.course.record_types import written, written_interval

    if measured.method == "missing":
        return None
    factor = 1.0
    if unit == "%" and measured.unit == "×":  # a ratio of two counts or measurements
        factor = 100.0
    mean, low, high = (factor * value for value in (measured.mean, measured.low, measured.high))
    words = _with_unit(written(mean), unit or measured.unit)
    if measured.method not in ("count", "bare"):
        middle, lowest, highest = written_interval(mean, low, high)
        words = f"{_with_unit(middle, unit or measured.unit)} ({_range(lowest, highest)})"
    source = in_words("counted 计数")
    if measured.method != "count":
        source = f"{in_words('record 记录')} {measured.record}"
    if measured.stale:
        source += f", {in_words('stale 已过期')}"
    return mean, f"{words}, {source}"


def side_of_zero(measured: "Evidence", below: str, above: str, between: str) -> str | None:
    """Return the choice by where an interval lies: below 0, above 0, or on both sides.

    Returns None where there is no record.
    """
    if measured.method == "missing":
        return None
    if measured.high < 0:
        return below
    return above if measured.low > 0 else between


def histories() -> tuple[list[History], list[str]]:
    """Return what is known of all predictions of the course, and what cannot be read."""
    known, problems = [], []
    for name in QUESTIONS:
        try:
            known.append(history(name))
        except CourseError as error:
            problems.append(str(error))
    return known, list(dict.fromkeys(problems))


def _show_form(name: str, status: str) -> bool:
    """Show the form; False: this is no released notebook, or ipywidgets are missing.

    In the sandbox nothing is to be stored, and nothing more is imported.
    """
    if place_of(question_of(name).lecture) is None:
        return False
    try:
        from tinybert_l.course.prediction_form import Storage, show_form
    except ImportError:
        return False
    storage = Storage(_stored, checked_choice, checked_interval, store, describe)
    return show_form(name, status, storage)


def _stored(name: str) -> Value:
    """Return what is stored under a name; {} where nothing is, or where it is damaged."""
    try:
        known = history(name)
    except CourseError:
        return {}
    return known.prediction.value if known.prediction is not None else {}
