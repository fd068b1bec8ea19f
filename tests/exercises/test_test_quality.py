"""The published quality of the exercises' tests: page, record and a fresh run agree."""

import copy
import importlib
from collections import Counter

import pytest
from zoo import right_answers, wrong_answers

from tinybert_l.exercises.registry import exercises


@pytest.fixture(scope="module")
def tools(checkout):
    """The modules of tools/ that measure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(checkout / "tools")
        names = ("judge_held_out", "judge_zoo", "make_test_quality", "mutants")
        yield {name: importlib.import_module(name) for name in names}


@pytest.fixture
def quality(tools):
    return tools["make_test_quality"]


def test_the_page_says_what_the_record_says(quality):
    page = quality.PAGE.read_text(encoding="utf-8")
    assert page == quality.page(quality.read_record()), "run tools/make_test_quality.py --page"


def test_a_false_pass_or_fail_and_a_gap_would_stand_on_the_page(quality):
    record = copy.deepcopy(quality.read_record())
    result = record["exercises"]["kept_layers"]
    result["wrong"][0] |= {"caught_by": "none", "message": None}
    result["right"][0]["passes"] = False
    result["mutants"]["survived"].append("4:12 - becomes +")
    page = quality.page(record)
    assert page.count("**nothing**") == 1
    assert "`kept_layers`, `4:12 - becomes +`" in page
    counts = quality.counts_of(result)
    assert (counts["false_passes"], counts["false_fails"], counts["survived"]) == (1, 1, 1)
    assert float(quality.score(counts)) < 100


def test_the_page_reads_well_without_gaps_and_with_one(quality):
    record = copy.deepcopy(quality.read_record())
    for result in record["exercises"].values():
        result["mutants"] |= {"same": [], "unspecified": [], "survived": []}
    page = quality.page(record)
    assert "none computes the same" in page and "none differs only" in " ".join(page.split())
    assert "100 %; none passes." in " ".join(page.split()) and "None: each is caught" in page
    record["exercises"]["kept_layers"]["mutants"]["survived"] = ["4:12 - becomes +"]
    page = quality.page(record)
    assert "; 1 passes." in " ".join(page.split()) and "count against the score" in page


def test_intervals_are_those_of_clopper_and_pearson(quality):
    """The upper end of 0 in n is 1 - 0.025 ** (1 / n)."""
    assert quality.interval(0, 10) == f"0 (0 to {100 * (1 - 0.025**0.1):.2g})"
    assert quality.interval(10, 10) == f"1e+02 ({100 * 0.025**0.1:.2g} to 1e+02)"


def test_the_record_is_of_the_zoo_and_the_reference_answers_of_today(quality, tools):
    record = quality.read_record()["exercises"]
    assert list(record) == list(exercises())
    for name, result in record.items():
        wrong = [answer.idea for answer in wrong_answers() if answer.exercise == name]
        right = [answer.idea for answer in right_answers() if answer.exercise == name]
        assert [answer["idea"] for answer in result["wrong"]] == wrong
        assert [answer["idea"] for answer in result["right"]] == ["the reference answer", *right]
        made = tools["mutants"].mutants(tools["judge_zoo"].reference_answer(name))
        operators = Counter(mutant.operator for mutant in made)
        assert operators == result["mutants"]["by_operator"], f"{name}: run the tool anew"


def test_every_mutant_that_may_pass_exists_passed_and_has_a_reason(quality, tools):
    record = quality.read_record()["exercises"]
    explained = tools["judge_zoo"].explained_mutants()
    for name, result in record.items():
        for kind in tools["judge_zoo"].KINDS:
            reasons = explained.get(name, {}).get(kind, {})
            assert sorted(reasons) == sorted(result["mutants"][kind]), f"{name}, {kind}"
            assert all(len(reason) > 10 for reason in reasons.values())


def test_the_share_of_all_mutants_that_are_caught_takes_no_explanation(quality):
    counts = Counter(mutants=10, same=1, unspecified=2, survived=1)
    assert (quality.score(counts), quality.caught_of_all(counts)) == ("85.7", "60")


def test_every_operator_changes_something(tools):
    source = (
        "def f(a, b=True):\n    if a < 1 and b:\n        raise ValueError(a + 1)\n"
        "    for x in [i for i in a if i]:\n        a[0] = -x\n        break\n"
        "    return max(list(a[1:]), key=abs)\n"
    )
    made = tools["mutants"].mutants(source)
    assert {mutant.operator for mutant in made} == set(tools["mutants"].RULES)
    assert len({mutant.source for mutant in made}) == len({m.name for m in made}) == len(made)
    assert not any("a - 1" in mutant.source for mutant in made)  # the text of an error


def test_a_mutant_is_judged_as_an_answer_is(tools):
    judge_zoo = tools["judge_zoo"]
    tried, passed = judge_zoo.surviving("distinct_n", only={"5:4 None is returned"})
    assert [mutant.name for mutant in tried] == ["5:4 None is returned"] and passed == []
    right = judge_zoo.IMPORTS + judge_zoo.reference_answer("distinct_n")
    assert judge_zoo.failures(judge_zoo.judge("distinct_n", right)) == []


@pytest.mark.nightly
def test_a_mutant_that_never_ends_counts_as_caught(tools, monkeypatch):
    judge_zoo = tools["judge_zoo"]
    monkeypatch.setattr(judge_zoo, "MUTANT_SECONDS", 0.3)
    endless = "def distinct_n(token_ids, n):\n    while True:\n        pass\n"
    assert judge_zoo.failures(judge_zoo.judge("distinct_n", endless))


def test_the_rounds_are_of_the_held_out_answers(tools):
    held_out = tools["judge_held_out"]
    ideas = [idea for name in exercises() for idea in held_out.answers(name)]
    kinds = Counter(idea.partition("_")[0] for idea in ideas)
    assert set(kinds) == {"wrong", "right"}
    rounds = held_out.read_rounds()
    *commits, now = rounds
    assert now == held_out.NOW
    sizes = [(r["wrong"], r["right"]) for r in rounds.values()]
    assert sizes == sorted(sizes), "answers are added, none goes"
    assert sizes[-1] == sizes[len(commits) - 1] == (kinds["wrong"], kinds["right"])


def test_each_round_counts_the_answers_that_it_added(quality):
    first = {"wrong": 20, "right": 10, "false_passes": ["a: b"], "false_fails": [], "date": ""}
    second = first | {"wrong": 30, "right": 15, "false_passes": ["a: b", "c: d", "c: e"]}
    rounds = {"1111111": first, "2222222": second, quality.NOW: second}
    added = quality.added_by(rounds)
    assert [(r["commit"], r["wrong"]) for r in added] == [
        ("1111111", "1 of 20 wrong ones"),
        ("2222222", "2 of 10 wrong ones"),
    ]
    assert added[1]["right"] == "0 of 5 right ones"


def test_a_held_out_answer_that_is_misjudged_is_listed(tools, checkout, monkeypatch):
    held_out = tools["judge_held_out"]
    of_one = {
        "wrong_reference": held_out.judge_zoo.reference_answer("distinct_n"),
        "right_none": "",
    }
    monkeypatch.setattr(held_out, "exercises", lambda: ["distinct_n"])
    monkeypatch.setattr(held_out, "answers", lambda name: of_one)
    outcome = held_out.judge_round(checkout / "notebooks")
    assert outcome["false_passes"] == ["distinct_n: wrong_reference"]
    assert outcome["false_fails"] == ["distinct_n: right_none"]


@pytest.mark.nightly
def test_held_out_answers_are_judged_as_recorded(tools, checkout):
    held_out = tools["judge_held_out"]
    fresh, recorded = held_out.judge_round(checkout / "notebooks"), held_out.read_rounds()
    for key in ("false_passes", "false_fails"):
        assert fresh[key] == recorded[held_out.NOW][key], "run tools/judge_held_out.py"


@pytest.mark.nightly
def test_a_fresh_run_gives_the_record_again(quality):
    fresh, messages = quality.measure()
    recorded = quality.read_record()
    assert fresh["exercises"] == recorded["exercises"], f"run {quality.COMMAND}"
    assert quality.MESSAGES.read_text(encoding="utf-8") == quality.messages_page(messages)
