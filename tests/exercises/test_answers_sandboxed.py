"""The zoo again, through sandbox and judge: two processes that exchange plain data judge as one process does."""

import pytest
from test_answers import RIGHT, SIGNATURE, WRONG

from tinybert_l.course.judging import read_tests
from tinybert_l.exercises.registry import exercises, find_exercise
from tinybert_l.grading.outside import forker
from tinybert_l.grading.outside.execute import Plan, execute
from tinybert_l.grading.outside.sandbox import problem

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}"),
]
LECTURES = sorted({item.lecture for item in exercises().values()})


@pytest.fixture(scope="module", autouse=True)
def processes():
    yield
    forker.close_all()


def errors(checkout, name: str, body: str) -> list[str]:
    entry = find_exercise(name)
    setup, tests = read_tests(
        checkout / "notebooks" / entry.notebook / f"{entry.notebook}.ipynb", name
    )
    answer = f"import math\nimport torch\n\n\n@{name}.implement\ndef {name}({SIGNATURE[name]}):\n    {body}\n"
    plan = Plan(entry.lecture, (setup,), (answer,), (*tests["visible"], *tests["hidden"]))
    outcome = execute(plan, forker.socket_path(entry.lecture, unsafe=False))
    assert len(outcome.tests) >= 2
    return [f"{e['ename']}: {e['evalue']}" for e in outcome.tests if e]


@pytest.mark.parametrize("lecture", LECTURES)
def test_right_answers_earn_everything_and_wrong_ones_do_not(checkout, lecture):
    mistaken = []
    for name, idea, body in RIGHT:
        if exercises()[name].lecture == lecture and (found := errors(checkout, name, body)):
            mistaken.append(f"{name}, right, {idea}: {found}")
    for name, idea, body, _ in WRONG:
        if exercises()[name].lecture == lecture and not errors(checkout, name, body):
            mistaken.append(f"{name}, wrong, {idea}: earns everything")
    forker.close_all()
    assert not mistaken, "\n".join(mistaken)
