"""Judge hand-ins by the tests that students can see, in the sandbox that grading uses.

Hidden tests are not run here at all, so no answer, and no time that it takes, tells of them.
"""

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat

from tinybert_l.cache import write_atomically
from tinybert_l.errors import printable
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.arrivals import Arrival
from tinybert_l.grading.assignment import Assignment, exercise_of, grade_id
from tinybert_l.grading.course import Course
from tinybert_l.grading.intake import Refusal, take_in
from tinybert_l.grading.job import Job, Result, program_hash, read_result, write_job
from tinybert_l.grading.schedule import run_here, sensible_workers
from tinybert_l.grading.serving.spool import QUEUED, TAKEN_IN, HandIn, Spool

ROUNDS_AHEAD = 2  # jobs for each worker in a batch: a new hand-in does not wait for longer
REASON_LIMIT = 600  # characters
IDLE_SECONDS = 0.2
RETRY_SECONDS = 5


def visible_assignment(course: Course, lecture: int) -> Assignment:
    """Return a lecture's assignment with the tests as its release has them.

    Raises:
        FileNotFoundError: the lecture was not released.
    """
    assignment = course.assignment(lecture)
    path = course.folder / "release" / assignment.name / f"{assignment.name}.ipynb"
    released = {}
    for cell in nbformat.read(path, as_version=4).cells:
        released[grade_id(cell)] = cell.source
    cells = []
    for cell in assignment.cells:
        if cell.is_test:  # a test that the release lacks would be a hidden one
            cell = replace(cell, source=released.get(cell.name, ""))
        cells.append(cell)
    return replace(assignment, cells=tuple(cells))


class Worker:
    """Takes hand-ins in and judges them, in a thread of its own, one batch after the other.

    Args:
        workers: submissions at a time; None: as many as cores and memory allow.
    """

    def __init__(self, course: Course, spool: Spool, folder: Path, workers: int | None) -> None:
        self.course = course
        self.spool = spool
        self.folder = folder / "work"
        self.workers = workers or sensible_workers()
        self.problem = ""  # why the last round failed
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin with what an earlier process left undone."""
        self._thread.start()

    def wake(self) -> None:
        """Say that a hand-in has come."""
        self._wake.set()

    def stop(self) -> None:
        """End after the batch that is being judged."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                busy = self.round()
                self.problem = ""
            except Exception as error:  # the thread lives on: what failed is on disk still
                self.problem = f"{type(error).__name__}: {error}"
                print(f"serve: {printable(self.problem)}", flush=True)
                self._stopping.wait(RETRY_SECONDS)
                continue
            if not busy:
                self._wake.wait(IDLE_SECONDS)
                self._wake.clear()

    def round(self) -> bool:
        """Take in all that came, judge one batch; returns whether there was anything to do."""
        for hand_in in self.spool.in_state(QUEUED):
            self._take_in(hand_in)
        batch = self.spool.in_state(TAKEN_IN, self.workers * ROUNDS_AHEAD)
        by_lecture: dict[int, list[HandIn]] = {}
        for hand_in in batch:
            by_lecture.setdefault(hand_in.lecture, []).append(hand_in)
        for lecture, hand_ins in by_lecture.items():
            self._judge(lecture, hand_ins)
        return bool(batch)

    def _take_in(self, hand_in: HandIn) -> None:
        """Put a hand-in among the submissions, as `collect` does; twice is the same as once."""
        name = NOTEBOOKS[hand_in.lecture]
        notes = list(hand_in.notes)
        arrival = Arrival(
            hand_in.student, hand_in.raw, hand_in.received, f"serve/{hand_in.number}", notes
        )
        refusals: list[Refusal] = []
        take_in(self.course, name, [replace(arrival, has_own_time=True)], refusals)
        if refusals:
            self.spool.answer(hand_in.number, {"error": refusals[0].reason})
        else:
            self.spool.taken_in(hand_in.number)

    def _judge(self, lecture: int, hand_ins: list[HandIn]) -> None:
        assignment = visible_assignment(self.course, lecture)
        new = []
        for hand_in in hand_ins:
            answer = self.spool.answered_before(hand_in)
            if answer.get("tests") == assignment.fingerprint:
                self.spool.answer(hand_in.number, answer)
            else:
                new.append(hand_in)
        for hand_in, answer in self._answers(assignment, new):
            self.spool.answer(hand_in.number, {**answer, "tests": assignment.fingerprint})

    def _answers(
        self, assignment: Assignment, hand_ins: list[HandIn]
    ) -> Iterator[tuple[HandIn, dict[str, Any]]]:
        """Run the jobs of hand-ins; a result that an earlier process left is only read."""
        shared = self.folder / f"assignment-{assignment.fingerprint[:20]}.json"
        if not shared.is_file():
            write_atomically(shared, assignment.to_json())
        tasks, targets = [], []
        for hand_in in hand_ins:
            job = Job(
                hand_in.student,
                assignment.name,
                sha256(hand_in.raw).hexdigest(),
                assignment.fingerprint,
                program_hash(),
                unsafe=self.course.unsafe,
            )
            original = self.folder / "originals" / f"{job.submission}.ipynb"
            write_atomically(original, hand_in.raw)
            source = write_job(self.folder / "jobs", job, shared, original)
            original.unlink()  # the job has its own; the spool keeps the bytes
            targets.append(self.folder / "results" / job.key)
            tasks.append((str(source), str(targets[-1])))
        if not tasks:
            return
        lecture, unsafe = assignment.lecture, self.course.unsafe
        for index, failure in run_here(tasks, lecture, unsafe, self.workers):
            result = None if failure else read_result(targets[index])
            yield hand_ins[index], _answer(result, failure, assignment)
            for place in tasks[index]:
                shutil.rmtree(place, ignore_errors=True)


def _answer(result: Result | None, failure: str, assignment: Assignment) -> dict[str, Any]:
    """Say by exercise what the visible tests found."""
    if result is None or result.error:
        why = failure or (result.error if result else "no result 缺少评分结果")
        return {"error": printable(why)[:REASON_LIMIT]}
    exercises: dict[str, dict[str, Any]] = {}
    visible = [name for name in assignment.tests() if not name.endswith("_hidden")]
    for verdict in result.verdicts:
        if verdict.cell not in visible:
            continue
        entry = exercises.setdefault(exercise_of(verdict.cell), {"passed": True, "reason": ""})
        if verdict.points != verdict.max_points:
            reason = printable(verdict.reason)[:REASON_LIMIT]
            entry.update(passed=False, reason=entry["reason"] or reason)
    return {"exercises": exercises}


def as_text(answer: dict[str, Any]) -> str:
    """Return an answer as JSON that is plain ASCII, in which no HTML can stand."""
    text = json.dumps(answer, ensure_ascii=True, sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
