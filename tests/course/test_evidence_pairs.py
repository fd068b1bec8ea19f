"""What is compared is paired: by item, by seed, by round, by text."""

import dataclasses
import importlib
import math
import statistics

import numpy as np
import pytest
from evidence_records import SEEDS, write

from tinybert_l.course import intervals, records, rows, stored_values
from tinybert_l.course.evidence import difference, from_record, ratio
from tinybert_l.course.record_types import Record
from tinybert_l.course.records import write_record
from tinybert_l.course.rows import OverSeeds, Quartiles
from tinybert_l.course.stored_values import StoredValue
from tinybert_l.errors import InvalidInput
from tinybert_l.submodels import SubModel


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


def test_an_interval_of_a_share_ends_where_shares_do():
    perfect = stored(OverSeeds(100.0, 0.0), field="exact_match_percent")
    result = stored_values.measured(perfect)
    assert result.estimate.low < 100.0 == result.estimate.high
    fraction = stored_values.measured(stored(OverSeeds(0.01, 0.02), field="accuracy_fraction"))
    assert fraction.estimate.low == 0.0
