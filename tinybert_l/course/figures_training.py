"""Draw lecture 4's figures: a real training log, and what the optimisation strategies do."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tinybert_l.course.figures import LARGEST, SMALLEST, SUB_MODEL, new_figure
from tinybert_l.course.optimisation import StrategyRun, adam_updates, clipped
from tinybert_l.exercises.lecture_04 import linear_warmup_decay
from tinybert_l.method.recipe import JointRecipe

_GREY = "#666666"
_CONDITIONS = {
    ("all_on", False): ("no outlier 无异常批", LARGEST, "-"),
    ("all_on", True): ("outlier, clipped 异常批，裁剪", "#009E73", "--"),
    ("no_clipping", True): ("outlier, not clipped 异常批，不裁剪", SMALLEST, "-."),
}


def training_timeline(log: Sequence[Mapping[str, Any]], recipe: JointRecipe) -> Figure:
    """Draw figure 6: participants, learning rate, gradient norm and losses of a joint run."""
    figure, axes = new_figure(13, 8.6, nrows=4, sharex=True, height_ratios=[2.4, 0.7, 0.8, 1.1])
    participants, rate, norm, losses = axes
    order = recipe.sub_models()[::-1]
    names = [sub_model.name for sub_model in order]
    for row in log:
        for name in row["losses"]:
            participants.plot(row["step"], names.index(name), "|", color=LARGEST, markersize=9)
    participants.set_yticks(range(len(order)), [s.label for s in order])
    participants.invert_yaxis()
    participants.set_ylabel("sub-model\n子模型")
    rate.plot([1e4 * row["learning_rate"] for row in log], color="black")
    rate.set_ylabel("rate\n学习率\n(1e-4)")
    norm.plot([row["gradient_norm"] for row in log], color=_GREY, linewidth=1)
    norm.axhline(
        recipe.max_norm, color=SMALLEST, linestyle="--", label="bound of clipping 裁剪上限"
    )
    norm.set_ylim(0, 1.7 * max(recipe.max_norm, *(row["gradient_norm"] for row in log)))
    norm.set_ylabel("gradient\nnorm\n梯度范数")
    norm.legend(frameon=False, loc="upper right")
    for name, colour, dashes in (
        (names[0], LARGEST, "-"),
        (names[len(names) // 2], SUB_MODEL, "--"),
        (names[-1], SMALLEST, "-."),
    ):
        label = order[names.index(name)].label
        losses.plot(*_running_mean(log, name), color=colour, linestyle=dashes, label=label, lw=2)
    losses.set_ylim(0, 1.15 * losses.dataLim.y1)
    losses.set_ylabel("loss (nats)\n损失（奈特）")
    losses.set_xlabel("step 训练步 (dotted 虚线: a stage opens 新阶段开启)")
    losses.legend(ncols=3, frameon=False)
    for panel in axes:
        for start, _ in recipe.stages[1:]:
            panel.axvline(start * recipe.num_steps, color=_GREY, linestyle=":")
    figure.suptitle("One joint run as a timeline 一次联合训练的时间线")
    return figure


def _running_mean(
    log: Sequence[Mapping[str, Any]], name: str, window: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps in which a sub-model took part, and its smoothed loss on soft labels."""
    rows = [row for row in log if name in row["losses"]]
    steps = np.array([row["step"] for row in rows])
    values = np.array([row["losses"][name]["soft_labels"] for row in rows])
    means = [values[max(0, i - window + 1) : i + 1].mean() for i in range(len(values))]
    return steps, np.array(means)


