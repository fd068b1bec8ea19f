"""Every honest way to write an answer keeps its points, in the sandbox and before handing in."""

import json
import time

import pytest

from tinybert_l.course.judging import judge_notebook
from tinybert_l.exercises.answers import answer_cells, run_answer_cell
from tinybert_l.exercises.registry import find_exercise, forget_answers
from tinybert_l.grading.outside import execute, forker, sandbox

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sandbox.problem() is not None, reason=f"no sandbox: {sandbox.problem()}"),
]
LECTURE = 3
# named, for a star would import the whole library for each submission
SETUP = (
    "import torch\nimport tinybert_l\nfrom tinybert_l import kept_layers, layer_map\n"
    "tinybert_l.begin(lecture=3)"
)
BODY = """
def {name}(num_layers, depth):
    if not 1 <= depth <= num_layers:
        raise ValueError("depth")
    return [i * num_layers // depth - 1 for i in range(1, depth + 1)]
"""
RIGHT = "@kept_layers.implement" + BODY.format(name="kept_layers")
TEST = """
for _ in range(2):
    assert kept_layers(6, 3) == [1, 3, 5]
try:
    kept_layers(6, 0)
except ValueError as error:
    assert str(error)
else:
    raise AssertionError("no ValueError")
"""
# What students put into a cell, each with what has to stand there for it to run at all.
MAGICS = [
    "%matplotlib inline",
    "%matplotlib notebook",
    "%matplotlib widget",
    "%pylab inline",
    "%config InlineBackend.figure_format = 'retina'",
    "%load_ext autoreload\n%autoreload 2",
    "%timeit -n1 -r1 1",
    "%time 1 + 1",
    "%who",
    "%whos",
    "%env",
    "%pwd",
    "%cd .",
    "%lsmagic",
    "%precision 3",
    "%pip --version",
    "%history",
    "%store",
    "%connect_info",
    "%gui",
    "%xmode Plain",
    "%pdb off",
    "!echo hello",
    "files = !ls",
    "get_ipython().run_line_magic('matplotlib', 'inline')",
    "display('shown')",
    "torch?",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2]);\nplt.show()",
]
CELL_MAGICS = ["%%time", "%%capture", "%%capture output", "%%prun -q"]
WAYS = {
    "an exception of one's own": "class DepthError(ValueError): pass\n\n"
    + RIGHT.replace('ValueError("depth")', 'DepthError("depth")'),
    "an exception with two bases": RIGHT.replace('ValueError("d', 'Both("d').replace(
        "@kept", "class Both(KeyError, ValueError): pass\n\n@kept", 1
    ),
    "a generator in a list": RIGHT.replace("return [", "return list(").replace("+ 1)]", "+ 1))"),
    "numpy's numbers": RIGHT.replace("return [", "import numpy as np\n    return [np.int64(1) * ("
    ).replace("- 1 for", "- 1) for"),
    "a decorator with wraps": """
import functools
def logged(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner
""" + RIGHT.replace("implement", "implement\n@logged", 1),
    "a list of one's own": "class Layers(list): pass\n"
    + RIGHT.replace("return [", "return Layers([").replace("+ 1)]", "+ 1)])"),
    "type hints and a dataclass": "from dataclasses import dataclass\n@dataclass\nclass Depth:\n"
    "    value: int\n" + RIGHT.replace("_layers, depth)", "_layers: int, depth: int) -> list")
    .replace("// depth", "// Depth(depth).value"),
    "a function that is remembered": "import functools\n"
    + RIGHT.replace("implement", "implement\n@functools.cache", 1),
    "a partial function": "import functools\n"
    + BODY.format(name="base").replace("(num", "(one, num")
    .replace("- 1 for", "- one for") + "kept_layers.implement(functools.partial(base, 1))",
    "a method": BODY.format(name="kept_layers").replace("\n", "\n    ")
    .replace("(num", "(self, num")
    .replace("\n", "class Layers:\n", 1) + "\nkept_layers.implement(Layers().kept_layers)",
    "a lambda": BODY.format(name="base")
    + "kept_layers.implement(lambda num_layers, depth: base(num_layers, depth))",
    "no decorator": BODY.format(name="kept_layers"),
    "an assigned lambda": BODY.format(name="base")
    + "kept_layers = lambda num_layers, depth: base(num_layers, depth)",
    "half a character is printed": "print('\\ud83d')\n" + RIGHT,
}  # fmt: skip
LAZY = """
@kept_layers.implement
def kept_layers(num_layers, depth):
    if depth == 0:
        raise ValueError("depth")
    for value in [1, 3, 5]:
        yield value
"""


