"""Submissions that try to leave a process or a file behind."""

ATTACKS = {
    "daemon": """
import os, time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
""",
    "thread": """
import threading, time

threading.Thread(target=lambda: time.sleep(600)).start()
""",
    "startup_file": """
import os, site

os.makedirs(os.path.expanduser("~/.ipython/profile_default/startup"), exist_ok=True)
open(os.path.expanduser("~/.ipython/profile_default/startup/x.py"), "w").write("1/0")
open(site.getsitepackages()[0] + "/evil.pth", "w")
""",
    "cron": """
open("/etc/cron.d/x", "w").write("* * * * * root true")
""",
    "shared_memory": """
open("/dev/shm/left", "w").write("for the next")
open("/tmp/left", "w").write("for the next")
""",
    "sitecustomize": """
open("sitecustomize.py", "w").write("1/0")
open("torch.py", "w").write("1/0")
""",
    "note_for_the_next": """
import contextlib
import os

library = tinybert_l.__path__[0]
for folder in ("/", "/dev", "/dev/pts", "/solutions", library, library + "/grading"):
    with contextlib.suppress(OSError):
        open(os.path.join(folder, "note_for_the_next"), "w").write("layer_map is easy")
""",
}
