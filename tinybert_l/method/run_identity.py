"""What tells one training run from another: so that none goes on from another's checkpoints."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tinybert_l.cache import read_json, recipe_hash, short_digest, write_atomically
from tinybert_l.errors import InvalidInput

RUN_FILE = "run.json"
EARLIER = "earlier-run-"  # begins the names of folders with another run's checkpoints


def weights_hash(model: nn.Module) -> str:
    """Return 16 hexadecimal digits that change with any weight of the model."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(bytes_of(value.detach().cpu()))
    return digest.hexdigest()[:16]


def text_hash(text: str) -> str:
    """Return 16 hexadecimal digits that change with the text."""
    return short_digest(text, 16)


def bytes_of(tensor: torch.Tensor) -> bytes:
    """Return the bytes of a tensor on the CPU."""
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


def run_identity(trained: nn.Module, settings: Any, further: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that decides a run, as plain values.

    Args:
        trained: with the weights from which the run starts.
        settings: of the loop, a dataclass.
        further: what the caller knows: teacher, data, answers.
    """
    values = {"settings": asdict(settings), "start": weights_hash(trained), **further}
    return json.loads(json.dumps(values))


@contextmanager
def as_it_was_after_errors(module: nn.Module) -> Iterator[None]:
    """Give a module its weights and modes back if the block is left by an error or an interrupt.

    So a run that was interrupted, and is called again with the same module, starts from the same
    weights: it is the same run, and goes on from its checkpoints.
    """
    before = {name: value.cpu().clone() for name, value in module.state_dict().items()}
    modes = [(part, part.training) for part in module.modules()]
    try:
        yield
    except BaseException:  # Ctrl-C in a notebook is the most frequent one
        module.load_state_dict(before)
        module.zero_grad()
        for part, training in modes:
            part.training = training
        raise


def claim_folder(folder: Path, identity: Mapping[str, Any]) -> str | None:
    """Note in a folder whose run its checkpoints belong to; put those of another run aside.

    Returns:
        What differs from the run whose checkpoints were put aside; None where there were none.
    """
    path = folder / RUN_FILE
    known = _known_run(path)
    difference = None
    checkpoints = sorted(folder.glob("checkpoint-*"))
    if checkpoints and known != identity:
        difference = _difference(known, identity)
        aside = folder / f"{EARLIER}{recipe_hash(known or {})}"
        aside.mkdir(exist_ok=True)
        for checkpoint in checkpoints:
            os.replace(checkpoint, _free_name(aside, checkpoint.name))
    if known != identity:
        write_atomically(path, json.dumps(identity, indent=1))
    return difference


def _known_run(path: Path) -> dict[str, Any] | None:
    try:
        return read_json(path)
    except (OSError, InvalidInput):
        return None


def _free_name(folder: Path, name: str) -> Path:
    """Return a path in the folder that nothing has yet."""
    path = folder / name
    number = 1
    while path.exists():
        path = folder / f"{name}-{number}"
        number += 1
    return path


def _difference(known: Mapping[str, Any] | None, new: Mapping[str, Any]) -> str:
    """Say in what two runs differ: names with both values, or the parts alone."""
    if known is None:
        return "it does not say which run made them"
    differing = []
    for part in sorted(new.keys() | known.keys()):
        old, now = known.get(part), new.get(part)
        if old == now:
            continue
        if isinstance(old, dict) and isinstance(now, dict):
            for name in sorted(old.keys() | now.keys()):
                if old.get(name) != now.get(name):
                    differing.append(f"{name} {_brief(old.get(name))}, now {_brief(now.get(name))}")
        else:
            differing.append(part)
    return "; ".join(differing)


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
