"""Small, fast and nearly as good as the teacher: `python benchmarks/headline.py`.

Takes an hour on two cores. Each seed has one joint run, in TinyBERT's two stages: first hidden
states, attention scores and embeddings of the live teacher, then soft labels, computed once, on
labelled and unlabelled sentences, with a vocabulary pruned to the corpus. Validation accuracy then
chooses the sub-model to deploy among those that are fast enough; test accuracy comes last.

Each seed's student is kept under outputs/records/ at once, so that a killed run goes on.
`headline.py 0 1` trains these seeds only: several processes can share the work, and one without a
seed then measures. A teacher that knows little is easily imitated; `--stronger-teacher` repeats all
with a teacher every weight of which was fine-tuned, and `--longer` then takes more steps. A CUDA
GPU trains where there is one; speed is that of the processor.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any, Literal

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from tinybert_l import begin
from tinybert_l.cache import recipe_hash, write_atomically
from tinybert_l.course.intervals import ratio_of_means
from tinybert_l.course.measuring import measure_baseline
from tinybert_l.course.recipes import (
    ADAPTED_TEACHER,
    HEADLINE,
    HEADLINE_BY_FOLD,
    HEADLINE_LONGER,
    HEADLINE_STRONGER,
)
from tinybert_l.course.records import write_record
from tinybert_l.course.rows import DeployedModel, HeadlineRow, Interval, Row, Runtime
from tinybert_l.method.data import Encoded, Split, encode, load_reviews, unlabelled_sentences
from tinybert_l.method.evaluation import measure_latency, weight_bytes
from tinybert_l.method.export import OnnxClassifier, export_onnx, onnx_latency, onnx_logits
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.joint import sorted_by_importance, train_jointly
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import Teacher, TeacherRecipe, load_teacher, predict_logits
from tinybert_l.method.teacher_outputs import keep_outputs
from tinybert_l.method.training import open_accelerator
from tinybert_l.method.vocabulary import prune_vocabulary
from tinybert_l.submodels import SubModel, sub_model_grid

OUTPUT = Path("outputs/records")
LENGTH = 64  # tokens at most of a sentence
BATCHES = (1, 32)
ROUNDS = 25
Settings = dict[str, Any]
Model = ElasticBertForSequenceClassification | OnnxClassifier
ModelKey = DeployedModel | Runtime  # a runtime alone stands for the teacher in it
Choice = Literal["chosen_small", "chosen_same_runtime"]

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


def joint_recipes(settings: Settings, seed: int) -> tuple[JointRecipe | None, JointRecipe]:
    """The recipes of both stages: inner states of the live teacher, then soft labels.

    The first is None where the settings give it no steps.
    """
    largest_first = tuple(sub_model_grid(settings["depths"], settings["widths"])[::-1])
    inner = None
    if settings["inner_steps"]:
        stages = ((0.0, largest_first[:1]), (0.1, largest_first[1:]))
        inner = JointRecipe(
            stages[: len(largest_first)],
            num_steps=settings["inner_steps"],
            learning_rate=settings["inner_learning_rate"],
            soft_label_weight=0.0,
            hidden_weight=1.0,
            attention_weight=0.1,
            embedding_weight=1.0,
            self_distillation=False,
            batch_size=settings["batch_size"],
            seed=seed,
            checkpoint_every=500,
        )
    soft_labels = JointRecipe(
        ((0.0, largest_first),),
        num_steps=settings["soft_label_steps"],
        learning_rate=settings["learning_rate"],
        hidden_weight=0.0,
        attention_weight=0.0,
        embedding_weight=0.0,
        self_distillation=settings.get("self_distillation", True),
        batch_size=settings["batch_size"],
        seed=seed,
        checkpoint_every=500,
    )
    return inner, soft_labels


def fold_of(settings: Settings, seed: int) -> int:
    """The fold of the seed's test texts: its own, or the first for all."""
    return seed if settings.get("folds") else 0


def teacher_of(settings: Settings, seed: int) -> Teacher:
    """The seed's teacher: with folds, one that has not seen the fold's test texts."""
    recipe = settings.get("teacher", ADAPTED_TEACHER)
    if settings.get("folds"):
        return load_teacher(TeacherRecipe(**recipe, fold=fold_of(settings, seed), seed=seed))
    return load_teacher(TeacherRecipe(**recipe))


def corpus(settings: Settings, fold: int = 0) -> Split:
    """Training texts; labels of the unlabelled ones are 0 and never used.

    None of them is a test text of the fold.
    """
    labelled = load_reviews(fold=fold)["train"]
    unlabelled = unlabelled_sentences(fold=fold)[: settings["unlabelled"]]
    return Split(labelled.texts + unlabelled, labelled.labels + [0] * len(unlabelled))


def train(
    teacher: Teacher, settings: Settings, seed: int, folder: Path
) -> tuple[ElasticBertForSequenceClassification, Any]:
    """Train jointly once; return the student with its smaller vocabulary, and its tokenizer."""
    texts = corpus(settings, fold_of(settings, seed))
    whole = encode(texts, teacher.tokenizer, LENGTH)
    outputs = keep_outputs(elastic_copy(teacher.model), whole, layers=[])
    inner, soft_labels = joint_recipes(settings, seed)
    if settings.get("sorted", True):
        start = sorted_by_importance(teacher)
    else:
        start = elastic_copy(teacher.model)
    student = elastic_copy(start)
    if inner is not None:
        train_jointly(student, start, whole, inner, folder / "inner")
    tokenizer = teacher.tokenizer
    if settings["vocabulary"]:
        tokenizer = prune_vocabulary(student, tokenizer, texts.texts, settings["vocabulary"])
    train_jointly(student, outputs, encode(texts, tokenizer, LENGTH), soft_labels, folder / "soft")
    return student, tokenizer


