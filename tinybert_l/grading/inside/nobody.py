"""Answer at once what asks for a network, a package or a person: there is none while grading.

Installers try again and again for half a minute where no network is. So, in a submission's process,
programs of these names stand first on the path, and magics of these names are replaced. A
breakpoint that was left in an answer is passed over.
"""

import os
import pdb
import sys
from pathlib import Path
from typing import Any

from IPython.core import debugger

INSTALLERS = ("pip", "pip3", "conda", "mamba", "micromamba", "uv", "pipx", "poetry", "easy_install",
              "apt", "apt-get", "aptitude", "sudo", "yum", "dnf", "apk", "brew", "npm")  # fmt: skip
DOWNLOADERS = ("wget", "curl", "aria2c", "gdown", "kaggle", "huggingface-cli", "hf", "scp", "rsync",
               "ssh")  # fmt: skip
MAGICS = ("pip", "conda", "mamba", "micromamba", "uv")  # that install
NO_PACKAGES = (
    "No package is installed while grading: submissions run with the packages of the course. "
    "评分时不安装软件包，只能使用课程环境中的软件包。"
)
NO_NETWORK = "There is no network while grading. 评分时没有网络。"
NO_INPUT = "nobody answers input() while grading 评分时没有人回答input()"
ARGUMENTS = ["ipykernel_launcher.py", "-f", "kernel.json"]  # as a kernel has them
FOLDER = ".commands"  # in the scratch directory


def answer_at_once(shell: Any, scratch: str) -> None:
    """Put programs and magics in the place of those that wait for a network."""
    folder = Path(scratch) / FOLDER
    folder.mkdir()
    for names, sentence in ((INSTALLERS, NO_PACKAGES), (DOWNLOADERS, NO_NETWORK)):
        program = folder / f".{names[0]}"
        program.write_text(f"#!/bin/sh\necho '{sentence}' >&2\nexit 1\n", encoding="utf-8")
        program.chmod(0o700)
        for name in names:
            (folder / name).symlink_to(program.name)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    for name in MAGICS:
        shell.register_magic_function(_say_no_packages, "line", name)
    sys.argv[:] = ARGUMENTS
    sys.breakpointhook = pdb.set_trace = debugger.set_trace = _go_on


def _go_on(*_: Any, **__: Any) -> None:
    """Do nothing, in place of a debugger that waits for commands."""


def _say_no_packages(line: str) -> None:
    """Say that no package is installed."""
    print(NO_PACKAGES)


def hint(error: BaseException) -> str:
    """Return what grading has to do with an error of a cell; an empty text where it has nothing."""
    if isinstance(error, ModuleNotFoundError) and "No module named" in str(error):
        return NO_PACKAGES
    if isinstance(error, EOFError):
        return NO_INPUT
    return ""
