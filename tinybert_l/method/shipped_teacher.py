"""The default teacher as a small file: how its weights differ from the checkpoint's.

Fine-tuning moves each weight a little. The differences of a matrix are rounded to whole multiples
of a part of their own spread, which takes about four bits a weight once they are compressed; the
checkpoint itself comes from its own package. tools/make_teacher.py writes the file.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinybert_l.errors import InvalidInput

FOLDER = Path(__file__).resolve().parent / "teacher_weights"
WEIGHTS = FOLDER / "difference.npz"
NOTE = FOLDER / "recipe.json"
STEPS_A_SPREAD = 3  # rounding errs by a tenth of the spread: accuracy does not notice
LARGEST = np.iinfo(np.int8).max
Weights = Mapping[str, torch.Tensor]


def read_note() -> dict[str, Any] | None:
    """Return recipe, metrics and versions of the shipped teacher; None: none is installed."""
    try:
        return json.loads(NOTE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def save_difference(trained: Weights, checkpoint: Weights, path: Path) -> None:
    """Write how the trained weights differ from the checkpoint's; weights new to it stand whole.

    Args:
        trained: of the fine-tuned teacher, by name.
        checkpoint: of the model before it; names without the new head.
        path: the .npz file to write.
    """
    arrays: dict[str, Any] = {}
    for name, value in trained.items():
        weights = value.float().numpy()
        if name not in checkpoint:
            arrays[f"whole/{name}"] = weights
            continue
        difference = weights - checkpoint[name].float().numpy()
        step = np.float32(_spread(difference) / STEPS_A_SPREAD)
        if step == 0:
            continue  # this tensor was not trained
        rounded = np.rint(difference / step).clip(-LARGEST, LARGEST)
        arrays[f"steps/{name}"] = rounded.astype(np.int8)
        arrays[f"step/{name}"] = step
    np.savez_compressed(path, **arrays)


def _spread(difference: np.ndarray) -> float:
    """Return the root mean square of the entries that moved at all.

    Rows of words that no training text holds stay as they were, and would hide the others.
    """
    moved = difference[np.abs(difference) > 0.01 * np.abs(difference).max()]
    return float(np.sqrt(np.mean(moved**2))) if moved.size else 0.0


def add_difference(checkpoint: Weights, path: Path = WEIGHTS) -> dict[str, torch.Tensor]:
    """Return the teacher's weights: the checkpoint's with the file's differences added.

    Raises:
        InvalidInput: the file names a weight that the checkpoint lacks, or of another shape.
    """
    weights = {name: value.float() for name, value in checkpoint.items()}
    with np.load(path, allow_pickle=False) as file:
        for entry in file.files:
            kind, name = entry.split("/", 1)
            if kind == "whole":
                weights[name] = torch.from_numpy(file[entry])
            elif kind == "steps":
                difference = torch.from_numpy(file[entry]).float() * float(file[f"step/{name}"])
                if name not in weights or weights[name].shape != difference.shape:
                    raise InvalidInput(
                        f"add_difference: {path.name} holds {name} {tuple(difference.shape)}; "
                        "allowed: the weights of the checkpoint that it was made from."
                    )
                weights[name] = weights[name] + difference
    return weights
