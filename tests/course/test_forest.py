"""The forest plots of lecture 10: every record's differences, turned so that right is better."""

import re

import pytest

from tinybert_l.course import figures, forest
from tinybert_l.course.legibility import problems
from tinybert_l.course.records import read_record
from tinybert_l.errors import InvalidInput
from tinybert_l.languages import in_words, showing


def bars(part, record_title):
    (group,) = [g for g in forest.groups(part) if g.title.startswith(record_title)]
    return {in_words(bar.label, "en"): bar for bar in group.differences}


def test_a_strategy_is_turned_as_on_minus_off():
    shown = bars("training", "strategy on")
    kept = {row.strategy: row.difference_points for row in read_record("strategies").rows}
    rows = [row for row in read_record("strategies").rows if row.difference_points]
    assert len(shown) == len(rows) == 4 and "all_on" in kept
    (off,) = [row.difference_points for row in rows if row.strategy == "no_dropout"]
    bar = shown["dropout"]
    assert (bar.estimate, bar.low, bar.high) == (-off.estimate, -off.high, -off.low)
    assert bar.low < bar.estimate < bar.high


def test_a_part_of_the_recipe_is_turned_and_intervals_of_one_seed_are_marked():
    shown = bars("training", "part with")
    (row,) = [r for r in read_record("ablation").rows if r.variant == "no_order_of_importance"]
    bar = shown["importance order, 3×½"]
    assert bar.estimate == -row.difference_points["3x0.5"].estimate > 0
    assert bar.counts_seeds
    assert not any(bar.counts_seeds for bar in bars("use", "large teacher").values())
    assert all(bar.counts_seeds for bar in bars("use", "reading more").values())
    assert all(bar.counts_seeds for bar in bars("training", "strategy on").values())


def test_what_is_kept_is_shown_beside_the_whole_teacher():
    (row,) = [
        r
        for r in read_record("headline").rows
        if r.role == "candidate" and r.models[0].label == "2×¼ ONNX int8"
    ]
    bar = bars("use", "kept")["2×¼ ONNX int8"]
    assert bar.estimate == row.kept_percent.estimate - 100
    assert bar.is_apart == (row.kept_percent.high < 100 or row.kept_percent.low > 100)


def test_groups_follow_the_lectures_and_hold_every_seed_of_the_course():
    for part, records in {"training": 8, "use": 6}.items():
        lectures = [group.lecture for group in forest.groups(part)]
        assert lectures == sorted(lectures) and len(lectures) == records


NIGHTLY = [pytest.param(language, marks=pytest.mark.nightly) for language in ("zh", "en")]


@pytest.mark.parametrize("part", ["training", "use"])
@pytest.mark.parametrize("language", [None, *NIGHTLY])  # both languages take the most room
def test_both_plots_are_legible_in_a_lecture_hall(part, language):
    with showing(language):
        figure = forest.forest_plot(part)
        figures.say_in_language(figure)
        assert problems(figure) == []
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    bars = [bar for group in forest.groups(part) for bar in group.differences]
    outside = [f"−{-bar.estimate:.1f}" for bar in bars if bar.estimate < forest.LOW]
    assert [text for text in texts if re.fullmatch(r"−[\d.]+", text)] == outside


def test_a_point_outside_the_figure_is_an_arrow_with_its_number(monkeypatch):
    monkeypatch.setattr(forest, "LOW", -1.0)
    figure = forest.forest_plot("training")
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    bars = [bar for group in forest.groups("training") for bar in group.differences]
    outside = [f"−{-bar.estimate:.1f}" for bar in bars if bar.estimate < -1.0]
    assert outside and [text for text in texts if re.fullmatch(r"−[\d.]+", text)] == outside


def test_a_missing_record_and_another_part_are_refused(monkeypatch):
    with pytest.raises(InvalidInput, match="part='all'; allowed: 'training', 'use'"):
        forest.groups("all")
    monkeypatch.setattr(forest, "read_record", lambda name: None)
    with pytest.raises(InvalidInput, match="no record; needed: joint_against_separate"):
        forest.forest_plot("training")
