"""Nothing that students write, or another page sends, works on the page for grading by hand."""

import json
import re
import shutil
from pathlib import Path

import pytest
from attacks import marking as attacks
from bs4 import BeautifulSoup
from marking_class import QUESTION, make_class
from tornado.httpclient import HTTPResponse
from tornado.testing import AsyncHTTPTestCase

from tinybert_l.grading.course import Course
from tinybert_l.grading.marking.desk import Desk
from tinybert_l.grading.marking.server import BODY_LIMIT, HEADERS, TOKEN_HEADER, application

TOKEN = "a-token-that-nobody-knows"
ELEMENTS = {"script", "style", "svg", "iframe", "object", "embed", "form", "input", "meta", "base"}
_made: dict[str, Course] = {}


@pytest.fixture(scope="module", autouse=True)
def hostile_class(tmp_path_factory):
    _made["class"] = make_class(tmp_path_factory.mktemp("hostile") / "course", attacks.TEXTS)
    yield
    _made.clear()


class TestPage(AsyncHTTPTestCase):
    """The page of a class in which everybody is hostile."""

    @pytest.fixture(autouse=True)
    def course_of_its_own(self, tmp_path):
        shutil.copytree(_made["class"].folder, tmp_path / "course")
        self.course = Course(tmp_path / "course")

    def get_app(self):
        self.desk = Desk(self.course, 3)
        self.desk.__enter__()
        self.addCleanup(self.desk.__exit__)
        return application(self.desk, TOKEN)

    def get_http_server(self):
        from tornado.httpserver import HTTPServer

        return HTTPServer(self._app, max_body_size=BODY_LIMIT)

    def headers(self, **changed: str | None) -> dict[str, str]:
        """The headers of the page's own script, with changes."""
        origin = f"http://127.0.0.1:{self.get_http_port()}"
        cookie = f"tinybert-l-mark-{self.get_http_port()}"
        honest = {
            "Origin": origin,
            "Cookie": f"{cookie}={TOKEN}",
            TOKEN_HEADER: TOKEN,
            "Content-Type": "application/json",
        }
        merged = {**honest, **changed}
        if changed.get("Cookie") == "wrong":
            merged["Cookie"] = f"{cookie}=wrong"
        return {name: value for name, value in merged.items() if value is not None}

    def read(self, path: str) -> HTTPResponse:
        return self.fetch(path, headers=self.headers(), follow_redirects=False)

    def post(self, wish: object, **changed: str | None) -> HTTPResponse:
        body = wish if isinstance(wish, bytes) else json.dumps(wish)
        return self.fetch(
            f"/do/{QUESTION}", method="POST", body=body, headers=self.headers(**changed)
        )

    def code(self) -> str:
        return next(iter(self.desk.sheet(QUESTION).students))

    def give(self, **wish: object) -> dict[str, object]:
        step = {"action": "points", "answer": self.code(), "points": 1, "items": []}
        return {**step, "seen": self.seen(), **wish}

    def seen(self) -> dict[str, list[str]]:
        """What the page says that it shows."""
        sheet = self.desk.sheet(QUESTION)
        states = sheet.states(sheet.order)
        return {
            sheet.codes[x]: [sheet.version(x), states[sheet.codes[x]]["seen"]] for x in sheet.order
        }

    def marked(self) -> list[str]:
        marks = self.desk.sheet(QUESTION).marks
        return [name for name, mark in marks.items() if mark.points is not None or mark.comment]

    def test_an_honest_step_goes_through(self):
        assert self.post(self.give()).code == 200 and len(self.marked()) == 1

    def test_a_page_that_shows_another_mark_or_answer_changes_nothing(self):
        wish = self.give()
        seen = json.loads(self.post(wish).body)["changed"][self.code()]["seen"]
        assert seen == self.seen()[self.code()][1], "what was given is what the gradebook tells"
        for stale in (wish, {**wish, "seen": {}}, {**wish, "seen": None}, {**wish, "seen": {1: 2}}):
            reply = self.post({**stale, "points": 0})
            told = json.loads(reply.body)
            assert reply.code == 409 and "since" in told["error"]
            assert told["changed"][self.code()]["points"] == 1
        (mark,) = [mark for mark in self.desk.sheet(QUESTION).marks.values() if mark.points]
        assert mark.points == 1
        assert self.post(self.give(points=2)).code == 200

    def test_nothing_of_a_students_text_is_active(self):
        reply = self.read(f"/question/{QUESTION}")
        page = BeautifulSoup(reply.body, "html.parser")
        assert reply.code == 200 and len(page.find_all("article")) == len(attacks.TEXTS)
        assert page.select(".notice") == []
        for text in page.select("article .text"):
            for element in [text, *text.find_all(True)]:
                assert element.name not in ELEMENTS, element
                assert not [name for name in element.attrs if name.startswith(("on", "style"))]
                address = str(element.get("href") or element.get("src") or "")
                assert re.fullmatch(r"|https?://.*|mailto:.*|/pictures/.*", address), element
            for image in text.find_all("img"):
                assert image["src"].startswith(f"/pictures/{QUESTION}/")
        assert TOKEN not in "".join(map(str, page.select("article")))
        assert [script.get("src") for script in page.find_all("script")] == ["/files/mark.js"]

    def test_every_answer_carries_the_policy(self):
        for path in ("/", f"/question/{QUESTION}", "/files/mark.js", "/nothing"):
            reply = self.read(path)
            for name, value in HEADERS.items():
                assert reply.headers[name] == value, (path, name)
        policy = HEADERS["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy

    def test_who_has_no_token_sees_and_changes_nothing(self):
        for cookie in (None, "wrong"):
            for path in (
                "/",
                f"/question/{QUESTION}",
                f"/state/{QUESTION}",
                "/files/mark.js",
                "/x",
            ):
                reply = self.fetch(path, headers=self.headers(Cookie=cookie))
                assert reply.code == 403 and b"article" not in reply.body
        wrong = self.fetch("/?token=wrong", headers=self.headers(Cookie=None))
        right = self.fetch(
            f"/?token={TOKEN}", headers=self.headers(Cookie=None), follow_redirects=False
        )
        assert wrong.code == 403 and right.code == 302 and right.headers["Location"] == "/"
        cookie = right.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie

    def test_requests_of_another_page_change_nothing(self):
        for name, changed in attacks.FORGED_HEADERS.items():
            assert self.post(self.give(), **changed).code in (403, 415), name
        assert self.marked() == []

    def test_what_is_no_step_is_refused(self):
        for name, body in attacks.BODIES.items():
            assert self.post(body).code == 400, name
        for name, wish in attacks.POINTS.items():
            reply = self.post(self.give(**wish))
            assert reply.code == 409 and "error" in json.loads(reply.body), name
        assert self.marked() == []

    def test_paths_lead_to_no_file(self):
        for path in attacks.PATHS:
            reply = self.read(path)
            assert reply.code in (404, 405) and b"SQLite" not in reply.body, path
            assert b"import" not in reply.body, path

    def test_comments_are_text_wherever_they_name_files(self):
        before = {path for path in self.course.folder.rglob("*") if "marking" not in path.parts}
        for text in attacks.COMMENTS:
            wish = {"action": "comment", "answer": self.code(), "group": False, "text": text}
            assert self.post({**wish, "seen": self.seen()}).code == 200
            assert self.post({"action": "keep", "text": text}).code == 200
        after = {path for path in self.course.folder.rglob("*") if "marking" not in path.parts}
        assert {path for path in after - before if path.name != "grading.lock"} == set()
        kept = sorted(path.name for path in (self.course.folder / "marking").rglob("*.json*"))
        assert kept == ["essay-comments.json", "essay-journal.jsonl", "essay-seed.json"]
        assert not Path("/etc/cron.d/x").exists() and not Path("/dev/shm/left").exists()

    def test_a_flood_is_cut_off(self):
        assert len(attacks.FLOOD) > BODY_LIMIT
        assert self.post(attacks.FLOOD).code in (400, 413, 599)
        too_long = {"action": "comment", "answer": self.code(), "text": "x" * 5000}
        too_long["seen"] = self.seen()
        assert self.post(too_long).code == 409
        for number in range(101):
            reply = self.post({"action": "keep", "text": f"comment {number}"})
        assert reply.code == 409 and self.marked() == []
