"""Rows of records about training: the headline, joint against separate, ways to train."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from tinybert_l.course.rows.values import DeployedModel, Hits, Interval, OverSeeds, Row
from tinybert_l.submodels import SubModel


@dataclass(frozen=True)
class HeadlineRow(Row):
    """A model of the headline against the teacher in torch float32; choices may differ by seed."""

    kind: ClassVar[str] = "headline"
    role: Literal[
        "teacher", "mpnet", "bag_of_words", "candidate", "chosen_small", "chosen_same_runtime"
    ]
    models: tuple[DeployedModel, ...] = ()
    accuracy_percent: float | None = None
    kept_percent: Interval | None = None
    times_faster_batch_1: float | None = None
    times_faster_batch_32: float | None = None
    times_smaller: float | None = None
    # faster than the teacher in float32 in the row's own runtime
    same_runtime_times_faster_batch_1: float | None = None
    same_runtime_times_faster_batch_32: float | None = None
    # against MPNet in torch float32, where it gave the soft labels
    mpnet_times_faster_batch_1: float | None = None
    mpnet_times_faster_batch_32: float | None = None
    mpnet_times_smaller: float | None = None
    # points that MPNet's soft labels are better than those of the fold's own teacher
    gain_points: Interval | None = None
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
    # accuracy, from that of soft labels alone; paired by sentence
    against_soft_labels_points: Interval | None = None


@dataclass(frozen=True)
class GradientAgreementRow(Row):
    """The cosine between the gradients of two sub-models, over batches of training text."""

    kind: ClassVar[str] = "gradient_agreement"
    first: SubModel
    second: SubModel
    cosine_mean: float
    cosine_sd: float  # over the batches of all seeds
    negative_percent: float  # of the batches
    cosines: tuple[tuple[float, ...], ...]  # of each seed, a batch each


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
