"""Every worked example of lecture 8 is computed anew, and stands in both languages."""

import math

import numpy as np
import pytest
import torch
from lecture_text import missing_from
from scipy.stats import norm
from sklearn.metrics import f1_score, precision_score, recall_score

from tinybert_l.course import evidence
from tinybert_l.course.records import read_record
from tinybert_l.method.mpnet import shipped_answers
from tinybert_l.tasks.text_metrics import expected_calibration_error

LECTURE = 8


def stands(*snippets, language=None):
    missing = missing_from(LECTURE, list(snippets))
    assert [part for part in missing if language is None or part.startswith(language)] == []


def answers(tp, fp, fn, tn):
    """Labels and predictions of two classes with these counts."""
    labels = [1] * tp + [0] * fp + [1] * fn + [0] * tn
    predictions = [1] * (tp + fp) + [0] * (fn + tn)
    return labels, predictions


def test_a_wrong_number_would_be_noticed():
    with pytest.raises(AssertionError, match="zh"):
        stands("$4/5 = 0.9$")


def test_the_confusion_matrix_of_ten_reviews():
    labels, predictions = answers(4, 1, 2, 3)
    accuracy = np.mean(np.equal(labels, predictions))
    both = f1_score(labels, predictions, average=None)
    stands(
        "$tp = 4, fp = 1, fn = 2, tn = 3$",
        f"{accuracy:.1f}",
        f"$4/5 = {precision_score(labels, predictions):.1f}$",
        f"$4/6 = {recall_score(labels, predictions):.3f}$",
        f"8/(8+1+2) = {both[1]:.3f}$",
        f"6/(6+2+1) = {both[0]:.3f}$",
        f"{f1_score(labels, predictions, average='macro'):.3f}",
    )


def test_ninety_positives_in_a_hundred():
    labels, predictions = answers(90, 10, 0, 0)
    both = f1_score(labels, predictions, average=None, zero_division=0)
    stands(f"180/(180+10) = {both[1]:.3f}$", f"{both.mean():.3f}")
    assert both[0] == 0 and both.mean() < 0.5


def test_the_calibration_error_of_ten_answers():
    confidence = torch.tensor([0.9] * 4 + [0.6] * 6)
    labels = torch.tensor([0, 0, 0, 1, 0, 0, 0, 1, 1, 1])
    error = expected_calibration_error(torch.stack((confidence, 1 - confidence), 1), labels)
    assert error == pytest.approx(0.4 * 0.15 + 0.6 * 0.1)
    stands(
        f"$|0.75 - 0.9| = {abs(0.75 - 0.9):.2f}$",
        f"$|0.5 - 0.6| = {abs(0.5 - 0.6):.1f}$",
        rf"0.4 \times 0.15 + 0.6 \times 0.1 = {error:.2f}$",
    )


def test_the_harmonic_mean_is_low_where_one_of_its_parts_is():
    precision, recall = 1.0, 0.1
    harmonic = 2 * precision * recall / (precision + recall)
    stands(f"{(precision + recall) / 2:.2f}", f"$F1$只有{harmonic:.2f}", language="zh")
    stands(f"{(precision + recall) / 2:.2f}", f"$F1$ only {harmonic:.2f}", language="en")


def test_one_temperature_moves_confidence_and_no_answer():
    logits = torch.tensor([2.0, 0.0])
    for temperature in (1.0, 2.0, 0.5):
        chances = (logits / temperature).softmax(-1)
        assert int(chances.argmax()) == 0
        stands(f"{float(chances.max()):.3f}")
    assert (logits / 2).tolist() == [1, 0] and (logits / 0.5).tolist() == [4, 0]
    stands("$z = (2, 0)$", "$z/T = (1, 0)$")


def test_p95_of_twenty_reviews():
    times = torch.tensor([10.0] * 18 + [40.0, 200.0])
    p50, p95 = times.quantile(torch.tensor([0.5, 0.95])).tolist()
    assert p50 == 10 and p95 == pytest.approx(40 + 0.05 * 160, abs=1e-3)
    stands(rf"$40 + 0.05 \times 160 = {p95:.0f}$", f"{float(times.mean()):.0f}")


