"""The processes that train: the device of each, its share of a batch, the mean of gradients.

Several processes (`torchrun`; on GPUs `accelerate launch` as well) share each batch out. Their
gradients are averaged once a step, after all sub-models have been run. Wrapping the model in
DistributedDataParallel, as is usual, would average them once for every sub-model.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import is_initialized
from accelerate.utils import parse_flag_from_env

from tinybert_l.errors import InvalidInput
from tinybert_l.method.data import Encoded


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
