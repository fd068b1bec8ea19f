"""Long runs on short sentences: joint against separate, ways to introduce sub-models, methods."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import mean
from typing import Literal

import numpy as np
import torch
from long_run import (
    Job,
    Settings,
    by_seed,
    correct,
    correct_predictions,
    long_setup,
    paired_interval,
    spread,
    summarise_fields,
)

from tinybert_l.course import recipes
from tinybert_l.course.experiments import (
    LectureSetup,
    ShortRun,
    all_at_once,
    alone,
    divergence,
    label_run,
    short_run,
)
from tinybert_l.course.rows import (
    JointCostRow,
    JointGapRow,
    JointMeanGapRow,
    Row,
    StabilityRow,
    TrainingMethodRow,
)
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import predict_logits
from tinybert_l.method.teacher_outputs import TeacherOutputs, keep_outputs
from tinybert_l.submodels import SubModel

Schedule = Literal["progressive", "all_at_once", "random_order"]
CURVE_STEPS = 10  # a point of a curve is the mean of so many steps


@dataclass(frozen=True)
class JointSeed:
    """One seed's joint run and a sub-model trained alone; costs in seconds and forward FLOPs."""

    sub_model: SubModel
    joint_correct: list[int]
    separate_correct: list[int]
    separate_seconds: float
    separate_flops: float
    joint_seconds: float  # of the whole joint run
    joint_flops: float


def joint_against_separate(seed: int, settings: Settings) -> list[JointSeed]:
    """Train all sub-models jointly, then each alone, for as many steps as the settings say."""
    setup = long_setup(settings, seed)
    recipe = recipe_of(setup, settings, seed)
    outputs = kept_outputs(setup, recipe)
    joint_recipe = replace(recipe, **settings.get("joint", {}))
    joint = short_run(setup, joint_recipe, outputs=outputs)
    sub_models = [SubModel.parse(name) for name in settings["sub_models"]]
    flops = {s.name: count_flops(extract(setup.teacher, s)) for s in recipe.sub_models()}
    joint_flops = 0
    for step in range(joint_recipe.num_steps):
        joint_flops += sum(flops[s.name] for s in joint_recipe.participants(step))
    rows = []
    for sub_model in sub_models:
        separate = short_run(setup, alone(recipe, sub_model), outputs=outputs)
        rows.append(
            JointSeed(
                sub_model=sub_model,
                joint_correct=correct_predictions(joint.model, setup.held_out, sub_model),
                separate_correct=correct_predictions(separate.model, setup.held_out, sub_model),
                separate_seconds=separate.seconds,
                separate_flops=flops[sub_model.name] * recipe.num_steps,
                joint_seconds=joint.seconds,
                joint_flops=joint_flops,
            )
        )
    return rows


def recipe_of(setup: LectureSetup, settings: Settings, seed: int) -> JointRecipe:
    """The set-up's recipe with the seed and what the settings change."""
    names = ("learning_rate", "attention_weight")
    changes = {name: settings[name] for name in names if name in settings}
    return replace(setup.recipe, seed=seed, **changes)


def kept_outputs(setup: LectureSetup, recipe: JointRecipe) -> TeacherOutputs | None:
    """The teacher's outputs, once for all runs; None: attention maps are too large to keep."""
    if recipe.attention_weight:
        return None
    layers = recipe.hidden_layers(setup.teacher.config.num_hidden_layers)
    return keep_outputs(setup.teacher, setup.train, layers)


def summarise_joint(seeds: list[list[JointSeed]]) -> list[Row]:
    """Differences in accuracy, then both costs."""
    return joint_gaps(seeds) + joint_costs(seeds)


