"""A hub for the course: a server for each student, and one more, with Formgrader, for the course.

Change what is in capitals. To try it on one machine: `jupyterhub -f jupyterhub_config.py`.
"""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821

COURSE = Path(
    os.environ.get("TINYBERT_L_COURSE", "/srv/courses/tinybert-l")
)  # made by `tinybert-l course init`
GRADER = os.environ.get("TINYBERT_L_GRADER", "grader")  # the system user that owns it
INSTRUCTORS = {"instructor"}
STUDENTS = {"ann", "ben"}
PORT = int(os.environ.get("TINYBERT_L_SERVICE_PORT", "9999"))
# a hub gives its services nothing else of its own environment
PASSED_ON = ("PATH", "PYTHONPATH", "JUPYTER_CONFIG_PATH", "JUPYTER_PATH", "TINYBERT_L_CACHE")

c.JupyterHub.load_groups = {
    "instructors": {"users": sorted(INSTRUCTORS)},
    "students": {"users": sorted(STUDENTS)},
}
c.Authenticator.allowed_users = INSTRUCTORS | STUDENTS
c.JupyterHub.services = [
    {
        "name": "tinybert-l",
        "url": f"http://127.0.0.1:{PORT}",
        "command": [
            sys.executable, "-m", "jupyterhub.singleuser", "--ServerApp.root_dir", str(COURSE),
            "--LabApp.default_url", "/formgrader",
            *(["--allow-root"] if os.geteuid() == 0 else []),
        ],
        "user": GRADER,
        "cwd": str(COURSE),
        "environment": {name: os.environ[name] for name in PASSED_ON if name in os.environ},
        "oauth_no_confirm": True,
    }
]  # fmt: skip
c.JupyterHub.load_roles = [
    {
        "name": "formgrader",
        "groups": ["instructors"],
        "scopes": ["access:services!service=tinybert-l"],
    },
    {"name": "course-server", "services": ["tinybert-l"], "scopes": ["list:users!group=students"]},
]  # fmt: skip
