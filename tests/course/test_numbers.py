"""Where the numbers of figures and tables come from: computed in their cell, a record, or a cited source."""

import ast
import importlib.util
import json
import re

import nbformat
import pytest

from tinybert_l.course import records
from tinybert_l.course.recipes import RECORDS
from tinybert_l.course.records import (
    HIGH,
    LOW,
    RESULTS,
    SPREAD,
    read_record,
    show_record,
    write_record,
)

TAG = re.compile(r"(?:figure|table)-\d+")
SOURCE = re.compile(r"[A-Z]\w+.*(?:19|20)\d\d")  # an author and a year


def tagged(checkout):
    for path in sorted((checkout / "notebooks").glob("*/*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for tag in cell.metadata.get("tags", []):
                if TAG.fullmatch(tag):
                    yield path.stem, tag, cell


def test_every_figure_and_table_is_one_cell_without_stored_output(checkout):
    tags = [tag for _, tag, _ in tagged(checkout)]
    assert sorted(tags) == sorted(
        [f"{kind}-{n}" for kind in ("figure", "table") for n in range(1, 14)]
    )
    assert all(cell.cell_type == "code" and cell.outputs == [] for _, _, cell in tagged(checkout))


def typed_rows(source: str):
    """Tuples and lists that hold a name beside several numbers: data that somebody typed in."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Tuple | ast.List):
            values = [n.value for n in node.elts if isinstance(n, ast.Constant)]
            words = [v for v in values if isinstance(v, str)]
            numbers = [
                v for v in values if isinstance(v, float) or (isinstance(v, int) and abs(v) > 12)
            ]
            if words and len(numbers) >= 2:
                yield ast.unparse(node), words


def shown_source(source: str) -> bool:
    """Whether a title or caption of the cell cites an author, a year and a table."""
    strings = [
        n.value
        for n in ast.walk(ast.parse(source))
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    ]
    return any(SOURCE.search(text) and "table" in text for text in strings)


def test_a_row_of_typed_numbers_names_its_source(checkout):
    """Itself, or the title that is shown with it."""
    unsourced = [
        f"{name}, {tag}: {row}"
        for name, tag, cell in tagged(checkout)
        for row, words in typed_rows(cell.source)
        if not any(SOURCE.search(word) for word in words) and not shown_source(cell.source)
    ]
    assert not unsourced, "\n".join(unsourced)


def test_the_check_would_notice():
    assert list(typed_rows('rows = [("ours", 97.2, 15.3)]'))
    assert not list(typed_rows('x = ("a", 3); show(measured, "title")'))


@pytest.mark.parametrize(
    "name", sorted(name for name in RECORDS if (RESULTS / f"{name}.json").is_file())
)
def test_a_record_tells_how_to_repeat_it_and_its_recipe_is_the_code_s(name):
    record = read_record(name, RECORDS[name])
    assert record is not None and record["state"] == "current"
    assert (
        record["command"].startswith("python benchmarks/")
        and record["versions"]["torch"]
        and record["date"]
    )
    assert len(record["recipe"]["seeds"]) >= 3 and record["rows"]


def test_every_record_that_a_notebook_shows_is_there(checkout):
    text = "".join(
        p.read_text(encoding="utf-8") for p in (checkout / "notebooks").glob("*/*.ipynb")
    )
    shown = set(re.findall(r'(?:show|read)_record\(\\"(\w+)\\"', text))
    assert {"headline", "joint_against_separate", "training_methods"} <= shown <= RECORDS.keys()
    assert not [name for name in shown if not (RESULTS / f"{name}.json").is_file()]


def test_every_file_under_results_is_known(checkout):
    for path in (checkout / "results").rglob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        assert {"date", "versions", "machine"} <= record.keys(), path.name
        assert "command" in record or path.parent.name == "verdicts", path.name


@pytest.fixture(scope="module")
def make_results(checkout):
    spec = importlib.util.spec_from_file_location(
        "make_results", checkout / "tools" / "make_results.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_documents_say_what_the_records_say(make_results):
    """docs/explanation/results.md and the README's numbers are those that tools/make_results.py would write."""
    assert make_results.PAGE.read_text(encoding="utf-8") == make_results.page(), (
        "run tools/make_results.py"
    )
    text = make_results.README.read_text(encoding="utf-8")
    assert text == make_results.readme(text), "run tools/make_results.py"


def test_every_record_answers_what_was_hoped_for(make_results):
    assert make_results.ANSWERS.keys() == RECORDS.keys()
    assert make_results.OF_BENCHMARKS.keys() <= make_results.benchmarks().keys()


@pytest.mark.parametrize(
    ("one", "other", "options", "answer"),
    [
        (3.0, 1.0, {}, "yes"),
        (1.0, 3.0, {}, "**no**"),
        (1.0, 3.0, {"smaller": True}, "yes"),
        (2.0, 1.5, {}, "undecided"),
        (1.5, 2.0, {}, "undecided"),
        (3.0, 1.0, {"smaller": True}, "**no**"),
    ],
)
def test_an_answer_is_no_surer_than_its_spreads(make_results, one, other, options, answer):
    rows = ({"score": score, "score" + SPREAD: 0.4} for score in (one, other))
    assert make_results.compared(*rows, "score", **options)[0] == answer


def test_a_shown_record_has_spreads_and_intervals_beside_their_means(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    row = {
        "name": "3×½",
        "loss": 0.5,
        "loss" + SPREAD: 0.04,
        "gap": 1.25,
        "gap" + LOW: -0.5,
        "gap" + HIGH: 3.0,
    }
    write_record("one", "python benchmarks/one.py", {}, [row, {"name": "2×¼", "loss": 0.5}])
    table = show_record("one", {}).data
    assert list(table.columns) == ["name", "loss", "gap"]
    assert table.iloc[0].tolist() == ["3×½", "0.50 ± 0.04", "+1.2 (-0.5 to +3.0)"]


def test_a_benchmark_does_not_overwrite_the_record_of_a_long_run(checkout, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(checkout / "benchmarks")
    contest = importlib.import_module("contest")
    monkeypatch.setattr(contest, "OUTPUT", tmp_path / "outputs")
    monkeypatch.setattr(contest, "RESULTS", tmp_path / "results")
    monkeypatch.setattr("sys.argv", ["benchmarks/generation.py", "--record"])
    contest.keep("generation", {"title": "Writing", "rows": []})
    (kept,) = (tmp_path / "results").rglob("*.json")
    assert kept.relative_to(tmp_path / "results").as_posix() == "benchmarks/generation.json"
    assert (
        json.loads(kept.read_text(encoding="utf-8"))["command"] == "python benchmarks/generation.py"
    )
