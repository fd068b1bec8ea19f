"""Measure trained sub-models: trade-off of accuracy, size and speed; latency budgets; questions."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tinybert_l.cache import provenance, read_entry, read_json, write_atomically
from tinybert_l.course import figures
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_08 import choose_submodel
from tinybert_l.method.evaluation import Result, as_records, evaluate
from tinybert_l.method.export import speed_and_accuracy
from tinybert_l.method.joint import Supernet
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.questions import Reader, load_reader
from tinybert_l.tasks.squad import Question, read_squad

ANSWER_TOKENS = 30  # longest answer to a question of a user's file


@dataclass(frozen=True)
class TradeOff:
    """Accuracy, size and speed of a teacher and of all sub-models of its student.

    Args:
        texts: number of held-out texts.
        threads: number of torch's threads.
        record: the file of results, JSON.
        picture: the file of the Pareto picture, PNG.
    """

    results: list[Result]
    texts: int
    threads: int
    record: Path
    picture: Path


@dataclass(frozen=True)
class Candidate:
    """A sub-model that may be shipped.

    Args:
        latency_ms: median latency of one text of 32 tokens on this machine.
        quality: accuracy on the validation texts, 0..1.
    """

    name: str
    latency_ms: float
    quality: float


@dataclass(frozen=True)
class ReaderScore:
    """How well a sub-model answers questions, both scores 0..1."""

    sub_model: SubModel
    exact_match: float
    f1: float


def measure_trade_off(supernet: Supernet, folder: Path, seconds: float) -> TradeOff:
    """Measure teacher and sub-models on the test texts; write results.json and pareto.png.

    Args:
        folder: where the two files are written.
        seconds: time for which each latency is measured.
    """
    data = supernet.teacher.data["test"]
    results = evaluate(
        supernet.model,
        supernet.teacher.model,
        supernet.recipe.sub_models(),
        data,
        seconds=seconds,
    )
    record = _conditions(supernet) | {"results": as_records(results)}
    trade_off = _trade_off(record, folder)
    write_atomically(trade_off.record, json.dumps(record, indent=2, ensure_ascii=False))
    figures.pareto(results).savefig(trade_off.picture)
    return trade_off


def find_trade_off(supernet: Supernet, folder: Path) -> TradeOff | None:
    """Read what `measure_trade_off` wrote, if it measured this supernet under today's conditions.

    They are the recipe, the number of texts and threads, the versions and the machine.
    """
    path = folder / "results.json"
    if not path.is_file() or not (folder / "pareto.png").is_file():
        return None
    record = read_json(path)
    conditions = _conditions(supernet)
    conditions.pop("date")
    if {name: record.get(name) for name in conditions} != conditions:
        return None
    return _trade_off(record, folder)


def _conditions(supernet: Supernet) -> dict[str, Any]:
    entry = read_entry(supernet.folder) or {}
    texts = len(supernet.teacher.data["test"])
    conditions = {"recipe": entry.get("recipe"), "texts": texts}
    return conditions | {"threads": torch.get_num_threads()} | provenance()


def _trade_off(record: dict[str, Any], folder: Path) -> TradeOff:
    results = [Result(**row) for row in record["results"]]
    files = (folder / "results.json", folder / "pareto.png")
    return TradeOff(results, record["texts"], record["threads"], *files)


def measure_candidates(supernet: Supernet, runtime: str, seconds: float) -> list[Candidate]:
    """Measure latency on this machine and validation accuracy of every sub-model.

    Args:
        runtime: "torch", "onnx" or "onnx-int8".
        seconds: time for which each latency is measured.
    """
    candidates = []
    for sub_model in supernet.recipe.sub_models():
        latency_ms, quality = speed_and_accuracy(supernet, sub_model, runtime, seconds=seconds)
        candidates.append(Candidate(sub_model.name, latency_ms, quality))
    return candidates


def choose_candidate(candidates: list[Candidate], max_latency_ms: float) -> str:
    """Name the candidate that the exercise `choose_submodel` chooses.

    Raises:
        InvalidInput: no candidate meets the budget.
    """
    try:
        return choose_submodel([vars(candidate) for candidate in candidates], max_latency_ms)
    except ValueError as error:
        raise InvalidInput(str(error)) from error


def score_reader(reader: Reader, questions: list[Question]) -> list[ReaderScore]:
    """Score every sub-model on questions whose answers have up to 30 tokens, largest first."""
    scores = []
    for sub_model in reversed(reader.recipe.sub_models()):
        score = reader.score(questions, sub_model, max_answer_length=ANSWER_TOKENS)
        scores.append(ReaderScore(sub_model, score["exact_match"], score["f1"]))
    return scores


def learn_questions(
    learn: Path, test: Path, num_steps: int, batch_size: int, seed: int
) -> tuple[list[ReaderScore], int]:
    """Train a reader on one file of questions and score its sub-models on another.

    Args:
        learn, test: in SQuAD's JSON format, or folders of `datasets`; they may be the same.
    Returns:
        The scores, and the number of questions in `test`.
    """
    questions = read_squad(test)
    reader = load_reader(num_steps, batch_size, seed, squad=learn)
    return score_reader(reader, questions), len(questions)
