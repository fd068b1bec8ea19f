"""Optimisation strategies, each turned off in turn: schedule, clipping, weight decay, dropout."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import cast

import torch
from long_run import PARTS, Job, Settings, by_seed, correct, kept, paired_interval, spread
from small_student import SmallBench, small_bench
from stacked_training import Inputs, Run, train_stacked

from tinybert_l.cache import recipe_hash
from tinybert_l.course import intervals, recipes
from tinybert_l.course.optimisation import STRATEGIES as OF_THE_LOOP
from tinybert_l.course.optimisation import Strategy
from tinybert_l.course.rows import Hits, Interval, Row, StrategyName, StrategyRow
from tinybert_l.exercises.lecture_01 import soft_cross_entropy
from tinybert_l.exercises.lecture_04 import linear_warmup_decay
from tinybert_l.method.data import collate, training_batches
from tinybert_l.method.extraction import set_dropout_on_states
from tinybert_l.method.teacher import predict_logits
from tinybert_l.method.training import LoopSettings

USUAL = "all_on"
NO_DROPOUT = "no_dropout"
STRATEGIES = {**OF_THE_LOOP, NO_DROPOUT: Strategy({})}  # dropout is the model's


@dataclass(frozen=True)
class StrategySeed:
    """One seed's run with a strategy off, at one learning rate."""

    strategy: str
    learning_rate: float
    validation_percent: float
    test_loss_nats: float
    largest_gradient_norm: float
    hits: Hits  # on the test sentences


@dataclass(frozen=True)
class Together:
    """The runs that were trained together."""

    rows: list[StrategySeed]


def strategies(seed: int, settings: Settings) -> list[StrategySeed]:
    """Train the small student on soft labels: every strategy off in turn, at every rate.

    The runs of a seed see the same batches. Those with dropout are trained together, then those
    without; each group is kept at once.
    """
    folder = PARTS / f"strategies-{recipe_hash(settings)}-{seed}"
    with_dropout = [name for name in settings["strategies"] if name != NO_DROPOUT]
    groups = {"dropout": (with_dropout, settings["dropout"]), NO_DROPOUT: ([NO_DROPOUT], 0.0)}
    rows: list[StrategySeed] = []
    for group, (names, dropout) in groups.items():

        def run(names: list[str] = names, dropout: float = dropout) -> Together:
            return Together(run_together(small_bench(settings), settings, names, dropout, seed))

        rows += kept(folder / f"{group}.json", Together, run).rows
    return rows


def run_together(
    bench: SmallBench, settings: Settings, names: Sequence[str], dropout: float, seed: int
) -> list[StrategySeed]:
    """Train one student for each strategy and rate, all on the same batches, and measure them."""
    cases = list(itertools.product(names, settings["learning_rates"]))
    runs = [run_of(bench, settings, name, rate, dropout) for name, rate in cases]
    data = bench.data["train"]
    batches = training_batches(data, settings["batch_size"], settings["num_steps"], seed)

    def inputs_of(step: int) -> Inputs:
        batch = collate(data, batches[step])
        return {key: batch[key] for key in ("input_ids", "attention_mask")}

    def loss_of(logits: torch.Tensor, step: int) -> torch.Tensor:
        return soft_cross_entropy(logits, bench.teacher_logits[batches[step]])

    norms = train_stacked(runs, inputs_of, loss_of, seed)
    rows = []
    for (name, rate), run, own_norms in zip(cases, runs, norms, strict=True):
        rows.append(measured(bench, run.model, name, rate, max(own_norms)))
    return rows


def run_of(bench: SmallBench, settings: Settings, name: str, rate: float, dropout: float) -> Run:
    """A fresh student with the usual settings, and what the strategy changes."""
    student = bench.student()
    set_dropout_on_states(student, dropout)
    strategy = STRATEGIES[name]
    usual = {"weight_decay": settings["weight_decay"], "warmup_share": settings["warmup_share"]}
    loop = LoopSettings(
        num_steps=settings["num_steps"],
        learning_rate=rate,
        precision="float32",
        **(usual | dict(strategy.changes)),
    )
    return Run(student, loop, strategy.rate or linear_warmup_decay)


def measured(
    bench: SmallBench, student: torch.nn.Module, name: str, rate: float, largest_norm: float
) -> StrategySeed:
    """Answer validation and test sentences once, after training."""
    test, validation = bench.data["test"], bench.data["validation"]
    logits = predict_logits(student, test, only_first=True)
    on_validation = correct(predict_logits(student, validation, only_first=True), validation.labels)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(test.labels))
    return StrategySeed(
        strategy=name,
        learning_rate=rate,
        validation_percent=100 * mean(on_validation),
        test_loss_nats=float(loss),
        largest_gradient_norm=largest_norm,
        hits=Hits.pack(correct(logits, test.labels)),
    )


def summarise_strategies(seeds: list[list[StrategySeed]]) -> list[Row]:
    """Every strategy at every rate; the rate that validation chose is compared with all on."""
    by_strategy: dict[str, list[list[StrategySeed]]] = {}
    for same in zip(*seeds, strict=True):
        by_strategy.setdefault(same[0].strategy, []).append(list(same))
    chosen = {name: max(runs, key=validation_mean) for name, runs in by_strategy.items()}
    rows: list[Row] = []
    for name, runs in by_strategy.items():
        for run in runs:
            against = chosen[USUAL] if run is chosen[name] and name != USUAL else None
            rows.append(strategy_row(run, run is chosen[name], against))
    return rows


def validation_mean(same: Sequence[StrategySeed]) -> float:
    """The mean accuracy of several seeds on validation sentences."""
    return mean(row.validation_percent for row in same)


def strategy_row(
    same: Sequence[StrategySeed], is_chosen: bool, usual: Sequence[StrategySeed] | None
) -> StrategyRow:
    """Summarise the seeds of a strategy and rate, and the differences from all on."""
    hits = by_seed([row.hits.unpack() for row in same])
    points = nats = None
    if usual is not None:
        points = paired_interval(hits - by_seed([row.hits.unpack() for row in usual]))
        gaps = [a.test_loss_nats - b.test_loss_nats for a, b in zip(same, usual, strict=True)]
        estimate = intervals.over_seeds(gaps)
        nats = Interval(estimate.mean, estimate.low, estimate.high, "seeds")
    return StrategyRow(
        strategy=cast(StrategyName, same[0].strategy),  # as the recipe names them
        learning_rate=same[0].learning_rate,
        is_chosen=is_chosen,
        accuracy_percent=spread([100 * float(share) for share in hits.mean(1)]),
        validation_percent=spread([row.validation_percent for row in same]),
        test_loss_nats=spread([row.test_loss_nats for row in same]),
        largest_gradient_norm=spread([row.largest_gradient_norm for row in same]),
        hits=tuple(row.hits for row in same),
        difference_points=points,
        difference_nats=nats,
    )


STRATEGY_RUNS = Job(
    "strategies", recipes.STRATEGIES, StrategySeed, strategies, summarise_strategies
)
