"""Two processes for each submission: one runs its cells in a sandbox, the other judges and never sees its code.

`TrustedExecute` takes the place of nbgrader's `Execute` in `Autograde.autograde_preprocessors`. The student's cells
run first, all of them; then the locked test cells, as the gradebook has them, run in the judge, where each exercise is
a proxy that asks the student's process (see `runner` and `wire`). A test counts only when its own end was reached.
"""

import atexit
import contextlib
import hashlib
import json
import os
import re
import secrets
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor
from traitlets import Bool, Integer

from tinybert_l.exercise import copy_released
from tinybert_l.grading import sandbox, wire

START_SECONDS, CELL_SECONDS, TEST_SECONDS = 120, 60, 10
NOT_REACHED = "This test was not reached, so it gives no points. 该测试未被执行，不计分。"


class Forker:
    """A warmed process and its children. Started when first needed, and again when it has died."""

    def __init__(self, role: str, lecture: int, isolate: bool) -> None:
        self.role, self.lecture, self.isolate = role, lecture, isolate
        self.process: subprocess.Popen[bytes] | None = None
        self.lock = threading.Lock()
        self.folder = tempfile.TemporaryDirectory()
        copy_released(lecture, Path(self.folder.name))

    def start(self) -> None:
        ours, theirs = socket.socketpair()
        said = tempfile.TemporaryFile()  # noqa: SIM115 (outlives this call; an unread pipe would fill and block)
        environment = {**os.environ, "TINYBERT_L_SOLUTIONS": self.folder.name}
        command = sandbox.command(self.role, theirs.fileno(), Path(self.folder.name), self.isolate)
        self.process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=said,
        )  # fmt: skip
        theirs.close()
        self.control = ours
        try:
            wire.receive(self.control, time.monotonic() + START_SECONDS)
        except (wire.WireError, TimeoutError):
            self.process.kill()
            self.process.wait()
            said.seek(0)
            raise RuntimeError(
                f"The {self.role}'s process did not start: {said.read().decode(errors='replace')[-800:]}"
            ) from None

    def child(self) -> "Child":
        """A new child, ready to talk."""
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self.start()
            ours, theirs = socket.socketpair()
            try:
                header = self._tell(f"fork {self.lecture}", [theirs.fileno()])
            except (OSError, wire.PeerDied):  # it died between two submissions
                self.start()
                header = self._tell(f"fork {self.lecture}", [theirs.fileno()])
            theirs.close()
        return Child(self, ours, int(header["child"]))

    def kill(self, child: int) -> None:
        with self.lock, contextlib.suppress(OSError, wire.PeerDied):  # its children died with it
            self._tell(f"kill {child}", [])

    def _tell(self, message: str, descriptors: list[int]) -> dict[str, Any]:
        socket.send_fds(self.control, [message.encode()], descriptors)
        return wire.receive(self.control, time.monotonic() + START_SECONDS)[0]

    def close(self) -> None:
        if self.process is not None:
            self.control.close()
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()


