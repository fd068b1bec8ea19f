"""A mistake that harms all code of a notebook costs the exercise it stands in, and no other."""

import time

import pytest
from attacks.careless import MISTAKES, QUICK

from tinybert_l.grading.outside import execute, forker, sandbox
from tinybert_l.grading.outside.alone import Cells, Failed, harmed

needs_sandbox = pytest.mark.skipif(
    sandbox.problem() is not None, reason=f"no sandbox: {sandbox.problem()}"
)
LECTURE = 3
SETUP = (
    "import torch\nimport tinybert_l\nfrom tinybert_l import kept_layers, layer_map\n"
    "tinybert_l.begin(lecture=3)"
)
FIRST = """
@kept_layers.implement
def kept_layers(num_layers, depth):
    return [i * num_layers // depth - 1 for i in range(1, depth + 1)]
"""
SECOND = """
@layer_map.implement
def layer_map(num_student_layers, num_teacher_layers, strategy='uniform'):
    import math
    return list(range(math.floor(half * 2 * num_student_layers)))
"""
QUIZ = "quiz_a = 'k'"
TESTS = (
    "assert kept_layers(6, 3) == [1, 3, 5]",
    "x = torch.ones(2, requires_grad=True)\nassert layer_map(3, 6) == [0, 1, 2]",
    "assert quiz_a == 'k'",
)


def points(*cells: str, places: tuple[int, ...] = (1, 2, 3)) -> list[str]:
    """Return for each test why it failed; an empty text where it passed."""
    plan = execute.Plan(LECTURE, (SETUP,), cells, TESTS, places)
    outcome = execute.execute(plan, forker.socket_path(LECTURE, unsafe=False), 4, 4)
    return [error["ename"] if error else "" for error in outcome.tests]


def careless(line: str) -> tuple[str, str, str]:
    """Return a notebook with a line in its first answer's cell, which the second one builds on."""
    return f"from fractions import Fraction\nhalf = 0.5\n{line}\n{FIRST}", SECOND, QUIZ


@needs_sandbox
@pytest.mark.parametrize("name", QUICK)
def test_a_mistake_costs_at_most_its_own_exercise(name):
    assert points(*careless(QUICK[name]))[1:] == ["", ""]


@needs_sandbox
@pytest.mark.nightly
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_costs_nothing_in_a_cell_of_its_own_and_one_exercise_in_an_answer(name):
    line = MISTAKES[name]
    assert points(*careless(line))[1:] == ["", ""]
    below = (FIRST + "\n" + line, "half = 0.5\n" + SECOND, QUIZ)
    assert points(*below)[1:] == ["", ""]
    assert points(line, *careless(""), places=(2, 3, 4)) == ["", "", ""]


@needs_sandbox
def test_a_wrong_answer_stays_wrong_and_a_setting_that_an_answer_needs_stays():
    wrong = SECOND.replace("range(", "range(1 + ")
    assert points("half = 0.5", FIRST, wrong, QUIZ, places=(2, 3, 4))[1]
    deep = "import sys\nsys.setrecursionlimit(50_000)\nhalf = 0.5"
    recursive = "def down(n): return n and down(n - 1)\n" + SECOND.replace(
        "import math", "import math; down(20_000)"
    )
    assert points(deep, FIRST, recursive, QUIZ, places=(2, 3, 4)) == ["", "", ""]


@needs_sandbox
@pytest.mark.parametrize("line", ["!pip install nothing", "%pip install nothing",
                                  "!sudo apt install -y x; wget https://example.org",
                                  "%%bash\nconda install -y nothing"])  # fmt: skip
def test_what_needs_a_network_ends_at_once_and_says_so(line):
    path = forker.socket_path(LECTURE, unsafe=False)
    forker.connect(path, judge=True).close()  # it has started
    began = time.monotonic()
    plan = execute.Plan(LECTURE, (SETUP,), (line, FIRST), TESTS[:1])
    outcome = execute.execute(plan, path)
    assert "No package is installed while grading" in outcome.cells[0]["output"]
    assert outcome.tests == [None] and time.monotonic() - began < 10


@needs_sandbox
def test_a_missing_package_and_a_question_say_what_grading_has_to_do_with_it():
    plan = execute.Plan(LECTURE, (SETUP,), ("import nothing", "input('name?')"), ())
    outcome = execute.execute(plan, forker.socket_path(LECTURE, unsafe=False))
    said = [cell["error"]["evalue"] for cell in outcome.cells]
    assert "packages of the course" in said[0] and "input()" in said[1]


LEARNS = """
import os
@layer_map.implement
def layer_map(num_student_layers, num_teacher_layers, strategy='uniform'):
    for place in ('.', '/scratch', '/dev/shm', '/tmp'):
        path = os.path.join(place, 'seen')
        try:
            if os.path.exists(path) and open(path).read() != str(START):
                return [0, 1, 2]
            open(path, 'w').write(str(START))
        except OSError:
            pass
    return []
"""


@needs_sandbox
def test_being_asked_again_teaches_an_answer_nothing():
    """What it left behind in its first process is gone in the second."""
    start = "import time\nSTART = time.time_ns()"
    assert points(start, FIRST, LEARNS, QUIZ, places=(2, 3, 4))[1] == "AssertionError"


