"""Refuse arguments of a wrong kind before they are used, and folders that cannot be written."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from tinybert_l.errors import InvalidInput


def require_numbers(settings: Any, names: Iterable[str], whole: bool = False) -> None:
    """Refuse settings that are no numbers.

    Args:
        settings: holds them as attributes.
        whole: whether they must be whole numbers.
    Raises:
        InvalidInput: names the setting and its value.
    """
    for name in names:
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise InvalidInput(
                f"{type(settings).__name__}: {name}={value!r}; allowed: "
                f"{'a whole number' if whole else 'a number'}."
            )


def require_folder(folder: str | Path, caller: str) -> Path:
    """Return a folder's absolute path, which stays what it is where the program changes its own.

    Refuses a path at which a file stands where a folder is to be made.

    Raises:
        InvalidInput: in the caller's name.
    """
    if not isinstance(folder, str | Path):
        raise InvalidInput(f"{caller}: folder={folder!r}; allowed: a path.")
    for path in (Path(folder), *Path(folder).absolute().parents):
        if path.exists() and not path.is_dir():
            raise InvalidInput(f"{caller}: {path} is a file; allowed: a folder.")
    return Path(folder).absolute()


@contextmanager
def writing_to(path: Path, hint: str = "", partial: Path | None = None) -> Iterator[None]:
    """Name the path where torch or safetensors cannot write: on a full disk they name no file.

    Args:
        path: what is written in the block, a file or a folder.
        hint: a further sentence for the error.
        partial: the folder that is filled before it is renamed; removed where that fails.
    Raises:
        InvalidInput: it cannot be written; says why, and how much room there is.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        why = str(error).partition("\n")[0][:200]
        free = shutil.disk_usage(path.parent).free / 1e6
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)  # its part of the disk is free again
        raise InvalidInput(
            f"{path}: cannot be written ({why}; {free:.1f} MB are free); allowed: a folder with "
            f"room. {hint}无法写入，磁盘可能已满。"
        ) from error
