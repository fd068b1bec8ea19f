"""Say what makes a figure hard to read in a lecture hall: small text, text over other things."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, cast

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from tinybert_l.course.figures import SLIDE_INCHES, TEXT_POINTS

OVERLAP = 0.12  # of the smaller of two texts' areas; boxes of letters are a little too high
_TOLERANCE = 0.2  # points
_REACH = 4  # pixels of a text on a panel that is not its own


def problems(figure: Figure) -> list[str]:
    """List the texts of a figure that are too small on a slide, or lie on another text or panel.

    Args:
        figure: as it is shown; it is drawn for this.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    width, height = figure.get_tightbbox(renderer).size
    scale = min(1.0, (SLIDE_INCHES[0] + 0.2) / width, (SLIDE_INCHES[1] + 0.2) / height)
    listed = []
    placed: list[tuple[str, Bbox]] = []
    for text in _texts(figure):
        words = text.get_text().replace("\n", " ")
        size = float(text.get_fontsize()) * scale
        if size < TEXT_POINTS - _TOLERANCE:
            listed.append(f"{words!r} has {size:.1f} points on a slide, not {TEXT_POINTS:g}")
        box = text.get_window_extent(renderer)
        placed.append((words, box))
        if _lies_on_other_axes(text, box, figure):
            listed.append(f"{words!r} lies on a panel that is not its own")
    for (first, box), (second, other) in combinations(placed, 2):
        if _share(box, other) > OVERLAP:
            listed.append(f"{first!r} and {second!r} lie on each other")
    return listed


def _texts(figure: Figure) -> Iterator[Text]:
    """Find all texts that are drawn; ticks out of sight are not."""
    tick_labels: set[Text] = set()
    shown = []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                tick_labels.update((tick.label1, tick.label2))
            if axes.axison and axis.get_visible():
                for tick in cast(Any, axis)._update_ticks():
                    shown += [label for label in (tick.label1, tick.label2) if label.get_visible()]
            if not axes.axison:
                tick_labels.update((axis.label, axis.offsetText))
    for text in figure.findobj(Text):
        if text not in tick_labels:
            shown.append(text)
    for text in shown:
        if text.get_visible() and text.get_text().strip():
            yield text


def _lies_on_other_axes(text: Text, box: Bbox, figure: Figure) -> bool:
    """Tell whether a text reaches into axes of another place, which may be drawn over it."""
    own = [text.axes.get_window_extent().bounds] if text.axes else []
    for axes in figure.axes:
        panel = axes.get_window_extent()
        common = Bbox.intersection(box, panel)
        is_other = axes.axison and panel.bounds not in own
        if is_other and common is not None and min(common.width, common.height) > _REACH:
            return True
    return False


def _share(first: Bbox, second: Bbox) -> float:
    """Return the part of the smaller box that lies in the other."""
    common = Bbox.intersection(first, second)
    if common is None:
        return 0.0
    smaller = min(first.width * first.height, second.width * second.height)
    return float(common.width * common.height / smaller) if smaller else 0.0