def optimisation_strategies(
    runs: Sequence[StrategyRun],
    shapes: Mapping[str, tuple[int, ...]],
    decays: Mapping[str, float],
    caption: str,
) -> Figure:
    """Draw figure 7: schedules, Adam after an outlier, the same in a real run, and who decays.

    Args:
        runs: of `strategy_runs`.
        shapes: {parameter's name: shape}.
        decays: {parameter's name: weight decay}.
        caption: the runs, for the title of their panel.
    """
    figure, ((top_left, top_right), (left, right)) = new_figure(14, 9.5, nrows=2, ncols=2)
    for warmup, dashes in ((0, ":"), (24, "-"), (120, "--")):
        factors = [linear_warmup_decay(step, warmup, 240) for step in range(241)]
        words = str(warmup)
        top_left.plot(factors, dashes, color="black", linewidth=2, label=words)
    top_left.set(xlabel="step 训练步", ylabel="share of the peak\n占峰值的比例")
    top_left.set_ylim(-0.05, 1.9)
    top_left.set_title("Learning-rate schedule, 240 steps\n240步的学习率调度")
    top_left.legend(frameon=False, loc="upper center", ncols=3, title="warm-up 预热")
    _draw_adam(top_right)
    _draw_runs(left, runs, caption)
    _draw_decay(right, shapes, decays)
    return figure


def _draw_adam(axes: Any, num_steps: int = 60, outlier_step: int = 10) -> None:
    """Draw the update of one weight whose gradient is 1, but 100 at one step."""
    gradients = [1.0] * num_steps
    gradients[outlier_step - 1] = 100.0
    steps = range(1, num_steps + 1)
    axes.plot(steps, adam_updates(clipped(gradients, 1.0)), color="#009E73", lw=2.2, ls="--")
    axes.plot(steps, adam_updates(gradients), color=SMALLEST, lw=2.2, ls="-.")
    axes.text(num_steps, 0.93, "clipped 裁剪", ha="right", va="top", color="#007A58")
    axes.text(num_steps, 0.16, "not clipped 不裁剪", ha="right", color=SMALLEST)
    axes.axvline(outlier_step, color=_GREY, linestyle=":")
    axes.set_ylim(0, 1.1)
    axes.set(xlabel="step 训练步", ylabel="update / rate\n更新量÷学习率")
    axes.set_title("Adam: gradient 1, but 100 at step 10\n梯度恒为1，第10步为100")


def _draw_runs(axes: Any, runs: Sequence[StrategyRun], caption: str) -> None:
    for (strategy, has_outlier), (words, colour, dashes) in _CONDITIONS.items():
        chosen = [r for r in runs if (r.strategy, r.has_outlier) == (strategy, has_outlier)]
        if not chosen:
            continue
        values = np.array([run.divergences for run in chosen])
        steps = chosen[0].steps
        axes.plot(steps, values.mean(0), color=colour, linestyle=dashes, linewidth=2.2, label=words)
        axes.fill_between(steps, values.min(0), values.max(0), color=colour, alpha=0.15)
    axes.set_ylim(0, 2.1 * axes.dataLim.y1)  # room for the legend
    axes.set(xlabel="step 训练步", ylabel="KL to the teacher (nats)\n与教师的KL散度（奈特）")
    axes.set_title(f"A real run with one batch ×100 真实训练，一批×100\n{caption}")
    axes.legend(frameon=False, loc="upper left")


def _draw_decay(
    axes: Any, shapes: Mapping[str, tuple[int, ...]], decays: Mapping[str, float]
) -> None:
    groups = {
        "decay 衰减": [name for name, decay in decays.items() if decay],
        "no decay 不衰减": [name for name, decay in decays.items() if not decay],
    }
    for place, members in enumerate(groups.values()):
        millions = sum(math.prod(shapes[name]) for name in members) / 1e6
        axes.bar(place, millions, width=0.55, color=(LARGEST, SUB_MODEL)[place])
        words = f"{len(members)} tensors 张量\n{millions:.2f} M"
        axes.text(place, millions, words, ha="center", va="bottom")
    axes.set_xticks(range(len(groups)), list(groups))
    axes.margins(y=0.4)
    axes.set(ylabel="parameters 参数 (M)", xlabel="group 分组")
    axes.set_title("Weight decay: who decays\n权重衰减：谁衰减")
