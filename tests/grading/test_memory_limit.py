"""Memory and processes of a submission are bounded for all of them together.

The limit is lowered to a twentieth, so that the test takes little memory. Needs the sandbox.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from attacks import exhaust

from tinybert_l.grading.outside import sandbox

pytestmark = pytest.mark.skipif(
    sandbox.problem() is not None, reason=f"no sandbox: {sandbox.problem()}"
)
MEGABYTES = 100
# Runs each piece of code as a submission's process runs, all at the same time, and prints what
# became of it.
PROGRAM = """
import json, os, sys, time
from tinybert_l.grading.inside import namespaces

namespaces.PROCESS_LIMIT = 20  # a sixth, so that the test is quick
attacks, megabytes = json.loads(sys.argv[1]), int(sys.argv[2])
pipes, began = {}, time.monotonic()
for name, source in attacks.items():
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        namespaces.cut_off(8, megabytes, 60)
        try:
            exec(source, {"megabytes": megabytes})
            outcome = "ended"
        except BaseException as error:
            outcome = repr(error)
        os.write(write, outcome.encode())
        os._exit(0)
    os.close(write)
    pipes[name] = (child, read)
outcomes = {}
for name, (child, read) in pipes.items():
    os.waitpid(child, 0)
    outcome = os.read(read, 1000).decode()
    outcomes[name] = [outcome or "stopped", time.monotonic() - began]
print(json.dumps(outcomes))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, tuple[str, float]]:
    solutions: Path = tmp_path_factory.mktemp("solutions")
    attacks = {**exhaust.TOGETHER, **exhaust.HIDDEN, "harmless": exhaust.HARMLESS}
    program = [sys.executable, "-I", "-B", "-c", PROGRAM, json.dumps(attacks), str(MEGABYTES)]
    done = subprocess.run(
        [*sandbox.container(solutions), *program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("attack", exhaust.TOGETHER)
def test_processes_that_have_too_much_together_are_stopped(outcomes, attack):
    outcome, seconds = outcomes[attack]
    # where the grader is not root, the kernel itself refuses more processes
    refused = attack.startswith("many_") and ("BlockingIOError" in outcome or "thread" in outcome)
    assert (outcome == "stopped" or refused) and seconds < 50  # they would sleep for 60


@pytest.mark.parametrize("attack", exhaust.HIDDEN)
def test_memory_outside_of_processes_and_namespaces_cannot_be_had(outcomes, attack):
    assert "Error(1" in outcomes[attack][0], outcomes


def test_who_stays_below_the_limit_is_left_alone(outcomes):
    assert outcomes["harmless"][0] == "ended", outcomes
