"""The training loop that teacher and supernet share: progress, clipping, checkpoints, exact resume.

What is trained and which loss is taken is the caller's; this module knows of neither.

Several processes (`accelerate launch`) share each batch out. Their gradients are added once a step, after all
sub-models have been run: wrapping the model for that, as is usual, would do it once for each of them.
"""

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import is_initialized
from accelerate.utils import broadcast_object_list
from torch.optim.lr_scheduler import LambdaLR
from tqdm.auto import tqdm

from tinybert_l.exercises.lecture_04 import (
    clip_by_global_norm,
    linear_warmup_decay,
    weight_decay_by_name,
)
from tinybert_l.method.data import Encoded

PRECISIONS = ("auto", "float32", "bfloat16")


class TrainingDiverged(ArithmeticError):
    """A loss or a gradient is not finite any more."""


@dataclass(frozen=True)
class LoopSettings:
    """How to take the steps.

    Args:
        num_steps: optimiser steps, at least 1.
        learning_rate: highest rate of the linear warm-up and decay, above 0.
        warmup_share: share of the steps in which the rate rises, 0 to 1.
        weight_decay: AdamW's, for matrices only (biases and LayerNorm are left alone).
        max_norm: the gradient's global norm is clipped here.
        seed: of dropout; the caller seeds its own sampling.
        precision: "float32", "bfloat16" (autocast), or "auto": the faster one, as measured.
        checkpoint_every: steps between checkpoints.
    """

    num_steps: int
    learning_rate: float
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    max_norm: float = 1.0
    seed: int = 0
    precision: str = "auto"
    checkpoint_every: int = 50

    def __post_init__(self) -> None:
        allowed = {
            "num_steps": (self.num_steps >= 1, "at least 1"),
            "learning_rate": (0 < self.learning_rate < math.inf, "a finite number above 0"),
            "warmup_share": (0 <= self.warmup_share <= 1, "0 to 1"),
            "weight_decay": (self.weight_decay >= 0, "0 or more"),
            "max_norm": (self.max_norm > 0, "above 0"),
            "precision": (self.precision in PRECISIONS, ", ".join(PRECISIONS)),
            "checkpoint_every": (self.checkpoint_every >= 1, "at least 1"),
        }
        for name, (fine, range_) in allowed.items():
            if not fine:
                raise ValueError(
                    f"LoopSettings: {name}={getattr(self, name)!r}; allowed: {range_}."
                )


@dataclass
class Log:
    """What happened, step by step; saved and restored with the checkpoint."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = state["rows"]


@dataclass(frozen=True)
class Shares:
    """What a mean over this process's part of a batch weighs in the mean over the whole, times the processes.

    The mean over processes of (share x own mean) is then the mean over the batch, whatever is averaged. 1 with one
    process.

    Args:
        texts, tokens, pairs: for means over texts, over tokens, and over pairs of tokens of a text.
    """

    texts: float = 1.0
    tokens: float = 1.0
    pairs: float = 1.0


WHOLE = Shares()  # of one process


def shared_out(
    data: Encoded, indices: Sequence[int], accelerator: Accelerator
) -> tuple[Sequence[int], Shares]:
    """This process's texts of a batch, and what they weigh.

    Raises:
        ValueError: fewer texts in the batch than processes.
    """
    processes = accelerator.num_processes
    if processes == 1:
        return indices, WHOLE
    if len(indices) < processes:
        raise ValueError(
            f"shared_out: a batch of {len(indices)} for {processes} processes; allowed: a text for each."
        )
    own = indices[accelerator.process_index :: processes]

    def share(power: int) -> float:
        whole = sum(len(data.token_ids[i]) ** power for i in indices)
        return processes * sum(len(data.token_ids[i]) ** power for i in own) / whole

    return own, Shares(share(0), share(1), share(2))


def open_accelerator() -> Accelerator:
    """The processes that train, and their device: a CUDA GPU where there is one, else the CPU.

    Other accelerators, Apple's too, are left alone until someone has measured them. `ACCELERATE_USE_CPU=1` leaves the
    GPU alone. Where an accelerator was opened before, its device is kept.
    """
    return Accelerator(cpu=not is_initialized() and not torch.cuda.is_available())


@contextmanager
def placed(accelerator: Accelerator, *modules: torch.nn.Module) -> Iterator[torch.device]:
    """Within the block, the modules are on the accelerator's device; then they go back to where they were.

    So whoever has trained a model can go on as if there were no GPU.
    """
    homes = [next(module.parameters()).device for module in modules]
    for module in modules:
        module.to(accelerator.device)
    try:
        yield accelerator.device
    finally:
        for module, home in zip(modules, homes, strict=True):
            module.to(home)


def is_main_process() -> bool:
    """Whether this process writes the files; one of several under `accelerate launch` does."""
    return open_accelerator().is_main_process


def measured_precision(hidden_size: int = 384, tokens: int = 1024) -> str:
    """The faster of float32 and bfloat16 matrix products on this machine, at a model's size; measured once a process.

    Processors that list bfloat16 instructions can still be slow at them, and a GPU may not notice products of small
    models, so this measures; bfloat16 must win by a quarter, since it costs accuracy.
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
            if (
                repeat and best[name] > 4 * best["float32"]
            ):  # a second each where there are no bfloat16 instructions
                break
    return "bfloat16" if best["bfloat16"] * 1.25 < best["float32"] else "float32"


