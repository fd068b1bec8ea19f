"""Nothing that is published gives away an answer or a hidden test; what is planted is found."""

import base64
import io
import json
import re
import shutil
import sys
import tarfile
import zipfile
from html import escape
from pathlib import Path
from urllib.parse import quote

import nbformat
import pytest

from tinybert_l.course.authoring import answer_cell
from tinybert_l.course.markers import hidden_tests
from tinybert_l.errors import CourseError
from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading.course import MATERIAL
from tinybert_l.grading.leaks import LeakError, read_secrets, require_none, scan, scan_bytes


@pytest.fixture(scope="module")
def secrets(checkout):
    return read_secrets(checkout / "notebooks", checkout / "solutions")


def cells(lecture: int) -> list[nbformat.NotebookNode]:
    name = NOTEBOOKS[lecture]
    return nbformat.read(MATERIAL / "notebooks" / name / f"{name}.ipynb", as_version=4).cells


def answer() -> str:
    """The reference answer to layer_map, without any marker."""
    source = (MATERIAL / "solutions" / "lecture_03.py").read_text(encoding="utf-8")
    lines = answer_cell(source, "layer_map").splitlines()
    return "\n".join(line for line in lines if "###" not in line)


def hidden_test() -> str:
    """The hidden test of layer_map, without any marker."""
    for cell in cells(3):
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "test_layer_map_hidden":
            return hidden_tests(cell.source)[0]
    raise AssertionError("no hidden test")


def highlighted(code: str) -> str:
    """Code as a page of HTML shows it: each word in a span of its own."""
    words = [f"<span class='n'>{escape(word)}</span>" for word in code.split(" ")]
    return "<pre>" + " ".join(words) + "</pre>"


def notebook(**parts) -> bytes:
    cell = {"cell_type": "code", "metadata": {}, "source": "", "outputs": [], **parts}
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    ).encode()


