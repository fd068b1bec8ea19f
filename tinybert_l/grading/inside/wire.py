"""Exchange messages between processes: a JSON header and raw buffers, lengths in front, limited.

Needs no torch, since the grader's own process uses it too.
"""

import json
import socket
import struct
import time
from typing import Any

Header = dict[str, Any]
MESSAGE_LIMIT = 64 * 2**20  # bytes of all buffers of a message
HEADER_LIMIT = MESSAGE_LIMIT // 4  # bytes
BUFFERS_LIMIT = 100_000  # of one message
READ_BYTES = 2**20  # at most, with one call
BUILTINS_CHANGED = "BuiltinsChanged"  # stands for the error of code that replaced Python's own


class WireError(RuntimeError):
    """A message is too large, too deep, late, or not in this format."""


class PeerDied(WireError):
    """The process at the other end is gone."""


class StudentProcessError(Exception):
    """The student's process hung, died or broke the protocol.

    Args:
        error_name: stands in the feedback where Python shows the type of an error.
        message: says what happened, in words for the author of the submission.
    """

    def __init__(self, error_name: str, message: str) -> None:
        self.error_name = error_name
        self.message = message
        super().__init__(message)


def send(connection: socket.socket, header: Header, buffers: list[bytes] | None = None) -> None:
    """Send one message."""
    buffers = buffers or []
    lengths = list(map(len, buffers))
    head = json.dumps({**header, "buffers": lengths}).encode()
    connection.sendall(struct.pack(">I", len(head)) + head + b"".join(buffers))


def receive(connection: socket.socket, deadline: float | None = None) -> tuple[Header, list[bytes]]:
    """Receive one message.

    Args:
        connection: a stream socket whose other end uses `send`.
        deadline: the value of `time.monotonic()` at which `TimeoutError` is raised; None: never.
    Raises:
        PeerDied: the other end closed the connection.
        WireError: the message is too large or not in the format.
        TimeoutError: the deadline has passed.
    """
    (size,) = struct.unpack(">I", _read_exactly(connection, 4, deadline))
    if size > HEADER_LIMIT:
        raise WireError("A message that is too large.")
    try:
        header = json.loads(_read_exactly(connection, size, deadline))
        sizes = header["buffers"]
    except (ValueError, TypeError, KeyError, RecursionError, MemoryError):
        raise WireError("A message that is not in the format.") from None
    if not isinstance(sizes, list) or not all(type(size) is int for size in sizes):
        raise WireError("A message that is not in the format.")
    if min(sizes, default=0) < 0 or sum(sizes) > MESSAGE_LIMIT or len(sizes) > BUFFERS_LIMIT:
        raise WireError("A message that is too large.")
    return header, [_read_exactly(connection, size, deadline) for size in sizes]


def _read_exactly(connection: socket.socket, count: int, deadline: float | None) -> bytes:
    parts = []
    while count:
        connection.settimeout(_seconds_left(deadline))
        try:
            part = connection.recv(min(count, READ_BYTES))
        except TimeoutError:
            raise
        except OSError:
            part = b""
        if not part:
            raise PeerDied("The process at the other end is gone.")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _seconds_left(deadline: float | None) -> float | None:
    """Return the time until a deadline; raise `TimeoutError` when it has passed."""
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
