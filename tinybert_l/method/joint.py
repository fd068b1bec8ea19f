"""Joint training: every step, several sub-models of one student learn on the same batch.

It is the base training step plus three things: the sandwich (which sub-models take part), the
targets (the teacher's outputs, one set per batch), and in-place self-distillation (the largest
sub-model teaches the others).
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from tinybert_l.cache import entry_folder, read_entry, recipe_hash
from tinybert_l.exercises.answer_sources import (
    LABEL_TRAINING,
    TRAINING,
    AnswersChoice,
    other_answers,
    require_answers,
    tell_stand_ins,
    using,
)
from tinybert_l.exercises.lecture_01 import soft_cross_entropy
from tinybert_l.exercises.lecture_02 import joint_loss
from tinybert_l.exercises.lecture_03 import layer_map
from tinybert_l.method.cached_model import TrainingLog, cached_model
from tinybert_l.method.checkpoints import remove_checkpoints
from tinybert_l.method.checks import require_folder
from tinybert_l.method.data import Batch, Encoded, collate, training_batches
from tinybert_l.method.extraction import elastic_copy, set_dropout_on_states
from tinybert_l.method.importance import sorted_copy
from tinybert_l.method.losses import distillation_losses, require_loss
from tinybert_l.method.model import ElasticBertForSequenceClassification, ElasticOutput
from tinybert_l.method.output_shards import OutputShards
from tinybert_l.method.precision import autocast, resolve_precision
from tinybert_l.method.problem_types import problem_type
from tinybert_l.method.processes import (
    SINGLE_PROCESS,
    Shares,
    open_accelerator,
    placed,
    split_batch,
)
from tinybert_l.method.recipe import COURSE_RECIPE, JointRecipe
from tinybert_l.method.teacher import Teacher, TeacherRecipe, load_teacher
from tinybert_l.method.teacher_outputs import TeacherOutputs, keep_outputs, token_hash
from tinybert_l.method.teachers import require_recipe, require_texts, teacher_source
from tinybert_l.method.training import TrainingDiverged, run_loop
from tinybert_l.submodels import SubModel


@dataclass(frozen=True)
class Supernet:
    """A jointly trained student, its teacher and the log of its training."""

    model: ElasticBertForSequenceClassification
    teacher: Teacher
    recipe: JointRecipe
    log: TrainingLog
    folder: Path
    metrics: dict[str, Any]


def load_supernet(
    recipe: JointRecipe | None = None,
    teacher_recipe: TeacherRecipe | None = None,
    from_scratch: bool = False,
    answers: AnswersChoice | None = "reference",
) -> Supernet:
    """Load the jointly trained student of the recipes from the cache.

    Trains it, and its teacher, first when the cache has none.

    Args:
        recipe: None: `COURSE_RECIPE`, that of the demo and the lectures.
        from_scratch: train the teacher even where it comes with the library (see `load_teacher`).
        answers: as in `train_jointly`. What your own answers or stand-ins train is kept apart.
    """
    teacher = load_teacher(teacher_recipe, from_scratch)
    recipe = (recipe or COURSE_RECIPE).fitted(teacher.model.config.num_hidden_layers)

    def train(folder: Path) -> tuple[ElasticBertForSequenceClassification, TrainingLog]:
        sorted_teacher = sorted_by_importance(teacher)
        student = elastic_copy(sorted_teacher)
        data = teacher.data["train"]
        source: ElasticBertForSequenceClassification | TeacherOutputs = sorted_teacher
        if recipe.passes(len(data)) >= 2 and not recipe.attention_weight:
            layers = recipe.hidden_layers(teacher.model.config.num_hidden_layers)
            source = keep_outputs(sorted_teacher, data, layers)
        log = train_jointly(student, source, data, recipe, folder, teacher.tokenizer)
        return student, log

    key = supernet_key(recipe, teacher)
    entry = cached_model(
        "supernet", key, ElasticBertForSequenceClassification, train, together=True, answers=answers
    )
    return Supernet(entry.model, teacher, recipe, entry.log, entry.folder, entry.metrics)


def supernet_key(recipe: JointRecipe, teacher: Teacher) -> dict[str, Any]:
    """Return the plain values that name a supernet's cache entry."""
    recipe = recipe.fitted(teacher.model.config.num_hidden_layers)
    teacher_key = dict(teacher.key)
    return {"joint": asdict(recipe), "data": teacher_key.pop("data"), "teacher": teacher_key}


