"""A student's own numbers in a question: declared with a default, drawn, and put into its texts.

A question says `numbers.depth = { default = 5, from = 3, to = 11 }`, writes `<<depth>>` where the
number stands, and gives its answers as expressions. A release for everybody has the defaults; who
draws others is `grading/variants.py`.
"""

import ast
import builtins
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any

from tinybert_l.errors import InvalidInput

Numbers = Mapping[str, Any]  # {name of a parameter: its value}
ORDERS = ("", "distinct", "rising")
_PLACE = re.compile(r"<<(.+?)>>")
_BUILTINS = """abs all any bool dict enumerate float int len list map max min range reversed round
set sorted str sum tuple zip"""
_FUNCTIONS: dict[str, Any] = {name: vars(builtins)[name] for name in _BUILTINS.split()}
_FUNCTIONS |= {name: getattr(math, name) for name in ("ceil", "floor", "gcd", "log", "sqrt")}


@dataclass(frozen=True)
class Parameter:
    """A number, or a list of numbers, of which each student gets an own value.

    Args:
        default: what a release for everybody holds; a list says how many are drawn.
        choices: the values that may be drawn.
        order: of a list, one of `ORDERS`: as drawn, all different, or all different and rising.
    """

    name: str
    default: Any
    choices: Sequence[Any]
    order: str = ""

    def draw(self, below: Callable[[int], int]) -> Any:
        """Draw a value.

        Args:
            below: returns a random number from 0 to one less than its argument.
        """
        if not isinstance(self.default, list):
            return self.choices[below(len(self.choices))]
        drawn: list[Any] = []
        while len(drawn) < len(self.default):
            value = self.choices[below(len(self.choices))]
            if not (self.order and value in drawn):
                drawn.append(value)
        return sorted(drawn) if self.order == "rising" else drawn


def read_parameter(name: str, entry: Mapping[str, Any]) -> Parameter:
    """Read a parameter: `default`, and either `from`, `to`, `step` or `of`; for a list `order`.

    Raises:
        InvalidInput: it is written in another way, or the default could not be drawn.
    """
    unknown = set(entry) - {"default", "from", "to", "step", "of", "order"}
    has_range = {"from", "to"} <= set(entry)
    if unknown or "default" not in entry or has_range == ("of" in entry):
        raise InvalidInput(
            f"numbers.{name} = {dict(entry)}; expected: default, and from and to (and step) or of."
        )
    choices: Sequence[Any] = entry.get("of", ())
    if has_range:
        choices = range(entry["from"], entry["to"] + 1, entry.get("step", 1))
    default = entry["default"]
    order = entry.get("order", "")
    values = default if isinstance(default, list) else [default]
    if order not in ORDERS or (order and len(set(choices)) < len(values)):
        raise InvalidInput(f"numbers.{name}: order {order!r}; allowed: {', '.join(ORDERS[1:])}.")
    if not set(values) <= set(choices):
        raise InvalidInput(f"numbers.{name}: the default {default!r} cannot be drawn.")
    return Parameter(name, default, choices, order)


class Scope:
    """Evaluates the expressions of a question, with its numbers and its lecture's answers.

    The expressions stand beside the reference answers, in `solutions/`, and are trusted like them.

    Args:
        numbers: in use.
        answers: loads the lecture's reference answers, for expressions that name one.
    """

    def __init__(self, numbers: Numbers, answers: Callable[[], Mapping[str, Any]]) -> None:
        self.numbers = numbers
        self.answers = answers

    def value(self, expression: Any, digits: int = 0) -> Any:
        """Return an expression's value; what is no text stands for itself.

        Args:
            digits: significant ones that are kept of fractions; 0: all.
        """
        if not isinstance(expression, str):
            return expression
        code, names = _compiled(expression)
        names_known = {**_FUNCTIONS, **self.numbers}
        if not names <= set(names_known):
            names_known = {**self.answers(), **names_known}
        try:
            value = eval(code, {"__builtins__": {}, **names_known})
        except Exception as error:
            raise InvalidInput(f"{expression}: {type(error).__name__}: {error}") from None
        return rounded(value, digits) if digits else value

    def fill(self, text: str) -> str:
        """Return a text with the value of each `<<expression>>` in its place."""
        if not self.numbers:
            return text
        return _PLACE.sub(lambda place: shown(self.value(place.group(1))), text)


@cache
def _compiled(expression: str) -> tuple[CodeType, frozenset[str]]:
    """Return an expression's code, and the names that it does not bind itself."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError as error:
        raise InvalidInput(f"{expression}: {error}") from None
    nodes = list(ast.walk(tree))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    bound = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    return compile(tree, "<question>", "eval"), frozenset({node.id for node in names} - bound)


def rounded(value: Any, digits: int) -> Any:
    """Round the fractions in plain data to significant digits.

    >>> rounded({1: [0.19274, 4]}, 3)
    {1: [0.193, 4]}
    """
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, list | tuple):
        return type(value)(rounded(part, digits) for part in value)
    if isinstance(value, dict):
        return {key: rounded(part, digits) for key, part in value.items()}
    return value


def shown(value: Any) -> str:
    """Return a number as a text shows it, such as 30,522 or 0.25; a list with commas.

    >>> shown(30522), shown(0.25), shown([3, 5])
    ('30,522', '0.25', '3, 5')
    """
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
