"""Hand-ins over HTTP: receipts, the spool, visible tests alone, and what hostile students send."""

import asyncio
import gzip
import hashlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import nbformat
import pytest
from attacks import sent
from click.testing import CliRunner

from tinybert_l.cli.app import main
from tinybert_l.course import sending
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import Course
from tinybert_l.grading.intake import submitted_at
from tinybert_l.grading.marking.store import only_here
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.grading.release import release
from tinybert_l.grading.results.audit import Audit
from tinybert_l.grading.sample_class import hand_in as sample_hand_in
from tinybert_l.grading.serving import judging
from tinybert_l.grading.serving import server as server_module
from tinybert_l.grading.serving import spool as spool_module
from tinybert_l.grading.serving.judging import Worker, as_text, visible_assignment
from tinybert_l.grading.serving.receipts import ForgedReceipt, Signer
from tinybert_l.grading.serving.server import Desk, Settings, make_server, place
from tinybert_l.grading.serving.spool import (
    DONE,
    QUEUED,
    SUPERSEDED,
    TAKEN_IN,
    HandIn,
    Spool,
    TooMany,
)
from tinybert_l.grading.serving.tokens import Tokens
from tinybert_l.grading.setup import enrol

NAME = NOTEBOOKS[3]
PATIENCE = 60  # seconds; a loaded machine answers slowly


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Course:
    course = Course(tmp_path_factory.mktemp("served") / "course")
    sample_hand_in(course, release(course, 3), ["perfect"])
    (course.folder / "submitted" / "perfect").rename(course.folder / "perfect")
    enrol(course, [{"id": "ann"}, {"id": "bo"}])
    return course


@pytest.fixture(scope="module")
def notebook(made) -> bytes:
    return (made.folder / "perfect" / NAME / f"{NAME}.ipynb").read_bytes()


class Running:
    """A server on a free port of this machine, whose worker takes nothing out of the spool."""

    def __init__(self, course: Course, settings: Settings | None = None, prefix: str = "/") -> None:
        self.desk = Desk.open(course, settings or Settings())
        self.prefix = prefix
        ready = threading.Event()
        self.thread = threading.Thread(target=asyncio.run, args=(self._serve(ready),))
        self.thread.start()
        assert ready.wait(PATIENCE)

    async def _serve(self, ready: threading.Event) -> None:
        self.loop, self.end = asyncio.get_running_loop(), asyncio.Event()
        server = make_server(self.desk, self.prefix)
        opened = socket.create_server(("127.0.0.1", 0))
        opened.setblocking(False)
        self.port = opened.getsockname()[1]
        server.add_socket(opened)
        ready.set()
        await self.end.wait()
        server.stop()
        await server.close_all_connections()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.end.set)
        self.thread.join()
        self.desk.readers.shutdown()
        self.desk.spool.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, token: str = "", body: bytes | None = None) -> tuple[int, dict]:
        headers = {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(self.url + path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture
def course(made, tmp_path) -> Course:
    """The released course, with nothing served yet."""
    shutil.copytree(made.folder, tmp_path / "course")
    return Course(tmp_path / "course")


@pytest.fixture
def tokens(course) -> dict[str, str]:
    return Tokens(course.folder / "serve").make(["ann", "bo"])


@pytest.fixture
def running(course, tokens) -> Iterator[Running]:
    started = Running(course)
    yield started
    started.close()


# --- tokens and receipts ------------------------------------------------------------------------


def test_tokens_are_shown_once_and_kept_as_hashes(course):
    runner = CliRunner()
    options = ["--output", str(course.folder.parent)]
    table = runner.invoke(main, ["serve", "--tokens", *options]).output
    rows = dict(line.split(",") for line in table.splitlines()[1:])
    assert sorted(rows) == ["ann", "bo"]
    kept = (course.folder / "serve" / "tokens.json").read_text()
    assert not any(token in kept for token in rows.values())
    assert runner.invoke(main, ["serve", "--tokens", *options]).output.splitlines() == ["id,token"]
    new = runner.invoke(main, ["serve", "--token", "ann", *options]).output.splitlines()[1]
    tokens = Tokens(course.folder / "serve")
    assert tokens.owner(new.split(",")[1]) == "ann"
    assert tokens.owner(rows["ann"]) is None and tokens.owner(rows["bo"]) == "bo"
    nobody = runner.invoke(main, ["serve", "--token", "zoe", *options])
    assert nobody.exit_code == 1 and "zoe" in nobody.output


@pytest.mark.parametrize(
    "change",
    [
        {"student": "bo"},
        {"received": "2020-01-01T00:00:00+00:00"},
        {"sha256": "0" * 64},
        {"notebook": "0" * 64},
        {"signature": "0" * 64},
        {"signature": "ü"},
        {"number": "\ud800"},
    ],
    ids=str,
)
def test_a_forged_receipt_is_recognised(tmp_path, change):
    signer = Signer(tmp_path)
    receipt = signer.sign("1", "ann", NAME, "a" * 64, "b" * 64, "2026-11-28T05:00:00+00:00")
    assert signer.check(json.dumps(receipt))["student"] == "ann"
    with pytest.raises(ForgedReceipt):
        signer.check(json.dumps({**receipt, **change}))


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.encode("utf-16"),
        lambda text: b"\xef\xbb\xbf" + text.replace(", ", ",\r\n ").encode(),
        lambda text: f'{{"receipt": {text}, "new": true, "state": "queued"}}'.encode(),
        lambda text: f"Here it is:\n> {text}\nAnn".encode(),
    ],
    ids=["Notepad", "BOM", "whole answer", "mail"],
)
def test_a_receipt_is_checked_however_it_was_kept(course, tmp_path, written):
    signer = Signer(course.folder / "serve")
    receipt = signer.sign("1", "ann", NAME, "a" * 64, "b" * 64, "2026-11-28T05:00:00+00:00")
    path = tmp_path / "receipt.json"
    options = ["serve", "--check-receipt", str(path), "--output", str(course.folder.parent)]
    path.write_bytes(written(json.dumps(receipt)))
    assert "genuine" in CliRunner().invoke(main, options).output
    path.write_bytes(written(json.dumps({**receipt, "student": "bo"})))
    assert "FORGED" in CliRunner().invoke(main, options).output


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"signature": 3}', "[" * 100000])
def test_what_is_no_receipt_is_refused(tmp_path, text):
    with pytest.raises(InvalidInput, match="no receipt"):
        Signer(tmp_path).check(text)


