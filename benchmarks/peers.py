"""The joint step against what others do, in one run: `python benchmarks/peers.py` (four minutes).

All train the same nine sub-models on the same batches of sentences by the teacher's soft labels, in the faster
precision of this machine (TextBrewer, which has no bfloat16, in float32). One turn gives each sub-model one batch: ours
in one step, the others in nine, masks in one. The last row but one takes all that is ours but the sharing: what is left
between it and ours is what sharing brings. Needs the extra `bench` (TextBrewer).
"""

import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import torch
from contest import contest, report
from torch import nn
from transformers import Trainer, TrainingArguments

from tinybert_l import begin
from tinybert_l.course.experiments import first
from tinybert_l.exercises.lecture_01 import soft_cross_entropy
from tinybert_l.exercises.lecture_02 import joint_loss
from tinybert_l.exercises.lecture_03 import kept_layers
from tinybert_l.method.data import bucketed_batches, collate
from tinybert_l.method.extraction import elastic_copy, extract, set_dropout_on_states
from tinybert_l.method.joint import sorted_by_importance
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.teacher import accuracy_of, load_teacher, predict_logits
from tinybert_l.method.training import autocast, measured_precision, parameter_groups
from tinybert_l.submodels import SubModel, share_of, sub_model_grid

BATCH, ROUNDS, TURNS = 32, 4, 1
SUB_MODELS = sub_model_grid((6, 3, 2), (1, 0.5, 0.25))[::-1]
Batch = dict[str, torch.Tensor]


class Setting:
    """What all contestants share: teacher, batches, optimiser."""

    def __init__(self) -> None:
        loaded = load_teacher()
        self.teacher = sorted_by_importance(loaded)
        self.data = first(loaded.data["train"], BATCH * (ROUNDS + 1) * TURNS)
        self.held_out = first(loaded.data["validation"], 300)
        generator = torch.Generator().manual_seed(0)
        self.rows = bucketed_batches([len(ids) for ids in self.data.token_ids], BATCH, generator)
        self.logits = predict_logits(self.teacher, self.data)
        self.precision = measured_precision()

    def batches(self) -> Iterator[tuple[list[int], Batch]]:
        while True:
            for rows in self.rows:
                batch = collate(self.data, rows)
                yield rows, {name: batch[name] for name in ("input_ids", "attention_mask")}

    def autocast(self) -> Any:
        return autocast(self.teacher.device, self.precision)

    def optimizer(self, *models: nn.Module) -> torch.optim.AdamW:
        groups = [group for model in models for group in parameter_groups(model, 0.01)]
        return torch.optim.AdamW(groups, lr=1e-4, fused=True)


Contestant = tuple[Callable[[], Any], Callable[[], float]]  # a turn; the smallest's accuracy


def in_training(
    student: ElasticBertForSequenceClassification,
) -> ElasticBertForSequenceClassification:
    """As `train_jointly` sets it: no dropout on the states of what imitates."""
    set_dropout_on_states(student, 0.0)
    return student.train()


def ours(setting: Setting) -> Contestant:
    """One step for all: outputs of the teacher kept, embeddings computed once, last layer for [CLS], one update."""
    student, batches = in_training(elastic_copy(setting.teacher)), setting.batches()
    optimizer = setting.optimizer(student)

    def turn() -> None:
        rows, inputs = next(batches)
        with setting.autocast():
            embedded = student.bert.embeddings(inputs["input_ids"])
            shared: dict[str, Any] = {**inputs, "embedded": embedded, "only_first": True}
            outputs = [student(**shared, sub_model=s).logits.float() for s in SUB_MODELS]
        joint_loss(
            [soft_cross_entropy(logits, setting.logits[rows]) for logits in outputs]
        ).backward()
        optimizer.step()
        optimizer.zero_grad()

    return turn, lambda: accuracy_of(student, setting.held_out, sub_model=SUB_MODELS[-1])


def separately(setting: Setting) -> Contestant:
    """Each sub-model by itself; the outputs of the teacher kept, last layer for [CLS], precision, optimiser as ours."""
    students = [in_training(extract(setting.teacher, s)) for s in SUB_MODELS]
    optimizers, batches = [setting.optimizer(student) for student in students], setting.batches()

    def turn() -> None:
        rows, inputs = next(batches)
        for student, optimizer in zip(students, optimizers, strict=True):
            with setting.autocast():
                logits = student(**inputs, only_first=True).logits.float()
            soft_cross_entropy(logits, setting.logits[rows]).backward()
            optimizer.step()
            optimizer.zero_grad()

    return turn, lambda: accuracy_of(students[-1], setting.held_out)


