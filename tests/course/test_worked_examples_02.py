"""Every worked example of lecture 2, recomputed from its formula, and what it reads in records."""

import math

import pytest
import torch
from lecture_text import assert_stands, cells_of

from tinybert_l import JointRecipe, SubModel, clip_by_global_norm, joint_loss, sandwich_sample
from tinybert_l.course import evidence
from tinybert_l.course.prediction_questions import QUESTIONS
from tinybert_l.course.recipes import NINE
from tinybert_l.course.records import read_record
from tinybert_l.exercises.lecture_03 import kept_layers
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
    open_models, drawn, steps = 9, 2, 350
    assert_stands(2, "2/7", f"{steps}·2/7={steps * drawn / (open_models - 2):.0f}")
    assert_stands(2, f"{drawn}·{steps}={drawn * steps}")  # the turns of the seven together


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
        ((3, 0), (-4, 1), "-0.970", (-1.5, 2.5)),
        ((3, 0), (-2, 0.5), "-0.970", (1.5, -0.875)),
    ],
)
def test_cosines_and_first_order_changes(first, second, cosine, products):
    a, b = torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64)
    mean = (a + b) / 2
    assert f"{float(torch.cosine_similarity(a, b, dim=0)):.3f}" == cosine
    assert_stands(2, cosine)
    for gradient, product in zip((a, b), products, strict=True):
        assert float(gradient @ mean) == product
        assert_stands(2, f"={product}")


def test_the_cost_of_training_by_hand_is_about_the_record_s():
    cost = {s: s.depth * s.width / 6 for s in sub_model_grid([6, 3, 2], [1, 0.5, 0.25])}
    assert cost[SubModel(3, 0.5)] == 1 / 4 and cost[SubModel(2, 0.25)] == pytest.approx(1 / 12)
    alone = sum(cost.values())
    between = (alone - 1 - 1 / 12) / 7
    step = 1 + 1 / 12 + 2 * between
    assert_stands(2, f"{alone:.2f}", f"{between:.3f}", f"{step:.2f}")
    assert_stands(2, f"{step:.2f}/{alone:.2f}={step / alone:.2f}")
    settings = read_record("joint_against_separate").recipe
    assert settings["joint"]["num_random"] == 2, "as by hand"
    joint = step * settings["joint"]["num_steps"] / settings["num_steps"]
    ratios = {r.compared_with: r.ratio for r in costs_in_flops("joint_against_separate")}
    assert joint == pytest.approx(ratios["largest_alone"], rel=0.05)
    assert joint / alone == pytest.approx(ratios["all_alone"], rel=0.05)
    assert 1.3 < ratios["largest_alone"] <= 1.4 and ratios["all_alone"] < 0.5  # as the text says


def costs_in_flops(name):
    rows = read_record(name).rows
    return [r for r in rows if r.kind == "joint_cost" and r.unit == "forward_flops"]


def test_the_seconds_of_the_joint_run_are_about_a_quarter():
    rows = read_record("joint_against_separate").rows
    costs = [r for r in rows if r.kind == "joint_cost" and r.compared_with == "all_alone"]
    ratios = {row.unit: row.ratio for row in costs}
    assert 0.22 < ratios["seconds"] < 0.28 < ratios["forward_flops"], "more is saved than of FLOPs"


def gap_of(record, kind, **where):
    return evidence.from_record(record, "difference_points", kind=kind, **where)


def test_what_the_text_reads_in_the_long_record():
    """The readings name no numbers, which the cells print; what they claim is checked here."""
    name = "joint_against_separate"
    mean = gap_of(name, "joint_mean_gap")
    kinds = [evidence.judge("高", "above", mean, margin=m).kind for m in (0.0, -0.5, -1.0)]
    assert kinds == ["does_not_hold", "undecided", "holds"], "as the reading and the verdicts say"
    rows = [row for row in read_record(name).rows if row.kind == "joint_gap"]
    lowest = min(rows, key=lambda row: row.difference_points.estimate).sub_model
    assert lowest == SubModel(2) and gap_of(name, "joint_gap", sub_model=lowest).high < 0
    assert len(rows) == 9
    assert_stands(2, f"1-0.95^9={100 * (1 - 0.95**9):.0f}")


def alone_as_often():
    """Accuracy alone, in percent, of those in between, trained only as often as jointly."""
    rows = read_record("joint_equal_updates").rows
    return {row.sub_model: row.separate_percent for row in rows if row.kind == "joint_gap"}


