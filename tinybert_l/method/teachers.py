"""Give joint training the teacher's outputs: computed batch by batch, or kept from an earlier pass.

`train_jointly` knows the interface `TeacherSource` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_03 import layer_map
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.data import Batch, Encoded, model_inputs
from tinybert_l.method.model import ElasticBertForSequenceClassification, ElasticOutput
from tinybert_l.method.output_shards import OutputShards
from tinybert_l.method.problem_types import is_named, problem_type
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.run_identity import weights_hash
from tinybert_l.method.teacher_outputs import TeacherOutputs


class TeacherSource(Protocol):
    """A source of the teacher's outputs on the texts that a student is trained on."""

    @property
    def hidden_size(self) -> int | None:
        """Size of the teacher's hidden states; None: there are none to compare."""

    @property
    def num_layers(self) -> int:
        """Number of the teacher's layers; 0: unknown, there are none to compare."""

    @property
    def modules(self) -> list[nn.Module]:
        """Modules that must be on the device that trains."""

    def check(
        self,
        student: ElasticBertForSequenceClassification,
        data: Encoded,
        recipe: JointRecipe,
        tokenizer: Any = None,
    ) -> None:
        """Refuse, before anything is computed, a joint run whose parts do not fit together.

        Raises:
            InvalidInput: names the part, its value and what is allowed.
        """

    def identity(self) -> str:
        """Return digits that change with what the teacher answers."""

    def outputs(self, rows: Sequence[int], batch: Batch, recipe: JointRecipe) -> ElasticOutput:
        """Return the teacher's outputs on a batch, as far as the recipe compares them.

        Args:
            rows: indices of the batch's texts in the data.
            batch: those texts, padded (see `collate`).
        """


@dataclass(frozen=True)
class LiveTeacher:
    """A teacher that runs once per batch, in eval mode."""

    model: ElasticBertForSequenceClassification

    @property
    def hidden_size(self) -> int:
        return self.model.config.hidden_size

    @property
    def num_layers(self) -> int:
        return self.model.config.num_hidden_layers

    @property
    def modules(self) -> list[nn.Module]:
        return [self.model]

    def check(
        self,
        student: ElasticBertForSequenceClassification,
        data: Encoded,
        recipe: JointRecipe,
        tokenizer: Any = None,
    ) -> None:
        _require_student(student)
        _require_elastic("teacher", self.model)
        ours = student.config
        theirs = self.model.config
        for name in ("vocab_size", "num_labels"):
            _require(
                getattr(ours, name) == getattr(theirs, name),
                f"{name} of student {getattr(ours, name)}, of teacher {getattr(theirs, name)}; "
                "allowed: equal ones.",
            )
        num_tokens = 0 if tokenizer is None else len(tokenizer)
        _require(
            num_tokens <= theirs.vocab_size,
            f"tokenizer has {num_tokens} tokens; allowed: at most vocab_size={theirs.vocab_size} "
            "of teacher and student.",
        )
        _require_depth(student, recipe)
        if recipe.attention_weight:
            self._require_same_heads(ours, recipe)
        _require_layer_map(recipe, theirs.num_hidden_layers)
        _require_same_task(ours, theirs)
        _require_whole_texts(recipe)
        _require(
            student is not self.model,
            "student and teacher are one model; allowed: a copy of it as the student "
            "(see elastic_copy).",
        )

    def _require_same_heads(self, ours: Any, recipe: JointRecipe) -> None:
        """Refuse heads that cannot be compared one by one."""
        theirs = self.model.config
        _require(
            ours.num_attention_heads == theirs.num_attention_heads,
            f"attention_weight={recipe.attention_weight} compares attention scores head by head, "
            f"but student has {ours.num_attention_heads} heads and teacher "
            f"{theirs.num_attention_heads}; allowed: equal numbers, or attention_weight=0.",
        )
        orders = (ours.head_order, theirs.head_order)
        _require(
            None in orders or orders[0] == orders[1],
            "the student's heads are sorted in another order than the teacher's, and attention "
            "scores are compared head by head; allowed: a student copied from the sorted teacher, "
            "or attention_weight=0.",
        )

    def identity(self) -> str:
        return weights_hash(self.model)

    @torch.no_grad()
    def outputs(self, rows: Sequence[int], batch: Batch, recipe: JointRecipe) -> ElasticOutput:
        layers = recipe.scored_layers(self.model.config.num_hidden_layers)
        requested = recipe.requested_outputs() | {"output_attention_scores": layers}
        self.model.eval()
        return self.model(**model_inputs(batch), **requested)


