"""What the teacher says of every training text, computed once: logits in memory, hidden states on disk."""

import errno
import hashlib
import os
import shutil
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from tinybert_l.cache import cache_root, cached, read_entry
from tinybert_l.method.data import Encoded, bucketed_batches, collate
from tinybert_l.method.model import ElasticBertForSequenceClassification, ElasticOutput
from tinybert_l.method.training import open_accelerator, placed

KEPT_AS = {"bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class TeacherOutputs:
    """A teacher's outputs on the texts of one data set; takes its place in training.

    Args:
        logits: [texts, classes].
        hidden: of some layers (0: the embeddings), the states of all tokens of all texts, [tokens, hidden]; mapped from
            disk, so that only what a batch needs is read.
        starts: where each text's tokens begin there.
        num_layers: of the teacher.
    """

    logits: torch.Tensor
    hidden: dict[int, torch.Tensor] = field(default_factory=dict)
    starts: Sequence[int] = ()
    num_layers: int = 0

    def of(self, rows: Sequence[int], attention_mask: torch.Tensor) -> ElasticOutput:
        """The outputs of a batch, in its shape; hidden states of layers that were not kept are None.

        Args:
            rows: the texts of the batch.
            attention_mask: of the batch, [batch, length]; padding at the right.
        """
        logits = self.logits[list(rows)].to(attention_mask.device)
        if not self.hidden:
            return ElasticOutput(logits=logits)
        states = [self._padded(layer, rows, attention_mask) for layer in range(self.num_layers + 1)]
        return ElasticOutput(logits=logits, hidden_states=tuple(states))

    def _padded(
        self, layer: int, rows: Sequence[int], attention_mask: torch.Tensor
    ) -> torch.Tensor | None:
        if layer not in self.hidden:
            return None
        kept = self.hidden[layer]
        padded = torch.zeros(*attention_mask.shape, kept.shape[1])
        for place, (row, length) in enumerate(
            zip(rows, attention_mask.sum(1).tolist(), strict=True)
        ):
            padded[place, :length] = kept[self.starts[row] : self.starts[row] + length]
        return padded.to(attention_mask.device)


def keep_outputs(
    teacher: ElasticBertForSequenceClassification,
    data: Encoded,
    layers: Collection[int],
    kept_as: str = "bfloat16",
) -> TeacherOutputs:
    """Run the teacher once over the data and keep what it says, in the cache directory.

    Args:
        layers: whose hidden states are wanted, from 1; 0: the embeddings; none: logits alone.
        kept_as: "bfloat16" (half the bytes, within 1 % of the float32 values) or "float32" (exactly).
    Raises:
        ValueError: layers or number format unknown.
        OSError: no room on the disk; says how much is needed. Nothing half-written is ever used.
    """
    known = range(teacher.config.num_hidden_layers + 1)
    if kept_as not in KEPT_AS or not set(layers) <= set(known):
        raise ValueError(
            f"keep_outputs: layers={sorted(layers)}, kept_as={kept_as!r}; allowed: {known[0]} to {known[-1]}, and "
            f"{', '.join(KEPT_AS)}."
        )
    wanted = sorted(set(layers))
    recipe = {
        "teacher": _fingerprint(teacher),
        "data": _hash(repr(data.token_ids)),
        "layers": wanted,
        "as": kept_as,
    }
    folder = cached(
        "teacher-outputs", recipe, lambda work: _write(teacher, data, wanted, kept_as, work)
    )
    try:
        return _read(folder, data, wanted, kept_as, teacher.config)
    except (OSError, ValueError, RuntimeError):  # damaged: made anew, and then it must be readable
        shutil.rmtree(folder)
        folder = cached(
            "teacher-outputs", recipe, lambda work: _write(teacher, data, wanted, kept_as, work)
        )
        return _read(folder, data, wanted, kept_as, teacher.config)


@torch.no_grad()
def _write(
    teacher: ElasticBertForSequenceClassification,
    data: Encoded,
    layers: list[int],
    kept_as: str,
    folder: Path,
) -> dict[str, Any]:
    """Fill the folder; returns each file's hash. Removes what it wrote when there is no room for all of it."""
    tokens, size = sum(map(len, data.token_ids)), teacher.config.hidden_size
    needed = tokens * size * len(layers) * torch.tensor([], dtype=KEPT_AS[kept_as]).element_size()
    try:
        if shutil.disk_usage(folder).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        starts, logits = _run(teacher, data, layers, kept_as, folder)
        torch.save({"logits": logits, "starts": starts}, folder / "logits.pt")
    except OSError as error:
        for path in folder.iterdir():
            path.unlink()
        raise OSError(
            error.errno,
            f"{error.strerror}: the teacher's outputs take {needed / 1e6:.0f} MB under {cache_root()}. Free some, move "
            "the cache (TINYBERT_L_CACHE), or train with the live teacher. 磁盘空间不足",
        ) from None
    return {"hashes": {path.name: _hash_of_file(path) for path in sorted(folder.iterdir())}}


def _run(
    teacher: ElasticBertForSequenceClassification,
    data: Encoded,
    layers: list[int],
    kept_as: str,
    folder: Path,
) -> tuple[list[int], torch.Tensor]:
    """Write the hidden states as they come, text after text; returns where each text's begin, and the logits."""
    starts, logits, written = [0] * len(data), torch.zeros(len(data), teacher.config.num_labels), 0
    was_training = teacher.training
    teacher.eval()
    with ExitStack() as stack:
        device = stack.enter_context(placed(open_accelerator(), teacher))
        files = [
            stack.enter_context((folder / f"layer-{layer}.bin").open("wb")) for layer in layers
        ]
        batches = bucketed_batches([len(ids) for ids in data.token_ids], 64)
        for rows in tqdm(batches, desc="teacher's outputs 教师输出", unit="batch", mininterval=2):
            batch = collate(data, rows, device)
            output = teacher(
                batch["input_ids"], batch["attention_mask"], output_hidden_states=bool(layers)
            )
            logits[rows] = output.logits.float().cpu()
            for row, length in zip(rows, batch["attention_mask"].sum(1).tolist(), strict=True):
                starts[row], written = written, written + length
            real = batch["attention_mask"].bool()
            for file, layer in zip(files, layers, strict=True):
                states = output.hidden_states[layer][real].to("cpu", KEPT_AS[kept_as])
                file.write(states.contiguous().view(torch.uint8).numpy().tobytes())
    teacher.train(was_training)
    return starts, logits


def _read(
    folder: Path, data: Encoded, layers: list[int], kept_as: str, config: Any
) -> TeacherOutputs:
    """Raises when a file is missing or not what was written."""
    for name, expected in (read_entry(folder) or {})["metrics"]["hashes"].items():
        if _hash_of_file(folder / name) != expected:
            raise ValueError(f"{folder / name} is damaged")
    small = torch.load(folder / "logits.pt", weights_only=True)
    tokens = sum(map(len, data.token_ids))
    hidden = {
        layer: torch.from_file(
            str(folder / f"layer-{layer}.bin"),
            size=tokens * config.hidden_size,
            dtype=KEPT_AS[kept_as],
        ).view(tokens, config.hidden_size)
        for layer in layers
    }
    return TeacherOutputs(small["logits"], hidden, small["starts"], config.num_hidden_layers)


def _fingerprint(model: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _hash_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
