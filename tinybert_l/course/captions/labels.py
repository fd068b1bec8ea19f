"""The label of a row, by its kind."""

from functools import singledispatch
from typing import Literal

from tinybert_l.course.captions.identifiers import caption
from tinybert_l.course.rows import (
    AblationRow,
    AuthorRow,
    BaselineRow,
    CascadeRow,
    ChineseRow,
    DeployRow,
    DocumentRow,
    GenerationRow,
    GradientAgreementRow,
    HeadlineRow,
    JointCostRow,
    JointGapRow,
    JointMeanGapRow,
    LongTextRow,
    MaskedTokenRow,
    PeerRow,
    PerplexityRow,
    QuestionRow,
    ReadingSpeedRow,
    Row,
    SelfDistillationRow,
    ShardsRow,
    StabilityRow,
    StepRow,
    StrategyRow,
    SubModelSpeedRow,
    TrainingMethodRow,
    TrivialAnswerRow,
    TwoStagesRow,
    WorkersRow,
    WritingSpeedRow,
)
from tinybert_l.submodels import SubModel


def key_label(row: Row, key: str) -> str:
    """Return the label of a key of a row's dictionary: a sub-model or a kind of question."""
    if isinstance(row, AblationRow):
        return SubModel.parse(key).label
    return str(caption("question", key))


@singledispatch
def label(row: Row) -> str:
    """Name a row for people; empty where a record has a single row."""
    return ""


@label.register
def _(row: HeadlineRow) -> str:
    models = ", ".join(model.label for model in row.models)
    if row.role == "candidate":
        return models
    words = str(caption("role", row.role))
    if row.role == "teacher":
        return words
    return f"{words}: {models or 'none 无'}"


@label.register
def _(row: AblationRow) -> str:
    return str(caption("variant", row.variant))


@label.register
def _(row: JointGapRow) -> str:
    return row.sub_model.label


@label.register
def _(row: JointMeanGapRow) -> str:
    return str(caption("mean", "mean"))


@label.register
def _(row: JointCostRow) -> str:
    return f"{caption('compared_with', row.compared_with)}: {caption('unit', row.unit)}"


@label.register
def _(row: StabilityRow) -> str:
    return str(caption("schedule, self_distillation", (row.schedule, row.self_distillation)))


@label.register
def _(row: TrainingMethodRow) -> str:
    return str(caption("method", row.method))


@label.register
def _(row: DocumentRow) -> str:
    return f"{row.sub_model.label}, {caption('reading', row.reading)}"


@label.register
def _(row: QuestionRow) -> str:
    if row.sub_model is None:
        return str(caption("author", "last_mentioned"))
    return row.sub_model.label


@label.register(GenerationRow)
@label.register(WritingSpeedRow)
def _(row: GenerationRow | WritingSpeedRow) -> str:
    if row.sub_model is None:
        author = row.author if isinstance(row, GenerationRow) else ""
        return str(caption("author", author))
    parts = [row.sub_model.label, str(caption("decoding", row.decoding))]
    if row.drafted:
        parts.append(str(caption("author", "drafted")))
    if not row.kv_cache:
        parts.append(str(caption("author", "no_kv_cache")))
    return ", ".join(parts)


@label.register
def _(row: ChineseRow) -> str:
    return f"{row.sub_model.label}, {caption('pretrained', row.pretrained)}"


@label.register
def _(row: BaselineRow) -> str:
    parts = [str(caption("task", row.task)), str(caption("model", row.model))]
    if row.reading is not None:
        parts.append(str(caption("reading", row.reading)))
    return ", ".join(parts)


@label.register
def _(row: PerplexityRow) -> str:
    return _author(row)


@label.register
def _(row: AuthorRow) -> str:
    return _author(row)


@label.register
def _(row: LongTextRow) -> str:
    return f"{_author(row)}, {row.tokens:,}"


def _author(row: PerplexityRow | AuthorRow | LongTextRow) -> str:
    if row.sub_model is None:
        return str(caption("author", row.author))
    if row.author == "alone":
        return f"{row.sub_model.label}, {caption('author', row.author)}"
    return row.sub_model.label


@label.register
def _(row: GradientAgreementRow) -> str:
    return f"{row.first.label}, {row.second.label}"


@label.register
def _(row: ShardsRow) -> str:
    return f"{row.texts:,}"


@label.register
def _(row: WorkersRow) -> str:
    return f"{caption('work', row.work)}: {row.workers}"


@label.register
def _(row: CascadeRow) -> str:
    names = " → ".join(sub_model.label for sub_model in row.sub_models)
    parts = [f"{caption('exit_method', row.method)}: {names}"]
    if row.goal is not None and row.target is not None:
        parts.append(f"{caption('goal', row.goal)} {row.target.label}")
    return ", ".join(parts)


@label.register
def _(row: StrategyRow) -> str:
    words = f"{caption('strategy', row.strategy)}, {row.learning_rate:g}"
    return f"{words}, {caption('is_chosen', True)}" if row.is_chosen else words


@label.register
def _(row: TwoStagesRow) -> str:
    return str(caption("way_to_student", row.way))


@label.register
def _(row: SelfDistillationRow) -> str:
    return f"{row.sub_model.label}, {caption('self_distillation', row.self_distillation)}"


@label.register
def _(row: MaskedTokenRow) -> str:
    words = str(caption("model", row.model))
    return words if row.sub_model is None else f"{row.sub_model.label}, {words}"


@label.register
def _(row: TrivialAnswerRow) -> str:
    rule = str(caption("rule", row.rule)).replace("{word}", row.word or "")
    return f"{caption('question', row.question)}: {rule}"


@label.register
def _(row: DeployRow) -> str:
    if row.model is None:
        return f"{caption('role', 'teacher')}, torch"
    runtime = row.model.runtime
    return f"{row.model.sub_model.label}, {'torch' if runtime == 'torch float32' else runtime}"


@label.register
def _(row: StepRow) -> str:
    change = str(caption("change", row.change))
    return change if row.size is None else f"{caption('size', row.size)}: {change}"


@label.register
def _(row: ReadingSpeedRow) -> str:
    return f"{reading_words(row)}, {row.length}"


def reading_words(row: ReadingSpeedRow, language: Literal["en", "both"] = "both") -> str:
    """Name the attention, and the share of the tokens that reaches the last layer."""
    attention = caption("attention", row.attention)
    if row.sub_model.length < 1:
        return f"{attention.en}, {row.sub_model.label.rpartition('×')[2]} length"
    return attention.en if language == "en" else str(attention)


@label.register
def _(row: PeerRow) -> str:
    return str(caption("contestant", row.contestant))


@label.register
def _(row: SubModelSpeedRow) -> str:
    if row.sub_model is not None:
        return row.sub_model.label
    return str(caption("contestant", row.contestant))
