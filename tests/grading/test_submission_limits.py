"""Limits that hold for a submission as a whole: its time, what it prints, what its judge is given.

Needs the sandbox.
"""

import time

import pytest
from attacks import exhaust

from tinybert_l.grading.outside import execute, forker, replies, sandbox

needs_sandbox = pytest.mark.skipif(
    sandbox.problem() is not None, reason=f"no sandbox: {sandbox.problem()}"
)
LECTURE = 3
SETUP = "import tinybert_l\nfrom tinybert_l import kept_layers\ntinybert_l.begin(lecture=3)"
TEST = "assert list(kept_layers(12, 3)) == [0]"


def run(cells: list[str], cell_seconds: int) -> execute.Outcome:
    plan = execute.Plan(LECTURE, (SETUP,), tuple(cells), (TEST,))
    return execute.execute(plan, forker.socket_path(LECTURE, unsafe=False), cell_seconds)


@needs_sandbox
def test_cells_that_are_slow_when_run_again_do_not_go_past_the_whole_time(monkeypatch):
    forker.connect(forker.socket_path(LECTURE, unsafe=False), judge=True).close()  # it has started
    monkeypatch.setattr(execute, "SUBMISSION_SECONDS", 1)
    began = time.monotonic()
    cells = exhaust.slow_when_run_again(count=90, until=time.time() + 0.5)
    outcome = run(cells, cell_seconds=1)
    assert time.monotonic() - began < 60  # each time that one is run again costs a second
    assert outcome.cells[-1]["error"]["ename"] == "TimedOut"
    assert outcome.tests[0]["ename"] == "TimedOut" and "together" in outcome.tests[0]["evalue"]


@needs_sandbox
def test_a_value_that_grows_in_the_judge_fails_its_test_alone():
    outcome = run([exhaust.GROWS_IN_THE_JUDGE], cell_seconds=20)
    assert outcome.cells[0]["error"] is None
    assert outcome.tests[0]["ename"] in ("MemoryError", "TestEnded"), outcome.tests


def test_errors_count_as_output_and_the_last_ones_are_short():
    error = {"ename": "X", "evalue": "y" * 4000, "traceback": ["z" * 2000] * 30}
    reply = {"output": "p" * 100_000, "error": error}
    assert replies.shortened(reply, 10**6) == reply
    left, total = replies.OUTPUT_TOTAL, 0
    for _ in range(2000):
        kept = replies.shortened(reply, left)
        left -= replies.length(kept)
        total += replies.length(kept)
        assert kept["error"]["ename"] == "X" and kept["error"]["evalue"]
    assert total < 2 * replies.OUTPUT_TOTAL
