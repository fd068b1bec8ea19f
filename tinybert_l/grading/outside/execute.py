"""Execute a submission in two processes: one runs its cells, the other judges.

The student's cells run first, all of them, in a sandbox. Then the locked test cells, as the
gradebook has them, run in the judge's process, which never runs student code: there each exercise
is a proxy that asks the student's process (see `inside/judge.py`). A test counts only when its own
end was reached.
"""

import math
import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tinybert_l.grading.inside import wire
from tinybert_l.grading.inside.wire import Header, StudentProcessError
from tinybert_l.grading.outside import replies
from tinybert_l.grading.outside.alone import Cells, Failed, harmed, lacking
from tinybert_l.grading.outside.forker import START_SECONDS, Child, connect
from tinybert_l.grading.outside.replies import CellError, CellReply

T = TypeVar("T")
CELL_SECONDS = 60
TEST_SECONDS = 10
SUBMISSION_SECONDS = 900  # for all that is asked of a submission's process, cells run again too
PROBE_SECONDS = 0.1  # of work, by which it is measured how busy the machine is
BUSY, MOST_SLOWNESS = 1.5, 6.0  # from which on, and up to which, time limits are longer
JUDGE_GRACE_SECONDS = 5  # for the judge to report a test that ended at its time limit


class ProcessPair:
    """The two processes of one submission, and what was run in them.

    Args:
        socket_path: where a forking process listens (see `forker.socket_path`).
        cell_seconds: how long one cell of the submission may take.
        test_seconds: how long one test may take.
    """

    def __init__(self, socket_path: str, cell_seconds: int, test_seconds: int) -> None:
        self.socket_path = socket_path
        self.cell_seconds = cell_seconds
        self.test_seconds = test_seconds
        self.student: Child | None = None
        self.judge: Child | None = None
        self.setup_cells: list[str] = []
        self.replayable_cells: list[str] = []  # cells of the submission, in order, that end
        self.failed_exercises: dict[str, StudentProcessError] = {}
        self.has_read_values = False  # whether the last test read a variable of the submission
        self.asked: set[str] = set()  # exercises that the last test called, variables that it read
        self.alone_with: list[str] | None = None  # the cells of `start_again`
        self.seconds_left: float = SUBMISSION_SECONDS  # of the student's process
        self.output_left = replies.OUTPUT_TOTAL  # characters

    def open(self, setup_cells: list[str]) -> None:
        """Start both processes and run the locked set-up cells in them."""
        self.setup_cells = setup_cells
        self._new_judge()
        self._new_student()

    def close(self) -> None:
        """End both processes."""
        for child in (self.student, self.judge):
            if child is not None:
                child.close()

    def run_cell(self, source: str) -> CellReply:
        """Run a cell of the submission.

        A cell that hangs or ends its process is left out whenever cells are run again.
        """
        try:
            reply = self._run(source, self.cell_seconds)
        except StudentProcessError as error:
            self._new_student()
            return _failed(error.error_name, error.message)
        self.replayable_cells.append(source)
        reply = replies.shortened(reply, self.output_left)
        self.output_left -= replies.length(reply)
        return reply

    def start_again(self, cells: list[str]) -> None:
        """Ask, from now on, a new process in which these cells alone were run."""
        self.alone_with = cells
        self.replayable_cells = list(cells)
        self.failed_exercises = {}
        self._new_student()

    def run_test(self, source: str) -> CellError | None:
        """Run a locked test cell in the judge; return its error, None when its end was reached."""
        assert self.judge is not None
        self.has_read_values = False
        self.asked = set()
        limit = TimeLimit(self.test_seconds)
        try:
            self.judge.send({"source": source})
            while True:
                limit.wait_for(self.judge)
                header, buffers = self.judge.receive(limit.deadline + JUDGE_GRACE_SECONDS)
                if header.get("done"):
                    error = header["error"]
                    return None if error is None else replies.cell_error(error)
                self._relay(header, buffers, limit)
        except TimeoutError:
            return self._given_up("TimedOut", _too_slow(self.test_seconds))
        except wire.WireError:
            return self._given_up("TestEnded", _ended())

    def _given_up(self, name: str, message: str) -> CellError:
        """Start a new judge, for one that an answer has ended; return the test's error."""
        assert self.judge is not None
        self.judge.close()
        self._new_judge()
        return {"ename": name, "evalue": message, "traceback": []}

    def _relay(self, header: Header, buffers: list[bytes], limit: "TimeLimit") -> None:
        """Pass a question of the judge on to the student's process, and the answer back.

        An exercise whose answer hung or ended its process is not called again.
        """
        assert self.judge is not None
        name = str(header.get("name"))
        self.asked.add(name)
        try:
            if name in self.failed_exercises:
                raise self.failed_exercises[name]
            reply, reply_buffers = self._ask_student(header, buffers, limit)
            reply = _checked(lambda: replies.answer(header, reply))
            if reply.get("error") == wire.BUILTINS_CHANGED:
                raise StudentProcessError(wire.BUILTINS_CHANGED, reply["message"])
        except StudentProcessError as error:
            if name not in self.failed_exercises:
                self.failed_exercises[name] = error
                self._new_student()
            self.judge.send({"failure": [error.error_name, error.message]})
            return
        self.has_read_values |= bool(reply.get("defined"))
        self.judge.send(reply, reply_buffers)

    def _run(self, source: str, seconds: float) -> CellReply:
        header, _ = self._ask_student({"op": "run", "source": source}, [], TimeLimit(seconds))
        reply = _checked(lambda: replies.cell_reply(header))
        error = reply["error"]
        if error is not None and error["ename"] == wire.BUILTINS_CHANGED:
            raise StudentProcessError(error["ename"], error["evalue"])
        return reply

    def _ask_student(
        self, header: Header, buffers: list[bytes], limit: "TimeLimit"
    ) -> tuple[Header, list[bytes]]:
        """Send a request to the student's process and return its reply.

        Raises:
            StudentProcessError: there was none in time, or it was none.
        """
        if self.seconds_left <= 0:
            raise StudentProcessError("TimedOut", _out_of_time())
        assert self.student is not None
        number = secrets.token_hex(8)
        start = time.monotonic()
        end_of_all = start + self.seconds_left
        try:
            self.student.send({**header, "number": number}, buffers)
            limit.wait_for(self.student, end_of_all)
            reply, reply_buffers = self.student.receive(min(limit.deadline, end_of_all))
            if reply.get("number") != number:
                raise wire.WireError("This submission wrote into the line to the grader.")
            return reply, reply_buffers
        except TimeoutError:
            in_time = limit.deadline < end_of_all
            why = _too_slow(limit.seconds) if in_time else _out_of_time()
            raise StudentProcessError("TimedOut", why) from None
        except wire.PeerDied:
            raise StudentProcessError(
                "KernelDied",
                "This cell ended the Python process (os._exit, a crash, or too much memory); "
                "grading went on without it. 该单元格使内核进程终止，评分已跳过它继续进行。",
            ) from None
        except wire.WireError as error:
            raise _broken_protocol(error) from None
        finally:
            self.seconds_left -= time.monotonic() - start

    def _new_student(self) -> None:
        """Start a student's process and run again all cells so far that can be run again.

        Where the submission's time is up there is none, and nothing more is asked of it.
        """
        while True:
            if self.student is not None:
                self.student.close()
            if self.seconds_left <= 0:
                return
            self.student = connect(self.socket_path, judge=False)
            left = self.seconds_left
            for source in self.setup_cells:  # which are no part of the submission
                self.seconds_left = START_SECONDS
                self._run(source, START_SECONDS)
            self.seconds_left = left
            if self._replay():
                return

    def _replay(self) -> bool:
        """Run the cells again; a cell that now hangs or ends its process is dropped for good."""
        for index, source in enumerate(self.replayable_cells):
            try:
                self._run(source, self.cell_seconds)
            except StudentProcessError:
                del self.replayable_cells[index]
                return False
        return True

    def _new_judge(self) -> None:
        self.judge = connect(self.socket_path, judge=True)
        for source in self.setup_cells:
            self.judge.send({"source": source, "setup": True})
            header, _ = self.judge.receive(time.monotonic() + START_SECONDS)
            if header["error"]:
                raise RuntimeError(f"A locked set-up cell failed in the judge: {header['error']}")


