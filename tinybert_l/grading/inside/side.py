"""What student's and judge's process have in common: a connection to the grader, and a loop."""

import socket

from tinybert_l.grading.inside.wire import Header, PeerDied, receive, send

OUTPUT_LIMIT = 100_000  # characters of a cell's output
ERROR_TEXT_LIMIT = 4000  # characters


class Side:
    """A process that answers the grader's requests, one after the other.

    Args:
        connection: to the grader; the process ends with it.
        lecture: number of the lecture that is graded.
        isolate: whether the process runs in the sandbox.
    """

    def __init__(self, connection: socket.socket, lecture: int, isolate: bool) -> None:
        self.connection = connection
        self.lecture = lecture
        self.isolate = isolate
        self.number: str | None = None  # of the request that is being answered

    def run(self) -> None:
        """Say that this process is ready, then answer requests until the grader hangs up."""
        self.prepare()
        send(self.connection, {"ready": True})
        while True:
            try:
                header, buffers = receive(self.connection)
            except PeerDied:
                return
            self.number = header.get("number")
            self.handle(header, buffers)

    def reply(self, header: Header, buffers: list[bytes] | None = None) -> None:
        """Answer a request, under its number."""
        send(self.connection, {**header, "number": self.number}, buffers)

    def prepare(self) -> None:
        """Make the process ready to run code."""
        raise NotImplementedError

    def handle(self, header: Header, buffers: list[bytes]) -> None:
        """Do what one request asks for, and reply."""
        raise NotImplementedError


def error_text(error: BaseException) -> str:
    """Return an error's message with its notes, although its author may have broken `str`."""
    try:
        notes = getattr(error, "__notes__", [])
        lines = [str(error), *map(str, notes)]
        return "\n".join(lines)[:ERROR_TEXT_LIMIT]
    except Exception:
        return "(the error has no text)"