def with_masks(setting: Setting) -> Contestant:
    """DynaBERT's way to try a width: heads and neurons are multiplied by zero; depths are skipped layers."""
    student, batches = in_training(elastic_copy(setting.teacher)), setting.batches()
    optimizer, config = setting.optimizer(student), setting.teacher.config

    def masked(inputs: Batch, s: SubModel) -> torch.Tensor:
        handles = []
        heads = share_of(config.num_attention_heads, s.width) * (config.attention_head_size or 0)
        neurons = share_of(config.intermediate_size, s.width)
        for index in kept_layers(config.num_hidden_layers, s.depth):
            layer = student.bert.layers[index]
            for module, kept in ((layer.attention.output, heads), (layer.output, neurons)):
                handles.append(module.register_forward_pre_hook(_zeroed(kept)))
        logits = student(**inputs, only_first=True, sub_model=SubModel(s.depth)).logits
        for handle in handles:
            handle.remove()
        return logits

    def turn() -> None:
        rows, inputs = next(batches)
        with setting.autocast():
            outputs = [masked(inputs, s).float() for s in SUB_MODELS]
        joint_loss(
            [soft_cross_entropy(logits, setting.logits[rows]) for logits in outputs]
        ).backward()
        optimizer.step()
        optimizer.zero_grad()

    return turn, lambda: accuracy_of(student, setting.held_out, sub_model=SUB_MODELS[-1])


def _zeroed(kept: int) -> Callable[..., Any]:
    def zero(
        _: nn.Module, inputs: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        features, residual = inputs
        mask = torch.arange(features.shape[-1]) < kept
        return features * mask, residual

    return zero


class _ForTextBrewer(nn.Module):
    """TextBrewer hands a batch's entries over by name, and wants a tuple or dictionary back."""

    def __init__(self, model: ElasticBertForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        return {"logits": self.model(input_ids, attention_mask).logits}


def textbrewer(setting: Setting) -> Contestant:
    """TextBrewer's GeneralDistiller: one student, the live teacher, its own training step."""
    from textbrewer import DistillationConfig, GeneralDistiller, TrainingConfig

    folder = tempfile.mkdtemp()
    students = [extract(setting.teacher, s).train() for s in SUB_MODELS]
    distillers, batches = [], setting.batches()

    def adapt(batch: Any, output: dict[str, torch.Tensor]) -> dict[str, Any]:
        return {"logits": output["logits"]}

    for student in students:
        distillers.append(
            GeneralDistiller(
                TrainingConfig(device="cpu", output_dir=folder, log_dir=None),
                DistillationConfig(temperature=1, kd_loss_type="ce"),
                _ForTextBrewer(setting.teacher), _ForTextBrewer(student), adapt, adapt,
            )
        )  # fmt: skip
    optimizers = [setting.optimizer(student) for student in students]

    def turn() -> None:
        _, inputs = next(batches)
        for distiller, optimizer in zip(distillers, optimizers, strict=True):
            loss, _ = distiller.train_on_batch(inputs, {})
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return turn, lambda: accuracy_of(students[-1].eval(), setting.held_out)


def trainer(setting: Setting) -> Contestant:
    """transformers' Trainer with a distillation loss: one student, the live teacher, its own training step."""

    class Distiller(Trainer):
        def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
            with torch.no_grad(), setting.autocast():
                target = setting.teacher(**inputs).logits
            return soft_cross_entropy(model(**inputs).logits.float(), target.float())

    folder = tempfile.mkdtemp()
    students = [extract(setting.teacher, s).train() for s in SUB_MODELS]
    trainers, batches = [], setting.batches()
    for student in students:
        arguments = TrainingArguments(
            folder, use_cpu=True, report_to=[], optim="adamw_torch_fused", learning_rate=1e-4,
            bf16=setting.precision == "bfloat16",
        )  # fmt: skip
        one = Distiller(student, arguments)
        one.create_optimizer()
        one.accelerator.prepare_model(
            student
        )  # its train() does both; the step alone is timed here
        one.current_gradient_accumulation_steps = 1
        trainers.append(one)

    def turn() -> None:
        _, inputs = next(batches)
        for one, student in zip(trainers, students, strict=True):
            one.training_step(student, dict(inputs))
            one.accelerator.clip_grad_norm_(student.parameters(), 1.0)
            one.optimizer.step()
            student.zero_grad()

    return turn, lambda: accuracy_of(students[-1].eval(), setting.held_out)


def main() -> None:
    setting = Setting()
    made = {
        "transformers Trainer": trainer(setting),
        "TextBrewer 0.2.1": textbrewer(setting),
        "masks instead of slices 掩码": with_masks(setting),
        "ours, but each alone 各自单独": separately(setting),
        "ours, jointly 联合": ours(setting),
    }
    rows = contest({name: turn for name, (turn, _) in made.items()}, ROUNDS, TURNS)
    for row, (_, accuracy) in zip(rows, made.values(), strict=True):
        row["sub-models·examples a second 每秒"] = len(SUB_MODELS) * BATCH / (row["ms"] / 1000)
        row["accuracy of the smallest 最小者准确率 (%)"] = 100 * accuracy()
    *peers, alone, ours_ = [r["ms"] for r in rows]
    title = f"A turn of nine sub-models 九个子模型各一批; batch {BATCH}, {setting.precision}"
    extra = ("sub-models·examples a second 每秒", "accuracy of the smallest 最小者准确率 (%)")
    report("peers", title, rows, extra, turns=(ROUNDS + 1) * TURNS)
    print(
        f"ours against the best of the others 与最好的对手相比: {min(peers) / ours_:.2f} times as many a second"
    )
    print(
        f"ours against ours without sharing 与不共享的自己相比: {alone / ours_:.2f} times as many a second"
    )


if __name__ == "__main__":
    begin(1, demo=True)
    main()
