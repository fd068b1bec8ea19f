"""The commands of capstone and league, with tiny entries beside a tiny teacher."""

import json
import os
import re
from pathlib import Path

import pytest
from attacks import entries as attacks
from attacks import entry_files, entry_models
from click.testing import CliRunner, Result

from tinybert_l.cli import league as league_commands
from tinybert_l.cli.app import main
from tinybert_l.course.capstone import asking, checking
from tinybert_l.course.capstone.asking import Program, Sentences
from tinybert_l.course.capstone.folder import read_entry
from tinybert_l.course.capstone.program import Job, measured
from tinybert_l.course.capstone.rules import LABELS
from tinybert_l.grading.outside.sandbox import problem

needs_sandbox = pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")


ask = asking.ask


def ask_here(job: Job, program: Program) -> list:
    """Measure without a sandbox in this process: starting another takes a second each time."""
    if any("bwrap" in word for word in program.command):
        return ask(job, program)
    return [json.loads(json.dumps(measured(folder, job))) for folder in job.entries]


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder with an honest entry; the teacher is one of the same kind."""
    teacher = attacks.honest(tmp_path / "teacher")
    attacks.honest(tmp_path / "entry")
    few = Sentences(["a good film", "bad", "good", "a bad film"] * 5, [1, 0, 1, 0] * 5)
    monkeypatch.setattr(checking, "teacher_folder", lambda: teacher)
    monkeypatch.setattr(checking, "validation_sentences", lambda: few)
    monkeypatch.setattr(league_commands, "teacher_folder", lambda: teacher)
    monkeypatch.setattr(asking, "ROUNDS", 5)
    monkeypatch.setattr(asking, "ask", ask_here)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs" / "course").mkdir(parents=True)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def run(*words: str, status: int = 0) -> str:
    """Run a command in this process, and return what it prints."""
    result: Result = CliRunner().invoke(main, list(words))
    assert result.exit_code == status, (result.output, result.exception)
    return result.output


def test_a_student_checks_and_packs_an_entry(place):
    printed = run("capstone", "check", "entry")
    assert "keeps the rules" in printed and "100.0 %" in printed
    assert re.search(r"teacher's .*: \d+\.\d{3} \(", printed)
    printed = run("capstone", "submit", "entry", "--student", "ann")
    assert "ann-capstone.zip" in printed
    assert read_entry(place / "ann-capstone.zip").sha256 == read_entry(place / "entry").sha256
    assert "keeps the rules" in run("capstone", "check", "ann-capstone.zip", "--no-times")


def test_labels_in_the_wrong_order_are_noticed(place):
    attacks.describe(place / "entry", labels=list(LABELS[::-1]))
    assert "below chance" in run("capstone", "check", "entry", "--no-times")


def test_an_entry_that_breaks_a_rule_is_neither_checked_nor_packed(place):
    entry_files.pickled_weights(place / "entry")
    for command in ("check", "submit"):
        printed = run("capstone", command, "entry", status=1)
        assert "pickles are code" in printed and len(printed.splitlines()) == 1
    attacks.honest(place / "noise")
    entry_models.random_answers(place / "noise")
    printed = run("capstone", "check", "noise", "--no-times", status=1)
    assert "RandomNormalLike is not allowed" in printed


def test_the_baseline_notebook_is_written_once(place):
    run("capstone", "new", "mine")
    notebook = json.loads((place / "mine" / "capstone.ipynb").read_text(encoding="utf-8"))
    assert len(notebook["cells"]) > 10
    assert "exists already" in run("capstone", "new", "mine", status=1)


def own_sentences(path: Path) -> None:
    rows = [f"a {('bad', 'good')[n % 2]} film of week {n},{LABELS[n % 2]}" for n in range(100)]
    path.write_text("\n".join(["text,label", *rows]) + "\n")


@needs_sandbox
def test_an_instructor_judges_and_publishes(place):
    assert "run 'tinybert-l league holdout' first" in run("league", "table", status=1)
    own_sentences(place / "own.csv")
    assert "100 sentences" in run("league", "holdout", "--texts", "own.csv")
    os.mkfifo(attacks.honest(place / "eve\n") / "pipe")
    printed = run("league", "judge", "entry", "eve\n", status=1)
    assert "honest: judged" in printed and "eve\\n: refused" in printed
    assert "judged before" in run("league", "judge", "entry"), "a stopped run goes on"
    assert "honest: judged" in run("league", "judge", "--again", "entry")
    attacks.describe(place / "entry", name="better")
    assert "takes the place of honest" in run("league", "judge", "entry")
    attacks.describe(place / "entry")
    run("league", "judge", "entry")
    assert "honest" in run("league", "table")
    run("league", "page", "--to", "public")
    pages = sorted(path.name for path in (place / "public").iterdir())
    assert pages == ["league-en.html", "league-zh.html"]
    for name in pages:
        text = (place / "public" / name).read_text(encoding="utf-8")
        assert "honest" in text and "of week" not in text, "a held-out sentence is published"
