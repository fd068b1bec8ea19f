"""Run a notebook's cells in this process, as a kernel would, and keep what each of them shows.

There is no kernel, no socket and no second process: `warm.py` calls this in a fork that has all
imports. Widgets are shown with their first values; nobody moves them, as there is no front end.
"""

import base64
import io
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import nbformat
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from nbformat import NotebookNode
from traitlets import Type
from traitlets.config import Config


class Stream(io.TextIOBase):
    """Stands for stdout or stderr; what is written becomes an output of the running cell."""

    encoding = "utf-8"  # type: ignore[assignment]

    def __init__(self, name: str, outputs: list[NotebookNode]) -> None:
        self.name, self.outputs = name, outputs

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        last = self.outputs[-1] if self.outputs else None
        if last is not None and last.output_type == "stream" and last.name == self.name:
            last.text += text
        elif text:
            self.outputs.append(nbformat.v4.new_output("stream", name=self.name, text=text))
        return len(text)


class Publisher(DisplayPublisher):
    """Keeps what `display` is called with."""

    shell: "Shell"

    def publish(self, data: Any, metadata: Any = None, *_: Any, **kwargs: Any) -> None:
        if not kwargs.get("update"):
            self.shell.add_output("display_data", data, metadata)

    def clear_output(self, wait: bool = False) -> None:
        """Keeps the outputs: in a notebook, a widget clears its own only."""


class ResultHook(DisplayHook):
    """Keeps the value of a cell's last expression."""

    shell: "Shell"

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        self.shell.add_output("execute_result", format_dict, md_dict)

    def finish_displayhook(self) -> None:
        pass


class Shell(InteractiveShell):
    """IPython without a terminal, a history or colours: everything shown goes to `outputs`."""

    displayhook_class = Type(ResultHook)
    display_pub_class = Type(Publisher)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.outputs: list[NotebookNode] = []
        self.shown_errors: list[BaseException] = []
        super().__init__(*args, **kwargs)

    def init_io(self) -> None:
        pass

    def add_output(self, kind: str, data: Any, metadata: Any) -> None:
        """Append a `display_data` or an `execute_result`; pictures as base64, as in a file."""
        plain = {}
        for mime, value in data.items():
            plain[mime] = base64.b64encode(value).decode() if isinstance(value, bytes) else value
        self.outputs.append(nbformat.v4.new_output(kind, data=plain, metadata=metadata or {}))

    def add_error(self, error: BaseException, lines: list[str]) -> None:
        self.shown_errors.append(error)
        self.outputs.append(
            nbformat.v4.new_output(
                "error", ename=type(error).__name__, evalue=str(error), traceback=lines
            )
        )

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        self.add_error(evalue, list(stb))

    def run(self, source: str) -> list[NotebookNode]:
        """Run one cell; returns its outputs, an error among them where it failed."""
        self.outputs, self.shown_errors = [], []
        with self._captured():
            result = self.run_cell(source, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        if error is not None and error not in self.shown_errors:
            unshown = RuntimeError(
                f"{type(error).__name__} ends the cell, and nothing is shown of it"
            )
            self.add_error(unshown, traceback.format_exception(error))
        return self.outputs

    @contextmanager
    def _captured(self) -> Iterator[None]:
        before = sys.stdout, sys.stderr
        sys.stdout = Stream("stdout", self.outputs)  # type: ignore[assignment]
        sys.stderr = Stream("stderr", self.outputs)  # type: ignore[assignment]
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


def run_cells(notebook: NotebookNode) -> None:
    """Run all code cells in place; an error does not stop the cells after it."""
    import matplotlib

    matplotlib.use("module://matplotlib_inline.backend_inline")
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = Shell.instance(config=config)
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.strip():
            cell.execution_count = shell.execution_count
            cell.outputs = shell.run(cell.source)
