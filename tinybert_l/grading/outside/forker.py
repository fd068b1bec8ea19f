"""A warmed process that forks a child for each submission, and one that judges it: started once, again when it dies."""

import atexit
import contextlib
import os
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tinybert_l.exercises.released import copy_released
from tinybert_l.grading.inside import wire
from tinybert_l.grading.outside import sandbox

START_SECONDS = 120
STARTS = 3  # in a row, before it is given up


class Forker:
    """Owns one forking process (see `runner`) and the socket where it listens.

    The socket outlives the process: whoever connects while it starts, or starts again, waits in its queue.
    """

    def __init__(self, lecture: int, isolate: bool) -> None:
        self.lecture, self.isolate = lecture, isolate
        self.folder = tempfile.TemporaryDirectory(prefix="tinybert-l-", dir=_short_folder())
        self.solutions = Path(self.folder.name) / "solutions"
        self.solutions.mkdir()
        copy_released(lecture, self.solutions)
        self.door = str(Path(self.folder.name) / "door")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.door)
        self.listener.listen(128)
        self.process: subprocess.Popen[bytes] | None = None
        self.closing = False
        self.thread = threading.Thread(target=self._keep, daemon=True)
        self.thread.start()

    def _keep(self) -> None:
        """Start it, wait for its end, start it again. bwrap ends with the thread that started it: this one lasts."""
        failures = 0
        while not self.closing and failures < STARTS:
            with tempfile.TemporaryFile() as said:  # an unread pipe would fill and block
                ready = self._start(said)
                failures = 0 if ready else failures + 1
                if self.process is not None:
                    self.process.wait()
                said.seek(0)
                self.said = said.read().decode(errors="replace")[-800:]
        if not self.closing:
            self.listener.close()  # nobody is to wait for what will not come
            print(f"The forking process does not start: {self.said}", flush=True)

    def _start(self, said: Any) -> bool:
        leash, theirs = socket.socketpair()
        descriptors = (self.listener.fileno(), theirs.fileno())
        command = sandbox.command(self.lecture, descriptors, self.solutions, self.isolate)
        self.process = subprocess.Popen(
            command, pass_fds=descriptors, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
            env={**os.environ, "TINYBERT_L_SOLUTIONS": str(self.solutions)},
        )  # fmt: skip
        theirs.close()
        self.leash = leash  # let go of, it ends the process and its children
        leash.settimeout(START_SECONDS)
        with contextlib.suppress(OSError):
            if leash.recv(5) == b"ready":
                return True
        self.process.kill()
        return False

    def close(self) -> None:
        self.closing = True
        self.listener.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.thread.join()
        self.folder.cleanup()


class Child:
    """A forked process, seen from the grader. It lives as long as the connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, header: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        try:
            self.connection.settimeout(30)
            wire.send(self.connection, header, buffers)
        except OSError:
            raise wire.PeerDied("The process at the other end is gone.") from None

    def receive(self, deadline: float) -> tuple[dict[str, Any], list[bytes]]:
        return wire.receive(self.connection, deadline)

    def close(self) -> None:
        self.connection.close()


def knock(door: str, judge: bool) -> Child:
    """A new child, ready to talk.

    Args:
        door: path of the socket where a forking process listens.
        judge: whether it judges, or runs a submission.
    Raises:
        RuntimeError: none came; a failure of the grader, not of a submission.
    """
    deadline = time.monotonic() + START_SECONDS
    for _ in range(STARTS):  # a forking process may die with the connection in hand
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(START_SECONDS)
            connection.connect(door)
            wire.send(connection, {"judge": judge})
            wire.receive(connection, deadline)
            return Child(connection)
        except (OSError, wire.WireError):
            connection.close()
            time.sleep(0.1)
    raise RuntimeError("The grader's sandbox process does not answer. 评分沙箱进程没有响应。")


_forkers: dict[tuple[int, bool], Forker] = {}
_lock = threading.Lock()


def door(lecture: int, unsafe: bool) -> str:
    """Where this process's forking process for a lecture listens; it is started when first asked for.

    Raises:
        SandboxMissing: there is no sandbox, and `unsafe` is not set.
    """
    sandbox.require(unsafe)
    with _lock:
        if (lecture, not unsafe) not in _forkers:
            _forkers[lecture, not unsafe] = Forker(lecture, not unsafe)
        return _forkers[lecture, not unsafe].door


@atexit.register
def close_all() -> None:
    """End all forking processes of this process."""
    with _lock:
        for one in _forkers.values():
            one.close()
        _forkers.clear()


def _short_folder() -> str | None:
    """A socket's path has at most about a hundred characters."""
    return "/tmp" if len(tempfile.gettempdir()) > 60 and os.path.isdir("/tmp") else None
