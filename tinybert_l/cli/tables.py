"""Tables and lines that the commands print, in both languages: a function for each result."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinybert_l.course.tables import console, results_table, rows_table
from tinybert_l.errors import printable
from tinybert_l.languages import in_words

if TYPE_CHECKING:  # some of these need torch, which not every command does
    from tinybert_l.cli.machine import Finding
    from tinybert_l.course.home import HandIn, Row
    from tinybert_l.course.judging import Verdict
    from tinybert_l.course.measuring import Candidate, ReaderScore, TradeOff
    from tinybert_l.exercises.registry import Exercise


def show(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of words."""
    console().print(rows_table(title, headings, rows))


def show_exercises(exercises: "Mapping[str, Exercise[..., Any]]", lecture: int | None) -> None:
    """Print the exercises of one lecture, or of all."""
    rows = []
    for name, exercise in exercises.items():
        if lecture in (None, exercise.lecture):
            title = f"{exercise.title_zh} · {exercise.title_en}"
            needs = ", ".join(exercise.needs)
            effort = (str(exercise.points), str(exercise.minutes))
            rows.append((str(exercise.lecture), name, title, *effort, needs))
    headings = (
        "lecture 讲",
        "exercise 练习",
        "title 题目",
        "points 分",
        "minutes 分钟",
        "builds on 基于",
    )
    show("Exercises 练习", headings, rows)


ROW_HEADINGS = (
    "lecture 讲",
    "exercise 练习",
    "title 题目",
    "points 分",
    "your answer 你的解答",
    "first failure 首个问题",
)


def show_progress(rows: "Sequence[Row]") -> None:
    """Print how far each exercise, question and essay is."""
    shown = []
    for row in rows:
        item = row.item
        title = item.title.replace(" · ", "\n")
        what = (str(item.lecture), item.name, title, f"{item.points:g}")
        shown.append((*what, row.outcome, row.message))
    show("How far you are 进度", ROW_HEADINGS, shown)


def show_hand_in(made: "HandIn", student: str) -> None:
    """Print the state of each answer that is handed in, and the zip file."""
    from tinybert_l.course.home import STATES, summary

    for row in made.rows:
        message = f"  {in_words(row.message)}" if row.message else ""
        points = in_words(f"{row.item.points:g} {'point' if row.item.points == 1 else 'points'} 分")
        state = in_words(STATES[row.state])
        click.echo(f"{row.item.name}: {state} ({row.item.title}, {points}){message}")
    click.echo(summary(made.rows))
    click.echo(f"sha256 {made.sha256}")
    where = in_words("to hand in 待提交")
    click.echo(f"{where}: {made.path}  ({in_words('as 学号')} {student})")


def show_receipt(receipt: dict[str, Any], late: str = "") -> None:
    """Print what a server's receipt says, and whether it came late."""
    click.echo(in_words("received 已接收") + f": {printable(str(receipt.get('received')))}")
    click.echo(in_words("receipt 回执") + f": {printable(str(receipt.get('number')))}")
    if late:
        click.echo(in_words(printable(late)))


def show_answer(answer: dict[str, Any]) -> None:
    """Print what a server's visible tests said of a hand-in."""
    if answer.get("state") != "done":
        click.echo(in_words("still queued: it counts, the tests run later 仍在排队，已计入提交"))
    elif "error" in answer:
        click.echo(in_words("not judged 未能评判") + f": {printable(str(answer['error']))}")
    exercises = answer.get("exercises")
    for name, entry in exercises.items() if isinstance(exercises, dict) else ():
        outcome = "pass" if entry.get("passed") is True else "FAIL"
        click.echo(f"{outcome}  {printable(str(name))}  {printable(str(entry.get('reason', '')))}")


def show_verdicts(exercise: str, verdicts: "Sequence[Verdict]") -> None:
    """Print a line for each check of an answer, and a summary."""
    parts = set()
    checks = failures = 0
    for verdict in verdicts:
        is_check = verdict.part != "answer"
        if is_check:
            parts.add(verdict.part)
            checks += 1
        if is_check or not verdict.passed:
            outcome = "pass" if verdict.passed else "FAIL"
            click.echo(f"{outcome}  {verdict.part:8}{verdict.message}")
        failures += not verdict.passed
    if failures:
        click.echo(f"{exercise}: {failures} failed, {checks} checks were run")
    else:
        names = " and ".join(sorted(parts, reverse=True))
        click.echo(f"{exercise}: all {checks} checks pass ({names} tests)")


def show_findings(findings: "Sequence[Finding]") -> None:
    """Print what `tinybert-l doctor` has found."""
    rows = []
    for finding in findings:
        rows.append((finding.mark, finding.name, finding.result, finding.advice or "-"))
    show("This machine 本机", ("", "what 项目", "found 结果", "what to do 处理办法"), rows)


def show_trade_off(trade_off: "TradeOff") -> None:
    """Print accuracy, size and speed of teacher and sub-models."""
    title = (
        f"Sub-models 子模型: {trade_off.texts} held-out sentences; "
        f"{trade_off.threads} threads, length 32, median±IQR"
    )
    console().print(results_table(trade_off.results, trade_off.baseline, title))


def show_candidates(candidates: "Sequence[Candidate]", runtime: str) -> None:
    """Print latency and accuracy of the sub-models that may be shipped."""
    rows = []
    for candidate in candidates:
        latency = f"{candidate.latency_ms:.2f}"
        rows.append((candidate.name, latency, f"{100 * candidate.quality:.1f}"))
    title = f"Sub-models on this machine 本机上的子模型: {runtime}, one text of 32 tokens"
    show(title, ("sub-model 子模型", "ms", "validation accuracy 验证集准确率 (%)"), rows)


def show_export(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Print accuracy, latency and size of each exported format."""
    for row in rows:
        click.echo(
            f"{row['model']}: {100 * row['accuracy']:.1f} %, "
            f"{row['ms, batch 1']:.2f} ms, {row['bytes'] / 1e6:.1f} MB"
        )
    click.echo(f"written: {folder}")


def show_reader_scores(scores: "Sequence[ReaderScore]", count: int, seen: bool) -> None:
    """Print how well the sub-models answer `count` questions, which training has seen or not."""
    rows = []
    for score in scores:
        percent = (f"{100 * score.exact_match:.1f}", f"{100 * score.f1:.1f}")
        rows.append((score.sub_model.label, *percent))
    where = "seen in training 训练中见过" if seen else "not seen in training 训练中未见"
    title = f"{count} questions 问题, {where}"
    show(title, ("sub-model 子模型", "exact match (%)", "F1 (%)"), rows)


def show_files(files: Mapping[str, Path]) -> None:
    """Print where results were written."""
    rows = [(name, str(path)) for name, path in files.items()]
    show("Where everything was written 输出位置", ("what", "where"), rows)
