"""On a CUDA GPU: training gives what the CPU gives, and leaves every model where it found it."""

from dataclasses import replace

import pytest
import torch
from conftest import small_bert

from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import train_jointly, train_on_labels
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher_outputs import keep_outputs
from tinybert_l.method.training import open_accelerator

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
RECIPE = JointRecipe(num_steps=8, batch_size=8, precision="float32", checkpoint_every=4)
QUIET = {
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}  # dropout draws other numbers on a GPU


def train_on(device, texts, folder, recipe, kept):
    """The losses; what is trained is opened on this device."""
    open_accelerator().state.device = torch.device(
        device
    )  # which all accelerators of a process share
    teacher, student = elastic_copy(small_bert(0, **QUIET)), elastic_copy(small_bert(1, **QUIET))
    source = keep_outputs(teacher, texts, recipe.hidden_layers(6), "float32") if kept else teacher
    log = train_jointly(student, source, texts, recipe, folder)
    assert student.device.type == teacher.device.type == "cpu"
    return torch.tensor([row["loss"] for row in log])


@pytest.mark.parametrize("kept", [False, True], ids=["live teacher", "kept outputs"])
@pytest.mark.parametrize("soft_labels_only", [False, True])
def test_joint_training_gives_the_losses_of_the_cpu(texts, tmp_path, kept, soft_labels_only):
    weights = dict.fromkeys(("hidden_weight", "embedding_weight"), 0.0) if soft_labels_only else {}
    recipe = replace(RECIPE, attention_weight=0.0 if kept or soft_labels_only else 0.03, **weights)
    on_cpu, on_gpu = (
        train_on(device, texts, tmp_path / device, recipe, kept) for device in ("cpu", "cuda")
    )
    assert torch.allclose(on_cpu, on_gpu, rtol=1e-3)


def test_a_run_goes_on_from_its_checkpoint(texts, tmp_path):
    class Stop(Exception):
        pass

    def stop(step):
        if step == 6:
            raise Stop

    students = []
    for folder, interrupted in (("whole", False), ("in two", True)):
        teacher, student = elastic_copy(small_bert(0)), elastic_copy(small_bert(1))  # with dropout
        if interrupted:
            with pytest.raises(Stop):
                train_jointly(student, teacher, texts, RECIPE, tmp_path / folder, on_step=stop)
            assert student.device.type == "cpu", "also when training fails"
            student = elastic_copy(small_bert(1))
        train_jointly(student, teacher, texts, RECIPE, tmp_path / folder)
        students.append(student)
    for one, other in zip(*(s.parameters() for s in students), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_labels_are_learned_on_the_gpu_after_a_joint_run(supernet, texts, tmp_path):
    train_jointly(supernet, elastic_copy(small_bert(0)), texts, RECIPE, tmp_path / "joint")
    seen = set()

    def predict(step, sub_model):
        seen.add(supernet.device.type)
        ids = torch.tensor([[2, 5, 7], [2, 9, 11]], device=supernet.device)
        return supernet(ids, sub_model=sub_model).logits, torch.tensor(
            [0, 1], device=supernet.device
        )

    train_on_labels(supernet, predict, RECIPE, tmp_path / "labels", "labels")
    assert seen == {"cuda"} and supernet.device.type == "cpu"
