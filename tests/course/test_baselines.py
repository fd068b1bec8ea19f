"""The baselines' records say what the data say: each test measures a cheap part anew."""

import importlib
from dataclasses import astuple, replace
from statistics import mean, stdev

import pytest
import torch

from tinybert_l.course.recipes import CASCADE, LONG_GENERATION, LONG_QUESTIONS, TRIGRAM
from tinybert_l.course.records import read_record
from tinybert_l.course.rows import GenerationRow, Hits
from tinybert_l.method.config import ElasticBertConfig, config_settings
from tinybert_l.method.data import load_reviews
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import extract
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.teacher import load_embedded
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.bag_of_words import best_bag_of_words, majority_class

pytestmark = pytest.mark.slow  # each lecture, record or release takes a second or two

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


def test_the_cascade_s_accuracies_are_those_of_its_hits_and_its_costs_those_of_the_models(
    benchmarks,
):
    runs = benchmarks("long_run")
    labels = load_reviews()["test"].labels
    model = extractable()
    singles = {row.sub_models[0]: row for row in rows_of("cascade", method="single")}
    assert {sub_model.name for sub_model in singles} == set(CASCADE["sub_models"])
    for sub_model, row in singles.items():
        flops = count_flops(extract(model, sub_model), CASCADE["length"])
        assert row.gflops.mean == pytest.approx(flops / 1e9, rel=SHARE)
    for row in read_record("cascade").rows:
        for hits in row.hits:
            assert hits.count == len(labels)
        if row.hits:
            percent = 100 * mean(mean(hits.unpack()) for hits in row.hits)
            assert row.accuracy_percent.mean == pytest.approx(percent)
        if row.target is not None:
            pair = [[hits.unpack() for hits in rows.hits] for rows in (row, singles[row.target])]
            anew = runs.paired_interval(runs.by_seed(pair[0]) - runs.by_seed(pair[1]))
            assert astuple(row.difference_points) == pytest.approx(astuple(anew))
            assert anew.low < anew.high, "answers that all agree are no certainty"


def extractable():
    """A model of the supernet's shape, with random weights."""
    config = ElasticBertConfig(**config_settings(load_embedded()[0].config))
    return ElasticBertForSequenceClassification(config)


def test_entropies_are_chosen_on_validation_and_not_on_test(benchmarks):
    """The point that is best on test is the worst on validation."""
    runs = benchmarks("supernet_runs")
    ways = [SubModel(2), SubModel(6)]
    hits = Hits.pack([1])

    def point(entropy, cost, validation, test):
        return runs.CascadeSeed("cascade", ways, entropy, cost, test, cost, validation, hits)

    target = point(None, 0.5, 80.0, 80.0)
    curve = [point(0.1, 0.6, 82, 60), point(0.3, 0.5, 81, 61), point(0.5, 0.3, 70, 99)]
    assert runs.chosen(curve, target, "cost").max_entropy == 0.3
    assert runs.chosen(curve, target, "accuracy").max_entropy == 0.3
    equal = [*curve, point(0.4, 0.4, 81, 1)]
    assert runs.chosen(equal, target, "cost").max_entropy == 0.4, "of equal ones the cheapest"
    out_of_reach = replace(target, validation_gflops=0.1, validation_percent=99.0)
    assert runs.chosen(curve, out_of_reach, "cost") is None
    assert runs.chosen(curve, out_of_reach, "accuracy") is None


def test_gradient_agreement_is_the_mean_of_many_batches():
    record = read_record("gradient_agreement")
    assert record.recipe["batches"] >= 20
    names = record.recipe["sub_models"]
    assert len(record.rows) == len(names) * (len(names) - 1) // 2
    for row in record.rows:
        batches = [len(of_seed) for of_seed in row.cosines]
        assert batches == len(record.recipe["seeds"]) * [record.recipe["batches"]]
        cosines = [cosine for of_seed in row.cosines for cosine in of_seed]
        assert row.cosine_mean == pytest.approx(mean(cosines))
        assert row.cosine_sd == pytest.approx(stdev(cosines))
        assert row.negative_percent == pytest.approx(100 * mean(c < 0 for c in cosines))
        assert all(-1 <= cosine <= 1 for cosine in cosines)