def test_kept_against_the_share_of_the_way():
    teacher, student, floor = 84, 80, 77
    kept = 100 * student / teacher
    share = 100 * (student - floor) / (teacher - floor)
    stands(rf"$80/84 = {kept:.1f} \%$", rf"$3/7 = {share:.1f} \%$")
    assert share < 50


def test_how_much_the_best_of_nine_overestimates():
    error = math.sqrt(0.8 * 0.2 / 300)
    x = np.linspace(-8, 8, 100_001)
    density = 9 * norm.pdf(x) * norm.cdf(x) ** 8
    highest = float(np.trapezoid(x * density, x))
    stands(
        rf"\sqrt{{0.8 \times 0.2/300}} = {error:.4f}",
        rf"${highest:.3f} \times {100 * error:.2f} = {100 * highest * error:.1f}$",
    )


def test_what_the_reading_says_of_long_documents():
    rows = {(r.sub_model.name, r.reading): r for r in read_record("long_documents").rows}
    above = []
    for (name, reading), row in rows.items():
        gap = row.against_cutting_points
        if reading == "cut":
            continue
        assert gap.estimate > 3 and gap.method == "seeds_and_items"
        if gap.low > 0:
            above.append((name, reading))
        if row.sub_model.length == 1 and reading != "windows":
            assert row.against_windows_points.low < 0 < row.against_windows_points.high
    short_first = "windowed_attention_short_first"
    both = [(name, way) for way in ("windows", short_first) for name in ("3x0.5", "2x0.25")]
    assert set(above) == {*both, ("3x0.5", "windowed_attention")}
    assert rows["2x0.25", "windowed_attention"].against_cutting_points.estimate > 4
    for name in ("3x0.5", "2x0.25"):
        assert rows[name, "windowed_attention"].against_windows_points.estimate < -0.5
        assert abs(rows[name, short_first].against_windows_points.estimate) < 0.1
    cheap, dear = rows["2x0.25", "windows"], rows["3x0.5", "cut"]
    assert cheap.gflops_per_review < dear.gflops_per_review
    assert cheap.accuracy_percent - dear.accuracy_percent > 4
    reading_on = cheap.against_cutting_points
    smaller = rows["2x0.25", "cut"].accuracy_percent - dear.accuracy_percent
    assert reading_on.low > -smaller > 0, "what reading on wins is more than what the size loses"
    total = cheap.accuracy_percent - dear.accuracy_percent
    assert reading_on.estimate + smaller == pytest.approx(total)
    dropped = rows["3x0.5x0.25", short_first].against_windows_points
    least = rows["2x0.25x0.25", short_first].against_windows_points
    assert dropped.high < 0 and least.low < 0 < least.high
    assert dropped.estimate == pytest.approx(least.estimate, abs=0.1)


def test_no_row_of_the_long_documents_is_above_the_bag_of_words():
    rows = {(r.sub_model.name, r.reading): r for r in read_record("long_documents").rows}
    assert all(row.against_bag_points.estimate < 0 for row in rows.values())
    large, small = rows["3x0.5", "windows"], rows["2x0.25", "windows"]
    assert large.against_bag_points.low < 0 < large.against_bag_points.high
    assert round(large.against_bag_points.estimate, 1) == -0.5
    assert small.against_bag_points.high < 0


INT8_SMALLEST = {"role": "candidate", "sub_model": "2x0.25", "runtime": "ONNX int8"}


def headline_row(**where):
    """The one row of the headline with these values; of a candidate by sub-model and runtime."""
    rows = []
    for row in read_record("headline").rows:
        model = row.models[0] if row.role == "candidate" else None
        values = {
            "role": row.role,
            "sub_model": model and model.sub_model.name,
            "runtime": model and model.runtime,
        }
        if where.items() <= values.items():
            rows.append(row)
    (row,) = rows
    return row


def way(accuracy):
    """The share of the way from the bag of words to the teacher."""
    floor = headline_row(role="bag_of_words").accuracy_percent
    return (accuracy - floor) / (headline_row(role="teacher").accuracy_percent - floor)


