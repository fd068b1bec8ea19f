"""Lecture 4's demonstrations: AdamW after an outlier, strategies on and off, planted errors."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch

from tinybert_l.course.experiments import (
    LectureSetup,
    ShortRun,
    alone,
    divergence,
    first_texts,
    reduced,
    short_run,
)
from tinybert_l.exercises.lecture_02 import joint_loss
from tinybert_l.exercises.lecture_04 import Stages, linear_warmup_decay, submodel_schedule
from tinybert_l.method.data import collate
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import extract
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher_outputs import keep_outputs
from tinybert_l.submodels import SubModel

BETA_1, BETA_2 = 0.9, 0.999  # AdamW's usual memories, which torch and the library use
Rate = Callable[[int, int, int], float]


def adam_updates(
    gradients: Sequence[float], beta_1: float = BETA_1, beta_2: float = BETA_2
) -> list[float]:
    """Return Adam's update of one weight at each step, as a multiple of the learning rate.

    Weight decay and the small number in the divisor are left out.

    >>> [round(update, 3) for update in adam_updates([2.0, 2.0, 200.0, 2.0])]
    [1.0, 1.0, 0.65, 0.538]
    """
    first = second = 0.0
    updates = []
    for step, gradient in enumerate(gradients, start=1):
        first = beta_1 * first + (1 - beta_1) * gradient
        second = beta_2 * second + (1 - beta_2) * gradient**2
        mean = first / (1 - beta_1**step)
        square = second / (1 - beta_2**step)
        updates.append(mean / math.sqrt(square))
    return updates


def clipped(gradients: Sequence[float], max_norm: float) -> list[float]:
    """Clip each gradient of one weight to a largest size."""
    return [gradient * min(1.0, max_norm / abs(gradient)) for gradient in gradients]


def share_decayed(
    learning_rate: float, weight_decay: float, warmup_steps: int, total_steps: int
) -> float:
    """Return which share of a weight AdamW's weight decay removes in a whole run.

    The weight shrinks by the factor 1 - learning rate · weight decay in each step.
    """
    kept = 1.0
    for step in range(total_steps):
        rate = learning_rate * linear_warmup_decay(step, warmup_steps, total_steps)
        kept *= 1 - rate * weight_decay
    return 1 - kept


@contextmanager
def outlier_batch(at_step: int, factor: float) -> Iterator[None]:
    """Multiply the joint loss of one step, as a bad batch or a forgotten division would."""
    steps = itertools.count()

    def with_outlier(losses: Sequence[torch.Tensor], weights: Any = None) -> torch.Tensor:
        loss = torch.stack(list(losses)).mean()
        return loss * factor if next(steps) == at_step else loss

    with joint_loss.exercise.answered_by(with_outlier):
        yield


def constant_rate(step: int, warmup_steps: int, total_steps: int) -> float:
    """Keep the learning rate at its peak: no warm-up, no decay."""
    return 1.0


@dataclass(frozen=True)
class Strategy:
    """A way to train: what the recipe changes, and another learning-rate schedule or None."""

    changes: Mapping[str, Any]
    rate: Rate | None = None

    def schedule(self) -> AbstractContextManager[None]:
        """Use the strategy's learning-rate schedule within a `with` statement."""
        if self.rate is None:
            return nullcontext()
        return linear_warmup_decay.exercise.answered_by(self.rate)


STRATEGIES = {
    "all_on": Strategy({}),
    "no_clipping": Strategy({"max_norm": 1e9}),
    "no_warmup": Strategy({"warmup_share": 0.0}),
    "constant_rate": Strategy({}, constant_rate),
    "no_weight_decay": Strategy({"weight_decay": 0.0}),
}


@dataclass(frozen=True)
class StrategyRun:
    """A short run of the smallest sub-model, and how far it is from the teacher along the way."""

    strategy: str
    has_outlier: bool
    seed: int
    steps: list[int]
    divergences: list[float]  # nats, on held-out texts, at `steps`
    gradient_norms: list[float]  # before clipping, at every step


