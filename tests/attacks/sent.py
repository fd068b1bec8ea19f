"""What a hostile student sends to the server that takes hand-ins."""

import io
import zipfile


def zipped(members: dict[str, bytes], level: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", level) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def bodies(notebook: bytes) -> dict[str, bytes]:
    """Bodies that must be refused, by name; the good notebook is a part of some."""
    bomb = zipped({"03-architecture.ipynb": bytes(40 * 2**20)})
    return {
        "nothing": b"",
        "no notebook": b"<script>alert(1)</script>",
        "half a notebook": notebook[: len(notebook) // 2],
        "an empty zip": zipped({}),
        "half a zip": zipped({"03-architecture.ipynb": notebook})[:-30],
        "a zip bomb": bomb,
        "bombs in a bomb": zipped({"a.zip": bomb, "b.zip": bomb}),
        "a path upwards": zipped({"../../../etc/03-architecture.ipynb": notebook}),
        "a device": zipped({"/dev/shm/03-architecture.ipynb": notebook}),
        "deep JSON": b"[" * 10**5,
        "HTML in names": zipped({"<img src=x onerror=alert(1)>.html": b"x"}),
        "a terminal's escapes": zipped({"\x1b[2J.txt": b"x"}),
    }


def raw_requests(host: str) -> dict[str, bytes]:
    """Requests that break HTTP, or lie in their headers."""
    start = f"POST /handin/3 HTTP/1.1\r\nHost: {host}\r\n".encode()
    return {
        "no HTTP": b"\x00\xff" * 100 + b"\r\n\r\n",
        "huge headers": start + b"X: " + b"a" * 2**20 + b"\r\n\r\n",
        "negative length": start + b"Content-Length: -5\r\n\r\n",
        "two lengths": start + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "length and chunks": start
        + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "huge length": start + b"Content-Length: 99999999999\r\n\r\n",
        "a path": f"GET /../../etc/passwd HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(),
        "an encoded path": f"GET /handin/%2e%2e%2fsecret HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(),
    }
