"""Quiz questions in a notebook: choices in each student's own order, and the form of an answer.

A choice is known by a letter that says nothing of its place. So the order is for the eye alone:
grading knows neither the order nor the student, and cannot be misled about either. Which answers
are right stands in hidden tests, never here.
"""

import getpass
import hashlib
import math
import os
import re
import unicodedata
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, SupportsFloat, cast

from tinybert_l.errors import InvalidInput

if TYPE_CHECKING:
    from IPython.display import Markdown

STUDENT_VARIABLES = ("TINYBERT_L_STUDENT", "JUPYTERHUB_USER", "NB_USER")
# accounts that many students share; the machine stands for the student there
SHARED_ACCOUNTS = {"", "root", "jovyan", "student", "user", "codespace", "vscode"}
_BETWEEN_LETTERS = re.compile(r"[\s,;+&/、，；和]+")
ANOTHER = (
    "The answer is not complete, or not right: look at each choice once more. "
    "答案不完整，或不对：逐个选项再看一遍。"
)


def current_student() -> str:
    """Return what the order of choices is drawn from: the roster's id where it is known.

    That is the user of the JupyterHub, or `TINYBERT_L_STUDENT`; else the name of the login, and
    where many share one, the machine.
    """
    names = [os.environ.get(variable, "") for variable in STUDENT_VARIABLES]
    with suppress(OSError, KeyError, ImportError):
        names.append(getpass.getuser())
    for name in names:
        if name not in SHARED_ACCOUNTS:
            return name
    return f"machine {uuid.getnode():x}"


def order_of_choices(question: str, letters: str, student: str) -> list[str]:
    """Return a question's letters in the order in which a student sees them.

    Args:
        question: its name, such as "quiz_3_1".
        letters: those of its choices.
        student: the roster's id.
    """

    def rank(letter: str) -> bytes:
        return hashlib.sha256(f"{student}\n{question}\n{letter}".encode()).digest()

    return sorted(letters, key=rank)


def show_choices(question: str, /, **choices: str) -> "Markdown":
    """Return the choices of a question, in this student's order, for display in a notebook.

    Args:
        question: its name.
        choices: {letter: text}.
    """
    from IPython.display import Markdown

    if not choices:
        raise InvalidInput(f"show_choices: {question} has no choices; give letter=text.")
    order = order_of_choices(question, "".join(choices), current_student())
    return Markdown("\n".join(f"- **{letter}** · {choices[letter]}" for letter in order))


def chosen(answer: Any) -> set[str]:
    """Return the letters of an answer, as capitals, in whatever honest way it was written.

    >>> chosen("b"), chosen(["c", "A"]) == chosen({"a", "C"}) == chosen("A, c") == {"A", "C"}
    ({'B'}, True)
    """
    if isinstance(answer, str):
        text = unicodedata.normalize("NFKC", answer).upper()
        return set(_BETWEEN_LETTERS.sub("", text))
    letters: set[str] = set()
    if isinstance(answer, list | tuple | set | frozenset):
        for part in answer:
            letters |= chosen(part) if isinstance(part, str) else {"?"}
    return letters


def number(answer: Any) -> float:
    """Return an answer as a number; not-a-number where it is none.

    >>> number("1,024"), number("75 %"), number(1e-3), number(True)
    (1024.0, 75.0, 0.001, nan)
    """
    if isinstance(answer, bool):
        return math.nan
    if isinstance(answer, str):
        answer = unicodedata.normalize("NFKC", answer).replace(",", "").strip(" %")
    try:
        return float(cast(SupportsFloat, answer))
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return math.nan


def is_near(answer: Any, value: float, tolerance: float) -> bool:
    """Whether an answer is a number at most so far from a value."""
    return abs(number(answer) - value) <= tolerance + 1e-9 * max(1.0, abs(value))


def agrees(answer: Any, right: Any, tolerance: float = 0.0) -> bool:
    """Whether an answer is this plain data: its numbers at most so far from the right ones.

    A list stands for a tuple, an array for a list, and 3.0 for 3.

    >>> agrees({"a": (1, 2.0)}, {"a": [1, 2]}), agrees([2, 1], [1, 2])
    (True, False)
    """
    if isinstance(right, str):
        return isinstance(answer, str) and answer.strip().casefold() == right.casefold()
    if isinstance(right, list | tuple):
        parts = _parts(answer)
        if parts is None or len(parts) != len(right):
            return False
        pairs = zip(parts, right, strict=True)
        return all(agrees(part, right_part, tolerance) for part, right_part in pairs)
    if isinstance(right, dict):
        if not isinstance(answer, dict) or len(answer) != len(right):
            return False
        parts = [_at(answer, key) for key in right]
        return agrees(parts, list(right.values()), tolerance)
    return is_near(answer, right, tolerance)


def fits(answer: Any, form: Any) -> bool:
    """Whether an answer has the form of an example: its lengths, its keys, numbers and texts.

    An example that ends in `...` stands for one such part or more.

    >>> fits([4, 7], [0, ...]), fits({3: 0.5}, {3: 0}), fits([1], [0, 0]), fits("a", 0)
    (True, True, False, False)
    """
    if isinstance(form, str):
        return isinstance(answer, str)
    if isinstance(form, dict):
        if not isinstance(answer, dict) or len(answer) != len(form):
            return False
        return all(fits(_at(answer, key), example) for key, example in form.items())
    if not isinstance(form, list | tuple):
        return abs(number(answer)) < math.inf
    parts = _parts(answer)
    if parts is None:
        return False
    if form[-1:] == [...]:
        return bool(parts) and all(fits(part, form[0]) for part in parts)
    return len(parts) == len(form) and all(map(fits, parts, form))


def _parts(answer: Any) -> list[Any] | None:
    """Return the parts of a list, a tuple or an array; None of anything else."""
    if hasattr(answer, "tolist"):
        answer = answer.tolist()
    return list(answer) if isinstance(answer, list | tuple) else None


def _at(answer: dict[Any, Any], key: Any) -> Any:
    """Return what stands at a key in a dictionary, where 3 may be written 3.0 or "3"."""
    for candidate, value in answer.items():
        if candidate == key or (isinstance(key, int | float) and is_near(candidate, key, 0.0)):
            return value
    return None


def remarks(answer: Any, **misconceptions: str) -> str:
    """Return what is said of the wrong choices in an answer, and never which choice is right.

    Args:
        misconceptions: {letter of a wrong choice: the misconception behind it}.
    """
    said = [text for letter, text in misconceptions.items() if letter in chosen(answer)]
    return joined(said) or ANOTHER


def remark(answer: Any, tolerance: float, *known: tuple[Any, str], otherwise: str) -> str:
    """Return what is said of a wrong number, or of other wrong plain data.

    Args:
        tolerance: how near a number must be to one of `known` to be taken for it.
        known: wrong answers, each with the misconception that leads to it.
        otherwise: said of any other answer.
    """
    for value, text in known:
        if agrees(answer, value, tolerance):
            return text
    return otherwise


def joined(texts: list[str]) -> str:
    """Join texts, each English first and then Chinese, into one such text.

    >>> joined(["One. 一。", "Two. 二。"])
    'One. Two. 一。二。'
    """
    halves = [re.split(r" (?=[\u2e80-\u9fff])", text, maxsplit=1) for text in texts]
    english = " ".join(half[0] for half in halves)
    chinese = "".join(half[1] for half in halves if len(half) > 1)
    return f"{english} {chinese}".strip()
