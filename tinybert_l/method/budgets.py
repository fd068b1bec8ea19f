"""How many steps a budget buys, and how long one takes here."""

import time
from numbers import Real

import torch

from tinybert_l.errors import InvalidInput
from tinybert_l.method.data import Encoded, collate, training_batches
from tinybert_l.method.joint import WithProjection, joint_step
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher_outputs import TeacherOutputs
from tinybert_l.method.teachers import teacher_source

BUDGETS = {"quick": 60, "standard": 400, "thorough": 2000}  # steps
QUICK_SECONDS = 120  # a quick run of a large model takes fewer steps
FEWEST_STEPS = 20


def plain_budget(budget: str | float) -> str | float:
    """Return a budget's name, or its minutes as Python's number.

    Raises:
        InvalidInput: no such budget.
    """
    if isinstance(budget, str) and budget in BUDGETS:
        return budget
    is_number = isinstance(budget, Real) and not isinstance(budget, bool)
    if not is_number or not 0 < float(budget) < 1e6:
        raise InvalidInput(
            f"distil: budget={budget!r}; allowed: {', '.join(BUDGETS)}, or minutes above 0."
        )
    return budget if isinstance(budget, int) else float(budget)


def num_steps(budget: str | float, seconds: float) -> int:
    """Return the number of steps of a budget: its name, or minutes at so many seconds a step.

    Raises:
        InvalidInput: no such budget.
    """
    budget = plain_budget(budget)
    if budget == "quick":
        in_time = max(FEWEST_STEPS, int(QUICK_SECONDS / seconds))
        return min(BUDGETS["quick"], in_time)
    if isinstance(budget, str):
        return BUDGETS[budget]
    return max(FEWEST_STEPS, int(60 * budget / seconds))


def seconds_a_step(
    student: ElasticBertForSequenceClassification,
    teacher: ElasticBertForSequenceClassification | TeacherOutputs,
    data: Encoded,
    recipe: JointRecipe,
) -> float:
    """Measure a late step, with all sub-models open; nothing is changed by it."""
    source = teacher_source(teacher)
    trained = WithProjection(student, source.hidden_size)
    rows = training_batches(data, recipe.batch_size, 1, recipe.seed)[0]
    batch = collate(data, rows)
    best = float("inf")
    with torch.random.fork_rng(devices=[]):
        for repeat in range(3):
            begin = time.perf_counter()
            target = source.outputs(rows, batch, recipe)
            loss, _ = joint_step(trained, target, batch, recipe, recipe.num_steps - 1 - repeat)
            loss.backward()
            best = min(best, time.perf_counter() - begin)
    trained.zero_grad()
    return 1.1 * best  # clipping and the optimiser
