"""What a sub-model is worth and what it costs: accuracy, parameters, FLOPs, latency, Pareto frontier."""

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from scipy.stats import binomtest
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm

from tinybert_l.method.data import Encoded
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.teacher import predict_logits
from tinybert_l.submodels import SubModel, kept_tokens


@dataclass(frozen=True)
class Result:
    """One row of the trade-off; latencies are medians, spreads are interquartile ranges."""

    name: str
    label: str
    depth: int
    width: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    kept: float
    parameters: int
    encoder_parameters: int
    flops: int
    latency_ms_batch_1: float
    latency_iqr_ms_batch_1: float
    latency_ms_batch_32: float
    latency_iqr_ms_batch_32: float
    speedup_batch_1: float
    speedup_batch_32: float


def accuracy_interval(correct: int, total: int) -> tuple[float, float, float]:
    """Accuracy and its 95 % interval (Wilson's, which stays inside 0..1).

    Raises:
        ValueError: no texts.
    """
    if total < 1:
        raise ValueError(f"accuracy_interval: total={total}; allowed: at least one text.")
    interval = binomtest(correct, total).proportion_ci(method="wilson")
    return correct / total, float(interval.low), float(interval.high)


def count_parameters(model: ElasticBertForSequenceClassification) -> tuple[int, int]:
    """(all parameters, those without embeddings) of a stand-alone model."""
    everything = sum(p.numel() for p in model.parameters())
    return everything, everything - sum(p.numel() for p in model.bert.embeddings.parameters())


def weight_bytes(model: torch.nn.Module) -> int:
    """Bytes of a model's weights, shared ones counted once."""
    return sum(p.numel() * p.element_size() for p in model.parameters())


def count_flops(model: ElasticBertForSequenceClassification, length: int = 32) -> int:
    """FLOPs of one forward pass over one text: matrix products, two per multiply-add, by torch's counter."""
    config = model.config
    if config.kept_length == 1:
        return _flops_of_depth(config, config.num_hidden_layers, length)

    def layer(tokens: int) -> int:
        return _flops_of_depth(config, 2, tokens) - _flops_of_depth(config, 1, tokens)

    depth = config.num_hidden_layers
    tokens = [kept_tokens(length, config.kept_length, done, depth) for done in range(depth)]
    return sum(map(layer, tokens)) + _flops_of_depth(config, 1, length) - layer(length)


def _flops_of_depth(config: Any, depth: int, length: int) -> int:
    """The same with so many layers, all of which see every token."""
    whole = copy.deepcopy(config)
    whole.num_hidden_layers, whole.kept_length, whole.attention_window = depth, 1.0, None
    with torch.device("meta"):
        shadow = ElasticBertForSequenceClassification(whole).eval()
        ids = torch.zeros(1, length, dtype=torch.long)
        with FlopCounterMode(display=False) as counter:
            shadow(
                ids, output_attention_scores=True
            )  # attention as plain products, which it can count
    return counter.get_total_flops()


@torch.no_grad()
def measure_latency(
    model: torch.nn.Module, batch_size: int, length: int = 32, seconds: float = 0.6
) -> tuple[float, float]:
    """Median and interquartile range, in milliseconds, of a forward pass on torch's current threads.

    Warm-up excluded; full texts without padding.
    """
    device = next(model.parameters()).device
    ids = torch.randint(
        1000, 2000, (batch_size, length), generator=torch.Generator().manual_seed(0)
    )
    ids = (ids % cast(Any, model).config.vocab_size).to(device)
    mask = torch.ones_like(ids)
    for _ in range(3):
        model(input_ids=ids, attention_mask=mask)
    timer = Timer(
        "model(input_ids=ids, attention_mask=mask)",
        globals={"model": model, "ids": ids, "mask": mask},
        num_threads=torch.get_num_threads(),
    )
    measurement = timer.blocked_autorange(min_run_time=seconds)
    return measurement.median * 1000, measurement.iqr * 1000


def evaluate(
    supernet: ElasticBertForSequenceClassification,
    teacher: Any,
    sub_models: Sequence[SubModel],
    data: Encoded,
    length: int = 32,
    seconds: float = 0.6,
    progress: bool = True,
) -> list[Result]:
    """Measure the teacher (first row) and every sub-model, each as a stand-alone dense model.

    Args:
        teacher: the fine-tuned BERT classifier, timed as it is.
        data: held-out texts.
        length: tokens a text, for FLOPs and latency.
        seconds: how long each latency is measured.
    """
    everyone: list[tuple[str, str, SubModel, Any]] = [
        ("teacher", "teacher 教师", SubModel(teacher.config.num_hidden_layers), teacher.eval())
    ]
    everyone += [
        (s.name, s.label, s, extract(supernet, s))
        for s in sorted(sub_models, key=lambda s: s.size, reverse=True)
    ]
    labels = torch.tensor(data.labels)
    rows: list[Result] = []
    for name, label, sub_model, model in tqdm(
        everyone, desc="evaluate 评估", disable=not progress, unit="model"
    ):
        correct = int((predict_logits(model, data).argmax(-1) == labels).sum())
        accuracy, low, high = accuracy_interval(correct, len(labels))
        shape = elastic_copy(model) if name == "teacher" else model
        parameters, encoder_parameters = count_parameters(shape)
        one, one_iqr = measure_latency(model, 1, length, seconds)
        many, many_iqr = measure_latency(model, 32, length, seconds)
        reference = rows[0] if rows else None
        rows.append(
            Result(
                name=name,
                label=label,
                depth=sub_model.depth,
                width=sub_model.width,
                accuracy=accuracy,
                accuracy_low=low,
                accuracy_high=high,
                kept=accuracy / reference.accuracy if reference else 1.0,
                parameters=parameters,
                encoder_parameters=encoder_parameters,
                flops=count_flops(shape, length),
                latency_ms_batch_1=one,
                latency_iqr_ms_batch_1=one_iqr,
                latency_ms_batch_32=many,
                latency_iqr_ms_batch_32=many_iqr,
                speedup_batch_1=reference.latency_ms_batch_1 / one if reference else 1.0,
                speedup_batch_32=reference.latency_ms_batch_32 / many if reference else 1.0,
            )
        )
    return rows


def as_records(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Plain dictionaries, for JSON."""
    return [asdict(result) for result in results]
