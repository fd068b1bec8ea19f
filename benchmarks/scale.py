"""Measure what docs/explanation/scale.md says of memory and of several processes.

`python benchmarks/scale.py memory [TEXTS]`: the most memory of a joint run from a teacher's outputs
in shards on disk (10,000,000 synthetic texts by default, 5 GB of disk, ten minutes).
`python benchmarks/scale.py workers`: a joint run by `torchrun`, and grading by Dask, with
one process and with two, in turns (twenty minutes on a machine that does nothing else).
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contest import contest, keep, print_rows
from transformers import BertConfig, BertForSequenceClassification

from tinybert_l import begin
from tinybert_l.course.rows import Row, ShardsRow, WorkersRow
from tinybert_l.method.data import Encoded
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.output_shards import (
    NewShard,
    OutputShards,
    TokenFile,
    open_shards,
    rows_hash,
)
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.run_identity import bytes_of
from tinybert_l.submodels import SubModel

TEXTS = 10_000_000
PART = 100_000  # texts of a shard
LENGTHS = (4, 8)  # tokens of a text, at least and at most
HIDDEN = 16
STEPS = 50
BATCH = 32
ROUNDS = 3
SUBMISSIONS = 8
# accelerate launch would start one process where there is no GPU
LAUNCH = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]
CHECKOUT = Path(__file__).resolve().parent.parent


def memory(texts: int) -> list[Row]:
    """Train from shards in a process of its own, and measure that process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "one-run", str(texts), folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    measured = json.loads(done.stdout.splitlines()[-1])
    return [ShardsRow(texts=texts, gigabytes=size / 1e9, **measured)]


def one_run(texts: int, folder: Path) -> None:
    """Write synthetic texts and outputs, train from them, and print what it took."""
    torch.set_num_threads(1)
    on_disk = TokenFile.write(folder / "tokens.bin", synthetic_texts(texts))
    data = Encoded(on_disk, range(texts), 0)
    shards = synthetic_outputs(on_disk, folder / "shards")
    config = BertConfig(
        vocab_size=1000,
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
    )
    student = elastic_copy(BertForSequenceClassification(config))
    recipe = JointRecipe(
        num_steps=STEPS,
        batch_size=BATCH,
        attention_weight=0.0,
        precision="float32",
        stages=((0.0, (SubModel(2), SubModel(1, 0.5))),),
    )
    begun = []
    train_jointly(
        student,
        shards,
        data,
        recipe,
        folder / "run",
        on_step=lambda _: begun.append(time.perf_counter()),
        answers="reference",
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    milliseconds = 1000 * float(np.median(np.diff(begun)))
    print(json.dumps({"peak_gigabytes": peak / 1e9, "milliseconds_a_step": milliseconds}))


def synthetic_texts(texts: int) -> Iterator[TokenFile]:
    """Yield random texts, a part at a time."""
    random = np.random.default_rng(0)
    for first in range(0, texts, PART):
        count = min(PART, texts - first)
        lengths = random.integers(LENGTHS[0], LENGTHS[1] + 1, count)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        yield TokenFile(random.integers(1, 1000, starts[-1], dtype=np.int32), starts)


def synthetic_outputs(texts: TokenFile, folder: Path) -> OutputShards:
    """Write logits and the states of all layers, as if a teacher had computed them."""
    states_of = torch.randn(1000, HIDDEN).bfloat16()
    logits_of = torch.randn(1000, 2)
    for number, first in enumerate(range(0, len(texts), PART)):
        part = texts[first : first + PART]
        facts = {
            "teacher": "synthetic",
            "classes": 2,
            "hidden_size": HIDDEN,
            "num_layers": 2,
            "layers": [0, 1, 2],
            "as": "bfloat16",
            "texts": len(part),
            "tokens": rows_hash(part),
        }
        tokens = torch.tensor(part.tokens[part.starts[0] : part.starts[-1]]).long()
        starts = torch.tensor(part.starts[:-1] - part.starts[0])
        with NewShard(folder, number, facts) as shard:
            (shard / "logits.bin").write_bytes(bytes_of(logits_of[tokens[starts]]))
            (shard / "starts.bin").write_bytes(bytes_of(starts))
            for layer in range(3):
                (shard / f"layer-{layer}.bin").write_bytes(bytes_of(states_of[tokens]))
    return open_shards(folder)


def workers() -> list[Row]:
    """Time training and grading with one process and with two, in turns."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        calls = {1: partial(train, 1, Path(folder)), 2: partial(train, 2, Path(folder))}
        for number, timing in contest(calls, ROUNDS).items():
            rows.append(WorkersRow(timing.duration_ms, timing.times_faster, "training", number))
    for number, timing in contest({1: partial(grade, 1), 2: partial(grade, 2)}, ROUNDS).items():
        rows.append(WorkersRow(timing.duration_ms, timing.times_faster, "grading", number))
    return rows


def train(processes: int, folder: Path) -> None:
    """Run a small joint run by so many processes, their start included."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = tempfile.mkdtemp(dir=folder)
    command = [sys.executable, *LAUNCH, str(processes), __file__]
    command += ["one-training", run]
    subprocess.run(command, check=True, capture_output=True, env=environment, cwd=CHECKOUT)


def one_training(folder: Path) -> None:
    """Train a student of a quarter of BERT-base's size; every process runs this."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=6, intermediate_size=1536
    )
    teacher = elastic_copy(BertForSequenceClassification(config))
    rows = torch.randint(1000, 30_000, (BATCH * 4, 64)).tolist()
    data = Encoded(rows, [0] * len(rows), 0)
    recipe = JointRecipe(num_steps=30, batch_size=BATCH, precision="float32")
    train_jointly(elastic_copy(teacher), teacher, data, recipe, folder, answers="reference")


def grade(number: int) -> None:
    """Grade perfect submissions by a Dask cluster of so many workers, its start included."""
    from distributed import LocalCluster
    from grading import prepared, submit

    from tinybert_l.grading.course import Course
    from tinybert_l.grading.outside import forker
    from tinybert_l.grading.run import Options
    from tinybert_l.grading.run import grade as grade_lecture
    from tinybert_l.grading.sample_class import LECTURE

    course = prepared(Course)
    submit(course, 0, SUBMISSIONS)
    forker.close_all()
    with LocalCluster(
        n_workers=number, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        options = Options(scheduler=cluster.scheduler_address)
        result = grade_lecture(course, LECTURE, options=options)
    if result.errors:
        sys.exit(f"grading: {result.errors}")


def main(words: list[str]) -> None:
    if words[0] == "one-run":
        one_run(int(words[1]), Path(words[2]))
    elif words[0] == "one-training":
        one_training(Path(words[1]))
    elif words[0] == "workers":
        save("scale_workers", "scale_workers", workers(), submissions=SUBMISSIONS, steps=30)
    else:
        texts = int(words[1]) if len(words) > 1 else TEXTS
        save("scale_memory", "scale_memory", memory(texts), batch=BATCH, hidden=HIDDEN)


def save(name: str, kind: str, rows: list[Row], **details: Any) -> None:
    """Print the rows and keep them; `--record` keeps them for the page of scale."""
    load = os.getloadavg()[0]  # what else ran on this machine
    keep(name, kind, rows, load=round(load, 1), **details)
    print_rows(name, rows)


if __name__ == "__main__":
    begin(1, demo=True)
    main([word for word in sys.argv[1:] if not word.startswith("--")] or ["memory"])
