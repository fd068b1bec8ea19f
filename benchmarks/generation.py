"""Compare writing with and without a KV cache and drafts: `python benchmarks/generation.py`.

Takes two minutes once trained. The language model has read a quarter of what the lectures' model
has read; it is trained first where the cache has none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contest import contest, report

from tinybert_l import begin
from tinybert_l.course.rows import Decoding as DecodingName
from tinybert_l.course.rows import TimedRow, WritingSpeedRow
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.decoding import Decoding, draft_and_verify, stream
from tinybert_l.tasks.generation import load_writer

STEPS = 60
TOKENS = 120
ROUNDS = 3
DRAFT_TOKENS = 3
LARGEST = SubModel(6)
SMALL = SubModel(2, 0.25)
DECODINGS: dict[DecodingName, Decoding] = {
    "greedy": Decoding(0),
    "top_p": Decoding(0.9, top_p=0.9),
}


@dataclass(frozen=True)
class Contestant:
    """A way to write a text."""

    sub_model: SubModel
    decoding: DecodingName
    drafted: bool = False
    kv_cache: bool = True


def all_contestants() -> list[Contestant]:
    """No KV cache first; then for each decoding the largest, the small, and drafts by the small."""
    contestants = [Contestant(LARGEST, "greedy", kv_cache=False)]
    for decoding in DECODINGS:
        contestants.append(Contestant(LARGEST, decoding))
        contestants.append(Contestant(SMALL, decoding))
        contestants.append(Contestant(LARGEST, decoding, drafted=True))
    return contestants


def main() -> None:
    writer = load_writer(STEPS)
    prompt = writer.encode("The movie was")
    shares_kept: dict[Contestant, float] = {}

    def writing(contestant: Contestant) -> Callable[[], Any]:
        decoding = DECODINGS[contestant.decoding]

        def write() -> None:
            text = stream(
                writer.model,
                prompt,
                TOKENS,
                decoding,
                contestant.sub_model,
                use_cache=contestant.kv_cache,
            )
            list(text)

        def write_with_drafts() -> None:
            _, shares_kept[contestant] = draft_and_verify(
                writer.model, prompt, TOKENS, SMALL, DRAFT_TOKENS, decoding
            )

        return write_with_drafts if contestant.drafted else write

    timings = contest({key: writing(key) for key in all_contestants()}, ROUNDS)
    rows: list[TimedRow] = []
    for contestant, timing in timings.items():
        kept = shares_kept.get(contestant)
        rows.append(
            WritingSpeedRow(
                duration_ms=timing.duration_ms,
                times_faster=timing.times_faster,
                sub_model=contestant.sub_model,
                decoding=contestant.decoding,
                drafted=contestant.drafted,
                kv_cache=contestant.kv_cache,
                tokens_per_second=1000 * TOKENS / timing.duration_ms.median,
                drafts_kept_percent=None if kept is None else 100 * kept,
            )
        )
    report("generation", "generation_speed", rows, tokens=TOKENS)


if __name__ == "__main__":
    begin(1, demo=True)
    main()
