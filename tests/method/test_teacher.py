"""The teacher that comes with the library has the code's recipe, and is as good as noted."""

import json
from pathlib import Path

import pytest
import torch
from conftest import CHECKOUT

from tinybert_l.cache import recipe_hash
from tinybert_l.errors import InvalidInput
from tinybert_l.method import joint, shipped_teacher
from tinybert_l.method import teacher as teacher_module
from tinybert_l.method.data import Table
from tinybert_l.method.joint import load_supernet
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import (
    DEFAULT_TEACHER,
    Teacher,
    TeacherRecipe,
    accuracy_of,
    load_embedded,
    load_teacher,
)

NOTE = json.loads(shipped_teacher.NOTE.read_text(encoding="utf-8"))
TRY = {"quick": True, "epochs": 1, "precision": "float32"}
ADAPTED = {"rank": 8, "learning_rate": 1e-3}  # the default of version 0.1
EMBEDDINGS = "bert.embeddings.word_embeddings.weight"
QUERY = "bert.encoder.layer.0.attention.self.query.weight"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Teacher:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYBERT_L_CACHE", str(tmp_path_factory.mktemp("teacher")))
        yield load_teacher()


def test_the_shipped_teacher_was_made_by_the_default_recipe_on_todays_data():
    recipe = DEFAULT_TEACHER
    assert NOTE["recipe"] == recipe.key(recipe.splits()[0]), f"stale: run {NOTE['command']}"
    assert (CHECKOUT / NOTE["command"].split()[1]).is_file()


def test_the_shipped_teacher_is_small():
    size = sum(path.stat().st_size for path in shipped_teacher.FOLDER.iterdir())
    assert 1_000_000 < size < 12_000_000


def weights(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"matrix": (40, 30), "bias": (30,), "frozen": (5, 5)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def test_a_difference_is_added_to_the_checkpoint_it_was_taken_from(tmp_path):
    checkpoint, moves, path = weights(0), weights(1), tmp_path / "difference.npz"
    trained = {name: value + 0.01 * moves[name] for name, value in checkpoint.items()}
    trained["frozen"] = checkpoint["frozen"].clone()
    trained["matrix"][3] = checkpoint["matrix"][3]  # a word that no text holds
    trained["head"] = torch.randn(2, 30)
    shipped_teacher.save_difference(trained, checkpoint, path)
    restored = shipped_teacher.add_difference(checkpoint, path)
    assert restored.keys() == trained.keys()
    for exact in ("head", "frozen"):
        assert torch.equal(restored[exact], trained[exact])
    assert torch.equal(restored["matrix"][3], checkpoint["matrix"][3])
    for name in ("matrix", "bias"):
        error = (restored[name] - trained[name]).square().mean().sqrt()
        assert 0 < error < 0.12 * 0.01
    other = checkpoint | {"matrix": torch.zeros(30, 40)}
    with pytest.raises(InvalidInput, match="allowed: the weights of the checkpoint"):
        shipped_teacher.add_difference(other, path)


def test_the_teacher_is_there_at_once_and_as_good_as_its_note_says(teacher):
    assert teacher.metrics["shipped"] and teacher.metrics["steps"] == NOTE["metrics"]["steps"]
    assert not list(teacher.folder.glob("checkpoint*"))
    accuracy = accuracy_of(teacher.model, teacher.data["validation"])
    assert accuracy == pytest.approx(NOTE["metrics"]["validation_accuracy"], abs=0.005)
    assert NOTE["metrics"]["test_accuracy"] >= 0.83


def test_a_teacher_keeps_its_recipe_texts_and_key(teacher):
    assert teacher.recipe == DEFAULT_TEACHER
    assert teacher.key == teacher.recipe.key(teacher.splits)
    assert teacher.folder.name == f"teacher-{recipe_hash(teacher.key)}"
    sizes = {name: len(split) for name, split in teacher.splits.items()}
    assert sizes == {name: len(encoded) for name, encoded in teacher.data.items()}


@pytest.mark.parametrize(
    ("recipe", "from_scratch", "entry"),
    [
        (TeacherRecipe(**ADAPTED), False, "teacher-cd824a65c551"),
        (TeacherRecipe(**ADAPTED), True, "teacher-f759a810992b"),
        (TeacherRecipe(**TRY, **ADAPTED, seed=3), False, "teacher-d174bd2a5e36"),
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
        (JointRecipe(), TeacherRecipe(**ADAPTED), False, "supernet-4892eb3fee63"),
        (JointRecipe(), TeacherRecipe(**ADAPTED), True, "supernet-78f7cd4dbfbd"),
        (
            JointRecipe(num_steps=16, checkpoint_every=8, seed=3, precision="float32"),
            TeacherRecipe(**TRY, **ADAPTED, seed=3),
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
    untrained = load_embedded()[0].state_dict()[EMBEDDINGS.removeprefix("bert.")]
    adapted = load_teacher(TeacherRecipe(**TRY, rank=2))
    assert "shipped" not in adapted.metrics
    assert (adapted.folder / "adapter" / "adapter_model.safetensors").is_file()
    assert not torch.equal(adapted.model.state_dict()[QUERY], shipped[QUERY])
    assert torch.equal(adapted.model.state_dict()[EMBEDDINGS], untrained)
    few = few_texts(tmp_path / "few.csv")
    mean = load_teacher(TeacherRecipe(**TRY, runs=2, table=few)).model.state_dict()[QUERY]
    runs = [TeacherRecipe(**TRY, seed=seed, table=few) for seed in (0, 1)]
    first, second = (load_teacher(run).model.state_dict()[QUERY] for run in runs)
    assert not torch.equal(first, second) and torch.allclose(mean, (first + second) / 2)
    fully_trained = load_teacher(TeacherRecipe(**TRY, rank=0, table=few))
    assert not (fully_trained.folder / "adapter").exists()
    assert not torch.equal(fully_trained.model.state_dict()[EMBEDDINGS], untrained)
    from_scratch = load_teacher(TeacherRecipe(**TRY, rank=2, table=few), from_scratch=True)
    recipe = from_scratch.recipe
    assert from_scratch.key == recipe.key(from_scratch.splits) | {"from_scratch": True}
    assert from_scratch.folder != adapted.folder
