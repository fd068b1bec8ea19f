"""Joint training learns, resumes exactly after a kill, and refuses early what cannot work."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import warm
from conftest import small_bert

from tinybert_l.cache import cached, read_entry
from tinybert_l.method import precision
from tinybert_l.method.evaluation import (
    accuracy_interval,
    count_flops,
    count_parameters,
    evaluate,
    measure_latency,
)
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import accuracy_of, predict_logits
from tinybert_l.method.timing import WARM_UP_CALLS, measure_call
from tinybert_l.method.training import TrainingDiverged
from tinybert_l.submodels import SubModel

RECIPE = JointRecipe(num_steps=12, batch_size=8, precision="float32", checkpoint_every=4)


def test_every_sub_model_comes_closer_to_the_teacher(supernet, texts, tmp_path):
    student = elastic_copy(supernet)
    recipe = replace(RECIPE, num_steps=60, learning_rate=2e-3)

    def gap(sub_model):
        target = predict_logits(supernet, texts).softmax(-1)
        prediction = predict_logits(student, texts, sub_model=sub_model).softmax(-1)
        return float((prediction - target).abs().mean())

    before = {s: gap(s) for s in recipe.sub_models()[:-1]}
    log = train_jointly(student, supernet, texts, recipe, tmp_path)
    assert all(gap(s) < before[s] for s in before if before[s] > 0.02)
    assert set(log[0]["losses"]) == {"6x1"}, "only the largest is open at first"
    assert {name for row in log for name in row["losses"]} == {s.name for s in recipe.sub_models()}
    assert set(log[-1]["losses"]["6x1"]) == {"soft_labels", "embedding", "hidden", "attention"}


def test_the_teacher_runs_once_a_batch_in_eval_mode_and_is_not_changed(supernet, texts, tmp_path):
    teacher = elastic_copy(supernet).train()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    calls = []
    teacher.register_forward_hook(lambda module, *_: calls.append(module.training))
    train_jointly(supernet, teacher, texts, RECIPE, tmp_path)
    assert calls == [False] * RECIPE.num_steps
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(p.grad is None for p in teacher.parameters())


@pytest.mark.parametrize("inner", [0.0, 0.3])
def test_the_last_layer_runs_for_the_first_token_where_logits_alone_are_compared(
    supernet, texts, tmp_path, inner
):
    lengths = set()
    supernet.bert.register_forward_hook(
        lambda *call: lengths.add(call[-1].last_hidden_state.shape[1] == 1)
    )
    recipe = replace(RECIPE, hidden_weight=inner, embedding_weight=0.0, attention_weight=0.0)
    train_jointly(supernet, elastic_copy(supernet), texts, recipe, tmp_path)
    assert lengths == {inner == 0}


def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not(bert, texts, tmp_path):
    weights = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        student = elastic_copy(bert)
        train_jointly(
            student, elastic_copy(bert), texts, replace(RECIPE, seed=seed), tmp_path / folder
        )
        weights.append(torch.cat([p.flatten() for p in student.parameters()]).detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


PROGRAM = Path(__file__).with_name("small_run.py")


def start_run(folder, *options):
    """Start forty steps in a process of its own."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(PROGRAM), str(folder), "--steps", "40", *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def finish(folder):
    """Go on to the last of forty steps, in a fork."""
    folder.mkdir(exist_ok=True)
    done = warm.run_tool(["python", str(PROGRAM), str(folder), "--steps", "40"], folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_run_killed_in_the_middle_ends_with_the_same_weights(tmp_path):
    whole = tmp_path / "whole"
    killed = tmp_path / "killed"
    finish(whole)
    process = start_run(killed, "--pause", "0.05")
    deadline = time.monotonic() + 120
    progress = killed / "step"
    while not progress.is_file() or int(progress.read_text() or 0) < 17:
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (checkpoint,) = killed.glob("checkpoint-*")
    assert checkpoint.name == "checkpoint-000015"
    finish(killed)
    weights, log = torch.load(whole / "result.pt")
    resumed_weights, resumed_log = torch.load(killed / "result.pt")
    for name, value in weights.items():
        assert torch.equal(value, resumed_weights[name]), name
    assert log == resumed_log and len(resumed_log) == 40


def test_precision_is_measured_once_and_draws_no_random_numbers():
    precision._faster_precision.cache_clear()
    torch.manual_seed(0)
    first = precision.measured_precision()
    drawn = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(1))
    assert precision.measured_precision() == first in ("float32", "bfloat16")
    assert precision._faster_precision.cache_info().misses == 1