def supernet_is_cached(recipe: JointRecipe, teacher: Teacher) -> bool:
    """Tell whether `load_supernet` would find the trained student in the cache."""
    return read_entry(entry_folder("supernet", supernet_key(recipe, teacher))) is not None


def sorted_by_importance(
    teacher: Teacher, num_texts: int = 256
) -> ElasticBertForSequenceClassification:
    """Return an elastic copy of the teacher with its most important heads and neurons first.

    Args:
        num_texts: training texts on which importance is measured, at most.
    """
    return sorted_copy(teacher.model, teacher.data["train"], num_texts)


def train_jointly(
    student: ElasticBertForSequenceClassification,
    teacher: ElasticBertForSequenceClassification | TeacherOutputs | OutputShards,
    data: Encoded,
    recipe: JointRecipe,
    folder: str | Path,
    tokenizer: Any = None,
    on_step: Callable[[int], None] | None = None,
    answers: AnswersChoice | None = None,
) -> TrainingLog:
    """Train the student's sub-models jointly, in place; resumes from checkpoints in `folder`.

    Only the same run goes on from its checkpoints: the same recipe, data, teacher, first weights
    and answers. Those of another run are put aside.

    Args:
        student: starts as a copy of the (sorted) teacher, or as any elastic model that fits it.
        teacher: a model, run once per batch in eval mode; or `TeacherOutputs`, or `OutputShards`
            on disk, precomputed on the same `data`. Precomputed logits alone allow a student with
            a smaller vocabulary, and the recipe may compare only what was stored (never attention
            scores).
        data: the texts to train on.
        folder: holds checkpoints while the run lasts.
        tokenizer: when given, its vocabulary is checked against the models'.
        on_step: called with the step before it is taken.
        answers: whose answers to the exercises train: "reference": the method's own; "mine": yours;
            "released": those of a release, stand-ins for later ones; None: those in use, as
            `begin` prints them. The student's configuration keeps which they were.
    Returns:
        One row per step: loss, learning_rate, gradient_norm, and losses
        {sub-model: {part: value}}.
    Raises:
        InvalidInput: models, tokenizer or recipe do not fit together, or there are no such answers.
        MissingAnswer: an exercise that training needs has no answer.
        TrainingDiverged: a loss is not finite.
    """
    place = require_folder(folder, "train_jointly")
    with using(answers, TRAINING):
        tell_stand_ins(TRAINING, "train_jointly")
        return _train_jointly(student, teacher, data, recipe, place, tokenizer, on_step)