def test_another_courses_receipt_is_forged_here(tmp_path):
    there = Signer(tmp_path / "there").sign("1", "ann", NAME, "a" * 64, "b" * 64, "now")
    with pytest.raises(ForgedReceipt):
        Signer(tmp_path / "here").check(json.dumps(there))
    assert (tmp_path / "here" / "secret").stat().st_mode & 0o077 == 0


# --- the spool ----------------------------------------------------------------------------------


def test_a_restart_loses_nothing_and_the_same_twice_is_one(tmp_path):
    spool = Spool(tmp_path)
    first, is_new = spool.add("ann", 3, b"sent", b"raw", ["note"], per_hour=9)
    assert is_new
    spool.close()
    spool = Spool(tmp_path)  # another process
    assert spool.in_state(QUEUED) == [first]
    again, is_new = spool.add("ann", 3, b"sent", b"raw", [], per_hour=9)
    assert again == first and not is_new
    _, is_new = spool.add("bo", 3, b"sent", b"raw", [], per_hour=9)
    assert is_new
    spool.answer(first.number, {"exercises": {}})
    assert spool.get(first.number).state == DONE and spool.waiting() == 1
    spool.close()


def test_going_back_to_an_earlier_version_counts_and_is_not_judged_again(tmp_path):
    spool = Spool(tmp_path)
    first, _ = spool.add("ann", 3, b"a", b"a", [], per_hour=9)
    spool.taken_in(first.number)
    assert spool.raw(first.number) == b"a"
    spool.answer(first.number, {"exercises": {"x": 1}})
    assert spool.raw(first.number) == b""  # the course keeps it
    spool.add("ann", 3, b"b", b"b", [], per_hour=9)
    back, is_new = spool.add("ann", 3, b"a", b"a", [], per_hour=9)
    assert is_new and back.received > first.received
    assert spool.answered_before(back) == {"exercises": {"x": 1}}
    spool.close()


