"""Submissions that look for answers, hidden tests, grades, secrets, or a way to the network."""

ATTACKS = {
    "read_solutions": """
import glob

found = glob.glob("/**/lecture_03.py", recursive=True) + glob.glob(
    "/**/solutions/lecture_04.py", recursive=True
)
exec(open(found[0]).read())
""",
    "read_hidden_tests": """
import glob
import pathlib

root = pathlib.Path(tinybert_l.__file__).parents[1]
for p in root.rglob("*.ipynb"):
    print(open(p).read())
assert False
""",
    "read_gradebook": """
import glob, sqlite3

sqlite3.connect(glob.glob("/**/gradebook.db", recursive=True)[0])
""",
    "read_others": """
import glob

open([p for p in glob.glob("/**/submitted/**/*.ipynb", recursive=True)][0])
""",
    "read_environment": """
import os

assert not [k for k in os.environ if "KEY" in k or "TOKEN" in k]
raise KeyError("nothing")
""",
    "read_proc_memory": """
import os

for p in os.listdir("/proc"):
    if p.isdigit():
        open(f"/proc/{p}/mem", "rb")
open("/proc/1/environ")
""",
    "read_source_of_tests_by_gc": """
import gc

found = [o for o in gc.get_objects() if isinstance(o, str) and "HIDDEN TESTS" in o]
assert found
""",
    "phone_home": """
import urllib.request

urllib.request.urlopen("http://1.1.1.1/", timeout=3)
""",
    "dns": """
import socket

socket.getaddrinfo("example.com", 80)
""",
    "local_services": """
import socket

socket.create_connection(("127.0.0.1", 22), 1)
""",
}
