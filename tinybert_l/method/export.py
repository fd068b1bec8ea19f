"""A sub-model as files of its own: safetensors, ONNX in float32 and int8, and a card of its numbers."""

import importlib
import json
import logging
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.method.data import Encoded, collate, encode
from tinybert_l.method.evaluation import measure_latency, weight_bytes
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.joint import Supernet
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.teacher import TeacherRecipe, accuracy_of, predict_logits
from tinybert_l.method.vocabulary import prune_vocabulary
from tinybert_l.submodels import SubModel

RUNTIMES = ("torch", "onnx", "onnx-int8")
TOLERANCE = 1e-3  # between torch's logits and those of the float32 export


class _LogitsOnly(nn.Module):
    def __init__(self, model: ElasticBertForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, only_first=True
        ).logits


def export_onnx(
    supernet: ElasticBertForSequenceClassification,
    sub_model: SubModel,
    path: Path,
    int8: bool = False,
) -> Path:
    """Write a sub-model as ONNX, with free batch size and length.

    Its last layer runs for each text's first token alone: the same logits with less work.

    Args:
        int8: store and multiply the weights as 8-bit integers (dynamic quantization).
    Returns:
        The file.
    Raises:
        ValueError: a sub-model that drops tokens, whose numbers would be frozen in the file.
    """
    _needed("onnx")
    if sub_model.length < 1:
        raise ValueError(
            f"export_onnx: sub_model {sub_model.name} drops tokens; allowed: length 1."
        )
    model = _LogitsOnly(extract(supernet, sub_model)).eval()
    ids = torch.ones(2, 8, dtype=torch.long)
    whole = path.with_suffix(".float32.onnx") if int8 else path
    axes = {0: "batch", 1: "length"}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # on checks that need not be traced, and on the exporter's age
        # torch 2.13's newer exporter changed this model's logits by 1e-2; a test holds this one to 1e-5
        torch.onnx.export(
            model,
            (ids, ids),
            str(whole),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    if int8:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        logging.getLogger().addFilter(
            lambda record: "pre-processing before quantization" not in record.getMessage()
        )
        quantize_dynamic(whole, path, weight_type=QuantType.QInt8)
        whole.unlink()
    return path


def _needed(name: str) -> Any:
    """A package of the extra `export`.

    Raises:
        RuntimeError: it is missing; says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise RuntimeError(
            f"{name} is missing, which ONNX files need: pip install 'tinybert-l[export]', then restart the kernel. "
            "缺少ONNX相关软件包。"
        ) from None


class OnnxClassifier:
    """An exported model; called with one batch of token ids and mask, returns logits as numpy [batch, classes]."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        onnxruntime = _needed("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, input_ids: Any, attention_mask: Any) -> np.ndarray:
        inputs = {"input_ids": np.asarray(input_ids), "attention_mask": np.asarray(attention_mask)}
        return self.session.run(["logits"], inputs)[0]


def export_all(
    supernet: Supernet,
    sub_model: SubModel,
    folder: Path,
    seconds: float = 0.6,
    vocabulary: int | None = None,
    texts: TeacherRecipe | None = None,
) -> dict[str, Any]:
    """Write a sub-model in every format, check each against torch on the test set, and write a card of its numbers.

    The folder then holds model.safetensors with configuration and tokenizer (`from_pretrained` reads it), model.onnx,
    model-int8.onnx, numbers.json and README.md.

    Args:
        seconds: how long each latency is measured.
        vocabulary: word pieces to keep, the most frequent of the training texts (`prune_vocabulary`); None: all.
        texts: the teacher's recipe, which tells the texts; asked for where the vocabulary gets smaller.
    Returns:
        What numbers.json holds.
    Raises:
        RuntimeError: the float32 export does not compute what torch computes.
        ValueError: a vocabulary too small or too large.
    """
    teacher, student, tokenizer = supernet.teacher.model, supernet.model, supernet.teacher.tokenizer
    data = whole = supernet.teacher.data["test"]
    if vocabulary is not None:
        recipe = texts or TeacherRecipe()
        splits, _ = recipe.splits()
        student = elastic_copy(student)
        tokenizer = prune_vocabulary(student, tokenizer, splits["train"].texts, vocabulary)
        data = encode(splits["test"], tokenizer, recipe.max_length)
    folder.mkdir(parents=True, exist_ok=True)
    small = extract(student, sub_model).eval()
    small.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    files = {"ONNX float32": folder / "model.onnx", "ONNX int8": folder / "model-int8.onnx"}
    expected = predict_logits(small, data).numpy()
    logits = predict_logits(teacher, whole).numpy()
    rows = [_row("teacher, torch", teacher, logits, whole, weight_bytes(teacher), seconds)]
    size = (folder / "model.safetensors").stat().st_size
    rows.append(_row(f"{sub_model.label}, torch", small, expected, data, size, seconds))
    for name, path in files.items():
        export_onnx(student, sub_model, path, int8="int8" in name)
        model = OnnxClassifier(path)
        logits = onnx_logits(model, data)
        apart = float(np.abs(logits - expected).max())
        if "float32" in name and apart > TOLERANCE:
            raise RuntimeError(
                f"export: {path} differs from torch by {apart:.1e}; allowed: {TOLERANCE}."
            )
        rows.append(
            _row(f"{sub_model.label}, {name}", model, logits, data, path.stat().st_size, seconds)
        )
        rows[-1]["largest difference from torch"] = apart
    labels = teacher.config.id2label
    task = "Sentiment of English film reviews: 0 negative, 1 positive."
    if labels[0] != "LABEL_0":  # one's own texts, whose labels have names
        task = (
            f"Classes of one's own texts: {', '.join(f'{n} {name}' for n, name in labels.items())}."
        )
    numbers = {
        "sub_model": sub_model.label,
        "task": task,
        "texts": len(data),
        "vocabulary": len(tokenizer),
    }
    numbers |= {"rows": rows, **provenance()}
    write_atomically(folder / "numbers.json", json.dumps(numbers, ensure_ascii=False, indent=1))
    write_atomically(folder / "README.md", _card(sub_model, numbers))
    return numbers


