"""The one stop-watch: how long a call takes, with its spread."""

import time
from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.benchmark import Timer

from tinybert_l.errors import InvalidInput

WARM_UP_CALLS = 3
FEWEST_ROUNDS = 5
LONGEST = 3600  # seconds


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


def measure_in_turns(
    calls: dict[str, Callable[[], Any]], seconds: float = 0.3, percentile: float = 50
) -> dict[str, float]:
    """Time calls one after the other, round after round: a busy moment slows all of them down.

    Args:
        calls: functions without arguments, by name.
        seconds: how long each is measured, about; at least 5 rounds.
        percentile: which of a call's times counts, 0 to 100; 50: the median.
    Returns:
        Milliseconds by name.
    Raises:
        InvalidInput: a percentile or a time out of range.
    """
    _require_range("percentile", percentile, 100)
    _require_range("seconds", seconds, LONGEST)
    for call in calls.values():
        for _ in range(WARM_UP_CALLS):
            call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    rounds = 0
    while rounds < FEWEST_ROUNDS or time.perf_counter() < end:
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            times[name].append(1000 * (time.perf_counter() - begin))
        rounds += 1
    return {name: float(np.percentile(taken, percentile)) for name, taken in times.items()}


def _require_range(name: str, value: Any, most: float) -> None:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 <= float(value) <= most:
        raise InvalidInput(f"measure: {name}={value!r}; allowed: a number from 0 to {most}.")
