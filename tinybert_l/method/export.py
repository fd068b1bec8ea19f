"""Write a sub-model as files: safetensors, ONNX in float32 and int8, and a card of its numbers."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.method.data import Encoded, encode
from tinybert_l.method.evaluation import majority_share, measure_latency, weight_bytes
from tinybert_l.method.extraction import elastic_copy, extract, is_plain
from tinybert_l.method.joint import Supernet
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.model_card import latency_key, model_card
from tinybert_l.method.onnx_files import (
    LENGTH,
    ONNX_FORMATS,
    OnnxClassifier,
    OnnxFormat,
    export_onnx,
    onnx_latency,
    onnx_logits,
)
from tinybert_l.method.problem_types import SINGLE_LABEL, problem_type
from tinybert_l.method.quality import quality_of
from tinybert_l.method.saving import save_alone
from tinybert_l.method.teacher import Teacher, accuracy_of, predict_logits
from tinybert_l.method.vocabulary import prune_vocabulary
from tinybert_l.submodels import SubModel

DIFFERENCE = "largest difference from torch"
MEASURED_BATCHES = (1, 32)


class ExportDiffers(CourseError, RuntimeError):
    """An exported file does not compute what the model in torch computes."""


RUNTIMES = ("torch", *ONNX_FORMATS)


@dataclass(frozen=True)
class Deployment:
    """What is exported, and how it is measured.

    Args:
        student: holds the sub-model.
        tokenizer: the student's.
        data: held-out texts.
        task: a sentence for the card: what is classified, and what the classes mean.
        measure: what the data's labels measure, for the card.
        seconds: how long each latency is measured.
    """

    student: ElasticBertForSequenceClassification
    tokenizer: PreTrainedTokenizerBase
    data: Encoded
    task: str
    measure: str = "accuracy"
    seconds: float = 0.6


def export_all(
    supernet: Supernet,
    sub_model: SubModel,
    folder: Path,
    seconds: float = 0.6,
    vocabulary: int | None = None,
) -> dict[str, Any]:
    """Write a sub-model in every format, check each against torch, and write a card of its numbers.

    The folder then holds model.safetensors with configuration and tokenizer (`from_pretrained`
    reads it), model.onnx, model-int8.onnx, numbers.json and README.md. Accuracies are those on the
    test texts.

    Args:
        seconds: how long each latency is measured.
        vocabulary: word pieces to keep, the most frequent of the training texts
            (`prune_vocabulary`); None: all.
    Returns:
        The content of numbers.json.
    Raises:
        ExportDiffers: the float32 export does not compute what torch computes.
        InvalidInput: a vocabulary too small or too large, or a sub-model that drops tokens.
        MissingPackage: onnx or onnxruntime is not installed.
    """
    deployed = _with_vocabulary(supernet, vocabulary, seconds)
    return export_formats(deployed, sub_model, folder, [_teacher_row(supernet.teacher, seconds)])


def export_formats(
    deployed: Deployment, sub_model: SubModel, folder: Path, first_rows: list[dict[str, Any]]
) -> dict[str, Any]:
    """Write a sub-model in every format, its numbers and its card; as `export_all`.

    Args:
        first_rows: rows of the card's table before the sub-model's own, such as the teacher's.
    Raises:
        InvalidInput: a classifier that does not choose one of several classes: its accuracy has
            another meaning.
    """
    kind = problem_type(deployed.student.config)
    if kind != SINGLE_LABEL:
        raise InvalidInput(
            f"export: problem_type {kind}; allowed: {SINGLE_LABEL}. Others: save_alone and "
            "export_onnx write the files."
        )
    small = extract(deployed.student, sub_model).eval()
    save_alone(small, folder)
    deployed.tokenizer.save_pretrained(folder)
    expected = predict_logits(small, deployed.data).numpy()
    rows = [
        *first_rows,
        {
            "model": f"{sub_model.label}, torch",
            **_quality(expected, deployed.data),
            "bytes": (folder / "model.safetensors").stat().st_size,
            **torch_latencies(small, deployed.seconds),
        },
    ]
    for format_ in ONNX_FORMATS.values():
        rows.append(_onnx_row(deployed, sub_model, format_, folder, expected))
    numbers = {
        "sub_model": sub_model.label,
        "task": deployed.task,
        "measure": deployed.measure,
        "texts": len(deployed.data),
        "chance": majority_share(deployed.data.labels),
        "plain": is_plain(small.config),
        "vocabulary": len(deployed.tokenizer),
        "rows": rows,
        **provenance(),
    }
    write_atomically(folder / "numbers.json", json.dumps(numbers, ensure_ascii=False, indent=1))
    write_atomically(folder / "README.md", model_card(numbers))
    return numbers


def _with_vocabulary(supernet: Supernet, vocabulary: int | None, seconds: float) -> Deployment:
    """Return the supernet's student with the vocabulary pruned, unless it is None."""
    teacher = supernet.teacher
    task = _task(teacher)
    if vocabulary is None:
        data = teacher.data["test"]
        return Deployment(supernet.model, teacher.tokenizer, data, task, seconds=seconds)
    student = elastic_copy(supernet.model)
    texts = teacher.splits["train"].texts
    tokenizer = prune_vocabulary(student, teacher.tokenizer, texts, vocabulary)
    data = encode(teacher.splits["test"], tokenizer, teacher.recipe.max_length)
    return Deployment(student, tokenizer, data, task, seconds=seconds)


