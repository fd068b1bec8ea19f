"""Find answers that are equal, or nearly so, so that a mark may be given to all of them at once.

Equal means: the same letters and figures in the same order. Nearly equal means: at least
`THRESHOLD` of the text is that of the group's first answer, in the same order. Which answers are
compared is told by sketches (the smallest hashes of a text's pieces), so that a large class is not
compared pair by pair.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

from rapidfuzz import fuzz

THRESHOLD = 90.0  # per cent of the text
PIECE = 10  # characters of a piece that is hashed
SKETCH = 24  # hashes kept of each text
SHARED = 1 / 6  # of the hashes, from which on two texts are compared
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
    unequal = set()  # leaders of groups that are only nearly equal
    by_hash: dict[int, list[str]] = {}  # {hash: leaders whose sketch holds it}
    for name, text in texts.items():
        plain = normalised_text(text)
        leader = by_text.get(plain)
        if leader is None:
            sketch = _sketch(plain)
            leader = _nearest(plain, sketch, leaders, by_hash)
            if leader is not None:
                unequal.add(leader)
            else:
                leader = name
                leaders[name] = plain
                members[name] = []
                for number in sketch:
                    by_hash.setdefault(number, []).append(name)
            by_text[plain] = leader
        members[leader].append(name)
    groups = []
    for leader, names in members.items():
        if len(names) > 1:
            groups.append(Group(tuple(names), leader not in unequal))
    return groups


def _nearest(
    plain: str,
    sketch: list[int],
    leaders: Mapping[str, str],
    by_hash: Mapping[int, list[str]],
) -> str | None:
    """Return the leader whose text is most like a text, if any is like enough."""
    shared: Counter[str] = Counter()
    for number in sketch:
        shared.update(by_hash.get(number, ()))
    best, best_ratio = None, 0.0
    for leader, count in shared.items():
        if count < SHARED * len(sketch):
            continue
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
