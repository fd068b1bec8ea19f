"""Compare a student's own joint step with the library's, on small random models (lecture 3).

Not graded: the notebook calls it, and it says what differs.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import MissingAnswer
from tinybert_l.languages import in_words
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.data import Batch
from tinybert_l.method.joint import WithProjection, joint_step
from tinybert_l.method.model import ElasticBertForSequenceClassification, ElasticOutput
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.submodels import SubModel

# what the log keeps of a step: {sub-model's name: {part of its loss: value}}
StepLog = dict[str, dict[str, float]]
JointStep = Callable[
    [Any, ElasticOutput, Batch, Sequence[SubModel], JointRecipe], tuple[torch.Tensor, StepLog]
]
TOLERANCE = 1e-4
NUM_STEPS = 20
TOTAL = "sum of its losses 各项之和"
JOINT = "joint loss 联合损失"
GRADIENT = "gradient norm 梯度范数"
_VOCABULARY = 50
_LENGTHS = (9, 4, 6, 2)  # of the texts of the batch: three of them are padded


@dataclass(frozen=True)
class Problem:
    """One step to compare: two models that differ, a batch with padding, and the recipe."""

    student: ElasticBertForSequenceClassification
    target: ElasticOutput
    batch: Batch
    recipe: JointRecipe
    step: int

    @property
    def participants(self) -> list[SubModel]:
        """The sub-models of the step, the largest first."""
        return self.recipe.participants(self.step)


def problems(seed: int = 0) -> list[Problem]:
    """Make the steps to compare: one of each stage, and one without self-distillation."""
    recipe = JointRecipe(num_steps=NUM_STEPS, batch_size=len(_LENGTHS), seed=seed)
    steps = [round(start * NUM_STEPS) for start, _ in recipe.stages]
    made = [_problem(recipe, step) for step in [*steps, NUM_STEPS - 1]]
    made.append(_problem(replace(recipe, self_distillation=False), NUM_STEPS - 1))
    return made


def _problem(recipe: JointRecipe, step: int) -> Problem:
    with torch.random.fork_rng():
        torch.manual_seed(100 * recipe.seed + step)
        student, teacher = _small_model(), _small_model()
        batch = _batch()
    with torch.no_grad():
        target = teacher(**_inputs(batch), **recipe.requested_outputs())
    return Problem(student, target, batch, recipe, step)


def _small_model() -> ElasticBertForSequenceClassification:
    config = ElasticBertConfig(
        vocab_size=_VOCABULARY,
        hidden_size=16,
        num_hidden_layers=6,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=16,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,
    )
    return ElasticBertForSequenceClassification(config).eval()


def _batch() -> Batch:
    length = max(_LENGTHS)
    mask = torch.tensor([[1] * own + [0] * (length - own) for own in _LENGTHS])
    ids = torch.randint(1, _VOCABULARY, mask.shape) * mask
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.zeros(len(mask)).long()}


def _inputs(batch: Batch) -> dict[str, torch.Tensor]:
    return {name: batch[name] for name in ("input_ids", "attention_mask")}


def compare_joint_step(own_step: JointStep, seed: int = 0) -> pd.DataFrame:
    """Run a student's step and the library's on the same problems.

    Args:
        own_step: (student, target, batch, participants, recipe) -> (joint loss, log).
        seed: of the models, the batches and the drawing of sub-models.
    Returns:
        One row a number: step, sub_model, what, own, library, agrees. `own` is NaN where the
        student's log has no such entry, `library` where the library's has none.
    Raises:
        InvalidInput: the student's step is not written yet, or does not return a scalar tensor and
            a dictionary.
    """
    rows: list[dict[str, Any]] = []
    for problem in problems(seed):
        expected = _numbers(problem, *_library_step(problem))
        student = copy.deepcopy(problem.student)
        returned = _run(own_step, replace(problem, student=student))
        own = _numbers(replace(problem, student=student), *_checked(returned))
        step = f"{problem.step}" if problem.recipe.self_distillation else f"{problem.step}*"
        for key in dict.fromkeys([*expected, *own]):
            values = (own.get(key, math.nan), expected.get(key, math.nan))
            rows.append(dict(zip(COLUMNS, (step, *key, *values, _agree(*values)), strict=True)))
    return pd.DataFrame(rows)


COLUMNS = ("step", "sub_model", "what", "own", "library", "agrees")


def _run(own_step: JointStep, problem: Problem) -> Any:
    try:
        return own_step(
            problem.student,
            problem.target,
            dict(problem.batch),
            problem.participants,
            problem.recipe,
        )
    except MissingAnswer:
        raise
    except NotImplementedError:
        raise InvalidInput(
            "my_joint_step has no answer yet: write it in the cell above. "
            "先在上一个单元格里写出它。"
        ) from None


def _library_step(problem: Problem) -> tuple[torch.Tensor, StepLog]:
    hidden_size = problem.student.config.hidden_size
    trained = WithProjection(problem.student, hidden_size)
    problem.student.zero_grad()
    loss, details = joint_step(trained, problem.target, problem.batch, problem.recipe, problem.step)
    return loss, details["losses"]


def _checked(returned: Any) -> tuple[torch.Tensor, StepLog]:
    if isinstance(returned, tuple) and len(returned) == 2:
        loss, log = returned
        if isinstance(loss, torch.Tensor) and loss.ndim == 0 and isinstance(log, dict):
            return loss, log
    raise InvalidInput(
        f"my_joint_step: returned {type(returned).__name__}; allowed: a pair of the joint loss, a "
        "scalar tensor, and the log, a dictionary {sub-model's name: {part: value}}. "
        "应返回（标量损失，日志字典）。"
    )


def _numbers(problem: Problem, loss: torch.Tensor, log: StepLog) -> dict[tuple[str, str], float]:
    """Flatten a step's log, with the joint loss and the norm of its gradient."""
    numbers: dict[tuple[str, str], float] = {}
    for sub_model, parts in log.items():
        for part, value in parts.items():
            numbers[str(sub_model), part] = float(value)
        numbers[str(sub_model), TOTAL] = float(sum(parts.values()))
    numbers["", JOINT] = float(loss.detach())
    norm = 0.0
    if loss.requires_grad:
        loss.backward()
        gradients = [p.grad for p in problem.student.parameters() if p.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients))
    numbers["", GRADIENT] = norm
    return numbers


