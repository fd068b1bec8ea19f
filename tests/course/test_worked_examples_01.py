"""Every worked example of lecture 1, recomputed from its formula."""

import math
import statistics

import pandas as pd
import pytest
import torch
from lecture_text import assert_stands, cells_of
from transformers import BertConfig

from tinybert_l import flops, parameter_count, soft_cross_entropy, tables
from tinybert_l.course import evidence, experiments, intervals

pytestmark = pytest.mark.lecture1
TEACHER = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6}


def test_a_matrix_pruned_factorised_and_quantized():
    rows, columns = 4, 4
    whole = rows * columns
    pruned = rows // 2 * columns
    factorised = rows * 1 + 1 * columns
    assert (whole, 4 * whole, 2 * whole) == (16, 64, 32)
    assert (pruned, 4 * pruned, 2 * pruned) == (8, 32, 16)
    assert (factorised, 2 * factorised) == (8, 16)
    largest, weight = 1.27, 0.504
    scale = largest / 127
    stored = round(weight / scale)
    error = abs(weight - stored * scale)
    assert scale == pytest.approx(0.01) and stored == 50 and error == pytest.approx(0.004)
    assert error <= scale / 2
    assert_stands(1, "16", "64", "32", "8", "1.27", "0.01", "0.504", "50", "0.50", "0.004")


def test_what_is_left_without_embeddings():
    """Table 1 leaves out pooler and classifier as well, the verdict does not."""
    hidden, inner, classes = 384, 1536, 2
    norms, rest = 2 * 2 * hidden, hidden * hidden + hidden + classes * hidden + classes

    def layer(share):
        heads, neurons = int(share * hidden), int(share * inner)
        projections = 3 * (heads * hidden + heads) + hidden * heads + hidden
        return projections + 2 * hidden * neurons + neurons + hidden + norms

    teacher, smallest = 6 * layer(1), 2 * layer(0.25)
    assert f"{(teacher + rest) / (smallest + rest):.1f}" == "10.4"
    assert round(teacher / smallest) == 12
    assert_stands(1, "10.4")


def test_tinybert_s_ablation_in_points():
    """The means are those of the paper; the differences are ours."""
    mean = {"all": 75.6, "no layers": 56.3, "no attention": 71.0, "no hidden": 72.9}
    mean |= {"no soft labels": 73.5, "no embedding": 74.1}
    mean |= {"no general": 72.5, "no task": 68.5, "no augmentation": 68.4}
    assert_stands(1, *(f"{value:.1f}" for value in mean.values()))
    lost = {name: mean["all"] - value for name, value in mean.items()}
    for name in ("no layers", "no attention", "no hidden", "no soft labels"):
        assert_stands(1, f"{lost[name]:.1f}")
    assert 77.0 / 79.5 > 0.968, "what TinyBERT4 keeps of BERT-base, as one page on it says"
    assert_stands(1, "77.0", "79.5", "96.8")


def test_parameters_of_bert_base():
    c = BertConfig()
    tables = (c.vocab_size + c.max_position_embeddings + c.type_vocab_size) * c.hidden_size
    attention = 4 * (c.hidden_size**2 + c.hidden_size)
    ffn = 2 * c.hidden_size * c.intermediate_size + c.intermediate_size + c.hidden_size
    norms = 4 * c.hidden_size
    layer = attention + ffn + norms
    pooler = c.hidden_size**2 + c.hidden_size
    total = tables + 2 * c.hidden_size + 12 * layer + pooler
    assert total == parameter_count(c)
    assert_stands(1, f"{attention}+{ffn}+{norms}={layer}", str(tables), str(12 * layer))
    assert_stands(1, "1536", str(pooler), str(total), "31036")


def test_counts_agree_with_the_printed_ones_as_closely_as_the_reading_of_table_1_says():
    small = {"hidden_size": 312, "intermediate_size": 1200, "num_hidden_layers": 4}
    minilm = {"hidden_size": 384, "intermediate_size": 1536}
    half, third = {"num_hidden_layers": 6}, {"num_hidden_layers": 4}
    printed = [({}, 109, 22.5), (half, 67.0, 11.3), (third, 52.2, 7.6), (small, 14.5, 1.2)]
    printed.append((minilm, 33, None))
    for settings, millions, gflops in printed:
        config = BertConfig(**settings)
        assert parameter_count(config) / 1e6 == pytest.approx(millions, rel=0.012)
        assert gflops is None or flops(config, 128) / 1e9 == pytest.approx(gflops, rel=0.04)
    assert_stands(1, "1.2", "4")


