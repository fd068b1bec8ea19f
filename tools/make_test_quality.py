"""Measure how good the exercises' tests are: `python tools/make_test_quality.py`.

Judges every answer of tests/zoo and every mutant of the reference answers, which takes two minutes
of one core, and writes results/test_quality.json, docs/explanation/how-good-are-the-tests.md and
tests/zoo/messages.md. What lies in results/ and docs/ is public: counts, places of mutants, and
messages of tests that students see. Messages of hidden tests stand in tests/zoo alone.
"""

import json
import sys
from collections import Counter
from typing import Any

from jinja2 import Environment, StrictUndefined
from judge_held_out import NOW, read_rounds
from judge_zoo import (
    CHECKOUT,
    EXPLAINED,
    IMPORTS,
    explained_mutants,
    failures,
    judge,
    reference_answer,
    surviving,
)
from scipy.stats import binomtest

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.exercises.registry import exercises, find_exercise

sys.path.insert(0, str(CHECKOUT / "tests"))
from zoo import ZooAnswer, right_answers, wrong_answers

RECORD = CHECKOUT / "results" / "test_quality.json"
PAGE = CHECKOUT / "docs" / "explanation" / "how-good-are-the-tests.md"
MESSAGES = CHECKOUT / "tests" / "zoo" / "messages.md"
COMMAND = "python tools/make_test_quality.py"
COLUMNS = [
    "exercise",
    "wrong answers",
    "seen",
    "false passes",
    "right answers",
    "false fails",
    "mutants",
    "same",
    "free",
    "passed",
    "score",
]
CAUGHT_BY = {
    "answer": "refused before the tests",
    "visible": "a visible test",
    "hidden": "a hidden test",
    "none": "**nothing**",
}


def measure() -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Judge everything: (the record, {exercise: {wrong idea: first message}})."""
    by_exercise: dict[str, Any] = {}
    messages: dict[str, dict[str, str]] = {}
    for name in exercises():
        wrong, messages[name] = judge_wrong_answers(name)
        by_exercise[name] = {
            "wrong": wrong,
            "right": judge_right_answers(name),
            "mutants": judge_mutants(name),
        }
        print(f"{name}: {by_exercise[name]['mutants']['by_operator']}", flush=True)
    return {"command": COMMAND, "exercises": by_exercise, **provenance()}, messages


def judge_wrong_answers(name: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What catches each wrong answer to an exercise, and the first message that it gets.

    Only messages of what students see stand in the first part.
    """
    results, messages = [], {}
    for answer in answers_of(wrong_answers(), name):
        failed = failures(judge(name, answer.file()))
        part = failed[0]["part"] if failed else "none"
        message = first_line(failed[0]["message"]) if failed else ""
        public = message if part in ("answer", "visible") else None
        results.append({"idea": answer.idea, "caught_by": part, "message": public})
        messages[answer.idea] = message
    return results, messages


def judge_right_answers(name: str) -> list[dict[str, Any]]:
    """Whether each right answer passes, the reference answer first."""
    sources = {"the reference answer": IMPORTS + reference_answer(name)}
    for answer in answers_of(right_answers(), name):
        sources[answer.idea] = answer.file()
    results = []
    for idea, source in sources.items():
        results.append({"idea": idea, "passes": not failures(judge(name, source))})
    return results


def judge_mutants(name: str) -> dict[str, Any]:
    """The mutants of a reference answer: how many were tried, and which pass every test."""
    tried, passed = surviving(name)
    found: dict[str, list[str]] = {"same": [], "unspecified": [], "survived": []}
    kinds = explained_mutants().get(name, {})
    for mutant in passed:
        kind = next((kind for kind, names in kinds.items() if mutant.name in names), "survived")
        found[kind].append(mutant.name)
    return {
        "tried": len(tried),
        **found,
        "by_operator": dict(sorted(Counter(mutant.operator for mutant in tried).items())),
    }


def answers_of(answers: list[ZooAnswer], name: str) -> list[ZooAnswer]:
    """Those of the zoo's answers that are to one exercise."""
    return [answer for answer in answers if answer.exercise == name]


def first_line(message: str) -> str:
    """The first line of a message that is not empty."""
    return next((line.strip() for line in message.splitlines() if line.strip()), "")


def interval(events: int, tried: int) -> str:
    """A rate in percent with its 95 % interval by Clopper and Pearson: "0 (0 to 1.6)"."""
    ends = binomtest(events, tried).proportion_ci(method="exact")
    return f"{100 * events / tried:.2g} ({100 * ends.low:.2g} to {100 * ends.high:.2g})"


def counts_of(result: dict[str, Any]) -> Counter[str]:
    """The numbers of one exercise's row."""
    caught = Counter(answer["caught_by"] for answer in result["wrong"])
    mutants = result["mutants"]
    return Counter(
        wrong=len(result["wrong"]),
        visible=caught["visible"] + caught["answer"],
        false_passes=caught["none"],
        right=len(result["right"]),
        false_fails=sum(not answer["passes"] for answer in result["right"]),
        mutants=mutants["tried"],
        same=len(mutants["same"]),
        unspecified=len(mutants["unspecified"]),
        survived=len(mutants["survived"]),
    )


