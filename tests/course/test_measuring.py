"""What is measured for the command line: the choice within a budget of latency."""

import json
from dataclasses import fields
from types import SimpleNamespace

import pytest
import torch

from tinybert_l.course import measuring
from tinybert_l.course.measuring import (
    Candidate,
    choose_candidate,
    find_trade_off,
    measure_trade_off,
)
from tinybert_l.errors import InvalidInput
from tinybert_l.method.evaluation import Result

CANDIDATES = [Candidate("small", 2.0, 0.7), Candidate("large", 9.0, 0.9)]


@pytest.mark.parametrize(("budget_ms", "name"), [(2.0, "small"), (8.9, "small"), (9.0, "large")])
def test_the_best_candidate_within_the_budget_is_chosen(budget_ms, name):
    assert choose_candidate(CANDIDATES, budget_ms) == name


def test_a_budget_that_no_candidate_meets_is_the_users_mistake():
    with pytest.raises(InvalidInput, match="small"):
        choose_candidate(CANDIDATES, 1.0)


def row(name: str) -> Result:
    values = {field.name: 1.0 for field in fields(Result)}
    return Result(**values | {"name": name, "label": name, "depth": 2})


@pytest.fixture
def supernet(tmp_path, monkeypatch):
    (tmp_path / "entry.json").write_text(json.dumps({"recipe": {"num_steps": 4}}))
    monkeypatch.setattr(measuring, "evaluate", lambda *_, **__: [row("teacher"), row("2x1")])
    recipe = SimpleNamespace(sub_models=list)
    teacher = SimpleNamespace(model=None, data={"test": ["a text"]})
    return SimpleNamespace(model=None, teacher=teacher, recipe=recipe, folder=tmp_path)


def test_a_trade_off_is_found_again_under_the_same_conditions(supernet, tmp_path):
    folder = tmp_path / "outputs"
    assert find_trade_off(supernet, folder) is None
    measured = measure_trade_off(supernet, folder, seconds=0.1)
    assert find_trade_off(supernet, folder) == measured


def test_a_trade_off_of_another_recipe_or_number_of_threads_is_none(
    supernet, tmp_path, monkeypatch
):
    folder = tmp_path / "outputs"
    measure_trade_off(supernet, folder, seconds=0.1)
    with monkeypatch.context() as patched:
        patched.setattr(torch, "get_num_threads", lambda: 77)
        assert find_trade_off(supernet, folder) is None
    (tmp_path / "entry.json").write_text(json.dumps({"recipe": {"num_steps": 5}}))
    assert find_trade_off(supernet, folder) is None
