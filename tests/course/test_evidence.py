"""The one rule of evidence: intervals that cover, answers that follow, verdicts from records."""

import ast
import dataclasses
import importlib
import json
import math
import re
import statistics
from collections import Counter

import nbformat
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from tinybert_l.course import evidence, intervals, records, rows, stored_values
from tinybert_l.course.evidence import answer, difference, from_record, judge, ratio
from tinybert_l.course.recipes import LONG_JOINT
from tinybert_l.course.record_types import ClaimVerdict, Evidence, Record, Verdict
from tinybert_l.course.records import all_verdicts, save_verdicts, write_record
from tinybert_l.course.rows import Interval, OverSeeds, Quartiles
from tinybert_l.course.stored_values import StoredValue
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.method.data import TEST_SIZE
from tinybert_l.method.evaluation import count_parameters, measure_latency, weight_bytes
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.stories import KINDS

SEEDS = {"seeds": [0, 1, 2]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Records and verdicts of their own."""
    monkeypatch.setattr(records, "RESULTS", tmp_path / "results")
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def claims(checkout, monkeypatch):
    monkeypatch.syspath_prepend(checkout / "tools")
    return importlib.import_module("claims")


def gap_record(low, middle, high, method=None, recipe=LONG_JOINT):
    name = "joint_against_separate"
    interval = Interval(middle, low, high, method)
    row = rows.JointMeanGapRow(interval)
    write_record(name, "joint_against_separate", "python", recipe, [row])
    return from_record(name, "difference_points", kind="joint_mean_gap")


def test_the_three_answers():
    assert answer(0.1, 2.0, 0.0) == "holds"
    assert answer(-2.0, -0.1, 0.0) == "does_not_hold"
    assert answer(-0.1, 2.0, 0.0) == "undecided"
    assert answer(0.1, 2.0, 0.5) == "undecided"
    assert answer(0.1, 2.0, 3.0) == "does_not_hold"
    assert answer(0.1, 2.0, 3.0, "smaller") == "holds"
    assert answer(-0.1, 2.0, 0.0, "smaller") == "undecided"


NUMBERS = st.floats(-1e6, 1e6)
# a busy machine makes drawing numbers slow
quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FLIPPED = {"holds": "does_not_hold", "does_not_hold": "holds", "undecided": "undecided"}


@quick
@given(NUMBERS, NUMBERS, NUMBERS)
def test_swapping_the_sides_flips_the_answer(first, second, margin):
    low, high = sorted((first, second))
    for better in ("larger", "smaller"):
        swapped = answer(-high, -low, -margin, better)
        assert swapped == FLIPPED[answer(low, high, margin, better)]
    assert answer(low, high, margin, "smaller") == FLIPPED[answer(low, high, margin)]


@quick
@given(NUMBERS, NUMBERS, NUMBERS, st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_wider_interval_decides_no_more(first, second, margin, left, right):
    low, high = sorted((first, second))
    wider = answer(low - left, high + right, margin)
    assert wider in ("undecided", answer(low, high, margin))


def test_a_record_decides(folder):
    for low, high, kind in ((1, 3, "holds"), (-3, -1, "does_not_hold"), (-1, 3, "undecided")):
        gap = gap_record(low, (low + high) / 2, high, "seeds_and_items")
        assert judge("更好", "better", gap, 0.0).kind == kind
    verdict = judge("更好", "better", gap, -2.0, condition_zh="小", condition_en="small")
    assert verdict.kind == "holds_if"
    assert verdict.text == "holds if small 若小，则成立"
    assert verdict.number == "1.00 [-1.00, 3.00] points"
    assert verdict.test == "mean 平均: difference 差: > -2.00 points"
    assert judge("更好", "better", gap, 4.0, condition_zh="小", condition_en="small").kind == (
        "does_not_hold_if"
    )
    undecided = judge("更好", "better", gap, 0.0, condition_zh="小", condition_en="small")
    assert undecided.kind == "undecided" and not undecided.condition_en


def test_an_old_bootstrap_interval_decides_under_a_condition(folder):
    narrow = judge("更好", "better", gap_record(1.9, 2.0, 2.1), 0.0)
    assert narrow.kind == "holds"  # even if all of its spread were between the seeds
    wide = judge("更好", "better", gap_record(1.0, 2.0, 3.0), 0.0)
    assert wide.kind == "holds_if" and "seeds hardly differ" in wide.text
    assert judge("更好", "better", gap_record(-3.0, -2.0, -1.0), 0.0).kind == "does_not_hold_if"
    assert judge("更好", "better", gap_record(-1.0, 2.0, 5.0), 0.0).kind == "undecided"


def test_a_live_run_cannot_write_a_verdict(folder):
    """What was measured just now is no evidence, by any of the doors."""
    live = {"record": "live", "row": "", "compared": "", "mean": 1.0, "low": 0.5, "high": 1.5}
    with pytest.raises(CourseError, match="live run"):
        Evidence(**live, unit="points", method="seeds")
    with pytest.raises(CourseError, match="live run"):
        ClaimVerdict("更好", "better", "holds")
    gap = gap_record(-1, 1, 3)
    with pytest.raises(CourseError, match="live run"):
        dataclasses.replace(gap, low=0.5)
    with pytest.raises(CourseError, match="live run"):
        dataclasses.replace(judge("更好", "better", gap, 0.0), kind="holds")
    old_form = ("更好 (better)", "24 texts", "+1.0", "holds 成立")
    for not_judged in (old_form, Verdict(*old_form), gap):
        with pytest.raises(CourseError, match="a live run illustrates"):
            save_verdicts(2, [not_judged])
    assert not (folder / "cache" / "verdicts").exists()
    with pytest.raises(InvalidInput, match="evidence=2"):
        judge("更好", "better", 2.0, 0.0)
    with pytest.raises(InvalidInput, match="measure_latency"):
        evidence.counted(measure_latency, None)
    with pytest.raises(InvalidInput, match="lambda"):
        evidence.counted(lambda: 97.2)


def test_a_number_without_spread_and_a_missing_record_decide_nothing(folder):
    row = rows.HeadlineRow("chosen_small", accuracy_percent=81.0, times_faster_batch_1=24.0)
    write_record("headline", "headline", "python", SEEDS, [row])
    speed = from_record("headline", "times_faster_batch_1", role="chosen_small")
    verdict = judge("快", "fast", speed, 15.0)
    assert verdict.kind == "no_record" and verdict.number == "24.0 ×"
    missing = judge("快", "fast", from_record("ablation", "difference_points", key="2x0.25"), 0.0)
    assert missing.kind == "no_record" and "results/ablation.json" in missing.text
    save_verdicts(1, [verdict, missing])
    kept = dataclasses.replace(row, by_seed={"times_faster_batch_1": (23.0, 24.0, 25.0)})
    write_record("headline", "headline", "python", SEEDS, [kept])
    speed = from_record("headline", "times_faster_batch_1", role="chosen_small")
    assert speed.method == "seeds" and judge("快", "fast", speed, 15.0).kind == "holds"
    with pytest.raises(InvalidInput, match="record='abblation'; allowed: headline"):
        from_record("abblation", "difference_points")


def test_a_claim_of_several_parts_is_as_weak_as_its_weakest(folder):
    good = judge("甲", "a", gap_record(1, 2, 3, "seeds"), 0.0)
    bad = judge("乙", "b", gap_record(-3, -2, -1, "seeds"), 0.0)
    open_ = judge("丙", "c", gap_record(-3, -2, 1, "seeds"), 0.0)
    condition = judge("丁", "d", gap_record(1, 2, 3), 0.0)
    nothing = evidence.no_record("戊", "e", "数据", "data")
    for parts, kind in (
        ([good, good], "holds"),
        ([good, condition], "holds_if"),
        ([condition, open_], "undecided"),
        ([nothing, open_], "no_record"),
        ([nothing, open_, bad], "does_not_hold"),
    ):
        assert evidence.judge_all("全", "all", parts).kind == kind
    both = evidence.judge_all("全", "all", [good, condition])
    assert both.number == "2.00 [1.00, 3.00] points; 2.00 [1.00, 3.00] points"
    assert both.condition_en == condition.condition_en
    assert both.source == "joint_against_separate"


def test_verdicts_are_kept_with_record_row_interval_and_margin(folder):
    gap = gap_record(1, 2, 3, "seeds")
    verdict = judge("更好", "better", gap, 0.5, condition_zh="小", condition_en="small")
    table = save_verdicts(2, [verdict, evidence.no_record("戊", "e", "数据", "data")])
    titles = ["claim 主张", "test 检验", "number 数字", "verdict 判断", "record 记录"]
    assert list(table.data.columns) == titles
    path = folder / "cache" / "verdicts" / "02.json"
    row = json.loads(path.read_text(encoding="utf-8"))["rows"][0]
    expected = {
        "kind": "holds_if",
        "record": "joint_against_separate",
        "row": "kind=joint_mean_gap, difference_points",
        "mean": 2,
        "low": 1,
        "high": 3,
        "unit": "points",
        "margin": 0.5,
        "better": "larger",
        "condition": "small 小",
        "method": "seeds",
    }
    assert expected.items() <= row.items()
    (lecture,) = all_verdicts()
    assert lecture.verdicts[0] == verdict.to_verdict()
    assert [kept.kind for kept in lecture.verdicts] == ["holds_if", "no_record"]


def test_old_files_of_verdicts_are_read_and_give_way(folder):
    row = ("claim 主张", "test", "3.0", "holds 成立")
    old = {"lecture": 2, "rows": [list(row)], "run": "20 steps"}
    recorded = folder / "results" / "verdicts"
    live = folder / "cache" / "verdicts"
    for place in (recorded, live):
        place.mkdir(parents=True)
        (place / "02.json").write_text(json.dumps(old), encoding="utf-8")
    assert all_verdicts()[0].verdicts == (Verdict(*row),)
    assert all_verdicts()[0].verdicts[0].kind is None
    save_verdicts(2, [judge("更好", "better", gap_record(1, 2, 3, "seeds"), 0.0)])
    (live / "02.json").replace(recorded / "02.json")
    (live / "02.json").write_text(json.dumps(old), encoding="utf-8")
    assert all_verdicts()[0].verdicts[0].kind == "holds"


def test_a_stale_record_says_so(folder):
    verdict = judge("更好", "better", gap_record(1, 2, 3, "seeds", recipe=SEEDS), 0.0)
    assert verdict.stale and "stale record 记录已过期" in verdict.text
    assert verdict.to_verdict().stale


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


def test_the_old_bootstrap_over_three_seeds_covered_less():
    """Why records need the values of their seeds; and what a stretched interval makes good."""
    covered, stretched = [], []
    for spreads in SPREADS[2:5]:
        values = planted(1000, 3, 100, spreads)
        low, high = bootstrap_intervals(values)
        covered.append(float(((low <= EFFECT) & (high >= EFFECT)).mean()))
        means = values.mean((1, 2))
        widest = intervals.stretched(intervals.Estimate(means, low, high), 3)
        stretched.append(float(((widest.low <= EFFECT) & (widest.high >= EFFECT)).mean()))
    assert min(covered) < 0.79 and max(covered) < 0.93, covered
    assert covered == sorted(covered, reverse=True)  # the more seeds differ, the less it covers
    assert min(stretched) >= 0.95, stretched


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


def write(name, written_rows, recipe=SEEDS):
    kind = written_rows[0].kind
    kinds = {"question": "questions", "training_method": "training_methods", "peer": "peers"}
    write_record(name, kinds.get(kind, kind), "python", recipe, written_rows)


def test_rows_are_compared_by_their_means_and_spreads(folder):
    good, bad = OverSeeds(0.80, 0.01), OverSeeds(0.70, 0.01)
    nats = OverSeeds(0.2, 0.1)
    methods = [
        rows.TrainingMethodRow("joint", good, nats),
        rows.TrainingMethodRow("labels_only", bad, nats),
    ]
    write("training_methods", methods)
    where = {"method": "joint"}, {"method": "labels_only"}
    gap = difference("training_methods", "accuracy_fraction", *where)
    of_items = math.hypot(*(intervals.share_error(share, 1200) for share in (0.8, 0.7)))
    of_seeds = intervals.t_quantile(2) * 0.01 * math.sqrt(2 / 3)
    assert gap.mean == pytest.approx(0.1)
    assert gap.high - gap.mean == pytest.approx(math.hypot(of_seeds, 1.96 * of_items), rel=1e-3)
    assert gap.method == "seeds" and gap.seeds == 3
    back = difference("training_methods", "accuracy_fraction", *where[::-1])
    assert (back.low, back.high) == pytest.approx((-gap.high, -gap.low))
    kept = ratio("training_methods", "accuracy_fraction", *where)
    assert kept.mean == pytest.approx(0.8 / 0.7) and kept.low < kept.mean < kept.high
    with pytest.raises(InvalidInput, match="2 rows with accuracy_fraction"):
        from_record("training_methods", "accuracy_fraction")
    with pytest.raises(InvalidInput, match="0 rows with accuracy"):
        from_record("training_methods", "accuracy", method="joint")


def test_durations_of_a_benchmark_are_compared_by_their_quartiles(folder):
    slow = rows.PeerRow(Quartiles(30.0, 27.0, 33.0), 1.0, "trainer", 1.0, 1.0)
    fast = rows.PeerRow(Quartiles(10.0, 9.0, 11.0), 3.0, "ours_joint", 1.0, 1.0)
    write("benchmarks/peers", [slow, fast], None)
    where = {"contestant": "trainer"}, {"contestant": "ours_joint"}
    faster = ratio("benchmarks/peers", "duration_ms", *where)
    assert (faster.low, faster.mean, faster.high) == pytest.approx((27 / 11, 3.0, 33 / 9))
    assert faster.unit == "×" and faster.method == "rounds"
    shortest = from_record("benchmarks/peers", "times_faster", contestant="ours_joint", kind="peer")
    assert shortest.method == "bare"
    least = ratio("benchmarks/peers", "duration_ms", where[0], {"times_faster": max})
    assert least.mean == faster.mean


def stored(value, **fields):
    recipe = {"seeds": fields.get("seeds", [0, 1, 2])}
    record = Record("one", "one", "", (), recipe, {}, {}, {}, "", False)
    return StoredValue(record, rows.Row(), fields.get("field", "value"), value)


def test_values_of_items_are_paired_and_one_seed_speaks_for_itself_alone():
    random = np.random.default_rng(11)
    base = random.standard_normal((3, 200))
    better = base + 0.5 + 0.1 * random.standard_normal((3, 200))
    values = [stored(tuple(map(tuple, part.tolist()))) for part in (better, base)]
    paired = stored_values.difference(*values)
    assert paired.method == "seeds_and_items" and paired.seeds == 3
    assert paired.estimate.high - paired.estimate.low < 0.1
    assert paired.estimate.mean == pytest.approx(float((better - base).mean()))
    alone = stored_values.difference(stored((tuple(better[0]),)), stored((tuple(base[0]),)))
    assert alone.method == "one_seed"
    repeated = stored_values.difference(values[0], stored((tuple(base[0]),)))
    assert repeated.seeds == 3
    share = stored_values.ratio(stored(((4.0, 6.0, 5.0),) * 3), stored(((2.0, 3.0, 2.5),) * 3))
    assert share.estimate.mean == share.estimate.low == pytest.approx(2.0)
    with pytest.raises(InvalidInput, match="divisor"):
        stored_values.ratio(values[0], stored(((0.0, 0.0),) * 3))


def test_one_value_a_seed_is_paired_by_seed():
    first, second = stored((1.0, 2.0, 3.0)), stored((0.9, 1.9, 2.8))
    gap = stored_values.difference(first, second)
    assert gap.method == "seeds"
    assert gap.estimate.high - gap.estimate.mean == pytest.approx(
        intervals.t_quantile(2) * statistics.stdev([0.1, 0.1, 0.2]) / math.sqrt(3)
    )
    with pytest.raises(InvalidInput, match="fields of numbers"):
        stored_values.measured(stored((1.0,) * 6, field="gradient_norm_curve"))


def test_what_is_counted_is_a_point(supernet):
    count = evidence.counted(count_parameters, supernet, part=0)
    assert count.low == count.high == count_parameters(supernet)[0]
    assert count.record == "count_parameters" and count.method == "count"
    twice = evidence.ratio_of_counts(count, evidence.counted(count_parameters, supernet, part=1))
    assert judge("小", "small", twice, 1.0).kind == "holds"
    assert evidence.counted(weight_bytes, supernet).mean == 4 * count.mean
    assert evidence.counted(evidence.settings_of, SubModel).mean == 3
    lines = evidence.counted(evidence.lines_of, TwoLines)
    assert lines.mean == 2
    with pytest.raises(InvalidInput, match="is measured"):
        evidence.ratio_of_counts(count, measured_evidence())


class TwoLines:
    """A docstring is no line of code."""

    value = 1  # nor is a comment


def measured_evidence():
    return from_record("stability", "largest_gradient_norm", schedule="random_order")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margin": float("nan")}, "margin=nan"),
        ({"margin": "0"}, "margin='0'"),
        ({"better": "higher"}, "better='higher'"),
        ({"condition_en": "small"}, "a condition in one language"),
        ({"claim_zh": ""}, "words in both languages"),
    ],
)
def test_a_wrong_argument_is_named(folder, change, words):
    gap = gap_record(1, 2, 3, "seeds")
    arguments = {"claim_zh": "更好", "claim_en": "better", "evidence": gap, "margin": 0.0}
    with pytest.raises(InvalidInput, match=words):
        judge(**(arguments | change))
    with pytest.raises(InvalidInput, match="needed is empty"):
        evidence.no_record("更好", "better", "", "")
    with pytest.raises(InvalidInput, match="parts"):
        evidence.judge_all("更好", "better", [])


def test_rounds_that_were_taken_in_turns_are_paired(folder):
    """A slow minute of the machine meets both contestants, and leaves their ratio alone."""
    minutes = (1.0, 1.1, 3.0, 0.9, 1.0)
    noise = (1.0, 1.02, 0.99, 1.01, 1.0)
    slow = Quartiles(30.0, 27.0, 90.0, tuple(30 * minute for minute in minutes))
    fast_rounds = tuple(10 * m * n for m, n in zip(minutes, noise, strict=True))
    fast = Quartiles(10.0, 9.0, 30.0, fast_rounds)
    contestants = [
        rows.PeerRow(slow, 1.0, "trainer", 1.0, 1.0),
        rows.PeerRow(fast, 3.0, "ours_joint", 1.0, 1.0),
    ]
    write("benchmarks/peers", contestants, None)
    faster = ratio("benchmarks/peers", "duration_ms", *contestants)
    assert 2.9 < faster.low < faster.mean < faster.high < 3.1
    unpaired = intervals.ratio_of_quartiles((30.0, 27.0, 90.0), (10.0, 9.0, 30.0))
    assert (unpaired.low, unpaired.high) == pytest.approx((0.9, 10.0))


def test_values_of_seeds_are_paired_where_a_mean_keeps_them():
    first = OverSeeds(2.0, 1.0, (1.0, 2.0, 3.0))
    second = OverSeeds(1.8, 1.0, (0.8, 1.8, 2.8))
    paired = stored_values.difference(stored(first), stored(second))
    assert paired.estimate.high - paired.estimate.low == pytest.approx(0.0, abs=1e-9)
    apart = stored_values.difference(stored(first), stored(OverSeeds(1.8, 1.0)))
    assert apart.estimate.high - apart.estimate.low > 4
    of_shares = stored_values.difference(
        stored(first, field="accuracy_percent"), stored(second, field="accuracy_percent")
    )
    assert of_shares.estimate.high > 0.2  # which sentences were asked counts, too
    same = OverSeeds(80.0, 0.0, (80.0, 80.0, 80.0))
    share = stored_values.measured(stored(same, field="accuracy_percent"))
    assert share.estimate.high - 80 == pytest.approx(
        196 * intervals.share_error(0.8, 1200), rel=0.01
    )
    once = stored(OverSeeds(2.0, 0.0, (2.0,)), seeds=[0])
    assert stored_values.difference(once, once).method == "bare"


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


def hits(random, share, items=300):
    return rows.Hits.pack(random.random(items) < share)


def test_baselines_are_paired_by_text_with_the_bag_of_words(folder, claims):
    random = np.random.default_rng(12)
    spread = OverSeeds(80.0, 0.0)
    usual = {"labelled_sentences": 0, "accuracy_percent": spread}
    bag = {"model": "bag_of_words", "task": "reviews", **usual}
    own = rows.BaselineRow(labelled_reviews=0, hits=(hits(random, 0.7),), **bag)
    more = rows.BaselineRow(labelled_reviews=250, hits=(hits(random, 0.8),) * 3, **bag)
    teacher = rows.BaselineRow(
        model="teacher", task="reviews", labelled_reviews=0, hits=(hits(random, 0.95),), **usual
    )
    write_record("baselines", "baselines", "python", SEEDS, [own, more])
    write_record("teacher_on_reviews", "baselines", "python", {"segment": 128}, [teacher])
    (verdict,) = claims.ANSWERS["baselines"](records.read_record("teacher_on_reviews"))
    right, wrong = (np.array(part.hits[0].unpack()) for part in (teacher, own))
    assert verdict.evidence.mean == pytest.approx(100 * float((right - wrong).mean()))
    assert verdict.kind == "holds_if" and verdict.evidence.method == "one_seed"
    where = {"labelled_reviews": 250}, {"labelled_reviews": 0}
    learnt = difference("baselines", "accuracy_percent", *where)
    assert learnt.method == "seeds_and_items" and learnt.seeds == 3
    assert "teacher_on_reviews" not in learnt.row
    compared = difference(
        "teacher_on_reviews", "accuracy_percent", {}, where[1], other_record="baselines"
    )
    assert compared.row.endswith("baselines: labelled_reviews=0, accuracy_percent")
    sentences = dataclasses.replace(own, task="sentences", labelled_reviews=1)
    write_record("baselines", "baselines", "python", SEEDS, [own, sentences])
    apart = difference("baselines", "accuracy_percent", {"task": "sentences"}, {"task": "reviews"})
    assert apart.method != "seeds_and_items"  # as many texts, but others


def test_batches_of_one_trained_model_speak_for_it_alone(folder, claims):
    pair = SubModel(6), SubModel(3)
    of_seed = (0.2, 0.3, 0.4, 0.3, 0.2, 0.4)
    for seeds, kind in (([0], "holds_if"), ([0, 1, 2], "holds")):
        row = rows.GradientAgreementRow(*pair, 0.3, 0.1, 0.0, (of_seed,) * len(seeds))
        settings = {"seeds": seeds}
        write_record("gradient_agreement", "gradient_agreement", "python", settings, [row])
        (verdict,) = claims.ANSWERS["gradient_agreement"](records.read_record("gradient_agreement"))
        assert verdict.evidence.mean == pytest.approx(0.3) and verdict.kind == kind


def test_a_cascade_is_judged_by_its_goal(folder, claims):
    random = np.random.default_rng(13)
    right = random.random(300) < 0.8
    spread = OverSeeds(80.0, 0.0, (80.0,))
    usual = {"gflops": spread, "accuracy_percent": spread, "validation_percent": spread}
    same = (rows.Hits.pack(right),)
    alone = rows.CascadeRow("single", (SubModel(6),), hits=same, **usual)
    chain = {"method": "cascade", "sub_models": (SubModel(2), SubModel(6)), "hits": same, **usual}
    chosen = [rows.CascadeRow(**chain, goal=g, target=SubModel(6)) for g in ("cost", "accuracy")]
    write_record("cascade", "cascade", "python", {"seeds": [0]}, [alone, *chosen])
    better, within = claims.ANSWERS["cascade"](records.read_record("cascade"))
    assert better.kind == "undecided" and within.kind == "undecided"
    assert within.margin == -0.5 and within.evidence.mean == 0.0
    assert within.evidence.low < 0 < within.evidence.high  # 300 answers that agree prove little
    measured = from_record("cascade", "accuracy_percent", goal="cost")
    assert measured.method == "one_seed" and measured.low < 100 * right.mean() < measured.high
    assert from_record("cascade", "gflops", goal="cost").method == "bare"


def test_answers_that_all_agree_are_no_certainty():
    for items, half in ((1200, 0.24), (100, 2.9)):
        agree = intervals.hierarchical(np.zeros((3, items)), bounds=(-100.0, 100.0))
        assert agree.mean == 0 and agree.high == pytest.approx(half, rel=0.1)
    many = 100 * (np.random.default_rng(14).random((3, 1200)) < 0.2)
    plain, bounded = intervals.hierarchical(many), intervals.hierarchical(many, (0.0, 100.0))
    assert bounded.high == pytest.approx(plain.high, abs=0.1)


def test_what_draws_nothing_at_random_has_no_seeds(folder):
    question = rows.QuestionRow(
        SubModel(6), {"path": OverSeeds(40.0, 2.0)}, OverSeeds(40.0, 2.0), OverSeeds(40.0, 2.0)
    )
    trivial = rows.TrivialAnswerRow("path", "always", 30.0, 30.0, rows.Hits.pack([1, 0, 0] * 33))
    write_record("questions", "questions", "python", {**SEEDS, "stories": 900}, [question])
    write_record("trivial_answers", "trivial_answers", "python", {"stories": 900}, [trivial])
    gap = difference(
        "questions",
        "exact_match_percent",
        {},
        {"question": "path"},
        key="path",
        other_record="trivial_answers",
    )
    assert gap.method == "seeds" and gap.seeds == 3
    with pytest.raises(InvalidInput, match="key='time'; allowed: path"):
        from_record("questions", "exact_match_percent", key="time")


def verdict_cells(checkout):
    for path in sorted((checkout / "notebooks").glob("*/*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and "save_verdicts(" in cell.source:
                yield path.stem, ast.parse(cell.source)


def test_every_lecture_judges_by_the_rule(checkout):
    """No verdict in words, none from the description of a live run, no way around the types."""
    lectures = set()
    for name, tree in verdict_cells(checkout):
        lectures.add(name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search("holds|does not hold|undecided|成立|未定", node.value), name
            if isinstance(node, ast.Name | ast.Attribute | ast.alias):
                words = ast.unparse(node)
                assert not re.search(r"MAKER|ClaimVerdict|Evidence\b|describe", words), (
                    name,
                    words,
                )
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "save_verdicts":
                assert len(node.args) == 2 and not node.keywords, name
    assert len(lectures) >= 10


def all_rows(verdict):
    yield verdict
    for part in verdict.parts:
        yield from all_rows(part)


def test_recorded_verdicts_follow_the_rule_from_records_that_exist(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path))
    lectures = all_verdicts()
    assert {lecture.lecture for lecture in lectures} == set(range(1, 12))
    names = {path.stem for path in (checkout / "results").rglob("*.json")}
    count = 0
    for lecture in lectures:
        for verdict in (row for kept in lecture.verdicts for row in all_rows(kept)):
            assert verdict.kind is not None, (lecture.lecture, verdict.claim)
            if verdict.margin is None or verdict.kind == "no_record":
                continue
            decided = answer(verdict.low, verdict.high, verdict.margin, verdict.better)
            assert verdict.kind.removesuffix("_if") == decided, verdict
            assert verdict.kind.endswith("_if") == bool(verdict.condition), verdict
            if verdict.method != "count":
                assert verdict.record in names, verdict
            count += 1
    assert count > 30


def test_an_interval_of_a_share_ends_where_shares_do():
    perfect = stored(OverSeeds(100.0, 0.0), field="exact_match_percent")
    result = stored_values.measured(perfect)
    assert result.estimate.low < 100.0 == result.estimate.high
    fraction = stored_values.measured(stored(OverSeeds(0.01, 0.02), field="accuracy_fraction"))
    assert fraction.estimate.low == 0.0
