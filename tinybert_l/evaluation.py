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
from transformers import BertConfig, BertModel

from tinybert_l.data import Encoded
from tinybert_l.exercise import exercise
from tinybert_l.model import ElasticBertForSequenceClassification, elastic_copy, extract
from tinybert_l.submodels import SubModel, kept_tokens
from tinybert_l.teacher import predict_logits


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


@exercise(lecture=6)
def pareto_frontier(points: list[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other beats, by rising cost.

    Args:
        points: (cost, quality). A point is beaten by one with cost <= and quality >=, one of them strictly;
            of equal points the first stays.
    """
    raise NotImplementedError


@exercise(lecture=1)
def parameter_count(config: BertConfig, pooler: bool = True) -> int:
    """How many numbers a BERT encoder has, from its configuration alone.

    Three embedding tables (words, positions, token types) and a LayerNorm; in each layer four
    projections of the attention and two of the FFN, all with biases, and two LayerNorms; the pooler.

    Args:
        config: vocab_size, max_position_embeddings, type_vocab_size, hidden_size, num_hidden_layers,
            intermediate_size are used; no cross-attention.
        pooler: count the pooler (one more projection, hidden to hidden).
    Returns:
        The number of parameters of the `BertModel` that the configuration describes.
    """
    raise NotImplementedError


def _counted_by_torch(config: BertConfig, sequence_length: int) -> int:
    """Stand-in before lecture 11: torch's counter on a model without weights."""
    with torch.device("meta"):
        model = BertModel._from_config(copy.deepcopy(config), attn_implementation="eager").eval()
        with FlopCounterMode(display=False) as counter:
            model(torch.zeros(1, sequence_length, dtype=torch.long))
    pooler = 2 * config.hidden_size**2
    return counter.get_total_flops() - pooler


@exercise(lecture=11, peer=_counted_by_torch)
def flops(config: BertConfig, sequence_length: int) -> int:
    """Floating-point operations of one forward pass of a BERT encoder over one text.

    Matrix products only, two operations per multiply-add; no embeddings (a look-up), no pooler.
    With L layers, hidden size H, FFN size I and s tokens: 2·L·(s·(4H² + 2HI) + 2s²H).

    Args:
        config: num_hidden_layers, hidden_size, intermediate_size are used.
        sequence_length: s, at least 1.
    Raises:
        ValueError: sequence_length below 1.

    Worked example: L = 1, H = 2, I = 4, s = 3: 2·(3·(16 + 16) + 2·9·2) = 264.
    """
    raise NotImplementedError


def _by_scikit_learn(predictions: Sequence[int], labels: Sequence[int], num_classes: int) -> float:
    """Stand-in before lecture 8."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, labels=range(num_classes), average="macro", zero_division=0))


@exercise(lecture=8, peer=_by_scikit_learn)
def macro_f1(
    predictions: Sequence[int] | torch.Tensor, labels: Sequence[int] | torch.Tensor, num_classes: int
) -> float:
    """F1 of each class, averaged over all classes alike.

    For one class, with tp hits, fp false alarms and fn misses: F1 = 2·tp / (2·tp + fp + fn), and 0 when
    the class neither occurs nor is predicted.

    Args:
        predictions, labels: lists or integer tensors of one length, at least one; classes from 0 to num_classes - 1.
        num_classes: at least 1; a class that does not occur counts too.
    Returns:
        The mean of the classes' F1, 0..1.
    Raises:
        ValueError: lengths that differ, nothing to count, or a class out of range.

    Worked example: predictions [0, 0, 1], labels [0, 1, 1]: both classes have F1 = 2/3, so 2/3.
    """
    raise NotImplementedError


@exercise(lecture=8)
def choose_submodel(candidates: list[dict[str, Any]], latency_budget_ms: float) -> str:
    """The model to ship: the best quality that fits the latency budget.

    Args:
        candidates: dictionaries with name, latency_ms, quality.
        latency_budget_ms: milliseconds; a latency equal to it fits.
    Returns:
        The name of the best fitting candidate; of equal qualities that with the lowest latency.
    Raises:
        ValueError: none fits (the message names the fastest), or there are no candidates.

    Worked example: a (5 ms, 0.8) and b (9 ms, 0.9): with 8 ms it is "a", with 9 ms "b".
    """
    raise NotImplementedError


@exercise(lecture=7)
def early_exit(logits_per_layer: list[torch.Tensor], max_entropy: float) -> torch.Tensor:
    """After which layer each text may leave: the first whose prediction is sure enough (Xin et al. 2020, DeeBERT).

    The entropy of a layer's prediction p = softmax(logits) is -sum p·ln p, in nats.

    Args:
        logits_per_layer: one [batch, classes] for each layer, from the first.
        max_entropy: a text leaves after the first layer whose entropy is at most this; 0 or more.
    Returns:
        Integers [batch], counted from 1; the last layer for a text that is never sure.
    Raises:
        ValueError: no layers, or max_entropy below 0.

    Worked example: two layers, one text, logits [0, 0] then [9, 0]: the first has entropy ln 2 = 0.69,
    the second 0.001; with max_entropy 0.1 the text leaves after layer 2.
    """
    raise NotImplementedError


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
            shadow(ids, output_attention_scores=True)  # attention as plain products, which it can count
    return counter.get_total_flops()


@torch.no_grad()
def measure_latency(
    model: torch.nn.Module, batch_size: int, length: int = 32, seconds: float = 0.6
) -> tuple[float, float]:
    """Median and interquartile range, in milliseconds, of a forward pass on torch's current threads.

    Warm-up excluded; full texts without padding.
    """
    device = next(model.parameters()).device
    ids = torch.randint(1000, 2000, (batch_size, length), generator=torch.Generator().manual_seed(0))
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
        (s.name, s.label, s, extract(supernet, s)) for s in sorted(sub_models, key=lambda s: s.size, reverse=True)
    ]
    labels = torch.tensor(data.labels)
    rows: list[Result] = []
    for name, label, sub_model, model in tqdm(everyone, desc="evaluate 评估", disable=not progress, unit="model"):
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
