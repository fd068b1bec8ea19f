"""The recipe of joint training: every choice that decides a run, as one frozen value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from itertools import pairwise

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_02 import sandwich_sample
from tinybert_l.exercises.lecture_03 import layer_map
from tinybert_l.exercises.lecture_04 import submodel_schedule
from tinybert_l.method.checks import require_numbers
from tinybert_l.method.seeding import step_generator
from tinybert_l.method.training import LoopSettings
from tinybert_l.submodels import SubModel, as_list, default_stages, require_layers

FrozenStages = tuple[tuple[float, tuple[SubModel, ...]], ...]
STRATEGIES = ("uniform", "top", "bottom")
LOSS_WEIGHTS = ("soft_label_weight", "hidden_weight", "attention_weight", "embedding_weight")


def _frozen_stages(num_layers: int) -> FrozenStages:
    stages = []
    for start, group in default_stages(num_layers):
        stages.append((start, tuple(group)))
    return tuple(stages)


def stages_of(
    num_layers: int, depths: Sequence[int] | None = None, widths: Sequence[float] = (1.0, 0.5, 0.25)
) -> FrozenStages:
    """Return progressive stages of chosen depths and widths: depth opens first, then each width.

    Args:
        num_layers: of the student; the deepest and widest sub-model always is all of it.
        depths: None: all layers, a half and a third of them.
        widths: shares of heads and neurons.
    Raises:
        InvalidInput: a depth or width that the student does not have.
    """
    num_layers = require_layers(num_layers)
    if depths is None:
        depths = [max(1, num_layers // part) for part in (1, 2, 3)]
    depths = [SubModel(depth).depth for depth in as_list("depths", depths)]
    widths = [SubModel(1, width).width for width in as_list("widths", widths)]
    too_deep = [depth for depth in depths if not 1 <= depth <= num_layers]
    if too_deep:
        raise InvalidInput(f"depths: {too_deep}; allowed: 1 to {num_layers}, the model's layers.")
    all_depths = sorted({num_layers, *depths}, reverse=True)
    stages: list[tuple[float, tuple[SubModel, ...]]] = [(0.0, (SubModel(num_layers),))]
    if len(all_depths) > 1:
        stages.append((0.05, tuple(map(SubModel, all_depths[1:]))))
    narrower = sorted({float(width) for width in widths} - {1.0}, reverse=True)
    for place, width in enumerate(narrower):
        group = tuple(SubModel(depth, width) for depth in all_depths)
        stages.append((0.15 + 0.15 * place * 2 / max(len(narrower), 2), group))
    return tuple(stages)


STAGES_OF_SIX_LAYERS = _frozen_stages(6)


@dataclass(frozen=True)
class JointRecipe(LoopSettings):
    """All that decides a joint run: the settings of the loop, the sub-models and the losses.

    Args:
        stages: (start as a fraction of the steps, sub-models that open there). The default ones
            are those of six layers, and are fitted to a student of another depth (see `fitted`).
        batch_size: texts a step, at least 1.
        num_random: sub-models that join the largest and the smallest in each step.
        layer_map_strategy: "uniform", "top" or "bottom" (see `layer_map`).
        soft_label_weight: weight of TinyBERT's loss on soft labels; 0 leaves it out.
        hidden_weight: weight of the loss on hidden states; likewise.
        attention_weight: weight of the loss on attention scores; at 0 attention takes the fast
            path, which does not materialise the scores.
        embedding_weight: weight of the loss on embeddings.
        temperature: of the soft labels, above 0.
        self_distillation: the smaller sub-models also imitate the largest one's soft labels.
        num_steps, learning_rate and the others: see `LoopSettings`.
    """

    stages: FrozenStages = STAGES_OF_SIX_LAYERS
    _: KW_ONLY
    num_steps: int = 400
    batch_size: int = 32
    learning_rate: float = 1e-4
    num_random: int = 1
    layer_map_strategy: str = "uniform"
    soft_label_weight: float = 1.0
    hidden_weight: float = 0.3
    attention_weight: float = 0.03
    embedding_weight: float = 0.3
    temperature: float = 1.0
    self_distillation: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require_numbers(self, ("batch_size", "num_random"), whole=True)
        require_numbers(self, (*LOSS_WEIGHTS, "temperature"))
        for name in LOSS_WEIGHTS:
            weight = getattr(self, name)
            if not 0 <= weight < math.inf:
                raise InvalidInput(
                    f"JointRecipe: {name}={weight!r}; allowed: a finite number, 0 or more."
                )
        self._check_stages()
        if self.layer_map_strategy not in STRATEGIES:
            raise InvalidInput(
                f"JointRecipe: layer_map_strategy={self.layer_map_strategy!r}; allowed: "
                f"{', '.join(STRATEGIES)}."
            )
        if not 0 < self.temperature < math.inf:
            raise InvalidInput(
                f"JointRecipe: temperature={self.temperature!r}; allowed: a finite number above 0."
            )
        if self.batch_size < 1 or self.num_random < 0:
            raise InvalidInput(
                f"JointRecipe: batch_size={self.batch_size}, num_random={self.num_random}; "
                "allowed: at least 1, at least 0."
            )

    def _check_stages(self) -> None:
        for _, group in self.stages:
            others = [each for each in group if not isinstance(each, SubModel)]
            if others:
                raise InvalidInput(
                    f"JointRecipe: stages hold {others[0]!r}; allowed: sub-models, such as "
                    "SubModel(3, 0.5)."
                )
        starts = [start for start, _ in self.stages]
        rising = all(earlier < later for earlier, later in pairwise(starts))
        in_range = bool(starts) and starts[0] == 0 and starts[-1] < 1
        if not (rising and in_range and self.stages[0][1]):
            raise InvalidInput(
                f"JointRecipe: stages start at {starts}; allowed: from 0, strictly rising, "
                "below 1, with at least one sub-model in the first."
            )

    def fitted(self, num_layers: int) -> JointRecipe:
        """Return the recipe for a student of so many layers.

        Stages that were given stay as they are; the default ones follow `default_stages`.
        """
        if self.stages is not STAGES_OF_SIX_LAYERS or num_layers == 6:
            return self
        return replace(self, stages=_frozen_stages(num_layers))

    def requested_outputs(self) -> dict[str, bool]:
        """Return the arguments of a forward pass that gives what the losses compare.

        Attention scores are requested only if `attention_weight > 0`. If only logits are compared,
        the last layer runs for [CLS] only (`only_first`).
        """
        compares_scores = self.attention_weight > 0
        compares_states = self.hidden_weight + self.embedding_weight > 0 or compares_scores
        return {
            "output_hidden_states": compares_states,
            "output_attention_scores": compares_scores,
            "only_first": not compares_states,
        }

    def passes(self, num_texts: int) -> float:
        """Return how often the run sees each text."""
        return self.num_steps * self.batch_size / num_texts

    def hidden_layers(self, num_teacher_layers: int) -> set[int]:
        """Return the teacher's layers whose hidden states are compared; 0: the embeddings."""
        layers = self._mapped_layers(num_teacher_layers) if self.hidden_weight else set()
        if self.embedding_weight:
            layers.add(0)
        return layers

    def scored_layers(self, num_teacher_layers: int) -> set[int]:
        """Return the teacher's layers whose attention scores are compared.

        The other layers compute attention by the fast path.
        """
        return self._mapped_layers(num_teacher_layers) if self.attention_weight else set()

    def _mapped_layers(self, num_teacher_layers: int) -> set[int]:
        """Return the teacher's layers that a layer of any sub-model imitates."""
        layers: set[int] = set()
        for depth in {sub_model.depth for sub_model in self.sub_models()}:
            layers.update(layer_map(depth, num_teacher_layers, self.layer_map_strategy))
        return layers

    def sub_models(self) -> list[SubModel]:
        """Return every sub-model of every stage, from smallest to largest."""
        sub_models: set[SubModel] = set()
        for _, group in self.stages:
            sub_models.update(group)
        return _by_size(sub_models)

    def participants(self, step: int) -> list[SubModel]:
        """Return the sub-models of one step, the largest first.

        They depend on recipe and step alone.
        """
        open_sub_models = submodel_schedule(step, self.num_steps, self.stages)
        generator = step_generator(self.seed, step)
        return sandwich_sample(_by_size(open_sub_models), self.num_random, generator)


def _by_size(sub_models: Iterable[SubModel]) -> list[SubModel]:
    return sorted(sub_models, key=lambda sub_model: sub_model.size)


# The supernet of the demo, the commands and the lectures. A higher learning rate reaches in 240
# steps what the default reaches in 400.
COURSE_RECIPE = JointRecipe(num_steps=240, learning_rate=3e-4)
