"""Measure trained sub-models: trade-off of accuracy, size and speed; latency budgets; questions."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tinybert_l.cache import cached, provenance, read_entry, read_json, write_atomically
from tinybert_l.course import figures
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_08 import choose_submodel
from tinybert_l.method.data import Split, labelled_reviews
from tinybert_l.method.evaluation import Result, accuracy_interval, as_records, evaluate
from tinybert_l.method.export import speed_and_accuracy
from tinybert_l.method.joint import Supernet
from tinybert_l.method.teacher import Teacher
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.bag_of_words import BagOfWords, best_bag_of_words
from tinybert_l.tasks.questions import Reader, load_reader
from tinybert_l.tasks.squad import Question, read_squad

ANSWER_TOKENS = 30  # longest answer to a question of a user's file
_LONG_NUMBER = re.compile(r"\d+\.\d{3,}")


@dataclass(frozen=True)
class Baseline:
    """The best bag of words on a teacher's test texts: the floor of any network.

    Args:
        accuracy, accuracy_low, accuracy_high: share of test texts, with its 95 % interval.
        labelled_texts: number of texts that it was fitted on.
        hits: 1 for each test text that is classified rightly, else 0.
    """

    accuracy: float
    accuracy_low: float
    accuracy_high: float
    labelled_texts: int
    hits: list[int]


@dataclass(frozen=True)
class TradeOff:
    """Accuracy, size and speed of a teacher and of all sub-models of its student.

    Args:
        baseline: the best bag of words on the same texts.
        texts: number of held-out texts.
        threads: number of torch's threads.
        record: the file of results, JSON.
        picture: the file of the Pareto picture, PNG.
    """

    results: list[Result]
    baseline: Baseline
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
    record = _conditions(supernet) | {
        "results": as_records(results),
        "baseline": asdict(measure_baseline(supernet.teacher)),
    }
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
    if {name: record.get(name) for name in conditions} != conditions or "baseline" not in record:
        return None
    return _trade_off(record, folder)


def _conditions(supernet: Supernet) -> dict[str, Any]:
    entry = read_entry(supernet.folder) or {}
    texts = len(supernet.teacher.data["test"])
    conditions = {"recipe": entry.get("recipe"), "texts": texts}
    return conditions | {"threads": torch.get_num_threads()} | provenance()


def _trade_off(record: dict[str, Any], folder: Path) -> TradeOff:
    results = [Result(**row) for row in record["results"]]
    baseline = Baseline(**record["baseline"])
    files = (folder / "results.json", folder / "pareto.png")
    return TradeOff(results, baseline, record["texts"], record["threads"], *files)


def measure_baseline(teacher: Teacher) -> Baseline:
    """Fit the best bag of words on the teacher's labelled texts, and test it; kept in the cache.

    With the embedded sentences, the labelled reviews of their package may help; validation says
    whether they do.
    """
    whole_reviews = teacher.recipe.table is None and not teacher.recipe.quick
    key = {"texts": teacher.key["data"], "reviews": whole_reviews}

    def build(folder: Path) -> dict[str, Any]:
        fits = [_fit(teacher, teacher.splits["train"])]
        if whole_reviews:
            fits.append(_fit_with_reviews(teacher))
        bag, count = max(fits, key=lambda fit: fit[0].validation_accuracy)
        hits = bag.correct(teacher.splits["test"])
        accuracy = accuracy_interval(sum(hits), len(hits))
        return asdict(Baseline(*accuracy, labelled_texts=count, hits=hits))

    entry = read_entry(cached("bag-of-words", key, build)) or {}
    return Baseline(**entry["metrics"])


def _fit(teacher: Teacher, train: Split, **choices: Any) -> tuple[BagOfWords, int]:
    return best_bag_of_words(train, teacher.splits["validation"], **choices), len(train)


def _fit_with_reviews(teacher: Teacher) -> tuple[BagOfWords, int]:
    """Fit words on sentences and whole reviews; their characters take minutes and bring nothing."""
    sentences, reviews = teacher.splits["train"], labelled_reviews(teacher.recipe.fold)
    both = Split(sentences.texts + reviews.texts, sentences.labels + reviews.labels)
    return _fit(teacher, both, features=("words",), strengths=(10.0, 30.0))


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
        raise InvalidInput(_LONG_NUMBER.sub(_rounded, str(error))) from error


def _rounded(match: re.Match[str]) -> str:
    """Round a measured number to four digits, which are more than a measurement is good for."""
    return f"{float(match.group()):.4g}"


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
