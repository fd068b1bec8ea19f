"""Lines and tables that the commands of capstone and league print."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinybert_l.cli.tables import show
from tinybert_l.course.capstone.folder import source_of
from tinybert_l.course.capstone.rules import LABELS, SIZE_LIMIT, budget_ratio
from tinybert_l.languages import in_words

if TYPE_CHECKING:  # these need torch or the instructor's part
    from tinybert_l.course.capstone.asking import Score
    from tinybert_l.course.capstone.folder import Entry
    from tinybert_l.course.intervals import Estimate
    from tinybert_l.grading.league.book import Book
    from tinybert_l.grading.league.heldout import HeldOut
    from tinybert_l.grading.league.table import Table

PLACE_HEADINGS = (
    "place 名次",
    "entry 作品",
    "accuracy 准确率",
    "time/teacher 用时/教师",
    "MB",
    "note 说明",
)


def percent(estimate: "Estimate") -> str:
    """Write a share with its interval."""
    numbers = (100 * estimate.mean, 100 * estimate.low, 100 * estimate.high)
    return "{:.1f} % ({:.1f}–{:.1f})".format(*numbers)


def ratio(estimate: "Estimate") -> str:
    """Write a ratio of times with its interval."""
    return f"{estimate.mean:.3f} ({estimate.low:.3f}–{estimate.high:.3f})"


def show_check(score: "Score") -> None:
    """Print what was measured of one's own entry."""
    lines = [
        "The entry keeps the rules. 作品符合规则。",
        f"size 大小: {score.size:,} bytes; allowed 上限: {SIZE_LIMIT:,}",
        f"accuracy on the validation sentences 验证集准确率: {percent(score.accuracy)}",
    ]
    if score.accuracy.high < 1 / len(LABELS):
        order = ", ".join(LABELS)
        lines.append(
            f"That is below chance: are the labels in the order of the outputs ({order})? "
            "低于随机水平，标签次序是否写反？"
        )
    if score.entry_ms:
        verdict = "within the budget 在预算内" if score.is_in_budget else "too slow 太慢"
        lines.append(
            f"time of a sentence over the teacher's 每句用时与教师之比: {ratio(score.ratio)}; "
            f"allowed 上限: {budget_ratio():.3f}; {verdict}"
        )
    for line in lines:
        click.echo(in_words(line))


def show_packed(path: Path, entry: "Entry") -> None:
    """Print what is handed in."""
    click.echo(f"to hand in 待提交: {path}")
    click.echo(f"name 名称: {entry.description.name}; {entry.size:,} bytes; {entry.sha256[:16]}")


def show_written(paths: Sequence[Path]) -> None:
    """Print the paths of what was written."""
    for path in paths:
        click.echo(f"written: {path}")


def show_held_out(path: Path, held_out: "HeldOut") -> None:
    """Print how many sentences are held out."""
    kind = (
        "your own 自备"
        if held_out.is_own
        else "drawn in secret from public data 从公开数据秘密抽取"
    )
    click.echo(f"{len(held_out.sentences.texts)} sentences 句 ({kind}): {path}")
    click.echo(f"sha256 {held_out.sha256}")


def show_league(table: "Table") -> None:
    """Print the table."""
    rows = []
    for row in table.rows:
        place = "–" if row.place is None else str(row.place)
        notes = ["over the budget 超出预算"] if row.place is None else []
        if row.is_above_teacher:
            notes.append("above the teacher: ask how it was trained 高于教师，应问明训练方法")
        numbers = (percent(row.score.accuracy), ratio(row.score.ratio))
        size = f"{row.score.size / 1e6:.2f}"
        rows.append((place, row.score.name, *numbers, size, "; ".join(notes)))
    show(f"League 榜单: {len(rows)}", PLACE_HEADINGS, rows)
    if table.teacher is not None:
        click.echo(f"teacher 教师: {percent(table.teacher.accuracy)}")
    for name in table.outdated:
        click.echo(f"judged on other sentences, judge again 用的是别的句子，须重新评判: {name}")


def exit_if_refused(book: "Book", paths: Sequence[Path]) -> None:
    """End with status 1 where one of these was refused."""
    if any(source_of(path) in book.refused for path in paths):
        sys.exit(1)