def _teacher_row(teacher: Teacher, seconds: float) -> dict[str, Any]:
    data = teacher.data["test"]
    return {
        "model": "teacher, torch",
        **_quality(predict_logits(teacher.model, data).numpy(), data),
        "bytes": weight_bytes(teacher.model),
        **torch_latencies(teacher.model, seconds),
    }


def _onnx_row(
    deployed: Deployment,
    sub_model: SubModel,
    format_: OnnxFormat,
    folder: Path,
    expected: np.ndarray,
) -> dict[str, Any]:
    """Write one ONNX file, compare its logits with torch's, and measure it.

    Raises:
        ExportDiffers: the difference is larger than the format allows.
    """
    pairs = deployed.data.token_type_ids is not None
    path = folder / format_.file_name
    export_onnx(deployed.student, sub_model, path, format_.int8, pairs)
    model = OnnxClassifier(path)
    logits = onnx_logits(model, deployed.data)
    difference = float(np.abs(logits - expected).max())
    if format_.tolerance is not None and difference > format_.tolerance:
        raise ExportDiffers(
            f"export: {path} differs from torch by {difference:.1e}; allowed: {format_.tolerance}."
        )
    config = deployed.student.config
    length = min(LENGTH, config.max_position_embeddings)
    latencies = {}
    for batch in MEASURED_BATCHES:
        latency = onnx_latency(model, batch, length, deployed.seconds, config.vocab_size)
        latencies[latency_key(batch)] = latency
    return {
        "model": f"{sub_model.label}, {format_.caption}",
        **_quality(logits, deployed.data),
        "bytes": path.stat().st_size,
        **latencies,
        DIFFERENCE: difference,
    }


def torch_latencies(model: nn.Module, seconds: float) -> dict[str, float]:
    """Return median milliseconds by the names of the card's columns."""
    latencies = {}
    for batch in MEASURED_BATCHES:
        latencies[latency_key(batch)] = measure_latency(model, batch, seconds=seconds).median_ms
    return latencies


def _quality(logits: np.ndarray, data: Encoded) -> dict[str, Any]:
    return quality_of(logits.argmax(-1).tolist(), data, logits.shape[-1])


def _accuracy(logits: np.ndarray, data: Encoded) -> float:
    return float((logits.argmax(-1) == np.array(data.labels)).mean())


def _task(teacher: Teacher) -> str:
    """Say what the model classifies, and what its numbers of classes mean."""
    if teacher.recipe.table is None:
        return "Sentiment of English film reviews: 0 negative, 1 positive."
    return task_of(teacher.model.config)


def task_of(config: PretrainedConfig) -> str:
    """Say what a classifier's classes are."""
    classes = []
    for number, name in config.id2label.items():
        classes.append(f"{number} {name}")
    return f"Classes of the user's own texts: {', '.join(classes)}."


def speed_and_accuracy(
    supernet: Supernet, sub_model: SubModel, runtime: str, seconds: float = 0.6
) -> tuple[float, float]:
    """Measure a sub-model in the runtime that will serve it, on this machine.

    Args:
        runtime: one of `RUNTIMES`.
        seconds: how long the latency is measured.
    Returns:
        (median milliseconds for one text of 32 tokens, accuracy on the validation texts).
    Raises:
        InvalidInput: an unknown runtime.
    """
    if runtime not in RUNTIMES:
        raise InvalidInput(
            f"speed_and_accuracy: runtime={runtime!r}; allowed: {', '.join(RUNTIMES)}."
        )
    data = supernet.teacher.data["validation"]
    if runtime not in ONNX_FORMATS:
        model = extract(supernet.model, sub_model).eval()
        return measure_latency(model, 1, seconds=seconds).median_ms, accuracy_of(model, data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(supernet.model, sub_model, path, ONNX_FORMATS[runtime].int8)
        session = OnnxClassifier(path)
    accuracy = _accuracy(onnx_logits(session, data), data)
    vocab_size = supernet.model.config.vocab_size
    return onnx_latency(session, 1, seconds=seconds, vocab_size=vocab_size), accuracy
