"""What a BERT-base run on Wikipedia would take, by our own counters: `python tools/make_scale.py`.

Writes docs/explanation/scale.md. The share of a machine's matrix-product rate that a step reaches is the one measured by
`python benchmarks/joint_step.py --record`.
"""

import json
from pathlib import Path

from transformers import BertConfig

from tinybert_l import begin, flops, parameter_count
from tinybert_l.cache import write_atomically
from tinybert_l.distillation import layer_map
from tinybert_l.records import RESULTS
from tinybert_l.submodels import SubModel

TOKENS = 2.5e9 * 1.3  # English Wikipedia: 2,500 M words (Devlin et al. 2019, section 3.1), about 1.3 pieces a word
LENGTH, PASSES, BATCH = 128, 3, 256
GPUS = {"A100 (312 TFLOP/s)": 312e12, "H100 (989 TFLOP/s)": 989e12}  # bfloat16 peaks in NVIDIA's data sheets
SANDWICH = (SubModel(12), SubModel(4, 0.25), SubModel(6, 0.5))
TARGET = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "scale.md"


def flops_a_token(sub_model: SubModel) -> float:
    """Of a forward pass; a width keeps its share of heads and FFN neurons, so of every product."""
    layers = BertConfig(num_hidden_layers=sub_model.depth)
    return sub_model.width * flops(layers, LENGTH) / LENGTH


def page(record: dict) -> str:
    share = record["rows"][-2]["share of GEMM rate 占矩阵乘速率 (%)"] / 100
    teacher = flops_a_token(SubModel(12))
    students = 3 * sum(map(flops_a_token, SANDWICH))  # a backward pass costs two forward ones
    total = TOKENS * PASSES * (teacher + students)
    parameters = parameter_count(BertConfig())
    hours = {name: total / (rate * share) / 3600 for name, rate in GPUS.items()}
    kept = len({0, *layer_map(12, 12), *layer_map(6, 12), *layer_map(4, 12)})
    rows = "\n".join(f"| {name} | {h:,.0f} | {h / 8:,.0f} |" for name, h in hours.items())
    names = ", ".join(s.label for s in SANDWICH)
    return f"""# How far this scales

*Made by `python tools/make_scale.py` from our own counters; nothing on this page was run at that size.*

A joint run of BERT-base (teacher and supernet of 12 layers, hidden size 768) on English Wikipedia: {TOKENS / 1e9:.2f} billion
tokens ({TOKENS / 1.3e9:.1f} billion words: Devlin et al. 2019, section 3.1; 1.3 pieces a word is our assumption), {PASSES} passes, length
{LENGTH}; each step trains {names} and asks the teacher once.

| what | a token | whole run |
|---|---|---|
| teacher, forward | {teacher / 1e6:.0f} MFLOP | {TOKENS * PASSES * teacher:.2e} FLOP |
| sub-models, forward and backward | {students / 1e6:.0f} MFLOP | {TOKENS * PASSES * students:.2e} FLOP |
| together | {(teacher + students) / 1e6:.0f} MFLOP | {total:.2e} FLOP |

Our step reaches {100 * share:.0f} % of the rate that this machine's matrix products reach by themselves
(`results/joint_step.json`, {record["date"][:10]}). If a GPU's step reached the same share of its peak, which was not measured:

| GPU | hours on one | hours on eight, without the cost of adding gradients |
|---|---|---|
{rows}

Bytes: weights, gradients and AdamW's two moments in float32 take 16 bytes a parameter, {16 * parameters / 1e9:.2f} GB, and the teacher
{4 * parameters / 1e9:.2f} GB. Gradients are added once a step, whatever the number of sub-models: {4 * parameters / 1e9:.2f} GB a step between the
processes, {TOKENS * PASSES / (BATCH * LENGTH):,.0f} steps of {BATCH} texts. Keeping the teacher's hidden states ({kept} layers that are compared, bfloat16)
would take {TOKENS * kept * 768 * 2 / 1e12:.1f} TB: at this size the teacher runs live.

`accelerate launch -m tinybert_l.cli train` starts several processes; each takes its part of every batch, and the losses are those of
one process with the whole batch (`tests/test_processes.py`, two processes with gloo). A checkpoint goes on with any number of them.
"""


if __name__ == "__main__":
    begin(1, demo=True)
    write_atomically(TARGET, page(json.loads((RESULTS / "joint_step.json").read_text(encoding="utf-8"))))
    print(f"written: {TARGET}")
