"""A checkpoint of one's own as the teacher: what it is, and the classes that it knows already."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from safetensors import SafetensorError
from transformers import AutoConfig, PretrainedConfig

from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.method.cached_model import quiet_loading
from tinybert_l.method.data import Split
from tinybert_l.method.problem_types import SINGLE_LABEL, is_named, problem_type

BERTS = ("bert", "elastic_bert")
WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin", "config.json")


@contextmanager
def quiet_reading(source: str | Path, name: str) -> Iterator[None]:
    """Read a checkpoint without transformers' chatter; what cannot be read is one sentence.

    Args:
        name: of the argument that names it.
    Raises:
        InvalidInput: it is no checkpoint, or not there.
    """
    try:
        with quiet_loading():
            yield
    except CourseError:
        raise
    except (OSError, ValueError, RuntimeError, SafetensorError, UnpicklingError) as error:
        why = str(error).strip().partition("\n")[0].partition(". ")[0][:200]
        raise InvalidInput(
            f"{name}={str(source)!r} cannot be read ({why}); allowed: a folder made by "
            "save_pretrained, with its tokenizer, or a name on the hub. 无法读取该检查点。"
        ) from error


def read_config(source: str | Path) -> PretrainedConfig:
    """Read the configuration of a checkpoint: a folder, or a name on the hub."""
    with quiet_loading():
        return AutoConfig.from_pretrained(source)


def require_bert(config: PretrainedConfig, name: str) -> None:
    """Refuse a checkpoint whose weights a BERT would not take.

    Raises:
        InvalidInput: another architecture.
    """
    if config.model_type not in BERTS:
        raise InvalidInput(
            f"{name}: a {config.model_type} checkpoint, of which BERT would take hardly a weight; "
            "allowed here: BERT. Another classifier can teach a BERT by its answers: "
            "tinybert_l.distil(teacher, texts, student=...). 该检查点不是BERT。"
        )


def has_head(config: PretrainedConfig) -> bool:
    """Whether a checkpoint was saved with a classification head."""
    return any("ForSequenceClassification" in name for name in config.architectures or [])


def known_classes(source: str | Path) -> list[str] | None:
    """Return the names of the classes that a checkpoint was fine-tuned for, in its order.

    Returns:
        None for a checkpoint without a classification head.
    Raises:
        InvalidInput: no BERT, or it does not choose one of several classes.
    """
    config = read_config(source)
    require_bert(config, f"checkpoint={str(source)!r}")
    if not has_head(config):
        return None
    kind = problem_type(config)
    if kind != SINGLE_LABEL:
        raise InvalidInput(
            f"checkpoint={str(source)!r}: problem_type {kind}; allowed: {SINGLE_LABEL}. "
            "train_jointly trains the others, with outputs that you give it."
        )
    return class_names(config)


def shortened(values: Sequence[Any], most: int = 8) -> str:
    """Return the first of several values as a text, and how many there are in all."""
    shown = ", ".join(str(value)[:40] for value in values[:most])
    return shown if len(values) <= most else f"{shown}, ... ({len(values)} in all)"


def class_names(config: PretrainedConfig) -> list[str]:
    """Return the names of a classifier's classes, in the order of their numbers.

    Raises:
        InvalidInput: the numbers of its names are not those of its outputs.
    """
    by_number = {int(number): name for number, name in config.id2label.items()}
    numbers = sorted(by_number)
    if numbers != list(range(config.num_labels)):
        raise InvalidInput(
            f"id2label: names of the classes {shortened(numbers)}; allowed: one name for each "
            f"output, from 0 to {config.num_labels - 1}. 类别编号须从0开始连续。"
        )
    return [str(by_number[number]) for number in numbers]


def class_numbers(known: Sequence[str], names: Sequence[str], where: str) -> dict[str, int]:
    """Return {a label in the user's texts: the number of the class that it names}.

    Case does not count. Classes without names, LABEL_0 and so on, are named by their numbers.

    Args:
        known: names of the model's classes, in their order.
        names: the labels in the texts.
        where: the texts, for the error.
    Raises:
        InvalidInput: a label that is none of the classes.
    """
    numbers: dict[str, int] = {}
    for number, name in enumerate(known):
        numbers.setdefault(name.casefold(), number)
        if name == f"LABEL_{number}":
            numbers[str(number)] = number
    numbers |= {name: number for number, name in enumerate(known)}  # as written goes first
    twice = [name for name in names if list(known).count(name) > 1]
    if twice:
        raise InvalidInput(
            f"{where}: the label {twice[0]} is the name of several of the checkpoint's classes; "
            "allowed: a name of its own for each, in id2label. 类别名称重复。"
        )
    found = {name: numbers.get(name, numbers.get(name.casefold())) for name in names}
    unknown = [name for name, number in found.items() if number is None]
    if unknown:
        raise InvalidInput(
            f"{where}: the labels {shortened(unknown)} are none of the checkpoint's classes; "
            f"allowed: {shortened(known)}. Name the classes in id2label of its config.json as the "
            "texts do, or start from a checkpoint without a classification head. "
            "标签与检查点的类别不符。"
        )
    return {name: number for name, number in found.items() if number is not None}


def as_the_checkpoint_counts(
    splits: dict[str, Split], names: list[str], source: str | Path, are_numbered: bool
) -> tuple[dict[str, Split], list[str]]:
    """Renumber labels as a fine-tuned checkpoint does; as they are where it has no head.

    Args:
        names: of the labels, in the order of their numbers.
        are_numbered: whether the numbers are the labels themselves, whatever they are called.
    Returns:
        The splits and the names of the classes, in the checkpoint's order.
    """
    known = known_classes(source)
    if known is None:
        return splits, names
    if are_numbered and not is_named(read_config(source)):
        return splits, names
    numbers = class_numbers(known, names, "The texts")
    renumbered = {}
    for name, split in splits.items():
        renumbered[name] = Split(split.texts, [numbers[names[label]] for label in split.labels])
    return renumbered, known


def checkpoint_key(checkpoint: str) -> dict[str, Any]:
    """Return what a cached teacher's key knows of a checkpoint beside its name.

    A folder counts by the content of its files, and a kept head counts.
    """
    key: dict[str, Any] = {}
    if has_head(read_config(checkpoint)):
        key["head"] = "kept"
    folder = Path(checkpoint)
    if folder.is_dir():
        digest = hashlib.sha256()
        for pattern in WEIGHT_FILES:
            for path in sorted(folder.glob(pattern)):
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        key["checkpoint_hash"] = digest.hexdigest()[:12]
    return key
