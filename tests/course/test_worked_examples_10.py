"""Compute what lecture 10 works out by hand, and find it in both languages."""

import json
from collections import Counter

import pytest
from lecture_text import cells_of, missing_from, text_of

from tinybert_l.course import forest
from tinybert_l.course.records import RESULTS, read_record
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
    assert 40 * 0.05 == 2 and round(1 - 0.95**40, 2) == 0.87
    fragments = [r"$40 \cdot 0.05 = 2$", "$1 - 0.95^{40} = 0.87$"]
    assert missing_from(LECTURE, fragments) == []


def test_the_example_of_a_second_measurement():
    words = []
    for name in ("joint_against_separate", "joint_against_separate"):
        record = read_record(name)
        (row,) = [row for row in record.rows if row.kind == "joint_mean_gap"]
        gap = row.difference_points
        words += [f"${gap.estimate:.1f}$", f"$[{gap.low:.1f}, {gap.high:.1f}]$"]
        words.append(str(record.recipe["num_steps"]))
    assert missing_from(LECTURE, words) == []


def test_what_is_said_of_the_verdicts_of_all_lectures():
    """By the verdicts under results/: how many, and which kinds have more than others."""
    kinds = Counter()
    for path in (RESULTS / "verdicts").glob("*.json"):
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["lecture"] != LECTURE:
            kinds.update(row["kind"] for row in values["rows"])
    total = kinds.total()
    assert total > 40, "more than forty claims"
    refuted = kinds["does_not_hold"] + kinds["does_not_hold_if"]
    not_known = kinds["undecided"] + kinds["no_record"]
    assert kinds["holds"] < 10 and refuted < not_known
    careless = total - kinds["holds"] - kinds["holds_if"]
    assert careless > total / 2 > refuted, "the mistake of the week"


def test_lectures_5_and_9_judge_one_sentence_in_two_ways():
    found = {}
    for lecture, record in ((5, "trigram"), (9, "writer")):
        path = RESULTS / "verdicts" / f"{lecture:02d}.json"
        for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
            if row["record"] == record and "same text" in row["claim"]:
                found[lecture] = row["kind"]
    assert found == {5: "does_not_hold", 9: "holds_if"}
    assert missing_from(LECTURE, ["240", "2,500", "3,600"]) == []


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


def across(row):
    """Whether the interval of a row's difference holds 0."""
    return row.difference_points.low < 0 < row.difference_points.high


def test_what_is_read_from_the_forest_plot_is_in_the_records():
    joint = read_record("joint_against_separate").rows
    gaps = [row.difference_points for row in joint if row.kind == "joint_gap"]
    assert len(gaps) == 9
    apart = [row.sub_model.label for row in joint if row.kind == "joint_gap" and not across(row)]
    assert apart == ["2×1"] and all(gap.low < 0 for gap in gaps)
    (mean_gap,) = [row.difference_points for row in joint if row.kind == "joint_mean_gap"]
    assert -0.5 < mean_gap.estimate < mean_gap.high < 0, "'slightly less, by under half'"
    lengths = [gap.high - gap.low for gap in gaps]
    assert mean_gap.high - mean_gap.low < min(lengths), "'much shorter'"
    ways = {row.way: row.difference_points for row in read_record("two_stages").rows}
    both = ways["general_then_task"].estimate, ways["task_for_longer"].estimate
    assert abs(both[0] - both[1]) < 1, "'nearly as high'"
    cascades = [row for row in read_record("cascade").rows if row.goal == "cost"]
    (better,) = [row for row in cascades if not across(row)]
    assert better.target.name == "3x0.5" and len(better.sub_models) == 3
    assert better.difference_points.low > 0
    for row in read_record("ablation").rows:
        for name, gap in (row.difference_points or {}).items():
            if (row.variant, name) == ("no_order_of_importance", "3x0.5"):
                assert -2 < gap.estimate < -1 and gap.high < 0, "'over a point'"
            else:
                assert gap.low < 0 < gap.high, row.variant
    alone = [row for row in read_record("self_distillation").rows if row.difference_points]
    apart = [row.sub_model.label for row in alone if row.difference_points.high < 0]
    assert apart == ["2×1"] and max(row.sub_model.depth for row in alone) == 2
    named = {
        row.sub_model.label: row.against_most_frequent_points
        for row in read_record("masked_tokens").rows
        if row.model == "pretrained"
    }
    assert [label for label, gap in named.items() if gap.low > 0] == ["4×1", "2×½"]
    assert named["1×¼"].low < 0 < named["1×¼"].high
    gains = [row.gain_points for row in read_record("chinese").rows if row.gain_points]
    assert len(gains) == 3 and all(gain.low < 0 and gain.high > forest.HIGH for gain in gains)
    documents = read_record("long_documents").rows
    apart = {
        (row.sub_model.name, row.reading)
        for row in documents
        if row.reading != "cut" and row.against_cutting_points.low > 0
    }
    farthest = {("3x0.5", "windows"), ("2x0.25", "windows")}
    farthest |= {(name, "windowed_attention_short_first") for name, _ in farthest}
    assert farthest < apart and len(apart) == len(farthest) + 1


def test_what_is_read_from_the_numbers_of_the_chapters():
    read = {(row.sub_model.name, row.reading): row for row in read_record("long_documents").rows}
    small, start = read["2x0.25", "windows"], read["3x0.5", "cut"]
    assert small.accuracy_percent > start.accuracy_percent
    assert small.gflops_per_review < start.gflops_per_review
    longer = read_record("joint_against_separate").rows
    (cost,) = [
        row.ratio
        for row in longer
        if row.kind == "joint_cost"
        and row.compared_with == "all_alone"
        and row.unit == "forward_flops"
    ]
    assert cost < 0.5, "less than half of nine separate runs"
    (kept,) = [
        row
        for row in read_record("headline").rows
        if row.role == "candidate" and row.models[0].label == "2×¼ ONNX int8"
    ]
    assert kept.times_smaller > 10 and kept.kept_percent.low > 95


def test_a_difference_that_leaves_out_0_is_not_said_to_hold_it():
    """The reading of the chapters' numbers says of the joint difference what its record says."""
    rows = read_record("joint_against_separate").rows
    (row,) = [row for row in rows if row.kind == "joint_mean_gap"]
    assert not across(row)
    texts = {cell.id: cell.source for cell in cells_of(LECTURE)}
    assert "区间整个在0以下" in texts["c009f"] and "its whole interval below 0" in texts["c009g"]


def test_every_question_names_the_place_where_it_was_asked():
    for language in ("zh", "en"):
        text = text_of(LECTURE, language)
        for number in range(1, 11):
            (line,) = [part for part in text.split("\n") if part.startswith(f"{number}. **")]
            assert "https://github.com/" in line and ".ipynb)" in line, (language, number)
