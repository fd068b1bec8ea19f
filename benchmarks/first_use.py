"""Measure the first minute: `python benchmarks/first_use.py`.

Seconds from an empty cache to the first joint training step, in a new process each time: imports,
the shipped teacher, importance, one step. `--whole` also measures it with the teacher trained from
scratch, which takes minutes.
"""

import os
import subprocess
import sys
import tempfile
import time
from statistics import median

from contest import keep

from tinybert_l.course.rows import FirstUseRow

RUNS = 3
CODE = """
import os, sys, time
from tinybert_l import begin
begin(1, demo=True)
from tinybert_l.method import joint
joint_step = joint.joint_step
def first_step(*arguments, **options):
    loss_and_parts = joint_step(*arguments, **options)
    loss_and_parts[0].backward()
    print("FIRST STEP", time.time())
    sys.stdout.flush()
    os._exit(0)
joint.joint_step = first_step
joint.load_supernet(from_scratch="scratch" in sys.argv)
"""


def seconds_to_first_step(*arguments: str) -> float:
    """Time a new process with an empty cache from its start to its first joint step."""
    with tempfile.TemporaryDirectory() as cache:
        begin = time.time()
        environment = {**os.environ, "TINYBERT_L_CACHE": cache}
        command = [sys.executable, "-c", CODE, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FIRST STEP")]
    return float(line.split()[-1]) - begin


def main() -> None:
    seconds = [seconds_to_first_step() for _ in range(RUNS)]
    runs = ", ".join(f"{value:.1f}" for value in seconds)
    print(f"first joint step after {median(seconds):.1f} s ({RUNS} runs: {runs})")
    from_scratch = None
    if "--whole" in sys.argv:
        from_scratch = seconds_to_first_step("scratch")
        print(f"with the teacher trained from scratch: {from_scratch:.0f} s")
    row = FirstUseRow(tuple(seconds), median(seconds), from_scratch)
    keep("first_use", "first_use", [row])


if __name__ == "__main__":
    main()
