"""What a BERT-base run on Wikipedia would take, by our own counters: `python tools/make_scale.py`.

Writes docs/explanation/scale.md. The rate that a step reaches is the one measured by
`python benchmarks/gpu_step.py --record`, at this size.
"""

import json
from pathlib import Path

from transformers import BertConfig

from tinybert_l import begin, flops, parameter_count
from tinybert_l.cache import write_atomically
from tinybert_l.course.records import RESULTS
from tinybert_l.exercises.lecture_03 import layer_map
from tinybert_l.submodels import SubModel

TOKENS = (
    2.5e9 * 1.3
)  # English Wikipedia: 2,500 M words (Devlin et al. 2019, section 3.1), about 1.3 pieces a word
LENGTH, PASSES, BATCH = 128, 3, 256
PEAKS = {"NVIDIA H200": 989e12, "NVIDIA A100": 312e12}  # bfloat16, in NVIDIA's data sheets
STEP = "BERT-base: + embeddings computed once 词嵌入只算一次"  # all that is ours but a teacher's kept outputs
SANDWICH = (SubModel(12), SubModel(4, 0.25), SubModel(6, 0.5))
TARGET = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "scale.md"


def flops_a_token(sub_model: SubModel) -> float:
    """Of a forward pass; a width keeps its share of heads and FFN neurons, so of every product."""
    layers = BertConfig(num_hidden_layers=sub_model.depth)
    return sub_model.width * flops(layers, LENGTH) / LENGTH


def step_table(record: dict) -> str:
    """What each change gives: milliseconds and times faster than the plain loop, at each size."""
    by_size: dict[str, dict[str, dict]] = {}
    for row in record["rows"]:
        size, _, change = row["name"].partition(": ")
        by_size.setdefault(change, {})[size] = row
    sizes = list(record["sizes"])

    def cell(row: dict) -> str:
        share = row.get("share of GEMM rate 占矩阵乘速率 (%)")
        return f"{row['ms']:.0f} | {row['faster']:.2f} | {'' if share is None else f'{share:.2g}'}"

    head = " | ".join(f"{size}: ms | times faster | % of GEMM rate" for size in sizes)
    lines = [f"| | {head} |", "|---" * (1 + 3 * len(sizes)) + "|"]
    for change, rows in by_size.items():
        lines.append(f"| {change} | {' | '.join(cell(rows[size]) for size in sizes)} |")
    return "\n".join(lines)


def page(record: dict) -> str:
    share = (
        next(row for row in record["rows"] if row["name"] == STEP)[
            "share of GEMM rate 占矩阵乘速率 (%)"
        ]
        / 100
    )
    gemm, gpu, at = (
        record["gemm_teraflops"]["bfloat16"],
        record["gpu"],
        record["sizes"]["BERT-base"],
    )
    reached = 1e12 * gemm * share
    teacher = flops_a_token(SubModel(12))
    students = 3 * sum(map(flops_a_token, SANDWICH))  # a backward pass costs two forward ones
    total = TOKENS * PASSES * (teacher + students)
    parameters = parameter_count(BertConfig())
    hours = {f"{gpu}, as measured": total / reached / 3600}
    for name, peak in PEAKS.items():
        if name != gpu:
            hours[f"{name}, if it reached the same share of its peak"] = (
                total / reached * PEAKS[gpu] / peak / 3600
            )
    kept = len({0, *layer_map(12, 12), *layer_map(6, 12), *layer_map(4, 12)})
    rows = "\n".join(f"| {name} | {h:,.0f} | {h / 8:,.0f} |" for name, h in hours.items())
    names = ", ".join(s.label for s in SANDWICH)
    return f"""# How far this scales

*Made by `python tools/make_scale.py` from our own counters and the speed of a step of this size on one GPU; the run itself was
not made.*

A joint run of BERT-base (teacher and supernet of 12 layers, hidden size 768) on English Wikipedia: {TOKENS / 1e9:.2f} billion
tokens ({TOKENS / 1.3e9:.1f} billion words: Devlin et al. 2019, section 3.1; 1.3 pieces a word is our assumption), {PASSES} passes, length
{LENGTH}; each step trains {names} and asks the teacher once.

| what | a token | whole run |
|---|---|---|
| teacher, forward | {teacher / 1e6:.0f} MFLOP | {TOKENS * PASSES * teacher:.2e} FLOP |
| sub-models, forward and backward | {students / 1e6:.0f} MFLOP | {TOKENS * PASSES * students:.2e} FLOP |
| together | {(teacher + students) / 1e6:.0f} MFLOP | {total:.2e} FLOP |

Such a step (batch {at["batch"]}, length {at["length"]}, random weights) took place on an {gpu} at {reached / 1e12:.0f} TFLOP/s, {100 * share:.0f} % of the {gemm:.0f} TFLOP/s
of that GPU's large matrix products in bfloat16 (`results/benchmarks/gpu_step.json`, {record["date"][:10]}; `python benchmarks/gpu_step.py`):

| GPU | hours on one | hours on eight, without the cost of adding gradients |
|---|---|---|
{rows}

Bytes: weights, gradients and AdamW's two moments in float32 take 16 bytes a parameter, {16 * parameters / 1e9:.2f} GB, and the teacher
{4 * parameters / 1e9:.2f} GB. Gradients are added once a step, whatever the number of sub-models: {4 * parameters / 1e9:.2f} GB a step between the
processes, {TOKENS * PASSES / (BATCH * LENGTH):,.0f} steps of {BATCH} texts. Keeping the teacher's hidden states ({kept} layers that are compared, bfloat16)
would take {TOKENS * kept * 768 * 2 / 1e12:.1f} TB: at this size the teacher runs live.

`accelerate launch -m tinybert_l.cli train` starts several processes; each takes its part of every batch, and the losses are those of
one process with the whole batch (`tests/method/test_processes.py`, two processes with gloo). A checkpoint goes on with any number of them.

## One step on a GPU

Training uses a CUDA GPU where torch finds one, and puts every model back where it was; `ACCELERATE_USE_CPU=1` keeps to the CPU. Other
accelerators, Apple's among them, are left alone: nobody has measured them. Latencies and file sizes are those of the CPU.

{step_table(record)}

Each row keeps what those above it brought; the rate is that of large products in the row's own precision. This course's model is too
small for such a GPU: it reaches a few percent of that rate at most, and bfloat16 does not help it. `precision="auto"` measures products
of the model's size, and decides.
"""


if __name__ == "__main__":
    begin(1, demo=True)
    write_atomically(
        TARGET,
        page(json.loads((RESULTS / "benchmarks" / "gpu_step.json").read_text(encoding="utf-8"))),
    )
    print(f"written: {TARGET}")
