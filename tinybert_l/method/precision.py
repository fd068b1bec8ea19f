"""The precision of training: float32, or bfloat16 where it is faster on this machine."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from accelerate.utils import broadcast_object_list

from tinybert_l.method.processes import open_accelerator

PRECISIONS = ("auto", "float32", "bfloat16")


def measured_precision(hidden_size: int = 384, tokens: int = 1024) -> str:
    """Return "bfloat16" if it multiplies matrices faster here than float32, else "float32".

    Measured once a process, at a model's size: processors that list bfloat16 instructions can
    still be slow at them, and a GPU gains nothing on small products. bfloat16 must win by a
    quarter, since it costs accuracy.
    """
    return _faster_precision(open_accelerator().device, hidden_size, tokens)


@cache
def _faster_precision(device: torch.device, hidden_size: int, tokens: int, repeats: int = 8) -> str:
    best = {"float32": math.inf, "bfloat16": math.inf}
    for name in best:
        left = torch.ones(tokens, hidden_size, device=device, dtype=getattr(torch, name))
        right = torch.ones(hidden_size, 4 * hidden_size, device=device, dtype=left.dtype)
        for repeat in range(repeats):
            begin = time.perf_counter()
            float((left @ right)[0, 0])  # reading a value waits for the device
            best[name] = min(best[name], time.perf_counter() - begin)
            if repeat and best[name] > 4 * best["float32"]:
                break  # without bfloat16 instructions each product would take a second
    return "bfloat16" if best["bfloat16"] * 1.25 < best["float32"] else "float32"


def resolve_precision(wanted: str, folder: Path, hidden_size: int = 384) -> str:
    """Return the precision to use: `wanted`, or for "auto" the faster one.

    A measured choice is noted beside the checkpoints, so that a resumed run makes the same.
    """
    if wanted != "auto":
        return wanted
    note = folder / "precision.txt"
    if note.is_file():
        precision = note.read_text(encoding="utf-8")
    else:
        precision = measured_precision(hidden_size)
    (precision,) = broadcast_object_list([precision])  # the first of several processes decides
    note.write_text(precision, encoding="utf-8")
    return precision


@contextmanager
def autocast(device: torch.device, precision: str) -> Iterator[None]:
    """Multiply matrices in bfloat16 within the block if `precision` is "bfloat16"."""
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        yield
