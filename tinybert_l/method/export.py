"""Write a sub-model as files: safetensors, ONNX in float32 and int8, and a card of its numbers."""

import importlib
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.method.data import Encoded, collate, encode
from tinybert_l.method.evaluation import majority_share, measure_latency, weight_bytes
from tinybert_l.method.extraction import elastic_copy, extract, is_plain, require_classifier
from tinybert_l.method.joint import Supernet
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.model_card import latency_key, model_card
from tinybert_l.method.problem_types import SINGLE_LABEL, problem_type
from tinybert_l.method.quality import quality_of
from tinybert_l.method.saving import save_alone
from tinybert_l.method.teacher import Teacher, accuracy_of, predict_logits
from tinybert_l.method.timing import measure_call
from tinybert_l.method.vocabulary import prune_vocabulary
from tinybert_l.submodels import SubModel

DIFFERENCE = "largest difference from torch"
MEASURED_BATCHES = (1, 32)
LENGTH = 32  # tokens of the texts on which latency is measured
INPUTS = ("input_ids", "attention_mask")  # of an ONNX file
SEGMENTS = "token_type_ids"  # the third, of one that reads pairs


class MissingPackage(CourseError, RuntimeError):
    """A package that ONNX files need is not installed."""


class ExportDiffers(CourseError, RuntimeError):
    """An exported file does not compute what the model in torch computes."""


@dataclass(frozen=True)
class OnnxFormat:
    """A number format of ONNX files.

    Args:
        runtime: its name among `RUNTIMES`.
        caption: its name in tables.
        file_name: the file that `export_all` writes.
        int8: the weights are stored and multiplied as 8-bit integers.
        tolerance: largest difference allowed between its logits and torch's; None: any.
    """

    runtime: str
    caption: str
    file_name: str
    int8: bool
    tolerance: float | None


FLOAT32 = OnnxFormat("onnx", "ONNX float32", "model.onnx", False, 1e-3)
INT8 = OnnxFormat("onnx-int8", "ONNX int8", "model-int8.onnx", True, None)
ONNX_FORMATS = {format_.runtime: format_ for format_ in (FLOAT32, INT8)}
RUNTIMES = ("torch", *ONNX_FORMATS)


