"""Writes docs/explanation/results.md, and the README's one sentence of numbers, from results/: `python tools/make_results.py`."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tinybert_l.cache import write_atomically
from tinybert_l.course.recipes import RECORDS
from tinybert_l.course.records import HIGH, LOW, RESULTS, SPREAD, read_record

CHECKOUT = Path(__file__).resolve().parent.parent
PAGE, README = CHECKOUT / "docs" / "explanation" / "results.md", CHECKOUT / "README.md"
MARKS = ("<!-- from results/headline.json by tools/make_results.py -->", "<!-- end -->")
SAME_RUNTIME = "in the teacher's runtime: "  # the start of two of the headline's columns
Rows = dict[str, dict[str, Any]]  # of a record, by name
Answer = tuple[str, str, str]  # what was hoped for, whether it came, figures
WHAT = {
    "headline": "The method in earnest: kept accuracy, speed and size of one joint run's sub-models, against the teacher",
    "headline_stronger_teacher": "The same with a stronger teacher: every weight fine-tuned, no adapter",
    "headline_longer": "The stronger teacher's once more, with 6,000 instead of 2,500 steps of soft labels",
    "ablation": "The headline's recipe, shorter, with one of its parts left out at a time",
    "joint_against_separate": "One joint run against each of its nine sub-models trained alone",
    "joint_against_separate_longer": "The same with 400 steps (joint: 360, two random sub-models in each), the teacher's outputs computed once for all",
    "stability": "Ways to introduce the sub-models, with and without self-distillation",
    "training_methods": "Five ways to a small model",
    "long_documents": "Whole reviews: cut, in windows, with windowed attention, with short texts first, with dropped tokens",
    "questions": "Nine kinds of questions on stories of a world that was not seen in training",
    "generation": "What sub-models write: perplexity, variety, coherence, speed",
    "chinese": "Joint pre-training and joint fine-tuning in Chinese, against joint fine-tuning alone",
}


ALSO_TRIED = """\
Also tried for whole reviews, in single runs that are not kept here, and no better than averaged windows: ten times the steps on all reviews;
a [CLS] in every 64 tokens; the [CLS] of each window attending to those of the others, with the mean of their logits, the mean of their states or
a learned gate; the loss of whole reviews on averaged windows, with and without learned weights of the windows; more layers for models that drop
tokens. For the teacher: a first round on windows of the long reviews, with their labels.
"""


def page() -> str:
    """What the records answer, then every record as a table."""
    parts = [
        "# Results\n",
        "Written from the records under `results/` by `tools/make_results.py`. Intervals (low, high) are 95 %.\n",
        "## What was hoped for, and what came\n",
        "*Undecided*: the interval holds 0 (or the limit that is named), or means lie no further apart than the sum of their standard "
        "deviations over seeds. Goals of kept accuracy, speed, size and cost are answered by means over seeds or medians of rounds.\n",
        answers_table(),
        ALSO_TRIED,
    ]
    for name, recipe in RECORDS.items():
        record = read_record(name, recipe)
        if record is None:
            parts.append(f"## {WHAT[name]}\n\nNot recorded yet: `make records`.\n")
            continue
        stale = "" if record["state"] == "current" else " **Stale: the recipe has changed since.**"
        seeds = ", ".join(map(str, record["recipe"]["seeds"]))
        trained = "".join(f", trained on {device}" for device in record.get("trained_on", []))
        told = f"`{record['command']}`, seeds {seeds}, {record['date'][:10]}, {machine_of(record)}{trained}.{stale}"
        parts.append(f"## {WHAT[name]}\n\n{told}\n\n{table(record['rows'])}\n")
    parts.append(
        "## Benchmarks, one run of each\n\n`make bench RECORD=--record`; quartiles: low, high.\n"
    )
    for record in benchmarks().values():
        told = f"`{record['command']}`, {record['date'][:10]}, {machine_of(record)}."
        rows = record.get("rows", [{k: v for k, v in record.items() if isinstance(v, float)}])
        parts.append(f"### {record['title']}\n\n{told}\n\n{table(rows)}\n")
    return "\n".join(parts)


def machine_of(record: dict[str, Any]) -> str:
    return ", ".join(
        [f"{record['machine']['cores']} cores", *record["machine"].get("instructions", [])]
    )


def benchmarks() -> dict[str, dict[str, Any]]:
    """What `--record` kept of benchmarks, by name."""
    paths = sorted((RESULTS / "benchmarks").glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def answers_table() -> str:
    """Hope, answer and figures of every record that is there; an answer is computed, never written."""
    lines = ["| hope | answer | figures | record |", "|---|---|---|---|"]
    for name, recipe in RECORDS.items():
        record = read_record(name, recipe)
        if record is not None:
            rows = {row["name 名称"]: row for row in record["rows"]}
            lines += [
                f"| {hope} | {answer} | {figures} | {name} |"
                for hope, answer, figures in ANSWERS[name](rows)
            ]
    for name, record in benchmarks().items():
        if name in OF_BENCHMARKS:
            told = OF_BENCHMARKS[name](record)
            lines += [
                f"| {hope} | {answer} | {figures} | benchmark {name} |"
                for hope, answer, figures in told
            ]
    return "\n".join(lines) + "\n"


def answers_of_headline(rows: Rows) -> Iterator[Answer]:
    small, same = [row for name, row in rows.items() if name.startswith("chosen")]
    yield (
        "≥ 97 % of the teacher's accuracy at ≥ 15× its speed (batch 1 and 32), ≥ 10× smaller",
        yes(met(small, 97, 15) and small["smaller"] >= 10),
        chosen(small),
    )
    yield (
        "≥ 96.8 % at ≥ 8× in the teacher's own runtime and precision",
        yes(met(same, 96.8, 8, SAME_RUNTIME)),
        chosen(same, SAME_RUNTIME),
    )


def met(row: dict[str, Any], kept: float, faster: float, prefix: str = "") -> bool:
    speeds = [row.get(f"{prefix}faster, batch {batch}", 0) for batch in (1, 32)]
    return row.get("kept (%)", 0) >= kept and min(speeds) >= faster


def answers_of_ablation(rows: Rows) -> Iterator[Answer]:
    for name, row in rows.items():
        for size in ("3×½", "2×¼"):
            if f"{size}: low" in row:
                gap, low, high = (row[f"{size}: {end}"] for end in ("difference 差", "low", "high"))
                yield (
                    f"{size} is worse with {english(name)}",
                    sign(-high, -low),
                    interval(gap, low, high),
                )


def answers_of_joint(rows: Rows) -> Iterator[Answer]:
    mean, cost = (
        rows["mean 平均"],
        {name: row["ratio"] for name, row in rows.items() if "ratio" in row},
    )
    gap, low, high = mean["difference 差 (points)"], mean["low"], mean["high"]
    yield (
        "joint within 0.5 points of each trained alone, on average",
        sign(low + 0.5, high + 0.5),
        interval(gap, low, high),
    )
    for whom, limit in (("the largest alone", 1.6), ("all alone", 0.5)):
        found = {
            name.rpartition(": ")[2]: ratio
            for name, ratio in cost.items()
            if f"over {whom} " in name
        }
        told = ", ".join(f"{english(what)}: {ratio:.2f}" for what, ratio in found.items())
        yield (
            f"joint at most {limit} times the cost of training {whom}",
            yes(max(found.values()) <= limit),
            told,
        )


def answers_of_stability(rows: Rows) -> Iterator[Answer]:
    by_way = {english(name): row for name, row in rows.items()}
    progressive, at_once, plain = (
        by_way[way]
        for way in (
            "progressive, self-distillation",
            "all at once, self-distillation",
            "progressive, none",
        )
    )
    mean, norm = "mean of nine 九者平均 (%)", "largest gradient norm 最大梯度范数"
    yield (
        "step by step is better than all at once (mean of nine)",
        *compared(progressive, at_once, mean),
    )
    yield (
        "step by step has smaller gradients (largest norm)",
        *compared(progressive, at_once, norm, smaller=True),
    )
    yield (
        "self-distillation makes sub-models better (mean of nine)",
        *compared(progressive, plain, mean),
    )


def answers_of_methods(rows: Rows) -> Iterator[Answer]:
    joint, alone = (
        rows[name] for name in ("joint, two stages 联合两阶段", "TinyBERT, two stages 两阶段")
    )
    yield (
        "joint in two stages is better than one small model in two stages",
        *compared(joint, alone, "accuracy"),
    )


def answers_of_documents(rows: Rows) -> Iterator[Answer]:
    for base, column in (
        ("cutting", "against cutting 与截断之差 (points)"),
        ("averaged windows", "against windows 与窗口之差 (points)"),
    ):
        for name, row in rows.items():
            if column in row and "windowed attention" in name:
                gap, low, high = row[column], row[column + LOW], row[column + HIGH]
                yield f"{name}: better than {base}", sign(low, high), interval(gap, low, high)


def answers_of_questions(rows: Rows) -> Iterator[Answer]:
    largest, simple = rows["6×1"], rows["mentioned last 最后提到的"]
    for column in largest:
        if column.endswith(": EM (%)") and not column.startswith("all"):
            kind = column.removesuffix(": EM (%)")
            yield (
                f"6×1 answers better than “{english('mentioned last 最后提到的')}”: {kind}",
                *compared(largest, simple, column),
            )


def answers_of_generation(rows: Rows) -> Iterator[Answer]:
    perplexity, speed = "perplexity 困惑度", "tokens a second 每秒词元"
    largest = rows["6×1, greedy 贪心"]
    yield (
        "6×1 predicts better than trigrams (perplexity)",
        *compared(largest, rows["trigram 三元组"], perplexity, smaller=True),
    )
    yield (
        "a KV cache is faster (tokens a second)",
        *compared(largest, rows["6×1, greedy 贪心, no KV cache 无缓存"], speed),
    )
    for how in ("greedy 贪心", "top-p 0.9"):
        drafted = rows[f"6×1, {how}, drafted 起草"]
        yield (
            f"drafts by a sub-model are faster ({english(how)})",
            *compared(drafted, rows[f"6×1, {how}"], speed),
        )


def answers_of_chinese(rows: Rows) -> Iterator[Answer]:
    for name, row in rows.items():
        if "low" in row:
            gap, low, high = row["gain 增益 (points)"], row["low"], row["high"]
            yield (
                f"joint pre-training helps {name.partition(',')[0]}",
                sign(low, high),
                interval(gap, low, high),
            )


ANSWERS: dict[str, Callable[[Rows], Iterator[Answer]]] = {
    **dict.fromkeys(
        ("headline", "headline_stronger_teacher", "headline_longer"), answers_of_headline
    ),
    "ablation": answers_of_ablation,
    **dict.fromkeys(("joint_against_separate", "joint_against_separate_longer"), answers_of_joint),
    "stability": answers_of_stability,
    "training_methods": answers_of_methods,
    "long_documents": answers_of_documents,
    "questions": answers_of_questions,
    "generation": answers_of_generation,
    "chinese": answers_of_chinese,
}


def answers_of_first_use(record: dict[str, Any]) -> Iterator[Answer]:
    taken = record["median"]
    yield (
        "the first joint step comes within 30 seconds of an empty cache",
        yes(taken <= 30),
        f"{taken:.1f} s",
    )


def answers_of_step(record: dict[str, Any]) -> Iterator[Answer]:
    faster, memory = record["rows"][-1]["faster"], record["peak_memory_mb"]["joint"]
    yield (
        "a joint step is at least twice as fast as the plain loop's",
        yes(faster >= 2),
        f"{faster:.2f} times",
    )
    yield "a joint run takes less than 2.5 GB", yes(memory < 2500), f"{memory / 1000:.2f} GB"


def answers_of_peers(record: dict[str, Any]) -> Iterator[Answer]:
    *others, ours = record["rows"]
    for other in others:
        ratio = other["ms"] / ours["ms"]
        hope = f"1.5 times as many sub-models·examples a second as {english(other['name'])}"
        yield hope, yes(ratio >= 1.5), f"{ratio:.2f} times"


def answers_of_length(record: dict[str, Any]) -> Iterator[Answer]:
    for row in record["rows"]:
        if row["name"].startswith("windowed") and row["name"].endswith(" 4096"):
            ratio = row["against 512"]
            way = english(row["name"]).removesuffix(" 4096").rstrip(",")
            yield (
                f"{way}: a token at 4,096 takes at most 1.3 times that at 512",
                yes(ratio <= 1.3),
                f"{ratio:.2f} times",
            )


OF_BENCHMARKS: dict[str, Callable[[dict[str, Any]], Iterator[Answer]]] = {
    "first_use": answers_of_first_use,
    "joint_step": answers_of_step,
    "peers": answers_of_peers,
    "long_documents": answers_of_length,
}


def yes(condition: bool) -> str:
    return "yes" if condition else "**no**"


def sign(low: float, high: float) -> str:
    """Whether a difference that should be above 0 is, by its interval."""
    return "yes" if low > 0 else "**no**" if high < 0 else "undecided"


def compared(
    one: dict[str, Any], other: dict[str, Any], column: str, smaller: bool = False
) -> tuple[str, str]:
    """Whether `one` is above the other (smaller: below) by more than their spreads; and both."""
    spreads = [row.get(column + SPREAD, 0.0) for row in (one, other)]
    gap = (one[column] - other[column]) * (-1 if smaller else 1)
    told = " against ".join(
        f"{cell(row[column])} ± {spread:.2g}"
        for row, spread in zip((one, other), spreads, strict=True)
    )
    return sign(gap - sum(spreads), gap + sum(spreads)), told


def interval(gap: float, low: float, high: float) -> str:
    return f"{gap:+.2f} points ({low:.2f} to {high:.2f})"


def english(name: str) -> str:
    """The English half of a bilingual name."""
    return " ".join(word for word in name.split() if word.isascii() or set(word) & set("×½¼"))


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown; columns in the order in which they first come, lists and spreads left out where there are many."""
    columns = [
        c
        for c in dict.fromkeys(c for row in rows for c in row)
        if not any(isinstance(r.get(c), list) for r in rows)
    ]
    if len(columns) > 10:
        columns = [c for c in columns if "±" not in c]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell(row.get(c)) for c in columns) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
    return "" if value is None else str(value)


