"""Turn what a record stores into a number with its 95 % interval, or compare two such values.

A field holds the values of every item and seed, one value a seed, mean and spread over seeds, an
interval, quartiles of rounds, or one number; the most detailed form decides how it is compared.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinybert_l.course import intervals
from tinybert_l.course.intervals import Estimate
from tinybert_l.course.record_types import Method, Record
from tinybert_l.course.rows import Hits, Interval, OverSeeds, Quartiles, Row
from tinybert_l.errors import InvalidInput

# fields that hold counts, which are the same in every run
COUNTED_FIELDS = {"times_smaller", "megabytes", "gflops_per_review", "times_fewer_flops"}
# how many items a share is of, where a record keeps shares alone
TEST_TEXTS = 1200
QUESTION_KINDS = 9


@dataclass(frozen=True)
class Measured:
    """A number with its interval, how that was made, and the number of seeds behind it."""

    estimate: Estimate
    method: Method
    seeds: int | None = None


@dataclass(frozen=True)
class StoredValue:
    """The value of a row's field, or of one key of it."""

    record: Record
    row: Row
    field: str
    value: Any

    @property
    def items(self) -> np.ndarray | None:
        """The values of every item [seeds, items], in percent where they are hits."""
        by_seed = self._hits or self.value
        if not isinstance(by_seed, tuple) or not by_seed or self.field.endswith("_curve"):
            return None
        if isinstance(by_seed[0], Hits):
            return 100 * np.array([hits.unpack() for hits in by_seed], float)
        if isinstance(by_seed[0], tuple):
            return np.array(by_seed, float)
        seeds = self.seeds
        if seeds and len(by_seed) > seeds and len(by_seed) % seeds == 0:  # batches of each seed
            return np.array(by_seed, float).reshape(seeds, -1)
        return None

    @property
    def _hits(self) -> tuple[Hits, ...]:
        """Right and wrong answers, which rows keep beside the share of the right ones."""
        hits = self.value
        if self.field in ("accuracy_percent", "exact_match_percent"):
            hits = getattr(self.row, "hits", ())
        if isinstance(hits, Hits):
            return (hits,)
        is_hits = isinstance(hits, tuple) and bool(hits) and isinstance(hits[0], Hits)
        return hits if is_hits else ()

    @property
    def are_hits(self) -> bool:
        """Whether the items are right and wrong answers, in percent: 100 and 0."""
        return bool(self._hits)

    @property
    def seeds(self) -> int | None:
        """The number of the record's seeds, or of those of the record that it rests on."""
        recipes = [self.record.recipe or {}]
        recipes += [part for part in recipes[0].values() if isinstance(part, dict)]
        for recipe in recipes:
            if "seeds" in recipe:
                return len(recipe["seeds"])
        return None

    @property
    def by_seed(self) -> tuple[float, ...] | None:
        """One value a seed; None: not kept."""
        kept = getattr(self.row, "by_seed", None) or {}
        if self.field in kept:
            return kept[self.field]
        if isinstance(self.value, OverSeeds):
            return self.value.values
        if not isinstance(self.value, tuple) or self.field.endswith("_curve"):
            return None
        return self.value if all(isinstance(part, int | float) for part in self.value) else None

    @property
    def spread(self) -> "Spread | None":
        """Mean and spread over seeds, and the error of the choice of items; None: not kept."""
        items = self.items
        if items is not None:
            means = items.mean(-1)
            sd = float(means.std(ddof=1)) if len(means) > 1 else 0.0
            error = float(items.mean(0).std(ddof=1)) / math.sqrt(items.shape[1])
            # a single row of a record without seeds: nothing was drawn at random
            seeds = len(means) if len(means) > 1 else self.seeds and 1
            return Spread(float(means.mean()), sd, seeds, error)
        if isinstance(self.value, OverSeeds):
            mean, values = self.value.mean, self.value.values or ()
            seeds = len(values) if len(values) > 1 else self.seeds or 2
            return Spread(mean, self.value.sd, seeds, self.items_error(mean))
        if isinstance(self.value, int | float):  # a baseline that draws nothing at random
            return Spread(self.value, 0.0, None, self.share_error(self.value))
        return None

    def items_error(self, mean: float) -> float:
        """The standard error that the choice of items adds to the spread over seeds.

        Where each seed has a fold of its own, the spread over seeds holds it already.
        """
        has_folds = bool((self.record.recipe or {}).get("folds"))
        return 0.0 if has_folds and (self.seeds or 0) > 1 else self.share_error(mean)

    def share_error(self, mean: float) -> float:
        """The standard error that the choice of items adds to a share; else 0."""
        scale = 100.0 if self.field.endswith("_percent") else 1.0
        if scale == 1 and not self.field.endswith("_fraction"):
            return 0.0
        items = TEST_TEXTS
        recipe = self.record.recipe or {}
        if "stories" in recipe:
            of_all = self.field.endswith("_all_percent")
            items = recipe["stories"] if of_all else recipe["stories"] // QUESTION_KINDS
        return scale * intervals.share_error(mean / scale, items)


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over seeds; the standard error of the choice of items."""

    mean: float
    sd: float
    seeds: int | None
    items_error: float


def measured(stored: StoredValue) -> Measured:
    """Give a stored value its interval."""
    value = stored.value
    method: Method
    if isinstance(value, Interval):
        estimate = Estimate(value.estimate, value.low, value.high)
        return Measured(estimate, value.method, stored.seeds)
    if isinstance(value, Quartiles):
        return Measured(Estimate(value.median, value.low, value.high), "rounds")
    items = stored.items
    if items is not None:
        bounds = (0.0, 100.0) if stored.are_hits else None
        result = Measured(intervals.hierarchical(items, bounds), _method(items), len(items))
        return _within(result, bounds)
    if isinstance(value, OverSeeds) and stored.spread is not None:
        is_share = stored.share_error(0.5) > 0
        bounds = (0.0, 100.0 if stored.field.endswith("_percent") else 1.0) if is_share else None
        return _within(_from_spreads(value.mean, stored.spread), bounds)
    by_seed = stored.by_seed
    is_exact = getattr(stored.row, "unit", "") == "forward_flops"
    if by_seed is not None and len(by_seed) > 1 and not is_exact:
        method = "seeds" if stored.seeds else "rounds"
        return Measured(intervals.over_seeds(by_seed), method, stored.seeds)
    if not isinstance(value, int | float):
        raise InvalidInput(f"evidence: {stored.field}={value!r}; allowed: fields of numbers.")
    return _without_spread(value, stored)


def _within(result: Measured, bounds: tuple[float, float] | None) -> Measured:
    """Cut an interval at what a share can be."""
    if bounds is None:
        return result
    low, high = max(result.estimate.low, bounds[0]), min(result.estimate.high, bounds[1])
    return dataclasses.replace(result, estimate=Estimate(result.estimate.mean, low, high))


def difference(first: StoredValue, second: StoredValue) -> Measured:
    """Compare two stored values: `first` minus `second`, paired where items or seeds are kept.

    Raises:
        InvalidInput: values that cannot be compared.
    """
    paired = _paired(first, second)
    if paired is not None:
        gaps = paired[0] - paired[1]
        bounds = (-100.0, 100.0) if first.are_hits and second.are_hits else None
        return Measured(intervals.hierarchical(gaps, bounds), _method(gaps), len(gaps))
    by_seed = _by_seed(first, second)
    if by_seed is not None:
        gaps = by_seed[0] - by_seed[1]
        errors = first.items_error(by_seed[0].mean()), second.items_error(by_seed[1].mean())
        spread = Spread(gaps.mean(), gaps.std(ddof=1), len(gaps), math.hypot(*errors))
        return _from_spreads(spread.mean, spread)
    if _are_numbers(first, second):
        return _without_spread(first.value - second.value, first)
    spreads = _spreads(first, second)
    return _from_spreads(spreads[0].mean - spreads[1].mean, *spreads)


def ratio(first: StoredValue, second: StoredValue) -> Measured:
    """Compare two stored values: `first` over `second`.

    Raises:
        InvalidInput: values that cannot be compared, or a divisor that is not above 0.
    """
    if isinstance(first.value, Quartiles) and isinstance(second.value, Quartiles):
        return Measured(_ratio_of_durations(first.value, second.value), "rounds")
    paired = _paired(first, second)
    if paired is not None:
        _above_zero(paired[1].mean())
        return Measured(intervals.ratio_of_means(*paired), _method(paired[0]), len(paired[0]))
    if _are_numbers(first, second):
        return _without_spread(first.value / _above_zero(second.value), first)
    by_seed = _by_seed(first, second)
    is_share = first.share_error(0.5) > 0  # whose choice of items would be left out
    if by_seed is not None and by_seed.min() > 0 and not is_share:
        return Measured(intervals.ratio_by_round(*by_seed), "seeds", by_seed.shape[1])
    spreads = _spreads(first, second)
    divisor = _above_zero(spreads[1].mean)
    share = spreads[0].mean / divisor
    scales = (1 / divisor, share / divisor)
    scaled = []
    for spread, scale in zip(spreads, scales, strict=True):
        scaled.append(Spread(0.0, scale * spread.sd, spread.seeds, scale * spread.items_error))
    return _from_spreads(share, *scaled)


def _ratio_of_durations(first: Quartiles, second: Quartiles) -> Estimate:
    """Paired by round where the rounds were kept, else by the worst ratio of the quartiles."""
    if first.rounds and second.rounds and len(first.rounds) == len(second.rounds):
        return intervals.ratio_by_round(first.rounds, second.rounds)
    ends = dataclasses.astuple(first)[:3], dataclasses.astuple(second)[:3]
    return intervals.ratio_of_quartiles(*ends)


def _from_spreads(mean: float, *spreads: Spread) -> Measured:
    """An interval from independent spreads; degrees of freedom are those of the fewest seeds."""
    sd = math.hypot(*(spread.sd for spread in spreads))
    error = math.hypot(*(spread.items_error for spread in spreads))
    counts = [spread.seeds for spread in spreads if spread.seeds]
    if 1 in counts and error:
        estimate = Estimate.around(mean, intervals.NORMAL_QUANTILE * error)
        return Measured(estimate, "one_seed", 1)
    if 1 in counts:
        return Measured(Estimate(mean, mean, mean), "bare", 1)
    seeds = min(counts, default=2)
    return Measured(intervals.from_spread(mean, sd, seeds, error), "seeds", seeds)


def _without_spread(number: float, stored: StoredValue) -> Measured:
    unit = getattr(stored.row, "unit", "")
    is_count = stored.field in COUNTED_FIELDS or unit == "forward_flops"
    return Measured(Estimate(number, number, number), "count" if is_count else "bare")


def _paired(first: StoredValue, second: StoredValue) -> tuple[np.ndarray, np.ndarray] | None:
    """Values of the same items [seeds, items]; what has one row for all seeds is repeated."""
    if getattr(first.row, "task", None) != getattr(second.row, "task", None):
        return None  # as many items perhaps, but not the same
    values = first.items, second.items
    if values[0] is None or values[1] is None or values[0].shape[1] != values[1].shape[1]:
        return None
    seeds = {len(values[0]), len(values[1])}
    if len(seeds - {1}) > 1:
        return None
    shape = (max(seeds), values[0].shape[1])
    return np.broadcast_to(values[0], shape), np.broadcast_to(values[1], shape)


def _by_seed(first: StoredValue, second: StoredValue) -> np.ndarray | None:
    """One value a seed of both [2, seeds]; None: not kept, or of other seeds."""
    values = first.by_seed, second.by_seed
    if values[0] is None or values[1] is None or len(values[0]) != len(values[1]):
        return None
    return np.array(values, float) if len(values[0]) > 1 else None


def _are_numbers(first: StoredValue, second: StoredValue) -> bool:
    return all(isinstance(stored.value, int | float) for stored in (first, second))


def _above_zero(divisor: float) -> float:
    if divisor <= 0:
        raise InvalidInput(f"ratio: divisor={divisor}; allowed: a number above 0.")
    return divisor


def _method(values: np.ndarray) -> Method:
    return "seeds_and_items" if len(values) > 1 else "one_seed"


def _spreads(first: StoredValue, second: StoredValue) -> tuple[Spread, Spread]:
    spreads = first.spread, second.spread
    if spreads[0] is None or spreads[1] is None:
        raise InvalidInput(
            f"evidence: {first.field}={first.value!r} and {second.value!r}; allowed: values of "
            "items, of seeds, means with their spread, or quartiles."
        )
    return spreads[0], spreads[1]
