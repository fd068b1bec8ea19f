"""The one rule by which this course decides: a verdict is computed from a record, never from a run.

A claim names a margin. Evidence is a number with its 95 % interval, and comes from a record under
results/ or from a counting function. Then the claim::

    holds              the whole interval lies beyond the margin,
    does not hold      the whole interval lies on the other side,
    undecided          the interval holds the margin,
    holds if …         beyond the margin, under a condition, which is printed,
    cannot be decided  there is no record, or it keeps one number without any spread.

A cell of verdicts looks like this::

    from tinybert_l.course import evidence
    from tinybert_l.course.records import save_verdicts
    from tinybert_l.method.evaluation import count_parameters

    gap = evidence.from_record(
        "joint_against_separate_longer", "difference_points", kind="joint_mean_gap"
    )
    windows = evidence.from_record(
        "long_documents", "against_cutting_points", sub_model="3x0.5", reading="windows"
    )
    progressive = {"schedule": "progressive", "self_distillation": True}
    at_once = {"schedule": "all_at_once", "self_distillation": True}
    stable = evidence.difference("stability", "largest_gradient_norm", progressive, at_once)
    smaller = evidence.ratio_of_counts(
        evidence.counted(count_parameters, teacher, part=0),
        evidence.counted(count_parameters, student, part=0),
    )
    save_verdicts(2, [
        evidence.judge("提高了泛化能力", "generalises better", gap, margin=0.0),
        evidence.judge("擅长长文档", "good at long documents", windows, margin=0.0),
        evidence.judge("更稳定", "more stable", stable, margin=0.0, better="smaller"),
        evidence.judge(
            "显著减少参数量", "far fewer parameters", smaller, margin=2.0,
            condition_zh="词嵌入也算在内", condition_en="embeddings are counted",
        ),
        evidence.no_record(
            "在更多领域发挥作用", "useful in further fields",
            "其他领域的数据与基线", "data and baselines of other fields",
        ),
    ])

`gap.mean`, `gap.low` and `gap.high` are there for a sentence in the cell, `gap.number` is the
number with its interval, `judge(...).text` the verdict in both languages. A claim with several
parts is judged by `judge_all`. Values of every seed and item are used where the record keeps them.
Records that keep only an old bootstrap interval decide under the condition that the seeds hardly
differ, unless even the widest interval that their spread allows decides.
"""

import ast
import dataclasses
import inspect
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from tinybert_l.course import captions, intervals, stored_values
from tinybert_l.course.intervals import Estimate
from tinybert_l.course.recipes import RECORDS
from tinybert_l.course.record_types import (
    MAKER,
    Better,
    ClaimVerdict,
    Evidence,
    Record,
    VerdictKind,
    written,
)
from tinybert_l.course.records import benchmark_names, read_benchmark, read_record
from tinybert_l.course.rows import DeployedModel, Row
from tinybert_l.course.stored_values import Measured, StoredValue, measured
from tinybert_l.errors import InvalidInput
from tinybert_l.languages import current_language
from tinybert_l.submodels import SubModel

Answer = Literal["holds", "does_not_hold", "undecided"]
RowChoice = Row | Mapping[str, Any]  # one of a record's rows, or the values of fields that find it

