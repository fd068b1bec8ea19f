"""Small, fast and nearly as good as the teacher: `python benchmarks/headline.py`.

Takes an hour on two cores. Each seed has one joint run, in TinyBERT's two stages: first hidden
states, attention scores and embeddings of the live teacher, then soft labels, computed once, on
labelled and unlabelled sentences, with a vocabulary pruned to the corpus. Validation accuracy then
chooses the sub-model to deploy among those that are fast enough; test accuracy comes last.

Each seed's student is kept under outputs/records/ at once, so that a killed run goes on.
`headline.py 0 1` trains these seeds only: several processes can share the work, and one without a
seed then measures. Each seed has another fold: its teacher has not seen the fold's test sentences.
`--mpnet` takes the soft labels from a teacher of base size, fine-tuned and asked within half an
hour, and compares its students with those of the run without it. A CUDA GPU trains where there is
one; speed is that of the processor.
"""

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Any, Literal

import numpy as np
import torch
from headline_students import (
    LENGTH,
    Settings,
    mpnet_of,
    student_folder,
    teacher_of,
    trained,
)
from long_run import by_seed, correct, paired_interval

from tinybert_l import begin
from tinybert_l.course.intervals import ratio_of_means
from tinybert_l.course.measuring import measure_baseline
from tinybert_l.course.recipes import HEADLINE, HEADLINE_MPNET
from tinybert_l.course.records import write_record
from tinybert_l.course.rows import DeployedModel, HeadlineRow, Interval, Row, Runtime
from tinybert_l.method.data import Encoded, encode, load_reviews
from tinybert_l.method.evaluation import measure_latency, weight_bytes
from tinybert_l.method.export import OnnxClassifier, export_onnx, onnx_latency, onnx_logits
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.mpnet import load_mpnet, mpnet_answers
from tinybert_l.method.teacher import Teacher, predict_logits
from tinybert_l.submodels import SubModel, sub_model_grid

BATCHES = (1, 32)
ROUNDS = 25
Model = torch.nn.Module | OnnxClassifier
# a runtime alone stands for the teacher in it
ModelKey = DeployedModel | Runtime | Literal["MPNet"]
Choice = Literal["chosen_small", "chosen_same_runtime"]
Reference = Literal["teacher", "mpnet", "bag_of_words"]

# what a model must reach to be chosen: the least value of each of its numbers
GOALS: dict[Choice, dict[str, float]] = {
    "chosen_small": {
        "times_faster_batch_1": 15.0,
        "times_faster_batch_32": 15.0,
        "times_smaller": 10.0,
    },
    "chosen_same_runtime": {
        "same_runtime_times_faster_batch_1": 8.0,
        "same_runtime_times_faster_batch_32": 8.0,
    },
}


@dataclass
class Measurement:
    """One seed's sub-model in a runtime: predictions, size, and speed once it is measured."""

    model: DeployedModel
    validation_accuracy: float
    correct: list[int]  # 1 for each test sentence that is classified rightly
    gains: dict[str, float]  # by the name of the field of `HeadlineRow`


def deployed(
    student: ElasticBertForSequenceClassification, folder: Path, sub_model: SubModel
) -> dict[Runtime, tuple[Model, int]]:
    """The sub-model in torch float32, and in ONNX Runtime in float32 and int8, with its bytes."""
    small = extract(student, sub_model)
    models: dict[Runtime, tuple[Model, int]] = {"torch float32": (small, weight_bytes(small))}
    files: dict[Runtime, str] = {"ONNX float32": "float32", "ONNX int8": "int8"}
    for runtime, precision in files.items():
        file = folder / f"{sub_model.name}-{precision}.onnx"
        path = export_onnx(student, sub_model, file, int8=precision == "int8")
        models[runtime] = (OnnxClassifier(path), path.stat().st_size)
    return models


def correct_predictions(model: Model, data: Encoded) -> torch.Tensor:
    """Whether each text is classified rightly, [texts]."""
    if isinstance(model, OnnxClassifier):
        logits = torch.from_numpy(onnx_logits(model, data))
    else:
        logits = predict_logits(model, data)
    return logits.argmax(-1) == torch.tensor(data.labels)


