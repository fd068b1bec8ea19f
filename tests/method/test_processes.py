"""Two processes (`torchrun`, gloo) train as one does, and may go on where one stopped."""

import subprocess
import sys
from pathlib import Path

import own_bert
import pytest
import torch

from tinybert_l import Family

PROGRAM = Path(__file__).with_name("small_run.py")
# not `accelerate launch`, which starts one process where there is no GPU, whatever is asked for
LAUNCH = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]


def train(processes, folder, checkout, stop=-1):
    """Run the program; return its exit status."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable]
    if processes > 1:
        command += [*LAUNCH, str(processes)]
    command += [str(PROGRAM), str(folder), "--stop", str(stop)]
    done = subprocess.run(
        command, cwd=checkout, capture_output=True, text=True, check=False, timeout=300
    )
    if stop < 0:
        assert done.returncode == 0, done.stderr[-3000:]
        assert (folder / "processes").read_text() == str(processes)
    return done.returncode


def result(folder):
    """Return (weights, log) of a finished run."""
    return torch.load(folder / "result.pt", weights_only=True)


def assert_close(expected, actual):
    for expected_row, row in zip(expected[1], actual[1], strict=True):
        assert row["loss"] == pytest.approx(expected_row["loss"], abs=1e-4)
        assert row["gradient_norm"] == pytest.approx(expected_row["gradient_norm"], rel=1e-3)
        for name, parts in expected_row["losses"].items():
            assert row["losses"][name] == pytest.approx(parts, abs=1e-4), name
    for name, value in expected[0].items():
        if "key.bias" not in name:  # its gradient is rounding alone
            torch.testing.assert_close(actual[0][name], value, rtol=1e-3, atol=2e-4, msg=name)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, checkout):
    folder = tmp_path_factory.mktemp("processes") / "one"
    train(1, folder, checkout)
    return result(folder)


@pytest.mark.slow
def test_two_processes_give_the_losses_and_weights_of_one(uninterrupted, tmp_path, checkout):
    train(2, tmp_path / "two", checkout)
    assert_close(uninterrupted, result(tmp_path / "two"))


@pytest.mark.slow
@pytest.mark.parametrize(("first", "then"), [(2, 1), pytest.param(1, 2, marks=pytest.mark.nightly)])
def test_a_run_goes_on_with_another_number_of_processes(
    uninterrupted, tmp_path, checkout, first, then
):
    folder = tmp_path / "run"
    assert train(first, folder, checkout, stop=8) != 0
    (checkpoint,) = folder.glob("checkpoint-*")
    assert checkpoint.name == "checkpoint-000005"
    train(then, folder, checkout)
    assert_close(uninterrupted, result(folder))


@pytest.mark.slow
def test_two_processes_agree_on_the_steps_that_a_budget_in_minutes_buys(tmp_path, checkout):
    """Each measures a step of its own; with steps of their own they would wait for each other."""
    own_bert.make_own_bert(tmp_path / "bert", num_layers=1)
    own_bert.write_csv(tmp_path / "my.csv")
    command = [sys.executable, *LAUNCH, "2"]
    command += [str(PROGRAM.with_name("small_family.py")), str(tmp_path)]
    done = subprocess.run(
        command, cwd=checkout, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert [(tmp_path / f"steps-{rank}").read_text() for rank in (0, 1)] == ["6", "6"]
    assert Family.load(tmp_path / "family").sub_models
