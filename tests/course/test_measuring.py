"""What is measured for the command line: the choice within a budget of latency."""

import json
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest
import torch

from tinybert_l.course import measuring
from tinybert_l.course.measuring import (
    Baseline,
    Candidate,
    choose_candidate,
    find_trade_off,
    measure_baseline,
    measure_trade_off,
)
from tinybert_l.course.tables import results_table, way_to_teacher
from tinybert_l.errors import InvalidInput
from tinybert_l.method.data import Split
from tinybert_l.method.evaluation import Result

FLOOR = Baseline(0.8, 0.78, 0.82, labelled_texts=40, hits=[1, 1, 1, 1, 0])
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
    monkeypatch.setattr(measuring, "measure_baseline", lambda _: FLOOR)
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


def test_a_record_of_before_the_baseline_is_measured_anew(supernet, tmp_path):
    trade_off = measure_trade_off(supernet, tmp_path / "outputs", seconds=0.1)
    record = json.loads(trade_off.record.read_text(encoding="utf-8"))
    del record["baseline"]
    trade_off.record.write_text(json.dumps(record), encoding="utf-8")
    assert find_trade_off(supernet, tmp_path / "outputs") is None


def reviews(kind: str, count: int) -> Split:
    texts = [f"{kind} {mood} film {i}" for i in range(count) for mood in ("fine", "dull")]
    return Split(texts, [1, 0] * count)


def teacher_of(table: str | None, data: str) -> SimpleNamespace:
    splits = {name: reviews(name, 9) for name in ("train", "validation", "test")}
    recipe = SimpleNamespace(table=table, quick=False, fold=1)
    return SimpleNamespace(splits=splits, recipe=recipe, key={"data": data})


def test_the_bag_of_words_learns_from_the_teachers_texts_and_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path))
    asked = []

    def labelled_reviews(fold):
        asked.append(fold)
        return reviews("whole", 5)

    monkeypatch.setattr(measuring, "labelled_reviews", labelled_reviews)
    own = measure_baseline(teacher_of("my.csv", "one's own"))
    assert own.accuracy == 1.0 and own.hits == [1] * 18 and own.labelled_texts == 18
    assert own.accuracy_low < 1.0 and not asked, "reviews are no labels for one's own texts"
    embedded = teacher_of(None, "embedded")
    first = measure_baseline(embedded)
    assert asked == [1] and first.labelled_texts == 18, "of equal ones, the one with fewer texts"
    assert measure_baseline(embedded) == first and asked == [1]


def test_the_table_ends_with_the_bag_of_words_and_tells_the_way_from_it_to_the_teacher():
    rows = [replace(row("teacher"), accuracy=0.9), replace(row("2x1"), accuracy=0.85)]
    table = results_table(rows, FLOOR, "title")
    cells = {str(column.header): list(column.cells) for column in table.columns}
    assert cells["model"][-1].startswith("bag of words") and len(cells["model"]) == 3
    assert cells["way"] == ["100 %", "50 %", "0 %"]
    assert cells["kept"][-1] == "88.9 %"
    assert cells["accuracy (95 %)"][-1] == "80.0 (78.0-82.0)"


def test_there_is_no_way_to_a_teacher_that_is_no_better_than_the_floor():
    assert way_to_teacher(0.7, 0.8, 0.8) == "-"
    assert way_to_teacher(0.75, 0.8, 0.9) == "-50 %"
