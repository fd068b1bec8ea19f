"""Hostile capstone entries, by what they try, each made from an honest one.

`REFUSED_UNOPENED` (`entry_files.py`) are refused before anything of them but `entry.json` is
opened, `REFUSED_INSIDE` (`entry_models.py`) by the program in the sandbox; each with a part of the
reason. `JUDGED` are accepted: what they try gains nothing.
"""

import codecs
import json
import os
import pickle
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

Attack = Callable[[Path], "Path | None"]  # changes an honest folder; may return another path
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "a", "film")
GOOD, BAD = 4, 5
DESCRIPTION = {
    "format": 1,
    "name": "honest",
    "labels": ["negative", "positive"],
    "lowercase": True,
    "max_tokens": 16,
}
REFUSED_UNOPENED: dict[str, tuple[Attack, str]] = {}
REFUSED_INSIDE: dict[str, tuple[Attack, str]] = {}
SLOW: dict[str, tuple[Attack, str]] = {}
JUDGED: dict[str, Attack] = {}


def honest_onnx(nodes: list[Any] | None = None, **changes: Any) -> bytes:
    """A model that adds a number for each word; `nodes` come before its own last step."""
    weights = np.zeros((len(WORDS), 2), np.float32)
    weights[GOOD] = (-1, 1)
    weights[BAD] = (1, -1)
    weights = changes.pop("weights", weights)
    last = changes.pop("last", "sums")
    body = [
        helper.make_node("Gather", ["weights", "input_ids"], ["vectors"]),
        helper.make_node("ReduceMean", ["vectors"], ["sums"], axes=[1], keepdims=0),
        *(nodes or []),
        helper.make_node("Identity", [last], ["logits"]),
    ]
    output = changes.pop("output", TensorProto.FLOAT)
    inputs = [value("input_ids", TensorProto.INT64), *changes.pop("inputs", [])]
    if isinstance(weights, np.ndarray):
        weights = numpy_helper.from_array(weights, "weights")
    kept = [weights, *changes.pop("initializers", [])]
    graph = helper.make_graph(body, "honest", inputs, [value("logits", output)], kept)
    opsets = [helper.make_opsetid("", 17), *changes.pop("opsets", [])]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=8, **changes
    ).SerializeToString()


def value(name: str, kind: int) -> Any:
    return helper.make_tensor_value_info(name, kind, ["batch", f"{name}_size"])


def constant(name: str, array: Any, kind: type = np.int64) -> Any:
    return numpy_helper.from_array(np.array(array, kind), name)


def honest(folder: Path) -> Path:
    """Write an honest entry."""
    folder.mkdir(parents=True)
    (folder / "entry.json").write_text(json.dumps(DESCRIPTION))
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "model.onnx").write_bytes(honest_onnx())
    return folder


def make(attack: Attack, folder: Path) -> Path:
    """Write an honest entry, and let an attack change it."""
    return attack(honest(folder)) or folder


def describe(folder: Path, **changes: Any) -> None:
    (folder / "entry.json").write_text(json.dumps({**DESCRIPTION, **changes}))


def unopened(reason: str) -> Callable[[Attack], Attack]:
    """Register an attack that is refused before it is opened."""

    def register(attack: Attack) -> Attack:
        REFUSED_UNOPENED[attack.__name__] = (attack, reason)
        return attack

    return register


def inside(reason: str) -> Callable[[Attack], Attack]:
    """Register an attack that the program in the sandbox refuses."""

    def register(attack: Attack) -> Attack:
        REFUSED_INSIDE[attack.__name__] = (attack, reason)
        return attack

    return register


def slow(reason: str) -> Callable[[Attack], Attack]:
    """Register an attack that is refused only when its time is over."""

    def register(attack: Attack) -> Attack:
        SLOW[attack.__name__] = (attack, reason)
        return attack

    return register


def judged(attack: Attack) -> Attack:
    """Register an attack that is judged like an honest entry."""
    JUDGED[attack.__name__] = attack
    return attack


def with_model(folder: Path, raw: bytes) -> None:
    (folder / "model.onnx").write_bytes(raw)


def zipped(folder: Path, names: dict[str, str] | None = None) -> Path:
    """Pack an entry, with other names where given."""
    path = folder.with_suffix(".zip")
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of one name twice
        for file in sorted(folder.iterdir()):
            name = (names or {}).get(file.name, f"entry/{file.name}")
            archive.writestr(name, file.read_bytes())
    return path


# accepted, and judged by what they say


@judged
def outputs_in_the_other_order(folder: Path) -> None:
    weights = np.zeros((len(WORDS), 2), np.float32)
    weights[GOOD] = (1, -1)
    weights[BAD] = (-1, 1)
    with_model(folder, honest_onnx(weights=weights))
    describe(folder, labels=["positive", "negative"])


@judged
def texts_of_hidden_files(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"left behind by a system")
    (folder / ".evil.pkl").write_bytes(pickle.dumps(os.system))


@judged
def files_that_windows_leaves_and_marks(folder: Path) -> Path:
    """Hidden files of Explorer, a mark at the beginning of texts, and \\ in a zip file's names."""
    for name in ("Thumbs.db", "desktop.ini"):
        (folder / name).write_bytes(b"x")
    for name in ("entry.json", "vocab.txt"):
        (folder / name).write_bytes(codecs.BOM_UTF8 + (folder / name).read_bytes())
    return zipped(folder, {path.name: f"entry\\{path.name}" for path in folder.iterdir()})


@judged
def packed_with_a_system_folder(folder: Path) -> Path:
    path = zipped(folder)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/entry/._vocab.txt", "x")
    return path


@judged
def answers_by_place_in_the_batch(folder: Path) -> None:
    """The first text of a batch gets its honest answer, the others the opposite one."""
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["size"]),
        helper.make_node("Gather", ["size", "first"], ["rows"], axis=0),
        helper.make_node("Range", ["first", "rows", "step"], ["places"]),
        helper.make_node("Equal", ["places", "first"], ["is_first"]),
        helper.make_node("Unsqueeze", ["is_first", "last"], ["column"]),
        helper.make_node("Neg", ["sums"], ["opposite"]),
        helper.make_node("Where", ["column", "sums", "opposite"], ["told"]),
    ]
    kept = [constant("first", 0), constant("step", 1), constant("last", [1])]
    with_model(folder, honest_onnx(nodes, last="told", initializers=kept))


def copy_of(folder: Path, into: Path) -> Path:
    """Copy an entry."""
    shutil.copytree(folder, into)
    return into