def strategy_runs(
    setup: LectureSetup,
    cases: Sequence[tuple[str, bool]],
    sub_model: SubModel,
    num_steps: int = 40,
    outlier_step: int = 15,
    factor: float = 100.0,
) -> list[StrategyRun]:
    """Train one sub-model on soft labels with each strategy, with and without an outlier batch.

    The runs of a seed see the same batches and differ in nothing but the strategy.

    Args:
        setup: teacher, data and seeds.
        cases: (name in STRATEGIES, whether one batch is an outlier).
        sub_model: it is trained by itself.
        num_steps: of each run.
        outlier_step: the step whose loss is multiplied.
        factor: by which it is multiplied.
    """
    texts = 640
    if reduced():
        texts, num_steps, outlier_step = 24, 4, 1
    data = first_texts(setup.train, texts)
    outputs = keep_outputs(setup.teacher, data, (), "float32")
    recipe = replace(
        alone(setup.recipe, sub_model),
        num_steps=num_steps,
        learning_rate=3e-4,
        hidden_weight=0.0,
        attention_weight=0.0,
        embedding_weight=0.0,
    )
    runs = []
    for seed in setup.seeds:
        for name, has_outlier in cases:
            outlier = outlier_batch(outlier_step, factor) if has_outlier else nullcontext()
            with outlier, STRATEGIES[name].schedule():
                own_recipe = replace(recipe, seed=seed, **STRATEGIES[name].changes)
                own_setup = replace(setup, train=data)
                steps, divergences, look = _watch(setup, sub_model, num_steps)
                run = short_run(own_setup, own_recipe, on_step=look, outputs=outputs)
            look(num_steps, run.model)
            norms = [row["gradient_norm"] for row in run.log]
            runs.append(StrategyRun(name, has_outlier, seed, steps, divergences, norms))
    return runs


def _watch(
    setup: LectureSetup, sub_model: SubModel, num_steps: int, texts: int = 64
) -> tuple[list[int], list[float], Callable[[int, Any], None]]:
    """Return two empty lists, and a function that fills them with steps and divergences."""
    texts = min(texts, len(setup.held_out))
    batch = collate(setup.held_out, range(texts))
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    every = max(1, num_steps // 8)
    steps: list[int] = []
    divergences: list[float] = []

    @torch.no_grad()
    def look(step: int, student: Any) -> None:
        if step % every and step != num_steps:
            return
        was_training = student.training
        student.eval()
        on_device = {name: tensor.to(student.device) for name, tensor in inputs.items()}
        logits = student(**on_device, sub_model=sub_model).logits.float().cpu()
        student.train(was_training)
        steps.append(step)
        divergences.append(divergence(logits, setup.teacher_logits[:texts]))

    return steps, divergences, look


def schedule_per_sub_model(setup: LectureSetup, recipe: JointRecipe) -> ShortRun:
    """Train with the mistake of the week: the schedule advances after every sub-model."""

    def advanced_too_often(step: int, warmup_steps: int, total_steps: int) -> float:
        earlier_steps = range(min(step, recipe.num_steps))
        advanced = sum(len(recipe.participants(earlier)) for earlier in earlier_steps)
        if advanced >= total_steps:
            return 0.0
        if advanced < warmup_steps:
            return advanced / warmup_steps
        return (total_steps - advanced) / (total_steps - warmup_steps)

    with linear_warmup_decay.exercise.answered_by(advanced_too_often):
        return short_run(setup, recipe)


def suspect_run(setup: LectureSetup, recipe: JointRecipe) -> ShortRun:
    """Train with the error that lecture 4's essay asks for. Read the log first."""

    def planted(step: int, total_steps: int, stages: Stages) -> list[SubModel]:
        opened: dict[SubModel, None] = {}
        for start, group in stages[:-1]:
            if start <= step / total_steps:
                opened |= dict.fromkeys(group)
        return list(opened)

    with submodel_schedule.exercise.answered_by(planted):
        return short_run(setup, recipe)


def method_costs(
    model: ElasticBertForSequenceClassification, recipe: JointRecipe, sub_model: SubModel
) -> dict[str, float]:
    """Count what the five ways of table 6 to one small model cost, in GFLOPs a text of a batch.

    All take the recipe's steps; a way in two stages takes half of them in each. A backward pass
    counts as two forward passes; the teacher runs forward in every step that has its outputs.
    """
    flops = {s: float(count_flops(extract(model, s))) for s in {*recipe.sub_models(), sub_model}}
    teacher = recipe.num_steps * max(flops.values())
    small = 3 * recipe.num_steps * flops[sub_model]
    stage = replace(recipe, num_steps=recipe.num_steps // 2)
    costs = {
        "labels_only": small,
        "logits_only": small + teacher,
        "two_stages_alone": small + teacher,
        "joint": _joint_cost(recipe, flops) + teacher,
        "joint_two_stages": 2 * _joint_cost(stage, flops) + teacher,
    }
    return {method: cost / 1e9 for method, cost in costs.items()}


def _joint_cost(recipe: JointRecipe, flops: Mapping[SubModel, float]) -> float:
    """Add up forward and backward passes of all sub-models that the steps train."""
    steps = range(recipe.num_steps)
    return 3 * sum(flops[part] for step in steps for part in recipe.participants(step))
