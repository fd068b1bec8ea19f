"""Small, fast and nearly as good as the teacher: `python benchmarks/headline.py` (an hour on two cores).

One joint run a seed, in TinyBERT's two stages: first hidden states, attention scores and embeddings of the live
teacher, then soft labels, computed once, on labelled and unlabelled sentences, with a vocabulary pruned to the corpus.
The sub-model to deploy is chosen by validation accuracy among those that are fast enough; test accuracy comes last.
Each seed is kept under outputs/records/ as soon as it is there, so a killed run goes on. `... headline.py 0 1` trains
these seeds only: several processes can share the work, and one without a seed then measures. `--stronger-teacher` does
all this with a teacher every weight of which was fine-tuned: much is easily kept of a teacher that knows little, and
`--longer` then takes more steps. A CUDA GPU trains where there is one; speed is that of the processor.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from tinybert_l import begin
from tinybert_l.cache import recipe_hash, write_atomically
from tinybert_l.course.recipes import HEADLINE, HEADLINE_LONGER, HEADLINE_STRONGER
from tinybert_l.course.records import write_record
from tinybert_l.method.data import (
    Encoded,
    Split,
    collate,
    encode,
    load_reviews,
    unlabelled_sentences,
)
from tinybert_l.method.evaluation import measure_latency
from tinybert_l.method.export import OnnxClassifier, export_onnx, onnx_latency
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
SAME = "in the teacher's runtime: faster, batch {}"  # than the teacher in float32 in the row's own runtime
SAME_RUNTIME = SAME.format(1), SAME.format(32)
GOALS = {
    "chosen 选定, ≥15× faster, ≥10× smaller": {
        "faster, batch 1": 15.0,
        "faster, batch 32": 15.0,
        "smaller": 10.0,
    },
    "chosen 选定, in the teacher's runtime and float32, ≥8× faster": dict.fromkeys(
        SAME_RUNTIME, 8.0
    ),
}


def recipes(settings: dict[str, Any], seed: int) -> tuple[JointRecipe | None, JointRecipe]:
    """Stage 1, inner states from the live teacher (None where the settings give it no steps); stage 2, soft labels."""
    largest_first = sub_model_grid(settings["depths"], settings["widths"])[::-1]
    stages = ((0.0, tuple(largest_first[:1])), (0.1, tuple(largest_first[1:])))[
        : len(largest_first)
    ]
    common = {"batch_size": settings["batch_size"], "seed": seed, "checkpoint_every": 500}
    teaches_itself = settings.get("self_distillation", True)
    inner = None
    if settings["inner_steps"]:
        inner = JointRecipe(
            stages, settings["inner_steps"], learning_rate=settings["inner_learning_rate"], soft_label_weight=0.0,
            hidden_weight=1.0, attention_weight=0.1, embedding_weight=1.0, self_distillation=False, **common,
        )  # fmt: skip
    soft = JointRecipe(
        ((0.0, tuple(largest_first)),), settings["soft_label_steps"], learning_rate=settings["learning_rate"],
        hidden_weight=0.0, attention_weight=0.0, embedding_weight=0.0, self_distillation=teaches_itself, **common,
    )  # fmt: skip
    return inner, soft


def corpus(settings: dict[str, Any]) -> Split:
    """Training texts; labels of the unlabelled ones are 0 and never used."""
    labelled, extra = load_reviews()["train"], unlabelled_sentences()[: settings["unlabelled"]]
    return Split(labelled.texts + extra, labelled.labels + [0] * len(extra))


def train(
    teacher: Teacher, settings: dict[str, Any], seed: int, folder: Path
) -> tuple[ElasticBertForSequenceClassification, Any]:
    """One joint run; the student with its own, smaller vocabulary, and its tokenizer."""
    texts = corpus(settings)
    whole = encode(texts, teacher.tokenizer, 64)
    outputs = keep_outputs(elastic_copy(teacher.model), whole, layers=[])
    inner, soft = recipes(settings, seed)
    in_order = settings.get("sorted", True)
    sorted_teacher = sorted_by_importance(teacher) if in_order else elastic_copy(teacher.model)
    student = elastic_copy(sorted_teacher)
    if inner is not None:
        train_jointly(student, sorted_teacher, whole, inner, folder / "inner")
    tokenizer = teacher.tokenizer
    if settings["vocabulary"]:
        tokenizer = prune_vocabulary(student, tokenizer, texts.texts, settings["vocabulary"])
    train_jointly(student, outputs, encode(texts, tokenizer, 64), soft, folder / "soft")
    return student, tokenizer


def kept_in(settings: dict[str, Any], seed: int) -> Path:
    """Where a seed's student is kept; the file "done" there names the device that trained it."""
    return OUTPUT / f"headline-{recipe_hash(settings)}-{seed}"


