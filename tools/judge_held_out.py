"""Judge the answers of tests/held_out: `python tools/judge_held_out.py [COMMIT]`.

They were written from the exercises' texts alone, so what the tests said of them at first tells how
often tests err on answers that nobody tuned them to. A round takes half a minute of one core. With
a COMMIT the notebooks of that commit judge; without, those of the working tree. The rounds are kept
in tests/held_out/rounds.json; tools/make_test_quality.py puts them on its page.
"""

import ast
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import judge_zoo

from tinybert_l.cache import provenance, write_atomically
from tinybert_l.exercises.registry import exercises, find_exercise

HELD_OUT = judge_zoo.CHECKOUT / "tests" / "held_out"
ROUNDS = HELD_OUT / "rounds.json"
NOW = "working tree"


def answers(name: str) -> dict[str, str]:
    """{function's name: the answer as a student's file}; none for an exercise set since."""
    path = HELD_OUT / f"{name}.py"
    if not path.exists():
        return {}
    source = path.read_text(encoding="utf-8")
    files = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            definition = ast.get_source_segment(source, node) or ""
            definition = re.sub(r"^def \w+\(", f"def {name}(", definition)
            files[node.name] = f"{judge_zoo.IMPORTS}{definition}\n"
    return files


def judge_round(notebooks: Path) -> dict[str, Any]:
    """Judge every held-out answer by the tests of the notebooks in a folder."""
    result: dict[str, Any] = {"wrong": 0, "right": 0, "false_passes": [], "false_fails": []}

    def notebook(name: str) -> Path:
        slug = find_exercise(name).notebook
        return notebooks / slug / f"{slug}.ipynb"

    with patch.object(judge_zoo, "find_notebook", notebook):
        for name in exercises():
            for idea, file in answers(name).items():
                passes = not judge_zoo.failures(judge_zoo.judge(name, file))
                kind = idea.partition("_")[0]
                result[kind] += 1
                if kind == "wrong" and passes:
                    result["false_passes"].append(f"{name}: {idea}")
                if kind == "right" and not passes:
                    result["false_fails"].append(f"{name}: {idea}")
    return result | {"date": provenance()["date"]}


def read_rounds() -> dict[str, dict[str, Any]]:
    """{commit, or "working tree": what the tests of its notebooks said}; the first round first."""
    rounds: dict[str, dict[str, Any]] = json.loads(ROUNDS.read_text(encoding="utf-8"))
    return rounds


def main(commit: str | None) -> None:
    """Judge by the notebooks of a commit, or of the working tree, and keep the round."""
    if commit is None:
        outcome = judge_round(judge_zoo.CHECKOUT / "notebooks")
    else:
        command = ["git", "archive", commit, "notebooks"]
        archive = subprocess.run(command, cwd=judge_zoo.CHECKOUT, check=True, capture_output=True)
        with tempfile.TemporaryDirectory() as folder:
            with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
                files.extractall(folder, filter="data")
            outcome = judge_round(Path(folder) / "notebooks")
    rounds = read_rounds() if ROUNDS.exists() else {}
    rounds[commit or NOW] = outcome
    if NOW in rounds:
        rounds[NOW] = rounds.pop(NOW)  # stands last
    write_atomically(ROUNDS, json.dumps(rounds, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
