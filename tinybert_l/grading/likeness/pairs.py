"""Score all pairs of a class's answers to one exercise, and say how unusual the highest scores are.

A score is the cosine of two answers' vectors: a run of tokens or characters counts the more, the
fewer answers hold it; what was given to everybody counts nothing. An answer shorter than the
class's median counts as if it had median length, so that short answers are never very alike.

How often independent answers are as alike is read from the class itself. Nearly all of its pairs
are independent: up to the highest 0.1 % their shares are counted; beyond, an exponential tail is
fitted to the highest tenth without that part (Hill's estimator with censoring).
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

RUNS_NEEDED = 12  # of an answer's own, that were not given to everybody
ANSWERS_NEEDED = 20  # from so many on the class tells how likely a likeness is
COMMON_SHARE = 0.5  # what more of the class writes counts as given
BLOCK = 500  # rows of the product that are held at once
TAIL = 0.1  # of the pairs: the part that the tail is fitted to, with the censored part
CENSORED = 0.001  # of the pairs, at least CENSORED_PAIRS of them: those may not be independent
CENSORED_PAIRS = 5
IDENTICAL = 0.9  # a score from which on two answers are the same but for details
TWIN_SHARE = 1 / 3  # of the answers: where so many are the same as another, it means nothing
OWN_SHARE = 0.5  # of the answers that must hold RUNS_NEEDED runs of their own
SHOWN_SCORE = 0.5  # of a pair that is shown where the class is too small for chances
_NEAREST_ONE = 1e-3  # scores beyond 1 minus this count as equal


@dataclass(frozen=True)
class Pair:
    """Two answers that are more alike than others.

    Args:
        first, second: their indices among the answers.
        score: from 0 to 1.
        as_alike: pairs of the class that are at least so alike.
        expected: how many such pairs independent answers would have in a class of this size; None
            where the class is too small to say.
    """

    first: int
    second: int
    score: float
    as_alike: int
    expected: float | None


@dataclass(frozen=True)
class Comparison:
    """What comparing all answers to one exercise gave.

    Args:
        num_compared: answers that hold enough of their own.
        num_pairs: of those.
        typical, high: the median and the 99.9 % quantile of their scores.
        pairs: those that independent answers would seldom have, the most surprising first.
        num_further: pairs that would be listed too, and are not, since there are too many.
        nothing: why likeness means nothing here; empty where it may mean something.
    """

    num_compared: int
    num_pairs: int
    typical: float
    high: float
    pairs: list[Pair]
    num_further: int
    nothing: str


def compare(answers: Iterable[Iterable[str]], given: frozenset[str], limit: int) -> Comparison:
    """Compare all answers to one exercise.

    Args:
        answers: the runs of each; nobody's is empty. They are read once, one after the other: those
            of a large class would fill the memory.
        given: runs of the released text and of the reference answer.
        limit: how many pairs are listed at most.
    """
    matrix, num_own = _matrix(answers, given)
    chosen = np.flatnonzero(num_own >= RUNS_NEEDED)
    if len(chosen) < 2 or len(chosen) < OWN_SHARE * len(num_own):
        reason = (
            "most answers hold next to nothing beyond what was given or what everybody writes "
            "多数解答除给定内容外几乎相同"
        )
        return Comparison(len(chosen), 0, 0.0, 0.0, [], 0, reason)
    scores = _scores(matrix[chosen])
    num_pairs = len(scores)
    typical, high = float(np.median(scores)), float(np.quantile(scores, 1 - CENSORED))
    twins = _positions(np.flatnonzero(scores >= IDENTICAL), len(chosen))
    num_twins = len(np.unique(np.concatenate(twins)))
    if len(chosen) >= ANSWERS_NEEDED and num_twins > TWIN_SHARE * len(chosen):
        reason = (
            f"{num_twins} of {len(chosen)} answers are the same as another one but for details: "
            "few solutions are possible 可能的解法很少，很多解答几乎相同"
        )
        return Comparison(len(chosen), num_pairs, typical, high, [], 0, reason)
    pairs = _unusual(scores, chosen)
    pairs.sort(key=lambda pair: (pair.expected or 0.0, -pair.score))
    further = max(0, len(pairs) - limit)
    return Comparison(len(chosen), num_pairs, typical, high, pairs[:limit], further, "")


def _matrix(
    answers: Iterable[Iterable[str]], given: frozenset[str]
) -> tuple[csr_matrix, NDArray[np.int64]]:
    """Return the weighted vectors of answers, and how many runs of its own each holds."""
    parts = [_numbers(set(runs) - given) for runs in answers]
    ends = np.cumsum([0, *map(len, parts)])
    nothing = np.empty(0, dtype=np.uint64)  # nobody may have answered
    numbers, indices = np.unique(np.concatenate([nothing, *parts]), return_inverse=True)
    shape = (len(parts), max(1, len(numbers)))
    matrix = csr_matrix((np.ones(len(indices), dtype=np.float32), indices, ends), shape=shape)
    count = np.bincount(indices, minlength=shape[1])
    weights = np.log((len(parts) + 1) / np.maximum(count, 1)).astype(np.float32)
    if len(parts) >= ANSWERS_NEEDED:
        weights[count > COMMON_SHARE * len(parts)] = 0
    matrix.data *= weights[matrix.indices]
    matrix.eliminate_zeros()
    return matrix, np.diff(matrix.indptr).astype(np.int64)


def _numbers(runs: Set[str]) -> NDArray[np.uint64]:
    """Return runs as rising numbers of 64 bits, the same in each process: texts take much room."""
    digests = [
        blake2b(run.encode("utf-8", "surrogatepass"), digest_size=8).digest() for run in runs
    ]
    return np.sort(np.frombuffer(b"".join(digests), dtype=np.uint64))


def _scores(matrix: csr_matrix) -> NDArray[np.float32]:
    """Return the scores of all pairs, in the order of `np.triu_indices` without the diagonal."""
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    lengths = np.maximum(norms, np.median(norms)).astype(np.float32)
    matrix = csr_matrix(matrix.multiply(1 / lengths[:, None]))
    turned = matrix.T.tocsr()
    parts = []
    for start in range(0, matrix.shape[0], BLOCK):
        block = (matrix[start : start + BLOCK] @ turned).toarray()
        for row, scores in enumerate(block):
            parts.append(scores[start + row + 1 :].copy())
    return np.clip(np.concatenate(parts), 0, 1)


def _unusual(scores: NDArray[np.float32], chosen: NDArray[np.int64]) -> list[Pair]:
    """Return the pairs of which independent answers would have less than one in such a class."""
    is_large = len(chosen) >= ANSWERS_NEEDED
    ordered = np.sort(scores)
    tail = _Tail(ordered) if is_large else None
    lowest = tail.censored_from if tail is not None else SHOWN_SCORE
    indices = np.flatnonzero(scores >= lowest)
    rows, columns = _positions(indices, len(chosen))
    pairs = []
    for index, row, column in zip(indices, chosen[rows], chosen[columns], strict=True):
        score = float(scores[index])
        expected = None if tail is None else tail.chance(score) * len(scores)
        if expected is None or expected < 1:
            as_alike = len(ordered) - int(np.searchsorted(ordered, scores[index]))
            pairs.append(Pair(int(row), int(column), score, as_alike, expected))
    return pairs


class _Tail:
    """Tells how likely a score is among independent answers, by the class's own scores.

    Args:
        ordered: the scores, rising.
    """

    def __init__(self, ordered: NDArray[np.float32]) -> None:
        self.ordered = ordered
        num_censored = max(CENSORED_PAIRS, round(CENSORED * len(ordered)))
        start = max(0, int((1 - TAIL) * len(ordered)))
        end = max(len(ordered) - num_censored, start + 1) - 1
        # pairs that share nothing tell nothing of how likely it is to share more
        start = min(max(start, int(np.searchsorted(ordered, 0, side="right"))), end)
        self.censored_from = float(ordered[end])
        self.share_beyond = (len(ordered) - end) / len(ordered)
        stretched = _stretched(ordered[start : end + 1])
        low = float(stretched[0])
        excesses = stretched - low
        self.limit = low + float(excesses[-1])
        total = float(excesses.sum()) + num_censored * float(excesses[-1])
        self.rate = len(excesses) / total if total > 0 else 0.0

    def chance(self, score: float) -> float:
        """Return the share of independent pairs that are at least so alike."""
        if score <= self.censored_from:
            position = int(np.searchsorted(self.ordered, np.float32(score)))
            return 1 - position / len(self.ordered)
        excess = float(_stretched(np.array([score]))[0]) - self.limit
        return float(self.share_beyond * np.exp(-self.rate * excess))


def _stretched(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Return -log(1 - score), which has room for differences between high scores."""
    return -np.log(np.maximum(1 - scores.astype(np.float64), _NEAREST_ONE))


def _positions(
    indices: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of pairs, from their places among all pairs of so many answers."""
    row_ends = np.cumsum(np.arange(size - 1, 0, -1))
    rows = np.searchsorted(row_ends, indices, side="right")
    before = np.concatenate([[0], row_ends])[rows]
    return rows, rows + 1 + indices - before
