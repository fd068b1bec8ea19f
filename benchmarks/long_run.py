"""The parts that long runs share: a job's description, set-up, and summaries over seeds."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import torch

from tinybert_l.cache import write_atomically
from tinybert_l.course.experiments import LectureSetup, first_texts, open_bench
from tinybert_l.course.intervals import hierarchical
from tinybert_l.course.rows import Interval, OverSeeds, Row, from_json, to_json
from tinybert_l.method.data import Encoded
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import (
    DEFAULT_TEACHER,
    TeacherRecipe,
    load_teacher,
    predict_logits,
)
from tinybert_l.submodels import SubModel

Settings = dict[str, Any]
SeedRow = TypeVar("SeedRow")
R = TypeVar("R", bound=Row)
PARTS = Path("outputs/records/parts")  # of a seed's work, from which a killed run goes on


@dataclass(frozen=True)
class Job(Generic[SeedRow]):
    """A long run.

    Attributes:
        kind: of the record (see `tinybert_l.course.records.RECORD_KINDS`).
        settings: the recipe, which the record keeps.
        seed_row: the dataclass of the rows of one seed.
        measure: (seed, settings) -> the rows of that seed.
        summarise: the rows of all seeds -> the rows of the record.
    """

    kind: str
    settings: Settings
    seed_row: type[SeedRow]
    measure: Callable[[int, Settings], list[SeedRow]]
    summarise: Callable[[list[list[SeedRow]]], list[Row]]


def teacher_of(seed: int) -> TeacherRecipe:
    """The recipe of the seed's teacher, which has not seen the test sentences of the seed's fold.

    Seed k trains and tests on fold k: the setting "folds" says so in the record.
    """
    return replace(DEFAULT_TEACHER, fold=seed, seed=seed, runs=1)


def long_setup(settings: Settings, seed: int) -> LectureSetup:
    """The lectures' set-up with more steps, and with all test sentences of the seed held out."""
    setup = open_bench(teacher_of(seed))
    test = load_teacher(teacher_of(seed)).data["test"]
    recipe = JointRecipe(
        num_steps=settings["num_steps"], batch_size=settings["batch_size"], checkpoint_every=10_000
    )
    held_out = first_texts(test, len(test))
    logits = predict_logits(setup.teacher, held_out)
    return replace(setup, recipe=recipe, held_out=held_out, teacher_logits=logits)


def correct_predictions(
    model: ElasticBertForSequenceClassification, data: Encoded, sub_model: SubModel
) -> list[int]:
    """1 for each text that the sub-model classifies rightly, else 0."""
    return correct(predict_logits(model, data, sub_model=sub_model), data.labels)


def correct(logits: torch.Tensor, labels: Sequence[int]) -> list[int]:
    """1 for each text whose largest logit [texts, classes] is that of its label, else 0."""
    return (logits.argmax(-1) == torch.tensor(labels)).int().tolist()


def by_seed(values: Sequence[list[int]]) -> np.ndarray:
    """Put right and wrong predictions of several seeds into an array [seeds, texts]."""
    return np.array(values, float)


def paired_interval(gaps: np.ndarray) -> Interval:
    """Mean and 95 % interval, in points, of paired differences [seeds, texts].

    With one seed the interval is over texts alone.
    """
    estimate = hierarchical(100 * gaps, bounds=(-100.0, 100.0))
    method: Literal["seeds_and_items", "one_seed"] = "one_seed"
    if len(gaps) > 1:
        method = "seeds_and_items"
    return Interval(estimate.mean, estimate.low, estimate.high, method)


def summarise_fields(row_type: type[R], seeds: Sequence[Sequence[Any]]) -> list[R]:
    """Summarise every field over seeds: see `over_seeds`.

    Args:
        row_type: a row with the fields of the seeds' rows.
        seeds: the rows of each seed, in the same order.
    """
    rows = []
    for same in zip(*seeds, strict=True):
        fields = {}
        for field in dataclasses.fields(row_type):
            fields[field.name] = over_seeds([getattr(row, field.name) for row in same])
        rows.append(row_type(**fields))
    return rows


def over_seeds(values: Sequence[Any]) -> Any:
    """Summarise one field's values over seeds.

    Numbers become mean and standard deviation, curves the mean curve, dictionaries a summary of
    each key. Identifiers (texts, sub-models, booleans) and None stay what they are.
    """
    first = values[0]
    if isinstance(first, dict):
        return {key: over_seeds([value[key] for value in values]) for key in first}
    if isinstance(first, tuple):
        return tuple(mean(step) for step in zip(*values, strict=True))
    if isinstance(first, int | float) and not isinstance(first, bool):
        return OverSeeds(mean(values), stdev(values), tuple(values))
    return first


def spread(values: Sequence[float]) -> OverSeeds:
    """Mean, standard deviation and values; a single value has no spread."""
    sd = stdev(values) if len(values) > 1 else 0.0
    return OverSeeds(mean(values), sd, tuple(values))


def kept(path: Path, row_type: type[SeedRow], make: Callable[[], SeedRow]) -> SeedRow:
    """Read a part of a seed's work; make and keep it first where no earlier run has."""
    if not path.is_file():
        write_atomically(path, json.dumps(to_json(make()), ensure_ascii=False))
    return from_json(row_type, json.loads(path.read_text(encoding="utf-8")), path.name)
