"""Write the results page and the README's table of numbers: `python tools/make_results.py`.

docs/explanation/results.md says for every record under results/ what was hoped for and what came,
then shows the record as a table. Answers and figures are computed from typed rows; captions only
name things.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tinybert_l.cache import write_atomically
from tinybert_l.course import captions
from tinybert_l.course.recipes import RECORDS
from tinybert_l.course.records import Record, benchmark_records, read_record
from tinybert_l.course.rows import (
    AblationRow,
    BaselineRow,
    CascadeRow,
    ChineseRow,
    DocumentRow,
    FirstUseRow,
    GenerationRow,
    GradientAgreementRow,
    HeadlineRow,
    Interval,
    JointCostRow,
    JointMeanGapRow,
    MaskedTokenRow,
    OverSeeds,
    PeerRow,
    PerplexityRow,
    QuestionRow,
    ReadingSpeedRow,
    Row,
    StabilityRow,
    StepRow,
    TrainingMethodRow,
    TrivialAnswerRow,
)
from tinybert_l.course.tables import row_cells
from tinybert_l.errors import InvalidInput
from tinybert_l.submodels import SubModel

CHECKOUT = Path(__file__).resolve().parent.parent
PAGE = CHECKOUT / "docs" / "explanation" / "results.md"
README = CHECKOUT / "README.md"
MARKS = ("<!-- from results/headline.json by tools/make_results.py -->", "<!-- end -->")
MOST_COLUMNS = 10  # a table with more leaves out the spreads
R = TypeVar("R", bound=Row)

SUBJECTS = {
    "headline": "The method in earnest: kept accuracy, speed and size of one joint run's "
    "sub-models, against the teacher",
    "headline_stronger_teacher": "The same with a stronger teacher: every weight fine-tuned, "
    "no adapter",
    "headline_longer": "The stronger teacher's once more, with 6,000 instead of 2,500 steps of "
    "soft labels",
    "ablation": "The headline's recipe, shorter, with one of its parts left out at a time",
    "joint_against_separate": "One joint run against each of its nine sub-models trained alone",
    "joint_against_separate_longer": "The same with 400 steps (joint: 360, two random "
    "sub-models in each), the teacher's outputs computed once for all",
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
    "teacher_on_reviews": "The default teacher, which learned from sentences alone, on whole "
    "reviews",
    "trigram": "Counting trigrams on the text that the language model learns from",
    "trivial_answers": "The best answer without reading, for each kind of question",
    "masked_tokens": "Joint pre-training in Chinese, measured on hidden tokens only",
    "gradient_agreement": "Gradients of a trained supernet's sub-models over many batches",
    "cascade": "Early exit: cascades of sub-models, and exits after every layer",
}

INTRODUCTION = """\
# Results

Written from the records under `results/` by `tools/make_results.py`. \
Intervals (low, high) are 95 %.

## What was hoped for, and what came

*Undecided*: the interval holds 0 (or the limit that is named), or means lie no further apart than \
the sum of their standard deviations over seeds. \
Goals of kept accuracy, speed, size and cost are answered by means over seeds or medians of rounds.
"""

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


@dataclass(frozen=True)
class Answer:
    """What was hoped for, whether it came (yes, no or undecided), and the figures that say so."""

    hope: str
    answer: str
    figures: str


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


def answers() -> Iterator[tuple[str, Answer]]:
    """Compute the answers of every record and benchmark, each with the name of its source."""
    for name in RECORDS:
        record = read_record(name)
        if record is not None:
            for answer in ANSWERS[record.kind](record):
                yield name, answer
    for name, record in benchmark_records().items():
        if record.kind in BENCHMARK_ANSWERS:
            for answer in BENCHMARK_ANSWERS[record.kind](record):
                yield f"benchmark {name}", answer


def answers_table() -> str:
    """Show all answers in Markdown."""
    lines = ["| hope | answer | figures | record |", "|---|---|---|---|"]
    for source, answer in answers():
        lines.append(f"| {answer.hope} | {answer.answer} | {answer.figures} | {source} |")
    return "\n".join(lines) + "\n"


def rows_of(record: Record, row_type: type[R]) -> list[R]:
    """The record's rows of one type, in their order."""
    return [row for row in record.rows if isinstance(row, row_type)]


def the_row(rows: Iterable[R], **identifiers: Any) -> R:
    """The one row whose fields have these values."""
    (row,) = (
        row
        for row in rows
        if all(getattr(row, name) == value for name, value in identifiers.items())
    )
    return row


