"""Train a model once and load it from the cache ever after."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from tinybert_l.cache import cached, read_entry
from tinybert_l.exercises.answer_sources import (
    EVERY_RUN,
    AnswersChoice,
    chosen,
    other_answers,
)
from tinybert_l.method.checkpoints import remove_checkpoints
from tinybert_l.method.checks import writing_to
from tinybert_l.method.processes import is_main_process

Model = TypeVar("Model", bound=PreTrainedModel)
TrainingLog = list[dict[str, Any]]
LOG_FILE = "log.pt"


@dataclass(frozen=True)
class CachedModel(Generic[Model]):
    """A trained model as it was read from its cache entry.

    Args:
        model: in eval mode, on the CPU.
        log: one row per training step (see `training.run_loop`).
        folder: the entry, in the format of `save_pretrained`.
        metrics: the numbers that were stored when the entry was written.
    """

    model: Model
    log: TrainingLog
    folder: Path
    metrics: dict[str, Any]


def cached_model(
    kind: str,
    recipe: dict[str, Any],
    model_class: type[Model],
    train: Callable[[Path], tuple[Model, TrainingLog]],
    together: bool = False,
    answers: AnswersChoice | None = "reference",
) -> CachedModel[Model]:
    """Load the trained model of a recipe; train it first when the cache has none.

    An entry is found by its recipe, so whoever asks for the recipe gets it. That holds for what the
    method's own functions train; what other answers train has entries of its own.

    Args:
        kind: what the entry holds, such as "supernet".
        recipe: plain values that decide the result; with `kind` they name the entry.
        model_class: reads the entry back with `from_pretrained`.
        train: given the entry's working folder, for checkpoints; returns (model, log).
        together: see `cache.cached`.
        answers: see `train_jointly`; "reference": stand-ins serve where the method's own functions
            are hidden.
    """
    with chosen(answers, EVERY_RUN):
        others = other_answers(EVERY_RUN)
        key = recipe | {"answers": others} if others else recipe
        return _cached_model(kind, key, model_class, train, together)


def _cached_model(
    kind: str,
    recipe: dict[str, Any],
    model_class: type[Model],
    train: Callable[[Path], tuple[Model, TrainingLog]],
    together: bool,
) -> CachedModel[Model]:
    """Load or train with the answers in use; see `cached_model`."""

    def build(folder: Path) -> dict[str, Any]:
        model, log = train(folder)
        if is_main_process():
            _write(model, log, folder)
        return {"last_loss": log[-1]["loss"] if log else None}

    folder = cached(kind, recipe, build, together)
    with quiet_loading():
        model = model_class.from_pretrained(folder).eval()
    log = torch.load(folder / LOG_FILE, weights_only=True)
    entry = read_entry(folder) or {}
    return CachedModel(model, log, folder, entry.get("metrics", {}))


def _write(model: PreTrainedModel, log: TrainingLog, folder: Path) -> None:
    """Save model and log; the run's checkpoints are needed no more."""
    save_quietly(model, folder)
    with writing_to(folder / LOG_FILE):
        torch.save(log, folder / LOG_FILE)
    remove_checkpoints(folder)


def save_quietly(model: Any, folder: Path) -> None:
    """Save a model, or adapters, without a progress bar; every model is saved by this function.

    Raises:
        InvalidInput: the folder cannot be written; names it.
    """
    with quiet_loading(), writing_to(folder):
        model.save_pretrained(folder)


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Hide transformers' progress bars and its report about a new, untrained head.

    Errors are still shown, and so is everything that other libraries write.
    """
    verbosity = transformers_logging.get_verbosity()
    bars_shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():  # transformers warns of names that its own code still uses
            warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars_shown:
            transformers_logging.enable_progress_bar()
