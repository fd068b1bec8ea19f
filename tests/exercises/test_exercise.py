"""Exercises: which answer a call uses, and what is said when there is none."""

import inspect
import runpy
import subprocess
import sys

import nbformat
import pytest
import torch
from tests_support import execute
from transformers import BertConfig, BertModel

from tinybert_l import AnswerError, MissingAnswer, begin, layer_map, submodel_schedule
from tinybert_l.errors import CourseError
from tinybert_l.exercises.registry import (
    _EXERCISES,
    exercise,
    exercises,
    find_exercise,
    forget_answers,
)
from tinybert_l.exercises.released import load_reference_answers


@pytest.fixture
def no_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(tmp_path))
    begin(3)


def test_an_exercise_is_a_function_with_the_stubs_signature_and_docstring():
    assert inspect.isfunction(layer_map)
    assert list(inspect.signature(layer_map).parameters) == [
        "num_student_layers",
        "num_teacher_layers",
        "strategy",
    ]
    assert "Worked example" in (inspect.getdoc(layer_map) or "")
    assert layer_map.__name__ == "layer_map"


def test_a_missing_answer_names_exercise_lecture_notebook_and_what_to_do(no_answers):
    with pytest.raises(
        MissingAnswer, match=r"layer_map.*lecture 3.*03-architecture\.ipynb.*@layer_map\.implement"
    ):
        layer_map(2, 4)


def test_the_students_answer_comes_before_the_reference_answer_and_may_be_replaced():
    def answer(num_student_layers, num_teacher_layers, strategy="uniform"):
        return ["mine"]

    answer.__name__ = "layer_map"
    assert layer_map.implement(answer) is layer_map
    assert layer_map(2, 4) == ["mine"]
    layer_map.implement(answer)
    assert find_exercise("layer_map").source == "student"


def test_an_unwritten_answer_is_missing(no_answers):
    def stub(num_student_layers, num_teacher_layers, strategy="uniform"):
        raise NotImplementedError

    stub.__name__ = "layer_map"
    layer_map.implement(stub)
    with pytest.raises(MissingAnswer):
        layer_map(2, 4)


def test_an_unwritten_answer_falls_back_to_the_released_one():
    def stub(num_student_layers, num_teacher_layers, strategy="uniform"):
        raise NotImplementedError

    stub.__name__ = "layer_map"
    layer_map.implement(stub)
    assert layer_map(2, 4) == [2, 4]


def test_a_not_implemented_error_from_deeper_down_is_an_error_of_the_answer():
    def helper():
        raise NotImplementedError("torch cannot do this")

    def answer(num_student_layers, num_teacher_layers, strategy="uniform"):
        helper()

    answer.__name__ = "layer_map"
    layer_map.implement(answer)
    with pytest.raises(NotImplementedError, match="torch cannot"):
        layer_map(2, 4)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "def layer_map(n, m): pass",
            r"arguments are \(n, m\).*must be \(num_student_layers, num_teacher_layers",
        ),
        (
            "def layermap(num_student_layers, num_teacher_layers, strategy='uniform'): pass",
            "call it layer_map",
        ),
        ("layer_map = 3", "expected a function, got int"),
        ("def layer_map(num_student_layers, num_teacher_layers, strategy='top'): pass", "must be"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_with_its_reason(code, message):
    namespace: dict = {}
    exec(code, namespace)
    given = namespace.get("layer_map", namespace.get("layermap"))
    with pytest.raises(AnswerError, match=message):
        layer_map.implement(given)


def test_a_failing_answer_says_where_it_failed():
    def answer(num_student_layers, num_teacher_layers, strategy="uniform"):
        return 1 / 0

    answer.__name__ = "layer_map"
    layer_map.implement(answer)
    with pytest.raises(ZeroDivisionError) as caught:
        layer_map(2, 4)
    assert "layer_map, lecture 3, notebook 03-architecture.ipynb" in caught.value.__notes__[0]


def test_begin_releases_earlier_lectures_only(capsys):
    begin(3)
    known = exercises()
    released = {"parameter_count", "soft_cross_entropy", "joint_loss", "sandwich_sample"}
    assert {name for name, e in known.items() if e.reference} == released
    assert "yours to write" in capsys.readouterr().out
    assert known["submodel_schedule"].source == "peer"


def test_before_its_lecture_an_exercise_is_served_by_its_stand_in(no_answers):
    assert submodel_schedule(5, 10, [(0.0, ["a"]), (0.5, ["b"])]) == ["a", "b"]
    assert submodel_schedule(4, 10, [(0.0, ["a"]), (0.5, ["b"])]) == ["a"]


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (1, 5), (2, 3), (4, 4)])
def test_the_stand_in_of_the_causal_mask_hides_what_comes_later(queries, keys):
    """Lectures 5 and 6 train and time a language model before students have written the mask."""
    allowed = find_exercise("causal_mask").peer(queries, keys)
    assert allowed.dtype == torch.bool
    assert allowed.tolist() == [
        [key <= keys - queries + query for key in range(keys)] for query in range(queries)
    ]


