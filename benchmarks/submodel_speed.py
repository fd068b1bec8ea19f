"""Do smaller sub-models really cost less? Extracted slices against the full model and against masking.

    python benchmarks/submodel_speed.py

Prints how many times faster than full BERT each sub-model is, next to what its FLOPs promise and what
zeroing heads and neurons by masks (the same products, so no gain) gives; alternates the contestants.
Writes outputs/benchmarks/submodel_speed.json. Random weights: speed does not depend on them.
"""

import statistics
import time

import torch
from contest import keep
from rich.console import Console
from transformers import AutoConfig, BertForSequenceClassification

from tinybert_l import begin
from tinybert_l.course.tables import rows_table
from tinybert_l.method.data import embedded_teacher_path
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.submodels import sub_model_grid

ROUNDS, BATCH, LENGTH = 15, 32, 32


def seconds(model: torch.nn.Module, ids: torch.Tensor) -> float:
    begin_ = time.perf_counter()
    model(ids)
    return time.perf_counter() - begin_


@torch.no_grad()
def main() -> None:
    begin(3, demo=True)
    torch.manual_seed(0)
    bert = BertForSequenceClassification(AutoConfig.from_pretrained(embedded_teacher_path())).eval()
    supernet = elastic_copy(bert)
    masked = elastic_copy(bert)
    for layer in masked.bert.layers:  # three quarters of heads and neurons multiplied by zero
        layer.attention.self.value.weight[96:] = 0
        layer.intermediate.dense.weight[384:] = 0
    contestants = {"BERT (transformers)": bert, "masked to width ¼": masked}
    contestants |= {
        s.label: extract(supernet, s) for s in sub_model_grid((6, 3, 2), (1, 0.5, 0.25))[::-1]
    }
    ids = torch.randint(1000, 2000, (BATCH, LENGTH))
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for round_ in range(ROUNDS + 2):
        for name, model in contestants.items():
            measured = seconds(model, ids)
            if round_ >= 2:
                times[name].append(measured)
    base, base_flops = times["BERT (transformers)"], count_flops(supernet, LENGTH)
    rows, record = [], []
    for name, model in contestants.items():
        ratios = [a / b for a, b in zip(base, times[name], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        flops = base_flops / count_flops(model if name[0].isdigit() else supernet, LENGTH)
        rows.append((name, f"{middle:.2f} ({low:.2f} to {high:.2f})", f"{flops:.2f}"))
        record.append(
            {"name": name, "faster": middle, "low": low, "high": high, "fewer FLOPs": flops}
        )
    title = f"Times faster than BERT: batch {BATCH}, length {LENGTH}, {torch.get_num_threads()} threads, {ROUNDS} rounds"
    Console().print(
        rows_table(title, ("contestant", "faster, median (quartiles)", "fewer FLOPs"), rows)
    )
    keep("submodel_speed", {"title": title, "rows": record})


if __name__ == "__main__":
    main()
