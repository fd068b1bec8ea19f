"""Test that every number shown is computed in its cell, comes from a record, or cites a source."""

import ast
import dataclasses
import importlib
import json
import re
import types
from typing import Literal, Union, get_args, get_origin, get_type_hints
from unittest.mock import ANY

import nbformat
import pytest

from tinybert_l.cache import recipe_hash
from tinybert_l.course import captions, records, rows
from tinybert_l.course.recipes import RECORDS
from tinybert_l.course.record_types import ClaimVerdict
from tinybert_l.course.records import (
    RECORD_KINDS,
    RESULTS,
    read_benchmark,
    read_record,
    show_record,
    write_record,
)
from tinybert_l.course.rows import (
    Interval,
    OverSeeds,
    Quartiles,
    TrainingMethodRow,
    row_from_json,
    row_to_json,
)
from tinybert_l.errors import InvalidInput
from tinybert_l.submodels import SubModel

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
    record = read_record(name)
    assert record is not None and not record.stale
    assert record.recipe == RECORDS[name]
    assert record.command.startswith("python benchmarks/")
    assert record.versions["torch"] and record.date
    draws_nothing = name in {"trigram", "trivial_answers"}
    assert draws_nothing != ("seeds" in record.recipe)
    # one trained model, spreads over batches or texts
    one_model = {
        "assistant",
        "headline_mpnet",
        "masked_tokens",
        "teacher_on_reviews",
        "gradient_agreement",
        "cascade",
        "writer",
        "writer_alone",
    }
    least = 1 if name in one_model else 3
    assert draws_nothing or len(record.recipe["seeds"]) >= least
    assert record.rows


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


@pytest.fixture
def make_results(checkout, monkeypatch):
    monkeypatch.syspath_prepend(checkout / "tools")
    return importlib.import_module("make_results")


@pytest.fixture
def claims(checkout, monkeypatch):
    monkeypatch.syspath_prepend(checkout / "tools")
    return importlib.import_module("claims")


def test_documents_say_what_the_records_say(make_results):
    """The results page and the READMEs' numbers are those of tools/make_results.py."""
    assert make_results.PAGE.read_text(encoding="utf-8") == make_results.page(), (
        "run tools/make_results.py"
    )
    for words in make_results.READMES.values():
        text = words.path.read_text(encoding="utf-8")
        assert all(text.count(mark) == 1 for mark in make_results.MARKS), words.path
        assert text == make_results.readme(words), "run tools/make_results.py"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_readme_has_a_line_for_each_runtime(make_results, language):
    lines = make_results.readme_numbers(make_results.READMES[language]).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 2
    assert {line.count("|") for line in table} == {9}
    assert all(len(line) <= 100 for line in lines), [line for line in lines if len(line) > 100]


def test_every_record_answers_what_was_hoped_for(claims):
    answered = {source.removeprefix("benchmark ") for source, _ in claims.answers()}
    assert answered >= {name for name in RECORDS if read_record(name) is not None}
    assert claims.ANSWERS.keys() | claims.BENCHMARK_ANSWERS.keys() <= RECORD_KINDS.keys()


def test_the_page_judges_by_the_rule_alone(checkout, claims):
    """No comparison of numbers and no verdict in words: `evidence.judge` decides."""
    tree = ast.parse((checkout / "tools" / "claims.py").read_text(encoding="utf-8"))
    orders = ast.Lt | ast.LtE | ast.Gt | ast.GtE
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            assert not any(isinstance(order, orders) for order in node.ops), ast.unparse(node)
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) != "ClaimVerdict"
    assert all(isinstance(verdict, ClaimVerdict) for _, verdict in claims.answers())


def test_the_page_names_what_is_needed(make_results):
    lines = make_results.answers_table().splitlines()
    assert any("cannot be decided; needed: the memory of several runs" in line for line in lines)


def answers_and_figures(claims):
    answers = []
    for source, verdict in claims.answers():
        answers.append((source, verdict.kind, verdict.number, verdict.condition_en))
    return answers


@pytest.mark.slow
def test_answers_do_not_depend_on_captions(claims, make_results, monkeypatch):
    """Every caption becomes nonsense; the page is still written, with the same answers."""
    before = answers_and_figures(claims)
    hopes = [verdict.claim_en for _, verdict in claims.answers()]
    count = iter(range(10_000))

    def nonsense(*_):
        return captions.Caption(f"qux{next(count)}", f"胡{next(count)}", f"zap{next(count)}")

    values = {}
    for field, by_value in captions.VALUES.items():
        values[field] = {value: nonsense() for value in by_value}
    columns = {}
    for kind, by_field in captions.COLUMNS.items():
        columns[kind] = {}
        for field in by_field:
            title = dataclasses.replace(nonsense(), en=f"{{key}} qux{next(count)}")
            ends = (f"{{key}} low{next(count)}", f"{{key}} high{next(count)}")
            columns[kind][field] = captions.Column(title, *ends)
    titles = {kind: f"qux{next(count)}" for kind in captions.BENCHMARK_TITLES}
    monkeypatch.setattr(captions.identifiers, "VALUES", values)
    monkeypatch.setattr(captions, "COLUMNS", columns)
    monkeypatch.setattr(captions.titles, "BENCHMARK_TITLES", titles)
    monkeypatch.setattr(captions, "NAME", nonsense())
    monkeypatch.setattr(captions, "SPREAD", "blah")
    assert answers_and_figures(claims) == before
    page = make_results.page()
    assert "qux" in page and "accuracy (%)" not in page
    assert [verdict.claim_en for _, verdict in claims.answers()] != hopes


