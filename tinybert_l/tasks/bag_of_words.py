"""The baseline of text classification: counts of words and characters, and no network.

Each text is a vector of tf-idf weights of its words, pairs of words and, if validation says so,
runs of two to five characters; logistic regression separates the classes. What it is compared with
should have learned from the same texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion

from tinybert_l.errors import InvalidInput
from tinybert_l.method.data import Split

Features = Literal["words", "words_and_characters"]
FEATURES: tuple[Features, ...] = ("words", "words_and_characters")
STRENGTHS = (1.0, 3.0, 10.0, 30.0)  # scikit-learn's C: larger means less regularisation
LEAST_TEXTS = 2  # a feature must stand in so many training texts


@dataclass(frozen=True)
class BagOfWords:
    """A fitted bag of words, and the choices that validation made.

    Args:
        vectoriser: turns texts into rows of tf-idf weights.
        classifier: a fitted `LogisticRegression`.
        features: what is counted.
        strength: scikit-learn's C.
        validation_accuracy: 0..1, of the chosen settings.
    """

    vectoriser: Any
    classifier: Any
    features: Features
    strength: float
    validation_accuracy: float

    def predict(self, texts: Sequence[str]) -> list[int]:
        """Return the most likely label of each text."""
        return self.classifier.predict(self.vectoriser.transform(texts)).tolist()

    def correct(self, split: Split) -> list[int]:
        """Return 1 for each text whose label is predicted rightly, else 0."""
        predicted = self.predict(split.texts)
        return [int(a == b) for a, b in zip(predicted, split.labels, strict=True)]


def best_bag_of_words(
    train: Split,
    validation: Split,
    features: Sequence[Features] = FEATURES,
    strengths: Sequence[float] = STRENGTHS,
) -> BagOfWords:
    """Fit a bag of words on the training texts; validation chooses features and strength.

    Of equal ones the first counts: fewer features, then stronger regularisation.

    Raises:
        InvalidInput: nothing to choose from, or training texts of one class only.
    """
    if not features or not strengths:
        raise InvalidInput(
            f"best_bag_of_words: features={features!r}, strengths={strengths!r}; allowed: at "
            "least one of each."
        )
    if len(set(train.labels)) < 2:
        raise InvalidInput(
            f"best_bag_of_words: the training texts have the labels {sorted(set(train.labels))}; "
            "allowed: at least two different ones."
        )
    best: BagOfWords | None = None
    for kind in features:
        vectoriser = _vectoriser(kind)
        rows = vectoriser.fit_transform(train.texts)
        held_out = vectoriser.transform(validation.texts)
        for strength in strengths:
            classifier = LogisticRegression(C=strength, max_iter=300).fit(rows, train.labels)
            accuracy = float(classifier.score(held_out, validation.labels))
            if best is None or accuracy > best.validation_accuracy:
                best = BagOfWords(vectoriser, classifier, kind, strength, accuracy)
    assert best is not None  # there was something to choose from
    return best


def _vectoriser(features: Features) -> Any:
    """Return the vectoriser of the features, not fitted yet."""
    # 1 + log(count): a word that stands there ten times says hardly more than one that does twice
    common: dict[str, Any] = {"sublinear_tf": True, "min_df": LEAST_TEXTS}
    words = TfidfVectorizer(ngram_range=(1, 2), **common)
    if features == "words":
        return words
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **common)
    return FeatureUnion([("words", words), ("characters", characters)])


def majority_class(labels: Sequence[int]) -> int:
    """Return the most frequent label; of several, the smallest.

    Raises:
        InvalidInput: no labels.
    """
    if not labels:
        raise InvalidInput("majority_class: labels is empty; allowed: at least one label.")
    return max(sorted(set(labels)), key=labels.count)
