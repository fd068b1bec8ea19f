"""Cut answers into short runs that are compared: tokens of code, characters of essays.

Code is read as text and never run. What renaming, layout, comments and other numbers change is left
out of tokens; case, punctuation and blanks out of essays. Each run keeps its place, so that a page
can mark it.
"""

import builtins
import io
import keyword
import re
import tokenize
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

TEXT_LIMIT = 12_000  # characters of an answer that are compared
TOKENS = 6  # in a run of code
LETTERS = 8  # in a run of an essay, in scripts that put blanks between words
IDEOGRAPHS = 4  # in a run of an essay in Chinese
_KEPT_NAMES = frozenset([*keyword.kwlist, *keyword.softkwlist, *dir(builtins)])
_LAYOUT = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
)
_NAME, _NUMBER, _STRING = "name", "0", "text"
_LEXEME = re.compile(
    r"#[^\n]*|(?P<name>[^\W\d]\w*)|(?P<number>\d[\w.]*)"
    r"""|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|\s+|(?P<other>.)""",
    re.DOTALL,
)
_IDEOGRAPH = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")


class Gram(NamedTuple):
    """A run, as it is compared, and where it stands in the answer's text."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class _Token:
    """A token without what renaming changes, and where it stands."""

    text: str
    start: int
    end: int


def code_grams(source: str) -> list[Gram]:
    """Return the runs of tokens of an answer in code; syntax errors are no obstacle."""
    tokens = _tokens(source[:TEXT_LIMIT])
    grams = []
    for index in range(len(tokens) - TOKENS + 1):
        run = tokens[index : index + TOKENS]
        text = " ".join(token.text for token in run)
        grams.append(Gram(text, run[0].start, run[-1].end))
    return grams


def essay_grams(source: str) -> list[Gram]:
    """Return the runs of characters of an essay; one in Chinese has fewer characters."""
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(source[:TEXT_LIMIT]):
        for letter in _letters_of(character):
            letters.append(letter)
            places.append(place)
    text = "".join(letters)
    grams = []
    for start, place in enumerate(places):
        end = start + (IDEOGRAPHS if _IDEOGRAPH.match(text[start]) else LETTERS)
        if end <= len(text):
            grams.append(Gram(text[start:end], place, places[end - 1] + 1))
    return grams


@cache  # a class of 3,000 writes millions of characters, and few different ones
def _letters_of(character: str) -> str:
    """Return the letters and digits in a character's plain form; mostly it is one."""
    plain = unicodedata.normalize("NFKC", character).casefold()
    return "".join(x for x in plain if unicodedata.category(x)[0] in "LN")


def _tokens(source: str) -> list[_Token]:
    """Return the tokens of code; of what is no Python, the words and signs in it."""
    try:
        return list(_python_tokens(source))
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError, IndexError):
        return list(_lexemes(source))


def _python_tokens(source: str) -> Iterator[_Token]:
    line_starts = [0]
    for line in source.split("\n"):
        line_starts.append(line_starts[-1] + len(line) + 1)
    begins_statement = True
    after_dot = False
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in _LAYOUT:
            begins_statement = begins_statement or token.type == tokenize.NEWLINE
            continue
        is_docstring = token.type == tokenize.STRING and begins_statement
        begins_statement = False
        if is_docstring:
            continue
        start = line_starts[token.start[0] - 1] + token.start[1]
        end = line_starts[token.end[0] - 1] + token.end[1]
        if token.type == tokenize.NAME:
            text = _name(token.string, after_dot)
        elif token.type == tokenize.NUMBER:
            text = _NUMBER
        elif token.type == tokenize.STRING:
            text = _STRING
        else:
            text = token.string
        after_dot = token.string == "."
        if text.strip():
            yield _Token(text, start, end)


def _lexemes(source: str) -> Iterator[_Token]:
    after_dot = False
    for match in _LEXEME.finditer(source):
        kind = match.lastgroup
        if kind is None:
            continue
        text = match.group()
        after_dot, was_after_dot = text == ".", after_dot
        if kind == "name":
            text = _name(text, was_after_dot)
        elif kind == "number":
            text = _NUMBER
        elif kind == "string":
            text = _STRING
        yield _Token(text, match.start(), match.end())


def _name(name: str, after_dot: bool) -> str:
    """Return a name as it is compared: the language's and a library's own names stay."""
    return name if after_dot or name in _KEPT_NAMES else _NAME
