"""Have entries measured by a process of its own, and take nothing from it but plain numbers."""

import json
import math
import os
import random
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tinybert_l.course.capstone.description import Description
from tinybert_l.course.capstone.folder import Entry
from tinybert_l.course.capstone.program import (
    MOST,
    PATIENCE,
    REPLY_LIMIT,
    Answers,
    Job,
    rank_of_median,
)
from tinybert_l.course.capstone.rules import LABELS, EntryRefused, budget_ratio
from tinybert_l.course.intervals import Estimate, hierarchical
from tinybert_l.errors import CourseError, printable

PROGRAM = "tinybert_l.course.capstone.program"
SENTENCES_TIMED = 16
ROUNDS = 12
SECONDS = 150.0  # of processor time, for one entry
START_SECONDS = 60  # to import what is needed
REASON_LIMIT = 400  # characters
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
HIT_BOUNDS = (0.0, 1.0)


class MeasuringFailed(CourseError, RuntimeError):
    """The measuring itself failed: no fault of an entry."""


@dataclass(frozen=True)
class Sentences:
    """Sentences with their labels, numbers as in `LABELS`."""

    texts: list[str]
    labels: list[int]


@dataclass(frozen=True)
class Score:
    """What was measured of an entry.

    Args:
        name: as the entry says.
        source: the folder or zip file that was handed in.
        sha256: of the entry's files.
        size: in bytes.
        hits: for each sentence, 1 where the answer is right, else 0.
        entry_ms, teacher_ms: milliseconds of a sentence in each round; empty: not timed.
    """

    name: str
    source: str
    sha256: str
    size: int
    hits: list[int]
    entry_ms: list[float]
    teacher_ms: list[float]

    @property
    def accuracy(self) -> Estimate:
        """Share of sentences that are classified rightly, with its 95 % interval."""
        return hierarchical([self.hits], HIT_BOUNDS)

    @property
    def ratio(self) -> Estimate:
        """Time of a sentence as a share of the teacher's: the median round, with its interval."""
        pairs = zip(self.entry_ms, self.teacher_ms, strict=True)
        by_round = sorted(entry / teacher for entry, teacher in pairs)
        rank = rank_of_median(len(by_round))
        return Estimate(median(by_round), by_round[rank], by_round[-1 - rank])

    @property
    def is_in_budget(self) -> bool:
        """Whether it is fast enough, or may be: its interval reaches into the budget."""
        return self.ratio.low <= budget_ratio()


@dataclass(frozen=True)
class Program:
    """How the measuring program is started.

    Args:
        command: all words before the module's name.
        reference: the teacher's folder as the program sees it; empty: no times are measured.
        environment: of the process.
    """

    command: Sequence[str]
    reference: str
    environment: Mapping[str, str]

    @classmethod
    def here(cls, reference: Path | None) -> "Program":
        """Run it without a sandbox: for one's own entries."""
        command = [sys.executable, "-B"]
        return cls(command, "" if reference is None else str(reference), os.environ | ENVIRONMENT)


def score(entry: Entry, place: str, sentences: Sentences, program: Program) -> Score:
    """Measure an entry.

    Args:
        place: the folder of its files as the program sees it.
    Raises:
        EntryRefused: it breaks a rule.
        MeasuringFailed: the program does not work.
    """
    order = list(range(len(sentences.texts)))
    random.SystemRandom().shuffle(order)  # no place in the order means anything
    texts = [sentences.texts[place] for place in order]
    job = Job([place], texts, SECONDS, program.reference, _to_time(texts), ROUNDS)
    (reply,) = ask(job, program)
    answers = answers_of(reply, job)
    hits = [0] * len(order)
    for output, number in zip(answers.outputs, order, strict=True):
        hits[number] = int(label_of(entry.description, output) == sentences.labels[number])
    return Score(
        entry.description.name,
        entry.source,
        entry.sha256,
        entry.size,
        hits,
        answers.entry_ms,
        answers.teacher_ms,
    )


def _to_time(texts: Sequence[str]) -> list[int]:
    """Choose sentences of all lengths, always the same: those at even steps from short to long."""
    ranked = sorted(range(len(texts)), key=lambda place: (len(texts[place]), texts[place]))
    count = min(SENTENCES_TIMED, len(ranked))
    return [ranked[(2 * number + 1) * len(ranked) // (2 * count)] for number in range(count)]


def label_of(description: Description, output: int) -> int:
    """Return the course's label number of an output, which the entry's own labels name."""
    return LABELS.index(description.labels[output])


def ask(job: Job, program: Program) -> list[Any]:
    """Run the program on a job; returns one reply for each entry, not checked yet.

    Several entries of a job share a container: only those of one author, or of a test.

    Raises:
        MeasuringFailed: it does not start or does not answer.
    """
    process = subprocess.Popen(
        [*program.command, "-m", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(program.environment),
    )
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    patience = START_SECONDS + len(job.entries) * (PATIENCE * job.seconds + 5)
    timer = threading.Timer(patience, process.kill)
    timer.start()
    try:
        with process.stdin:
            process.stdin.write(json.dumps(asdict(job)).encode())
        raw = process.stdout.read(REPLY_LIMIT * len(job.entries))
        process.kill()
        words = process.stderr.read(2000).decode(errors="replace")
    except BrokenPipeError:
        raw, words = b"", process.stderr.read(2000).decode(errors="replace")
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    lines = raw.splitlines()
    if len(lines) != len(job.entries):
        last = printable(words.strip().rpartition("\n")[2])[:REASON_LIMIT]
        raise MeasuringFailed(f"the measuring program does not answer 测量程序没有响应: {last}")
    return [_parsed(line) for line in lines]


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def answers_of(reply: Any, job: Job) -> Answers:
    """Return a reply's answers, once each of them is what it should be.

    Raises:
        EntryRefused: the reply is a refusal, or is not in the format.
    """
    if isinstance(reply, dict) and isinstance(reply.get("refused"), str):
        raise EntryRefused(printable(reply["refused"])[:REASON_LIMIT])
    rounds = range(job.rounds, MOST * job.rounds + 1) if job.reference else range(1)
    is_right = (
        isinstance(reply, dict)
        and set(reply) == {"outputs", "entry_ms", "teacher_ms"}
        and _are(reply["outputs"], range(len(job.sentences), len(job.sentences) + 1), _is_output)
        and _are(reply["entry_ms"], rounds, _is_time)
        and _are(reply["teacher_ms"], rounds, _is_time)
        and len(reply["entry_ms"]) == len(reply["teacher_ms"])
    )
    if not is_right:
        raise EntryRefused("its answers are not in the format. 输出格式错误。")
    return Answers(**reply)


def _are(values: Any, counts: range, is_right: Any) -> bool:
    return isinstance(values, list) and len(values) in counts and all(map(is_right, values))


def _is_output(value: Any) -> bool:
    return type(value) is int and 0 <= value < len(LABELS)


def _is_time(value: Any) -> bool:
    return type(value) is float and math.isfinite(value) and value > 0
