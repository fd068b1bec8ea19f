"""On a CUDA GPU, training gives what the CPU gives and leaves every model where it was."""

from dataclasses import replace

import pytest
import torch
from accelerate import PartialState
from conftest import small_bert

from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import train_jointly, train_on_labels
from tinybert_l.method.processes import open_accelerator
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher_outputs import keep_outputs

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
RECIPE = JointRecipe(num_steps=8, batch_size=8, precision="float32", checkpoint_every=4)
# dropout draws other numbers on a GPU
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.fixture
def use_device():
    """Return a function that chooses the device of all accelerators opened afterwards."""
    original = open_accelerator().device

    def use(name: str) -> None:
        PartialState().device = torch.device(name)
        assert open_accelerator().device.type == name

    yield use
    PartialState().device = original
    open_accelerator()


def losses_of_run(device, texts, folder, recipe, kept):
    """Train a small student on the device; return its losses."""
    teacher = elastic_copy(small_bert(0, **NO_DROPOUT))
    student = elastic_copy(small_bert(1, **NO_DROPOUT))
    source = teacher
    if kept:
        source = keep_outputs(teacher, texts, recipe.hidden_layers(6), "float32")
    devices = set()
    log = train_jointly(
        student,
        source,
        texts,
        recipe,
        folder,
        on_step=lambda step: devices.add(student.device.type),
    )
    assert devices == {device}
    assert student.device.type == teacher.device.type == "cpu"
    return torch.tensor([row["loss"] for row in log])


@pytest.mark.parametrize("kept", [False, True], ids=["live teacher", "kept outputs"])
@pytest.mark.parametrize("soft_labels_only", [False, True])
def test_joint_training_gives_the_losses_of_the_cpu(
    texts, tmp_path, use_device, kept, soft_labels_only
):
    recipe = RECIPE
    if soft_labels_only:
        recipe = replace(recipe, hidden_weight=0.0, embedding_weight=0.0)
    if kept or soft_labels_only:
        recipe = replace(recipe, attention_weight=0.0)
    losses = {}
    for device in ("cpu", "cuda"):
        use_device(device)
        losses[device] = losses_of_run(device, texts, tmp_path / device, recipe, kept)
    assert torch.allclose(losses["cpu"], losses["cuda"], rtol=1e-3)


class Stop(Exception):
    """Interrupts a run."""


def test_a_run_goes_on_from_its_checkpoint(texts, tmp_path):
    def stop(step):
        if step == 6:
            raise Stop

    teacher = elastic_copy(small_bert(0))
    whole = elastic_copy(small_bert(1))  # with dropout
    train_jointly(whole, teacher, texts, RECIPE, tmp_path / "whole")
    interrupted = elastic_copy(small_bert(1))
    with pytest.raises(Stop):
        train_jointly(interrupted, teacher, texts, RECIPE, tmp_path / "parts", on_step=stop)
    assert interrupted.device.type == "cpu", "also when training fails"
    resumed = elastic_copy(small_bert(1))
    train_jointly(resumed, teacher, texts, RECIPE, tmp_path / "parts")
    for expected, value in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.allclose(expected, value, atol=1e-5)


def test_labels_are_learned_on_the_gpu_after_a_joint_run(supernet, texts, tmp_path):
    train_jointly(supernet, elastic_copy(small_bert(0)), texts, RECIPE, tmp_path / "joint")
    devices = set()

    def predict(step, sub_model):
        devices.add(supernet.device.type)
        ids = torch.tensor([[2, 5, 7], [2, 9, 11]], device=supernet.device)
        labels = torch.tensor([0, 1], device=supernet.device)
        return supernet(ids, sub_model=sub_model).logits, labels

    train_on_labels(supernet, predict, RECIPE, tmp_path / "labels", "labels")
    assert devices == {"cuda"} and supernet.device.type == "cpu"
