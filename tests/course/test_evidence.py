"""The one rule of evidence: answers that follow, verdicts from records."""

import ast
import dataclasses
import importlib
import json
import re
from statistics import mean, stdev

import nbformat
import pytest
from evidence_records import SEEDS, gap_record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinybert_l.course import evidence, intervals, records, rows
from tinybert_l.course.evidence import answer, from_record, judge
from tinybert_l.course.record_types import ClaimVerdict, Evidence, Verdict, written_interval
from tinybert_l.course.records import all_verdicts, save_verdicts, write_record
from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.languages import in_words, showing
from tinybert_l.method.evaluation import count_parameters, measure_latency, weight_bytes
from tinybert_l.submodels import SubModel


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Records and verdicts of their own."""
    monkeypatch.setattr(records, "RESULTS", tmp_path / "results")
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def claims(checkout, monkeypatch):
    monkeypatch.syspath_prepend(checkout / "tools")
    return importlib.import_module("claims")


@pytest.mark.parametrize(
    "numbers, words",
    [
        ((-0.31, -0.53, -0.083), "-0.31 [-0.53, -0.08]"),
        ((20.0, 4.68, 35.3), "20 [5, 35]"),
        ((0.034, 0.027, 0.0423), "0.034 [0.027, 0.042]"),
        ((-0.028, -0.88, 0.83), "0.0 [-0.9, 0.8]"),
        ((1.0, 0.03, 2.0), "1.00 [0.03, 2.00]"),  # or the end would be written as 0
        ((2.0, 2.0, 2.0), "2.00 [2.00, 2.00]"),
    ],
)
def test_an_interval_decides_its_digits(numbers, words):
    assert "{} [{}, {}]".format(*written_interval(*numbers)) == words


def test_the_three_answers():
    assert answer(0.1, 2.0, 0.0) == "holds"
    assert answer(-2.0, -0.1, 0.0) == "does_not_hold"
    assert answer(-0.1, 2.0, 0.0) == "undecided"
    assert answer(0.1, 2.0, 0.5) == "undecided"
    assert answer(0.1, 2.0, 3.0) == "does_not_hold"
    assert answer(0.1, 2.0, 3.0, "smaller") == "holds"
    assert answer(-0.1, 2.0, 0.0, "smaller") == "undecided"


NUMBERS = st.floats(-1e6, 1e6)
# a busy machine makes drawing numbers slow
quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FLIPPED = {"holds": "does_not_hold", "does_not_hold": "holds", "undecided": "undecided"}


@quick
@given(NUMBERS, NUMBERS, NUMBERS)
def test_swapping_the_sides_flips_the_answer(first, second, margin):
    low, high = sorted((first, second))
    for better in ("larger", "smaller"):
        swapped = answer(-high, -low, -margin, better)
        assert swapped == FLIPPED[answer(low, high, margin, better)]
    assert answer(low, high, margin, "smaller") == FLIPPED[answer(low, high, margin)]


@quick
@given(NUMBERS, NUMBERS, NUMBERS, st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_wider_interval_decides_no_more(first, second, margin, left, right):
    low, high = sorted((first, second))
    wider = answer(low - left, high + right, margin)
    assert wider in ("undecided", answer(low, high, margin))


def test_a_record_decides(folder):
    for low, high, kind in ((1, 3, "holds"), (-3, -1, "does_not_hold"), (-1, 3, "undecided")):
        gap = gap_record(low, (low + high) / 2, high, "seeds_and_items")
        assert judge("更好", "better", gap, 0.0).kind == kind
    verdict = judge("更好", "better", gap, -2.0, condition_zh="小", condition_en="small")
    assert verdict.kind == "holds_if"
    assert verdict.text == "holds if small 若小，则成立"
    assert verdict.number == "1.0 [-1.0, 3.0] points"
    assert verdict.test == "mean 平均: difference 差: > -2.00 points"
    assert judge("更好", "better", gap, 4.0, condition_zh="小", condition_en="small").kind == (
        "does_not_hold_if"
    )
    undecided = judge("更好", "better", gap, 0.0, condition_zh="小", condition_en="small")
    assert undecided.kind == "undecided" and not undecided.condition_en


def test_an_interval_of_one_seed_decides_under_a_condition(folder):
    apart = judge("更好", "better", gap_record(1.0, 2.0, 3.0, "one_seed"), 0.0)
    assert apart.kind == "holds_if" and "one trained model" in apart.text
    below = gap_record(-3.0, -2.0, -1.0, "one_seed")
    assert judge("更好", "better", below, 0.0).kind == "does_not_hold_if"
    around = gap_record(-1.0, 2.0, 5.0, "one_seed")
    assert judge("更好", "better", around, 0.0).kind == "undecided"


@pytest.mark.parametrize("folds", [False, True])
def test_the_choice_of_items_is_in_the_spread_over_seeds_that_have_folds(folder, folds):
    """Else it is added; with folds that would count it twice."""
    written = []
    for has_it, values in ((True, (80.0, 81.0, 80.5)), (False, (79.5, 80.4, 80.2))):
        accuracy = rows.OverSeeds(mean(values), stdev(values), values)
        norm = rows.OverSeeds(1.0, 0.1, (0.9, 1.0, 1.1))
        row = rows.StabilityRow("progressive", has_it, *[accuracy] * 3, norm, (1.0,))
        written.append(row)
    write_record("stability", "stability", "python", {**SEEDS, "folds": folds}, written)
    gap = evidence.difference("stability", "mean_accuracy_percent", *written)
    paired = intervals.over_seeds((0.5, 0.6, 0.3))
    assert (gap.low == pytest.approx(paired.low)) == folds
    assert folds or gap.low < paired.low


def test_a_live_run_cannot_write_a_verdict(folder):
    """What was measured just now is no evidence, by any of the doors."""
    live = {"record": "live", "row": "", "compared": "", "mean": 1.0, "low": 0.5, "high": 1.5}
    with pytest.raises(CourseError, match="live run"):
        Evidence(**live, unit="points", method="seeds")
    with pytest.raises(CourseError, match="live run"):
        ClaimVerdict("更好", "better", "holds")
    gap = gap_record(-1, 1, 3)
    with pytest.raises(CourseError, match="live run"):
        dataclasses.replace(gap, low=0.5)
    with pytest.raises(CourseError, match="live run"):
        dataclasses.replace(judge("更好", "better", gap, 0.0), kind="holds")
    old_form = ("更好 (better)", "24 texts", "+1.0", "holds 成立")
    for not_judged in (old_form, Verdict(*old_form), gap):
        with pytest.raises(CourseError, match="a live run illustrates"):
            save_verdicts(2, [not_judged])
    assert not (folder / "cache" / "verdicts").exists()
    with pytest.raises(InvalidInput, match="evidence=2"):
        judge("更好", "better", 2.0, 0.0)
    with pytest.raises(InvalidInput, match="measure_latency"):
        evidence.counted(measure_latency, None)
    with pytest.raises(InvalidInput, match="lambda"):
        evidence.counted(lambda: 97.2)


def test_a_number_without_spread_and_a_missing_record_decide_nothing(folder):
    row = rows.HeadlineRow("chosen_small", accuracy_percent=81.0, times_faster_batch_1=24.0)
    write_record("headline", "headline", "python", SEEDS, [row])
    speed = from_record("headline", "times_faster_batch_1", role="chosen_small")
    verdict = judge("快", "fast", speed, 15.0)
    assert verdict.kind == "no_record" and verdict.number == "24.0 ×"
    missing = judge("快", "fast", from_record("ablation", "difference_points", key="2x0.25"), 0.0)
    assert missing.kind == "no_record" and "results/ablation.json" in missing.text
    save_verdicts(1, [verdict, missing])
    kept = dataclasses.replace(row, by_seed={"times_faster_batch_1": (23.0, 24.0, 25.0)})
    write_record("headline", "headline", "python", SEEDS, [kept])
    speed = from_record("headline", "times_faster_batch_1", role="chosen_small")
    assert speed.method == "seeds" and judge("快", "fast", speed, 15.0).kind == "holds"
    with pytest.raises(InvalidInput, match="record='abblation'; allowed: headline"):
        from_record("abblation", "difference_points")


def test_a_claim_of_several_parts_is_as_weak_as_its_weakest(folder):
    good = judge("甲", "a", gap_record(1, 2, 3, "seeds"), 0.0)
    bad = judge("乙", "b", gap_record(-3, -2, -1, "seeds"), 0.0)
    open_ = judge("丙", "c", gap_record(-3, -2, 1, "seeds"), 0.0)
    condition = judge("丁", "d", gap_record(1, 2, 3, "one_seed"), 0.0)
    nothing = evidence.no_record("戊", "e", "数据", "data")
    for parts, kind in (
        ([good, good], "holds"),
        ([good, condition], "holds_if"),
        ([condition, open_], "undecided"),
        ([nothing, open_], "no_record"),
        ([nothing, open_, bad], "does_not_hold"),
    ):
        assert evidence.judge_all("全", "all", parts).kind == kind
    both = evidence.judge_all("全", "all", [good, condition])
    assert both.number == "2.0 [1.0, 3.0] points; 2.0 [1.0, 3.0] points"
    assert both.condition_en == condition.condition_en
    assert both.source == "joint_against_separate"


def test_verdicts_are_kept_with_record_row_interval_and_margin(folder):
    gap = gap_record(1, 2, 3, "seeds")
    verdict = judge("更好", "better", gap, 0.5, condition_zh="小", condition_en="small")
    table = save_verdicts(2, [verdict, evidence.no_record("戊", "e", "数据", "data")])
    titles = ["claim 主张", "test 检验", "number 数字", "verdict 判断", "record 记录"]
    assert list(table.data.columns) == titles
    path = folder / "cache" / "verdicts" / "02.json"
    row = json.loads(path.read_text(encoding="utf-8"))["rows"][0]
    expected = {
        "kind": "holds_if",
        "record": "joint_against_separate",
        "row": "kind=joint_mean_gap, difference_points",
        "mean": 2,
        "low": 1,
        "high": 3,
        "unit": "points",
        "margin": 0.5,
        "better": "larger",
        "condition": "small 小",
        "method": "seeds",
    }
    assert expected.items() <= row.items()
    (lecture,) = all_verdicts()
    assert lecture.verdicts[0] == verdict.to_verdict()
    assert [kept.kind for kept in lecture.verdicts] == ["holds_if", "no_record"]


def test_old_files_of_verdicts_are_read_and_give_way(folder):
    row = ("claim 主张", "test", "3.0", "holds 成立")
    old = {"lecture": 2, "rows": [list(row)], "run": "20 steps"}
    recorded = folder / "results" / "verdicts"
    live = folder / "cache" / "verdicts"
    for place in (recorded, live):
        place.mkdir(parents=True)
        (place / "02.json").write_text(json.dumps(old), encoding="utf-8")
    assert all_verdicts()[0].verdicts == (Verdict(*row),)
    assert all_verdicts()[0].verdicts[0].kind is None
    save_verdicts(2, [judge("更好", "better", gap_record(1, 2, 3, "seeds"), 0.0)])
    (live / "02.json").replace(recorded / "02.json")
    (live / "02.json").write_text(json.dumps(old), encoding="utf-8")
    assert all_verdicts()[0].verdicts[0].kind == "holds"


def test_a_stale_record_says_so(folder):
    verdict = judge("更好", "better", gap_record(1, 2, 3, "seeds", recipe=SEEDS), 0.0)
    assert verdict.stale and "stale record 记录已过期" in verdict.text
    assert verdict.to_verdict().stale


def test_what_is_counted_is_a_point(supernet):
    count = evidence.counted(count_parameters, supernet, part=0)
    assert count.low == count.high == count_parameters(supernet)[0]
    assert count.record == "count_parameters" and count.method == "count"
    twice = evidence.ratio_of_counts(count, evidence.counted(count_parameters, supernet, part=1))
    assert judge("小", "small", twice, 1.0).kind == "holds"
    assert evidence.counted(weight_bytes, supernet).mean == 4 * count.mean
    assert evidence.counted(evidence.settings_of, SubModel).mean == 3
    lines = evidence.counted(evidence.lines_of, TwoLines)
    assert lines.mean == 2
    with pytest.raises(InvalidInput, match="is measured"):
        evidence.ratio_of_counts(count, measured_evidence())


class TwoLines:
    """A docstring is no line of code."""

    value = 1  # nor is a comment


def measured_evidence():
    return from_record("stability", "largest_gradient_norm", schedule="random_order")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margin": float("nan")}, "margin=nan"),
        ({"margin": "0"}, "margin='0'"),
        ({"better": "higher"}, "better='higher'"),
        ({"condition_en": "small"}, "a condition in one language"),
        ({"claim_zh": ""}, "words in both languages"),
    ],
)
def test_a_wrong_argument_is_named(folder, change, words):
    gap = gap_record(1, 2, 3, "seeds")
    arguments = {"claim_zh": "更好", "claim_en": "better", "evidence": gap, "margin": 0.0}
    with pytest.raises(InvalidInput, match=words):
        judge(**(arguments | change))
    with pytest.raises(InvalidInput, match="needed is empty"):
        evidence.no_record("更好", "better", "", "")
    with pytest.raises(InvalidInput, match="parts"):
        evidence.judge_all("更好", "better", [])


def verdict_cells(checkout):
    for path in sorted((checkout / "notebooks").glob("*/*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and "save_verdicts(" in cell.source:
                yield path.stem, ast.parse(cell.source)


def test_every_lecture_judges_by_the_rule(checkout):
    """No verdict in words, none from the description of a live run, no way around the types."""
    lectures = set()
    for name, tree in verdict_cells(checkout):
        lectures.add(name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search("holds|does not hold|undecided|成立|未定", node.value), name
            if isinstance(node, ast.Name | ast.Attribute | ast.alias):
                words = ast.unparse(node)
                assert not re.search(r"MAKER|ClaimVerdict|Evidence\b|describe", words), (
                    name,
                    words,
                )
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "save_verdicts":
                assert len(node.args) == 2 and not node.keywords, name
    assert len(lectures) >= 10


def all_rows(verdict):
    yield verdict
    for part in verdict.parts:
        yield from all_rows(part)


def test_the_printed_margin_of_a_recorded_verdict_gives_the_same_verdict(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path))
    others = []
    for lecture in all_verdicts():
        for verdict in (row for kept in lecture.verdicts for row in all_rows(kept)):
            if verdict.margin is None or verdict.parts:
                continue
            printed = float(re.search(r"[<>] (-?[\d.,]+)[^<>]*$", verdict.test)[1].replace(",", ""))
            if answer(verdict.low, verdict.high, printed, verdict.better) not in verdict.kind:
                others.append((lecture.lecture, verdict.test, verdict.margin))
    assert not others, others


def test_a_recorded_claim_names_the_same_numbers_in_both_languages(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path))
    differ = []
    for lecture in all_verdicts():
        for verdict in lecture.verdicts:
            numbers = []
            for language in ("zh", "en"):
                with showing(language):
                    found = re.findall(r"\d(?:[\d,.]*\d)?", in_words(verdict.claim))
                numbers.append(set(found))
            if numbers[0] != numbers[1]:
                differ.append((lecture.lecture, verdict.claim))
    assert not differ, differ


def test_recorded_verdicts_follow_the_rule_from_records_that_exist(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYBERT_L_CACHE", str(tmp_path))
    lectures = all_verdicts()
    assert {lecture.lecture for lecture in lectures} == set(range(1, 12))
    names = {path.stem for path in (checkout / "results").rglob("*.json")}
    count = 0
    for lecture in lectures:
        for verdict in (row for kept in lecture.verdicts for row in all_rows(kept)):
            assert verdict.kind is not None, (lecture.lecture, verdict.claim)
            if verdict.margin is None or verdict.kind == "no_record":
                continue
            decided = answer(verdict.low, verdict.high, verdict.margin, verdict.better)
            assert verdict.kind.removesuffix("_if") == decided, verdict
            assert verdict.kind.endswith("_if") == bool(verdict.condition), verdict
            if verdict.method != "count":
                assert verdict.record in names, verdict
            count += 1
    assert count > 30
