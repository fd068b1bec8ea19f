"""A course of one exercise and one essay, graded without a sandbox: all steps take tenths."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner

from tinybert_l.cli.app import main
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading import job, run
from tinybert_l.grading.outside.execute import Outcome

NAME = NOTEBOOKS[3]
WRONG = "@kept_layers.implement\ndef kept_layers(num_layers, depth):\n    return [0]\n"


def run_in(place: Path, words: list[str]) -> str:
    """Run a command in this process; returns what it prints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        result = CliRunner().invoke(main, words[1:], catch_exceptions=False)
    assert result.exit_code == 0, (words, result.output)
    return result.output


def shorten(course: Path) -> None:
    """Leave one exercise and the essay of one lecture, so that all steps are quick."""
    for path in (course / "notebooks").iterdir():
        if path.name != NAME:
            shutil.rmtree(path)
    path = course / "notebooks" / NAME / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    kept = []
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if re.match("essay|(test_)?kept_layers", name) or "begin(lecture=" in cell.source:
            kept.append(cell)
    notebook.cells = kept
    nbformat.write(notebook, path)


def make_short_course(folder: Path) -> Path:
    """Make and release a short course; returns its folder."""
    run_in(folder, ["tinybert-l", "course", "init", "nlp"])
    shorten(folder / "nlp")
    run_in(folder / "nlp", ["tinybert-l", "release", "3"])
    return folder / "nlp"


def judge(plan: Any, *_: object) -> Outcome:
    """Stand in for the sandbox: all tests pass but those of the answer that is known as wrong."""
    is_wrong = any(source == WRONG for source in plan.cells)
    error = {"ename": "AssertionError", "evalue": "the last layer stays", "traceback": []}
    tests = [error if is_wrong and "kept_layers(" in test else None for test in plan.tests]
    return Outcome([{"output": "", "error": None} for _ in plan.cells], tests)


def judge_here(tasks: list[tuple[str, str]], *_: object) -> Iterator[tuple[int, str]]:
    for index, (source, target) in enumerate(tasks):
        yield index, job.run_job(source, target, "no socket")


def without_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `grade` judge by `judge`, in this process."""
    monkeypatch.setattr(run, "require", lambda unsafe: None)
    monkeypatch.setattr(run, "run_here", judge_here)
    monkeypatch.setattr(job, "execute", judge)
