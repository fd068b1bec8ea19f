"""Draw lecture 3's figures: one layer's six matrices, self-distillation with its control."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tinybert_l.course.captions import label
from tinybert_l.course.figures import IDLE, LARGEST, SUB_MODEL, new_figure
from tinybert_l.course.rows import StabilityRow
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.submodels import share_of

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#8A7500")
_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))


def layer_matrices(config: ElasticBertConfig, width: float) -> Figure:
    """Draw the six matrices of a layer to scale; the part that a width keeps is coloured.

    A row makes one number of the output, a column reads one number of the input.
    """
    hidden = config.hidden_size
    head_size = config.attention_head_size or 0
    heads = config.num_attention_heads * head_size
    kept_heads = share_of(config.num_attention_heads, width) * head_size
    neurons = config.intermediate_size
    kept_neurons = share_of(neurons, width)
    # name, rows, columns, kept rows, kept columns, colour
    attention = [(f"$W^{name}$", heads, hidden, kept_heads, hidden, LARGEST) for name in "QKV"]
    attention.append(("$W^O$", hidden, heads, hidden, kept_heads, LARGEST))
    ffn = [
        ("$W_1$", neurons, hidden, kept_neurons, hidden, SUB_MODEL),
        ("$W_2$", hidden, neurons, hidden, kept_neurons, SUB_MODEL),
    ]
    figure, axes = new_figure(13, 6)
    gap = 0.8 * hidden
    left = 0.0
    for name, rows, columns, kept_rows, kept_columns, colour in [*attention, *ffn]:
        _draw_matrix(axes, left, (rows, columns), (kept_rows, kept_columns), colour)
        axes.text(left + columns / 2, -0.28 * hidden, name, ha="center", va="center", fontsize=17)
        words = f"{kept_rows} × {kept_columns}\n({rows} × {columns})"
        below = rows + 0.08 * hidden
        axes.text(left + columns / 2, below, words, ha="center", va="top")
        left += columns + gap
    axes.set_xlim(-0.2 * hidden, left - gap + 0.2 * hidden)
    axes.set_ylim(neurons + 0.75 * hidden, -0.5 * hidden)
    axes.set_aspect("equal")
    axes.axis("off")
    figure.suptitle(
        f"One layer at width {width:g}: what the slice keeps 宽度{width:g}时一层保留什么\n"
        "blue 蓝: attention 注意力    orange 橙: feed-forward 前馈网络    grey 灰: not used 未使用"
        "\nrows × columns that are kept, of all (in brackets) 保留的行×列，括号内为全部",
        fontsize=14,
    )
    return figure


def _draw_matrix(
    axes: Any, left: float, shape: tuple[int, int], kept: tuple[int, int], colour: str
) -> None:
    rows, columns = shape
    axes.add_patch(Rectangle((left, 0), columns, rows, color=IDLE))
    axes.add_patch(Rectangle((left, 0), kept[1], kept[0], color=colour))
    axes.add_patch(Rectangle((left, 0), columns, rows, fill=False, edgecolor="#666666"))


def self_distillation_with_control(
    steps: Sequence[int],
    panels: Mapping[str, Mapping[str, np.ndarray]],
    stage_steps: Sequence[float],
    caption: str,
) -> Figure:
    """Draw figure 5: the distance to the largest sub-model, in a panel for each way to train.

    Args:
        steps: training steps of the measurements.
        panels: {title: {sub-model's label: KL in nats [seeds, steps]}}.
        stage_steps: the steps at which stages open.
        caption: the runs, for the title.
    """
    figure, all_axes = new_figure(14, 6.4, ncols=len(panels), sharey=True, squeeze=False)
    for axes, (title, distances) in zip(all_axes[0], panels.items(), strict=True):
        for index, (name, values) in enumerate(distances.items()):
            colour = _COLOURS[index % len(_COLOURS)]
            mean = values.mean(0)
            dashes = _DASHES[index % len(_DASHES)]
            axes.plot(steps, mean, color=colour, linestyle=dashes, linewidth=2.2, label=name)
            axes.fill_between(steps, values.min(0), values.max(0), color=colour, alpha=0.12)
        for step in stage_steps:
            axes.axvline(step, color="#666666", linestyle=":", linewidth=1.5)
        axes.set_ylim(bottom=0)
        axes.set_title(title)
        axes.set_xlabel("step 训练步 (dotted 虚线: a stage opens 新阶段开启)")
    all_axes[0][0].set_ylabel("KL to the largest (nats)\n与最大子模型的KL散度（奈特）")
    all_axes[0][-1].legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.suptitle(
        "How far is each sub-model from the largest? 各子模型离最大者有多远？\n" + caption,
        fontsize=14,
    )
    return figure


def introduction(rows: Sequence[StabilityRow]) -> Figure:
    """Draw gradient norms by the way in which sub-models are introduced, from a record's rows.

    Left the means over seeds along training, right the largest norm of a run with its spread.
    """
    figure, (left, right) = new_figure(14, 6, ncols=2, width_ratios=[1.5, 1])
    for index, row in enumerate(rows):
        curve = row.gradient_norm_curve
        middles = range(5, 10 * len(curve), 10)
        colour = _COLOURS[index % len(_COLOURS)]
        dashes = _DASHES[index % len(_DASHES)]
        left.plot(middles, curve, color=colour, linestyle=dashes, linewidth=2.2, label=label(row))
        largest = row.largest_gradient_norm
        ends = (largest.mean - largest.sd, largest.mean + largest.sd)
        right.plot(ends, (index, index), color=colour, linestyle=dashes, linewidth=2.2)
        right.plot(largest.mean, index, "o", color=colour, markersize=8)
    left.set_ylim(bottom=0)
    left.set_xlabel("step 训练步")
    left.set_ylabel("gradient norm, mean of ten steps\n梯度范数，十步平均")
    left.set_title("Along training, mean of the seeds 训练中，各种子的平均")
    left.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    right.set_yticks([])
    right.set_ylim(len(rows) - 0.5, -0.5)
    right.set_xlim(left=0)
    right.set_xlabel("largest norm of a run 一次训练中的最大范数")
    right.set_title("Mean ± sd over seeds 均值±标准差\n(lines as on the left 线同左图)")
    return figure
