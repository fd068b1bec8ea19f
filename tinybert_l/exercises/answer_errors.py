"""Errors of absent and unfit answers, and how a notebook shows them: one line, no traceback."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from tinybert_l.errors import CourseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from tinybert_l.exercises.registry import Exercise


# how the message of an answer cell's stub begins: in both languages, or in Chinese alone
STUB_WORDS = ("your answer goes here", "请在此作答")


class AnswerError(CourseError, TypeError):
    """An answer was given whose type, name or arguments differ from the exercise's."""

    def _render_traceback_(self) -> list[str]:
        """Show IPython the message alone: the frames of this library do not help a student."""
        return [f"{type(self).__name__}: {self}"]


class MissingAnswer(CourseError, NotImplementedError):
    """An exercise was called that has no answer yet."""

    def __init__(self, exercise: Exercise[..., Any]) -> None:
        self.exercise = exercise
        super().__init__(
            f"{exercise.name} has no answer yet: it is an exercise of lecture {exercise.lecture}. "
            f"Write it in the notebook {exercise.notebook}.ipynb, in the cell that begins with "
            f"@{exercise.name}.implement, run that cell, then run this one again. "
            f"{exercise.name}还没有答案：请在笔记本{exercise.notebook}.ipynb中"
            f"以@{exercise.name}.implement开头的单元格里完成它，运行后再回到这里。"
        )

    def _render_traceback_(self) -> list[str]:
        """Show IPython the message alone: the frames of this library do not help a student."""
        return [f"MissingAnswer: {self}"]


def _before_shown(
    shell: InteractiveShell,
    errors: tuple[type[BaseException], ...],
    explain: Callable[[BaseException], None],
) -> None:
    """Let IPython call a function with each error of these classes that ends a cell."""

    def handle(
        shell: InteractiveShell,
        error_type: type[BaseException],
        error: BaseException,
        traceback: TracebackType,
        tb_offset: int | None = None,
    ) -> None:
        explain(error)
        shell.showtraceback((error_type, error, traceback), tb_offset=tb_offset)

    shell.set_custom_exc(errors, handle)


def _say(error: BaseException, message: str) -> None:
    """Give a NameError another message, and let IPython show it alone."""
    error.args = (message,)
    _show_alone(error)


def _show_alone(error: BaseException) -> None:
    """Let IPython show an error's message without a traceback."""
    lines = [f"{type(error).__name__}: {error}"]
    render_method = "_render_traceback_"  # IPython asks the error for the lines to show
    setattr(error, render_method, lambda: lines)


class NameErrorExplainer:
    """Says of an undefined name that the cell defining it stopped at a missing answer.

    Remembers the exercises whose absence has stopped a cell of this notebook since `install`.
    """

    def __init__(self) -> None:
        self.unanswered: dict[str, None] = {}  # a set that keeps its order

    def install(self, shell: InteractiveShell) -> None:
        """Let IPython call this object when a cell ends in a MissingAnswer or a NameError."""
        _before_shown(shell, (MissingAnswer, NameError, NotImplementedError), self.explain)

    def explain(self, error: BaseException) -> None:
        """Note a MissingAnswer; extend a NameError by the notes, if there are any.

        Of a cell that nobody has filled in, the stub's own words are shown alone.
        """
        if isinstance(error, MissingAnswer):
            self.unanswered[error.exercise.name] = None
        elif isinstance(error, NotImplementedError):
            if str(error).startswith(STUB_WORDS):
                _show_alone(error)
        elif self.unanswered:
            names = ", ".join(self.unanswered)
            message = (
                f"{error}: an earlier cell was to make it, but stopped because {names} has no "
                "answer yet. Answer it, then choose Run All. "
                f"前面的单元格因{names}还没有答案而中断；完成后请重新运行全部。"
            )
            _say(error, message)


FORGOTTEN_SETUP = (
    "{error}: run the first code cell of this notebook, the set-up, before this one (Run > Run All "
    "Above Selected Cell). 请先运行本笔记本的第一个代码单元格（准备单元格）。"
)


class SetupReminder:
    """Says of an undefined name that the set-up cell was not run, until `begin` was called."""

    def install(self, shell: InteractiveShell) -> None:
        """Let IPython call this object when a cell ends in a NameError."""
        _before_shown(shell, (NameError,), lambda error: self.explain(error, set(shell.user_ns)))

    def explain(self, error: BaseException, defined: set[str]) -> None:
        """Extend the error by what to do, where the set-up has defined nothing yet."""
        if "tinybert_l" in defined:
            return
        message = FORGOTTEN_SETUP.format(error=error)
        _say(error, message)


def explain_forgotten_setup() -> None:
    """In a notebook, explain undefined names until the set-up cell is run; elsewhere nothing."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is not None:
        SetupReminder().install(shell)


def explain_missing_names() -> None:
    """In a notebook, explain undefined names from now on; elsewhere do nothing."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is not None:
        NameErrorExplainer().install(shell)
