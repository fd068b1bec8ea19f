"""Compute what lecture 10 works out by hand, and find it in both languages."""

import pytest
from lecture_text import cells_of, missing_from, text_of

from tinybert_l.course.records import read_record
from tinybert_l.exercises.released import load_reference_answers

LECTURE = 10


@pytest.fixture(scope="module")
def answers(checkout):
    found = {}
    for lecture in (2, 3, 4, 6, 9):
        found |= load_reference_answers(checkout / "solutions", lecture)
    return found


@pytest.fixture(scope="module")
def check(checkout):
    """The given mask and the right answers of the short check, as the notebook has them."""
    values = {}
    for cell in cells_of(LECTURE):
        if cell.metadata.get("nbgrader", {}).get("grade_id") in ("given", "final_check"):
            exec(cell.source, values)
    return values


def test_how_many_claims_would_hold_by_luck():
    assert 20 * 0.05 == 1 and round(1 - 0.95**20, 2) == 0.64
    fragments = [r"$20 \cdot 0.05 = 1$", "$1 - 0.95^{20} = 0.64$"]
    assert missing_from(LECTURE, fragments) == []


def test_the_log_of_question_2_is_what_its_error_gives(answers, check):
    """The schedule advances three times a step; the rate is 1e-4 at its peak."""
    rate = answers["linear_warmup_decay"]
    log = [1e-4 * rate(3 * step, 10, 90) for step in (0, 10, 20, 30)]
    assert log == pytest.approx([0, 7.5e-5, 3.75e-5, 0])
    right = [1e-4 * rate(step, 10, 90) for step in (0, 10, 20, 30)]
    assert right[1] == pytest.approx(1e-4) and right[3] > 0
    assert check["q2"] == "b"
    assert "0、7.5e-5、3.75e-5、0" in text_of(LECTURE, "zh")
    assert "0, 7.5e-5, 3.75e-5, 0" in text_of(LECTURE, "en")


def test_the_mask_of_question_3_has_one_wrong_place(answers, check):
    mask = check["mask"]
    right = answers["causal_mask"](len(mask), len(mask[0])).tolist()
    wrong = []
    for row, (given, wanted) in enumerate(zip(mask, right, strict=True)):
        wrong += [(row, place) for place in range(len(given)) if given[place] != wanted[place]]
    assert wrong == [check["q3"]]


def test_the_other_answers_of_the_check(answers, check):
    assert check["q1"] == answers["layer_map"](3, 6)
    assert check["q4"] == (1 * 2.0 + 3 * 4.0) / (1 + 3)
    assert check["q5"] == answers["pareto_frontier"]([(5, 80), (9, 84), (7, 79), (12, 84)])


def test_what_is_read_from_the_forest_plot_is_in_the_records():
    joint = read_record("joint_against_separate_longer").rows
    gaps = [row.difference_points for row in joint if row.kind == "joint_gap"]
    assert len(gaps) == 9 and all(gap.low < 0 < gap.high for gap in gaps)
    for row in read_record("ablation").rows:
        for gap in (row.difference_points or {}).values():
            assert gap.low < 0 < gap.high, row.variant
    documents = read_record("long_documents").rows
    by_windows = [row.against_cutting_points for row in documents if row.reading == "windows"]
    assert by_windows and all(gap.low > 0 for gap in by_windows)


def test_every_question_names_the_place_where_it_was_asked():
    for language in ("zh", "en"):
        text = text_of(LECTURE, language)
        for number in range(1, 11):
            (line,) = [part for part in text.split("\n") if part.startswith(f"{number}. **")]
            assert "https://github.com/" in line and ".ipynb)" in line, (language, number)