def _agree(own: float, library: float) -> bool:
    return abs(own - library) <= TOLERANCE * max(1.0, abs(library))  # False where one is NaN


def explain(compared: pd.DataFrame) -> str:
    """Say in one sentence what differs first, and what a likely cause is."""
    wrong = compared[~compared["agrees"].astype(bool)]
    if wrong.empty:
        return (
            f"All {len(compared)} numbers agree with the library's. "
            f"全部{len(compared)}个数与库一致。"
        )
    first = wrong.iloc[0]
    where = f"step 步 {first['step']}, {first['sub_model'] or 'joint'}, {first['what']}"
    values = f"yours 你的 {first['own']:.6g}, library 库 {first['library']:.6g}"
    return (
        f"{_likely_cause(first, compared)} Numbers that differ 不同的数: "
        f"{len(wrong)} / {len(compared)}; first 首先: {where}: {values}"
    )


def _likely_cause(first: pd.Series, compared: pd.DataFrame) -> str:
    same_step = compared[compared["step"] == first["step"]]
    if math.isnan(first["own"]):
        return "Your log has no such entry. 你的日志里缺这一项。"
    if math.isnan(first["library"]):
        return "The library's log has no such entry. 库的日志里没有这一项。"
    if first["what"] == "soft_labels":
        return (
            "Who gives soft labels to whom: the teacher to all, the largest to the others, and "
            "only if the recipe asks for self-distillation. "
            "检查软标签由谁给谁：教师给全体，最大者给其余，而且只在配方要自蒸馏时。"
        )
    if first["what"] == JOINT:
        others = same_step[same_step["what"] == TOTAL]["library"]
        if _agree(first["own"], float(others.sum())):
            return (
                "You add the sub-models' losses; the library takes their mean. "
                "你把各子模型的损失相加了，库取均值。"
            )
        return "The parts agree, their combination does not. 各项都对，合起来不对。"
    if first["what"] == GRADIENT:
        return (
            "The loss is right and its gradient is not: was something detached, or made a float, "
            "too early? 损失对而梯度不对：是否过早detach或转成了数？"
        )
    return "Look at the arguments of distillation_losses. 检查传给distillation_losses的参数。"


def check_joint_step(own_step: JointStep, seed: int = 0) -> Any:
    """Print what differs between a student's joint step and the library's, and show both logs."""
    from tinybert_l.course.tables import styled

    compared = compare_joint_step(own_step, seed)
    print(in_words(explain(compared)))
    names = {
        "step": "step 步 (*: no self-distillation 无自蒸馏)",
        "sub_model": "sub-model 子模型",
        "what": "what 项目",
        "own": "yours 你的",
        "library": "library 库",
        "agrees": "agrees 一致",
    }
    shown = compared[compared["what"].isin([TOTAL, JOINT, GRADIENT])]
    return styled(shown.rename(columns=names), "Two logs 两份日志", 4)
