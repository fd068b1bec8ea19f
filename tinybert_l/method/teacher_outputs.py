"""Compute a teacher's outputs on all training texts once.

The logits are kept in memory, the hidden states on disk.
"""

import errno
import hashlib
import math
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from tinybert_l.cache import cache_root, cached, read_entry, short_digest
from tinybert_l.errors import InvalidInput
from tinybert_l.languages import in_words
from tinybert_l.method.data import Encoded, bucketed_batches, collate, model_inputs
from tinybert_l.method.model import ElasticBertForSequenceClassification, ElasticOutput
from tinybert_l.method.processes import open_accelerator, placed
from tinybert_l.method.run_identity import bytes_of, weights_hash

STORAGE_TYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
LOGITS_FILE = "logits.pt"
BATCH_SIZE = 64


@dataclass(frozen=True)
class TeacherOutputs:
    """A teacher's outputs on the texts of one data set; they take the teacher's place in training.

    Args:
        logits: [texts, classes].
        hidden: layer (0: the embeddings) -> states of all tokens of all texts, [tokens, hidden].
            Mapped from disk, so that only what a batch needs is read.
        starts: row of `hidden` at which each text's tokens begin.
        num_layers: number of the teacher's layers.
        texts: `token_hash` of the texts, to which hidden states belong token by token; "": unknown.
        source: of the texts (see `Encoded`), to which the logits belong; "": unknown.
    """

    logits: torch.Tensor
    hidden: dict[int, torch.Tensor] = field(default_factory=dict)
    starts: Sequence[int] = ()
    num_layers: int = 0
    texts: str = ""
    source: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """(texts, classes)."""
        texts, classes = self.logits.shape
        return texts, classes

    @property
    def hidden_size(self) -> int | None:
        """Size of the kept hidden states; None: none are kept."""
        for states in self.hidden.values():
            return states.shape[1]
        return None

    @property
    def layers(self) -> set[int]:
        """The layers whose hidden states are kept; 0: the embeddings."""
        return set(self.hidden)

    def belong_to(self, data: Encoded) -> bool:
        """Whether these are the outputs for the texts of the data, as far as it is known.

        Hidden states are those of its tokens, logits those of its texts, whatever their tokens.
        """
        if "" not in (self.source, data.source) and self.source != data.source:
            return False
        return not self.hidden or self.texts in ("", token_hash(data))

    def identity(self) -> str:
        """Return digits that change with the outputs."""
        logits = short_digest(bytes_of(self.logits), 16)
        return f"{logits} {self.texts} {sorted(self.hidden)}"

    def for_batch(self, rows: Sequence[int], attention_mask: torch.Tensor) -> ElasticOutput:
        """Return the outputs of a batch; hidden states of layers that were not kept are None.

        Args:
            rows: indices of the batch's texts.
            attention_mask: the batch's mask [batch, length]; padding at the right.
        Returns:
            logits [batch, classes] and hidden_states, [batch, length, hidden] each.
        """
        logits = self.logits[list(rows)].to(attention_mask.device)
        if not self.hidden:
            return ElasticOutput(logits=logits)
        states: list[torch.Tensor | None] = []
        for layer in range(self.num_layers + 1):
            kept = self.hidden.get(layer)
            states.append(None if kept is None else self._padded(kept, rows, attention_mask))
        return ElasticOutput(logits=logits, hidden_states=tuple(states))

    def _padded(
        self, kept: torch.Tensor, rows: Sequence[int], attention_mask: torch.Tensor
    ) -> torch.Tensor:
        """Return one layer's states of a batch [batch, length, hidden], zero at padding."""
        padded = torch.zeros(*attention_mask.shape, kept.shape[1])
        lengths = attention_mask.sum(1).tolist()
        for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            start = self.starts[row]
            padded[place, :length] = kept[start : start + length]
        return padded.to(attention_mask.device)


def keep_outputs(
    teacher: ElasticBertForSequenceClassification,
    data: Encoded,
    layers: Collection[int],
    kept_as: str = "bfloat16",
) -> TeacherOutputs:
    """Run the teacher once over the data and keep its outputs in the cache directory.

    Args:
        layers: the layers whose hidden states are kept, from 1; 0: the embeddings; none: logits
            alone.
        kept_as: "bfloat16" (half the bytes, within 1 % of the float32 values) or "float32"
            (exactly).
    Raises:
        InvalidInput: layers or number format unknown.
        OSError: no room on the disk; says how much is needed. Nothing half-written is ever used.
    """
    check_kept(teacher, layers, kept_as, "keep_outputs")
    kept_layers = sorted(set(layers))
    recipe = {
        "teacher": weights_hash(teacher),
        "data": token_hash(data),
        "layers": kept_layers,
        "as": kept_as,
    }

    def build(folder: Path) -> dict[str, Any]:
        return _write(teacher, data, kept_layers, kept_as, folder)

    folder = cached("teacher-outputs", recipe, build)
    try:
        return _read(folder, data, kept_layers, kept_as, teacher)
    except (OSError, ValueError, RuntimeError):  # damaged: compute it again; now it must be whole
        shutil.rmtree(folder)
        folder = cached("teacher-outputs", recipe, build)
        return _read(folder, data, kept_layers, kept_as, teacher)


