"""Any dataclass to plain values and back, strictly by the types of its fields."""

import dataclasses
import math
import types
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from tinybert_l.errors import InvalidInput
from tinybert_l.submodels import SubModel

T = TypeVar("T")


def to_json(instance: Any) -> dict[str, Any]:
    """Convert any dataclass to plain values by field, without the fields that are None."""
    fields = {}
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if value is not None:
            fields[field.name] = _plain(value)
    return fields


def _plain(value: Any) -> Any:
    if isinstance(value, SubModel):
        return value.name
    if dataclasses.is_dataclass(value):
        return to_json(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_plain, value))
    return value


def from_json(target: type[T], values: Any, place: str) -> T:
    """Convert plain values by field to a dataclass; `place` begins the messages of errors.

    Raises:
        InvalidInput: an unknown or missing field, or a value of another type.
    """
    if not isinstance(values, dict):
        raise InvalidInput(f"{place}: {values!r}; allowed: a dictionary of fields.")
    hints = get_type_hints(target)
    fields = {field.name: field for field in dataclasses.fields(cast(Any, target))}
    unknown = sorted(values.keys() - fields.keys())
    if unknown:
        raise InvalidInput(f"{place}: unknown fields {unknown}; allowed: {', '.join(fields)}.")
    arguments = {}
    for name, field in fields.items():
        if name in values:
            arguments[name] = _typed(hints[name], values[name], f"{place}.{name}")
        elif _may_be_none(hints[name]):
            arguments[name] = None
        elif field.default is dataclasses.MISSING:
            raise InvalidInput(f"{place}: the field {name} is missing.")
    return target(**arguments)


def _may_be_none(hint: Any) -> bool:
    return type(None) in get_args(hint)


def _typed(hint: Any, value: Any, place: str) -> Any:
    """Convert a plain value to the type that a field's annotation names."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (hint,) = set(arguments) - {type(None)}
        return _typed(hint, value, place)
    if origin is Literal and value in arguments:
        return value
    if origin in (tuple, list) and isinstance(value, list):
        return origin(_typed(arguments[0], part, place) for part in value)
    if origin is dict and isinstance(value, dict):
        return {name: _typed(arguments[1], part, place) for name, part in value.items()}
    if hint is SubModel and isinstance(value, str):
        return SubModel.parse(value)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and hint is not SubModel:
        return from_json(hint, value, place)
    if hint is float and _is_number(value):
        return value
    if hint in (str, bool, int) and type(value) is hint:
        return value
    raise InvalidInput(f"{place}: {value!r}; allowed: {getattr(hint, '__name__', hint)}.")


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
