"""Write the results page and the READMEs' table of numbers: `python tools/make_results.py`.

docs/explanation/results.md says for every record under results/ what was hoped for and what came,
then shows the record as a table. Answers and figures are computed from typed rows; captions only
name things.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import claims

from tinybert_l.cache import write_atomically
from tinybert_l.course import captions
from tinybert_l.course.recipes import RECORDS
from tinybert_l.course.record_types import ClaimVerdict, Method, VerdictKind
from tinybert_l.course.records import Record, benchmark_records, read_record
from tinybert_l.course.rows import HeadlineRow, Row
from tinybert_l.course.tables import row_cells, way_to_teacher
from tinybert_l.errors import InvalidInput

CHECKOUT = Path(__file__).resolve().parent.parent
PAGE = CHECKOUT / "docs" / "explanation" / "results.md"
MARKS = ("<!-- from results/headline.json by tools/make_results.py -->", "<!-- end -->")
MOST_COLUMNS = 10  # a table with more leaves out the spreads

SUBJECTS = {
    "headline": "The method in earnest: kept accuracy, speed and size of one joint run's "
    "sub-models, against the teacher; each seed with a fold of its own",
    "headline_mpnet": "The same with soft labels of a teacher five times as large (MPNet)",
    "assistant": "The first fold's own teacher, taught further by MPNet's soft labels",
    "ablation": "The headline's recipe, shorter, with one of its parts left out at a time",
    "joint_against_separate": "One joint run (325 steps, two random sub-models in each) against "
    "each of its nine sub-models trained alone for 400 steps; the teacher's outputs computed once",
    "joint_equal_updates": "The same joint run against sub-models alone for 93 steps, as many as "
    "it gives each of the seven in between",
    "stability": "Ways to introduce the sub-models, with and without self-distillation",
    "training_methods": "Five ways to a small model",
    "long_documents": "Whole reviews: cut, in windows, with windowed attention, with short texts "
    "first, with dropped tokens",
    "questions": "Nine kinds of questions on stories of a world that was not seen in training",
    "generation": "What sub-models write: perplexity, variety, coherence, speed",
    "chinese": "Joint pre-training and joint fine-tuning in Chinese, against joint fine-tuning "
    "alone",
    "baselines": "Counting words: bags of words on growing numbers of labelled texts, and the "
    "teacher on whole reviews",
    "teacher_on_reviews": "The first fold's teacher, trained on sentences alone, reads "
    "whole reviews",
    "trigram": "Counting trigrams on the text that the language model learns from",
    "writer": "The course's language model against trigrams of the very text that it learned from: "
    "perplexity on unread reviews, order of sentences, long texts",
    "writer_alone": "One of its sizes trained alone as often as jointly, without self-distillation",
    "trivial_answers": "The best answer without reading, for each kind of question",
    "masked_tokens": "Joint pre-training in Chinese, measured on hidden tokens only",
    "gradient_agreement": "Gradients of a trained supernet's sub-models over many batches",
    "cascade": "Early exit: cascades of sub-models, and exits after every layer",
    "two_stages": "TinyBERT's two stages: a student with random layers, general and task-specific "
    "distillation",
    "strategies": "Optimisation strategies off in turn: a small student, three learning rates, the "
    "one that validation chose",
    "self_distillation": "Self-distillation with a control: a small student, with it and without",
}

INTRODUCTION = """\
# Results

Written from the records under `results/` by `tools/make_results.py`. \
Intervals (low, high) are 95 %.

## What was hoped for, and what came

One rule answers all (`tinybert_l/course/evidence/rule.py`): *yes*, the whole interval lies beyond \
the margin that the hope names (0 where it names none); *no*, on the other side; *undecided*, the \
interval holds the margin; *cannot be decided*, the record keeps one number without any spread. \
An answer with *if* holds under the condition that it names.

What the interval is over:

- *seeds and items*: the values of every item and seed, paired; Student's t for the seeds.
- *seeds*: means and spreads over seeds, compared as independent ones; shares of test items carry \
the error of the choice of items.
- *one seed*: the items of one trained model.
- *rounds*: quartiles of a benchmark's rounds, the worst ratio; paired where the rounds were kept.
- *count*: computed exactly, the same in every run.
"""

ANSWER_WORDS: dict[VerdictKind, str] = {
    "holds": "yes",
    "does_not_hold": "**no**",
    "undecided": "undecided",
    "holds_if": "yes, if {}",
    "does_not_hold_if": "**no**, if {}",
    "no_record": "cannot be decided; needed: {}",
}
METHOD_WORDS: dict[Method, str] = {
    "seeds_and_items": "seeds and items",
    "one_seed": "one seed",
    "seeds": "seeds",
    "rounds": "rounds",
    "count": "count",
    "bare": "none",
    "missing": "none",
}

ALSO_TRIED = """\
Also tried for whole reviews, in single runs that are not kept here, and no better than averaged \
windows: ten times the steps on all reviews;
a [CLS] in every 64 tokens; the [CLS] of each window attending to those of the others, with the \
mean of their logits, the mean of their states or
a learned gate; the loss of whole reviews on averaged windows, with and without learned weights of \
the windows; more layers for models that drop
tokens. For the teacher: a first round on windows of the long reviews, with their labels.
"""

BENCHMARKS_HEADING = """\
## Benchmarks, one run of each

