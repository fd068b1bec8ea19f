"""Every worked example of lecture 2, recomputed from its formula, and what it reads in records."""

import math

import pytest
import torch
from lecture_text import assert_stands

from tinybert_l import JointRecipe, SubModel, clip_by_global_norm, joint_loss, sandwich_sample
from tinybert_l.course.records import read_record
from tinybert_l.submodels import sub_model_grid

pytestmark = pytest.mark.lecture2


def test_the_examples_of_the_exercises():
    losses = [torch.tensor(2.0), torch.tensor(4.0)]
    assert float(joint_loss(losses)) == 3 and float(joint_loss(losses, [1.0, 3.0])) == 3.5
    assert_stands(2, "(1·2+3·4)/4=3.5")
    assert sandwich_sample(["a", "b", "c"], 1, torch.Generator()) == ["c", "a", "b"]


def test_both_soft_labels_are_one_mean_label():
    teacher, largest = torch.tensor([0.9, 0.1]), torch.tensor([0.7, 0.3])
    mean = (teacher + largest) / 2
    assert_stands(2, f"({mean[0]:.1f},{mean[1]:.1f})")
    log_student = torch.log(torch.tensor([0.6, 0.4]))
    both = (-(teacher * log_student).sum() - (largest * log_student).sum()) / 2
    assert float(both) == pytest.approx(float(-(mean * log_student).sum()))


def test_turns_of_a_sub_model_in_between():
    open_models, drawn, steps = 9, 2, 360
    assert_stands(2, "2/7", f"≈{steps * drawn / (open_models - 2):.0f}")


def test_two_losses_that_share_a_weight():
    weight = torch.zeros((), requires_grad=True)
    for _ in range(200):
        loss = joint_loss([(weight - 1) ** 2, (weight - 3) ** 2])
        (gradient,) = torch.autograd.grad(loss, weight)
        weight = (weight - 0.1 * gradient).detach().requires_grad_()
    best = float(weight.detach())
    assert best == pytest.approx(2) and (best - 1) ** 2 == pytest.approx(1)


@pytest.mark.parametrize(
    ("first", "second", "cosine", "products"),
    [
        ((3, 0), (-1, 2), "-0.447", (3, 1)),
        ((3, 0), (-4, 1), "-0.970", (-1.5, None)),
        ((3, 0), (-2, 0.5), "-0.970", (1.5, None)),
    ],
)
def test_cosines_and_first_order_changes(first, second, cosine, products):
    a, b = torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64)
    mean = (a + b) / 2
    assert f"{float(torch.cosine_similarity(a, b, dim=0)):.3f}" == cosine
    assert_stands(2, cosine)
    for gradient, product in zip((a, b), products, strict=True):
        if product is not None:
            assert float(gradient @ mean) == product
            assert_stands(2, f"={product}")


def test_the_cost_of_training_by_hand_is_about_the_record_s():
    cost = {s: s.depth * s.width / 6 for s in sub_model_grid([6, 3, 2], [1, 0.5, 0.25])}
    assert cost[SubModel(3, 0.5)] == 1 / 4 and cost[SubModel(2, 0.25)] == pytest.approx(1 / 12)
    alone = sum(cost.values())
    between = (alone - 1 - 1 / 12) / 7
    step = 1 + 1 / 12 + 2 * between
    joint = step * 360 / 400
    assert_stands(2, f"{alone:.2f}", f"{between:.3f}", f"{step:.2f}", f"{joint:.2f}")
    assert_stands(2, f"{joint / alone:.2f}")
    ratios = {r.compared_with: r.ratio for r in costs_in_flops("joint_against_separate_longer")}
    assert joint == pytest.approx(ratios["largest_alone"], rel=0.05)
    assert joint / alone == pytest.approx(ratios["all_alone"], rel=0.05)
    assert 1.4 < ratios["largest_alone"] < 1.6 and ratios["all_alone"] < 0.5  # as the text says


def costs_in_flops(name):
    rows = read_record(name).rows
    return [r for r in rows if r.kind == "joint_cost" and r.unit == "forward_flops"]


