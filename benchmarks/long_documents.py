"""Measure time a token against length: `python benchmarks/long_documents.py` (a minute).

Full attention, windowed attention, and windowed attention with dropped tokens. The weights are the
teacher's, cut: speed does not depend on them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from contest import Timing, contest, report

from tinybert_l import begin
from tinybert_l.course.rows import ReadingSpeedRow, TimedRow
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.teacher import load_teacher
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.documents import attention_window, extend_positions

LENGTHS = (512, 1024, 2048, 4096)
TOKENS = 4096
WINDOW = 64
ROUNDS = 5
SUB_MODEL = SubModel(3, 0.5)
SHORTER = SubModel(3, 0.5, 0.25)


@dataclass(frozen=True)
class Contestant:
    """A sub-model and an attention that read documents of one length."""

    attention: Literal["full", "windowed"]
    sub_model: SubModel
    length: int


def all_contestants() -> list[Contestant]:
    """Each attention and sub-model at each length."""
    contestants = [Contestant("full", SUB_MODEL, length) for length in LENGTHS]
    contestants += [Contestant("windowed", SUB_MODEL, length) for length in LENGTHS]
    contestants += [Contestant("windowed", SHORTER, length) for length in LENGTHS]
    return contestants


def reading(
    model: ElasticBertForSequenceClassification, contestant: Contestant
) -> Callable[[], Any]:
    """A call that reads `TOKENS` random tokens in documents of the contestant's length."""
    ids = torch.randint(1000, 20_000, (TOKENS // contestant.length, contestant.length))
    window = WINDOW if contestant.attention == "windowed" else None

    @torch.no_grad()
    def read() -> None:
        with attention_window(model, window):
            model(ids, sub_model=contestant.sub_model)

    return read


def speed_rows(timings: dict[Contestant, Timing]) -> list[ReadingSpeedRow]:
    """A row for each contestant, compared with its own time at the shortest length."""
    rows = []
    for contestant, timing in timings.items():
        shortest = Contestant(contestant.attention, contestant.sub_model, LENGTHS[0])
        milliseconds = timing.duration_ms.median
        rows.append(
            ReadingSpeedRow(
                duration_ms=timing.duration_ms,
                times_faster=timing.times_faster,
                sub_model=contestant.sub_model,
                attention=contestant.attention,
                length=contestant.length,
                microseconds_per_token=1000 * milliseconds / TOKENS,
                times_shortest=milliseconds / timings[shortest].duration_ms.median,
            )
        )
    return rows


def main() -> None:
    model = elastic_copy(load_teacher().model)
    extend_positions(model, max(LENGTHS))
    timings = contest({key: reading(model, key) for key in all_contestants()}, ROUNDS)
    rows: list[TimedRow] = list(speed_rows(timings))
    report(
        "long_documents",
        "reading_speed",
        rows,
        tokens=TOKENS,
        sub_model=SUB_MODEL.name,
        window=WINDOW,
    )


if __name__ == "__main__":
    begin(1, demo=True)
    main()
