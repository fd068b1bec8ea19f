"""What is stored of a verdict, in the language of the course."""

import re
from functools import cache

from tinybert_l.course.captions.columns import COLUMNS
from tinybert_l.course.captions.identifiers import VALUES
from tinybert_l.course.captions.words import UNITS_ZH, Caption
from tinybert_l.languages import current_language, in_words

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_ENGLISH_WORDS = re.compile(r"[a-z]{2,} [a-z]{2,}")
_COMPARED = re.compile(r" [/−] ")


def stored_words(text: str) -> str:
    """A verdict's stored test or number; its parts, joined by "; ", are reduced one by one.

    A stored text holds both languages, but for captions that are Chinese in a Chinese course alone:
    these are put in their places.

    Args:
        text: such as "3×½, windows: against cutting 与截断之差: > 0.00 points".
    """
    if current_language() is None:
        return text
    return "; ".join(map(_part_in_language, text.split("; ")))


def _part_in_language(part: str) -> str:
    if current_language() == "zh":
        for english, chinese in _chinese_alone():
            part = re.sub(rf"(?:^|(?<=[,:/−] )){english}(?=$|[,:] | [/−] )", chinese, part)
        for unit, chinese in UNITS_ZH.items():
            part = re.sub(rf"(?<= ){unit}$", chinese, part)
    compared = _COMPARED.search(part)
    if compared and (_CHINESE.search(part, 0, compared.start()) or not _has_words(part, compared)):
        before, after = part[: compared.start()], part[compared.end() :]
        return f"{in_words(before)}{compared.group()}{_part_in_language(after)}"
    return in_words(part)


def _has_words(part: str, compared: re.Match[str]) -> bool:
    return _ENGLISH_WORDS.search(part, 0, compared.start()) is not None


@cache
def _chinese_alone() -> list[tuple[str, str]]:
    """(pattern of the English, Chinese) of captions without Chinese beside their English."""
    known: list[Caption] = [caption for values in VALUES.values() for caption in values.values()]
    known += [column.title for columns in COLUMNS.values() for column in columns.values()]
    pairs = {c.en: c.zh_alone for c in known if c.zh_alone and not c.zh and "{" not in c.en}
    longest_first = sorted(pairs.items(), key=lambda pair: -len(pair[0]))
    return [(re.escape(english), chinese) for english, chinese in longest_first]
