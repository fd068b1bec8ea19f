"""Submissions that delete or overwrite files, kill processes, or crash their own."""

ATTACKS = {
    "delete_everything": """
import shutil

for p in ("/", tinybert_l.__path__[0], "/home", "/scratch", "/solutions"):
    shutil.rmtree(p, ignore_errors=True)
""",
    "delete_library": """
import shutil, pathlib

shutil.rmtree(pathlib.Path(tinybert_l.__file__).parent)
""",
    "overwrite_library": """
import pathlib

(pathlib.Path(tinybert_l.__file__).parent / "exercises" / "lecture_03.py").write_text("")
""",
    "overwrite_solutions": """
open("/solutions/lecture_01.py", "w").write("")
""",
    "kill_everyone": """
import os, signal

for pid in range(2, 5000):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
os.kill(-1, signal.SIGKILL)
""",
    "kill_parent": """
import os, signal

os.kill(os.getppid(), signal.SIGKILL)
""",
    "close_all_fds": """
import os

os.closerange(0, 256)
""",
    "segfault": """
import ctypes

ctypes.string_at(0)
""",
    "os_exit": """
import os

os._exit(0)
""",
    "abort": """
import os

os.abort()
""",
}
