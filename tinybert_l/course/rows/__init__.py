"""Typed rows of the records under results/: one frozen dataclass for each kind of row.

A row holds identifiers and numbers in the units that its field names give; words for people are in
`captions`. On disk a row is a dictionary of its fields and its `kind`, without the fields that are
None. `row_from_json` rejects unknown, missing and wrongly typed fields. Needs no torch.
"""

from tinybert_l.course.rows.applications import (
    AuthorRow,
    BaselineRow,
    CascadeRow,
    ChineseRow,
    DocumentRow,
    ExitMethod,
    GenerationRow,
    LongTextRow,
    MaskedTokenRow,
    PerplexityRow,
    QuestionRow,
    TrivialAnswerRow,
    TrivialRule,
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
    TimedRow,
    WorkersRow,
    WritingSpeedRow,
)
from tinybert_l.course.rows.kinds import ROW_TYPES, row_from_json, row_to_json
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
    StrategyName,
    StrategyRow,
    TrainingMethodRow,
    TwoStagesRow,
    WayToStudent,
)
from tinybert_l.course.rows.values import (
    Decoding,
    DeployedModel,
    Hits,
    Interval,
    OverSeeds,
    Quartiles,
    Row,
    Runtime,
)
