"""Train a module step by step: progress, clipping, checkpoints, exact resume.

The caller says what is trained and how a step's loss is computed; teacher and supernet share the
loop. How several processes share the work is in `processes`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch.optim.lr_scheduler import LambdaLR
from tqdm.auto import tqdm

from tinybert_l.errors import CourseError, InvalidInput
from tinybert_l.exercises.lecture_04 import (
    clip_by_global_norm,
    linear_warmup_decay,
    weight_decay_by_name,
)
from tinybert_l.languages import in_words
from tinybert_l.method.checkpoints import resume, save_checkpoint
from tinybert_l.method.checks import require_numbers
from tinybert_l.method.precision import PRECISIONS
from tinybert_l.method.processes import average_over_processes, open_accelerator
from tinybert_l.method.run_identity import as_it_was_after_errors, claim_folder, run_identity

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
        start = resume(accelerator, folder)
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
                save_checkpoint(accelerator, folder, done)
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
