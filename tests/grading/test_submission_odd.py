"""Notebooks that editors, cameras and attackers have been at: graded by what is known of them."""

import base64
import json
import struct
import time
import zlib
from functools import cache

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybert_l.exercises.notebook_files import UnreadableNotebook, read_notebook
from tinybert_l.grading import job, showing, verdicts
from tinybert_l.grading.assignment import Assignment, Cell, place_of, text_digest
from tinybert_l.grading.inside.judge import rebuilt_error
from tinybert_l.grading.inside.wire import WireError
from tinybert_l.grading.outside import replies
from tinybert_l.grading.outside.execute import Outcome
from tinybert_l.grading.outside.rendering import RenderingFailed, renderer
from tinybert_l.grading.pictures import problem_with
from tinybert_l.grading.submission import needs_person, read_submission, sanitise

BOX = "Your answer 你的回答"
TEST = "assert layer_map(2, 4) == [2, 4]"
RELEASED_TEXT = "# Lecture\n\n<details>More</details>"
QUESTION = "Why does the top layer matter?"
AFTER = "Thank you for reading."


def cell(kind: str, source: str, name: str = "", **settings) -> dict:
    metadata = {}
    if name:
        flags = {"locked": False, "grade": False, "solution": False, "task": False, **settings}
        metadata = {"nbgrader": {"grade_id": name, "schema_version": 3, **flags}}
    new = {"cell_type": kind, "id": f"id-{abs(hash(source)) % 10**9}", "metadata": metadata}
    new |= {"source": source}
    return new | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def released() -> dict:
    cells = [
        cell("markdown", RELEASED_TEXT),
        cell("code", "import torch", "setup", locked=True),
        cell("code", "@layer_map.implement\ndef layer_map(m, n): ...", "layer_map", solution=True),
        cell("code", TEST, "test_layer_map", locked=True, grade=True),
        cell("markdown", QUESTION),
        cell("markdown", BOX, "essay", grade=True, solution=True),
        cell("markdown", AFTER),
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def assignment() -> Assignment:
    from nbgrader.utils import compute_checksum

    cells = []
    layout = []
    for node in nbformat.from_dict(released()).cells:
        layout.append(place_of(node))
        facts = node.metadata.get("nbgrader")
        if facts:
            points = 5.0 if facts.grade else 0.0
            flags = (facts.locked, facts.grade, facts.solution, facts.task)
            node.metadata.nbgrader.points = points
            checksum = compute_checksum(node)
            cells.append(
                Cell(facts.grade_id, node.cell_type, node.source, *flags, points, checksum)
            )
    texts = frozenset(map(text_digest, (RELEASED_TEXT, QUESTION, AFTER)))
    demos = frozenset(["train()\nplot()"])
    kernel = {"name": "python3", "display_name": "Python 3"}
    return Assignment("03-architecture", 3, tuple(cells), demos, texts, kernel, tuple(layout))


def graded(tree: dict):
    """Return a submission put right, its repairs, and {cell: verdict} where nothing was run."""
    nb, repairs = read_submission(json.dumps(tree).encode(), "x.ipynb")
    repairs += sanitise(nb, assignment())
    by_cell = {verdict.cell: verdict for verdict in verdicts.verdicts_of(nb, assignment())}
    return nb, repairs, by_cell


# Lost metadata


def test_a_whole_submission_needs_nobody():
    nb, repairs, earned = graded(released())
    assert repairs == [] and not any(map(needs_person, nb.cells))
    assert earned["essay"].points == 0.0 and not earned["essay"].answered


def test_names_that_an_editor_has_stripped_are_found_again_and_the_essay_goes_to_a_person():
    tree = released()
    for node in tree["cells"]:
        node["metadata"] = {}
    tree["cells"][5]["source"] = "Because it is nearest to the loss."
    nb, _, earned = graded(tree)
    names = [c.metadata.get("nbgrader", {}).get("grade_id") for c in nb.cells]
    assert names == [None, "setup", "layer_map", "test_layer_map", None, "essay", None]
    assert nb.cells[5].source == "Because it is nearest to the loss."
    assert earned["essay"].points is None and "lost its name" in earned["essay"].reason
    showing.defuse(nb, assignment())
    assert "LOOK HERE" in nb.cells[5].source


def test_a_box_that_came_back_stands_below_the_students_texts_and_goes_to_a_person():
    tree = released()
    tree["cells"][5:6] = [cell("markdown", "First thought"), cell("markdown", "Second thought")]
    nb, _, earned = graded(tree)
    sources = [c.source for c in nb.cells]
    assert sources[5:9] == ["First thought", "Second thought", BOX, AFTER]
    assert earned["essay"].points is None
    del tree["cells"][5:7]
    _, _, earned = graded(tree)
    assert earned["essay"].points is None, "never a zero by itself"


def test_an_empty_box_beside_a_text_of_the_students_goes_to_a_person():
    tree = released()
    tree["cells"].insert(7, cell("markdown", "My answer, below by mistake"))
    _, _, earned = graded(tree)
    assert earned["essay"].points is None and "empty" in earned["essay"].reason
    tree["cells"].insert(1, cell("markdown", "A note far away"))
    del tree["cells"][8]
    _, _, earned = graded(tree)
    assert earned["essay"].points == 0.0


@pytest.mark.parametrize("place", [-1, 1])
@pytest.mark.parametrize(
    "kind, source", [("markdown", "The rest."), ("raw", "余下部分"), ("code", '"""The rest."""'),
                     ("code", "The rest of it, since the box was full.")],
)  # fmt: skip
def test_a_text_beside_a_box_that_is_not_empty_is_pointed_out(kind, source, place):
    tree = released()
    box = next(i for i, c in enumerate(tree["cells"]) if BOX in c["source"])
    tree["cells"][box]["source"] = "See the other cell."
    tree["cells"].insert(box + max(place, 0), cell(kind, source))
    _, _, earned = graded(tree)
    assert earned["essay"].points is None and "beside" in earned["essay"].reason


def test_the_code_of_an_essays_experiment_is_no_further_text():
    tree = released()
    box = next(i for i, c in enumerate(tree["cells"]) if BOX in c["source"])
    tree["cells"][box]["source"] = "I tried it."
    tree["cells"].insert(box + 1, cell("code", "%matplotlib inline\nprint(1)  # seeds"))
    _, _, earned = graded(tree)
    assert earned["essay"].reason == ""


def test_an_essay_at_the_end_of_the_notebook_is_no_silent_zero():
    tree = released()
    for number in range(3):
        tree["cells"].append(cell("code", f"more = {number}"))
    tree["cells"].append(cell("markdown", "Essay: because it is nearest to the loss."))
    _, _, earned = graded(tree)
    assert earned["essay"].points is None and "empty" in earned["essay"].reason


def test_a_demonstration_is_known_however_it_was_saved():
    known = assignment()
    for source in ("train()\r\nplot()", "train()  \nplot()\n", "%%time\ntrain()\nplot()"):
        assert known.is_demo(source)
    assert not known.is_demo("train()\nplot()\nhand_in()")


# Old and odd notebooks


def as_format_3(tree: dict) -> bytes:
    cells = []
    for node in tree["cells"]:
        key = "input" if node["cell_type"] == "code" else "source"
        old = {"cell_type": node["cell_type"], "metadata": node["metadata"]}
        cells.append({**old, key: node["source"].splitlines(keepends=True)})
    cells.append({"cell_type": "heading", "level": 2, "source": "Old", "metadata": {}})
    return json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}], "metadata": {}}).encode()