def alternating_latency(models: dict[ModelKey, Model], batch: int) -> dict[ModelKey, float]:
    """Median milliseconds of each model; they alternate, so that a slow minute meets them all."""
    times: dict[ModelKey, list[float]] = {key: [] for key in models}
    for _ in range(ROUNDS):
        for key, model in models.items():
            time.sleep(0.2)  # threads of the model before still wait actively for work
            if isinstance(model, OnnxClassifier):
                latency = onnx_latency(model, batch, 32, 0.1)
            else:
                latency = measure_latency(model, batch, 32, 0.1)[0]
            times[key].append(latency)
    return {key: median(values) for key, values in times.items()}


def measure(
    teacher: Teacher, settings: Settings, seed: int, with_speed: bool = True
) -> list[Measurement]:
    """Measure every sub-model in every runtime: predictions, bytes and, if asked, speed."""
    student, tokenizer = trained(teacher, settings, seed)
    reviews = load_reviews(fold=seed)
    validation = encode(reviews["validation"], tokenizer, LENGTH)
    test = encode(reviews["test"], tokenizer, LENGTH)
    teacher_bytes = weight_bytes(teacher.model)
    rows: list[Measurement] = []
    with tempfile.TemporaryDirectory() as folder:
        copy = elastic_copy(teacher.model)
        teacher_file = export_onnx(copy, copy.full_size(), Path(folder) / "teacher.onnx")
        models: dict[ModelKey, Model] = {
            "torch float32": teacher.model,
            "ONNX float32": OnnxClassifier(teacher_file),
        }
        if (mpnet := mpnet_of(settings, seed)) is not None:
            mpnet_model = load_mpnet(mpnet)[0].model
            models["MPNet"] = mpnet_model
        for sub_model in sub_model_grid(settings["depths"], settings["widths"]):
            for runtime, (model, size) in deployed(student, Path(folder), sub_model).items():
                row = Measurement(
                    model=DeployedModel(sub_model, runtime),
                    validation_accuracy=float(
                        correct_predictions(model, validation).float().mean()
                    ),
                    correct=correct_predictions(model, test).int().tolist(),
                    gains={"times_smaller": teacher_bytes / size},
                )
                if mpnet is not None:
                    row.gains["mpnet_times_smaller"] = weight_bytes(mpnet_model) / size
                rows.append(row)
                models[row.model] = model
        for batch in BATCHES if with_speed else ():
            add_speeds(rows, alternating_latency(models, batch), batch)
    return rows


def add_speeds(rows: Sequence[Measurement], times: dict[ModelKey, float], batch: int) -> None:
    """Write into the rows how much faster they are than the teacher in torch float32.

    A row in float32 also says how much faster it is than the teacher in its own runtime.
    """
    for row in rows:
        milliseconds = times[row.model]
        if "MPNet" in times:
            row.gains[f"mpnet_times_faster_batch_{batch}"] = times["MPNet"] / milliseconds
        row.gains[f"times_faster_batch_{batch}"] = times["torch float32"] / milliseconds
        runtime = row.model.runtime
        if runtime != "ONNX int8":
            gain = times[runtime] / milliseconds
            row.gains[f"same_runtime_times_faster_batch_{batch}"] = gain


def kept_interval(by_seed: Sequence[list[int]], teacher_correct: Sequence[list[int]]) -> Interval:
    """The percentage of the teacher's accuracy that is kept, with its interval, paired by text.

    Args:
        teacher_correct: of each seed's teacher, on the seed's texts.
    """
    student = np.array(by_seed, float)
    teacher = np.array(teacher_correct, float)
    estimate = ratio_of_means(100 * student, teacher)
    method: Literal["seeds_and_items", "one_seed"] = "seeds_and_items"
    if len(by_seed) == 1:
        method = "one_seed"
    return Interval(estimate.mean, estimate.low, estimate.high, method)


def gain_interval(new: Sequence[Measurement], before: Sequence[Measurement]) -> Interval:
    """How many points better, with its interval, paired by seed and text."""
    assert [row.model for row in new] == [row.model for row in before]
    return paired_interval(
        by_seed([row.correct for row in new]) - by_seed([row.correct for row in before])
    )


