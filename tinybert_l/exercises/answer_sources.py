"""Which answers a run uses: their kinds and fingerprints, what stand-ins leave out, and the choice.

A run takes its answers from the registry. Whoever trains or makes a model asks here first: is there
an answer to each exercise that the run needs, is it the method's own, and if not, whose is it?
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import types
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.answer_errors import MissingAnswer
from tinybert_l.exercises.registry import SOURCE_LABELS, Exercise, find_exercise
from tinybert_l.languages import one_of

AnswersChoice = Literal["reference", "mine", "released"]
CHOICES = ("reference", "mine", "released")
# The exercises whose answers decide what a joint run computes, and how a teacher's copy is sorted.
TRAINING = (
    "soft_cross_entropy",
    "joint_loss",
    "sandwich_sample",
    "kept_layers",
    "layer_map",
    "hidden_loss",
    "attention_loss",
    "submodel_schedule",
    "linear_warmup_decay",
    "clip_by_global_norm",
    "weight_decay_by_name",
)
# Those of training on labels; where smaller sub-models imitate the largest, soft labels as well.
LABEL_TRAINING = (
    "joint_loss",
    "sandwich_sample",
    "kept_layers",
    "submodel_schedule",
    "linear_warmup_decay",
    "clip_by_global_norm",
    "weight_decay_by_name",
)
SORTING = ("slice_heads", "head_importance")
EVERY_RUN = (*TRAINING, *SORTING, "causal_mask")  # what any cached model may be trained with
_told: set[str] = set()


def answers_in_use(names: Collection[str]) -> dict[str, dict[str, str]]:
    """Return {exercise: its kind of answer and the answer's fingerprint}, as a call would use it.

    The kinds are the keys of `SOURCE_LABELS`. An exercise without an answer has no fingerprint.
    """
    found = {}
    for name in names:
        entry = find_exercise(name)
        found[name] = {"source": entry.source, "hash": fingerprint(_answer(entry))}
    return found


def other_answers(names: Collection[str]) -> dict[str, dict[str, str]]:
    """Return those of `answers_in_use` that are neither the method's own nor exact stand-ins.

    What they train must not pass for what the method trains.
    """
    others = {}
    for name, answer in answers_in_use(names).items():
        entry = find_exercise(name)
        inexact = answer["source"] == "peer" and entry.peer_differs is not None
        if inexact or answer["source"] == "student":
            others[name] = answer
    return others


def require_answers(names: Collection[str]) -> None:
    """Refuse a run before its first step where an exercise that it needs has no answer.

    Raises:
        MissingAnswer: for the first such exercise.
    """
    for name in names:
        entry = find_exercise(name)
        if entry.source == "missing":
            raise MissingAnswer(entry)


def tell_stand_ins(names: Collection[str], run: str) -> None:
    """Print which stand-ins of a run compute something else than the method, and what that means.

    Each is named once in a process.

    Args:
        run: what is about to run, such as "train_jointly".
    """
    lines = []
    for name in names:
        entry = find_exercise(name)
        if entry.source == "peer" and entry.peer_differs is not None and name not in _told:
            _told.add(name)
            zh, en = entry.peer_differs
            lecture = one_of(f"lecture {entry.lecture}", f"第{entry.lecture}讲")
            lines.append(f"  {name} ({lecture}): {one_of(en, zh)}")
    if lines:
        warning = one_of(
            "stand-ins serve in place of answers that are not released yet; the run is not the "
            "method's.",
            "部分函数由替代实现代替，结果与方法本身不同：",
        )
        print(f"{run}: {warning}")
        print("\n".join(lines))


@contextmanager
def using(choice: AnswersChoice | None, names: Collection[str]) -> Iterator[None]:
    """Let calls use the chosen answers within a `with` statement.

    Args:
        choice: "reference": the reference answers, or the method's own functions, which compute the
            same; "mine": your answers where you gave some, at least one; "released": the released
            answers without yours, at least one; None: what a call uses anyway.
        names: the exercises that it concerns.
    Raises:
        InvalidInput: another choice, or there are no such answers.
        MissingAnswer: one of the exercises has no answer of this kind.
    """
    if choice is not None and choice not in CHOICES:
        raise InvalidInput(f"answers={choice!r}; allowed: {', '.join(CHOICES)}.")
    entries = [find_exercise(name) for name in names]
    if choice == "mine":
        _require_some(entries, "student", choice, "write it, or begin(lecture, mine=True)")
    if choice == "released":
        _require_some(entries, "reference", choice, "begin(lecture) loads those of a release")
    before = [(entry, vars(entry).copy()) for entry in entries]
    try:
        for entry in entries:
            if choice in ("reference", "released"):
                entry.student = None
            if choice == "reference":
                entry.formula_allowed = True
                entry.peer_allowed = entry.peer_differs is None
        require_answers(names)
        yield
    finally:
        for entry, state in before:
            for name in ("student", "formula_allowed", "peer_allowed"):
                setattr(entry, name, state[name])


def chosen(choice: AnswersChoice | None, names: Collection[str]) -> AbstractContextManager[None]:
    """Return `using`; "reference" changes nothing where the method's own functions are hidden.

    Grading hides them from submissions.
    """
    if choice == "reference" and not all(map(_at_hand, map(find_exercise, names))):
        choice = None
    return using(choice, names)


def _at_hand(entry: Exercise[..., Any]) -> bool:
    """Whether something computes what the exercise specifies: an answer, or an exact stand-in."""
    exact = entry.peer is not None and entry.peer_differs is None
    return entry.reference is not None or entry.own_function is not None or exact


def _require_some(entries: list[Exercise[..., Any]], kind: str, choice: str, remedy: str) -> None:
    if not any(getattr(entry, kind) is not None for entry in entries):
        names = ", ".join(entry.name for entry in entries)
        raise InvalidInput(
            f"answers={choice!r}: there is no {SOURCE_LABELS[kind]} to any of {names}; allowed "
            f"once there is one ({remedy}), or answers='reference'."
        )


def _answer(entry: Exercise[..., Any]) -> Callable[..., Any] | None:
    """Return the function that a call would run."""
    if entry.student is not None:
        return entry.student
    if entry.reference is not None:
        return entry.reference
    if entry.formula is not None:
        return entry.own_function
    return entry.stand_in


def fingerprint(function: Callable[..., Any] | None) -> str:
    """Return 12 hexadecimal digits that change with what a function does, "" for none.

    The functions of its own module that it calls by name count too, and so do constants.
    """
    if function is None:
        return ""
    digest = hashlib.sha256()
    _add(function, digest.update, set())
    return digest.hexdigest()[:12]


def _add(value: Any, add: Callable[[bytes], None], seen: set[int]) -> None:
    """Feed a digest with a function, or a constant."""
    if isinstance(value, functools.partial):
        _add([value.func, value.args, value.keywords], add, seen)
        return
    if isinstance(value, list | tuple | dict):
        for part in value.items() if isinstance(value, dict) else value:
            _add(part, add, seen)
        return
    if not inspect.isfunction(value):
        add((type(value).__name__ if callable(value) else repr(value)).encode())
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    _add_code(value.__code__, add)
    _add([value.__defaults__, value.__kwdefaults__], add, seen)
    for cell in value.__closure__ or ():
        _add(cell.cell_contents, add, seen)
    for name in value.__code__.co_names:
        known = value.__globals__.get(name)
        is_neighbour = inspect.isfunction(known) and known.__globals__ is value.__globals__
        if is_neighbour or isinstance(known, int | float | str | tuple):
            _add([name, known], add, seen)


def _add_code(code: types.CodeType, add: Callable[[bytes], None]) -> None:
    """Feed a digest with compiled code; neither file nor line numbers count."""
    add(code.co_code)
    add(repr((code.co_names, code.co_varnames, code.co_freevars)).encode())
    for position, constant in enumerate(code.co_consts):
        if isinstance(constant, types.CodeType):
            _add_code(constant, add)
        elif position or not isinstance(constant, str):  # the first text is the docstring
            add(repr(constant).encode())
