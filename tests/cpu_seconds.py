"""Count the CPU seconds of each test file: `pytest --cpu`. Load by others does not change them.

A test's own process counts, and so do the processes that it started and waited for, and the forks
of `warm.py`. `SECONDS` in conftest.py comes from this table.
"""

import os
from collections.abc import Generator
from multiprocessing import forkserver
from pathlib import Path

import pytest

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PROPERTY = "cpu_seconds"


def used_so_far() -> float:
    """CPU seconds of this process, its finished children, and the fork server with its forks."""
    return sum(os.times()[:4]) + _fork_server_seconds()


def _fork_server_seconds() -> float:
    server = getattr(forkserver._forkserver, "_forkserver_pid", None)
    path = Path(f"/proc/{server}/stat")
    if server is None or not path.is_file():
        return 0.0
    after_the_name = path.read_text().rpartition(")")[2].split()
    return sum(map(int, after_the_name[11:15])) / TICKS


class CpuSeconds:
    """Notes each test's seconds in its report, which xdist's workers send to the main process."""

    def __init__(self) -> None:
        self.files: dict[str, float] = {}
        self.began = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None]:
        self.began = used_so_far()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None]:
        try:
            return (yield)
        finally:
            item.user_properties.append((PROPERTY, used_so_far() - self.began))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            file = report.nodeid.partition("::")[0]
            for name, seconds in report.user_properties:
                if name == PROPERTY and isinstance(seconds, float):
                    self.files[file] = self.files.get(file, 0.0) + seconds

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("CPU seconds")
        for file in sorted(self.files, key=self.files.__getitem__, reverse=True):
            seconds = self.files[file]
            if seconds >= 1:
                terminalreporter.write_line(f"{seconds:8.0f}  {file}")
        terminalreporter.write_line(f"{sum(self.files.values()):8.0f}  in all")
