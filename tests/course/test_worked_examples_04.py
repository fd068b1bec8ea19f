"""Every worked example of lecture 4 is recomputed, and its numbers stand in both languages."""

import json
import math
import re
from statistics import mean

import pytest
import torch

from tinybert_l.course import evidence, optimisation
from tinybert_l.course.optimisation import BETA_1, BETA_2, adam_updates, clipped, share_decayed
from tinybert_l.course.records import read_benchmark, read_record
from tinybert_l.exercises.lecture_02 import joint_loss
from tinybert_l.exercises.lecture_04 import linear_warmup_decay, submodel_schedule
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.pretraining import load_chinese_reviews

NAME = "04-training"


@pytest.fixture(scope="module")
def cells(checkout):
    path = checkout / "notebooks" / NAME / f"{NAME}.ipynb"
    return {c["id"]: c for c in json.loads(path.read_text(encoding="utf-8"))["cells"]}


def source(cells, name):
    return "".join(cells[name]["source"])


def says(cells, ids, *numbers):
    for name in ids:
        for number in numbers:
            assert number in source(cells, name), f"{number} is not in {name}"


def outlier(steps, at=10, size=100.0):
    return [size if step == at else 1.0 for step in range(1, steps + 1)]


def test_the_default_stages_of_twenty_steps(cells):
    recipe = JointRecipe(num_steps=20)
    first_steps = {}
    for step in range(20):
        for sub_model in submodel_schedule(step, 20, recipe.stages):
            first_steps.setdefault(sub_model, step)
    begins = sorted(set(first_steps.values()))
    assert begins == [0, 1, 3, 6]
    counts = {s: sum(s in recipe.participants(step) for step in range(20)) for s in first_steps}
    shown = [f"${step}$" for step in begins]
    says(cells, ("c007a1", "c007a2"), *shown, f"${counts[SubModel(2, 0.25)]}$", "$20$")
    assert counts[SubModel(6)] == 20 and counts[SubModel(2, 0.25)] == 20 - begins[-1]