def test_another_number_gives_another_answer(claims, tmp_path, monkeypatch):
    """Otherwise the test above could not fail."""
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    low = rows.JointMeanGapRow(Interval(-2.0, -3.0, -1.0, "seeds"))
    high = rows.JointMeanGapRow(Interval(2.0, 1.0, 3.0, "seeds"))
    answers = []
    for gap, ratio in ((low, 0.4), (high, 0.6)):
        costs = []
        for compared_with in ("largest_alone", "all_alone"):
            for unit in ("forward_flops", "seconds"):
                costs.append(rows.JointCostRow(compared_with, unit, ratio))
        write_record("one", "joint_against_separate", "python", {}, [gap, *costs])
        record = read_record("one")
        answers.append([verdict.kind for verdict in claims.ANSWERS[record.kind](record)])
    assert answers == [
        ["does_not_hold", "holds", "no_record", "holds", "no_record"],
        ["holds", "holds", "no_record", "does_not_hold", "no_record"],
    ]


def example(hint):
    """A value of an annotated type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return example(next(part for part in arguments if part is not type(None)))
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        return (example(arguments[0]),) * 2
    if origin is dict:
        return {"3x0.5": example(arguments[1])}
    if hint is SubModel:
        return SubModel(3, 0.5, 0.25)
    if dataclasses.is_dataclass(hint):
        return example_row(hint)
    return {str: "text", float: 1.25, int: 512, bool: False}[hint]


def example_row(row_type):
    hints = get_type_hints(row_type)
    fields = [field.name for field in dataclasses.fields(row_type)]
    return row_type(**{name: example(hints[name]) for name in fields})


def without_optional_fields(row):
    hints = get_type_hints(type(row))
    optional = [name for name, hint in hints.items() if type(None) in get_args(hint)]
    return dataclasses.replace(row, **dict.fromkeys(optional))


@pytest.mark.parametrize("kind", RECORD_KINDS)
def test_a_written_record_is_read_back_as_typed_rows(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    full = [example_row(row_type) for row_type in RECORD_KINDS[kind]]
    written = [*full, *map(without_optional_fields, full)]
    write_record("one", kind, "python benchmarks/one.py", {"steps": 3}, written, trained_on=["CPU"])
    record = read_record("one")
    assert record.kind == kind and record.rows == tuple(written)
    assert record.recipe == {"steps": 3} and record.details == {"trained_on": ["CPU"]}
    text = (tmp_path / "one.json").read_text(encoding="utf-8")
    assert json.loads(text)["recipe_hash"] == recipe_hash({"steps": 3})
    keys = re.findall(r'"([^"]+)":', text)
    assert all(re.fullmatch(r"[a-z0-9_.]+", key) for key in keys), "a caption as a key"


def test_every_long_run_s_seed_is_read_back(checkout, tmp_path, monkeypatch):
    """benchmarks/records.py keeps each seed's rows; a killed run reads them and goes on."""
    monkeypatch.syspath_prepend(checkout / "benchmarks")
    module = importlib.import_module("records")
    joint_runs = importlib.import_module("joint_runs")
    monkeypatch.setattr(module, "OUTPUT", tmp_path)
    measured = [joint_runs.JointSeed(SubModel(6), [1, 0], [0, 1], 1.5, 7, 2.5, 9)]
    calls = []

    def measure(seed, settings):
        calls.append(seed)
        return measured

    job = dataclasses.replace(module.JOBS["joint_against_separate"], measure=measure)
    monkeypatch.setitem(module.JOBS, "joint_against_separate", job)
    for _ in range(2):
        assert module.seed_rows("joint_against_separate", 1) == measured
    assert calls == [1]
    assert {name: job.settings for name, job in module.JOBS.items()} == {
        name: recipe for name, recipe in RECORDS.items() if not name.startswith("headline")
    }
    assert {job.kind for job in module.JOBS.values()} <= RECORD_KINDS.keys()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, "training_method: unknown fields ['colour']"),
        ({"accuracy 准确率": 1.0}, "unknown fields"),
        ({"method": None}, "training_method.method: None"),
        ({"accuracy_fraction": 0.5}, "training_method.accuracy_fraction: 0.5"),
        ({"accuracy_fraction": {"mean": 0.5}}, "accuracy_fraction: the field sd is missing"),
        ({"accuracy_fraction": {"mean": "0.5", "sd": 0.0}}, "accuracy_fraction.mean: '0.5'"),
        ({"kind": "method"}, "row: kind='method'; allowed: ablation"),
    ],
)
def test_a_wrong_field_of_a_row_is_named(change, words):
    row = TrainingMethodRow("joint", OverSeeds(0.5, 0.1), OverSeeds(0.2, 0.1))
    values = row_to_json(row)
    assert row_from_json(values) == row
    with pytest.raises(InvalidInput, match=re.escape(words)):
        row_from_json(values | change)
    del values["method"]
    with pytest.raises(InvalidInput, match="training_method: the field method is missing"):
        row_from_json(values)


