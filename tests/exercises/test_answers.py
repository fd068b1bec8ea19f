"""The tests of the exercises, tested: wrong ideas fail and are told why, right answers pass."""

import inspect
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from zoo import ZooAnswer, right_answers, wrong_answers

from tinybert_l.course.judging import Task, judge_notebook, read_tests, run_task
from tinybert_l.exercises.registry import Exercise, exercises, find_exercise
from tinybert_l.exercises.released import copy_released

ZOO = Path(__file__).resolve().parents[1] / "zoo"
CHECK_SECONDS = 15  # for an endless loop; the start of the process takes part of it


def notebook_of(checkout: Path, entry: Exercise) -> Path:
    return checkout / "notebooks" / entry.notebook / f"{entry.notebook}.ipynb"


@pytest.fixture
def verdicts(tmp_path, monkeypatch, checkout):
    """Judge an answer as `judge` does, but in this process, which has imported torch already."""

    def judge_here(name: str, source: str) -> list[dict]:
        entry = find_exercise(name)
        monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(copy_released(entry.lecture, tmp_path)))
        setup, tests = read_tests(notebook_of(checkout, entry), name)
        report = tmp_path / "report"
        run_task(Task(name, "answer.py", source, setup, tests), report)
        lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
        assert lines[-1] == {"end": True}
        return lines[:-1]

    return judge_here


def failures(verdicts: list[dict]) -> list[str]:
    return [verdict["message"] for verdict in verdicts if not verdict["passed"]]


def test_every_exercise_has_five_wrong_and_two_right_answers():
    wrong = Counter(answer.exercise for answer in wrong_answers())
    right = Counter(answer.exercise for answer in right_answers())
    assert set(wrong) == set(right) == set(exercises())
    assert min(wrong.values()) >= 5 and min(right.values()) >= 2


@pytest.mark.parametrize("answers", [wrong_answers(), right_answers()], ids=["wrong", "right"])
def test_the_answers_of_an_exercise_have_ideas_of_their_own_and_its_parameters(answers):
    assert len({answer.id for answer in answers}) == len(answers)
    for answer in answers:
        parameters = str(inspect.signature(answer.function))
        assert parameters == f"({find_exercise(answer.exercise).signature_text()})", answer.id


def test_no_answer_of_the_zoo_is_hidden_by_another_of_the_same_name():
    for path in ZOO.glob("*.py"):
        names = re.findall(r"^def (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(set(names)) == len(names), path.name


@pytest.mark.parametrize("name", list(exercises()))
def test_a_blank_answer_earns_nothing_and_gets_a_friendly_message(verdicts, name):
    parameters = find_exercise(name).signature_text()
    blank = verdicts(name, f"def {name}({parameters}):\n    raise NotImplementedError\n")
    assert any("has no answer yet" in message for message in failures(blank)), blank


@pytest.mark.parametrize("answer", wrong_answers(), ids=lambda answer: answer.id)
def test_a_wrong_idea_fails_with_a_message_that_names_it(verdicts, answer: ZooAnswer):
    failed = failures(verdicts(answer.exercise, answer.file()))
    assert failed, f"{answer.idea} passes every test of {answer.exercise}"
    assert any(re.search(answer.message, message) for message in failed), failed


@pytest.mark.parametrize("answer", right_answers(), ids=lambda answer: answer.id)
def test_a_right_answer_written_differently_passes(verdicts, answer: ZooAnswer):
    given = verdicts(answer.exercise, answer.file())
    assert failures(given) == []
    assert {verdict["part"] for verdict in given} == {"answer", "visible", "hidden"}


def check(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tinybert_l.cli", "check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


LAYER_MAP = f"def layer_map({find_exercise('layer_map').signature_text()}):\n    "


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os\nos._exit(0)", "ended the Python process"),
        ("raise SystemExit(0)", "SystemExit"),
        ("def layer_map(a): return a", "arguments are"),
        ("def layer_map(:", "SyntaxError"),
        ("x = 1", "defines no function layer_map"),
        (f"{LAYER_MAP}raise NotImplementedError", "has no answer yet"),
    ],
)
def test_check_says_what_is_wrong_and_exits_with_1(tmp_path, source, message):
    (tmp_path / "answer.py").write_text(source)
    done = check("layer_map", str(tmp_path / "answer.py"))
    assert done.returncode == 1 and message in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_check_takes_an_answer_with_or_without_implement_and_ends_endless_loops(tmp_path, checkout):
    path = tmp_path / "answer.py"
    source = (checkout / "solutions" / "lecture_03.py").read_text()
    path.write_text(source)
    assert "all" in check("layer_map", str(path)).stdout
    path.write_text(
        "from tinybert_l import layer_map\n"
        + source.replace("def layer_map", "@layer_map.implement\ndef layer_map")
    )
    done = check("layer_map", str(path))
    assert done.returncode == 0 and "visible and hidden tests" in done.stdout, done.stdout
    path.write_text(f"{LAYER_MAP}while True: pass")
    done = check("layer_map", str(path), "--timeout", f"{CHECK_SECONDS}")
    assert done.returncode == 1 and "endless loop" in done.stdout


@pytest.mark.slow
def test_answers_judged_together_get_the_verdicts_they_get_alone(tmp_path, checkout):
    right = (checkout / "solutions" / "lecture_03.py").read_text()
    answers_another_exercise_too = (
        f"from tinybert_l import layer_map as exercise\n{right}\nexercise.implement(layer_map)"
    )
    sources = {
        "slice_heads": answers_another_exercise_too,
        "layer_map": "x = 1",
        "kept_layers": "import os\nos._exit(0)",
        "hidden_loss": right,
    }
    answers = {}
    for name, source in sources.items():
        answers[name] = tmp_path / f"{name}.py"
        answers[name].write_text(source)
    notebook = notebook_of(checkout, find_exercise("layer_map"))
    verdicts = judge_notebook(notebook, answers)
    failed = {}
    for name, given in verdicts.items():
        failed[name] = [verdict.message for verdict in given if not verdict.passed]
    assert list(failed) == list(sources)
    assert failed["slice_heads"] == failed["hidden_loss"] == []
    assert len(verdicts["slice_heads"]) > 5 and len(verdicts["hidden_loss"]) > 5
    assert len(failed["layer_map"]) == len(failed["kept_layers"]) == 1
    assert "defines no function layer_map" in failed["layer_map"][0]
    assert "ended the Python process" in failed["kept_layers"][0]


def test_check_names_the_exercises_there_are(tmp_path):
    (tmp_path / "a.py").write_text("")
    done = check("layermap", str(tmp_path / "a.py"))
    assert done.returncode == 1 and "there are:" in done.stderr and "Traceback" not in done.stderr
