"""Hostile submissions earn the points of their honest part, and leave nothing behind.

Needs the sandbox.
"""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import attacks
import nbformat
import psutil
import pytest

from tinybert_l.exercises.answers import answer_cells
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.assignment import is_test
from tinybert_l.grading.course import Course
from tinybert_l.grading.outside import execute, forker
from tinybert_l.grading.outside.sandbox import PROGRAM, SandboxMissing, problem, require
from tinybert_l.grading.release import release
from tinybert_l.grading.run import Options, grade, prove

NAME = NOTEBOOKS[attacks.LECTURE]
pytestmark = pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
# Honest cells and tests take some tenths of a second; an endless loop takes the whole of the limit.
LIMITS = Options(cell_seconds=4, test_seconds=4)
# folders of the home directory that other tests may be the first to make
TOOLS = {".cache", ".config", ".ipython", ".jupyter", ".local", ".pki"}
# what an attack tries to leave behind
TRACES = [
    Path("/tmp/left"),
    Path("/dev/shm/left"),
    Path("/etc/cron.d/x"),
    Path.home() / ".ipython" / "profile_default" / "startup" / "x.py",
]


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    return Course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def graded(course):
    """Grade all attacks at once; compare files and processes before and after."""
    released = release(course, attacks.LECTURE) / f"{NAME}.ipynb"
    answers = answer_cells(course.sources / NAME / f"{NAME}.ipynb")
    for name, attack in attacks.ALL.items():
        path = course.submission(name, attacks.LECTURE)
        path.parent.mkdir(parents=True)
        path.write_text(attacks.submission(released, answers, attack), encoding="utf-8")
    library = Path(execute.__file__).parents[2]
    watched = [course.sources, course.solutions, course.folder / "submitted", library]
    before = list(map(fingerprint, watched))
    home_before = set(os.listdir(Path.home()))
    began = time.time()
    result = grade(course, attacks.LECTURE, options=LIMITS)
    forker.close_all()
    assert list(map(fingerprint, watched)) == before, "a file was changed"
    new = set(os.listdir(Path.home())) - home_before - TOOLS
    assert not new, f"something was left in the home directory: {new}"
    assert not [path for path in TRACES if path.exists()]
    remaining = processes_since(began)
    assert not remaining, f"a process was left behind: {remaining}"
    return result


def fingerprint(folder: Path) -> str:
    """Return a hash of all files of a folder, with their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()


def processes_since(began: float) -> list[str]:
    """Return the command lines of submissions' processes that began since.

    Processes of other checkouts, and of the tests that run beside these, do not count.
    """
    others = set()
    for worker in beside_this():
        others |= {process.pid for process in worker.children(recursive=True)}
    remaining = []
    for process in psutil.process_iter(["cmdline", "create_time"]):
        words = process.info["cmdline"] or []
        is_new = process.info["create_time"] >= began - 1 and process.pid not in others
        if is_new and sys.executable in words and PROGRAM in words:
            remaining.append(" ".join(words))
    return remaining


def beside_this() -> list[psutil.Process]:
    """Return pytest's other worker processes."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return []
    this = psutil.Process()
    return [process for process in this.parent().children() if process != this]


def test_a_process_left_behind_is_found_and_one_of_another_test_is_not(monkeypatch):
    began = time.time()
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", PROGRAM])
    try:
        assert any("time.sleep(60)" in line for line in processes_since(began))
        monkeypatch.setattr(f"{__name__}.beside_this", lambda: [psutil.Process()])
        assert not any("time.sleep(60)" in line for line in processes_since(began))
    finally:
        left.kill()
        left.wait()


def test_a_submission_runs_under_the_name_that_is_looked_for():
    began = time.time()
    path = forker.socket_path(attacks.LECTURE, unsafe=False)
    child = forker.connect(path, judge=False)
    try:
        assert processes_since(began - 600)
    finally:
        child.close()


def test_the_suite_has_sixty_attacks_in_every_group():
    assert len(attacks.ALL) >= 60 and all(len(group) >= 6 for group in attacks.CODE.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", list(attacks.ALL))
def test_an_attack_earns_the_points_of_its_honest_part(graded, name):
    assert name not in graded.errors, graded.errors[name]
    points = {g.cell: g.points for g in graded.grades if g.student == name}
    assert sum(points.values()) == attacks.EXPECTED.get(name, attacks.HONEST), points


@pytest.mark.slow
def test_after_all_attacks_the_gradebook_is_what_was_decided(course, graded):
    assert prove(course, attacks.LECTURE) == []


HONEST_WORK = {
    "prints and warnings": """
import sys
import warnings

print("working")
warnings.warn("careful")
print("to stderr", file=sys.stderr)
""",
    "progress bar": """
from tqdm.auto import tqdm

for _ in tqdm(range(3)):
    pass
""",
    "helper and imports": """
import collections
import functools
import itertools


def helper(x):
    return x
""",
    "own test": "assert layer_map(2, 4) == [2, 4]",
    "plot": """
import matplotlib.pyplot as plt

plt.plot([1, 2])
""",
    "file in the working directory": "open('notes.txt', 'w').write('mine')",
    "subprocess": """
import subprocess

subprocess.run(["ls"], check=True)
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(HONEST_WORK))
def test_honest_work_is_not_punished(course, name):
    source = course.sources / NAME / f"{NAME}.ipynb"
    cells = nbformat.read(source, as_version=4).cells
    solved = [c for c in cells if c.metadata.get("nbgrader", {}).get("solution")]
    answers = reversed([c.source for c in solved if c.cell_type == "code"])
    setup = next(c.source for c in cells if attacks.grade_id(c) == "setup")
    tests = tuple(c.source for c in cells if is_test(c))
    plan = execute.Plan(attacks.LECTURE, (setup,), (*answers, HONEST_WORK[name]), tests)
    outcome = execute.execute(plan, forker.socket_path(attacks.LECTURE, unsafe=False))
    assert tests and outcome.tests == [None] * len(tests)
    assert not [cell["error"] for cell in outcome.cells if cell["error"]]


def test_without_a_sandbox_grading_refuses_and_says_what_to_do(monkeypatch):
    monkeypatch.setattr(
        "tinybert_l.grading.outside.sandbox.problem",
        lambda: "the program bwrap is missing; install it",
    )
    with pytest.raises(SandboxMissing, match=r"install it.*--unsafe"):
        require(unsafe=False)
    require(unsafe=True)
