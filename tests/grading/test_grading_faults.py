"""Kill, fill, lock and delay while a class is graded: in the end each is graded exactly once."""

import contextlib
import multiprocessing
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading import schedule
from tinybert_l.grading.course import Course
from tinybert_l.grading.outside import forker
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.release import release
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.results.book import BUSY_SECONDS, Book
from tinybert_l.grading.run import Options, grade, prove
from tinybert_l.grading.sample_class import LECTURE, hand_in

NAME = NOTEBOOKS[LECTURE]
STUDENTS = [f"s{number:02d}" for number in range(6)]
SERVER = "grading.inside.server"  # in the command line of the forking process
LOCKED_SECONDS = 8  # longer than the 5 s that SQLite waits by default
PATIENCE = 300  # seconds until a test gives up; a loaded machine grades slowly
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}"),
]


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A course in which all STUDENTS handed in the same."""
    course = Course(tmp_path_factory.mktemp("template") / "course")
    hand_in(course, release(course, LECTURE), ["perfect"])
    submission = course.folder / "submitted" / "perfect"
    for student in STUDENTS:
        shutil.copytree(submission, course.folder / "submitted" / student)
    shutil.rmtree(submission)
    return course.folder


@pytest.fixture
def course(template, tmp_path) -> Course:
    return Course(shutil.copytree(template, tmp_path / "course"))


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a process of its own and kill it at the end."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def grading(folder: Path) -> list[str]:
    """The command that grades the course in this folder."""
    lecture, output = str(LECTURE), str(folder.parent)
    return [sys.executable, "-m", "tinybert_l.cli", "grade", lecture, "--output", output]


def succeeds(process: subprocess.Popen[str]) -> None:
    output = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, output


def gradings(course: Course) -> Counter[str]:
    """Count how often each student was graded."""
    return Counter(entry["student"] for entry in Audit(course.folder).gradings(NAME))


def number_graded(course: Course) -> int:
    return gradings(course).total()


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def descendants(pid: int, part: str) -> list[psutil.Process]:
    """List the processes below one whose command line holds a text."""
    processes = psutil.Process(pid).children(recursive=True)
    return [process for process in processes if part in command_line(process)]


def command_line(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def everybody_is_graded_exactly_once(course: Course) -> None:
    assert gradings(course) == dict.fromkeys(STUDENTS, 1)
    assert prove(course, LECTURE) == []


def test_the_coordinator_is_killed(course):
    with running(grading(course.folder)) as process:
        wait_until(lambda: number_graded(course) >= 2)
        others = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
    assert 2 <= number_graded(course) < len(STUDENTS)
    wait_until(lambda: not any(map(is_alive, others)), 60)
    result = grade(course, LECTURE)
    assert not result.errors
    assert sum(cell.points for cell in result.grades) == 24 * len(STUDENTS)
    everybody_is_graded_exactly_once(course)


@pytest.mark.parametrize("victim", ["forkserver", SERVER])
def test_a_worker_or_a_forking_process_is_killed(course, victim):
    with running(grading(course.folder)) as process:
        wait_until(lambda: number_graded(course) >= 2)
        killed = descendants(process.pid, victim)
        if victim == "forkserver":  # the pool's workers are its children
            killed = [worker for server in killed for worker in server.children()]
        assert killed
        os.kill(killed[-1].pid, signal.SIGKILL)
        succeeds(process)
    everybody_is_graded_exactly_once(course)


def test_the_database_is_locked_for_a_while(course):
    other = sqlite3.connect(course.database, check_same_thread=False, isolation_level=None)
    with running(grading(course.folder)) as process:
        wait_until(lambda: number_graded(course) >= 1)
        other.execute("BEGIN EXCLUSIVE")
        before = number_graded(course)
        time.sleep(LOCKED_SECONDS)
        assert number_graded(course) - before <= 1, "the lock did not hold"
        other.execute("ROLLBACK")
        succeeds(process)
    everybody_is_graded_exactly_once(course)


def test_a_locked_database_is_waited_for_two_minutes(course):
    with Book(course.database, NAME) as book, book.engine.connect() as db:
        milliseconds = db.exec_driver_sql("PRAGMA busy_timeout").scalar()
    assert milliseconds == 1000 * BUSY_SECONDS == 120_000


def test_the_disk_is_full(course, tmp_path):
    """The file system of the course is filled to the brim once two students are graded."""
    small = tmp_path / "small"
    copy = tmp_path / "copy"
    small.mkdir()
    mount = f"mount -t tmpfs -o size=64m tmpfs {small} && cp -r {course.folder} {small}/course"
    keep = f"code=$?; rm {small}/filling; cp -r {small}/course {copy}; exit $code"
    script = f"{mount} || exit 99; {shlex.join(grading(small / 'course'))}; {keep}"
    with running(["unshare", "-rm", "sh", "-c", script]) as process:
        inside = Path(f"/proc/{process.pid}/root{small}")  # the file system as the process sees it
        wait_until(lambda: number_graded(Course(inside / "course")) >= 2)
        fill(inside / "filling")
        output = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 1 and "the disk is full" in output, output
    rescued = Course(copy)
    counts = gradings(rescued)
    assert 2 <= counts.total() < len(STUDENTS) and max(counts.values()) == 1
    assert not grade(rescued, LECTURE).errors
    everybody_is_graded_exactly_once(rescued)


def fill(path: Path) -> None:
    """Write a file until no byte is left on its file system."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 16, 1 << 10, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def test_a_submission_comes_in_while_grading_runs(course):
    late = course.folder.parent / "late"
    arriving = course.folder / "submitted" / STUDENTS[0]
    shutil.move(arriving, late)

    def arrive():
        wait_until(lambda: number_graded(course) >= 2)
        shutil.move(late, arriving)

    thread = threading.Thread(target=arrive)
    thread.start()
    grade(course, LECTURE)
    thread.join()
    everybody_is_graded_exactly_once(course)


