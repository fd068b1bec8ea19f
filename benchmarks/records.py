"""Long runs whose results the lectures show as records: `python benchmarks/records.py NAME`, for NAME below.

joint_against_separate  one joint run against three separate ones, paired by seed (table 2)
training_methods        five ways to a small model (table 6)

Each seed's rows are kept under outputs/records/ as soon as they are there, so a killed run goes on.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from tinybert_l import begin, experiments
from tinybert_l.cache import recipe_hash, write_atomically
from tinybert_l.experiments import Bench, alone, fidelity, first, label_run, open_bench, short_run
from tinybert_l.joint import JointRecipe
from tinybert_l.model import elastic_copy
from tinybert_l.records import write_record
from tinybert_l.submodels import SubModel
from tinybert_l.teacher import load_teacher, predict_logits

OUTPUT = Path("outputs/records")


def long_bench(settings: dict[str, Any]) -> Bench:
    """The lectures' bench with more steps, and with all validation and test sentences held out."""
    bench = open_bench()
    test = load_teacher().data["test"]
    recipe = JointRecipe(num_steps=settings["num_steps"], batch_size=settings["batch_size"], checkpoint_every=10_000)
    held_out = first(test, len(test))
    return replace(bench, recipe=recipe, held_out=held_out, teacher_logits=predict_logits(bench.teacher, held_out))


def joint_against_separate(bench: Bench, seed: int, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of one seed: sub-model, accuracy and seconds, joint and separate."""
    recipe = replace(bench.recipe, seed=seed)
    together = short_run(bench, recipe)
    rows = []
    for s in map(SubModel.parse, settings["sub_models"]):
        single = short_run(bench, alone(recipe, s))
        both = (fidelity(bench, together.model, s)["accuracy"], fidelity(bench, single.model, s)["accuracy"])
        rows.append({"name": s.label, "joint": both[0], "separate": both[1], "difference": both[0] - both[1]})
        rows[-1] |= {"joint seconds": together.seconds, "separate seconds": single.seconds}
    return rows


def training_methods(bench: Bench, seed: int, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of one seed: method, accuracy of the small sub-model, seconds."""
    small, recipe = SubModel.parse(settings["sub_model"]), replace(bench.recipe, seed=seed)
    one = alone(recipe, small)
    logits_only = replace(one, hidden_weight=0, attention_weight=0, embedding_weight=0)
    inner_only = {"soft_label_weight": 0.0, "self_distillation": False}

    def two_stages(stage: JointRecipe) -> Any:
        student = elastic_copy(bench.teacher)
        seconds = 0.0
        for part in (replace(stage, **inner_only), stage):
            run = short_run(bench, part, student)
            student, seconds = run.model, seconds + run.seconds
        return replace(run, seconds=seconds)

    methods: dict[str, Callable[[], Any]] = {
        "fine-tune a small model 微调小模型": lambda: label_run(bench, small, recipe),
        "distil logits only 只蒸馏logits": lambda: short_run(bench, logits_only),
        "TinyBERT, two stages 两阶段": lambda: two_stages(one),
        "joint fine-tuning 联合微调": lambda: short_run(bench, recipe),
        "joint, two stages 联合两阶段": lambda: two_stages(recipe),
    }
    rows = []
    for name, method in methods.items():
        run = method()
        rows.append({"name": name, **fidelity(bench, run.model, small), "seconds": run.seconds})
    return rows


JOBS: dict[str, tuple[Callable[..., list[dict[str, Any]]], dict[str, Any]]] = {
    "joint_against_separate": (joint_against_separate, experiments.LONG_JOINT),
    "training_methods": (training_methods, experiments.LONG_METHODS),
}


def run(name: str) -> Path:
    """Run all seeds of a job, or those that are missing, and write its record."""
    job, settings = JOBS[name]
    bench, rows = None, []
    for seed in settings["seeds"]:
        kept = OUTPUT / f"{name}-{recipe_hash(settings)}-{seed}.json"
        if not kept.is_file():
            bench = bench or long_bench(settings)
            write_atomically(kept, json.dumps(job(bench, seed, settings), ensure_ascii=False))
        rows += json.loads(kept.read_text(encoding="utf-8"))
    summary = []
    for row_name in dict.fromkeys(row["name"] for row in rows):
        group = [row for row in rows if row["name"] == row_name]
        summary.append({"name 名称": row_name})
        # seconds depend on what else the machine does; cost is compared by FLOPs, in the notebooks
        for column in (c for c in group[0] if c != "name" and "seconds" not in c):
            values = [row[column] for row in group]
            summary[-1] |= {column: mean(values), f"{column} ± (sd over seeds)": stdev(values)}
    return write_record(name, f"python benchmarks/records.py {name}", settings, summary)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in JOBS:
        sys.exit(f"{__doc__}\nGiven: {sys.argv[1:]}; allowed: one of {', '.join(JOBS)}.")
    begin(1, demo=True)
    print(run(sys.argv[1]))
