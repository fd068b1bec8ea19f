"""Joint training: every step, several sub-models of one student learn on the same batch.

Each is the base training step plus three things: the sandwich (who takes part), the targets (the
teacher's outputs, computed once a batch), and in-place self-distillation (the largest teaches the rest).
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from tinybert_l.cache import cached, read_entry
from tinybert_l.data import Encoded, collate, training_batches
from tinybert_l.distillation import (
    attention_loss,
    hidden_loss,
    joint_loss,
    layer_map,
    sandwich_sample,
    soft_cross_entropy,
    submodel_schedule,
)
from tinybert_l.model import (
    ElasticBertForSequenceClassification,
    ElasticOutput,
    elastic_copy,
    measure_importance,
    set_dropout_on_states,
    sort_by_importance,
)
from tinybert_l.submodels import SubModel, default_stages
from tinybert_l.teacher import Teacher, TeacherRecipe, load_teacher, quiet_loading
from tinybert_l.teacher_outputs import TeacherOutputs, keep_outputs
from tinybert_l.training import (
    WHOLE,
    LoopSettings,
    Shares,
    TrainingDiverged,
    autocast,
    is_main_process,
    open_accelerator,
    placed,
    remove_checkpoints,
    resolve_precision,
    run_loop,
    shared_out,
)


@dataclass(frozen=True)
class JointRecipe:
    """All that decides a joint run.

    Args:
        stages: (start as a fraction of the steps, sub-models that open there).
        num_random: sub-models that join the largest and the smallest in each step.
        layer_map_strategy: "uniform", "top" or "bottom".
        soft_label_weight, hidden_weight, attention_weight, embedding_weight: of TinyBERT's four losses;
            0 leaves one out (attention then takes the fast path).
        temperature: of the soft labels.
        self_distillation: the smaller sub-models also imitate the largest one's soft labels.
    """

    stages: tuple[tuple[float, tuple[SubModel, ...]], ...] = field(
        default_factory=lambda: tuple((start, tuple(group)) for start, group in default_stages(6))
    )
    num_steps: int = 400
    batch_size: int = 32
    learning_rate: float = 1e-4
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    max_norm: float = 1.0
    num_random: int = 1
    layer_map_strategy: str = "uniform"
    soft_label_weight: float = 1.0
    hidden_weight: float = 0.3
    attention_weight: float = 0.03
    embedding_weight: float = 0.3
    temperature: float = 1.0
    self_distillation: bool = True
    seed: int = 0
    precision: str = "auto"
    checkpoint_every: int = 50

    def __post_init__(self) -> None:
        self.loop_settings("float32" if self.precision == "auto" else self.precision)
        for name in ("soft_label_weight", "hidden_weight", "attention_weight", "embedding_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"JointRecipe: {name}={getattr(self, name)!r}; allowed: a finite number, 0 or more.")
        starts = [start for start, _ in self.stages]
        rising = all(a < b for a, b in pairwise(starts))
        if not starts or starts[0] != 0 or not rising or starts[-1] >= 1 or not self.stages[0][1]:
            raise ValueError(
                f"JointRecipe: stages start at {starts}; allowed: from 0, strictly rising, below 1, "
                "with at least one sub-model in the first."
            )
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"JointRecipe: temperature={self.temperature!r}; allowed: a finite number above 0.")
        if self.batch_size < 1 or self.num_random < 0:
            raise ValueError(
                f"JointRecipe: batch_size={self.batch_size}, num_random={self.num_random}; "
                "allowed: at least 1, at least 0."
            )

    def loop_settings(self, precision: str) -> LoopSettings:
        return LoopSettings(
            self.num_steps,
            self.learning_rate,
            self.warmup_share,
            self.weight_decay,
            self.max_norm,
            self.seed,
            precision,
            self.checkpoint_every,
        )

    def wanted(self) -> dict[str, bool]:
        """What a forward pass must give beside the logits. Scores are asked for only where they are compared.

        Where logits alone are, the last layer runs for the first token alone.
        """
        inner = self.hidden_weight + self.embedding_weight + self.attention_weight > 0
        scores = self.attention_weight > 0
        return {"output_hidden_states": inner, "output_attention_scores": scores, "only_first": not inner}

    def passes(self, num_texts: int) -> float:
        """How often the run sees each text."""
        return self.num_steps * self.batch_size / num_texts

    def hidden_layers(self, num_teacher_layers: int) -> set[int]:
        """The teacher's layers whose hidden states are compared; 0: the embeddings."""
        layers = {0} if self.embedding_weight else set()
        if self.hidden_weight:
            for depth in {s.depth for s in self.sub_models()}:
                layers |= set(layer_map(depth, num_teacher_layers, self.layer_map_strategy))
        return layers

    def scored_layers(self, num_teacher_layers: int) -> set[int]:
        """The teacher's layers whose attention scores are compared; the others keep to the fast path."""
        layers: set[int] = set()
        if self.attention_weight:
            for depth in {s.depth for s in self.sub_models()}:
                layers |= set(layer_map(depth, num_teacher_layers, self.layer_map_strategy))
        return layers

    def sub_models(self) -> list[SubModel]:
        """Every sub-model of every stage, from smallest to largest."""
        return sorted({s for _, group in self.stages for s in group}, key=lambda s: s.size)

    def participants(self, step: int) -> list[SubModel]:
        """The sub-models of one step, the largest first: a function of recipe and step alone."""
        open_now = submodel_schedule(step, self.num_steps, self.stages)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        return sandwich_sample(sorted(open_now, key=lambda s: s.size), self.num_random, generator)


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
    recipe: JointRecipe | None = None, teacher_recipe: TeacherRecipe | None = None, from_scratch: bool = False
) -> Supernet:
    """The jointly trained student of the recipes; trains it (and its teacher) first when the cache has none.

    Args:
        from_scratch: train the teacher too, where it comes with the library (see `load_teacher`).
    """
    recipe = recipe or JointRecipe()
    teacher_recipe = teacher_recipe or TeacherRecipe()
    teacher = load_teacher(teacher_recipe, from_scratch)

    def build(folder: Path) -> dict[str, Any]:
        sorted_teacher = sorted_by_importance(teacher)
        student, data = elastic_copy(sorted_teacher), teacher.data["train"]
        layers = recipe.hidden_layers(teacher.model.config.num_hidden_layers)
        keeps = recipe.passes(len(data)) >= 2 and not recipe.attention_weight
        source = keep_outputs(sorted_teacher, data, layers) if keeps else sorted_teacher
        log = train_jointly(student, source, data, recipe, folder, teacher.tokenizer)
        if is_main_process():
            with quiet_loading():
                student.save_pretrained(folder)
            torch.save(log, folder / "log.pt")
            remove_checkpoints(folder)
        return {"last_loss": log[-1]["loss"] if log else None}

    texts, _ = teacher_recipe.splits()
    known = teacher_recipe.key(texts) | ({"from_scratch": True} if from_scratch else {})
    plain: dict[str, Any] = {"joint": asdict(recipe), "data": known.pop("data"), "teacher": known}
    folder = cached("supernet", plain, build, together=True)
    with quiet_loading():
        model = ElasticBertForSequenceClassification.from_pretrained(folder).eval()
    log = torch.load(folder / "log.pt", weights_only=True)
    return Supernet(model, teacher, recipe, log, folder, (read_entry(folder) or {}).get("metrics", {}))


