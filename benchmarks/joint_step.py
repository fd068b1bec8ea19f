"""Measure a joint training step on the CPU: `python benchmarks/joint_step.py` (three minutes).

From a plain loop to the library's own step, one change at a time. Every contestant trains the same
sub-models on the same sentences by soft labels. The share of the machine's measured rate of matrix
products, and the memory of a run, are printed too.
"""

import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import mean
from typing import Any

import torch
from contest import Timing, contest, matrix_product_rate, report
from step_contest import Batch, Contestant, changes_so_far

from tinybert_l import begin
from tinybert_l.course.experiments import alone, open_bench, short_run
from tinybert_l.course.rows import StepRow, TimedRow
from tinybert_l.method.data import Encoded, Split, bucketed_batches, collate, encode, load_reviews
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.joint import sorted_by_importance
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.precision import measured_precision
from tinybert_l.method.teacher import load_teacher, predict_logits
from tinybert_l.method.vocabulary import prune_vocabulary
from tinybert_l.submodels import SubModel

TEXTS = 640
BATCH = 32
ROUNDS = 4
STEPS = 2  # a round
LENGTH = 64  # tokens at most
MEMORY_STEPS = 12  # a whole run meets more long batches, and takes somewhat more
SUB_MODELS = (SubModel(6), SubModel(3, 0.5), SubModel(2, 0.25))
CHANGES = (
    "batches_by_length",
    "fused_adamw",
    "teacher_outputs_kept",
    "embeddings_once",
    "measured_precision",
    "pruned_vocabulary",
    "last_layer_first_token",
)


def contestant(
    teacher: ElasticBertForSequenceClassification,
    tokenizer: Any,
    texts: Split,
    changes: frozenset[str],
) -> Contestant:
    """Set up a student and its way of taking a step."""
    student = elastic_copy(teacher)
    data = encode(texts, tokenizer, LENGTH)
    logits = None
    if "teacher_outputs_kept" in changes:
        logits = predict_logits(teacher, data)
    if "pruned_vocabulary" in changes:
        corpus = load_reviews()["train"].texts
        data = encode(texts, prune_vocabulary(student, tokenizer, corpus, 12_000), LENGTH)
    precision = "float32"
    if "measured_precision" in changes:
        precision = measured_precision()
    return Contestant(
        student=student,
        teacher=teacher,
        sub_models=SUB_MODELS,
        changes=changes,
        next_batch=batches_of(data, "batches_by_length" in changes),
        precision=precision,
        learning_rate=1e-4,
        teacher_logits=logits,
    )


def batches_of(data: Encoded, by_length: bool) -> Callable[[], Batch]:
    """A function that gives one batch after the other, again and again."""
    generator = torch.Generator().manual_seed(0)
    if by_length:
        lengths = [len(ids) for ids in data.token_ids]
        batches = bucketed_batches(lengths, BATCH, generator)
    else:
        order = torch.randperm(len(data), generator=generator).tolist()
        batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    position = -1

    def next_batch() -> Batch:
        nonlocal position
        position = (position + 1) % len(batches)
        rows = batches[position]
        batch = collate(data, rows)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return inputs, torch.tensor(rows)

    return next_batch


def step_row(change: str, timing: Timing, contestant: Contestant, flops: float) -> StepRow:
    """The row of a contestant; `flops` are those of its step."""
    share = None
    if "last_layer_first_token" not in contestant.changes:  # it leaves out some of the products
        rate = matrix_product_rate(contestant.precision)
        share = 100 * flops / (timing.duration_ms.median / 1000) / rate
    return StepRow(
        duration_ms=timing.duration_ms,
        times_faster=timing.times_faster,
        change=change,
        loss=mean(contestant.losses[-ROUNDS:]),
        gemm_share_percent=share,
    )


def peak_memory_mb(kind: str) -> float:
    """Measure the most memory of a process that takes `MEMORY_STEPS` steps of the default recipe.

    Args:
        kind: "joint", or "alone" for the largest sub-model by itself.
    """
    command = [sys.executable, __file__, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def train_and_print_memory(kind: str) -> None:
    """Take the steps that `peak_memory_mb` measures, in this process."""
    setup = open_bench()
    recipe = replace(setup.recipe, num_steps=MEMORY_STEPS, batch_size=BATCH)
    short_run(setup, recipe if kind == "joint" else alone(recipe, SubModel(6)))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


def main() -> None:
    # first, since a process hands its own peak on to those that it starts
    memory = {kind: peak_memory_mb(kind) for kind in ("joint", "alone")}
    loaded = load_teacher()
    teacher = sorted_by_importance(loaded)
    texts = load_reviews()["train"].head(TEXTS)
    new_contestant = partial(contestant, teacher, loaded.tokenizer, texts)
    contestants = {}
    for change, changes in changes_so_far(CHANGES).items():
        contestants[change] = new_contestant(changes)
    timings = contest({change: c.step for change, c in contestants.items()}, ROUNDS, STEPS)
    length = round(mean(map(len, encode(texts, loaded.tokenizer, LENGTH).token_ids)))
    flops = 3 * BATCH * sum(count_flops(extract(teacher, s), length) for s in SUB_MODELS)
    rows: list[TimedRow] = []
    for change, timing in timings.items():
        rows.append(step_row(change, timing, contestants[change], flops))
    report(
        "joint_step",
        "joint_step",
        rows,
        sub_models=[s.name for s in SUB_MODELS],
        batch=BATCH,
        peak_memory_mb=memory,
        memory_steps=MEMORY_STEPS,
    )
    joint, largest = (f"{memory[kind]:.0f} MB" for kind in ("joint", "alone"))
    print(f"peak memory in {MEMORY_STEPS} steps 峰值内存: joint {joint}, largest alone {largest}")


if __name__ == "__main__":
    begin(1, demo=True)
    if sys.argv[1:] in (["joint"], ["alone"]):
        train_and_print_memory(sys.argv[1])
    else:
        main()
