"""Build the outer wall: a bubblewrap container in which submissions' processes are forked."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType

import tinybert_l
from tinybert_l.errors import CourseError

PROGRAM = "tinybert_l.grading.inside.server"
# The only folder of the grading that a submission's process can see.
INSIDE = Path(__file__).resolve().parents[1] / "inside"
FORMULAS = "exercises/formulas.py"  # the method's own functions, which would pass for answers
NO_FORMULAS = INSIDE / "no_formulas.py"
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
THREADS = {  # a process that forks must have one thread; numpy and torch read these when imported
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
ENVIRONMENT = {  # all variables that a submission sees
    **THREADS,
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/scratch",
    "TMPDIR": "/scratch",
    "TINYBERT_L_SOLUTIONS": "/solutions",
    "TINYBERT_L_CACHE": "/scratch/cache",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "MPLBACKEND": "agg",
    "PIP_NO_INDEX": "1",  # there is no network, and asking it again and again takes half a minute
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
NOBODY = ("--uid", "65534", "--gid", "65534")  # never root


class SandboxMissing(CourseError, RuntimeError):
    """Grading was asked for where submissions cannot be isolated."""


@cache
def problem() -> str | None:
    """Say why submissions cannot be isolated here and what to do about it; None when they can."""
    if sys.platform != "linux":
        return (
            f"there is no bubblewrap for {sys.platform}; grade on Linux "
            "(a container or WSL 2 will do)"
        )
    if shutil.which("bwrap") is None:
        return (
            "the program bwrap is missing; install it: apt install bubblewrap "
            "(or dnf, pacman: bubblewrap)"
        )
    # what the container does, and what a submission's process does in it
    outer = ("bwrap", "--unshare-all", *NOBODY, "--ro-bind", "/", "/", "--proc", "/proc")
    inner = ("unshare", "-Ur", "true")
    trial = subprocess.run([*outer, *inner], capture_output=True, text=True, check=False)
    if trial.returncode:
        return (
            f"bwrap cannot make user namespaces here ({trial.stderr.strip()[:200]}); "
            "the system forbids them"
        )
    return None


def require(unsafe: bool) -> None:
    """Raise `SandboxMissing` when submissions cannot be isolated and `unsafe` is not set."""
    reason = None if unsafe else problem()
    if reason:
        raise SandboxMissing(
            f"Grading runs students' code, and it cannot be isolated: {reason}. --unsafe grades "
            "without isolation: only for submissions that you would run on this machine yourself. "
            "无法隔离学生代码；--unsafe仅用于你完全信任的提交。"
        )


def command(
    lecture: int, descriptors: tuple[int, int], solutions: Path, isolate: bool
) -> list[str]:
    """Return the command line of a forking process (see `inside/server.py`).

    Args:
        lecture: number of the lecture that is graded.
        descriptors: the socket where the process listens, and the one that keeps it alive.
        solutions: folder of the released answers, all that a submission may see of them.
        isolate: run it inside bubblewrap, without network, with a read-only view of Python and
            of the library alone.
    """
    listener, keepalive = descriptors
    arguments = [str(lecture), str(int(isolate)), str(listener), str(keepalive)]
    # without "..": what it goes through is not shown
    program = [os.path.abspath(sys.executable), "-I", "-B", "-m", PROGRAM, *arguments]
    if not isolate:
        return program
    return [*container(solutions), *program]


def container(solutions: Path, shown: Mapping[Path, str] = MappingProxyType({})) -> list[str]:
    """Return the command line of the container, to which that of a program is appended.

    A program in it can write in /scratch and /dev/shm alone. Each submission's process mounts
    empty file systems of its own there, so that it leaves nothing behind for the next one.

    Args:
        solutions: folder of the released answers that are shown.
        shown: further folders that are shown, read-only, and where.
    """
    arguments = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", *NOBODY]
    arguments.append("--clearenv")
    for name, value in ENVIRONMENT.items():
        arguments += ["--setenv", name, value]
    for place in SYSTEM:
        arguments += _system_bind(place)
    for place in _python_folders():
        if not place.startswith("/usr"):
            arguments += ["--ro-bind", place, place]
    arguments += library_binds()
    for folder, place in {solutions: "/solutions", **shown}.items():
        arguments += ["--ro-bind", str(folder), place]
    arguments += ["--proc", "/proc"]
    arguments += ["--dev", "/dev", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    if not _needs_tmp():
        arguments += ["--symlink", "/scratch", "/tmp"]
    return [*arguments, "--tmpfs", "/scratch", "--remount-ro", "/", "--chdir", "/scratch"]


def library_binds() -> list[str]:
    """Return what shows the library, with `grading/inside` as all that there is of the grading.

    An empty module stands for the method's own functions; their byte code is hidden too.
    """
    library = Path(tinybert_l.__file__).resolve().parent
    grading = str(library / "grading")
    inside = str(library / "grading" / "inside")
    compiled = library / "exercises" / "__pycache__"
    with suppress(OSError):  # where nobody can make it, nobody can compile into it later
        compiled.mkdir(exist_ok=True)
    hidden = ["--ro-bind", str(NO_FORMULAS), str(library / FORMULAS)]
    if compiled.is_dir():
        hidden += ["--tmpfs", str(compiled), "--remount-ro", str(compiled)]
    return [
        *("--ro-bind", str(library), str(library)),
        *hidden,
        *("--tmpfs", grading),
        *("--ro-bind", str(INSIDE), inside),
        *("--remount-ro", grading),
    ]


def _python_folders() -> list[str]:
    """Return where Python and its packages lie: the environment's folder and that of its base."""
    interpreter = Path(sys.executable).resolve().parent.parent
    return list(dict.fromkeys((sys.base_prefix, sys.prefix, str(interpreter))))


def _needs_tmp() -> bool:
    """Return whether Python or the library lies under /tmp, which then cannot be a link."""
    needed = (tinybert_l.__file__, sys.prefix, sys.base_prefix)
    return any(str(Path(place).resolve()).startswith("/tmp/") for place in needed)


def _system_bind(place: str) -> list[str]:
    if not os.path.lexists(place):
        return []
    if os.path.islink(place):
        return ["--symlink", os.readlink(place), place]
    return ["--ro-bind", place, place]
