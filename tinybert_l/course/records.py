"""Earlier measurements that are shown again: verdicts of lectures, and records under results/.

A record holds typed rows (see `rows`), the recipe or the settings that they were made with, and the
command, versions, machine and date. The words of its tables are in `captions`.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinybert_l.cache import cache_root, provenance, read_json, recipe_hash, write_atomically
from tinybert_l.course import rows as row_types
from tinybert_l.course.recipes import RECORDS
from tinybert_l.course.record_types import ClaimVerdict, LectureVerdicts, Record, Verdict
from tinybert_l.course.rows import Row, from_json, row_from_json, row_to_json, to_json
from tinybert_l.errors import CourseError, InvalidInput

_CHECKOUT = Path(__file__).resolve().parents[2]
RESULTS = (
    _CHECKOUT / "results"
    if (_CHECKOUT / "results").is_dir()
    else Path(__file__).resolve().parent / "results"
)
SCHEMA = 2  # 1: rows were keyed by captions
VERDICTS_SCHEMA = 3  # 1 and 2: four texts for each verdict
FIELDS = ("schema", "kind", "command", "rows", "details", "versions", "machine", "date")
RECIPE_FIELDS = ("recipe", "recipe_hash")

# the types of rows that a kind of record may hold
RECORD_KINDS: dict[str, tuple[type[Row], ...]] = {
    "headline": (row_types.HeadlineRow,),
    "assistant": (row_types.HeadlineRow,),
    "ablation": (row_types.AblationRow,),
    "joint_against_separate": (
        row_types.JointGapRow,
        row_types.JointMeanGapRow,
        row_types.JointCostRow,
    ),
    "stability": (row_types.StabilityRow,),
    "training_methods": (row_types.TrainingMethodRow,),
    "long_documents": (row_types.DocumentRow,),
    "questions": (row_types.QuestionRow,),
    "generation": (row_types.GenerationRow,),
    "chinese": (row_types.ChineseRow,),
    "deploy": (row_types.DeployRow,),
    "first_use": (row_types.FirstUseRow,),
    "serve": (row_types.ServeRow,),
    "class_scale": (row_types.ClassScaleRow,),
    "generation_speed": (row_types.WritingSpeedRow,),
    "gpu_step": (row_types.StepRow,),
    "joint_step": (row_types.StepRow,),
    "reading_speed": (row_types.ReadingSpeedRow,),
    "peers": (row_types.PeerRow,),
    "scale_memory": (row_types.ShardsRow,),
    "scale_workers": (row_types.WorkersRow,),
    "sub_model_speed": (row_types.SubModelSpeedRow,),
    "baselines": (row_types.BaselineRow,),
    "trigram": (row_types.PerplexityRow,),
    "writer": (row_types.AuthorRow, row_types.LongTextRow),
    "writer_alone": (row_types.AuthorRow,),
    "trivial_answers": (row_types.TrivialAnswerRow,),
    "gradient_agreement": (row_types.GradientAgreementRow,),
    "cascade": (row_types.CascadeRow,),
    "two_stages": (row_types.TwoStagesRow,),
    "masked_tokens": (row_types.MaskedTokenRow,),
    "strategies": (row_types.StrategyRow,),
    "self_distillation": (row_types.SelfDistillationRow,),
}


def save_verdicts(lecture: int, verdicts: Sequence[ClaimVerdict]) -> Any:
    """Keep a lecture's verdicts for lecture 10, and show them.

    Args:
        verdicts: what `tinybert_l.course.evidence` has judged.
    Returns:
        The table, styled.
    Raises:
        CourseError: a verdict that was not judged from a record.
    """
    from tinybert_l.course.tables import verdicts_table

    for verdict in verdicts:
        if not isinstance(verdict, ClaimVerdict):
            raise CourseError(
                f"save_verdicts: {verdict!r}; allowed: what tinybert_l.course.evidence judges from "
                "records: a live run illustrates and decides nothing. 判断只能由记录得出。"
            )
    plain = [verdict.to_verdict() for verdict in verdicts]
    record = {
        "schema": VERDICTS_SCHEMA,
        "lecture": lecture,
        "rows": list(map(to_json, plain)),
        "run": "by the rule of evidence 依证据规则",
        **provenance(),
    }
    write_atomically(
        cache_root() / "verdicts" / f"{lecture:02d}.json",
        json.dumps(record, ensure_ascii=False, indent=1, allow_nan=False) + "\n",
    )
    return verdicts_table(lecture, plain)


def all_verdicts() -> list[LectureVerdicts]:
    """Read the verdicts of every lecture: those of this machine, else those under results/.

    Verdicts by the rule of evidence come before those of the old form, which live runs had written.
    """
    by_lecture: dict[str, tuple[int, LectureVerdicts]] = {}
    folders = {"record 记录": RESULTS / "verdicts", "this machine 本机": cache_root() / "verdicts"}
    for source, folder in folders.items():
        for path in folder.glob("*.json"):
            values = read_json(path)
            schema = values.get("schema", 1)
            if schema >= by_lecture.get(path.stem, (0, None))[0]:
                by_lecture[path.stem] = schema, _lecture_verdicts(path, values, source)
    return [by_lecture[name][1] for name in sorted(by_lecture)]


def _lecture_verdicts(path: Path, values: dict[str, Any], source: str) -> LectureVerdicts:
    """Read a file of verdicts; in schema 1 a verdict was a list of four texts."""
    verdicts = []
    for number, row in enumerate(values["rows"]):
        is_list = isinstance(row, list)
        place = f"{path}, verdict {number}"
        verdicts.append(Verdict(*row) if is_list else from_json(Verdict, row, place))
    return LectureVerdicts(values["lecture"], tuple(verdicts), values["run"], source)


def record_to_json(
    kind: str,
    command: str,
    rows: list[Row],
    recipe: dict[str, Any] | None = None,
    details: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Convert a measurement to the plain values of a record, with today's provenance.

    Raises:
        InvalidInput: an unknown kind, or a row of a type that this kind does not hold.
    """
    _check_rows(kind, rows)
    recipe_fields = {}
    if recipe is not None:
        recipe_fields = {"recipe": recipe, "recipe_hash": recipe_hash(recipe)}
    return {
        "schema": SCHEMA,
        "kind": kind,
        "command": command,
        **recipe_fields,
        "rows": list(map(row_to_json, rows)),
        "details": details or {},
        **provenance(),
    }