def test_the_bag_of_words_of_the_sentences_is_fitted_again():
    data = load_reviews()
    (row,) = rows_of("baselines", task="sentences", model="bag_of_words", labelled_reviews=0)
    (strength,), (features,) = row.strengths, row.features
    fitted = best_bag_of_words(data["train"], data["validation"], [features], [strength])
    assert 100 * mean(fitted.correct(data["test"])) == pytest.approx(
        row.accuracy_percent.mean, abs=POINTS
    )
    assert 100 * mean(row.hits[0].unpack()) == pytest.approx(row.accuracy_percent.mean)


def test_the_learning_curve_is_fitted_again_where_it_is_short():
    """Seed 0 takes the first reviews, as the record `long_documents` does."""
    data = load_reviews("imdb")
    (row,) = rows_of("baselines", task="reviews", labelled_reviews=250)
    assert len(row.hits) == len(read_record("baselines").recipe["seeds"])
    fitted = best_bag_of_words(
        data["train"].head(250), data["validation"], [row.features[0]], [row.strengths[0]]
    )
    kept = 100 * mean(row.hits[0].unpack())
    assert 100 * mean(fitted.correct(data["test"])) == pytest.approx(kept, abs=POINTS)
    answer = majority_class(data["train"].labels)
    right = 100 * mean(label == answer for label in data["test"].labels)
    (majority,) = rows_of("baselines", task="reviews", model="majority")
    assert majority.accuracy_percent.mean == pytest.approx(right)


def test_the_masked_tokens_baseline_is_the_most_frequent_character(benchmarks):
    """Counted and scored anew on the same hidden tokens."""
    runs = benchmarks("task_runs")
    record = read_record("masked_tokens")
    task = runs.chinese_task(0, record.recipe["pre_training"])
    token = runs.most_frequent_token(task.data["train"], task.tokenizer)
    assert task.tokenizer.convert_ids_to_tokens(token) in "的，"
    test = runs.first_texts(task.data["test"], record.recipe["texts"])

    def always(batch):
        return torch.full((int(batch["chosen"].sum()),), token)

    anew = runs.name_hidden_tokens(always, test, task.tokenizer)
    (row,) = rows_of("masked_tokens", model="most_frequent_token")
    assert row.named_percent.mean == pytest.approx(100 * anew.accuracy, abs=POINTS)
    for other in record.rows:
        gap = other.against_most_frequent_points
        if gap is not None:
            points = other.named_percent.mean - row.named_percent.mean
            assert gap.estimate == pytest.approx(points, abs=POINTS)
            assert gap.low < gap.estimate < gap.high


def test_the_teacher_on_reviews_is_compared_with_words_of_the_same_sentences():
    (bag,) = rows_of("baselines", task="reviews", model="bag_of_words", labelled_reviews=0)
    for row in read_record("teacher_on_reviews").rows:
        assert row.labelled_sentences == bag.labelled_sentences
        gap = 100 * mean(row.hits[0].unpack()) - 100 * mean(bag.hits[0].unpack())
        assert row.against_bag_points.estimate == pytest.approx(gap)


@pytest.mark.nightly  # trains the course's supernet where the cache has none
def test_a_trained_supernet_s_gradients_and_cascades_are_those_of_the_records(benchmarks):
    """Other machines train in another precision: within spreads, not digit by digit."""
    runs = benchmarks("supernet_runs")
    recipe = read_record("gradient_agreement").recipe
    few = {**recipe, "batches": 4, "sub_models": ["6x1", "3x1", "2x1"]}
    for anew in runs.gradient_agreement(0, few):
        (row,) = rows_of("gradient_agreement", first=anew.first, second=anew.second)
        assert abs(mean(anew.cosines) - row.cosine_mean) < 2 * row.cosine_sd
    one = {"sub_models": ["3x0.5", "6x1"], "cascades": [["3x0.5", "6x1"]], "entropies": [0.4]}
    short = {**CASCADE, **one, "exit_steps": 1}
    anew = {row.method: row for row in runs.cascade(0, short)}
    cascade, single = anew["cascade"], anew["single"]
    assert single.sub_models == [SubModel(6)]
    assert cascade.gflops < single.gflops
    assert abs(cascade.accuracy_percent - single.accuracy_percent) < 2
    (row,) = rows_of("cascade", method="single", sub_models=(SubModel(6),))
    assert abs(single.accuracy_percent - row.accuracy_percent.mean) < 2
