"""What is killed, full, locked or late while a class is graded: in the end each submission is graded exactly once."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter

import psutil
import pytest

from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course
from tinybert_l.grading.outside import forker
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.release import release
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.run import Options, grade, prove
from tinybert_l.grading.sample_class import LECTURE, hand_in

NAME, CLASS = NOTEBOOKS[LECTURE], 12
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}"),
]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    course = Course(tmp_path_factory.mktemp("template") / "course")
    hand_in(course, release(course, LECTURE), ["perfect"])
    first = course.folder / "submitted" / "perfect"
    for i in range(CLASS):
        shutil.copytree(first, course.folder / "submitted" / f"s{i:02d}")
    shutil.rmtree(first)
    return course.folder


@pytest.fixture
def course(template, tmp_path):
    shutil.copytree(template, tmp_path / "course")
    return Course(tmp_path / "course")


@contextlib.contextmanager
def running(course, *prefix):
    """`tinybert-l grade` in a process of its own."""
    command = [
        *prefix,
        sys.executable,
        "-m",
        "tinybert_l.cli",
        "grade",
        str(LECTURE),
        "--output",
        str(course.folder.parent),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def graded(course) -> Counter:
    return Counter(e["student"] for e in Audit(course.folder).entries() if e["event"] == "graded")


def until(what, seconds=90):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def family(process, part):
    return [
        p
        for p in psutil.Process(process.pid).children(recursive=True)
        if part in " ".join(_words(p))
    ]


def _words(process):
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def everybody_is_graded_exactly_once(course):
    assert graded(course) == {f"s{i:02d}": 1 for i in range(CLASS)}
    assert prove(course, LECTURE) == []


def test_the_coordinator_is_killed(course):
    with running(course) as process:
        until(lambda: sum(graded(course).values()) >= 3)
        others = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
    assert 3 <= sum(graded(course).values()) < CLASS
    until(
        lambda: not [p for p in others if p.is_running() and p.status() != psutil.STATUS_ZOMBIE], 20
    )
    result = grade(course, LECTURE)
    assert not result.errors and sum(g.points for g in result.grades) == 20 * CLASS
    everybody_is_graded_exactly_once(course)


@pytest.mark.parametrize("victim", ["forkserver", "grading.inside.server"])
def test_a_worker_or_a_forking_process_is_killed(course, victim):
    with running(course) as process:
        until(lambda: sum(graded(course).values()) >= 2)
        killed = family(process, victim)
        if victim == "forkserver":  # the pool's workers are its children
            killed = [w for server in killed for w in server.children()]
        assert killed
        os.kill(killed[-1].pid, signal.SIGKILL)
        output = process.communicate(timeout=120)[0]
        assert process.returncode == 0, output
    everybody_is_graded_exactly_once(course)


def test_the_database_is_locked_for_thirty_seconds(course):
    other = sqlite3.connect(course.database, check_same_thread=False, isolation_level=None)
    with running(course) as process:
        until(lambda: sum(graded(course).values()) >= 1)
        other.execute("BEGIN EXCLUSIVE")
        before = sum(graded(course).values())
        time.sleep(30)
        assert sum(graded(course).values()) - before <= 1, "the lock did not hold"
        other.execute("ROLLBACK")
        output = process.communicate(timeout=120)[0]
        assert process.returncode == 0, output
    everybody_is_graded_exactly_once(course)


def test_the_disk_is_full(course, tmp_path):
    """The course's folder lies on a file system that is too small for the whole class."""
    small, copy = tmp_path / "small", tmp_path / "copy"
    small.mkdir()
    shutil.copytree(course.folder, copy)
    size = sum(p.stat().st_size for p in copy.rglob("*") if p.is_file()) + 4_200_000
    inside = (
        f"mount -t tmpfs -o size={size} tmpfs {small} && cp -r {copy} {small}/course || exit 99; "
        f"{sys.executable} -m tinybert_l.cli grade {LECTURE} --output {small}; "
        f"code=$?; rm -rf {copy}; cp -r {small}/course {copy}; exit $code"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", inside], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "No space left" in done.stdout + done.stderr, (
        done.stdout + done.stderr
    )
    rescued = Course(copy)
    counted = graded(rescued)
    assert 0 < sum(counted.values()) < CLASS and max(counted.values()) == 1
    assert not grade(rescued, LECTURE).errors
    everybody_is_graded_exactly_once(rescued)


def test_a_submission_comes_in_while_grading_runs(course):
    late = course.folder.parent / "late"
    shutil.move(course.folder / "submitted" / "s00", late)

    def arrive():
        until(lambda: sum(graded(course).values()) >= 2)
        shutil.move(late, course.folder / "submitted" / "s00")

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
        pids = [int(worker.pid) for worker in cluster.workers.values()]

        def kill():
            until(lambda: sum(graded(course).values()) >= 2)
            nanny = psutil.Process(pids[0])
            for process in nanny.children(recursive=True) or [nanny]:
                if "grading.inside.server" not in " ".join(_words(process)):
                    process.kill()

        thread = threading.Thread(target=kill)
        thread.start()
        result = grade(course, LECTURE, options=Options(scheduler=cluster.scheduler_address))
        thread.join()
    assert not result.errors
    everybody_is_graded_exactly_once(course)
    for i in range(CLASS):
        for part in ("autograded", "feedback"):
            pair = [
                next((c.folder / part / f"s{i:02d}" / NAME).glob(f"{NAME}.*"))
                for c in (course, here)
            ]
            assert pair[0].read_bytes() == pair[1].read_bytes()