def sentence() -> str:
    """The README's numbers: what validation chose, means over seeds, of the default teacher and of a stronger one."""
    metrics = json.loads(
        (CHECKOUT / "tinybert_l" / "method" / "adapter" / "recipe.json").read_text(encoding="utf-8")
    )["metrics"]
    return (
        f"The default teacher is right on {100 * metrics['test_accuracy']:.1f} % of 1,200 test sentences. "
        f"{of_record('headline')} A stronger teacher is right on {stronger():.1f} %. "
        f"{of_record('headline_longer')}"
    )


def stronger() -> float:
    """Accuracy of the teacher whose every weight was fine-tuned, in percent."""
    rows = json.loads((RESULTS / "headline_longer.json").read_text(encoding="utf-8"))["rows"]
    return next(row["accuracy (%)"] for row in rows if row["name 名称"] == "teacher 教师")


def of_record(name: str) -> str:
    """What a headline chose: among all runtimes, and in the teacher's own runtime and precision."""
    record = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    small, same = [row for row in record["rows"] if row["name 名称"].startswith("chosen")]
    told = f"From one joint run (`{record['command']}`, {len(record['recipe']['seeds'])} seeds): {chosen(small)}"
    return f"{told}; in the teacher's own runtime and precision, {chosen(same, SAME_RUNTIME)}."


def chosen(row: dict[str, Any], prefix: str = "") -> str:
    """A chosen sub-model in words; `prefix` of the columns of its speed."""
    name = row["name 名称"].rpartition(": ")[2]
    if "kept (%)" not in row:
        return "none is fast enough"
    return (
        f"{name} keeps {row['kept (%)']:.1f} % of the teacher's accuracy ({row['low']:.1f}-{row['high']:.1f}) at "
        f"{row[f'{prefix}faster, batch 1']:.1f}× its speed (batch 32: {row[f'{prefix}faster, batch 32']:.1f}×) and "
        f"{row['smaller']:.1f}× smaller"
    )


def readme(text: str) -> str:
    """The README with today's sentence between the marks."""
    before, _, rest = text.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    return f"{before}{MARKS[0]}\n{sentence()}\n{MARKS[1]}{after}"


if __name__ == "__main__":
    write_atomically(PAGE, page())
    write_atomically(README, readme(README.read_text(encoding="utf-8")))
