"""ONNX files of sub-models, in float32 and int8: written, run, measured."""

import importlib
import logging
import os
import re
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

from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.method.data import Encoded, collate
from tinybert_l.method.extraction import extract, require_classifier
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.timing import measure_call
from tinybert_l.submodels import SubModel

LENGTH = 32  # tokens of the texts on which latency is measured
INPUTS = ("input_ids", "attention_mask")  # of an ONNX file
SEGMENTS = "token_type_ids"  # the third, of one that reads pairs


class MissingPackage(CourseError, RuntimeError):
    """A package that ONNX files need is not installed."""


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
    if path.is_dir():
        raise InvalidInput(f"export_onnx: {path} is a folder; allowed: a file in it.")
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
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's own kinds share no base of their own
            raise InvalidInput(
                f"{path}: cannot be read as an ONNX file ({_first_line(error)}); allowed: one of "
                "export_onnx. 不是可读取的ONNX文件。"
            ) from error

        self.reads_pairs = SEGMENTS in {entry.name for entry in self.session.get_inputs()}

    def __call__(
        self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None
    ) -> np.ndarray:
        given = zip(INPUTS, (input_ids, attention_mask), strict=True)
        inputs = {name: _whole_numbers(name, tensor) for name, tensor in given}
        segments = np.zeros_like(inputs["input_ids"])
        if token_type_ids is not None:
            segments = _whole_numbers(SEGMENTS, token_type_ids)
        _check_shapes(inputs | {SEGMENTS: segments})
        if self.reads_pairs:
            inputs[SEGMENTS] = segments
        elif segments.any():
            raise InvalidInput(
                "token_type_ids: those of pairs, which the file does not read; allowed: all 0, or "
                "a file of export_onnx(..., pairs=True)."
            )
        try:
            return self.session.run(["logits"], inputs)[0]
        except Exception as error:  # the runtime's own kinds share no base of their own
            raise _beyond_the_model(error, inputs["input_ids"]) from error


def _whole_numbers(name: str, given: Any) -> np.ndarray:
    """Return ids, segments or a mask as the runtime reads them.

    Raises:
        InvalidInput: others than whole numbers.
    """
    numbers = np.asarray(given)
    if numbers.dtype.kind in "bi" or (numbers.dtype.kind in "uf" and not (numbers % 1).any()):
        return numbers.astype(np.int64)
    raise InvalidInput(f"{name}: {numbers.dtype} values; allowed: whole numbers.")


def _check_shapes(inputs: dict[str, np.ndarray]) -> None:
    """Refuse shapes that are not [batch, length], the same for all."""
    shape = inputs["input_ids"].shape
    if len(shape) != 2 or 0 in shape:
        raise InvalidInput(
            f"input_ids: shape {shape}; allowed: [batch, length] with at least one token."
        )
    for name, tensor in inputs.items():
        if tensor.shape != shape:
            raise InvalidInput(f"{name}: shape {tensor.shape}; allowed: {shape}.")


def _beyond_the_model(error: Exception, ids: np.ndarray) -> InvalidInput:
    """Say which of the inputs the model has no embedding for."""
    bounds = re.search(r"\[-\d+,(\d+)\]", str(error))
    if bounds and "position_embeddings" in str(error):
        most = int(bounds[1]) + 1
        return InvalidInput(f"input_ids: length {ids.shape[1]}; allowed: at most {most}.")
    if bounds and "word_embeddings" in str(error):
        return InvalidInput(
            f"input_ids: from {ids.min()} to {ids.max()}; allowed: 0 to {bounds[1]}, "
            "this model's vocabulary. Do tokenizer and model belong together?"
        )
    return InvalidInput(f"the ONNX runtime refuses this call: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]


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
