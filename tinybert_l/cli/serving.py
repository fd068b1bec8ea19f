"""The command that takes hand-ins over HTTP, gives out tokens and checks receipts."""

import asyncio
import csv
import socket
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

import click

from tinybert_l.cli.courses import pass_course
from tinybert_l.cli.options import FILE
from tinybert_l.errors import InvalidInput, printable
from tinybert_l.grading.course import Course
from tinybert_l.grading.marking.store import only_here
from tinybert_l.grading.outside.sandbox import require
from tinybert_l.grading.serving.receipts import RECEIPT_LIMIT, Signer
from tinybert_l.grading.serving.server import FOLDER, Desk, Settings, place, run
from tinybert_l.grading.serving.tokens import Tokens, find_student, people_of

SERVED_ELSEWHERE = (
    "Another 'tinybert-l serve' takes hand-ins of this course; two would judge each of them twice. "
    "End it first. 本课程的服务器已在运行。"
)


@click.command()
@click.option("--address", default="127.0.0.1", show_default=True, help="Listen here.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8765, show_default=True, help="Listen here."
)
@click.option("--workers", type=click.IntRange(min=1), help="Judge so many at a time.")
@click.option(
    "--per-hour",
    type=click.IntRange(min=1),
    default=Settings.per_hour,
    show_default=True,
    help="Take so many hand-ins of one student.",
)
@click.option("--tokens", "with_tokens", is_flag=True, help="Make a token for all who have none.")
@click.option("--token", "student", metavar="ID", help="Make a new token for this student.")
@click.option("--check-receipt", "receipt", type=FILE, help="Tell whether this receipt is genuine.")
@pass_course
def serve(
    course: Course,
    address: str,
    port: int,
    workers: int | None,
    per_hour: int,
    with_tokens: bool,
    student: str | None,
    receipt: Path | None,
) -> None:
    """Take hand-ins over HTTP; answer each by the visible tests.

    Students send with 'submit --to URL' and get a signed receipt at once, and what the visible
    tests say as soon as the sandbox has run them. What came stands among the submissions, with the
    time of its arrival, for 'grade'. Tokens are printed once, as CSV, and kept as hashes.
    """
    if receipt is not None:
        _check(course, receipt)
    elif with_tokens or student is not None:
        _make_tokens(course, student)
    else:
        _serve(course, address, port, Settings(per_hour, workers=workers))


def _check(course: Course, path: Path) -> None:
    with path.open("rb") as file:
        raw = file.read(RECEIPT_LIMIT)
    text = raw.decode("utf-16" if raw[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8", "replace")
    receipt = Signer(course.folder / FOLDER).check(text)
    click.echo("genuine 真实回执")
    for name, value in receipt.items():
        click.echo(f"{name}: {printable(str(value))}")


def _make_tokens(course: Course, student: str | None) -> None:
    people = people_of(course)
    if not people:
        raise InvalidInput("Nobody is in the gradebook: tinybert-l course roster. 名单为空。")
    tokens = Tokens(course.folder / FOLDER)
    chosen = sorted(set(people) - tokens.students())
    if student is not None:
        chosen = [find_student(people, student)]
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(("id", "token"))
    table.writerows(tokens.make(chosen).items())


def _serve(course: Course, address: str, port: int, settings: Settings) -> None:
    require(course.unsafe)
    address, port, prefix = place(address, port)
    with only_here(course.folder / FOLDER / "serving.lock", SERVED_ELSEWHERE):
        _serve_alone(course, address, port, prefix, settings)


def _serve_alone(course: Course, address: str, port: int, prefix: str, settings: Settings) -> None:
    desk = Desk.open(course, settings)
    said = f"serving on http://{address}:{port}{prefix}   (Ctrl+C ends it)"
    try:
        asyncio.run(run(desk, address, port, prefix, lambda: click.echo(said)))
    except KeyboardInterrupt:
        click.echo("ended; what was not judged is judged next time 已结束")
    except socket.gaierror:
        raise InvalidInput(
            f"--address {address!r}; allowed: one of this machine's, such as 127.0.0.1. 地址无效。"
        ) from None
    finally:
        desk.close()
