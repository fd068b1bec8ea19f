"""Compare the joint step with other libraries and methods: `python benchmarks/peers.py`.

Takes five minutes and needs the extra `bench` (TextBrewer). All contestants train the same nine
sub-models on the same batches of sentences by the teacher's soft labels, in the faster precision of
this machine (TextBrewer, which has no bfloat16, and the plain loop in float32). A turn gives each
sub-model one batch: ours, the plain loop and masks in one step, the others in nine. The last row
but one takes all that is ours but the sharing: the difference between it and ours is what sharing
brings.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from contest import contest, report
from torch import nn
from transformers import Trainer, TrainingArguments

from tinybert_l import begin
from tinybert_l.course.experiments import first_texts
from tinybert_l.course.rows import PeerRow, TimedRow
from tinybert_l.exercises.lecture_01 import soft_cross_entropy
from tinybert_l.exercises.lecture_02 import joint_loss
from tinybert_l.exercises.lecture_03 import kept_layers
from tinybert_l.method.data import bucketed_batches, collate
from tinybert_l.method.extraction import elastic_copy, extract, set_dropout_on_states
from tinybert_l.method.joint import sorted_by_importance
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.precision import autocast, measured_precision
from tinybert_l.method.teacher import accuracy_of, load_teacher, predict_logits
from tinybert_l.method.training import parameter_groups
from tinybert_l.submodels import SubModel, share_of, sub_model_grid

BATCH = 32
ROUNDS = 4
TURNS = 1  # a round
SUB_MODELS = sub_model_grid((6, 3, 2), (1, 0.5, 0.25))[::-1]
SMALLEST = SUB_MODELS[-1]
Batch = dict[str, torch.Tensor]


class Setting:
    """The teacher, batches and optimiser that all contestants share."""

    def __init__(self) -> None:
        loaded = load_teacher()
        self.teacher = sorted_by_importance(loaded)
        self.data = first_texts(loaded.data["train"], BATCH * (ROUNDS + 1) * TURNS)
        self.held_out = first_texts(loaded.data["validation"], 300)
        generator = torch.Generator().manual_seed(0)
        lengths = [len(ids) for ids in self.data.token_ids]
        self.rows = bucketed_batches(lengths, BATCH, generator)
        self.logits = predict_logits(self.teacher, self.data)
        self.precision = measured_precision()

    def batches(self) -> Iterator[tuple[list[int], Batch]]:
        """The rows and the inputs of one batch after the other, without end."""
        while True:
            for rows in self.rows:
                batch = collate(self.data, rows)
                yield rows, {name: batch[name] for name in ("input_ids", "attention_mask")}

    def autocast(self) -> Any:
        """A context that computes in this machine's faster precision."""
        return autocast(self.teacher.device, self.precision)

    def optimizer(self, model: nn.Module) -> torch.optim.AdamW:
        """The optimiser of every contestant but the Trainer, which has its own."""
        return torch.optim.AdamW(parameter_groups(model, 0.01), lr=1e-4, fused=True)

    def joint_loss(self, all_logits: list[torch.Tensor], rows: list[int]) -> torch.Tensor:
        """The soft-label losses of all sub-models together, with kept outputs of the teacher."""
        target = self.logits[rows]
        return joint_loss([soft_cross_entropy(logits, target) for logits in all_logits])


@dataclass(frozen=True)
class Contestant:
    """A turn of nine sub-models, and the accuracy (0..1) of the smallest after the last one."""

    turn: Callable[[], Any]
    accuracy: Callable[[], float]


def in_training(
    student: ElasticBertForSequenceClassification,
) -> ElasticBertForSequenceClassification:
    """Set a student up as `train_jointly` does: without dropout on its states."""
    set_dropout_on_states(student, 0.0)
    return student.train()


def ours_joint(setting: Setting) -> Contestant:
    """Take one step for all sub-models.

    Outputs of the teacher are kept, embeddings are computed once, the last layer for [CLS] alone.
    """
    student = in_training(elastic_copy(setting.teacher))
    batches = setting.batches()
    optimizer = setting.optimizer(student)

    def turn() -> None:
        rows, inputs = next(batches)
        with setting.autocast():
            embedded = student.bert.embeddings(inputs["input_ids"])
            shared: dict[str, Any] = {**inputs, "embedded": embedded, "only_first": True}
            logits = [student(**shared, sub_model=s).logits.float() for s in SUB_MODELS]
        setting.joint_loss(logits, rows).backward()
        optimizer.step()
        optimizer.zero_grad()

    return Contestant(turn, lambda: accuracy_of(student, setting.held_out, sub_model=SMALLEST))


