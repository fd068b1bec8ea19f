"""Write docs/explanation/scale.md, what BERT-base would take: `python tools/make_scale.py`.

Counts a joint run on Wikipedia by our own counters. The rate that a step reaches is the one that
`python benchmarks/gpu_step.py --record` has measured, at this size.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from transformers import BertConfig

from tinybert_l import begin, flops, parameter_count
from tinybert_l.cache import write_atomically
from tinybert_l.course import captions
from tinybert_l.course.records import Record, benchmark_names, read_benchmark
from tinybert_l.course.rows import ShardsRow, StepRow, WorkersRow
from tinybert_l.exercises.lecture_03 import layer_map
from tinybert_l.submodels import SubModel

# English Wikipedia: 2,500 M words (Devlin et al. 2019, section 3.1), about 1.3 pieces a word
TOKENS = 2.5e9 * 1.3
LENGTH = 128
PASSES = 3
BATCH = 256
PEAKS = {"NVIDIA H200": 989e12, "NVIDIA A100": 312e12}  # bfloat16, in NVIDIA's data sheets
SIZE = "bert_base"
CHANGE = "embeddings_once"  # all changes but those that need kept outputs of the teacher
SANDWICH = (SubModel(12), SubModel(4, 0.25), SubModel(6, 0.5))
TARGET = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "scale.md"


def flops_per_token(sub_model: SubModel) -> float:
    """Count a forward pass; a width keeps its share of heads and neurons, so of every product."""
    layers = BertConfig(num_hidden_layers=sub_model.depth)
    return sub_model.width * flops(layers, LENGTH) / LENGTH


def step_rows(record: Record) -> list[StepRow]:
    """The rows of the benchmark, in their order."""
    return [row for row in record.rows if isinstance(row, StepRow)]


def step_table(record: Record) -> str:
    """Show the gain of each change at each size, in Markdown."""
    by_change: dict[str, dict[str | None, StepRow]] = {}
    for row in step_rows(record):
        by_change.setdefault(row.change, {})[row.size] = row
    sizes = list(record.details["sizes"])
    heads = []
    for size in sizes:
        heads.append(f"{captions.caption('size', size)}: ms | times faster | % of GEMM rate")
    lines = [f"| | {' | '.join(heads)} |", "|---" * (1 + 3 * len(sizes)) + "|"]
    for change, by_size in by_change.items():
        cells = " | ".join(step_cells(by_size[size]) for size in sizes)
        lines.append(f"| {captions.caption('change', change)} | {cells} |")
    return "\n".join(lines)


def step_cells(row: StepRow) -> str:
    """The three cells of a size: milliseconds, times faster, share of the rate of products."""
    share = "" if row.gemm_share_percent is None else f"{row.gemm_share_percent:.2g}"
    return f"{row.duration_ms.median:.0f} | {row.times_faster:.2f} | {share}"


def page(record: Record) -> str:
    """Write the page from the benchmark's record and our counters."""
    rows = step_rows(record)
    (row,) = [row for row in rows if row.size == SIZE and row.change == CHANGE]
    share = (row.gemm_share_percent or 0.0) / 100
    gemm_teraflops = record.details["gemm_teraflops"]["bfloat16"]
    rate = 1e12 * gemm_teraflops * share
    teacher = flops_per_token(SubModel(12))
    students = 3 * sum(map(flops_per_token, SANDWICH))  # a backward pass costs two forward passes
    total = TOKENS * PASSES * (teacher + students)
    compared_layers = len({0, *layer_map(12, 12), *layer_map(6, 12), *layer_map(4, 12)})
    parameters = parameter_count(BertConfig())
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(PAGE).render(
        tokens=f"{TOKENS / 1e9:.2f}",
        words=f"{TOKENS / 1.3e9:.1f}",
        passes=PASSES,
        length=LENGTH,
        batch=BATCH,
        sub_models=", ".join(s.label for s in SANDWICH),
        costs=cost_table(teacher, students),
        measured=record.details["sizes"][SIZE],
        gpu=record.details["gpu"],
        teraflops=f"{rate / 1e12:.0f}",
        share=f"{100 * share:.0f}",
        gemm_teraflops=f"{gemm_teraflops:.0f}",
        day=record.day,
        hours=hours_table(record.details["gpu"], total / rate / 3600),
        training_gb=f"{16 * parameters / 1e9:.2f}",
        model_gb=f"{4 * parameters / 1e9:.2f}",
        steps=f"{TOKENS * PASSES / (BATCH * LENGTH):,.0f}",
        layers=compared_layers,
        states_tb=f"{TOKENS * compared_layers * 768 * 2 / 1e12:.1f}",
        step_table=step_table(record),
        on_disk=on_disk(),
        by_workers=by_workers(),
    )


def on_disk() -> str:
    """Say what a run from outputs on disk took; without a record, how it is measured."""
    words = [
        "**More texts than memory holds.** `keep_in_shards` keeps a teacher's outputs on disk, a",
        "shard for each part of the texts, and `TokenFile` the texts; a batch reads its own rows.",
    ]
    if "scale_memory" not in benchmark_names():
        return "\n".join(
            [*words, "Not recorded yet: `python benchmarks/scale.py memory --record`."]
        )
    record = read_benchmark("scale_memory")
    for row in record.rows:
        assert isinstance(row, ShardsRow)
        words += [
            f"A run from {row.texts:,} synthetic texts ({row.gigabytes:.1f} GB on disk, states of",
            f"{record.details['hidden']} numbers) took at most {row.peak_gigabytes:.2f} GB,",
            f"torch itself included ({record.day}; `python benchmarks/scale.py memory`).",
        ]
    return "\n".join(words)


