"""Say before the demo how long each of its steps will take on this machine."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinybert_l.cache import write_atomically
from tinybert_l.cli import tables
from tinybert_l.course.records import RESULTS

RECORD = RESULTS / "demo_seconds.json"  # written by benchmarks/demo_seconds.py
STEPS = {
    "training": "1 teacher and joint training 教师与联合训练",
    "measuring": "2 trade-off 权衡",
    "grading": "3 one lecture: release, hand in, grade 发布、提交、评分",
}
MATRIX_SIZE = 768
NOTHING_TO_DO = "done before: loaded in a few seconds 已完成，几秒内载入"


def matrix_speed() -> float:
    """Measure how fast this machine multiplies float32 matrices, in GFLOP/s."""
    import torch

    from tinybert_l.method.timing import measure_call

    matrix = torch.ones(MATRIX_SIZE, MATRIX_SIZE)
    milliseconds = measure_call(lambda: matrix @ matrix, seconds=0.2).median_ms
    return 2 * MATRIX_SIZE**3 / milliseconds / 1e6


class StepTimes:
    """Seconds of each step of a demo; written beside its results, and read before the next."""

    def __init__(self, folder: Path, size: str) -> None:
        self.path = folder / "demo_seconds.json"
        self.size = size
        self.speed = matrix_speed()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step, and keep the time."""
        start = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - start
        record = {self.size: {"gflops": self.speed, "seconds": self.seconds}}
        write_atomically(self.path, json.dumps(record, indent=1))

    def show_forecast(self, finished: set[str]) -> None:
        """Print how long each step will take: recorded seconds, scaled by the machines' speeds.

        Args:
            finished: names of the steps whose results are there already.
        """
        record = json.loads(RECORD.read_text(encoding="utf-8"))[self.size]
        scale = record["gflops"] / self.speed
        rows = []
        for name, title in STEPS.items():
            duration = in_words(scale * record["seconds"][name])
            rows.append((title, NOTHING_TO_DO if name in finished else duration))
        title = f"What the demo does 演示内容 ({self.speed:.0f} GFLOP/s here 本机)"
        tables.show(title, ("step 步骤", "takes about 大约需要"), rows)


def in_words(seconds: float) -> str:
    """Say a duration roughly.

    >>> in_words(41), in_words(310)
    ('40 s 秒', '5 min 分钟')
    """
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} s 秒"
    return f"{seconds / 60:.0f} min 分钟"
