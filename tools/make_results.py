"""Writes docs/explanation/results.md, and the README's one sentence of numbers, from results/: `python tools/make_results.py`."""

import json
from pathlib import Path
from typing import Any

from tinybert_l.cache import write_atomically
from tinybert_l.experiments import RECORDS
from tinybert_l.records import RESULTS, read_record

CHECKOUT = Path(__file__).resolve().parent.parent
PAGE, README = CHECKOUT / "docs" / "explanation" / "results.md", CHECKOUT / "README.md"
MARKS = ("<!-- from results/headline.json by tools/make_results.py -->", "<!-- end -->")
SAME_RUNTIME = "in the teacher's runtime: "  # the start of two of the headline's columns
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


def page() -> str:
    """Every record as a table."""
    parts = [
        "# Results\n",
        "Written from the records under `results/` by `tools/make_results.py`. Intervals (low, high) are 95 %.\n",
    ]
    for name, recipe in RECORDS.items():
        record = read_record(name, recipe)
        if record is None:
            parts.append(f"## {WHAT[name]}\n\nNot recorded yet: `make records`.\n")
            continue
        stale = "" if record["state"] == "current" else " **Stale: the recipe has changed since.**"
        seeds = ", ".join(map(str, record["recipe"]["seeds"]))
        machine = ", ".join([f"{record['machine']['cores']} cores", *record["machine"].get("instructions", [])])
        trained = "".join(f", trained on {device}" for device in record.get("trained_on", []))
        told = f"`{record['command']}`, seeds {seeds}, {record['date'][:10]}, {machine}{trained}.{stale}"
        parts.append(f"## {WHAT[name]}\n\n{told}\n\n{table(record['rows'])}\n")
    return "\n".join(parts)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown; columns in the order in which they first come, lists and spreads left out where there are many."""
    columns = [
        c for c in dict.fromkeys(c for row in rows for c in row) if not any(isinstance(r.get(c), list) for r in rows)
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
    metrics = json.loads((CHECKOUT / "tinybert_l" / "adapter" / "recipe.json").read_text(encoding="utf-8"))["metrics"]
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
