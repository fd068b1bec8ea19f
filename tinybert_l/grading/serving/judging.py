"""Judge hand-ins by the tests that students can see, in the sandbox that grading uses.

Hidden tests are not run here at all, so no answer, and no time that it takes, tells of them.
"""

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat

from tinybert_l.cache import write_atomically
from tinybert_l.course.home import LANGUAGE_METADATA
from tinybert_l.errors import printable
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.arrivals import Arrival
from tinybert_l.grading.assignment import Assignment, exercise_of, grade_id
from tinybert_l.grading.course import Course
from tinybert_l.grading.intake import Refusal, take_in
from tinybert_l.grading.job import Job, Result, program_hash, read_result, write_job
from tinybert_l.grading.schedule import Task, Workers, sensible_workers
from tinybert_l.grading.serving.spool import QUEUED, HandIn, Spool
from tinybert_l.grading.variants import NotReleasedFor, Variants, assignment_of

REASON_LIMIT = 600  # characters
IDLE_SECONDS = 0.2
NICENESS = 10  # of judging, so that hand-ins are accepted at once meanwhile
RETRY_SECONDS = 5
LATER_SECONDS = 60  # until what could not be judged is tried again


def visible_assignment(course: Course, lecture: int, student: str) -> Assignment:
    """Return a student's assignment with the tests as the release for this student has them.

    Raises:
        FileNotFoundError: the lecture was not released.
        NotReleasedFor: it was released per student, and not for this one.
    """
    assignment = assignment_of(course, lecture, student)
    path = course.folder / "release" / assignment.name / f"{assignment.name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    released = {grade_id(cell): cell.source for cell in notebook.cells}
    variants = Variants.of(course, lecture)
    for change in [] if variants is None else variants.changes(student):
        if change.name in released and not change.is_part:
            language = notebook.metadata.get(LANGUAGE_METADATA)
            released[change.name] = change.applied(released[change.name], language)
    cells = []
    for cell in assignment.cells:
        if cell.is_test:  # a test that the release lacks would be a hidden one
            cell = replace(cell, source=released.get(cell.name, ""))
        cells.append(cell)
    return replace(assignment, cells=tuple(cells))


class Worker:
    """Takes hand-ins in and judges them, in threads of its own, until it is stopped.

    Args:
        workers: submissions at a time; None: as many as cores and memory allow.
    """

    def __init__(self, course: Course, spool: Spool, folder: Path, workers: int | None) -> None:
        self.course = course
        self.spool = spool
        self.folder = folder / "work"
        self.workers = workers or sensible_workers()
        self._problems: dict[str, str] = {}  # why the last round of a thread failed
        self._processes = Workers(self.workers)
        self._busy: set[str] = set()  # students who have a hand-in judged
        self._later: dict[str, float] = {}  # students whose hand-in failed, and until when to wait
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        rounds = [self.take_in_all, *[self.judge_next_gently] * self.workers]
        self._threads = [
            threading.Thread(target=self._run, args=(one_round,), daemon=True)
            for one_round in rounds
        ]

    def start(self) -> None:
        """Begin with what an earlier process left undone."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Say that a hand-in has come."""
        self._wake.set()

    def stop(self) -> None:
        """End after the hand-ins that are being judged."""
        self._stopping.set()
        self._wake.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._processes.close()

    @property
    def problem(self) -> str:
        """Why hand-ins are not taken in or judged just now; empty when they are."""
        return "; ".join(list(self._problems.values()))

    def _run(self, one_round: Callable[[], bool]) -> None:
        thread = threading.current_thread().name
        while not self._stopping.is_set():
            try:
                had_work = one_round()
            except Exception as error:  # the thread lives on: what failed is on disk still
                self._problems[thread] = f"{type(error).__name__}: {error}"
                print(f"serve: {printable(self._problems[thread])}", flush=True)
                self._stopping.wait(RETRY_SECONDS)
                continue
            self._problems.pop(thread, None)
            if not had_work:
                self._wake.wait(IDLE_SECONDS)
                self._wake.clear()

    def take_in_all(self) -> bool:
        """Put all that came among the submissions; returns whether there was anything."""
        queued = self.spool.in_state(QUEUED)
        for hand_in in queued:
            self._take_in(hand_in)
        return bool(queued)

    def _take_in(self, hand_in: HandIn) -> None:
        """Put a hand-in among the submissions, as `collect` does; twice is the same as once."""
        name = NOTEBOOKS[hand_in.lecture]
        raw, origin = self.spool.raw(hand_in.number), f"serve/{hand_in.number}"
        arrival = Arrival(hand_in.student, raw, hand_in.received, origin, [*hand_in.notes])
        refusals: list[Refusal] = []
        take_in(self.course, name, [replace(arrival, has_own_time=True)], refusals)
        if refusals:
            self.spool.answer(hand_in.number, {"error": refusals[0].reason})
        else:
            self.spool.taken_in(hand_in.number)

    def judge_next_gently(self) -> bool:
        """Do as `judge_next`, in a thread that gives way; what it starts takes after it."""
        if sys.platform == "linux":  # elsewhere a thread has no priority of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        return self.judge_next()

    def judge_next(self) -> bool:
        """Judge the hand-in whose turn it is; returns whether there was one."""
        with self._lock:
            hand_in = self.spool.next_to_judge(self._not_now())
            if hand_in is None:
                return False
            self._busy.add(hand_in.student)
        try:
            self.spool.answer(hand_in.number, self._judged(hand_in))
        except Exception:
            self._later[hand_in.student] = time.monotonic() + LATER_SECONDS
            raise
        finally:
            with self._lock:
                self._busy.discard(hand_in.student)
        return True

    def _not_now(self) -> set[str]:
        """Return whose turn it is not: one is judged, or could not be a moment ago.

        A hand-in that fails each time would keep all others waiting.
        """
        now = time.monotonic()
        return self._busy | {name for name, until in self._later.items() if until > now}

    def _judged(self, hand_in: HandIn) -> dict[str, Any]:
        """Return the answer of the visible tests; that of the same notebook where it has one."""
        try:
            assignment = visible_assignment(self.course, hand_in.lecture, hand_in.student)
        except NotReleasedFor as error:
            return {"error": str(error)}
        answer = self.spool.answered_before(hand_in)
        if answer.get("tests") == assignment.fingerprint:
            return answer
        task = self._task(hand_in, assignment)
        failure = self._processes.run(task, hand_in.lecture, self.course.unsafe)
        result = None if failure else read_result(Path(task[1]))
        answer = _answer(result, failure, assignment)
        for place in task:
            shutil.rmtree(place, ignore_errors=True)
        return {**answer, "tests": assignment.fingerprint}

    def _task(self, hand_in: HandIn, assignment: Assignment) -> Task:
        """Write the job of a hand-in, which sees the visible tests alone."""
        shared = self.folder / f"assignment-{assignment.fingerprint[:20]}.json"
        if not shared.is_file():
            write_atomically(shared, assignment.to_json())
        job = Job(
            hand_in.student,
            assignment.name,
            hand_in.notebook,
            assignment.fingerprint,
            program_hash(),
            unsafe=self.course.unsafe,
        )
        original = self.folder / "originals" / f"{hand_in.number}.ipynb"
        write_atomically(original, self.spool.raw(hand_in.number))
        source = write_job(self.folder / "jobs", job, shared, original)
        original.unlink()  # the job has its own; the course keeps the bytes
        return str(source), str(self.folder / "results" / job.key)


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
    text = json.dumps(answer, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