@pytest.mark.parametrize(
    "change",
    [
        as_format_3,
        lambda tree: json.dumps(tree).encode("utf-16"),
        lambda tree: json.dumps(tree).encode("utf-16-le"),
        lambda tree: json.dumps(tree).encode("utf-8-sig"),
        lambda tree: json.dumps(tree | {"nbformat_minor": 99, "future": [1]}).encode(),
        lambda tree: json.dumps(
            tree | {"cells": [{**c, "id": "same", "new": {}} for c in tree["cells"]]}
        ).encode(),
        lambda tree: json.dumps(
            tree | {"cells": [{**c, "source": [c["source"]]} for c in tree["cells"]]}
        ).encode(),
        lambda tree: json.dumps(tree | {"metadata": None}).encode(),
    ],
)
def test_every_way_to_save_a_notebook_is_read(change):
    nb, _ = read_submission(change(released()), "x.ipynb")
    assert [c.source for c in nb.cells][:7] == [c["source"] for c in released()["cells"]]
    assert len({c.id for c in nb.cells}) == len(nb.cells)
    sanitise(nb, assignment())
    nbformat.validate(nb)


def test_half_a_character_is_cleaned_and_said():
    tree = released()
    tree["cells"][5]["source"] = "a\ud800b\x00c"
    tree["cells"][4]["metadata"] = {"note": "\udfff", "deep": [{"\ud800": 1}]}
    nb, repairs, _ = graded(tree)
    assert nb.cells[5].source == "a\ufffdb\ufffdc" and any("no text" in line for line in repairs)
    nbformat.writes(nb).encode("utf-8")


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=4) | st.dictionaries(
        st.sampled_from(["nbformat", "cells", "worksheets", "source", "cell_type", "metadata", "id",
                         "attachments", "input", "level"]), x, max_size=5),
    max_leaves=12,
))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_whatever_json_comes_it_is_read_or_refused(tree):
    if isinstance(tree, dict):
        tree = {"nbformat": 4, **tree}
    try:
        notebook, _ = read_notebook(json.dumps(tree).encode(), "x.ipynb")
    except UnreadableNotebook as error:
        assert "x.ipynb" in str(error)
    else:
        assert all(isinstance(c["source"], str) for c in notebook["cells"])


