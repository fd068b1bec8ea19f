"""Every worked example of lecture 3 is recomputed, and its numbers stand in both languages."""

import json
import math
import re

import nbformat
import numpy as np
import pytest
from nbgrader.preprocessors import ClearSolutions
from transformers import BertConfig

from tinybert_l import parameter_count
from tinybert_l.course import evidence, joint_check
from tinybert_l.course.joint_check import compare_joint_step, explain
from tinybert_l.course.records import read_record
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_03 import kept_layers, layer_map
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.submodels import SubModel

NAME = "03-architecture"
SIX_LAYERS = {"num_hidden_layers": 6, "num_attention_heads": 12}


@pytest.fixture(scope="module")
def cells(checkout):
    path = checkout / "notebooks" / NAME / f"{NAME}.ipynb"
    return {c["id"]: c for c in json.loads(path.read_text(encoding="utf-8"))["cells"]}


def source(cells, name):
    return "".join(cells[name]["source"])


def both(cells, *ids):
    """The text of a Chinese and an English cell, one after the other."""
    return [source(cells, name) for name in ids]


def says(texts, *numbers):
    for text in texts:
        for number in numbers:
            assert number in text, f"{number} is not in: {text[:80]}"


def entropy(target, predicted):
    return -sum(t * math.log(p) for t, p in zip(target, predicted, strict=True))


def softmax(scores):
    shares = np.exp(np.array(scores) - max(scores))
    return shares / shares.sum()


def test_a_head_is_a_term_of_the_output_projection(cells):
    projection, heads = np.array([[1, 2], [3, 4]]), np.array([5, 7])
    whole, first, second = projection @ heads, projection[:, 0] * 5, projection[:, 1] * 7
    assert (first + second == whole).all()
    shown = [f"[{a}, {b}]" for a, b in (whole, first, second)]
    says(both(cells, "c007b1", "c007b2"), *shown, f"={(projection @ heads)[0]}$")


def layer_parameters(hidden, rows_of_heads, neurons):
    """Of Q, K and V; of O; of both FFN matrices; of both LayerNorms; biases are counted."""
    qkv = 3 * (rows_of_heads * hidden + rows_of_heads)
    output = hidden * rows_of_heads + hidden
    return qkv, output, neurons * hidden + neurons, hidden * neurons + hidden, 2 * 2 * hidden


def test_half_the_width_is_more_than_half_the_parameters(cells):
    whole, half = layer_parameters(4, 4, 8), layer_parameters(4, 2, 4)
    texts = both(cells, "c007e1", "c007e2")
    says(texts, f"${sum(whole)}$", f"${sum(half)}$", str(round(100 * sum(half) / sum(whole))))
    for before, after in zip(whole[1:4], half[1:4], strict=True):
        says(texts, f"={before}$", f"={after}$" if after != before else "")
    says(texts, f"={whole[0] // 3}$", f"={half[0] // 3}$", f"={whole[4]}$")
    hidden, neurons = 384, 4 * 384
    assert 2 * hidden * neurons == 8 * hidden**2, "the FFN's share, as the figure's reading says"


def test_savings_multiply_and_figure_3_is_read_rightly(cells):
    assert math.isclose(2 / 6 * 1 / 4, 1 / 12)
    assert [layer + 1 for layer in kept_layers(6, 3)] == [2, 4, 6]
    assert [layer + 1 for layer in kept_layers(6, 2)] == [3, 6]
    shared = set(kept_layers(6, 6)) & set(kept_layers(6, 3)) & set(kept_layers(6, 2))
    assert shared == {5} and 2 not in kept_layers(6, 3), "'share no other' than layer 6"
    says(both(cells, "c025r1", "c025r2"), str(6 * 12), "6×1", "3×½", "2×¼")
    says(both(cells, "c026r1", "c026r2"), r"\frac14")
    assert [m - 1 for m in layer_map(6, 12)] == kept_layers(12, 6)
    assert all(layer % 2 for layer in kept_layers(12, 6)), "odd numbers, as the text says"


def test_the_smallest_keeps_nearly_six_tenths_of_the_bytes():
    teacher = parameter_count(BertConfig(hidden_size=384, intermediate_size=1536, **SIX_LAYERS))
    layers = teacher - parameter_count(
        BertConfig(hidden_size=384, intermediate_size=1536, num_hidden_layers=0)
    )
    kept = (teacher - layers * 11 / 12) / teacher
    assert 0.55 < kept < 0.6, "'nearly six tenths', as lecture 1 says too"


def test_saturated_weights_hide_what_scores_show(cells):
    teacher, student = [0, 8], [0, 4]
    weights = softmax(teacher), softmax(student)
    gap = np.mean((weights[0] - weights[1]) ** 2)
    shown = [f"{weights[0][1]:.4f}", f"{weights[1][1]:.4f}", f"{gap:.4f}"]
    scores = np.mean((np.array(teacher) - student) ** 2)
    says(both(cells, "c040b1", "c040b2"), *shown, f"/2={scores:.0f}$")


