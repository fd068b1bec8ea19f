"""Milliseconds of a joint training step, from a plain loop to ours, one change at a time.

`python benchmarks/joint_step.py`. Every contestant trains the same sub-models on the same sentences by soft labels;
they take turns in every round. Prints a table with spread and writes outputs/benchmark-joint-step.json.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch

from tinybert_l import begin
from tinybert_l.cache import provenance, write_atomically
from tinybert_l.data import Encoded, Split, bucketed_batches, collate, encode, load_reviews
from tinybert_l.distillation import joint_loss, soft_cross_entropy
from tinybert_l.joint import sorted_by_importance
from tinybert_l.model import elastic_copy
from tinybert_l.submodels import SubModel
from tinybert_l.tables import console, rows_table
from tinybert_l.teacher import load_teacher, predict_logits
from tinybert_l.training import parameter_groups
from tinybert_l.vocabulary import prune_vocabulary

TEXTS, BATCH, ROUNDS, STEPS = 640, 32, 7, 3
SUB_MODELS = (SubModel(3, 0.5), SubModel(2, 0.5), SubModel(2, 0.25))
OUTPUT = Path("outputs/benchmark-joint-step.json")


class Contestant:
    """A student of its own, and its way of taking a step."""

    def __init__(self, parts: Any, bucketed: bool, fused: bool, cached: bool, pruned: bool) -> None:
        teacher, tokenizer, texts = parts
        self.teacher, self.student = teacher, elastic_copy(teacher)
        data = encode(texts, tokenizer, 64)
        self.logits = predict_logits(teacher, data) if cached else None
        if pruned:
            tokenizer = prune_vocabulary(self.student, tokenizer, load_reviews()["train"].texts, 12_000)
            data = encode(texts, tokenizer, 64)
        self.data, self.batches, self.step = data, batches(data, bucketed), 0
        self.optimizer = torch.optim.AdamW(parameter_groups(self.student, 0.01), lr=1e-4, fused=fused, foreach=False)

    def take(self) -> float:
        """One step; returns its loss."""
        rows = self.batches[self.step % len(self.batches)]
        self.step += 1
        batch = collate(self.data, rows)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        if self.logits is None:
            with torch.no_grad():
                target = self.teacher(**inputs).logits
        else:
            target = self.logits[rows]
        losses = [soft_cross_entropy(self.student(**inputs, sub_model=s).logits, target) for s in SUB_MODELS]
        loss = joint_loss(losses)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(loss.detach())


def batches(data: Encoded, bucketed: bool) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    if bucketed:
        return bucketed_batches([len(ids) for ids in data.token_ids], BATCH, generator)
    order = torch.randperm(len(data), generator=generator).tolist()
    return [order[i : i + BATCH] for i in range(0, len(order), BATCH)]


def timed(action: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    for _ in range(STEPS):
        action()
    return 1000 * (time.perf_counter() - begun) / STEPS


def compare(contestants: dict[str, Contestant]) -> list[dict[str, Any]]:
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for round_ in range(ROUNDS + 1):  # the first warms up
        for name, one in contestants.items():
            spent = timed(one.take)
            if round_:
                times[name].append(spent)
    first = median(next(iter(times.values())))
    return [row(name, values, first) for name, values in times.items()]


def row(name: str, values: Sequence[float], first: float) -> dict[str, Any]:
    low, _, high = quantiles(values, n=4)
    return {"name": name, "ms": median(values), "low": low, "high": high, "faster": first / median(values)}


def main() -> None:
    begin(1, demo=True)
    loaded = load_teacher()
    train = load_reviews()["train"]
    parts = (sorted_by_importance(loaded), loaded.tokenizer, Split(train.texts[:TEXTS], train.labels[:TEXTS]))
    changes = ("bucketed", "fused", "cached", "pruned")
    names = (
        "plain loop 朴素循环",
        "+ batches by length 按长度分批",
        "+ fused AdamW 融合优化器",
        "+ teacher's logits kept 缓存教师输出",
        "+ pruned vocabulary 裁剪词表",
    )
    contestants = {
        name: Contestant(parts, **{change: place < number for place, change in enumerate(changes)})
        for number, name in enumerate(names)
    }
    rows = compare(contestants)
    record = {"command": "python benchmarks/joint_step.py", "rows": rows, "sub_models": [s.name for s in SUB_MODELS]}
    write_atomically(OUTPUT, json.dumps(record | provenance(), indent=1, ensure_ascii=False))
    shown = [(r["name"], f"{r['ms']:.0f} ({r['low']:.0f}-{r['high']:.0f})", f"{r['faster']:.2f}") for r in rows]
    title = f"A joint step 一步联合训练: {', '.join(s.label for s in SUB_MODELS)}; batch {BATCH}"
    console().print(rows_table(title, ("", "ms, median (quartiles)", "times faster 倍"), shown))


if __name__ == "__main__":
    main()
