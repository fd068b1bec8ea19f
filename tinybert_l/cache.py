"""Keep what is trained at first run, in entries that are whole or absent; write files whole.

An entry is a folder named after its kind and the hash of its recipe. Its `entry.json` holds the
recipe, versions, metrics and date. A changed recipe has another name, so its entry is built anew.
"""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import AcquireReturnProxy, FileLock, Timeout
from platformdirs import user_cache_path

from tinybert_l.errors import InvalidInput

ENTRY = "entry.json"
# Instruction sets of x86 and ARM that decide the speed of a matrix product.
INSTRUCTIONS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
    "asimddp",
    "bf16",
    "i8mm",
)


def cache_root() -> Path:
    """Return the folder of all entries: TINYBERT_L_CACHE, or the user's cache directory.

    Raises:
        InvalidInput: the user has no home directory, in which it would lie, or the path is not a
            whole one: it would be another folder for each place where a program is started.
    """
    folder = os.environ.get("TINYBERT_L_CACHE", "").strip()
    try:
        root = Path(folder or user_cache_path("tinybert-l", appauthor=False)).expanduser()
    except RuntimeError:  # the name of a user without an entry, and HOME is not set
        raise InvalidInput(
            "cache: this user has no home directory; set HOME, or TINYBERT_L_CACHE to a folder "
            "that can be written. 没有主目录，请设置HOME或TINYBERT_L_CACHE。"
        ) from None
    if not root.is_absolute():
        raise InvalidInput(
            f"TINYBERT_L_CACHE={folder}; allowed: a whole path, such as {Path.cwd() / 'cache'}. "
            "请写完整路径。"
        )
    return root


def recipe_hash(recipe: dict[str, Any]) -> str:
    """Return twelve hexadecimal digits that change with any value of the recipe."""
    return short_digest(json.dumps(recipe, sort_keys=True), 12)


def short_digest(data: str | bytes, digits: int) -> str:
    """Return the first hexadecimal digits of the SHA-256 of bytes, or of a text in UTF-8."""
    if isinstance(data, str):
        data = data.encode()
    return hashlib.sha256(data).hexdigest()[:digits]


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    Missing parent folders are made. A text is written in UTF-8.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = f"{os.getpid()}-{threading.get_ident()}"  # processes and threads write side by side
    partial = path.with_name(f".{path.name}.{writer}.partial")
    try:
        if isinstance(content, bytes):
            partial.write_bytes(content)
        else:
            partial.write_text(content, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # nobody knows the partial file's name
        raise
    finally:
        with contextlib.suppress(OSError):  # a folder that cannot be written holds none
            partial.unlink()  # it is there only after an error


def read_json(path: Path) -> Any:
    """Read a JSON file in UTF-8, with or without a byte-order mark.

    Raises:
        InvalidInput: the file is damaged; the message names it and the place.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: not UTF-8 (byte {error.start}). 文件不是UTF-8编码。") from None
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"{path}: damaged, not JSON from line {error.lineno} on ({error.msg}). "
            "文件已损坏，不是JSON。"
        ) from None


def cached(
    kind: str,
    recipe: dict[str, Any],
    build: Callable[[Path], dict[str, Any]],
    together: bool = False,
) -> Path:
    """Return the folder of an entry; builds the entry first when it is absent.

    Args:
        kind: of the entry, such as "teacher".
        recipe: plain values that decide the result.
        build: fills the folder it is given and returns metrics. It is given the same folder again
            after an interruption, so that long work can resume from its own checkpoints.
        together: under `torchrun`, whether all processes build the entry, as in a training
            run; if not, the first process builds it and the others wait.
    """
    folder = entry_folder(kind, recipe)
    if read_entry(folder) is not None:
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"cache: {folder.parent}: {error.strerror}; allowed: a folder that can be made and "
            "written to, such as TINYBERT_L_CACHE names. 无法使用缓存目录。"
        ) from None
    work = folder.with_name(f"{folder.name}.work")
    if together and int(os.environ.get("RANK", "0")) > 0:
        work.mkdir(exist_ok=True)
        build(work)
        while read_entry(folder) is None:  # the first process is about to finish it
            time.sleep(0.1)
        return folder
    with _lock(folder):
        if read_entry(folder) is None:  # another process may have built it while this one waited
            work.mkdir(exist_ok=True)
            metrics = build(work)
            entry = {"kind": kind, "recipe": recipe, "metrics": metrics, **provenance()}
            write_atomically(work / ENTRY, json.dumps(entry, indent=2))
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(folder)  # a folder without a readable entry.json is damaged
            os.replace(work, folder)
    return folder


def _lock(folder: Path) -> AcquireReturnProxy:
    """Return the lock of an entry, taken; says so where another process has it for minutes."""
    lock = FileLock(f"{folder}.lock")
    try:
        return lock.acquire(timeout=1)
    except Timeout:
        print(
            f"Another process is making {folder.name}; waiting for it. 另一进程正在生成，请等待。",
            file=sys.stderr,
        )
        return lock.acquire()


def entry_folder(kind: str, recipe: dict[str, Any]) -> Path:
    """Return where the entry of a recipe lies, or would lie once it is built."""
    return cache_root() / f"{kind}-{recipe_hash(recipe)}"


def read_entry(folder: Path) -> dict[str, Any] | None:
    """Read the `entry.json` of an entry; None when the entry is absent or not whole."""
    try:
        return json.loads((folder / ENTRY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def provenance() -> dict[str, Any]:
    """Return what a measured number needs beside it to be believed: versions, machine, date."""
    packages = ("torch", "transformers", "accelerate", "tokenizers", "numpy")
    versions = {name: version(name) for name in packages}
    return {
        "versions": versions | {"python": platform.python_version()},
        "machine": {
            "processor": platform.machine(),
            "instructions": vector_instructions(),
            "system": platform.system(),
            "cores": os.cpu_count(),
        },
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def vector_instructions() -> list[str]:
    """Return those of INSTRUCTIONS that the processor has; empty where the system is not Linux."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return []
    words = set(path.read_text(encoding="utf-8").split())
    return [name for name in INSTRUCTIONS if name in words]
