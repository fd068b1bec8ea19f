"""Runs on trained supernets: gradient agreement of sub-models, early exit and cascades."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import mean, stdev
from typing import Literal

import torch
from long_run import Job, Settings, by_seed, paired_interval, spread, teacher_of

from tinybert_l.course import recipes
from tinybert_l.course.experiments import gradient_cosines, open_bench
from tinybert_l.course.rows import (
    CascadeRow,
    ExitMethod,
    GradientAgreementRow,
    Hits,
    Row,
)
from tinybert_l.method.data import Encoded, training_batches
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import extract
from tinybert_l.method.joint import Supernet, load_supernet
from tinybert_l.method.recipe import COURSE_RECIPE
from tinybert_l.method.teacher import predict_logits
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.early_exits import (
    ExitHead,
    cascade_costs,
    exit_costs,
    leave_early,
    logits_by_exit,
    trained_exits,
    untrained_exits,
)

LARGEST = SubModel(6)
Goal = Literal["cost", "accuracy"]
GOALS: tuple[Goal, ...] = ("cost", "accuracy")


def supernet_of(seed: int, settings: Settings) -> Supernet:
    """The course's supernet, trained with this seed and its teacher where the cache has none."""
    return load_supernet(replace(COURSE_RECIPE, seed=seed), teacher_of(seed))


@dataclass(frozen=True)
class AgreementSeed:
    """A pair of sub-models: the cosine of their gradients on every batch."""

    first: SubModel
    second: SubModel
    cosines: list[float]


def gradient_agreement(seed: int, settings: Settings) -> list[AgreementSeed]:
    """Compare the gradients of a trained supernet's sub-models on many batches of training text.

    Each gradient is that of the soft-label loss, as in lecture 2.
    """
    supernet = supernet_of(seed, settings)
    setup = open_bench(teacher_of(seed))
    data = setup.train
    sub_models = [SubModel.parse(name) for name in settings["sub_models"]]
    cosines = []
    batches = training_batches(data, settings["batch_size"], settings["batches"], 1000 + seed)
    for rows in batches:
        texts = [data.token_ids[row] for row in rows]
        labels = [data.labels[row] for row in rows]
        batch = replace(setup, train=Encoded(texts, labels, data.pad_token_id))
        cosines.append(gradient_cosines(batch, supernet.model, sub_models, len(rows)))
    by_pair = torch.stack(cosines)
    measured = []
    for i, j in combinations(range(len(sub_models)), 2):
        values = [round(value, 4) for value in by_pair[:, i, j].tolist()]
        measured.append(AgreementSeed(sub_models[i], sub_models[j], values))
    return measured


def summarise_agreement(seeds: list[list[AgreementSeed]]) -> list[Row]:
    """Mean and spread over the batches of all seeds."""
    rows: list[Row] = []
    for same in zip(*seeds, strict=True):
        cosines = [cosine for row in same for cosine in row.cosines]
        rows.append(
            GradientAgreementRow(
                first=same[0].first,
                second=same[0].second,
                cosine_mean=mean(cosines),
                cosine_sd=stdev(cosines),
                negative_percent=100 * mean(cosine < 0 for cosine in cosines),
                cosines=tuple(tuple(row.cosines) for row in same),
            )
        )
    return rows


@dataclass(frozen=True)
class CascadeSeed:
    """One seed's way to answer the test sentences at an entropy, with its mean cost a sentence."""

    method: ExitMethod
    sub_models: list[SubModel]
    max_entropy: float | None
    gflops: float
    accuracy_percent: float
    validation_gflops: float
    validation_percent: float
    hits: Hits


@dataclass(frozen=True)
class Exits:
    """Exits in a row, on both splits: logits [texts, classes] and FLOPs of leaving at each."""

    method: ExitMethod
    sub_models: list[SubModel]
    costs: list[int]
    validation: list[torch.Tensor]
    test: list[torch.Tensor]


def cascade(seed: int, settings: Settings) -> list[CascadeSeed]:
    """Leave early in cascades of sub-models, and in one network with exits after its layers."""
    supernet = supernet_of(seed, settings)
    data = supernet.teacher.data
    singles = {}
    for name in settings["sub_models"]:
        singles[name] = single(supernet, SubModel.parse(name), settings["length"])
    ways = []
    for names in settings["cascades"]:
        parts = [SubModel.parse(name) for name in names]
        ways.append(
            Exits(
                "cascade",
                parts,
                cascade_costs(supernet.model, parts, settings["length"]),
                [singles[name].validation[0] for name in names],
                [singles[name].test[0] for name in names],
            )
        )
    ways += exits_of_layers(supernet, seed, settings)
    rows = [measured(way, None, data) for way in singles.values()]
    for way in ways:
        rows += [measured(way, entropy, data) for entropy in settings["entropies"]]
    return rows


def single(supernet: Supernet, sub_model: SubModel, length: int) -> Exits:
    """A sub-model by itself: a row of one exit."""
    data = supernet.teacher.data
    cost = count_flops(extract(supernet.model, sub_model), length)
    validation, test = (
        predict_logits(supernet.model, data[name], sub_model=sub_model)
        for name in ("validation", "test")
    )
    return Exits("single", [sub_model], [cost], [validation], [test])


