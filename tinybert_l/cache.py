"""One place for everything that is trained at first run: whole entries only, never half-written ones.

An entry is a folder named after what it holds and the hash of its recipe, with `entry.json` beside
the files: recipe, versions, metrics, date. A changed recipe has another name, so it is made anew.
"""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_cache_path

ENTRY = "entry.json"
# of x86 and ARM: what decides the speed of a matrix product, in float32, bfloat16 or int8
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
    """TINYBERT_L_CACHE when set, else the user's cache directory."""
    named = os.environ.get("TINYBERT_L_CACHE")
    return Path(named).expanduser() if named else user_cache_path("tinybert-l", appauthor=False)


def recipe_hash(recipe: dict[str, Any]) -> str:
    """Twelve hexadecimal digits that change with any value of the recipe."""
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
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    if isinstance(content, bytes):
        partial.write_bytes(content)
    else:
        partial.write_text(content, encoding="utf-8")
    os.replace(partial, path)


def cached(
    kind: str,
    recipe: dict[str, Any],
    build: Callable[[Path], dict[str, Any]],
    together: bool = False,
) -> Path:
    """The folder of a finished entry; builds it first when there is none.

    Args:
        kind: what the entry holds, such as "teacher".
        recipe: plain values that decide the result.
        build: fills the folder it is given and returns metrics. It is given the same folder again
            after an interruption, so that long work can resume from its own checkpoints.
        together: under `accelerate launch`, whether all processes build it (a training run); else the first one that
            comes does, and the others wait.
    """
    folder = cache_root() / f"{kind}-{recipe_hash(recipe)}"
    if read_entry(folder) is not None:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = folder.with_name(f"{folder.name}.work")
    if together and int(os.environ.get("RANK", "0")) > 0:
        work.mkdir(exist_ok=True)
        build(work)
        while read_entry(folder) is None:  # the first process is about to finish it
            time.sleep(0.1)
        return folder
    with FileLock(f"{folder}.lock"):
        if read_entry(folder) is None:  # another process may have built it while this one waited
            work.mkdir(exist_ok=True)
            metrics = build(work)
            entry = {"kind": kind, "recipe": recipe, "metrics": metrics, **provenance()}
            write_atomically(work / ENTRY, json.dumps(entry, indent=2))
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(folder)  # a folder without a readable entry.json is damaged
            os.replace(work, folder)
    return folder


def read_entry(folder: Path) -> dict[str, Any] | None:
    """What `entry.json` says, or None when the entry is not there or not whole."""
    try:
        return json.loads((folder / ENTRY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def provenance() -> dict[str, Any]:
    """What a number needs beside it to be believed: versions, machine, date."""
    packages = ("torch", "transformers", "accelerate", "tokenizers", "numpy")
    return {
        "versions": {name: version(name) for name in packages}
        | {"python": platform.python_version()},
        "machine": {
            "processor": platform.machine(),
            "instructions": vector_instructions(),
            "system": platform.system(),
            "cores": os.cpu_count(),
        },
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def vector_instructions() -> list[str]:
    """Which of INSTRUCTIONS the processor has; none where the system is not Linux, which lists them in a file."""
    path = Path("/proc/cpuinfo")
    words = set(path.read_text(encoding="utf-8").split()) if path.is_file() else set()
    return [name for name in INSTRUCTIONS if name in words]
