"""Answers in odd places, tests where the notebook has them, time limits on a busy machine."""

import math
import time

import pytest
from test_submission_odd import TEST, assignment, cell, graded, released

from tinybert_l.grading.outside import execute
from tinybert_l.grading.outside.execute import TimeLimit
from tinybert_l.grading.verdicts import make_plan

ANSWER = "@layer_map.implement\ndef layer_map(m, n):\n    return [m, n]"


def names(nb) -> list[str | None]:
    return [node.metadata.get("nbgrader", {}).get("grade_id") for node in nb.cells]


@pytest.mark.parametrize("source", [f"{ANSWER}\n\n{TEST}", f"{TEST}\n\n{ANSWER}"])
def test_an_answer_that_was_typed_into_a_locked_test_runs_below_it(source):
    tree = released()
    tree["cells"][3]["source"] = source
    nb, repairs, _ = graded(tree)
    assert nb.cells[3].source == TEST and nb.cells[4].source == ANSWER
    assert names(nb)[3:5] == ["test_layer_map", None]
    assert any("cell of its own" in line for line in repairs)


def test_a_helper_that_was_typed_into_the_setup_runs_and_a_changed_test_does_not():
    tree = released()
    tree["cells"][1]["source"] += "\ndef helper(): return 1"
    tree["cells"][3]["source"] = "assert True"
    nb, _, _ = graded(tree)
    sources = [node.source for node in nb.cells]
    assert sources[1:3] == ["import torch", "def helper(): return 1"]
    assert "assert True" not in sources


BOX_OF_CODE = released()["cells"][2]["source"]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("place", [2, 3, 7])
def test_a_copy_of_the_box_that_nobody_touched_takes_no_answers_place(named, place):
    tree = released()
    tree["cells"][2]["source"] = ANSWER
    tree["cells"].insert(place, cell("code", BOX_OF_CODE, "layer_map" if named else ""))
    nb, repairs, _ = graded(tree)
    plan, _, _ = make_plan(nb, assignment())
    assert plan.cells == (ANSWER,) and any("nobody touched" in line for line in repairs)
    assert len(nb.cells) == len(released()["cells"])


def test_a_notebook_that_was_pasted_twice_keeps_its_essay_and_two_essays_need_a_person():
    tree = released()
    answered = released()["cells"]
    answered[5]["source"] = "My essay."
    tree["cells"] += answered
    nb, _, earned = graded(tree)
    (essay,) = [node for node in nb.cells if "essay" in names_of(node)]
    assert essay.source == "My essay." and earned["essay"].points is None
    tree["cells"][5]["source"] = "Another essay."
    _, _, earned = graded(tree)
    assert earned["essay"].points is None and "two cells" in earned["essay"].reason


def names_of(node) -> str:
    return node.metadata.get("nbgrader", {}).get("grade_id") or ""


def test_an_essay_in_a_code_cell_beside_its_empty_box_goes_to_a_person():
    tree = released()
    tree["cells"].insert(6, cell("code", "# Because it is nearest to the loss."))
    _, _, earned = graded(tree)
    assert earned["essay"].points is None and "empty" in earned["essay"].reason


@pytest.mark.parametrize(
    ("last", "place"),
    [
        ("x = 1", 1),
        ("layer_map(2, 4)", 1),
        (ANSWER, 2),
        ("layer_map = layer_map.implement(f)", 2),
        ("print('test_layer_map = 3')", 1),
    ],
)
def test_a_test_is_placed_behind_the_last_cell_that_gives_its_answer(last, place):
    tree = released()
    tree["cells"].append(cell("code", last))
    nb, _, _ = graded(tree)
    plan, cells, _ = make_plan(nb, assignment())
    assert len(cells) == 2 and plan.places == (place,)


def test_a_test_whose_answer_is_nowhere_is_placed_at_the_end():
    tree = released()
    tree["cells"][2]["source"] = "answer = 3"
    tree["cells"].append(cell("code", "x = 1"))
    plan, _, _ = make_plan(graded(tree)[0], assignment())
    assert plan.places == (2,)


class Silent:
    """A process that does not answer before a time."""

    def __init__(self, seconds: float) -> None:
        self.when = time.monotonic() + seconds
        self.asked: list[float] = []

    def answers_before(self, deadline: float) -> bool:
        self.asked.append(deadline)
        return deadline > self.when


@pytest.mark.parametrize(
    ("slowness", "longer"), [(1.0, 0), (1.4, 0), (3.0, 20), (50.0, 50)]
)  # of 10 s
def test_a_busy_machine_makes_a_limit_longer_once(monkeypatch, slowness, longer):
    monkeypatch.setattr(execute, "slowness", lambda: slowness)
    limit = TimeLimit(10)
    first = limit.deadline
    child = Silent(math.inf)
    limit.wait_for(child)
    limit.wait_for(child)
    assert limit.deadline - first == pytest.approx(longer)
    assert len(child.asked) == (2 if longer else 1)


def test_no_limit_goes_beyond_the_submissions(monkeypatch):
    monkeypatch.setattr(execute, "slowness", lambda: 5.0)
    limit, child = TimeLimit(10), Silent(math.inf)
    limit.wait_for(child, end=limit.deadline + 1)
    assert max(child.asked) <= limit.deadline - 40 + 1


def test_whoever_answers_in_time_is_not_measured(monkeypatch):
    monkeypatch.setattr(execute, "slowness", lambda: pytest.fail("measured"))
    TimeLimit(10).wait_for(Silent(0))
    monkeypatch.undo()
    assert 0.5 < execute.slowness() < 1000
