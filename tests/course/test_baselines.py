"""The baselines' records say what the data say: each test measures a cheap part anew."""

import importlib

import pytest

from tinybert_l.course.recipes import LONG_GENERATION, LONG_QUESTIONS, TRIGRAM
from tinybert_l.course.records import read_record
from tinybert_l.course.rows import GenerationRow, Hits

POINTS = 0.3  # how far an accuracy in percent may be from the record's
SHARE = 0.02  # and a perplexity or a cost


@pytest.fixture
def benchmarks(checkout, monkeypatch):
    """A module of benchmarks/ by its name."""
    monkeypatch.syspath_prepend(checkout / "benchmarks")
    return importlib.import_module


def rows_of(name, **identifiers):
    record = read_record(name)
    assert record is not None and not record.stale
    return [
        row
        for row in record.rows
        if all(getattr(row, field) == value for field, value in identifiers.items())
    ]


@pytest.mark.parametrize("correct", [[], [1], [0, 1, 1, 0, 1], [0] * 9, [1, 0] * 600])
def test_hits_are_read_back_as_they_were_packed(correct):
    packed = Hits.pack(correct)
    assert packed.unpack() == correct
    assert len(packed.digits) <= len(correct) // 4 + 1


def test_trivial_answers_are_those_of_the_stories(benchmarks):
    """Chosen on stories of training, scored on those of the record `questions`: all anew."""
    runs = benchmarks("baseline_runs")
    record = read_record("trivial_answers")
    assert record.recipe["stories"] == LONG_QUESTIONS["stories"]
    assert record.rows == tuple(runs.trivial_answers(0, record.recipe))


def test_the_trigram_has_read_all_the_text_and_is_scored_on_the_record_s_items(benchmarks):
    """Counted anew; the sub-models' perplexities are those of results/generation.json."""
    runs = benchmarks("baseline_runs")
    recorded = {
        row.sub_model: row.perplexity
        for row in read_record("generation").rows
        if isinstance(row, GenerationRow) and row.sub_model
    }
    assert recorded == {
        row.sub_model: row.perplexity for row in rows_of("trigram", author="sub_model")
    }
    assert read_record("trigram").recipe["generation"] == LONG_GENERATION
    few = runs.trigram(0, {**TRIGRAM, "texts": 20})
    for kept, anew in zip(rows_of("trigram", author="trigram"), few[-2:], strict=True):
        assert kept.blocks_read == anew.blocks_read
        assert kept.nats_by_text[:20] == pytest.approx(anew.nats_by_text, rel=SHARE)
    assert kept.blocks_read == LONG_GENERATION["num_steps"] * LONG_GENERATION["batch_size"]