class _LogitsOnly(nn.Module):
    """Computes logits alone: the last layer runs for each text's first token only."""

    def __init__(self, model: ElasticBertForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        return self.model(input_ids, attention_mask, token_type_ids, only_first=True).logits


def export_onnx(
    supernet: ElasticBertForSequenceClassification,
    sub_model: SubModel,
    path: str | Path,
    int8: bool = False,
    pairs: bool = False,
) -> Path:
    """Write a sub-model as ONNX, with free batch size and length.

    Its last layer runs for each text's first token alone: the same logits with less work. The file
    computes in float32 (or int8), whatever type of numbers the model has.

    Args:
        path: of the file, which is there as a whole or not at all.
        int8: store and multiply the weights as 8-bit integers (dynamic quantization).
        pairs: the file has a third input, token_type_ids, which tells the second text of a pair
            from the first; without it all tokens are those of a first text.
    Returns:
        The file.
    Raises:
        InvalidInput: no classifier, or a sub-model that drops tokens; their number would be frozen
            in the file.
        MissingPackage: onnx is not installed.
    """
    import_optional("onnx")
    require_classifier(supernet, "export_onnx", "save_pretrained for other heads")
    supernet.check_sub_model(sub_model)
    if sub_model.length < 1:
        raise InvalidInput(
            f"export_onnx: sub_model {sub_model.name} drops tokens; allowed: length 1."
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    model = _LogitsOnly(extract(supernet, sub_model)).eval().float().cpu()
    with tempfile.TemporaryDirectory(prefix=".onnx-", dir=path.parent) as folder:
        float32_path = Path(folder) / "float32.onnx"
        _write_float32(model, float32_path, pairs)
        if int8:
            int8_path = Path(folder) / "int8.onnx"
            _quantize(float32_path, int8_path)
        os.replace(int8_path if int8 else float32_path, path)
    return path


def _write_float32(model: nn.Module, path: Path, pairs: bool) -> None:
    ids = torch.ones(2, 8, dtype=torch.long)
    axes = {0: "batch", 1: "length"}
    names = [*INPUTS, *([SEGMENTS] if pairs else [])]
    with warnings.catch_warnings():
        # the exporter warns of its age, and of checks that need not be traced
        warnings.simplefilter("ignore")
        # torch 2.13's newer exporter changed this model's logits by 1e-2; a test holds this one
        # to 1e-5
        torch.onnx.export(
            model,
            (ids,) * len(names),
            str(path),
            input_names=names,
            output_names=["logits"],
            dynamic_axes={**dict.fromkeys(names, axes), "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )


def _quantize(float32_path: Path, int8_path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # shape inference before quantization gains nothing here, and its lack is reported each time
    with _log_without("pre-processing before quantization"):
        quantize_dynamic(float32_path, int8_path, weight_type=QuantType.QInt8)


@contextmanager
def _log_without(phrase: str) -> Iterator[None]:
    """Drop messages of the root logger that contain the phrase, within the block."""

    def keeps(record: logging.LogRecord) -> bool:
        return phrase not in record.getMessage()

    root = logging.getLogger()
    root.addFilter(keeps)
    try:
        yield
    finally:
        root.removeFilter(keeps)


def import_optional(name: str) -> Any:
    """Import a package of the extra `export`.

    Raises:
        MissingPackage: says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise MissingPackage(
            f"{name} is missing, which ONNX files need: pip install 'tinybert-l[export]', then "
            "restart the kernel. 缺少ONNX相关软件包。"
        ) from None


class OnnxClassifier:
    """An exported model.

    Called with the token ids and the mask of one batch [batch, length], and for pairs the
    token_type_ids, it returns logits as numpy [batch, classes].

    Args:
        threads: of the runtime; None: as many as torch uses.
    Raises:
        InvalidInput: no such file; when called, segments of pairs that the file does not read.
    """

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        onnxruntime = import_optional("onnxruntime")
        if not Path(path).is_file():
            raise InvalidInput(f"{path}: there is no such file; allowed: one of export_onnx.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

        self.reads_pairs = SEGMENTS in {entry.name for entry in self.session.get_inputs()}

    def __call__(
        self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None
    ) -> np.ndarray:
        given = zip(INPUTS, (input_ids, attention_mask), strict=True)
        inputs = {name: np.asarray(tensor, dtype=np.int64) for name, tensor in given}
        segments = np.zeros_like(inputs["input_ids"])
        if token_type_ids is not None:
            segments = np.asarray(token_type_ids, dtype=np.int64)
        if self.reads_pairs:
            inputs[SEGMENTS] = segments
        elif segments.any():
            raise InvalidInput(
                "token_type_ids: those of pairs, which the file does not read; allowed: all 0, or "
                "a file of export_onnx(..., pairs=True)."
            )
        return self.session.run(["logits"], inputs)[0]


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


def onnx_logits(model: OnnxClassifier, data: Encoded) -> np.ndarray:
    """Return logits [texts, classes].

    Runs one text at a time: in int8 a text's scale would depend on the others of its batch.
    """
    logits = []
    for row in range(len(data)):
        batch = collate(data, [row])
        logits.append(model(batch["input_ids"], batch["attention_mask"], batch.get(SEGMENTS)))
    return np.concatenate(logits)


def onnx_latency(
    model: OnnxClassifier,
    batch_size: int,
    length: int = LENGTH,
    seconds: float = 0.6,
    vocab_size: int = 2000,
) -> float:
    """Return the median milliseconds of a call, on texts like those of `measure_latency`.

    Args:
        batch_size: texts a call.
        length: tokens a text.
        seconds: how long to measure, at least.
        vocab_size: the model's; higher token ids do not occur.
    """
    ids = np.random.default_rng(0).integers(1000, 2000, (batch_size, length)) % vocab_size
    mask = np.ones_like(ids)
    return measure_call(lambda: model(ids, mask), seconds).median_ms


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