def exits_of_layers(supernet: Supernet, seed: int, settings: Settings) -> list[Exits]:
    """The largest sub-model with exits after every layer: trained ones, and untrained ones."""
    data = supernet.teacher.data
    costs = exit_costs(supernet.model, settings["length"])
    trained = trained_exits(
        supernet.model,
        data["train"],
        settings["exit_steps"],
        settings["batch_size"],
        settings["exit_learning_rate"],
        seed,
    )
    heads: dict[ExitMethod, list[ExitHead]] = {
        "trained_exits": trained,
        "untrained_exits": untrained_exits(supernet.model),
    }
    ways = []
    for method, by_layer in heads.items():
        validation, test = (
            logits_by_exit(supernet.model, by_layer, data[name]) for name in ("validation", "test")
        )
        ways.append(Exits(method, [LARGEST], costs, validation, test))
    return ways


def measured(way: Exits, max_entropy: float | None, data: dict[str, Encoded]) -> CascadeSeed:
    """Measure a way at an entropy on both splits; a single sub-model has none."""
    limit = max_entropy or 0.0
    validation = leave_early(way.validation, way.costs, data["validation"].labels, limit)
    test = leave_early(way.test, way.costs, data["test"].labels, limit)
    return CascadeSeed(
        method=way.method,
        sub_models=way.sub_models,
        max_entropy=max_entropy,
        gflops=test.flops / 1e9,
        accuracy_percent=100 * mean(test.correct),
        validation_gflops=validation.flops / 1e9,
        validation_percent=100 * mean(validation.correct),
        hits=Hits.pack(test.correct),
    )


def chosen(curve: Sequence[CascadeSeed], target: CascadeSeed, goal: Goal) -> CascadeSeed | None:
    """Choose a point of a curve on validation, for a single sub-model's cost or accuracy.

    Cost: the most accurate at no more cost; of equal ones the cheapest. Accuracy: the cheapest that
    is no less accurate. None: nothing meets the goal.
    """
    if goal == "cost":
        fits = [row for row in curve if row.validation_gflops <= target.validation_gflops]
        best = [row for row in fits if row.validation_percent == best_percent(fits)]
    else:
        best = [row for row in curve if row.validation_percent >= target.validation_percent]
    return min(best, key=lambda row: row.validation_gflops) if best else None


def best_percent(rows: Sequence[CascadeSeed]) -> float:
    return max(row.validation_percent for row in rows)


def summarise_cascade(seeds: list[list[CascadeSeed]]) -> list[Row]:
    """Single sub-models and curves over seeds, then what validation chose for each target."""
    rows: list[Row] = []
    alone: dict[SubModel, list[CascadeSeed]] = {}
    curves: dict[tuple[object, ...], list[list[CascadeSeed]]] = {}
    for same in zip(*seeds, strict=True):
        first = same[0]
        rows.append(cascade_row(same))
        if first.method == "single":
            alone[first.sub_models[0]] = list(same)
        else:
            curves.setdefault((first.method, *first.sub_models), []).append(list(same))
    for points_of_curve in curves.values():
        by_seed_curves = list(zip(*points_of_curve, strict=True))
        for name in recipes.CASCADE["targets"]:
            target = alone[SubModel.parse(name)]
            for goal in GOALS:
                picked = []
                for curve, single_row in zip(by_seed_curves, target, strict=True):
                    picked.append(chosen(curve, single_row, goal))
                fitting = [row for row in picked if row is not None]
                if len(fitting) == len(picked):  # every seed meets the goal
                    rows.append(cascade_row(fitting, goal, target))
    return rows


def cascade_row(
    same: Sequence[CascadeSeed],
    goal: Goal | None = None,
    target: Sequence[CascadeSeed] = (),
) -> CascadeRow:
    """Means over seeds; what was chosen for a target also against it."""
    first = same[0]
    is_point = goal is None and first.method != "single"
    entropies = [row.max_entropy for row in same if row.max_entropy is not None]
    gap = None
    if target:
        hits = by_seed([row.hits.unpack() for row in same])
        gap = paired_interval(hits - by_seed([row.hits.unpack() for row in target]))
    return CascadeRow(
        method=first.method,
        sub_models=tuple(first.sub_models),
        gflops=spread([row.gflops for row in same]),
        accuracy_percent=spread([row.accuracy_percent for row in same]),
        validation_percent=spread([row.validation_percent for row in same]),
        max_entropy=spread(entropies) if entropies else None,
        goal=goal,
        target=target[0].sub_models[0] if target else None,
        difference_points=gap,
        hits=() if is_point else tuple(row.hits for row in same),
    )


AGREEMENT = Job(
    "gradient_agreement",
    recipes.GRADIENT_AGREEMENT,
    AgreementSeed,
    gradient_agreement,
    summarise_agreement,
)
CASCADE = Job("cascade", recipes.CASCADE, CascadeSeed, cascade, summarise_cascade)