def score(counts: Counter[str]) -> str:
    """Mutants that are caught, in percent of those that go against the specification."""
    different = counts["mutants"] - counts["same"] - counts["unspecified"]
    return f"{100 * (different - counts['survived']) / different:.3g}"


def caught_of_all(counts: Counter[str]) -> str:
    """Mutants that are caught, in percent of all, whatever was said of those that pass."""
    passed = counts["same"] + counts["unspecified"] + counts["survived"]
    return f"{100 * (counts['mutants'] - passed) / counts['mutants']:.3g}"


def cells(head: str, counts: Counter[str]) -> str:
    """A row of the table of exercises."""
    numbers = [
        f"{counts['wrong']}",
        f"{counts['visible']}",
        interval(counts["false_passes"], counts["wrong"]),
        f"{counts['right']}",
        interval(counts["false_fails"], counts["right"]),
        f"{counts['mutants']}",
        f"{counts['same']}",
        f"{counts['unspecified']}",
        f"{counts['survived']}",
        score(counts),
    ]
    return f"| {head} | {' | '.join(numbers)} |"


def in_cell(text: str) -> str:
    """A text as it can stand in a cell of a Markdown table."""
    for mark in ("\\", "|", "<", "*", "_", "$", "[", "~"):
        text = text.replace(mark, "&lt;" if mark == "<" else f"\\{mark}")
    return text


def wrong_table(name: str, result: dict[str, Any]) -> str:
    """The wrong answers to an exercise, by what they are caught, and what they are told."""
    lines = ["| wrong answer | caught by | told |", "|---|---|---|"]
    for answer in result["wrong"]:
        told = "–" if answer["message"] is None else in_cell(answer["message"])
        lines.append(f"| {in_cell(answer['idea'])} | {CAUGHT_BY[answer['caught_by']]} | {told} |")
    summary = f"<summary>\n\n{find_exercise(name).number} `{name}`\n\n</summary>"
    return f"<details>\n{summary}\n\n" + "\n".join(lines) + "\n\n</details>\n"


def survivors(record: dict[str, Any], kind: str) -> str:
    """A list of the mutants that pass every test, by their exercises."""
    lines = []
    for name, result in record["exercises"].items():
        for mutant in result["mutants"][kind]:
            lines.append(f"- `{name}`, `{mutant}`")
    return "\n".join(lines)


def counted(number: int, one: str, many: str) -> str:
    """A number and its verb: "none passes", "1 passes", "2 pass"."""
    return f"{number or 'none'} {one if number < 2 else many}"


def page(record: dict[str, Any]) -> str:
    """Write the page from the record alone."""
    counts = {name: counts_of(result) for name, result in record["exercises"].items()}
    total: Counter[str] = sum(counts.values(), Counter())
    by_operator: Counter[str] = Counter()
    for result in record["exercises"].values():
        by_operator.update(result["mutants"]["by_operator"])
    head = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    rows = []
    for name, its in counts.items():
        rows.append(cells(f"{find_exercise(name).number} `{name}`", its))
    versions = ", ".join(f"{package} {v}" for package, v in record["versions"].items())
    rounds = read_rounds()
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(TEXT).render(
        command=record["command"],
        date=record["date"][:10],
        versions=versions,
        total=total,
        num_exercises=len(counts),
        false_passes=interval(total["false_passes"], total["wrong"]),
        false_fails=interval(total["false_fails"], total["right"]),
        score=score(total),
        caught=caught_of_all(total),
        added=added_by(rounds),
        now=held_out_counts(rounds[NOW]),
        counted=counted,
        rows="\n".join([*head, *rows, cells("**all**", total)]),
        operators=", ".join(f"{kind} {n}" for kind, n in sorted(by_operator.items())),
        survived=survivors(record, "survived"),
        explained=EXPLAINED.name,
        wrong="\n".join(wrong_table(name, r) for name, r in record["exercises"].items()),
    )


def held_out_counts(outcome: dict[str, Any]) -> dict[str, str]:
    """A round's errors, as they stand in a sentence: "3 of 20 wrong ones"; and their rates."""
    passes, fails = len(outcome["false_passes"]), len(outcome["false_fails"])
    return {
        "wrong": f"{passes} of {outcome['wrong']} wrong ones",
        "false_passes": interval(passes, outcome["wrong"]),
        "right": f"{fails} of {outcome['right']} right ones",
        "false_fails": interval(fails, outcome["right"]),
    }