def onnx_logits(model: OnnxClassifier, data: Encoded) -> np.ndarray:
    """Logits [texts, classes], one text at a time: in int8 a text's scale would depend on its batch."""
    batches = (collate(data, [i]) for i in range(len(data)))
    return np.concatenate([model(batch["input_ids"], batch["attention_mask"]) for batch in batches])


def speed_and_accuracy(
    supernet: Supernet, sub_model: SubModel, runtime: str, seconds: float = 0.6
) -> tuple[float, float]:
    """Median milliseconds for one text of 32 tokens on this machine, and accuracy on the validation texts.

    Args:
        runtime: one of `RUNTIMES`.
        seconds: how long the latency is measured.
    Raises:
        ValueError: an unknown runtime.
    """
    if runtime not in RUNTIMES:
        raise ValueError(
            f"speed_and_accuracy: runtime={runtime!r}; allowed: {', '.join(RUNTIMES)}."
        )
    data = supernet.teacher.data["validation"]
    if runtime == "torch":
        model = extract(supernet.model, sub_model).eval()
        return measure_latency(model, 1, seconds=seconds)[0], accuracy_of(model, data)
    with tempfile.TemporaryDirectory() as folder:
        path = export_onnx(
            supernet.model, sub_model, Path(folder) / "model.onnx", int8=runtime == "onnx-int8"
        )
        session = OnnxClassifier(path)
    hits = onnx_logits(session, data).argmax(-1) == np.array(data.labels)
    return onnx_latency(session, 1, seconds=seconds), float(hits.mean())


def _row(
    name: str, model: Any, logits: np.ndarray, data: Encoded, size: int, seconds: float
) -> dict[str, Any]:
    row = {
        "model": name,
        "accuracy": float((logits.argmax(-1) == np.array(data.labels)).mean()),
        "bytes": size,
    }
    for batch in (1, 32):
        if isinstance(model, OnnxClassifier):
            row[f"ms, batch {batch}"] = onnx_latency(model, batch, seconds=seconds)
        else:
            row[f"ms, batch {batch}"] = measure_latency(model, batch, seconds=seconds)[0]
    return row


def onnx_latency(
    model: OnnxClassifier, batch_size: int, length: int = 32, seconds: float = 0.6
) -> float:
    """Median milliseconds, on texts like those of `measure_latency`."""
    ids = np.random.default_rng(0).integers(1000, 2000, (batch_size, length))
    mask, times = np.ones_like(ids), []
    for _ in range(3):
        model(ids, mask)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        model(ids, mask)
        times.append(1000 * (time.perf_counter() - begin))
    return float(np.median(times))


def _card(sub_model: SubModel, numbers: dict[str, Any]) -> str:
    """A model card in Markdown."""
    rows = [
        f"| {r['model']} | {100 * r['accuracy']:.1f} | {r['ms, batch 1']:.2f} | {r['ms, batch 32']:.1f} "
        f"| {r['bytes'] / 1e6:.1f} |"
        for r in numbers["rows"]
    ]
    machine = numbers["machine"]
    processor = ", ".join([machine["processor"], *machine["instructions"]])
    return "\n".join([
        f"# {sub_model.label}: a sub-model of a TinyBERT-L supernet", "",
        f"{numbers['task']} Taken out of one weight-sharing student whose",
        "sub-models were trained jointly (TinyBERT losses, sandwich rule, self-distillation). "
        f"Vocabulary: {numbers['vocabulary']:,} word pieces.", "",
        f"Measured on {numbers['texts']} held-out sentences, {machine['cores']} cores ({processor}), "
        f"length 32, {numbers['date'][:10]}:", "",
        "| model | accuracy (%) | ms, batch 1 | ms, batch 32 | MB |", "|---|---|---|---|---|", *rows, "",
        "```python", "import tinybert_l.method.model  # makes the architecture known to transformers",
        "from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline", "",
        'model = AutoModelForSequenceClassification.from_pretrained(".")',
        'tokenizer = AutoTokenizer.from_pretrained(".")',
        'print(pipeline("text-classification", model=model, tokenizer=tokenizer)("a quiet, moving film"))', "```", "",
        "Limits: one domain, one language, sentences; what it says of other texts was not measured.", "",
    ])  # fmt: skip
