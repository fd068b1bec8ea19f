"""Measure what a sub-model costs and how good it is: accuracy, parameters, FLOPs and latency."""

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, cast

import torch
from scipy.stats import binomtest
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from tinybert_l.errors import InvalidInput
from tinybert_l.languages import in_words
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.data import Encoded
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.teacher import predict_logits
from tinybert_l.method.timing import Latency, measure_call
from tinybert_l.submodels import SubModel, kept_tokens


@dataclass(frozen=True)
class Result:
    """One row of the trade-off between quality and cost.

    Latencies are medians in milliseconds, with their interquartile ranges (iqr). `kept` is the
    accuracy, `speedup_…` the speed, relative to the teacher's.
    """

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
    """Return the accuracy and the ends of its 95 % interval (Wilson's, which stays in 0..1).

    Raises:
        InvalidInput: no texts.
    """
    if total < 1:
        raise InvalidInput(f"accuracy_interval: total={total}; allowed: at least one text.")
    interval = binomtest(correct, total).proportion_ci(method="wilson")
    return correct / total, float(interval.low), float(interval.high)


def majority_share(labels: Sequence[int]) -> float:
    """Return the share of the most frequent label: what a constant answer gets right."""
    return float(max(Counter(labels).values()) / len(labels))


def count_parameters(model: ElasticBertForSequenceClassification) -> tuple[int, int]:
    """Return (all parameters, those without embeddings) of a stand-alone model."""
    everything = _numel(model)
    return everything, everything - _numel(model.bert.embeddings)


def _numel(module: torch.nn.Module) -> int:
    return sum(map(torch.numel, module.parameters()))


def weight_bytes(model: torch.nn.Module) -> int:
    """Return the bytes of a model's weights; shared ones are counted once."""
    return sum(p.numel() * p.element_size() for p in model.parameters())


def count_flops(model: ElasticBertForSequenceClassification, length: int = 32) -> int:
    """Return the FLOPs of one forward pass over one text.

    torch's counter counts the matrix products, two FLOPs per multiply-add. A model that drops
    tokens is the sum of its layers, each at the number of tokens that it sees.

    Args:
        length: tokens of the text.
    """
    config = model.config
    depth = config.num_hidden_layers
    if config.kept_length == 1:
        return _flops_of_depth(config, depth, length)

    def layer(tokens: int) -> int:
        return _flops_of_depth(config, 2, tokens) - _flops_of_depth(config, 1, tokens)

    total = _flops_of_depth(config, 1, length) - layer(length)  # all but the layers
    for layers_done in range(depth):
        total += layer(kept_tokens(length, config.kept_length, layers_done, depth))
    return total


def _flops_of_depth(config: ElasticBertConfig, depth: int, length: int) -> int:
    """Return the FLOPs of `depth` full-length layers.

    Windows and token dropping are off: torch's counter cannot see them.
    """
    dense = copy.deepcopy(config)
    dense.num_hidden_layers = depth
    dense.layers_by_depth = None
    dense.kept_length = 1.0
    dense.attention_window = None
    with torch.device("meta"):
        shadow = ElasticBertForSequenceClassification(dense).eval()
        ids = torch.zeros(1, length, dtype=torch.long)
        with FlopCounterMode(display=False) as counter:
            # with scores on request, attention is two plain products, which can be counted
            shadow(ids, output_attention_scores=True)
    return counter.get_total_flops()


@torch.no_grad()
def measure_latency(
    model: torch.nn.Module, batch_size: int, length: int = 32, seconds: float = 0.6
) -> Latency:
    """Measure a forward pass on torch's current threads, over full texts without padding.

    Args:
        batch_size: texts a pass.
        length: tokens a text.
        seconds: how long to measure, at least.
    Returns:
        Median and interquartile range, in milliseconds; warm-up excluded.
    """
    device = next(model.parameters()).device
    ids = latency_texts(cast(Any, model).config, batch_size, length).to(device)
    mask = torch.ones_like(ids)
    return measure_call(lambda: model(input_ids=ids, attention_mask=mask), seconds)


