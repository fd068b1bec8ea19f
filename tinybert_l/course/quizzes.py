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


def remarks(answer: Any, **misconceptions: str) -> str:
    """Return what is said of the wrong choices in an answer, and never which choice is right.

    Args:
        misconceptions: {letter of a wrong choice: the misconception behind it}.
    """
    said = [text for letter, text in misconceptions.items() if letter in chosen(answer)]
    return joined(said) or ANOTHER


def remark(answer: Any, tolerance: float, *known: tuple[float, str], otherwise: str) -> str:
    """Return what is said of a wrong number.

    Args:
        tolerance: how near a number must be to one of `known` to be taken for it.
        known: wrong numbers, each with the misconception that leads to it.
        otherwise: said of any other number.
    """
    for value, text in known:
        if is_near(answer, value, tolerance):
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