def answers_of_headline(record: Record) -> Iterator[Answer]:
    rows = rows_of(record, HeadlineRow)
    small = the_row(rows, role="chosen_small")
    same = the_row(rows, role="chosen_same_runtime")
    fast = least(small.times_faster_batch_1, small.times_faster_batch_32) >= 15
    fits = fast and kept(small) >= 97 and least(small.times_smaller) >= 10
    yield Answer(
        "≥ 97 % of the teacher's accuracy at ≥ 15× its speed (batch 1 and 32), ≥ 10× smaller",
        yes(fits),
        chosen(small, small.times_faster_batch_1, small.times_faster_batch_32),
    )
    speeds = (same.same_runtime_times_faster_batch_1, same.same_runtime_times_faster_batch_32)
    yield Answer(
        "≥ 96.8 % at ≥ 8× in the teacher's own runtime and precision",
        yes(kept(same) >= 96.8 and least(*speeds) >= 8),
        chosen(same, *speeds),
    )


def kept(row: HeadlineRow) -> float:
    """Percent of the teacher's accuracy that a choice keeps; 0 where nothing was chosen."""
    return 0.0 if row.kept_percent is None else row.kept_percent.estimate


def least(*values: float | None) -> float:
    """The smallest value; one that is missing counts as 0."""
    return min(value or 0.0 for value in values)


def chosen(row: HeadlineRow, batch_1: float | None, batch_32: float | None) -> str:
    """Describe a chosen sub-model by what it keeps, its speed and its size."""
    interval = row.kept_percent
    if interval is None or batch_1 is None or batch_32 is None or row.times_smaller is None:
        return "none is fast enough"
    models = ", ".join(model.label for model in row.models)
    return (
        f"{models} keeps {interval.estimate:.1f} % of the teacher's accuracy "
        f"({interval.low:.1f}-{interval.high:.1f}) at {batch_1:.1f}× its speed "
        f"(batch 32: {batch_32:.1f}×) and {row.times_smaller:.1f}× smaller"
    )


def answers_of_ablation(record: Record) -> Iterator[Answer]:
    for row in rows_of(record, AblationRow):
        variant = captions.caption("variant", row.variant).en
        for name, gap in (row.difference_points or {}).items():
            yield Answer(
                f"{SubModel.parse(name).label} is worse with {variant}",
                sign(-gap.high, -gap.low),
                points(gap),
            )


def answers_of_joint(record: Record) -> Iterator[Answer]:
    gap = the_row(rows_of(record, JointMeanGapRow)).difference_points
    yield Answer(
        "joint within 0.5 points of each trained alone, on average",
        sign(gap.low + 0.5, gap.high + 0.5),
        points(gap),
    )
    costs = rows_of(record, JointCostRow)
    for compared_with, limit in (("largest_alone", 1.6), ("all_alone", 0.5)):
        flops = the_row(costs, compared_with=compared_with, unit="forward_flops").ratio
        seconds = the_row(costs, compared_with=compared_with, unit="seconds").ratio
        others = "the largest alone" if compared_with == "largest_alone" else "all alone"
        yield Answer(
            f"joint at most {limit} times the cost of training {others}",
            yes(max(flops, seconds) <= limit),
            f"FLOPs of the forward passes: {flops:.2f}, seconds: {seconds:.2f}",
        )


def answers_of_stability(record: Record) -> Iterator[Answer]:
    rows = rows_of(record, StabilityRow)
    progressive = the_row(rows, schedule="progressive", self_distillation=True)
    at_once = the_row(rows, schedule="all_at_once", self_distillation=True)
    plain = the_row(rows, schedule="progressive", self_distillation=False)
    yield compared(
        "step by step is better than all at once (mean of nine)",
        progressive.mean_accuracy_percent,
        at_once.mean_accuracy_percent,
    )
    yield compared(
        "step by step has smaller gradients (largest norm)",
        progressive.largest_gradient_norm,
        at_once.largest_gradient_norm,
        smaller=True,
    )
    yield compared(
        "self-distillation makes sub-models better (mean of nine)",
        progressive.mean_accuracy_percent,
        plain.mean_accuracy_percent,
    )


def answers_of_methods(record: Record) -> Iterator[Answer]:
    rows = rows_of(record, TrainingMethodRow)
    yield compared(
        "joint in two stages is better than one small model in two stages",
        the_row(rows, method="joint_two_stages").accuracy_fraction,
        the_row(rows, method="two_stages_alone").accuracy_fraction,
    )


