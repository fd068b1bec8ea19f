"""Judge answers by their exercises' tests, in a process of their own.

The tests stand in the lecture's notebook: visible ones in every copy, hidden ones only in the
instructor's. Does not defend against an answer that attacks the judge, or another answer of its
notebook; grading does that.
"""

import ast
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from tinybert_l.course.markers import hidden_tests, without_hidden_tests
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.answers import read_cells
from tinybert_l.exercises.registry import (
    NOTEBOOKS,
    AnswerError,
    exercises,
    find_exercise,
    forget_answers,
)
from tinybert_l.exercises.released import SOLUTIONS_VARIABLE, copy_released

if TYPE_CHECKING:
    from tinybert_l.exercises.shell import Shell

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Verdict:
    """The result of one check.

    Args:
        part: what was checked: "answer" (whether it can be used), "visible" or "hidden" (a test).
        passed: whether the check passed.
        message: the reason why not; for a passed test the first line of its code.
    """

    part: str
    passed: bool
    message: str


@dataclass(frozen=True)
class Task:
    """One answer to judge, as the judging process reads it from its standard input.

    Args:
        exercise: name of the exercise, or of a question whose answer is a variable.
        answer_file: path of the answer, for messages.
        source: the answer's code.
        setup: code of the notebook's set-up cell.
        tests: {"visible": [code of each test cell], "hidden": [code of each hidden region]}.
    """

    exercise: str
    answer_file: str
    source: str
    setup: str
    tests: dict[str, list[str]]


def find_notebook(name: str, start: Path | None = None) -> Path:
    """Return the notebook that sets an exercise.

    Looks in the checkout that the library runs from, then in `start` and above it.

    Args:
        name: name of the exercise.
        start: a folder; None stands for the working directory.

    Raises:
        InvalidInput: there is no such exercise.
        FileNotFoundError: there is no such notebook.
    """
    notebook = find_exercise(name).notebook
    file = f"{notebook}.ipynb"
    here = (start or Path.cwd()).resolve()
    checkout = Path(__file__).resolve().parents[2]
    for folder in (checkout, here, *here.parents):
        for parent in (folder / "notebooks" / notebook, folder / notebook, folder):
            if (parent / file).is_file():
                return parent / file
    raise FileNotFoundError(
        f"{file}, which holds the tests of {name}, is neither in {here} nor above it."
    )


def read_tests(notebook: Path, name: str) -> tuple[str, dict[str, list[str]]]:
    """Return (set-up code, {"visible": [test code], "hidden": [test code]}) of one exercise.

    The set-up is the code of all locked cells that are no tests.
    """
    setup: list[str] = []
    tests: dict[str, list[str]] = {"visible": [], "hidden": []}
    for cell in read_cells(notebook):
        source = "".join(cell["source"])
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        if _is_setup(cell):
            setup.append(source)
        if grade_id in (f"test_{name}", f"test_{name}_hidden"):
            tests["hidden"] += hidden_tests(source)
            tests["visible"].append(without_hidden_tests(source))
    return "\n".join(setup), tests


def _is_setup(cell: dict[str, Any]) -> bool:
    settings = cell["metadata"].get("nbgrader", {})
    is_test = settings.get("grade") or settings.get("solution")
    return cell["cell_type"] == "code" and bool(settings.get("locked")) and not is_test


def _source_of(answer: Path) -> str:
    try:
        return answer.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{answer}: not UTF-8 (byte {error.start}); save it as UTF-8. 请另存为UTF-8。"
        ) from None


def judge(
    name: str, answer: Path, notebook: Path | None = None, timeout: float = 120
) -> list[Verdict]:
    """Run one answer against all its tests that are in reach.

    Args:
        name: name of the exercise.
        answer: a Python file that defines the function, with or without `@name.implement`.
        notebook: the notebook that holds the tests; None stands for `find_notebook(name)`.
        timeout: seconds for everything together.

    Returns:
        The verdicts; the first is on the answer itself.

    Raises:
        InvalidInput: there is no such exercise.
        FileNotFoundError: there is no notebook with its tests.
    """
    return judge_notebook(notebook or find_notebook(name), {name: answer}, timeout)[name]


