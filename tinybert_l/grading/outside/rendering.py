"""Have students' texts rendered by a process of its own, within limits of time and memory."""

import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from tinybert_l.grading.inside import wire

PROGRAM = "tinybert_l.grading.outside.markdown"
START_SECONDS = 60
TEXT_SECONDS = 5  # for one text


class RenderingFailed(Exception):
    """A text could not be rendered in time; it has to be shown as it is."""


class Renderer:
    """Owns the rendering process, which is started when it is needed and ended when it is slow."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.connection: socket.socket | None = None
        self.owner = 0  # id of the process that started it
        self.lock = threading.Lock()

    def render(self, source: str, attachments: Mapping[str, Any], seconds: float) -> str:
        """Return a text as harmless HTML (see `markdown.to_html`).

        Raises:
            RenderingFailed: it took too long, or its author broke the renderer.
        """
        with self.lock:
            try:
                if self.connection is None or self.owner != os.getpid():
                    self._start()
                assert self.connection is not None
                self.connection.settimeout(max(seconds, 0.1))
                wire.send(self.connection, {"source": source, "attachments": dict(attachments)})
                deadline = time.monotonic() + min(seconds, TEXT_SECONDS)
                reply, _ = wire.receive(self.connection, deadline)
            except (OSError, wire.WireError) as error:  # a TimeoutError is an OSError
                self.close()
                raise RenderingFailed("it takes too long to render") from error
        if "html" not in reply:
            raise RenderingFailed("it cannot be rendered")
        return str(reply["html"])

    def _start(self) -> None:
        mine, other_end = socket.socketpair()
        command = [sys.executable, "-I", "-B", "-m", PROGRAM, str(other_end.fileno())]
        self.process = subprocess.Popen(
            command,
            pass_fds=[other_end.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        other_end.close()
        mine.settimeout(START_SECONDS)
        wire.send(mine, {"source": "", "attachments": {}})
        wire.receive(mine, time.monotonic() + START_SECONDS)  # it has imported all it needs
        self.connection = mine
        self.owner = os.getpid()

    def close(self) -> None:
        """End the process."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if self.process is not None and self.owner == os.getpid():
            self.process.kill()
            self.process.wait()
            self.process = None


renderer = Renderer()
atexit.register(renderer.close)