def test_what_the_reading_says_of_the_headline():
    smallest = headline_row(**INT8_SMALLEST)
    assert round(smallest.times_smaller) == 15
    assert min(smallest.times_faster_batch_1, smallest.times_faster_batch_32) > 25
    assert round(smallest.kept_percent.estimate) == 98, "'about 98 %'"
    assert 0.63 < way(smallest.accuracy_percent) < 0.69, "'about two thirds'"
    shown = [row for row in read_record("headline").rows if row.role == "candidate"]
    shares = [way(row.accuracy_percent) for row in shown]
    assert 0.75 < max(shares) < 0.8, "'below four fifths'"
    for row in shown:
        kept = row.kept_percent
        assert kept.low < smallest.kept_percent.high and smallest.kept_percent.low < kept.high
        torch = headline_row(
            role="candidate", sub_model=row.models[0].sub_model.name, runtime="torch float32"
        )
        assert abs(kept.estimate - torch.kept_percent.estimate) < 0.2, "'nearly level'"


def test_what_the_reading_says_of_the_runtime_s_part_of_the_speed_up():
    row = headline_row(role="candidate", sub_model="2x0.25", runtime="ONNX float32")
    runtime = row.times_faster_batch_32 / row.same_runtime_times_faster_batch_32
    assert 1.1 < runtime < 1.2, "'little more than a tenth'"
    single = row.times_faster_batch_1 / row.same_runtime_times_faster_batch_1
    assert 2 < single < 2.5 < row.same_runtime_times_faster_batch_1
    (later,) = [
        row
        for row in read_record("headline_mpnet").rows
        if row.role == "candidate" and row.models == headline_row(**INT8_SMALLEST).models
    ]
    earlier = headline_row(**INT8_SMALLEST).times_faster_batch_32
    assert 4 / 3 < later.times_faster_batch_32 / earlier < 1.5
    machines = [read_record(name).machine for name in ("headline", "headline_mpnet")]
    assert machines[0] == machines[1], "'a processor of the same description'"


def test_what_the_verdicts_on_the_headline_are():
    chosen = headline_row(role="chosen_small")
    assert len({model.sub_model for model in chosen.models}) == 2
    assert 0.7 < way(chosen.accuracy_percent) < 0.8, "'about three quarters'"
    goals = {"kept_percent": 97, "times_faster_batch_1": 15, "times_faster_batch_32": 15}
    kinds = {}
    for name in ("chosen", "2x0.25", "3x0.25"):
        row = chosen
        if name != "chosen":
            row = headline_row(**{**INT8_SMALLEST, "sub_model": name})
        for field, margin in {**goals, "times_smaller": 10}.items():
            found = evidence.from_record("headline", field, row)
            kinds[name, field] = evidence.judge("甲", "a", found, margin=margin).kind
    undecided = {key for key, kind in kinds.items() if kind != "holds"}
    assert undecided == {
        ("chosen", "times_faster_batch_1"),
        ("chosen", "times_faster_batch_32"),
        ("2x0.25", "kept_percent"),
        ("3x0.25", "times_faster_batch_1"),
    }
    assert {kinds[key] for key in undecided} == {"undecided"}
    widths = {}
    for row in read_record("headline").rows:
        if row.role == "candidate" and row.models[0].sub_model.name == "3x0.25":
            widths[row.models[0].runtime] = row.kept_percent.high - row.kept_percent.low
    assert round(widths["ONNX int8"] / widths["torch float32"]) == 3