def added_by(rounds: dict[str, dict[str, Any]]) -> list[dict[str, str]]:
    """For each commit, what its tests said of the answers that were new in its round."""
    added = []
    before: dict[str, Any] = {"wrong": 0, "right": 0, "false_passes": [], "false_fails": []}
    for commit, outcome in rounds.items():
        if commit == NOW:
            continue
        new: dict[str, Any] = {kind: outcome[kind] - before[kind] for kind in ("wrong", "right")}
        for errors in ("false_passes", "false_fails"):
            new[errors] = [answer for answer in outcome[errors] if answer not in before[errors]]
        added.append({"commit": commit, **held_out_counts(new)})
        before = outcome
    return added


def messages_page(messages: dict[str, dict[str, str]]) -> str:
    """The list of all first messages, those of hidden tests among them."""
    head = f"Written by `{COMMAND}`; not for students: messages of hidden tests are among them."
    parts = [f"# What each wrong answer is told first\n\n{head}\n"]
    for name, by_idea in messages.items():
        lines = ["| wrong answer | told |", "|---|---|"]
        for idea, message in by_idea.items():
            lines.append(f"| {in_cell(idea)} | {in_cell(message) or '**nothing**'} |")
        table = "\n".join(lines)
        parts.append(f"## {find_exercise(name).number} `{name}`\n\n{table}\n")
    return "\n".join(parts)


def read_record() -> dict[str, Any]:
    """The record of the last run."""
    record: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    return record


TEXT = """\
# How good are the tests?

*Written by `{{ command }}` on {{ date }} ({{ versions }}), from `results/test_quality.json`;
`make nightly` measures anew.*

A test that lets a wrong answer pass teaches an error, and one that fails a right answer takes
points from somebody who has earned them. So the tests of all {{ num_exercises }} exercises are
tested:

- **{{ total.wrong }} wrong answers**, mistakes of the kind that students make. False passes in
  percent, with 95 % interval: {{ false_passes }}.
- **{{ total.right }} right answers**, written quite differently, the reference answers among them.
  False fails in percent: {{ false_fails }}.
- **{{ total.mutants }} mutants**, reference answers with one small change by a standard operator.
  Of those that pass every test, {{ counted(total.same, "computes", "compute") }} the same as
  before, and {{ counted(total.unspecified, "differs", "differ") }} only where the notebook's text
  says nothing (what becomes of arguments that it excludes, say); the reason is written down for
  each. Of all others the tests catch {{ score }} %;
  {{ counted(total.survived, "passes", "pass") }}.

**What the first two rates do not say.** Tests were sharpened until they judged the zoo rightly, by
the people who wrote its answers: what was found wrong was mended. An interval would hold for
answers drawn as the zoo's were; a class may think of others. Mutants are drawn by rule, not by us,
so their score is the more honest one, of smaller mistakes than students make. Which of them may
pass is our judgement, though, and some tests were sharpened after mutants had passed; of all
mutants, without that judgement, the tests catch {{ caught }} %.

**Held-out answers** do say something of it: they were written from the exercises' texts alone,
before their writer had seen a test (`tests/held_out`). When first judged,
{% for round in added %}
- by the notebooks of commit `{{ round.commit }}`, {{ round.wrong }} passed, in percent
  {{ round.false_passes }}, and {{ round.right }} failed, {{ round.false_fails }};
{%- endfor %}

The writers looked for what tests overlook, so the usual mistakes of a class should pass less often.
What was found has been mended: now
{{ now.wrong }} pass and {{ now.right }} fail, which again says nothing of answers to come. Those
that still pass stand in `tests/held_out/rounds.json`, and may: a wording of an error, and a sum
that is rounded, are no reason to fail an idea that is right.

## By exercise

Rates in percent, with 95 % intervals by Clopper and Pearson (`scipy.stats.binomtest`). "seen" is
how many of the wrong answers fail a test that students have before them; the rest meet a hidden
one. "same" and "free" are mutants that compute the same, or differ where nothing is specified;
"passed" are all others that no test catches: gaps. An error that only the docstring in the library
promises counts as not specified: students write from the notebook.

{{ rows }}

Mutants by operator: {{ operators }}. They are made by `tools/mutants.py`; a mutant's name is line
and column in the reference answer's function, and the change.

## Mutants that pass

{% if total.survived -%}
These differ where the notebook's text says something, or nobody has said yet why they may pass.
They count against the score.

{{ survived }}
{%- else -%}
None: each is caught, or may pass.
{%- endif %}

Those that may pass stand with their reasons in `tests/zoo/{{ explained }}`.

## What each wrong answer is told

The first line that a student reads. What hidden tests say stands in `tests/zoo/messages.md`: this
page is public, and hidden tests are not.

{{ wrong }}"""


if __name__ == "__main__":
    if sys.argv[1:] == ["--page"]:  # the page alone, from the record as it is
        write_atomically(PAGE, page(read_record()))
    else:
        record, messages = measure()
        write_atomically(RECORD, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
        write_atomically(MESSAGES, messages_page(messages))
        write_atomically(PAGE, page(record))
