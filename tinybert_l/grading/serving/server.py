"""Serve hand-ins over HTTP: who may send, how much, how often; the answer comes from the spool.

Tornado does it, which every JupyterLab brings: it reads headers and bodies with limits of size and
time, and hands a body on while it arrives. FastAPI and uvicorn would bring the same and be two more
things to keep up to date.
"""

import asyncio
import contextlib
import os
import sqlite3
import tempfile
import zipfile
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

import tornado.http1connection
import tornado.httpserver
import tornado.httputil
import tornado.iostream
import tornado.web

from tinybert_l.course.sending import NAMED_HEADER
from tinybert_l.errors import CourseError, InvalidInput, printable
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.archives import ZIP_SIGNATURE, is_archive
from tinybert_l.grading.course import Course
from tinybert_l.grading.intake import Reading, read_archive
from tinybert_l.grading.owners import NAME_LIMIT, folded
from tinybert_l.grading.policy import read_calendar
from tinybert_l.grading.serving.judging import Worker, as_text
from tinybert_l.grading.serving.receipts import Signer
from tinybert_l.grading.serving.spool import DONE, HandIn, Spool, TooMany
from tinybert_l.grading.serving.tokens import Tokens
from tinybert_l.grading.submission import read_submission

FOLDER = "serve"  # in the course: spool, tokens, secret
BODY_LIMIT = 8 * 2**20  # bytes of a hand-in as it is sent
IN_MEMORY = 2**20  # bytes of a body; a longer one goes to a file while it arrives
HEADER_LIMIT = 16 * 2**10  # bytes
HEADER_SECONDS = 10
BODY_SECONDS = 30  # of who has shown no token
SENDING_SECONDS = 240  # of who has: BODY_LIMIT on a slow line
CONNECTION_LIMIT = 400
REQUESTS_A_MINUTE = 120  # of one student, questions about the answer among them
SENT_A_MINUTE = 10  # of one student, what is refused among them: reading it costs time
READERS = 2  # threads that unpack
HEADERS = {
    "Content-Type": "application/json",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Settings:
    """Limits of a server.

    Args:
        per_hour: hand-ins of one student.
        connections: open at a time; further ones are closed at once.
        workers: submissions judged at a time; None: as many as cores and memory allow.
    """

    per_hour: int = 30
    connections: int = CONNECTION_LIMIT
    workers: int | None = None


@dataclass
class Desk:
    """What all requests share.

    Args:
        minute: the minute that `requests` and `sent` count.
        requests: of each student.
        sent: those of them that bring a hand-in.
    """

    course: Course
    settings: Settings
    tokens: Tokens
    signer: Signer
    spool: Spool
    worker: Worker
    readers: ThreadPoolExecutor
    minute: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)

    @classmethod
    def open(cls, course: Course, settings: Settings) -> "Desk":
        """Open a course's desk; its worker is not started."""
        folder = course.folder / FOLDER
        spool = Spool(folder)
        return cls(
            course,
            settings,
            Tokens(folder),
            Signer(folder),
            spool,
            Worker(course, spool, folder, settings.workers),
            ThreadPoolExecutor(READERS),
        )

    def close(self) -> None:
        """End the worker and close the spool."""
        self.worker.stop()
        self.readers.shutdown()
        self.spool.close()

    def is_too_busy(self, student: str, is_sending: bool, now: float) -> bool:
        """Count a request; returns whether the student has sent too many in this minute."""
        if int(now // 60) != self.minute:
            self.minute = int(now // 60)
            self.requests.clear()
            self.sent.clear()
        self.requests[student] += 1
        self.sent[student] += is_sending
        return self.requests[student] > REQUESTS_A_MINUTE or self.sent[student] > SENT_A_MINUTE

    def accept(self, student: str, lecture: int, sent: bytes) -> tuple[HandIn, bool]:
        """Read a body as intake reads an archive, and keep it; the receipt may then be given.

        Raises:
            InvalidInput: it holds no notebook of the lecture.
            TooMany: the student has handed in too often.
        """
        name = NOTEBOOKS[lecture]
        raw, notes = self._unpacked(name, sent) if is_archive(sent) else (sent, [])
        read_submission(raw, f"{name}.ipynb")  # raises for what no one could grade
        return self.spool.add(student, lecture, sent, raw, notes, self.settings.per_hour)

    def _unpacked(self, name: str, sent: bytes) -> tuple[bytes, list[str]]:
        """Return the notebook in a zip file that was sent, with what intake has to say about it."""
        with tempfile.TemporaryDirectory(prefix="tinybert-l-") as temporary:
            # the sender names nothing here: the token says who, the address which lecture
            path = Path(temporary) / "student" / f"{name}.zip"
            path.parent.mkdir()
            path.write_bytes(sent)
            if sent.startswith(ZIP_SIGNATURE) and not zipfile.is_zipfile(path):
                raise InvalidInput("The zip file is damaged; make it anew. 压缩文件已损坏。")
            arrivals, refusals = read_archive(Path(temporary), name, Reading())
        if not arrivals:
            reason = refusals[0].reason if refusals else "no notebook in it 没有笔记本"
            raise InvalidInput(reason)
        return arrivals[0].raw, arrivals[0].notes

    def receipt(self, hand_in: HandIn) -> dict[str, Any]:
        """Return the receipt of a hand-in."""
        return self.signer.sign(
            hand_in.number,
            hand_in.student,
            NOTEBOOKS[hand_in.lecture],
            hand_in.sha256,
            hand_in.notebook,
            hand_in.received.isoformat(timespec="microseconds"),
        )


class Handler(tornado.web.RequestHandler):
    """Lets in whoever has a token, and counts their requests."""

    desk: Desk
    student: str

    def initialize(self, desk: Desk) -> None:
        self.desk = desk

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def check_xsrf_cookie(self) -> None:
        """Cookies mean nothing here: the token is in a header, which no other page can send."""

    def prepare(self) -> Awaitable[None] | None:
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        owner = self.desk.tokens.owner(token.strip()) if scheme.lower() == "bearer" else None
        if owner is None:
            self.refuse(
                401,
                "no such token: ask your teacher for one; it is sent as "
                "Authorization: Bearer TOKEN 凭证无效，向老师索取",
            )
        self.student = str(owner)
        is_sending = self.request.method in ("POST", "PUT")
        if self.desk.is_too_busy(self.student, is_sending, self.request._start_time):
            self.set_header("Retry-After", "60")
            self.refuse(429, "too many requests within a minute 请求过于频繁")
        return None

    def refuse(self, status: int, reason: str) -> NoReturn:
        """End the request; a body that is still on its way is not read."""
        self.set_header("Connection", "close")
        raise tornado.web.HTTPError(status) from _Why(reason)

    def write_error(self, status_code: int, **details: Any) -> None:
        error = details.get("exc_info", (None, None, None))[1]
        cause = getattr(error, "__cause__", None)
        reason = cause.reason if isinstance(cause, _Why) else f"HTTP {status_code}"
        if status_code == 405:
            reason = "the notebook is sent with POST 请用POST发送笔记本"
        self.finish(as_text({"error": printable(reason)}))

    def say(self, status: int, answer: dict[str, Any]) -> None:
        """Answer with JSON."""
        self.set_status(status)
        self.finish(as_text(answer))

    def facts(self, hand_in: HandIn) -> dict[str, Any]:
        """Say how far a hand-in is."""
        state = "done" if hand_in.state == DONE else "queued"
        answer = {key: value for key, value in hand_in.answer.items() if key != "tests"}
        return {"state": state, **answer}


class _Why(Exception):
    """Carries a reason to `write_error`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@tornado.web.stream_request_body
class SendHandler(Handler):
    """Takes a hand-in: its body is kept as it arrives, once the sender is known."""

    def prepare(self) -> Awaitable[None] | None:
        super().prepare()
        self.lecture = int(self.path_args[0] or 0)
        if self.lecture not in NOTEBOOKS:
            self.refuse(404, "there is no such lecture 没有这一讲")
        name = NOTEBOOKS[self.lecture]
        if not (self.desk.course.folder / "release" / name).is_dir():
            self.refuse(404, "this lecture is not released yet 该讲尚未发布")
        self._require_own_token()
        if isinstance(self.request.connection, tornado.http1connection.HTTP1Connection):
            self.request.connection.set_body_timeout(SENDING_SECONDS)
        self.size = 0
        self.body = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - see `_tidy`
        return None

    def _require_own_token(self) -> None:
        """Refuse what is named after somebody else who has a token: it would take their place.

        The name decides nothing; who has none on the roster, such as a login's, is not looked at.
        """
        named = folded(unquote(self.request.headers.get(NAMED_HEADER, ""))[:NAME_LIMIT])
        others = self.desk.tokens.students() - {self.student}
        if named != folded(self.student) and named in map(folded, others):
            self.refuse(
                403,
                f"this token is {self.student}'s, and the hand-in is named after somebody else on "
                "the roster: use your own token 凭证与学号不是同一人",
            )

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self.size += len(chunk)
        if self.size > BODY_LIMIT:
            self.refuse(413, f"more than {BODY_LIMIT} bytes 文件过大")
        try:
            self.body.write(chunk)
        except OSError as error:
            self._refuse_unkept(error)
        return None

    async def post(self, _: str) -> None:
        loop = asyncio.get_running_loop()
        desk = self.desk
        self.body.seek(0)
        try:
            sent = _file_in_form(self.request.headers.get("Content-Type", ""), self.body.read())
            hand_in, is_new = await loop.run_in_executor(
                desk.readers, desk.accept, self.student, self.lecture, sent
            )
        except TooMany as error:
            self.set_header("Retry-After", "600")
            self.refuse(429, str(error))
        except CourseError as error:
            self.refuse(400, str(error))
        except (OSError, sqlite3.Error) as error:
            self._refuse_unkept(error)
        desk.worker.wake()
        answer = {"receipt": desk.receipt(hand_in), "new": is_new, **self.facts(hand_in)}
        with contextlib.suppress(InvalidInput):  # it is kept, whatever course.toml says
            calendar = read_calendar(desk.course.folder)
            answer["late"] = calendar.late_note(self.lecture, hand_in.received)
        self.say(202, answer)

    put = post  # curl -T

    def _refuse_unkept(self, error: Exception) -> NoReturn:
        """Tell the instructor why a hand-in could not be kept, and the student that it was not."""
        print(f"serve: {printable(f'a hand-in was not kept: {error}')}", flush=True)
        self.refuse(
            507,
            "the server could not keep it, and has nothing of it; its disk may be full. Tell your "
            "instructor, and send it again later 服务器未能保存本次提交，请告知教师，稍后重交",
        )

    def on_finish(self) -> None:
        self._tidy()

    def on_connection_close(self) -> None:
        self._tidy()

    def _tidy(self) -> None:
        if hasattr(self, "body"):
            self.body.close()


def _file_in_form(content_type: str, body: bytes) -> bytes:
    """Return the file that a form brings, as browsers and `curl -F` send one; else the body.

    Raises:
        InvalidInput: the form does not hold exactly one file.
    """
    if not content_type.lower().startswith("multipart/form-data"):
        return body
    fields: dict[str, list[bytes]] = {}
    files: dict[str, list[tornado.httputil.HTTPFile]] = {}
    with contextlib.suppress(tornado.httputil.HTTPInputError):
        tornado.httputil.parse_body_arguments(content_type, body, fields, files)
    contents = [file.body for several in files.values() for file in several]
    if len(contents) != 1:
        raise InvalidInput(f"a form with {len(contents)} files; needed: one 表单须恰好含一个文件")
    return contents[0]


class AskHandler(Handler):
    """Tells a student how far a hand-in of their own is, and what the visible tests said."""

    def get(self, number: str) -> None:
        hand_in = self.desk.spool.get(number)
        if hand_in is None or hand_in.student != self.student:  # another's is none
            self.refuse(404, "you have no such hand-in 没有此提交")
        self.say(200, self.facts(hand_in))


class HealthHandler(Handler):
    """Says that the server lives, and how many hand-ins wait; needs no token."""

    def prepare(self) -> Awaitable[None] | None:
        return None

    def get(self) -> None:
        problem = self.desk.worker.problem
        state = {"ok": not problem, "waiting": self.desk.spool.waiting()}
        self.say(503 if problem else 200, state)


class NothingHandler(Handler):
    """Answers for all other addresses."""

    def prepare(self) -> Awaitable[None] | None:
        self.refuse(404, "there is nothing here 没有这个页面")
        return None


class LimitedServer(tornado.httpserver.HTTPServer):
    """Closes connections that come while too many are open."""

    limit = CONNECTION_LIMIT

    def handle_stream(self, stream: tornado.iostream.IOStream, address: Any) -> None:
        if len(self._connections) >= self.limit:
            stream.close()
        else:
            super().handle_stream(stream, address)


def make_server(desk: Desk, prefix: str = "/") -> LimitedServer:
    """Return a server that listens nowhere yet.

    Args:
        prefix: of all addresses; behind a JupyterHub that of the service.
    """
    shared = {"desk": desk}
    root = "/" + prefix.strip("/")
    root = "" if root == "/" else root
    application = tornado.web.Application(
        [
            (rf"{root}/handin/(\d{{1,2}})/?", SendHandler, shared),
            (rf"{root}/handin/([0-9a-f]{{32}})/?", AskHandler, shared),
            (rf"{root}/health", HealthHandler, shared),
        ],
        default_handler_class=NothingHandler,
        default_handler_args=shared,
        log_function=lambda handler: None,
    )
    server = LimitedServer(
        application,
        max_body_size=BODY_LIMIT,
        max_header_size=HEADER_LIMIT,
        idle_connection_timeout=HEADER_SECONDS,
        body_timeout=BODY_SECONDS,
        chunk_size=2**16,
    )
    server.limit = desk.settings.connections
    return server


def place(address: str, port: int) -> tuple[str, int, str]:
    """Return address, port and prefix: those of a JupyterHub that started this as its service."""
    url = os.environ.get("JUPYTERHUB_SERVICE_URL", "")
    if not url:
        return address, port, "/"
    parts = urlsplit(url)
    if parts.port is None:
        raise InvalidInput(f"JUPYTERHUB_SERVICE_URL={url!r}; allowed: with a port.")
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
    return parts.hostname or address, parts.port, prefix


async def run(
    desk: Desk, address: str, port: int, prefix: str = "/", announce: Callable[[], Any] = int
) -> None:
    """Serve until this is cancelled.

    Args:
        announce: is called when the port is open.
    """
    server = make_server(desk, prefix)
    server.listen(port, address)
    announce()
    desk.worker.start()
    try:
        await asyncio.Event().wait()
    finally:
        server.stop()
        await server.close_all_connections()