def run(*cells: str, tests: tuple[str, ...] = (), cell_seconds: int = 60) -> execute.Outcome:
    plan = execute.Plan(LECTURE, (SETUP,), cells, tests)
    return execute.execute(plan, forker.socket_path(LECTURE, unsafe=False), cell_seconds, 20)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_that_python_offers_keeps_its_points(way):
    outcome = run(WAYS[way], tests=(TEST,))
    assert outcome.cells[0]["error"] is None, outcome.cells[0]
    assert outcome.tests == [None]


def test_a_generator_raises_and_gives_as_in_the_notebook_and_types_are_the_tests():
    """A generator's own error is that of the call; a default type is no business of the tests."""
    lazy = TEST.replace("kept_layers(6, 3)", "list(kept_layers(6, 3))")
    answer = "@layer_map.implement\ndef layer_map(num_student_layers, num_teacher_layers, "
    answer += "strategy='uniform'):\n    return num_student_layers + torch.ones(2)"
    test = "assert torch.equal(layer_map(torch.ones(2), 1), torch.full((2,), 2.0))"
    cells = (LAZY, "torch.set_default_dtype(torch.float64)", answer, "print(torch.ones(1).dtype)")
    outcome = run(*cells, tests=(lazy, test))
    assert outcome.tests == [None, None]
    assert outcome.cells[3]["output"].strip() == "torch.float64"


HELPER = "def step(i, n, d): return i * n // d - 1\n"
WITH_HELPER = RIGHT.replace("i * num_layers // depth - 1 for", "step(i, num_layers, depth) for")


def test_a_test_is_run_where_the_notebook_has_it_and_nobody_guesses_twice():
    """A helper that is needed may also stand below; a variable is read once."""
    cells = (
        WITH_HELPER,
        HELPER,
        "quiz_a = 'x'",
        "globals()['quiz' + '_a'] = 'k'",
        "max = range = ValueError = 0\ndef step(): return None",
    )
    tests = (TEST, TEST, "assert quiz_a == 'k', 'wrong'")
    plan = execute.Plan(LECTURE, (SETUP,), cells, tests, (2, 2, 3))
    outcome = execute.execute(plan, forker.socket_path(LECTURE, unsafe=False), 60, 20)
    assert outcome.tests[:2] == [None, None] and outcome.tests[2]["evalue"] == "wrong"
    plan = execute.Plan(LECTURE, (SETUP,), cells[:2], (TEST,), (1,))  # run again in the end
    outcome = execute.execute(plan, forker.socket_path(LECTURE, unsafe=False), 60, 20)
    assert outcome.tests == [None]


REPLACED = [  # of Python's own, for all code in the process
    "import builtins\nbuiltins.list = tuple",
    "import builtins\ndel builtins.len",
]
OTHER_RIGHT = (
    "@layer_map.implement\n"
    "def layer_map(num_student_layers, num_teacher_layers, strategy='uniform'):\n"
    "    return list(range(num_student_layers))"
)
OTHER_TEST = "assert layer_map(3, 6) == [0, 1, 2]"


@pytest.mark.parametrize("line", REPLACED)
def test_what_replaces_pythons_own_fails_its_answer_and_no_other(line):
    """In a cell, and in the body of an answer; what stands below is judged as ever."""
    (cell, other), tests = _outcome(f"{line}\n{RIGHT}", OTHER_RIGHT)
    assert cell["error"]["ename"] == "BuiltinsChanged" and other["error"] is None
    assert tests[0]["ename"] == "MissingAnswer" and tests[1] is None
    body = line.replace("\n", "; ")
    cells, tests = _outcome(RIGHT.replace("    if not", f"    {body}\n    if not", 1), OTHER_RIGHT)
    assert tests[0]["ename"] == "BuiltinsChanged" and tests[1] is None
    assert "replaced Python's own" in tests[0]["evalue"] and cells[0]["error"] is None


def _outcome(*cells: str) -> tuple:
    plan = execute.Plan(LECTURE, (SETUP,), cells, (TEST, OTHER_TEST))
    outcome = execute.execute(plan, forker.socket_path(LECTURE, unsafe=False), 60, 20)
    return outcome.cells, outcome.tests


