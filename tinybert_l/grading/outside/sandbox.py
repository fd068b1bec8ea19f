"""The outer wall: a bubblewrap container in which submissions' processes are forked."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import tinybert_l

# The only folder of the grading that a submission's process can see.
INSIDE = Path(__file__).resolve().parents[1] / "inside"
SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/localtime",
)


class SandboxMissing(RuntimeError):
    """Grading was asked for where submissions cannot be isolated."""


@cache
def problem() -> str | None:
    """Why submissions cannot be isolated here and what to do about it; None when they can."""
    if sys.platform != "linux":
        return f"there is no bubblewrap for {sys.platform}; grade on Linux (a container or WSL 2 will do)"
    if shutil.which("bwrap") is None:
        return "the program bwrap is missing; install it: apt install bubblewrap (or dnf, pacman: bubblewrap)"
    tried = subprocess.run(
        [
            "bwrap",
            "--unshare-all",
            *_identity(),
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
            "unshare",
            "-Ur",
            "true",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        return f"bwrap cannot make user namespaces here ({tried.stderr.strip()[:200]}); the system forbids them"
    return None


def require(unsafe: bool) -> None:
    """Raises `SandboxMissing` when there is no sandbox and nobody said --unsafe."""
    reason = None if unsafe else problem()
    if reason:
        raise SandboxMissing(
            f"Grading runs students' code, and it cannot be isolated: {reason}. --unsafe grades without "
            "isolation: only for submissions that you would run on this machine yourself. "
            "无法隔离学生代码；--unsafe仅用于你完全信任的提交。"
        )


def command(
    lecture: int, descriptors: tuple[int, int], solutions: Path, isolate: bool
) -> list[str]:
    """The command line of a warmed process (see `inside/server.py`).

    Args:
        descriptors: the socket it listens on, and the one that keeps it alive.
        solutions: released answers, all that a submission may see of them.
        isolate: inside bubblewrap, without network, with a read-only view of Python and the library alone.
    """
    arguments = [str(lecture), "1" if isolate else "0", *map(str, descriptors)]
    if not isolate:
        return [sys.executable, "-I", "-B", str(INSIDE / "server.py"), *arguments]
    library = Path(tinybert_l.__file__).resolve().parent
    binds = [part for place in SYSTEM if os.path.lexists(place) for part in _bind(place)]
    needed = (str(library), sys.prefix, sys.base_prefix)  # an environment may itself lie under /tmp
    temporary = (
        [] if any(p.startswith("/tmp/") for p in needed) else ["--symlink", "/scratch", "/tmp"]
    )
    for place in dict.fromkeys(
        (sys.base_prefix, sys.prefix, str(Path(sys.executable).resolve().parent.parent))
    ):
        if not place.startswith("/usr"):
            binds += ["--ro-bind", place, place]
    return [
        "bwrap", "--unshare-all", "--die-with-parent", "--new-session", *_identity(), "--clearenv",
        "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8", "--setenv", "HOME", "/scratch",
        "--setenv", "TMPDIR", "/scratch",
        "--setenv", "TINYBERT_L_SOLUTIONS", "/solutions", "--setenv", "TINYBERT_L_CACHE", "/scratch/cache",
        "--setenv", "HF_HUB_OFFLINE", "1", "--setenv", "TOKENIZERS_PARALLELISM", "false",
        "--setenv", "MPLBACKEND", "agg",
        *binds, "--ro-bind", str(library), str(library), "--tmpfs", str(library / "grading"),
        "--ro-bind", str(INSIDE), "/inside",
        "--ro-bind", str(solutions), "/solutions", "--proc", "/proc", "--dev", "/dev",
        *temporary, "--tmpfs", "/scratch", "--remount-ro", "/", "--chdir", "/scratch",
        sys.executable, "-I", "-B", "/inside/server.py", *arguments,
    ]  # fmt: skip


def _bind(place: str) -> list[str]:
    if os.path.islink(place):
        return ["--symlink", os.readlink(place), place]
    return ["--ro-bind", place, place]


def _identity() -> list[str]:
    """Never root inside."""
    return ["--uid", "65534", "--gid", "65534"]