def answers_of_documents(record: Record) -> Iterator[Answer]:
    rows = rows_of(record, DocumentRow)
    windowed = [row for row in rows if row.reading.startswith("windowed_attention")]
    for row in windowed:
        yield from better_than("cutting", row, row.against_cutting_points)
    for row in windowed:
        yield from better_than("averaged windows", row, row.against_windows_points)


def better_than(baseline: str, row: DocumentRow, gap: Interval | None) -> Iterator[Answer]:
    if gap is not None:
        hope = f"{captions.label(row)}: better than {baseline}"
        yield Answer(hope, sign(gap.low, gap.high), points(gap))


def answers_of_questions(record: Record) -> Iterator[Answer]:
    rows = rows_of(record, QuestionRow)
    largest = max((row for row in rows if row.sub_model), key=size_of_reader)
    baseline = the_row(rows, sub_model=None)
    name = captions.caption("author", "last_mentioned").en
    for kind, exact_match in largest.exact_match_percent.items():
        hope = f"{captions.label(largest)} answers better than “{name}”: {kind}"
        yield compared(hope, exact_match, baseline.exact_match_percent[kind])


def size_of_reader(row: QuestionRow) -> tuple[float, int]:
    """Sorts question rows by the size of their sub-model."""
    return (0.0, 0) if row.sub_model is None else row.sub_model.size


def answers_of_generation(record: Record) -> Iterator[Answer]:
    rows = rows_of(record, GenerationRow)
    sub_models = {row.sub_model for row in rows if row.sub_model}
    largest = max(sub_models, key=lambda sub_model: sub_model.size)
    name = largest.label

    def row_of(decoding: str, drafted: bool = False, kv_cache: bool = True) -> GenerationRow:
        return the_row(
            rows, sub_model=largest, decoding=decoding, drafted=drafted, kv_cache=kv_cache
        )

    yield compared(
        f"{name} predicts better than trigrams (perplexity)",
        row_of("greedy").perplexity,
        the_row(rows, author="trigram").perplexity,
        smaller=True,
    )
    yield compared(
        "a KV cache is faster (tokens a second)",
        row_of("greedy").tokens_per_second,
        row_of("greedy", kv_cache=False).tokens_per_second,
    )
    for decoding in ("greedy", "top_p"):
        yield compared(
            f"drafts by a sub-model are faster ({captions.caption('decoding', decoding).en})",
            row_of(decoding, drafted=True).tokens_per_second,
            row_of(decoding).tokens_per_second,
        )


def answers_of_chinese(record: Record) -> Iterator[Answer]:
    for row in rows_of(record, ChineseRow):
        if row.gain_points is not None:
            hope = f"joint pre-training helps {row.sub_model.label}"
            gain = row.gain_points
            yield Answer(hope, sign(gain.low, gain.high), points(gain))


def answers_of_baselines(record: Record) -> Iterator[Answer]:
    for row in rows_of(record, BaselineRow):
        gap = row.against_bag_points
        if gap is None or row.model == "majority":
            continue
        if row.model == "teacher":
            hope = f"{captions.label(row)}: better than the bag of words of the same sentences"
            yield Answer(hope, sign(gap.low, gap.high), points(gap))
        elif row.task == "sentences":
            hope = "labelled reviews help a bag of words with sentences"
            yield Answer(hope, sign(gap.low, gap.high), points(gap))


def answers_of_trigram(record: Record) -> Iterator[Answer]:
    rows = rows_of(record, PerplexityRow)
    most = max(row.blocks_read for row in rows)
    counted = the_row(rows, author="trigram", blocks_read=most).perplexity
    for row in rows:
        if row.sub_model is not None:
            hope = f"{captions.label(row)} predicts better than trigrams of the same text"
            yield compared(hope, row.perplexity, counted, smaller=True)


def answers_of_trivial_answers(record: Record) -> Iterator[Answer]:
    trivial = {row.question: row for row in rows_of(record, TrivialAnswerRow)}
    average = sum(row.exact_match_percent for row in trivial.values()) / len(trivial)
    questions = read_record("questions")
    rows = rows_of(questions, QuestionRow) if questions is not None else []
    readers = [row for row in rows if row.sub_model is not None]
    for row in readers:
        hope = f"{captions.label(row)} answers better than without reading: all kinds"
        yield compared(hope, row.exact_match_all_percent, OverSeeds(average, 0.0))
    for kind, exact_match in max(readers, key=size_of_reader).exact_match_percent.items():
        other = OverSeeds(trivial[kind].exact_match_percent, 0.0)
        yield compared(
            f"the largest answers better than {trivial_words(trivial[kind])}", exact_match, other
        )