def by_workers() -> str:
    """Show the same work by one process and by two; without a record, how it is measured."""
    command = "python benchmarks/scale.py workers"
    if "scale_workers" not in benchmark_names():
        return (
            "**Processes, one and two** (training by Accelerate, grading by Dask) are not recorded "
            f"yet:\n`{command} --record`."
        )
    record = read_benchmark("scale_workers")
    lines = [
        f"**Processes, one and two**, their start included ({record.day}, {record.details['cpu']},",
        f"{record.machine['cores']} cores, load before {record.details['load']}; `{command}`):",
        "",
        "| work | processes | s | times faster than one |",
        "|---|---|---|---|",
    ]
    for row in record.rows:
        assert isinstance(row, WorkersRow)
        work = captions.caption("work", row.work)
        seconds = row.duration_ms.median / 1000
        lines.append(f"| {work} | {row.workers} | {seconds:.1f} | {row.times_faster:.2f} |")
    return "\n".join(lines)


def cost_table(teacher: float, students: float) -> str:
    """The FLOPs of teacher and sub-models, a token and in the whole run, in Markdown."""
    costs = {
        "teacher, forward": teacher,
        "sub-models, forward and backward": students,
        "together": teacher + students,
    }
    lines = ["| what | a token | whole run |", "|---|---|---|"]
    for name, cost in costs.items():
        whole = TOKENS * PASSES * cost
        lines.append(f"| {name} | {cost / 1e6:.0f} MFLOP | {whole:.2e} FLOP |")
    return "\n".join(lines)


def hours_table(gpu: str, hours: float) -> str:
    """The hours of the run on the GPU that was measured, and on others by their peaks."""
    by_gpu: dict[str, Any] = {f"{gpu}, as measured": hours}
    for name, peak in PEAKS.items():
        if name != gpu:
            words = f"{name}, if it reached the same share of its peak"
            by_gpu[words] = hours * PEAKS[gpu] / peak
    lines = [
        "| GPU | hours on one | hours on eight, without the cost of adding gradients |",
        "|---|---|---|",
    ]
    for name, value in by_gpu.items():
        lines.append(f"| {name} | {value:,.0f} | {value / 8:,.0f} |")
    return "\n".join(lines)


PAGE = """\
# How far this scales

*Made by `python tools/make_scale.py` from our own counters and the speed of a step of this size on
one GPU; the run itself was not made.*

A joint run of BERT-base (teacher and supernet of 12 layers, hidden size 768) on English Wikipedia:
{{ tokens }} billion tokens ({{ words }} billion words: Devlin et al. 2019, section 3.1; 1.3 pieces
a word is our assumption), {{ passes }} passes, length {{ length }}; each step trains
{{ sub_models }} and asks the teacher once.

{{ costs }}

Such a step (batch {{ measured.batch }}, length {{ measured.length }}, random weights) took place on
an {{ gpu }} at {{ teraflops }} TFLOP/s, {{ share }} % of the {{ gemm_teraflops }} TFLOP/s of that
GPU's large matrix products in bfloat16 (`results/benchmarks/gpu_step.json`, {{ day }};
`python benchmarks/gpu_step.py`):

{{ hours }}

Bytes: weights, gradients and AdamW's two moments in float32 take 16 bytes a parameter,
{{ training_gb }} GB, and the teacher {{ model_gb }} GB. Gradients are added once a step, whatever
the number of sub-models: {{ model_gb }} GB a step between the processes, {{ steps }} steps of
{{ batch }} texts. Keeping the teacher's hidden states ({{ layers }} layers that are compared,
bfloat16) would take {{ states_tb }} TB: at this size the teacher runs live.

`torchrun --nproc-per-node 2 -m tinybert_l.cli train` starts two processes (`accelerate launch` does
so on GPUs alone); each takes its part of every batch, and the losses are those of one process with
the whole batch (`tests/method/test_processes.py`, two processes with gloo). A checkpoint goes on
with any number of them.

{{ on_disk }}

{{ by_workers }}

The row of joint training with two processes is not valid: it was recorded through
`accelerate launch`, which had started one. The command above measures it anew, by `torchrun`.

## One step on a GPU

Training uses a CUDA GPU where torch finds one, and puts every model back where it was;
`ACCELERATE_USE_CPU=1` keeps to the CPU. Other accelerators, Apple's among them, are left alone:
nobody has measured them. Latencies and file sizes are those of the CPU.

{{ step_table }}

Each row keeps what those above it brought; the rate is that of large products in the row's own
precision. This course's model is too small for such a GPU: it reaches a few percent of that rate at
most, and bfloat16 does not help it. `precision="auto"` measures products of the model's size, and
decides.
"""


if __name__ == "__main__":
    begin(1, demo=True)
    write_atomically(TARGET, page(read_benchmark("gpu_step")))
    print(f"written: {TARGET}")
