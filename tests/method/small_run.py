"""A program: one small joint run, which tests start in processes of its own, stop and kill."""

import argparse
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from conftest import small_bert

from tinybert_l import begin
from tinybert_l.method.data import Encoded
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.processes import is_main_process, open_accelerator
from tinybert_l.method.recipe import JointRecipe

STOPPED = 7  # exit status


def uneven_texts() -> Encoded:
    """Forty-three texts of 1 to 11 tokens: batches that no number of processes divides evenly."""
    generator = torch.Generator().manual_seed(1)
    rows = []
    for number in range(43):
        length = number % 11 + 1
        rows.append(torch.randint(1, 60, (length,), generator=generator).tolist())
    return Encoded(rows, [row[0] % 2 for row in rows], 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="Write checkpoints, step and result.pt there.")
    parser.add_argument("--steps", type=int, default=14, help="Train so many steps.")
    parser.add_argument("--stop", type=int, default=-1, help="Exit before this step.")
    parser.add_argument("--pause", type=float, default=0.0, help="Sleep so many seconds a step.")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    begin(1, demo=True)
    # dropout on attention weights would be drawn by each process for its own texts
    student = elastic_copy(small_bert(1, attention_probs_dropout_prob=0.0))
    teacher = elastic_copy(small_bert(0))
    recipe = JointRecipe(
        num_steps=arguments.steps,
        batch_size=9,
        precision="float32",
        checkpoint_every=5,
        learning_rate=1e-3,
    )

    def on_step(step: int) -> None:
        (arguments.folder / "step").write_text(str(step))
        if step == arguments.stop:
            sys.exit(STOPPED)
        time.sleep(arguments.pause)

    log = train_jointly(student, teacher, uneven_texts(), recipe, arguments.folder, on_step=on_step)
    if is_main_process():
        torch.save((student.state_dict(), log), arguments.folder / "result.pt")
        processes = open_accelerator().num_processes
        (arguments.folder / "processes").write_text(str(processes))


if __name__ == "__main__":
    main()
