"""Submissions that use up time, memory, disk or the limits of messages."""

from .answers import answer

ATTACKS = {
    "endless_cell": """
while True:
    pass
""",
    "endless_answer": answer(
        "hidden_loss",
        """
while True:
    pass
""",
    ),
    "ignores_signals": """
import signal

for s in range(1, 32):
    try:
        signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
""",
    "memory": """
x = [bytearray(2**30) for _ in range(64)]
for y in x:
    y[::4096] = b"x" * len(y[::4096])
""",
    "big_print": """
for _ in range(300):
    print("x" * 2**20)
""",
    "big_file": """
open("f", "wb").truncate(2**40)
with open("g", "wb") as f:
    for _ in range(4096):
        f.write(b"x" * 2**20)
""",
    "many_files": """
files = [open(f"f{i}", "w") for i in range(100000)]
""",
    "deep_result": answer(
        "kept_layers",
        """
x = []
for _ in range(100000):
    x = [x]
return x
""",
    ),
    "huge_result": answer("kept_layers", "return list(range(10**7))"),
    "huge_tensor": answer("attention_loss", "return torch.zeros(1).expand(10**12)"),
    "huge_number": answer("kept_layers", "return [10**100000]"),
    "huge_message": answer(
        "kept_layers",
        """
raise ValueError("x" * 10**8)
""",
    ),
    "recursion": answer("kept_layers", "return kept_layers(num_layers, depth)"),
}

# Each stays below the limit of a process and is above that of the submission, here `megabytes`.
TOGETHER = {
    "three_children": """
import os, time
for _ in range(3):
    if os.fork() == 0:
        x = bytearray(megabytes * 2**20 // 2)
        x[::4096] = b"x" * len(x[::4096])
        time.sleep(60)
time.sleep(60)
""",
    "children_that_hide": """
import ctypes, os, time
for _ in range(3):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # nobody may look at this process
        x = bytearray(megabytes * 2**20 // 2)
        x[::4096] = b"x" * len(x[::4096])
        time.sleep(60)
time.sleep(60)
""",
    "other_programs": """
import subprocess, sys, time
program = f"x = bytearray({megabytes} * 2**20 // 2); x[::4096] = b'x' * len(x[::4096]); "
for _ in range(3):
    subprocess.Popen([sys.executable, "-I", "-S", "-c", program + "import time; time.sleep(60)"])
time.sleep(60)
""",
    "many_processes": """
import os, time
for _ in range(30):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
time.sleep(60)
""",
    "many_threads": """
import threading, time
threading.stack_size(64 * 1024)
for _ in range(30):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
time.sleep(60)
""",
    "shared_memory_that_a_child_fills": """
import mmap, os, time
for _ in range(3):
    if os.fork() == 0:
        x = mmap.mmap(-1, megabytes * 2**20 // 2)
        if os.fork() == 0:
            x[::4096] = b"x" * len(x[::4096])
            os._exit(0)
        time.sleep(60)
time.sleep(60)
""",
}
# Memory outside of any process, and namespaces of one's own: each must fail with an error.
HIDDEN = {
    "memfd": """
import os
x = os.memfd_create("x")
os.ftruncate(x, megabytes * 2**20)
""",
    "system_v_segment": """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if libc.shmget(0, ctypes.c_size_t(megabytes * 2**20), 0o1600) == -1:
    raise OSError(ctypes.get_errno(), "shmget")
""",
    "own_namespace": """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000) == -1:
    raise OSError(ctypes.get_errno(), "unshare")
""",
    "own_namespace_of_a_child": """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
child = libc.syscall({"x86_64": 56, "aarch64": 220}[os.uname().machine], 0x10000011, 0, 0, 0, 0)
if child == 0:
    os._exit(0)
if child == -1:
    raise OSError(ctypes.get_errno(), "clone")
""",
}
HARMLESS = """
x = bytearray(megabytes * 2**20 // 2)
"""
# A small object of which a tests' copy would have gigabytes.
GROWS_IN_THE_JUDGE = answer("kept_layers", "return range(400_000_000)")


def slow_when_run_again(count: int, until: float) -> list[str]:
    """Cells that are quick until a moment; then one ends its process, so that all run again.

    Args:
        until: of `time.time`.
    """
    quick = f"import time\nif time.time() > {until}: time.sleep(60)"
    last = f"import os, time\nwhile time.time() < {until}: pass\nos._exit(0)"
    return [quick] * count + [last, "x = 1"]
