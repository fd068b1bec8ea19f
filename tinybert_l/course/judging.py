"""Judge answers by their exercises' tests, in a process of their own.

The tests stand in the lecture's notebook: visible ones in every copy, hidden ones only in the
instructor's. Does not defend against an answer that attacks the judge, or another answer of its
notebook; grading does that.
"""

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from tinybert_l.exercises.registry import AnswerError, copy_released, exercises, find_exercise

_HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS(.*?)### END HIDDEN TESTS", re.S)


@dataclass(frozen=True)
class Verdict:
    """One check: which part ("answer", "visible", "hidden"), whether it passed, and why not."""

    part: str
    passed: bool
    message: str


def find_notebook(name: str, start: Path | None = None) -> Path:
    """The notebook that sets an exercise: near `start`, else in the checkout the library runs from.

    Raises:
        ValueError: no such exercise. FileNotFoundError: no such notebook.
    """
    lecture = find_exercise(name).notebook
    file = f"{lecture}.ipynb"
    here = (start or Path.cwd()).resolve()
    checkout = Path(__file__).resolve().parents[2]
    for folder in (checkout, here, *here.parents):
        for place in (
            folder / "notebooks" / lecture / file,
            folder / lecture / file,
            folder / file,
        ):
            if place.is_file():
                return place
    raise FileNotFoundError(
        f"{file}, which holds the tests of {name}, is neither in {here} nor above it."
    )


def read_tests(notebook: Path, name: str) -> tuple[str, dict[str, list[str]]]:
    """(set-up code, {"visible": [test code], "hidden": [test code]}) of one exercise."""
    setup, tests = "", {"visible": [], "hidden": []}  # type: tuple[str, dict[str, list[str]]]
    for cell in json.loads(notebook.read_text(encoding="utf-8-sig"))["cells"]:
        source, grade_id = (
            "".join(cell["source"]),
            cell["metadata"].get("nbgrader", {}).get("grade_id", ""),
        )
        if grade_id == "setup":
            setup = source
        if grade_id in (f"test_{name}", f"test_{name}_hidden"):
            tests["hidden"] += _HIDDEN.findall(source)
            tests["visible"].append(_HIDDEN.sub("", source))
    return setup, tests


def judge(
    name: str, answer: Path, notebook: Path | None = None, timeout: float = 120
) -> list[Verdict]:
    """Run one answer against all its tests that are in reach; the first verdict is on the answer itself.

    Args:
        answer: a Python file that defines the function, with or without `@name.implement`.
        timeout: seconds for everything together.
    Raises:
        ValueError: no such exercise. FileNotFoundError: no notebook with its tests.
    """
    return judge_notebook(notebook or find_notebook(name), {name: answer}, timeout)[name]


def judge_notebook(
    notebook: Path, answers: dict[str, Path], timeout: float = 120
) -> dict[str, list[Verdict]]:
    """As `judge`, for several exercises of one notebook, {exercise: answer}: the library is imported once for all.

    An answer that ends the process or does not finish costs the others nothing: they go on in a new one.

    Args:
        timeout: seconds for each answer, the start of the process included.
    """
    tasks = []
    for name, answer in answers.items():
        setup, tests = read_tests(notebook, name)
        if not any(ast.parse(code).body for code in tests["visible"]):
            raise ValueError(f"judge: the notebook has no visible tests of {name}.")
        source = answer.read_text(encoding="utf-8")
        tasks.append(
            {"name": name, "answer": str(answer), "source": source, "setup": setup, "tests": tests}
        )
    verdicts: dict[str, list[Verdict]] = {}
    while len(verdicts) < len(tasks):
        verdicts |= _judge_in_a_process(tasks[len(verdicts) :], timeout)
    return verdicts


