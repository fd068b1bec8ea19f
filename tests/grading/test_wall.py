"""A submission's process sees `grading/inside` alone, writes nowhere that others read, and meets
its judge through plain data."""

import hashlib
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from tinybert_l.grading.outside import execute, forker, sandbox
from tinybert_l.submodels import SubModel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sandbox.problem() is not None, reason=f"no sandbox: {sandbox.problem()}"),
]
LECTURE = 3
# named, for a star would import the whole library for each submission
SETUP = (
    "import torch\nimport tinybert_l\nfrom tinybert_l import kept_layers, slice_heads\n"
    "tinybert_l.begin(lecture=3)"
)
GRADING = sandbox.INSIDE.parent

# Prints, as one line of JSON, the hash of each file under a folder called grading and of each file
# that has the hash of a secret. SIZES saves hashing all others.
LOOK_AROUND = """
import hashlib, json, os

seen = {}
for folder, folders, files in os.walk(ROOT):
    if folder == "/":
        folders.remove("proc")
    for name in files:
        path = os.path.join(folder, name)
        try:
            is_grading = "/grading/" in path
            if is_grading or os.path.getsize(path) in SIZES:
                digest = hashlib.sha256(open(path, "rb").read()).hexdigest()
                if is_grading or digest in SECRETS:
                    seen[path] = digest
        except OSError:
            pass
print(json.dumps(seen))
"""
IMPORT = """
import importlib

imported = []
for name in NAMES:
    try:
        importlib.import_module(name)
        imported.append(name)
    except ModuleNotFoundError:
        pass
print(imported)
"""
WRITE = """
import os

writable = []
for folder, folders, _ in os.walk("/"):
    if folder == "/":
        folders.remove("proc")
    name = os.path.join(folder, "left")
    try:
        open(name, "w").close()
        os.remove(name)
        writable.append(folder)
    except OSError:
        pass
print(writable)
"""


@pytest.fixture
def fresh_processes():
    """Start a new forking process for this test, which changes what it can see, and end it."""
    forker.close_all()
    yield
    forker.close_all()


def run(*cells: str, tests: tuple[str, ...] = ()) -> execute.Outcome:
    plan = execute.Plan(LECTURE, (SETUP,), cells, tests)
    return execute.execute(plan, forker.socket_path(LECTURE, unsafe=False), 120, 60)


def printed(cell: str) -> str:
    (reply,) = run(cell).cells
    assert reply["error"] is None, reply["error"]
    return reply["output"]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def secret_files(checkout: Path) -> dict[str, str]:
    """Return {hash: path} of all files that a submission must not see."""
    later = [checkout / "solutions" / f"lecture_{n:02d}.py" for n in range(LECTURE, 12)]
    candidates = [
        *later,
        *(checkout / "tests").rglob("*.py"),
        *checkout.glob("notebooks/*/*.ipynb"),
        GRADING.parent / sandbox.FORMULAS,
    ]
    for path in GRADING.rglob("*.py"):
        if sandbox.INSIDE not in path.parents:
            candidates.append(path)
    return {
        sha256(path): str(path) for path in candidates if path.is_file() and path.stat().st_size
    }


def look_around(secrets: dict[str, str], root: str = "/") -> dict[str, str]:
    """Return the hash of each file under a root that may be one of the grading, or a secret."""
    sizes = {Path(path).stat().st_size for path in secrets.values()}
    cell = LOOK_AROUND.replace("SIZES", repr(sizes)).replace("SECRETS", repr(set(secrets)))
    cell = cell.replace("ROOT", repr(root))
    return json.loads(printed(cell).strip())


def listing(paths: Iterable[str | Path]) -> list[str]:
    """Return files of the grading by their path in its folder, without compiled ones."""
    files = []
    for path in map(Path, paths):
        if GRADING in path.parents and path.is_file() and path.suffix != ".pyc":
            files.append(str(path.relative_to(GRADING)))
    return sorted(files)


