"""The holes: whose answer is used, and what is said when there is none."""

import inspect
import runpy
import subprocess
import sys

import pytest
import torch

from tinybert_l import AnswerError, MissingAnswer, begin, layer_map, submodel_schedule
from tinybert_l.exercises.registry import Exercise, exercises, find_exercise


@pytest.fixture
def no_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(tmp_path))
    begin(3)


def test_a_hole_is_a_function_with_the_stubs_signature_and_docstring():
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


def test_before_its_lecture_a_hole_is_served_by_its_peer(no_answers):
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


def test_importing_the_package_and_the_help_need_no_torch():
    code = "import sys, tinybert_l, tinybert_l.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_hole_has_its_reference_answer_in_solutions():
    assert [
        e.name for e in exercises().values() if not isinstance(e, Exercise) or e.reference is None
    ] == []