def test_a_notebooks_own_modules_streams_and_windows_are_as_in_a_kernel():
    """What a cell wrote can be imported; no screen and no stream of its own stops an answer."""
    cells = (
        "%%writefile helper.py\ndef step(i, n, d): return i * n // d - 1",
        "import builtins, sys\nbuiltins.print = lambda *a, **k: None\nsys.stdout = None",
        "import matplotlib\nmatplotlib.use('TkAgg')\nimport matplotlib.pyplot as plt\n"
        "plt.plot([1]); plt.show()\nmatplotlib.use('Qt5Agg')",
        "list = [1]\nstr = torch = 'x'\nfrom helper import step\n" + WITH_HELPER,
    )
    outcome = run(*cells, tests=(TEST,))
    assert [cell["error"] for cell in outcome.cells] == [None] * 4 and outcome.tests == [None]


def test_an_endless_recursion_is_told_at_once():
    (reply,) = run("def f():\n    return f()\nf()", cell_seconds=60).cells
    assert reply["error"]["ename"] == "RecursionError" and len(reply["error"]["traceback"]) <= 30


def test_no_magic_of_a_stock_kernel_keeps_an_answer_from_its_points():
    cells = [f"{magic}\n{RIGHT}\nprint('answered')" for magic in MAGICS]
    cells += [f"{magic}\n{RIGHT}" for magic in CELL_MAGICS]
    outcome = run(*cells, tests=(TEST,))
    for cell, reply in zip(cells, outcome.cells, strict=True):
        assert reply["error"] is None, (cell.splitlines()[0], reply["error"])
    for magic, reply in zip(MAGICS, outcome.cells, strict=False):
        assert "answered" in reply["output"], magic
    assert outcome.tests == [None]


