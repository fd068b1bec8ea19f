"""The records of strategies and of self-distillation: how they are trained and summarised."""

import copy
import importlib
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from tinybert_l.course.experiments import LectureSetup
from tinybert_l.course.rows import Hits
from tinybert_l.exercises.lecture_01 import soft_cross_entropy
from tinybert_l.exercises.lecture_04 import linear_warmup_decay
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.data import Encoded
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import TeacherRecipe
from tinybert_l.method.training import LoopSettings, run_loop
from tinybert_l.submodels import SubModel

STEPS = 6


@pytest.fixture
def benchmarks(checkout, monkeypatch):
    """A module of benchmarks/ by its name."""
    monkeypatch.syspath_prepend(checkout / "benchmarks")
    return importlib.import_module


def tiny_model():
    torch.manual_seed(0)
    config = ElasticBertConfig(
        vocab_size=30,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = ElasticBertForSequenceClassification(config)
    model.bert.embeddings.requires_grad_(False)
    return model


def test_stacked_runs_are_those_of_the_library_s_loop(benchmarks, tmp_path):
    """Rate, warm-up, decay and clipping differ between the runs; each as if it ran alone."""
    stacked = benchmarks("stacked_training")
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 30, (STEPS, 4, 5), generator=generator)
    mask = torch.ones_like(ids[0])
    mask[0, 3:] = 0
    target = torch.randn(STEPS, 4, 2, generator=generator)
    usual = LoopSettings(num_steps=STEPS, learning_rate=0.02, precision="float32")
    settings = [
        usual,
        replace(usual, weight_decay=0.5, warmup_share=0.5),
        replace(usual, max_norm=0.01, learning_rate=0.1),
    ]
    start = tiny_model()
    runs = [stacked.Run(copy.deepcopy(start), s, linear_warmup_decay) for s in settings]

    def inputs_of(step):
        return {"input_ids": ids[step], "attention_mask": mask}

    norms = stacked.train_stacked(
        runs, inputs_of, lambda logits, step: soft_cross_entropy(logits, target[step]), seed=0
    )
    for number, (run, own_norms) in enumerate(zip(runs, norms, strict=True)):
        alone = copy.deepcopy(start)

        def step_loss(step, alone=alone):
            return soft_cross_entropy(alone(**inputs_of(step)).logits, target[step]), {}

        log = run_loop(alone, step_loss, run.settings, tmp_path / str(number), "alone")
        assert own_norms == pytest.approx([row["gradient_norm"] for row in log], rel=1e-3)
        for name, weight in alone.named_parameters():
            same = dict(run.model.named_parameters())[name]
            assert torch.allclose(same, weight, atol=1e-4), f"run {number}: {name}"
    assert not torch.allclose(runs[0].model.classifier.weight, runs[1].model.classifier.weight)


def test_the_rate_is_chosen_on_validation_and_compared_with_the_chosen_one_of_all_on(benchmarks):
    """On test the rate that validation rejects would be the better one."""
    runs = benchmarks("strategy_runs")

    def seed_row(name, rate, validation, right):
        hits = Hits.pack([1] * right + [0] * (10 - right))
        return runs.StrategySeed(name, rate, validation, 1.0 - right / 20, 2.0, hits)

    seeds = [
        [
            seed_row("all_on", 0.1, 80.0 + seed, 8),
            seed_row("all_on", 0.3, 70.0, 10),
            seed_row("no_clipping", 0.1, 60.0, 9),
            seed_row("no_clipping", 0.3, 61.0, 6),
        ]
        for seed in range(3)
    ]
    rows = runs.summarise_strategies(seeds)
    chosen = {row.strategy: row for row in rows if row.is_chosen}
    assert len(rows) == 4 and len(chosen) == 2
    assert chosen["all_on"].learning_rate == 0.1 and chosen["no_clipping"].learning_rate == 0.3
    assert chosen["all_on"].difference_points is None
    gap = chosen["no_clipping"].difference_points
    assert gap.estimate == pytest.approx(-20.0) and gap.method == "seeds_and_items"
    assert chosen["no_clipping"].difference_nats.estimate == pytest.approx(0.1)
    assert all(row.difference_points is None for row in rows if not row.is_chosen)


def test_self_distillation_is_with_minus_without(benchmarks):
    runs = benchmarks("self_distillation_runs")

    def seed_row(has_it, right, nats):
        hits = Hits.pack([1] * right + [0] * (10 - right))
        return runs.CurveSeed(SubModel(2), has_it, [0, 40], [0.5, nats], [50.0, 60.0], nats, hits)

    seeds = [[seed_row(True, 9, 0.1), seed_row(False, 7, 0.3 + seed / 10)] for seed in range(3)]
    with_it, without = runs.summarise_curves(seeds)
    assert with_it.self_distillation and not without.self_distillation
    assert with_it.difference_points.estimate == pytest.approx(20.0)
    assert with_it.difference_nats.estimate == pytest.approx(0.1 - 0.4)
    assert without.difference_points is None and without.difference_nats is None
    assert without.nats_to_largest_by_seed == ((0.5, 0.3), (0.5, 0.4), (0.5, 0.5))


def test_a_benchmark_keeps_the_processor_s_model(benchmarks, tmp_path):
    contest = benchmarks("contest")
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n", encoding="utf-8")
    assert contest.cpu_model(info) == "Some CPU @ 2 GHz"
    assert contest.cpu_model(tmp_path / "none")


def test_each_seed_has_a_teacher_that_has_not_seen_its_test_sentences(benchmarks, monkeypatch):
    long_run = benchmarks("long_run")
    asked = []

    def load_teacher(recipe):
        asked.append(recipe.fold)
        return SimpleNamespace(data={"test": Encoded([[1, 2]], [0], 0)})

    def open_bench(recipe):
        asked.append(recipe.fold)
        return LectureSetup(None, None, None, (), JointRecipe(), torch.zeros(0))

    monkeypatch.setattr(long_run, "load_teacher", load_teacher)
    monkeypatch.setattr(long_run, "open_bench", open_bench)
    monkeypatch.setattr(long_run, "predict_logits", lambda model, data: torch.zeros(1, 2))
    settings = {"num_steps": 5, "batch_size": 2}
    setup = long_run.long_setup(settings, 2)
    assert asked == [2, 2] and setup.recipe.num_steps == 5 and len(setup.held_out) == 1
    assert long_run.teacher_of(2) == TeacherRecipe(fold=2, seed=2)