def _train_jointly(
    student: ElasticBertForSequenceClassification,
    teacher: ElasticBertForSequenceClassification | TeacherOutputs | OutputShards,
    data: Encoded,
    recipe: JointRecipe,
    folder: Path,
    tokenizer: Any,
    on_step: Callable[[int], None] | None,
) -> TrainingLog:
    """Train with the answers in use; see `train_jointly`."""
    source = teacher_source(teacher)
    require_recipe(recipe)
    recipe = recipe.fitted(student.config.num_hidden_layers)
    source.check(student, data, recipe, tokenizer)
    require_texts(data)
    student.config.fix_layers()
    accelerator = open_accelerator()
    folder.mkdir(parents=True, exist_ok=True)
    precision = resolve_precision(recipe.precision, folder, student.config.hidden_size)
    set_dropout_on_states(student, 0.0)  # noise would only blur what the student imitates
    trained = WithProjection(student, source.hidden_size, recipe.seed)
    batches = training_batches(data, recipe.batch_size, recipe.num_steps, recipe.seed)
    longest = student.config.max_position_embeddings

    def step_loss(step: int) -> tuple[torch.Tensor, dict[str, Any]]:
        if on_step is not None:
            on_step(step)
        rows, shares = split_batch(data, batches[step], accelerator)
        batch = collate(data, rows, accelerator.device, at_most=longest)
        with autocast(accelerator.device, precision):
            target = source.outputs(rows, batch, recipe)
            return joint_step(trained, target, batch, recipe, step, shares)

    with placed(accelerator, trained, *source.modules):
        identity = run_facts(data, source.identity())
        log = run_loop(trained, step_loss, recipe, folder, "joint 联合训练", identity)
    student.config.trained = training_record(recipe, source.num_layers) | identity
    student.config.note_answers(TRAINING)
    student.eval()
    return log


def run_facts(data: Encoded, teacher: str) -> dict[str, Any]:
    """Return what decides a joint run beside recipe and first weights."""
    return {"data": token_hash(data), "teacher": teacher, "answers": other_answers(TRAINING)}


def training_record(recipe: JointRecipe, num_teacher_layers: int) -> dict[str, Any]:
    """Return what a checkpoint keeps of the recipe of its training, as plain values.

    Returns:
        The sub-models that were trained, the number of steps, the recipe's hash, and where layers
        were compared {depth: teacher layer of each layer}.
    """
    sub_models = recipe.sub_models()
    mapping = {}
    if recipe.hidden_weight + recipe.attention_weight > 0:
        for depth in sorted({sub_model.depth for sub_model in sub_models}):
            layers = layer_map(depth, num_teacher_layers, recipe.layer_map_strategy)
            mapping[str(depth)] = list(layers)
    return {
        "sub_models": [sub_model.name for sub_model in sub_models],
        "num_steps": recipe.num_steps,
        "recipe": recipe_hash(asdict(recipe)),
        "layer_map": mapping,
    }


def train_on_labels(
    model: PreTrainedModel,
    predict: Callable[[int, SubModel], tuple[torch.Tensor, torch.Tensor]],
    recipe: JointRecipe,
    folder: Path,
    description: str,
) -> TrainingLog:
    """Train jointly without a teacher: all sub-models learn the labels.

    With self-distillation the smaller ones imitate the largest too.

    Args:
        model: trained in place.
        predict: (step, sub-model) -> (logits [n, classes], labels [n]), with the same n for every
            sub-model of a step. It is called while the model is on the device that trains it
            (`model.device`).
        recipe: its stages, loop settings, temperature and self-distillation are used.
        folder: holds checkpoints while the run lasts.
        description: title of the progress bar.
    Returns:
        One row per step, as `train_jointly` gives.
    """
    needed = (*LABEL_TRAINING, "soft_cross_entropy") if recipe.self_distillation else LABEL_TRAINING
    require_answers(needed)
    tell_stand_ins(needed, "train_on_labels")
    accelerator = open_accelerator()
    folder.mkdir(parents=True, exist_ok=True)
    precision = resolve_precision(recipe.precision, folder, model.config.hidden_size)

    def step_loss(step: int) -> tuple[torch.Tensor, dict[str, Any]]:
        losses = []
        parts = {}
        largest_logits = None
        for sub_model in recipe.participants(step):
            with autocast(accelerator.device, precision):
                logits, labels = predict(step, sub_model)
            loss = nn.functional.cross_entropy(logits.float(), labels)
            parts[sub_model.name] = {"labels": loss.detach()}
            if largest_logits is None:
                largest_logits = logits.detach().float()
            elif recipe.self_distillation:
                imitation = soft_cross_entropy(logits.float(), largest_logits, recipe.temperature)
                loss = (loss + imitation) / 2
            losses.append(loss)
        loss = require_loss("joint_loss", joint_loss(losses), trained=True)
        return loss, {"losses": to_floats(parts)}

    with placed(accelerator, model):
        identity = {"answers": other_answers(needed)}
        log = run_loop(model, step_loss, recipe, folder, description, identity)
    model.config.note_answers(needed)
    model.eval()
    remove_checkpoints(folder)
    return log