# what may be counted: the function's module and name
COUNTING_FUNCTIONS = {
    ("tinybert_l.exercises.lecture_01", "parameter_count"),
    ("tinybert_l.exercises.lecture_11", "flops"),
    ("tinybert_l.method.evaluation", "count_parameters"),
    ("tinybert_l.method.evaluation", "count_flops"),
    ("tinybert_l.method.evaluation", "weight_bytes"),
    ("tinybert_l.course.experiments", "training_cost"),
    ("tinybert_l.course.evidence", "lines_of"),
    ("tinybert_l.course.evidence", "settings_of"),
}
# by how a field's name begins or ends
UNITS = {
    "_percent": "%",
    "_points": "points",
    "_nats": "nats",
    "_ms": "ms",
    "seconds": "s",
    "megabytes": "MB",
    "gflops": "GFLOPs",
    "times_": "×",
    "same_runtime_times_": "×",
    "ratio": "×",
}
NO_SPREAD = (
    "需要各种子或各轮的数值，而记录只保存了一个数字",
    "the values of seeds or rounds, of which the record keeps one number",
)
SEEDS_HARDLY_DIFFER = (
    "种子之间几乎没有差异（记录未保存各种子的数值）",
    "the seeds hardly differ (the record did not keep their values)",
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
        return "no_record", (f"需要{file}，用make records生成", f"{file}, by make records")
    if evidence.method == "bare":
        return "no_record", NO_SPREAD
    decided = answer(evidence.low, evidence.high, margin, better)
    if evidence.method == "one_seed":
        return decided, ONE_SEED
    if evidence.method == "bootstrap":
        estimate = Estimate(evidence.mean, evidence.low, evidence.high)
        widest = intervals.stretched(estimate, evidence.seeds or 2)
        if answer(widest.low, widest.high, margin, better) == "undecided":
            return decided, SEEDS_HARDLY_DIFFER
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


def from_record(
    name: str,
    field: str,
    row: RowChoice | None = None,
    *,
    key: str | None = None,
    compared: str = "",
    **where: Any,
) -> Evidence:
    """Take one field of one row of a record as evidence.

    An interval that the record keeps is taken as it is; values of items and seeds, and means over
    seeds, get one here.

    Args:
        name: of the record, such as "headline", or of a benchmark: "benchmarks/deploy".
        field: of the row (see `tinybert_l.course.rows`).
        row: one of the record's rows, or what finds it, like `where`.
        key: of a field that is a dictionary, such as a kind of question.
        compared: what the number is, for people; empty: the captions of row and field.
        where: what finds the row, such as `role="chosen_small"` or `sub_model="3x0.5"`, and `kind`
            of the row; `min` or `max` as a value takes the least or the most that is left.
    Raises:
        InvalidInput: an unknown record or field; no row, or several.
    """
    record = _open(name)
    if record is None:
        return _missing(name, field, compared)
    choice = row if isinstance(row, Row) else {**(row or {}), **where}
    stored = _stored(record, field, choice, key)
    return _evidence(
        record,
        measured(stored),
        _place(choice, field, key),
        compared or f"{captions.label(stored.row)}: {_title(stored.row, field, key)}",
        _unit(field),
    )


def difference(
    name: str,
    field: str,
    row: RowChoice,
    other: RowChoice,
    *,
    key: str | None = None,
    other_record: str = "",
    compared: str = "",
) -> Evidence:
    """Take the difference of a field between two rows: `row` minus `other`.

    Paired by item and seed where the record keeps their values; else by seed; means and spreads
    over seeds alone are compared as independent ones, which is wider.

    Args:
        row, other: each row, or what finds it, as in `from_record`.
        other_record: where the other row is; empty: in the same record.
    Raises:
        InvalidInput: as `from_record`; values that cannot be compared.
    """
    rows = (name, row), (other_record or name, other)
    return _compare(rows, field, key, compared, stored_values.difference)


def ratio(
    name: str,
    field: str,
    row: RowChoice,
    other: RowChoice,
    *,
    key: str | None = None,
    other_record: str = "",
    compared: str = "",
) -> Evidence:
    """Take the ratio of a field between two rows, such as two durations: `row` over `other`.

    Args:
        row, other: each row, or what finds it, as in `from_record`.
        other_record: where the other row is; empty: in the same record.
    Raises:
        InvalidInput: as `from_record`; values that cannot be compared; a divisor that is not
            above 0.
    """
    rows = (name, row), (other_record or name, other)
    return _compare(rows, field, key, compared, stored_values.ratio)


def _compare(
    rows: Sequence[tuple[str, RowChoice]],
    field: str,
    key: str | None,
    compared: str,
    compare: Callable[[StoredValue, StoredValue], Measured],
) -> Evidence:
    values = []
    for name, where in rows:
        record = _open(name)
        if record is None:
            return _missing(name, field, compared)
        values.append(_stored(record, field, where, key))
    first, second = values
    is_ratio = compare is stored_values.ratio
    sign = "/" if is_ratio else "−"
    words = f"{captions.label(first.row)} {sign} {captions.label(second.row)}"
    second_place = _place(rows[1][1], field, key)
    if second.record.name != first.record.name:
        second_place = f"{second.record.name}: {second_place}"
    return _evidence(
        first.record,
        compare(first, second),
        f"{_place(rows[0][1], field, key)} {sign} {second_place}",
        compared or f"{words}: {_title(first.row, field, key)}",
        "×" if is_ratio else _unit(field).replace("%", "points"),
        stale=first.record.stale or second.record.stale,
    )


def counted(
    function: Callable[..., Any], *arguments: Any, part: int | None = None, compared: str = ""
) -> Evidence:
    """Call a counting function: an exact number, the same in every run.

    Args:
        function: one of `COUNTING_FUNCTIONS`.
        arguments: what it counts.
        part: which number, where the function gives several.
        compared: what the number is, for people; empty: the function's name.
    Raises:
        InvalidInput: another function.
    """
    place = (getattr(function, "__module__", ""), getattr(function, "__name__", ""))
    if place not in COUNTING_FUNCTIONS:
        names = ", ".join(sorted(name for _, name in COUNTING_FUNCTIONS))
        raise InvalidInput(f"counted: function={function!r}; allowed: {names}.")
    value = function(*arguments)
    if part is not None:
        value = value[part]
    exercise = getattr(function, "exercise", None)
    answered = f" ({exercise.source})" if exercise is not None else ""
    return _exact(float(value), f"{place[1]}{answered}", place[1], compared or place[1])


def ratio_of_counts(first: Evidence, second: Evidence, compared: str = "") -> Evidence:
    """Divide one exact number by another.

    Raises:
        InvalidInput: evidence that is not exact, or a divisor of 0.
    """
    for part in (first, second):
        if part.method != "count":
            raise InvalidInput(
                f"ratio_of_counts: {part.compared} is measured; allowed: what was counted."
            )
    if second.mean == 0:
        raise InvalidInput("ratio_of_counts: the second is 0; allowed: a number above 0.")
    source = ", ".join(dict.fromkeys((first.record, second.record)))
    words = compared or f"{first.compared} {written(first.mean)} / {written(second.mean)}"
    return _exact(first.mean / second.mean, source, f"{first.row} / {second.row}", words, "×")


def _exact(value: float, record: str, row: str, compared: str, unit: str = "") -> Evidence:
    return Evidence(record, row, compared, value, value, value, unit, "count", maker=MAKER)


def lines_of(*things: Any) -> int:
    """Count the statements' lines of modules, classes or functions: no comments, no docstrings."""
    total = 0
    for thing in things:
        tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and _is_text(body[0]):
                body[:1] = [] if len(body) > 1 else [ast.Pass()]
        total += sum(1 for line in ast.unparse(tree).splitlines() if line)
    return total


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def settings_of(*recipes: type) -> int:
    """Count the settings of dataclasses that describe a training run."""
    names: set[str] = set()
    for recipe in recipes:
        names.update(field.name for field in dataclasses.fields(recipe))
    return len(names)


def _open(name: str) -> Record | None:
    """Read a record or a benchmark; None where a known record is not part of this installation."""
    folder, _, benchmark = name.rpartition("/")
    if folder == "benchmarks" and benchmark in benchmark_names():
        return read_benchmark(benchmark)
    record = None if folder else read_record(name)
    if record is None and name not in RECORDS:
        benchmarks = [f"benchmarks/{benchmark}" for benchmark in benchmark_names()]
        allowed = ", ".join([*RECORDS, *benchmarks])
        raise InvalidInput(f"evidence: record={name!r}; allowed: {allowed}.")
    return record


def _missing(name: str, field: str, compared: str) -> Evidence:
    unknown = math.nan
    words = compared or field
    return Evidence(name, field, words, unknown, unknown, unknown, "", "missing", maker=MAKER)


def _evidence(
    record: Record,
    result: Measured,
    row: str,
    compared: str,
    unit: str,
    stale: bool | None = None,
) -> Evidence:
    return Evidence(
        record=record.name,
        row=row,
        compared=compared,
        mean=result.estimate.mean,
        low=result.estimate.low,
        high=result.estimate.high,
        unit=unit,
        method=result.method,
        seeds=result.seeds,
        stale=record.stale if stale is None else stale,
        maker=MAKER,
    )


def _stored(record: Record, field: str, where: RowChoice, key: str | None) -> StoredValue:
    row = _the_row(record, field, where)
    return StoredValue(record, row, field, _value(row, field, key))


def _the_row(record: Record, field: str, where: RowChoice) -> Row:
    if isinstance(where, Row):
        if where not in record.rows:
            raise InvalidInput(f"evidence: row={where!r}; allowed: a row of {record.name}.")
        return where
    rows = [row for row in record.rows if getattr(row, field, None) is not None]
    extremes = {}
    for name, value in where.items():
        if value in (min, max):
            extremes[name] = value
        else:
            rows = [row for row in rows if _plain(_identifier(row, name)) == _plain(value)]
    for name, extreme in extremes.items():
        if rows:
            wanted = extreme(_identifier(row, name) for row in rows)
            rows = [row for row in rows if _identifier(row, name) == wanted]
    if len(rows) != 1:
        labels = "; ".join(map(captions.label, rows or record.rows))
        raise InvalidInput(
            f"results/{record.name}.json: {len(rows)} rows with {field} and {dict(where)}; "
            f"allowed: what finds one of: {labels}."
        )
    return rows[0]


def _identifier(row: Row, name: str) -> Any:
    """A field of a row, or of the model that a row is about."""
    if hasattr(row, name):
        return getattr(row, name)
    models = getattr(row, "models", None) or (getattr(row, "model", None),)
    return getattr(models[0], name, None) if isinstance(models[0], DeployedModel) else None


def _plain(value: Any) -> Any:
    """A value as records write it: a sub-model by its name."""
    if isinstance(value, SubModel):
        return value.name
    if isinstance(value, tuple | list):
        return tuple(map(_plain, value))
    return value


def _value(row: Row, field: str, key: str | None) -> Any:
    value = getattr(row, field)
    if isinstance(value, dict):
        if key not in value:
            raise InvalidInput(f"{field}: key={key!r}; allowed: {', '.join(value)}.")
        return value[key]
    return value


def _column(row: Row, field: str) -> captions.Column | None:
    return captions.COLUMNS.get(row.kind, {}).get(field)


def _title(row: Row, field: str, key: str | None) -> str:
    column = _column(row, field)
    if column is None:
        return field if key is None else f"{field}, {key}"
    title = dataclasses.replace(column.title, unit="")
    return str(title).format(key=key or "")


def _unit(field: str) -> str:
    """The unit that a field's name gives."""
    for ending, unit in UNITS.items():
        if field.startswith(ending) or field.endswith(ending):
            return unit
    return ""


def _place(where: RowChoice, field: str, key: str | None) -> str:
    """Name a row and a field as the record's file does; a row itself by its label."""
    parts = []
    if isinstance(where, Row):
        parts.append(f"kind={where.kind}, {captions.label(where)}")
        where = {}
    for name, value in where.items():
        written_value = value.__name__ if value in (min, max) else _plain(value)
        parts.append(f"{name}={written_value}")
    parts += [part for part in (field, key) if part]
    return ", ".join(parts)
