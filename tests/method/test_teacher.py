"""The teacher that comes with the library has the code's recipe, and is as good as noted."""

import json
from pathlib import Path

import pytest
import torch
from conftest import CHECKOUT

from tinybert_l.cache import recipe_hash
from tinybert_l.method import joint
from tinybert_l.method import teacher as teacher_module
from tinybert_l.method.data import Table
from tinybert_l.method.joint import load_supernet
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import (
    SHIPPED,
    Teacher,
    TeacherRecipe,
    accuracy_of,
    load_teacher,
    shipped_recipe,
)

NOTE = json.loads((SHIPPED / "recipe.json").read_text(encoding="utf-8"))
TRY = {"quick": True, "epochs": 1, "precision": "float32"}
EMBEDDINGS = "bert.embeddings.word_embeddings.weight"
QUERY = "bert.encoder.layer.0.attention.self.query.weight"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Teacher:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYBERT_L_CACHE", str(tmp_path_factory.mktemp("teacher")))
        yield load_teacher()


def test_the_adapter_was_made_by_the_default_recipe_on_todays_data():
    recipe = TeacherRecipe()
    assert shipped_recipe() == recipe.key(recipe.splits()[0]), f"stale: run {NOTE['command']}"
    assert (CHECKOUT / NOTE["command"].split()[1]).is_file()


def test_the_adapter_is_small_and_names_no_machine():
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 1_200_000
    settings = json.loads((SHIPPED / "adapter_config.json").read_text(encoding="utf-8"))
    assert settings["base_model_name_or_path"] == "embedded"
    assert settings["r"] == TeacherRecipe().rank


def test_the_teacher_is_there_at_once_and_as_good_as_its_note_says(teacher):
    assert teacher.metrics["shipped"] and teacher.metrics["steps"] == NOTE["metrics"]["steps"]
    assert not list(teacher.folder.glob("checkpoint*"))
    accuracy = accuracy_of(teacher.model, teacher.data["validation"])
    assert accuracy == pytest.approx(NOTE["metrics"]["validation_accuracy"], abs=0.005)


def test_a_teacher_keeps_its_recipe_texts_and_key(teacher):
    assert teacher.recipe == TeacherRecipe()
    assert teacher.key == teacher.recipe.key(teacher.splits)
    assert teacher.folder.name == f"teacher-{recipe_hash(teacher.key)}"
    sizes = {name: len(split) for name, split in teacher.splits.items()}
    assert sizes == {name: len(encoded) for name, encoded in teacher.data.items()}


def test_a_teacher_cached_by_version_0_1_is_found(teacher):
    assert teacher.folder.name == "teacher-cd824a65c551"


@pytest.mark.parametrize(
    ("recipe", "from_scratch", "entry"),
    [
        (TeacherRecipe(), True, "teacher-f759a810992b"),
        (TeacherRecipe(**TRY, seed=3), False, "teacher-d174bd2a5e36"),
    ],
)
def test_trained_teachers_cached_by_version_0_1_are_found(
    monkeypatch, teacher, recipe, from_scratch, entry
):
    entries = []

    def cached(kind, key, build, together):
        entries.append(f"{kind}-{recipe_hash(key)}")
        return teacher.folder

    monkeypatch.setattr(teacher_module, "cached", cached)
    load_teacher(recipe, from_scratch)
    assert entries == [entry]


class Lookup(Exception):
    """Ends a loader as soon as it has named the entry it looks for."""


@pytest.mark.parametrize(
    ("recipe", "teacher_recipe", "from_scratch", "entry"),
    [
        (JointRecipe(), TeacherRecipe(), False, "supernet-4892eb3fee63"),
        (JointRecipe(), TeacherRecipe(), True, "supernet-78f7cd4dbfbd"),
        (
            JointRecipe(num_steps=16, checkpoint_every=8, seed=3, precision="float32"),
            TeacherRecipe(**TRY, seed=3),
            False,
            "supernet-99b4d3a6453e",
        ),
    ],
)
def test_supernets_cached_by_version_0_1_are_found(
    monkeypatch, teacher, recipe, teacher_recipe, from_scratch, entry
):
    def name_entry(kind, key, model_class, train, **_):
        raise Lookup(f"{kind}-{recipe_hash(key)}")

    monkeypatch.setattr(teacher_module, "cached", lambda *_, **__: teacher.folder)
    monkeypatch.setattr(joint, "cached_model", name_entry)
    with pytest.raises(Lookup, match=entry):
        load_supernet(recipe, teacher_recipe, from_scratch)


def test_texts_are_read_and_hashed_once(monkeypatch, teacher):
    calls = []
    splits = TeacherRecipe.splits

    def counted(recipe):
        calls.append(recipe)
        return splits(recipe)

    monkeypatch.setattr(TeacherRecipe, "splits", counted)
    monkeypatch.setattr(teacher_module, "cached", lambda *_, **__: teacher.folder)
    monkeypatch.setattr(joint, "cached_model", lambda *_, **__: pytest.fail("stop", pytrace=False))
    with pytest.raises(pytest.fail.Exception):
        load_supernet()
    assert len(calls) == 1


def few_texts(path: Path) -> Table:
    """A table of forty texts, on which one epoch is a step or two."""
    lines = ["text,label"]
    for week in range(20):
        lines += [f"a good film of week {week},good", f"a bad film of week {week},bad"]
    path.write_text("\n".join(lines), encoding="utf-8")
    return Table(str(path), "text", "label")


def test_another_recipe_is_trained_and_its_adapter_is_kept(tmp_path, monkeypatch, teacher):
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path))
    shipped = teacher.model.state_dict()
    adapted = load_teacher(TeacherRecipe(**TRY, rank=2))
    assert "shipped" not in adapted.metrics
    assert (adapted.folder / "adapter" / "adapter_model.safetensors").is_file()
    assert not torch.equal(adapted.model.state_dict()[QUERY], shipped[QUERY])
    assert torch.equal(adapted.model.state_dict()[EMBEDDINGS], shipped[EMBEDDINGS])
    few = few_texts(tmp_path / "few.csv")
    fully_trained = load_teacher(TeacherRecipe(**TRY, rank=0, table=few))
    assert not (fully_trained.folder / "adapter").exists()
    assert not torch.equal(fully_trained.model.state_dict()[EMBEDDINGS], shipped[EMBEDDINGS])
    from_scratch = load_teacher(TeacherRecipe(**TRY, rank=2, table=few), from_scratch=True)
    recipe = from_scratch.recipe
    assert from_scratch.key == recipe.key(from_scratch.splits) | {"from_scratch": True}
    assert from_scratch.folder != adapted.folder
