"""The parts that benchmarks share: timing in turns, and a table, a JSON file and a plot of ratios.

`--record` after a benchmark's command also keeps the JSON under results/benchmarks/.
"""

import json
import platform
import sys
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, TypeVar

import torch

from tinybert_l import figures
from tinybert_l.cache import write_atomically
from tinybert_l.course import captions
from tinybert_l.course.records import RESULTS, record_to_json
from tinybert_l.course.rows import Quartiles, Row, TimedRow
from tinybert_l.course.tables import console, row_cells, rows_table

OUTPUT = Path("outputs/benchmarks")
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Timing:
    """A contestant's milliseconds, and how much faster it is than the first contestant."""

    duration_ms: Quartiles
    times_faster: float


def contest(
    contestants: Mapping[Key, Callable[[], Any]], rounds: int, repeats: int = 1
) -> dict[Key, Timing]:
    """Time every contestant in every round, so that a slow minute of the machine meets them all.

    Args:
        contestants: a call for each; the first is the one that the others are compared with.
        rounds: timed rounds; a round before them warms up.
        repeats: calls of a contestant in a round.
    """
    times: dict[Key, list[float]] = {key: [] for key in contestants}
    for round_number in range(rounds + 1):
        for key, call in contestants.items():
            begin = time.perf_counter()
            for _ in range(repeats):
                call()
            if round_number > 0:
                times[key].append(1000 * (time.perf_counter() - begin) / repeats)
    first = median(next(iter(times.values())))
    timings = {}
    for key, values in times.items():
        low, middle, high = quantiles(values, n=4)
        duration = Quartiles(middle, low, high, tuple(values))
        timings[key] = Timing(duration, first / middle)
    return timings


def report(name: str, kind: str, rows: Sequence[TimedRow], **details: Any) -> None:
    """Print the table; write outputs/benchmarks/NAME.json and NAME.png.

    Args:
        name: of the files.
        kind: of the record (see `tinybert_l.course.records.RECORD_KINDS`).
        rows: a row for each contestant.
        details: settings and further measurements, which the record keeps.
    """
    title = captions.benchmark_title(kind, details)
    print_rows(title, rows)
    keep(name, kind, rows, **details)
    figure, axes = figures.new_figure(10, 0.6 * len(rows) + 1.6)
    places = range(len(rows))[::-1]
    axes.barh(places, [row.times_faster for row in rows], color=figures.LARGEST)
    axes.set_yticks(places, list(map(captions.label, rows)))
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xlabel="times faster than the first 比第一行快的倍数", title=title)
    figure.savefig(OUTPUT / f"{name}.png", dpi=100)
    print(f"written: {OUTPUT / name}.png")


def print_rows(title: str, rows: Sequence[Row]) -> None:
    """Print rows with the same columns as on the results page."""
    name = str(captions.NAME)
    all_cells = [{name: captions.label(row), **row_cells(row)} for row in rows]
    columns = list(dict.fromkeys(column for cells in all_cells for column in cells))
    lines = []
    for cells in all_cells:
        lines.append([_cell(cells.get(column)) for column in columns])
    console().print(rows_table(title, columns, lines))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"
    return "" if value is None else str(value)


def keep(name: str, kind: str, rows: Sequence[Row], **details: Any) -> None:
    """Write outputs/benchmarks/NAME.json; with `--record`, also results/benchmarks/NAME.json."""
    command = f"python benchmarks/{Path(sys.argv[0]).name}"
    details |= {"cpu": cpu_model(), "threads": torch.get_num_threads()}
    print(f"{details['cpu']}, threads 线程: {details['threads']}")
    record = record_to_json(kind, command, list(rows), details=details)
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    folders = [OUTPUT]
    if "--record" in sys.argv:
        folders.append(RESULTS / "benchmarks")
    for folder in folders:
        write_atomically(folder / f"{name}.json", text)
        print(f"written: {folder / name}.json")


def cpu_model(cpu_info: Path = Path("/proc/cpuinfo")) -> str:
    """Name the processor's model as the system does."""
    if cpu_info.is_file():
        for line in cpu_info.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def matrix_product_rate(
    precision: str,
    shape: tuple[int, int, int] = (1024, 384, 1536),
    device: str = "cpu",
    seconds: float = 0.5,
) -> float:
    """Measure the operations a second of matrix products, two per multiply-add; the best counts.

    Args:
        precision: the name of a torch type, such as "bfloat16".
        shape: (rows, inner size, columns); the default is that of this course's model.
        device: "cpu" or "cuda".
        seconds: how long products are repeated.
    """
    rows, inner, columns = shape
    left = torch.randn(rows, inner, device=device, dtype=getattr(torch, precision))
    right = torch.randn(inner, columns, device=device, dtype=left.dtype)
    best = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begin)
    return 2 * rows * inner * columns / best