LACKING = [
    "from google.colab import drive\ndrive.mount('/content/drive')",
    pytest.param("%load_ext tensorboard", marks=pytest.mark.nightly),
    "%run helper.py",
    pytest.param("data = open('/content/reviews.csv').read()", marks=pytest.mark.nightly),
    "name = input('your name')",
    "weight = torch.zeros(2).to('cuda')",
]


@needs_sandbox
@pytest.mark.parametrize("line", LACKING)
def test_what_is_missing_here_alone_costs_an_answer_nothing_that_does_not_use_it(line):
    plan = execute.Plan(LECTURE, (SETUP,), (f"{line}\nhalf = 0.5\n{SECOND}",), TESTS[1:2])
    outcome = execute.execute(plan, forker.socket_path(LECTURE, unsafe=False), 9, 9)
    assert outcome.cells[0]["error"] is not None and outcome.tests == [None]


@needs_sandbox
def test_an_answer_that_uses_what_is_missing_or_comes_after_an_error_of_its_own_stays_lost():
    for cell in (f"from nothing import half\n{SECOND}", f"1 / 0\nhalf = 0.5\n{SECOND}"):
        plan = execute.Plan(LECTURE, (SETUP,), (cell,), TESTS[1:2])
        (error,) = execute.execute(plan, forker.socket_path(LECTURE, unsafe=False), 9, 9).tests
        assert error["ename"] == "MissingAnswer"


@needs_sandbox
@pytest.mark.parametrize(
    "line", ["breakpoint()", "import pdb; pdb.set_trace()",
             "import argparse; p = argparse.ArgumentParser(); p.add_argument('-f'); p.parse_args()"]
)  # fmt: skip
def test_a_breakpoint_is_passed_over_and_arguments_are_a_kernels(line):
    answer = FIRST.replace("    return", f"    {line}\n    return")
    plan = execute.Plan(LECTURE, (SETUP,), (f"{line}\n{answer}",), TESTS[:1])
    outcome = execute.execute(plan, forker.socket_path(LECTURE, unsafe=False), 9, 9)
    assert outcome.tests == [None] and outcome.cells[0]["error"] is None


# What an answer needs, read from its notebook


def needed(*cells: str, of: str = "layer_map") -> list[str]:
    return Cells((SETUP,), cells).needed([of])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ((FIRST, SECOND), [SECOND]),
        (("half = 0.5; import sys; sys.modules.clear()", SECOND), ["half = 0.5", SECOND]),
        (("half = 1", "half /= 2", SECOND, "half = 9"), ["half = 1", "half /= 2", SECOND]),
        ((SECOND, "half = 0.5"), [SECOND, "half = 0.5"]),
        (("t = [1]\nt.append(2)\nu = 1", "def f(): return t", SECOND + "\nf()"),
         ["t = [1]\nt.append(2)", "def f():\n    return t", SECOND + "\nf()"]),
        (("import numpy as np\nnp.seterr(all='raise')", SECOND + "\nnp"),
         ["import numpy as np", SECOND + "\nnp"]),
        (("%%writefile own.py\nhalf = 1", "%%time\nfrom own import half", SECOND),
         ["%%writefile own.py\nhalf = 1", "from own import half", SECOND]),
        (("layer_map = [1, 3]", SECOND, "layer_map = 3"), [SECOND]),
        ((FIRST, SECOND + "\nkept_layers(1, 1)"), [FIRST, SECOND + "\nkept_layers(1, 1)"]),
        (("half = (", "%%bash\nls", SECOND), [SECOND]),
        (("class list: pass\ntorch = math = None", SECOND + "\nlist(torch)"),
         [SECOND + "\nlist(torch)"]),
    ],
)  # fmt: skip
def test_an_answer_needs_what_defines_its_names(cells, expected):
    assert needed(*cells) == expected


def test_only_what_may_have_been_harmed_is_asked_again():
    cells = Cells((SETUP,), (FIRST, SECOND, "@layer_map.implement\ndef layer_map(): pass"))

    def asked_again(*tests: Failed) -> list[int]:
        return [test.index for test, _ in harmed(tests, cells)]

    first, second = frozenset(["kept_layers"]), frozenset(["layer_map"])
    assert asked_again(Failed(0, "AssertionError", first, 1)) == [], "nothing else was run"
    assert asked_again(Failed(0, "AssertionError", second, 2)) == [0]
    assert asked_again(Failed(0, "NameError", frozenset(), 2)) == [], "no answer was called"
    assert asked_again(Failed(0, "TimedOut", second, 2)) == [], "it does not end"
    both = (Failed(0, "TimedOut", second, 2), Failed(1, "TimedOut", first, 2))
    assert asked_again(*both) == [0, 1]
    assert not list(harmed([Failed(0, "MissingAnswer", second, 2)], cells, ["", "TimedOut"]))
    stub = Cells((SETUP,), (FIRST, SECOND + "\n    raise NotImplementedError('here')"))
    assert list(harmed([Failed(0, "MissingAnswer", second, 2)], stub)) == []
