"""The commands on a small slice; `tests/grading/test_journey.py` walks through a course."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tinybert_l import __version__
from tinybert_l.cli.app import MODULES, main
from tinybert_l.cli.lazy import LazyCommands

NEED_INSTRUCTOR = [
    f"tinybert_l.cli.{name}" for name in ("courses", "demo", "grades", "instructors", "marking")
]


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


@pytest.mark.slow
def test_the_quick_demo_goes_from_reviews_to_grades(tmp_path):
    done = run("demo", "--quick", "--output", tmp_path)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "quick"
    record = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    names = [result["name"] for result in record["results"]]
    assert names[:5] == ["teacher", "6x1", "6x0.5", "3x1", "2x1"]
    assert names[5:] == ["6x0.25", "3x0.5", "2x0.5", "3x0.25", "2x0.25"]
    assert (folder / "pareto.png").stat().st_size > 10_000
    assert (folder / "course" / "gradebook.csv").is_file()
    assert "24/24" in done.stdout and "0/24" in done.stdout
    assert "Where everything was written" in done.stdout


@pytest.mark.slow
def test_a_sub_model_is_chosen_within_a_budget():
    chosen = run("choose", "--quick", "--max-latency-ms", 1000)
    assert chosen.exit_code == 0 and "chosen: " in chosen.stdout
    too_fast = run("choose", "--quick", "--max-latency-ms", 0.0001, "--runtime", "onnx-int8")
    assert too_fast.exit_code == 1 and "onnx-int8" in too_fast.stdout
    assert "latency_budget_ms=0.0001" in too_fast.stderr


@pytest.mark.slow
def test_a_sub_model_is_exported_and_works_in_a_pipeline(tmp_path):
    folder = tmp_path / "out"
    assert run("export", "3x0.5", "--quick", "--to", folder).exit_code == 0
    rows = rows_of(folder)
    assert rows["3×½, ONNX float32"]["largest difference from torch"] < 1e-3
    sizes = {name: row["bytes"] for name, row in rows.items()}
    assert sizes["3×½, ONNX int8"] < sizes["3×½, ONNX float32"] < 2 * sizes["3×½, torch"]
    assert sizes["teacher, torch"] > sizes["3×½, torch"]
    assert "LABEL_" in run_card(folder)
    small = tmp_path / "small"
    assert run("export", "3x0.5", "--quick", "--vocabulary", 6000, "--to", small).exit_code == 0
    assert json.loads((small / "numbers.json").read_text(encoding="utf-8"))["vocabulary"] == 6000
    assert sizes["teacher, torch"] > 10 * rows_of(small)["3×½, ONNX int8"]["bytes"]


def rows_of(folder: Path) -> dict[str, dict]:
    numbers = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
    return {row["model"]: row for row in numbers["rows"]}


def run_card(folder: Path) -> str:
    """What the code in an exported model's README prints, run as its reader runs it."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", card, re.S).group(1)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_an_unknown_sub_model_is_refused_before_anything_is_trained():
    wrong = run("export", "5x0.5", "--quick")
    assert wrong.exit_code == 1 and "allowed: 2x0.25, 3x0.25" in wrong.stderr


def test_grading_nothing_and_a_lecture_that_is_not_there_are_said_plainly(tmp_path):
    nothing = run("grade", "3", "--output", tmp_path)
    assert nothing.exit_code == 1 and "tinybert-l course init" in nothing.stderr
    missing = run("release", "12", "--output", tmp_path)
    assert missing.exit_code == 2 and "12 is not in the range 1<=x<=11" in missing.stderr


def test_an_unknown_sample_student_is_refused(tmp_path):
    unknown = run("sample-class", "--student", "bob", "--output", tmp_path)
    assert unknown.exit_code == 1 and "--student bob; allowed: perfect, blank" in unknown.stderr


def test_the_exercises_are_listed_with_their_titles():
    listed = run("exercises")
    assert listed.exit_code == 0
    assert "attention_loss" in listed.stdout and "注意力损失" in listed.stdout
    only = run("exercises", "--lecture", 11)
    assert "flops" in only.stdout and "joint_loss" not in only.stdout


@pytest.mark.parametrize("start", ["tinybert-l", "python -m tinybert_l.cli"])
def test_the_program_starts_by_its_name_and_as_a_module(start):
    """`torchrun -m tinybert_l.cli` needs the module."""
    program, *words = start.split()
    command = [str(Path(sys.executable).parent / program), *words, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{start}, version {__version__}\n"


@pytest.mark.parametrize("command", ["release", "grade", "course", "demo", "mark"])
def test_a_command_without_the_instructors_part_says_how_to_get_it(monkeypatch, command):
    for name in list(sys.modules):
        if name.startswith("tinybert_l.grading") or name in NEED_INSTRUCTOR:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tinybert_l.grading", None)  # importing it now fails
    monkeypatch.setattr(main, "commands", LazyCommands(MODULES))
    refused = run(command, "3")
    assert refused.exit_code == 1
    assert f"pip install ./tinybert_l_instructor-{__version__}-py3-none-any.whl" in refused.stderr
