"""Writing with and without a KV cache and drafts: `python benchmarks/generation.py` (two minutes once trained).

A language model that has read a quarter of what the lectures' one has, trained first where the cache has none.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from contest import contest, report

from tinybert_l import begin
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.decoding import Decoding, draft_and_verify, stream
from tinybert_l.tasks.generation import load_writer

STEPS, TOKENS, ROUNDS = 60, 120, 3
LARGEST, SMALL = SubModel(6), SubModel(2, 0.25)


def main() -> None:
    writer = load_writer(STEPS)
    model, prompt = writer.model, writer.encode("The movie was")
    ways = {"greedy 贪心": Decoding(0), "top-p 0.9": Decoding(0.9, top_p=0.9)}

    def written(s: SubModel, decoding: Decoding, **options: Any) -> list[int]:
        return list(stream(model, prompt, TOKENS, decoding, s, **options))

    contestants: dict[str, Callable[[], Any]] = {
        "6×1, greedy 贪心, no KV cache 无缓存": partial(
            written, LARGEST, Decoding(0), use_cache=False
        )
    }
    stayed = {}
    for name, decoding in ways.items():
        for s in (LARGEST, SMALL):
            contestants[f"{s.label}, {name}"] = partial(written, s, decoding)

        def drafted(name: str = name, decoding: Decoding = decoding) -> None:
            stayed[f"6×1, {name}, drafted 起草"] = draft_and_verify(
                model, prompt, TOKENS, SMALL, 3, decoding
            )[1]

        contestants[f"6×1, {name}, drafted 起草"] = drafted
    rows = contest(contestants, ROUNDS)
    for row in rows:
        row["tokens a second 每秒词元"] = 1000 * TOKENS / row["ms"]
        row["drafts that stayed 保留的草稿 (%)"] = (
            100 * stayed[row["name"]] if row["name"] in stayed else ""
        )
    extra = ("tokens a second 每秒词元", "drafts that stayed 保留的草稿 (%)")
    report("generation", f"Writing {TOKENS} tokens 生成", rows, extra)


if __name__ == "__main__":
    begin(1, demo=True)
    main()
