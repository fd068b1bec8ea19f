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
WHAT = {
    "headline": "The method in earnest: kept accuracy, speed and size of one joint run's sub-models, against the teacher",
    "headline_stronger_teacher": "The same with a stronger teacher: every weight fine-tuned, no adapter",
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
        told = f"`{record['command']}`, seeds {seeds}, {record['date'][:10]}, {machine}.{stale}"
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
    """The README's numbers: what validation chose, means over seeds."""
    record = json.loads((RESULTS / "headline.json").read_text(encoding="utf-8"))
    small, same = [row for row in record["rows"] if row["name 名称"].startswith("chosen")]

    def told(row: dict[str, Any]) -> str:
        name = row["name 名称"].rpartition(": ")[2]
        if "kept (%)" not in row:
            return f"{row['name 名称']}"
        return (
            f"{name} keeps {row['kept (%)']:.1f} % of the teacher's accuracy ({row['low']:.1f}-{row['high']:.1f}) at "
            f"{row['faster, batch 1']:.1f}× its speed (batch 32: {row['faster, batch 32']:.1f}×) and "
            f"{row['smaller']:.1f}× smaller"
        )

    seeds = len(record["recipe"]["seeds"])
    teacher = json.loads((CHECKOUT / "tinybert_l" / "adapter" / "recipe.json").read_text(encoding="utf-8"))["metrics"]
    own = f"The teacher is right on {100 * teacher['test_accuracy']:.1f} % of 1,200 test sentences. "
    chosen = [row["name 名称"].rpartition(": ")[2] for row in (small, same)]
    return (
        f"{own}From one joint run (`{record['command']}`, {seeds} seeds): {told(small)}; in the teacher's own runtime "
        f"and precision, {told(same)}. {with_stronger_teacher(chosen)}"
    )


def with_stronger_teacher(chosen: list[str]) -> str:
    """How much the same sub-models keep of a teacher that knows more."""
    record = json.loads((RESULTS / "headline_stronger_teacher.json").read_text(encoding="utf-8"))
    rows = {row["name 名称"]: row for row in record["rows"]}
    names = [name for several in chosen for name in several.split(", ") if name in rows]  # seeds may choose differently
    kept = [f"{n} {rows[n]['kept (%)']:.1f} % ({rows[n]['low']:.1f}-{rows[n]['high']:.1f})" for n in names]
    teacher = rows["teacher 教师"]["accuracy (%)"]
    return f"Of a stronger teacher, right on {teacher:.1f} % (`{record['command']}`), they keep: {', '.join(kept)}."


def readme(text: str) -> str:
    """The README with today's sentence between the marks."""
    before, _, rest = text.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    return f"{before}{MARKS[0]}\n{sentence()}\n{MARKS[1]}{after}"


if __name__ == "__main__":
    write_atomically(PAGE, page())
    write_atomically(README, readme(README.read_text(encoding="utf-8")))
