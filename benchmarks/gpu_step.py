"""Measure a joint training step on a CUDA GPU: `python benchmarks/gpu_step.py` (a minute).

From a plain loop to the library's own step, one change at a time, at the size of this course's
model and at BERT-base's. Weights and ids are random: speed does not depend on them. Printed too:
the share of the rate that the GPU reaches in large matrix products (float32 without TF32,
bfloat16).
"""

import sys
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from contest import Timing, contest, matrix_product_rate, report
from step_contest import Contestant, changes_so_far
from transformers import BertConfig

from tinybert_l import begin
from tinybert_l.course.rows import StepRow, TimedRow
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import extract
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.precision import autocast
from tinybert_l.submodels import SubModel

ROUNDS = 8
STEPS = 2  # a round
PRODUCT_SHAPE = (8192, 8192, 8192)
CHANGES = (
    "scaled_dot_product_attention",
    "bfloat16",
    "fused_adamw",
    "embeddings_once",
    "teacher_outputs_kept",
    "last_layer_first_token",
)


@dataclass(frozen=True)
class Size:
    """A model, the sub-models of a step, and its batch."""

    name: str
    config: dict[str, int]
    sub_models: tuple[SubModel, ...]
    batch: int
    length: int

    def describe(self) -> dict[str, Any]:
        names = [s.name for s in self.sub_models]
        return {"sub_models": names, "batch": self.batch, "length": self.length}


SIZES = (
    Size(
        "course",
        {
            "hidden_size": 384,
            "num_hidden_layers": 6,
            "num_attention_heads": 12,
            "intermediate_size": 1536,
        },
        (SubModel(6), SubModel(2, 0.25), SubModel(3, 0.5)),
        batch=32,
        length=32,
    ),
    Size("bert_base", {}, (SubModel(12), SubModel(4, 0.25), SubModel(6, 0.5)), 128, 128),
)


def contestant(
    size: Size, teacher: ElasticBertForSequenceClassification, changes: frozenset[str]
) -> Contestant:
    """Set up a student and its way of taking a step, always on the same batch."""
    ids = torch.randint(1000, 20_000, (size.batch, size.length), device="cuda")
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    rows = torch.arange(size.batch, device="cuda")
    contestant = Contestant(
        student=deepcopy(teacher).train(),
        teacher=teacher,
        sub_models=size.sub_models,
        changes=changes,
        next_batch=lambda: (inputs, rows),
        precision="bfloat16" if "bfloat16" in changes else "float32",
        learning_rate=1e-5,
        plain_attention="scaled_dot_product_attention" not in changes,
    )
    if "teacher_outputs_kept" in changes:
        with autocast(teacher.device, contestant.precision):
            contestant.teacher_logits = contestant.target(inputs, rows)
    return contestant


def step_flops(size: Size, contestant: Contestant) -> float:
    """The FLOPs of a step's matrix products; a backward pass costs two forward passes."""
    flops = 0
    for sub_model in size.sub_models:
        flops += 3 * count_flops(extract(contestant.teacher, sub_model), size.length)
    if contestant.teacher_logits is None:
        flops += count_flops(contestant.teacher, size.length)
    return size.batch * flops


def step_memory_gb(contestant: Contestant) -> float:
    """The gigabytes that a step takes beside weights, gradients and moments."""
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    contestant.step()
    return (torch.cuda.max_memory_allocated() - before) / 1e9


def step_row(
    size: Size, change: str, timing: Timing, contestant: Contestant, rates: dict[str, float]
) -> StepRow:
    """The row of a contestant; `rates` are those of matrix products, by precision."""
    milliseconds = timing.duration_ms.median
    share = None
    if "last_layer_first_token" not in contestant.changes:  # it leaves out some of the products
        rate = rates[contestant.precision]
        share = 100 * step_flops(size, contestant) / (milliseconds / 1000) / rate
    return StepRow(
        duration_ms=timing.duration_ms,
        times_faster=timing.times_faster,
        change=change,
        size=size.name,
        memory_gb=step_memory_gb(contestant),
        sub_model_examples_per_second=len(size.sub_models) * size.batch / milliseconds * 1000,
        gemm_share_percent=share,
    )


def compare(size: Size, rates: dict[str, float]) -> list[StepRow]:
    """Let all contestants of one size take steps in turns."""
    config = ElasticBertConfig(**{**BertConfig().to_dict(), **size.config})
    with torch.device("cuda"):
        teacher = ElasticBertForSequenceClassification(config).eval()
    contestants = {}
    for change, changes in changes_so_far(CHANGES).items():
        contestants[change] = contestant(size, teacher, changes)
    timings = contest({change: c.step for change, c in contestants.items()}, ROUNDS, STEPS)
    rows = []
    for change, timing in timings.items():
        rows.append(step_row(size, change, timing, contestants[change], rates))
    return rows


def main() -> None:
    if not torch.cuda.is_available():
        sys.exit(
            "gpu_step: torch finds no CUDA GPU here; benchmarks/joint_step.py measures the CPU's "
            "step. 没有GPU"
        )
    torch.set_float32_matmul_precision("highest")
    rates = {}
    for precision in ("float32", "bfloat16"):
        rates[precision] = matrix_product_rate(precision, PRODUCT_SHAPE, "cuda")
        print(f"{precision}: {rates[precision] / 1e12:.0f} TFLOP/s in matrix products")
    rows: list[TimedRow] = []
    for size in SIZES:
        rows += compare(size, rates)
        torch.cuda.empty_cache()
    report(
        "gpu_step",
        "gpu_step",
        rows,
        gpu=torch.cuda.get_device_name(),
        gemm_teraflops={precision: rate / 1e12 for precision, rate in rates.items()},
        sizes={size.name: size.describe() for size in SIZES},
    )


if __name__ == "__main__":
    begin(1, demo=True)
    main()
