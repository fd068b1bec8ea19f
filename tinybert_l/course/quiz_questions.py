"""Read a lecture's quiz: questions, choices, answers, and what is said of wrong ones.

The one home of the questions is `solutions/quizzes/lecture_NN.toml`. A question may have numbers
that each student gets own ones of (see `own_numbers`); as it is read it has the defaults.
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from tinybert_l.course.own_numbers import Numbers, Parameter, Scope, read_parameter
from tinybert_l.course.quizzes import agrees
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.released import load_reference_answers

QUIZZES = "quizzes"  # in solutions/
KINDS = ("one", "several", "number", "value")
_NAME = re.compile(r"quiz_(\d+)_(\d+)")
_CHINESE = re.compile(r"[\u2e80-\u9fff]")
OWN_NUMBERS = "# your numbers 你的数"  # above them, in an answer cell and in its test


@dataclass(frozen=True)
class Text:
    """A text in both languages."""

    en: str
    zh: str

    @cached_property
    def both(self) -> str:
        """English, a blank, Chinese; once where both are the same."""
        return self.en if self.en == self.zh else f"{self.en} {self.zh}"

    @property
    def literal(self) -> str:
        """Both as a Python literal."""
        return json.dumps(self.both, ensure_ascii=False)


@dataclass(frozen=True)
class Question:
    """A quiz question.

    Args:
        name: such as "quiz_3_1", the first of lecture 3; the answer's variable has this name.
        kind: "one" choice, "several" choices, "number", or "value": plain data of a stated form.
        choices: {letter: text}; none for a number or a value.
        misconceptions: {letter of a wrong choice: the misconception behind it}.
        value, tolerance: the right answer, and how far its numbers may be from it.
        near: wrong answers, each with its misconception.
        otherwise: said of any other wrong answer.
        parameters: what each student gets own numbers of.
        numbers: those in use, {name of a parameter: value}.
        where: the condition that drawn numbers meet.
        form: an expression of the notebook for the form of a value (see `quizzes.fits`).
        call: a function of the library (module and name) that a value is made with, and is judged
            with, in place of a right answer that stands in the test.
        remade: returns the question with other numbers.
        meets: tells whether numbers meet the condition.
    """

    name: str
    kind: str
    text: Text
    choices: dict[str, Text] = field(default_factory=dict)
    misconceptions: dict[str, Text] = field(default_factory=dict)
    value: Any = 0.0
    tolerance: float = 0.0
    near: tuple[tuple[Any, Text], ...] = ()
    otherwise: Text = Text("", "")
    parameters: tuple[Parameter, ...] = ()
    numbers: Numbers = field(default_factory=dict)
    where: str = "True"
    form: str = ""
    call: str = ""
    remade: Callable[[Numbers], "Question"] | None = field(default=None, compare=False, repr=False)
    meets: Callable[[Numbers], bool] | None = field(default=None, compare=False, repr=False)

    @property
    def number(self) -> str:
        """Lecture and position, such as "3.1"."""
        return ".".join(_NAME.fullmatch(self.name).groups())  # type: ignore[union-attr]

    @property
    def letters(self) -> str:
        """The letters of all choices, in the alphabet's order."""
        return "".join(sorted(self.choices))

    @property
    def right(self) -> str:
        """The letters of the right choices."""
        return "".join(letter for letter in self.letters if letter not in self.misconceptions)

    @property
    def answer(self) -> str:
        """The right answer, as a Python literal; an expression where a `call` makes it."""
        if self.kind in ("number", "value"):
            return str(self.value) if self.call else repr(self.value)
        if self.kind == "one":
            return json.dumps(self.right)
        return json.dumps(list(self.right))

    @property
    def number_lines(self) -> str:
        """The lines that give a cell of code the numbers; empty for a number or choices."""
        if self.kind != "value":
            return ""
        lines = [f"{name} = {value!r}" for name, value in self.numbers.items()]
        return "\n".join([OWN_NUMBERS, *lines])

    def may_have(self, numbers: Numbers) -> bool:
        """Tell whether numbers meet the question's condition and give each mistake away."""
        assert self.meets is not None
        return self.meets(numbers)

    def with_numbers(self, numbers: Numbers) -> "Question":
        """Return the question with other numbers."""
        assert self.remade is not None
        return self.remade(numbers)


def quiz_file(solutions: Path, lecture: int) -> Path:
    """Return the path of a lecture's questions in a folder of solutions."""
    return solutions / QUIZZES / f"lecture_{lecture:02d}.toml"


