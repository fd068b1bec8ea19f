"""Joint training: it learns, it resumes exactly after a kill, and it refuses early what cannot work."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest
import torch
from conftest import small_bert

from tinybert_l.cache import cached, read_entry
from tinybert_l.method import training
from tinybert_l.method.evaluation import (
    accuracy_interval,
    count_flops,
    count_parameters,
    evaluate,
    measure_latency,
)
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.joint import check_compatible, train_jointly
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import accuracy_of, predict_logits
from tinybert_l.method.training import LoopSettings, TrainingDiverged
from tinybert_l.submodels import SubModel

RECIPE = JointRecipe(num_steps=12, batch_size=8, precision="float32", checkpoint_every=4)


def test_every_sub_model_comes_closer_to_the_teacher(supernet, texts, tmp_path):
    student = elastic_copy(supernet)
    recipe = replace(RECIPE, num_steps=60, learning_rate=2e-3)

    def gap(sub_model):
        wanted = predict_logits(supernet, texts).softmax(-1)
        return float(
            (predict_logits(student, texts, sub_model=sub_model).softmax(-1) - wanted).abs().mean()
        )

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


SCRIPT = """
import sys, torch
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import small_bert
from tinybert_l import begin
from tinybert_l.method.data import Encoded
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.extraction import elastic_copy
torch.set_num_threads(1)
begin(1, demo=True)
generator = torch.Generator().manual_seed(1)
rows = [torch.randint(1, 60, (int(n),), generator=generator).tolist() for n in torch.arange(40) % 7 + 2]
data = Encoded(rows, [row[0] % 2 for row in rows], 0)
student, teacher = elastic_copy(small_bert(1)), elastic_copy(small_bert(0))
folder = Path(sys.argv[2])
recipe = JointRecipe(num_steps=40, batch_size=8, precision="float32", checkpoint_every=5)
def step(number):
    (folder / "step").write_text(str(number))
    if len(sys.argv) > 3:
        import time
        time.sleep(0.05)
log = train_jointly(student, teacher, data, recipe, folder, on_step=step)
torch.save((student.state_dict(), [row["loss"] for row in log]), folder / "result.pt")
"""


@pytest.mark.slow
def test_a_run_killed_in_the_middle_ends_with_the_same_weights(tmp_path, checkout):
    def start(folder, *more):
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-c", SCRIPT, str(checkout / "tests"), str(folder), *more]
        return subprocess.Popen(command, cwd=checkout, stderr=subprocess.PIPE, text=True)

    whole = start(tmp_path / "whole")
    assert whole.wait() == 0, whole.stderr.read()
    killed = start(tmp_path / "killed", "slowly")
    deadline = time.monotonic() + 120
    progress = tmp_path / "killed" / "step"
    while not progress.is_file() or int(progress.read_text() or 0) < 17:
        assert killed.poll() is None and time.monotonic() < deadline, killed.stderr.read()
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    (left,) = (tmp_path / "killed").glob("checkpoint-*")
    assert left.name == "checkpoint-000015"
    again = start(tmp_path / "killed")
    assert again.wait() == 0, again.stderr.read()
    one, losses_one = torch.load(tmp_path / "whole" / "result.pt")
    two, losses_two = torch.load(tmp_path / "killed" / "result.pt")
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert losses_one == losses_two and len(losses_two) == 40


def test_precision_is_measured_once_and_draws_no_random_numbers():
    training._faster_precision.cache_clear()
    torch.manual_seed(0)
    first = training.measured_precision()
    drawn = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(1))
    assert training.measured_precision() == first in ("float32", "bfloat16")
    assert training._faster_precision.cache_info().misses == 1


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


class Words:
    def __len__(self):
        return 100


@pytest.mark.parametrize(
    ("changes", "recipe", "tokenizer", "message"),
    [
        ({"vocab_size": 50}, {}, None, r"vocab_size of student 50, of teacher 60"),
        ({"num_labels": 3}, {}, None, r"num_labels of student 3, of teacher 2"),
        ({}, {}, Words(), r"tokenizer has 100 tokens; allowed: at most vocab_size=60"),
        ({"num_hidden_layers": 4}, {}, None, r"depth 6; allowed: at most 4"),
        (
            {"num_attention_heads": 2},
            {},
            None,
            r"student has 2 heads and teacher 4; allowed: .*attention_weight=0",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_before_training(
    supernet, changes, recipe, tokenizer, message
):
    student = elastic_copy(small_bert(**changes))
    with pytest.raises(ValueError, match=message):
        check_compatible(student, supernet, replace(RECIPE, **recipe), tokenizer)


def test_a_mapping_to_a_layer_that_does_not_exist_is_refused(supernet):
    from tinybert_l import layer_map

    def answer(num_student_layers, num_teacher_layers, strategy="uniform"):
        return [7] * num_student_layers

    answer.__name__ = "layer_map"
    layer_map.implement(answer)
    with pytest.raises(
        ValueError, match=r"layer_map gave \[7, 7.*allowed: one teacher layer from 1 to 6"
    ):
        check_compatible(supernet, supernet, RECIPE)


def test_models_that_are_no_elastic_classifiers_are_refused(bert, supernet):
    with pytest.raises(
        ValueError, match="teacher is a BertForSequenceClassification; allowed: Elastic"
    ):
        check_compatible(supernet, bert, RECIPE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_steps": 0}, "num_steps=0; allowed: at least 1"),
        ({"learning_rate": 0}, "learning_rate=0; allowed"),
        ({"learning_rate": float("nan")}, "learning_rate=nan; allowed"),
        ({"temperature": 0}, "temperature=0; allowed"),
        ({"hidden_weight": -1}, "hidden_weight=-1; allowed"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"precision": "float16"}, "precision='float16'; allowed: auto, float32, bfloat16"),
        ({"stages": ((0.1, (SubModel(6),)),)}, r"stages start at \[0.1\]; allowed: from 0"),
        ({"stages": ((0.0, (SubModel(6),)), (0.0, (SubModel(3),)))}, "strictly rising"),
        ({"stages": ()}, r"stages start at \[\]"),
    ],
)
def test_recipes_out_of_range_are_named_with_what_is_allowed(change, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPE, **({"precision": "float32"} | change))


def test_loop_settings_check_themselves():
    with pytest.raises(ValueError, match="warmup_share=2; allowed: 0 to 1"):
        LoopSettings(1, 0.1, warmup_share=2)


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


def test_a_recipe_is_plain_data():
    assert json.loads(json.dumps(asdict(RECIPE)))["num_steps"] == 12


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


def test_latency_is_a_median_with_its_spread(supernet):
    median, spread = measure_latency(supernet, 2, 8, 0.01)
    assert median > 0 and spread >= 0
