"""The method's own functions: equal to the answers, at work outside a lecture, and no answers."""

import inspect
import subprocess
import sys

import pytest
import torch
from transformers import BertConfig

from tinybert_l import begin
from tinybert_l.exercises import formulas
from tinybert_l.exercises.registry import exercises, find_exercise
from tinybert_l.grading.leaks import read_secrets, scan

CONFIG = BertConfig(
    vocab_size=11,
    hidden_size=4,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=6,
    max_position_embeddings=8,
)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


MASK = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]])
NO_TOKEN = torch.zeros(2, 4, dtype=torch.long)
INFINITE = numbers(2, 2, 4, 4).masked_fill(MASK[:, None, None] == 0, -torch.inf)
BROKEN = numbers(2, 4, 3).masked_fill(MASK[..., None] == 0, torch.nan)
STAGES = [(0.0, ["a", "b"]), (0.07, ["b", "c"]), (0.3, ["d"])]
GRADIENTS = [numbers(3, 2), None, numbers(4, seed=1)]
CALLS = {
    "parameter_count": [(CONFIG,), (CONFIG, False)],
    "soft_cross_entropy": [
        (numbers(5, 3), numbers(5, 3, seed=1), 2.0),
        (400 * numbers(5, 3), 400 * numbers(5, 3, seed=1)),
    ],
    "joint_loss": [(list(numbers(3)),), (list(numbers(3)), [1.0, 0.0, 2.5])],
    "kept_layers": [(n, depth) for n in range(1, 14) for depth in range(1, n + 1)],
    "slice_heads": [(numbers(6, 5), numbers(6), [2, 0], 2), (numbers(6, 5), None, [1], 3)],
    "layer_map": [
        (m, n, strategy)
        for n in range(1, 9)
        for m in range(1, n + 1)
        for strategy in ("uniform", "top", "bottom")
    ],
    "hidden_loss": [
        (numbers(2, 4, 3), numbers(2, 4, 5, seed=1), numbers(3, 5), MASK),
        (BROKEN, BROKEN + 1, None, MASK),
        (numbers(2, 4, 3), numbers(2, 4, 3, seed=1), None, NO_TOKEN),
    ],
    "attention_loss": [
        (numbers(2, 2, 4, 4), numbers(2, 2, 4, 4, seed=1), MASK),
        (INFINITE, 2 * INFINITE, MASK),
        (INFINITE, INFINITE, NO_TOKEN),
    ],
    "submodel_schedule": [(step, 100, STAGES) for step in range(100)],
    "linear_warmup_decay": [(s, w, 7) for s in range(10) for w in (0, 3, 7)],
    "clip_by_global_norm": [
        (GRADIENTS, 0.5),
        (GRADIENTS, 50.0),
        ([torch.zeros(2)], 1.0),
        ([None], 1.0),
    ],
    "weight_decay_by_name": [({"a.bias": (3,), "a.weight": (3, 3), "b": (2, 1)}, 0.1)],
    "split_document": [
        (list(range(length)), width, stride)
        for length in range(9)
        for width in (1, 3, 5)
        for stride in range(1, width + 1)
    ],
    "best_answer_span": [
        (numbers(7, seed=s), numbers(7, seed=s + 9), longest)
        for s in range(5)
        for longest in (1, 3, 9)
    ]
    + [(torch.zeros(4), torch.zeros(4), 2)],
    "pareto_frontier": [
        ([],),
        ([(1, 1), (1, 1), (2, 0), (0.5, 0.2), (3, 5), (3, 6)],),
        ([(float(c), float(q)) for c, q in torch.randint(0, 5, (20, 2))],),
    ],
    "head_importance": [(numbers(2, 3, 4, 5), numbers(2, 3, 4, 5, seed=1))],
    "early_exit": [
        ([numbers(6, 3, seed=layer) * (layer + 1) for layer in range(4)], bound)
        for bound in (0.0, 0.4, 0.9, 2.0)
    ],
    "choose_submodel": [
        ([{"name": str(n), "latency_ms": n % 4, "quality": n % 3} for n in range(9)], budget)
        for budget in (0, 1, 9)
    ],
    "distinct_n": [([1, 2, 1, 2, 3], n) for n in (1, 2, 5, 6)],
}


def plain(result):
    """Numbers that can be compared with ==, to four places."""
    if isinstance(result, torch.Tensor):
        result = result.tolist()
    if isinstance(result, list | tuple):
        return [plain(part) for part in result]
    return round(result, 4) if isinstance(result, float) else result


