"""Test the concept diagrams of lectures 1 and 2: counts, words and glyphs."""

import warnings

import numpy as np
import pytest

from tinybert_l.course import concept_diagrams
from tinybert_l.course.figures import say_in_language
from tinybert_l.languages import showing
from tinybert_l.method.evaluation import count_parameters
from tinybert_l.method.extraction import extract
from tinybert_l.submodels import SubModel

NAMES = ["6×1", "3×½", "2×¼"]


@pytest.fixture
def parts(supernet):
    """Parts of a small teacher, of the supernet (the same sizes) and of two sub-models."""
    teacher = concept_diagrams.parts_of(supernet)
    depth = supernet.config.num_hidden_layers
    small = {"2×½": SubModel(2, 0.5), "1×½": SubModel(1, 0.5)}
    sizes = {"teacher": teacher, SubModel(depth).label: teacher}
    sizes |= {
        name: concept_diagrams.parts_of(extract(supernet, chosen)) for name, chosen in small.items()
    }
    return sizes


def words(figure) -> list[str]:
    texts = []
    for axes in figure.axes:
        texts += [text.get_text() for text in axes.texts] + [axes.get_title()]
    return texts


def test_parts_are_all_parameters_of_a_model(supernet):
    parts = concept_diagrams.parts_of(supernet)
    total, without_embeddings = count_parameters(supernet)
    assert sum(parts.values()) == total
    assert total - parts[concept_diagrams.EMBEDDINGS] == without_embeddings
    smaller = concept_diagrams.parts_of(extract(supernet, SubModel(1, 0.5)))
    assert smaller[concept_diagrams.EMBEDDINGS] == parts[concept_diagrams.EMBEDDINGS]
    assert smaller[concept_diagrams.FFN] < parts[concept_diagrams.FFN]


def test_the_supernet_shares_the_teacher_s_square_and_no_number_is_left_out(parts, supernet):
    largest = SubModel(supernet.config.num_hidden_layers).label
    shown = words(concept_diagrams.concept(parts, largest))
    assert sum("supernet 超网络\nat the start" in text for text in shown) == 1
    for name, sizes in parts.items():
        for part in (
            concept_diagrams.EMBEDDINGS,
            concept_diagrams.ATTENTION,
            concept_diagrams.FFN,
        ):
            assert f"{sizes[part] / 1e6:.2f} M" in shown, (name, part)


@pytest.mark.parametrize("language", [None, "zh", "en"])
def test_the_batch_s_arrow_reaches_from_box_to_box_in_each_language(language):
    participants = [SubModel(6), SubModel(2, 0.25)]
    spread = np.full((3, 3), 0.125)
    figure = concept_diagrams.joint_step(participants, "Step 3 第3步", NAMES, spread, spread)
    with showing(language):
        say_in_language(figure)
        figure.canvas.draw()
    axes = figure.axes[0]
    batch, teacher = axes.texts[:2]
    (arrow,) = [text for text in axes.texts if getattr(text, "xyann", None) == (0.8, 4.6)]
    inside = arrow.arrow_patch.get_path().transformed(arrow.arrow_patch.get_transform())
    ends = inside.get_extents()
    boxes = [box.get_bbox_patch().get_window_extent() for box in (batch, teacher)]
    assert abs(ends.y0 - boxes[0].y1) < 25, "the arrow starts at the batch's box"
    assert abs(ends.y1 - boxes[1].y0) < 25, "the arrow's head touches the teacher's box"


def test_a_step_s_picture_names_every_participant_and_every_spread():
    mean, spread = np.full((3, 3), 0.25), np.full((3, 3), 0.125)
    participants = [SubModel(6), SubModel(2, 0.25), SubModel(3, 0.5)]
    figure = concept_diagrams.joint_step(participants, "Step 14", NAMES, mean, spread)
    shown = words(figure)
    assert {s.label for s in participants} <= set(shown) and "Step 14" in shown
    assert sum("±0.12" in text for text in shown) == 6  # all pairs, both ways; not the diagonal


def test_the_picture_of_tasks_marks_right_and_wrong_and_cuts_a_long_input():
    answers = [("garden", True), ("cellar", False), ("lamp", None)]
    rows = [("head", "word " * 60, "garden", answers)]
    shown = words(concept_diagrams.tasks(rows, ["6×1", "3×½", "2×¼"]))
    assert {"garden ✓", "cellar ✗", "lamp", "6×1", "3×½", "2×¼"} <= set(shown)
    assert "head\nright 正确: garden" in shown
    (given,) = (text for text in shown if text.startswith("word"))
    assert given.endswith("…") and max(map(len, given.split("\n"))) <= 30


def test_no_glyph_is_missing(parts, tmp_path):
    heat = np.eye(3)
    figures = [
        concept_diagrams.concept(parts, "none"),
        concept_diagrams.softened([2.0, 1.0, -1.0], (0.5, 8.0)),
        concept_diagrams.joint_step([SubModel(6), SubModel(2)], "步", NAMES, heat, heat),
        concept_diagrams.tasks(
            [("头", "输入", "对", [("对", True), ("错", False)])], ["6×1", "2×¼"]
        ),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number, figure in enumerate(figures):
            figure.savefig(tmp_path / f"{number}.png")
            assert (tmp_path / f"{number}.png").stat().st_size > 10_000