def test_the_three_mistakes_of_padding(cells):
    right, counted, by_sentence = (4 * 1 + 5) / 5, (4 * 1 + 5) / 8, (1 + 5) / 2
    says(
        both(cells, "c040c1", "c040c2"), f"/5={right:g}$", f"/8={counted:g}$", f"={by_sentence:g}$"
    )
    assert math.isnan(-math.inf - -math.inf) and math.isnan(math.nan * 0)


def test_the_joint_loss_of_the_worked_example(cells):
    teacher, largest, student = (0.8, 0.2), (0.6, 0.4), (0.7, 0.3)
    terms = entropy(teacher, student), entropy(largest, student)
    mean = sum(terms) / 2
    middle = tuple((t + p) / 2 for t, p in zip(teacher, largest, strict=True))
    assert middle == pytest.approx(student) and mean == pytest.approx(entropy(middle, student))
    recipe = JointRecipe()
    total = recipe.soft_label_weight * mean + recipe.embedding_weight * 0.1
    total += recipe.hidden_weight * 0.5 + recipe.attention_weight * 2
    texts = both(cells, "c055b1", "c055b2")
    says(texts, *(f"{number:.3f}" for number in (*terms, mean, total)))
    weights = f"$\\lambda_e=\\lambda_h={recipe.hidden_weight}$"
    says(
        both(cells, "c055a1", "c055a2"), weights, f"$\\lambda_a={recipe.attention_weight}$", "$t=1$"
    )
    assert recipe.embedding_weight == recipe.hidden_weight and recipe.temperature == 1


def test_the_cost_of_a_step(cells):
    recipe = JointRecipe(num_steps=400)
    sizes = [s.depth * s.width / 6 for s in recipe.sub_models()]
    others = sum(sizes[1:-1]) / len(sizes[1:-1])
    step, apart = sizes[-1] + sizes[0] + others, sum(sizes)
    shown = (f"{others:.3f}", f"={step:.3f}$", f"${apart:.3f}$", f"{100 * step / apart:.0f}")
    says(both(cells, "c055d1", "c055d2"), *shown)
    starts = [f"{100 * start:.0f}" for start, _ in recipe.stages]
    assert starts == ["0", "5", "15", "30"]
    for text in both(cells, "c055c1", "c055c2"):
        assert re.findall(r"(\d+) ?%", text)[-3:] == starts[1:]
    by_stages = expected_share(recipe, dict(zip(recipe.sub_models(), sizes, strict=True)))
    assert 0.43 < by_stages < 0.46, "'near our 43 % and somewhat above', as table 4's reading says"


def expected_share(recipe, sizes):
    """The cost of a joint run over that of nine runs, with the mean of those that may be drawn."""
    total = 0.0
    starts = [start for start, _ in recipe.stages] + [1.0]
    is_open: list[SubModel] = []
    for (_, group), length in zip(recipe.stages, np.diff(starts), strict=True):
        is_open = sorted([*is_open, *group], key=lambda s: s.size)
        cost = sizes[is_open[-1]]
        if len(is_open) > 1:
            cost += sizes[is_open[0]]
        middle = [sizes[s] for s in is_open[1:-1]]
        total += length * (cost + (sum(middle) / len(middle) if middle else 0.0))
    return total / sum(sizes.values())


def test_published_numbers_agree_between_text_and_table(cells):
    table = source(cells, "c064")
    says(both(cells, "c027", "c028"), "75.6", "70.9", "71.3")
    says(both(cells, "c064r1", "c064r2"), "75.6", "56.3")
    for number in ("75.6", "56.3", "70.9", "71.3"):
        assert number in table


def test_readings_say_what_the_records_say(cells):
    """The readings of tables 3 and 5 name no numbers; what they claim is checked here."""
    for row in read_record("ablation").rows:
        for name, gap in (row.difference_points or {}).items():
            is_order_of_3 = (row.variant, name) == ("no_order_of_importance", "3x0.5")
            assert (gap.high < 0) == is_order_of_3, "'every other interval contains 0'"
            assert gap.low < 0, "'is worse'"
            assert gap.low > -5 and gap.high < 5, "'no interval reaches beyond five points'"
    rows = {(r.schedule, r.self_distillation): r for r in read_record("stability").rows}
    steps, once, random = (
        rows[name, True].largest_gradient_norm
        for name in ("progressive", "all_at_once", "random_order")
    )
    assert steps.mean < once.mean and steps.sd < once.sd, "'smaller and closer together'"
    others = zip(steps.values, once.values, strict=True)
    assert sum(first > second for first, second in others) == 1, "'one seed the other way'"
    assert random.mean < steps.mean, "'the smallest mean'"
    assert stability_gap("largest_gradient_norm", "all_at_once").low < 0
    assert stability_gap("largest_gradient_norm", "all_at_once").high > 0
    better = stability_gap("mean_accuracy_percent", "all_at_once")
    assert -0.6 < better.low < 0 < better.high < 0.6
    for name in ("all_at_once", "random_order"):
        smallest = stability_gap("smallest_accuracy_percent", name)
        assert smallest.low < smallest.mean < 0 < smallest.high
    for name in ("progressive", "all_at_once"):
        with_and_without = (
            {"schedule": name, "self_distillation": has_it} for has_it in (True, False)
        )
        gap = evidence.difference("stability", "mean_accuracy_percent", *with_and_without)
        assert -0.7 < gap.low < 0 < gap.high < 0.7