def test_figure_6_shows_the_loss_of_the_sub_model_that_its_reading_names(cells):
    """The figure draws the largest, the one in the middle of the order by size, the smallest."""
    order = JointRecipe().sub_models()[::-1]
    for text in (source(cells, "c042r3"), source(cells, "c042r4")):
        assert order[len(order) // 2].label in text and order[-1].label in text


def test_adams_first_step_has_the_size_of_the_learning_rate(cells):
    for gradient in (2.0, 200.0):
        first, second = (1 - BETA_1) * gradient, (1 - BETA_2) * gradient**2
        mean, square = first / (1 - BETA_1), second / (1 - BETA_2)
        assert mean / math.sqrt(square) == pytest.approx(1)
        says(cells, ("c015c1", "c015c2"), f"{mean:.0f}", f"{square:.0f}")
        if gradient == 2:
            says(cells, ("c015c1", "c015c2"), f"m_1={first:.1f}", f"v_1={second:.3f}")
    assert adam_updates([2.0] * 5) == pytest.approx([1.0] * 5)


def test_the_recursion_is_torch_s():
    gradients = outlier(30)
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([weight], lr=0.1, eps=0.0, weight_decay=0.0)
    for gradient, update in zip(gradients, adam_updates(gradients), strict=True):
        before = float(weight.detach())
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        assert before - float(weight.detach()) == pytest.approx(0.1 * update)


def test_an_outlier_sends_adam_to_sleep(cells):
    gradients = outlier(100)
    updates = adam_updates(gradients)
    first = 0.1 * 100 + 0.9 * (1 - 0.9**9)
    square = sum(0.001 * 0.999 ** (10 - n) * g**2 for n, g in enumerate(gradients[:10], 1))
    square /= 1 - 0.999**10
    mean = first / (1 - 0.9**10)
    assert updates[9] == pytest.approx(mean / math.sqrt(square))
    numbers = [f"={first:.2f}", f"/{1 - 0.9**10:.3f}={mean:.1f}", f"{square:,.0f}"]
    numbers.append(f"={math.sqrt(square):.1f}")
    numbers += [f"${updates[step - 1]:.2f}\\,\\eta$" for step in (10, 40, 100)]
    says(cells, ("c025a1", "c025a2"), *numbers)
    assert pytest.approx(square, rel=0.01) == (9 + 100**2) / 10
    says(cells, ("c025a1", "c025a2"), f"$(9+100^2)/10={(9 + 100**2) / 10}$")
    assert adam_updates(clipped(gradients, 1.0)) == pytest.approx([1.0] * 100)


def test_a_common_factor_cancels_for_adam():
    gradients = [1.0, -2.0, 0.5, 3.0]
    assert adam_updates([1000 * g for g in gradients]) == pytest.approx(adam_updates(gradients))


def test_weight_decay_of_a_short_run(cells):
    rise = sum(linear_warmup_decay(step, 24, 240) for step in range(24))
    fall = sum(linear_warmup_decay(step, 24, 240) for step in range(24, 240))
    decay = 0.0003 * 0.01 * (rise + fall)
    numbers = (f"={rise:g}+{fall:g}={rise + fall:g}$", f"={100 * decay:.3f}\\%")
    says(cells, ("c025b1", "c025b2"), *numbers)
    assert share_decayed(0.0003, 0.01, 24, 240) == pytest.approx(decay, rel=1e-3)
    assert linear_warmup_decay(0, 24, 240) == 0, "with warm-up, step 0 learns nothing"


def test_dropout_keeps_the_expectation(cells):
    values, kept = torch.tensor([2.0, 4.0, 6.0, 8.0]), torch.tensor([1.0, 0.0, 1.0, 1.0])
    left = values * kept / (1 - 0.1)
    shown = ", ".join(f"{value:.2f}" if value else "0" for value in left.tolist())
    says(cells, ("c025b3", "c025b4"), "$p=0.1$", "$(2, 4, 6, 8)$", f"$({shown})$")


def test_the_average_of_an_ablation_is_taken_apart(cells):
    """TinyBERT (Jiao et al. 2020), development sets: MNLI-m, MNLI-mm, MRPC, CoLA."""
    whole, without_augmentation = (82.8, 82.9, 85.8, 50.8), (80.5, 81.0, 82.4, 29.8)
    both = ("c047a3", "c047a4")
    says(cells, both, *(f"{value}" for value in (*whole, *without_augmentation)))
    means = [round(sum(row) / 4, 1) for row in (whole, without_augmentation)]
    says(cells, ("c046", "c047"), *(f"{value}" for value in means))
    lost = whole[-1] - without_augmentation[-1]
    says(cells, both, f"{means[0] - means[1]:.1f}", f"${lost:.1f}/4={lost / 4:.2f}$")
    says(cells, both, f"{whole[2] - without_augmentation[2]:.1f}")


def test_the_quiz_counts_one_step_of_warm_up(cells):
    warmup = round(0.1 * 12)
    assert warmup == 1 and linear_warmup_decay(0, warmup, 12) == 0
    assert linear_warmup_decay(1, warmup, 12) == 1
    says(cells, ("c059q", "c060q"), "round(1.2)")


def test_attention_costs_as_much_as_the_matrices_at_this_length(cells):
    hidden, neurons, window = 384, 1536, 32
    length = (4 * hidden**2 + 2 * hidden * neurons) / (2 * hidden)
    assert length == 2 * hidden + neurons
    matrices = 2 * length * (4 * hidden**2 + 2 * hidden * neurons)
    assert matrices == 4 * length**2 * hidden
    says(cells, ("c053", "c054"), f"={length:.0f}$", f"$h={hidden}$", f"$I={neurons}$")
    share = 512 / (512 + length)
    says(cells, ("c053", "c054"), f"$512/(512+{length:.0f})={100 * share:.0f}\\%$")
    says(cells, ("c054a1", "c054a2"), str(3 * window + 1))
    assert f'("windowed 窗口", {window})' in source(cells, "c055")


def test_distilling_the_smallest_goes_four_fifths_into_the_teacher(cells):
    student, teacher = 3 * (2 / 6) * (1 / 4), 1.0
    assert teacher / (student + teacher) == pytest.approx(4 / 5)
    says(cells, ("c048r3", "c048r4"), f"={student:g}$")


def test_readings_say_what_the_records_say(cells):
    """The readings of table 6 and of the hidden tokens; they name no numbers."""
    rows = {row.method: row for row in read_record("training_methods").rows}

    def nearer(first, second):
        return evidence.difference(
            "training_methods", "divergence_nats", {"method": first}, {"method": second}
        )

    assert nearer("logits_only", "labels_only").high < 0
    assert nearer("two_stages_alone", "logits_only").high < 0
    gain = {name: row.against_soft_labels_points for name, row in rows.items()}
    assert 0 < gain["labels_only"].low < gain["labels_only"].estimate < 1
    for name in ("two_stages_alone", "joint"):
        assert gain[name].low < 0 < gain[name].high, "'could not be told'"
    assert -1 < gain["joint_two_stages"].estimate < gain["joint_two_stages"].high < 0
    gaps = {}
    for row in read_record("masked_tokens").rows:
        if row.model == "pretrained":
            gaps[row.sub_model.name] = row.against_most_frequent_points
        if row.model == "untrained":
            assert row.named_percent.mean == 0, "'untrained models name none'"
    for name in ("4x1", "2x0.5"):
        assert gaps[name].low > 0 and gaps[name].estimate < 1.5, "'about a point above'"
    assert gaps["1x0.25"].low < 0 < gaps["1x0.25"].high, "'cannot be told from it'"


def test_one_chinese_seed_makes_the_gain_and_the_width_of_its_interval():
    rows = read_record("chinese").rows
    seeds = {}
    for row in rows:
        seeds[row.sub_model.name, row.pretrained] = row.by_seed["accuracy_percent"]
        if row.pretrained:
            gain = row.gain_points
            assert gain.low < 0 < gain.high and gain.high - gain.low > 20 and gain.estimate > 3
    failed = [name for name, values in seeds.items() if values[2] == 52.5]
    assert failed == [(name, False) for name in ("4x1", "2x0.5", "1x0.25")]
    labels = load_chinese_reviews()["test"].labels
    assert max(labels.count(0), labels.count(1)) / len(labels) == 0.525
    for name in ("4x1", "2x0.5", "1x0.25"):
        gaps = [a - b for a, b in zip(seeds[name, True], seeds[name, False], strict=True)]
        others = [*gaps[:2], *gaps[3:]]
        assert min(others) < 0 < max(others) and max(map(abs, others)) < 5
        assert abs(mean(others)) < 1 < mean(gaps)


def test_readings_say_what_the_record_of_strategies_says():
    rows = [row for row in read_record("strategies").rows if row.learning_rate == 0.003]
    usual = next(row for row in rows if row.strategy == "all_on")
    gaps = {}
    for row in rows:
        if row is not usual:
            gap = evidence.difference("strategies", "accuracy_percent", row, usual)
            gaps[row.strategy] = gap
    assert [name for name, gap in gaps.items() if gap.high < 0] == ["constant_rate"]
    assert gaps["no_clipping"].mean < 0 < gaps["no_clipping"].high
    values = next(r for r in rows if r.strategy == "no_clipping").accuracy_percent.values
    assert sorted(values)[0] < sorted(values)[1] - 15, "one seed is very bad"


def test_readings_say_what_the_benchmark_of_long_documents_says():
    speeds = {}
    for row in read_benchmark("long_documents").rows:
        if row.sub_model == SubModel(3, 0.5):
            speeds[row.attention, row.length] = row.duration_ms.median
    slower = {n: speeds["windowed", n] / speeds["full", n] for a, n in speeds if a == "full"}
    assert slower[512] > 1 > slower[2048] and slower[4096] < 0.5


def test_method_costs_count_forward_backward_and_the_teacher(supernet):
    largest, small = SubModel(6), SubModel(2, 0.25)
    recipe = JointRecipe(num_steps=10, stages=((0.0, (largest, small)),), num_random=0)
    costs = optimisation.method_costs(supernet, recipe, small)
    teacher = costs["logits_only"] - costs["labels_only"]
    assert costs["joint"] == pytest.approx(costs["labels_only"] + 4 * teacher)
    assert costs["two_stages_alone"] == pytest.approx(costs["logits_only"])
    assert costs["joint_two_stages"] == pytest.approx(costs["joint"])


def test_only_the_chosen_batch_is_an_outlier():
    losses = [torch.tensor(1.0), torch.tensor(3.0)]
    with optimisation.outlier_batch(1, 100.0):
        assert [float(joint_loss(losses)) for _ in range(3)] == [2.0, 200.0, 2.0]
    assert float(joint_loss(losses)) == 2.0


def test_the_planted_error_is_not_in_the_notebook(cells):
    text = "".join("".join(cell["source"]) for cell in cells.values())
    for name in ("suspect_run", "schedule_per_sub_model"):
        assert text.count(name) == 1, "it is called, and not defined"
    assert "answered_by" not in text


def test_what_is_read_in_the_record_of_two_stages():
    rows = {row.way: row for row in read_record("two_stages").rows}
    means = {way: row.accuracy_percent.mean for way, row in rows.items()}
    assert max(means, key=means.get) == "slices_of_the_teacher"
    assert min(means, key=means.get) == "general_then_labels"
    assert rows["slices_of_the_teacher"].times_the_cost == 1
    assert means["general_then_task"] > means["task_only"]
    where = {"way": "general_then_task"}

    def minus(other):
        return evidence.difference("two_stages", "accuracy_percent", where, {"way": other})

    assert minus("task_for_longer").low < 0 < minus("task_for_longer").high
    assert minus("slices_of_the_teacher").low < 0 < minus("slices_of_the_teacher").high
    assert minus("general_then_labels").low > 0, "'does not hold 0'"
    both, longer = rows["general_then_task"], rows["task_for_longer"]
    assert both.times_the_cost == longer.times_the_cost and both.steps == longer.steps


def test_the_toy_of_the_four_functions(cells, capsys):
    """Its printed shares and distances are those that its reading names."""

    def printed(decay):
        setup = source(cells, "setup").replace("tinybert_l.begin(lecture=4)", "")
        code = source(cells, "c039c").replace("0.01)", f"{decay})")
        exec(f"{setup}\n{code}", {})
        return capsys.readouterr().out.splitlines()

    shares, clipped_run, free_run = printed(0.01)
    assert "70%" in shares and "58%" in shares
    before, after, _ = re.findall(r"\d+\.\d\d", free_run)
    early = re.findall(r"\d+\.\d\d", clipped_run)[0]
    without_decay = re.findall(r"\d+\.\d\d", printed(0.0)[2])[0]
    says(cells, ("c039d", "c039e"), before, after, early, without_decay, "105/18 = 5.83")
    factors = [linear_warmup_decay(step, 2, 20) for step in range(20)]
    assert sum(factors) == pytest.approx(10) and sum(factors[6:]) == pytest.approx(105 / 18)
    assert 28 < float(after) / float(before) < 32
