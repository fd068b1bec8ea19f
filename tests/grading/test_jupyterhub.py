"""The documented hub: an instructor reaches the course's Formgrader, a student does not.

Needs JupyterHub and its proxy on the PATH.
"""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from browser import PATIENCE, picture
from tests_support import CHROMIUM

from tinybert_l.exercises.registry import NOTEBOOKS
from tinybert_l.grading import setup
from tinybert_l.grading.release import release

HUB, PROXY = shutil.which("jupyterhub"), shutil.which("configurable-http-proxy")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (apt install chromium)"
    ),
    pytest.mark.skipif(
        not (HUB and PROXY), reason="no jupyterhub and configurable-http-proxy on the PATH"
    ),
]
TRIAL = """load_subconfig({config!r})
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.pid_file = {pid_file!r}
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.cookie_secret_file = {secret!r}
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for opened in sockets:
        opened.bind(("127.0.0.1", 0))
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


@pytest.fixture(scope="module")
def hub(checkout, tmp_path_factory):
    work = tmp_path_factory.mktemp("hub")
    course = setup.init(work / "course")
    release(course, 3)
    port, hub_port, proxy_port, service = free_ports(4)
    settings = TRIAL.format(
        config=str(checkout / "docs" / "how-to" / "jupyterhub_config.py"),
        port=port,
        hub_port=hub_port,
        proxy_port=proxy_port,
        pid_file=str(work / "proxy.pid"),
        secret=str(work / "secret"),
    )
    (work / "trial.py").write_text(settings)
    environment = {
        **os.environ,
        "TINYBERT_L_COURSE": str(course.folder),
        "TINYBERT_L_GRADER": getpass.getuser(),
        "TINYBERT_L_SERVICE_PORT": str(service),
        "PYTHONPATH": str(checkout),
        # where the hub has an environment of its own, what nbgrader enables is in this one
        "JUPYTER_CONFIG_PATH": str(Path(sys.prefix) / "etc" / "jupyter"),
        "JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(work / "runtime"),
    }
    with (work / "log").open("w") as log:
        command = [str(HUB), "-f", str(work / "trial.py")]
        process = subprocess.Popen(command, cwd=work, env=environment, stdout=log, stderr=log)
        try:
            for address in (
                f"http://127.0.0.1:{port}/hub/health",
                f"http://127.0.0.1:{service}/services/tinybert-l/api",
            ):
                wait_for(address, process, work / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)


def wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(address, timeout=2)
            return
        except OSError as error:
            if isinstance(error, urllib.error.HTTPError) and error.code < 500:
                return  # it answers, if only that one must log in
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.25)
    pytest.fail(log.read_text()[-3000:])


def open_formgrader(hub: str, browser, user: str):
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{hub}/hub/login")
    page.fill("#username_input", user)
    page.fill("#password_input", "any")
    page.click("#login_submit")
    page.wait_for_url(lambda url: "/hub/login" not in url, timeout=PATIENCE, wait_until="commit")
    answer = page.goto(f"{hub}/services/tinybert-l/formgrader/manage_assignments")
    return page, answer


def test_an_instructor_reaches_formgrader(hub, browser):
    page, answer = open_formgrader(hub, browser, "instructor")
    assert answer.ok, answer.status
    page.get_by_text(NOTEBOOKS[3]).first.wait_for(timeout=PATIENCE)
    picture(page, "jupyterhub-formgrader")


def test_a_student_does_not(hub, browser):
    _, answer = open_formgrader(hub, browser, "ann")
    assert answer.status == 403
