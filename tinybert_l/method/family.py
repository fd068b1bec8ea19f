"""A family: one trained supernet, its sub-models, and the held-out texts that judge them."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tinybert_l.cache import read_json, write_atomically
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_08 import choose_submodel
from tinybert_l.method.cached_model import save_quietly
from tinybert_l.method.checks import require_folder
from tinybert_l.method.data import Encoded
from tinybert_l.method.evaluation import (
    accuracy_interval,
    count_parameters,
    latency_texts,
    majority_share,
)
from tinybert_l.method.export import RUNTIMES, Deployment, export_formats, task_of
from tinybert_l.method.extraction import extract
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.onnx_files import (
    LENGTH,
    ONNX_FORMATS,
    OnnxClassifier,
    export_onnx,
    onnx_logits,
)
from tinybert_l.method.own_teacher import quiet_reading
from tinybert_l.method.quality import by_the_method, quality_of
from tinybert_l.method.teacher import predict_logits
from tinybert_l.method.timing import measure_in_turns
from tinybert_l.submodels import SubModel

FACTS = "family.json"
HELD_OUT = "held-out.json"


@dataclass(frozen=True)
class Row:
    """What one model is worth and costs.

    Args:
        name: of the sub-model, such as "3x0.5"; or "teacher".
        accuracy, low, high: share of right answers on the test texts and its 95 % interval. Where
            the texts have no labels, the teacher's answers count as right.
        macro_f1: mean of the classes' F1.
        kept: accuracy relative to the teacher's.
        parameters: numbers in the model, embeddings included.
        latency_ms: median for one text of 32 tokens, in torch on this machine, measured in turns
            with the other sub-models.
    """

    name: str
    accuracy: float
    low: float
    high: float
    macro_f1: float
    kept: float
    parameters: int
    latency_ms: float


@dataclass(frozen=True)
class Evaluation:
    """The rows of a family, the teacher first; printed as a table.

    Args:
        chance: the share of the test texts' most frequent class: what a constant answer gets.
        measure: what accuracy is measured against.
    """

    rows: list[Row]
    texts: int
    chance: float
    measure: str

    def __str__(self) -> str:
        lines = [f"{'model':>12} {self.measure} (95 %)  macro-F1   kept  parameters      ms"]
        for row in self.rows:
            interval = f"{row.accuracy:6.1%} ({row.low:.1%} to {row.high:.1%})"
            lines.append(
                f"{row.name:>12} {interval} {row.macro_f1:9.3f} {row.kept:6.1%} "
                f"{row.parameters:11,} {row.latency_ms:7.2f}"
            )
        lines.append(f"{self.texts} test texts; a constant answer gets {self.chance:.1%}.")
        return "\n".join(lines)


@dataclass
class Family:
    """A teacher's family of smaller models, all parts of one.

    Args:
        model: the supernet; `model(..., sub_model=...)` runs any of the family.
        tokenizer: the supernet's.
        sub_models: those that were trained, from smallest to largest.
        held_out: {"validation", "test"} as token ids.
        folder: where it is kept; `Family.load` reads it.
        facts: what is known of teacher, texts and training, as plain values.
        chosen: what `choose` chose last.
    """

    model: ElasticBertForSequenceClassification
    tokenizer: PreTrainedTokenizerBase
    sub_models: list[SubModel]
    held_out: dict[str, Encoded]
    folder: Path
    facts: dict[str, Any]
    chosen: SubModel | None = None

    @property
    def measure(self) -> str:
        """What accuracy is measured against."""
        return "accuracy" if self.facts["labelled"] else "agreement with the teacher"

    @by_the_method
    def evaluate(self, seconds: float = 0.3) -> Evaluation:
        """Measure the sub-models on the test texts, and their latency in torch.

        Args:
            seconds: how long each latency is measured.
        """
        data = self.held_out["test"]
        models = {}
        calls: dict[str, Callable[[], Any]] = {}
        for sub_model in reversed(self.sub_models):
            model = extract(self.model, sub_model).eval()
            models[sub_model.name] = model
            calls[sub_model.name] = _torch_call(model)
        latencies = measure_in_turns(calls, seconds)
        teacher = self.facts["teacher"]
        best = accuracy_interval(teacher["right"], len(data))
        rows = [
            Row("teacher", *best, teacher["macro_f1"], 1.0, teacher["parameters"], teacher["ms"])
        ]
        for name, model in models.items():
            predictions = predict_logits(model, data).argmax(-1).tolist()
            quality = quality_of(predictions, data, self.model.config.num_labels)
            kept = quality["accuracy"] / best[0] if best[0] else 0.0
            parameters = count_parameters(model)[0]
            rows.append(
                Row(name, kept=kept, parameters=parameters, latency_ms=latencies[name], **quality)
            )
        return Evaluation(rows, len(data), majority_share(data.labels), self.measure)

    @by_the_method
    def choose(
        self,
        max_latency_ms: float,
        runtime: str = "torch",
        percentile: float = 50,
        seconds: float = 0.3,
    ) -> SubModel:
        """Choose the sub-model that is best on the validation texts among those quick enough here.

        All are measured in turns, call after call, so that a busy moment slows all of them down.

        Args:
            max_latency_ms: for one text of 32 tokens.
            runtime: the program that will run it: "torch", "onnx" or "onnx-int8".
            percentile: of the measured latencies, which is compared with the budget; 50: the
                median.
            seconds: how long each is measured.
        Raises:
            InvalidInput: an unknown runtime, a budget that is no number above 0, or none is quick
                enough; names the quickest.
        """
        is_number = isinstance(max_latency_ms, Real) and not isinstance(max_latency_ms, bool)
        if not is_number or not float(max_latency_ms) > 0:
            raise InvalidInput(
                f"choose: max_latency_ms={max_latency_ms!r}; allowed: a number above 0."
            )
        if runtime not in RUNTIMES:
            raise InvalidInput(f"choose: runtime={runtime!r}; allowed: {', '.join(RUNTIMES)}.")
        data = self.held_out["validation"]
        calls: dict[str, Callable[[], Any]] = {}
        quality = {}
        with self._in_runtime(runtime) as runs:
            for name, (call, logits_of) in runs.items():
                calls[name] = call
                right = np.equal(logits_of(data).argmax(-1), data.labels)
                quality[name] = float(right.mean())
            latencies = measure_in_turns(calls, seconds, percentile)
        candidates = []
        for name, latency in latencies.items():
            candidates.append({"name": name, "latency_ms": latency, "quality": quality[name]})
        by_name = {sub_model.name: sub_model for sub_model in self.sub_models}
        self.chosen = by_name[choose_submodel(candidates, max_latency_ms)]
        return self.chosen

    @contextmanager
    def _in_runtime(
        self, runtime: str
    ) -> Iterator[dict[str, tuple[Callable[[], Any], Callable[[Encoded], np.ndarray]]]]:
        """Yield {sub-model: (a call on one text, the logits of data)} in a runtime."""
        runs: dict[str, tuple[Callable[[], Any], Callable[[Encoded], np.ndarray]]] = {}
        with tempfile.TemporaryDirectory() as folder:
            for sub_model in self.sub_models:
                if runtime not in ONNX_FORMATS:
                    model = extract(self.model, sub_model).eval()
                    runs[sub_model.name] = (_torch_call(model), _torch_logits(model))
                    continue
                path = Path(folder) / f"{sub_model.name}.onnx"
                export_onnx(self.model, sub_model, path, ONNX_FORMATS[runtime].int8)
                session = OnnxClassifier(path)
                ids = latency_texts(self.model.config, 1, LENGTH)
                runs[sub_model.name] = (_onnx_call(session, ids), _onnx_logits(session))
            yield runs

    @by_the_method
    def export(self, folder: str | Path, sub_model: SubModel | None = None) -> Path:
        """Write a sub-model as safetensors and ONNX (float32, int8), with its numbers and a card.

        Args:
            sub_model: None: the one that `choose` chose.
        Returns:
            The folder, which `from_pretrained` reads.
        Raises:
            InvalidInput: none was chosen, it is none of the family, or the folder is a file or
                holds a family, which the export would write over.
        """
        sub_model = sub_model or self.chosen
        if sub_model not in self.sub_models:
            names = ", ".join(known.name for known in self.sub_models)
            given = (
                "none was chosen"
                if sub_model is None
                else f"sub_model={getattr(sub_model, 'name', repr(sub_model))}"
            )
            raise InvalidInput(f"export: {given}; allowed: {names} (choose chooses one).")
        require_folder(folder, "export")
        if (Path(folder) / FACTS).is_file():
            raise InvalidInput(f"export: {folder} holds a family; allowed: another folder.")
        task = task_of(self.model.config)
        deployed = Deployment(
            self.model, self.tokenizer, self.held_out["test"], task, self.measure, seconds=0.3
        )
        export_formats(deployed, sub_model, Path(folder), [self.facts["teacher"]["row"]])
        return Path(folder)

    def save(self) -> None:
        """Write the family into its folder; the facts come last, so that it is whole or absent."""
        save_quietly(self.model, self.folder)
        self.tokenizer.save_pretrained(self.folder)
        held_out = {name: asdict(data) for name, data in self.held_out.items()}
        write_atomically(self.folder / HELD_OUT, json.dumps(held_out))
        names = [sub_model.name for sub_model in self.sub_models]
        facts = self.facts | {"sub_models": names}
        text = json.dumps(facts, ensure_ascii=False, indent=1)
        write_atomically(self.folder / FACTS, text)

    @classmethod
    def load(cls, folder: str | Path) -> "Family":
        """Read a family that `distil` made.

        Raises:
            InvalidInput: the folder holds none, or not the whole of it.
        """
        folder = Path(folder).absolute()  # also where the program changes its working directory
        for name in (FACTS, HELD_OUT):
            if not (folder / name).is_file():
                raise InvalidInput(
                    f"{folder}: no family is here, {name} is missing; allowed: a folder made by "
                    "distil."
                )
        facts = read_json(folder / FACTS)
        with quiet_reading(folder, "folder"):
            model = ElasticBertForSequenceClassification.from_pretrained(folder).eval()
            tokenizer = AutoTokenizer.from_pretrained(folder)
        try:
            held_out = {}
            for name, fields in read_json(folder / HELD_OUT).items():
                held_out[name] = Encoded(**fields)
            sub_models = [SubModel.parse(name) for name in facts["sub_models"]]
        except (KeyError, TypeError, AttributeError):
            raise InvalidInput(
                f"{folder}: {FACTS} or {HELD_OUT} is damaged; allowed: as distil wrote them. "
                "文件已损坏。"
            ) from None
        return cls(model, tokenizer, sub_models, held_out, folder, facts)


def _torch_call(model: ElasticBertForSequenceClassification) -> Callable[[], Any]:
    ids = latency_texts(model.config, 1, LENGTH)
    mask = torch.ones_like(ids)

    @torch.no_grad()
    def call() -> Any:
        return model(input_ids=ids, attention_mask=mask)

    return call


def _torch_logits(model: torch.nn.Module) -> Callable[[Encoded], np.ndarray]:
    return lambda data: predict_logits(model, data).numpy()


def _onnx_call(session: OnnxClassifier, ids: torch.Tensor) -> Callable[[], Any]:
    mask = torch.ones_like(ids)
    return lambda: session(ids, mask)


def _onnx_logits(session: OnnxClassifier) -> Callable[[Encoded], np.ndarray]:
    return lambda data: onnx_logits(session, data)
