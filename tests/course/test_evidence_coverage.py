"""Intervals cover a planted effect as often as they say."""

import importlib
import math
import statistics
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from tinybert_l.course import intervals, stored_values
from tinybert_l.course.evidence import answer
from tinybert_l.method.data import TEST_SIZE
from tinybert_l.tasks.stories import KINDS

# What seeds, items and noise contribute: standard deviations of one value. The last rows are the
# spreads between seeds that this course's records have: as large as the error of 1,200 items, or
# a few times that (the simulation has 100 items, so that 0.1 is the error of their mean).
SPREADS = [(0.03, 1.0, 1.0), (0.1, 1.0, 1.0), (0.2, 1.0, 1.0), (0.3, 0.5, 1.0), (1.0, 1.0, 1.0)]
SPREADS += [(0.1, 0.0, 1.0), (0.2, 0.0, 1.0), (0.2, 1.0, 0.2)]
EFFECT = 0.25


def planted(runs, seeds, items, spreads, folds=False, effect=EFFECT):
    """Paired differences [runs, seeds, items] whose true mean is `effect`."""
    random = np.random.default_rng(7)
    of_seeds, of_items, noise = spreads
    values = effect + of_seeds * random.standard_normal((runs, seeds, 1))
    values = values + of_items * random.standard_normal((runs, seeds if folds else 1, items))
    return values + noise * random.standard_normal((runs, seeds, items))


def coverage(values, half_width, truth=EFFECT):
    return float((np.abs(values.mean((1, 2)) - truth) <= half_width).mean())


@pytest.mark.parametrize("spreads", SPREADS)
@pytest.mark.parametrize(("seeds", "folds"), [(3, False), (3, True), (5, False)])
def test_the_interval_covers_a_planted_effect_95_times_in_a_hundred(spreads, seeds, folds):
    values = planted(4000, seeds, 100, spreads, folds)
    covered = coverage(values, intervals.half_width(values))
    assert 0.93 <= covered <= 0.97, covered


def test_with_two_seeds_the_interval_is_wide_but_covers():
    for spreads in SPREADS:
        values = planted(4000, 2, 100, spreads)
        assert coverage(values, intervals.half_width(values)) >= 0.93


def bootstrap_intervals(values, draws=400):
    """For each run, the interval that drawing seeds and items anew gives: [runs] low and high."""
    random = np.random.default_rng(8)
    _, seeds, items = values.shape
    of_items = random.multinomial(items, np.full(items, 1 / items), draws) / items
    of_seeds = random.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
    by_seed = values @ of_items.T  # [runs, seeds, draws]
    means = (by_seed * of_seeds.T).sum(1)
    return np.quantile(means, [0.025, 0.975], axis=1)


def test_a_bootstrap_over_three_seeds_covers_less():
    """Why records need the values of their seeds."""
    covered = []
    for spreads in SPREADS[2:5]:
        values = planted(1000, 3, 100, spreads)
        low, high = bootstrap_intervals(values)
        covered.append(float(((low <= EFFECT) & (high >= EFFECT)).mean()))
    assert min(covered) < 0.79 and max(covered) < 0.93, covered
    assert covered == sorted(covered, reverse=True)  # the more seeds differ, the less it covers


def test_right_and_wrong_answers_of_two_models_are_covered():
    """A model is right where its seed's skill, the sentence and chance are above 0 together."""
    random = np.random.default_rng(9)
    runs, seeds, items, spread = 1000, 3, 400, 0.1
    sentences = random.standard_normal((runs, 1, items))
    hits = []
    for skill in (1.25, 1.1):
        of_seeds = spread * random.standard_normal((runs, seeds, 1))
        chance = random.standard_normal((runs, seeds, items))
        hits.append(skill + of_seeds + sentences + chance > 0)
    truth = [stats.norm.cdf(skill / math.sqrt(2 + spread**2)) for skill in (1.25, 1.1)]
    values = hits[0].astype(float) - hits[1]
    covered = coverage(values, intervals.half_width(values), truth[0] - truth[1])
    assert 0.93 <= covered <= 0.97, covered


def answers_to(effect):
    """How often each answer comes, of a claim that the effect is above 0."""
    values = planted(2000, 3, 100, (0.1, 1.0, 1.0), effect=effect)
    means, half_widths = values.mean((1, 2)), intervals.half_width(values)
    ends = zip(means - half_widths, means + half_widths, strict=True)
    return Counter(answer(low, high, 0.0) for low, high in ends)


def test_the_three_answers_to_planted_effects():
    none, large, small = answers_to(0.0), answers_to(1.0), answers_to(0.2)
    assert none["undecided"] >= 0.93 * 2000
    assert max(none["holds"], none["does_not_hold"]) <= 0.04 * 2000
    assert large["holds"] >= 0.95 * 2000 and not large["does_not_hold"]
    assert small["undecided"] >= 0.5 * 2000  # too small for three seeds and 100 items
    assert answers_to(-1.0)["does_not_hold"] >= 0.95 * 2000


def test_quartiles_of_rounds_bound_a_ratio_of_durations():
    """From five rounds on, the worst ratio of the quartiles covers the true one."""
    random = np.random.default_rng(10)
    for rounds in (5, 9, 15):
        covered = 0
        for _ in range(400):
            first, second = np.exp(0.2 * random.standard_normal((2, rounds)))
            ends = []
            for times in (3 * first, second):
                low, middle, high = statistics.quantiles(times, n=4)
                ends.append((middle, low, high))
            estimate = intervals.ratio_of_quartiles(*ends)
            covered += estimate.low <= 3 <= estimate.high
        assert covered >= 0.93 * 400, (rounds, covered)


def test_a_perfect_score_on_few_items_is_no_certainty():
    assert intervals.share_error(1.0, 100) > 0.01
    assert intervals.share_error(0.5, 1200) == pytest.approx(math.sqrt(0.25 / 1200), rel=0.01)
    assert stored_values.TEST_TEXTS == TEST_SIZE
    assert len(KINDS) == stored_values.QUESTION_KINDS


def test_new_long_runs_keep_values_and_the_new_interval(checkout, monkeypatch):
    monkeypatch.syspath_prepend(checkout / "benchmarks")
    long_run = importlib.import_module("long_run")
    gaps = planted(1, 3, 50, (0.1, 0.5, 0.5))[0]
    kept = long_run.paired_interval(gaps)
    estimate = intervals.hierarchical(100 * gaps, (-100.0, 100.0))
    assert (kept.estimate, kept.low, kept.high) == (estimate.mean, estimate.low, estimate.high)
    assert kept.method == "seeds_and_items"
    assert long_run.paired_interval(gaps[:1]).method == "one_seed"
    assert long_run.over_seeds([1.0, 2.0, 4.0]).values == (1.0, 2.0, 4.0)
    headline = importlib.import_module("headline")
    student, teacher = [[1, 1, 0, 1], [1, 0, 0, 1]], [[1, 1, 1, 1], [1, 1, 1, 1]]
    kept = headline.kept_interval(student, teacher)
    assert kept.estimate == pytest.approx(62.5) and kept.low < 62.5 < kept.high
    assert kept.method == "seeds_and_items"