def test_what_the_reading_says_of_the_record_with_mpnet():
    record = read_record("headline_mpnet")
    tops = {row.role: row.accuracy_percent for row in record.rows if not row.models}
    rise = tops["mpnet"] - tops["teacher"]
    assert round(rise) == 6, "about six points"
    gains, shares = {}, []
    for row in record.rows:
        if row.role == "candidate" and row.models[0].runtime == "torch float32":
            gains[row.models[0].sub_model.name] = row.gain_points
        if row.role == "candidate" and row.models[0].runtime == "ONNX int8":
            way = tops["mpnet"] - tops["bag_of_words"]
            shares.append((row.accuracy_percent - tops["bag_of_words"]) / way)
            kept = 100 * row.accuracy_percent
            assert kept / tops["teacher"] > 97.999 and kept / tops["mpnet"] < 93
            assert min(row.mpnet_times_faster_batch_1, row.mpnet_times_faster_batch_32) > 100
            assert 20 < row.mpnet_times_smaller < 100, "tens of times"
    for gain in gains.values():
        assert gain.low < 0 < gain.high < rise and gain.estimate <= 1
    assert max(gains, key=lambda name: gains[name].estimate) == "3x0.5"
    assert len(gains) == len(shares) == 4 and max(shares) < 0.4


def baseline(task, model, labelled_reviews, reading=None):
    """The accuracy of a row of the record of baselines, in percent."""
    for row in read_record("baselines").rows:
        if (row.task, row.model, row.reading) == (task, model, reading):
            sentences_too = row.labelled_sentences and row.labelled_reviews
            if row.labelled_reviews == labelled_reviews and not sentences_too:
                return row.accuracy_percent.mean
    raise AssertionError("no such row")


def test_what_the_reading_says_of_the_learning_curve():
    curve = [baseline("reviews", "bag_of_words", count) for count in (1000, 2000, 4000)]
    rows = read_record("teacher_on_reviews").rows
    teacher = next(row for row in rows if row.reading == "windows")
    assert curve[0] < teacher.accuracy_percent.mean < curve[2]
    assert abs(curve[1] - teacher.accuracy_percent.mean) < 1, "about two thousand"
    assert teacher.against_bag_points.low > 5, "far above the bag with the same sentences"
    by_size = {}
    for row in read_record("long_documents").rows:
        if row.reading == "windows":
            by_size[row.sub_model.name] = row.accuracy_percent
    counted = baseline("reviews", "bag_of_words", 4000)
    assert abs(counted - by_size["3x0.5"]) < 1 < counted - by_size["2x0.25"]


def test_labels_teach_more_than_soft_labels_where_there_are_labels():
    gap = evidence.from_record(
        "training_methods", "against_soft_labels_points", method="labels_only"
    )
    assert 0 < gap.low < gap.mean < 1, "'above 0', 'less than a point'"
    for row in read_record("training_methods").rows:
        assert 0.78 < row.accuracy_fraction.mean < 0.81, "'about 80 %'"
    reached = [
        row.accuracy_percent
        for row in read_record("headline").rows
        if row.role == "candidate" and row.models[0].sub_model.name in ("2x0.25", "3x0.5")
    ]
    assert 82 < min(reached) < max(reached) < 83.5, "'82 to 83 %'"


def test_what_the_reading_says_of_the_bag_and_the_teacher_on_the_same_reviews():
    teacher = {"model": "teacher", "reading": "windows"}
    kinds = {}
    for row in read_record("baselines").rows:
        if row.task == "reviews" and row.model == "bag_of_words" and not row.labelled_sentences:
            gap = evidence.difference(
                "baselines", "hits", row, teacher, other_record="teacher_on_reviews"
            )
            kinds[row.labelled_reviews] = evidence.answer(gap.low, gap.high, 0.0)
    assert kinds[500] == "does_not_hold"
    assert {kinds[count] for count in (1000, 2000, 4000, 8000)} == {"undecided"}
    assert kinds[max(kinds)] == "holds" and max(kinds) > 20_000


def test_a_student_as_large_as_the_teacher_does_not_follow_mpnet_either():
    rows = {row.role: row for row in read_record("assistant").rows}
    gain = rows["candidate"].gain_points
    ahead = rows["mpnet"].accuracy_percent - rows["teacher"].accuracy_percent
    assert round(ahead) == 6 and gain.estimate == pytest.approx(1.5)
    assert -0.5 < gain.low < 0 < gain.high < ahead - 2, "'just contains 0', 'far below six'"
    texts = shipped_answers()[0]
    assert 120_000 < len(texts) < 130_000
    recipe = read_record("assistant").recipe
    assert recipe["num_steps"] * recipe["batch_size"] < len(texts) + recipe["batch_size"], "once"
