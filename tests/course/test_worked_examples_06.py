"""Every worked example of lecture 6 is computed anew, and stands in both languages."""

import math
from statistics import NormalDist, mean, median

import numpy as np
import pytest
from lecture_text import missing_from, text_of

from tinybert_l.course.records import read_record
from tinybert_l.course.rows import JointMeanGapRow
from tinybert_l.submodels import SubModel

LECTURE = 6


def stands(*snippets):
    assert missing_from(LECTURE, list(snippets)) == []


def dominates(one, other):
    """Whether a (cost, quality) dominates another."""
    return one[0] <= other[0] and one[1] >= other[1] and one != other


def hypervolume(points, reference):
    """The area that points dominate, summed in unit squares."""
    squares = 0
    for cost in range(reference[0]):
        reachable = [quality for price, quality in points if price <= cost]
        squares += max(reachable, default=reference[1]) - reference[1]
    return squares


def test_a_wrong_number_would_be_noticed():
    with pytest.raises(AssertionError, match="zh"):
        stands(r"$4 \times 5 = 21$")


def test_the_frontier_of_four_points():
    points = {"A": (1, 5), "B": (2, 5), "C": (3, 9), "D": (4, 8)}
    assert dominates(points["A"], points["B"]) and dominates(points["C"], points["D"])
    frontier = []
    for name, point in points.items():
        if not any(dominates(other, point) for other in points.values()):
            frontier.append(name)
    stands(*(f"${name}{point}$" for name, point in points.items()))
    stands(f"${', '.join(frontier)}$")


def test_the_hypervolume():
    reference = (5, 0)
    area = hypervolume([(1, 5), (3, 9)], reference)
    assert area == 4 * 5 + 2 * 4 == hypervolume([(1, 5), (3, 9), (2, 5)], reference)
    stands(rf"$4 \times 5 = {4 * 5}$", rf"$2 \times 4 = {2 * 4}$")
    assert f"合计{area}" in text_of(LECTURE, "zh") and f"Together {area}" in text_of(LECTURE, "en")


def test_the_median_of_five_runs():
    runs = [98, 100, 101, 102, 160]
    low, high = np.percentile(runs, [25, 75])
    stands(str(mean(runs)), str(median(runs)), f"${high:.0f} - {low:.0f} = {high - low:.0f}$")


def test_the_intervals_on_600_sentences():
    alone = math.sqrt(0.8 * 0.2 / 600)
    paired = math.sqrt(0.1 / 600)
    stands(
        rf"\sqrt{{0.8 \times 0.2/600}} = {alone:.4f}",
        f"±{196 * alone:.1f}",
        rf"\sqrt{{0.1/600}} = {paired:.4f}",
        f"±{196 * paired:.1f}",
    )


def test_the_choice_among_three_models():
    half = round(196 * math.sqrt(0.1 / 600), 1)
    assert half == 2.5
    for right in (79, 82):
        gap = right - 83
        stands(f"$[{gap - half}, {gap + half}]$")
    stands(rf"$-4 \pm {half}$")


def test_the_number_of_sentences_that_tell_four_tenths_of_a_point():
    needed = [1.96**2 * discordant / 0.004**2 for discordant in (0.1, 0.2)]
    assert round(needed[0], -3) == 24_000 and round(needed[1], -3) == 48_000
    squares = f"{1.96**2:.2f} \\times 0.1 / {0.004**2:.6f}"
    stands(squares, "24{,}000", "48,000")
    power = NormalDist().inv_cdf(0.8)
    factor = (1.96 + round(power, 2)) ** 2
    stands(f"$(1.96+{power:.2f})^2 = {factor:.2f}$")
    assert round(factor / 1.96**2, 1) == 2, "twice as many sentences"


def test_how_often_a_sentence_is_not_drawn():
    stands(f"$(3/4)^4 = {(3 / 4) ** 4:.3f}$", f"$e^{{-1}} = {math.exp(-1):.3f}$")
    draws = np.random.default_rng(0).integers(4, size=(20_000, 4))
    assert np.mean((draws != 0).all(1)) == pytest.approx((3 / 4) ** 4, abs=0.01)