def trivial_words(row: TrivialAnswerRow) -> str:
    rule = captions.caption("rule", row.rule).en.replace("{word}", row.word or "")
    return f"{rule}: {row.question}"


def answers_of_masked_tokens(record: Record) -> Iterator[Answer]:
    for row in rows_of(record, MaskedTokenRow):
        gap = row.against_most_frequent_points
        if row.model == "pretrained" and gap is not None:
            hope = f"{captions.label(row)}: names more hidden tokens than the most frequent one"
            yield Answer(hope, sign(gap.low, gap.high), points(gap))


def answers_of_agreement(record: Record) -> Iterator[Answer]:
    for row in rows_of(record, GradientAgreementRow):
        standard_error = row.cosine_sd / len(row.cosines) ** 0.5
        answer = sign(row.cosine_mean - 2 * standard_error, row.cosine_mean + 2 * standard_error)
        figures = (
            f"{row.cosine_mean:.2f} ± {row.cosine_sd:.2f} over {len(row.cosines)} batches, "
            f"{row.negative_percent:.0f} % below 0"
        )
        yield Answer(f"gradients of {captions.label(row)} agree (mean cosine)", answer, figures)


def answers_of_cascade(record: Record) -> Iterator[Answer]:
    for row in rows_of(record, CascadeRow):
        gap = row.difference_points
        if gap is None or row.goal is None or row.target is None:
            continue
        spent = f", {row.gflops.mean:.3f} GFLOPs a sentence"
        if row.goal == "cost":
            answer = sign(gap.low, gap.high)
            hope = f"{captions.label(row)}: better"
        else:
            answer = sign(gap.low + 0.5, gap.high + 0.5)
            hope = f"{captions.label(row)}: within 0.5 points"
        yield Answer(hope, answer, points(gap) + spent)


# by kind of record
ANSWERS: dict[str, Callable[[Record], Iterator[Answer]]] = {
    "headline": answers_of_headline,
    "ablation": answers_of_ablation,
    "joint_against_separate": answers_of_joint,
    "stability": answers_of_stability,
    "training_methods": answers_of_methods,
    "long_documents": answers_of_documents,
    "questions": answers_of_questions,
    "generation": answers_of_generation,
    "chinese": answers_of_chinese,
    "baselines": answers_of_baselines,
    "trigram": answers_of_trigram,
    "trivial_answers": answers_of_trivial_answers,
    "masked_tokens": answers_of_masked_tokens,
    "gradient_agreement": answers_of_agreement,
    "cascade": answers_of_cascade,
}


def answers_of_first_use(record: Record) -> Iterator[Answer]:
    (row,) = rows_of(record, FirstUseRow)
    yield Answer(
        "the first joint step comes within 30 seconds of an empty cache",
        yes(row.median_seconds <= 30),
        f"{row.median_seconds:.1f} s",
    )


def answers_of_step(record: Record) -> Iterator[Answer]:
    faster = rows_of(record, StepRow)[-1].times_faster
    memory = record.details["peak_memory_mb"]["joint"]
    yield Answer(
        "a joint step is at least twice as fast as the plain loop's",
        yes(faster >= 2),
        f"{faster:.2f} times",
    )
    yield Answer(
        "a joint run takes less than 2.5 GB", yes(memory < 2500), f"{memory / 1000:.2f} GB"
    )


def answers_of_peers(record: Record) -> Iterator[Answer]:
    rows = rows_of(record, PeerRow)
    ours = the_row(rows, contestant="ours_joint")
    for row in rows:
        if row is not ours:
            ratio = row.duration_ms.median / ours.duration_ms.median
            name = captions.caption("contestant", row.contestant).en
            yield Answer(
                f"1.5 times as many sub-models·examples a second as {name}",
                yes(ratio >= 1.5),
                f"{ratio:.2f} times",
            )


def answers_of_reading(record: Record) -> Iterator[Answer]:
    rows = rows_of(record, ReadingSpeedRow)
    longest = max(row.length for row in rows)
    for row in rows:
        if row.attention == "windowed" and row.length == longest:
            name = captions.reading_words(row, "en")
            yield Answer(
                f"{name}: a token at 4,096 takes at most 1.3 times that at 512",
                yes(row.times_shortest <= 1.3),
                f"{row.times_shortest:.2f} times",
            )


# by kind of benchmark
BENCHMARK_ANSWERS: dict[str, Callable[[Record], Iterator[Answer]]] = {
    "first_use": answers_of_first_use,
    "joint_step": answers_of_step,
    "peers": answers_of_peers,
    "reading_speed": answers_of_reading,
}


