"""Evidence by counting: exact numbers, the same in every run."""

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from tinybert_l.course.record_types import MAKER, Evidence, written
from tinybert_l.errors import InvalidInput

# what may be counted: the function's module and name, and what people call the number
COUNTING_FUNCTIONS = {
    ("tinybert_l.exercises.lecture_01", "parameter_count"): "parameters 参数",
    ("tinybert_l.exercises.lecture_11", "flops"): "FLOPs 浮点运算",
    ("tinybert_l.method.evaluation", "count_parameters"): "parameters 参数",
    ("tinybert_l.method.evaluation", "count_flops"): "FLOPs 浮点运算",
    ("tinybert_l.method.evaluation", "weight_bytes"): "bytes of weights 权重的字节",
    ("tinybert_l.course.experiments", "training_cost"): "FLOPs of training 训练的浮点运算",
    ("tinybert_l.course.evidence.counting", "lines_of"): "lines of code 代码行数",
    ("tinybert_l.course.evidence.counting", "settings_of"): "settings 设置",
}


def counted(
    function: Callable[..., Any], *arguments: Any, part: int | None = None, compared: str = ""
) -> Evidence:
    """Call a counting function: an exact number, the same in every run.

    Args:
        function: one of `COUNTING_FUNCTIONS`.
        arguments: what it counts.
        part: which number, where the function gives several.
        compared: what the number is, for people; empty: what the function counts.
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
    return _exact(
        float(value), f"{place[1]}{answered}", place[1], compared or COUNTING_FUNCTIONS[place]
    )


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
    words = compared or f"{first.compared} {_counted(first.mean)} / {_counted(second.mean)}"
    return _exact(first.mean / second.mean, source, f"{first.row} / {second.row}", words, "×")


def _counted(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else written(value)


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
