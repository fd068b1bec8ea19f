"""Time a token against length, full and windowed attention: `python benchmarks/long_documents.py` (a minute).

Random weights: speed does not depend on them.
"""

from typing import Any

import torch
from contest import contest, report

from tinybert_l import begin
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.teacher import load_teacher
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.documents import attention_window, extend_positions

LENGTHS, TOKENS, WINDOW, ROUNDS = (512, 1024, 2048, 4096), 4096, 64, 5


@torch.no_grad()
def main() -> None:
    model = elastic_copy(load_teacher().model)
    extend_positions(model, max(LENGTHS))
    whole, shorter = SubModel(3, 0.5), SubModel(3, 0.5, 0.25)

    def reading(length: int, window: int | None, sub_model: SubModel) -> Any:
        ids = torch.randint(1000, 20_000, (TOKENS // length, length))

        def read() -> None:
            with attention_window(model, window):
                model(ids, sub_model=sub_model)

        return read

    ways = {
        "full 全注意力": (None, whole),
        "windowed 窗口": (WINDOW, whole),
        "windowed, ¼ length": (WINDOW, shorter),
    }
    contestants = {
        f"{name}, {length}": reading(length, window, s)
        for name, (window, s) in ways.items()
        for length in LENGTHS
    }
    rows = contest(contestants, ROUNDS)
    for row in rows:
        row["µs a token 每词元微秒"] = 1000 * row["ms"] / TOKENS
        base = next(
            r for r in rows if r["name"] == f"{row['name'].rpartition(',')[0]}, {LENGTHS[0]}"
        )
        row["against 512"] = row["ms"] / base["ms"]
    title = f"Reading {TOKENS} tokens in documents of several lengths 不同长度的文档: {whole.label}, window {WINDOW}"
    report("long_documents", title, rows, ("µs a token 每词元微秒", "against 512"))
    print(f"windowed, time a token at 4096 against 512 窗口注意力: {rows[7]['against 512']:.2f}")


if __name__ == "__main__":
    begin(1, demo=True)
    main()
