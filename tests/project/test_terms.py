"""A term with Moodle and one with Canvas, by every command of the handbook's two sections.

The files between are such as those systems make (`platforms.py`), and what comes out goes back into
them. Every time, a stub takes the sandbox's and the browser's place; nightly all of it is real.
"""

import http.cookiejar
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
import warm
from click.testing import CliRunner
from platforms import Canvas, Moodle, Person, write_zip
from short_course import NAME, WRONG, make_short_course, run_in, without_sandbox

from tinybert_l.cli import marking
from tinybert_l.cli.app import main
from tinybert_l.course import home
from tinybert_l.exercises.answers import answer_cells
from tinybert_l.grading.marking.desk import Desk
from tinybert_l.grading.outside.sandbox import problem

PEOPLE = [
    Person("安", "李", "lian", 11),
    Person("Ann", "O'Brien", "aobrien", 12),
    Person("Bo", "Wu", "bwu", 13, is_late=True),
    Person("Cy", "Xu", "cxu", 14),  # hands nothing in
]
Do = Callable[[list[str], Path], str]
Submit = Callable[[Path, str, Path], Path]
PLATFORMS = {"A term with Moodle": Moodle, "A term with Canvas": Canvas}


def commands_of(checkout: Path, title: str) -> list[list[str]]:
    """Return the command lines in a section's blocks, split into words."""
    text = (checkout / "docs" / "how-to" / "grading.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {title}\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    assert section, title
    blocks = re.findall(r"```console\n(.*?)```", section[1], re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line]


class Term:
    """A teacher's folder, a platform, and the students' folders.

    Args:
        submit: packs a notebook for handing in: (notebook, login, folder) -> zip file.
    """

    def __init__(self, folder: Path, platform: Moodle | Canvas, submit: Submit) -> None:
        self.folder = folder
        self.platform = platform
        self.submit = submit
        self.students: dict[str, Path] = {}  # {login: what was handed in}
        self.requests: dict[str, Path] = {}
        self.output = ""

    @property
    def course(self) -> Path:
        return self.folder / "nlp"

    def prepare(self, words: list[str]) -> None:
        """Make the files that a person has at hand by then."""
        if "roster" in words:
            self.platform.write_roster(self.course / self.platform.roster)
        if "release" in words:
            due = "[due]\n3 = 2026-12-01T23:59:00+08:00\n[late]\npercent_per_day = 10\n"
            (self.course / "course.toml").write_text(due, encoding="utf-8")
        if "collect" in words and not self.students:
            self._hand_in()
            self.platform.write_submissions(self.course / "submissions.zip", self.students)
        if "--handed-in" in words:
            times = "id,handed_in\nbwu,2026-12-03 12:00+08:00\n"
            (self.course / "times.csv").write_text(times, encoding="utf-8")
        if "--disputes" in words:
            self._ask()
            path = self.course / "requests.zip"
            self.platform.write_submissions(path, self.requests, assignment=1)
        if "--worksheet" in words:
            self.platform.write_worksheet(self.course / self.platform.worksheet)

    def take_back(self, words: list[str]) -> None:
        """Give the platform what a command has made for it."""
        if "--worksheet" in words:
            path = self.course / self.platform.worksheet
            self.platform.take_worksheet(path.with_stem(f"{path.stem}-graded"))
        if "--zip" in words:
            name = f"feedback-{NAME}-{words[-1]}.zip"
            self.platform.take_feedback(self.course / "handouts" / name)

    def _hand_in(self) -> None:
        """Let all but Cy unpack the handout, answer it, and pack it by `submit`."""
        handout = self.course / "handouts" / f"{NAME}.zip"
        answers = answer_cells(self.course / "notebooks" / NAME / f"{NAME}.ipynb")
        for person in PEOPLE[:3]:
            folder = self.folder / person.login
            shutil.unpack_archive(handout, folder)
            path = folder / NAME / f"{NAME}.ipynb"
            notebook = nbformat.read(path, as_version=4)
            for cell in notebook.cells:
                name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
                cell.source = answers.get(name, cell.source)
                if name == "kept_layers" and person.login == "aobrien":
                    cell.source = WRONG
                if name == "essay":
                    cell.source = f"{person.full_name} would keep the last layers: they decide."
            nbformat.write(notebook, path)
            self.students[person.login] = self.submit(path, person.login, folder)

    def _ask(self) -> None:
        """Let two students run the command that writes a request."""
        for login, exercise in (("aobrien", "kept_layers"), ("lian", "essay")):
            words = f"dispute 3 {exercise} --student {login} --because".split()
            words += ["Judge it <b>again</b>.", "--hand-in", str(self.students[login])]
            words += ["--to", str(self.folder / login)]
            result = CliRunner().invoke(main, words, catch_exceptions=False)
            assert result.exit_code == 0, result.output
            (self.requests[login],) = (self.folder / login).glob("*.dispute.json")


def walk(checkout: Path, title: str, folder: Path, do: Do, submit: Submit) -> Term:
    """Run all commands of a section in their order, and give the platform what they make.

    Args:
        do: runs a command in a folder; returns what it prints.
    """
    term = Term(folder, PLATFORMS[title](PEOPLE), submit)
    place = folder
    for words in commands_of(checkout, title):
        if words[0] == "cd":
            place = place / words[1]
            continue
        term.prepare(words)
        term.output += do(words, place)
        term.take_back(words)
    return term


def check(term: Term, automatic: float) -> None:
    """The platform knows everybody's points, and each page is of whom it belongs to.

    Args:
        automatic: points of all tests; those of one exercise are four.
    """
    grades = {login: float(grade) for login, (grade, _) in term.platform.grades.items()}
    late = 0.8 if isinstance(term.platform, Canvas) else 1.0  # two days begun; Moodle tells no time
    expected = {"lian": automatic + 5, "aobrien": automatic, "bwu": (automatic + 4) * late}
    assert grades == pytest.approx(expected)
    assert set(term.platform.pages) == {"lian", "aobrien", "bwu"}
    for person in PEOPLE[:3]:
        page = term.platform.pages[person.login].decode()
        others = {other.full_name for other in PEOPLE} - {person.full_name}
        assert "Say what they decide." in page
        assert not [other for other in others if f"{other} would keep" in page]
    asked = {login for login, page in term.platform.pages.items() if b"Judge it &lt;b&gt;" in page}
    assert asked == {"lian", "aobrien"}
    assert "Cy Xu" in term.output and "REFUSED" not in term.output
    if isinstance(term.platform, Moodle):
        assert "kept_layers 0/4" in term.platform.grades["aobrien"][1]


def marked(states: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Say what a marker does: 4 points and a comment at first, 5 for who asks for another look."""
    for code, state in states.items():
        if not state["done"]:
            again = state["by_person"]
            yield {"action": "points", "answer": code, "points": 5 if again else 4, "items": []}
            if not again:
                yield {"action": "comment", "answer": code, "text": "Say what they decide."}


def mark_here(desk: Desk, *_: object) -> None:
    """Stand in for the browser: give points to all that are open."""
    for cell in desk.questions:
        sheet = desk.sheet(cell)
        for wish in marked(sheet.states(sheet.order)):
            if wish["action"] == "points":
                sheet.give(wish["answer"], False, wish["points"], wish["items"])
            else:
                sheet.comment(wish["answer"], False, wish["text"])


def pack(notebook: Path, login: str, folder: Path) -> Path:
    """Stand in for `submit`, which asks for all of a lecture's tests."""
    path = folder / f"{login}-{NAME}.zip"
    write_zip(path, {notebook.name: notebook.read_bytes()})
    return path


def submit(notebook: Path, login: str, folder: Path) -> Path:
    return home.hand_in(notebook, login, folder).path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A short course as both sections begin: made, nobody entered, and released."""
    return make_short_course(tmp_path_factory.mktemp("term"))


@pytest.mark.parametrize("title", PLATFORMS)
def test_a_term_of_the_handbook(title, checkout, tmp_path, prepared, monkeypatch):
    without_sandbox(monkeypatch)
    monkeypatch.setattr(marking, "serve", mark_here)
    monkeypatch.setenv("COLUMNS", "200")

    def do(words: list[str], place: Path) -> str:
        if words[1:3] == ["course", "init"]:  # made and released once for both terms
            shutil.copytree(prepared, place / words[3])
            return ""
        return "" if words[1] == "release" else run_in(place, words)

    check(walk(checkout, title, tmp_path, do, pack), automatic=4)


@pytest.mark.nightly
@pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
@pytest.mark.parametrize("title", PLATFORMS)
def test_a_term_of_the_handbook_in_earnest(title, checkout, tmp_path):
    environment = {**os.environ, "COLUMNS": "200"}
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))

    def do(words: list[str], place: Path) -> str:
        if words[1] == "mark":
            return mark_in_browser([*words, "--no-browser"], place, environment)
        done = warm.run_tool(words, place, environment, timeout=400)
        assert done.returncode == 0, (words, done.stdout[-1500:], done.stderr[-1500:])
        return done.stdout

    check(walk(checkout, title, tmp_path, do, submit), automatic=20)


def mark_in_browser(words: list[str], place: Path, environment: dict[str, str]) -> str:
    """Start the marking page, do what its script does, and end it by Ctrl+C."""
    command = [sys.executable, "-m", "tinybert_l.cli", *words[1:]]
    process = subprocess.Popen(
        command, cwd=place, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    address = urlsplit(process.stdout.readline().strip())
    token = parse_qs(address.query)["token"][0]
    server = f"{address.scheme}://{address.netloc}"
    cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(cookies)
    browser.open(address.geturl()).read()
    state = json.load(browser.open(f"{server}/state/essay"))
    headers = {"Origin": server, "X-Marking-Token": token, "Content-Type": "application/json"}
    for wish in marked(state["marks"]):
        content = json.dumps(wish).encode()
        browser.open(urllib.request.Request(f"{server}/do/essay", content, headers)).read()
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=300)[0]
    assert process.returncode == 0
    return printed


# Other platforms: of each, where Ann's and Bo's notebooks lie, what lies beside, and its table

OTHERS = "Blackboard, Brightspace, Gradescope and Sakai"
ATTEMPT = "Lecture 3_{}_attempt_2026-11-20-10-00-00"
RECEIPTS = {f"{ATTEMPT.format(x)}.txt": f"Name: X ({x})\n" for x in ("ann_li", "bo_li")}
ENTRY = "submission_7770{}:\n  :submitters:\n  - :name: X\n    :sid: {}\n    :email: x@x.org\n"
ROWS = "Li,Ann,ann_li,\nLi,Bo,bo_li,\n"
OTHER_PLATFORMS = {
    "Blackboard": (
        [f"{ATTEMPT.format(x)}_{NAME}.ipynb" for x in ("ann_li", "bo_li")],
        RECEIPTS,
        f"Last Name,First Name,Username,Lecture 3 [Total Pts: 25 Score] |9\n{ROWS}",
    ),
    "Brightspace": (
        [f"1-2 - {x} Li - Oct 3, 2026 1015 PM/{NAME}.ipynb" for x in ("Ann", "Bo")],
        {"index.html": "<html>"},
        f"Last Name,First Name,OrgDefinedId,Lecture 3 Points Grade <Numeric MaxPoints:25>\n{ROWS}",
    ),
    "Gradescope": (
        [f"submission_7770{n}/{NAME}.ipynb" for n in (1, 2)],
        {"submission_metadata.yml": ENTRY.format(1, "ann_li") + ENTRY.format(2, "bo_li")},
        f"Last Name,First Name,SID,Lecture 3\n{ROWS}",
    ),
    "Sakai": (
        [
            f"L3/Li, {x}({x.lower()}_li)/Submission attachment(s)/{NAME}.ipynb"
            for x in ("Ann", "Bo")
        ],
        {"L3/grades.csv": "x"},
        f"Last Name,First Name,Student ID,Lecture 3\n{ROWS}",
    ),
}


@pytest.mark.parametrize(
    "platform",
    [
        "Blackboard",
        "Brightspace",
        pytest.param("Gradescope", marks=pytest.mark.nightly),
        pytest.param("Sakai", marks=pytest.mark.nightly),
    ],
)
def test_the_handbooks_other_platforms(platform, checkout, tmp_path, prepared, monkeypatch):
    without_sandbox(monkeypatch)
    monkeypatch.setenv("COLUMNS", "200")
    course = tmp_path / "nlp"
    shutil.copytree(prepared, course)
    paths, beside, table = OTHER_PLATFORMS[platform]
    path = course / "release" / NAME / f"{NAME}.ipynb"
    right = nbformat.read(path, as_version=4)
    wrong = nbformat.read(path, as_version=4)
    for notebook, source in ((right, None), (wrong, WRONG)):
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == "kept_layers":
                cell.source = source or cell.source + "\n# done"
    notebooks = [nbformat.writes(notebook).encode() for notebook in (right, wrong)]
    members = dict(zip(paths, notebooks, strict=True))
    members |= {name: text.encode() for name, text in beside.items()}
    write_zip(course / "submissions.zip", members)
    (course / "class.csv").write_text(table, encoding="utf-8")
    printed = "".join(run_in(course, words) for words in commands_of(checkout, OTHERS))
    assert "REFUSED" not in printed and platform in OTHERS
    lines = (course / "class-graded.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[2:4] for line in lines[1:]] == [["ann_li", "4"], ["bo_li", "0"]]