class Child:
    """One forked process: the far end of a submission, or of its judge."""

    def __init__(self, forker: Forker, connection: socket.socket, number: int) -> None:
        self.forker, self.connection, self.number = forker, connection, number

    def send(self, header: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        try:
            self.connection.settimeout(30)
            wire.send(self.connection, header, buffers)
        except OSError:
            raise wire.PeerDied("The process at the other end is gone.") from None

    def receive(self, deadline: float) -> tuple[dict[str, Any], list[bytes]]:
        return wire.receive(self.connection, deadline)

    def close(self) -> None:
        self.connection.close()
        self.forker.kill(self.number)


class Harm(Exception):
    """The student's process hung, died or broke the protocol; says so in words for its author."""

    def __init__(self, ename: str, evalue: str) -> None:
        self.ename, self.evalue = ename, evalue
        super().__init__(evalue)


class Bench:
    """The two processes of one submission, and what was run in them."""

    def __init__(self, student: Forker, judge: Forker, cell_seconds: int, test_seconds: int) -> None:
        self.students, self.judges = student, judge
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
            return {"output": "", "error": {"ename": harm.ename, "evalue": harm.evalue, "traceback": []}}
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
            raise Harm("BrokenProtocol", "This submission answered the grader in a way that no notebook does.")
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
            self.student = self.students.child()
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
        self.judge = self.judges.child()
        for source in self.locked:
            self.judge.send({"source": source, "setup": True})
            header, _ = self.judge.receive(time.monotonic() + START_SECONDS)
            if header["error"]:
                raise RuntimeError(f"A locked set-up cell failed in the judge: {header['error']}")


@dataclass(frozen=True)
class Plan:
    """All that is executed for one submission, in order."""

    lecture: int
    locked: tuple[str, ...]
    cells: tuple[str, ...]
    tests: tuple[str, ...]

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps([self.lecture, self.locked, self.cells, self.tests]).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What came out, in the plan's order."""

    cells: list[dict[str, Any]]
    tests: list[dict[str, str] | None]


def execute(
    plan: Plan, unsafe: bool = False, cell_seconds: int | None = None, test_seconds: int | None = None
) -> Outcome:
    """Run a plan in a fresh pair of processes."""
    with bench(plan.lecture, unsafe, cell_seconds or CELL_SECONDS, test_seconds or TEST_SECONDS) as one:
        one.open(list(plan.locked))
        cells = [one.run_cell(source) for source in plan.cells]
        return Outcome(cells, [one.run_test(source) for source in plan.tests])


_forkers: dict[tuple[str, int, bool], Forker] = {}
_forkers_lock = threading.Lock()
ready: dict[str, Outcome] = {}  # outcomes made ahead of nbgrader's turn, by the plan's key


def forker(role: str, lecture: int, isolate: bool) -> Forker:
    """The warmed process of this Python process for that role; shared by all submissions of a lecture."""
    key = (role, lecture, isolate)
    with _forkers_lock:
        if key not in _forkers:
            _forkers[key] = Forker(role, lecture, isolate)
            atexit.register(_forkers[key].close)
        return _forkers[key]


@contextlib.contextmanager
def bench(lecture: int, unsafe: bool, cell_seconds: int, test_seconds: int) -> Iterator[Bench]:
    """A fresh pair of processes for one submission."""
    sandbox.require(unsafe)
    one = Bench(
        forker("student", lecture, not unsafe), forker("judge", lecture, not unsafe), cell_seconds, test_seconds
    )
    try:
        yield one
    finally:
        one.close()


class Sanitise(NbGraderPreprocessor):
    """First of all: what nbgrader says of a cell comes from the gradebook, by id; copies are ordinary cells.

    Put in front of `Autograde.sanitize_preprocessors`.
    """

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        return sanitise(nb, resources["nbgrader"]), resources


def sanitise(nb: NotebookNode, place: dict[str, str]) -> NotebookNode:
    """Put the submission's metadata right, from the gradebook."""
    with Gradebook(place["db_url"]) as book:
        source = book.find_notebook(place["notebook"], place["assignment"])
        known = {c.name: _settings(c) for c in source.source_cells}
        points = {c.name: float(c.max_score) for c in source.grade_cells}
        for name in points:
            known[name] |= {"grade": True, "points": points[name]}
        for c in source.solution_cells:
            known[c.name]["solution"] = True
        for c in source.task_cells:
            known[c.name] |= {"task": True, "points": float(c.max_score)}
    seen: set[str] = set()
    for cell in nb.cells:
        grade_id = (cell.metadata.pop("nbgrader", None) or {}).get("grade_id")
        cell.metadata.pop("tags", None)  # tags of a submission decide nothing
        if isinstance(grade_id, str) and grade_id in known and grade_id not in seen:
            seen.add(grade_id)
            cell.metadata["nbgrader"] = NotebookNode(known[grade_id])
            _retype(cell, known[grade_id]["cell_type"])
    for c in source.source_cells:  # deleted tests and questions come back at the end
        if c.name not in seen and (known[c.name]["grade"] or known[c.name]["task"]):
            make = nbformat.v4.new_code_cell if c.cell_type == "code" else nbformat.v4.new_markdown_cell
            nb.cells.append(make(c.source, metadata={"nbgrader": known[c.name]}, id=f"restored-{len(nb.cells)}"))
    return nb


def _retype(cell: NotebookNode, cell_type: str) -> None:
    """A code cell that was turned into text is code again, and the other way round."""
    cell.cell_type = cell_type
    if cell_type == "code":
        cell.setdefault("outputs", [])
        cell.setdefault("execution_count", None)
    else:
        cell.pop("outputs", None)
        cell.pop("execution_count", None)


def _settings(cell: Any) -> dict[str, Any]:
    return {
        "grade_id": cell.name,
        "locked": bool(cell.locked),
        "checksum": cell.checksum,
        "cell_type": cell.cell_type,
        "schema_version": 3,
        "grade": False,
        "solution": False,
        "task": False,
    }


class TrustedExecute(NbGraderPreprocessor):
    """Runs a submission's cells in the sandbox and its tests in the judge; writes the outcome into the notebook."""

    unsafe = Bool(False, help="Grade without isolation.").tag(config=True)
    test_timeout = Integer(TEST_SECONDS, help="Seconds a test cell may take.").tag(config=True)
    timeout = Integer(CELL_SECONDS, help="Seconds any other cell may take.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        place = resources["nbgrader"]
        demos = demo_sources(CourseDirectory(config=self.config), place["assignment"])
        plan, cells, tests = make_plan(nb, place, demos)
        outcome = ready.get(plan.key) or execute(plan, self.unsafe, self.timeout, self.test_timeout)
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        for cell, reply in zip(cells, outcome.cells, strict=True):
            _write(cell, reply)
        for cell, error in zip(tests, outcome.tests, strict=True):
            _write(cell, {"output": "", "error": error})
        return nb, resources


def make_plan(
    nb: NotebookNode, place: dict[str, str], demos: set[str]
) -> tuple[Plan, list[NotebookNode], list[NotebookNode]]:
    """What to run of a sanitised submission, and the cells and tests it stands for.

    Args:
        place: assignment, notebook and db_url, as in nbgrader's resources.
        demos: the text of cells that are not run.
    """
    with Gradebook(place["db_url"]) as book:
        source_cells = book.find_notebook(place["notebook"], place["assignment"]).source_cells
        sources = {c.name: c.source for c in source_cells}
        graded = {c.name for c in book.find_notebook(place["notebook"], place["assignment"]).grade_cells}
        setup = [c.name for c in source_cells if c.locked and c.cell_type == "code" and c.name not in graded]
    tests = [cell for cell in nb.cells if is_test(cell)]
    test_ids = [cell.metadata.nbgrader.grade_id for cell in tests]
    cells = [
        cell
        for cell in nb.cells
        if cell.cell_type == "code"
        and not is_test(cell)
        and cell.source not in demos
        and cell.metadata.get("nbgrader", {}).get("grade_id") not in setup
    ]
    lecture = int(match.group(1)) if (match := re.match(r"(\d\d)-", place["assignment"])) else 1
    plan = Plan(
        lecture,
        tuple(sources[name] for name in setup),
        tuple(cell.source for cell in cells),
        tuple(sources[name] for name in test_ids),
    )
    return plan, cells, tests


def demo_sources(coursedir: Any, assignment: str) -> set[str]:
    """The text of the source's cells that only show or train: they are not run, whatever a submission tags."""
    folder = Path(coursedir.format_path(coursedir.source_directory, ".", assignment))
    cells = [c for path in folder.glob("*.ipynb") for c in nbformat.read(path, as_version=4).cells]
    return {c.source for c in cells if is_demo(c)}


def _write(cell: NotebookNode, reply: dict[str, Any]) -> None:
    cell.execution_count = 1
    cell.outputs = []
    if reply["output"]:
        cell.outputs.append(NotebookNode(output_type="stream", name="stdout", text=reply["output"]))
    if reply["error"] is not None:
        error = reply["error"]
        ename, evalue = str(error.get("ename"))[:100], str(error.get("evalue"))[:4000]
        lines = [str(line)[:2000] for line in error.get("traceback") or []][:30] or [f"{ename}: {evalue}"]
        cell.outputs.append(NotebookNode(output_type="error", ename=ename, evalue=evalue, traceback=lines))


def _too_slow(seconds: int) -> str:
    return (
        f"This cell did not finish within {seconds} s (an endless loop?); grading went on without it. "
        f"该单元格在{seconds}秒内未结束（死循环？），评分已跳过它继续进行。"
    )


class HideTests(NbGraderPreprocessor):
    """Feedback without the text of hidden tests: their messages stay, their code does not."""

    def preprocess_cell(self, cell: NotebookNode, resources: Any, index: int) -> tuple[NotebookNode, Any]:
        if is_test(cell) and ClearHiddenTests().begin_test_delimeter in cell.source:
            begin, end = ClearHiddenTests().begin_test_delimeter, ClearHiddenTests().end_test_delimeter
            cell.source = re.sub(rf"\n?[^\n]*{re.escape(begin)}.*?{re.escape(end)}[^\n]*", "", cell.source, flags=re.S)
        return cell, resources


def is_test(cell: NotebookNode) -> bool:
    """An auto-graded test cell, by nbgrader's metadata (which come from the source, not from the submission)."""
    settings = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and bool(settings.get("grade")) and not settings.get("solution")


def is_demo(cell: NotebookNode) -> bool:
    """A cell that only shows or trains. Cells that nbgrader knows are never taken for one."""
    return "demo" in cell.metadata.get("tags", []) and not cell.metadata.get("nbgrader")
