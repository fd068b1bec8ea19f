"""One language of texts that hold two: English first, one blank, then Chinese.

A course in one language (`tinybert-l release 3 --lang zh`) reduces its texts here: the literals and
comments of its notebooks when it is released, what the library prints and draws when it is shown.

A text may hold several pairs, with shared parts between them: "accuracy 准确率: 81.0 %; kept 保留
(%)". The Chinese half is what stands without a blank around Chinese characters; punctuation behind
it that is not Chinese is shared. The English half reaches back to the Chinese before it, without
the numbers and names that stand there.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

LANGUAGES = ("zh", "en")
VARIABLE = "TINYBERT_L_LANGUAGE"  # of the environment: the language of this process
HOLES = "\ue000-\uf8ff"  # each stands for a value that is not known yet

T = TypeVar("T")
_CHINESE = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]")
_WORD = re.compile(r"\S+")
_LETTER = re.compile(r"[A-Za-z]")
_PLAIN_ENGLISH = re.compile(r"(?<![\w=.%/-])(?!(?:nats|ms|et|al|vs|table)\b)[a-z]{2,}(?![\w=(%/])")
_QUOTED = re.compile(r"`[^`]*`|“[^”]*”")  # names and citations, of no language
# a capitalised word is one too where it opens a sentence: "Left: …", but not "BERT-base: …"
_PLAIN_WORD = re.compile(r"(?<![\w=.%/-])[A-Za-z]?[a-z]{2,}(?![\w=(%/-])")
_SEPARATOR = re.compile(r"[:;,|·](?=\s)|\(")
_SHARED_END = re.compile(r"[\s.,;:|)\]%]+$")
# "更稳定 (more stable)", as verdicts keep their claims
_CHINESE_FIRST = re.compile(
    r"(?P<zh>[^A-Za-z()]*[\u2e80-\u9fff][^()]*) "
    r"\((?P<en>[^\u2e80-\u9fff]*[a-z]{2,}[^\u2e80-\u9fff]*)\)"
)
_NAME_BEFORE = re.compile(r"[^:]*:\s")
_HOLE = re.compile(f"[{HOLES}]")
_OPEN_END = ":;,(|·"  # what ends so is a label before Chinese, not its English half
# where the Chinese half has one of these, the English half has the separator inside
_INSIDE = {":": "：", ";": "；。，", ",": "，、；。", "|": "|", "·": "·"}


@dataclass(frozen=True)
class Pair:
    """The halves of a text, as positions in it: English [begin, end), Chinese [start, stop)."""

    begin: int
    end: int
    start: int
    stop: int


def use_language(language: str | None) -> None:
    """Show texts in one language from now on, in this process and those that it starts.

    Args:
        language: one of `LANGUAGES`, or None for both.
    """
    if language is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = language


@contextmanager
def showing(language: str | None) -> Iterator[None]:
    """Show texts in one language within a `with` statement; None leaves the current one.

    Args:
        language: one of `LANGUAGES`, or None.
    """
    before = current_language()
    use_language(language or before)
    try:
        yield
    finally:
        use_language(before)


def current_language() -> str | None:
    """Return the language in which texts are shown, "zh" or "en"; None where it is both."""
    language = os.environ.get(VARIABLE)
    return language if language in LANGUAGES else None


def in_words(text: str, language: str | None = None) -> str:
    """Return one language's part of a text; a text without pairs stays as it is.

    Args:
        text: such as "not begun 未开始".
        language: "zh" or "en"; None: the current one, and all of the text where it is both.

    >>> in_words("embeddings 嵌入: 52.1 %", "zh"), in_words("embeddings 嵌入: 52.1 %", "en")
    ('嵌入: 52.1 %', 'embeddings: 52.1 %')
    """
    language = language or current_language()
    if language is None or not _CHINESE.search(text):
        return text
    return "".join(text[begin:end] for begin, end in kept_parts(text, language))


def one_of(english: str, chinese: str, language: str | None = None) -> str:
    """Return one of two texts, or both, English first.

    Args:
        language: as in `in_words`.
    """
    language = language or current_language()
    if language is None:
        return f"{english} {chinese}".strip()
    return (chinese if language == "zh" else english) or english or chinese


def words_in(value: T, language: str | None = None) -> T:
    """Return a value with each text in it, keys of dictionaries included, in one language.

    Args:
        value: a text, or lists and dictionaries of texts; all else stays.
        language: as in `in_words`.
    """
    changed: Any = value
    if isinstance(value, str):
        changed = in_words(value, language)
    elif isinstance(value, list):
        changed = [words_in(part, language) for part in value]
    elif isinstance(value, Mapping):
        changed = {words_in(key, language): words_in(part, language) for key, part in value.items()}
    return changed


def kept_parts(text: str, language: str) -> list[tuple[int, int]]:
    """Return what stays of a text in a language, as positions [begin, end) in it."""
    chinese_first = _CHINESE_FIRST.fullmatch(text)
    if chinese_first and _has_english(chinese_first["en"]):
        return [chinese_first.span("zh" if language == "zh" else "en")]
    kept = []
    position = 0
    for pair in pairs(text):
        if language == "zh":
            kept.append((position, pair.begin))
            kept.append((pair.start, pair.stop))
        else:
            kept.append((position, pair.end))
        position = pair.stop
    kept.append((position, len(text)))
    return kept


def pairs(text: str) -> Iterator[Pair]:
    """Find the pairs of a text, in order; Chinese without English before it is in none."""
    position = 0
    for start, stop in _chinese_parts(text):
        begin, end = _english_before(text, position, start, text[start:stop])
        if begin < end and not _is_label_before(text[begin:end], text[start:stop]):
            yield Pair(begin, end, start, stop)
        position = stop


def unclear(text: str) -> str:
    """Say why a text cannot be told apart into its languages; empty where it can.

    Args:
        text: with a character of `HOLES` for each value that is filled in later.
    """
    found = list(pairs(text))
    in_language = {}
    for language in LANGUAGES:
        in_language[language] = "".join(text[a:b] for a, b in kept_parts(text, language))
        if set(_HOLE.findall(text)) - set(_HOLE.findall(in_language[language])):
            return f"a value is lost in {language}: {in_language[language]!r}"
    for pair in found:
        english, chinese = text[pair.begin : pair.end], text[pair.start : pair.stop]
        for mark in _SEPARATOR.findall(english):
            if (
                mark in ":;"
                and not chinese.endswith("。")
                and not set(_INSIDE[mark]) & set(chinese)
            ):
                return f"is {mark!r} shared, or part of {english!r}? {chinese!r} has none"
    if len(found) < len(list(_chinese_parts(text))) and _has_english(text):
        return "Chinese without English before it, in a text with both"
    rest = _PLAIN_ENGLISH.search(_QUOTED.sub("", in_language["zh"]))
    if found and rest:
        return f"English is left in the Chinese text: {rest.group()!r} in {in_language['zh']!r}"
    return ""


def _chinese_parts(text: str) -> Iterator[tuple[int, int]]:
    """Find the Chinese parts of a text: words with Chinese, and numbers between such words.

    A bracket that Chinese follows, and what a part's own brackets hold, belong to the part.
    """
    start = stop = None
    for word in _WORD.finditer(text):
        if start is not None and _is_open(text[start:stop]):
            stop = word.end()
        elif _CHINESE.search(word.group()):
            if start is None:
                start = _begin_of_brackets(text, word.start(), word.end())
            stop = word.end()
        elif start is not None and (
            _LETTER.search(word.group()) or _SHARED_END.search(text[start:stop])
        ):
            yield _trimmed(text, start, stop)
            start = stop = None
    if start is not None:
        yield _trimmed(text, start, stop)


def _is_open(part: str) -> bool:
    """Tell whether a part has a bracket that is not closed."""
    return any(part.count(pair[0]) > part.count(pair[1]) for pair in ("()", "[]"))


def _begin_of_brackets(text: str, start: int, stop: int) -> int:
    """Return where a Chinese word begins that starts within brackets: "f(6, 3)应为…"."""
    word = text[start:stop]
    last_chinese = max(place.start() for place in _CHINESE.finditer(word))
    for opening, closing in ("()", "[]"):
        head = word[:last_chinese]
        if head.count(closing) > head.count(opening):
            bracket = text.rfind(opening, 0, start)
            before = text.rfind(" ", 0, bracket + 1) + 1
            start = min(start, before if bracket >= 0 else start)
    return start


def _is_label_before(english: str, chinese: str) -> bool:
    """Tell whether what stands before Chinese is no translation of it: "note:", "BERT (…"."""
    if english[-1] in _OPEN_END:
        return True
    return chinese.startswith("(") and not _has_english(english)


def _trimmed(text: str, start: int, stop: int | None) -> tuple[int, int]:
    """Leave shared punctuation at the end of a Chinese part out of it."""
    part = text[start:stop]
    end = len(part)
    while _SHARED_END.search(part[:end]):
        last = part[end - 1]
        if last == ")" and part[:end].count("(") >= part[:end].count(")"):
            break
        if last == "%" and part[:end].count("(") > part[:end].count(")"):
            break
        end -= 1
    return start, start + end


def _english_before(text: str, position: int, start: int, chinese: str) -> tuple[int, int]:
    """Return where the English half before a Chinese part begins and ends.

    Args:
        position: where the Chinese before it ends.
        start: where the Chinese part starts.
    """
    end = start - len(text[:start]) + len(text[:start].rstrip())
    line = text.rfind("\n", position, max(end, position)) + 1
    begin = max(position, line)
    if chinese.endswith(("。", "！", "？")):
        name = _NAME_BEFORE.match(text, begin, end)
        if name and not _PLAIN_WORD.search(name.group()):
            begin = name.end()
        return begin + len(text[begin:end]) - len(text[begin:end].lstrip()), end
    begin = _after_shared_label(text, begin, end, chinese)
    return _without_numbers(text, begin, end, chinese), end


def _after_shared_label(text: str, begin: int, end: int, chinese: str) -> int:
    """Return where the English half of a label begins, behind the last separator that is shared."""
    for separator in reversed(list(_SEPARATOR.finditer(text, begin, end))):
        mark = separator.group()
        inside = text[separator.end() : end]
        if mark == "(":
            if inside.count(")") <= inside.count("("):
                return separator.end()
        elif not set(_INSIDE[mark]) & set(chinese) and not _has_english(
            text[begin : separator.start()]
        ):
            return separator.end()
    return begin


def _without_numbers(text: str, begin: int, end: int, chinese: str) -> int:
    """Return where the English half begins, behind numbers that the Chinese half lacks."""
    for word in _WORD.finditer(text, begin, end):
        if _LETTER.search(word.group()) or chinese.startswith(word.group()):
            return word.start()
    return end


def _has_english(text: str) -> bool:
    """Tell whether a text has an English word that is no name and no unit."""
    return bool(_PLAIN_ENGLISH.search(_QUOTED.sub("", text)))