def read_questions(solutions: Path, lecture: int) -> list[Question]:
    """Read a lecture's questions; none where it has no file of them.

    Raises:
        InvalidInput: the file is not as docs/how-to/add-an-exercise.md says.
    """
    path = quiz_file(solutions, lecture)
    if not path.is_file():
        return []
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: {error}") from None
    questions = []
    for position, (name, entry) in enumerate(entries.items(), start=1):
        if name != f"quiz_{lecture}_{position}":
            raise InvalidInput(f"{path}: {name}; expected: quiz_{lecture}_{position}.")
        try:
            questions.append(_question(name, entry, solutions))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"{path}: {name}: {error}") from None
    return questions


def _question(name: str, entry: dict[str, Any], solutions: Path) -> Question:
    """Read a question, with the defaults of its numbers."""
    entry = dict(entry)
    kind = entry.pop("kind")
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}; allowed: {', '.join(KINDS)}")
    if kind in ("one", "several"):
        return _question_of_choice(name, kind, entry)
    lecture = int(name.split("_")[1])
    declared = entry.pop("numbers", {})
    parameters = tuple(read_parameter(*parameter) for parameter in declared.items())
    defaults = {parameter.name: parameter.default for parameter in parameters}
    where = entry.get("where", "True")

    def scope(numbers: Numbers) -> Scope:
        return Scope(numbers, lambda: _reference_answers(solutions, lecture))

    def meets(numbers: Numbers) -> bool:
        if not scope(numbers).value(where):
            return False
        shown = _question_of_value(name, kind, entry, scope(numbers))
        return len(shown.near) >= len(_question_of_value(name, kind, entry, scope(defaults)).near)

    def remade(numbers: Numbers) -> Question:
        question = _question_of_value(name, kind, entry, scope(numbers))
        return replace(question, parameters=parameters, remade=remade, meets=meets)

    if not meets(defaults):
        raise ValueError(f"the defaults do not meet where = {where!r}")
    return remade(defaults)


@lru_cache(maxsize=16)
def _reference_answers(solutions: Path, lecture: int) -> dict[str, Any]:
    return load_reference_answers(solutions, lecture)


def _question_of_value(name: str, kind: str, entry: Mapping[str, Any], scope: Scope) -> Question:
    """Make a question for a number or for a value, with the numbers of a scope."""
    digits = entry.get("digits", 0)
    call = entry.get("call", "")

    def value(expression: Any) -> Any:
        found = scope.value(expression, digits)
        return float(found) if kind == "number" else found

    right = entry["value"] if call else value(entry["value"])
    tolerance = Scope({**scope.numbers, "value": right}, dict).value(entry["tolerance"])
    near = []
    for wrong, *texts in entry["near"]:
        known = value(wrong)
        if not agrees(
            known, right, 2 * tolerance
        ):  # else a mistake does no harm, and other numbers are drawn
            near.append((known, _text(*texts)))
    return Question(
        name,
        kind,
        Text(scope.fill(entry["en"]), scope.fill(entry["zh"])),
        value=right,
        tolerance=float(tolerance),
        near=tuple(near),
        otherwise=_text(*entry["otherwise"]),
        numbers=scope.numbers,
        where=entry.get("where", "True"),
        form=entry.get("form", ""),
        call=call,
    )


def _question_of_choice(name: str, kind: str, entry: dict[str, Any]) -> Question:
    text = Text(entry.pop("en"), entry.pop("zh"))
    choices = {}
    misconceptions = {}
    for letter, texts in entry.items():
        if not re.fullmatch("[A-Z]", letter) or len(texts) not in (2, 4):
            raise ValueError(f"{letter}; a choice is a capital letter with two texts or four")
        choices[letter] = _text(*texts[:2])
        if len(texts) == 4:
            misconceptions[letter] = _text(*texts[2:])
    num_right = len(choices) - len(misconceptions)
    if not misconceptions or num_right < 1 or (kind == "one" and num_right > 1):
        raise ValueError(f"{num_right} right of {len(choices)} choices, kind {kind!r}")
    return Question(name, kind, text, choices, misconceptions)


def _text(en: str, zh: str) -> Text:
    """Return a text whose halves can be told apart again (see `languages.in_words`)."""
    if en != zh and (_CHINESE.search(en) or not _CHINESE.match(zh)):
        raise ValueError(f"English has no Chinese, and Chinese begins with it: {en!r}, {zh!r}")
    return Text(en, zh)
