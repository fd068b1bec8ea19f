"""`make notebooks` measures what a lecture costs, whatever else the machine does meanwhile."""

import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest

from tinybert_l.exercises.registry import NOTEBOOKS


@pytest.fixture
def tool(checkout, monkeypatch):
    """The tool as a module."""
    monkeypatch.syspath_prepend(checkout / "tools")
    import run_notebooks

    return run_notebooks


def test_the_processor_time_of_ended_processes_counts(tool):
    before = tool.cpu_seconds()
    subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
    assert tool.cpu_seconds() - before > 0.05


def test_processor_seconds_are_printed_and_decide_what_is_late(tool, monkeypatch, capsys):
    costs = {1: (900.0, 100.0, []), 2: (300.0, 2 * tool.BUDGET_SECONDS + 1.0, [])}
    monkeypatch.setattr(tool, "run", lambda lecture, _: costs[lecture])
    monkeypatch.setattr(sys, "argv", ["run_notebooks.py", "1", "2"])
    with pytest.raises(SystemExit) as ended:
        tool.main()
    assert not ended.value.code
    slow, late = capsys.readouterr().out.splitlines()[:2]
    assert "900 s, CPU 100 s" in slow and "over budget" not in slow
    assert "CPU 481 s over budget" in late


def test_a_copy_of_a_run_at_the_size_for_tests_says_so(tool, monkeypatch, tmp_path):
    nothing = SimpleNamespace(execute=lambda cwd: None)
    monkeypatch.setattr(tool, "NotebookClient", lambda *_, **__: nothing)
    path = tmp_path / NOTEBOOKS[3] / f"{NOTEBOOKS[3]}.ipynb"
    for value, expected in (("1", True), ("", None)):
        monkeypatch.setenv("TINYBERT_L_REDUCED", value)
        tool.run(3, tmp_path)
        assert nbformat.read(path, as_version=4).metadata.get("tinybert_l_reduced") is expected
