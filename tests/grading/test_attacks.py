"""Hostile submissions earn the points of their honest part, and leave nothing behind. Needs the sandbox."""

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

from tinybert_l.exercises.registry import NOTEBOOKS, answer_cells
from tinybert_l.grading.assignment import is_test
from tinybert_l.grading.course import Course
from tinybert_l.grading.outside import execute, forker
from tinybert_l.grading.outside.sandbox import SandboxMissing, problem, require
from tinybert_l.grading.release import release
from tinybert_l.grading.run import Options, grade, prove

LECTURE, NAME = 3, NOTEBOOKS[3]
pytestmark = pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
ALL = {name: code for group in attacks.CODE.values() for name, code in group.items()}
TOOLS = {
    ".cache",
    ".config",
    ".ipython",
    ".jupyter",
    ".local",
    ".pki",
}  # other tests may be the first to make them
LEFT = [Path(place) for place in ("/tmp/left", "/dev/shm/left", "/etc/cron.d/x")]
LEFT += [Path.home() / ".ipython" / "profile_default" / "startup" / "x.py"]
ALL |= {change.__name__: change for change in attacks.CHANGES}


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Course:
    return Course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def graded(course, tmp_path_factory):
    """Everyone at once; the machine is photographed before and after."""
    released = release(course, LECTURE)
    answers = answer_cells(course.sources / NAME / f"{NAME}.ipynb")
    for name, attack in ALL.items():
        path = course.submission(name, LECTURE)
        path.parent.mkdir(parents=True)
        path.write_text(submission(released, answers, attack), encoding="utf-8")
    watched = [
        course.sources,
        course.solutions,
        course.folder / "submitted",
        Path(execute.__file__).parents[1],
    ]
    before, home = [photograph(folder) for folder in watched], set(os.listdir(Path.home()))
    began = time.time()
    result = grade(course, LECTURE, options=Options(cell_seconds=6))
    forker.close_all()
    assert [photograph(folder) for folder in watched] == before, "a file was changed"
    new = set(os.listdir(Path.home())) - home - TOOLS
    assert not new, f"something was left in the home directory: {new}"
    assert not [path for path in LEFT if path.exists()]
    assert not (found := processes_since(began)), f"a process was left behind: {found}"
    return result


def submission(released: Path, answers: dict[str, str], attack, early: bool = False) -> str:
    """A notebook with one honest answer and the attack: at the end, or early, before any test."""
    notebook = nbformat.read(released / f"{NAME}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "layer_map":
            cell.source = answers["layer_map"]
    if callable(attack):
        attack(notebook)
    else:
        ids = [c.metadata.get("nbgrader", {}).get("grade_id") for c in notebook.cells]
        place = ids.index("setup") + 1 if early else len(ids)
        notebook.cells.insert(place, nbformat.v4.new_code_cell(attack))
    return nbformat.writes(notebook)


def photograph(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(
        p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts
    ):
        digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()


def processes_since(began: float) -> list[str]:
    """Command lines of students' processes that began since; not those of the tests that run beside these."""
    others = {
        process.pid for beside in beside_this() for process in beside.children(recursive=True)
    }
    found = []
    for process in psutil.process_iter(["cmdline", "create_time"]):
        told = process.info
        if (
            any("runner.py" in part for part in told["cmdline"] or ())
            and told["create_time"] >= began - 1
        ):
            found += [] if process.pid in others else [" ".join(told["cmdline"])]
    return found


def beside_this() -> list[psutil.Process]:
    """pytest's other worker processes."""
    this = psutil.Process()
    return (
        [p for p in this.parent().children() if p != this]
        if "PYTEST_XDIST_WORKER" in os.environ
        else []
    )


def test_a_process_left_behind_is_found_and_one_of_another_test_is_not(monkeypatch):
    began = time.time()
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "runner.py"])
    try:
        assert any("time.sleep(60)" in told for told in processes_since(began))
        monkeypatch.setattr(f"{__name__}.beside_this", lambda: [psutil.Process()])
        assert not any("time.sleep(60)" in told for told in processes_since(began))
    finally:
        left.kill()
        left.wait()


def test_the_suite_has_sixty_attacks_in_every_group():
    assert len(ALL) >= 60 and all(len(group) >= 6 for group in attacks.CODE.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ALL))
def test_an_attack_earns_the_points_of_its_honest_part(graded, name):
    assert name not in graded.errors, graded.errors[name]
    own = {g.cell: g.points for g in graded.grades if g.student == name}
    assert sum(own.values()) == attacks.EXPECTED.get(name, attacks.HONEST), own


@pytest.mark.slow
def test_after_all_attacks_the_gradebook_is_what_was_decided(course, graded):
    assert prove(course, LECTURE) == []


HONEST_WORK = {
    "prints and warnings": "import warnings, sys\nprint('working')\nwarnings.warn('careful')\nprint('to stderr', file=sys.stderr)",
    "progress bar": "from tqdm.auto import tqdm\nfor _ in tqdm(range(3)): pass",
    "helper and imports": "import itertools, functools, collections\n\ndef helper(x):\n    return x",
    "own test": "assert layer_map(2, 4) == [2, 4]",
    "plot": "import matplotlib.pyplot as plt\nplt.plot([1, 2])",
    "file in the working directory": "open('notes.txt', 'w').write('mine')",
    "subprocess": "import subprocess\nsubprocess.run(['ls'], check=True)",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(HONEST_WORK))
def test_honest_work_is_not_punished(course, name):
    source = course.sources / NAME / f"{NAME}.ipynb"
    cells = nbformat.read(source, as_version=4).cells
    answers = list(answer_cells(source).values())
    tests = tuple(c.source for c in cells if is_test(c))
    setup = next(
        c.source for c in cells if c.metadata.get("nbgrader", {}).get("grade_id") == "setup"
    )
    plan = execute.Plan(LECTURE, (setup,), (*reversed(answers), HONEST_WORK[name]), tests)
    outcome = execute.execute(plan, forker.socket_path(LECTURE, unsafe=False))
    assert outcome.tests == [None] * 10
    assert not [c["error"] for c in outcome.cells if c["error"]]


def test_without_a_sandbox_grading_refuses_and_says_what_to_do(monkeypatch):
    monkeypatch.setattr(
        "tinybert_l.grading.outside.sandbox.problem",
        lambda: "the program bwrap is missing; install it",
    )
    with pytest.raises(SandboxMissing, match=r"install it.*--unsafe"):
        require(unsafe=False)
    require(unsafe=True)
