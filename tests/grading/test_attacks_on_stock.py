"""The same attacks on plain nbgrader, and what each achieves there: the suite is proved to bite. Opt-in: it is slow.

`TINYBERT_L_STOCK=1 pytest tests/grading/test_attacks_on_stock.py` (part of `make nightly`) writes
results/attacks_on_stock_nbgrader.json. Each runs in a throw-away container with a copy of the course, since plain
nbgrader has no sandbox of its own.
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
from test_attacks import ALL, LECTURE, NAME, submission

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.exercises.answers import answer_cells
from tinybert_l.grading.course import Course
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.release import release
from tinybert_l.grading.sample_class import hand_in

pytestmark = [
    pytest.mark.skipif("TINYBERT_L_STOCK" not in os.environ, reason="opt-in: TINYBERT_L_STOCK=1"),
    pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}"),
]
LIMITS = ("prlimit", "--as=12000000000", "--fsize=300000000", "timeout", "-k", "5", "150")
INSIDE = """
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
told = {"success": bool(result["success"]), "points": None, "ran": False}
try:
    from nbgrader.api import Gradebook
    with Gradebook(f"sqlite:///{course.folder}/gradebook.db") as book:
        cells = {c.name for c in book.find_notebook(name, name).grade_cells}
        grades = book.find_submission_notebook(name, name, "attacker").grades
        told["points"] = sum(g.score for g in grades if g.name.startswith("test_"))
    cells = nbformat.read(course.folder / "autograded" / "attacker" / name / f"{name}.ipynb", as_version=4).cells
    attack = Path(sys.argv[3]).read_text()
    for cell in cells:
        if cell.cell_type == "code" and cell.source == attack:
            shown = "".join(o.get("text", "") for o in cell.outputs)
            failed = [o for o in cell.outputs if o.output_type == "error"]
            told["ran"] = cell.execution_count is not None and ("BEGIN HIDDEN TESTS" in shown or not failed)
except Exception as error:
    told["error"] = f"{type(error).__name__}: {error}"[:200]
print("TOLD" + json.dumps(told))
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
    released = release(course, LECTURE)
    hand_in(course, released, ["perfect"])
    (copy / "inside.py").write_text(INSIDE)
    return copy


def photograph(folder: Path) -> dict[str, str]:
    kept = [
        p
        for p in folder.rglob("*")
        if p.is_file() and not {"__pycache__", "attacker", "exchange"} & set(p.parts)
    ]
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in kept
        if p.suffix != ".db"
    }


def attacked(name: str, template: Path, place: Path, checkout: Path) -> dict[str, object]:
    copy = Path(shutil.copytree(template, place / name))
    course = Course(copy / "course")
    answers = answer_cells(checkout / "notebooks" / NAME / f"{NAME}.ipynb")
    path = course.submission("attacker", LECTURE)
    path.parent.mkdir(parents=True)
    path.write_text(
        submission(course.folder / "release" / NAME, answers, ALL[name], early=True),
        encoding="utf-8",
    )
    (copy / "attack.py").write_text(
        ALL[name] if isinstance(ALL[name], str) else "", encoding="utf-8"
    )
    before = photograph(copy)
    command = [
        "bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--size", "400000000", "--tmpfs", "/tmp",
        "--unshare-pid", "--unshare-net", "--unshare-ipc", "--die-with-parent", "--bind", str(copy), str(checkout),
        "--ro-bind", str(Path(sys.prefix)), str(Path(sys.prefix)), "--setenv", "HOME", "/tmp", "--chdir", str(checkout),
        *LIMITS, sys.executable, str(checkout / "inside.py"), str(checkout / "course"), NAME,
        str(checkout / "attack.py"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = next(
        (json.loads(line[4:]) for line in done.stdout.splitlines() if line.startswith("TOLD")), {}
    )
    after = photograph(copy)
    changed = [path for path, seal in before.items() if after.get(path) != seal]
    shutil.rmtree(copy, ignore_errors=True)
    group = next((g for g, group in attacks.CODE.items() if name in group), "notebook")
    honest = attacks.EXPECTED.get(name, attacks.HONEST)
    points = told.get("points")
    won = []
    if points is not None and points > honest:
        won.append(f"{points:g} points instead of {honest:g}")
    if points is None or not told.get("success"):
        won.append("no grade at all")
    elif points < honest:
        won.append(f"honest points lost: {points:g} of {honest:g}")
    if changed:
        won.append(f"{len(changed)} of the instructor's and other students' files changed")
    if group in ("steal", "escape") and told.get("ran"):
        won.append("got at what it looked for")
    if group == "persist" and told.get("ran"):
        won.append("left it behind")
    return {"attack": name, "group": group, "achieved": won}


def test_what_the_attacks_achieve_on_plain_nbgrader(template, tmp_path, checkout):
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(lambda name: attacked(name, template, tmp_path, checkout), ALL))
    succeed = [row for row in rows if row["achieved"]]
    for row in rows:
        print(row["group"], row["attack"], "; ".join(row["achieved"]) or "nothing")
    print(f"{len(succeed)} of {len(rows)} attacks achieve something on plain nbgrader")
    record = {
        "command": "TINYBERT_L_STOCK=1 pytest tests/grading/test_attacks_on_stock.py",
        "attacks": rows,
        **provenance(),
    }
    write_atomically(
        checkout / "results" / "attacks_on_stock_nbgrader.json",
        json.dumps(record, indent=1, ensure_ascii=False),
    )
    more_points = [row for row in succeed if any("instead of" in w for w in row["achieved"])]
    assert len(succeed) >= 25 and len(more_points) >= 5, "the suite does not bite"
