"""Draw forest plots: the differences that the records keep, with their intervals, beside 0.

All differences are turned so that right is better: with a part minus without it, a sub-model minus
the teacher, reading more minus cutting.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.figure import Figure

from tinybert_l.course.captions import label
from tinybert_l.course.figures import TEXT_POINTS, new_figure
from tinybert_l.course.record_types import Record
from tinybert_l.course.records import read_record
from tinybert_l.course.rows import (
    AblationRow,
    CascadeRow,
    ChineseRow,
    DocumentRow,
    HeadlineRow,
    Interval,
    JointGapRow,
    JointMeanGapRow,
    MaskedTokenRow,
    Row,
    SelfDistillationRow,
    StrategyRow,
    TwoStagesRow,
)
from tinybert_l.errors import InvalidInput
from tinybert_l.submodels import SubModel

Part = Literal["training", "use"]
LOW, HIGH = -4.3, 9.0  # what a figure shows, in points; an arrow says that there is more
_TITLES: dict[Part, str] = {
    "training": (
        "What training brings (number: lecture); right is better "
        "训练的各种做法（数字为讲）；右边为好"
    ),
    "use": (
        "What ways of use bring (number: lecture); right is better "
        "模型的各种用法（数字为讲）；右边为好"
    ),
}
COLOURS = {2: "#0072B2", 3: "#CC79A7", 4: "#009E73", 7: "#E69F00", 8: "#D55E00"}


@dataclass(frozen=True)
class Difference:
    """A bar of the plot, in percentage points; right, above 0, is better."""

    label: str
    estimate: float
    low: float
    high: float
    counts_seeds: bool = True  # the interval of one seed is narrower than it should be

    @property
    def is_apart(self) -> bool:
        """Tell whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Group:
    """The differences of a record that belong under one heading."""

    lecture: int
    title: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class _Source:
    """Where a group comes from: the record, and which of its rows are meant."""

    part: Part
    record: str
    lecture: int
    title: str
    select: Callable[[Any], Iterator[Difference]]


def groups(part: Part) -> list[Group]:
    """Read the groups of a figure from the records, in the order of the lectures.

    Args:
        part: "training", what a way to train brings; "use", what a way to use the models brings.
    Raises:
        InvalidInput: another part.
    """
    if part not in ("training", "use"):
        raise InvalidInput(f"groups: part={part!r}; allowed: 'training', 'use'.")
    read = []
    for source in _SOURCES:
        record = read_record(source.record) if source.part == part else None
        if record is None:
            continue
        differences = tuple(_differences(record, source))
        if differences:
            stale = " (stale 已过时)" if record.stale else ""
            read.append(Group(source.lecture, source.title + stale, differences))
    return read


def _differences(record: Record, source: _Source) -> Iterator[Difference]:
    for row in record.rows:
        yield from source.select(row)


def forest_plot(part: Part) -> Figure:
    """Draw the groups of a part in two columns, each bar beside the line at 0.

    Raises:
        InvalidInput: another part, or none of its records is there.
    """
    shown = groups(part)
    if not shown:
        raise InvalidInput(f"forest_plot: {part!r} has no record; needed: {_RECORDS_OF[part]}.")
    figure, all_axes = new_figure(12, 6.3, ncols=2)
    columns = _columns(shown)
    height = max(map(_rows, columns))
    for axes, column in zip(all_axes, columns, strict=True):
        _draw_column(axes, column, height)
    figure.supxlabel(
        "difference (points), 95 % interval; hollow: too narrow, seeds left out; arrow: goes on\n"
        "差（百分点）与95 %区间；空心：没有把种子算全，偏窄；箭头：图外还有",
        fontsize=TEXT_POINTS,
    )
    figure.suptitle(_TITLES[part], fontsize=15)
    return figure


def _rows(column: Sequence[Group]) -> int:
    """Count the rows of a column: one a difference, one a heading."""
    return sum(len(group.differences) + 1 for group in column)


def _columns(shown: Sequence[Group]) -> tuple[Sequence[Group], Sequence[Group]]:
    """Cut the groups in two columns, the higher one as low as can be."""
    cuts = [(shown[:place], shown[place:]) for place in range(len(shown) + 1)]
    return min(cuts, key=lambda cut: max(map(_rows, cut)))


