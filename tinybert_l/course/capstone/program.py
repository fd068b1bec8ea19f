"""Measure entries: `python -m tinybert_l.course.capstone.program < job > replies`, JSON a line.

The league runs this in the sandbox, a student without one. It knows sentences and never labels;
whoever asked compares its answers with them. Each entry has a process of its own, with limits of
time and memory.

The teacher and the entry answer the same sentences in turns, in one thread on one core. What counts
is the processor's time and not the clock's, so that other programs on the machine hardly matter.
"""

import json
import math
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinybert_l.course.capstone.rules import EntryRefused

MEMORY_MB = 2048
FILE_LIMIT = 2**16  # bytes of a file in /scratch: what torch imports tries whether it can write
REPEATED = 16  # sentences that are asked twice: the same sentence has the same answer
TOLERANCE = 1e-4  # between two answers to the same sentence
PASSES = 6  # over the sentences that are timed, in each round
COVERAGE = 0.95
NARROW = 0.05  # of the ratio: rounds go on until its interval is no wider,
MOST = 3  # or there are so many times the rounds,
TIMING_SHARE = 0.6  # or so much of an entry's processor time is used
TRIED = 5  # sentences after which a slow entry is given up
SLOWEST = 10  # times the teacher's time: what is slower is not measured any further
PATIENCE = 5  # seconds to wait for one of processor time: other programs may run beside
REPLY_LIMIT = 2**20  # bytes
DIED = "it needs more memory than {memory} MB, or broke the program that runs it. 内存超限或崩溃。"
LATE = "it was not done within {seconds} seconds of processor time. 超时。"


@dataclass(frozen=True)
class Job:
    """What is to be done.

    Args:
        entries: folders of entries, each with nothing but its files.
        sentences: that each entry answers.
        seconds: of processor time that an entry may take in all.
        reference: folder of the teacher, in the form of an entry; empty: no times are measured.
        timed: places of the sentences on which times are measured.
        rounds: in which these are timed at least; up to MOST times as many where times vary.
        memory_mb: that an entry's process may take beyond what it begins with.
    """

    entries: list[str]
    sentences: list[str]
    seconds: float
    reference: str = ""
    timed: list[int] = field(default_factory=list)
    rounds: int = 0
    memory_mb: int = MEMORY_MB


def main() -> None:
    """Do the job on stdin; write a line for each entry to stdout."""
    job = Job(**json.loads(sys.stdin.buffer.read()))
    for folder in job.entries:
        print(json.dumps(_in_own_process(folder, job)), flush=True)


def _in_own_process(folder: str, job: Job) -> dict[str, Any]:
    if sys.platform != "linux":
        return measured(folder, job)
    _load_libraries()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer_and_end(folder, job, reading, writing)
    os.close(writing)
    raw = _read_until(reading, time.monotonic() + PATIENCE * job.seconds)
    os.close(reading)
    status = _end(child)
    is_late = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
    if raw is None or is_late:
        return {"refused": LATE.format(seconds=int(job.seconds))}
    try:
        reply = json.loads(raw)
    except ValueError:
        reply = None
    return reply if isinstance(reply, dict) else {"refused": DIED.format(memory=job.memory_mb)}


def _end(child: int) -> int:
    """End a process that has said all it will say, and return its status."""
    for _ in range(50):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _load_libraries() -> None:
    """Import what nearly every entry needs before the fork, once for all."""
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import safetensors.numpy  # noqa: F401
    import tokenizers  # noqa: F401


def _answer_and_end(folder: str, job: Job, reading: int, writing: int) -> None:
    """Write the reply into the pipe, and end this process."""
    try:
        os.dup2(writing, 3)
        for descriptor in (0, 1):
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        os.closerange(4, max(reading, writing, 64) + 1)
        _set_limits(job)
        raw = json.dumps(measured(folder, job)).encode()
        with os.fdopen(3, "wb") as pipe:
            pipe.write(raw)
    finally:
        os._exit(0)


def _set_limits(job: Job) -> None:
    import resource

    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    limits = {
        resource.RLIMIT_AS: now + job.memory_mb * 2**20,
        resource.RLIMIT_FSIZE: FILE_LIMIT,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 64,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    seconds = int(job.seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))  # the first one is reported
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _read_until(descriptor: int, deadline: float) -> bytes | None:
    """Return what comes through a pipe up to its end; None when it takes too long."""
    import select

    parts: list[bytes] = []
    while sum(map(len, parts)) <= REPLY_LIMIT:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return None
        part = os.read(descriptor, 65536)
        if not part:
            return b"".join(parts)
        parts.append(part)
    return b""


def measured(folder: str, job: Job) -> dict[str, Any]:
    """Return the reply for one entry: why it is refused, or its answers and times."""
    try:
        return asdict(measure(folder, job))
    except EntryRefused as error:
        return {"refused": str(error)}
    except MemoryError:
        return {"refused": DIED.format(memory=job.memory_mb)}


