"""Answer the requests of `grade --disputes` and print what became of each."""

import sys
from pathlib import Path

import click

from tinybert_l.cli.tables import show
from tinybert_l.course.home import shorten
from tinybert_l.errors import printable
from tinybert_l.grading.course import Course
from tinybert_l.grading.disputes import answer_disputes
from tinybert_l.grading.run import Options

REASON_WIDTH = 60  # characters of a student's words in the table


def answer(course: Course, lecture: int, folder: Path, options: Options) -> None:
    """Answer all requests in a folder; exit status 1 where a file was refused or not judged."""
    answers = answer_disputes(course, lecture, folder, options)
    rows = []
    for request in answers.requests:
        because = shorten(printable(request.because), REASON_WIDTH)
        rows.append((printable(request.student), request.exercise, because, request.outcome))
    headings = ("student 学生", "exercise 练习", "because 理由", "what came out 结果")
    show(f"Lecture {lecture}: {len(rows)} requests answered 复核申请已处理", headings, rows)
    for path, when in answers.earlier.items():
        click.echo(f"answered before 此前已处理 ({when}): {path}")
    for path, first in answers.copies.items():
        click.echo(f"the same as {first}, answered once 与其相同，只处理一次: {path}")
    for path, why in answers.failed.items():
        click.echo(f"not judged 未能评判: {path}: {why}")
    for path, why in answers.refused.items():
        click.echo(f"REFUSED 拒收: {path}: {why}")
    if answers.refused or answers.failed:
        sys.exit(1)