class WithProjection(nn.Module):
    """The student and, where hidden sizes differ, a learned projection into the teacher's space.

    One projection serves all layers and the embeddings, as in TinyBERT's code (`fit_dense`).

    Args:
        teacher_size: the teacher's hidden size; None: no hidden states are compared.
        seed: of the projection's first weights.
    """

    def __init__(
        self,
        student: ElasticBertForSequenceClassification,
        teacher_size: int | None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.student = student
        self.projection: nn.Parameter | None = None
        student_size = student.config.hidden_size
        if teacher_size is not None and teacher_size != student_size:
            self.projection = nn.Parameter(torch.empty(student_size, teacher_size))
            generator = torch.Generator().manual_seed(seed)
            nn.init.normal_(self.projection, std=student_size**-0.5, generator=generator)


def joint_step(
    trained: WithProjection,
    target: ElasticOutput,
    batch: Batch,
    recipe: JointRecipe,
    step: int,
    shares: Shares = SINGLE_PROCESS,
) -> tuple[torch.Tensor, dict[str, Any]]:
    """Return the joint loss of one step, and what the log keeps of it.

    Each participant runs in turn, the largest first, all on the same embedded texts.

    Args:
        target: the teacher's output on the batch.
        shares: correction of each mean when several processes share the batch.
    Raises:
        TrainingDiverged: the loss of a sub-model is not finite.
    """
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    inputs["embedded"] = trained.student.bert.embeddings(
        batch["input_ids"], batch.get("token_type_ids")
    )
    kind = problem_type(trained.student.config)
    requested = recipe.requested_outputs()
    losses = []
    parts = {}
    largest_logits = None
    for sub_model in recipe.participants(step):
        output = trained.student(**inputs, **requested, sub_model=sub_model)
        part = distillation_losses(
            output,
            target,
            largest_logits,
            trained.projection,
            inputs["attention_mask"],
            recipe,
            shares,
            kind,
        )
        losses.append(sum(part.values(), start=torch.zeros((), device=output.logits.device)))
        parts[sub_model.name] = {name: value.detach() for name, value in part.items()}
        if largest_logits is None and recipe.self_distillation:
            largest_logits = output.logits.detach()
    numbers = to_floats(parts)
    _check_finite(numbers, step, recipe)
    return require_loss("joint_loss", joint_loss(losses), trained=True), {"losses": numbers}


def _check_finite(numbers: dict[str, dict[str, float]], step: int, recipe: JointRecipe) -> None:
    for name, part in numbers.items():
        total = sum(part.values())
        if not math.isfinite(total):
            raise TrainingDiverged(
                f"train_jointly: the loss of sub-model {name} at step {step} is {total}; allowed: "
                f"a finite number. Lower learning_rate (given: {recipe.learning_rate:g}), or look "
                f"at the parts: {part}."
            )


def to_floats(parts: dict[str, dict[str, torch.Tensor]]) -> dict[str, dict[str, float]]:
    """Return the same dictionaries with floats in place of scalar tensors.

    All are read in one transfer, since each transfer waits for a GPU to finish.
    """
    values: list[torch.Tensor] = []
    for part in parts.values():
        values += map(torch.Tensor.float, part.values())
    numbers = iter(torch.stack(values).tolist() if values else [])
    floats = {}
    for name, part in parts.items():
        floats[name] = {kind: next(numbers) for kind in part}
    return floats