def zipped(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def packed(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def encoded(code: str) -> str:
    return base64.b64encode(code.encode()).decode()


def in_lines(text: str) -> str:
    return "\n".join(text[place : place + 76] for place in range(0, len(text), 76))


def described(code: str) -> str:
    """A picture with a description that nobody sees on the page."""
    return f'<img src="a.png" alt="{escape(code)}">'


def noted(code: str) -> bytes:
    """A notebook whose metadata hold a note."""
    tree = json.loads(notebook(source="x"))
    return json.dumps({**tree, "metadata": {"note": {"text": code}}}).encode()


def coloured(code: str) -> list[str]:
    return [f"\x1b[32m{word}\x1b[0m " for word in code.split(" ")]


HIDING_PLACES = {
    "a.py": lambda code: code.encode(),
    "indented.md": lambda code: code.replace("\n", "\n      > ").encode(),
    "one_line.txt": lambda code: " ".join(code.split()).encode(),
    "page.html": lambda code: highlighted(code).encode(),
    "data.json": lambda code: json.dumps({"text": code}).encode(),
    "script.js": lambda code: f"const t = {json.dumps(highlighted(code))};".encode(),
    "source.ipynb": lambda code: notebook(source=code.splitlines(keepends=True)),
    "output.ipynb": lambda code: notebook(
        outputs=[{"output_type": "stream", "name": "stdout", "text": code}]
    ),
    "traceback.ipynb": lambda code: notebook(
        outputs=[
            {
                "output_type": "error",
                "ename": "E",
                "evalue": "",
                "traceback": [line for text in code.split("\n") for line in coloured(text)],
            }
        ]
    ),
    "handout.zip": lambda code: zipped("03/solutions/lecture_03.py", code.encode()),
    "a.whl": lambda code: zipped("tinybert_l/inner.zip", zipped("x.py", code.encode())),
    "sdist.tar.gz": lambda code: packed("tinybert_l/x.py", code.encode()),
    "description.html": lambda code: described(code).encode(),
    "comment.html": lambda code: f"<!-- {escape(code)} -->".encode(),
    "escaped_twice.html": lambda code: f"<p>{escape(escape(code))}</p>".encode(),
    "numbers.html": lambda code: "".join(f"&#{ord(letter)};" for letter in code).encode(),
    "address.html": lambda code: f"<a href='data:text/plain,{quote(code)}'>x</a>".encode(),
    "drawing.html": lambda code: (
        f'<img src="data:image/svg+xml;base64,{encoded(escape(code))}">'.encode()
    ),
    "archive.html": lambda code: (
        b"<a href='data:application/zip;base64,"
        + base64.b64encode(zipped("x.py", code.encode()))
        + b"'>x</a>"
    ),
    "lines.txt": lambda code: in_lines(encoded(code)).encode(),
    "lines.json": lambda code: json.dumps({"text": in_lines(encoded(code))}).encode(),
    "numbers.json": lambda code: "".join(f"\\u{ord(letter):04x}" for letter in code).encode(),
    "windows.md": lambda code: code.encode("utf-16"),
    "attached.ipynb": lambda code: notebook(attachments={"a.txt": {"text/plain": code}}),
    "attached_picture.ipynb": lambda code: notebook(
        attachments={"a.png": {"image/png": encoded(code)}}
    ),
    "picture.ipynb": lambda code: notebook(
        outputs=[{"output_type": "display_data", "data": {"image/png": f"{encoded(code)}\n"}}]
    ),
    "description.ipynb": lambda code: notebook(source=f"text {described(code)}"),
    "cell_metadata.ipynb": lambda code: notebook(metadata={"note": code}),
    "metadata.ipynb": noted,
    "docstring.ipynb": lambda code: notebook(source=f'def f():\n    """{code}\n    """'),
    "compiled.pickle": lambda code: b"\x80\x04\x95" + code.encode() + b"\x00\xff",
}


@pytest.mark.parametrize("planted", [answer, hidden_test])
@pytest.mark.parametrize("place", HIDING_PLACES)
def test_what_is_planted_is_found_without_any_marker(secrets, place, planted):
    content = HIDING_PLACES[place](planted())
    found = scan_bytes(place, content, secrets)
    origin = "lecture_03.py" if planted is answer else "hidden test of 03-architecture.ipynb"
    assert len([leak for leak in found if origin in leak]) >= 3, found


QUIZ_ANSWERS = ('quiz_3_1 = "G"', "quiz_3_1='g'", 'quiz_3_2 = ["D", "P"]', "quiz_3_3 = 3.0")


@pytest.mark.parametrize("answer", QUIZ_ANSWERS)
@pytest.mark.parametrize("place", [place for place in HIDING_PLACES if "traceback" not in place])
def test_a_planted_quiz_answer_is_found(secrets, place, answer):
    found = scan_bytes(place, HIDING_PLACES[place](f"x = 1\n{answer}\ny = 2"), secrets)
    assert any("quizzes/lecture_03.toml" in leak for leak in found), found


def test_what_is_said_of_a_wrong_quiz_answer_is_a_secret_too(secrets):
    """It tells which choices are wrong."""
    for cell in cells(3):
        if cell.metadata.get("nbgrader", {}).get("grade_id") != "test_quiz_3_1":
            continue
        lines = hidden_tests(cell.source)[0].strip().splitlines()[2:-1]
        assert len(lines) == 3
        for line in lines:
            for half in re.split(r" (?=[\u4e00-\u9fff])", line):
                assert scan_bytes("a.md", half.encode(), secrets), half


def test_a_single_line_of_every_answer_and_hidden_test_would_be_noticed(secrets):
    for line, origin in secrets.items():
        (leak,) = [x for x in scan_bytes("x.md", f"see `{line}`".encode(), secrets) if line in x]
        assert origin in leak


def test_every_lecture_has_secrets(secrets, checkout):
    origins = set(secrets.values())
    assert {path.name for path in (checkout / "solutions").glob("lecture_*.py")} < origins
    assert {f"hidden test of {name}.ipynb" for name in NOTEBOOKS.values()} < origins
    assert "essays.md" in origins


def test_markers_alone_are_found_too(secrets):
    assert scan_bytes("x.md", b"text\n### BEGIN HIDDEN TESTS\n", secrets) == [
        "x.md: ### BEGIN HIDDEN TESTS"
    ]


def test_a_model_answer_to_an_essay_is_found(secrets, checkout):
    text = (checkout / "solutions" / "essays.md").read_text(encoding="utf-8")
    paragraph = text.split("\n\n")[2]
    assert scan_bytes("x.html", f"<p>{escape(paragraph)}</p>".encode(), secrets)


def test_innocent_texts_give_no_alarm(secrets):
    picture = base64.b64encode(bytes(range(256)) * 100)
    for content in (b"", b"PK\x03\x04 no zip", b"\x1f\x8b no gzip", picture, b"layer_map(2, 4)"):
        assert scan_bytes("x", content, secrets) == []


def test_many_leaks_are_counted_and_some_shown():
    require_none([], "the site")
    with pytest.raises(LeakError, match="30 leaks in the site") as caught:
        require_none([f"page {n}" for n in range(30)], "the site")
    assert str(caught.value).count("page") == 20


@pytest.mark.parametrize(
    "place",
    ["README.md", "README.zh.md", "CONTRIBUTING.md", "docs", "results", "tinybert_l/exercises"],
)
def test_the_checkouts_public_files_give_nothing_away(secrets, checkout, place):
    assert scan(checkout / place, secrets) == []


def test_the_students_wheel_gives_nothing_away(secrets, student_wheel, tmp_path):
    assert scan(student_wheel, secrets) == []
    copy = tmp_path / student_wheel.name
    shutil.copy(student_wheel, copy)
    with zipfile.ZipFile(copy, "a") as archive:
        archive.writestr("tinybert_l/extra.py", answer())
    assert scan(copy, secrets)


@pytest.fixture
def tools(checkout, monkeypatch):
    """The tools' modules, whose executed lectures lie in a folder of the test's."""
    monkeypatch.syspath_prepend(checkout / "tools")
    import make_release
    import make_site
    import make_slides

    return {"site": make_site, "slides": make_slides, "release": make_release}


def executed(folder: Path, lecture: int, planted: str = "") -> None:
    """Write a copy of a lecture as if it had been run; text may be planted in an output."""
    name = NOTEBOOKS[lecture]
    copy = nbformat.read(MATERIAL / "notebooks" / name / f"{name}.ipynb", as_version=4)
    for cell in copy.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1
            if any(tag.startswith(("figure-", "table-")) for tag in cell.metadata.get("tags", [])):
                cell.outputs = [nbformat.v4.new_output("stream", text="shown")]
            if planted and "demo" in cell.metadata.get("tags", []):
                data = {"text/html": f"<table><tbody><tr><td>{planted}</td></tr></tbody></table>"}
                cell.outputs = [nbformat.v4.new_output("display_data", data)]
    (folder / name).mkdir(parents=True)
    nbformat.write(copy, folder / name / f"{name}.ipynb")


def test_slides_give_nothing_away_and_are_withheld_where_they_would(tools, tmp_path, monkeypatch):
    slides = tools["slides"]
    monkeypatch.setattr(slides, "EXECUTED", tmp_path / "clean")
    executed(tmp_path / "clean", 3)
    (deck,) = slides.write("en", [3], False, tmp_path / "slides")
    assert "not run" not in deck.read_text(encoding="utf-8")
    monkeypatch.setattr(slides, "EXECUTED", tmp_path / "leaking")
    executed(tmp_path / "leaking", 3, planted=hidden_test())
    with pytest.raises(LeakError, match="03-architecture"):
        slides.write("en", [3], False, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_site_is_made_from_what_students_get(tools, secrets, tmp_path, monkeypatch):
    """`tests/course/test_accessible.py` builds it and scans its pages."""
    site = tools["site"]
    monkeypatch.setattr(tools["slides"], "EXECUTED", tmp_path / "clean")
    executed(tmp_path / "clean", 3)
    site.write_source(tmp_path / "public", "en", [3], with_answers=False)
    assert scan(tmp_path / "public", secrets) == []
    page = (tmp_path / "public" / "lectures" / f"{NOTEBOOKS[3]}.ipynb").read_text("utf-8")
    assert "your answer goes here" in page and site.WORDS["en"]["banner"] not in page
    site.write_source(tmp_path / "mine", "en", [3], with_answers=True)
    page = (tmp_path / "mine" / "lectures" / f"{NOTEBOOKS[3]}.ipynb").read_text("utf-8")
    assert site.WORDS["en"]["banner"] in page and scan(tmp_path / "mine", secrets)


def test_a_site_that_would_leak_is_removed(tools, tmp_path):
    folder = tmp_path / "site"
    (folder / "en").mkdir(parents=True)
    (folder / "en" / "innocent.html").write_text("<p>layer_map</p>")
    tools["site"].require_no_answers(folder)
    (folder / "en" / "page.html").write_text(highlighted(answer()))
    with pytest.raises(LeakError, match=r"en/page\.html: lecture_03\.py"):
        tools["site"].require_no_answers(folder)
    assert not folder.exists()


@pytest.mark.slow
def test_a_release_of_the_project_is_emptied_where_it_would_leak(tools, tmp_path, student_wheel):
    dist = tmp_path / "dist"
    dist.mkdir()
    shutil.copy(student_wheel, dist)
    (dist / "tinybert_l_instructor-1.whl").write_bytes(zipped("x.py", answer().encode()))
    tools["release"].require_no_answers(dist)
    (dist / "tinybert_l-1.tar.gz").write_bytes(packed("x.py", answer().encode()))
    with pytest.raises(LeakError, match="tinybert_l-1"):
        tools["release"].require_no_answers(dist)
    assert not dist.exists()


def test_what_was_not_run_is_refused(tools, tmp_path, monkeypatch):
    slides = tools["slides"]
    monkeypatch.setattr(slides, "EXECUTED", tmp_path)
    with pytest.raises(CourseError, match=r"code cells were not run\n.*make notebooks"):
        slides.write("en", [3], False, tmp_path / "slides")
    assert not (tmp_path / "slides").exists()
    (deck,) = slides.write("en", [3], True, tmp_path / "slides")
    assert "no figures and tables" in deck.read_text(encoding="utf-8")
    assert "Not run, and so without figures" in tools["site"].index("en", [3], {})
    executed(tmp_path, 3)
    assert slides.why_not_executed(3) == ""
    assert "Every lecture here was run" in tools["site"].index("en", [3], {})
    path = tmp_path / NOTEBOOKS[3] / f"{NOTEBOOKS[3]}.ipynb"
    copy = nbformat.read(path, as_version=4)
    copy.metadata[slides.REDUCED] = True
    nbformat.write(copy, path)
    assert "was run at the size for tests" in slides.why_not_executed(3)
    del copy.metadata[slides.REDUCED]
    (figure,) = [cell for cell in copy.cells if "figure-3" in cell.metadata.get("tags", [])]
    figure.outputs = []
    nbformat.write(copy, path)
    assert slides.why_not_executed(3) == (
        "03-architecture: figure-3 is missing: its outputs were removed"
    )
    copy.cells[2].source += " changed"
    nbformat.write(copy, path)
    assert slides.why_not_executed(3) == "03-architecture: has changed since it was run"


@pytest.mark.parametrize(
    ("tool", "words", "message"),
    [
        ("slides", ["zh", "12"], "lecture 12; allowed: 1 to 11"),
        ("slides", ["zh", "3"], "code cells were not run"),
        ("site", ["fr"], "'fr'; allowed: zh, en"),
        ("site", ["zh"], "code cells were not run"),
    ],
)
def test_the_tools_say_in_a_sentence_what_is_wrong(
    tools, tool, words, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(tools["slides"], "EXECUTED", tmp_path)
    monkeypatch.setattr(sys, "argv", [f"make_{tool}.py", *words])
    with pytest.raises(SystemExit, match=message):
        tools[tool].main()


def test_every_slide_has_a_title(tools, tmp_path, monkeypatch):
    slides = tools["slides"]
    monkeypatch.setattr(slides, "EXECUTED", tmp_path)
    executed(tmp_path, 3, planted="a number")
    page = slides.deck(3, "en")
    parts = page.split("<section>\n<section>", 1)[1].split("<section>")
    parts = [part for part in parts if part.strip()]
    untitled = [part[:80] for part in parts if not ("<h" in part or '<p class="running">' in part)]
    assert len(parts) > 10 and not untitled, untitled
    assert '<p class="running"></p>' not in page
    assert sys.modules["make_slides"] is slides
