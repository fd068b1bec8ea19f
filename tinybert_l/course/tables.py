"""Results as tables: for the terminal (rich) and for notebooks (pandas)."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from tinybert_l.method.evaluation import Result  # which needs torch


def results_frame(results: "Sequence[Result]") -> pd.DataFrame:
    """One row a model, in words and units that can be read without the code."""
    return pd.DataFrame(
        [
            {
                "model 模型": r.label,
                "accuracy 准确率 (%)": 100 * r.accuracy,
                "95 % interval 区间 (%)": f"{100 * r.accuracy_low:.1f} to {100 * r.accuracy_high:.1f}",
                "kept 保留 (%)": 100 * r.kept,
                "parameters 参数 (M)": r.parameters / 1e6,
                "without embeddings 不含嵌入 (M)": r.encoder_parameters / 1e6,
                "FLOPs (M)": r.flops / 1e6,
                "batch 1 (ms)": r.latency_ms_batch_1,
                "batch 32 (ms)": r.latency_ms_batch_32,
                "faster 加速, batch 1": r.speedup_batch_1,
                "faster 加速, batch 32": r.speedup_batch_32,
            }
            for r in results
        ]
    )


def styled(frame: pd.DataFrame, caption: str, digits: int = 2, missing: str | None = None) -> Any:
    """A notebook table with a caption that says where its numbers come from.

    Args:
        missing: what stands where there is no number; None: "nan".
    """
    return (
        frame.style.hide(axis="index").set_caption(caption).format(precision=digits, na_rep=missing)
    )


def console() -> Console:
    """A console that does not squeeze tables into 80 columns when its output goes to a file."""
    usual = Console()
    return usual if usual.is_terminal or "COLUMNS" in os.environ else Console(width=150)


def results_table(results: "Sequence[Result]", title: str) -> Table:
    """For the terminal."""
    table = Table(title=title)
    table.add_column("model")
    for heading in (
        "accuracy (95 %)",
        "kept",
        "params M",
        "w/o emb.",
        "MFLOPs",
        "ms b1",
        "ms b32",
        "× b1",
        "× b32",
    ):
        table.add_column(heading, justify="right")
    for r in results:
        table.add_row(
            r.label,
            f"{100 * r.accuracy:.1f} ({100 * r.accuracy_low:.1f}-{100 * r.accuracy_high:.1f})",
            f"{100 * r.kept:.1f} %",
            f"{r.parameters / 1e6:.1f}",
            f"{r.encoder_parameters / 1e6:.2f}",
            f"{r.flops / 1e6:.0f}",
            f"{r.latency_ms_batch_1:.1f}±{r.latency_iqr_ms_batch_1:.1f}",
            f"{r.latency_ms_batch_32:.1f}±{r.latency_iqr_ms_batch_32:.1f}",
            f"{r.speedup_batch_1:.1f}",
            f"{r.speedup_batch_32:.1f}",
        )
    return table


def rows_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Any table of words for the terminal."""
    table = Table(title=title)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
