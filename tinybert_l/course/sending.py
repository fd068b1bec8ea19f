"""Send a hand-in to the course's server, keep the receipt, wait for what the visible tests say."""

import http.client
import ipaddress
import json
import re
import time
import unicodedata
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tinybert_l.cache import write_atomically
from tinybert_l.errors import CourseError, InvalidInput, printable

TOKEN_VARIABLE = "TINYBERT_L_TOKEN"
NAMED_HEADER = "X-Named-Student"  # after whom a hand-in is named, percent-encoded
ANSWER_LIMIT = 2**20  # bytes
TIMEOUT_SECONDS = 60
WAIT_SECONDS = 300  # for the tests
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")
_WITHOUT_SCHEME = re.compile(r"(?:localhost|[\w-]+(?:\.[\w-]+)+)(?::\d+)(?:/.*)?|localhost(?:/.*)?")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0


class NotSent(CourseError):
    """The server did not take a hand-in."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirection, which could lead the token elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


# A proxy of the surroundings would get the token of a request to this machine in the clear.
_direct = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
_opener = urllib.request.build_opener(_NoRedirect)


def is_address(place: str) -> bool:
    """Tell the address of a server from a folder.

    Raises:
        InvalidInput: an address of another kind, such as ftp://…, or one without https://.
    """
    if place.lower().startswith(("http://", "https://")):
        return True
    if "://" in place:
        raise InvalidInput(f"--to {place!r}; allowed: https://… or a folder.")
    if _WITHOUT_SCHEME.fullmatch(place) and not Path(place).exists():
        raise InvalidInput(
            f"--to {place!r} would be a folder, and nothing would be sent; the address of a server "
            "begins with https://. 服务器地址须以https://开头。"
        )
    return False


def send(server: str, lecture: int, path: Path, token: str, student: str = "") -> dict[str, Any]:
    """Send a file; returns the answer, with the receipt, which also lies beside the file.

    Args:
        student: after whom it is named: the server takes in nobody's under another one's token.
    Raises:
        InvalidInput: the address cannot be used.
        NotSent: the server refused the file, or cannot be reached.
    """
    require_safe(server)
    url = f"{server.rstrip('/')}/handin/{lecture}"
    answer = _ask(url, token, path.read_bytes(), student)
    receipt = answer.get("receipt")
    if not isinstance(receipt, dict):
        raise NotSent(f"{server} gave no receipt: is this the course's server? 没有收到回执。")
    text = json.dumps(receipt, indent=1, sort_keys=True) + "\n"
    write_atomically(path.with_name(f"receipt-{path.stem}.json"), text)
    return answer


def wait_for_tests(
    server: str, number: str, token: str, seconds: float = WAIT_SECONDS
) -> dict[str, Any]:
    """Ask until a hand-in is judged or the time is up; returns the last answer."""
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE
    while True:
        answer = _ask(f"{server.rstrip('/')}/handin/{number}", token)
        if answer.get("state") == "done" or time.monotonic() + pause > deadline:
            return answer
        time.sleep(pause)
        pause = min(LONGEST_PAUSE, 1.5 * pause)


def require_safe(server: str) -> None:
    """Raise an error for an address to which the token would travel in the clear.

    Raises:
        InvalidInput: names the address and what is allowed.
    """
    parts = urlsplit(server)
    if not parts.hostname:
        raise InvalidInput(f"--to {server!r}; allowed: https://… or a folder.")
    if parts.scheme.lower() == "http" and not _is_this_machine(parts.hostname):
        raise InvalidInput(
            f"--to {server!r}: your token would be sent unencrypted; allowed: https://…, and "
            "http:// for this machine alone. 须使用https。"
        )


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _ask(url: str, token: str, body: bytes | None = None, student: str = "") -> dict[str, Any]:
    headers = {
        "Authorization": f"Bearer {_tidy_token(token)}",
        "Content-Type": "application/octet-stream",
        **({NAMED_HEADER: quote(student)} if student else {}),
    }
    request = urllib.request.Request(url, body, headers)
    opener = _direct if url.lower().startswith("http://") else _opener
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as reply:
            return _parsed(reply.read(ANSWER_LIMIT))
    except urllib.error.HTTPError as error:
        reason = _parsed(error.read(ANSWER_LIMIT)).get("error", f"HTTP {error.code}")
        raise NotSent(f"Not taken in 未接收: {printable(str(reason))[:600]}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotSent(
            f"{url}: cannot be reached ({printable(str(error))[:200]}). The zip file is there: "
            "send it again later. 无法连接，稍后重试。"
        ) from None


def _tidy_token(token: str) -> str:
    """Return a token without what copying and typing puts into it: blanks, quotes, wide letters.

    Raises:
        InvalidInput: it holds what no token holds.
    """
    tidy = "".join(unicodedata.normalize("NFKC", token).split()).strip("\"'“”‘’<>\u200b\ufeff")
    tidy = re.sub(r"^Bearer:?", "", tidy)
    if not _TOKEN.fullmatch(tidy):
        raise InvalidInput(
            "token: letters, digits, - and _ are allowed; copy it as your teacher gave it. "
            "凭证只含字母、数字、-和_，请重新复制。"
        )
    return tidy


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(raw)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