def sorted_by_importance(teacher: Teacher, num_texts: int = 256) -> ElasticBertForSequenceClassification:
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
        teacher_size = next((kept.shape[1] for kept in teacher.hidden.values()), student.config.hidden_size)
    else:
        teacher_size, teacher = teacher.config.hidden_size, teacher.eval()
    set_dropout_on_states(student, 0.0)  # the student imitates; noise would only blur what it is shown
    trained = WithProjection(student, teacher_size)
    batches = training_batches(data, recipe.batch_size, recipe.num_steps, recipe.seed)

    def step_loss(step: int) -> tuple[torch.Tensor, dict[str, Any]]:
        if on_step is not None:
            on_step(step)
        own, shares = shared_out(data, batches[step], accelerator)
        batch = collate(data, own, accelerator.device, at_most=student.config.max_position_embeddings)
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
        log = run_loop(model, step_loss, recipe.loop_settings(precision), folder, description, accelerator)
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
        self.projection = nn.Parameter(torch.empty(size, teacher_size)) if size != teacher_size else None
        if self.projection is not None:
            nn.init.normal_(self.projection, std=size**-0.5)


@torch.no_grad()
def teacher_output(
    teacher: ElasticBertForSequenceClassification, batch: dict[str, torch.Tensor], recipe: JointRecipe
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
            output, target, largest_logits, trained.projection, inputs["attention_mask"], recipe, shares
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


def distillation_losses(
    output: ElasticOutput,
    target: ElasticOutput,
    largest_logits: torch.Tensor | None,
    projection: torch.Tensor | None,
    attention_mask: torch.Tensor,
    recipe: JointRecipe,
    shares: Shares = WHOLE,
) -> dict[str, torch.Tensor]:
    """TinyBERT's losses of one sub-model (eq. 7-11), already weighted; sums over the mapped layers.

    Args:
        largest_logits: soft labels of the largest sub-model, for in-place self-distillation; None: none.
    """
    losses = {}
    if recipe.soft_label_weight:
        sources = [target.logits] if largest_logits is None else [target.logits, largest_logits]
        terms = [soft_cross_entropy(output.logits.float(), s.float(), recipe.temperature) for s in sources]
        losses["soft_labels"] = shares.texts * recipe.soft_label_weight * torch.stack(terms).mean()
    if output.hidden_states is None:
        return losses
    student_hidden, teacher_hidden = output.hidden_states, target.hidden_states
    mapping = layer_map(len(student_hidden) - 1, len(teacher_hidden) - 1, recipe.layer_map_strategy)
    if recipe.embedding_weight:
        gap = hidden_loss(student_hidden[0], teacher_hidden[0], projection, attention_mask)
        losses["embedding"] = shares.tokens * recipe.embedding_weight * gap
    if recipe.hidden_weight:
        gaps = [
            hidden_loss(student_hidden[m], teacher_hidden[g], projection, attention_mask)
            for m, g in enumerate(mapping, start=1)
        ]
        losses["hidden"] = shares.tokens * recipe.hidden_weight * torch.stack(gaps).sum()
    if recipe.attention_weight:
        gaps = []
        for student_scores, g in zip(output.attention_scores, mapping, strict=True):
            kept = student_scores.shape[1]  # sorted: a narrower sub-model has the teacher's first heads
            gaps.append(attention_loss(student_scores, target.attention_scores[g - 1][:, :kept], attention_mask))
        losses["attention"] = shares.pairs * recipe.attention_weight * torch.stack(gaps).sum()
    return losses


def check_outputs(
    student: ElasticBertForSequenceClassification, teacher: TeacherOutputs, data: Encoded, recipe: JointRecipe
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
            raise ValueError(f"train_jointly: {what} of student {ours}, of teacher {theirs}; allowed: equal ones.")
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