def _judge_in_a_process(tasks: list[dict[str, Any]], timeout: float) -> dict[str, list[Verdict]]:
    """Verdicts on the tasks in their order: on all, or up to the first that ends the process or takes too long."""
    verdicts: dict[str, list[Verdict]] = {}
    with tempfile.TemporaryDirectory() as folder:
        copy_released(find_exercise(tasks[0]["name"]).lecture, Path(folder))
        environment = {**os.environ, "TINYBERT_L_SOLUTIONS": folder}
        command = [sys.executable, "-m", "tinybert_l.course.judging", folder]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, cwd=folder
        )
        try:
            with suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as stdin:
                stdin.write(json.dumps(tasks).encode())
            for task in tasks:
                verdicts[task["name"]], ending = _follow(
                    process, Path(folder) / f"{task['name']}.report", timeout
                )
                if ending:
                    verdicts[task["name"]].append(Verdict("answer", False, ending))
                    break
        finally:
            process.kill()
            process.wait()
    return verdicts


def _follow(
    process: "subprocess.Popen[bytes]", report: Path, timeout: float
) -> tuple[list[Verdict], str]:
    """The verdicts of a report that is being written, and why it ends too early ("" where it does not)."""
    deadline = time.monotonic() + timeout
    while True:
        alive = process.poll() is None  # asked first: what it wrote last is read below
        text = report.read_text(encoding="utf-8") if report.is_file() else ""
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        verdicts = [Verdict(**line) for line in lines if "end" not in line]
        if len(verdicts) < len(lines):
            return verdicts, ""
        if not alive:
            return verdicts, "The answer ended the Python process before its tests were through."
        if time.monotonic() > deadline:
            return verdicts, f"Not finished within {timeout:g} s (an endless loop?)."
        time.sleep(0.05)


def _run(task: dict[str, Any], report: Path) -> None:
    """Set up, take the answer, run every test statement, write verdicts as they fall."""

    def say(part: str, passed: bool, message: str = "") -> None:
        with report.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"part": part, "passed": passed, "message": message}) + "\n")

    namespace: dict[str, Any] = {"__name__": "answer"}
    exec(compile(task["setup"], "set-up", "exec"), namespace)
    name = task["name"]
    hole = namespace.setdefault(name, _hole(name))
    try:
        exec(compile(task["source"], task["answer"], "exec"), namespace)
        given = namespace.get(name)
        if given is not hole:
            hole.implement(given)
            namespace[name] = hole
        if hole.exercise.student is None:
            raise AnswerError(f"{task['answer']} defines no function {name}.")
    except BaseException as error:
        say("answer", False, f"{type(error).__name__}: {error}")
    else:
        say("answer", True, "taken")
        for part, cells in task["tests"].items():
            for code in cells:
                _run_cell(code, part, namespace, say)
    with report.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"end": True}) + "\n")


def _run_cell(code: str, part: str, namespace: dict[str, Any], say: Any) -> None:
    """Statement by statement; a failed assertion does not keep the next from being tried."""
    for statement in ast.parse(code).body:
        lines = code.splitlines()[statement.lineno - 1 : statement.end_lineno]
        is_check = any(isinstance(node, ast.Assert | ast.Raise) for node in ast.walk(statement))
        try:
            exec(compile(ast.Module([statement], []), f"{part} test", "exec"), namespace)
        except AssertionError as error:
            say(part, False, str(error) or lines[0])
        except BaseException as error:
            say(part, False, f"{type(error).__name__}: {error}  [at: {lines[0].strip()}]")
            if not is_check:
                return  # what follows stands on this statement
        else:
            if is_check:
                say(part, True, lines[0].strip())


def _hole(name: str) -> Any:
    import tinybert_l

    return getattr(tinybert_l, name)


def _run_all(folder: Path) -> None:
    """What the judging process does: every task from stdin, as if it were alone."""
    for task in json.load(sys.stdin):
        _run(task, folder / f"{task['name']}.report")
        for entry in exercises().values():
            entry.student = None


if __name__ == "__main__":
    _run_all(Path(sys.argv[1]))