@pytest.mark.parametrize("magic", ["%matplotlib inline", "%%time", "%%capture", "x = !echo 1"])
def test_the_students_side_agrees_with_grading(magic, tmp_path, checkout):
    """`check` and `home` judge as grading does; one's own earlier answer is taken likewise."""
    source = checkout / "notebooks" / "03-architecture" / "03-architecture.ipynb"
    tree = json.loads(source.read_text(encoding="utf-8"))
    for cell in tree["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "kept_layers":
            cell["source"] = f"{magic}\n{RIGHT}"
    notebook = tmp_path / source.name
    notebook.write_text(json.dumps(tree), encoding="utf-8")
    answer = answer_cells(notebook)["kept_layers"]
    assert answer.startswith(magic)
    file = tmp_path / "answer.py"
    file.write_text(answer, encoding="utf-8")
    if magic in ("%matplotlib inline", "%%time"):  # a process each
        verdicts = judge_notebook(notebook, {"kept_layers": file})["kept_layers"]
        assert all(verdict.passed for verdict in verdicts), verdicts
    exercise = find_exercise("kept_layers")
    run_answer_cell(notebook, answer, {"kept_layers": exercise.function})
    try:
        assert exercise.student(6, 3) == [1, 3, 5]
    finally:
        forget_answers()


def test_an_answer_that_keeps_something_between_calls_is_found_out():
    first_only = """
seen = []
@kept_layers.implement
def kept_layers(num_layers, depth):
    seen.append(depth)
    return [1, 3, 5] if len(seen) == 1 else []
"""
    (error,) = run(first_only, tests=("assert kept_layers(6, 3) == [1, 3, 5]",)).tests
    assert "called again" in error["evalue"]


def test_a_value_of_any_size_costs_that_answer_alone():
    huge = "@kept_layers.implement\ndef kept_layers(num_layers, depth):\n    return range(10**12)"
    fine = (
        "@layer_map.implement\ndef layer_map(num_student_layers, num_teacher_layers, "
        "strategy='uniform'):\n    return [num_student_layers]"
    )
    tests = ("assert len(list(kept_layers(1, 1))) == 1", "assert layer_map(3, 6) == [3]")
    outcome = run(huge, fine, tests=tests)
    assert outcome.tests[0] is not None and outcome.tests[1] is None


FORGED = """
import gc
from tinybert_l.grading.inside.side import Side
(side,) = [x for x in gc.get_objects() if isinstance(x, Side)]
side.reply({REPLY}, [])
"""


@pytest.mark.parametrize(
    "reply",
    [
        '{"output": 7, "error": None}',
        '{"output": "", "error": {"ename": 1, "evalue": [], "traceback": 3.5}}',
        '{"output": "\\ud800" * 10, "error": {"ename": "E", "evalue": "\\ud800", "traceback": []}}',
        '{"output": "x" * 10**7, "error": None}',
        '{"output": "", "error": [[], [[]]] * 10**5}',
        '{"buffers": [float("inf")]}',
    ],
)
def test_a_forged_reply_is_that_submissions_failure_and_never_the_graders(reply):
    outcome = run(FORGED.replace("{REPLY}", reply), RIGHT, tests=(TEST,))
    for cell in outcome.cells:
        json.dumps(cell).encode("utf-8")
        assert len(cell["output"]) <= 100_000
        if cell["error"] is not None:
            assert isinstance(cell["error"]["traceback"], list)


def test_a_submission_makes_no_namespaces_of_its_own():
    cell = "import ctypes\nprint(ctypes.CDLL(None).unshare(0x10000000))"
    (reply,) = run(cell).cells
    assert reply["output"].strip() == "-1"


ORPHAN = """
import ctypes, os, time
if os.fork() == 0:
    os.setsid()
    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)  # no signal when its parent dies
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
        os.execv("/usr/bin/sleep", ["sleep", "987.25"])
    os._exit(0)
ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
"""


@pytest.mark.parametrize("last", ["", "while True: pass"])
def test_nothing_of_a_submission_lives_on(last):
    import psutil

    run(ORPHAN, f"import ctypes\n{last}", cell_seconds=3 if last else 60)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        left = [
            p for p in psutil.process_iter(["cmdline"]) if "987.25" in (p.info["cmdline"] or [])
        ]
        if not left:
            return
        time.sleep(0.2)
    pytest.fail(f"{left} lives on")


# what students write for one letter, for two letters, and for a number
LETTER = ('"k"', "'K'", '" k "', '["K"]', "{'k'}", "np.array(['K'])[0]", '"Ｋ"')
LETTERS = ('["K", "r"]', "{'r', 'k'}", '("R", "K")', '"K, R"', '"kr"', 'sorted({"R", "K"})')
NUMBER = ("0.001", "1e-3", "np.float32(0.001)", "np.array(1e-3)", '"0.001"', "torch.tensor(1e-3)")


def test_a_quiz_answer_counts_however_it_is_written():
    lines = ["import numpy as np", "import torch"]
    tests = ["from tinybert_l.course.quizzes import chosen, is_near", ""]
    for i, way in enumerate(LETTER):
        lines.append(f"letter_{i} = {way}")
        tests.append(f'assert chosen(letter_{i}) == {{"K"}}, "{i}"')
    for i, way in enumerate(LETTERS):
        lines.append(f"letters_{i} = {way}")
        tests.append(f'assert chosen(letters_{i}) == {{"K", "R"}}, "{i}"')
    for i, way in enumerate(NUMBER):
        lines.append(f"number_{i} = {way}")
        tests.append(f'assert is_near(number_{i}, 0.001, 1e-6), "{i}"')
    wrong = 'assert chosen(letter_0) == {"R"}, "a wrong one"'
    outcome = run("\n".join(lines), tests=("\n".join(tests), f"{tests[0]}\n{wrong}"))
    assert outcome.cells[0]["error"] is None, outcome.cells[0]
    assert outcome.tests[0] is None, outcome.tests[0]
    assert outcome.tests[1]["evalue"] == "a wrong one"


HOSTILE = """
class Everything(str):
    def __eq__(self, other): return True
    def __hash__(self): return hash("K")
    def upper(self): return "K"

class AnyOf(set):
    def __eq__(self, other): return True

quiz_a = Everything("R")
quiz_b = AnyOf({"R"})
quiz_c = float("nan")
chosen = remarks = is_near = lambda *args, **kwargs: {"K"}
import tinybert_l.course.quizzes as quizzes
quizzes.chosen = quizzes.is_near = chosen
"""
HOSTILE_SET = 'import builtins\nbuiltins.set = lambda *args: {"K"}'


def test_a_hostile_quiz_answer_earns_nothing():
    """What it makes of itself or of the library's functions stays in the student's process."""
    imports = "from tinybert_l.course.quizzes import chosen, is_near\n"
    tests = [f'{imports}assert chosen({name}) == {{"K"}}, "wrong"' for name in ("quiz_a", "quiz_b")]
    tests.append(f'{imports}assert is_near(quiz_c, 1.0, 0.1), "wrong"')
    outcome = run(HOSTILE, HOSTILE_SET, tests=tuple(tests))
    assert outcome.cells[0]["error"] is None, outcome.cells[0]
    assert outcome.cells[1]["error"]["ename"] == "BuiltinsChanged"
    assert [test["evalue"] for test in outcome.tests] == ["wrong"] * 3
