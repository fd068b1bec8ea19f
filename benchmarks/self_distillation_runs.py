"""Self-distillation with a control: learning curves of every sub-model, with it and without."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
from long_run import PARTS, Job, Settings, by_seed, correct, kept, paired_interval, spread
from small_student import SmallBench, small_bench

from tinybert_l.cache import recipe_hash
from tinybert_l.course import intervals, recipes
from tinybert_l.course.experiments import divergence, first_texts
from tinybert_l.course.rows import Hits, Interval, Row, SelfDistillationRow
from tinybert_l.method.data import Encoded
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import predict_logits
from tinybert_l.method.teacher_outputs import TeacherOutputs
from tinybert_l.submodels import SubModel


@dataclass(frozen=True)
class CurveSeed:
    """One seed's sub-model in a joint run: curves on validation, and its answers at the end."""

    sub_model: SubModel
    self_distillation: bool
    steps: list[int]
    nats_to_largest: list[float]  # at `steps`, on validation sentences
    validation_percent: list[float]  # likewise
    final_nats_to_largest: float  # on the test sentences
    hits: Hits  # likewise


@dataclass(frozen=True)
class CurveRun:
    """The sub-models of one run."""

    rows: list[CurveSeed]


def self_distillation(seed: int, settings: Settings) -> list[CurveSeed]:
    """Train jointly with self-distillation and without; the runs of a seed see the same batches."""
    folder = PARTS / f"self_distillation-{recipe_hash(settings)}-{seed}"
    rows: list[CurveSeed] = []
    for has_it in (True, False):

        def run(has_it: bool = has_it) -> CurveRun:
            return CurveRun(curves(small_bench(settings), settings, has_it, seed))

        rows += kept(folder / f"{has_it}.json", CurveRun, run).rows
    return rows


def curves(bench: SmallBench, settings: Settings, has_it: bool, seed: int) -> list[CurveSeed]:
    """Train one student, and look at its sub-models along the way."""
    sub_models = [SubModel.parse(name) for name in settings["sub_models"]]
    recipe = JointRecipe(
        ((0.0, tuple(sub_models)),),
        num_steps=settings["num_steps"],
        learning_rate=settings["learning_rate"],
        batch_size=settings["batch_size"],
        hidden_weight=0.0,
        attention_weight=0.0,
        embedding_weight=0.0,
        self_distillation=has_it,
        precision="float32",
        seed=seed,
        checkpoint_every=settings["num_steps"],
    )
    student = bench.student()
    watched = first_texts(bench.data["validation"], settings["watched_texts"])
    steps: list[int] = []
    looks: list[dict[SubModel, tuple[float, float]]] = []

    def look(step: int) -> None:
        if step % settings["look_every"] == 0:
            steps.append(step)
            looks.append(seen(student, watched, sub_models))

    with tempfile.TemporaryDirectory() as folder:
        outputs = TeacherOutputs(bench.teacher_logits)
        train_jointly(student, outputs, bench.data["train"], recipe, Path(folder), on_step=look)
    look(settings["num_steps"])
    return [
        curve_row(student, bench.data["test"], sub_models[0], sub_model, has_it, steps, looks)
        for sub_model in sub_models
    ]


@torch.no_grad()
def seen(
    student: ElasticBertForSequenceClassification, data: Encoded, sub_models: Sequence[SubModel]
) -> dict[SubModel, tuple[float, float]]:
    """Each sub-model's divergence from the first, in nats, and its accuracy in percent."""
    logits = {s: predict_logits(student, data, sub_model=s) for s in sub_models}
    largest = logits[sub_models[0]]
    look = {}
    for sub_model, own in logits.items():
        look[sub_model] = divergence(own, largest), 100 * mean(correct(own, data.labels))
    return look


def curve_row(
    student: ElasticBertForSequenceClassification,
    test: Encoded,
    largest: SubModel,
    sub_model: SubModel,
    has_it: bool,
    steps: list[int],
    looks: Sequence[dict[SubModel, tuple[float, float]]],
) -> CurveSeed:
    """Put a sub-model's curves and its answers to the test sentences together."""
    logits = predict_logits(student, test, sub_model=sub_model)
    return CurveSeed(
        sub_model=sub_model,
        self_distillation=has_it,
        steps=steps,
        nats_to_largest=[look[sub_model][0] for look in looks],
        validation_percent=[look[sub_model][1] for look in looks],
        final_nats_to_largest=divergence(logits, predict_logits(student, test, sub_model=largest)),
        hits=Hits.pack(correct(logits, test.labels)),
    )


def summarise_curves(seeds: list[list[CurveSeed]]) -> list[Row]:
    """Each sub-model with self-distillation and without; "with" also minus "without"."""
    runs: dict[tuple[SubModel, bool], list[CurveSeed]] = {}
    for same in zip(*seeds, strict=True):
        runs[same[0].sub_model, same[0].self_distillation] = list(same)
    rows: list[Row] = []
    for (sub_model, has_it), run in runs.items():
        rows.append(self_distillation_row(run, runs[sub_model, False] if has_it else None))
    return rows


def self_distillation_row(
    same: Sequence[CurveSeed], without: Sequence[CurveSeed] | None
) -> SelfDistillationRow:
    """Summarise the seeds of a sub-model, and the differences from the runs without."""
    hits = by_seed([row.hits.unpack() for row in same])
    points = nats = None
    if without is not None:
        points = paired_interval(hits - by_seed([row.hits.unpack() for row in without]))
        pairs = zip(same, without, strict=True)
        gaps = [a.final_nats_to_largest - b.final_nats_to_largest for a, b in pairs]
        estimate = intervals.over_seeds(gaps)
        nats = Interval(estimate.mean, estimate.low, estimate.high, "seeds")
    return SelfDistillationRow(
        sub_model=same[0].sub_model,
        self_distillation=same[0].self_distillation,
        steps=tuple(same[0].steps),
        nats_to_largest_by_seed=tuple(tuple(row.nats_to_largest) for row in same),
        validation_percent_by_seed=tuple(tuple(row.validation_percent) for row in same),
        nats_to_largest=spread([row.final_nats_to_largest for row in same]),
        accuracy_percent=spread([100 * float(share) for share in hits.mean(1)]),
        hits=tuple(row.hits for row in same),
        difference_points=points,
        difference_nats=nats,
    )


SELF_DISTILLATION_RUNS = Job(
    "self_distillation",
    recipes.SELF_DISTILLATION,
    CurveSeed,
    self_distillation,
    summarise_curves,
)