def ours_separate(setting: Setting) -> Contestant:
    """Train each sub-model by itself; precision, optimiser, kept outputs and [CLS] are as ours."""
    students = [in_training(extract(setting.teacher, s)) for s in SUB_MODELS]
    optimizers = list(map(setting.optimizer, students))
    batches = setting.batches()

    def turn() -> None:
        rows, inputs = next(batches)
        for student, optimizer in zip(students, optimizers, strict=True):
            with setting.autocast():
                logits = student(**inputs, only_first=True).logits.float()
            soft_cross_entropy(logits, setting.logits[rows]).backward()
            optimizer.step()
            optimizer.zero_grad()

    return Contestant(turn, lambda: accuracy_of(students[-1], setting.held_out))


def with_masks(setting: Setting) -> Contestant:
    """Try a width as DynaBERT does: heads and neurons are multiplied by zero, layers skipped."""
    student = in_training(elastic_copy(setting.teacher))
    batches = setting.batches()
    optimizer = setting.optimizer(student)

    def turn() -> None:
        rows, inputs = next(batches)
        with setting.autocast():
            logits = [masked_logits(student, inputs, s).float() for s in SUB_MODELS]
        setting.joint_loss(logits, rows).backward()
        optimizer.step()
        optimizer.zero_grad()

    return Contestant(turn, lambda: accuracy_of(student, setting.held_out, sub_model=SMALLEST))


def masked_logits(
    student: ElasticBertForSequenceClassification, inputs: Batch, sub_model: SubModel
) -> torch.Tensor:
    """Logits [texts, classes] with all but a width's heads and neurons multiplied by zero."""
    config = student.config
    head_size = config.attention_head_size or 0
    heads = share_of(config.num_attention_heads, sub_model.width) * head_size
    neurons = share_of(config.intermediate_size, sub_model.width)
    handles = []
    for index in kept_layers(config.num_hidden_layers, sub_model.depth):
        layer = student.bert.layers[index]
        handles.append(layer.attention.output.register_forward_pre_hook(zero_after(heads)))
        handles.append(layer.output.register_forward_pre_hook(zero_after(neurons)))
    depth_alone = SubModel(sub_model.depth)
    logits = student(**inputs, only_first=True, sub_model=depth_alone).logits
    for handle in handles:
        handle.remove()
    return logits