def test_nan_losses_stop_the_run_with_a_reason(supernet, texts, tmp_path):
    teacher = elastic_copy(supernet)
    with torch.no_grad():
        teacher.classifier.bias[0] = float("nan")
    with pytest.raises(
        TrainingDiverged,
        match=r"sub-model 6x1 at step 0 is nan; allowed: a finite number.*learning_rate",
    ):
        train_jointly(supernet, teacher, texts, RECIPE, tmp_path)


def test_a_projection_joins_different_hidden_sizes(texts, tmp_path):
    teacher = elastic_copy(small_bert(hidden_size=32))
    student = elastic_copy(small_bert(hidden_size=24))
    log = train_jointly(student, teacher, texts, RECIPE, tmp_path)
    assert log[-1]["losses"]["6x1"]["hidden"] > 0


def test_the_cache_never_uses_a_half_written_entry_and_rebuilds_for_a_new_recipe(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path))
    built = []

    def build(folder):
        built.append(folder)
        (folder / "weights").write_text("whole")
        if len(built) == 1:
            raise KeyboardInterrupt
        return {"accuracy": 1.0}

    with pytest.raises(KeyboardInterrupt):
        cached("thing", {"seed": 0}, build)
    folder = cached("thing", {"seed": 0}, build)
    assert read_entry(folder)["metrics"] == {"accuracy": 1.0} and len(built) == 2
    assert cached("thing", {"seed": 0}, build) == folder and len(built) == 2
    assert cached("thing", {"seed": 1}, build) != folder and len(built) == 3
    (folder / "entry.json").write_text("{")
    assert cached("thing", {"seed": 0}, build) == folder and len(built) == 4


def test_evaluation_counts_what_is_there(bert, supernet, texts):
    rows = evaluate(
        supernet,
        bert,
        [SubModel(6), SubModel(2, 0.5)],
        texts,
        length=8,
        seconds=0.01,
        progress=False,
    )
    assert [r.name for r in rows] == ["teacher", "6x1", "2x0.5"]
    assert rows[0].accuracy == rows[1].accuracy == pytest.approx(accuracy_of(bert, texts))
    assert rows[0].parameters == bert.num_parameters() == rows[1].parameters
    assert rows[2].parameters == extract(supernet, SubModel(2, 0.5)).num_parameters()
    assert rows[0].accuracy_low < rows[0].accuracy < rows[0].accuracy_high
    assert all(r.latency_ms_batch_1 > 0 and r.latency_ms_batch_32 > 0 for r in rows)


def test_flops_equal_the_closed_form(supernet):
    layers, s, h, i = 6, 16, 24, 32
    encoder = 2 * layers * (s * (4 * h * h + 2 * h * i) + 2 * s * s * h)
    head = 2 * h * h + 2 * h * 2
    assert count_flops(supernet, s) == encoder + head


def test_parameters_without_embeddings_leave_the_embeddings_out(supernet):
    everything, encoder = count_parameters(supernet)
    assert everything - encoder == (60 + 40 + 2) * 24 + 2 * 24


def test_the_interval_is_wilsons():
    share, low, high = accuracy_interval(50, 100)
    assert (share, round(low, 3), round(high, 3)) == (0.5, 0.404, 0.596)
    with pytest.raises(ValueError, match="total=0"):
        accuracy_interval(0, 0)


def test_latency_is_measured_on_full_texts_of_the_models_vocabulary(supernet):
    calls = []

    def note(module, arguments, keywords):
        calls.append((keywords["input_ids"], keywords["attention_mask"], torch.is_grad_enabled()))

    supernet.register_forward_pre_hook(note, with_kwargs=True)
    latency = measure_latency(supernet, 2, 8, 0.01)
    ids, mask, needs_gradients = calls[-1]
    assert ids.shape == (2, 8) and int(ids.max()) < supernet.config.vocab_size
    assert bool(mask.all()) and not needs_gradients
    assert 0 < latency.median_ms < 10_000 and latency.iqr_ms >= 0


def test_a_median_is_not_moved_by_one_slow_call():
    durations = iter([0.0] * WARM_UP_CALLS + [0.0] * 5 + [0.2] + [0.0] * 100_000)
    latency = measure_call(lambda: time.sleep(next(durations)), seconds=0.3)
    assert latency.median_ms < 50


def test_warm_up_calls_are_not_counted():
    durations = iter([0.3] * WARM_UP_CALLS + [0.002] * 100_000)
    latency = measure_call(lambda: time.sleep(next(durations)), seconds=0.05)
    assert 1 < latency.median_ms < 100