def yes(condition: bool) -> str:
    """Answer yes or no."""
    return "yes" if condition else "**no**"


def sign(low: float, high: float) -> str:
    """Answer by its interval whether a difference that should be above 0 is."""
    if low > 0:
        return "yes"
    return "**no**" if high < 0 else "undecided"


def compared(
    hope: str, value: OverSeeds | None, other: OverSeeds | None, smaller: bool = False
) -> Answer:
    """Answer whether a value is above another (smaller: below) by more than their spreads."""
    if value is None or other is None:
        return Answer(hope, "undecided", "not measured")
    gap = value.mean - other.mean
    if smaller:
        gap = -gap
    spread = value.sd + other.sd
    figures = f"{cell(value.mean)} ± {value.sd:.2g} against {cell(other.mean)} ± {other.sd:.2g}"
    return Answer(hope, sign(gap - spread, gap + spread), figures)


def points(gap: Interval) -> str:
    """Write a difference with its interval."""
    return f"{gap.estimate:+.2f} points ({gap.low:.2f} to {gap.high:.2f})"


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


README_HEAD = """\
| teacher | speed against it in | sub-model chosen | kept (95 %) | batch 1 | batch 32 | smaller |
|---|---|---|---|---|---|---|
"""

README_NOTES = """\

*teacher*: its accuracy on 1,200 test sentences. *kept*: the share of that accuracy which the chosen
sub-model keeps. *batch 1*, *batch 32*: times the teacher's speed. Means over {seeds} seeds; each
seed's choice is by validation accuracy, among those that are fast and small enough.
From `{default}` and `{stronger}`.
"""


def readme_numbers() -> str:
    """Write the README's numbers: what validation chose, for two teachers and two runtimes."""
    default, stronger = read_record("headline"), read_record("headline_longer")
    if default is None or default.recipe is None or stronger is None:
        raise InvalidInput("make_results: results/headline.json or headline_longer.json is missing")
    teacher = the_row(rows_of(stronger, HeadlineRow), role="teacher").accuracy_percent
    lines = headline_lines(default, f"default, {default_teacher_percent():.1f} %")
    lines += headline_lines(stronger, f"stronger, {teacher:.1f} %")
    notes = README_NOTES.format(
        seeds=len(default.recipe["seeds"]), default=default.command, stronger=stronger.command
    )
    return README_HEAD + "\n".join(lines) + "\n" + notes


def default_teacher_percent() -> float:
    """Test accuracy of the teacher that the library ships."""
    recipe = CHECKOUT / "tinybert_l" / "method" / "adapter" / "recipe.json"
    metrics = json.loads(recipe.read_text(encoding="utf-8"))["metrics"]
    return 100 * metrics["test_accuracy"]


def headline_lines(record: Record, teacher: str) -> list[str]:
    """The two lines of a headline: any runtime against torch, and float32 in the same runtime."""
    rows = rows_of(record, HeadlineRow)
    small = the_row(rows, role="chosen_small")
    same = the_row(rows, role="chosen_same_runtime")
    small_speeds = (small.times_faster_batch_1, small.times_faster_batch_32)
    same_speeds = (same.same_runtime_times_faster_batch_1, same.same_runtime_times_faster_batch_32)
    return [
        f"| {teacher} | torch | {readme_cells(small, small_speeds)} |",
        f"| {teacher} | same runtime | {readme_cells(same, same_speeds)} |",
    ]


def readme_cells(row: HeadlineRow, speeds: tuple[float | None, float | None]) -> str:
    """What a choice is, keeps and gains, in five cells."""
    interval = row.kept_percent
    if interval is None:
        return "none is fast enough | | | | "
    sub_models = ", ".join(dict.fromkeys(model.sub_model.label for model in row.models))
    runtimes = ", ".join(dict.fromkeys(model.runtime for model in row.models))
    kept_cell = f"{interval.estimate:.1f} % ({interval.low:.1f}-{interval.high:.1f})"
    gains = " | ".join(f"{gain or 0.0:.1f}×" for gain in (*speeds, row.times_smaller))
    return f"{sub_models} {runtimes} | {kept_cell} | {gains}"


def readme(text: str) -> str:
    """Put today's table between the marks of the README."""
    before, _, rest = text.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    return f"{before}{MARKS[0]}\n{readme_numbers()}{MARKS[1]}{after}"


if __name__ == "__main__":
    write_atomically(PAGE, page())
    write_atomically(README, readme(README.read_text(encoding="utf-8")))