@dataclass(frozen=True)
class KeptTeacher:
    """A teacher whose outputs were computed beforehand (see `keep_outputs`); it does not run."""

    kept: TeacherOutputs | OutputShards

    @property
    def hidden_size(self) -> int | None:
        return self.kept.hidden_size

    @property
    def num_layers(self) -> int:
        return self.kept.num_layers

    @property
    def modules(self) -> list[nn.Module]:
        return []

    def check(
        self,
        student: ElasticBertForSequenceClassification,
        data: Encoded,
        recipe: JointRecipe,
        tokenizer: Any = None,
    ) -> None:
        _require_student(student)
        shape = self.kept.shape
        expected = (len(data), student.config.num_labels)
        _require(
            shape == expected,
            f"the teacher's kept logits have shape {shape}; allowed: {expected}, a row for each "
            "text of data.",
        )
        _require_depth(student, recipe)
        _require_whole_texts(recipe)
        _require(
            self.kept.belong_to(data),
            "the teacher's outputs were kept for other texts, or hidden states for other tokens of "
            "them; allowed: those of data in their order (see keep_outputs); logits alone, "
            "whatever tokenizer read the texts.",
        )
        _require(
            not recipe.attention_weight,
            f"attention_weight={recipe.attention_weight}, but attention scores are not among a "
            "teacher's kept outputs; allowed: 0, or a live teacher.",
        )
        missing = recipe.hidden_layers(self.kept.num_layers) - self.kept.layers
        _require(
            not missing,
            f"the recipe compares hidden states of the teacher's layers {sorted(missing)}, which "
            "were not kept; allowed: those given to keep_outputs, or a hidden_weight and "
            "embedding_weight of 0.",
        )

    def identity(self) -> str:
        return self.kept.identity()

    def outputs(self, rows: Sequence[int], batch: Batch, recipe: JointRecipe) -> ElasticOutput:
        return self.kept.for_batch(rows, batch["attention_mask"])


def teacher_source(
    teacher: ElasticBertForSequenceClassification | TeacherOutputs | OutputShards,
) -> LiveTeacher | KeptTeacher:
    """Return the source of outputs that fits: a model runs live, kept outputs are looked up."""
    if isinstance(teacher, TeacherOutputs | OutputShards):
        return KeptTeacher(teacher)
    return LiveTeacher(teacher)


def require_recipe(recipe: JointRecipe) -> None:
    """Refuse a recipe that is none.

    Raises:
        InvalidInput: it is something else.
    """
    _require(
        isinstance(recipe, JointRecipe),
        f"recipe is a {type(recipe).__name__}; allowed: a JointRecipe.",
    )


def require_texts(data: Encoded) -> None:
    """Refuse data without texts.

    Raises:
        InvalidInput: there are none.
    """
    _require(len(data) > 0, "data has no texts; allowed: at least one.")


def _require(fits: bool, message: str) -> None:
    if not fits:
        raise InvalidInput(f"train_jointly: {message}")


def _require_elastic(role: str, model: nn.Module) -> None:
    _require(
        isinstance(model, ElasticBertForSequenceClassification),
        f"{role} is a {type(model).__name__}; allowed: ElasticBertForSequenceClassification "
        "(see elastic_copy).",
    )


def _require_student(model: nn.Module) -> None:
    """The student is elastic, and its weights can take small steps."""
    _require_elastic("student", model)
    for name, parameter in model.named_parameters():
        _require(
            parameter.dtype in (torch.float32, torch.float64),
            f"{name} of the student is {parameter.dtype}, whose steps are too coarse to train; "
            "allowed: float32 (student.float()), with precision='bfloat16' for its products.",
        )
    _require(
        any(parameter.requires_grad for parameter in model.parameters()),
        "all of the student's weights are frozen; allowed: some that require gradients.",
    )


def _require_depth(student: ElasticBertForSequenceClassification, recipe: JointRecipe) -> None:
    """The student has all layers of the recipe's deepest sub-model."""
    num_layers = student.config.num_hidden_layers
    deepest = _deepest(recipe)
    _require(
        deepest <= num_layers,
        f"stages ask for depth {deepest}; allowed: at most {num_layers}, the student's layers.",
    )


def _require_same_task(ours: ElasticBertConfig, theirs: ElasticBertConfig) -> None:
    """Both models' logits mean the same: the kind of answer, and the classes in their order."""
    kinds = (problem_type(ours), problem_type(theirs))
    _require(
        kinds[0] == kinds[1],
        f"problem_type of student {kinds[0]}, of teacher {kinds[1]}; allowed: equal ones.",
    )
    _require(
        ours.id2label == theirs.id2label or not (is_named(ours) and is_named(theirs)),
        f"classes of student {ours.id2label}, of teacher {theirs.id2label}; allowed: the same in "
        "the same order.",
    )


def _require_whole_texts(recipe: JointRecipe) -> None:
    """Sub-models that drop tokens have no hidden states or scores to compare token by token."""
    shorter = [sub_model.name for sub_model in recipe.sub_models() if sub_model.length < 1]
    compared = recipe.hidden_weight + recipe.embedding_weight + recipe.attention_weight > 0
    _require(
        not (shorter and compared),
        f"stages hold {', '.join(shorter)}, which drop tokens, and the recipe compares every "
        "token's states; allowed: length 1, or hidden_weight, embedding_weight and "
        "attention_weight of 0.",
    )


def _require_layer_map(recipe: JointRecipe, num_teacher_layers: int) -> None:
    """`layer_map`, an exercise, names an existing teacher layer for each student layer."""
    deepest = _deepest(recipe)
    mapping = layer_map(deepest, num_teacher_layers, recipe.layer_map_strategy)
    exists = all(1 <= layer <= num_teacher_layers for layer in mapping)
    _require(
        exists and len(mapping) == deepest,
        f"layer_map gave {mapping} for {deepest} student layers; allowed: one teacher layer from "
        f"1 to {num_teacher_layers} for each.",
    )


def _deepest(recipe: JointRecipe) -> int:
    return max(sub_model.depth for sub_model in recipe.sub_models())