def joint_gaps(seeds: list[list[JointSeed]]) -> list[Row]:
    """Differences with paired intervals over sentences and seeds, and their mean."""
    rows: list[Row] = []
    gaps = []
    for same in zip(*seeds, strict=True):
        joint = by_seed([row.joint_correct for row in same])
        separate = by_seed([row.separate_correct for row in same])
        gap = joint - separate
        joint_percent = 100 * float(joint.mean())
        separate_percent = 100 * float(separate.mean())
        rows.append(
            JointGapRow(same[0].sub_model, joint_percent, separate_percent, paired_interval(gap))
        )
        gaps.append(gap)
    mean_gap = np.stack(gaps, axis=1).mean(1)  # of [seeds, sub-models, texts], over sub-models
    rows.append(JointMeanGapRow(paired_interval(mean_gap)))
    return rows


def joint_costs(seeds: list[list[JointSeed]]) -> list[Row]:
    """The cost of the joint run over that of the largest alone, and over that of all alone."""
    rows: list[Row] = []
    units: tuple[Literal["forward_flops", "seconds"], ...] = ("forward_flops", "seconds")
    for unit in units:
        name = "flops" if unit == "forward_flops" else "seconds"
        joint, largest_alone, all_alone = [], [], []
        for seed in seeds:
            largest = max(seed, key=lambda row: row.sub_model.size)
            joint.append(getattr(seed[0], f"joint_{name}"))
            largest_alone.append(getattr(largest, f"separate_{name}"))
            all_alone.append(sum(getattr(row, f"separate_{name}") for row in seed))
        rows.append(joint_cost("largest_alone", unit, joint, largest_alone))
        rows.append(joint_cost("all_alone", unit, joint, all_alone))
    return rows


def joint_cost(
    compared_with: Literal["largest_alone", "all_alone"],
    unit: Literal["forward_flops", "seconds"],
    joint: Sequence[float],
    others: Sequence[float],
) -> JointCostRow:
    """The ratio of two costs that were measured for each seed."""
    ratios = tuple(cost / other for cost, other in zip(joint, others, strict=True))
    return JointCostRow(compared_with, unit, mean(joint) / mean(others), {"ratio": ratios})


@dataclass(frozen=True)
class StabilitySeed:
    """One seed's run of a way to introduce the sub-models; fields as in `StabilityRow`."""

    schedule: Schedule
    self_distillation: bool
    mean_accuracy_percent: float
    smallest_accuracy_percent: float
    largest_accuracy_percent: float
    largest_gradient_norm: float
    gradient_norm_curve: tuple[float, ...]


def stability(seed: int, settings: Settings) -> list[StabilitySeed]:
    """Introduce the sub-models in several ways, and measure accuracies and gradient norms."""
    setup = long_setup(settings, seed)
    progressive = recipe_of(setup, settings, seed)
    outputs = kept_outputs(setup, progressive)
    at_once = replace(progressive, stages=all_at_once(progressive.stages))
    shuffled = replace(progressive, stages=shuffled_stages(progressive, seed))
    ways: list[tuple[Schedule, JointRecipe]] = [
        ("progressive", progressive),
        ("progressive", replace(progressive, self_distillation=False)),
        ("all_at_once", at_once),
        ("all_at_once", replace(at_once, self_distillation=False)),
        ("random_order", shuffled),
    ]
    return [stability_row(setup, schedule, recipe, outputs) for schedule, recipe in ways]


def shuffled_stages(
    recipe: JointRecipe, seed: int
) -> tuple[tuple[float, tuple[SubModel, ...]], ...]:
    """As many sub-models open at each stage as in the recipe, but in random order."""
    sub_models = recipe.sub_models()
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(sub_models), generator=generator).tolist()
    shuffled = [sub_models[index] for index in order]
    ends = np.cumsum([0, *(len(group) for _, group in recipe.stages)])
    stages = []
    for (start, _), (first, end) in zip(recipe.stages, pairwise(ends), strict=True):
        stages.append((start, tuple(shuffled[first:end])))
    return tuple(stages)