def test_what_the_text_reads_in_the_long_record():
    record = read_record("joint_against_separate_longer")
    (mean,) = [r.difference_points for r in record.rows if r.kind == "joint_mean_gap"]
    assert_stands(2, f"{mean.estimate:.2f}", f"{mean.low:.2f}", f"+{mean.high:.2f}")
    assert mean.low < 0 < mean.high and -1 < mean.low < -0.5
    gaps = {r.sub_model: r.difference_points for r in record.rows if r.kind == "joint_gap"}
    lowest = sorted(gaps, key=lambda s: gaps[s].estimate)[:3]
    assert {s.label for s in lowest} == {"2×1", "6×¼", "3×¼"}
    assert_stands(2, f"{gaps[lowest[0]].estimate:.2f}", f"{gaps[lowest[2]].estimate:.2f}")
    assert all(gap.low < 0 < gap.high for gap in gaps.values()), "none is separable"


def test_how_often_the_text_says_that_a_sub_model_is_trained():
    settings = read_record("joint_against_separate_longer").recipe
    turns = []
    for seed in settings["seeds"]:
        recipe = JointRecipe(**settings["joint"], seed=seed, attention_weight=0.0)
        taking_part = [SubModel(3, 0.25) in recipe.participants(s) for s in range(recipe.num_steps)]
        turns.append(sum(taking_part))
    assert min(turns) > 55 and max(turns) < 75, f"sixty or seventy? {turns}"
    assert settings["num_steps"] == 400


def test_what_the_text_reads_in_the_short_record():
    record = read_record("joint_against_separate")
    (mean,) = [r.difference_points for r in record.rows if r.kind == "joint_mean_gap"]
    assert_stands(2, f"{mean.estimate:.2f}", f"{mean.low:.2f}", f"{mean.high:.2f}")
    assert mean.high < 0 and record.recipe["num_steps"] == 60


def test_what_the_text_reads_in_the_record_of_gradients():
    record = read_record("gradient_agreement")
    assert (record.recipe["batches"], record.recipe["batch_size"]) == (24, 32)
    rows = {(row.first.label, row.second.label): row for row in record.rows}
    for pair in (("2×1", "2×¼"), ("6×1", "2×1"), ("6×1", "6×¼"), ("3×1", "2×1")):
        assert_stands(2, f"{rows[pair].cosine_mean:.2f}")
    same_depth = rows["6×1", "6×¼"]
    assert abs(same_depth.cosine_mean) < 2 * same_depth.cosine_sd / math.sqrt(24)
    assert all(row.cosine_mean > 0 for row in record.rows), "the text: no mean is negative"


def test_sum_and_mean_by_hand():
    gradient = torch.tensor([3.0, 4.0])
    for factor, length in ((1, 5), (3, 15)):
        (clipped,), norm = clip_by_global_norm([factor * gradient], 1.0)
        assert float(norm) == length and clipped.tolist() == pytest.approx([0.6, 0.8])
        assert_stands(2, str(length))
    small, large = 0.1 * gradient, 0.3 * gradient
    assert_stands(2, f"({small[0]:.1f},{small[1]:.1f})", f"({large[0]:.1f},{large[1]:.1f})")


@pytest.mark.parametrize("optimizer, ratio", [("sgd", 3.0), ("adamw", 1.0)])
def test_a_threefold_loss_moves_weights_threefold_under_sgd_only(optimizer, ratio):
    """The claim of section 6, on a small problem: AdamW with clipping does not notice a factor."""
    data = torch.randn(32, 5, generator=torch.Generator().manual_seed(0))

    def moved(factor):
        weight = torch.ones(5, requires_grad=True)
        kinds = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}
        chosen = kinds[optimizer]([weight], lr=1e-4)
        for _ in range(1 if optimizer == "sgd" else 6):
            loss = factor * ((data @ weight - 10) ** 2).mean()
            (gradient,) = torch.autograd.grad(loss, weight)
            if optimizer == "adamw":
                (gradient,), _ = clip_by_global_norm([gradient], 1.0)
            weight.grad = gradient
            chosen.step()
        return float((weight.detach() - 1).norm())

    assert moved(3.0) / moved(1.0) == pytest.approx(ratio, rel=1e-3)
    assert math.isfinite(moved(1.0))
