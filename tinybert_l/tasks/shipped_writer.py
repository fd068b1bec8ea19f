"""The course's language model as a small file: whole numbers for weights, and its vocabulary.

Each row of a matrix is rounded to whole multiples of a step of its own; compressed, a weight takes
five bits or so. tools/make_writer.py trains the model and writes the files.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinybert_l.errors import CourseError
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import load_embedded
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.generation import ElasticBertForCausalLM, Writer
from tinybert_l.tasks.review_texts import as_blocks, in_numbers, review_parts

FOLDER = Path(__file__).resolve().parent / "writer_weights"
WEIGHTS = FOLDER / "weights.npz"
NOTE = FOLDER / "recipe.json"
CONTEXT = 256  # tokens that the model sees, and the length of a training text
VOCABULARY = 6000
LARGEST = SubModel(6)
SMALLEST = SubModel(2, 0.5)
# Each step trains the largest, the smallest and one of those between, once their stage is open.
RECIPE = JointRecipe(
    stages=((0.0, (LARGEST,)), (0.02, (SubModel(4), SubModel(3))), (0.1, (SMALLEST,))),
    num_steps=3600,
    batch_size=8,
    learning_rate=7e-4,
    warmup_share=0.05,
    checkpoint_every=250,
    precision="bfloat16",
)
LEVELS = 31  # of either sign: six bits
TIED = "lm_head.weight"  # the word embeddings once more
Weights = Mapping[str, torch.Tensor]


def read_note() -> dict[str, Any] | None:
    """Return recipe, metrics and versions of the shipped language model; None: none is there."""
    try:
        return json.loads(NOTE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def recipe_values() -> dict[str, Any]:
    """Return what decides the model, as plain values: its data, sizes and recipe."""
    values = dataclasses.asdict(RECIPE)
    values["stages"] = [[start, [part.name for part in parts]] for start, parts in RECIPE.stages]
    return values | {"context": CONTEXT, "vocabulary": VOCABULARY}


def save_weights(model: ElasticBertForCausalLM, vocabulary: list[int], path: Path) -> None:
    """Write the weights, rounded, and the vocabulary to an .npz file."""
    arrays: dict[str, Any] = {"vocabulary": np.array(vocabulary, np.int32)}
    for name, value in model.state_dict().items():
        weights = value.float().numpy()
        if name == TIED:
            continue
        if weights.ndim < 2:
            arrays[f"whole/{name}"] = weights
            continue
        steps = np.abs(weights).max(1, keepdims=True).astype(np.float32) / LEVELS
        steps[steps == 0] = 1
        arrays[f"rounded/{name}"] = np.rint(weights / steps).astype(np.int8)
        arrays[f"steps/{name}"] = steps
    np.savez_compressed(path, **arrays)


def _restored(file: Mapping[str, np.ndarray]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield each weight of a file of `save_weights`."""
    for entry in file:
        kind, _, name = entry.partition("/")
        if kind == "whole":
            yield name, torch.from_numpy(file[entry])
        elif kind == "rounded":
            rounded = torch.from_numpy(file[entry]).float()
            yield name, rounded * torch.from_numpy(file[f"steps/{name}"])


def load_weights(path: Path, settings: Mapping[str, Any]) -> tuple[Any, list[int]]:
    """Read what `save_weights` wrote.

    Args:
        settings: the configuration of the model that was saved.
    Returns:
        (the model, its vocabulary).
    """
    with np.load(path, allow_pickle=False) as file:
        state = dict(_restored(file))
        vocabulary = file["vocabulary"].tolist()
    model = ElasticBertForCausalLM(ElasticBertConfig(**settings)).eval()
    state[TIED] = state["bert.embeddings.word_embeddings.weight"]
    model.load_state_dict(state)
    model.tie_weights()
    return model, vocabulary


def shipped_writer() -> Writer:
    """Load the course's language model, trained on 24,000 reviews of both labels.

    Its `held_out` texts are of reviews that it has not read, [texts, CONTEXT].

    Raises:
        CourseError: this installation has no such model.
    """
    note = read_note()
    if note is None or not WEIGHTS.is_file():
        raise CourseError(
            f"shipped_writer: {WEIGHTS} is missing; install the package again, or train the model: "
            "python tools/make_writer.py. 语言模型的权重缺失，请重新安装。"
        )
    model, vocabulary = load_weights(WEIGHTS, note["config"])
    _, tokenizer = load_embedded()
    held_out = as_blocks(in_numbers(tokenizer, review_parts().test, vocabulary), CONTEXT)
    return Writer(model, tokenizer, vocabulary, held_out, RECIPE, note["log"])