def _draw_column(axes: Any, column: Sequence[Group], height: int) -> None:
    """Draw headings and bars from top to bottom; the line at 0 stops at each heading."""
    row = 0
    places, names = [], []
    for group in column:
        heading = f"{group.lecture}: {group.title}"
        axes.text(HIGH, row, heading, ha="right", va="center")
        first = row + 1
        for difference in group.differences:
            row += 1
            _draw_difference(axes, difference, row, COLOURS[group.lecture])
            places.append(row)
            names.append(difference.label)
        axes.plot((0, 0), (first - 0.45, row + 0.45), color="#444444", linewidth=1, zorder=0)
        row += 1
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set(xlim=(LOW, HIGH + 0.3), ylim=(height - 0.4, -0.6), xticks=(-4, 0, 4, 8))


def _draw_difference(axes: Any, difference: Difference, row: int, colour: str) -> None:
    """Draw a bar; arrows where it leaves the figure, and the number of a point outside it."""
    ends = max(difference.low, LOW), min(difference.high, HIGH)
    if ends[0] < ends[1]:
        axes.plot(ends, (row, row), color=colour, linewidth=2, zorder=1)
    if LOW <= difference.estimate <= HIGH:
        inside = colour if difference.counts_seeds else "white"
        axes.plot(
            difference.estimate, row, "o", color=colour, markerfacecolor=inside, markersize=6.5
        )
    if difference.low < LOW:
        axes.plot(LOW, row, "<", color=colour, markersize=7, clip_on=False)
    if difference.high > HIGH:
        axes.plot(HIGH, row, ">", color=colour, markersize=7, clip_on=False)
    if difference.estimate < LOW:
        axes.text(LOW + 0.4, row, f"−{abs(difference.estimate):.1f}", va="center")


def _difference(name: str, gap: Interval, *, turned: bool = False, less: float = 0.0) -> Difference:
    """Turn a stored interval into a bar.

    Args:
        turned: it was kept as without minus with.
        less: what is taken off, 100 for what is kept of the teacher.
    """
    counts_seeds = gap.method in ("seeds", "seeds_and_items")
    if turned:
        return Difference(name, -gap.estimate, -gap.high, -gap.low, counts_seeds)
    return Difference(name, gap.estimate - less, gap.low - less, gap.high - less, counts_seeds)


def _joint(row: Row) -> Iterator[Difference]:
    if isinstance(row, JointGapRow | JointMeanGapRow):
        yield _difference(label(row), row.difference_points)


def _joint_mean(row: Row) -> Iterator[Difference]:
    if isinstance(row, JointMeanGapRow):
        yield from _joint(row)


def _self_distillation(row: SelfDistillationRow) -> Iterator[Difference]:
    if row.difference_points is not None:
        yield _difference(row.sub_model.label, row.difference_points)


_STRATEGIES = {  # what the variant lacks
    "constant_rate": "rate schedule 学习率调度",
    "no_clipping": "clipping 裁剪",
    "no_weight_decay": "weight decay 权重衰减",
    "no_dropout": "dropout 随机失活",
}


def _strategy(row: StrategyRow) -> Iterator[Difference]:
    if row.difference_points is not None:
        yield _difference(_STRATEGIES[row.strategy], row.difference_points, turned=True)


_WAYS = {
    "general_then_task": "general first 先通用",
    "task_for_longer": "as long, task only 同代价，只有任务",
}


def _two_stages(row: TwoStagesRow) -> Iterator[Difference]:
    if row.way in _WAYS and row.difference_points is not None:
        yield _difference(_WAYS[row.way], row.difference_points)


def _masked_token(row: MaskedTokenRow) -> Iterator[Difference]:
    gap = row.against_most_frequent_points
    if row.model == "pretrained" and gap is not None and row.sub_model is not None:
        yield _difference(row.sub_model.label, gap)


def _chinese(row: ChineseRow) -> Iterator[Difference]:
    if row.gain_points is not None:
        yield _difference(row.sub_model.label, row.gain_points)