def judge_notebook(
    notebook: Path, answers: dict[str, Path], timeout: float = 120
) -> dict[str, list[Verdict]]:
    """Judge answers to several exercises of one notebook; the library is imported once for all.

    If an answer ends the process or does not finish, the others are judged in a new one.

    Args:
        notebook: the notebook that holds the tests.
        answers: {exercise: file of its answer}.
        timeout: seconds for each answer, the start of the process included.

    Raises:
        InvalidInput: the notebook has no visible tests of an exercise.
    """
    tasks = []
    for name, answer in answers.items():
        setup, tests = read_tests(notebook, name)
        if not any(ast.parse(code).body for code in tests["visible"]):
            raise InvalidInput(f"judge: the notebook has no visible tests of {name}.")
        tasks.append(Task(name, str(answer), _source_of(answer), setup, tests))
    verdicts: dict[str, list[Verdict]] = {}
    while len(verdicts) < len(tasks):
        verdicts |= _judge_in_a_process(
            tasks[len(verdicts) :], timeout, _lecture_of(notebook, tasks)
        )
    return verdicts


def _lecture_of(notebook: Path, tasks: list[Task]) -> int:
    """Return the lecture of a notebook: by its name, else by the exercises in it."""
    for lecture, name in NOTEBOOKS.items():
        if name == notebook.stem:
            return lecture
    return find_exercise(tasks[0].exercise).lecture


def _judge_in_a_process(
    tasks: list[Task], timeout: float, lecture: int
) -> dict[str, list[Verdict]]:
    """Return verdicts on the tasks in their order.

    Stops after the first task that ends the process or takes too long.
    """
    verdicts: dict[str, list[Verdict]] = {}
    with tempfile.TemporaryDirectory() as folder:
        copy_released(lecture, Path(folder))
        process = subprocess.Popen(
            [sys.executable, "-m", "tinybert_l.course.judging", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, SOLUTIONS_VARIABLE: folder},
            cwd=folder,
        )
        try:
            with suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as stdin:
                stdin.write(json.dumps(list(map(asdict, tasks))).encode())
            for task in tasks:
                report = _report_file(Path(folder), task.exercise)
                verdicts[task.exercise], early_end = _follow(process, report, timeout)
                if early_end:
                    verdicts[task.exercise].append(Verdict("answer", False, early_end))
                    break
        finally:
            process.kill()
            process.wait()
    return verdicts


def _report_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.report"


def _follow(
    process: "subprocess.Popen[bytes]", report: Path, timeout: float
) -> tuple[list[Verdict], str]:
    """Wait until a report is complete, and return its verdicts.

    Args:
        process: the judging process, which writes the report.
        report: the file; each line is a verdict in JSON, the last one `{"end": true}`.
        timeout: seconds to wait at most.

    Returns:
        The verdicts, and the reason why the report is not complete ("" where it is).
    """
    deadline = time.monotonic() + timeout
    while True:
        # The process is asked before the file is read: what it wrote last is read all the same.
        is_alive = process.poll() is None
        verdicts, is_complete = _read_report(report)
        if is_complete:
            return verdicts, ""
        if not is_alive:
            return verdicts, "The answer ended the Python process before its tests were through."
        if time.monotonic() > deadline:
            return verdicts, f"Not finished within {timeout:g} s (an endless loop?)."
        time.sleep(POLL_SECONDS)


def _read_report(report: Path) -> tuple[list[Verdict], bool]:
    """Return the verdicts of a report's complete lines, and whether the report has its end."""
    if not report.is_file():
        return [], False
    text = report.read_text(encoding="utf-8")
    complete_lines = text[: text.rfind("\n") + 1].splitlines()
    verdicts: list[Verdict] = []
    for line in complete_lines:
        entry = json.loads(line)
        if "end" in entry:
            return verdicts, True
        verdicts.append(Verdict(**entry))
    return verdicts, False


