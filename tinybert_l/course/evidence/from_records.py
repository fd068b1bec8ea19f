"""Evidence from records: a field of one row, or a difference or ratio of two rows."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from tinybert_l.course import captions, stored_values
from tinybert_l.course.evidence.finding import (
    RowChoice,
    open_record,
    place_of,
    stored_value,
    title_of,
    unit_of,
)
from tinybert_l.course.record_types import MAKER, Evidence, Record
from tinybert_l.course.rows import Row
from tinybert_l.course.stored_values import Measured, StoredValue, measured


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
    record = open_record(name)
    if record is None:
        return missing(name, field, compared)
    choice = row if isinstance(row, Row) else {**(row or {}), **where}
    stored = stored_value(record, field, choice, key)
    return _evidence(
        record,
        measured(stored),
        place_of(choice, field, key),
        compared or f"{captions.label(stored.row)}: {title_of(stored.row, field, key)}",
        unit_of(field),
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
        record = open_record(name)
        if record is None:
            return missing(name, field, compared)
        values.append(stored_value(record, field, where, key))
    first, second = values
    is_ratio = compare is stored_values.ratio
    sign = "/" if is_ratio else "−"
    words = f"{captions.label(first.row)} {sign} {captions.label(second.row)}"
    second_place = place_of(rows[1][1], field, key)
    if second.record.name != first.record.name:
        second_place = f"{second.record.name}: {second_place}"
    return _evidence(
        first.record,
        compare(first, second),
        f"{place_of(rows[0][1], field, key)} {sign} {second_place}",
        compared or f"{words}: {title_of(first.row, field, key)}",
        "×" if is_ratio else unit_of(field).replace("%", "points"),
        stale=first.record.stale or second.record.stale,
    )


def missing(name: str, field: str, compared: str) -> Evidence:
    """Say that a known record is not part of this installation; its values are NaN."""
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