# Pictures and HTML


def png(width: int = 3, height: int = 2) -> str:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = b""
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 8)), (b"IEND", b"")):
        checksum = zlib.crc32(kind + data)
        chunks += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode()


SVG = base64.b64encode(b"<svg onload='alert(1)'/>").decode()


@cache
def exporter():
    from nbconvert import HTMLExporter

    return HTMLExporter(template_name="classic")


def shown(source: str, attachments: dict | None = None, kind: str = "markdown") -> str:
    """Return what is shown of a student's answer, as Formgrader renders it."""
    tree = released()
    tree["cells"][5] |= {"source": source, "cell_type": kind}
    if attachments is not None:
        tree["cells"][5]["attachments"] = attachments
    nb, _, _ = graded(tree)
    showing.defuse(nb, assignment())
    page, _ = exporter().from_notebook_node(nbformat.v4.new_notebook(cells=[nb.cells[5]]))
    return page


def test_a_pasted_picture_is_shown_to_who_grades():
    page = shown("As drawn:\n\n![my plan.png](attachment:my%20plan.png)",
                 {"my plan.png": {"image/png": png()}})  # fmt: skip
    assert f'src="data:image/png;base64,{png()}"' in page


@pytest.mark.parametrize(
    ("source", "attachments", "reason"),
    [
        ("![a](attachment:a.svg)", {"a.svg": {"image/svg+xml": SVG}}, "is not shown"),
        ("![a](attachment:a.png)", {"a.png": {"image/png": SVG}}, "it is no png"),
        ("![a](attachment:a.png)", {"a.png": {"image/png": png(60_000, 60_000)}}, "pixels"),
        ("![a](attachment:a.png)", {"a.png": {"image/png": "!!"}}, "damaged"),
        ("![a](attachment:a.png)", {"a.png": {"image/png": None}}, "no bytes"),
        ("![a](attachment:a.png)", {"a.png": 7}, "did not come with the notebook"),
        ("![a](attachment:gone.png)", None, "did not come with the notebook"),
        ("<img src='attachment:gone.png' alt='my sketch'>", None, "my sketch not shown"),
        (f"<img src='data:image/svg+xml;base64,{SVG}'>", None, "not shown"),
    ],
)
def test_what_cannot_be_shown_is_named_and_stops_nothing(source, attachments, reason):
    page = shown(source, attachments)
    assert "not shown" in page and reason in page and SVG not in page


def test_a_jpeg_is_measured_without_being_decoded():
    frame = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 60_000, 60_000) + b"\0" * 10
    raw = b"\xff\xd8" + b"\xff\xe0\x00\x04ab" + frame
    assert "pixels" in problem_with("image/jpeg", base64.b64encode(raw).decode())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("**Training data:** with $m<n$ we save $\\frac{m}{n}$\n\n- a\n- b", ["<strong>", "<li>"]),
        ("use Vec<int> and R&D; AT&T", ["Vec&lt;int&gt;", "R&amp;D;"]),
        ("if a<b and c>d:\n\n1. x\n2. y", ["a&lt;b", "<ol>"]),
        ("![x](https://tracker.example/p.png)", ['href="https://tracker.example/p.png"']),
        ("| a | b |\n|---|---|\n| <b>1</b> | 2 |", ["<td><b>1</b></td>"]),
        ("- [x] done\n- [ ] open", ["☑", "☐"]),
        ("<center><font color=red onclick=f()>red</font></center>", ["<center><font>red</font>"]),
    ],
)
def test_ordinary_text_is_shown_as_it_was_meant(source, expected):
    page = shown(source)
    for part in expected:
        assert part in page
    assert "<img" not in page and "Shown as typed" not in page


@cache
def page_of_nothing() -> str:
    return shown("nothing")


@pytest.mark.parametrize(
    "source",
    [
        r"[x](javascript\:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x][1]\n\n[1]: javascript:alert(1)",
        "<javascript:alert(1)>",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](vbscript:x)",
        "<a href='&#1;javascript:alert(1)'>x</a>",
        "<svg><script>alert(1)</script></svg>",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        "<div style='position:fixed;inset:0'>over the page</div>",
        "<form action='/formgrader'><button>x</button></form>",
        "<base href='https://evil.example/'>",
        '```mermaid\ngraph TD; A-->B; click A href "javascript:alert(1)"\n```',
        r"$\href{javascript:alert(1)}{x}$",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
        "<pre></pre></div></body><script>alert(1)</script>",
        "<!--><img src=x onerror=alert(1)>-->",
    ],
)
@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_no_text_does_anything_in_the_readers_browser(source, kind):
    from bs4 import BeautifulSoup

    empty = BeautifulSoup(page_of_nothing(), "html.parser")
    page = BeautifulSoup(shown(source, kind=kind), "html.parser")
    for tag in ("script", "svg", "math", "iframe", "form", "button", "base", "style", "img"):
        assert len(page.find_all(tag)) == len(empty.find_all(tag)), tag
    for element in page.select(".student-text, .student-text *"):
        assert not [name for name in element.attrs if name.startswith("on") or name == "style"]
        assert "script" not in str(element.get("href", "")) and "mermaid" not in element.get(
            "class", []
        )
    if r"\href" in source:
        formula = page.find(string=lambda text: text and r"\href" in text)
        assert formula.parent.name == "pre", "MathJax reads no pre"


