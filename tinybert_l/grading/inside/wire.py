"""Messages between processes: a JSON header and raw buffers, lengths in front, limited. Needs no torch."""

import json
import socket
import struct
import time
from typing import Any

LIMIT = 64 * 2**20  # bytes a message


class WireError(RuntimeError):
    """A message that is too large, too deep, late, or not in this format."""


class PeerDied(WireError):
    """The process at the other end is gone."""


def send(
    connection: socket.socket, header: dict[str, Any], buffers: list[bytes] | None = None
) -> None:
    """Send one message."""
    buffers = buffers or []
    head = json.dumps({**header, "buffers": [len(b) for b in buffers]}).encode()
    connection.sendall(struct.pack(">I", len(head)) + head + b"".join(buffers))


def receive(
    connection: socket.socket, deadline: float | None = None
) -> tuple[dict[str, Any], list[bytes]]:
    """Receive one message.

    Args:
        deadline: `time.monotonic()` at which `TimeoutError` is raised.
    Raises:
        PeerDied, WireError, TimeoutError.
    """
    (size,) = struct.unpack(">I", _exactly(connection, 4, deadline))
    if size > LIMIT // 4:
        raise WireError("A message that is too large.")
    try:
        header = json.loads(_exactly(connection, size, deadline))
        sizes = [int(n) for n in header["buffers"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise WireError("A message that is not in the format.") from None
    if min(sizes, default=0) < 0 or sum(sizes) > LIMIT:
        raise WireError("A message that is too large.")
    return header, [_exactly(connection, n, deadline) for n in sizes]


def _exactly(connection: socket.socket, count: int, deadline: float | None) -> bytes:
    parts = []
    while count:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        else:
            connection.settimeout(None)
        try:
            part = connection.recv(min(count, 1 << 20))
        except TimeoutError:
            raise
        except OSError:
            part = b""
        if not part:
            raise PeerDied("The process at the other end is gone.")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
