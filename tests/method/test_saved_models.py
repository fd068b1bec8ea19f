"""A model is what it was saved as: in other processes, and with whatever answers they have."""

import copy
import json
import os
import warnings
from pathlib import Path

import pytest
import torch
import warm
from conftest import small_bert

from tinybert_l import begin
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import exercises, find_exercise
from tinybert_l.method.cached_model import quiet_loading
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.importance import Importance, sort_by_importance
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.submodels import SubModel

PROGRAM = Path(__file__).with_name("logits_of_saved.py")
ANSWERS = ("none", "begun", "wrong", "broken")


def even(num_layers, depth):
    return [(number + 1) * num_layers // depth - 1 for number in range(depth)]


def last(num_layers, depth):
    return list(range(num_layers - depth, num_layers))


def save(model, folder):
    with quiet_loading():
        model.save_pretrained(folder)
    return folder


def logits_in_new_processes(folder, tmp_path, answers=ANSWERS):
    """The logits at all depths, by the answers that the process has; no released ones are there."""
    found = {}
    for kind in answers:
        into = tmp_path / f"{kind}.pt"
        environment = {**os.environ, "TINYBERT_L_SOLUTIONS": str(tmp_path / "no solutions")}
        command = ["python", str(PROGRAM), str(folder), kind, str(into)]
        done = warm.run_tool(command, tmp_path, environment)
        assert done.returncode == 0, done.stderr
        found[kind] = torch.load(into)
    return found


@pytest.mark.parametrize("rule", [even, last])
def test_a_saved_model_computes_the_same_in_every_process(rule, tmp_path):
    bert = small_bert(num_hidden_layers=12)
    with find_exercise("kept_layers").answered_by(rule):
        model = elastic_copy(bert)
    expected = model(torch.arange(1, 11).view(2, 5), sub_model=SubModel(8, 0.5)).logits
    found = logits_in_new_processes(save(model, tmp_path / "model"), tmp_path)
    for kind, logits in found.items():
        assert torch.equal(logits, found["none"]), kind
        assert torch.allclose(logits[14], expected, atol=1e-6), kind
        assert torch.allclose(logits[14], logits[15], atol=1e-6), "extracted"


def test_the_layers_of_a_model_do_not_change_with_the_answer(supernet):
    with find_exercise("kept_layers").answered_by(last):
        assert supernet.config.layers_of(2) == (2, 5)
        assert elastic_copy(supernet).config.layers_of(2) == (2, 5)
        assert elastic_copy(small_bert()).config.layers_of(2) == (4, 5)


def test_a_model_made_before_the_answer_takes_the_first_fit_one_and_keeps_it(tmp_path):
    kept = find_exercise("kept_layers")
    with kept.answered_by(lambda num_layers, depth: [0] * depth):
        model = elastic_copy(small_bert())
        with pytest.raises(InvalidInput, match=r"kept_layers\(6, 2\) gave \[0, 0\]"):
            model.config.layers_of(2)
        assert model.config.layers_of(6) == tuple(range(6)), "there is one answer only"
    assert model.config.layers_of(2) == (2, 5)
    save(model, tmp_path)
    with kept.answered_by(last):
        assert model.config.layers_of(2) == (2, 5)


def test_a_checkpoint_of_before_has_the_courses_rule_and_says_where_it_is_in_doubt(tmp_path):
    folder = save(elastic_copy(small_bert(num_hidden_layers=12)), tmp_path / "model")
    now = logits_in_new_processes(folder, tmp_path, ["none"])["none"]
    settings = json.loads((folder / "config.json").read_text())
    for name in ("layers_by_depth", "answers", "head_order", "trained"):
        del settings[name]
    (folder / "config.json").write_text(json.dumps(settings))
    for kind, logits in logits_in_new_processes(folder, tmp_path).items():
        assert torch.equal(logits, now), kind
    with quiet_loading():
        model = ElasticBertForSequenceClassification.from_pretrained(folder)
    assert model.config.answers["kept_layers"]["source"] == "unknown"
    ids = torch.ones(1, 2, dtype=torch.long)
    with pytest.warns(UserWarning, match="does not say which layers it keeps at depth 8"):
        model(ids, sub_model=SubModel(8))


@pytest.mark.parametrize("layers", [[[0], [0, 9], None], [[0], [1, 0], None], [["0"], None, None]])
def test_layers_that_the_model_does_not_have_are_refused(layers):
    with pytest.raises(InvalidInput, match="layers_by_depth"):
        ElasticBertConfig(num_hidden_layers=3, layers_by_depth=layers)


def test_a_trained_model_names_its_answers_sub_models_and_layer_map(supernet, texts, tmp_path):
    recipe = JointRecipe(num_steps=2, batch_size=4, precision="float32")
    with find_exercise("joint_loss").answered_by(lambda losses, weights=None: sum(losses)):
        train_jointly(supernet, elastic_copy(supernet), texts, recipe, tmp_path / "run")
    config = save_and_load(supernet, tmp_path / "model").config
    assert config.answers["joint_loss"]["source"] == "student"
    assert config.answers["layer_map"]["source"] == "reference"
    assert set(config.trained["answers"]) == {"joint_loss"}
    assert config.trained["layer_map"]["3"] == [2, 4, 6]
    assert "3x0.5" in config.trained["sub_models"] and "5x0.7" not in config.trained["sub_models"]


def save_and_load(model, folder):
    with quiet_loading():
        return ElasticBertForSequenceClassification.from_pretrained(save(model, folder))


def test_the_order_of_the_heads_is_kept_through_sorting_extracting_and_saving(supernet, tmp_path):
    layers = range(6)
    rising = Importance(
        [torch.arange(4.0)] * len(layers), [torch.arange(32.0)] * len(layers)
    )  # the last head is the most important one
    model = sort_by_importance(supernet, rising)
    assert model.config.head_order == [[3, 2, 1, 0]] * 6
    assert sort_by_importance(model, rising).config.head_order == [[0, 1, 2, 3]] * 6
    small = save_and_load(extract(model, SubModel(2, 0.5)), tmp_path)
    assert small.config.head_order == [[3, 2]] * 2
    with pytest.raises(InvalidInput, match="sorted in another order"):
        again = sort_by_importance(model, rising)
        data = JointRecipe(num_steps=1)
        train_jointly(again, model, None, data, tmp_path)


def test_a_model_loads_where_no_answer_and_no_function_of_the_method_is(supernet, monkeypatch):
    begin(3)
    for entry in exercises().values():
        monkeypatch.setattr(entry, "reference", None)
        monkeypatch.setattr(entry, "peer_allowed", False)
        monkeypatch.setattr(entry, "formula_allowed", False)
    ids = torch.ones(1, 2, dtype=torch.long)
    assert supernet(ids, sub_model=SubModel(3)).logits.shape == (1, 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layers_by_depth", 5),
        ("head_order", "0 1"),
        ("attention_head_size", "8"),
        ("kept_length", None),
        ("answers", ["mine"]),
    ],
)
def test_a_setting_of_another_kind_is_named(name, value):
    with pytest.raises(InvalidInput, match=f"ElasticBertConfig: {name}=.* allowed: a"):
        ElasticBertConfig(**{name: value})


def test_layers_that_were_changed_to_none_of_the_model_are_named(supernet):
    supernet.config.layers_by_depth[1] = [9, 2]
    with pytest.raises(InvalidInput, match=r"layers_by_depth has \[9, 2\] for depth 2"):
        supernet(torch.ones(1, 3, dtype=torch.long), sub_model=SubModel(2))


def test_weights_of_a_model_that_keeps_other_layers_are_loaded_with_a_warning(tmp_path):
    """Their names and shapes are the same, whichever layers were trained at each depth."""
    bert = small_bert()
    first, same, other = elastic_copy(bert), elastic_copy(bert), elastic_copy(bert)
    other.config.layers_by_depth[1] = [0, 1]
    assert first.config.layers_by_depth[1] != [0, 1]
    torch.save(first.state_dict(), tmp_path / "weights.pt")
    kept = torch.load(tmp_path / "weights.pt", weights_only=True)
    with pytest.warns(UserWarning, match="depth 2 these weights belong to the layers"):
        other.load_state_dict(kept)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same.load_state_dict(kept)
        bert.load_state_dict(kept)
        other.load_state_dict(bert.state_dict())
        other.load_state_dict(copy.deepcopy(other).state_dict())
