"""Draw figures from live objects: configurations, schedules, logs, results."""

import base64
import io
import os
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.category import StrCategoryFormatter
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, Formatter, FuncFormatter

from tinybert_l.course.fonts import FONT
from tinybert_l.exercises.lecture_03 import kept_layers
from tinybert_l.exercises.lecture_06 import pareto_frontier
from tinybert_l.exercises.registry import MissingAnswer
from tinybert_l.languages import LANGUAGES, current_language, in_words, showing
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.evaluation import Result
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.submodels import SubModel, share_of

# Okabe and Ito's colours, which colour-blind readers can tell apart: a colour for each role
TEACHER = "#000000"
LARGEST = "#0072B2"
SUB_MODEL = "#E69F00"
SMALLEST = "#D55E00"
IDLE = "#DDDDDD"
_WIDTH_COLOURS = {1.0: "#0072B2", 0.5: "#E69F00", 0.25: "#009E73"}
_DEPTH_MARKERS = {6: "o", 3: "s", 2: "^"}
_LINE_COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#000000",
    "#8A7500",
)
_LINE_MARKERS = "osD^vP*X"


# what a slide of 1280 × 720 shows at its full size, and the size of text that is 14 points there
SLIDE_INCHES = (12.0, 6.3)
TEXT_POINTS = 13.5

# of the environment: figures are kept in each language too, for slides of an executed copy
EACH_LANGUAGE = "TINYBERT_L_FIGURES_IN_EACH_LANGUAGE"
MIME_OF_LANGUAGE = "application/x-png-{}"


def use_course_style() -> None:
    """Set sizes for a lecture hall, and the course's Chinese font behind matplotlib's own."""
    font_manager.fontManager.addfont(str(FONT))
    matplotlib.rcParams.update(
        {
            "font.family": ["DejaVu Sans", "TinyBERTL Sans SC"],
            "font.size": TEXT_POINTS,
            "axes.titlesize": 15,
            "legend.fontsize": TEXT_POINTS,
            "xtick.labelsize": TEXT_POINTS,
            "ytick.labelsize": TEXT_POINTS,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.dpi": 100,
            "savefig.bbox": "tight",
        }
    )


def new_figure(width: float = 11, height: float = 5.5, **kwargs: Any) -> tuple[Figure, Any]:
    """Open a figure in the course's style; returns it and its axes. It belongs to no window.

    Args:
        width, height: in inches; no more than fits on a slide without being made smaller.
        kwargs: of matplotlib's `subplots`.
    """
    use_course_style()
    size = (min(width, SLIDE_INCHES[0]), min(height, SLIDE_INCHES[1]))
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(**kwargs)


def show(figure: Figure, alt: str) -> None:
    """Show a figure in a notebook as PNG, with a text for those who cannot see it.

    Its texts are English first, then Chinese; in a course of one language the other half goes.
    """
    from IPython.display import Image, display

    in_each = {}
    if os.environ.get(EACH_LANGUAGE) and current_language() is None:
        in_each = _in_each_language(figure)
    say_in_language(figure)
    picture = Image(_png(figure), alt=in_words(alt))
    _keep(figure)
    if not in_each:
        display(picture)
        return
    data, metadata = picture._repr_mimebundle_()
    display(data | in_each, metadata=metadata, raw=True)