def test_the_folder_inside_is_all_that_a_submission_sees_of_the_grading(checkout):
    secrets = secret_files(checkout)
    seen = look_around(secrets)
    assert listing(seen) == listing(sandbox.INSIDE.rglob("*"))
    assert "inside/server.py" in listing(seen)
    found = {path: secrets[digest] for path, digest in seen.items() if digest in secrets}
    assert not found, f"a submission can read {found}"
    assert sum("solutions" in path for path in secrets.values()) >= 8, "few secrets looked for"


def test_one_more_file_behind_the_wall_would_be_noticed(checkout, monkeypatch, fresh_processes):
    binds = sandbox.library_binds()
    extra = GRADING / "policy.py"
    hidden = str(GRADING)
    closes = list(itertools.pairwise(binds)).index(("--remount-ro", hidden))
    wider = [*binds[:closes], "--ro-bind", str(extra), str(extra), *binds[closes:]]
    monkeypatch.setattr(sandbox, "library_binds", lambda: wider)
    secrets = secret_files(checkout)
    seen = look_around(secrets, str(GRADING.parent))
    assert "policy.py" in listing(seen)
    assert str(extra) in [secrets[digest] for digest in seen.values() if digest in secrets]


FORMULAS = """
import os

from tinybert_l import exercises as package
from tinybert_l.exercises import formulas
from tinybert_l.exercises.registry import exercises

print([n for n in vars(formulas) if not n.startswith("__")])
folder = os.path.dirname(package.__file__)
print([f for f in os.listdir(folder) + os.listdir(folder + "/__pycache__") if "formulas" in f])
for entry in exercises().values():
    entry.formula_allowed = True
print([entry.name for entry in exercises().values() if entry.formula is not None])
"""


def test_a_submission_finds_none_of_the_methods_own_functions():
    """They would pass for answers, also as byte code."""
    lines = printed(FORMULAS).strip().splitlines()
    assert lines == ["[]", "['formulas.py']", "[]"]
    assert (GRADING.parent / sandbox.FORMULAS).stat().st_size > 1000


def test_nothing_outside_the_folder_can_be_imported():
    names = []
    for path in GRADING.rglob("*.py"):
        name = ".".join(path.relative_to(GRADING).with_suffix("").parts)
        names.append(f"tinybert_l.grading.{name.removesuffix('.__init__')}")
    outside = [name for name in names if ".inside" not in name]
    outside.remove("tinybert_l.grading.__init__")  # its folder holds `inside`
    assert len(outside) > 15 and "tinybert_l.grading.course" in outside
    assert printed(IMPORT.replace("NAMES", repr(outside))).strip() == "[]"
    inside = ["tinybert_l.grading.inside.values", "tinybert_l.course.judging"]
    assert printed(IMPORT.replace("NAMES", repr(inside))).strip() == repr(inside)


def test_a_submission_writes_nowhere_that_another_can_read():
    writable = eval(printed(WRITE).strip().splitlines()[-1])
    shared = [folder for folder in writable if not folder.startswith(("/scratch", "/dev/shm"))]
    assert "/scratch" in writable and not shared


def test_what_one_submission_leaves_in_its_scratch_the_next_does_not_see():
    # /tmp is a link to /scratch; where the environment itself lies in /tmp it is read-only
    places = "[p for p in ('/scratch', '/dev/shm', '/tmp') if os.access(p, os.W_OK)]"
    leave = f"import os\nfor place in {places}: open(f'{{place}}/left', 'w')"
    look = f"import os\nprint([p for p in {places} if 'left' in os.listdir(p)])"
    assert printed(leave) == ""
    assert printed(look).strip() == "[]"