def write_record(
    name: str,
    kind: str,
    command: str,
    recipe: dict[str, Any],
    rows: list[Row],
    **details: Any,
) -> Path:
    """Write results/NAME.json: a long run's rows, and all that is needed to repeat it."""
    record = record_to_json(kind, command, rows, recipe, details)
    path = RESULTS / f"{name}.json"
    write_atomically(path, json.dumps(record, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    return path


def read_record(name: str) -> Record | None:
    """Read results/NAME.json of a long run; None: this installation does not have it.

    Raises:
        InvalidInput: a field that is missing or unknown, or a row of another type.
    """
    path = RESULTS / f"{name}.json"
    return _read(path) if path.is_file() else None


def read_benchmark(name: str) -> Record:
    """Read results/benchmarks/NAME.json, which a benchmark with `--record` has written."""
    return _read(RESULTS / "benchmarks" / f"{name}.json")


def benchmark_names() -> list[str]:
    """Name every record under results/benchmarks."""
    return sorted(path.stem for path in (RESULTS / "benchmarks").glob("*.json"))


def benchmark_records() -> dict[str, Record]:
    """Read every record under results/benchmarks, by name."""
    return {name: read_benchmark(name) for name in benchmark_names()}


def _read(path: Path) -> Record:
    values = json.loads(path.read_text(encoding="utf-8"))
    fields = set(values)
    missing = sorted(set(FIELDS) - fields)
    unknown = sorted(fields - set(FIELDS) - set(RECIPE_FIELDS))
    if missing or unknown or values["schema"] != SCHEMA:
        raise InvalidInput(
            f"{path}: schema {values.get('schema')!r}, missing fields {missing}, unknown fields "
            f"{unknown}; allowed: schema {SCHEMA} with {', '.join(FIELDS + RECIPE_FIELDS)}."
        )
    rows = tuple(map(row_from_json, values["rows"]))
    _check_rows(values["kind"], rows)
    recipe = values.get("recipe")
    stale = False
    if path.stem in RECORDS and recipe is not None:
        stale = values["recipe_hash"] != recipe_hash(RECORDS[path.stem])
    return Record(
        name=path.stem,
        kind=values["kind"],
        command=values["command"],
        rows=rows,
        recipe=recipe,
        details=values["details"],
        versions=values["versions"],
        machine=values["machine"],
        date=values["date"],
        stale=stale,
    )


def _check_rows(kind: str, rows: Any) -> None:
    if kind not in RECORD_KINDS:
        raise InvalidInput(f"record: kind={kind!r}; allowed: {', '.join(RECORD_KINDS)}.")
    for row in rows:
        if not isinstance(row, RECORD_KINDS[kind]):
            allowed = ", ".join(row_type.kind for row_type in RECORD_KINDS[kind])
            raise InvalidInput(f"record of kind {kind}: row {row.kind!r}; allowed: {allowed}.")


def show_record(name: str, kind: str | None = None) -> Any:
    """Show a long run's record as a table; its caption says whether the recipe is still current.

    Args:
        kind: of the rows to show; None: all.
    """
    from tinybert_l.course.tables import record_table

    record = read_record(name)
    if record is None:
        return f"results/{name}.json is not part of this installation 此安装不含该记录"
    if kind is not None:
        rows = tuple(row for row in record.rows if row.kind == kind)
        record = dataclasses.replace(record, rows=rows)
    return record_table(record)
