"""Keep a forking process for each lecture: started when first needed, and again when it dies.

It forks one process for each submission and another that judges it (see `inside/server.py`).
"""

import atexit
import contextlib
import os
import select
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from tinybert_l.exercises.released import copy_released
from tinybert_l.grading.inside import wire
from tinybert_l.grading.outside import sandbox

START_SECONDS = 120
SEND_SECONDS = 30
START_ATTEMPTS = 3  # in a row
QUEUE_LENGTH = 128  # of connections that wait
SOCKET_PATH_LIMIT = 60  # characters of its folder; the whole path may have about a hundred


class Forker:
    """Owns one forking process and the socket where it listens.

    The socket outlives the process: whoever connects while it starts, or starts again, waits in
    the socket's queue.

    Args:
        lecture: number of the lecture that is graded.
        isolate: run the process in the sandbox.
    """

    def __init__(self, lecture: int, isolate: bool) -> None:
        self.lecture = lecture
        self.isolate = isolate
        self.folder = tempfile.TemporaryDirectory(prefix="tinybert-l-", dir=_short_folder())
        self.solutions = Path(self.folder.name) / "solutions"
        self.solutions.mkdir()
        copy_released(lecture, self.solutions)
        self.socket_path = str(Path(self.folder.name) / "socket")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket_path)
        self.listener.listen(QUEUE_LENGTH)
        self.process: subprocess.Popen[bytes] | None = None
        self.keepalive: socket.socket | None = None
        self.closing = False
        self.thread = threading.Thread(target=self._keep_running, daemon=True)
        self.thread.start()

    def _keep_running(self) -> None:
        """Start the process, wait for its end, start it again.

        bwrap ends with the thread that started it, so that thread lasts as long as this object.
        """
        failures = 0
        last_words = ""
        while not self.closing and failures < START_ATTEMPTS:
            with tempfile.TemporaryFile() as errors:  # an unread pipe would fill and block
                failures = 0 if self._start(errors) else failures + 1
                if self.process is not None:
                    self.process.wait()
                errors.seek(0)
                last_words = errors.read().decode(errors="replace")[-800:]
        if not self.closing:
            self.listener.close()  # or whoever connects would wait for ever
            print(f"The forking process does not start: {last_words}", flush=True)

    def _start(self, errors: IO[bytes]) -> bool:
        """Start the process, and say whether it got ready.

        Args:
            errors: where the process writes its errors.
        """
        keepalive, other_end = socket.socketpair()
        descriptors = (self.listener.fileno(), other_end.fileno())
        command = sandbox.command(self.lecture, descriptors, self.solutions, self.isolate)
        environment = {
            **os.environ,
            **sandbox.THREADS,
            "TINYBERT_L_SOLUTIONS": str(self.solutions),
        }
        self.process = subprocess.Popen(
            command,
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment,
            start_new_session=True,  # Ctrl+C is for the grader, which then ends this process
        )
        other_end.close()
        self.keepalive = keepalive  # when it is closed, the process and its children end
        keepalive.settimeout(START_SECONDS)
        with contextlib.suppress(OSError):
            if keepalive.recv(5) == b"ready":
                return True
        self.process.kill()
        return False

    def close(self) -> None:
        """End the process and its children, and remove its files."""
        self.closing = True
        self.listener.close()
        while self.thread.is_alive():  # which may be about to start the process
            if self.process is not None:
                self.process.kill()
            self.thread.join(0.1)
        self.folder.cleanup()


class Child:
    """The grader's end of the connection to a forked process, which lives as long as it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, header: wire.Header, buffers: list[bytes] | None = None) -> None:
        """Send a message; raises `PeerDied` when the process is gone."""
        try:
            self.connection.settimeout(SEND_SECONDS)
            wire.send(self.connection, header, buffers)
        except OSError:
            raise wire.PeerDied("The process at the other end is gone.") from None

    def answers_before(self, deadline: float) -> bool:
        """Wait for the beginning of an answer, or the end of the process; says if it came."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))

    def receive(self, deadline: float) -> tuple[wire.Header, list[bytes]]:
        """Receive a message (see `wire.receive`)."""
        return wire.receive(self.connection, deadline)

    def close(self) -> None:
        """Close the connection, which ends the process."""
        self.connection.close()


def connect(path: str, judge: bool) -> Child:
    """Return a new process that is ready.

    Args:
        path: of the socket where a forking process listens.
        judge: whether the process judges, or runs a submission.
    Raises:
        RuntimeError: no process came: a failure of the grader, not of a submission.
    """
    deadline = time.monotonic() + START_SECONDS
    for _ in range(START_ATTEMPTS):  # a forking process may die during the attempt
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(START_SECONDS)
            connection.connect(path)
            wire.send(connection, {"judge": judge})
            wire.receive(connection, deadline)
            return Child(connection)
        except (OSError, wire.WireError):
            connection.close()
            time.sleep(0.1)
    raise RuntimeError("The grader's sandbox process does not answer. 评分沙箱进程没有响应。")


_forkers: dict[tuple[int, bool], Forker] = {}  # by lecture and isolation
_lock = threading.Lock()


def socket_path(lecture: int, unsafe: bool) -> str:
    """Return where this process's forking process for a lecture listens; starts it when needed.

    Raises:
        SandboxMissing: submissions cannot be isolated, and `unsafe` is not set.
    """
    sandbox.require(unsafe)
    isolate = not unsafe
    with _lock:
        if (lecture, isolate) not in _forkers:
            _forkers[lecture, isolate] = Forker(lecture, isolate)
        return _forkers[lecture, isolate].socket_path


@atexit.register
def close_all() -> None:
    """End all forking processes of this process."""
    with _lock:
        for forker in _forkers.values():
            forker.close()
        _forkers.clear()


def _short_folder() -> str | None:
    """Return a folder for the socket whose path is short enough; None: the usual one."""
    if len(tempfile.gettempdir()) > SOCKET_PATH_LIMIT and os.path.isdir("/tmp"):
        return "/tmp"
    return None
