"""Compute every worked example of lecture 7 from its formula, and find it in both languages."""

import dataclasses
import math

import pytest
import torch
from lecture_text import missing_from, text_of
from scipy.stats import spearmanr

from tinybert_l.course import evidence
from tinybert_l.course.records import read_record
from tinybert_l.exercises.released import load_reference_answers
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import TeacherRecipe
from tinybert_l.submodels import SubModel

LECTURE = 7


@pytest.fixture(scope="module")
def answers(checkout):
    return load_reference_answers(checkout / "solutions", LECTURE)


def entropy(*logits):
    weights = [math.exp(z - max(logits)) for z in logits]
    shares = [w / sum(weights) for w in weights]
    return -sum(p * math.log(p) for p in shares), shares


def test_the_importance_of_a_head(answers):
    outputs = torch.tensor([[2.0, 1.0], [1.0, 3.0]])[:, None, None, :]
    gradients = torch.tensor([[0.5, -0.2], [0.3, -0.3]])[:, None, None, :]
    products = (outputs * gradients).sum((1, 2, 3)).tolist()
    right = float(answers["head_importance"](outputs, gradients)[0])
    mean_first = abs(sum(products)) / 2
    assert products == pytest.approx([0.8, -0.6])
    assert right == pytest.approx(0.7) and mean_first == pytest.approx(0.1)
    fragments = ["$1.0-0.2=0.8$", "$0.3-0.9=-0.6$", "$(0.8+0.6)/2=0.7$", "$|0.8-0.6|/2=0.1$"]
    assert missing_from(LECTURE, fragments) == []
    assert round(right / mean_first) == 7


def test_a_rank_correlation_of_three_heads():
    """The formula of the text agrees with scipy, in the example and in its falling twin."""

    def by_formula(importance):
        ranks = [sorted(importance).index(value) + 1 for value in importance]
        squares = sum((i - rank) ** 2 for i, rank in enumerate(ranks, 1))
        return ranks, 1 - 6 * squares / (len(ranks) * (len(ranks) ** 2 - 1))

    ranks, correlation = by_formula([0.9, 0.2, 0.5])
    assert ranks == [3, 1, 2] and correlation == -0.5
    assert by_formula([0.9, 0.5, 0.2])[1] == -1
    assert spearmanr([1, 2, 3], [0.9, 0.2, 0.5]).statistic == pytest.approx(correlation)
    assert missing_from(LECTURE, [r"$\rho = 1 - 6\cdot 6/24 = -0.5$"]) == []


def test_two_heads_that_back_each_other_up():
    """The slope at a = b = 1 is 0 to either side that removal takes; both together cost 1."""

    def output(a, b):
        return min(1.0, a + b)

    assert output(1, 1) == output(0, 1) == output(1, 0) == 1 and output(0, 0) == 0
    assert output(1 - 1e-3, 1) - output(1, 1) == 0


def test_entropies(answers):
    for logits, words in (
        ((0.0, 0.0), "0.693"),
        ((2.0, 0.0), "0.365"),
        ((9.0, 0.0), "0.0012"),
    ):
        value, _ = entropy(*logits)
        assert f"{value:.{len(words) - 2}f}" == words
        assert missing_from(LECTURE, [words]) == []
        group = [torch.tensor([logits]), torch.tensor([[0.0, 0.0]])]
        assert answers["early_exit"](group, value + 1e-4).tolist() == [1]
        assert answers["early_exit"](group, value - 1e-4).tolist() == [2]
    _, shares = entropy(2.0, 0.0)
    assert [round(p, 3) for p in shares] == [0.881, 0.119]
    assert missing_from(LECTURE, ["$p=(0.881, 0.119)$", "0.693$"]) == []


def test_the_cost_of_a_cascade():
    costs = (1, 3, 12)
    stops = (0.60, 0.25)
    first, second = 1 - stops[0], 1 - sum(stops)
    assert first == pytest.approx(0.4) and second == pytest.approx(0.15)
    assert costs[0] + first * costs[1] + second * costs[2] == pytest.approx(4.0)
    assert sum(costs) == 16
    fragments = [
        "$c=(1, 3, 12)$",
        "$r_1=0.4$",
        "$r_2=0.15$",
        r"$C = 1 + 0.4\cdot 3 + 0.15\cdot 12 = 4.0$",
        "$C=16>12$",
        "$r_1 < 1 - c_1/c_2$",
    ]
    assert missing_from(LECTURE, fragments) == []


def test_the_two_stage_condition_is_where_a_cascade_breaks_even():
    cheap, dear = 1.0, 12.0
    limit = 1 - cheap / dear
    assert cheap + limit * dear == pytest.approx(dear)
    assert cheap + (limit - 0.01) * dear < dear < cheap + (limit + 0.01) * dear


def test_quantization():
    weights = (0.503, -1.27, 0.034)
    scale = max(map(abs, weights)) / 127
    integers = [round(w / scale) for w in weights]
    errors = [abs(w - scale * i) for w, i in zip(weights, integers, strict=True)]
    assert scale == pytest.approx(0.01) and integers == [50, -127, 3]
    assert errors == pytest.approx([0.003, 0, 0.004]) and max(errors) <= scale / 2
    fragments = ["$w=(0.503, -1.27, 0.034)$", "$s=0.01$", "0.50", "-1.27", "0.03"]
    assert missing_from(LECTURE, fragments) == []
    assert "50、-127、3" in text_of(LECTURE, "zh")
    assert "50, -127, 3" in text_of(LECTURE, "en")
    assert "0.003、0、0.004" in text_of(LECTURE, "zh")
    assert "0.003, 0, 0.004" in text_of(LECTURE, "en")


