"""Rows of records about tasks: classification, documents, questions, writing, Chinese."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from tinybert_l.course.rows.values import Decoding, Hits, Interval, OverSeeds, Row
from tinybert_l.submodels import SubModel

ExitMethod = Literal["single", "cascade", "trained_exits", "untrained_exits"]
TrivialRule = Literal[
    "always", "mentioned_last", "mentioned_last_unasked", "mentioned_first", "mentioned_most"
]


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
    against_bag_points: Interval | None = None  # a bag of words that learned from the same texts


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
    by_seed: dict[str, tuple[float, ...]] | None = None  # the accuracies behind the mean


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
