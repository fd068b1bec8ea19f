"""Try the attacks on plain nbgrader, which shows that they bite. Opt-in, since it is slow.

`TINYBERT_L_STOCK=1 pytest tests/grading/test_attacks_on_stock.py` (part of `make nightly`) writes
results/attacks_on_stock_nbgrader.json, with what each attack achieves. Each runs in a throw-away
container with a copy of the course, since plain nbgrader has no sandbox of its own.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attacks
import pytest

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.exercises.registry import NOTEBOOKS, answer_cells
from tinybert_l.grading.course import Course
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.release import release
from tinybert_l.grading.sample_class import hand_in

pytestmark = [
    pytest.mark.skipif("TINYBERT_L_STOCK" not in os.environ, reason="opt-in: TINYBERT_L_STOCK=1"),
    pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}"),
]
NAME = NOTEBOOKS[attacks.LECTURE]
LIMITS = ("prlimit", "--as=12000000000", "--fsize=300000000", "timeout", "-k", "5", "150")
GRADE_ONE = """
import json, sys
from pathlib import Path
import nbformat
from tinybert_l.grading.course import Course

class Stock(Course):
    def config(self):
        config = super().config()
        config.Autograde.pop("sanitize_preprocessors", None)
        config.Autograde.pop("autograde_preprocessors", None)
        config.Execute.timeout, config.Execute.skip_cells_with_tag = 20, "demo"
        return config

course, name = Stock(Path(sys.argv[1])), sys.argv[2]
result = course.api().autograde(name, "attacker", force=True, create=True)
outcome = {"success": bool(result["success"]), "points": None, "ran": False}
try:
    from nbgrader.api import Gradebook
    with Gradebook(f"sqlite:///{course.folder}/gradebook.db") as book:
        grades = book.find_submission_notebook(name, name, "attacker").grades
        outcome["points"] = sum(g.score for g in grades if g.name.startswith("test_"))
    graded = course.folder / "autograded" / "attacker" / name / f"{name}.ipynb"
    cells = nbformat.read(graded, as_version=4).cells
    attack = Path(sys.argv[3]).read_text()
    for cell in cells:
        if cell.cell_type == "code" and cell.source == attack:
            shown = "".join(o.get("text", "") for o in cell.outputs)
            failed = [o for o in cell.outputs if o.output_type == "error"]
            succeeded = "BEGIN HIDDEN TESTS" in shown or not failed
            outcome["ran"] = cell.execution_count is not None and succeeded
except Exception as error:
    outcome["error"] = f"{type(error).__name__}: {error}"[:200]
print("OUTCOME" + json.dumps(outcome))
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory, checkout):
    """A checkout that may be destroyed, with a course in it and an honest neighbour."""
    copy = tmp_path_factory.mktemp("stock") / "checkout"
    for part in ("tinybert_l", "solutions", "notebooks"):
        shutil.copytree(checkout / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("nbgrader_config.py", "pyproject.toml"):
        shutil.copy(checkout / name, copy)
    (copy / ".venv").mkdir()
    course = Course(copy / "course")
    released = release(course, attacks.LECTURE)
    hand_in(course, released, ["perfect"])
    (copy / "grade_one.py").write_text(GRADE_ONE)
    return copy


def fingerprints(folder: Path) -> dict[str, str]:
    """Return a hash of each file that is not the attacker's own, by its path."""
    hashes = {}
    for path in folder.rglob("*"):
        own = {"__pycache__", "attacker", "exchange"} & set(path.parts)
        if path.is_file() and not own and path.suffix != ".db":
            hashes[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashes


def container(copy: Path, checkout: Path) -> list[str]:
    """Return the command line of a container in which a copy stands in the checkout's place."""
    return [
        *("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *("--size", "400000000", "--tmpfs", "/tmp"),
        *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--die-with-parent"),
        *("--bind", str(copy), str(checkout), "--ro-bind", sys.prefix, sys.prefix),
        *("--setenv", "HOME", "/tmp", "--chdir", str(checkout)),
    ]


def attacked(name: str, template: Path, place: Path, checkout: Path) -> dict[str, object]:
    """Grade one attack with plain nbgrader; return the attack, its group and what it achieved."""
    copy = Path(shutil.copytree(template, place / name))
    course = Course(copy / "course")
    answers = answer_cells(checkout / "notebooks" / NAME / f"{NAME}.ipynb")
    attack = attacks.ALL[name]
    released = course.folder / "release" / NAME / f"{NAME}.ipynb"
    path = course.submission("attacker", attacks.LECTURE)
    path.parent.mkdir(parents=True)
    path.write_text(attacks.submission(released, answers, attack, early=True), encoding="utf-8")
    source = attack if isinstance(attack, str) else ""
    (copy / "attack.py").write_text(source, encoding="utf-8")
    before = fingerprints(copy)
    program = [sys.executable, str(checkout / "grade_one.py"), str(checkout / "course"), NAME]
    command = [*container(copy, checkout), *LIMITS, *program, str(checkout / "attack.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    outcome = {}
    for line in done.stdout.splitlines():
        if line.startswith("OUTCOME"):
            outcome = json.loads(line.removeprefix("OUTCOME"))
    after = fingerprints(copy)
    changed = [path for path, seal in before.items() if after.get(path) != seal]
    shutil.rmtree(copy, ignore_errors=True)
    group = "notebook"
    for title, cells in attacks.CODE.items():
        if name in cells:
            group = title
    honest = attacks.EXPECTED.get(name, attacks.HONEST)
    return {
        "attack": name,
        "group": group,
        "achieved": achievements(outcome, honest, group, len(changed)),
    }


def achievements(outcome: dict, honest: float, group: str, files_changed: int) -> list[str]:
    """Say in words what an attack achieved, compared with the points of its honest part."""
    points = outcome.get("points")
    words = []
    if points is not None and points > honest:
        words.append(f"{points:g} points instead of {honest:g}")
    if points is None or not outcome.get("success"):
        words.append("no grade at all")
    elif points < honest:
        words.append(f"honest points lost: {points:g} of {honest:g}")
    if files_changed:
        words.append(f"{files_changed} of the instructor's and other students' files changed")
    if group in ("steal", "escape") and outcome.get("ran"):
        words.append("got at what it looked for")
    if group == "persist" and outcome.get("ran"):
        words.append("left it behind")
    return words


def test_what_the_attacks_achieve_on_plain_nbgrader(template, tmp_path, checkout):
    with ThreadPoolExecutor(2) as pool:
        rows = list(
            pool.map(lambda name: attacked(name, template, tmp_path, checkout), attacks.ALL)
        )
    successful = [row for row in rows if row["achieved"]]
    for row in rows:
        print(row["group"], row["attack"], "; ".join(row["achieved"]) or "nothing")
    print(f"{len(successful)} of {len(rows)} attacks achieve something on plain nbgrader")
    record = {
        "command": "TINYBERT_L_STOCK=1 pytest tests/grading/test_attacks_on_stock.py",
        "attacks": rows,
        **provenance(),
    }
    write_atomically(
        checkout / "results" / "attacks_on_stock_nbgrader.json",
        json.dumps(record, indent=1, ensure_ascii=False),
    )
    more_points = 0
    for row in successful:
        more_points += any("instead of" in words for words in row["achieved"])
    assert len(successful) >= 25 and more_points >= 5, "the suite does not bite"
