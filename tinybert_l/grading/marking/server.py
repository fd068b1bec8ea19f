"""Serve the marking page on this machine alone, to whoever has its token.

Tornado, which Jupyter brings, does the work. What students wrote reaches the browser as cleaned
HTML under a policy that lets no script, style or picture of theirs be loaded. A change needs the
token in a header, and comes from this page alone.
"""

import asyncio
import hmac
import json
import secrets
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tornado.web
from jinja2 import Environment, FileSystemLoader
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from tinybert_l.course.fonts import FONT
from tinybert_l.errors import CourseError
from tinybert_l.grading.marking.answers import pictures_of, prompt_html
from tinybert_l.grading.marking.desk import Desk, NotSeen, Sheet
from tinybert_l.grading.marking.words import LANGUAGES, words

HERE = Path(__file__).parent / "static"
BODY_LIMIT = 64 * 1024  # bytes of a request
ADDRESS = "127.0.0.1"
TOKEN_HEADER = "X-Marking-Token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FILES = {
    "mark.js": (HERE / "mark.js", "text/javascript; charset=utf-8"),
    "mark.css": (HERE / "mark.css", "text/css; charset=utf-8"),
    "font.ttf": (FONT, "font/ttf"),
}
_pages = Environment(
    loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


class Handler(tornado.web.RequestHandler):
    """Lets in whoever has the token, by the name of this machine alone."""

    desk: Desk
    token: str

    def initialize(self, desk: Desk, token: str) -> None:
        self.desk = desk
        self.token = token

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> Awaitable[None] | None:
        host = urlsplit(f"//{self.request.host}").hostname
        if host not in (ADDRESS, "localhost"):  # a name of somebody else's that leads here
            raise tornado.web.HTTPError(403, "unknown host")
        given = self.get_query_argument("token", "")
        if self._is_token(given) and self.request.method == "GET":
            self.set_cookie(
                self._cookie_name, self.token, httponly=True, samesite="Strict", path="/"
            )
            self.redirect(self.request.path)
        elif not self._is_token(self.get_cookie(self._cookie_name, "")):
            raise tornado.web.HTTPError(403, "no token")
        elif self.request.method != "GET":
            self._require_own_page()
        return None

    @property
    def _cookie_name(self) -> str:
        return f"tinybert-l-mark-{urlsplit(f'//{self.request.host}').port}"

    def _is_token(self, given: str | None) -> bool:
        return hmac.compare_digest((given or "").encode(), self.token.encode())

    def _require_own_page(self) -> None:
        """Raise an error unless a change was sent by this page."""
        origin = f"{self.request.protocol}://{self.request.host}"
        if self.request.headers.get("Origin") != origin:
            raise tornado.web.HTTPError(403, "another origin")
        if not self._is_token(self.request.headers.get(TOKEN_HEADER)):
            raise tornado.web.HTTPError(403, "no token in the header")
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind != "application/json":
            raise tornado.web.HTTPError(415, "no JSON")

    def write_error(self, status_code: int, **details: Any) -> None:
        messages = {
            403: "Open the address that 'tinybert-l mark' printed. 请用命令打印的地址打开。",
            404: "There is no such page. 没有这个页面。",
        }
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(messages.get(status_code, f"Error {status_code}") + "\n")

    def check_xsrf_cookie(self) -> None:
        """Leave it to `prepare`, which asks for origin and token."""

    @property
    def language(self) -> str:
        """The language of the page: asked for, else chosen before, else the browser's."""
        asked = self.get_query_argument("lang", "") or self.get_cookie("lang", "") or ""
        if asked in LANGUAGES:
            self.set_cookie("lang", asked, samesite="Strict", path="/")
            return asked
        wanted = self.request.headers.get("Accept-Language", "")
        return "zh" if wanted.lower().startswith("zh") else "en"

    def page(self, name: str, **facts: Any) -> None:
        """Answer with a page."""
        language = self.language
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(
            _pages.get_template(name).render(
                lang=language,
                other="en" if language == "zh" else "zh",
                words=words(language),
                desk=self.desk,
                token=self.token,
                **facts,
            )
        )

    def sheet(self, cell: str) -> Sheet:
        """Return the sheet of a question that is in the address."""
        if cell not in self.desk.questions:
            raise tornado.web.HTTPError(404)
        return self.desk.sheet(cell)


class Overview(Handler):
    """Shows the questions of the lecture with the progress of each."""

    def get(self) -> None:
        self.page("overview.html.j2", sheets=[self.sheet(cell) for cell in self.desk.questions])


class QuestionPage(Handler):
    """Shows one question with everybody's answers."""

    def get(self, cell: str) -> None:
        sheet = self.sheet(cell)
        prompt = prompt_html(sheet.question.prompts[self.language])
        self.page("question.html.j2", sheet=sheet, question=sheet.question, prompt=prompt)


class State(Handler):
    """Tells the page's script the marks, the rubric and the words."""

    def get(self, cell: str) -> None:
        sheet = self.sheet(cell)
        language = self.language
        rubric = []
        for item in sheet.question.rubric:
            rubric.append({"text": item.text[language], "points": item.points})
        self.finish(
            {
                "maximum": sheet.question.points,
                "rubric": rubric,
                "groups": groups_of(sheet),
                "marks": sheet.states(sheet.order),
                "phrases": sheet.phrases.read(),
                "progress": sheet.progress(),
                "step": sheet.last_step,
                "words": words(language),
            }
        )


class Action(Handler):
    """Does a step: points, a comment, undo, keeping a comment."""

    def post(self, cell: str) -> None:
        sheet = self.sheet(cell)
        try:
            wish = json.loads(self.request.body)
            if not isinstance(wish, dict):
                raise ValueError
        except (ValueError, RecursionError):
            raise tornado.web.HTTPError(400) from None
        try:
            reply = do(sheet, wish)
        except NotSeen as error:  # the page learns what is given now
            self.set_status(409)
            reply = {"error": str(error), **facts(sheet, sheet.order)}
        except (CourseError, OSError) as error:
            self.set_status(409)
            reply = {"error": str(error)}
        self.finish(reply)


def groups_of(sheet: Sheet) -> list[dict[str, Any]]:
    """Return the groups of a sheet as plain data, for the page."""
    groups = []
    for group in sheet.groups:
        codes = [sheet.codes[student] for student in group.members]
        groups.append({"codes": codes, "equal": group.equal})
    return groups


def facts(sheet: Sheet, changed: Sequence[str]) -> dict[str, Any]:
    """Return what the page has to know after a step.

    Args:
        changed: students whose marks it shows anew.
    """
    return {
        "changed": sheet.states(changed),
        "groups": groups_of(sheet),
        "progress": sheet.progress(),
        "phrases": sheet.phrases.read(),
        "step": sheet.last_step,
    }


def do(sheet: Sheet, wish: dict[str, Any]) -> dict[str, Any]:
    """Do what the page asks for; returns what has changed.

    Raises:
        CourseError: it cannot be done; nothing has changed.
        HTTPError: there is no such action.
    """
    action = wish.get("action")
    code, whole_group, text = wish.get("answer"), wish.get("group"), wish.get("text")
    changed: list[str] = []
    stay = 0
    if action in ("points", "comment"):
        sheet.require_seen(code, whole_group, wish.get("seen"))
        stay = len(sheet.keep_their_own(code, whole_group, action))
    if action == "points":
        changed = sheet.give(code, whole_group, wish.get("points"), wish.get("items"))
    elif action == "comment":
        changed = sheet.comment(code, whole_group, text)
    elif action == "undo":
        sheet.require_last(wish.get("step"))
        changed, stay = sheet.undo()
    elif action == "keep":
        sheet.keep(text)
    elif action == "forget":
        sheet.forget(text)
    else:
        raise tornado.web.HTTPError(400)
    return {**facts(sheet, changed), "stay": stay}


class PictureFile(Handler):
    """Serves a picture of an answer, by its number."""

    def get(self, cell: str, code: str, number: str) -> None:
        sheet = self.sheet(cell)
        student = sheet.students.get(code)
        pictures = pictures_of(sheet.answers[student]) if student is not None else []
        if int(number) >= len(pictures):
            raise tornado.web.HTTPError(404)
        picture = pictures[int(number)]
        self.set_header("Content-Type", picture.kind)
        self.finish(picture.content)


class File(Handler):
    """Serves the page's own script, style and font."""

    def get(self, name: str) -> None:
        path, kind = FILES[name]
        self.set_header("Content-Type", kind)
        if path == FONT:  # else every page would be drawn without it first
            self.set_header("Cache-Control", "private, max-age=86400")
        self.finish(path.read_bytes())


class Missing(Handler):
    """Answers for addresses that are not there."""

    def prepare(self) -> Awaitable[None] | None:
        super().prepare()
        if not self._finished:
            raise tornado.web.HTTPError(404)
        return None


def application(desk: Desk, token: str) -> tornado.web.Application:
    """Return the web application of a desk."""
    own = {"desk": desk, "token": token}
    cell = r"([\w.-]{1,100})"
    files = "|".join(name.replace(".", r"\.") for name in FILES)
    routes: list[Any] = [
        (r"/", Overview, own),
        (rf"/question/{cell}", QuestionPage, own),
        (rf"/state/{cell}", State, own),
        (rf"/do/{cell}", Action, own),
        (rf"/pictures/{cell}/([A-Z0-9]{{1,40}})/(\d{{1,4}})", PictureFile, own),
        (rf"/files/({files})", File, own),
    ]
    return tornado.web.Application(
        routes,
        default_handler_class=Missing,
        default_handler_args=own,
        log_function=lambda handler: None,
    )


def serve(desk: Desk, port: int, announce: Callable[[str], None]) -> None:
    """Serve a desk until the program is told to stop.

    Args:
        port: 0 takes a free one.
        announce: gets the address with its token, when the page can be opened.
    """
    token = secrets.token_urlsafe(24)
    asyncio.run(_serve(application(desk, token), token, port, announce))


async def _serve(
    app: tornado.web.Application, token: str, port: int, announce: Callable[[str], None]
) -> None:
    sockets = bind_sockets(port, ADDRESS)
    server = HTTPServer(app, max_body_size=BODY_LIMIT, max_header_size=BODY_LIMIT)
    server.add_sockets(sockets)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, ValueError):  # Windows; not the main thread
            loop.add_signal_handler(number, stop.set)
    announce(f"http://{ADDRESS}:{sockets[0].getsockname()[1]}/?token={token}")
    await stop.wait()
    server.stop()
    await server.close_all_connections()
