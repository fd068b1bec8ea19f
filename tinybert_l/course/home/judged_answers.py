"""Answers judged by their visible tests, each once under the same tests."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from tinybert_l import __version__
from tinybert_l.cache import cache_root, short_digest, write_atomically
from tinybert_l.course.home.states import Progress
from tinybert_l.course.judging import judge_notebook, read_tests
from tinybert_l.exercises.answer_errors import STUB_WORDS

# in each answer cell of a released notebook: both, or the one of its language
BEGIN_OF_STUB, BEGIN_OF_STUB_ZH = STUB_WORDS


def judge_answers(
    names: list[str], sources: dict[str, str], notebook: Path, judge_new: bool
) -> list[Progress]:
    """Return the states of answers, {name: source}; new ones are judged together.

    An answer that was judged before under the same tests is not judged again.

    Args:
        names: of exercises and of questions that tests judge.
        sources: the answers of those that have one.
        notebook: where the visible tests are.
        judge_new: whether to judge answers that were not judged before; else they are "unchecked".
    """
    records = {}  # {name: the file that keeps the state of its present answer}
    new_sources = {}
    for name in names:
        if is_begun(sources.get(name, BEGIN_OF_STUB)):
            records[name] = _record_of(name, sources[name], notebook)
            if not records[name].is_file():
                new_sources[name] = sources[name]
    if judge_new and new_sources:
        for state in _judge_visible(new_sources, notebook):
            record = json.dumps(asdict(state), ensure_ascii=False)
            write_atomically(records[state.exercise], record)
    return [_read_record(name, records.get(name)) for name in names]


def is_begun(source: str) -> bool:
    """Whether an answer cell holds more than the stub that students get."""
    return BEGIN_OF_STUB not in source and BEGIN_OF_STUB_ZH not in source


def _record_of(name: str, source: str, notebook: Path) -> Path:
    """Return the cache's file for the state of exactly this answer under exactly these tests."""
    content = json.dumps([__version__, source, read_tests(notebook, name)])
    return cache_root() / "progress" / f"{short_digest(content, 24)}.json"


def _read_record(name: str, record: Path | None) -> Progress:
    if record is None:
        return Progress(name, "open")
    if not record.is_file():
        return Progress(name, "unchecked")
    return Progress(**json.loads(record.read_text(encoding="utf-8")))


def _judge_visible(sources: dict[str, str], notebook: Path) -> list[Progress]:
    """Judge answers, {exercise: source}, by the visible tests of their notebook."""
    with tempfile.TemporaryDirectory() as folder:
        answers = {}
        for name, source in sources.items():
            answers[name] = Path(folder) / f"{name}.py"
            answers[name].write_text(source, encoding="utf-8")
        verdicts_by_exercise = judge_notebook(notebook, answers)
    states = []
    for name, verdicts in verdicts_by_exercise.items():
        state = Progress(name, "passes")
        for verdict in verdicts:
            if not verdict.passed and verdict.part != "hidden":
                state = Progress(name, "fails", verdict.message)
                break
        states.append(state)
    return states
