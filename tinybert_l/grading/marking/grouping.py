"""Find answers that are equal, or nearly so, so that a mark may be given to all of them at once.

Equal means: the same letters and figures in the same order. Nearly equal means: at least
`THRESHOLD` of the text is that of the group's first answer, in the same order. Which answers are
compared is told by sketches (the smallest hashes of a text's pieces), so that a class of thousands
takes seconds.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

from rapidfuzz import fuzz

THRESHOLD = 90.0  # per cent of the text
PIECE = 6  # characters of a piece that is hashed
SKETCH = 24  # hashes kept of each text
COMPARED = 10_000  # characters of a text that are looked at
_NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Group:
    """Answers that say nearly the same.

    Args:
        members: at least two; the first is the one that the others were compared with.
        equal: whether all are equal, not only nearly so.
    """

    members: tuple[str, ...]
    equal: bool


def normalised_text(text: str) -> str:
    """Return the letters and figures of a text, small, with one blank between words.

    >>> normalised_text("Ｕniform  mapping,\\n*uniform*!")
    'uniform mapping uniform'
    """
    folded = unicodedata.normalize("NFKC", text[:COMPARED]).casefold()
    return _NO_WORD.sub(" ", folded).strip()


def groups_of(texts: Mapping[str, str]) -> list[Group]:
    """Return the groups among answers; an answer that is like no other is in none.

    Args:
        texts: {name: answer}. The order decides whose text leads a group.
    """
    leaders: dict[str, str] = {}  # {name: normalised text} of each group's first answer
    members: dict[str, list[str]] = {}
    by_text: dict[str, str] = {}  # {normalised text: leader}
    by_hash: dict[int, list[str]] = {}  # {hash: leaders whose sketch holds it}
    for name, text in texts.items():
        plain = normalised_text(text)
        leader = by_text.get(plain) or _nearest(plain, leaders, by_hash)
        if leader is None:
            leader = name
            leaders[name] = plain
            members[name] = []
            for number in _sketch(plain):
                by_hash.setdefault(number, []).append(name)
        by_text.setdefault(plain, leader)
        members[leader].append(name)
    groups = []
    for leader, names in members.items():
        if len(names) > 1:
            same = all(normalised_text(texts[name]) == leaders[leader] for name in names)
            groups.append(Group(tuple(names), same))
    return groups


def _nearest(
    plain: str, leaders: Mapping[str, str], by_hash: Mapping[int, list[str]]
) -> str | None:
    """Return the leader whose text is most like a text, if any is like enough."""
    best, best_ratio = None, 0.0
    candidates: dict[str, None] = {}
    for number in _sketch(plain):
        candidates.update(dict.fromkeys(by_hash.get(number, ())))
    for leader in candidates:
        ratio = fuzz.ratio(plain, leaders[leader], score_cutoff=THRESHOLD)
        if ratio > best_ratio:
            best, best_ratio = leader, ratio
    return best


def _sketch(plain: str) -> list[int]:
    """Return the smallest hashes of a text's overlapping pieces."""
    numbers = set()
    for start in range(max(1, len(plain) - PIECE + 1)):
        numbers.add(crc32(plain[start : start + PIECE].encode()))
    return sorted(numbers)[:SKETCH]
