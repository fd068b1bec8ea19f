"""Run cells as a student's JupyterLab does: the one shell of `check`, `home` and of grading.

It is the shell of a stock kernel without the kernel: magics, `display`, shell escapes and plots
work, and what they show is printed. So an answer that works in the notebook works here.
"""

import io
import sys
import types
from collections.abc import Mapping
from typing import Any

from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_magic, magics_class
from traitlets import Type
from traitlets.config import Config

from tinybert_l.exercises.screenless import draw_without_screen

TRACEBACK_LINES = 30
FIRST_FRAMES, LAST_FRAMES = 5, 20  # of a traceback, that are shown
LINE_LIMIT = 2000  # characters of a line of a traceback
STORE = "storemagic"  # the extension that every stock kernel loads


class _NoKernel:
    """Stands for the kernel that a stock shell asks for its event loop."""

    eventloop = None
    gui = None


@magics_class
class _MagicsWithoutKernel(Magics):
    """Magics of a stock kernel that speak of its connections, of which there are none here."""

    @line_magic
    def connect_info(self, line: str) -> None:
        """Show how to connect to the kernel."""
        print("{}")

    @line_magic
    def qtconsole(self, line: str) -> None:
        """Open a console of the kernel."""

    @line_magic
    def subshell(self, line: str) -> None:
        """Show the kernel's subshells."""


class Shell(ZMQInteractiveShell):
    """A stock kernel's shell that prints what it would send, and keeps errors.

    Attributes:
        failure: the traceback of the last cell's error; None where it had none.
    """

    displayhook_class: Any = Type(DisplayHook)
    display_pub_class: Any = Type(DisplayPublisher)
    failure: list[str] | None = None

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        """Show the ends of long tracebacks alone.

        For each frame, all modules are looked through for its source: beside torch, an endless
        recursion would take a minute.
        """
        error = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            error.__traceback__ = _shortened(error.__traceback__)
            error = error.__cause__ or error.__context__
        super().showtraceback(exc_tuple, *args, **kwargs)

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        lines = list(stb)[-TRACEBACK_LINES:]
        self.failure = [str(line)[:LINE_LIMIT] for line in lines]

    def init_io(self) -> None:
        """Leave the standard streams as they are."""

    def init_magics(self) -> None:
        super().init_magics()
        self.register_magics(_MagicsWithoutKernel)

    def enable_gui(self, gui: Any = None) -> None:
        """Do nothing: there is no screen, and no event loop to join."""

    def enable_matplotlib(self, gui: str | None = None) -> Any:
        """Draw into the output, whatever was asked for: no other way works without a screen."""
        return super().enable_matplotlib("inline")

    def enable_pylab(self, gui: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Likewise."""
        return super().enable_pylab("inline", *args, **kwargs)


def _shortened(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """Return a traceback without the frames in the middle of a long one."""
    frames = []
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    if len(frames) > FIRST_FRAMES + LAST_FRAMES:
        frames = [*frames[:FIRST_FRAMES], *frames[-LAST_FRAMES:]]
    for frame in reversed(frames):
        traceback = types.TracebackType(traceback, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return traceback


def make_shell() -> Shell:
    """Return this process's shell, without history, colours or files."""
    for stream in (sys.stdout, sys.stderr):  # a kernel's streams take halves of characters, too
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    draw_without_screen()
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = Shell.instance(config=config, kernel=_NoKernel())
    assert shell.extension_manager is not None
    shell.extension_manager.load_extension(STORE)
    return shell


def run_cell(shell: Any, source: str) -> BaseException | None:
    """Run a cell and return the error that ended it, None when its end was reached."""
    shell.failure = None
    try:
        result = shell.run_cell(source, store_history=False)
    except SystemExit as error:
        return error
    return result.error_before_exec or result.error_in_exec


def enter(shell: Any, names: Mapping[str, Any]) -> dict[str, Any]:
    """Give a shell a new namespace, in which it and every magic runs code; return it."""
    module = types.ModuleType("__main__")
    module.__dict__.update(names)
    shell.user_module = module
    shell.user_ns = module.__dict__
    shell.init_user_ns()
    module.__dict__.update({"_": "", "__": "", "___": ""})  # the last results, of which none is yet
    return module.__dict__


def run_aside(source: str, file: str, names: Mapping[str, Any]) -> None:
    """Run a cell in a namespace of its own, in the shell of this process or in a new one.

    Args:
        file: stands in tracebacks.
        names: what the cell may use.
    Raises:
        Exception: what the cell raises.
    """
    shell: Any = InteractiveShell._instance or make_shell()
    code = shell.transform_cell(source)
    kept = (shell.user_module, shell.user_ns)
    namespace = enter(shell, names)
    try:
        exec(compile(code, file, "exec"), namespace)
    finally:
        shell.user_module, shell.user_ns = kept