def resolve_precision(wanted: str, folder: Path, hidden_size: int = 384) -> str:
    """The precision to use; a measured choice is kept beside the checkpoints, so that a resumed run agrees."""
    if wanted != "auto":
        return wanted
    note = folder / "precision.txt"
    found = note.read_text(encoding="utf-8") if note.is_file() else measured_precision(hidden_size)
    (found,) = broadcast_object_list([found])  # of several processes, the first decides
    note.write_text(found, encoding="utf-8")
    return found


@contextmanager
def autocast(device: torch.device, precision: str) -> Iterator[None]:
    """Matrix products in bfloat16 where `precision` says so."""
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        yield


def run_loop(
    trained: torch.nn.Module,
    step_loss: Callable[[int], tuple[torch.Tensor, dict[str, Any]]],
    settings: LoopSettings,
    folder: Path,
    description: str,
    accelerator: Accelerator,
) -> list[dict[str, Any]]:
    """Train, and resume exactly where an interrupted run in the same folder stopped.

    Args:
        trained: the module whose parameters are updated.
        step_loss: step (0-based) -> (scalar loss, what to log).
        folder: holds checkpoints while the run lasts.
    Returns:
        One row a step: step, loss, learning_rate, gradient_norm and what `step_loss` logged.
    Raises:
        TrainingDiverged: the loss or the gradient's norm is not finite.
    """
    torch.manual_seed(settings.seed)
    optimizer = torch.optim.AdamW(
        parameter_groups(trained, settings.weight_decay), lr=settings.learning_rate, fused=True
    )
    warmup = round(settings.warmup_share * settings.num_steps)
    schedule = LambdaLR(
        optimizer, lambda step: linear_warmup_decay(step, warmup, settings.num_steps)
    )
    log = Log()
    optimizer = accelerator.prepare(optimizer)
    accelerator.register_for_checkpointing(trained, log, schedule)
    start = _resume(accelerator, folder)
    trained.train()
    steps = range(start, settings.num_steps)
    bar = tqdm(
        steps, desc=description, initial=start, total=settings.num_steps, unit="step", mininterval=2,
        disable=not accelerator.is_local_main_process,
    )  # fmt: skip
    for step in bar:
        loss, details = step_loss(step)
        accelerator.backward(loss)
        loss = add_up(trained, loss.detach(), details, accelerator)
        row = {"step": step, "loss": float(loss), "learning_rate": schedule.get_last_lr()[0]}
        row |= {"gradient_norm": _clip(trained, settings.max_norm), **details}
        _check_finite(row, settings)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        log.rows.append(row)
        bar.set_postfix(loss=f"{row['loss']:.3f}", refresh=False)
        if (step + 1) % settings.checkpoint_every == 0 and step + 1 < settings.num_steps:
            _checkpoint(accelerator, folder, step + 1)
    _forget(accelerator, trained, log, schedule)
    return log.rows