class _Report:
    """The file to which the judging process writes verdicts as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, part: str, passed: bool, message: str) -> None:
        self._write(asdict(Verdict(part, passed, message)))

    def end(self) -> None:
        self._write({"end": True})

    def _write(self, entry: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def run_task(task: Task, report_file: Path) -> None:
    """Run the set-up, the answer and every test statement in this process; write the report."""
    from tinybert_l.exercises.shell import enter, make_shell  # slow to import

    report = _Report(report_file)
    shell = make_shell()  # that of grading: what works there works here
    namespace = enter(shell, {"__name__": "__main__"})
    exec(compile(task.setup, "set-up", "exec"), namespace)
    try:
        _run_answer(task, shell, namespace)
    except BaseException as error:  # SystemExit too: the answer is not usable
        report.add("answer", False, f"{type(error).__name__}: {error}")
    else:
        report.add("answer", True, "taken")
        for part, cells in task.tests.items():
            for code in cells:
                _run_cell(code, part, namespace, report.add)
    report.end()


def _run_answer(task: Task, shell: "Shell", namespace: dict[str, Any]) -> None:
    """Run an answer's file, with or without `implement`, so that the exercise has this answer.

    The answer to a question that is no exercise is a variable, which needs nothing more.

    Raises:
        AnswerError: the file defines no function of that name.
    """
    from tinybert_l.exercises.shell import run_cell

    if task.exercise not in exercises():
        error = run_cell(shell, task.source)
        if error is not None:
            raise error
        return
    entry = find_exercise(task.exercise)
    exercise_function = namespace.setdefault(task.exercise, entry.function)
    error = run_cell(shell, task.source)
    if error is not None:
        raise error
    defined = namespace.get(task.exercise)
    if defined is not exercise_function:
        exercise_function.implement(defined)
        namespace[task.exercise] = exercise_function
    if entry.student is None:
        raise AnswerError(f"{task.answer_file} defines no function {task.exercise}.")


def _run_cell(
    code: str, part: str, namespace: dict[str, Any], add_verdict: Callable[[str, bool, str], None]
) -> None:
    """Run a test cell statement by statement, and add a verdict for each check.

    A failed assertion does not keep the next one from being tried. Another error in a statement
    that checks nothing ends the cell: what follows depends on that statement.
    """
    for statement in ast.parse(code).body:
        first_line = code.splitlines()[statement.lineno - 1]
        is_check = any(isinstance(node, ast.Assert | ast.Raise) for node in ast.walk(statement))
        test_name = f"{part} test"
        try:
            exec(compile(ast.Module([statement], []), test_name, "exec"), namespace)
        except BaseException as error:
            if isinstance(error, AssertionError) and _file_that_raised(error) == test_name:
                add_verdict(part, False, str(error) or first_line)
                continue
            message = f"{type(error).__name__}: {error}  [at: {first_line.strip()}]"
            if _asks_for_value_error(statement):
                message = (
                    f"a ValueError was asked for here, and the answer raised {message} "
                    f"此处应抛出ValueError，解答却抛出{type(error).__name__}。"
                )
            add_verdict(part, False, message)
            if not is_check:
                return
        else:
            if is_check:
                add_verdict(part, True, what_is_asked(statement) or first_line.strip())


def _file_that_raised(error: BaseException) -> str:
    """The file in which an error was raised; an answer may hold `assert` as a test does."""
    traceback = error.__traceback__
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename


def what_is_asked(statement: ast.stmt) -> str:
    """Say what a statement of a test asks for, without the text of its failure; "" if unclear.

    >>> what_is_asked(ast.parse("assert f(4) == 2, 'f(4) should be 2'").body[0])
    'f(4) == 2'
    >>> code = "try:\\n    f(9)\\nexcept ValueError:\\n    pass\\nelse:\\n    raise AssertionError"
    >>> what_is_asked(ast.parse(code).body[0])
    'f(9) raises ValueError'
    """
    if isinstance(statement, ast.Assert):
        return ast.unparse(statement.test)
    if isinstance(statement, ast.Try) and _asks_for_value_error(statement):
        return f"{ast.unparse(statement.body[0])} raises ValueError"
    return ""


def _asks_for_value_error(statement: ast.stmt) -> bool:
    """Whether a statement of a test tries a call that is to raise a ValueError."""
    for node in ast.walk(statement):
        caught = node.type if isinstance(node, ast.ExceptHandler) else None
        if caught is not None and "ValueError" in ast.unparse(caught):
            return True
    return False


def _main(folder: Path) -> None:
    """Run every task of the standard input, each as if it were alone; one report per task."""
    for fields in json.load(sys.stdin):
        task = Task(**fields)
        run_task(task, _report_file(folder, task.exercise))
        forget_answers()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