def stability_gap(field, schedule):
    """Progressive minus another schedule, both with self-distillation."""
    progressive, other = (
        {"schedule": name, "self_distillation": True} for name in ("progressive", schedule)
    )
    return evidence.difference("stability", field, progressive, other)


def test_the_reading_of_the_record_of_self_distillation():
    closer, better = {}, {}
    for name in ("1x1", "2x0.5", "1x0.5"):
        where = {"sub_model": name, "self_distillation": True}
        closer[name] = evidence.from_record("self_distillation", "difference_nats", **where)
        better[name] = evidence.from_record("self_distillation", "difference_points", **where)
    assert all(gap.mean < 0 for gap in closer.values())
    assert [name for name, gap in closer.items() if gap.high < 0] == ["2x0.5"]
    assert all(gap.low < 0 < gap.high for gap in better.values())
    largest = {"sub_model": "2x1", "self_distillation": True}
    assert evidence.from_record("self_distillation", "difference_points", **largest).high < 0


# the student's own joint step


@pytest.fixture(scope="module")
def reference_step(cells):
    """The step as the notebook's solution has it."""
    namespace = {}
    exec(compile(source(cells, "joint-step"), "joint-step", "exec"), namespace)
    return namespace["my_joint_step"]


@pytest.fixture(scope="module")
def few_problems():
    """The last two problems: all sub-models are open; with and without self-distillation."""
    return joint_check.problems()[-2:]


@pytest.fixture(autouse=True)
def quick(request, monkeypatch):
    if "few_problems" in request.fixturenames:
        problems = request.getfixturevalue("few_problems")
        monkeypatch.setattr(joint_check, "problems", lambda seed: problems)


def test_the_reference_step_agrees_with_the_library(reference_step):
    compared = compare_joint_step(reference_step)
    assert compared["agrees"].all() and explain(compared).startswith(f"All {len(compared)} numbers")
    assert len(set(compared["step"])) == 6 and (compared["what"] == joint_check.GRADIENT).sum() == 6


def altered(reference_step, change):
    def step(student, target, batch, participants, recipe):
        loss, log = reference_step(student, target, batch, participants, recipe)
        return change(loss, log, len(participants))

    return step


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda loss, log, n: (n * loss, log), "add the sub-models' losses"),
        (lambda loss, log, n: (loss.detach(), log), "gradient is not"),
        (lambda loss, log, n: (2.5 * loss, log), "their combination does not"),
        (lambda loss, log, n: (loss, dict(list(log.items())[1:])), "no such entry"),
        (lambda loss, log, n: (loss, {**log, "9x1": {"hidden": 1.0}}), "library's log has no"),
    ],
)
def test_the_check_names_what_differs(reference_step, few_problems, change, words):
    assert words in explain(compare_joint_step(altered(reference_step, change)))


def test_soft_labels_of_nobody_are_noticed(reference_step, few_problems):
    def alone(student, target, batch, participants, recipe):
        loss, log = reference_step(student, target, batch, participants[:1], recipe)
        for participant in participants[1:]:
            log |= reference_step(student, target, batch, [participant], recipe)[1]
        return loss, log

    sentence = explain(compare_joint_step(alone))
    assert "soft_labels" in sentence and "Who gives soft labels to whom" in sentence


def test_what_is_no_pair_of_loss_and_log_is_refused(few_problems):
    with pytest.raises(InvalidInput, match="allowed: a pair"):
        compare_joint_step(lambda *_: 3.0)


def test_a_step_that_is_not_written_yet_is_told_so(few_problems):
    def released_stub(*_):
        raise NotImplementedError

    with pytest.raises(InvalidInput, match="no answer yet"):
        compare_joint_step(released_stub)


def test_the_reference_step_is_not_released(checkout, cells):
    notebook = nbformat.read(checkout / "notebooks" / NAME / f"{NAME}.ipynb", as_version=4)
    (cell,) = [c for c in notebook.cells if c.id == "joint-step"]
    settings = cell.metadata["nbgrader"]
    assert settings["solution"] and not settings["grade"] and "points" not in settings
    released, _ = ClearSolutions().preprocess_cell(cell, {"language": "python"}, 0)
    solution = source(cells, "joint-step").partition("### BEGIN SOLUTION")[2]
    telling = [x.strip() for x in solution.splitlines() if len(x.strip()) > 24]
    assert telling and not [line for line in telling if line in released.source]
    assert "def my_joint_step(student, target" in released.source
    others = "".join("".join(c["source"]) for name, c in cells.items() if name != "joint-step")
    assert not [line for line in telling if line in others]
    assert len(solution.partition("### END")[0].strip().splitlines()) <= 15