@pytest.mark.parametrize("source", ["<!-- Near the loss. -->", "[//]: # (Near the loss.)"])
def test_an_answer_that_a_page_would_hide_is_shown_as_typed(source):
    tree = released()
    tree["cells"][5]["source"] = source
    nb, _, _ = graded(tree)
    showing.defuse(nb, assignment())
    assert "Near the loss." in nb.cells[5].source and "nothing of it" in nb.cells[5].source
    assert "<pre>" in nb.cells[5].source and "<!--" not in nb.cells[5].source


@pytest.mark.slow
def test_a_text_made_to_be_slow_is_shown_as_typed_within_seconds():
    start = time.monotonic()
    page = shown("<b>x</b>" + r"\begin{a}" * 12_000)
    assert "Shown as typed" in page and r"\begin{a}\begin{a}" in page
    assert time.monotonic() - start < 30


def test_a_renderer_that_raises_never_stops_grading(monkeypatch):
    def broken(*_):
        raise RenderingFailed("it cannot be rendered")

    monkeypatch.setattr(renderer, "render", broken)
    assert "Shown as typed" in shown("a [link](http://x.org)")
    calls = []

    def fails_once(nb, name, points):
        calls.append(nb)
        if len(calls) == 1:
            raise KeyError("a student's text")
        return "page"

    monkeypatch.setattr(job, "render", fails_once)
    nb, _, _ = graded(released())
    assert job._rendered(nb, assignment(), {}) == "page" and len(calls) == 2


# What leaves the sandbox

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    | st.just("\ud800") | st.just("x" * 5000),
    lambda x: st.lists(x, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["output", "error", "ename", "evalue", "traceback", "message", "bases", "result",
             "graph", "changed", "missing", "defined", "tag", "value"]
        ), x, max_size=6),
    max_leaves=15,
)  # fmt: skip
headers = st.dictionaries(
    st.sampled_from(["output", "error", "message", "bases", "result", "graph", "changed", "missing",
                     "defined", "failure", "buffers"]), anything)  # fmt: skip


@given(headers)
@settings(max_examples=300, deadline=None)
def test_any_reply_to_a_cell_is_a_notebooks_output_or_that_submissions_failure(header):
    try:
        reply = replies.cell_reply(header)
    except WireError:
        return
    node = nbformat.v4.new_code_cell("x", id="x")
    verdicts.fill_in(Outcome([reply], []), [node], [])
    nb = nbformat.v4.new_notebook(cells=[node])
    nbformat.validate(nb)
    nbformat.writes(nb).encode("utf-8")
    assert len(reply["output"]) <= replies.OUTPUT_LIMIT


@given(st.sampled_from(["call", "gradient", "value"]), headers)
@settings(max_examples=300, deadline=None)
def test_any_reply_to_the_judge_has_the_parts_that_it_reads(op, header):
    try:
        reply = replies.answer({"op": op}, header)
    except WireError:
        return
    assert not {"failure", "buffers", "done"} & set(reply)
    if "error" in reply:
        assert isinstance(
            rebuilt_error(reply["error"], reply["message"], reply["bases"]), Exception
        )
    elif "missing" not in reply:
        assert isinstance(reply["result"], dict)


def test_an_exception_crosses_with_what_it_came_from():
    error = rebuilt_error("LayerError", "too deep", ["LayerError", "ValueError", "Exception"])
    assert isinstance(error, ValueError) and "too deep" in str(error)
    both = rebuilt_error("Both", "x", ["Both", "KeyError", "LookupError", "ValueError"])
    assert isinstance(both, KeyError) and isinstance(both, ValueError)
    assert type(rebuilt_error("ValueError", "x", ["ValueError"])) is ValueError
    assert type(rebuilt_error("Own", "x", ["Own", "Exception"])) is Exception
    assert type(rebuilt_error("KeyboardInterrupt", "x", [])) is RuntimeError
    for odd in ("UnicodeDecodeError", "ExceptionGroup", "print", "__import__", "StopIteration"):
        assert isinstance(rebuilt_error(odd, "x", [odd]), Exception)
