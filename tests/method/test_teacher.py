"""The teacher that comes with the library: it belongs to the code's recipe, and is what its note says."""

import json

import pytest
import torch
from conftest import CHECKOUT

from tinybert_l.cache import recipe_hash
from tinybert_l.course.experiments import first_texts
from tinybert_l.method.teacher import (
    SHIPPED,
    TeacherRecipe,
    accuracy_of,
    load_teacher,
    shipped_recipe,
)

NOTE = json.loads((SHIPPED / "recipe.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYBERT_L_CACHE", str(tmp_path_factory.mktemp("teacher")))
        yield load_teacher()


def test_the_adapter_was_made_by_the_default_recipe_on_todays_data():
    recipe = TeacherRecipe()
    assert shipped_recipe() == recipe.key(recipe.splits()[0]), f"stale: run {NOTE['command']}"
    assert (CHECKOUT / NOTE["command"].split()[1]).is_file()


def test_the_adapter_is_small_and_names_no_machine():
    assert sum(p.stat().st_size for p in SHIPPED.iterdir()) < 1_200_000
    settings = json.loads((SHIPPED / "adapter_config.json").read_text(encoding="utf-8"))
    assert (
        settings["base_model_name_or_path"] == "embedded" and settings["r"] == TeacherRecipe().rank
    )


def test_the_teacher_is_there_at_once_and_as_good_as_its_note_says(teacher):
    assert teacher.metrics["shipped"] and teacher.metrics["steps"] == NOTE["metrics"]["steps"]
    assert not list(teacher.folder.glob("checkpoint*"))
    data = teacher.data["validation"]
    assert accuracy_of(teacher.model, data) == pytest.approx(
        NOTE["metrics"]["validation_accuracy"], abs=0.005
    )


def test_another_recipe_is_trained_and_its_adapter_is_kept(tmp_path, monkeypatch, teacher):
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path))
    other = load_teacher(TeacherRecipe(quick=True, epochs=1, rank=2, precision="float32"))
    assert (
        "shipped" not in other.metrics
        and (other.folder / "adapter" / "adapter_model.safetensors").is_file()
    )
    name = "bert.encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(other.model.state_dict()[name], teacher.model.state_dict()[name])
    frozen = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(other.model.state_dict()[frozen], teacher.model.state_dict()[frozen])
    everything = load_teacher(TeacherRecipe(quick=True, epochs=1, rank=0, precision="float32"))
    assert not (everything.folder / "adapter").exists()
    assert not torch.equal(
        everything.model.state_dict()[frozen], teacher.model.state_dict()[frozen]
    )
    scratch = load_teacher(
        TeacherRecipe(quick=True, epochs=1, rank=2, precision="float32"), from_scratch=True
    )
    assert scratch.folder != other.folder and len(first_texts(scratch.data["test"], 3)) == 3
    assert recipe_hash({"a": 1}) != recipe_hash({"a": 2})
