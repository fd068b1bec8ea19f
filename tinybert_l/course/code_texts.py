"""The texts of code: string literals and comments, reduced to one language.

Reads Python as it stands in notebooks: literals that follow each other are one text, the values of
f-strings are no part of it. What a text loses is taken out of the source; all else stays.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tinybert_l.languages import kept_parts, pairs, unclear

_CHINESE = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]")
_OPENING = re.compile(r"([A-Za-z]{0,2})('''|\"\"\"|'|\")")
_ESCAPE = re.compile(r"\\(?:N\{[^}]*\}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|\n|.)")
_BETWEEN_ARGUMENTS = re.compile(r"\s*,\s*(?:\w+_en\s*=\s*)?")
_PROSE = re.compile(r"[a-z]{2}.*(?: |-)|[a-z]{6}")
_BEFORE_PAIR = re.compile(r"(?:\w\(\s*|\w_zh\s*=\s*|\w_en\s*=\s*)$")
_FIRST_HOLE = 0xE000


@dataclass
class CodeText:
    """A text of code: what a reader sees of it, and where each character stands in the source.

    Args:
        characters: each of the text; a character of `languages.HOLES` for a value.
        places: of each, [begin, end) in the source.
        literals: the literals that make it up, quotes included, as places in the source.
    """

    characters: list[str] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)
    literals: list[tuple[int, int]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.characters)

    def add(self, character: str, begin: int, end: int) -> None:
        self.characters.append(character)
        self.places.append((begin, end))


def code_in_language(source: str, language: str) -> str:
    """Return code with its literals and comments in one language.

    Args:
        source: Python, as it stands in a notebook's cell.
        language: "zh" or "en".
    """
    if not _CHINESE.search(source):
        return source
    dropped: set[int] = set()  # positions in the source
    texts = list(texts_of_code(source))
    for text in texts:
        if _CHINESE.search(text.text):
            dropped |= _dropped_of(text, source, language)
    for chinese, english in _pairs_of_arguments(texts, source):
        for begin, end in (english if language == "zh" else chinese).places:
            dropped.update(range(begin, end))
    return "".join(source[place] for place in range(len(source)) if place not in dropped)


def _pairs_of_arguments(texts: list[CodeText], source: str) -> Iterator[tuple[CodeText, CodeText]]:
    """Find the arguments that say the same in both languages: judge("更稳定", "more stable", …)."""
    end_of_pair = -1
    for first, second in itertools.pairwise(texts):
        if not (first.literals and second.literals):
            continue
        begin, end = first.literals[0][0], first.literals[-1][1]
        follows_pair = end_of_pair >= 0 and source[end_of_pair:begin].strip() == ","
        if not (follows_pair or _BEFORE_PAIR.search(source, 0, begin)):
            continue
        if not _CHINESE.search(first.text) or _CHINESE.search(second.text):
            continue
        if any(pairs(first.text)) or not _PROSE.search(second.text):
            continue
        if _BETWEEN_ARGUMENTS.fullmatch(source[end : second.literals[0][0]]):
            end_of_pair = second.literals[-1][1]
            yield first, second


def _dropped_of(text: CodeText, source: str, language: str) -> set[int]:
    """Return the positions in the source that a text loses; a literal left empty goes whole."""
    kept = [False] * len(text.characters)
    for begin, end in kept_parts(text.text, language):
        kept[begin:end] = [True] * (end - begin)
    dropped: set[int] = set()
    filled: set[tuple[int, int]] = set()  # literals of which something stays
    for (begin, end), stays in zip(text.places, kept, strict=True):
        if stays:
            filled.update(place for place in text.literals if place[0] <= begin < place[1])
        else:
            dropped.update(range(begin, end))
    for index, literal in enumerate(text.literals):
        if literal in filled or not filled:
            continue
        after = text.literals[index + 1 :]
        if after:
            dropped.update(range(literal[0], after[0][0]))
        else:
            before = max(place for place in filled)
            dropped.update(range(before[1], literal[1]))
    return dropped


def unclear_texts(source: str) -> list[str]:
    """List the texts of code that hold both languages and cannot be told apart, with the reason."""
    listed: list[str] = []
    if not _CHINESE.search(source):
        return listed
    for text in texts_of_code(source):
        reason = unclear(text.text)
        if reason:
            listed.append(f"{text.text!r}: {reason}")
    return listed


def texts_of_code(source: str) -> Iterator[CodeText]:
    """Find the texts of code, those within the values of f-strings included."""
    return iter(_Reader(source).texts)


class _Reader:
    """Read code from its beginning to its end, and collect its texts."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.texts: list[CodeText] = []
        self._holes: dict[str, int] = {}  # {expression: number of its character}
        self._read_code(0, "")

    def _read_code(self, position: int, closing: str) -> int:
        """Read code up to its end, or up to the bracket that closes it; return the position."""
        depth = 0
        text: CodeText | None = None  # that the next literal goes on with
        while position < len(self.source):
            character = self.source[position]
            opening = _OPENING.match(self.source, position)
            if character == "#" and not closing:
                position = self._read_comment(position)
            elif opening and not self._is_in_name(position):
                if text is None:
                    text = CodeText()
                    self.texts.append(text)
                position = self._read_literal(position, opening, text)
            else:
                if closing and depth == 0 and character in closing:
                    return position
                depth += (character in "([{") - (character in ")]}")
                if not character.isspace():
                    text = None
                position += 1
        return position

    def _is_in_name(self, position: int) -> bool:
        before = self.source[position - 1 : position]
        return before.isalnum() or before == "_"

    def _read_comment(self, position: int) -> int:
        end = self.source.find("\n", position)
        end = len(self.source) if end < 0 else end
        text = CodeText()
        for index in range(position + 1, end):
            text.add(self.source[index], index, index + 1)
        self.texts.append(text)
        return end

    def _read_literal(self, position: int, opening: re.Match[str], text: CodeText) -> int:
        """Add a literal to a text; return the position behind it."""
        prefix, quote = opening.group(1).lower(), opening.group(2)
        begin = position
        position = opening.end()
        while not self.source.startswith(quote, position) and position < len(self.source):
            end = position + 1
            character = self.source[position]
            if character == "\\":
                escape = _ESCAPE.match(self.source, position)
                end = escape.end() if escape else end
                shown = "\n" if escape and escape.group() == r"\n" else "\\"
                text.add(character if "r" in prefix else shown, position, end)
            elif "f" in prefix and character in "{}":
                end = self._read_brace(position, text)
            else:
                text.add(character, position, end)
            position = end
        text.literals.append((begin, position + len(quote)))
        return position + len(quote)

    def _read_brace(self, position: int, text: CodeText) -> int:
        """Add a doubled brace or a value to a text; return the position behind it."""
        if self.source[position : position + 2] in ("{{", "}}"):
            text.add(self.source[position], position, position + 2)
            return position + 2
        end = self._read_code(position + 1, ":}!")
        while end < len(self.source) and self.source[end] != "}":  # conversion and format
            end = self._read_brace(end, CodeText()) if self.source[end] == "{" else end + 1
        value = self.source[position + 1 : end]
        text.add(self._hole(value), position, end + 1)
        return end + 1

    def _hole(self, value: str) -> str:
        """Return the character that stands for a value; equal values have the same."""
        expression = re.split(r"[:!](?![^(\[]*[)\]])", value)[0].strip()
        return chr(_FIRST_HOLE + self._holes.setdefault(expression, len(self._holes)))
