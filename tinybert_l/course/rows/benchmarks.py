"""Rows of benchmarks: durations, rates and loads on one machine."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from tinybert_l.course.rows.values import Decoding, DeployedModel, Quartiles, Row
from tinybert_l.submodels import SubModel


@dataclass(frozen=True)
class TimedRow(Row):
    """A contestant of a benchmark: its duration, and how much faster it is than the first."""

    duration_ms: Quartiles
    times_faster: float


@dataclass(frozen=True)
class DeployRow(TimedRow):
    """An exported sub-model, or the teacher in torch where `model` is None."""

    kind: ClassVar[str] = "deploy"
    model: DeployedModel | None
    megabytes: float
    times_smaller: float
    accuracy_percent: float


@dataclass(frozen=True)
class StepRow(TimedRow):
    """A joint training step after so many changes of the plain loop."""

    kind: ClassVar[str] = "step"
    change: str
    size: str | None = None
    loss: float | None = None
    memory_gb: float | None = None
    sub_model_examples_per_second: float | None = None
    gemm_share_percent: float | None = None


@dataclass(frozen=True)
class WritingSpeedRow(TimedRow):
    """A way to write a text."""

    kind: ClassVar[str] = "writing_speed"
    sub_model: SubModel
    decoding: Decoding
    drafted: bool
    kv_cache: bool
    tokens_per_second: float
    drafts_kept_percent: float | None = None


@dataclass(frozen=True)
class ReadingSpeedRow(TimedRow):
    """A sub-model and an attention that read documents of one length."""

    kind: ClassVar[str] = "reading_speed"
    sub_model: SubModel
    attention: Literal["full", "windowed"]
    length: int
    microseconds_per_token: float
    times_shortest: float  # time a token over that of the shortest documents


@dataclass(frozen=True)
class PeerRow(TimedRow):
    """A turn of nine sub-models by one library or method."""

    kind: ClassVar[str] = "peer"
    contestant: str
    sub_model_examples_per_second: float
    smallest_accuracy_percent: float


@dataclass(frozen=True)
class SubModelSpeedRow(Row):
    """A forward pass against full BERT's."""

    kind: ClassVar[str] = "sub_model_speed"
    contestant: Literal["bert", "masked", "sub_model"]
    sub_model: SubModel | None
    times_faster: Quartiles
    times_fewer_flops: float


@dataclass(frozen=True)
class FirstUseRow(Row):
    """Seconds from an empty cache to the first joint step, in several runs."""

    kind: ClassVar[str] = "first_use"
    seconds: tuple[float, ...]
    median_seconds: float
    from_scratch_seconds: float | None = None


@dataclass(frozen=True)
class ShardsRow(Row):
    """A joint run from a teacher's outputs in shards on disk."""

    kind: ClassVar[str] = "shards"
    texts: int
    gigabytes: float  # on disk
    peak_gigabytes: float  # of the process
    milliseconds_a_step: float


@dataclass(frozen=True)
class WorkersRow(TimedRow):
    """The same work by so many processes."""

    kind: ClassVar[str] = "workers"
    work: Literal["training", "grading"]
    workers: int


@dataclass(frozen=True)
class ServeRow(Row):
    """What a server of hand-ins did under a load.

    Args:
        seconds: within which all were sent.
        accept_p50_ms: milliseconds until the receipt, of half of them; likewise the others.
        judged_per_minute: whose visible tests were run, beside the sending and after it.
        load_average: of the machine, other programs included.
    """

    kind: ClassVar[str] = "serve"
    hand_ins: int
    seconds: float
    failed: int
    accept_p50_ms: float
    accept_p95_ms: float
    accept_max_ms: float
    judged_per_minute: float
    load_average: float


@dataclass(frozen=True)
class ClassScaleRow(Row):
    """What an instructor of a large class waits for, in processor seconds.

    Args:
        init_seconds: of `course init`.
        release_seconds: of `release`.
        second_tenth_seconds: of a notebook in the second tenth of the class.
        last_tenth_seconds: of a notebook in the last.
        growth: how many times the one the other is.
        two_workers: how many times faster than one, by the clock.
        two_loops: how many times faster two programs that need nothing but a core are than one.
        load_average: of the machine, other programs included.
    """

    kind: ClassVar[str] = "class_scale"
    students: int
    init_seconds: float
    release_seconds: float
    second_tenth_seconds: float
    last_tenth_seconds: float
    growth: float
    two_workers: float
    two_loops: float
    load_average: float
