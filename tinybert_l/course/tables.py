"""Show results as tables: in the terminal (rich) and in notebooks (pandas)."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tinybert_l.course import captions
from tinybert_l.course.record_types import LectureVerdicts, Record, Verdict
from tinybert_l.course.rows import Interval, OverSeeds, Quartiles, Row
from tinybert_l.languages import current_language, in_words, words_in

if TYPE_CHECKING:
    import pandas as pd  # which takes half a second

    from tinybert_l.course.measuring import Baseline  # which needs torch
    from tinybert_l.method.evaluation import Result  # which needs torch

LEAST_WIDTH = 60  # characters
VERDICT_FIELDS = ("claim", "test", "number", "verdict", "record")


def row_cells(row: Row) -> dict[str, Any]:
    """The cells of a row in full, by column title: an interval takes three columns, a mean two."""
    cells: dict[str, Any] = {}
    for column, key, value in _shown_fields(row):
        title = str(column.title).format(key=key)
        if isinstance(value, Interval | Quartiles):
            middle, low, high = dataclasses.astuple(value)[:3]
            cells[title] = middle
            cells[column.low.format(key=key)] = low
            cells[column.high.format(key=key)] = high
        elif isinstance(value, OverSeeds):
            cells[title] = value.mean
            cells[f"{title} {captions.SPREAD}"] = value.sd
        else:
            cells[title] = value
    return cells


def short_row_cells(row: Row) -> dict[str, Any]:
    """The cells of a row, by column title; spreads and intervals stand beside their means."""
    cells: dict[str, Any] = {}
    for column, key, value in _shown_fields(row):
        title = str(column.title).format(key=key)
        if isinstance(value, Interval | Quartiles):
            digits = ".3f" if column.title.unit == "nats" else ".1f"  # nats are small numbers
            digits = "+" + digits if column.signed else digits
            middle, low, high = (format(part, digits) for part in dataclasses.astuple(value)[:3])
            cells[title] = f"{middle} [{low}, {high}]"
        elif isinstance(value, OverSeeds):
            one_seed = value.values is not None and len(value.values) == 1
            spread = "" if one_seed else f" ± {value.sd:.2f}"
            cells[title] = f"{value.mean:.2f}{spread}"
        elif isinstance(value, float) and column.title.unit == "%":
            cells[title] = f"{value:.1f}"  # some thousand texts support no more
        else:
            cells[title] = value
    return cells


def _shown_fields(row: Row) -> Iterator[tuple[captions.Column, str, Any]]:
    """The column, the key's label (of a dictionary) and the value of all that a row shows."""
    for name, column in captions.COLUMNS[row.kind].items():
        value = getattr(row, name)
        if isinstance(value, dict):
            for key, part in value.items():
                yield column, captions.key_label(row, key), part
        elif isinstance(value, tuple):  # a curve
            yield column, "", " → ".join(f"{point:.1f}" for point in value)
        elif value is not None:
            yield column, "", value


def record_table(record: Record) -> Any:
    """A record for a notebook: a styled table whose caption says what it is and how old."""
    import pandas as pd

    state = "current 与代码一致"
    if record.stale:
        state = "STALE: the recipe has changed since 已过期：配方已改"
    file = f"results/{record.name}.json"
    caption = f"Record 记录 {file} · `{record.command}` · {record.day} · {state}"
    name = str(captions.NAME)
    frame = pd.DataFrame(
        [{name: captions.label(row), **short_row_cells(row)} for row in record.rows]
    )
    if len(frame.columns) > 2 * len(frame):  # wider than a slide: a row for each quantity
        frame = frame.set_index(name).T.rename_axis(name).reset_index()
        frame.columns.name = None
    return styled(frame, caption, missing="")


def verdicts_frame(verdicts: Sequence[Verdict]) -> "pd.DataFrame":
    """Verdicts in columns with titles for people."""
    import pandas as pd

    titles = {name: str(captions.VERDICT_COLUMNS[name]) for name in VERDICT_FIELDS}
    cells = [
        [captions.stored_words(getattr(verdict, name)) for name in VERDICT_FIELDS]
        for verdict in verdicts
    ]
    return pd.DataFrame(cells, columns=list(titles.values()))


