"""Draw concepts: TinyBERT-L (lecture 1), a joint step (2), one architecture for four tasks (5)."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Text

from tinybert_l.course.figures import (
    LARGEST,
    SMALLEST,
    SUB_MODEL,
    TEACHER,
    TEXT_POINTS,
    new_figure,
)
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.submodels import SubModel

EMBEDDINGS = "embeddings 嵌入"
ATTENTION = "attention 注意力"
FFN = "FFN"
REST = "pooler, classifier 池化层、分类头"
_PART_COLOURS = {EMBEDDINGS: "#999999", ATTENTION: LARGEST, FFN: SUB_MODEL, REST: "#444444"}
_GREEN = "#009E73"
_GREY = "#666666"
_MARKS = {None: ("", "#EEEEEE"), True: (" ✓", "#CDE8DC"), False: (" ✗", "#F6D5C3")}


def parts_of(model: ElasticBertForSequenceClassification) -> dict[str, int]:
    """Count the parameters of a model by part; together they are all of its parameters."""
    encoder = model.bert
    attention = 0
    ffn = 0
    for layer in encoder.layers:
        attention += _numel(layer.attention)
        ffn += _numel(layer.intermediate) + _numel(layer.output)
    embeddings = _numel(encoder.embeddings)
    rest = _numel(model) - embeddings - attention - ffn
    return {EMBEDDINGS: embeddings, ATTENTION: attention, FFN: ffn, REST: rest}


def _numel(module: torch.nn.Module) -> int:
    return sum(map(torch.numel, module.parameters()))


def concept(parts: Mapping[str, Mapping[str, int]], supernet: str) -> Figure:
    """Draw figure 1: the idea on the left, the models to scale on the right.

    Args:
        parts: {model's label: parameters by part}, the teacher first, then sub-models.
        supernet: the label of the largest sub-model, which is the supernet itself.
    """
    figure, (left, right) = new_figure(16, 6.6, ncols=2, width_ratios=[1, 1.6])
    names = list(parts)
    _draw_idea(left, [name for name in names[1:] if name != supernet], supernet)
    _draw_to_scale(right, parts, supernet)
    return figure


def _draw_idea(axes: Any, smaller: Sequence[str], supernet: str) -> None:
    """Draw teacher, supernet with nested sub-models, and a device for each of them."""
    _blank(axes, 10, 10)
    _box(axes, 5, 9.0, "teacher: BERT, fine-tuned\n教师：微调过的BERT", TEACHER, "white")
    _arrow(axes, (5, 8.35), (5, 7.55))
    axes.text(5.25, 7.95, "distillation 蒸馏", va="center")
    corners = [(0.4, 3.6, 9.2, 3.9, LARGEST), (3.3, 3.8, 6.1, 2.75, SUB_MODEL)]
    corners.append((6.3, 4.0, 2.9, 1.55, SMALLEST))
    for x, y, width, height, colour in corners:
        axes.add_patch(
            FancyBboxPatch(
                (x, y),
                width,
                height,
                boxstyle="round,pad=0,rounding_size=0.25",
                facecolor=colour,
                edgecolor="white",
                linewidth=2,
            )
        )
    axes.text(0.7, 7.0, f"one supernet 一个超网络 = {supernet}", color="white", va="center")
    labels = [supernet, *smaller]
    places = [(1.85, 5.2), (4.75, 5.2), (7.75, 4.8)]
    inks = ["white", "black", "white"]
    devices = ["server\n服务器", "laptop\n笔记本", "phone\n手机"]
    for label, (x, y), ink, device in zip(labels, places, inks, devices, strict=False):
        axes.text(x, y, label, color=ink, ha="center", va="center", fontsize=15)
        _arrow(axes, (x, 3.5), (x, 2.1))
        axes.text(x, 1.4, device, ha="center", va="center")
    axes.text(4.95, 2.8, "slice 取切片", ha="left", va="center")
    axes.set_title("One training, many models 一次训练，许多模型")


def _draw_to_scale(axes: Any, parts: Mapping[str, Mapping[str, int]], supernet: str) -> None:
    """Draw a square for each model; its area is its parameters.

    The supernet starts as a copy of the teacher: where both are of one size, they share a square.
    """
    sizes_by_name = dict(parts)
    teacher = next(iter(parts))
    shared = parts.get(supernet) == parts[teacher]
    if shared:
        del sizes_by_name[supernet]
    largest = max(sum(sizes.values()) for sizes in parts.values())
    left = 0.0
    for name, sizes in sizes_by_name.items():
        total = sum(sizes.values())
        side = (total / largest) ** 0.5
        bottom = 0.0
        for part, size in sizes.items():
            height = side * size / total
            axes.add_patch(
                Rectangle(
                    (left, bottom),
                    side,
                    height,
                    facecolor=_PART_COLOURS[part],
                    edgecolor="white",
                    linewidth=1 if height > 0.03 else 0,
                )
            )
            _write_size(axes, left, side, bottom, height, size, part)
            bottom += height
        title = f"{name}\n{total / 1e6:.1f} M"
        if name == teacher and shared:
            title = f"{name}, supernet 超网络\nat the start 起点: {total / 1e6:.1f} M"
        axes.text(left + side / 2, side + 0.03, title, ha="center", va="bottom")
        left += side + 0.5
    axes.set(xlim=(-0.05, left), ylim=(-0.02, 1.4), aspect="equal")
    axes.axis("off")
    handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in _PART_COLOURS.values()]
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.02)}
    axes.legend(handles, list(_PART_COLOURS), ncols=2, frameon=False, **below)
    axes.set_title("Area = parameters 面积即参数量")


def _write_size(
    axes: Any, left: float, side: float, bottom: float, height: float, size: int, part: str
) -> None:
    """Write a part's size into it, or beside it where it is too flat; the rest gets none."""
    if part == REST:
        return
    middle = bottom + height / 2
    text = f"{size / 1e6:.2f} M"
    if height > 0.11:  # room for a line of text
        ink = "white" if part == ATTENTION else "black"
        axes.text(left + side / 2, middle, text, ha="center", va="center", color=ink)
        return
    shift = 0.065 if part == FFN else -0.065
    colour = LARGEST if part == ATTENTION else "#8A5A00"  # orange is too pale for letters
    axes.text(left + side + 0.02, middle + shift, text, ha="left", va="center", color=colour)


def softened(logits: Sequence[float], temperatures: Sequence[float]) -> Figure:
    """Draw the softmax of the same logits at several temperatures, a panel each."""
    figure, all_axes = new_figure(13, 4, ncols=len(temperatures), sharey=True)
    values = torch.tensor(logits)
    colours = (LARGEST, SUB_MODEL, _GREEN)
    for axes, temperature in zip(all_axes, temperatures, strict=True):
        shares = torch.softmax(values / temperature, -1).tolist()
        names = [f"{logit:g}" for logit in logits]
        axes.bar(names, shares, color=colours[: len(names)])
        for place, share in enumerate(shares):
            axes.text(place, share + 0.02, f"{share:.3f}", ha="center")
        axes.set(ylim=(0, 1.08), xlabel="logit z")
        axes.set_title(f"t = {temperature:g}")
    all_axes[0].set_ylabel("probability 概率")
    figure.suptitle(
        "softmax(z / t) of the same logits z 同样的logits z在不同温度下的softmax(z / t)"
    )
    return figure


def joint_step(
    participants: Sequence[SubModel], title: str, names: Sequence[str], mean: Any, spread: Any
) -> Figure:
    """Draw figure 2: one joint step as data flow, and how far the sub-models' gradients agree.

    Args:
        participants: sub-models of the step, the largest first.
        title: which step of which schedule it is.
        names: labels of the heat map's sub-models.
        mean: cosines [names, names], averaged over batches.
        spread: their standard deviations over batches, of the same shape.
    """
    figure, (left, right) = new_figure(16, 6.8, ncols=2, width_ratios=[1.4, 1])
    _draw_step(left, participants, title)
    _draw_cosines(figure, right, names, np.asarray(mean), np.asarray(spread))
    return figure


def tasks(
    rows: Sequence[tuple[str, str, str, Sequence[tuple[str, bool | None]]]], sizes: Sequence[str]
) -> Figure:
    """Draw figure 8: for each task its input, its head, and what each size answers.

    Args:
        rows: (head, input, right answer or "", answers) of each task; an answer is its text and
            whether it is right, None where no single answer is.
        sizes: labels of the sub-models, in the order of the answers.
    """
    figure, axes = new_figure(14.5, 7.4)
    axes.axis("off")
    axes.set(xlim=(0, 14.8), ylim=(0.3, 9.6))
    encoder = "elastic\nencoder\n弹性编码器\n\n3 sets of\nweights\n3组权重"
    _box(axes, 5.45, 4.2, encoder, LARGEST, "white")
    columns = [10.8 + 1.6 * place for place in range(len(sizes))]
    axes.text(0, 9.2, "input 输入", fontsize=16, color=LARGEST)
    axes.text(6.95, 9.2, "head 头", fontsize=16, color=LARGEST)
    for x, size in zip(columns, sizes, strict=True):
        axes.text(x, 9.2, size, fontsize=16, color=LARGEST, ha="center")
    for number, (head, given, right, answers) in enumerate(rows):
        y = 7.75 - 2.2 * number
        at_encoder = 4.2 + (y - 4.2) * 0.3
        axes.text(0, y, _in_short_lines(given), va="center")
        _arrow(axes, (4.3, y), (4.75, at_encoder))
        _arrow(axes, (6.2, at_encoder), (6.85, y))
        wanted = f"\nright 正确: {right}" if right else ""
        axes.text(6.95, y, head + wanted, va="center")
        for x, (answer, is_right) in zip(columns, answers, strict=True):
            mark, colour = _MARKS[is_right]
            _box(axes, x, y, answer + mark, colour, "black")
    axes.set_title(
        "One architecture, four heads, three sizes: live answers "
        "一种架构，四个头，三种大小：现场的回答"
    )
    return figure


def _in_short_lines(text: str) -> str:
    """Break each line of an input at 30 characters, and cut it at 110."""
    lines = (textwrap.shorten(line, 110, placeholder=" …") for line in text.split("\n"))
    return "\n".join(textwrap.fill(line, 30) for line in lines)


def _draw_step(axes: Any, participants: Sequence[SubModel], title: str) -> None:
    """Draw batch, teacher, participants, losses and update; the largest teaches the others."""
    _blank(axes, 10, 10)
    batch = _box(axes, 0.8, 4.6, "one\nbatch\n同一批", _GREY, "white")
    teacher = _box(axes, 4.2, 9.2, "teacher, once 教师，一次", TEACHER, "white")
    _box(axes, 7.15, 4.6, "joint_loss\n联合损失", _GREEN, "white")
    _box(axes, 9.3, 4.6, "one\nupdate\n一次更新", _GREY, "white")
    _arrow(axes, (0.8, 4.6), (4.2, 9.2), ends=(batch, teacher))
    _arrow(axes, (8.1, 4.6), (8.4, 4.6))
    heights = np.linspace(6.6, 1.2, len(participants))
    for place, (sub_model, y) in enumerate(zip(participants, heights, strict=True)):
        colour = LARGEST if place == 0 else SUB_MODEL
        ink = "white" if place == 0 else "black"
        _box(axes, 4.2, y, sub_model.label, colour, ink, fontsize=16)
        _arrow(axes, (1.6, 4.6), (3.45, y))
        _arrow(axes, (4.95, y), (6.25, 4.6))
    _arrow(axes, (4.2, 8.75), (4.2, 7.2), TEACHER)
    for y in heights[1:]:
        _arrow(axes, (3.3, 8.75), (3.55, y + 0.45), TEACHER, "arc3,rad=0.15")
        _arrow(axes, (4.5, 6.05), (4.5, y + 0.5), LARGEST, "arc3,rad=-0.25")
    notes = {"va": "center"}
    axes.text(4.4, 8.05, "black 黑: the teacher's targets\n教师给的目标", **notes)
    axes.text(5.6, 1.2, "blue 蓝: the largest teaches\n最大者就地自蒸馏", color=LARGEST, **notes)
    axes.set_title(title)


def _draw_cosines(figure: Figure, axes: Any, names: Sequence[str], mean: Any, spread: Any) -> None:
    """Draw the mean cosines as a heat map; each cell states the spread as well."""
    picture = axes.imshow(mean, vmin=-1, vmax=1, cmap="PuOr_r")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    for row in range(len(names)):
        for column in range(len(names)):
            text = f"{mean[row, column]:.2f}"
            if row != column:
                text += f"\n±{spread[row, column]:.2f}"
            ink = "white" if abs(mean[row, column]) > 0.6 else "black"
            axes.text(column, row, text, ha="center", va="center", color=ink)
    bar = figure.colorbar(picture, ax=axes, shrink=0.75)
    bar.set_label("cosine 余弦 (no unit 无单位)")
    axes.set_xlabel("sub-model 子模型\n(± sd over batches 各批的标准差)")
    axes.set_title("Do their gradients agree? 梯度方向一致吗？")


def _blank(axes: Any, width: float, height: float) -> None:
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")


def _box(
    axes: Any, x: float, y: float, text: str, colour: str, ink: str, fontsize: float = TEXT_POINTS
) -> Text:
    style = {"boxstyle": "round,pad=0.45", "facecolor": colour, "edgecolor": "none"}
    return axes.text(
        x, y, text, color=ink, ha="center", va="center", fontsize=fontsize, bbox=style, zorder=3
    )


def _arrow(
    axes: Any,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str = _GREY,
    path: str = "arc3",
    ends: tuple[Text, Text] | None = None,
) -> None:
    """Draw an arrow; from edge to edge of two boxes where they are given, as their texts vary."""
    style = {"arrowstyle": "-|>", "lw": 1.6, "color": colour, "connectionstyle": path}
    if ends is not None:
        style |= {"patchA": ends[0].get_bbox_patch(), "patchB": ends[1].get_bbox_patch()}
    axes.annotate("", end, start, arrowprops=style, zorder=4)  # the boxes are placed before it
