"""95 % intervals over seeds and test items. Needs numpy and scipy, no torch.

Two things vary when a method is measured: the seed (order of batches, start of new weights) and the
test items. `hierarchical` counts both. Their two errors are known unequally well: that of the seeds
from their number less one, that of the items from a thousand of them. Two approximations are usual:

    half width² = (t[seeds - 1] · error of the seeds)² + (t[items - 1] · error of the items)²
    half width² = t[degrees]² · (error of the seeds² + error of the items²)

with Student's t quantiles (4.30 for three seeds, not 1.96) and Satterthwaite's (1946) degrees of
freedom in the second. By simulation with three seeds the first is a little too wide where items and
noise weigh alike (98 %), the second a little too narrow where seeds do (92 %); the mean of both
covers 94 to 97 times in a hundred, whatever seeds and items contribute. A bootstrap that draws both
anew covers 76 where the seeds differ most. tests/course/test_evidence_coverage.py plants effects of
known size and counts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

NORMAL_QUANTILE = float(ndtri(0.975))


@dataclass(frozen=True)
class Estimate:
    """A mean and the two ends of its 95 % interval."""

    mean: float
    low: float
    high: float

    @classmethod
    def around(cls, mean: float, half_width: float) -> "Estimate":
        """An interval that reaches as far to both sides."""
        return cls(float(mean), float(mean - half_width), float(mean + half_width))


def t_quantile(degrees: float) -> float:
    """The 97.5 % quantile of Student's t distribution: 4.30 for 2 degrees of freedom."""
    return float(stdtrit(degrees, 0.975))


def hierarchical(differences: Any, bounds: tuple[float, float] | None = None) -> Estimate:
    """The mean of paired differences [seeds, items], with its interval over seeds and items.

    Items may be the same for all seeds or others for each (folds): items that differ add nothing
    that the spread between the seeds does not hold already. With one seed the interval is over
    items alone: it speaks of this one trained model.

    Args:
        bounds: the least and the most that an item can be, for right and wrong answers. One item
            of each is added to find the width: answers that all agree are no certainty.
    """
    values = np.asarray(differences, float)
    return Estimate.around(np.mean(values), half_width(_with_bounds(values, bounds)))


def _with_bounds(values: np.ndarray, bounds: tuple[float, float] | None) -> np.ndarray:
    if bounds is None:
        return values
    return np.hstack([values, np.broadcast_to(np.array(bounds), (len(values), 2))])


def half_width(differences: np.ndarray) -> Any:
    """Half the width of the interval of `hierarchical`; any axes before the last two are kept."""
    seeds, items = differences.shape[-2:]
    t_items = t_quantile(items - 1)
    if seeds == 1:
        return t_items * differences[..., 0, :].std(-1, ddof=1) / math.sqrt(items)
    of_seeds = differences.mean(-1)
    of_items = differences.mean(-2)
    residuals = differences - of_seeds[..., :, None] - of_items[..., None, :]
    residuals += differences.mean((-1, -2))[..., None, None]
    noise = (residuals**2).sum((-1, -2)) / ((seeds - 1) * (items - 1)) / (seeds * items)
    of_seeds_squared = of_seeds.var(-1, ddof=1) / seeds
    # the spread of the items' means holds noise that the seeds' error has counted already
    of_items_squared = np.maximum(of_items.var(-1, ddof=1) / items - noise, 0.0)
    apart = t_quantile(seeds - 1) ** 2 * of_seeds_squared + t_items**2 * of_items_squared
    together = of_seeds_squared + of_items_squared
    parts = of_seeds_squared**2 / (seeds - 1) + of_items_squared**2 / (items - 1)
    degrees = np.where(parts > 0, together**2 / np.where(parts > 0, parts, 1.0), 1.0)
    return np.sqrt((apart + stdtrit(degrees, 0.975) ** 2 * together) / 2)


def ratio_of_means(first: np.ndarray, second: np.ndarray) -> Estimate:
    """The ratio of two means over the same seeds and items [seeds, items], with its interval."""
    divisor = second.mean()
    share = first.mean() / divisor
    # to first order: how far each item moves the ratio
    return Estimate.around(share, half_width((first - share * second) / divisor))


def ratio_by_round(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """The ratio of two durations measured in turns, with a t interval of its logarithm."""
    logarithms = np.log(np.asarray(first, float)) - np.log(np.asarray(second, float))
    estimate = over_seeds(logarithms.tolist())
    return Estimate(math.exp(estimate.mean), math.exp(estimate.low), math.exp(estimate.high))


def over_seeds(values: Sequence[float]) -> Estimate:
    """The mean of one value a seed, with its t interval: items are not counted."""
    return from_spread(float(np.mean(values)), float(np.std(values, ddof=1)), len(values))


def from_spread(mean: float, sd: float, seeds: int, items_error: float = 0.0) -> Estimate:
    """A t interval from mean and standard deviation over seeds.

    Args:
        items_error: the standard error that the choice of the test items adds.
    """
    seeds_part = t_quantile(seeds - 1) * sd / math.sqrt(seeds)
    return Estimate.around(mean, math.hypot(seeds_part, NORMAL_QUANTILE * items_error))


def share_error(share: float, items: int) -> float:
    """The standard error of a share of test items; two are added on each side (Agresti-Coull).

    A share of 1 in 100 items is no certainty: its error is 0.019, not 0.
    """
    inside = (share * items + 2) / (items + 4)
    return math.sqrt(inside * (1 - inside) / (items + 4))


def ratio_of_quartiles(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> Estimate:
    """The ratio of two medians of rounds, with the least and the most that their quartiles allow.

    Args:
        first, second: (median, lower quartile, upper quartile), all above 0.
    """
    return Estimate(first[0] / second[0], first[1] / second[2], first[2] / second[1])
