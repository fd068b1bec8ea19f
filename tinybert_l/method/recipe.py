"""TODO"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import torch

from tinybert_l.exercises.lecture_02 import sandwich_sample
from tinybert_l.exercises.lecture_03 import layer_map
from tinybert_l.exercises.lecture_04 import submodel_schedule
from tinybert_l.method.seeding import step_generator
from tinybert_l.method.training import LoopSettings
from tinybert_l.submodels import SubModel, default_stages


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
                raise ValueError(
                    f"JointRecipe: {name}={getattr(self, name)!r}; allowed: a finite number, 0 or more."
                )
        starts = [start for start, _ in self.stages]
        rising = all(a < b for a, b in pairwise(starts))
        if not starts or starts[0] != 0 or not rising or starts[-1] >= 1 or not self.stages[0][1]:
            raise ValueError(
                f"JointRecipe: stages start at {starts}; allowed: from 0, strictly rising, below 1, "
                "with at least one sub-model in the first."
            )
        if not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"JointRecipe: temperature={self.temperature!r}; allowed: a finite number above 0."
            )
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
        return {
            "output_hidden_states": inner,
            "output_attention_scores": scores,
            "only_first": not inner,
        }

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
        generator = step_generator(self.seed, step)
        return sandwich_sample(sorted(open_now, key=lambda s: s.size), self.num_random, generator)
