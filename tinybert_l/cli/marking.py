"""The command that opens the page for grading by hand."""

import click

from tinybert_l.cli.courses import pass_course
from tinybert_l.cli.options import lecture_argument
from tinybert_l.grading.course import Course
from tinybert_l.grading.marking.desk import Desk, Options, open_desk
from tinybert_l.grading.marking.second import Agreement
from tinybert_l.grading.marking.server import serve


@click.command()
@lecture_argument
@click.option("--names", is_flag=True, help="Show who wrote which answer. Default: blind.")
@click.option(
    "--second-reader",
    "reader",
    default="",
    metavar="NAME",
    help="Mark a random sample without seeing the first marks; kept apart from the gradebook.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Draw so many answers of each question for the second reader.",
)
@click.option(
    "--agreement",
    "only_agreement",
    is_flag=True,
    help="Print how far the second reader and the first marks agree, and serve no page.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Serve the page on this port. Default: a free one.",
)
@click.option("--no-browser", is_flag=True, help="Print the page's address and open no browser.")
@pass_course
def mark(
    course: Course,
    lecture: int,
    names: bool,
    reader: str,
    sample: int,
    only_agreement: bool,
    port: int,
    no_browser: bool,
) -> None:
    """Grade a LECTURE's essays by hand, all answers on one page.

    Opens a page of this machine alone: j and k go from answer to answer, digits tick the rubric,
    ? shows all keys. Points and comments go into the gradebook, so Formgrader, 'feedback' and
    'grades' know them at once. Ctrl+C ends it; every step is kept and can be undone later.
    """
    if only_agreement and not reader:
        raise click.UsageError("--agreement needs --second-reader NAME.")
    with open_desk(course, lecture, Options(names, reader, sample)) as desk:
        if not only_agreement:
            serve(desk, port, lambda address: _announce(address, not no_browser))
        _show(desk)


def _announce(address: str, browser: bool) -> None:
    click.echo(f"{address}\nCtrl+C ends it; every step is kept. 按Ctrl+C结束，每一步都已保存。")
    if browser:
        click.launch(address)


def _show(desk: Desk) -> None:
    """Print how far everything is, and how far two readers agree."""
    for cell in desk.questions:
        done, total = desk.sheet(cell).progress()
        click.echo(f"{cell}: {done} of {total} marked 已评")
        if desk.options.reader:
            _show_agreement(desk.agreement(cell))


def _show_agreement(agreement: Agreement) -> None:
    both = len(agreement.first)
    click.echo(f"  marked by both readers 两人都评了: {both} of {agreement.size}")
    if not both:
        return
    kappa = agreement.kappa
    shown = "not defined: all got the same points 无定义" if kappa is None else f"{kappa:.2f}"
    click.echo(f"  quadratically weighted kappa 二次加权kappa: {shown}")
    click.echo(
        f"  same points 分数相同: {agreement.equal} of {both}; "
        f"second minus first, mean 平均差: {agreement.mean_difference:+.2f}"
    )
    click.echo("  points 分   first 第一人   second 第二人")
    for points, first, second in agreement.distributions():
        click.echo(f"  {points:>6g} {first:>10} {second:>13}")
