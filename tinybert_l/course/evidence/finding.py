"""Find a field of one row of a record, and name it for people."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tinybert_l.course import captions
from tinybert_l.course.recipes import RECORDS
from tinybert_l.course.record_types import Record
from tinybert_l.course.records import benchmark_names, read_benchmark, read_record
from tinybert_l.course.rows import DeployedModel, Row
from tinybert_l.course.stored_values import StoredValue
from tinybert_l.errors import InvalidInput
from tinybert_l.submodels import SubModel

RowChoice = Row | Mapping[str, Any]  # one of a record's rows, or the values of fields that find it
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


def open_record(name: str) -> Record | None:
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


def stored_value(record: Record, field: str, where: RowChoice, key: str | None) -> StoredValue:
    """Return a field of the one row that `where` finds, as the record keeps it."""
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
    """Return a field of a row, or of the model that a row is about."""
    if hasattr(row, name):
        return getattr(row, name)
    models = getattr(row, "models", None) or (getattr(row, "model", None),)
    return getattr(models[0], name, None) if isinstance(models[0], DeployedModel) else None


def _plain(value: Any) -> Any:
    """Write a value as records do: a sub-model by its name."""
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


def title_of(row: Row, field: str, key: str | None) -> str:
    """Return the title of a field's column, without its unit; where it has none, its name."""
    column = captions.COLUMNS.get(row.kind, {}).get(field)
    if column is None:
        return field if key is None else f"{field}, {key}"
    title = dataclasses.replace(column.title, unit="")
    return str(title).format(key="" if key is None else captions.key_label(row, key))


def unit_of(field: str) -> str:
    """Return the unit that a field's name gives."""
    for ending, unit in UNITS.items():
        if field.startswith(ending) or field.endswith(ending):
            return unit
    return ""


def place_of(where: RowChoice, field: str, key: str | None) -> str:
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