def test_too_many_hand_ins_are_refused_for_that_student_alone(tmp_path, monkeypatch):
    spool = Spool(tmp_path)
    for text in (b"a", b"b"):
        spool.add("ann", 3, text, text, [], per_hour=2)
    with pytest.raises(TooMany):
        spool.add("ann", 3, b"c", b"c", [], per_hour=2)
    spool.add("bo", 3, b"c", b"c", [], per_hour=2)
    monkeypatch.setattr(spool_module, "DAILY_LIMIT", 5)
    with pytest.raises(TooMany, match="a day"):
        spool.add("bo", 3, b"d", b"12345", [], per_hour=9)
    spool.close()


def test_a_receipt_outlives_a_server_that_is_killed_at_once(tmp_path):
    program = (
        "import os, pathlib, signal, sys\n"
        "from tinybert_l.grading.serving.spool import Spool\n"
        "hand_in, _ = Spool(pathlib.Path(sys.argv[1])).add('ann', 3, b's', b'raw', [], 9)\n"
        "os.write(1, hand_in.number.encode())\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    spool = Spool(tmp_path)
    (kept,) = spool.in_state(QUEUED)
    assert kept.number == done.stdout and spool.raw(kept.number) == b"raw"
    spool.close()


def test_who_hands_in_again_and_again_does_not_make_the_others_wait(tmp_path):
    spool = Spool(tmp_path)

    def come(student: str, text: bytes) -> HandIn:
        hand_in, _ = spool.add(student, 3, text, text, [], per_hour=99)
        spool.taken_in(hand_in.number)
        return hand_in

    greedy = [come("ann", b"%d" % number) for number in range(3)]
    assert spool.next_to_judge() == replace(greedy[-1], state=TAKEN_IN)  # the newest alone
    assert spool.get(greedy[0].number).answer == {"error": SUPERSEDED}
    spool.answer(greedy[-1].number, {"exercises": {}})
    again, other = come("ann", b"again"), come("bo", b"x")
    assert spool.next_to_judge().number == other.number  # although it came later
    assert spool.next_to_judge({"bo"}).number == again.number
    assert spool.next_to_judge({"ann", "bo"}) is None
    spool.close()


# --- over HTTP ----------------------------------------------------------------------------------


def test_a_hand_in_gets_a_genuine_receipt_and_only_its_owner_an_answer(
    running, course, tokens, notebook, tmp_path
):
    status, answer = running.ask(
        "/handin/3", tokens["ann"], sent.zipped({f"{NAME}.ipynb": notebook})
    )
    assert status == 202 and answer["state"] == "queued" and answer["new"]
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(answer["receipt"]))
    options = ["serve", "--check-receipt", str(path), "--output", str(course.folder.parent)]
    checked = CliRunner().invoke(main, options)
    assert checked.exit_code == 0 and "student: ann" in checked.output
    number = answer["receipt"]["number"]
    assert running.ask(f"/handin/{number}", tokens["ann"])[0] == 200
    assert running.ask(f"/handin/{number}", tokens["bo"])[0] == 404
    assert running.ask(f"/handin/{number}")[0] == 401
    path.write_text(path.read_text().replace('"ann"', '"bo"'))
    forged = CliRunner().invoke(main, options)
    assert forged.exit_code == 1 and "FORGED" in forged.output


def test_a_hand_in_after_the_deadline_counts_and_says_so(running, course, tokens, notebook):
    path = course.folder / "course.toml"
    for text, is_late in (
        ("zone = 'UTC'\n[due]\n3 = 2020-01-01T00:00:00Z\n", True),
        ("[due]\n3 = 2999-01-01T00:00:00Z\n", False),
        ("[due", False),
    ):
        path.write_text(text)
        status, answer = running.ask("/handin/3", tokens["ann"], notebook)
        assert status == 202 and bool(answer.get("late")) == is_late
        assert not is_late or "2020-01-01" in answer["late"]


def test_two_servers_of_one_course_are_refused(course, monkeypatch):
    monkeypatch.setattr("tinybert_l.cli.serving.require", lambda unsafe: None)
    served = []

    async def run(*_: object) -> None:
        served.append(1)

    monkeypatch.setattr("tinybert_l.cli.serving.run", run)
    options = ["serve", "--output", str(course.folder.parent)]
    with only_here(course.folder / "serve" / "serving.lock"):
        refused = CliRunner().invoke(main, options)
    assert refused.exit_code == 1 and "Another 'tinybert-l serve'" in refused.output
    assert CliRunner().invoke(main, options).exit_code == 0 and served == [1]