def trained(
    teacher: Teacher, settings: dict[str, Any], seed: int
) -> tuple[ElasticBertForSequenceClassification, Any]:
    """The seed's student and tokenizer: trained, or read where an earlier run has kept them."""
    folder = kept_in(settings, seed)
    if not (folder / "done").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        student, tokenizer = train(teacher, settings, seed, folder)
        student.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        on_gpu = open_accelerator().device.type == "cuda"
        write_atomically(folder / "done", torch.cuda.get_device_name() if on_gpu else "CPU")
    model = ElasticBertForSequenceClassification.from_pretrained(folder).eval()
    return model, PreTrainedTokenizerFast.from_pretrained(folder)


def contestants(
    student: ElasticBertForSequenceClassification, folder: Path, sub_model: SubModel
) -> dict[str, Any]:
    """The sub-model in torch float32, and in ONNX Runtime in float32 and int8, with its bytes."""
    small = extract(student, sub_model)
    found: dict[str, Any] = {
        "torch float32": (small, sum(p.numel() * p.element_size() for p in small.parameters()))
    }
    for kind in ("float32", "int8"):
        path = export_onnx(
            student, sub_model, folder / f"{sub_model.name}-{kind}.onnx", int8=kind == "int8"
        )
        found[f"ONNX {kind}"] = (OnnxClassifier(path), path.stat().st_size)
    return found


def logits_of(model: Any, data: Encoded) -> torch.Tensor:
    if isinstance(model, OnnxClassifier):
        batches = (collate(data, [i]) for i in range(len(data)))
        return torch.cat(
            [torch.from_numpy(model(b["input_ids"], b["attention_mask"])) for b in batches]
        )
    return predict_logits(model, data)


def alternating_latency(models: dict[str, Any], batch: int, rounds: int = 25) -> dict[str, float]:
    """Median milliseconds of each, one after the other in every round, so that a slow minute meets all."""
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            time.sleep(0.2)  # the threads of the one before still spin
            once = (
                onnx_latency
                if isinstance(model, OnnxClassifier)
                else lambda *a: measure_latency(*a)[0]
            )
            times[name].append(once(model, batch, 32, 0.1))
    return {name: median(values) for name, values in times.items()}