def test_a_record_of_the_old_form_or_with_another_s_rows_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    row = TrainingMethodRow("joint", OverSeeds(0.5, 0.1), OverSeeds(0.2, 0.1))
    with pytest.raises(InvalidInput, match="record of kind stability: row 'training_method'"):
        write_record("one", "stability", "python", {}, [row])
    path = write_record("one", "training_methods", "python", {}, [row])
    values = json.loads(path.read_text(encoding="utf-8"))
    for change in ({"schema": 1}, {"kind": "stability"}, {"captions": {}}):
        path.write_text(json.dumps(values | change), encoding="utf-8")
        with pytest.raises(InvalidInput):
            read_record("one")


def test_a_changed_recipe_makes_a_record_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    row = TrainingMethodRow("joint", OverSeeds(0.5, 0.1), OverSeeds(0.2, 0.1))
    recipe = RECORDS["training_methods"]
    for changed in (recipe, recipe | {"num_steps": 1}):
        write_record("training_methods", "training_methods", "python", changed, [row])
        stale = changed is not recipe
        assert read_record("training_methods").stale == stale
        assert ("STALE" in show_record("training_methods").caption) == stale


def test_captions_name_fields_and_identifiers_that_exist(checkout):
    for kind, columns in captions.COLUMNS.items():
        fields = {field.name for field in dataclasses.fields(rows.ROW_TYPES[kind])}
        assert columns.keys() <= fields, kind
    assert captions.COLUMNS.keys() == rows.ROW_TYPES.keys()
    assert set(captions.BENCHMARK_TITLES) <= set(RECORD_KINDS)
    known = set()
    for by_value in captions.VALUES.values():
        known |= by_value.keys()
    for path in [*RESULTS.glob("*.json"), *(RESULTS / "benchmarks").glob("*.json")]:
        for row in json.loads(path.read_text(encoding="utf-8")).get("rows", []):
            identifiers = {"variant", "schedule", "method", "reading", "decoding", "change", "size"}
            for name in identifiers & row.keys():
                value = row[name]
                if name == "schedule":
                    value = (value, row["self_distillation"])
                assert value in known, f"{path.name}: no caption for {name}={value}"


def test_a_shown_record_has_spreads_and_intervals_beside_their_means(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    row = TrainingMethodRow("joint", OverSeeds(0.5, 0.04), OverSeeds(0.25, 0.004))
    write_record("one", "training_methods", "python benchmarks/one.py", {}, [row, row])
    table = show_record("one").data
    assert list(table.columns) == ["name 名称", "accuracy", "divergence 散度 (nats)"]
    assert table.iloc[0].tolist() == ["joint fine-tuning 联合微调", "0.50 ± 0.04", "0.25 ± 0.00"]
    gap = rows.JointGapRow(SubModel(3, 0.5), 70.0, 68.75, Interval(1.25, -0.5, 3.0, "seeds"))
    mean = rows.JointMeanGapRow(Interval(1.0, -1.0, 2.0, "seeds"))
    write_record("one", "joint_against_separate", "python benchmarks/one.py", {}, [gap, mean])
    table = show_record("one").data
    assert table.iloc[0].tolist() == ["3×½", "70.0", "68.8", "+1.2 [-0.5, +3.0]"]


def test_a_benchmark_does_not_overwrite_the_record_of_a_long_run(checkout, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(checkout / "benchmarks")
    contest = importlib.import_module("contest")
    monkeypatch.setattr(contest, "OUTPUT", tmp_path / "outputs")
    monkeypatch.setattr(contest, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(records, "RESULTS", tmp_path / "results")
    monkeypatch.setattr("sys.argv", ["benchmarks/generation.py", "--record"])
    row = example_row(rows.WritingSpeedRow)
    contest.report("generation", "generation_speed", [row], tokens=3)
    (kept,) = (tmp_path / "results").rglob("*.json")
    assert kept.relative_to(tmp_path / "results").as_posix() == "benchmarks/generation.json"
    record = read_benchmark("generation")
    assert record.command == "python benchmarks/generation.py"
    assert record.rows == (row,) and record.details == {"tokens": 3, "cpu": ANY, "threads": ANY}


def test_contestants_take_turns_and_are_compared_with_the_first(checkout, monkeypatch):
    monkeypatch.syspath_prepend(checkout / "benchmarks")
    contest = importlib.import_module("contest")
    calls = []
    clock = iter(range(1000))
    monkeypatch.setattr(contest.time, "perf_counter", lambda: next(clock) / 1000)
    timings = contest.contest({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert calls == ["a", "b"] * 4  # the first round warms up
    assert timings["a"].times_faster == 1.0
    assert isinstance(timings["b"].duration_ms, Quartiles)