def test_a_cluster_gives_the_same_bytes_and_survives_the_death_of_a_worker(
    course, template, tmp_path
):
    distributed = pytest.importorskip("distributed")
    here = Course(shutil.copytree(template, tmp_path / "here" / "course"))
    grade(here, LECTURE)
    forker.close_all()
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        nannies = [psutil.Process(int(worker.pid)) for worker in cluster.workers.values()]

        def kill_a_worker():
            wait_until(lambda: number_graded(course) >= 2)
            for process in nannies[0].children(recursive=True) or [nannies[0]]:
                if SERVER not in command_line(process):
                    process.kill()

        thread = threading.Thread(target=kill_a_worker)
        thread.start()
        result = grade(course, LECTURE, options=Options(scheduler=cluster.scheduler_address))
        thread.join()
    assert not result.errors
    everybody_is_graded_exactly_once(course)
    for student in STUDENTS:
        assert graded_files(course, student) == graded_files(here, student)


def graded_files(course: Course, student: str) -> list[bytes]:
    """Read a student's graded notebook and feedback."""
    notebook = course.graded(student, LECTURE)
    feedback = course.folder / "feedback" / student / NAME / f"{NAME}.html"
    return [notebook.read_bytes(), feedback.read_bytes()]


def test_ctrl_c_ends_grading_at_once_and_its_workers_with_it(monkeypatch):
    """A worker that is in the middle of an endless submission is not waited for."""
    monkeypatch.setattr(schedule, "run_job", os.execlp)  # the worker becomes `sleep 60`
    monkeypatch.setattr(schedule, "socket_path", lambda *_: "60")
    # a shell that starts the tests in the background has it ignored
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    before = set(multiprocessing.active_children())  # of other tests
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(schedule.run_here([("sleep", "sleep")] * 3, 3, unsafe=True, workers=1))
    timer.join()
    signal.signal(signal.SIGINT, usual)
    assert time.monotonic() - start < 30
    assert set(multiprocessing.active_children()) <= before