def test_the_cost_of_a_joint_step():
    r = 1.5
    given, everything = 3 * r + 1, 3 * r + 1 + 3
    stands(
        rf"$3 \times {r} + 1 = {given}$",
        f"$3/{given} = {3 / given:.2f}$",
        f"${everything}$",
        f"$3/{everything} = {3 / everything:.2f}$",
        f"$1/{r} = {1 / r:.2f}$",
    )


def test_one_bar_of_figure_9():
    ratio = 20 / 25
    stands(f"$20/25 = {ratio}$", rf"$\log_2 {ratio} = {math.log2(ratio):.2f}$")


def test_the_size_of_the_word_embeddings():
    stands(r"$30522 \times 384 \times 4$", f"$= {30522 * 384 * 4 / 1e6:.1f}$")


def test_the_pairs_of_windowed_attention():
    seen = 3 * 42 + 1
    full, windowed = 4096**2, 4096 * seen
    assert round(full / windowed) == 32
    stands(rf"$3 \times 42 + 1 = {seen}$", "4096^2", rf"4096 \times {seen}")
    assert "只有全注意力的1/32" in text_of(LECTURE, "zh")
    assert "32 times fewer" in text_of(LECTURE, "en")
    assert f"{full / 1e4:.0f}万" == "1678万" and "1680$万" in text_of(LECTURE, "zh")
    assert f"{full / 1e6:.1f}$ million" in text_of(LECTURE, "en")
    assert f"{windowed / 1e4:.0f}$万" in text_of(LECTURE, "zh")
    assert f"{windowed / 1e6:.2f}$ million" in text_of(LECTURE, "en")


def test_what_the_reading_says_of_training_alone():
    rows = read_record("ablation").rows
    alone = next(row for row in rows if row.variant == "smallest_alone")
    gap = alone.difference_points["2x0.25"]
    assert gap.low < 0 < gap.high and max(-gap.low, gap.high) < 2.5
    assert gap.low < -1 < gap.high, "the verdict on the margin of one point is open"
    rows = read_record("joint_against_separate").rows
    row = next(r for r in rows if getattr(r, "sub_model", None) == SubModel(2, 0.25))
    assert row.difference_points.low < 0 < row.difference_points.high, "joint minus alone"


def test_what_the_answer_says_of_many_sizes():
    rows = read_record("joint_against_separate").rows
    costs = [r for r in rows if getattr(r, "compared_with", None) == "all_alone"]
    flops = next(r.ratio for r in costs if r.unit == "forward_flops")
    assert flops < 0.5, "less than half the computation of training each"
    mean = next(r for r in rows if isinstance(r, JointMeanGapRow)).difference_points
    assert mean.high < 0, "'a little less accurate'"
    assert mean.low > -1, "'by less than a point'"
    assert mean.low < -0.5 < mean.high, "'less than half a point' is undecided"


def test_what_the_readings_say_of_long_documents():
    rows = {(r.sub_model.name, r.reading): r for r in read_record("long_documents").rows}
    whole, start = rows["2x0.25", "windowed_attention_short_first"], rows["2x0.25", "cut"]
    assert round(2 * whole.gflops_per_review / start.gflops_per_review) == 5, "two and a half times"
    gain, lost = whole.against_cutting_points, whole.against_bag_points
    stands(
        f"{whole.gflops_per_review:.2f} GFLOPs",
        f"{gain.estimate:.1f}",
        f"$[{gain.low:.1f}, {gain.high:.1f}]$",
        f"{-lost.estimate:.1f}",
        f"$[{lost.low:.1f}, {lost.high:.1f}]$",
    )
    assert gain.low > 0 > lost.high, "better than the start, worse than a bag of words"
    assert whole.against_windows_points.low < 0 < whole.against_windows_points.high
    for name, reading in (
        ("2x0.25x0.25", whole.reading),
        ("2x0.25", "windowed_attention"),  # whole reviews from the start
    ):
        gain = rows[name, reading].against_cutting_points
        assert gain.low < 0 < gain.high, "no gain over the start can be told"


def test_what_the_reading_says_of_3x1_jointly_and_alone():
    rows = read_record("writer").rows
    jointly = next(r for r in rows if r.kind == "author" and r.sub_model == SubModel(3))
    (alone,) = read_record("writer_alone").rows
    assert alone.sub_model == SubModel(3)
    assert 0.9 < jointly.perplexity / alone.perplexity < 0.93, "'lower by nearly a tenth'"
