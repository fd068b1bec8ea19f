"""Typed rows of the records under results/: one frozen dataclass for each kind of row.

A row holds identifiers and numbers in the units that its field names give; words for people are in
`captions`. On disk a row is a dictionary of its fields and its `kind`, without the fields that are
None. `row_from_json` rejects unknown, missing and wrongly typed fields. Needs no torch.
"""

import dataclasses
import math
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import (
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from tinybert_l.errors import InvalidInput
from tinybert_l.submodels import SubModel

T = TypeVar("T")
Runtime = Literal["torch float32", "ONNX float32", "ONNX int8"]
Decoding = Literal["greedy", "top_p", "top_p_penalty"]
ExitMethod = Literal["single", "cascade", "trained_exits", "untrained_exits"]
TrivialRule = Literal[
    "always", "mentioned_last", "mentioned_last_unasked", "mentioned_first", "mentioned_most"
]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval; one without a method is an old bootstrap interval."""

    estimate: float
    low: float
    high: float
    method: Literal["seeds_and_items", "one_seed", "seeds"] | None = None


@dataclass(frozen=True)
class Quartiles:
    """The median of a benchmark's rounds, with the quartiles, and what each round gave."""

    median: float
    low: float
    high: float
    rounds: tuple[float, ...] | None = None  # contestants take turns: a round is a pair


@dataclass(frozen=True)
class OverSeeds:
    """The mean over a record's seeds, the standard deviation, and the value of each seed."""

    mean: float
    sd: float
    values: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Hits:
    """Which test texts were answered rightly, four texts a hexadecimal digit.

    Two of them over the same texts give a paired interval.
    """

    count: int
    digits: str

    @classmethod
    def pack(cls, correct: Sequence[int]) -> "Hits":
        """Keep 1 (right) or 0 (wrong) for each text, in the order of the texts."""
        bits = "".join(map(str, map(int, correct)))
        padded = bits + "0" * (-len(bits) % 4)
        return cls(len(bits), f"{int(padded or '0', 2):0{len(padded) // 4}x}")

    def unpack(self) -> list[int]:
        """Return 1 or 0 for each text, as `pack` took them."""
        bits = "".join(f"{int(digit, 16):04b}" for digit in self.digits)
        return list(map(int, bits[: self.count]))


@dataclass(frozen=True)
class DeployedModel:
    """A sub-model in the runtime that executes it."""

    sub_model: SubModel
    runtime: Runtime

    @property
    def label(self) -> str:
        """The sub-model's label and the runtime: 3×½ ONNX int8."""
        return f"{self.sub_model.label} {self.runtime}"


@dataclass(frozen=True)
class Row:
    """The base of all rows; `kind` names the row's class on disk."""

    kind: ClassVar[str] = ""


@dataclass(frozen=True)
class HeadlineRow(Row):
    """A model of the headline against the teacher in torch float32; choices may differ by seed."""

    kind: ClassVar[str] = "headline"
    role: Literal["teacher", "bag_of_words", "candidate", "chosen_small", "chosen_same_runtime"]
    models: tuple[DeployedModel, ...] = ()
    accuracy_percent: float | None = None
    kept_percent: Interval | None = None
    times_faster_batch_1: float | None = None
    times_faster_batch_32: float | None = None
    times_smaller: float | None = None
    # faster than the teacher in float32 in the row's own runtime
    same_runtime_times_faster_batch_1: float | None = None
    same_runtime_times_faster_batch_32: float | None = None
    by_seed: dict[str, tuple[float, ...]] | None = None  # the values behind means, by field


@dataclass(frozen=True)
class AblationRow(Row):
    """A variant of the headline's recipe; numbers by the name of the sub-model."""

    kind: ClassVar[str] = "ablation"
    variant: str
    accuracy_percent: dict[str, float]
    difference_points: dict[str, Interval] | None = None  # from the whole recipe


@dataclass(frozen=True)
class JointGapRow(Row):
    """A sub-model of the joint run against the same sub-model trained alone."""

    kind: ClassVar[str] = "joint_gap"
    sub_model: SubModel
    joint_percent: float
    separate_percent: float
    difference_points: Interval


@dataclass(frozen=True)
class JointMeanGapRow(Row):
    """The mean of the differences of all sub-models."""

    kind: ClassVar[str] = "joint_mean_gap"
    difference_points: Interval


@dataclass(frozen=True)
class JointCostRow(Row):
    """The cost of a joint run over the cost of separate runs."""

    kind: ClassVar[str] = "joint_cost"
    compared_with: Literal["largest_alone", "all_alone"]
    unit: Literal["forward_flops", "seconds"]
    ratio: float
    by_seed: dict[str, tuple[float, ...]] | None = None  # the values behind the ratio


@dataclass(frozen=True)
class StabilityRow(Row):
    """A way to introduce the sub-models; the curve holds means of ten steps' gradient norms."""

    kind: ClassVar[str] = "stability"
    schedule: Literal["progressive", "all_at_once", "random_order"]
    self_distillation: bool
    mean_accuracy_percent: OverSeeds
    smallest_accuracy_percent: OverSeeds
    largest_accuracy_percent: OverSeeds
    largest_gradient_norm: OverSeeds
    gradient_norm_curve: tuple[float, ...]


@dataclass(frozen=True)
class TrainingMethodRow(Row):
    """A way to a small model: accuracy from 0 to 1, divergence from the teacher in nats."""

    kind: ClassVar[str] = "training_method"
    method: str
    accuracy_fraction: OverSeeds
    divergence_nats: OverSeeds


@dataclass(frozen=True)
class DocumentRow(Row):
    """A sub-model and a way to read whole reviews, against two baselines of the same size."""

    kind: ClassVar[str] = "document"
    sub_model: SubModel
    reading: Literal["cut", "windows", "windowed_attention", "windowed_attention_short_first"]
    accuracy_percent: float
    gflops_per_review: float
    against_cutting_points: Interval | None = None
    against_windows_points: Interval | None = None


@dataclass(frozen=True)
class QuestionRow(Row):
    """Exact match by kind of question; no sub-model: the baseline that names the last mention."""

    kind: ClassVar[str] = "question"
    sub_model: SubModel | None
    exact_match_percent: dict[str, OverSeeds]
    exact_match_all_percent: OverSeeds
    f1_all_percent: OverSeeds


@dataclass(frozen=True)
class GenerationRow(Row):
    """What an author writes; sub-model and decoding are those of the author "sub_model"."""

    kind: ClassVar[str] = "generation"
    author: Literal["sub_model", "trigram", "human"]
    sub_model: SubModel | None
    decoding: Decoding | None
    drafted: bool
    kv_cache: bool
    perplexity: OverSeeds | None
    distinct_2: OverSeeds
    repetition: OverSeeds
    self_bleu: OverSeeds
    coherence: OverSeeds
    tokens_per_second: OverSeeds | None = None
    drafts_kept_percent: OverSeeds | None = None


@dataclass(frozen=True)
class ChineseRow(Row):
    """A sub-model on Chinese reviews, with joint pre-training or without."""

    kind: ClassVar[str] = "chinese"
    sub_model: SubModel
    pretrained: bool
    accuracy_percent: float
    gain_points: Interval | None = None  # over the same sub-model without pre-training


@dataclass(frozen=True)
class BaselineRow(Row):
    """A baseline on the test texts of a task, by the labelled texts that it learned from.

    Features and strengths (scikit-learn's C) are those that validation chose for each draw of
    training texts; where all texts were used there is one draw, and the spread is 0.
    """

    kind: ClassVar[str] = "baseline"
    task: Literal["sentences", "reviews"]
    model: Literal["majority", "bag_of_words", "teacher"]
    labelled_sentences: int
    labelled_reviews: int
    accuracy_percent: OverSeeds
    hits: tuple[Hits, ...]  # of each draw, on the test texts in the order of `load_reviews`
    validation_percent: OverSeeds | None = None
    reading: Literal["cut", "windows"] | None = None  # how the teacher reads whole reviews
    against_bag_points: Interval | None = None  # the bag that learned from the sentences alone
    features: tuple[Literal["words", "words_and_characters"], ...] = ()
    strengths: tuple[float, ...] = ()


@dataclass(frozen=True)
class PerplexityRow(Row):
    """The perplexity of an author on the held-out texts of the record `generation`."""

    kind: ClassVar[str] = "perplexity"
    author: Literal["sub_model", "trigram"]
    sub_model: SubModel | None
    blocks_read: int  # of 64 tokens; a sub-model draws them with replacement
    perplexity: OverSeeds
    nats_by_text: tuple[float, ...] | None = None  # of all known tokens of a text together


@dataclass(frozen=True)
class AuthorRow(Row):
    """How well an author predicts reviews that it has not read, and whether it notices order."""

    kind: ClassVar[str] = "author"
    author: Literal["sub_model", "alone", "trigram"]  # alone: trained by itself, without the others
    sub_model: SubModel | None
    perplexity: float
    below_trigram_percent: Interval | None  # by how much its perplexity is lower
    order_nats: Interval  # a token's mean log-probability: human order minus shuffled sentences
    loss_nats: tuple[tuple[float, ...], ...]  # mean of a token's, of each text


@dataclass(frozen=True)
class LongTextRow(Row):
    """What becomes of an author's texts as they grow long."""

    kind: ClassVar[str] = "long_text"
    author: Literal["sub_model", "trigram", "human"]
    sub_model: SubModel | None
    tokens: int  # of each text
    repetition_percent: tuple[tuple[float, ...], ...]  # in the last fifth of each text
    returning_percent: tuple[tuple[float, ...], ...]  # of each beginning's rarer words
    returning: Interval  # the same, mean over texts
    repetition_curve: tuple[float, ...]  # by fifth of the text, mean over texts, in percent
    sample: str  # the first text


@dataclass(frozen=True)
class TrivialAnswerRow(Row):
    """The best trivial way to answer a kind of question, chosen on stories of training."""

    kind: ClassVar[str] = "trivial_answer"
    question: str
    rule: TrivialRule
    training_percent: float
    exact_match_percent: float
    hits: Hits  # on the stories of this kind of the record `questions`, in order
    word: str | None = None  # that is always answered


@dataclass(frozen=True)
class GradientAgreementRow(Row):
    """The cosine between the gradients of two sub-models, over batches of training text."""

    kind: ClassVar[str] = "gradient_agreement"
    first: SubModel
    second: SubModel
    cosine_mean: float
    cosine_sd: float  # over batches
    negative_percent: float  # of the batches
    cosines: tuple[float, ...]


@dataclass(frozen=True)
class CascadeRow(Row):
    """A way to spend less on easy sentences, with the mean cost of all that ran.

    Without a goal a row is a single sub-model, or a point of a curve over entropies. With one, each
    seed's entropy was chosen on validation: for the cost or for the accuracy of the target.
    """

    kind: ClassVar[str] = "cascade"
    method: ExitMethod
    sub_models: tuple[SubModel, ...]  # in the order in which they run
    gflops: OverSeeds
    accuracy_percent: OverSeeds
    validation_percent: OverSeeds
    max_entropy: OverSeeds | None = None  # nats
    goal: Literal["cost", "accuracy"] | None = None
    target: SubModel | None = None
    difference_points: Interval | None = None  # from the target alone
    hits: tuple[
        Hits, ...
    ] = ()  # of each seed, on the test sentences in the order of `load_reviews`


@dataclass(frozen=True)
class MaskedTokenRow(Row):
    """Hidden tokens of Chinese reviews that are named rightly."""

    kind: ClassVar[str] = "masked_token"
    model: Literal["most_frequent_token", "untrained", "pretrained"]
    sub_model: SubModel | None
    named_percent: OverSeeds
    against_most_frequent_points: Interval | None = None


StrategyName = Literal["all_on", "constant_rate", "no_clipping", "no_weight_decay", "no_dropout"]


@dataclass(frozen=True)
class StrategyRow(Row):
    """A small student trained with one optimisation strategy off, at one learning rate.

    The rate with the best mean on validation is chosen; its row is compared with the chosen one
    of "all_on".
    """

    kind: ClassVar[str] = "strategy"
    strategy: StrategyName
    learning_rate: float
    is_chosen: bool
    accuracy_percent: OverSeeds
    validation_percent: OverSeeds
    test_loss_nats: OverSeeds  # cross-entropy with the labels
    largest_gradient_norm: OverSeeds  # before clipping
    hits: tuple[Hits, ...]  # of each seed, on the test sentences in the order of `load_reviews`
    difference_points: Interval | None = None  # accuracy, minus that of all on
    difference_nats: Interval | None = None  # test loss, minus that of all on


@dataclass(frozen=True)
class SelfDistillationRow(Row):
    """A sub-model of a small student that was trained jointly, with self-distillation or without.

    Curves are of each seed, at `steps`, on validation sentences; the rest is on test sentences.
    """

    kind: ClassVar[str] = "self_distillation"
    sub_model: SubModel  # of the student: widths are shares of its own
    self_distillation: bool
    steps: tuple[int, ...]
    nats_to_largest_by_seed: tuple[tuple[float, ...], ...]
    validation_percent_by_seed: tuple[tuple[float, ...], ...]
    nats_to_largest: OverSeeds
    accuracy_percent: OverSeeds
    hits: tuple[Hits, ...]
    difference_points: Interval | None = None  # accuracy with self-distillation minus without
    difference_nats: Interval | None = None  # divergence, likewise


WayToStudent = Literal[
    "task_only",
    "general_then_task",
    "task_for_longer",
    "general_then_labels",
    "slices_of_the_teacher",
]


@dataclass(frozen=True)
class TwoStagesRow(Row):
    """A way to one small student by TinyBERT's two stages, or without one of them."""

    kind: ClassVar[str] = "two_stages"
    way: WayToStudent
    steps: int
    times_the_cost: float  # in FLOPs, of "task_only"; the teacher's forward passes are counted
    accuracy_percent: OverSeeds
    hits: tuple[Hits, ...]  # of each seed, on the test sentences in the order of `load_reviews`
    difference_points: Interval | None = None  # accuracy, minus that of "task_only"


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


ROW_TYPES: dict[str, type[Row]] = {
    row_type.kind: row_type
    for row_type in (
        HeadlineRow, AblationRow, JointGapRow, JointMeanGapRow, JointCostRow, StabilityRow,
        TrainingMethodRow, DocumentRow, QuestionRow, GenerationRow, ChineseRow, DeployRow, StepRow,
        WritingSpeedRow, ReadingSpeedRow, PeerRow, SubModelSpeedRow, FirstUseRow, BaselineRow,
        ServeRow, ClassScaleRow,
        PerplexityRow, TrivialAnswerRow, GradientAgreementRow, CascadeRow, MaskedTokenRow,
        StrategyRow, SelfDistillationRow, AuthorRow, LongTextRow, ShardsRow, WorkersRow,
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


def to_json(instance: Any) -> dict[str, Any]:
    """Convert any dataclass to plain values by field, without the fields that are None."""
    fields = {}
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if value is not None:
            fields[field.name] = _plain(value)
    return fields


def _plain(value: Any) -> Any:
    if isinstance(value, SubModel):
        return value.name
    if dataclasses.is_dataclass(value):
        return to_json(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_plain, value))
    return value


def from_json(target: type[T], values: Any, place: str) -> T:
    """Convert plain values by field to a dataclass; `place` begins the messages of errors.

    Raises:
        InvalidInput: an unknown or missing field, or a value of another type.
    """
    if not isinstance(values, dict):
        raise InvalidInput(f"{place}: {values!r}; allowed: a dictionary of fields.")
    hints = get_type_hints(target)
    fields = {field.name: field for field in dataclasses.fields(cast(Any, target))}
    unknown = sorted(values.keys() - fields.keys())
    if unknown:
        raise InvalidInput(f"{place}: unknown fields {unknown}; allowed: {', '.join(fields)}.")
    arguments = {}
    for name, field in fields.items():
        if name in values:
            arguments[name] = _typed(hints[name], values[name], f"{place}.{name}")
        elif _may_be_none(hints[name]):
            arguments[name] = None
        elif field.default is dataclasses.MISSING:
            raise InvalidInput(f"{place}: the field {name} is missing.")
    return target(**arguments)


def _may_be_none(hint: Any) -> bool:
    return type(None) in get_args(hint)


def _typed(hint: Any, value: Any, place: str) -> Any:
    """Convert a plain value to the type that a field's annotation names."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (hint,) = set(arguments) - {type(None)}
        return _typed(hint, value, place)
    if origin is Literal and value in arguments:
        return value
    if origin in (tuple, list) and isinstance(value, list):
        return origin(_typed(arguments[0], part, place) for part in value)
    if origin is dict and isinstance(value, dict):
        return {name: _typed(arguments[1], part, place) for name, part in value.items()}
    if hint is SubModel and isinstance(value, str):
        return SubModel.parse(value)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and hint is not SubModel:
        return from_json(hint, value, place)
    if hint is float and _is_number(value):
        return value
    if hint in (str, bool, int) and type(value) is hint:
        return value
    raise InvalidInput(f"{place}: {value!r}; allowed: {getattr(hint, '__name__', hint)}.")


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
