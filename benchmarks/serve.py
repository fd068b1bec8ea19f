"""Load the server that takes hand-ins: is each accepted at once, and how fast are they judged?

`python benchmarks/serve.py [HANDINS] [SECONDS] [JUDGED]` lets so many students hand in lecture 3
within so many seconds, over the loopback, each with a notebook of their own, and waits until JUDGED
of them have their answer. 300, 60 and all by default. Server and students are two processes. Prints
a table and writes outputs/benchmarks/serve.json; with `--record`, also results/benchmarks/.
"""

import asyncio
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from contest import keep, print_rows
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from tinybert_l.course import captions
from tinybert_l.course.rows import ServeRow
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course
from tinybert_l.grading.release import release
from tinybert_l.grading.sample_class import LECTURE, hand_in
from tinybert_l.grading.serving.tokens import Tokens

ASSIGNMENT = NOTEBOOKS[LECTURE]
START_SECONDS = 120
POLL_SECONDS = 1


def prepared(count: int) -> tuple[Course, dict[str, str], str]:
    """Return a released course, a token for each student, and a notebook to hand in."""
    course = Course(Path(tempfile.mkdtemp()) / "course")
    hand_in(course, release(course, LECTURE), ["perfect"])
    path = course.submission("perfect", LECTURE)
    notebook = path.read_text(encoding="utf-8")
    path.unlink()
    students = [f"s{number:04d}" for number in range(count)]
    return course, Tokens(course.folder / "serve").make(students), notebook


def packed(notebook: str, student: str) -> bytes:
    """Return the zip file that `submit` makes; nobody's notebook is another's."""
    tree = json.loads(notebook)
    tree["metadata"]["title"] = student
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{ASSIGNMENT}.ipynb", json.dumps(tree))
    return buffer.getvalue()


async def accepted(client: AsyncHTTPClient, url: str, token: str, body: bytes) -> float:
    """Hand in; returns the seconds until the receipt was there."""
    headers = {"Authorization": f"Bearer {token}"}
    begin = time.perf_counter()
    reply = await client.fetch(
        HTTPRequest(f"{url}/handin/{LECTURE}", "POST", headers, body, request_timeout=60)
    )
    seconds = time.perf_counter() - begin
    if "signature" not in json.loads(reply.body)["receipt"]:
        sys.exit("a hand-in got no receipt")
    return seconds


async def load(
    url: str, tokens: dict[str, str], notebook: str, seconds: float
) -> tuple[list[float], int]:
    """Hand in for everybody, evenly over the time; returns seconds of each, and how many failed."""
    AsyncHTTPClient.configure(None, max_clients=len(tokens))
    client = AsyncHTTPClient()

    async def one(index: int, student: str) -> float:
        await asyncio.sleep(index * seconds / len(tokens))
        return await accepted(client, url, tokens[student], packed(notebook, student))

    tasks = [one(index, student) for index, student in enumerate(tokens)]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    times = [outcome for outcome in outcomes if isinstance(outcome, float)]
    return times, len(outcomes) - len(times)


async def waiting(url: str) -> int:
    """Return how many hand-ins are not judged yet."""
    reply = await AsyncHTTPClient().fetch(f"{url}/health", raise_error=False)
    return int(json.loads(reply.body)["waiting"])


async def started(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the server answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            await waiting(url)
            return
        except (OSError, HTTPClientError):
            await asyncio.sleep(0.2)
    sys.exit("the server does not start")


async def measure(count: int, seconds: float, judged: int) -> ServeRow:
    """Load a server of its own."""
    course, tokens, notebook = prepared(count)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tinybert_l.cli", "serve", "--port", str(port)]
    process = subprocess.Popen([*command, "--output", str(course.folder.parent)])
    try:
        await started(url, process)
        begin = time.perf_counter()
        times, failed = await load(url, tokens, notebook, seconds)
        sent_after = time.perf_counter() - begin
        while (left := await waiting(url)) > count - judged:
            await asyncio.sleep(POLL_SECONDS)
        rate = (count - left) / (time.perf_counter() - begin)
    finally:
        process.terminate()
        process.wait()
    return ServeRow(
        hand_ins=count,
        seconds=sent_after,
        failed=failed,
        accept_p50_ms=1000 * statistics.median(times),
        accept_p95_ms=1000 * statistics.quantiles(times, n=20)[-1],
        accept_max_ms=1000 * max(times),
        judged_per_minute=60 * rate,
        load_average=os.getloadavg()[0],
    )


def main() -> None:
    given = [word for word in sys.argv[1:] if word != "--record"]
    count = int(given[0]) if given else 300
    seconds = float(given[1]) if len(given) > 1 else 60.0
    judged = int(given[2]) if len(given) > 2 else count
    if count < 2 or not 0 <= judged <= count:
        sys.exit(f"HANDINS={count}, JUDGED={judged}; allowed: 2 or more, and 0 to HANDINS.")
    row = asyncio.run(measure(count, seconds, judged))
    print_rows(captions.benchmark_title("serve", {}), [row])
    keep("serve", "serve", [row], judged=judged)


if __name__ == "__main__":
    main()