def latency_texts(config: Any, batch_size: int, length: int) -> torch.Tensor:
    """Return the token ids of full texts on which latency is measured, [batch, length].

    The texts are shorter where the model has fewer positions.
    """
    length = min(length, getattr(config, "max_position_embeddings", length))
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1000, 2000, (batch_size, length), generator=generator)
    return ids % config.vocab_size


class Candidate(NamedTuple):
    """A model to measure, under its name."""

    name: str
    label: str
    depth: int
    width: float
    model: PreTrainedModel


def evaluate(
    supernet: ElasticBertForSequenceClassification,
    teacher: PreTrainedModel,
    sub_models: Sequence[SubModel],
    data: Encoded,
    length: int = 32,
    seconds: float = 0.6,
    progress: bool = True,
) -> list[Result]:
    """Measure the teacher (first row) and every sub-model, each as a stand-alone dense model.

    Args:
        supernet: the student that holds the sub-models.
        teacher: the fine-tuned BERT classifier, timed as it is.
        sub_models: measured from largest to smallest.
        data: held-out texts.
        length: tokens a text, for FLOPs and latency.
        seconds: how long each latency is measured.
        progress: show a progress bar.
    Raises:
        InvalidInput: a length that the models cannot read.
    """
    longest = supernet.config.max_position_embeddings
    if not 1 <= length <= longest:
        raise InvalidInput(f"evaluate: length={length}; allowed: 1 to {longest} tokens.")
    depth = teacher.config.num_hidden_layers
    candidates = [Candidate("teacher", "teacher 教师", depth, 1.0, teacher.eval())]
    for sub_model in sorted(sub_models, key=lambda s: s.size, reverse=True):
        model = extract(supernet, sub_model)
        names = (sub_model.name, sub_model.label)
        candidates.append(Candidate(*names, sub_model.depth, sub_model.width, model))
    results: list[Result] = []
    bar = tqdm(candidates, desc=in_words("evaluate 评估"), disable=not progress, unit="model")
    for candidate in bar:
        reference = results[0] if results else None
        results.append(_measure(candidate, reference, data, length, seconds))
    return results


def _measure(
    candidate: Candidate, reference: Result | None, data: Encoded, length: int, seconds: float
) -> Result:
    """Measure one model.

    Args:
        reference: the teacher's row; None: this is the teacher.
    """
    model = candidate.model
    hits = predict_logits(model, data).argmax(-1) == torch.tensor(data.labels)
    accuracy, low, high = accuracy_interval(int(hits.sum()), len(data))
    elastic = elastic_copy(model) if reference is None else model
    parameters, encoder_parameters = count_parameters(elastic)
    single = measure_latency(model, 1, length, seconds)
    batch = measure_latency(model, 32, length, seconds)
    kept = speedup_single = speedup_batch = 1.0
    if reference is not None:
        kept = accuracy / reference.accuracy if reference.accuracy else 0.0
        speedup_single = reference.latency_ms_batch_1 / single.median_ms
        speedup_batch = reference.latency_ms_batch_32 / batch.median_ms
    return Result(
        name=candidate.name,
        label=candidate.label,
        depth=candidate.depth,
        width=candidate.width,
        accuracy=accuracy,
        accuracy_low=low,
        accuracy_high=high,
        kept=kept,
        parameters=parameters,
        encoder_parameters=encoder_parameters,
        flops=count_flops(elastic, length),
        latency_ms_batch_1=single.median_ms,
        latency_iqr_ms_batch_1=single.iqr_ms,
        latency_ms_batch_32=batch.median_ms,
        latency_iqr_ms_batch_32=batch.iqr_ms,
        speedup_batch_1=speedup_single,
        speedup_batch_32=speedup_batch,
    )


def as_records(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return plain dictionaries, for JSON."""
    return list(map(asdict, results))