def _png(figure: Figure) -> bytes:
    """Draw a figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _in_each_language(figure: Figure) -> dict[str, str]:
    """Draw copies of a figure in one language each: {MIME type: PNG in base64}."""
    pictures = {}
    for language in LANGUAGES:
        copy = pickle.loads(pickle.dumps(figure))
        with showing(language):
            say_in_language(copy)
            png = _png(copy)  # ticks are named while it is drawn
        pictures[MIME_OF_LANGUAGE.format(language)] = base64.b64encode(png).decode()
    return pictures


def say_in_language(figure: Figure) -> None:
    """Reduce all texts of a figure, in place, to the current language, where there is one."""
    if current_language() is None:
        return
    for text in figure.findobj(Text):
        text.set_text(in_words(text.get_text()))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, FixedFormatter | FuncFormatter | StrCategoryFormatter):
                axis.set_major_formatter(_InWords(formatter))


class _InWords(Formatter):
    """Labels ticks as another formatter does, in the current language."""

    def __init__(self, formatter: Formatter) -> None:
        self.formatter = formatter

    def __call__(self, value: float, position: int | None = None) -> str:
        return in_words(str(self.formatter(value, position)))  # ticks may be named by numbers


def _keep(figure: Figure) -> None:
    """Keep a shown figure as SVG and PDF, for slides, where TINYBERT_L_FIGURES names a folder."""
    folder = os.environ.get("TINYBERT_L_FIGURES")
    if not folder:
        return
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    name = re.sub(r"\W+", "-", next(filter(None, titles), "figure")).strip("-")[:60]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for kind in ("svg", "pdf"):
        figure.savefig(Path(folder) / f"{name}.{kind}", bbox_inches="tight")


def pareto(results: Sequence[Result], title: str = "") -> Figure:
    """Draw accuracy with its interval against latency, of teacher and sub-models.

    Colours tell the width, markers the depth; names stand beside the figure, since latencies may
    lie as close together as they like. The Pareto frontier is drawn where it can be computed: it
    is an exercise of lecture 6.

    Args:
        title: empty for that of the demo.
    """
    figure, axes = new_figure(12, 6.2)
    points = []
    for result in results:
        points.append((result.latency_ms_batch_32, 100 * result.accuracy))
        _draw_result(axes, result)
    _draw_frontier(axes, points)
    axes.set_xscale("log")
    fastest = min(latency for latency, _ in points)
    slowest = max(latency for latency, _ in points)
    ticks = []
    for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500):
        if fastest / 2 < tick < 2 * slowest:
            ticks.append(tick)
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.minorticks_off()
    axes.set_xlabel(
        "latency at batch 32, length 32 (ms, log scale) 批大小32、长度32的延迟（毫秒，对数刻度）"
    )
    axes.set_ylabel("accuracy (%) with 95 % interval 准确率（%）与95 %区间")
    axes.set_title(title or "One joint run, nine models to choose from 一次联合训练，九个模型可选")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _draw_result(axes: Any, result: Result) -> None:
    """Draw the point of a model, with its interval; its name is for the legend."""
    colour = _WIDTH_COLOURS.get(result.width, SUB_MODEL)
    marker = _DEPTH_MARKERS.get(result.depth, "D")
    size = 9
    if result.name == "teacher":
        colour = TEACHER
        marker = "*"
        size = 13
    below = 100 * (result.accuracy - result.accuracy_low)
    above = 100 * (result.accuracy_high - result.accuracy)
    axes.errorbar(
        result.latency_ms_batch_32,
        100 * result.accuracy,
        [[below], [above]],
        color=colour,
        marker=marker,
        markersize=size,
        elinewidth=1,
        linestyle="none",
        label=result.label,
    )


def _draw_frontier(axes: Any, points: list[tuple[float, float]]) -> None:
    """Draw the Pareto frontier where lecture 6's exercise is answered."""
    try:
        frontier = [points[index] for index in pareto_frontier(points)]
    except MissingAnswer:  # before lecture 6 the points stand alone
        return
    axes.step(
        *zip(*frontier, strict=True),
        where="post",
        color="#666666",
        zorder=0,
        label="Pareto frontier\n帕累托前沿",
    )


def elastic_layer(config: ElasticBertConfig, sub_models: Sequence[SubModel]) -> Figure:
    """Draw figure 3: each sub-model's kept layers, and their sliced heads and FFN neurons."""
    figure, all_axes = new_figure(4.2 * len(sub_models), 6.4, ncols=len(sub_models), squeeze=False)
    for axes, sub_model in zip(all_axes[0], sub_models, strict=True):
        _draw_slices(axes, config, sub_model)
    all_axes[0][0].set_ylabel("layer 层")
    figure.suptitle(
        "Sub-models are slices of one set of weights 子模型是同一组权重的切片\n"
        "blue 蓝: heads 头    orange 橙: FFN neurons FFN神经元    grey 灰: not used 未使用",
        fontsize=14,
    )
    return figure


def _draw_slices(axes: Any, config: ElasticBertConfig, sub_model: SubModel) -> None:
    """Draw every layer of the supernet; the part that a sub-model uses is coloured."""
    total_layers = config.num_hidden_layers
    total_heads = config.num_attention_heads
    kept = kept_layers(total_layers, sub_model.depth)
    heads = share_of(total_heads, sub_model.width)
    neurons = share_of(config.intermediate_size, sub_model.width) / config.intermediate_size
    full_width = total_heads - 0.15
    for layer in range(total_layers):
        used_heads = heads if layer in kept else 0
        for head in range(total_heads):
            colour = LARGEST if head < used_heads else IDLE
            axes.add_patch(Rectangle((head, layer), 0.85, 0.38, color=colour))
        axes.add_patch(Rectangle((0, layer + 0.46), full_width, 0.3, color=IDLE))
        if layer in kept:
            used_width = full_width * neurons
            axes.add_patch(Rectangle((0, layer + 0.46), used_width, 0.3, color=SUB_MODEL))
    axes.set_xlim(-0.3, total_heads + 0.2)
    axes.set_ylim(-0.2, total_layers)
    layers = range(total_layers)
    axes.set_yticks([layer + 0.4 for layer in layers], [str(layer + 1) for layer in layers])
    axes.set_xticks([0.4, total_heads - 0.6], ["1", str(total_heads)])
    axes.set_xlabel("heads 注意力头 (by importance 按重要性)")
    axes.set_title(
        f"{sub_model.label}: {sub_model.depth} layers 层,\n"
        f"{heads} heads 头, FFN {100 * neurons:.0f} %"
    )
    axes.tick_params(length=0)


