"""Checkpoints of a run: written whole, resumed exactly, removed when the run is done."""

import os
import shutil
from pathlib import Path

from accelerate import Accelerator

from tinybert_l.errors import InvalidInput
from tinybert_l.method.checks import writing_to
from tinybert_l.method.run_identity import EARLIER, RUN_FILE


def save_checkpoint(accelerator: Accelerator, folder: Path, step: int) -> None:
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


def resume(accelerator: Accelerator, folder: Path) -> int:
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
