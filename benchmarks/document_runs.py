"""The long run on whole reviews: cut, in windows, with windowed attention, with dropped tokens.

A bag of words of the same texts is beside them.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from long_run import Job, Settings, by_seed, correct, paired_interval, teacher_of

from tinybert_l.course import recipes
from tinybert_l.course.rows import DocumentRow, Interval, Row
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.data import Split, load_reviews
from tinybert_l.method.joint import sorted_by_importance
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import load_teacher
from tinybert_l.submodels import SubModel, share_of
from tinybert_l.tasks.bag_of_words import best_bag_of_words
from tinybert_l.tasks.documents import DocumentRecipe, classify_documents, train_on_documents

Reading = Literal["cut", "windows", "windowed_attention", "windowed_attention_short_first"]
Reader = Literal[
    "cut", "windows", "windowed_attention", "windowed_attention_short_first", "bag_of_words"
]
READINGS: tuple[Reading, ...] = (
    "cut",
    "windows",
    "windowed_attention",
    "windowed_attention_short_first",
)


@dataclass(frozen=True)
class DocumentSeed:
    """One seed's predictions on whole test reviews, and a sub-model's GFLOPs a review."""

    sub_model: SubModel | None  # None: a bag of words
    reading: Reader
    correct: list[int]
    gflops_per_review: float


def long_documents(seed: int, settings: Settings) -> list[DocumentSeed]:
    """Train a student for each way to read reviews, with the same tokens a step, and test it."""
    loaded = load_teacher(teacher_of(seed))
    start = sorted_by_importance(loaded)
    reviews = load_reviews("imdb", fold=seed)
    train = reviews["train"].head(settings["documents"])
    test = reviews["test"]
    lengths = token_counts(loaded.tokenizer, test)
    rows = []
    for reading in READINGS:
        recipe, sub_models = document_recipe(reading, settings, seed)
        with tempfile.TemporaryDirectory() as folder:
            student = train_on_documents(start, loaded.tokenizer, train, recipe, Path(folder))
        for sub_model in sub_models:
            logits = classify_documents(
                student,
                loaded.tokenizer,
                test.texts,
                recipe.strategy,
                sub_model,
                settings["cut"],
                settings["window"],
            )
            costs = [review_flops(start, sub_model, n, recipe.strategy, settings) for n in lengths]
            rows.append(
                DocumentSeed(sub_model, reading, correct(logits, test.labels), mean(costs) / 1e9)
            )
    return [*rows, bag_row(seed, settings)]


def bag_row(seed: int, settings: Settings) -> DocumentSeed:
    """Count words in what the sub-models learned from: the reviews, with the sentences or without.

    Validation chooses.
    """
    sentences, reviews = load_reviews(fold=seed)["train"], load_reviews("imdb", fold=seed)
    labelled = reviews["train"].head(settings["documents"])
    texts = Split(labelled.texts + sentences.texts, labelled.labels + sentences.labels)
    fits = []
    for train in (labelled, texts):
        fits.append(best_bag_of_words(train, reviews["validation"], ("words",)))
    best = max(fits, key=lambda fit: fit.validation_accuracy)
    return DocumentSeed(None, "bag_of_words", best.correct(reviews["test"]), 0.0)


def token_counts(tokenizer: Any, split: Split) -> list[int]:
    """The number of tokens of every text, with [CLS] and [SEP]."""
    token_ids = tokenizer(split.texts, add_special_tokens=False, verbose=False)["input_ids"]
    return [len(ids) + 2 for ids in token_ids]


def document_recipe(
    reading: Reading, settings: Settings, seed: int
) -> tuple[DocumentRecipe, list[SubModel]]:
    """The recipe of a reading, and the sub-models that it trains."""
    sub_models = [SubModel.parse(name) for name in settings["sub_models"]]
    full_length = [s for s in sub_models if s.length == 1]
    how = "windowed attention"
    length = settings["longest"]
    window = settings["window"]
    short_share = 0.0
    if reading in ("cut", "windows"):
        how = reading
        length = settings["cut"]
        window = None
    trained = full_length
    if reading == "windowed_attention_short_first":
        short_share = settings["short_share"]
        trained = sub_models
    largest = max(trained, key=lambda s: s.size)
    stages = [(0.0, (largest,)), (0.1, tuple(s for s in full_length if s != largest))]
    if trained != full_length:  # tokens are dropped only once the documents are long
        stages.append((short_share, tuple(s for s in trained if s.length < 1)))
    joint = JointRecipe(
        tuple(stages),
        num_steps=settings["num_steps"],
        learning_rate=settings["learning_rate"],
        seed=seed,
        checkpoint_every=10_000,
        num_random=2,
    )
    recipe = DocumentRecipe(
        how, length, window, settings["tokens_a_step"], joint, short_share, settings["cut"]
    )
    return recipe, trained


def review_flops(
    model: ElasticBertForSequenceClassification,
    sub_model: SubModel,
    tokens: int,
    how: str,
    settings: Settings,
) -> float:
    """Count the FLOPs of the matrix products of reading one review, two per multiply-add.

    By hand, since windows vary in length.
    """
    layer = layer_flops(model.config, sub_model.width)
    cut = settings["cut"]
    if how == "cut":
        read = min(tokens, cut)
        return sub_model.depth * layer(read, read)
    if how == "windows":  # each window has a [CLS] and a [SEP] of its own
        whole_windows, rest = divmod(tokens - 2, cut - 2)
        last = layer(rest + 2, rest + 2) if rest else 0
        return sub_model.depth * (whole_windows * layer(cut, cut) + last)
    total = 0.0
    for index in range(sub_model.depth):
        kept = tokens * sub_model.length ** (index / max(sub_model.depth - 1, 1))
        total += layer(kept, min(3 * settings["window"] + 1, kept))
    return total


def layer_flops(config: ElasticBertConfig, width: float) -> Callable[[float, float], float]:
    """The FLOPs of one layer, as a function of its tokens and of those that each attends to."""
    head_size = config.attention_head_size or 0
    heads = share_of(config.num_attention_heads, width) * head_size
    neurons = share_of(config.intermediate_size, width)
    weights = 4 * config.hidden_size * heads + 2 * config.hidden_size * neurons

    def layer(tokens: float, attended: float) -> float:
        return 2 * tokens * weights + 4 * tokens * attended * heads

    return layer


def summarise_documents(seeds: list[list[DocumentSeed]]) -> list[Row]:
    """Accuracy; differences from the same size cut and by windows, and from the bag of words."""
    by_model = {}
    for same in zip(*seeds, strict=True):
        by_model[same[0].sub_model, same[0].reading] = same
    bag = by_seed([row.correct for row in by_model.pop((None, "bag_of_words"))])
    rows: list[Row] = []
    for (sub_model, reading), same in by_model.items():
        hits = by_seed([row.correct for row in same])
        full_length = SubModel(sub_model.depth, sub_model.width)
        gaps: dict[str, Interval] = {}
        for baseline in ("cut", "windows"):
            if reading not in ("cut", baseline):
                others = by_model[full_length, baseline]
                gaps[baseline] = paired_interval(hits - by_seed([row.correct for row in others]))
        rows.append(
            DocumentRow(
                sub_model=sub_model,
                reading=reading,
                accuracy_percent=100 * float(hits.mean()),
                gflops_per_review=mean(row.gflops_per_review for row in same),
                against_cutting_points=gaps.get("cut"),
                against_windows_points=gaps.get("windows"),
                against_bag_points=paired_interval(hits - bag),
            )
        )
    return rows


DOCUMENTS = Job(
    "long_documents", recipes.LONG_DOCUMENTS, DocumentSeed, long_documents, summarise_documents
)