@pytest.fixture
def no_lecture(monkeypatch):
    """As in a process where nobody has called `begin`."""
    for entry in exercises().values():
        monkeypatch.setattr(entry, "reference", None)
        monkeypatch.setattr(entry, "formula_allowed", True)
        monkeypatch.setattr(entry, "peer_allowed", True)


@pytest.mark.parametrize("name", CALLS)
def test_a_formula_computes_what_the_answer_does(name):
    for arguments in CALLS[name]:
        got = formulas.FORMULAS[name](*arguments)
        expected = find_exercise(name).reference(*arguments)
        assert plain(got) == plain(expected), arguments


def test_sandwiches_are_drawn_alike():
    for count in range(1, 7):
        for filling in range(4):
            drawn = []
            for draw in (
                formulas.FORMULAS["sandwich_sample"],
                find_exercise("sandwich_sample").reference,
            ):
                generator = torch.Generator().manual_seed(count)
                drawn.append(draw(list(range(count)), filling, generator))
            assert drawn[0] == drawn[1]


@pytest.mark.parametrize("name", ["hidden_loss", "attention_loss", "soft_cross_entropy"])
def test_its_gradient_is_that_of_the_answer_and_does_not_reach_the_teacher(name):
    gradients = []
    for function in (formulas.FORMULAS[name], find_exercise(name).reference):
        student, teacher, *others = (
            part.clone() if isinstance(part, torch.Tensor) else part for part in CALLS[name][0]
        )
        student.requires_grad_()
        teacher.requires_grad_()
        function(student, teacher, *others).backward()
        assert teacher.grad is None
        gradients.append(plain(student.grad))
    assert gradients[0] == gradients[1]


def test_every_exercise_has_a_function_of_the_method_or_an_exact_stand_in():
    exact = {"macro_f1", "causal_mask", "top_p_filter", "flops"}  # by well-kept libraries
    assert exercises().keys() == set(formulas.FORMULAS) | exact
    assert CALLS.keys() | {"sandwich_sample"} == set(formulas.FORMULAS)


def test_outside_a_lecture_the_method_runs_by_itself(no_lecture):
    assert {entry.source for entry in exercises().values()} == {"formula", "peer"}
    entry = find_exercise("layer_map")
    assert entry.function(2, 4) == [2, 4]
    assert entry.function(num_teacher_layers=4, num_student_layers=2, strategy="top") == [3, 4]


def test_an_answer_takes_its_place(no_lecture):
    with find_exercise("layer_map").answered_by(lambda *_: "mine"):
        assert find_exercise("layer_map").function(2, 4) == "mine"


def test_in_a_lecture_it_serves_for_earlier_exercises_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(tmp_path))
    begin(4)
    sources = {}
    for entry in exercises().values():
        sources.setdefault(entry.lecture, set()).add(entry.source)
    assert [sources[lecture] for lecture in (1, 2, 3)] == [{"formula"}] * 3
    assert sources[4] == {"missing"}
    assert not any("formula" in sources[lecture] for lecture in sources if lecture > 3)
    assert "the method's own function" in capsys.readouterr().out


def test_where_their_file_is_hidden_there_are_none(no_lecture, monkeypatch):
    monkeypatch.delattr(formulas, "FORMULAS")
    assert find_exercise("parameter_count").source == "missing"
    assert find_exercise("layer_map").source == "peer"


def test_a_new_process_needs_no_answers_and_imports_no_torch_for_it(tmp_path, monkeypatch):
    monkeypatch.delenv("TINYBERT_L_SOLUTIONS", raising=False)
    code = (
        "import sys, tinybert_l; print(tinybert_l.kept_layers(6, 4)); "
        "sys.exit('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == "[0, 2, 3, 5]\n", done.stderr


def test_they_are_written_differently_from_the_answers(checkout):
    secrets = read_secrets(checkout / "notebooks", checkout / "solutions")
    assert scan(checkout / "tinybert_l" / "exercises" / "formulas.py", secrets) == []
    names = {function.__name__ for function in formulas.FORMULAS.values()}
    assert not names & exercises().keys()
    for name, function in formulas.FORMULAS.items():
        stub = inspect.signature(find_exercise(name).stub)
        assert list(inspect.signature(function).parameters) != list(stub.parameters), name