def test_what_nobody_can_grade_is_refused_and_leaves_nothing(
    running, tokens, notebook, monkeypatch
):
    monkeypatch.setattr(server_module, "SENT_A_MINUTE", 99)
    for name, body in sent.bodies(notebook).items():
        status, answer = running.ask("/handin/3", tokens["ann"], body)
        assert status == 400 and answer["error"], (name, status, answer)
        assert "<" not in as_text(answer) and "\x1b" not in answer["error"], (name, answer)
    assert running.desk.spool.waiting() == 0


def test_a_hand_in_that_the_disk_has_no_room_for_is_refused_in_words(
    running, tokens, notebook, capsys
):
    database = running.desk.spool._database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")  # as on a full disk
    status, answer = running.ask("/handin/3", tokens["ann"], notebook)
    assert status == 507 and "has nothing of it" in answer["error"]
    assert "not kept: database or disk is full" in capsys.readouterr().out
    database.execute(f"PRAGMA max_page_count = {pages + 10_000}")
    assert running.ask("/handin/3", tokens["ann"], notebook)[0] == 202


def test_wrong_addresses_tokens_and_sizes(running, tokens, notebook):
    assert running.ask("/handin/3", "wrong", notebook)[0] == 401
    assert running.ask("/handin/3", tokens["ann"][:-1], notebook)[0] == 401
    assert running.ask("/handin/12", tokens["ann"], notebook)[0] == 404
    assert running.ask("/handin/4", tokens["ann"], notebook)[0] == 404  # not released
    assert running.ask("/secret", tokens["ann"])[0] == 404
    assert running.ask("/health")[0] == 200


def form_of(*files: bytes) -> bytes:
    """A form as browsers and `curl -F` send one."""
    head = (
        b'--xx\r\nContent-Disposition: form-data; name="f"; filename="\xe4\xbd\x9c.ipynb"\r\n\r\n'
    )
    return b"".join(head + file + b"\r\n" for file in files) + b"--xx--\r\n"


@pytest.mark.parametrize("client", ["form", "form without a file", "gzip", "PUT", "slash", "GET"])
def test_what_other_clients_send_is_read_or_refused_with_the_reason(
    running, tokens, notebook, client
):
    method = client if client in ("PUT", "GET") else "POST"
    body = {
        "form": form_of(notebook),
        "form without a file": form_of(),
        "gzip": gzip.compress(notebook),
        "GET": None,
    }.get(client, notebook)
    headers = {"Authorization": f"Bearer {tokens['ann']}"}
    if "form" in client:
        headers["Content-Type"] = "multipart/form-data; boundary=xx"
    place = running.url + "/handin/3" + "/" * (client == "slash")
    request = urllib.request.Request(place, body, headers, method=method)
    reasons = {"form without a file": "form with 0 files", "GET": "POST"}
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            receipt = json.load(reply)["receipt"]
    except urllib.error.HTTPError as error:
        said = json.load(error)["error"]
        assert reasons.get(client, "taken in") in said
    else:
        assert client not in reasons
        assert receipt["notebook"] == hashlib.sha256(notebook).hexdigest()


