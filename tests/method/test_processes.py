"""Two processes (`accelerate launch`, gloo) train as one does with the same batches; a checkpoint fits any number."""

import subprocess
import sys

import pytest
import torch

SCRIPT = """
import sys, torch
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import small_bert
from tinybert_l import begin
from tinybert_l.method.data import Encoded
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.training import is_main_process
torch.set_num_threads(1)
begin(1, demo=True)
generator = torch.Generator().manual_seed(1)
rows = [torch.randint(1, 60, (int(n),), generator=generator).tolist() for n in torch.arange(43) % 11 + 1]
data = Encoded(rows, [row[0] % 2 for row in rows], 0)
student, teacher = elastic_copy(small_bert(1)), elastic_copy(small_bert(0))
folder, stop = Path(sys.argv[2]), int(sys.argv[3])
recipe = JointRecipe(num_steps=14, batch_size=9, precision="float32", checkpoint_every=5, learning_rate=1e-3)
def step(number):
    if number == stop:
        sys.exit(7)
log = train_jointly(student, teacher, data, recipe, folder, on_step=step)
if is_main_process():
    torch.save((student.state_dict(), log), folder / "result.pt")
"""


def train(processes, folder, checkout, stop=-1):
    """Run the script; returns its exit status."""
    folder.mkdir(exist_ok=True)
    (folder / "script.py").write_text(SCRIPT)
    command = [sys.executable]
    if processes > 1:
        command += [
            "-m",
            "accelerate.commands.launch",
            "--cpu",
            "--num_processes",
            str(processes),
            "--num_machines",
            "1",
        ]
        command += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command += [str(folder / "script.py"), str(checkout / "tests"), str(folder), str(stop)]
    done = subprocess.run(
        command, cwd=checkout, capture_output=True, text=True, check=False, timeout=300
    )
    if stop < 0:
        assert done.returncode == 0, done.stderr[-3000:]
    return done.returncode


def result(folder):
    return torch.load(folder / "result.pt", weights_only=True)


def close(one, two):
    for a, b in zip(one[1], two[1], strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-4)
        assert a["gradient_norm"] == pytest.approx(b["gradient_norm"], rel=1e-3)
        for name, parts in a["losses"].items():
            assert parts == pytest.approx(b["losses"][name], abs=1e-4), name
    for name, value in one[0].items():
        if "key.bias" not in name:  # its gradient is rounding alone
            torch.testing.assert_close(value, two[0][name], rtol=1e-3, atol=2e-4, msg=name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, checkout):
    folder = tmp_path_factory.mktemp("processes") / "one"
    train(1, folder, checkout)
    return result(folder)


@pytest.mark.slow
def test_two_processes_give_the_losses_and_weights_of_one(whole, tmp_path, checkout):
    train(2, tmp_path / "two", checkout)
    close(whole, result(tmp_path / "two"))


@pytest.mark.slow
@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2)])
def test_a_run_goes_on_with_another_number_of_processes(whole, tmp_path, checkout, first, then):
    assert train(first, tmp_path / "run", checkout, stop=8) != 0
    (left,) = (tmp_path / "run").glob("checkpoint-*")
    assert left.name == "checkpoint-000005"
    train(then, tmp_path / "run", checkout)
    close(whole, result(tmp_path / "run"))