@pytest.mark.parametrize("p", [0.3, 0.6, 0.85, 1.0])
def test_the_stand_in_of_top_p_keeps_what_the_answer_keeps(p, checkout):
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.3, 0.4]]))
    answer = runpy.run_path(str(checkout / "solutions" / "lecture_09.py"))["top_p_filter"]
    assert torch.equal(find_exercise("top_p_filter").peer(logits, p), answer(logits, p))


def test_in_its_own_lecture_no_stand_in_passes_for_an_answer(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(tmp_path))
    begin(4)
    with pytest.raises(MissingAnswer, match=r"submodel_schedule.*lecture 4"):
        submodel_schedule(5, 10, [(0.0, ["a"])])


def test_begin_takes_ones_own_earlier_answers(tmp_path, monkeypatch, checkout, capsys):
    monkeypatch.chdir(checkout / "notebooks" / "03-architecture")
    monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(tmp_path))
    begin(4, mine=True)
    assert find_exercise("layer_map").source == "student"
    assert layer_map(2, 4) == [2, 4]


@pytest.mark.parametrize("lecture", [0, 12, "3"])
def test_begin_names_the_lectures_there_are(lecture):
    with pytest.raises(ValueError, match=r"allowed: 1 to 11"):
        begin(lecture)


def test_demo_without_solutions_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.delenv("TINYBERT_L_SOLUTIONS", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "tinybert_l.exercises.released.__file__",
        str(tmp_path / "tinybert_l" / "exercises" / "released.py"),
    )
    with pytest.raises(FileNotFoundError, match="instructor's checkout"):
        begin(3, demo=True)


@pytest.mark.parametrize(
    "code", ["import tinybert_l.cli", "from tinybert_l.exercises.registry import *; exercises()"]
)
def test_the_help_and_the_list_of_exercises_need_no_torch(code):
    code = f"import sys, tinybert_l; {code}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_exercise_has_its_reference_answer_in_solutions():
    assert [entry.name for entry in exercises().values() if entry.reference is None] == []


def test_reference_answers_leave_neither_byte_code_nor_a_module_behind(tmp_path):
    (tmp_path / "lecture_06.py").write_text("def pareto_frontier(points):\n    return [7]\n")
    before = set(sys.modules)
    answers = load_reference_answers(tmp_path, 6)
    assert answers["pareto_frontier"]([]) == [7]
    assert set(sys.modules) == before
    assert [path.name for path in tmp_path.iterdir()] == ["lecture_06.py"]
    assert load_reference_answers(tmp_path, 7) == {}


def test_numbers_follow_the_order_of_definition():
    numbers = {name: entry.number for name, entry in exercises().items()}
    assert numbers["parameter_count"] == "1.1" and numbers["early_exit"] == "7.2"
    assert list(exercises(3)) == [
        "kept_layers",
        "slice_heads",
        "layer_map",
        "hidden_loss",
        "attention_loss",
    ]


def test_an_exercise_declared_anew_keeps_its_number():
    def throwaway():
        raise NotImplementedError

    declare = exercise(6, minutes=1, points=1, zh="无", en="None")
    try:
        numbers = [declare(throwaway).exercise.number for _ in range(2)]
    finally:
        del _EXERCISES["throwaway"]
    assert numbers == ["6.2", "6.2"]


def test_an_exercise_of_no_lecture_is_refused():
    with pytest.raises(CourseError, match="lecture=12; allowed: 1 to 11"):
        exercise(12, minutes=1, points=1, zh="无", en="None")