def check_kept(
    teacher: ElasticBertForSequenceClassification,
    layers: Collection[int],
    kept_as: str,
    caller: str,
) -> None:
    """Refuse layers that the teacher lacks, and number formats that are not kept.

    Raises:
        InvalidInput: in the caller's name.
    """
    last = teacher.config.num_hidden_layers
    if kept_as not in STORAGE_TYPES or not set(layers) <= set(range(last + 1)):
        raise InvalidInput(
            f"{caller}: layers={sorted(layers)}, kept_as={kept_as!r}; allowed: 0 to {last}, "
            f"and {', '.join(STORAGE_TYPES)}."
        )


@torch.no_grad()
def _write(
    teacher: ElasticBertForSequenceClassification,
    data: Encoded,
    layers: list[int],
    kept_as: str,
    folder: Path,
) -> dict[str, Any]:
    """Fill the folder and return each file's hash; when the disk is full, leave it empty."""
    bytes_per_number = STORAGE_TYPES[kept_as].itemsize
    needed = _num_tokens(data) * teacher.config.hidden_size * len(layers) * bytes_per_number
    try:
        if shutil.disk_usage(folder).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        starts, logits = run_teacher(teacher, data, layers, kept_as, folder)
        torch.save({"logits": logits, "starts": starts}, folder / LOGITS_FILE)
    except OSError as error:
        for path in folder.iterdir():
            path.unlink()
        raise OSError(
            error.errno,
            f"{error.strerror}: the teacher's outputs take {needed / 1e6:.0f} MB under "
            f"{cache_root()}. Free some, move the cache (TINYBERT_L_CACHE), or train with the live "
            "teacher. 磁盘空间不足",
        ) from None
    return {"hashes": {path.name: _hash_of_file(path) for path in sorted(folder.iterdir())}}


def run_teacher(
    teacher: ElasticBertForSequenceClassification,
    data: Encoded,
    layers: list[int],
    kept_as: str,
    folder: Path,
) -> tuple[list[int], torch.Tensor]:
    """Write the hidden states as they come, text after text, a file per layer.

    Returns:
        (the row at which each text's tokens begin, the logits [texts, classes]).
    """
    starts = [0] * len(data)
    logits = torch.zeros(len(data), teacher.config.num_labels)
    tokens_written = 0
    was_training = teacher.training
    teacher.eval()
    with ExitStack() as stack:
        device = stack.enter_context(placed(open_accelerator(), teacher))
        files = {}
        for layer in layers:
            files[layer] = stack.enter_context(_layer_file(folder, layer).open("wb"))
        batches = bucketed_batches(data.lengths(), BATCH_SIZE)
        for rows in tqdm(
            batches, desc=in_words("teacher's outputs 教师输出"), unit="batch", mininterval=2
        ):
            batch = collate(data, rows, device)
            mask = batch["attention_mask"]
            output = teacher(**model_inputs(batch), output_hidden_states=bool(layers))
            logits[rows] = output.logits.float().cpu()
            for row, length in zip(rows, mask.sum(1).tolist(), strict=True):
                starts[row] = tokens_written
                tokens_written += length
            for layer, file in files.items():
                states = output.hidden_states[layer][mask.bool()]
                file.write(bytes_of(states.to("cpu", STORAGE_TYPES[kept_as])))
    teacher.train(was_training)
    return starts, logits


def _read(
    folder: Path,
    data: Encoded,
    layers: list[int],
    kept_as: str,
    teacher: ElasticBertForSequenceClassification,
) -> TeacherOutputs:
    """Map the files of an entry.

    Raises:
        OSError, ValueError: a file is missing or its content has changed.
    """
    for name, expected in (read_entry(folder) or {})["metrics"]["hashes"].items():
        if _hash_of_file(folder / name) != expected:
            raise ValueError(f"{folder / name} is damaged")
    small = torch.load(folder / LOGITS_FILE, weights_only=True)
    shape = (_num_tokens(data), teacher.config.hidden_size)
    hidden = {}
    for layer in layers:
        path = str(_layer_file(folder, layer))
        numbers = torch.from_file(path, size=math.prod(shape), dtype=STORAGE_TYPES[kept_as])
        hidden[layer] = numbers.view(shape)
    return TeacherOutputs(
        small["logits"],
        hidden,
        small["starts"],
        teacher.config.num_hidden_layers,
        token_hash(data),
        data.source,
    )


def _layer_file(folder: Path, layer: int) -> Path:
    return folder / f"layer-{layer}.bin"


def token_hash(data: Encoded) -> str:
    """Return 16 hexadecimal digits that change with any token of the texts."""
    digest = hashlib.sha256()
    for rows in (data.token_ids, data.token_type_ids):
        if rows is not None:
            for text in _as_list(rows):
                digest.update(text.encode())
    return digest.hexdigest()[:16]


def _as_list(rows: Sequence[Sequence[int]]) -> Iterator[str]:
    """Yield the parts of `repr` of a list of the rows; many texts have no room as one string."""
    yield "["
    for number, row in enumerate(rows):
        yield f", {list(row)!r}" if number else repr(list(row))
    yield "]"


def _num_tokens(data: Encoded) -> int:
    return sum(data.lengths())


def _hash_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
