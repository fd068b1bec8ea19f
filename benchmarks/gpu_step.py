"""Milliseconds of a joint training step on a GPU, from a plain loop to ours: `python benchmarks/gpu_step.py`.

Takes a minute. At the size of this course's model and at BERT-base's; random weights and ids: speed does not depend on
them. Printed too: the share of the rate that the GPU reaches in large matrix products (float32 without TF32, bfloat16).
"""

import sys
import time
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from contest import Row, contest, report
from transformers import BertConfig

from tinybert_l import begin
from tinybert_l.exercises.lecture_01 import soft_cross_entropy
from tinybert_l.exercises.lecture_02 import joint_loss
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import extract
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.training import autocast, parameter_groups
from tinybert_l.submodels import SubModel

ROUNDS, STEPS = 8, 2
SHARE = "share of GEMM rate 占矩阵乘速率 (%)"
MEMORY = "memory of a step 一步所用显存 (GB)"
EXAMPLES = "sub-models·examples/s 子模型·样本/秒"
EXTRA = (SHARE, MEMORY, EXAMPLES)
CHANGES = {
    "sdpa": "+ scaled dot-product attention 融合注意力",
    "bfloat16": "+ bfloat16",
    "fused": "+ fused AdamW 融合优化器",
    "shared": "+ embeddings computed once 词嵌入只算一次",
    "kept": "+ teacher's outputs kept 缓存教师输出",
    "first": "+ last layer for [CLS] alone 末层只算[CLS]",
}


@dataclass(frozen=True)
class Size:
    """A model, the sub-models of a step, and its batch."""

    name: str
    config: dict[str, int]
    sub_models: tuple[SubModel, ...]
    batch: int
    length: int

    def describe(self) -> dict[str, Any]:
        return {
            "sub_models": [s.name for s in self.sub_models],
            "batch": self.batch,
            "length": self.length,
        }


SIZES = (
    Size(
        "this course's model",
        {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
        (SubModel(6), SubModel(2, 0.25), SubModel(3, 0.5)), 32, 32,
    ),
    Size("BERT-base", {}, (SubModel(12), SubModel(4, 0.25), SubModel(6, 0.5)), 128, 128),
)  # fmt: skip


class Contestant:
    """A student of its own, and its way of taking a step: the first so many of `CHANGES`."""

    def __init__(
        self, size: Size, teacher: ElasticBertForSequenceClassification, changes: int
    ) -> None:
        self.size, self.teacher, self.has = size, teacher, set(list(CHANGES)[:changes])
        self.precision = "bfloat16" if "bfloat16" in self.has else "float32"
        self.student = deepcopy(teacher).train()
        self.ids = torch.randint(1000, 20_000, (size.batch, size.length), device="cuda")
        self.mask = torch.ones_like(self.ids)
        self.kept = self.ask_teacher().float() if "kept" in self.has else None
        groups = parameter_groups(self.student, 0.01)
        self.optimizer = torch.optim.AdamW(
            groups, lr=1e-5, fused="fused" in self.has, foreach=False
        )

    @torch.no_grad()
    def ask_teacher(self) -> torch.Tensor:
        with autocast(self.teacher.device, self.precision):
            return self.teacher(
                self.ids, self.mask, output_attention_scores="sdpa" not in self.has
            ).logits

    def step(self) -> None:
        target = (self.ask_teacher() if self.kept is None else self.kept).float()
        inputs = {
            "input_ids": self.ids,
            "attention_mask": self.mask,
            "only_first": "first" in self.has,
        }
        inputs["output_attention_scores"] = "sdpa" not in self.has
        with autocast(self.student.device, self.precision):
            if "shared" in self.has:
                inputs["embedded"] = self.student.bert.embeddings(self.ids)
            logits = [self.student(**inputs, sub_model=s).logits for s in self.size.sub_models]
        loss = joint_loss([soft_cross_entropy(one.float(), target) for one in logits])
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        torch.cuda.synchronize()

    def flops(self) -> float:
        """Of the matrix products of a step; a backward pass costs two forward ones."""
        of = [
            3 * count_flops(extract(self.teacher, s), self.size.length)
            for s in self.size.sub_models
        ]
        return self.size.batch * (
            sum(of) + (count_flops(self.teacher, self.size.length) if self.kept is None else 0)
        )

    def memory(self) -> float:
        """Gigabytes that a step takes beside weights, gradients and moments."""
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        self.step()
        return (torch.cuda.max_memory_allocated() - before) / 1e9


def gpu_gemm_rate(precision: str, size: int = 8192, repeats: int = 10) -> float:
    """Operations a second of the GPU's large matrix products."""
    left = torch.randn(size, size, device="cuda", dtype=getattr(torch, precision))
    best = float("inf")
    for _ in range(repeats):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        left @ left
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begun)
    return 2 * size**3 / best


def compare(size: Size, rates: dict[str, float]) -> list[Row]:
    config = ElasticBertConfig(**{**BertConfig().to_dict(), **size.config})
    with torch.device("cuda"):
        teacher = ElasticBertForSequenceClassification(config).eval()
    names = ["plain loop 朴素循环", *CHANGES.values()]
    contestants = [Contestant(size, teacher, number) for number in range(len(names))]
    rows = contest(
        {f"{size.name}: {n}": c.step for n, c in zip(names, contestants, strict=True)},
        ROUNDS,
        STEPS,
    )
    for row, one in zip(rows, contestants, strict=True):
        row[MEMORY] = one.memory()
        row[EXAMPLES] = len(size.sub_models) * size.batch / row["ms"] * 1000
        if "first" not in one.has:  # which leaves out products that `flops` counts
            row[SHARE] = 100 * one.flops() / (row["ms"] / 1000) / rates[one.precision]
    return rows


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit(
            "gpu_step: torch finds no CUDA GPU here; benchmarks/joint_step.py measures the CPU's step. 没有GPU"
        )
    torch.set_float32_matmul_precision("highest")
    rates = {precision: gpu_gemm_rate(precision) for precision in ("float32", "bfloat16")}
    rows: list[Row] = []
    for size in SIZES:
        rows += compare(size, rates)
        torch.cuda.empty_cache()
    gpu = torch.cuda.get_device_name()
    teraflops = {precision: rate / 1e12 for precision, rate in rates.items()}
    sizes = {size.name: size.describe() for size in SIZES}
    title = f"A joint step on {gpu} 一步联合训练"
    report("gpu_step", title, rows, EXTRA, gpu=gpu, gemm_teraflops=teraflops, sizes=sizes)
    print(
        ", ".join(
            f"{precision}: {rate:.0f} TFLOP/s in matrix products"
            for precision, rate in teraflops.items()
        )
    )


if __name__ == "__main__":
    begin(1, demo=True)
    main()
