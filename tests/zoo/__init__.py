"""The zoo: wrong and right answers to each exercise, by which the exercises' tests are tested.

One file per exercise, named after it. A wrong answer is a typical mistake, and must fail with a
message that names the mistake; a right answer is written quite differently from the reference
answer, and must pass every test:

    @wrong("fixed step", message="fixed step")
    def fixed_step(num_layers, depth): ...

Each function has the exercise's parameters, and uses nothing of its file but torch and math: it is
judged alone, as if a student had written it into the answer cell.
"""

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IMPORTS = "import math\n\nimport torch\n\n\n"
ANSWERS: list["ZooAnswer"] = []


@dataclass(frozen=True)
class ZooAnswer:
    """One answer of the zoo.

    Args:
        function: the answer; its file is named after the exercise.
        idea: what it does, in a few words; unique among the answers of its kind.
        message: for a wrong answer a regular expression that a message of a failed test matches;
            None for a right one.
    """

    function: Callable[..., Any]
    idea: str
    message: str | None = None

    @property
    def exercise(self) -> str:
        return self.function.__module__.removeprefix(f"{__name__}.")

    @property
    def is_right(self) -> bool:
        return self.message is None

    @property
    def id(self) -> str:
        """The name of its test: "layer_map-fixed step"."""
        return f"{self.exercise}-{self.idea}"

    def definition(self) -> str:
        """The function's code under the exercise's name, without the decorator."""
        lines = inspect.getsource(self.function).splitlines()
        first_line = next(i for i, line in enumerate(lines) if line.startswith("def "))
        definition = "\n".join(lines[first_line:]) + "\n"
        return re.sub(r"^def \w+\(", f"def {self.exercise}(", definition)

    def file(self) -> str:
        """The answer as a file that a student hands to `tinybert-l check`."""
        return IMPORTS + self.definition()

    def cell(self) -> str:
        """The answer as a student writes it into the notebook's answer cell, imports included."""
        return f"{IMPORTS}@{self.exercise}.implement\n{self.definition()}"


def wrong(idea: str, *, message: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a wrong answer to the zoo. The arguments are those of `ZooAnswer`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        ANSWERS.append(ZooAnswer(function, idea, message))
        return function

    return decorate


def right(idea: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a right answer to the zoo."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        ANSWERS.append(ZooAnswer(function, idea))
        return function

    return decorate


def right_answers() -> list[ZooAnswer]:
    """All right answers, by the alphabet of the exercises."""
    _import_all()
    return [answer for answer in ANSWERS if answer.is_right]


def wrong_answers() -> list[ZooAnswer]:
    """All wrong answers, by the alphabet of the exercises."""
    _import_all()
    return [answer for answer in ANSWERS if not answer.is_right]


def _import_all() -> None:
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem != "__init__":
            importlib.import_module(f"{__name__}.{path.stem}")