def test_those_in_between_are_trained_less_often_and_are_better_than_alone_as_often():
    record = read_record("joint_against_separate")
    control, alone = read_record("joint_equal_updates"), alone_as_often()
    recipes = [
        JointRecipe(**record.recipe["joint"], seed=seed, attention_weight=0.0)
        for seed in record.recipe["seeds"]
    ]
    taking_part = [recipe.participants(s) for recipe in recipes for s in range(recipe.num_steps)]
    all_turns = {}
    for row in record.rows:
        if row.kind != "joint_gap" or row.sub_model in (SubModel(6), SubModel(2, 0.25)):
            continue
        turns = sum(row.sub_model in chosen for chosen in taking_part) / len(recipes)
        all_turns[row.sub_model] = turns
        assert turns < record.recipe["num_steps"] / 2, "'a fraction as often'"
        assert row.joint_percent > row.separate_percent - 1.5, "'less than 1.5 points lower'"
        assert row.joint_percent > alone[row.sub_model] + 1, "'more than a point lower'"
    assert len(all_turns) == len(alone) == 7
    mean_turns = sum(all_turns.values()) / 7
    assert abs(mean_turns - control.recipe["num_steps"]) < 3, "'about the mean number of times'"
    assert max(all_turns.values()) > 1.2 * mean_turns, "'drawn more often'"
    least = min(all_turns, key=lambda sub_model: all_turns[sub_model])
    assert least == SubModel(6, 0.25) and all_turns[least] < 0.7 * mean_turns
    assert gap_of("joint_equal_updates", "joint_gap", sub_model=least).low > 0
    assert 4 < record.recipe["num_steps"] / control.recipe["num_steps"] < 5, "'more than four'"
    unchanged = {"num_steps", "sub_models"}
    for name, value in record.recipe.items():
        assert name in unchanged or control.recipe[name] == value, "'all else is the same'"


def test_what_the_text_reads_in_the_record_of_equal_updates():
    mean = gap_of("joint_equal_updates", "joint_mean_gap")
    assert evidence.judge("好", "better", mean, margin=0.0).kind == "holds"
    rows = [row for row in read_record("joint_equal_updates").rows if row.kind == "joint_gap"]
    assert all(row.difference_points.estimate > 0 for row in rows), "'all seven'"
    assert sum(row.difference_points.low > 0 for row in rows) == 3, "'three of them'"
    recipe = JointRecipe(num_random=2, num_steps=325, attention_weight=0.0)
    size = {name: SubModel.parse(name).depth * SubModel.parse(name).width / 6 for name in NINE}
    joint = sum(size[s.name] for n in range(325) for s in recipe.participants(n))
    alone = 93 * sum(size[row.sub_model.name] for row in rows)
    assert joint > 2 * alone, "'far more operations'"


def test_what_the_text_reads_in_the_record_of_gradients():
    record = read_record("gradient_agreement")
    rows = {(row.first.label, row.second.label): row for row in record.rows}
    mean = {pair: row.cosine_mean for pair, row in rows.items()}
    assert max(mean, key=mean.get) == ("2×1", "2×¼"), "'agree best'"
    assert mean["6×1", "2×1"] < mean["2×1", "2×¼"] / 2, "'far less'"
    assert mean["3×1", "2×1"] > 0.4, "'the shallow ones agree with each other'"
    of_largest = [cosine for (first, _), cosine in mean.items() if first == "6×1"]
    assert max(of_largest) < 0.25, "'related to none'"
    for row in record.rows:
        if row.first == SubModel(6):
            interval = evidence.from_record(record.name, "cosines", row)
            assert interval.low < 0 < interval.high, "'not told from 0', in the model essay"
    assert min(mean.values()) > 0, "'no mean is negative'"
    not_told = set()
    for row in record.rows:
        if evidence.from_record(record.name, "cosines", row).low < 0:
            not_told.add((row.first.label, row.second.label))
    others = {pair for pair in not_told if "6×1" not in pair}
    assert others == {("2×1", "6×¼"), ("6×¼", "2×¼")}, "'6×¼ with the two of two layers'"
    assert len(not_told) == 7, "'the largest with each'"
    often_half = [row.cosine_sd > row.cosine_mean / 2 for row in rows.values()]
    assert sum(often_half) > len(rows) / 2, "'the ± is often half the mean or more'"


def test_depths_do_not_nest():
    layers = {depth: [layer + 1 for layer in kept_layers(6, depth)] for depth in (6, 3, 2)}
    assert layers[3] == [2, 4, 6] and layers[2] == [3, 6], "as section 2 says"
    assert set.intersection(*map(set, layers.values())) == {6}, "the last layer serves all nine"


def test_every_answer_to_the_first_prediction_can_be_chosen():
    (source,) = [cell.source for cell in cells_of(2) if 'predict("largest-loss"' in cell.source]
    for choice in QUESTIONS["largest-loss"].labels:
        assert f'"{choice}"' in source


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
