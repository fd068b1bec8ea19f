"""Train a module step by step: progress, clipping, checkpoints, exact resume.

The caller says what is trained and how a step's loss is computed; teacher and supernet share the
loop.

Several processes (`torchrun`; on GPUs `accelerate launch` as well) share each batch out. Their
gradients are averaged once a step, after all sub-models have been run. Wrapping the model in
DistributedDataParallel, as is usual, would average them once for every sub-model.
"""

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import is_initialized
from accelerate.utils import broadcast_object_list, parse_flag_from_env
from torch.optim.lr_scheduler import LambdaLR
from tqdm.auto import tqdm

from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.exercises.lecture_04 import (
    clip_by_global_norm,
    linear_warmup_decay,
    weight_decay_by_name,
)
from tinybert_l.languages import in_words
from tinybert_l.method.checks import require_numbers, writing_to
from tinybert_l.method.data import Encoded
from tinybert_l.method.run_identity import (
    EARLIER,
    RUN_FILE,
    as_it_was_after_errors,
    claim_folder,
    run_identity,
)

PRECISIONS = ("auto", "float32", "bfloat16")
StepLoss = Callable[[int], tuple[torch.Tensor, dict[str, Any]]]


class TrainingDiverged(CourseError, ArithmeticError):
    """A loss or a gradient is not finite any more."""


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """Settings of the training loop, whatever is trained.

    Args:
        num_steps: optimiser steps, at least 1.
        learning_rate: highest rate of the linear warm-up and decay, above 0.
        warmup_share: share of the steps in which the rate rises, 0 to 1.
        weight_decay: AdamW's, for matrices only (biases and LayerNorm are left alone).
        max_norm: the gradient is clipped to this global norm.
        seed: of dropout; the caller seeds its own sampling.
        precision: "float32", "bfloat16" (autocast), or "auto": the faster one, as measured. The
            caller applies it (see `resolve_precision` and `autocast`).
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
        require_numbers(self, ("num_steps", "checkpoint_every", "seed"), whole=True)
        require_numbers(self, ("learning_rate", "warmup_share", "weight_decay", "max_norm"))
        allowed = {
            "num_steps": (self.num_steps >= 1, "at least 1"),
            "learning_rate": (0 < self.learning_rate < math.inf, "a finite number above 0"),
            "warmup_share": (0 <= self.warmup_share <= 1, "0 to 1"),
            "weight_decay": (self.weight_decay >= 0, "0 or more"),
            "max_norm": (self.max_norm > 0, "above 0"),
            "precision": (self.precision in PRECISIONS, ", ".join(PRECISIONS)),
            "checkpoint_every": (self.checkpoint_every >= 1, "at least 1"),
        }
        for name, (in_range, limits) in allowed.items():
            if not in_range:
                value = getattr(self, name)
                raise InvalidInput(f"{type(self).__name__}: {name}={value!r}; allowed: {limits}.")


@dataclass
class Log:
    """One row per finished step; saved and restored with the checkpoint."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = state["rows"]


@dataclass(frozen=True)
class Shares:
    """Correction for data-parallel averaging.

    Gradients are averaged over P processes that hold unequal parts of a batch. Multiply a local
    mean by P · local count / global count, and the average over processes is the mean over the
    batch. All 1.0 with one process.

    Args:
        texts: for means over texts.
        tokens: for means over tokens.
        pairs: for means over the pairs of tokens of a text.
    """

    texts: float = 1.0
    tokens: float = 1.0
    pairs: float = 1.0


SINGLE_PROCESS = Shares()


def split_batch(
    data: Encoded, indices: Sequence[int], accelerator: Accelerator
) -> tuple[Sequence[int], Shares]:
    """Return the indices of a batch that this process trains on, and their `Shares`.

    Raises:
        InvalidInput: the batch has fewer texts than there are processes.
    """
    processes = accelerator.num_processes
    if processes == 1:
        return indices, SINGLE_PROCESS
    if len(indices) < processes:
        raise InvalidInput(
            f"split_batch: a batch of {len(indices)} for {processes} processes; "
            "allowed: at least one text for each."
        )
    local = indices[accelerator.process_index :: processes]

    def share(power: int) -> float:
        def count(rows: Sequence[int]) -> int:
            return sum(len(data.token_ids[row]) ** power for row in rows)

        return processes * count(local) / count(indices)

    return local, Shares(texts=share(0), tokens=share(1), pairs=share(2))