`make bench RECORD=--record`; quartiles: low, high.
"""


def page() -> str:
    """Write the page: what the records answer, then every record as a table."""
    parts = [INTRODUCTION, answers_table(), ALSO_TRIED]
    for name in RECORDS:
        parts.append(record_section(name, read_record(name)))
    parts.append(BENCHMARKS_HEADING)
    for record in benchmark_records().values():
        title = captions.benchmark_title(record.kind, record.details)
        source = f"`{record.command}`, {record.day}, {machine_of(record)}."
        parts.append(f"### {title}\n\n{source}\n\n{table(record.rows)}\n")
    return "\n".join(parts)


def record_section(name: str, record: Record | None) -> str:
    """A long run's section: what it is about, how it was made, its rows."""
    if record is None or record.recipe is None:
        return f"## {SUBJECTS[name]}\n\nNot recorded yet: `make records`.\n"
    drawn = "nothing drawn at random"
    if "seeds" in record.recipe:
        drawn = f"seeds {', '.join(map(str, record.recipe['seeds']))}"
    source = [f"`{record.command}`", drawn, record.day, machine_of(record)]
    source += [f"trained on {device}" for device in record.details.get("trained_on", [])]
    stale = " **Stale: the recipe has changed since.**" if record.stale else ""
    return f"## {SUBJECTS[name]}\n\n{', '.join(source)}.{stale}\n\n{table(record.rows)}\n"


def machine_of(record: Record) -> str:
    """Name the machine by its cores and vector instructions."""
    machine = record.machine
    return ", ".join([f"{machine['cores']} cores", *machine.get("instructions", [])])


def answers_table() -> str:
    """Show all answers in Markdown."""
    lines = ["| hope | answer | figures | interval | record |", "|---|---|---|---|---|"]
    for source, verdict in claims.answers():
        cells = [verdict.claim_en, ANSWER_WORDS[verdict.kind].format(verdict.condition_en)]
        cells += [verdict.number, interval_words(verdict), source]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def interval_words(verdict: ClaimVerdict) -> str:
    """Say what the interval is over; an old one and a stale record are marked."""
    if verdict.evidence is None:
        return ""
    words = METHOD_WORDS[verdict.evidence.method]
    return f"{words}, **stale**" if verdict.stale else words


def table(rows: Sequence[Row]) -> str:
    """Write rows in Markdown; columns come in the order in which rows have them."""
    name = str(captions.NAME)
    named = any(map(captions.label, rows))
    all_cells = []
    for row in rows:
        cells = {name: captions.label(row)} if named else {}
        all_cells.append(cells | row_cells(row))
    columns = list(dict.fromkeys(column for cells in all_cells for column in cells))
    if len(columns) > MOST_COLUMNS:
        columns = [column for column in columns if not column.endswith(captions.SPREAD)]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for cells in all_cells:
        lines.append("| " + " | ".join(cell(cells.get(column)) for column in columns) + " |")
    return "\n".join(lines)


def cell(value: Any) -> str:
    """Write a value with three digits, or with one decimal from 10 on; nothing for None."""
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


README_HEAD_EN = """\
| speed against the teacher in | chosen | accuracy | kept (95 %) | way | batch 1 | 32 | smaller |
|---|---|---|---|---|---|---|---|
"""

README_NOTES_EN = """\

The teacher is right on {teacher:.1f} % of sentences, the best bag of words on {floor:.1f} %.
*kept*: the share of the teacher's accuracy which the chosen sub-model keeps. *way*: its share of
the way from the bag of words to the teacher. *batch 1*, *32*: times the teacher's speed on two
cores. Means over {seeds} seeds, each with a teacher and 1,200 test sentences of its own; each
seed's choice is by validation accuracy, among those that are fast and small enough.
From `{command}`.
"""