def measure(teacher: Teacher, settings: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """One row a sub-model and runtime: right or wrong on each test sentence, validation accuracy, speed, bytes."""
    student, tokenizer = trained(teacher, settings, seed)
    splits = {name: encode(load_reviews()[name], tokenizer, 64) for name in ("validation", "test")}
    teacher_bytes = sum(p.numel() * p.element_size() for p in teacher.model.parameters())
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        own = elastic_copy(teacher.model)
        onnx_teacher = OnnxClassifier(
            export_onnx(own, own.full_size(), Path(folder) / "teacher.onnx")
        )
        models = {"teacher torch float32": teacher.model, "teacher ONNX float32": onnx_teacher}
        for sub_model in sub_model_grid(settings["depths"], settings["widths"]):
            for runtime, (model, size) in contestants(student, Path(folder), sub_model).items():
                right = {
                    n: logits_of(model, d).argmax(-1) == torch.tensor(d.labels)
                    for n, d in splits.items()
                }
                row = {
                    "name": f"{sub_model.label} {runtime}",
                    "runtime": runtime,
                    "smaller": teacher_bytes / size,
                }
                row |= {
                    "validation": float(right["validation"].float().mean()),
                    "right": right["test"].int().tolist(),
                }
                rows.append(row)
                models[row["name"]] = model
        for batch in (1, 32):
            times = alternating_latency(models, batch)
            for row in rows:
                row[f"faster, batch {batch}"] = times["teacher torch float32"] / times[row["name"]]
                if "float32" in row["runtime"]:
                    row[SAME.format(batch)] = (
                        times[f"teacher {row['runtime']}"] / times[row["name"]]
                    )
    return rows


def interval(
    by_seed: list[list[int]], teacher_right: list[int], draws: int = 2000
) -> tuple[float, float, float]:
    """Share of the teacher's accuracy that is kept, with a paired bootstrap interval over sentences and seeds."""
    student, own = np.array(by_seed, float), np.array(teacher_right, float)
    random, kept = np.random.default_rng(0), []
    for _ in range(draws):
        sentences = random.integers(0, student.shape[1], student.shape[1])
        seeds = random.integers(0, len(student), len(student))
        kept.append(student[seeds][:, sentences].mean() / own[sentences].mean())
    low, high = np.quantile(kept, [0.025, 0.975])
    return float(student.mean() / own.mean()), float(low), float(high)


def summary(rows: list[list[dict[str, Any]]], teacher_right: list[int]) -> list[dict[str, Any]]:
    """Teacher, every sub-model over all seeds, then what validation chose among the fast and small enough."""
    over_seeds = {
        same[0]["name"]: _over_seeds(same, teacher_right) for same in zip(*rows, strict=True)
    }
    found: list[dict[str, Any]] = [
        {"name 名称": "teacher 教师", "accuracy (%)": 100 * mean(teacher_right)}
    ]
    found += [{"name 名称": name, **numbers} for name, numbers in over_seeds.items()]
    for name, goal in GOALS.items():
        # how fast and how large it is does not depend on the seed: means over all measurements decide who fits
        fits = [
            one
            for one, means in over_seeds.items()
            if all(means.get(c, 0) >= least for c, least in goal.items())
        ]
        able = [[row for row in of_seed if row["name"] in fits] for of_seed in rows if fits]
        chosen = [max(of_seed, key=lambda r: r["validation"]) for of_seed in able]
        if chosen:
            names = ", ".join(dict.fromkeys(r["name"] for r in chosen))
            found.append({"name 名称": f"{name}: {names}", **_over_seeds(chosen, teacher_right)})
        else:
            found.append({"name 名称": f"{name}: none 无"})
    return found


def _over_seeds(same: Any, teacher_right: list[int]) -> dict[str, float]:
    kept, low, high = interval([r["right"] for r in same], teacher_right)
    accuracy = mean(mean(r["right"]) for r in same)
    row = {
        "accuracy (%)": 100 * accuracy,
        "kept (%)": 100 * kept,
        "low": 100 * low,
        "high": 100 * high,
    }
    # what validation chose may have another runtime for each seed
    columns = [
        c
        for c in ("faster, batch 1", "faster, batch 32", "smaller", *SAME_RUNTIME)
        if all(c in r for r in same)
    ]
    return row | {column: mean(r[column] for r in same) for column in columns}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", nargs="*", type=int, help="train these only, and do not measure")
    parser.add_argument(
        "--stronger-teacher", action="store_true", help="every weight of the teacher is fine-tuned"
    )
    parser.add_argument(
        "--longer", action="store_true", help="the stronger teacher's, with more steps"
    )
    given = parser.parse_args()
    name, settings, option = "headline", HEADLINE, ""
    if given.stronger_teacher:
        name, settings, option = (
            "headline_stronger_teacher",
            HEADLINE_STRONGER,
            " --stronger-teacher",
        )
    if given.longer:
        name, settings, option = "headline_longer", HEADLINE_LONGER, " --longer"
    begin(1, demo=True)
    teacher = load_teacher(TeacherRecipe(**settings.get("teacher", {})))
    for seed in given.seeds or settings["seeds"]:
        trained(teacher, settings, seed)
    if not given.seeds:
        right = logits_of(teacher.model, teacher.data["test"]).argmax(-1) == torch.tensor(
            teacher.data["test"].labels
        )
        rows = [measure(teacher, settings, seed) for seed in settings["seeds"]]
        command = f"python benchmarks/headline.py{option}"
        devices = {
            (kept_in(settings, seed) / "done").read_text(encoding="utf-8")
            for seed in settings["seeds"]
        }
        path = write_record(
            name,
            command,
            settings,
            summary(rows, right.int().tolist()),
            trained_on=sorted(devices - {""}),
        )
        print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
