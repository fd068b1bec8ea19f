"""The folder in which a family is made: one run at a time, with the room that it needs."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list
from filelock import FileLock, Timeout

from tinybert_l.cache import read_json
from tinybert_l.errors import InvalidInput
from tinybert_l.method.processes import open_accelerator

LOCK = ".lock"
# A checkpoint holds the weights and AdamW's two means; a new one is written beside the old one, and
# the trained model after both.
COPIES = 7


@contextmanager
def alone_in(folder: Path, weights: int = 0) -> Iterator[None]:
    """Make a folder, and hold it for one run; the other processes of that run are let in.

    Args:
        weights: bytes of the student, for which there must be room.
    Raises:
        InvalidInput: it cannot be made or written to, has no room, or another run is in it.
    """
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if int(os.environ.get("RANK", "0")) == 0:
            lock.acquire(timeout=0)
    except Timeout:
        raise InvalidInput(
            f"distil: another run is at work in {folder}; allowed: another folder, or this one "
            "when it has ended. 目录正被另一次运行使用。"
        ) from None
    except OSError as error:
        raise InvalidInput(
            f"distil: {folder} cannot be written to ({error.strerror}); allowed: a folder of "
            "yours. 目录不可写。"
        ) from None
    try:
        require_space(folder, weights)
        yield
    finally:
        lock.release()


def require_space(folder: Path, weights: int) -> None:
    """Refuse a disk on which checkpoints and family have no room, before anything is trained.

    Args:
        weights: bytes of the student.
    Raises:
        InvalidInput: says how much there is, and how much is needed.
    """
    free, needed = shutil.disk_usage(folder).free, COPIES * weights
    if free < needed:
        raise InvalidInput(
            f"distil: {folder} has {free / 1e6:.1f} MB free; allowed: {needed / 1e6:.1f} MB, for "
            "checkpoints and the family. 磁盘空间不足。"
        )


def agreed(value: Any) -> Any:
    """Return the value of the first of several processes, which decides for all."""
    open_accelerator()
    (value,) = broadcast_object_list([value])
    return value


def read_kept(path: Path) -> dict[str, Any]:
    """Read what an earlier call kept, and the request that it was made for.

    Raises:
        InvalidInput: the file is damaged.
    """
    kept = read_json(path)
    if not isinstance(kept, dict) or not isinstance(kept.get("request"), dict):
        raise InvalidInput(
            f"{path}: damaged, it names no request; allowed: as distil wrote it, or another "
            "folder. 文件已损坏。"
        )
    return kept
