"""All kinds of rows by name, and a row to plain values and back."""

from typing import Any

from tinybert_l.course.rows.applications import (
    AuthorRow,
    BaselineRow,
    CascadeRow,
    ChineseRow,
    DocumentRow,
    GenerationRow,
    LongTextRow,
    MaskedTokenRow,
    PerplexityRow,
    QuestionRow,
    TrivialAnswerRow,
)
from tinybert_l.course.rows.benchmarks import (
    ClassScaleRow,
    DeployRow,
    FirstUseRow,
    PeerRow,
    ReadingSpeedRow,
    ServeRow,
    ShardsRow,
    StepRow,
    SubModelSpeedRow,
    WorkersRow,
    WritingSpeedRow,
)
from tinybert_l.course.rows.plain import from_json, to_json
from tinybert_l.course.rows.training import (
    AblationRow,
    GradientAgreementRow,
    HeadlineRow,
    JointCostRow,
    JointGapRow,
    JointMeanGapRow,
    SelfDistillationRow,
    StabilityRow,
    StrategyRow,
    TrainingMethodRow,
    TwoStagesRow,
)
from tinybert_l.course.rows.values import Row
from tinybert_l.errors import InvalidInput

ROW_TYPES: dict[str, type[Row]] = {
    row_type.kind: row_type
    for row_type in (
        HeadlineRow, AblationRow, JointGapRow, JointMeanGapRow, JointCostRow, StabilityRow,
        TrainingMethodRow, DocumentRow, QuestionRow, GenerationRow, ChineseRow, DeployRow, StepRow,
        WritingSpeedRow, ReadingSpeedRow, PeerRow, SubModelSpeedRow, FirstUseRow, BaselineRow,
        ServeRow, ClassScaleRow,
        PerplexityRow, TrivialAnswerRow, GradientAgreementRow, CascadeRow, MaskedTokenRow,
        StrategyRow, SelfDistillationRow, AuthorRow, LongTextRow, ShardsRow, WorkersRow,
        TwoStagesRow,
    )
}  # fmt: skip


def row_to_json(row: Row) -> dict[str, Any]:
    """Convert a row to plain values: its kind, then its fields, without those that are None."""
    return {"kind": row.kind, **to_json(row)}


def row_from_json(values: dict[str, Any]) -> Row:
    """Convert what `row_to_json` gave back to a row.

    Raises:
        InvalidInput: an unknown kind, an unknown or missing field, or a value of another type.
    """
    if values.get("kind") not in ROW_TYPES:
        raise InvalidInput(
            f"row: kind={values.get('kind')!r}; allowed: {', '.join(sorted(ROW_TYPES))}."
        )
    row_type = ROW_TYPES[values["kind"]]
    fields = {name: value for name, value in values.items() if name != "kind"}
    return from_json(row_type, fields, row_type.kind)