_PARTS = {  # of the recipe, by the variant that lacks it
    "soft_labels_only": "inner layers 中间层",
    "no_unlabelled_text": "unlabelled text 无标注文本",
    "no_order_of_importance": "importance order 重要性排序",
    "no_self_distillation": "self-distillation 自蒸馏",
    "whole_vocabulary": "pruned vocabulary 裁剪词表",
    "smallest_alone": "other sub-models 其他子模型",
}


def _ablation(row: AblationRow) -> Iterator[Difference]:
    for name, gap in (row.difference_points or {}).items():
        words = f"{_PARTS[row.variant]}, {SubModel.parse(name).label}"
        yield _difference(words, gap, turned=row.variant in _PARTS)


def _headline(row: HeadlineRow) -> Iterator[Difference]:
    """Take sub-models in the teacher's runtime and the smallest; ONNX float32 answers as torch."""
    if row.role != "candidate" or row.kept_percent is None:
        return
    model = row.models[0]
    if model.runtime != "ONNX float32":
        yield _difference(model.label, row.kept_percent, less=100.0)


def _large_teacher(row: HeadlineRow) -> Iterator[Difference]:
    if row.gain_points is not None and row.models[0].runtime == "torch float32":
        yield _difference(row.models[0].sub_model.label, row.gain_points)


def _is_at_equal_cost(row: CascadeRow) -> bool:
    return row.goal == "cost" and row.difference_points is not None


def _cascade(row: CascadeRow) -> Iterator[Difference]:
    if row.method == "cascade" and _is_at_equal_cost(row):
        chain = " → ".join(sub_model.label for sub_model in row.sub_models)
        yield _against_target(chain, row)


def _exits(row: CascadeRow) -> Iterator[Difference]:
    if row.method in ("trained_exits", "untrained_exits") and _is_at_equal_cost(row):
        is_trained = row.method == "trained_exits"
        yield _against_target("trained 训练过" if is_trained else "untrained 未训练", row)


def _against_target(name: str, row: CascadeRow) -> Difference:
    assert row.target is not None and row.difference_points is not None
    return _difference(f"{name} − {row.target.label}", row.difference_points)


_READINGS = {
    "windows": "windows 切窗口",
    "windowed_attention": "windowed 窗口注意力",
    "windowed_attention_short_first": "windowed, short first 窗口，先短",
}


def _document(row: DocumentRow) -> Iterator[Difference]:
    if row.against_cutting_points is not None:
        name = f"{row.sub_model.label}, {_READINGS[row.reading]}"
        yield _difference(name, row.against_cutting_points)


_SOURCES = (
    _Source("training", "joint_against_separate", 2, "joint − alone 联合−单独", _joint),
    _Source(
        "training", "joint_equal_updates", 2,
        "joint − alone as often 联合−单独，同样次数", _joint_mean,
    ),
    _Source(
        "training", "self_distillation", 3, "self-distillation − none 有−无自蒸馏",
        _self_distillation,
    ),
    _Source("training", "strategies", 4, "strategy on − off 训练策略开−关", _strategy),
    _Source(
        "training", "two_stages", 4, "other ways − task only 别的做法−只有任务", _two_stages
    ),
    _Source(
        "training", "masked_tokens", 4, "pre-training − commonest token 预训练−最常见字",
        _masked_token,
    ),
    _Source("training", "chinese", 4, "pre-training − none 有−无预训练", _chinese),
    _Source("training", "ablation", 7, "part with − without 部件有−无", _ablation),
    _Source("use", "cascade", 7, "cascade − one sub-model 级联−单个子模型", _cascade),
    _Source("use", "cascade", 7, "early exit − one sub-model 提前退出−单个子模型", _exits),
    _Source("use", "headline", 8, "kept − all of the teacher 保留−教师的全部", _headline),
    _Source("use", "headline_mpnet", 8, "large teacher − own 大教师−原教师", _large_teacher),
    _Source("use", "assistant", 8, "taught by it − before 跟它学−之前", _large_teacher),
    _Source("use", "long_documents", 8, "reading more − cutting 读更多−截断", _document),
)  # fmt: skip
_RECORDS_OF: dict[str, str] = {
    part: ", ".join(source.record for source in _SOURCES if source.part == part)
    for part in ("training", "use")
}