def add_up(
    trained: torch.nn.Module, loss: torch.Tensor, details: dict[str, Any], accelerator: Accelerator
) -> torch.Tensor:
    """Make each gradient, and each loss in `details`, its mean over the processes, in one message a step.

    Returns:
        The mean of the loss.
    """
    if accelerator.num_processes == 1:
        return loss
    parts = [(part, name) for part in details.get("losses", {}).values() for name in part]
    gradients = [p.grad for p in trained.parameters() if p.grad is not None]
    numbers = torch.tensor([part[name] for part, name in parts], device=loss.device)
    message = torch.cat((loss.reshape(1).float(), numbers, *(g.flatten() for g in gradients)))
    message = accelerator.reduce(message, "mean")
    for (part, name), value in zip(parts, message[1 : 1 + len(parts)].tolist(), strict=True):
        part[name] = value
    pieces = message[1 + len(parts) :].split([g.numel() for g in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))
    return message[0]


def parameter_groups(module: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """One group for each decay that `weight_decay_by_name` gives."""
    trainable = {name: p for name, p in module.named_parameters() if p.requires_grad}
    decays = weight_decay_by_name(
        {name: tuple(p.shape) for name, p in trainable.items()}, weight_decay
    )
    return [
        {
            "params": [p for name, p in trainable.items() if decays[name] == decay],
            "weight_decay": decay,
        }
        for decay in sorted(set(decays.values()), reverse=True)
    ]


def _clip(trained: torch.nn.Module, max_norm: float) -> float:
    """Clip the gradients by `clip_by_global_norm`; returns their norm before, infinite or NaN ones too."""
    parameters = list(trained.parameters())
    gradients = [p.grad for p in parameters]
    norm = float(torch.nn.utils.get_total_norm([g for g in gradients if g is not None]))
    if math.isfinite(norm):  # the loop reports one that is not, in its own words
        clipped, _ = clip_by_global_norm(gradients, max_norm)
        for parameter, gradient in zip(parameters, clipped, strict=True):
            parameter.grad = gradient
    return norm


def _check_finite(row: dict[str, Any], settings: LoopSettings) -> None:
    for name in ("loss", "gradient_norm"):
        if not math.isfinite(row[name]):
            raise TrainingDiverged(
                f"The {name} at step {row['step']} is {row[name]}; allowed: a finite number. Lower learning_rate "
                f"(given: {settings.learning_rate:g}), or look for a loss that divides by zero or takes log(0). "
                f"第{row['step']}步的{name}不是有限数，请降低学习率或检查损失函数。"
            )


def _checkpoint(accelerator: Accelerator, folder: Path, step: int) -> None:
    """Write the checkpoint beside, then rename it: a kill leaves the old one or the new one, whole."""
    partial, final = folder / "checkpoint.partial", folder / f"checkpoint-{step:06d}"
    if accelerator.is_main_process:
        shutil.rmtree(partial, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(partial))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        os.replace(partial, final)
        for older in sorted(folder.glob("checkpoint-*"))[:-1]:
            shutil.rmtree(older)
    accelerator.wait_for_everyone()


def _resume(accelerator: Accelerator, folder: Path) -> int:
    found = sorted(folder.glob("checkpoint-[0-9]*"))
    if not found:
        return 0
    accelerator.load_state(str(found[-1]))
    return int(found[-1].name.removeprefix("checkpoint-"))


def _forget(accelerator: Accelerator, *objects: Any) -> None:
    """Leave the accelerator as it was found: one process may train several models in turn."""
    accelerator._custom_objects = [
        o for o in accelerator._custom_objects if all(o is not x for x in objects)
    ]
    accelerator.free_memory()


def remove_checkpoints(folder: Path) -> None:
    """What only an unfinished run needs."""
    for old in [*folder.glob("checkpoint-*"), folder / "checkpoint.partial"]:
        shutil.rmtree(old, ignore_errors=True)
