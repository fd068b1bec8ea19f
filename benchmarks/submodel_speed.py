"""Do smaller sub-models really cost less? `python benchmarks/submodel_speed.py`

Prints how many times faster than full BERT each sub-model is, next to what its FLOPs promise and to
what zeroing heads and neurons by masks gives (the same products, so no gain). The contestants take
turns. Random weights: speed does not depend on them.
"""

import time
from statistics import quantiles
from typing import Any

import torch
from contest import keep, print_rows
from transformers import AutoConfig, BertForSequenceClassification

from tinybert_l import begin
from tinybert_l.course import captions
from tinybert_l.course.rows import Quartiles, SubModelSpeedRow
from tinybert_l.method.data import embedded_teacher_path
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.submodels import SubModel, sub_model_grid

ROUNDS = 15
WARM_UP_ROUNDS = 2
BATCH = 32
LENGTH = 32
SUB_MODELS = sub_model_grid((6, 3, 2), (1, 0.5, 0.25))[::-1]


def masked_to_quarter(
    model: ElasticBertForSequenceClassification,
) -> ElasticBertForSequenceClassification:
    """A copy in which three quarters of heads and neurons are multiplied by zero."""
    masked = elastic_copy(model)
    for layer in masked.bert.layers:
        layer.attention.self.value.weight[96:] = 0
        layer.intermediate.dense.weight[384:] = 0
    return masked


def times_in_turns(
    models: dict[SubModel | str, torch.nn.Module], ids: torch.Tensor
) -> dict[SubModel | str, list[float]]:
    """Seconds of a forward pass of each model in each round."""
    times: dict[SubModel | str, list[float]] = {key: [] for key in models}
    for round_number in range(ROUNDS + WARM_UP_ROUNDS):
        for key, model in models.items():
            begin_time = time.perf_counter()
            model(ids)
            seconds = time.perf_counter() - begin_time
            if round_number >= WARM_UP_ROUNDS:
                times[key].append(seconds)
    return times


@torch.no_grad()
def main() -> None:
    begin(3, demo=True)
    torch.manual_seed(0)
    bert = BertForSequenceClassification(AutoConfig.from_pretrained(embedded_teacher_path())).eval()
    supernet = elastic_copy(bert)
    models: dict[SubModel | str, Any] = {"bert": bert, "masked": masked_to_quarter(supernet)}
    for sub_model in SUB_MODELS:
        models[sub_model] = extract(supernet, sub_model)
    times = times_in_turns(models, torch.randint(1000, 2000, (BATCH, LENGTH)))
    full_flops = count_flops(supernet, LENGTH)
    rows = []
    for key, seconds in times.items():
        ratios = [a / b for a, b in zip(times["bert"], seconds, strict=True)]
        low, middle, high = quantiles(ratios, n=4)
        gain = Quartiles(middle, low, high, tuple(ratios))
        if isinstance(key, SubModel):
            flops = full_flops / count_flops(models[key], LENGTH)
            rows.append(SubModelSpeedRow("sub_model", key, gain, flops))
        else:
            rows.append(SubModelSpeedRow("masked" if key == "masked" else "bert", None, gain, 1.0))
    details = {"batch": BATCH, "length": LENGTH, "rounds": ROUNDS}
    details["threads"] = torch.get_num_threads()
    print_rows(captions.benchmark_title("sub_model_speed", details), rows)
    keep("submodel_speed", "sub_model_speed", rows, **details)


if __name__ == "__main__":
    main()
