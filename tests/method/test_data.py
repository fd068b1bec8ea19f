"""Data: no text in two splits, stable splits, hardly any padding, clear errors."""

import csv
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinybert_l.method import shipped_teacher
from tinybert_l.method.data import (
    NUM_FOLDS,
    Encoded,
    Split,
    bucketed_batches,
    collate,
    data_hash,
    labelled_reviews,
    load_reviews,
    packaged_file,
    reviews,
    split_by_hash,
    training_batches,
    unlabelled_sentences,
)
from tinybert_l.method.teacher import DEFAULT_TEACHER


def test_the_embedded_reviews_are_split_without_overlap():
    splits = load_reviews()
    assert len(splits["test"]) == 1200 and len(splits["validation"]) == 600
    assert len(splits["train"]) > 6500
    texts = []
    for split in splits.values():
        texts += [" ".join(text.casefold().split()) for text in split.texts]
    assert len(texts) == len(set(texts))
    assert 0.45 < sum(splits["test"].labels) / 1200 < 0.55
    assert data_hash(splits) == data_hash(load_reviews())


def normalised(texts):
    """Texts without regard to case and blanks."""
    return {" ".join(text.casefold().split()) for text in texts}


def check_folds(folds, source_of_reviews, source_of_sentences):
    """No test sentence of a fold is in anything that this fold's models learn from or choose by."""
    tests = [normalised(splits["test"].texts) for splits in folds]
    assert sum(map(len, tests)) == len(set().union(*tests)) == sum(len(f["test"]) for f in folds)
    for fold, splits in enumerate(folds):
        seen = normalised(splits["train"].texts + splits["validation"].texts)
        assert len(seen) == len(splits["train"]) + len(splits["validation"])
        assert not tests[fold] & seen
        assert not tests[fold] & normalised(source_of_sentences(fold=fold))
        reviews = "\n".join(sorted(normalised(source_of_reviews(fold).texts)))
        for sentence in sorted(tests[fold])[:100]:  # each search reads all reviews
            assert len(sentence.split()) < 4 or sentence not in reviews
        assert not set().union(*tests) & normalised(splits["validation"].texts)


def test_folds_test_on_disjoint_sentences_that_nothing_else_holds(tmp_path, monkeypatch):
    """A small file: every sentence is quoted by a review, with other blanks and other case."""
    path = tmp_path / "reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label", "source"])
        for number in range(60):
            sentence = f"the {number}th film is as good as number {number + 1}"
            rows.writerow([sentence, number % 2, "rotten_tomatoes"])
            quoted = f"Well. THE  {number}th film is as good as number {number + 1}. Or not."
            rows.writerow([quoted, number % 2, "imdb"])
            rows.writerow([f"Review {number} quotes nobody at all here.", 0, "imdb"])
    monkeypatch.setattr(reviews, "packaged_file", lambda *_: path)
    monkeypatch.setattr(reviews, "TEST_SIZE", 10)
    monkeypatch.setattr(reviews, "VALIDATION_SIZE", 5)
    folds = [load_reviews(fold=fold) for fold in range(NUM_FOLDS)]
    check_folds(folds, labelled_reviews, unlabelled_sentences)
    for fold, splits in enumerate(folds):
        everything = load_reviews("imdb", fold=fold)["train"]
        kept = labelled_reviews(fold)
        assert 30 < len(kept) < len(everything)  # the quotations, and nothing else
        assert sum("nobody" in text for text in kept.texts) == (
            sum("nobody" in text for text in everything.texts)
        )
        assert len(splits["test"]) == 10


@pytest.mark.nightly
def test_no_test_sentence_of_a_fold_is_in_its_training_texts():
    folds = [load_reviews(fold=fold) for fold in range(NUM_FOLDS)]
    assert [len(splits["test"]) for splits in folds] == [1200] * NUM_FOLDS
    check_folds(folds, labelled_reviews, unlabelled_sentences)


def test_the_first_fold_is_what_every_record_was_made_with():
    recipe = shipped_teacher.read_note()["recipe"]
    first = load_reviews()
    assert data_hash(first) == data_hash(load_reviews(fold=0)) == recipe["data"]
    assert DEFAULT_TEACHER.key(first) == recipe
    second = replace(DEFAULT_TEACHER, fold=1)
    splits, _ = second.splits()
    assert splits == load_reviews(fold=1) and second.key(splits) != recipe


def test_splits_do_not_depend_on_order_and_repeats_are_dropped():
    rows = [(f"text {i}", i % 2) for i in range(30)]
    splits = split_by_hash(rows, 5, 5)
    reversed_splits = split_by_hash([*rows[::-1], (" TEXT  3 ", 1)], 5, 5)
    assert sum(map(len, reversed_splits.values())) == 30

    def words(split):
        return [text.casefold().split() for text in split.texts]

    assert words(splits["test"]) == words(reversed_splits["test"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=300), st.integers(1, 40), st.booleans())
def test_batches_hold_every_text_exactly_once(lengths, batch_size, shuffled):
    generator = torch.Generator().manual_seed(0) if shuffled else None
    batches = bucketed_batches(lengths, batch_size, generator)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert max(map(len, batches)) <= batch_size


def test_bucketing_leaves_hardly_any_padding():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(4, 60, (3200,), generator=generator).tolist()
    batches = bucketed_batches(lengths, 32, generator)
    padded = sum(len(b) * max(lengths[i] for i in b) for b in batches)
    assert padded / sum(lengths) < 1.05


def test_training_batches_are_a_function_of_the_seed_and_pass_over_all_data(texts):
    steps = training_batches(texts, 8, 12, seed=3)
    assert steps == training_batches(texts, 8, 20, seed=3)[:12]
    assert steps != training_batches(texts, 8, 12, seed=4)
    assert sorted(i for batch in steps[:5] for i in batch) == list(range(40))


def test_collate_pads_and_masks(texts):
    batch = collate(texts, [0, 3])
    lengths = texts.lengths()
    assert batch["attention_mask"].sum(1).tolist() == [lengths[0], lengths[3]]
    assert lengths[0] < lengths[3], "the first text is padded"
    assert batch["input_ids"][0, lengths[0] :].eq(texts.pad_token_id).all()
    assert batch["input_ids"][1].tolist() == texts.token_ids[3]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: collate(Encoded([[1]], [0], 0), []), ValueError, "indices is empty"),
        (lambda: training_batches(Encoded([], [], 0), 8, 1, 0), ValueError, "data is empty"),
        (lambda: bucketed_batches([1], 0), ValueError, "batch_size=0; allowed: at least 1"),
        (lambda: Split(["a"], []), ValueError, "1 texts but 0 labels"),
        (lambda: load_reviews("yelp"), ValueError, "source='yelp'; allowed"),
        (lambda: load_reviews(fold=3), ValueError, "fold=3; allowed: 0 to 2"),
        (lambda: split_by_hash([("a", 0)], 1, 0), ValueError, "1 different texts"),
        (
            lambda: packaged_file("no-such-package", "x"),
            FileNotFoundError,
            "pip install no-such-package",
        ),
    ],
)
def test_bad_data_is_named_with_what_is_allowed(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_lengths_are_rounded_up_to_few_shapes_but_not_beyond_the_model():
    data = Encoded([[1] * 5, [1] * 9], [0, 1], 0)
    assert collate(data, [0])["input_ids"].shape == (1, 5)
    rounded = collate(data, [0], at_most=40)
    assert rounded["input_ids"].shape == (1, 8)
    assert rounded["attention_mask"].tolist() == [[1] * 5 + [0] * 3]
    assert collate(data, [1], at_most=12)["input_ids"].shape == (1, 12)
