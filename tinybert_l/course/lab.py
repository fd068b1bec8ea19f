"""Start JupyterLab on the course home of a folder."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_runtime_dir

from tinybert_l.course.capstone.baseline import NOTEBOOK as CAPSTONE
from tinybert_l.course.home import no_notebook, notebooks_in, write_home
from tinybert_l.errors import InvalidInput

SERVER = "tinybert_l.course.server"
# found by JupyterLab through JUPYTER_CONFIG_PATH: labconfig/page_config.json
SETTINGS = Path(__file__).with_name("jupyter")
WIDGET = "application/vnd.jupyter.widget-view+json"
KERNEL_STARTUP = Path(__file__).with_name("kernel_startup.py")


def open_lab(folder: Path, browser: bool = True, options: Sequence[str] = ()) -> None:
    """Write the course home into a folder and replace this process by JupyterLab.

    In a folder that holds the capstone's notebook and no lecture, it opens that one.

    JupyterLab looks for no updates and asks for no news: nothing goes online.

    Args:
        folder: holds at least one notebook of the course, or the capstone's.
        browser: open a browser; False: only print the address.
        options: further options of JupyterLab, such as --port=8890; they go before ours.
    Raises:
        InvalidInput: the folder holds none of them, or Jupyter has no folder of its own.
    """
    folder = folder.resolve()
    _require_runtime_folder()
    command = lab_command(folder, first_page(folder), browser, options)
    environment = lab_environment(os.environ)
    if os.name == "nt":  # Windows cannot replace a process by another
        sys.exit(subprocess.call(command, cwd=folder, env=environment))
    os.chdir(folder)
    os.execve(command[0], command, environment)  # stopping this process then stops the server


def _require_runtime_folder() -> None:
    """Refuse to start where Jupyter cannot write its own files; it would end in a traceback.

    Raises:
        InvalidInput: names the folder, and how to choose another.
    """
    folder = Path(jupyter_runtime_dir())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(folder, os.W_OK)
    except OSError:
        is_writable = False
    if not is_writable:
        raise InvalidInput(
            f"lab: Jupyter cannot write to {folder}; set HOME or JUPYTER_RUNTIME_DIR to a folder "
            "that is yours. Jupyter无法写入此目录，请设置HOME或JUPYTER_RUNTIME_DIR。"
        )


def first_page(folder: Path) -> str:
    """Return the notebook that JupyterLab opens: the course home, written anew, or the capstone's.

    Raises:
        InvalidInput: the folder holds no notebook of the course.
    """
    if notebooks_in(folder):
        return write_home(folder).name
    if (folder / CAPSTONE.name).is_file():
        return CAPSTONE.name
    raise InvalidInput(no_notebook(folder))


def lab_command(folder: Path, page: str, browser: bool, options: Sequence[str]) -> list[str]:
    """Return the command line of JupyterLab.

    Args:
        page: the notebook that it opens.
        folder, browser, options: as in `open_lab`.
    """
    command = [
        sys.executable,
        "-m",
        SERVER,
        f"--ServerApp.root_dir={folder}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
        "--KernelManager.transport_encryption=auto",  # else each kernel warns that there is none
        f"--LabApp.default_url=/lab/tree/{page}",
    ]
    if not browser:
        command.append("--no-browser")
    return [*command, *options]


def lab_environment(environment: "os._Environ[str] | dict[str, str]") -> dict[str, str]:
    """Return the server's environment: settings without news, and a start-up file for kernels."""
    before = environment.get("JUPYTER_CONFIG_PATH", "").split(os.pathsep)
    paths = [path for path in before if path not in ("", str(SETTINGS))]
    added = {
        "JUPYTER_CONFIG_PATH": os.pathsep.join([str(SETTINGS), *paths]),
        "PYTHONSTARTUP": str(KERNEL_STARTUP),
        "PYTHONWARNINGS": environment.get("PYTHONWARNINGS", "ignore::FutureWarning"),
    }
    return {**environment, **added}


def settle_server() -> None:
    """Give a Jupyter server that runs in this process the settings of `tinybert-l lab`.

    nbgrader loads the nbgrader_config.py of a course, or of a released folder, when the server
    starts; so a plain `jupyter lab` there shows no news and no warnings either. Does nothing in
    any other process.
    """
    module = sys.modules.get("jupyter_server.serverapp")
    if module is None or not module.ServerApp.initialized():
        return
    from traitlets.config import Config

    os.environ.update(lab_environment(os.environ))
    encryption = Config({"KernelManager": {"transport_encryption": "auto"}})
    server = module.ServerApp.instance()
    server.kernel_manager.update_config(encryption)
    if server.contents_manager.pre_save_hook is None:
        server.contents_manager.pre_save_hook = drop_forms


def drop_forms(model: dict[str, Any], **_: object) -> None:
    """Leave forms out of a notebook that is saved: opened again, they would be lines of an error.

    JupyterLab calls this before it saves. A form's text stays. Widgets whose state is saved with
    the notebook, as JupyterLab can be asked to do, stay as they are.
    """
    if model.get("type") != "notebook":
        return
    content = model["content"]
    if "widgets" in content.get("metadata", {}):
        return
    for cell in content.get("cells", []):
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