def test_a_slow_line_has_time_to_send(course, tokens, notebook, monkeypatch):
    monkeypatch.setattr(server_module, "BODY_SECONDS", 0.2)
    running = Running(course)
    try:
        line = socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE)
        head = f"POST /handin/3 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens['ann']}\r\n"
        line.sendall(f"{head}Content-Length: {len(notebook)}\r\n\r\n".encode())
        for start in range(0, len(notebook), len(notebook) // 5):
            line.sendall(notebook[start : start + len(notebook) // 5])
            time.sleep(0.1)
        assert b" 202 " in line.recv(100)
    finally:
        running.close()


def test_a_hand_in_that_cannot_be_judged_keeps_nobody_waiting(course, notebook, monkeypatch):
    spool = Spool(course.folder / "serve")
    for student in ("ann", "bo"):
        number = spool.add(student, 3, notebook, notebook, [], per_hour=9)[0].number
        spool.taken_in(number)
    worker = Worker(course, spool, course.folder / "serve", 1)

    def judged(hand_in: HandIn) -> dict:
        if hand_in.student == "ann":
            raise FileNotFoundError("the release was taken away")
        return {"exercises": {}}

    monkeypatch.setattr(worker, "_judged", judged)
    with pytest.raises(FileNotFoundError):
        worker.judge_next()
    assert worker.judge_next() and not worker.judge_next()
    assert [hand_in.student for hand_in in spool.in_state(TAKEN_IN)] == ["ann"]  # it stays
    monkeypatch.setattr(judging, "LATER_SECONDS", 0)
    worker._later.clear()
    with pytest.raises(FileNotFoundError):
        worker.judge_next()
    worker.stop()
    spool.close()


def test_broken_and_half_sent_requests_stop_nobody(running, tokens, notebook):
    opened = []
    for request in sent.raw_requests("x").values():
        connection = socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE)
        connection.sendall(request)
        opened.append(connection)
    head = f"POST /handin/3 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens['ann']}\r\n"
    half = socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE)
    half.sendall(f"{head}Content-Length: 100000\r\n\r\nhalf".encode())
    assert running.ask("/handin/3", tokens["bo"], notebook)[0] == 202
    half.close()
    for connection in opened:
        with suppress(ConnectionResetError):  # closed before all was read
            assert b" 20" not in connection.recv(100)[:15]
        connection.close()
    assert running.desk.spool.waiting() == 1  # bo's


def test_slow_clients_and_floods_are_cut_off(course, tokens, notebook, monkeypatch):
    monkeypatch.setattr(server_module, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(server_module, "SENDING_SECONDS", 0.3)
    monkeypatch.setattr(server_module, "REQUESTS_A_MINUTE", 5)
    running = Running(course, Settings(connections=4))
    try:
        slow = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(9)]
        for connection in slow:
            connection.settimeout(PATIENCE)
            with suppress(ConnectionResetError):
                assert connection.recv(10) == b""  # too many, or nothing said for too long
        head = f"POST /handin/3 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens['ann']}\r\n"
        half = socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE)
        half.sendall(f"{head}Content-Length: 1000\r\n\r\nhalf".encode())
        assert half.recv(10) == b""
        drop = socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE)
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(20):  # a header that never ends
                drop.sendall(b"P")
                time.sleep(0.03)
            assert drop.recv(10) == b""
        answers = [running.ask("/handin/" + "0" * 32, tokens["ann"])[0] for _ in range(12)]
        assert 429 in answers
        monkeypatch.setattr(server_module, "REQUESTS_A_MINUTE", 99)
        monkeypatch.setattr(server_module, "SENT_A_MINUTE", 3)
        refused = [running.ask("/handin/3", tokens["ann"], b"")[0] for _ in range(9)]
        assert 400 in refused and 429 in refused
        assert running.ask("/handin/3", tokens["bo"], notebook)[0] == 202
    finally:
        running.close()


