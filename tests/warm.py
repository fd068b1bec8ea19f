"""Run commands, scripts and notebooks in forks of one process that has imported everything already.

A new interpreter needs about five seconds of CPU time for torch and transformers, a fork a tenth
of one. Each fork ends with its command, so nothing of it is left to the next. The warmed process is
Python's own fork server; it is started at the first use and ends with the tests.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

# what commands and notebooks import, in one process without threads of its own
PRELOADED = [
    "tinybert_l.course.quick_imports",  # before nbformat
    "sqlalchemy",
    "torch",
    "transformers",
    "pandas",
    "scipy.stats",
    "matplotlib.pyplot",
    "IPython.core.interactiveshell",
    "IPython.core.pylabtools",
    "ipywidgets",
    "nbformat",
    "rich.progress",
    "tinybert_l.cli.app",
    "tinybert_l.course.experiments",
    "tinybert_l.course.figures",
    "tinybert_l.method.export",
    "tinybert_l.tasks.documents",
]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(PRELOADED)


def run_tool(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    timeout: float = 600,
) -> subprocess.CompletedProcess[str]:
    """Run `tinybert-l …`, `nbgrader …` or `python SCRIPT …` in a fork.

    Returns what `subprocess.run` returns with captured text.

    Args:
        words: the command line, split.
        folder: the working directory.
        environment: all environment variables; None: those of this process.
        timeout: seconds until the fork and its children are killed, which raises `TimeoutError`.
    """
    status, out, err = _in_a_fork(_tool, (list(words),), folder, environment, timeout)
    return subprocess.CompletedProcess(list(words), status, out, err)


def run_notebook(
    notebook: NotebookNode,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    timeout: float = 600,
) -> None:
    """Run a notebook's cells in place, in a fork; `timeout` seconds are for all of them."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "notebook.ipynb"
        nbformat.write(notebook, path)
        status, out, err = _in_a_fork(_notebook, (path,), folder, environment, timeout)
        if status != 0:
            raise RuntimeError(f"The notebook's process ended with {status}.\n{out}\n{err}")
        notebook.cells = nbformat.read(path, as_version=4).cells


def _in_a_fork(
    target: Callable[..., None],
    arguments: tuple[Any, ...],
    folder: Path,
    environment: Mapping[str, str] | None,
    timeout: float,
) -> tuple[int, str, str]:
    """(exit status, stdout, stderr) of `target(*arguments)` in a fork of the warmed process."""
    environment = dict(os.environ if environment is None else environment)
    with tempfile.TemporaryDirectory() as scratch:
        streams = Path(scratch) / "stdout", Path(scratch) / "stderr"
        process = _context.Process(
            target=_live, args=(target, arguments, folder, environment, *streams)
        )
        process.start()
        process.join(timeout)
        late = process.is_alive()
        if late:
            _kill(process)
        out, err = (
            path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
            for path in streams
        )
        if late:
            raise TimeoutError(f"{arguments}: not finished after {timeout} s.\n{out}\n{err}")
        status = process.exitcode
        process.close()
        assert status is not None
        return status, out, err


def _kill(process: Any) -> None:
    """Kill a fork and the processes that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def _live(
    target: Callable[..., None],
    arguments: tuple[Any, ...],
    folder: Path,
    environment: dict[str, str],
    stdout: Path,
    stderr: Path,
) -> None:
    """The life of a fork: set up like a new process, then `target`."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    tempfile.tempdir = None  # TMPDIR may be another
    for path, stream in ((stdout, sys.stdout), (stderr, sys.stderr)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
    try:
        target(*arguments)
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends its processes without


def _tool(words: list[str]) -> None:
    import quick_databases  # noqa: F401

    program, *rest = words
    sys.argv = [program, *rest]
    if program == "tinybert-l":
        from tinybert_l.cli import main

        main(prog_name=program)
    elif program == "nbgrader":
        runpy.run_module("nbgrader", run_name="__main__", alter_sys=True)
    elif program == "python":
        sys.argv = rest
        sys.path.insert(0, str(Path(rest[0]).resolve().parent))
        runpy.run_path(rest[0], run_name="__main__")
    else:
        raise ValueError(
            f"{program!r} is not run in a fork; allowed: tinybert-l, nbgrader, python."
        )


def _notebook(path: Path) -> None:
    from notebook_runner import run_cells

    notebook = nbformat.read(path, as_version=4)
    run_cells(notebook)
    nbformat.write(notebook, path)