def test_another_answer_serves_within_a_with_statement_and_can_be_forgotten():
    entry = find_exercise("kept_layers")
    with entry.answered_by(lambda num_layers, depth: "other"):
        assert entry.function(4, 2) == "other"
    assert entry.student is None and entry.function(4, 2) == [1, 3]
    entry.replace_answer(lambda num_layers, depth: "other")
    forget_answers()
    assert entry.source == "reference"


SMALL_BERT = BertConfig(
    vocab_size=11,
    hidden_size=4,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=6,
    max_position_embeddings=8,
)
ONE, MASK = torch.ones(1), torch.ones(1, 3, dtype=torch.long)
STAND_IN_CALLS = {
    "joint_loss": ([ONE.sum(), 3 * ONE.sum()],),
    "sandwich_sample": (["small", "middle", "large"], 0, torch.Generator()),
    "kept_layers": (4, 2),
    "slice_heads": (torch.arange(8.0).reshape(4, 2), torch.arange(4.0), [1], 2),
    "layer_map": (2, 4),
    "hidden_loss": (torch.zeros(1, 3, 2), torch.ones(1, 3, 2), None, MASK),
    "attention_loss": (torch.zeros(1, 1, 3, 3), torch.ones(1, 1, 3, 3), MASK),
    "submodel_schedule": (5, 10, [(0.0, ["a"]), (0.5, ["b"])]),
    "linear_warmup_decay": (3, 2, 6),
    "clip_by_global_norm": ([torch.tensor([3.0]), None, torch.tensor([4.0])], 1.0),
    "weight_decay_by_name": ({"dense.weight": (4, 3)}, 0.01),
    "head_importance": (torch.full((2, 1, 1, 1), 2.0), torch.tensor([3.0, -1]).view(2, 1, 1, 1)),
    "macro_f1": ([0, 0, 1], [0, 1, 1], 2),
    "causal_mask": (2, 3),
    "top_p_filter": (torch.log(torch.tensor([[0.5, 0.3, 0.2]])), 0.6),
    "flops": (SMALL_BERT, 3),
}


def plain(result):
    """Numbers of a result that can be compared with ==: no tensors, four places."""
    if isinstance(result, torch.Tensor):
        result = result.tolist()
    if isinstance(result, list | tuple):
        return [plain(part) for part in result]
    return round(result, 4) if isinstance(result, float) else result


def test_each_stand_in_answers_a_simple_call_as_the_reference_answer_does():
    with_stand_in = {name for name, entry in exercises().items() if entry.peer is not None}
    assert with_stand_in == set(STAND_IN_CALLS)
    for name, arguments in STAND_IN_CALLS.items():
        entry = find_exercise(name)
        got = plain(entry.peer(*arguments))
        expected = plain(entry.reference(*arguments))
        assert got == expected, name


def test_the_reference_answer_counts_what_the_small_model_has():
    model = BertModel(SMALL_BERT)
    expected = sum(parameter.numel() for parameter in model.parameters())
    assert find_exercise("parameter_count").reference(SMALL_BERT) == expected


CELLS = [
    "from tinybert_l import begin, kept_layers",
    "begin(lecture=3)",
    "misspelt",
    "layers = kept_layers(4, 2)",
    "layers",
    "begin(lecture=3)",
    "layers",
]


@pytest.mark.slow
def test_a_notebook_says_why_a_name_is_undefined(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(tmp_path))
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    execute(nbformat.v4.new_notebook(cells=cells), tmp_path)
    errors = {}
    for number, cell in enumerate(cells):
        for output in cell.outputs:
            if output.output_type == "error":
                errors[number] = output
    misspelt, unanswered, explained, unexplained = (errors[number] for number in (2, 3, 4, 6))
    assert misspelt.evalue == "name 'misspelt' is not defined"
    assert len(misspelt.traceback) > 1
    assert unanswered.ename == "MissingAnswer" and len(unanswered.traceback) == 1
    assert "stopped because kept_layers has no answer yet" in explained.evalue
    assert explained.traceback == [f"NameError: {explained.evalue}"]
    assert unexplained.evalue == "name 'layers' is not defined", "begin starts anew"
