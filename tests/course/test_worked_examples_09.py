"""Compute every worked example of lecture 9 from its formula, and find it in both languages."""

import math
import re
from itertools import chain, permutations
from statistics import mean, stdev

import pytest
import torch
from lecture_text import missing_from, text_of

from tinybert_l.course import evidence
from tinybert_l.course.records import read_record, show_record
from tinybert_l.exercises.released import load_reference_answers
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.decoding import Decoding, _count_accepted
from tinybert_l.tasks.review_texts import review_parts
from tinybert_l.tasks.shipped_writer import CONTEXT, RECIPE, recipe_values, shipped_writer
from tinybert_l.tasks.trigram import Trigram

LECTURE = 9


def test_perplexity():
    losses = [-math.log(p) for p in (1 / 2, 1 / 2, 0.01)]
    assert [round(loss, 3) for loss in losses] == [0.693, 0.693, 4.605]
    assert round(mean(losses), 3) == 1.997 and round(math.exp(mean(losses)), 1) == 7.4
    assert math.exp(mean([losses[0]] * 3)) == pytest.approx(2)
    vocabulary = 50
    assert math.exp(-math.log(1 / vocabulary)) == pytest.approx(vocabulary)
    fragments = ["½", "0.01", "0.693", "4.605", r"$\mathrm{PPL}=e^{1.997}=7.4$"]
    assert missing_from(LECTURE, fragments) == []