def test_the_outside_reads_messages_without_torch():
    code = "import sys, tinybert_l.grading.outside.forker; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "sub_model", [SubModel(2, 1.0, 0.5), SubModel(2, 1, 0.5), SubModel(3, 0.25)], ids=repr
)
def test_a_sub_model_arrives_whole_as_argument_and_as_result(sub_model):
    answer = """
@kept_layers.implement
def kept_layers(num_layers, depth):
    global received
    received = repr(num_layers)
    return [num_layers, depth]
"""
    test = f"""
from tinybert_l.submodels import SubModel
sent = {sub_model!r}
assert kept_layers(sent, 2) == [sent, 2]
assert repr(kept_layers(sent, 2)) == repr([sent, 2])
"""
    arrived = f"assert received == {repr(sub_model)!r}, received"
    assert run(answer, tests=(test, arrived)).tests == [None, None]


CHANGES = """
@slice_heads.implement
def slice_heads(weight, bias, kept_heads, head_size):
    weight.mul_(2)                              # a tensor, in place
    kept_heads["list"].append(3)                # a list that grows
    kept_heads["tuples"][0] = (7, 8)            # a tuple that is replaced
    kept_heads["mixed"][1] = torch.ones(2)      # a list that becomes a tensor
    del kept_heads["gone"]
    kept_heads["new"] = {"inner": 1}
    kept_heads["deep"][0]["inner"] = 2
    torch.rand(3, generator=bias)
    return None
"""
SEES_CHANGES = """
weight, generator = torch.ones(2), torch.Generator().manual_seed(0)
view = weight[:1]
deep = {"inner": 1}
kept = {"list": [1, 2], "tuples": [(1, 2)], "mixed": [0, [1]], "gone": 1, "deep": [deep]}
numbers = kept["list"]
assert slice_heads(weight, generator, kept, 1) is None
assert weight.tolist() == [2, 2] and view.tolist() == [2], "a view shares the change"
assert numbers == [1, 2, 3] and numbers is kept["list"]
assert kept["tuples"] == [(7, 8)] and torch.equal(kept["mixed"][1], torch.ones(2))
assert "gone" not in kept and kept["new"] == {"inner": 1} and deep == {"inner": 2}
expected = torch.Generator().manual_seed(0)
torch.rand(3, generator=expected)
assert torch.equal(generator.get_state(), expected.get_state())
"""


def test_what_an_answer_does_to_its_arguments_is_done_to_the_judges():
    outcome = run(CHANGES, tests=(SEES_CHANGES,))
    assert outcome.tests == [None], outcome.tests


GRADIENTS = """
@slice_heads.implement
def slice_heads(weight, bias, kept_heads, head_size):
    return {"product": weight * bias, "constant": torch.ones(1)}
"""
SEES_GRADIENTS = """
weight, bias = torch.tensor([2.0], requires_grad=True), torch.tensor([3.0], requires_grad=True)
result = slice_heads(weight, bias, [], 1)
assert not result["constant"].requires_grad
(result["product"] * 10).sum().backward()
assert weight.grad.tolist() == [30] and bias.grad.tolist() == [20]
"""


def test_gradients_cross():
    outcome = run(GRADIENTS, tests=(SEES_GRADIENTS,))
    assert outcome.tests == [None], outcome.tests


def test_an_answer_that_hangs_is_called_once_and_costs_its_own_tests():
    hangs = "@kept_layers.implement\ndef kept_layers(num_layers, depth):\n    while True: pass"
    call = "kept_layers(4, 2)"
    plan = execute.Plan(LECTURE, (SETUP,), (hangs, "x = 1"), (call, call, "assert x == 1"))
    path = forker.socket_path(LECTURE, unsafe=False)
    pair = execute.ProcessPair(path, cell_seconds=60, test_seconds=3)
    try:
        pair.open(list(plan.locked))
        assert [pair.run_cell(cell)["error"] for cell in plan.cells] == [None, None]
        assert pair.run_test(call)["ename"] == "TimedOut"
        began = time.monotonic()
        pair.test_seconds = 60
        assert pair.run_test(call)["ename"] == "TimedOut"
        assert time.monotonic() - began < 30, "it was called again"
        assert pair.run_test("assert x == 1") is None
        assert list(pair.failed_exercises) == ["kept_layers"]
    finally:
        pair.close()