def all_verdicts_frame(lectures: Sequence[LectureVerdicts]) -> "pd.DataFrame":
    """The verdicts of several lectures, with the lecture, the source and the run of each."""
    import pandas as pd

    frames = []
    for lecture in lectures:
        frame = verdicts_frame(lecture.verdicts)
        frame.insert(0, str(captions.VERDICT_COLUMNS["lecture"]), lecture.lecture)
        frame[str(captions.VERDICT_COLUMNS["source"])] = lecture.source
        frame[str(captions.VERDICT_COLUMNS["run"])] = lecture.run
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def verdicts_table(lecture: int, verdicts: Sequence[Verdict]) -> Any:
    """A lecture's verdicts for its notebook, styled."""
    title = f"Verdicts of lecture {lecture} 第{lecture}讲的判断"
    return styled(verdicts_frame(verdicts), title)


def styled(frame: "pd.DataFrame", caption: str, digits: int = 2, missing: str | None = None) -> Any:
    """Style a notebook table; its caption says where its numbers come from.

    In a course of one language headings, texts and caption are reduced to it. Thousands are
    grouped, as in the lectures' sentences.

    Args:
        digits: decimals of every number that is no whole number.
        missing: the text where there is no number; None: "nan".
    """
    if current_language() is not None:
        frame = frame.rename(columns=words_in).map(words_in)
    style = frame.style.hide(axis="index").set_caption(in_words(caption))
    return style.format(precision=digits, na_rep=missing, thousands=",")


def console() -> Console:
    """Open a console; output to a file is not squeezed into 80 columns.

    In a narrower terminal than LEAST_WIDTH lines are broken by the terminal: rich would leave
    columns out.
    """
    usual = Console()
    if not usual.is_terminal and "COLUMNS" not in os.environ:
        return Console(width=150)
    return usual if usual.width >= LEAST_WIDTH else Console(width=LEAST_WIDTH)


def results_table(results: "Sequence[Result]", baseline: "Baseline", title: str) -> Table:
    """Teacher and sub-models for the terminal, a model in each row; the bag of words comes last.

    "way" is the share of the way from the bag of words (0 %) to the teacher (100 %).
    """
    table = Table(title=title)
    table.add_column("model")
    for heading in (
        "accuracy (95 %)",
        "kept",
        "way",
        "params M",
        "w/o emb.",
        "MFLOPs",
        "ms b1",
        "ms b32",
        "× b1",
        "× b32",
    ):
        table.add_column(heading, justify="right")
    teacher = results[0].accuracy
    for r in results:
        table.add_row(
            r.label,
            _percent(r),
            f"{100 * r.kept:.1f} %",
            way_to_teacher(r.accuracy, baseline.accuracy, teacher),
            f"{r.parameters / 1e6:.1f}",
            f"{r.encoder_parameters / 1e6:.2f}",
            f"{r.flops / 1e6:.0f}",
            f"{r.latency_ms_batch_1:.1f}±{r.latency_iqr_ms_batch_1:.1f}",
            f"{r.latency_ms_batch_32:.1f}±{r.latency_iqr_ms_batch_32:.1f}",
            f"{r.speedup_batch_1:.1f}",
            f"{r.speedup_batch_32:.1f}",
        )
    floor = way_to_teacher(baseline.accuracy, baseline.accuracy, teacher)
    kept = f"{100 * baseline.accuracy / teacher:.1f} %"
    table.add_row("bag of words 词袋", _percent(baseline), kept, floor)
    return table


def _percent(row: "Result | Baseline") -> str:
    low, high = 100 * row.accuracy_low, 100 * row.accuracy_high
    return f"{100 * row.accuracy:.1f} ({low:.1f}-{high:.1f})"


def way_to_teacher(accuracy: float, floor: float, teacher: float) -> str:
    """Say which share of the way from the floor to the teacher an accuracy has gone.

    "-" where the teacher is no better than the floor: then there is no way.
    """
    if teacher <= floor:
        return "-"
    return f"{100 * (accuracy - floor) / (teacher - floor):.0f} %"


def rows_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of words for the terminal; brackets in them are shown, not taken for colours."""
    table = Table(title=Text(in_words(title)))
    for heading in headings:
        table.add_column(Text(in_words(heading)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(in_words(cell)) for cell in row))
    return table