README_HEAD_ZH = """\
| 与教师模型比速度时用 | 选出的子模型 | 准确率 | 保留（95 %） | 路程 | 批大小1 | 32 | 缩小 |
|---|---|---|---|---|---|---|---|
"""

README_NOTES_ZH = """\

教师模型答对{teacher:.1f} %的句子，最好的词袋{floor:.1f} %。
*保留*：选出的子模型保住了教师准确率的多少。*路程*：从词袋到教师，它走了多少。
*批大小1*、*32*：在两个核上，速度是教师模型的几倍。
都是{seeds}个随机种子的均值，每个种子有自己的教师和1,200个测试句子；每个种子按验证集准确率，
在足够快、足够小的子模型里选。来自`{command}`。
"""


@dataclass(frozen=True)
class Readme:
    """A README and the words of its table, in one language."""

    path: Path
    head: str
    notes: str
    same_runtime: str
    none: str
    kept: str


READMES = {
    "en": Readme(
        path=CHECKOUT / "README.md",
        head=README_HEAD_EN,
        notes=README_NOTES_EN,
        same_runtime="same runtime",
        none="none is fast enough",
        kept="{:.1f} % ({:.1f}-{:.1f})",
    ),
    "zh": Readme(
        path=CHECKOUT / "README.zh.md",
        head=README_HEAD_ZH,
        notes=README_NOTES_ZH,
        same_runtime="同一运行时",
        none="都不够快",
        kept="{:.1f} %（{:.1f}-{:.1f}）",
    ),
}


def readme_numbers(words: Readme) -> str:
    """Write a README's numbers: what validation chose, and how far it is from teacher and floor."""
    record = read_record("headline")
    if record is None or record.recipe is None:
        raise InvalidInput("make_results: results/headline.json is missing")
    notes = words.notes.format(
        teacher=accuracy_of(record, "teacher"),
        floor=accuracy_of(record, "bag_of_words"),
        seeds=len(record.recipe["seeds"]),
        command=record.command,
    )
    return words.head + "\n".join(headline_lines(words, record)) + "\n" + notes


def accuracy_of(record: Record, role: str) -> float:
    """Test accuracy of what the sub-models are compared with, in percent."""
    accuracy = claims.the_row(claims.rows_of(record, HeadlineRow), role=role).accuracy_percent
    if accuracy is None:
        raise InvalidInput(f"make_results: results/{record.name}.json has no accuracy of {role}")
    return accuracy


def choices(record: Record) -> tuple[HeadlineRow, HeadlineRow]:
    """What validation chose: among the small, and in the teacher's runtime."""
    rows = claims.rows_of(record, HeadlineRow)
    small = claims.the_row(rows, role="chosen_small")
    return small, claims.the_row(rows, role="chosen_same_runtime")


def headline_lines(words: Readme, record: Record) -> list[str]:
    """The two lines of a headline: any runtime against torch, and float32 in the same runtime."""
    small, same = choices(record)
    small_speeds = (small.times_faster_batch_1, small.times_faster_batch_32)
    same_speeds = (same.same_runtime_times_faster_batch_1, same.same_runtime_times_faster_batch_32)
    return [
        f"| torch | {readme_cells(words, record, small, small_speeds)} |",
        f"| {words.same_runtime} | {readme_cells(words, record, same, same_speeds)} |",
    ]


def readme_cells(
    words: Readme, record: Record, row: HeadlineRow, speeds: tuple[float | None, float | None]
) -> str:
    """What a choice is, reaches, keeps and gains, in seven cells."""
    interval, accuracy = row.kept_percent, row.accuracy_percent
    if interval is None or accuracy is None:
        return f"{words.none} | | | | | | "
    sub_models = ", ".join(dict.fromkeys(model.sub_model.label for model in row.models))
    runtimes = ", ".join(dict.fromkeys(model.runtime for model in row.models))
    kept_cell = words.kept.format(interval.estimate, interval.low, interval.high)
    floor, teacher = accuracy_of(record, "bag_of_words"), accuracy_of(record, "teacher")
    way = way_to_teacher(accuracy, floor, teacher)
    gains = " | ".join(f"{gain or 0.0:.1f}×" for gain in (*speeds, row.times_smaller))
    return f"{sub_models} {runtimes} | {accuracy:.1f} % | {kept_cell} | {way} | {gains}"


def readme(words: Readme) -> str:
    """Read a README and put today's table between its marks."""
    text = words.path.read_text(encoding="utf-8")
    before, _, rest = text.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    return f"{before}{MARKS[0]}\n{readme_numbers(words)}{MARKS[1]}{after}"


if __name__ == "__main__":
    write_atomically(PAGE, page())
    for words in READMES.values():
        write_atomically(words.path, readme(words))
