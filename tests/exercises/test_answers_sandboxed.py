"""The zoo through sandbox and judge: two processes that exchange plain data judge as one does."""

import pytest
from zoo import ZooAnswer, right_answers, wrong_answers

from tinybert_l.course.judging import read_tests
from tinybert_l.exercises.registry import exercises, find_exercise
from tinybert_l.grading.outside import forker
from tinybert_l.grading.outside.execute import Plan, execute
from tinybert_l.grading.outside.sandbox import problem

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}"),
]
# A sandbox takes five seconds of CPU time to start; all other lectures are tried nightly.
EVERY_TIME = (3, 9)
LECTURES = [
    lecture if lecture in EVERY_TIME else pytest.param(lecture, marks=pytest.mark.nightly)
    for lecture in sorted({item.lecture for item in exercises().values()})
]


@pytest.fixture(scope="module", autouse=True)
def processes():
    yield
    forker.close_all()


def errors(checkout, answer: ZooAnswer) -> list[str]:
    """The errors of the tests of an answer's exercise, as the grader sees them."""
    entry = find_exercise(answer.exercise)
    notebook = checkout / "notebooks" / entry.notebook / f"{entry.notebook}.ipynb"
    setup, tests = read_tests(notebook, answer.exercise)
    plan = Plan(entry.lecture, (setup,), (answer.cell(),), (*tests["visible"], *tests["hidden"]))
    outcome = execute(plan, forker.socket_path(entry.lecture, unsafe=False))
    assert len(outcome.tests) >= 2
    return [f"{error['ename']}: {error['evalue']}" for error in outcome.tests if error]


@pytest.mark.parametrize("lecture", LECTURES)
def test_right_answers_earn_everything_and_wrong_ones_do_not(checkout, lecture):
    mistaken = []
    names = exercises(lecture)
    for answer in right_answers():
        if answer.exercise in names:
            errors_of_right_answer = errors(checkout, answer)
            if errors_of_right_answer:
                mistaken.append(f"{answer.id}, right: {errors_of_right_answer}")
    for answer in wrong_answers():
        if answer.exercise in names and not errors(checkout, answer):
            mistaken.append(f"{answer.id}, wrong: earns everything")
    forker.close_all()
    assert not mistaken, "\n".join(mistaken)