class TimeLimit:
    """A limit of time for a reply. It is longer, once, where this machine is busy with others.

    No student's points hang on what else runs where they are graded.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds
        self.is_extended = False

    def wait_for(self, child: Child, end: float = math.inf) -> None:
        """Wait until a process begins to answer or the time is up.

        Args:
            end: when to give up in any case.
        """
        if self.is_extended or child.answers_before(min(self.deadline, end)):
            return
        self.is_extended = True
        factor = min(slowness(), MOST_SLOWNESS)
        if factor > BUSY:
            self.deadline += (factor - 1) * self.seconds
            child.answers_before(min(self.deadline, end))


def slowness() -> float:
    """Measure how many times longer than alone a process takes here, just now."""
    _spin(PROBE_SECONDS)  # whoever has slept is let in first, which is not how it goes on
    start = time.monotonic()
    _spin(PROBE_SECONDS)
    measured = (time.monotonic() - start) / PROBE_SECONDS
    if sys.platform != "linux":
        return measured
    return max(measured, os.getloadavg()[0] / len(os.sched_getaffinity(0)))


def _spin(seconds: float) -> None:
    """Use the processor for so long."""
    begin = time.thread_time()
    while time.thread_time() - begin < seconds:
        pass


@dataclass(frozen=True)
class Plan:
    """All that is executed for one submission, in order.

    Args:
        lecture: number of the lecture that is graded.
        locked: sources of set-up cells, run in both processes.
        cells: sources of the submission's cells.
        tests: sources of the locked test cells.
        places: for each test, after how many of the cells it is run; where this is empty, all tests
            are run after all cells.
    """

    lecture: int
    locked: tuple[str, ...]
    cells: tuple[str, ...]
    tests: tuple[str, ...]
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """Results in the plan's order.

    Args:
        cells: the reply of each cell.
        tests: the error of each test, or None.
    """

    cells: list[CellReply]
    tests: list[CellError | None]


def execute(
    plan: Plan,
    socket_path: str,
    cell_seconds: int = CELL_SECONDS,
    test_seconds: int = TEST_SECONDS,
) -> Outcome:
    """Run a plan in a fresh pair of processes.

    Args:
        socket_path: where a forking process listens (see `forker.socket_path`).
        cell_seconds: how long one cell of the submission may take.
        test_seconds: how long one test may take.
    Raises:
        RuntimeError, WireError: the grader itself failed, which says nothing of the submission.
    """
    pair = ProcessPair(socket_path, cell_seconds, test_seconds)
    try:
        pair.open(list(plan.locked))
        return _in_order(pair, plan)
    finally:
        pair.close()


def _in_order(pair: ProcessPair, plan: Plan) -> Outcome:
    """Run cells and tests in the order in which a notebook has them.

    So a helper that a later cell defines anew, or a name that it takes, harms no answer above. An
    answer that needs something from further below is asked once more in the end; a variable, which
    could be another guess by then, is not.
    """
    places = plan.places or (len(plan.cells),) * len(plan.tests)
    cells: list[CellReply] = []
    tests: list[CellError | None] = []
    failed: list[Failed] = []
    for count in range(len(plan.cells) + 1):
        if count:
            cells.append(pair.run_cell(plan.cells[count - 1]))
        while len(tests) < len(plan.tests) and places[len(tests)] <= count:
            error = pair.run_test(plan.tests[len(tests)])
            if error is not None and not pair.has_read_values:
                failed.append(Failed(len(tests), error["ename"], frozenset(pair.asked), count))
            tests.append(error)
    for test in failed:
        if test.count < len(plan.cells) and pair.run_test(plan.tests[test.index]) is None:
            tests[test.index] = None
    errors = [lacking(reply["error"]) for reply in cells]
    for test, needed in harmed(failed, Cells(plan.locked, plan.cells), errors):
        if tests[test.index] is not None and _passes_alone(pair, plan.tests[test.index], needed):
            tests[test.index] = None
    return Outcome(cells, tests)


def _passes_alone(pair: ProcessPair, test: str, needed: list[str]) -> bool:
    """Tell whether a test passes where nothing was run but what its answers need."""
    if pair.alone_with != needed:
        pair.start_again(needed)
    return pair.run_test(test) is None


def _checked(check: Callable[[], T]) -> T:
    """Return what a check of a reply returns; what does not fit is the submission's failure."""
    try:
        return check()
    except wire.WireError as error:
        raise _broken_protocol(error) from None


def _broken_protocol(error: wire.WireError) -> StudentProcessError:
    return StudentProcessError("BrokenProtocol", f"{error} 该提交的答复不符合协议。")


def _failed(name: str, message: str) -> CellReply:
    return {"output": "", "error": {"ename": name, "evalue": message, "traceback": []}}


def _out_of_time() -> str:
    return (
        f"This notebook took more than {SUBMISSION_SECONDS} s together; what comes after that was "
        f"not run. 整个笔记本的运行时间超过{SUBMISSION_SECONDS}秒，其后的内容未运行。"
    )


def _ended() -> str:
    return (
        "The answer ended this test (a value that is too large?). "
        "该答案使测试进程终止（返回值过大？）。"
    )


def _too_slow(seconds: float) -> str:
    return (
        f"This cell did not finish within {seconds:.0f} s (an endless loop?); "
        "grading went on without it. "
        f"该单元格在{seconds:.0f}秒内未结束（死循环？），评分已跳过它继续进行。"
    )
