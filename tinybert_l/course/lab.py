"""Start JupyterLab on the course home of a folder."""

import os
import subprocess
import sys
from pathlib import Path

from tinybert_l.course.home import notebooks_in, write_home
from tinybert_l.errors import InvalidInput


def open_lab(folder: Path, browser: bool = True) -> None:
    """Write the course home into a folder and replace this process by JupyterLab.

    JupyterLab looks for no updates and asks for no news: nothing goes online.

    Args:
        folder: holds at least one notebook of the course.
        browser: open a browser; False: only print the address.
    Raises:
        InvalidInput: the folder holds no notebook of the course.
    """
    folder = folder.resolve()
    if not notebooks_in(folder):
        raise InvalidInput(
            f"No notebook of the course in {folder}. Unzip a lecture and start here again. "
            "此文件夹中没有课程笔记本。"
        )
    page = write_home(folder)
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
        f"--LabApp.default_url=/lab/tree/{page.name}",
    ]
    if not browser:
        command.append("--no-browser")
    if os.name == "nt":  # Windows cannot replace a process by another
        sys.exit(subprocess.call(command, cwd=folder))
    os.chdir(folder)
    os.execv(command[0], command)  # stopping this process then stops the server
