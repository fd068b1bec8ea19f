"""Long runs in a short form: they train, measure, and their records can be written and read."""

import dataclasses
import importlib
from typing import Any

import pytest

from tinybert_l import begin
from tinybert_l.course import records
from tinybert_l.course.recipes import RECORDS
from tinybert_l.method.teacher import DEFAULT_TEACHER

pytestmark = pytest.mark.nightly

SHORT: dict[str, Any] = {
    "num_steps": 4,
    "pre_training_steps": 2,
    "fine_tuning_steps": 2,
    "look_every": 2,
    "stories": 90,
    "batches": 2,
    "texts": 20,
    "watched_texts": 20,
    "learning_rates": [3e-4],
}
# Left out: those whose cost is not in their steps, such as a teacher's outputs on all sentences;
# and what an untrained model writes has no sentences to compare.
SHORT_ENOUGH = (
    "chinese",
    "gradient_agreement",
    "joint_equal_updates",
    "masked_tokens",
    "questions",
    "self_distillation",
    "stability",
    "strategies",
)


def shortened(settings):
    """The settings with fewer steps and texts, those within them as well."""
    short = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            short[name] = shortened(value)
        else:
            short[name] = SHORT.get(name, value)
    return short


@pytest.fixture
def runs(checkout, monkeypatch):
    """The program of the long runs, with the shipped teacher for every fold."""
    monkeypatch.syspath_prepend(checkout / "benchmarks")
    for name in ("long_run", "supernet_runs"):
        module = importlib.import_module(name)
        monkeypatch.setattr(module, "teacher_of", lambda seed: DEFAULT_TEACHER)
    begin(1, demo=True)
    return importlib.import_module("records")


@pytest.mark.parametrize("name", SHORT_ENOUGH)
def test_its_short_form_runs_from_training_to_the_record(name, runs, tmp_path, monkeypatch):
    job = dataclasses.replace(runs.JOBS[name], settings=shortened(runs.JOBS[name].settings))
    monkeypatch.setitem(runs.JOBS, name, job)
    monkeypatch.setattr(runs, "OUTPUT", tmp_path / "records")
    monkeypatch.chdir(tmp_path)
    rows = runs.seed_rows(name, 0)
    assert rows and runs.seed_rows(name, 0) == rows, "kept, and read again"
    summary = job.summarise([rows, rows])
    assert summary
    monkeypatch.setattr(records, "RESULTS", tmp_path / "results")
    records.write_record(name, job.kind, "python", RECORDS[name], summary)
    assert list(records.read_record(name).rows) == list(summary)
