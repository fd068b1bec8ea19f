"""The command that makes a family of smaller models of one's own classifier."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinybert_l.cli.options import FILE_OR_FOLDER, NEW_FOLDER, require_onnx, require_writable

if TYPE_CHECKING:  # needs torch
    from tinybert_l.method.family import Family


@dataclass(frozen=True)
class Wish:
    """What the chosen model must do.

    Args:
        max_latency_ms: for one text; None: none is chosen.
        runtime: the program that runs it.
        to: where it is written; None: into the family's folder.
    """

    max_latency_ms: float | None
    runtime: str
    to: Path | None

    def check(self, folder: Path) -> None:
        """Raise an error, before anything is trained, where nothing could be written at the end.

        Args:
            folder: the family's.
        """
        require_writable(folder)
        require_writable(self.to or folder)
        if self.max_latency_ms is not None:
            require_onnx()

    def fulfil(self, family: "Family") -> None:
        """Choose and export a model; say which."""
        if self.max_latency_ms is None:
            return
        chosen = family.choose(self.max_latency_ms, self.runtime)
        folder = family.export(self.to or family.folder / "chosen")
        click.echo(f"chosen: {chosen.name}; written to {folder}")


class Budget(click.ParamType[str | float]):
    """The name of a budget, or minutes."""

    name = "budget"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | float:
        """Return a number where the text is one."""
        try:
            return float(value)
        except ValueError:
            return value


@click.command()
@click.argument("teacher")
@click.argument("texts", type=FILE_OR_FOLDER)
@click.option(
    "--student",
    help="Start from this BERT, a folder or a name on the hub. Default: from TEACHER, a BERT then.",
)
@click.option("--text-column", default="text", show_default=True, help="Name the texts' column.")
@click.option("--label-column", default="label", show_default=True, help="Name the labels' column.")
@click.option(
    "--budget",
    type=Budget(),
    default="standard",
    show_default=True,
    help="Train for quick (60 steps), standard (400), thorough (2,000), or so many minutes.",
)
@click.option(
    "--folder",
    type=NEW_FOLDER,
    default=Path("outputs/family"),
    show_default=True,
    help="Keep the family in this folder; the same command goes on there.",
)
@click.option(
    "--max-latency-ms",
    type=click.FloatRange(min=0, min_open=True),
    help="Export also the best model that takes at most so many milliseconds.",
)
@click.option(
    "--runtime",
    type=click.Choice(["torch", "onnx", "onnx-int8"]),
    default="torch",
    show_default=True,
    help="Choose for this program.",
)
@click.option("--to", type=NEW_FOLDER, help="Export into this folder. Default: FOLDER/chosen.")
def distil(
    teacher: str,
    texts: Path,
    student: str | None,
    text_column: str,
    label_column: str,
    budget: str | float,
    folder: Path,
    max_latency_ms: float | None,
    runtime: str,
    to: Path | None,
) -> None:
    """Distil your own classifier TEACHER into smaller ones.

    TEACHER is a folder made by save_pretrained, or a name on the hub; TEXTS a file (CSV, TSV, JSON
    lines, Parquet) or a folder of `datasets`. Labels are used for measuring alone.
    """
    from tinybert_l.method.distil import distil as make_family

    wish = Wish(max_latency_ms, runtime, to)
    wish.check(folder)
    columns: dict[str, Any] = {"text_column": text_column, "label_column": label_column}
    family = make_family(teacher, texts, student=student, budget=budget, folder=folder, **columns)
    click.echo(str(family.evaluate()))
    wish.fulfil(family)