def zero_after(kept: int) -> Callable[..., Any]:
    """A hook that multiplies all but the first so many features by zero."""

    def zero(
        _: nn.Module, inputs: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        features, residual = inputs
        mask = torch.arange(features.shape[-1]) < kept
        return features * mask, residual

    return zero


class ForTextBrewer(nn.Module):
    """A model as TextBrewer calls it: a batch's entries by name, and a dictionary returned."""

    def __init__(self, model: ElasticBertForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        return {"logits": self.model(input_ids, attention_mask).logits}


def textbrewer(setting: Setting) -> Contestant:
    """Use TextBrewer's GeneralDistiller: one student, the live teacher, its own training step."""
    from textbrewer import DistillationConfig, GeneralDistiller, TrainingConfig

    training = TrainingConfig(device="cpu", output_dir=tempfile.mkdtemp(), log_dir=None)
    distillation = DistillationConfig(temperature=1, kd_loss_type="ce")
    teacher = ForTextBrewer(setting.teacher)
    students = [extract(setting.teacher, s).train() for s in SUB_MODELS]
    optimizers = list(map(setting.optimizer, students))
    batches = setting.batches()

    def adapt(batch: Any, output: dict[str, torch.Tensor]) -> dict[str, Any]:
        return {"logits": output["logits"]}

    distillers = []
    for student in students:
        distillers.append(
            GeneralDistiller(training, distillation, teacher, ForTextBrewer(student), adapt, adapt)
        )

    def turn() -> None:
        _, inputs = next(batches)
        for distiller, optimizer in zip(distillers, optimizers, strict=True):
            loss, _ = distiller.train_on_batch(inputs, {})
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return Contestant(turn, lambda: accuracy_of(students[-1].eval(), setting.held_out))


def plain_loop(setting: Setting) -> Contestant:
    """Take one step for all sub-models as one would first write it, as joint_step.py begins.

    The live teacher, batches in random order with their padding, AdamW's usual loop, float32.
    """
    student = in_training(elastic_copy(setting.teacher))
    optimizer = torch.optim.AdamW(parameter_groups(student, 0.01), lr=1e-4, foreach=False)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(setting.data), generator=generator).tolist()
    starts = itertools.cycle(range(0, len(order), BATCH))

    def turn() -> None:
        start = next(starts)
        batch = collate(setting.data, order[start : start + BATCH])
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        with torch.no_grad():
            target = setting.teacher(**inputs).logits
        logits = [student(**inputs, sub_model=s).logits for s in SUB_MODELS]
        joint_loss([soft_cross_entropy(part, target) for part in logits]).backward()
        optimizer.step()
        optimizer.zero_grad()

    return Contestant(turn, lambda: accuracy_of(student, setting.held_out, sub_model=SMALLEST))


def trainer(setting: Setting) -> Contestant:
    """Use transformers' Trainer with a distillation loss: one student, the live teacher."""

    class Distiller(Trainer):
        def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
            with torch.no_grad(), setting.autocast():
                target = setting.teacher(**inputs).logits
            return soft_cross_entropy(model(**inputs).logits.float(), target.float())

    folder = tempfile.mkdtemp()
    students = [extract(setting.teacher, s).train() for s in SUB_MODELS]
    batches = setting.batches()
    distillers = []
    for student in students:
        arguments = TrainingArguments(
            folder,
            use_cpu=True,
            report_to=[],
            optim="adamw_torch_fused",
            learning_rate=1e-4,
            bf16=setting.precision == "bfloat16",
        )
        distiller = Distiller(student, arguments)
        # train() does these three things before its first step; the step alone is timed here
        distiller.create_optimizer()
        distiller.accelerator.prepare_model(student)
        distiller.current_gradient_accumulation_steps = 1
        distillers.append(distiller)

    def turn() -> None:
        _, inputs = next(batches)
        for distiller, student in zip(distillers, students, strict=True):
            distiller.training_step(student, dict(inputs))
            distiller.accelerator.clip_grad_norm_(student.parameters(), 1.0)
            distiller.optimizer.step()
            student.zero_grad()

    return Contestant(turn, lambda: accuracy_of(students[-1].eval(), setting.held_out))


def main() -> None:
    setting = Setting()
    contestants = {
        "plain_loop": plain_loop(setting),
        "trainer": trainer(setting),
        "textbrewer": textbrewer(setting),
        "masks": with_masks(setting),
        "ours_separate": ours_separate(setting),
        "ours_joint": ours_joint(setting),
    }
    timings = contest({name: c.turn for name, c in contestants.items()}, ROUNDS, TURNS)
    rows: list[TimedRow] = []
    for name, timing in timings.items():
        seconds = timing.duration_ms.median / 1000
        rows.append(
            PeerRow(
                duration_ms=timing.duration_ms,
                times_faster=timing.times_faster,
                contestant=name,
                sub_model_examples_per_second=len(SUB_MODELS) * BATCH / seconds,
                smallest_accuracy_percent=100 * contestants[name].accuracy(),
            )
        )
    turns = (ROUNDS + 1) * TURNS
    report("peers", "peers", rows, batch=BATCH, precision=setting.precision, turns=turns)
    milliseconds = {name: timing.duration_ms.median for name, timing in timings.items()}
    ours = milliseconds["ours_joint"]
    best_peer = min(milliseconds[name] for name in ("trainer", "textbrewer", "masks"))
    separate = milliseconds["ours_separate"]
    print(
        f"ours against the plain loop 与朴素循环相比: {milliseconds['plain_loop'] / ours:.2f} times"
    )
    print(f"ours against the best of the others 与最好的对手相比: {best_peer / ours:.2f} times")
    print(f"ours against ours without sharing 与不共享的自己相比: {separate / ours:.2f} times")


if __name__ == "__main__":
    begin(1, demo=True)
    main()
