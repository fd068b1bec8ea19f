"""A bag of word pieces as an ONNX model: single pieces and pairs, tf-idf, logistic regression."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from tinybert_l.course.capstone.rules import INPUTS, LABELS, OUTPUT
from tinybert_l.method.data import Split
from tinybert_l.tasks.bag_of_words import LEAST_TEXTS, STRENGTHS

OPSET = 17
Gram = tuple[int, ...]


@dataclass(frozen=True)
class Fit:
    """A fitted bag.

    Args:
        grams: a piece, or two in a row, for each feature.
        idf, weights: a number for each feature.
        bias: of the logistic regression.
        accuracy: on the validation sentences.
    """

    grams: list[Gram]
    idf: np.ndarray
    weights: np.ndarray
    bias: float
    accuracy: float


def write_bag_model(
    path: Path, splits: dict[str, Split], tokenizer: PreTrainedTokenizerBase, max_tokens: int
) -> None:
    """Fit on "train", choose the regularisation on "validation", and write the model."""
    ids = {}
    for name in ("train", "validation"):
        texts = splits[name].texts
        cut = {"truncation": True, "max_length": max_tokens - 2}
        ids[name] = tokenizer(texts, add_special_tokens=False, **cut)["input_ids"]
    fit = best_fit(ids, splits)
    write_graph(path, fit)


def _grams(ids: Sequence[int]) -> list[Gram]:
    singles: list[Gram] = [(piece,) for piece in ids]
    return singles + list(pairwise(ids))


def best_fit(ids: dict[str, list[list[int]]], splits: dict[str, Split]) -> Fit:
    """Fit on "train" with each strength of the regularisation; return the best on "validation".

    Args:
        ids: word pieces of each split's texts, without the special ones.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectoriser = TfidfVectorizer(
        analyzer=_grams, sublinear_tf=True, min_df=LEAST_TEXTS, dtype=np.float32
    )
    rows = vectoriser.fit_transform(ids["train"])
    held_out = vectoriser.transform(ids["validation"])
    fits = []
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=300).fit(rows, splits["train"].labels)
        accuracy = float(model.score(held_out, splits["validation"].labels))
        grams = vectoriser.get_feature_names_out().tolist()
        weights, bias = model.coef_[0], float(model.intercept_[0])
        fits.append(Fit(grams, vectoriser.idf_, weights, bias, accuracy))
    return max(fits, key=lambda fit: fit.accuracy)


def write_graph(path: Path, fit: Fit) -> None:
    """Write the graph: counts, 1 + log of each, times idf, to length 1, times the weights."""
    from onnx import TensorProto, checker, helper, save

    order = sorted(range(len(fit.grams)), key=lambda index: (len(fit.grams[index]), index))
    pool = [piece for index in order for piece in fit.grams[index]]
    singles = sum(len(gram) == 1 for gram in fit.grams)
    count = helper.make_node(
        "TfIdfVectorizer",
        [INPUTS[0]],
        ["counts"],
        mode="TF",
        min_gram_length=1,
        max_gram_length=2,
        max_skip_count=0,
        ngram_counts=[0, singles],
        ngram_indexes=order,
        pool_int64s=pool,
    )
    steps = [
        ("Max", ["counts", "one"], "least_one"),
        ("Log", ["least_one"], "logarithm"),
        ("Add", ["logarithm", "one"], "sublinear"),
        ("Min", ["counts", "one"], "is_there"),  # 0 or 1
        ("Mul", ["sublinear", "is_there"], "frequency"),
        ("Mul", ["frequency", "idf"], "weighted"),
        ("LpNormalization", ["weighted"], "features"),
        ("Gemm", ["features", "weights", "bias"], OUTPUT),
    ]
    nodes = [count, *(helper.make_node(kind, given, [made]) for kind, given, made in steps)]
    graph = helper.make_graph(
        nodes,
        "bag",
        [helper.make_tensor_value_info(INPUTS[0], TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", len(LABELS)])],
        _constants(fit),
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    checker.check_model(model)
    save(model, str(path))


def _constants(fit: Fit) -> list[Any]:
    from onnx import numpy_helper

    values = {
        "one": np.ones(1),
        "idf": fit.idf,
        "weights": np.stack([-fit.weights, fit.weights], axis=1) / 2,
        "bias": np.array([-fit.bias, fit.bias]) / 2,
    }
    return [numpy_helper.from_array(v.astype(np.float32), name) for name, v in values.items()]
