"""Judge the zoo's answers and the mutants of the reference answers, in this process.

An answer is tried as the judge tries it; a process of its own for each would take an hour.
"""

import ast
import contextlib
import io
import json
import os
import signal
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mutants import Mutant, mutants

from tinybert_l.course.judging import Task, find_notebook, read_tests, run_task
from tinybert_l.errors import CourseError
from tinybert_l.exercises.registry import begin, exercises, find_exercise, forget_answers
from tinybert_l.exercises.released import SOLUTIONS_VARIABLE, copy_released, solutions_file

CHECKOUT = Path(__file__).resolve().parent.parent
SOLUTIONS = CHECKOUT / "solutions"
EXPLAINED = CHECKOUT / "tests" / "zoo" / "mutants_that_may_pass.toml"
KINDS = ("same", "unspecified")
MUTANT_SECONDS = 20  # of CPU time; a right answer takes less than one
IMPORTS = "import math\n\nimport torch\n\n\n"


class TooLong(BaseException):
    """Ends a mutant that makes no progress; no `except Exception` of a test takes it."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TooLong after `seconds` of CPU time, and again each second after that."""

    def stop(*_: Any) -> None:
        raise TooLong(f"not finished within {seconds:g} s of CPU time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def judge(name: str, source: str) -> list[dict[str, Any]]:
    """Judge one answer as `tinybert_l.course.judging` does; the verdicts of its checks.

    Earlier lectures' reference answers are at hand, as in a release of the exercise's lecture.
    """
    entry = find_exercise(name)
    setup, tests = read_tests(find_notebook(name), name)
    task = Task(name, "answer.py", source, setup, tests)
    with tempfile.TemporaryDirectory() as scratch, _quiet():
        folder, report = Path(scratch), Path(scratch) / "report"
        with patch.dict(os.environ, {SOLUTIONS_VARIABLE: str(SOLUTIONS)}):
            begin(1, demo=True)
        released = copy_released(entry.lecture, folder, SOLUTIONS)
        with patch.dict(os.environ, {SOLUTIONS_VARIABLE: str(released)}):
            try:
                with time_limit(MUTANT_SECONDS):
                    run_task(task, report)
            except TooLong as error:
                return [{"part": "answer", "passed": False, "message": f"{error}"}]
            finally:
                forget_answers()
        *verdicts, end = map(json.loads, report.read_text(encoding="utf-8").splitlines())
    if end != {"end": True}:
        raise CourseError(f"judge_zoo: the report on an answer to {name} has no end")
    return verdicts


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what an answer or a test shows off the screen."""
    nothing = io.StringIO()
    streams = contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing)
    with streams[0], streams[1], warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def reference_answer(name: str) -> str:
    """The code of the reference answer's function."""
    path = solutions_file(SOLUTIONS, find_exercise(name).lecture)
    source = path.read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return ast.get_source_segment(source, node) or ""
    raise CourseError(f"judge_zoo: {path} defines no function {name}")


def failures(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The verdicts of the checks that failed."""
    return [verdict for verdict in verdicts if not verdict["passed"]]


def surviving(name: str, only: set[str] | None = None) -> tuple[list[Mutant], list[Mutant]]:
    """(mutants that were tried, those that passed every test) of a reference answer.

    Args:
        only: names of mutants to try; None: all.
    """
    tried = [m for m in mutants(reference_answer(name)) if only is None or m.name in only]
    passed = [m for m in tried if not failures(judge(name, IMPORTS + m.source))]
    return tried, passed


def explained_mutants() -> dict[str, dict[str, dict[str, str]]]:
    """{exercise: {"same" or "unspecified": {name of a mutant: why it may pass}}}.

    "same" computes what the reference answer computes; "unspecified" differs where the exercise's
    specification says nothing.

    Raises:
        CourseError: an entry names no exercise, or another kind.
    """
    table = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))
    if unknown := table.keys() - exercises().keys():
        raise CourseError(f"{EXPLAINED.name}: {sorted(unknown)}; allowed: names of exercises.")
    for name, kinds in table.items():
        if unknown := kinds.keys() - set(KINDS):
            raise CourseError(f"{EXPLAINED.name}, {name}: {sorted(unknown)}; allowed: {KINDS}.")
    return table


def show_unexplained(name: str) -> None:
    """Print each mutant of an exercise that passes and has no reason to, with its line."""
    tried, passed = surviving(name)
    lines = reference_answer(name).splitlines()
    kinds = explained_mutants().get(name, {})
    explained = {mutant for kind in kinds.values() for mutant in kind}
    print(f"{name}: {len(passed)} of {len(tried)} mutants pass", flush=True)
    for mutant in passed:
        if mutant.name not in explained:
            line = int(mutant.name.partition(":")[0])
            print(f"  {mutant.name}\n      {lines[line - 1].strip()}", flush=True)


if __name__ == "__main__":  # to look at mutants: python tools/judge_zoo.py [EXERCISE ...]
    for exercise in sys.argv[1:] or exercises():
        show_unexplained(exercise)
