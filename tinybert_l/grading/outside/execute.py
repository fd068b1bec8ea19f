"""Two processes for each submission: one runs its cells in a sandbox, the other judges and never sees its code.

The student's cells run first, all of them; then the locked test cells, as the gradebook has them, run in the judge,
where each exercise is a proxy that asks the student's process (see `runner` and `values`). A test counts only when
its own end was reached.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from tinybert_l.grading.inside import wire
from tinybert_l.grading.outside.forker import START_SECONDS, Child, knock

CELL_SECONDS, TEST_SECONDS = 60, 10


class Harm(Exception):
    """The student's process hung, died or broke the protocol; says so in words for its author."""

    def __init__(self, ename: str, evalue: str) -> None:
        self.ename, self.evalue = ename, evalue
        super().__init__(evalue)


class Bench:
    """The two processes of one submission, and what was run in them."""

    def __init__(self, door: str, cell_seconds: int, test_seconds: int) -> None:
        self.door = door
        self.cell_seconds, self.test_seconds = cell_seconds, test_seconds
        self.student: Child | None = None
        self.judge: Child | None = None
        self.harmless: list[str] = []  # the submission's cells, in order, that end
        self.locked: list[str] = []
        self.harmful: dict[str, Harm] = {}  # exercises whose answer hung or died in a call

    def open(self, locked: list[str]) -> None:
        """Run the locked set-up cells on both sides."""
        self.locked = locked
        self._new_judge()
        self._new_student()

    def close(self) -> None:
        for child in (self.student, self.judge):
            if child is not None:
                child.close()

    def run_cell(self, source: str) -> dict[str, Any]:
        """A cell of the submission: {"output", "error"}; one that harms is left out of every later replay."""
        try:
            reply = self._run(source)
        except Harm as harm:
            self._new_student()
            return {
                "output": "",
                "error": {"ename": harm.ename, "evalue": harm.evalue, "traceback": []},
            }
        self.harmless.append(source)
        return reply

    def run_test(self, source: str) -> dict[str, str] | None:
        """A locked test cell, in the judge: its error, or None when its end was reached."""
        deadline = time.monotonic() + self.test_seconds
        assert self.judge is not None
        try:
            self.judge.send({"source": source})
            while True:
                header, buffers = self.judge.receive(deadline + 5)
                if header.get("done"):
                    return header["error"]
                self._relay(header, buffers, deadline)
        except (TimeoutError, wire.WireError):
            self.judge.close()
            self._new_judge()
            return {"ename": "TimedOut", "evalue": _too_slow(self.test_seconds)}

    def _relay(self, header: dict[str, Any], buffers: list[bytes], deadline: float) -> None:
        assert self.judge is not None
        name = str(header.get("name"))
        try:
            if name in self.harmful:  # it will not end at the second try either
                raise self.harmful[name]
            reply, data = self._ask_student(header, buffers, deadline, self.test_seconds)
        except Harm as harm:
            if name not in self.harmful:
                self.harmful[name] = harm
                self._new_student()
            self.judge.send({"harm": [harm.ename, harm.evalue]})
        else:
            self.judge.send({k: v for k, v in reply.items() if k not in ("harm", "buffers")}, data)

    def _run(self, source: str, seconds: int | None = None) -> dict[str, Any]:
        header, seconds = {"op": "run", "source": source}, seconds or self.cell_seconds
        reply, _ = self._ask_student(header, [], time.monotonic() + seconds, seconds)
        error = reply.get("error")
        if error is not None and not isinstance(error, dict):
            raise Harm(
                "BrokenProtocol",
                "This submission answered the grader in a way that no notebook does.",
            )
        return {"output": str(reply.get("output", "")), "error": error}

    def _ask_student(
        self, header: dict[str, Any], buffers: list[bytes], deadline: float, seconds: int
    ) -> tuple[dict[str, Any], list[bytes]]:
        assert self.student is not None
        number = secrets.token_hex(8)
        try:
            self.student.send({**header, "number": number}, buffers)
            reply, data = self.student.receive(deadline)
            if reply.get("number") != number:
                raise wire.WireError("This submission wrote into the line to the grader.")
            return reply, data
        except TimeoutError:
            raise Harm("TimedOut", _too_slow(seconds)) from None
        except wire.PeerDied:
            raise Harm(
                "KernelDied",
                "This cell ended the Python process (os._exit, a crash, or too much memory); grading went on "
                "without it. 该单元格使内核进程终止，评分已跳过它继续进行。",
            ) from None
        except wire.WireError as error:
            raise Harm("BrokenProtocol", f"{error} 该提交的答复不符合协议。") from None

    def _new_student(self) -> None:
        """A new process in the state that the harmless cells so far leave behind."""
        while True:
            if self.student is not None:
                self.student.close()
            self.student = knock(self.door, judge=False)
            for source in self.locked:
                self._run(source, START_SECONDS)
            for source in self.harmless:
                try:
                    self._run(source)
                except Harm:  # harmless once, but not twice: leave it out from now on
                    self.harmless.remove(source)
                    break
            else:
                return

    def _new_judge(self) -> None:
        self.judge = knock(self.door, judge=True)
        for source in self.locked:
            self.judge.send({"source": source, "setup": True})
            header, _ = self.judge.receive(time.monotonic() + START_SECONDS)
            if header["error"]:
                raise RuntimeError(f"A locked set-up cell failed in the judge: {header['error']}")


@dataclass(frozen=True)
class Plan:
    """All that is executed for one submission, in order.

    Args:
        locked: sources of set-up cells, run on both sides.
        cells: sources of the submission's cells.
        tests: sources of the locked test cells.
    """

    lecture: int
    locked: tuple[str, ...]
    cells: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What came out, in the plan's order: replies of cells, and each test's error or None."""

    cells: list[dict[str, Any]]
    tests: list[dict[str, str] | None]


def execute(
    plan: Plan, door: str, cell_seconds: int = CELL_SECONDS, test_seconds: int = TEST_SECONDS
) -> Outcome:
    """Run a plan in a fresh pair of processes.

    Args:
        door: where a forking process listens (see `forker.door`).
        cell_seconds, test_seconds: how long one cell of the submission, and one test, may take.
    Raises:
        RuntimeError, WireError: the grader itself failed; says nothing of the submission.
    """
    bench = Bench(door, cell_seconds, test_seconds)
    try:
        bench.open(list(plan.locked))
        cells = [bench.run_cell(source) for source in plan.cells]
        return Outcome(cells, [bench.run_test(source) for source in plan.tests])
    finally:
        bench.close()


def _too_slow(seconds: int) -> str:
    return (
        f"This cell did not finish within {seconds} s (an endless loop?); grading went on without it. "
        f"该单元格在{seconds}秒内未结束（死循环？），评分已跳过它继续进行。"
    )