def test_behind_a_hub_addresses_begin_with_the_services_prefix(course, tokens, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", "http://127.0.0.1:9123")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/services/handin/")
    assert place("0.0.0.0", 1) == ("127.0.0.1", 9123, "/services/handin/")
    running = Running(course, prefix="/services/handin/")
    try:
        assert running.ask("/services/handin/health")[0] == 200
        assert running.ask("/health")[0] == 404
        assert running.ask("/services/handin/handin/3", tokens["ann"], b"")[0] == 400
    finally:
        running.close()


def test_the_client_sends_its_token_nowhere_else(running, tokens, notebook, tmp_path, monkeypatch):
    path = tmp_path / "ann.zip"
    path.write_bytes(sent.zipped({f"{NAME}.ipynb": notebook}))
    with pytest.raises(InvalidInput, match="unencrypted"):
        sending.send("http://example.org", 3, path, tokens["ann"])
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # it would read the token
    with pytest.raises(sending.NotSent, match="no such token"):
        sending.send(running.url, 3, path, "wrong")
    answer = sending.send(running.url, 3, path, tokens["ann"])
    assert json.loads((tmp_path / "receipt-ann.json").read_text()) == answer["receipt"]
    number = answer["receipt"]["number"]
    assert sending.wait_for_tests(running.url, number, tokens["ann"], 0)["state"] == "queued"


def test_nobody_hands_in_under_another_ones_token_by_mistake(running, tokens, notebook, tmp_path):
    path = tmp_path / "bo.zip"
    path.write_bytes(sent.zipped({f"{NAME}.ipynb": notebook}))
    for name in ("bo", "BO"):
        with pytest.raises(sending.NotSent, match="this token is ann's"):
            sending.send(running.url, 3, path, tokens["ann"], name)
    assert running.desk.spool.waiting() == 0
    for name in ("ann", "login of nobody's", "学生\r\nX: y"):
        answer = sending.send(running.url, 3, path, f"Bearer {tokens['ann']}", name)
        assert answer["receipt"]["student"] == "ann"


@pytest.mark.parametrize("place", ["127.0.0.1:8765", "localhost", "hub.uni.example:443/services/x"])
def test_an_address_without_its_beginning_is_no_folder(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="begins with https"):
        sending.is_address(place)
    assert not sending.is_address("to.hand.in") and not sending.is_address("C:/work")


# --- judging ------------------------------------------------------------------------------------


def test_hidden_tests_are_not_even_run(course):
    hidden = course.assignment(3).cells
    visible = visible_assignment(course, 3, "ann").cells
    assert any("HIDDEN" in cell.source for cell in hidden if cell.is_test) or any(
        cell.name.endswith("_hidden") for cell in hidden
    )
    path = course.folder / "release" / NAME / f"{NAME}.ipynb"
    released = {cell.source for cell in nbformat.read(path, as_version=4).cells} | {""}
    changed = 0
    for before, after in zip(hidden, visible, strict=True):
        if after.is_test:
            assert after.source in released
            changed += before.source != after.source
    assert changed


@pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
def test_a_hand_in_is_taken_in_and_judged_once_by_visible_tests(course, notebook):
    spool = Spool(course.folder / "serve")
    wrong = nbformat.reads(notebook.decode(), as_version=4)
    for cell in wrong.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "kept_layers":
            cell.source = "@kept_layers.implement\ndef kept_layers(n, d):\n    return ['<b>']\n"
    raw = nbformat.writes(wrong).encode()
    good, _ = spool.add("ann", 3, notebook, notebook, [], per_hour=9)
    bad, _ = spool.add("bo", 3, raw, raw, [], per_hour=9)
    worker = Worker(course, spool, course.folder / "serve", 1)
    assert worker.take_in_all() and worker.judge_next() and worker.judge_next()
    worker.stop()
    answer = spool.get(good.number).answer
    assert set(answer) == {"exercises", "tests"} and answer["exercises"]
    assert all(entry["passed"] for entry in answer["exercises"].values()), answer
    told = spool.get(bad.number).answer["exercises"]
    assert not told["kept_layers"]["passed"] and told["kept_layers"]["reason"]
    # they stand in the course as `collect` leaves them, with the time of their arrival
    assert course.students(3) == ["ann", "bo"]
    folder = course.submission("ann", 3).parent
    assert abs(submitted_at(folder) - good.received) < timedelta(seconds=1)
    events = [entry["event"] for entry in Audit(course.folder).entries()]
    assert events.count("received") == 2 and "graded" not in events
    # after a restart nothing is left to be judged
    worker = Worker(course, spool, course.folder / "serve", 1)
    assert not worker.take_in_all() and not worker.judge_next()
    worker.stop()
    spool.close()


@pytest.mark.nightly
@pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
def test_a_server_that_is_killed_goes_on_with_what_it_had(course, tokens, notebook, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url, folder = f"http://127.0.0.1:{port}", str(course.folder.parent)
    command = [sys.executable, "-m", "tinybert_l.cli", "serve", "--port", str(port)]

    def started() -> subprocess.Popen[bytes]:
        server = subprocess.Popen([*command, "--output", folder])
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=PATIENCE):
                return server
            time.sleep(0.2)
        raise AssertionError("the server does not start")

    path = tmp_path / "ann.zip"
    path.write_bytes(sent.zipped({f"{NAME}.ipynb": notebook}))
    server = started()
    number = sending.send(url, 3, path, tokens["ann"])["receipt"]["number"]
    server.kill()
    server.wait()
    server = started()
    try:
        answer = sending.wait_for_tests(url, number, tokens["ann"])
    finally:
        server.kill()
        server.wait()
    assert answer["state"] == "done" and answer["exercises"]["kept_layers"]["passed"]


@pytest.mark.nightly
@pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
def test_a_load_is_accepted_at_once(checkout, tmp_path):
    """The benchmark in short; its figures are this machine's, so only what must hold is asked."""
    command = [sys.executable, str(checkout / "benchmarks" / "serve.py"), "30", "6", "4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads((tmp_path / "outputs" / "benchmarks" / "serve.json").read_text())
    (row,) = record["rows"]
    assert row["failed"] == 0 and row["judged_per_minute"] > 0