def joint_mechanism(recipe: JointRecipe) -> Figure:
    """Draw figure 4: who takes part in each step of the real schedule, and who teaches whom."""
    figure, (left, right) = new_figure(14, 6, ncols=2, width_ratios=[2.2, 1])
    sub_models = recipe.sub_models()[::-1]
    steps = np.arange(recipe.num_steps)
    active = np.zeros((len(sub_models), recipe.num_steps))
    for step in steps:
        for sub_model in recipe.participants(int(step)):
            active[sub_models.index(sub_model), step] = 1
    colours = [LARGEST] + [SUB_MODEL] * (len(sub_models) - 2) + [SMALLEST]
    for row, colour in zip(range(len(sub_models)), colours, strict=False):
        chosen = steps[active[row] > 0]
        height = np.full(len(chosen), row)
        left.plot(chosen, height, "|", color=colour, markersize=20, markeredgewidth=1.2)
    left.set_yticks(range(len(sub_models)), [s.label for s in sub_models])
    left.invert_yaxis()
    for start, _ in recipe.stages[1:]:
        left.axvline(start * recipe.num_steps, color="#666666", linestyle=":", linewidth=1.5)
    left.set_xlabel("step 训练步 (dotted 虚线: a stage opens 新阶段开启)")
    left.set_ylabel("sub-model 子模型 (depth 深度 × width 宽度)")
    left.set_title("Who takes part in each step 每步有谁参与")
    _draw_teaching(right, recipe)
    return figure


def _draw_teaching(axes: Any, recipe: JointRecipe) -> None:
    """Draw teacher, largest and other sub-models, and what is passed from one to another."""
    boxes = {
        "teacher\n教师模型": (0.5, 0.88, TEACHER),
        "largest\n最大子模型": (0.5, 0.5, LARGEST),
        "others\n其余子模型": (0.5, 0.12, SUB_MODEL),
    }
    for text, (x, y, colour) in boxes.items():
        axes.text(
            x,
            y,
            text,
            ha="center",
            va="center",
            color="white" if colour != SUB_MODEL else "black",
            fontsize=14,
            bbox={"boxstyle": "round,pad=0.6", "facecolor": colour, "edgecolor": "none"},
        )
    names = {
        "soft_label": "soft labels 软标签",
        "embedding": "embeddings 嵌入",
        "hidden": "hidden states 隐藏状态",
    }
    names["attention"] = "attention scores 注意力分数"
    used = [text for part, text in names.items() if getattr(recipe, f"{part}_weight")]
    arrows = [((0.5, 0.79), (0.5, 0.59), "arc3"), ((0.32, 0.86), (0.32, 0.14), "arc3,rad=0.45")]
    if recipe.self_distillation:
        arrows.append(((0.5, 0.41), (0.5, 0.21), "arc3"))
        axes.text(0.53, 0.31, "soft labels 软标签\n(self-distillation 自蒸馏)", va="center")
    for start, end, style in arrows:
        axes.add_patch(
            FancyArrowPatch(
                start,
                end,
                connectionstyle=style,
                arrowstyle="-|>",
                mutation_scale=22,
                color="#444444",
            )
        )
    axes.text(0.53, 0.69, "\n".join(used), va="center")
    axes.text(0.3, 0.31, "the same\n同样几项", ha="center", va="center")
    axes.set_xlim(0, 1.15)
    axes.set_ylim(0, 1)
    axes.axis("off")
    axes.set_title("Who teaches whom 谁教谁")


def self_distillation(
    steps: Sequence[int],
    divergences: dict[str, Sequence[float]],
    stage_steps: Sequence[float],
    caption: str,
) -> Figure:
    """Draw figure 5: the distance of each sub-model to the largest while the stages open.

    Args:
        steps: training steps at which it was measured.
        divergences: {sub-model's label: mean KL divergence in nats at each of the steps}.
        stage_steps: the steps at which stages open.
        caption: the run that was measured, for the title.
    """
    figure, axes = new_figure(11, 6)
    for index, (label, values) in enumerate(divergences.items()):
        axes.plot(
            steps,
            values,
            marker=_LINE_MARKERS[index % len(_LINE_MARKERS)],
            color=_LINE_COLOURS[index % len(_LINE_COLOURS)],
            label=label,
            linewidth=2,
        )
    for step in stage_steps:
        axes.axvline(step, color="#666666", linestyle=":", linewidth=1.5)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step 训练步 (dotted 虚线: a stage opens 新阶段开启)")
    axes.set_ylabel("KL to the largest (nats)\n与最大子模型的KL散度（奈特）")
    axes.set_title(
        f"How far is each sub-model from the largest? 各子模型离最大者有多远？\n{caption}"
    )
    axes.legend(ncols=1, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
