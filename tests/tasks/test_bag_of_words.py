"""The bag of words: what it learns, what validation chooses, and what it refuses."""

import pytest

from tinybert_l.method.data import Split
from tinybert_l.tasks.bag_of_words import best_bag_of_words, majority_class

GOOD = ["a good film", "good and moving", "a good good story", "very good acting"]
BAD = ["a bad film", "bad and boring", "a bad bad story", "very bad acting"]
TRAIN = Split(GOOD * 3 + BAD * 3, [1] * 12 + [0] * 12)


def test_it_learns_from_words_and_says_which_texts_it_gets_right():
    validation = Split(["good", "bad"], [1, 0])
    fitted = best_bag_of_words(TRAIN, validation, ["words"], [1.0, 10.0])
    assert fitted.features == "words" and fitted.strength == 1.0, "of equal ones the first"
    assert fitted.validation_accuracy == 1.0
    assert fitted.predict(["a good one", "a bad one"]) == [1, 0]
    assert fitted.correct(Split(["a good one", "a bad one"], [1, 1])) == [1, 0]


def test_validation_chooses_the_features():
    """Misspelt words are unknown; their characters are not."""
    validation = Split(["gooood", "baaad", "goood", "baad"], [1, 0, 1, 0])
    fitted = best_bag_of_words(TRAIN, validation)
    assert fitted.features == "words_and_characters" and fitted.validation_accuracy == 1.0
    assert best_bag_of_words(TRAIN, validation, ["words"]).validation_accuracy < 1.0


def test_texts_of_one_class_and_nothing_to_choose_from_are_refused():
    with pytest.raises(ValueError, match=r"labels \[1\]; allowed: at least two"):
        best_bag_of_words(Split(GOOD, [1] * 4), TRAIN)
    with pytest.raises(ValueError, match=r"strengths=\(\); allowed: at least one"):
        best_bag_of_words(TRAIN, TRAIN, strengths=())


def test_the_majority_is_the_most_frequent_label_and_of_equal_ones_the_smallest():
    assert majority_class([1, 0, 1]) == 1 and majority_class([1, 0]) == 0
    with pytest.raises(ValueError, match="labels is empty"):
        majority_class([])