def _on_cpu() -> bool:
    """Whether to train on the CPU: no CUDA GPU is there, or `ACCELERATE_USE_CPU` forbids it.

    Other accelerators, Apple's too, are not used until someone has measured them.
    """
    return not torch.cuda.is_available() or parse_flag_from_env("ACCELERATE_USE_CPU")


def open_accelerator() -> Accelerator:
    """Return an accelerator: the processes that train, and this process's device.

    All accelerators of a process share the device that the first of them chose.
    """
    return Accelerator(cpu=not is_initialized() and _on_cpu())


def is_main_process() -> bool:
    """Whether this process writes the files; one of several under `torchrun` does."""
    return PartialState(cpu=_on_cpu()).is_main_process


@contextmanager
def placed(accelerator: Accelerator, *modules: torch.nn.Module) -> Iterator[torch.device]:
    """Move the modules to the accelerator's device, and back when the block ends.

    Who has trained a model can go on as if there were no GPU.
    """
    original_devices = [next(module.parameters()).device for module in modules]
    for module in modules:
        module.to(accelerator.device)
    try:
        yield accelerator.device
    finally:
        for module, device in zip(modules, original_devices, strict=True):
            module.to(device)


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


def run_loop(
    trained: torch.nn.Module,
    step_loss: StepLoss,
    settings: LoopSettings,
    folder: Path,
    description: str,
    identity: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Train, and resume exactly where the same run, interrupted, stopped in the same folder.

    Checkpoints of another run (other settings, weights to start from, or identity) are put aside.
    A run that is interrupted leaves the module as it was before, so that the same call goes on.

    Args:
        trained: the module whose parameters are updated, on the device that trains it.
        step_loss: step (0-based) -> (scalar loss, further entries of the step's row).
        settings: a `LoopSettings` or any recipe derived from it.
        folder: holds checkpoints while the run lasts.
        description: title of the progress bar.
        identity: further plain values that decide the run, such as its data and teacher.
    Returns:
        One row a step: step, loss, learning_rate, gradient_norm and the entries of `step_loss`.
    Raises:
        TrainingDiverged: the loss or the gradient's norm is not finite.
    """
    accelerator = open_accelerator()  # a new one: its checkpoints hold this run's objects alone
    _claim(folder, run_identity(trained, settings, identity or {}), accelerator)
    torch.manual_seed(settings.seed)
    optimizer, schedule = _optimiser(trained, settings)
    log = Log()
    optimizer = accelerator.prepare(optimizer)
    accelerator.register_for_checkpointing(trained, log, schedule)
    with as_it_was_after_errors(trained):
        start = _resume(accelerator, folder)
        trained.train()
        bar = _progress_bar(start, settings.num_steps, description, accelerator)
        for step in bar:
            loss, details = step_loss(step)
            accelerator.backward(loss)
            loss = average_over_processes(trained, loss.detach(), details, accelerator)
            row = {
                "step": step,
                "loss": float(loss),
                "learning_rate": schedule.get_last_lr()[0],
                "gradient_norm": _clip(trained, settings.max_norm),
                **details,
            }
            _check_finite(row, settings)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            log.rows.append(row)
            bar.set_postfix(loss=f"{row['loss']:.3f}", refresh=False)
            if (done := step + 1) % settings.checkpoint_every == 0 and done < settings.num_steps:
                _checkpoint(accelerator, folder, done)
    accelerator.free_memory()
    return log.rows


def _claim(folder: Path, identity: dict[str, Any], accelerator: Accelerator) -> None:
    """Let no checkpoint of another run be resumed."""
    if accelerator.is_main_process:
        difference = claim_folder(folder, identity)
        if difference is not None:
            print(
                f"{folder}: holds checkpoints of another run ({difference}); this run begins anew, "
                "and they are kept beside its own. 目录中的检查点属于另一次训练，本次从头开始。"
            )
    accelerator.wait_for_everyone()


def _optimiser(
    trained: torch.nn.Module, settings: LoopSettings
) -> tuple[torch.optim.Optimizer, LambdaLR]:
    """Return AdamW with two weight decays, and its schedule of learning rates."""
    groups = parameter_groups(trained, settings.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    warmup = round(settings.warmup_share * settings.num_steps)

    def factor(step: int) -> float:
        return linear_warmup_decay(step, warmup, settings.num_steps)

    return optimizer, LambdaLR(optimizer, factor)


def _progress_bar(start: int, num_steps: int, description: str, accelerator: Accelerator) -> tqdm:
    return tqdm(
        range(start, num_steps),
        desc=in_words(description),
        initial=start,
        total=num_steps,
        unit="step",
        mininterval=2,
        disable=not accelerator.is_local_main_process,
    )


def average_over_processes(
    trained: torch.nn.Module, loss: torch.Tensor, details: dict[str, Any], accelerator: Accelerator
) -> torch.Tensor:
    """Replace each gradient, and each loss in `details`, by its mean over the processes.

    All numbers travel in one message.

    Returns:
        The mean of the loss.
    """
    if accelerator.num_processes == 1:
        return loss
    parts = []
    for losses in details.get("losses", {}).values():
        parts += [(losses, name) for name in losses]
    gradients = [p.grad for p in trained.parameters() if p.grad is not None]
    numbers = torch.tensor([losses[name] for losses, name in parts], device=loss.device)
    flat_gradients = map(torch.flatten, gradients)
    message = torch.cat((loss.reshape(1).float(), numbers, *flat_gradients))
    message = accelerator.reduce(message, "mean")
    first_gradient = 1 + len(parts)
    means = message[1:first_gradient].tolist()
    for (losses, name), mean in zip(parts, means, strict=True):
        losses[name] = mean
    pieces = message[first_gradient:].split(list(map(torch.numel, gradients)))
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))
    return message[0]


def parameter_groups(module: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return AdamW's groups of parameters: one for each decay of `weight_decay_by_name`."""
    trainable = {name: p for name, p in module.named_parameters() if p.requires_grad}
    shapes = {name: tuple(p.shape) for name, p in trainable.items()}
    decays = weight_decay_by_name(shapes, weight_decay)
    groups = []
    for decay in sorted(set(decays.values()), reverse=True):
        members = [p for name, p in trainable.items() if decays[name] == decay]
        groups.append({"params": members, "weight_decay": decay})
    return groups


def _clip(trained: torch.nn.Module, max_norm: float) -> float:
    """Clip the gradients by `clip_by_global_norm`; return their norm before, even if not finite."""
    parameters = list(trained.parameters())
    gradients = [p.grad for p in parameters]
    norm = float(torch.nn.utils.get_total_norm([g for g in gradients if g is not None]))
    if math.isfinite(norm):  # the loop reports any other norm in its own words
        clipped, _ = clip_by_global_norm(gradients, max_norm)
        for parameter, gradient in zip(parameters, clipped, strict=True):
            parameter.grad = gradient
    return norm


def _check_finite(row: dict[str, Any], settings: LoopSettings) -> None:
    for name in ("loss", "gradient_norm"):
        if not math.isfinite(row[name]):
            raise TrainingDiverged(
                f"The {name} at step {row['step']} is {row[name]}; allowed: a finite number. "
                f"Lower learning_rate (given: {settings.learning_rate:g}), or look for a loss that "
                f"divides by zero or takes log(0). "
                f"第{row['step']}步的{name}不是有限数，请降低学习率或检查损失函数。"
            )


def _checkpoint(accelerator: Accelerator, folder: Path, step: int) -> None:
    """Write a checkpoint beside the old one, then rename it: a kill leaves one of them, whole."""
    partial = folder / "checkpoint.partial"
    final = folder / f"checkpoint-{step:06d}"
    if accelerator.is_main_process:
        shutil.rmtree(partial, ignore_errors=True)
    accelerator.wait_for_everyone()
    with writing_to(final, "The same call goes on from the checkpoint before it. ", partial):
        accelerator.save_state(str(partial))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        os.replace(partial, final)
        for older in sorted(folder.glob("checkpoint-*"))[:-1]:
            shutil.rmtree(older)
    accelerator.wait_for_everyone()


def _resume(accelerator: Accelerator, folder: Path) -> int:
    """Load the newest checkpoint; return the number of steps that it has done, 0 without one.

    Raises:
        InvalidInput: it is damaged.
    """
    checkpoints = sorted(folder.glob("checkpoint-[0-9]*"))
    if not checkpoints:
        return 0
    newest = checkpoints[-1]
    try:
        accelerator.load_state(str(newest))
    except Exception as error:  # torch, pickle and accelerate: each raises its own
        why = str(error).partition("\n")[0][:200]
        raise InvalidInput(
            f"{newest}: a checkpoint that cannot be read ({why}); allowed: a whole one, or none: "
            "delete it, to go on without it. 检查点已损坏。"
        ) from error
    return int(newest.name.removeprefix("checkpoint-"))


def remove_checkpoints(folder: Path) -> None:
    """Delete what only an unfinished run needs."""
    for pattern in ("checkpoint-*", "checkpoint.partial", f"{EARLIER}*"):
        for checkpoint in folder.glob(pattern):
            shutil.rmtree(checkpoint, ignore_errors=True)
    (folder / RUN_FILE).unlink(missing_ok=True)