@dataclass(frozen=True)
class Answers:
    """What an entry has answered, and how long it took.

    Args:
        outputs: for each sentence the number of the largest logit.
        entry_ms: milliseconds of a sentence, the mean of each round.
        teacher_ms: the same of the teacher.
    """

    outputs: list[int]
    entry_ms: list[float]
    teacher_ms: list[float]


def measure(folder: str, job: Job) -> Answers:
    """Check an entry, let it answer, and time it beside the teacher.

    Raises:
        EntryRefused: it breaks a rule.
    """
    from tinybert_l.course.capstone.classifier import Classifier

    entry = Classifier(_read_folder(folder))
    teacher = Classifier(_read_folder(job.reference)) if job.reference else None
    if teacher is not None:
        _require_speed(entry, teacher, job.sentences[:TRIED])
    logits = [entry.logits(sentence) for sentence in job.sentences]
    _require_same_again(entry, job.sentences, logits)
    outputs = [int(numbers.argmax()) for numbers in logits]
    if teacher is None:
        return Answers(outputs, [], [])
    timed = [job.sentences[place] for place in job.timed]
    return Answers(outputs, *_times_until_narrow(entry, teacher, timed, job))


def _read_folder(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _require_speed(entry: Any, teacher: Any, sentences: list[str]) -> None:
    """Give up early on what could not be placed anyway."""
    (entry_ms,), (teacher_ms,) = _times(entry, teacher, sentences, 1)
    if entry_ms > SLOWEST * teacher_ms:
        raise EntryRefused(
            f"it takes {entry_ms / teacher_ms:.0f} times as long as the teacher; what takes more "
            f"than {SLOWEST} times is not measured. 太慢，不再测量。"
        )


def _require_same_again(entry: Any, sentences: list[str], logits: list[np.ndarray]) -> None:
    """Ask some sentences once more, in the opposite order: an answer depends on its sentence."""
    for place in reversed(range(min(REPEATED, len(sentences)))):
        again = entry.logits(sentences[place])
        if not np.allclose(again, logits[place], rtol=TOLERANCE, atol=TOLERANCE):
            raise EntryRefused(
                "the same sentence has another answer the second time. 同一句话两次答案不同。"
            )


def _times_until_narrow(
    entry: Any, teacher: Any, sentences: list[str], job: Job
) -> tuple[list[float], list[float]]:
    """Return times of the job's rounds, and of more where other programs let the ratio vary."""
    of_entry, of_teacher = _times(entry, teacher, sentences, job.rounds)
    while (
        len(of_entry) < MOST * job.rounds
        and _width(of_entry, of_teacher) > NARROW
        and time.process_time() < TIMING_SHARE * job.seconds
    ):
        for times, more in zip(
            (of_entry, of_teacher), _times(entry, teacher, sentences, 1), strict=True
        ):
            times += more
    return of_entry, of_teacher


def rank_of_median(count: int) -> int:
    """Say how many values at each end lie outside the median's 95 % interval.

    By the binomial distribution, whatever the values are distributed like: 2 of 12 at each end.
    """
    outside, rank = 2 / 2**count, 0
    while outside <= 1 - COVERAGE:  # that fewer than `rank + 1` values lie on one side
        rank += 1
        outside += 2 * math.comb(count, rank) / 2**count
    return max(rank - 1, 0)


def _width(of_entry: list[float], of_teacher: list[float]) -> float:
    """Return how wide the interval of the median ratio is, as a share of its lower end."""
    ratios = sorted(entry / teacher for entry, teacher in zip(of_entry, of_teacher, strict=True))
    rank = rank_of_median(len(ratios))
    return ratios[-1 - rank] / ratios[rank] - 1


def _times(
    entry: Any, teacher: Any, sentences: list[str], rounds: int
) -> tuple[list[float], list[float]]:
    """Return milliseconds of a sentence in each round, of the entry and of the teacher.

    In each round both answer all sentences several times, in turns; for each sentence the least
    time counts. So a moment in which the machine was disturbed does not, and a slow one meets both.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        least = ([math.inf] * len(sentences), [math.inf] * len(sentences))
        for _ in range(PASSES):
            for classifier, its_least in zip((entry, teacher), least, strict=True):
                classifier.logits(sentences[0])  # its weights come into the processor's cache again
                # not the process's time: with a limit of it, Linux counts that in ticks
                for place, sentence in enumerate(sentences):
                    begin = time.thread_time()
                    classifier.logits(sentence)
                    its_least[place] = min(its_least[place], time.thread_time() - begin)
        for its_times, its_least in zip(times, least, strict=True):
            its_times.append(1000 * sum(its_least) / len(sentences))
    return times


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main()