def summary(
    seeds: Sequence[list[Measurement]],
    references: Mapping[Reference, Sequence[list[int]]],
    earlier: Sequence[list[Measurement]] = (),
) -> list[Row]:
    """References, every model over all seeds, then what validation chose by goal.

    Args:
        seeds: the measurements of each seed, in the same order.
        references: the right predictions of each seed's teacher, and of others.
        earlier: of students whose soft labels the teacher gave, to compare with; none: not asked.
    """
    teacher_correct = references["teacher"]
    rows: list[Row] = [reference_row(role, hits) for role, hits in references.items()]
    candidates = []
    for number, same in enumerate(zip(*seeds, strict=True)):
        candidate = over_seeds("candidate", same, teacher_correct)
        if earlier:
            before = [seed[number] for seed in earlier]
            candidate = replace(candidate, gain_points=gain_interval(same, before))
        candidates.append(candidate)
    rows += candidates
    for choice, goal in GOALS.items():
        # speed and size do not depend on the seed: means over all measurements decide who fits
        fits = [row.models[0] for row in candidates if meets(row, goal)]
        chosen = []
        for seed in seeds if fits else []:
            fitting = [row for row in seed if row.model in fits]
            chosen.append(max(fitting, key=lambda row: row.validation_accuracy))
        rows.append(over_seeds(choice, chosen, teacher_correct) if fits else HeadlineRow(choice))
    return rows


def reference_row(role: Reference, correct: Sequence[list[int]]) -> HeadlineRow:
    """What the sub-models are compared with: accuracy over all seeds' test texts."""
    each = tuple(100 * mean(hits) for hits in correct)
    return HeadlineRow(role, accuracy_percent=mean(each), by_seed={"accuracy_percent": each})


def meets(row: HeadlineRow, goal: dict[str, float]) -> bool:
    """Whether each number that the goal names is large enough."""
    for name, least in goal.items():
        value = getattr(row, name)
        if value is None or value < least:
            return False
    return True


def over_seeds(
    role: Literal["candidate"] | Choice,
    same: Sequence[Measurement],
    teacher_correct: Sequence[list[int]],
) -> HeadlineRow:
    """Summarise one measurement of each seed; a choice may have another model for each seed."""
    gains: dict[str, Any] = {}
    values: dict[str, tuple[float, ...]] = {}
    for name in same[0].gains:
        if all(name in row.gains for row in same):
            values[name] = tuple(row.gains[name] for row in same)
            gains[name] = mean(values[name])
    correct = [row.correct for row in same]
    values["accuracy_percent"] = tuple(100 * mean(hits) for hits in correct)
    return HeadlineRow(
        role=role,
        models=tuple(dict.fromkeys(row.model for row in same)),
        accuracy_percent=100 * mean(map(mean, correct)),
        kept_percent=kept_interval(correct, teacher_correct),
        by_seed=values,
        **gains,
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", nargs="*", type=int, help="train these seeds, measure nothing")
    parser.add_argument(
        "--mpnet", action="store_true", help="take soft labels from a base-size teacher"
    )
    return parser.parse_args()


def chosen_run(given: argparse.Namespace) -> tuple[str, Settings, str]:
    """The record's name, its settings, and the option that asks for it."""
    if given.mpnet:
        return "headline_mpnet", HEADLINE_MPNET, " --mpnet"
    return "headline", HEADLINE, ""


def add_references(
    references: dict[Reference, list[list[int]]], teacher: Teacher, settings: Settings, seed: int
) -> None:
    """Add the seed's right predictions of all that the sub-models are compared with."""
    hits = correct_predictions(teacher.model, teacher.data["test"]).int().tolist()
    references.setdefault("teacher", []).append(hits)
    if (mpnet := mpnet_of(settings, seed)) is not None:
        test = teacher.splits["test"]
        hits = correct(mpnet_answers(mpnet, test.texts), test.labels)
        references.setdefault("mpnet", []).append(hits)
    references.setdefault("bag_of_words", []).append(measure_baseline(teacher).hits)


def main() -> None:
    given = parse_arguments()
    name, settings, option = chosen_run(given)
    begin(1, demo=True)
    for seed in given.seeds or settings["seeds"]:
        trained(teacher_of(settings, seed), settings, seed)
    if given.seeds:
        return
    references: dict[Reference, list[list[int]]] = {}
    measured, earlier, devices = [], [], set()
    for seed in settings["seeds"]:
        teacher = teacher_of(settings, seed)
        add_references(references, teacher, settings, seed)
        measured.append(measure(teacher, settings, seed))
        if given.mpnet:
            trained(teacher, HEADLINE, seed)
            earlier.append(measure(teacher, HEADLINE, seed, with_speed=False))
        device = student_folder(settings, seed) / "done"
        devices.add(device.read_text(encoding="utf-8"))
    path = write_record(
        name,
        "headline",
        f"python benchmarks/headline.py{option}",
        settings,
        summary(measured, references, earlier),
        trained_on=sorted(devices - {""}),
    )
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
