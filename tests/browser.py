"""JupyterLab in a real browser: start it, open notebooks, look at pages with axe-core."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PICTURES = Path(__file__).resolve().parent.parent / "outputs" / "screenshots"
PATIENCE = 90_000  # milliseconds: two test processes share two cores


@contextlib.contextmanager
def server(command: list[str], folder: Path, work: Path, **environment: str) -> Iterator[str]:
    """Start a Jupyter server with settings of its own and yield its address.

    Args:
        command: the server's command line; its port and an empty token come from a settings file.
        folder: the server's working directory.
        work: a folder for its settings and its log.
        environment: variables beside those of this process.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = work / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True, exist_ok=True)
    # cells that are out of sight are drawn too, so that a test can find them
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    config = work / "config"
    config.mkdir(exist_ok=True)
    options = {
        "ServerApp": {"port": port, "open_browser": False, "allow_root": True},
        "IdentityProvider": {"token": ""},
    }
    (config / "jupyter_server_config.json").write_text(json.dumps(options))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_RUNTIME_DIR": str(work / "runtime"),
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTERLAB_SETTINGS_DIR": str(work / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(work / "workspaces"),
        **environment,
    }
    log = work / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output
        )
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(480):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"{address}/api", timeout=2)
                    break
                assert process.poll() is None, log.read_text()
                time.sleep(0.25)
            yield address
        finally:
            process.terminate()
            process.wait(PATIENCE / 1000)


def picture(page: Any, name: str) -> None:
    """Save a screenshot of the page under outputs/screenshots."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


def cell(page: Any, text: str) -> Any:
    """The code cell whose source has this text."""
    code_cells = page.locator(".jp-CodeCell", has=page.locator(".cm-content", has_text=text))
    code_cells.first.wait_for(timeout=PATIENCE)
    code_cells.first.scroll_into_view_if_needed()
    return code_cells.first


def type_into(page: Any, target: Any, source: str) -> None:
    """Replace a cell's source, as a person would."""
    target.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(source)


def violations(page: Any) -> list[str]:
    """Describe what axe-core calls serious or critical on a page."""
    from axe_playwright_python.sync_playwright import Axe

    described = []
    for violation in Axe().run(page).response["violations"]:
        nodes = violation["nodes"]
        if violation["impact"] in ("serious", "critical"):
            first = nodes[0]["html"][:160]
            described.append(f"{violation['impact']} {violation['id']} x{len(nodes)}: {first}")
    return described