def test_low_rank():
    rows, columns, rank = 30_522, 384, 96
    before, after = rows * columns, rank * (rows + columns)
    assert round(before / after) == 4
    for language in ("zh", "en"):
        text = text_of(LECTURE, language)
        assert f"{before:,}" in text
        assert rf"$96\cdot 30{{,}}906 = {f'{after:,}'.replace(',', '{,}')}$" in text


def test_what_is_read_from_the_ablation_is_in_the_record():
    """The readings say which interval leaves 0, and whose mean is higher without."""
    record = read_record("ablation")
    rows = {row.variant: row.difference_points for row in record.rows}
    for variant in (
        "no_order_of_importance",
        "soft_labels_only",
        "no_self_distillation",
        "no_unlabelled_text",
    ):
        for name, gap in rows[variant].items():
            leaves = (variant, name) == ("no_order_of_importance", "3x0.5")
            assert gap.low < 0 and (gap.high < 0) == leaves, variant
            assert 1 <= round((gap.high - gap.low) / 2) <= 4, "'one to four points'"
    assert all(gap.estimate > 0 for gap in rows["no_unlabelled_text"].values())


def test_what_is_read_from_the_cascade_s_record_is_in_it():
    """Exits without training save less than a layer; 6×½ alone is as good as the cascade."""
    rows = read_record("cascade").rows
    three = (SubModel(2, 0.25), SubModel(3, 0.5), SubModel(6))
    (largest,) = [row for row in rows if row.method == "single" and row.sub_models == three[2:]]
    for row in rows:
        if row.method == "untrained_exits" and row.max_entropy.mean < 0.69:
            assert row.gflops.mean > 5 / 6 * largest.gflops.mean
            assert row.accuracy_percent.mean > 80
    by_cost = {row.target: row for row in rows if row.sub_models == three and row.goal == "cost"}
    against_largest = by_cost[SubModel(6)]
    assert round(against_largest.gflops.mean / largest.gflops.mean, 1) == 0.7, "three tenths saved"
    assert against_largest.difference_points.low < 0 < against_largest.difference_points.high
    assert against_largest.difference_points.low < -2, "'room for two points less'"
    (trained,) = [r for r in rows if r.method == "trained_exits" and r.goal == "cost"]
    assert trained.target == SubModel(6), "'neither kind reaches the cheap targets'"
    assert against_largest.gflops.mean < trained.gflops.mean < largest.gflops.mean
    widths = [
        r.difference_points.high - r.difference_points.low for r in (trained, against_largest)
    ]
    assert widths[0] < widths[1] / 2, "'a much narrower interval'"
    cheapest = by_cost[SubModel(3, 0.5)]
    assert cheapest.difference_points.low > 0 and cheapest.difference_points.estimate > 1
    (narrow,) = [r for r in rows if r.method == "single" and r.sub_models == three[1:2]]
    assert cheapest.gflops.mean <= narrow.gflops.mean, "'for the same computation'"
    against_middle = by_cost[SubModel(3)]
    gap = against_middle.difference_points
    assert gap.low < 0 < gap.estimate and against_middle.gflops.mean < 0.345
    chosen = {"method": "cascade", "sub_models": three, "goal": "cost", "target": "3x1"}
    wide = {"method": "single", "sub_models": (SubModel(6, 0.5),)}
    between = evidence.difference("cascade", "hits", chosen, wide)
    assert between.low < 0 < between.high
    untrained = [r for r in rows if r.method == "untrained_exits" and r.goal == "cost"]
    assert [r.target for r in untrained] == [SubModel(6)]
    assert len([r for r in rows if r.goal == "cost"]) == 10, "'the best-looking of ten rows'"
    chosen_limits = [row.max_entropy.mean for row in by_cost.values()]
    ends = [f"{limit:.2f}" for limit in (min(chosen_limits), max(chosen_limits))]
    assert f"{ends[0]}到{ends[1]}" in text_of(LECTURE, "zh")
    assert f"{ends[0]} to {ends[1]}" in text_of(LECTURE, "en")


def test_the_spread_of_a_rank_correlation_of_twelve_heads():
    """Under random order its variance is 1/(n - 1): here found by shuffling."""
    order = torch.arange(12.0)
    generator = torch.Generator().manual_seed(0)
    ranks = torch.stack([torch.randperm(12, generator=generator).float() for _ in range(4000)])
    correlations = torch.corrcoef(torch.cat([order[None], ranks]))[0, 1:]
    assert float(correlations.std()) == pytest.approx(1 / math.sqrt(11), abs=0.01)
    assert missing_from(LECTURE, [r"$1/\sqrt{11} \approx 0.30$"]) == []


def test_how_many_comparisons_the_ablation_makes():
    gaps = []
    for row in read_record("ablation").rows:
        gaps += (row.difference_points or {}).values()
    (apart,) = [gap for gap in gaps if not gap.low < 0 < gap.high]
    assert len(gaps) == 11 and -2 < apart.estimate < -1, "'lower by over a point'"
    assert 0.5 < 11 / 20 < 0.6, "half a finding by luck"


def test_joint_training_has_half_as_many_settings_again():
    joint, plain = (len(dataclasses.fields(kind)) for kind in (JointRecipe, TeacherRecipe))
    assert joint / plain == 1.5
