"""A student's own calibration: how many of the intervals held what was measured."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.stats import binom

from tinybert_l.course.prediction_questions import CONFIDENCE, question_of
from tinybert_l.course.predictions import History, histories
from tinybert_l.errors import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FARTHEST = 4.0  # half widths of the interval; what lies beyond is drawn at the edge


@dataclass(frozen=True)
class Calibration:
    """The intervals and choices that were predicted before their results.

    Args:
        intervals, choices: what is known of each.
        problems: files that cannot be read.
    """

    intervals: tuple[History, ...]
    choices: tuple[History, ...]
    problems: tuple[str, ...] = ()

    @property
    def num_held(self) -> int:
        """How many intervals hold the result."""
        return sum(known.held is True for known in self.intervals)

    @property
    def num_right(self) -> int:
        """How many choices were right."""
        return sum(known.held is True for known in self.choices)

    @property
    def expected(self) -> tuple[int, int]:
        """How many intervals hold in 95 of 100 courses of someone who is right about 90 %."""
        low, high = binom.interval(0.95, len(self.intervals), CONFIDENCE)
        return int(low), int(high)


def calibration() -> Calibration:
    """Return the calibration over all lectures whose predictions lie beside this notebook's."""
    known, problems = histories()
    compared = [item for item in known if item.held is not None and _fits(item)]
    intervals: list[History] = []
    choices: list[History] = []
    for item in compared:
        (choices if question_of(item.name).kind == "choice" else intervals).append(item)
    return Calibration(tuple(intervals), tuple(choices), tuple(problems))


def _fits(known: History) -> bool:
    """Tell whether what is stored has the form that its question asks for."""
    assert known.prediction is not None and known.result is not None
    is_choice = question_of(known.name).kind == "choice"
    return ("choice" in known.prediction.value, "choice" in known.result.value) == (
        is_choice,
        is_choice,
    )


def show_calibration() -> None:
    """Show how many of one's intervals held the result, with a figure."""
    own = calibration()
    for problem in own.problems:
        print(printable(problem))
    if own.choices:
        print(f"choices 选择题: {own.num_right} of {len(own.choices)} right 猜对")
    if not own.intervals:
        print("no interval was stored before its result 没有在看结果之前存下的区间")
        return
    low, high = own.expected
    total = len(own.intervals)
    print(f"intervals 区间: {own.num_held} of {total} hold the measured value 包含实测值")
    sure = f"{100 * CONFIDENCE:.0f} % sure and right about it 九成把握名副其实"
    print(f"{sure}: {low} to {high} of {total}")
    from tinybert_l.course import figures

    figures.show(figure_of(own), description(own))


def description(own: Calibration) -> str:
    """Say in words what the figure shows."""
    outside = [question_of(known.name).words for known in own.intervals if known.held is not True]
    listed = "; ".join(outside) or "none 无"
    return (
        f"Your intervals, drawn to one width, with the measured values: {own.num_held} of "
        f"{len(own.intervals)} hold it; outside: {listed}. 你的区间画成同样宽，点是实测值。"
    )


def figure_of(own: Calibration) -> "Figure":
    """Draw each interval to the same width, and where in it or beside it the measured value is."""
    from tinybert_l.course import figures

    figure, axes = figures.new_figure(11, 1.6 + 0.36 * len(own.intervals))
    axes.axvspan(-1, 1, color="#DDDDDD", label="your interval 你的区间")
    places = [place_of(known) for known in own.intervals]
    for held, colour, marker, words in (
        (True, figures.LARGEST, "o", "inside 在内"),
        (False, figures.SMALLEST, "X", "outside 在外"),
    ):
        rows = [i for i, known in enumerate(own.intervals) if known.held is held]
        axes.plot(
            [places[i] for i in rows],
            rows,
            marker,
            color=colour,
            markersize=10,
            linestyle="none",
            label=f"measured value {words}",
        )
    names = [question_of(known.name).words for known in own.intervals]
    axes.set_yticks(range(len(names)), names, fontsize=11)
    axes.set(
        xlim=(-FARTHEST - 0.3, FARTHEST + 0.3),
        ylim=(len(names) - 0.5, -0.5),
        xlabel="distance from the interval's middle, in half widths 到区间中点的距离（半宽）",
        title=f"{own.num_held} of {len(names)} intervals hold 个区间包含实测值",
    )
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def place_of(known: History) -> float:
    """Return where the result lies: 0 in the middle, ±1 at the ends of the interval."""
    assert known.prediction is not None and known.result is not None
    values = {**known.prediction.value, **known.result.value}
    low, high, mean = (float(values[field]) for field in ("low", "high", "mean"))
    half = (high - low) / 2
    distance = mean - (low + high) / 2
    if half == 0:
        return 0.0 if distance == 0 else FARTHEST * (1 if distance > 0 else -1)
    return max(-FARTHEST, min(FARTHEST, distance / half))