def test_the_memory_of_the_kv_cache():
    per_token = 2 * 6 * 384 * 4
    small = 2 * 2 * 192 * 4
    llama = 2 * 32 * 4096 * 2
    assert (per_token, small, per_token // small) == (18_432, 3_072, 6)
    assert round(per_token * CONTEXT / 1e6, 1) == 4.7
    assert llama == 2**19 and llama * 4096 == 2 * 2**30  # 0.5 MiB and 2 GiB
    fragments = [
        r"$2\cdot 6\cdot 384\cdot 4 = 18{,}432$",
        "4.7 MB",
        "3,072",
        "0.5 MiB",
        "2 GiB",
        "$L=2$",
        "$H'=192$",
    ]
    assert missing_from(LECTURE, fragments) == []


def test_what_the_kv_cache_saves():
    tokens = 100
    assert sum(range(1, tokens + 1)) == tokens * (tokens + 1) // 2 == 5050
    assert missing_from(LECTURE, ["5,050", "$1+2+\\dots+n = n(n+1)/2$", "0.5"]) == []


def test_temperature_and_repetition_penalty():
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    sharper = Decoding(0.5).probabilities(logits).tolist()
    assert [round(p, 3) for p in sharper] == [0.658, 0.237, 0.105]
    assert sum(p * p for p in (0.5, 0.3, 0.2)) == pytest.approx(0.38)
    text = text_of(LECTURE, "zh") + text_of(LECTURE, "en")
    assert text.count("0.658") == text.count("0.237") == text.count("0.105") == 2
    penalised = Decoding(0, repetition_penalty=1.2)._penalised(torch.tensor([2.4, -1.0]), [0, 1])
    assert penalised.tolist() == pytest.approx([2.0, -1.2])
    assert missing_from(LECTURE, [r"$\theta=1.2$", "2.4", "2.0", "-1.0", "-1.2"]) == []


def test_how_large_the_set_is_after_a_prompt(checkout):
    """The weights come with the course, so that everybody reads the same numbers."""
    answers = load_reference_answers(checkout / "solutions", LECTURE)
    writer = shipped_writer()
    with torch.no_grad():
        logits = writer.model(torch.tensor([writer.encode("The movie was")])).logits[:, -1]
    sizes = []
    for p in (0.1, 0.5, 0.9):
        sizes.append(int(torch.isfinite(answers["top_p_filter"](logits, p)).sum()))
    assert f"{sizes[0]}、{sizes[1]}、{sizes[2]}个" in text_of(LECTURE, "zh")
    assert f"{sizes[0]}, {sizes[1]} and {sizes[2]} of 6,000" in text_of(LECTURE, "en")
    assert round(0.9 * logits.shape[1]) == 5400
    assert missing_from(LECTURE, [r"$0.9\cdot 6{,}000 = 5{,}400$"]) == []


def test_distinct_2_cannot_notice_another_order(checkout):
    """With a full stop before each sentence every order has the same pairs of neighbours."""
    distinct_n = load_reference_answers(checkout / "solutions", LECTURE)["distinct_n"]
    stop, parts = 1, [[5, 6, 1], [7, 5, 6, 1], [8, 1]]
    values = set()
    for order in permutations(parts):
        values.add(distinct_n([stop, *chain(*order)], 2))
    assert len(values) == 1


def test_the_trigram_model():
    """The library's own model, with counts made to fit the example: λ = 10 / (10 + 5·2)."""
    model = Trigram(torch.zeros(0, 3), vocabulary_size=4)
    movie, was, good, other = 1, 2, 3, 0
    # before "movie was" is known, P(good | was) is 0.1
    before = torch.tensor([0.3, 0.3, 0.3, 0.1])
    counts = {good: 6, other: 4}
    total, different = sum(counts.values()), len(counts)
    trust = total / (total + 5 * different)
    assert trust == 0.5
    by_hand = (1 - trust) * float(before[good]) + trust * counts[good] / total
    assert by_hand == pytest.approx(0.35)
    texts = [[movie, was, good]] * 6 + [[movie, was, other]] * 4
    counted = Trigram(torch.tensor(texts), vocabulary_size=4)
    without = Trigram(torch.tensor(texts), vocabulary_size=4)
    without.counts[2] = {}
    shares = without.probabilities([movie, was])
    expected = 0.5 * float(shares[good]) + 0.5 * 0.6
    assert float(counted.probabilities([movie, was])[good]) == pytest.approx(expected)
    assert float(model.probabilities([movie, was])[good]) == 0.25
    fragments = [
        r"$\lambda = 10/(10+10) = 0.5$",
        r"$P(\text{good}\mid\text{was})=0.1$",
        r"$0.5\cdot 0.1 + 0.5\cdot 0.6 = 0.35$",
    ]
    assert missing_from(LECTURE, fragments) == []


def test_paired_intervals():
    gaps = [0.3, -0.1, 0.2, 0.0]
    deviation = stdev(gaps)
    assert mean(gaps) == pytest.approx(0.10) and round(deviation, 3) == 0.183
    assert round(1.96 * deviation / math.sqrt(4), 2) == 0.18
    assert round(1.96 * deviation / math.sqrt(100), 3) == 0.036
    fragments = [
        r"$0.10 \pm 1.96\cdot 0.183/2 = 0.10 \pm 0.18$",
        r"$0.10 \pm 0.036$",
        "$n=100$",
    ]
    assert missing_from(LECTURE, fragments) == []


def test_the_acceptance_rule():
    q, p = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([0.4, 0.4, 0.2])
    shares = torch.minimum(torch.ones(3), p / q)
    assert shares.tolist() == pytest.approx([2 / 3, 1, 1])
    accepted = torch.minimum(q, p)
    rest = (p - q).clamp(min=0)
    assert float(accepted.sum()) == pytest.approx(0.8)
    assert (rest / rest.sum()).tolist() == pytest.approx([0, 0.5, 0.5])
    written = accepted + (1 - accepted.sum()) * rest / rest.sum()
    assert written.tolist() == pytest.approx(p.tolist())
    fragments = [
        "$q=(0.6, 0.3, 0.1)$",
        "$p=(0.4, 0.4, 0.2)$",
        "$0.4/0.6=2/3$",
        r"$\alpha=\sum\min(q,p)=0.4+0.3+0.1=0.8$",
        r"$\max(0,p-q)=(0, 0.1, 0.1)$",
        r"$0.3 + 0.2\cdot ½ = 0.4$",
    ]
    assert missing_from(LECTURE, fragments) == []


def test_the_library_accepts_by_the_rule_of_the_text():
    q, p = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([0.4, 0.4, 0.2])
    generator = torch.Generator().manual_seed(0)
    for token, share in enumerate((2 / 3, 1.0, 1.0)):
        count = sum(_count_accepted([token], [q], [p, p], generator) for _ in range(3000))
        assert count / 3000 == pytest.approx(share, abs=0.03)


def test_when_drafting_pays():
    def round_of(alpha, drafts=4):
        return sum(alpha**i for i in range(drafts + 1))

    cost = 1 + 4 * 0.25
    assert round_of(0.8) == pytest.approx((1 - 0.8**5) / 0.2)
    assert round(round_of(0.8), 2) == 3.36 and round(round_of(0.8) / cost, 2) == 1.68
    assert round(round_of(0.5), 2) == 1.94 and 0.95 < round_of(0.5) / cost < 1, "a little slower"
    assert round(100 * (round_of(0.8) - 1) / 4) == 59  # of the drafts, the dropped ones included
    fragments = [r"$\alpha=0.8$", r"$\gamma=4$", "$c=0.25$", "$E=3.36$", "1.68", "$E=1.94$"]
    fragments.append("$(3.36-1)/4 = 59$ %")
    assert missing_from(LECTURE, fragments) == []


def test_what_is_read_from_the_record_of_drafting_is_in_it():
    """Fewer than half of the drafts are kept, c is above a quarter, and drafting is slower."""
    rows = read_record("generation").rows
    greedy = [row for row in rows if row.decoding == "greedy" and row.kv_cache]
    speeds = {
        (row.sub_model, row.drafted): row.tokens_per_second.mean
        for row in greedy
        if row.tokens_per_second is not None
    }
    largest = SubModel(6)
    assert speeds[largest, True] < speeds[largest, False]
    assert speeds[largest, False] / speeds[SubModel(2, 0.25), False] > 0.25
    (kept,) = [row.drafts_kept_percent.mean for row in greedy if row.drafted]
    assert kept < 50


def test_the_operations_of_the_drafter():
    """The encoder of 2×¼ has a twelfth; with the output layer, whole in both, it is a quarter."""
    hidden, vocabulary = 384, recipe_values()["vocabulary"]
    layer = 4 * hidden**2 + 2 * hidden * 4 * hidden  # at full width
    encoders = {"6x1": 6 * layer, "2x0.25": 2 * layer / 4}
    assert encoders["6x1"] / encoders["2x0.25"] == 12
    whole = {name: encoder + hidden * vocabulary for name, encoder in encoders.items()}
    assert whole["2x0.25"] / whole["6x1"] == pytest.approx(0.25, abs=0.01)
    assert missing_from(LECTURE, ["384×6,000"]) == []


def test_the_fair_comparison_has_two_sides():
    """Trigrams of all texts beat every sub-model; of as many as it read, only the largest wins."""
    rows = read_record("trigram").rows
    ours = {row.sub_model: row.perplexity.mean for row in rows if row.author == "sub_model"}
    counted = {row.blocks_read: row.perplexity.mean for row in rows if row.author == "trigram"}
    (read,) = {row.blocks_read for row in rows if row.author == "sub_model"}
    assert counted[max(counted)] < min(ours.values())
    better = {sub_model for sub_model, value in ours.items() if value < counted[read]}
    assert better == {SubModel(6)}
    assert 0.3 < read / max(counted) < 0.4  # "about a third"


def writer_rows(kind):
    return [row for row in read_record("writer").rows if row.kind == kind]


def test_what_is_said_of_the_language_model_s_making():
    recipe, parts = recipe_values(), review_parts()
    assert 24_000 <= len(parts.train) < 24_500  # "24,000 or so"
    assert len(parts.validation) == len(parts.test) == 400
    assert (recipe["context"], recipe["vocabulary"]) == (256, 6000)
    assert (recipe["num_steps"], recipe["batch_size"]) == (3600, 8)
    tokens = recipe["num_steps"] * recipe["batch_size"] * recipe["context"]
    words = sum(len(text.split()) for text in parts.train)
    assert 1.1 < tokens / words < 1.5, "about one pass over some 7 million tokens"
    assert missing_from(LECTURE, ["3,600", "256", "6,000", "400"]) == []


def test_what_is_read_from_the_record_of_the_language_model():
    authors = {row.sub_model: row for row in writer_rows("author")}
    ours = [authors[SubModel(6)], authors[SubModel(4)], authors[SubModel(3)]]
    small, trigram = authors[SubModel(2, 0.5)], authors[None]
    assert all(row.below_trigram_percent.low > 100 / 3 for row in ours)
    assert 39 < ours[0].below_trigram_percent.estimate < 43, "four tenths"
    assert small.below_trigram_percent.low > 25
    perplexities = [row.perplexity for row in (*ours, small, trigram)]
    assert perplexities == sorted(perplexities)
    assert perplexities[2] < 1.06 * perplexities[0], "a few percent"
    assert trigram.order_nats.low > 0, "trigrams notice too"
    assert ours[0].order_nats.estimate / trigram.order_nats.estimate == pytest.approx(6, abs=0.5)


def test_differences_in_nats_are_shown_with_digits_that_tell_them_from_0():
    table = show_record("writer", "author").data
    (column,) = [name for name in table.columns if "(nats)" in name]
    assert all(float(re.match(r"[+-][\d.]+", cell).group()) > 0 for cell in table[column])
    recipe = read_record("writer").recipe
    assert (recipe["texts"], recipe["ordered_reviews"]) == (300, 250)
    assert missing_from(LECTURE, ["300", "250"]) == []


def test_what_is_read_from_the_record_of_long_texts():
    rows = {(row.author, row.sub_model, row.tokens): row for row in writer_rows("long_text")}
    for tokens in (512, 1000):
        human, trigram = rows["human", None, tokens], rows["trigram", None, tokens]
        model = rows["sub_model", SubModel(6), tokens]
        assert max(human.repetition_curve) - min(human.repetition_curve) < 6
        assert model.repetition_curve[-1] > 1.5 * model.repetition_curve[0]
        assert trigram.repetition_curve[-1] < human.repetition_curve[-1]
        assert human.returning.estimate > 10 > 3 > model.returning.high
        assert model.returning.estimate < trigram.returning.estimate + 0.1, "no more than chance"
        (last_fifths,) = trigram.repetition_percent
        assert max(last_fifths) < 50, "no trigram text is stuck"
    assert model.repetition_curve[-1] > 200 / 3, "of the tokens at the end of 1,000"


def test_the_stuck_texts_are_counted():
    stuck = {}
    for row in writer_rows("long_text"):
        if row.sub_model == SubModel(6):
            (last_fifths,) = row.repetition_percent
            stuck[row.tokens] = sum(percent >= 90 for percent in last_fifths)
            assert len(last_fifths) == 20
            others = [percent for percent in last_fifths if percent < 90]
            assert sum(percent < 42 for percent in others) > len(others) / 2, "like a human's"
    assert stuck == {512: 4, 1000: 11}
    assert missing_from(LECTURE, ["20", "11"]) == []
    assert "20篇里有4篇" in text_of(LECTURE, "zh")
    assert "4 of 20 texts" in text_of(LECTURE, "en")


def test_3x1_alone_had_as_many_steps_as_jointly_and_guesses_less_well():
    steps = range(RECIPE.num_steps)
    joint_steps = sum(SubModel(3) in RECIPE.participants(step) for step in steps)
    record = read_record("writer_alone")
    assert record.recipe["num_steps"] == joint_steps
    assert 0.5 < joint_steps / RECIPE.num_steps < 0.6, "'nearly twice as many steps'"
    jointly = {"author": "sub_model", "sub_model": SubModel(3)}
    alone = {"author": "alone"}
    gap = evidence.difference("writer", "loss_nats", jointly, alone, other_record="writer_alone")
    assert gap.high < 0 and 0.085 < 1 - math.exp(gap.mean) < 0.1, "'nearly a tenth'"
    together = evidence.from_record("writer", "order_nats", **jointly)
    by_itself = evidence.from_record("writer_alone", "order_nats", **alone)
    assert abs(together.mean - by_itself.mean) < 0.005, "'the two are about equal'"
