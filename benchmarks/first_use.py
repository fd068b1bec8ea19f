"""Seconds from an empty cache to the first joint training step: `python benchmarks/first_use.py`.

A new process each time: imports, the shipped teacher, importance, one step. `--whole` also does it with the teacher
trained from scratch, which takes minutes.
"""

import os
import subprocess
import sys
import tempfile
import time
from statistics import median
from typing import Any

from contest import keep

CODE = """
import sys, time
from tinybert_l import begin
begin(1, demo=True)
from tinybert_l import joint
taken = joint.joint_step
def first_step(*arguments, **more):
    found = taken(*arguments, **more)
    found[0].backward()
    print("FIRST STEP", time.time())
    sys.stdout.flush()
    import os
    os._exit(0)
joint.joint_step = first_step
joint.load_supernet(from_scratch="scratch" in sys.argv)
"""


def seconds(*arguments: str) -> float:
    """From the start of a new process with an empty cache to its first joint step."""
    with tempfile.TemporaryDirectory() as cache:
        begun = time.time()
        environment = {**os.environ, "TINYBERT_L_CACHE": cache}
        command = [sys.executable, "-c", CODE, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FIRST STEP")]
    return float(line.split()[-1]) - begun


def main() -> None:
    taken = [seconds() for _ in range(3)]
    record: dict[str, Any] = {
        "title": "Seconds to the first joint step",
        "seconds": taken,
        "median": median(taken),
    }
    print(
        f"first joint step after {median(taken):.1f} s (three runs: {', '.join(f'{t:.1f}' for t in taken)})"
    )
    if "--whole" in sys.argv:
        record["from scratch"] = seconds("scratch")
        print(f"with the teacher trained from scratch: {record['from scratch']:.0f} s")
    keep("first_use", record)


if __name__ == "__main__":
    main()
