"""What was measured earlier and is shown again: verdicts of lectures, and records of long runs under results/."""

import json
from pathlib import Path
from typing import Any

from tinybert_l.cache import cache_root, provenance, recipe_hash, write_atomically

_CHECKOUT = Path(__file__).resolve().parents[2]
RESULTS = (
    _CHECKOUT / "results"
    if (_CHECKOUT / "results").is_dir()
    else Path(__file__).resolve().parent / "results"
)
SPREAD = " ± (sd over seeds)"  # of the column beside it, in records over several seeds
LOW, HIGH = ": low", ": high"  # ends of the 95 % interval of the column beside them
COLUMNS = ("claim 主张", "test 检验", "number 数字", "verdict 判断")


def save_verdicts(lecture: int, rows: list[tuple[str, str, str, str]], run: str) -> Any:
    """Keep a lecture's verdicts for lecture 10, and show them.

    Args:
        rows: claim, test, number and verdict of each claim.
        run: what the numbers come from, such as `Bench.describe()`.
    Returns:
        The table, styled.
    """
    import pandas as pd

    from tinybert_l.course.tables import styled

    record = {"lecture": lecture, "rows": rows, "run": run, **provenance()}
    write_atomically(
        cache_root() / "verdicts" / f"{lecture:02d}.json",
        json.dumps(record, ensure_ascii=False, indent=1),
    )
    return styled(
        pd.DataFrame(rows, columns=list(COLUMNS)),
        f"Verdicts of lecture {lecture} 第{lecture}讲的判断 · {run}",
    )


def all_verdicts() -> list[dict[str, Any]]:
    """The verdicts of every lecture that was run on this machine; else those recorded under results/."""
    found = {}
    for folder, source in (
        (RESULTS / "verdicts", "record 记录"),
        (cache_root() / "verdicts", "this machine 本机"),
    ):
        for path in sorted(folder.glob("*.json")):
            found[path.stem] = {**json.loads(path.read_text(encoding="utf-8")), "source": source}
    return [found[name] for name in sorted(found)]


def write_record(
    name: str, command: str, recipe: dict[str, Any], rows: list[dict[str, Any]], **more: Any
) -> Path:
    """Write results/NAME.json: what a long run measured (NaN is left out), and all that is needed to repeat it.

    Args:
        more: to be kept beside the rows.
    """
    rows = [{column: value for column, value in row.items() if value == value} for row in rows]
    recipe_of = {"recipe": recipe, "recipe_hash": recipe_hash(recipe)}
    record = {"command": command, **recipe_of, "rows": rows, **more, **provenance()}
    path = RESULTS / f"{name}.json"
    write_atomically(path, json.dumps(record, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    return path


def read_record(name: str, recipe: dict[str, Any]) -> dict[str, Any] | None:
    """A long run's record, with `state` "current" or "stale" (its recipe is not the code's); None: there is none."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    return {
        **record,
        "state": "current" if record["recipe_hash"] == recipe_hash(recipe) else "stale",
    }


def show_record(name: str, recipe: dict[str, Any]) -> Any:
    """A record as a table whose caption says what it is and whether it is still current."""
    import pandas as pd

    from tinybert_l.course.tables import styled

    record = read_record(name, recipe)
    if record is None:
        return f"results/{name}.json is not part of this installation 此安装不含该记录"
    words = {
        "current": "current 与代码一致",
        "stale": "STALE: the recipe has changed since 已过期：配方已改",
    }
    caption = f"Record 记录 results/{name}.json · {record['command']} · {record['date'][:10]} · {words[record['state']]}"
    rows = [{k: v for k, v in row.items() if not isinstance(v, list)} for row in record["rows"]]
    frame = pd.DataFrame([_with_spreads(row) for row in rows])
    if len(frame.columns) > 2 * len(frame):  # wider than a slide: a row for each quantity
        first = frame.columns[0]
        frame = frame.set_index(first).T.rename_axis(first).reset_index()
        frame.columns.name = None
    return styled(frame, caption, missing="")


def _with_spreads(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose spreads and intervals stand beside their means, in one cell."""

    def cell(column: str, value: Any) -> Any:
        if column + SPREAD in row:
            return f"{value:.2f} ± {row[column + SPREAD]:.2f}"
        if column + LOW in row:
            return f"{value:+.1f} ({row[column + LOW]:+.1f} to {row[column + HIGH]:+.1f})"
        return value

    return {
        column: cell(column, value)
        for column, value in row.items()
        if not column.endswith((SPREAD, LOW, HIGH))
    }