def test_the_tiny_example_of_exercise_1():
    sizes = {"vocab_size": 5, "max_position_embeddings": 3, "type_vocab_size": 2}
    sizes |= {"hidden_size": 2, "intermediate_size": 4, "num_hidden_layers": 1}
    tiny = BertConfig(**sizes, num_attention_heads=1)
    assert (parameter_count(tiny), parameter_count(tiny, pooler=False)) == (84, 78)
    assert_stands(1, "84", "78", "10·2=20", "4·6=24", "12+10=22")


def test_flops_of_the_teacher():
    hidden, inner, layers, tokens = 384, 1536, 6, 128
    weights = 4 * hidden**2 + 2 * hidden * inner
    matrices = 2 * layers * tokens * weights
    attention = 2 * layers * 2 * tokens**2 * hidden
    assert matrices + attention == flops(BertConfig(**TEACHER), tokens)
    assert_stands(1, str(weights), f"2·6·128·{weights}={matrices / 1e9:.3f}")
    assert_stands(1, f"{attention / 1e9:.3f}", f"{(matrices + attention) / 1e9:.3f}")


def test_the_prediction_s_answer_is_about_half():
    total = parameter_count(BertConfig(**TEACHER))
    table = 30522 * 384
    share = (30522 + 512 + 2) * 384 / total
    assert 0.5 < share < 0.55 and round(table / 1e6, 1) == 11.7 and round(total / 1e6, 1) == 22.7
    half_depth = parameter_count(BertConfig(**TEACHER | {"num_hidden_layers": 3}))
    assert 0.7 < half_depth / total < 0.8  # the quiz says: about three quarters


@pytest.mark.parametrize("temperature", [1, 2])
def test_three_classes_softened(temperature):
    logits = (2, 1, -1)
    weights = [math.exp(z / temperature) for z in logits]
    if temperature == 1:
        assert_stands(1, ",".join(f"{w:.3f}" for w in weights), f"{sum(weights):.3f}")
    shares = [w / sum(weights) for w in weights]
    assert_stands(1, "(" + ",".join(f"{share:.3f}" for share in shares) + ")", f"{shares[2]:.3f}")
    shifts = [temperature * math.log(share) - z for share, z in zip(shares, logits, strict=True)]
    assert max(shifts) - min(shifts) < 1e-12, "t ln p and z differ by one number for all classes"


def test_cross_entropy_entropy_and_divergence():
    p, q = (0.5, 0.5), (0.75, 0.25)
    cross = -sum(a * math.log(b) for a, b in zip(p, q, strict=True))
    entropy = -sum(a * math.log(a) for a in p)
    divergence = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    reverse = sum(b * math.log(b / a) for a, b in zip(p, q, strict=True))
    assert cross == pytest.approx(entropy + divergence)
    first, second = (-a * math.log(b) for a, b in zip(p, q, strict=True))
    assert_stands(1, f"{first:.3f}+{second:.3f}={cross:.3f}", f"{entropy:.3f}")
    assert_stands(1, f"{cross:.3f}-{entropy:.3f}={divergence:.3f}", f"{reverse:.3f}")
    student = torch.tensor([[math.log(3.0), 0.0]])
    assert float(soft_cross_entropy(student, torch.zeros(1, 2))) == pytest.approx(cross, abs=1e-5)


def test_the_gradient_at_a_high_temperature():
    teacher = torch.tensor([[2.0, 0.0]])

    def first_component(temperature):
        student = torch.zeros(1, 2, requires_grad=True)
        soft_cross_entropy(student, teacher, temperature).backward()
        return float(student.grad[0, 0])

    chance = {t: float(torch.softmax(teacher / t, -1)[0, 0]) for t in (1, 4)}
    assert_stands(1, f"0.5-{chance[1]:.3f}={first_component(1.0):.3f}")
    assert_stands(1, f"(0.5-{chance[4]:.3f})/4={first_component(4.0):.3f}")
    scaled = 16 * first_component(4.0)
    assert_stands(1, f"{scaled:.3f}", "-0.5")
    assert first_component(1000.0) * 1e6 == pytest.approx(-0.5, abs=1e-2)


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [(-0.9, 0.3, "holds"), (-2.7, 0.3, "undecided"), (-4.2, -1.1, "does_not_hold")],
)
def test_the_rule_s_examples_are_judged_by_the_rule(low, high, kind):
    assert evidence.answer(low, high, -1.0) == kind
    assert_stands(1, f"[{low},{high}]")


