"""Keep a teacher's outputs, and the texts' tokens, on disk: for more texts than memory holds.

A shard is a folder of raw numbers, whole or absent. Of a batch, its own rows alone are read.
"""

import hashlib
import json
import os
import shutil
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch

from tinybert_l.cache import read_json, write_atomically
from tinybert_l.errors import InvalidInput
from tinybert_l.method.data import Encoded
from tinybert_l.method.model import ElasticBertForSequenceClassification, ElasticOutput
from tinybert_l.method.run_identity import bytes_of, text_hash, weights_hash
from tinybert_l.method.teacher_outputs import STORAGE_TYPES, check_kept, run_teacher

FACTS = "shard.json"


class TokenFile(Sequence[list[int]]):
    """The tokens of many texts in one file; a text is read when it is asked for.

    It takes the place of the list `Encoded.token_ids`.

    Args:
        tokens: all tokens, one text after the other.
        starts: where each text's tokens begin, and where the last ones end, [texts + 1].
    """

    def __init__(self, tokens: np.ndarray, starts: np.ndarray) -> None:
        self.tokens = tokens
        self.starts = starts

    @classmethod
    def write(cls, path: Path, parts: Iterable[Sequence[Sequence[int]]]) -> "TokenFile":
        """Write texts as they come, part after part, and open the file."""
        lengths: list[np.ndarray] = []
        with path.open("wb") as file:
            for part in parts:
                tokens, part_lengths = _flat(part)
                file.write(tokens.tobytes())
                lengths.append(part_lengths)
        starts = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
        return cls(np.memmap(path, np.int32, "r"), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, place: int) -> list[int]: ...
    @overload
    def __getitem__(self, place: slice) -> "TokenFile": ...
    def __getitem__(self, place: int | slice) -> "list[int] | TokenFile":
        if isinstance(place, slice):
            first, last, _ = place.indices(len(self))
            return TokenFile(self.tokens, self.starts[first : last + 1])
        return self.tokens[self.starts[place] : self.starts[place + 1]].tolist()

    def lengths(self) -> list[int]:
        """Return the number of tokens of each text."""
        return np.diff(self.starts).tolist()


