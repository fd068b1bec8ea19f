"""Runs a submission's cells; a cell that hangs or kills its kernel costs only itself.

Replaces nbgrader's `Execute` through `Autograde.autograde_preprocessors`. Does not isolate the
submission from the tests or the machine: whoever puts a sandbox here subclasses `SubmissionExecute` and
replaces how its kernel is started.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from jupyter_core.utils import run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearHiddenTests, Execute, NbGraderPreprocessor
from traitlets import Dict, Integer, List

from tinybert_l.exercise import copy_released


class SubmissionExecute(Execute):
    """Execute every cell but the demos; after a hang or a death go on in a new kernel.

    A test cell that was not executed to its end holds an error, so nbgrader gives it no points.
    """

    test_timeout = Integer(10, help="Seconds a test cell may take.").tag(config=True)
    timeout = Integer(120, help="Seconds any other cell may take.").tag(config=True)
    error_on_timeout = Dict(None, allow_none=True)  # raise instead: the kernel is replaced
    shutdown_kernel = "immediate"
    # no history file, and no word on the transport of a kernel that lives for seconds on this machine
    extra_arguments = List(["--HistoryManager.hist_file=:memory:", "--IPKernelApp.log_level=40"])

    def preprocess(self, nb: NotebookNode, resources: Any = None, km: Any = None) -> tuple[NotebookNode, Any]:
        self.interrupt_on_timeout = False
        self.timeout_func = lambda cell: self.test_timeout if is_test(cell) else self.timeout
        self._harmful: set[int] = set()
        try:
            with tempfile.TemporaryDirectory() as folder:
                self._solutions = copy_released(_lecture_of(resources), Path(folder))
                return super().preprocess(nb, resources, km)
        finally:
            for cell in filter(is_test, nb.cells):
                _require_execution(cell)

    def preprocess_cell(self, cell: NotebookNode, resources: Any, index: int) -> tuple[NotebookNode, Any]:
        if cell.cell_type != "code" or is_demo(cell):
            return cell, resources
        try:
            cell, resources = super().preprocess_cell(cell, resources, index)
            if is_test(cell):
                _warnings_are_no_failures(cell)
        except (CellTimeoutError, DeadKernelError) as error:
            self._harmful.add(index)
            _record(cell, *self._explain(error, cell))
            self._start_again(index)
        return cell, resources

    async def async_start_new_kernel(self, **kwargs: Any) -> None:
        kwargs["env"] = {**os.environ, "TINYBERT_L_SOLUTIONS": str(self._solutions)}
        await super().async_start_new_kernel(**kwargs)

    start_new_kernel = run_sync(async_start_new_kernel)

    def _start_again(self, until: int) -> None:
        """A new kernel in the state that the harmless cells before `until` leave behind; tests are not rerun."""
        while True:
            self._replace_kernel()
            for index, cell in enumerate(self.nb.cells[:until]):
                if cell.cell_type != "code" or is_demo(cell) or is_test(cell) or index in self._harmful:
                    continue
                try:
                    self.execute_cell(NotebookNode(cell.copy()), index, store_history=True)
                except (CellTimeoutError, DeadKernelError) as error:
                    self._harmful.add(index)
                    _record(cell, *self._explain(error, cell))
                    break
            else:
                return

    def _replace_kernel(self) -> None:
        run_sync(self._async_cleanup_kernel)()
        self.km = self.create_kernel_manager()
        self.start_new_kernel()
        self.start_new_kernel_client()

    def _explain(self, error: Exception, cell: NotebookNode) -> tuple[str, str]:
        if isinstance(error, DeadKernelError):
            return (
                "KernelDied",
                "This cell ended the Python process (os._exit, a crash, or too much memory); grading went on "
                "without it. 该单元格使内核进程终止，评分已跳过它继续进行。",
            )
        seconds = self.timeout_func(cell)
        return (
            "TimedOut",
            f"This cell did not finish within {seconds} s (an endless loop?); grading went on without it. "
            f"该单元格在{seconds}秒内未结束（死循环？），评分已跳过它继续进行。",
        )


class HideTests(NbGraderPreprocessor):
    """Feedback without the text of hidden tests: their messages stay, their code does not."""

    def preprocess_cell(self, cell: NotebookNode, resources: Any, index: int) -> tuple[NotebookNode, Any]:
        if is_test(cell) and ClearHiddenTests().begin_test_delimeter in cell.source:
            begin, end = ClearHiddenTests().begin_test_delimeter, ClearHiddenTests().end_test_delimeter
            cell.source = re.sub(rf"\n?[^\n]*{re.escape(begin)}.*?{re.escape(end)}[^\n]*", "", cell.source, flags=re.S)
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        return cell, resources


def is_test(cell: NotebookNode) -> bool:
    """An auto-graded test cell, by nbgrader's metadata (which come from the source, not from the submission)."""
    settings = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and bool(settings.get("grade")) and not settings.get("solution")


def is_demo(cell: NotebookNode) -> bool:
    """A cell that only shows or trains. Cells that nbgrader knows are never taken for one."""
    return "demo" in cell.metadata.get("tags", []) and not cell.metadata.get("nbgrader")


def _lecture_of(resources: Any) -> int:
    assignment = (resources or {}).get("nbgrader", {}).get("assignment", "")
    match = re.match(r"(\d\d)-", assignment)
    return int(match.group(1)) if match else 1


def _record(cell: NotebookNode, ename: str, evalue: str) -> None:
    cell.outputs = [NotebookNode(output_type="error", ename=ename, evalue=evalue, traceback=[f"{ename}: {evalue}"])]


def _require_execution(cell: NotebookNode) -> None:
    finished = cell.get("execution_count") is not None
    if not finished and not any(output.output_type == "error" for output in cell.outputs):
        _record(cell, "NotExecuted", "This test was not reached, so it gives no points. 该测试未被执行，不计分。")


def _warnings_are_no_failures(cell: NotebookNode) -> None:
    """nbgrader takes any text on stderr for a failed test; a warning is none."""
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stderr":
            output.name = "stdout"
