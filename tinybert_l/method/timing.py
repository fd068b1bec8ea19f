"""The one stop-watch: how long a call takes, with its spread."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.utils.benchmark import Timer

WARM_UP_CALLS = 3


class Latency(NamedTuple):
    """Median and interquartile range of one call, in milliseconds."""

    median_ms: float
    iqr_ms: float


def measure_call(call: Callable[[], Any], seconds: float = 0.6) -> Latency:
    """Time a call on torch's current threads; warm-up calls are not counted.

    Args:
        call: a function without arguments.
        seconds: how long to measure, at least.
    """
    for _ in range(WARM_UP_CALLS):
        call()
    timer = Timer("call()", globals={"call": call}, num_threads=torch.get_num_threads())
    measurement = timer.blocked_autorange(min_run_time=seconds)
    return Latency(measurement.median * 1000, measurement.iqr * 1000)