def _flat(rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return all tokens of the texts, and each text's number of them."""
    if isinstance(rows, TokenFile):
        tokens = rows.tokens[rows.starts[0] : rows.starts[-1]]
        return np.asarray(tokens, np.int32), np.diff(rows.starts).astype(np.int64)
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    every = (token for row in rows for token in row)
    return np.fromiter(every, np.int32, int(lengths.sum())), lengths


def rows_hash(rows: Sequence[Sequence[int]]) -> str:
    """Return 16 hexadecimal digits that change with any token of the texts."""
    digest = hashlib.sha256()
    for array in _flat(rows):
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class OutputShards:
    """A teacher's outputs on disk; in training they take the teacher's place, as `TeacherOutputs`.

    Args:
        folders: of the shards, in the order of their texts.
        facts: of each shard.
    """

    folders: tuple[Path, ...]
    facts: tuple[Mapping[str, Any], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(texts, classes)."""
        return sum(facts["texts"] for facts in self.facts), self.facts[0]["classes"]

    @property
    def hidden_size(self) -> int | None:
        """Size of the kept hidden states; None: none are kept."""
        return self.facts[0]["hidden_size"]

    @property
    def layers(self) -> set[int]:
        """The layers whose hidden states are kept; 0: the embeddings."""
        return set(self.facts[0]["layers"])

    @property
    def num_layers(self) -> int:
        """Number of the teacher's layers."""
        return self.facts[0]["num_layers"]

    def belong_to(self, data: Encoded) -> bool:
        """Whether these are the outputs for the texts of the data, token by token."""
        first = 0
        for facts in self.facts:
            last = first + facts["texts"]
            if rows_hash(data.token_ids[first:last]) != facts["tokens"]:
                return False
            first = last
        return first == len(data)

    def identity(self) -> str:
        """Return digits that change with the teacher, the texts and what was kept."""
        return text_hash(json.dumps([dict(facts) for facts in self.facts], sort_keys=True))

    def for_batch(self, rows: Sequence[int], attention_mask: torch.Tensor) -> ElasticOutput:
        """Return the outputs of a batch; as `TeacherOutputs.for_batch`."""
        logits = torch.zeros(len(rows), self.shape[1])
        states = {}
        for layer in self.layers:
            states[layer] = torch.zeros(*attention_mask.shape, self.hidden_size or 0)
        lengths = attention_mask.sum(1).tolist()
        for place, (folder, row) in enumerate(map(self._find, rows)):
            logits[place] = _numbers(folder / "logits.bin", torch.float32, row, self.shape[1])
            if not states:
                continue
            start = int(_numbers(folder / "starts.bin", torch.int64, row, 1))
            for layer, padded in states.items():
                kept = self._states(folder, layer, start, lengths[place])
                padded[place, : lengths[place]] = kept
        device = attention_mask.device
        if not states:
            return ElasticOutput(logits=logits.to(device))
        hidden: list[torch.Tensor | None] = [None] * (self.num_layers + 1)
        for layer, padded in states.items():
            hidden[layer] = padded.to(device)
        return ElasticOutput(logits=logits.to(device), hidden_states=tuple(hidden))

    def _find(self, row: int) -> tuple[Path, int]:
        """Return the shard of a text, and its number there."""
        ends = list(accumulate(facts["texts"] for facts in self.facts))
        shard = bisect_right(ends, row)
        return self.folders[shard], row - (ends[shard - 1] if shard else 0)

    def _states(self, folder: Path, layer: int, start: int, length: int) -> torch.Tensor:
        """Return one layer's states of a text, [length, hidden]."""
        size = self.hidden_size or 0
        kind = STORAGE_TYPES[self.facts[0]["as"]]
        flat = _numbers(folder / f"layer-{layer}.bin", kind, start, size, length)
        return flat.view(length, size)


def _numbers(path: Path, kind: torch.dtype, row: int, width: int, count: int = 1) -> torch.Tensor:
    """Read `count` rows of `width` numbers from the row on."""
    row_bytes = kind.itemsize * width
    with path.open("rb", buffering=0) as file:
        file.seek(row * row_bytes)
        content = file.read(count * row_bytes)
    if len(content) < count * row_bytes:
        raise InvalidInput(f"{path}: ends before row {row + count}; keep the outputs anew.")
    return torch.frombuffer(bytearray(content), dtype=kind)


def keep_in_shards(
    teacher: ElasticBertForSequenceClassification,
    parts: Iterable[Encoded],
    layers: Collection[int],
    folder: str | Path,
    kept_as: str = "bfloat16",
) -> OutputShards:
    """Run the teacher once over texts that come part by part, and keep its outputs, a shard each.

    What is there already is not computed again: a run that was stopped loses one shard.

    Args:
        parts: the texts in their order, such as 100,000 at a time.
        layers, kept_as: as in `keep_outputs`.
        folder: where the shards are kept; each teacher has its own.
    Raises:
        InvalidInput: a shard that another teacher made, or for other texts; more shards than
            parts; or layers or a number format unknown.
    """
    check_kept(teacher, layers, kept_as, "keep_in_shards")
    folder = Path(folder)
    number = -1
    known = {
        "teacher": weights_hash(teacher),
        "classes": teacher.config.num_labels,
        "hidden_size": teacher.config.hidden_size if layers else None,
        "num_layers": teacher.config.num_hidden_layers,
        "layers": sorted(set(layers)),
        "as": kept_as,
    }
    for number, part in enumerate(parts):
        facts = known | {"texts": len(part), "tokens": rows_hash(part.token_ids)}
        if _is_here(folder, number, facts):
            continue
        with NewShard(folder, number, facts) as shard:
            starts, logits = run_teacher(teacher, part, known["layers"], kept_as, shard)
            (shard / "logits.bin").write_bytes(bytes_of(logits))
            (shard / "starts.bin").write_bytes(bytes_of(torch.tensor(starts)))
    if (_shard(folder, number + 1) / FACTS).is_file():
        raise InvalidInput(
            f"{folder}: holds more shards than the {number + 1} parts that were given; allowed: "
            "the same parts, or another folder."
        )
    return open_shards(folder)


def _is_here(folder: Path, number: int, facts: Mapping[str, Any]) -> bool:
    path = _shard(folder, number) / FACTS
    if not path.is_file():
        return False
    there = read_json(path)
    differing = sorted(name for name, value in facts.items() if there.get(name) != value)
    if differing:
        raise InvalidInput(
            f"{path.parent}: made with other {', '.join(differing)}; allowed: the same, or "
            "another folder."
        )
    return True


class NewShard:
    """Yields an empty folder that becomes the shard when the `with` block ends without an error."""

    def __init__(self, folder: Path, number: int, facts: Mapping[str, Any]) -> None:
        self.final = _shard(folder, number)
        self.partial = self.final.with_suffix(".partial")
        self.facts = facts

    def __enter__(self) -> Path:
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True)
        return self.partial

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            write_atomically(self.partial / FACTS, json.dumps(dict(self.facts)))
            os.replace(self.partial, self.final)


def _shard(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}"


def open_shards(folder: Path) -> OutputShards:
    """Open the shards of a folder.

    Raises:
        InvalidInput: there are none, one is missing, or they were not made alike.
    """
    folders = tuple(_whole_shards(folder))
    facts = tuple(read_json(path / FACTS) for path in folders)
    if not facts:
        raise InvalidInput(f"{folder}: holds no shards; allowed: a folder of keep_in_shards.")
    for name in ("teacher", "classes", "hidden_size", "num_layers", "layers", "as"):
        if any(known[name] != facts[0][name] for known in facts):
            raise InvalidInput(f"{folder}: the shards were made with different {name}.")
    return OutputShards(folders, facts)


def _whole_shards(folder: Path) -> Iterator[Path]:
    paths = sorted(path.parent for path in folder.glob(f"shard-?????/{FACTS}"))
    for number, path in enumerate(paths):
        if path != _shard(folder, number):
            raise InvalidInput(f"{folder}: shard {number} is missing; keep the outputs anew.")
        yield path
