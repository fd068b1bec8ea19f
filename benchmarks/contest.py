"""What the benchmarks share: contestants take turns in every round; a table of ratios with spread, JSON and a plot.

`--record` after a benchmark's command also keeps the JSON under results/benchmarks/.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch

from tinybert_l import figures
from tinybert_l.cache import provenance, write_atomically
from tinybert_l.course.records import RESULTS
from tinybert_l.course.tables import console, rows_table

OUTPUT = Path("outputs/benchmarks")
Row = dict[str, Any]


def contest(contestants: dict[str, Callable[[], Any]], rounds: int, repeats: int = 1) -> list[Row]:
    """Time every contestant in every round, so that a slow minute of the machine meets all; the first round warms up.

    Returns:
        Rows with name, ms (median), low and high (quartiles), and times faster than the first contestant.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for round_ in range(rounds + 1):
        for name, action in contestants.items():
            begun = time.perf_counter()
            for _ in range(repeats):
                action()
            if round_:
                times[name].append(1000 * (time.perf_counter() - begun) / repeats)
    first = median(next(iter(times.values())))
    rows = []
    for name, values in times.items():
        low, middle, high = quantiles(values, n=4)
        rows.append(
            {"name": name, "ms": middle, "low": low, "high": high, "faster": first / middle}
        )
    return rows


def report(
    name: str, title: str, rows: Sequence[Row], extra: Sequence[str] = (), **record: Any
) -> None:
    """Print the table; write outputs/benchmarks/NAME.json and NAME.png.

    Args:
        extra: columns to show beside ms and times faster.
    """
    shown = [
        (
            row["name"],
            f"{row['ms']:.2f} ({row['low']:.2f}-{row['high']:.2f})",
            f"{row['faster']:.2f}",
            *_cells(row, extra),
        )
        for row in rows
    ]
    console().print(
        rows_table(title, ("", "ms, median (quartiles)", "times faster 倍", *extra), shown)
    )
    keep(name, {"title": title, "rows": rows, **record})
    figure, axes = figures.new_figure(10, 0.6 * len(rows) + 1.6)
    places = range(len(rows))[::-1]
    axes.barh(places, [row["faster"] for row in rows], color=figures.LARGEST)
    axes.set_yticks(places, [row["name"] for row in rows])
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xlabel="times faster than the first 比第一行快的倍数", title=title)
    figure.savefig(OUTPUT / f"{name}.png", dpi=100)
    print(f"written: {OUTPUT / name}.png")


def keep(name: str, record: Row) -> None:
    """Write outputs/benchmarks/NAME.json: what was measured, the command, versions, machine; see `--record`."""
    command = f"python benchmarks/{Path(sys.argv[0]).name}"
    text = (
        json.dumps({"command": command, **record, **provenance()}, indent=1, ensure_ascii=False)
        + "\n"
    )
    for folder in (OUTPUT, RESULTS / "benchmarks")[: 2 if "--record" in sys.argv else 1]:
        write_atomically(folder / f"{name}.json", text)
        print(f"written: {folder / name}.json")


def _cells(row: Row, columns: Sequence[str]) -> list[str]:
    return [
        f"{row[c]:.3g}" if isinstance(row.get(c), int | float) else str(row.get(c, ""))
        for c in columns
    ]


def gemm_rate(precision: str, seconds: float = 0.5) -> float:
    """Operations a second of this machine's matrix products, at this model's sizes."""
    left = torch.randn(1024, 384, dtype=getattr(torch, precision))
    right = torch.randn(384, 1536, dtype=left.dtype)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - begun)
    return 2 * 1024 * 384 * 1536 / best