def student_folder(settings: Settings, seed: int) -> Path:
    """Where a seed's student is kept; the file "done" there names the device that trained it."""
    return OUTPUT / f"headline-{recipe_hash(settings)}-{seed}"


def trained(
    teacher: Teacher, settings: Settings, seed: int
) -> tuple[ElasticBertForSequenceClassification, Any]:
    """The seed's student and tokenizer: trained, or read where an earlier run has kept them."""
    folder = student_folder(settings, seed)
    if not (folder / "done").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        student, tokenizer = train(teacher, settings, seed, folder)
        student.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        on_gpu = open_accelerator().device.type == "cuda"
        write_atomically(folder / "done", torch.cuda.get_device_name() if on_gpu else "CPU")
    model = ElasticBertForSequenceClassification.from_pretrained(folder).eval()
    return model, PreTrainedTokenizerFast.from_pretrained(folder)


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


def measure(teacher: Teacher, settings: Settings, seed: int) -> list[Measurement]:
    """Measure every sub-model in every runtime: predictions, speed and bytes."""
    student, tokenizer = trained(teacher, settings, seed)
    reviews = load_reviews(fold=fold_of(settings, seed))
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
                rows.append(row)
                models[row.model] = model
        for batch in BATCHES:
            add_speeds(rows, alternating_latency(models, batch), batch)
    return rows


def add_speeds(rows: Sequence[Measurement], times: dict[ModelKey, float], batch: int) -> None:
    """Write into the rows how much faster they are than the teacher in torch float32.

    A row in float32 also says how much faster it is than the teacher in its own runtime.
    """
    for row in rows:
        milliseconds = times[row.model]
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


def summary(
    seeds: Sequence[list[Measurement]],
    teacher_correct: Sequence[list[int]],
    bag_correct: Sequence[list[int]] = (),
) -> list[Row]:
    """Teacher, bag of words, every model over all seeds, then what validation chose by goal."""
    rows: list[Row] = [reference_row("teacher", teacher_correct)]
    if bag_correct:
        rows.append(reference_row("bag_of_words", bag_correct))
    candidates = []
    for same in zip(*seeds, strict=True):
        candidates.append(candidate := over_seeds("candidate", same, teacher_correct))
        rows.append(candidate)
    for choice, goal in GOALS.items():
        # speed and size do not depend on the seed: means over all measurements decide who fits
        fits = [row.models[0] for row in candidates if meets(row, goal)]
        chosen = []
        for seed in seeds if fits else []:
            fitting = [row for row in seed if row.model in fits]
            chosen.append(max(fitting, key=lambda row: row.validation_accuracy))
        rows.append(over_seeds(choice, chosen, teacher_correct) if fits else HeadlineRow(choice))
    return rows


def reference_row(
    role: Literal["teacher", "bag_of_words"], correct: Sequence[list[int]]
) -> HeadlineRow:
    """What the sub-models are compared with: accuracy over all seeds' test texts."""
    by_seed = tuple(100 * mean(hits) for hits in correct)
    return HeadlineRow(role, accuracy_percent=mean(by_seed), by_seed={"accuracy_percent": by_seed})


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
    gains, by_seed = {}, {}
    for name in same[0].gains:
        if all(name in row.gains for row in same):
            by_seed[name] = tuple(row.gains[name] for row in same)
            gains[name] = mean(by_seed[name])
    correct = [row.correct for row in same]
    by_seed["accuracy_percent"] = tuple(100 * mean(hits) for hits in correct)
    return HeadlineRow(
        role=role,
        models=tuple(dict.fromkeys(row.model for row in same)),
        accuracy_percent=100 * mean(map(mean, correct)),
        kept_percent=kept_interval(correct, teacher_correct),
        by_seed=by_seed,
        **gains,
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", nargs="*", type=int, help="train these seeds, measure nothing")
    parser.add_argument(
        "--stronger-teacher",
        action="store_true",
        help="distil a teacher every weight of which was fine-tuned",
    )
    parser.add_argument(
        "--longer", action="store_true", help="distil the stronger teacher with more steps"
    )
    parser.add_argument(
        "--by-fold",
        action="store_true",
        help="distil the stronger teacher of each fold, and test on the fold",
    )
    return parser.parse_args()


def main() -> None:
    given = parse_arguments()
    name, settings, option = "headline", HEADLINE, ""
    if given.by_fold:
        name, settings, option = "headline_by_fold", HEADLINE_BY_FOLD, " --by-fold"
    elif given.longer:
        name, settings, option = "headline_longer", HEADLINE_LONGER, " --longer"
    elif given.stronger_teacher:
        name, settings = "headline_stronger_teacher", HEADLINE_STRONGER
        option = " --stronger-teacher"
    begin(1, demo=True)
    for seed in given.seeds or settings["seeds"]:
        trained(teacher_of(settings, seed), settings, seed)
    if given.seeds:
        return
    correct, measured, bags, devices = [], [], [], set()
    for seed in settings["seeds"]:
        teacher = teacher_of(settings, seed)
        correct.append(correct_predictions(teacher.model, teacher.data["test"]).int().tolist())
        measured.append(measure(teacher, settings, seed))
        if settings.get("folds"):
            bags.append(measure_baseline(teacher).hits)
        device = student_folder(settings, seed) / "done"
        devices.add(device.read_text(encoding="utf-8"))
    path = write_record(
        name,
        "headline",
        f"python benchmarks/headline.py{option}",
        settings,
        summary(measured, correct, bags),
        trained_on=sorted(devices - {""}),
    )
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