def stability_row(
    setup: LectureSetup,
    schedule: Schedule,
    recipe: JointRecipe,
    outputs: TeacherOutputs | None,
) -> StabilitySeed:
    """Run a recipe; accuracies are those of its sub-models, smallest first."""
    run = short_run(setup, recipe, outputs=outputs)
    accuracies = []
    for sub_model in replace(setup.recipe, seed=recipe.seed).sub_models():
        accuracies.append(100 * mean(correct_predictions(run.model, setup.held_out, sub_model)))
    norms = [row["gradient_norm"] for row in run.log]
    starts = range(0, len(norms), CURVE_STEPS)
    return StabilitySeed(
        schedule=schedule,
        self_distillation=recipe.self_distillation,
        mean_accuracy_percent=mean(accuracies),
        smallest_accuracy_percent=accuracies[0],
        largest_accuracy_percent=accuracies[-1],
        largest_gradient_norm=max(norms),
        gradient_norm_curve=tuple(mean(norms[i : i + CURVE_STEPS]) for i in starts),
    )


def summarise_stability(seeds: list[list[StabilitySeed]]) -> list[Row]:
    """Means and spreads over seeds."""
    return list(summarise_fields(StabilityRow, seeds))


@dataclass(frozen=True)
class MethodSeed:
    """One seed's run of a method: right and wrong predictions, and divergence from the teacher."""

    method: str
    correct: list[int]
    divergence_nats: float


def training_methods(seed: int, settings: Settings) -> list[MethodSeed]:
    """Train the small sub-model in five ways, all for as many steps, and measure it."""
    setup = long_setup(settings, seed)
    small = SubModel.parse(settings["sub_model"])
    joint = recipe_of(setup, settings, seed)
    outputs = kept_outputs(setup, joint)
    single = alone(joint, small)
    logits_only = replace(single, hidden_weight=0, attention_weight=0, embedding_weight=0)
    methods: dict[str, Callable[[], ShortRun]] = {
        "labels_only": lambda: label_run(setup, small, joint),
        "logits_only": lambda: short_run(setup, logits_only, outputs=outputs),
        "two_stages_alone": lambda: two_stages(setup, single, outputs),
        "joint": lambda: short_run(setup, joint, outputs=outputs),
        "joint_two_stages": lambda: two_stages(setup, joint, outputs),
    }
    rows = []
    for name, train in methods.items():
        logits = predict_logits(train().model, setup.held_out, sub_model=small)
        right = correct(logits, setup.held_out.labels)
        rows.append(MethodSeed(name, right, divergence(logits, setup.teacher_logits)))
    return rows


def two_stages(
    setup: LectureSetup, recipe: JointRecipe, outputs: TeacherOutputs | None
) -> ShortRun:
    """Train on inner layers for half of the steps, and with all losses for the other half."""
    half = replace(recipe, num_steps=recipe.num_steps // 2)
    inner = replace(half, soft_label_weight=0.0, self_distillation=False)
    first_stage = short_run(setup, inner, elastic_copy(setup.teacher), outputs=outputs)
    return short_run(setup, half, first_stage.model, outputs=outputs)


def summarise_methods(seeds: list[list[MethodSeed]]) -> list[Row]:
    """Means and spreads over seeds; accuracies as differences from soft labels alone too."""
    correct_by_method = {
        same[0].method: by_seed([row.correct for row in same]) for same in zip(*seeds, strict=True)
    }
    rows: list[Row] = []
    for same in zip(*seeds, strict=True):
        method = same[0].method
        right = correct_by_method[method]
        gap = right - correct_by_method["logits_only"]
        rows.append(
            TrainingMethodRow(
                method=method,
                accuracy_fraction=spread(right.mean(axis=1).tolist()),
                divergence_nats=spread([row.divergence_nats for row in same]),
                against_soft_labels_points=paired_interval(gap) if gap.any() else None,
            )
        )
    return rows


JOINT = Job(
    "joint_against_separate",
    recipes.LONG_JOINT,
    JointSeed,
    joint_against_separate,
    summarise_joint,
)
EQUAL_UPDATES = replace(JOINT, settings=recipes.EQUAL_UPDATES, summarise=joint_gaps)
STABILITY = Job("stability", recipes.LONG_STABILITY, StabilitySeed, stability, summarise_stability)
METHODS = Job(
    "training_methods", recipes.LONG_METHODS, MethodSeed, training_methods, summarise_methods
)
