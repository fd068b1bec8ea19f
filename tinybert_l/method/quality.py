"""How good a classifier's answers to held-out texts are, by the method's own functions."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from tinybert_l.exercises.answer_sources import EVERY_RUN, chosen
from tinybert_l.exercises.lecture_08 import macro_f1
from tinybert_l.method.data import Encoded
from tinybert_l.method.evaluation import accuracy_interval

# All exercises that a model of one's own meets on its way from the teacher to its files.
METHOD = (*EVERY_RUN, "macro_f1", "choose_submodel")
Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


def by_the_method(function: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
    """Let a function compute by the method's own functions, whatever answers are in use."""

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Returned:
        with chosen("reference", METHOD):
            return function(*args, **kwargs)

    return call


def quality_of(predictions: Sequence[int], data: Encoded, num_classes: int) -> dict[str, Any]:
    """Return accuracy, the ends of its 95 % interval (low, high), and macro-F1."""
    right = int(np.equal(predictions, data.labels).sum())
    accuracy, low, high = accuracy_interval(right, len(data))
    f1 = class_f1(predictions, data.labels, num_classes)
    return {"accuracy": accuracy, "low": low, "high": high, "macro_f1": f1}


def class_f1(predictions: Sequence[int], labels: Sequence[int], num_classes: int) -> float:
    """Return the macro-F1 by the method's own function."""
    with chosen("reference", METHOD):
        return macro_f1(predictions, labels, num_classes)
