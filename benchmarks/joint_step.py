"""Milliseconds of a joint training step, from a plain loop to ours, one change at a time.

`python benchmarks/joint_step.py` (three minutes). Every contestant trains the same sub-models on the same sentences by
soft labels. The share of the machine's measured rate of matrix products, and the memory of a run, are printed too.
"""

import resource
import subprocess
import sys
from statistics import mean
from typing import Any

import torch
from contest import contest, gemm_rate, report

from tinybert_l import begin
from tinybert_l.exercises.lecture_01 import soft_cross_entropy
from tinybert_l.exercises.lecture_02 import joint_loss
from tinybert_l.method.data import Encoded, Split, bucketed_batches, collate, encode, load_reviews
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.joint import sorted_by_importance
from tinybert_l.method.teacher import load_teacher, predict_logits
from tinybert_l.method.training import autocast, measured_precision, parameter_groups
from tinybert_l.method.vocabulary import prune_vocabulary
from tinybert_l.submodels import SubModel

TEXTS, BATCH, ROUNDS, STEPS = 640, 32, 4, 2
MEMORY_STEPS = 12  # a whole run meets more long batches, and takes somewhat more
SUB_MODELS = (SubModel(6), SubModel(3, 0.5), SubModel(2, 0.25))
CHANGES = {
    "by length": "+ batches by length 按长度分批",
    "fused": "+ fused AdamW 融合优化器",
    "kept": "+ teacher's outputs kept 缓存教师输出",
    "shared": "+ embeddings computed once 词嵌入只算一次",
    "precision": "+ precision as measured 实测更快的精度",
    "pruned": "+ pruned vocabulary 裁剪词表",
    "first": "+ last layer for [CLS] alone 末层只算[CLS]",
}


class Contestant:
    """A student of its own, and its way of taking a step: the first so many of `CHANGES`."""

    def __init__(self, parts: Any, changes: int) -> None:
        teacher, tokenizer, texts = parts
        self.has = set(list(CHANGES)[:changes])
        self.teacher, self.student = teacher, elastic_copy(teacher)
        data = encode(texts, tokenizer, 64)
        self.logits = predict_logits(teacher, data) if "kept" in self.has else None
        if "pruned" in self.has:
            tokenizer = prune_vocabulary(
                self.student, tokenizer, load_reviews()["train"].texts, 12_000
            )
            data = encode(texts, tokenizer, 64)
        self.data, self.batches, self.losses = (
            data,
            batches(data, "by length" in self.has),
            list[float](),
        )
        self.precision = measured_precision() if "precision" in self.has else "float32"
        groups = parameter_groups(self.student, 0.01)
        self.optimizer = torch.optim.AdamW(
            groups, lr=1e-4, fused="fused" in self.has, foreach=False
        )

    def step(self) -> None:
        rows = self.batches[len(self.losses) % len(self.batches)]
        batch = collate(self.data, rows)
        inputs: dict[str, Any] = {name: batch[name] for name in ("input_ids", "attention_mask")}
        with autocast(self.student.device, self.precision):
            target = self.target(inputs, rows)
            if "shared" in self.has:
                inputs["embedded"] = self.student.bert.embeddings(inputs["input_ids"])
            inputs["only_first"] = "first" in self.has
            outputs = [self.student(**inputs, sub_model=s) for s in SUB_MODELS]
            loss = joint_loss(
                [soft_cross_entropy(output.logits.float(), target) for output in outputs]
            )
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses.append(float(loss.detach()))

    @torch.no_grad()
    def target(self, inputs: dict[str, torch.Tensor], rows: list[int]) -> torch.Tensor:
        return self.teacher(**inputs).logits if self.logits is None else self.logits[rows]


def batches(data: Encoded, by_length: bool) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    if by_length:
        return bucketed_batches([len(ids) for ids in data.token_ids], BATCH, generator)
    order = torch.randperm(len(data), generator=generator).tolist()
    return [order[i : i + BATCH] for i in range(0, len(order), BATCH)]


def peak_memory(kind: str) -> float:
    """Megabytes that `MEMORY_STEPS` of the default recipe take at most: "joint", or "alone": the largest by itself."""
    done = subprocess.run(
        [sys.executable, __file__, kind], capture_output=True, text=True, check=True
    )
    return float(done.stdout.splitlines()[-1])


def run_and_tell_memory(kind: str) -> None:
    from dataclasses import replace

    from tinybert_l.course.experiments import alone, open_bench, short_run

    bench = open_bench()
    recipe = replace(bench.recipe, num_steps=MEMORY_STEPS, batch_size=32)
    short_run(bench, recipe if kind == "joint" else alone(recipe, SubModel(6)))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


def main() -> None:
    # first, since a process hands its own peak on to those that it starts
    memory = {kind: peak_memory(kind) for kind in ("joint", "alone")}
    loaded, train = load_teacher(), load_reviews()["train"]
    parts = (
        sorted_by_importance(loaded),
        loaded.tokenizer,
        Split(train.texts[:TEXTS], train.labels[:TEXTS]),
    )
    names = ["plain loop 朴素循环", *CHANGES.values()]
    contestants = {name: Contestant(parts, number) for number, name in enumerate(names)}
    rows = contest({name: one.step for name, one in contestants.items()}, ROUNDS, STEPS)
    length = mean(len(ids) for ids in contestants[names[1]].data.token_ids)
    flops = 3 * BATCH * sum(count_flops(extract(parts[0], s), round(length)) for s in SUB_MODELS)
    for row, one in zip(rows, contestants.values(), strict=True):
        row["loss 损失"] = mean(one.losses[-ROUNDS:])
        if "first" not in one.has:  # which leaves out products that `flops` counts
            row["share of GEMM rate 占矩阵乘速率 (%)"] = (
                100 * flops / (row["ms"] / 1000) / gemm_rate(one.precision)
            )
    title = f"A joint step 一步联合训练: {', '.join(s.label for s in SUB_MODELS)}; batch {BATCH}"
    extra = ("loss 损失", "share of GEMM rate 占矩阵乘速率 (%)")
    record = {
        "sub_models": [s.name for s in SUB_MODELS],
        "peak_memory_mb": memory,
        "memory_steps": MEMORY_STEPS,
    }
    report("joint_step", title, rows, extra, **record)
    both = (f"joint {memory['joint']:.0f} MB", f"the largest alone {memory['alone']:.0f} MB")
    print(f"peak memory in {MEMORY_STEPS} steps 峰值内存: {', '.join(both)}")


if __name__ == "__main__":
    begin(1, demo=True)
    run_and_tell_memory(sys.argv[1]) if sys.argv[1:] in (["joint"], ["alone"]) else main()
