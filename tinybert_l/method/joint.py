"""Joint training: every step, several sub-models of one student learn on the same batch.

Each is the base training step plus three things: the sandwich (who takes part), the targets (the
teacher's outputs, computed once a batch), and in-place self-distillation (the largest teaches the rest).
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from tinybert_l.exercises.lecture_01 import soft_cross_entropy
from tinybert_l.exercises.lecture_02 import joint_loss
from tinybert_l.exercises.lecture_03 import layer_map
from tinybert_l.method.cached_model import cached_model
from tinybert_l.method.data import Encoded, collate, training_batches
from tinybert_l.method.extraction import elastic_copy, set_dropout_on_states
from tinybert_l.method.importance import measure_importance, sort_by_importance
from tinybert_l.method.losses import distillation_losses
from tinybert_l.method.model import ElasticBertForSequenceClassification, ElasticOutput
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import Teacher, TeacherRecipe, load_teacher
from tinybert_l.method.teacher_outputs import TeacherOutputs, keep_outputs
from tinybert_l.method.training import (
    WHOLE,
    Shares,
    TrainingDiverged,
    autocast,
    open_accelerator,
    placed,
    remove_checkpoints,
    resolve_precision,
    run_loop,
    shared_out,
)
from tinybert_l.submodels import SubModel


@dataclass(frozen=True)
class Supernet:
    """A jointly trained student, its teacher and the log of its training."""

    model: ElasticBertForSequenceClassification
    teacher: Teacher
    recipe: JointRecipe
    log: list[dict[str, Any]]
    folder: Path
    metrics: dict[str, Any]


def load_supernet(
    recipe: JointRecipe | None = None,
    teacher_recipe: TeacherRecipe | None = None,
    from_scratch: bool = False,
) -> Supernet:
    """The jointly trained student of the recipes; trains it (and its teacher) first when the cache has none.

    Args:
        from_scratch: train the teacher too, where it comes with the library (see `load_teacher`).
    """
    recipe = recipe or JointRecipe()
    teacher_recipe = teacher_recipe or TeacherRecipe()
    teacher = load_teacher(teacher_recipe, from_scratch)

    def train(
        folder: Path,
    ) -> tuple[ElasticBertForSequenceClassification, list[dict[str, Any]]]:
        sorted_teacher = sorted_by_importance(teacher)
        student = elastic_copy(sorted_teacher)
        data = teacher.data["train"]
        layers = recipe.hidden_layers(teacher.model.config.num_hidden_layers)
        keeps = recipe.passes(len(data)) >= 2 and not recipe.attention_weight
        source = keep_outputs(sorted_teacher, data, layers) if keeps else sorted_teacher
        log = train_jointly(student, source, data, recipe, folder, teacher.tokenizer)
        return student, log

    texts, _ = teacher_recipe.splits()
    known = teacher_recipe.key(texts) | ({"from_scratch": True} if from_scratch else {})
    plain: dict[str, Any] = {"joint": asdict(recipe), "data": known.pop("data"), "teacher": known}
    result = cached_model(
        "supernet", plain, ElasticBertForSequenceClassification, train, together=True
    )
    return Supernet(result.model, teacher, recipe, result.log, result.folder, result.metrics)


def sorted_by_importance(
    teacher: Teacher, num_texts: int = 256
) -> ElasticBertForSequenceClassification:
    """The teacher with its most important heads and neurons first, as measured on training texts."""
    elastic = elastic_copy(teacher.model)
    data, count = teacher.data["train"], min(num_texts, len(teacher.data["train"]))
    batches = (collate(data, range(i, min(i + 32, count))) for i in range(0, count, 32))
    return sort_by_importance(elastic, measure_importance(elastic, batches))


def train_jointly(
    student: ElasticBertForSequenceClassification,
    teacher: ElasticBertForSequenceClassification | TeacherOutputs,
    data: Encoded,
    recipe: JointRecipe,
    folder: Path,
    tokenizer: Any = None,
    on_step: Callable[[int], None] | None = None,
) -> list[dict[str, Any]]:
    """Train the student's sub-models jointly, in place; resumes from checkpoints in `folder`.

    Args:
        student: starts as a copy of the (sorted) teacher, or as any elastic model that fits it.
        teacher: runs in eval mode, once a batch; or its outputs on `data`, computed once (`keep_outputs`). Then it may
            have another vocabulary, and the recipe may ask for what was kept alone.
        folder: holds checkpoints while the run lasts.
        tokenizer: when given, its vocabulary is checked against the models'.
        on_step: called with the step before it is taken.
    Returns:
        One row a step: loss, learning_rate, gradient_norm, and losses {sub-model: {part: value}}.
    Raises:
        ValueError: models, tokenizer or recipe do not fit together.
        TrainingDiverged: a loss is not finite.
    """
    if isinstance(teacher, TeacherOutputs):
        check_outputs(student, teacher, data, recipe)
    else:
        check_compatible(student, teacher, recipe, tokenizer)
    accelerator = open_accelerator()
    folder.mkdir(parents=True, exist_ok=True)
    precision = resolve_precision(recipe.precision, folder, student.config.hidden_size)
    if isinstance(teacher, TeacherOutputs):
        teacher_size = next(
            (kept.shape[1] for kept in teacher.hidden.values()), student.config.hidden_size
        )
    else:
        teacher_size, teacher = teacher.config.hidden_size, teacher.eval()
    set_dropout_on_states(
        student, 0.0
    )  # the student imitates; noise would only blur what it is shown
    trained = WithProjection(student, teacher_size)
    batches = training_batches(data, recipe.batch_size, recipe.num_steps, recipe.seed)

    def step_loss(step: int) -> tuple[torch.Tensor, dict[str, Any]]:
        if on_step is not None:
            on_step(step)
        own, shares = shared_out(data, batches[step], accelerator)
        batch = collate(
            data, own, accelerator.device, at_most=student.config.max_position_embeddings
        )
        with autocast(accelerator.device, precision):
            if isinstance(teacher, TeacherOutputs):
                target = teacher.of(own, batch["attention_mask"])
            else:
                target = teacher_output(teacher, batch, recipe)
            return joint_step(trained, target, batch, recipe, step, shares)

    settings = recipe.loop_settings(precision)
    live = [] if isinstance(teacher, TeacherOutputs) else [teacher]
    with placed(accelerator, trained, *live):
        log = run_loop(trained, step_loss, settings, folder, "joint 联合训练", accelerator)
    student.eval()
    return log


def train_on_labels(
    model: PreTrainedModel,
    predict: Callable[[int, SubModel], tuple[torch.Tensor, torch.Tensor]],
    recipe: JointRecipe,
    folder: Path,
    description: str,
) -> list[dict[str, Any]]:
    """Joint training without a teacher: all learn the labels, and the smaller ones imitate the largest too.

    Args:
        predict: (step, sub-model) -> (logits [n, classes], labels [n]); the same n for every sub-model of a step. It is
            called while the model is on the device that trains it (`model.device`).
        recipe: its stages, optimisation and self-distillation are used.
    Returns:
        One row a step, as `train_jointly`.
    """
    accelerator = open_accelerator()
    folder.mkdir(parents=True, exist_ok=True)
    precision = resolve_precision(recipe.precision, folder, model.config.hidden_size)

    def step_loss(step: int) -> tuple[torch.Tensor, dict[str, Any]]:
        losses, parts, largest = [], {}, None
        for sub_model in recipe.participants(step):
            with autocast(accelerator.device, precision):
                logits, labels = predict(step, sub_model)
            loss = nn.functional.cross_entropy(logits.float(), labels)
            parts[sub_model.name] = {"labels": loss.detach()}
            if largest is None:
                largest = logits.detach().float()
            elif recipe.self_distillation:
                loss = (loss + soft_cross_entropy(logits.float(), largest, recipe.temperature)) / 2
            losses.append(loss)
        return joint_loss(losses), {"losses": as_numbers(parts)}

    with placed(accelerator, model):
        log = run_loop(
            model, step_loss, recipe.loop_settings(precision), folder, description, accelerator
        )
    model.eval()
    remove_checkpoints(folder)
    return log


class WithProjection(nn.Module):
    """The student and, where hidden sizes differ, the learned projection into the teacher's space.

    One projection serves all layers and the embeddings, as in TinyBERT's code (`fit_dense`).
    """

    def __init__(self, student: ElasticBertForSequenceClassification, teacher_size: int) -> None:
        super().__init__()
        self.student = student
        size = student.config.hidden_size
        self.projection = (
            nn.Parameter(torch.empty(size, teacher_size)) if size != teacher_size else None
        )
        if self.projection is not None:
            nn.init.normal_(self.projection, std=size**-0.5)


@torch.no_grad()
def teacher_output(
    teacher: ElasticBertForSequenceClassification,
    batch: dict[str, torch.Tensor],
    recipe: JointRecipe,
) -> ElasticOutput:
    """What the teacher says of a batch, as far as the recipe asks for it."""
    layers = recipe.scored_layers(teacher.config.num_hidden_layers)
    wanted = recipe.wanted() | {"output_attention_scores": layers}
    return teacher(batch["input_ids"], batch["attention_mask"], **wanted)


def joint_step(
    trained: WithProjection,
    target: ElasticOutput,
    batch: dict[str, torch.Tensor],
    recipe: JointRecipe,
    step: int,
    shares: Shares = WHOLE,
) -> tuple[torch.Tensor, dict[str, Any]]:
    """One joint loss: each participant in turn, the largest first, all on the same embedded texts.

    Args:
        target: what the teacher says of the batch, live or from a cache.
        shares: what this process's part of the batch weighs.
    """
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    inputs["embedded"] = trained.student.bert.embeddings(batch["input_ids"])
    wanted = recipe.wanted()
    losses, parts = [], {}
    largest_logits = None
    for sub_model in recipe.participants(step):
        output = trained.student(**inputs, **wanted, sub_model=sub_model)
        part = distillation_losses(
            output,
            target,
            largest_logits,
            trained.projection,
            inputs["attention_mask"],
            recipe,
            shares,
        )
        losses.append(sum(part.values(), start=torch.zeros((), device=output.logits.device)))
        parts[sub_model.name] = {name: value.detach() for name, value in part.items()}
        if largest_logits is None and recipe.self_distillation:
            largest_logits = output.logits.detach()
    found = as_numbers(parts)
    for name, part_values in found.items():
        if not math.isfinite(total := sum(part_values.values())):
            raise TrainingDiverged(
                f"train_jointly: the loss of sub-model {name} at step {step} is {total}; allowed: a finite number. "
                f"Lower learning_rate (given: {recipe.learning_rate:g}), or look at the parts: {part_values}."
            )
    return joint_loss(losses), {"losses": found}


def as_numbers(parts: dict[str, dict[str, torch.Tensor]]) -> dict[str, dict[str, float]]:
    """The same with floats: read in one go, since each reading waits for a GPU to be done."""
    values = [value.float() for part in parts.values() for value in part.values()]
    numbers = iter(torch.stack(values).tolist() if values else [])
    return {name: {kind: next(numbers) for kind in part} for name, part in parts.items()}


def check_outputs(
    student: ElasticBertForSequenceClassification,
    teacher: TeacherOutputs,
    data: Encoded,
    recipe: JointRecipe,
) -> None:
    """Raises `ValueError` when kept outputs of a teacher do not fit the student, the data or the recipe."""
    expected = (len(data), student.config.num_labels)
    if tuple(teacher.logits.shape) != expected:
        raise ValueError(
            f"train_jointly: the teacher's kept logits have shape {tuple(teacher.logits.shape)}; allowed: {expected}, "
            "a row for each text of data."
        )
    if recipe.attention_weight:
        raise ValueError(
            f"train_jointly: attention_weight={recipe.attention_weight}, but attention scores are not among a "
            "teacher's kept outputs; allowed: 0, or a live teacher."
        )
    missing = recipe.hidden_layers(teacher.num_layers) - set(teacher.hidden)
    if missing:
        raise ValueError(
            f"train_jointly: the recipe compares hidden states of the teacher's layers {sorted(missing)}, which were "
            "not kept; allowed: those given to keep_outputs, or a hidden_weight and embedding_weight of 0."
        )


def check_compatible(
    student: ElasticBertForSequenceClassification,
    teacher: ElasticBertForSequenceClassification,
    recipe: JointRecipe,
    tokenizer: Any = None,
) -> None:
    """Raises `ValueError`, before anything is computed, when the parts of a joint run do not fit."""
    for model, name in ((student, "student"), (teacher, "teacher")):
        if not isinstance(model, ElasticBertForSequenceClassification):
            raise ValueError(
                f"train_jointly: {name} is a {type(model).__name__}; allowed: "
                "ElasticBertForSequenceClassification (see elastic_copy)."
            )
    for what in ("vocab_size", "num_labels"):
        ours, theirs = getattr(student.config, what), getattr(teacher.config, what)
        if ours != theirs:
            raise ValueError(
                f"train_jointly: {what} of student {ours}, of teacher {theirs}; allowed: equal ones."
            )
    if tokenizer is not None and len(tokenizer) > teacher.config.vocab_size:
        raise ValueError(
            f"train_jointly: tokenizer has {len(tokenizer)} tokens; allowed: at most vocab_size="
            f"{teacher.config.vocab_size} of teacher and student."
        )
    deepest = max(s.depth for s in recipe.sub_models())
    if deepest > student.config.num_hidden_layers:
        raise ValueError(
            f"train_jointly: stages ask for depth {deepest}; allowed: at most {student.config.num_hidden_layers}, "
            "the student's layers."
        )
    heads, theirs = student.config.num_attention_heads, teacher.config.num_attention_heads
    if recipe.attention_weight and heads != theirs:
        raise ValueError(
            f"train_jointly: attention_weight={recipe.attention_weight} compares attention scores head by head, but "
            f"student has {heads} heads and teacher {theirs}; allowed: equal numbers, or attention_weight=0."
        )
    depth = min(deepest, student.config.num_hidden_layers)
    mapping = layer_map(depth, teacher.config.num_hidden_layers, recipe.layer_map_strategy)
    outside = [g for g in mapping if not 1 <= g <= teacher.config.num_hidden_layers]
    if outside or len(mapping) != depth:
        raise ValueError(
            f"train_jointly: layer_map gave {mapping} for {depth} student layers; allowed: one teacher layer from "
            f"1 to {teacher.config.num_hidden_layers} for each."
        )