def test_a_paired_interval():
    texts, only_a, only_b = 1200, 60, 48
    difference = (only_a - only_b) / texts
    error = math.sqrt(only_a + only_b - (only_a - only_b) ** 2 / texts) / texts
    low, high = difference - 1.96 * error, difference + 1.96 * error
    assert_stands(1, f"{100 * difference:.1f}", f"{100 * error:.2f}")
    assert_stands(1, f"[{100 * low:.1f},{100 * high:.1f}]", str(only_a + only_b))
    assert_stands(1, str(texts - only_a - only_b))
    # the same by drawing sentences anew
    gap = torch.zeros(texts)
    gap[:only_a], gap[only_a : only_a + only_b] = 1.0, -1.0
    drawn = torch.randint(texts, (2000, texts), generator=torch.Generator().manual_seed(0))
    quantiles = torch.quantile(gap[drawn].mean(1), torch.tensor([0.025, 0.975]))
    assert quantiles.tolist() == pytest.approx([low, high], abs=0.002)


def test_an_interval_over_three_seeds():
    seeds = [0.4, 1.0, 1.6]
    estimate = intervals.over_seeds(seeds)
    sd = statistics.stdev(seeds)
    assert_stands(1, f"{sd:.1f}/√3={sd / math.sqrt(3):.2f}", f"{intervals.t_quantile(2):.2f}")
    assert_stands(
        1, f"1.0\\pm{estimate.high - estimate.mean:.2f}", f"{intervals.t_quantile(4):.2f}"
    )
    assert evidence.answer(estimate.low, estimate.high, 0.0) == "undecided"
    parts = [intervals.t_quantile(count - 1) / math.sqrt(count) for count in (3, 5)]
    assert parts[1] / parts[0] == pytest.approx(0.5, abs=0.01), "the seeds' part shrinks to a half"


@pytest.mark.parametrize("sub_model", ["3x0.5", "2x0.25"])
def test_high_performance_is_undecided_as_the_reading_says(sub_model):
    kept = evidence.from_record(
        "headline",
        "kept_percent",
        role="candidate",
        sub_model=sub_model,
        runtime="torch float32",
    )
    assert kept.low < 96.8 < kept.mean, "estimates above the margin, intervals below it"
    if sub_model == "2x0.25":
        assert_stands(1, f"{kept.mean:.1f}", f"{100 * 77.0 / 79.5:.1f}")  # as table 1 has them


def test_soft_labels_are_nearer_to_the_teacher_and_labels_are_more_accurate_in_the_record():
    """What the reading of the reviews' table says about the record."""
    soft, hard = {"method": "logits_only"}, {"method": "labels_only"}
    assert evidence.difference("training_methods", "divergence_nats", soft, hard).high < 0
    better = evidence.from_record("training_methods", "against_soft_labels_points", **hard)
    assert 0 < better.low < better.mean < 1, "'less than a point'"


def test_a_student_that_never_saw_a_3_knows_most_of_them_with_another_seed_too():
    """The lecture's demonstration, with a seed that its own run does not use."""
    (source,) = [cell.source for cell in cells_of(1) if "load_digits" in cell.source]
    seeds = "range(1 if experiments.reduced() else 5)"
    assert source.count(seeds) == 1
    names = {"torch": torch, "pd": pd, "tables": tables, "experiments": experiments}
    names["soft_cross_entropy"] = soft_cross_entropy
    exec(source.replace(seeds, "(11,)"), names)
    runs = names["digit_runs"].set_index(["learns from 学自", "seed"])
    known = runs["3s recognised 认得的3 (%)"]
    assert known["0/1 labels 硬标签", 11] == 0
    assert known["soft labels 软标签", 11] > 50, "the text says: most of them"
