"""Runs of the baselines that sub-models are compared with: counting words, trigrams, guessing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from statistics import mean
from typing import Literal, cast

import numpy as np
from long_run import (
    PARTS,
    Job,
    Settings,
    by_seed,
    correct,
    kept,
    paired_interval,
    spread,
    teacher_of,
)

from tinybert_l.cache import recipe_hash
from tinybert_l.course import recipes
from tinybert_l.course.records import read_record
from tinybert_l.course.rows import (
    BaselineRow,
    GenerationRow,
    Hits,
    OverSeeds,
    PerplexityRow,
    Row,
    TrivialAnswerRow,
    TrivialRule,
)
from tinybert_l.errors import InvalidInput
from tinybert_l.method.data import Split, load_reviews
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.teacher import load_embedded, load_teacher
from tinybert_l.tasks.bag_of_words import FEATURES, Features, best_bag_of_words, majority_class
from tinybert_l.tasks.documents import classify_documents
from tinybert_l.tasks.generation import review_blocks
from tinybert_l.tasks.stories import KINDS, TESTING, Story, best_trivial_answer, make_stories
from tinybert_l.tasks.trigram import Trigram

Task = Literal["sentences", "reviews"]


@dataclass(frozen=True)
class BaselineSeed:
    """One draw of training texts: fields as in `BaselineRow`, percentages of this draw."""

    task: Task
    model: Literal["majority", "bag_of_words"]
    labelled_sentences: int
    labelled_reviews: int
    accuracy_percent: float
    validation_percent: float
    hits: Hits
    features: Features | None = None
    strength: float | None = None


def baselines(seed: int, settings: Settings) -> list[BaselineSeed]:
    """Fit bags of words on growing numbers of labelled texts, and test them.

    Seed 0 takes the first reviews, as the record `long_documents` does, and fits all that uses
    every text; the other seeds draw the reviews at random.
    """
    sentences, reviews = load_reviews(), load_reviews("imdb")
    drawn = shuffled(reviews["train"], seed) if seed else reviews["train"]
    none = Split([], [])
    fits = []
    for count in settings["labelled_reviews"]:
        fits.append(Fit("reviews", none, drawn.head(count), tuple(settings["features_of_parts"])))
    rows = []
    if not seed:
        rows += [majority_row("sentences", sentences), majority_row("reviews", reviews)]
        fits.append(Fit("sentences", sentences["train"], none))
        fits.append(Fit("reviews", sentences["train"], none))
        fits.append(Fit("reviews", none, reviews["train"]))
        fits.append(Fit("sentences", sentences["train"], reviews["train"]))
    data = {"sentences": sentences, "reviews": reviews}
    begun = f"baselines-{recipe_hash(settings)}-{seed}"
    for fit in fits:
        path = PARTS / begun / f"{fit.name}.json"
        rows.append(kept(path, BaselineSeed, partial(bag_row, fit, data[fit.task])))
    return rows


@dataclass(frozen=True)
class Fit:
    """The training texts of a bag of words, the task it is for, and what it may count."""

    task: Task
    sentences: Split
    reviews: Split
    features: tuple[Features, ...] = FEATURES

    @property
    def name(self) -> str:
        """A name for files."""
        return f"{self.task}-{len(self.sentences)}-{len(self.reviews)}"


def shuffled(split: Split, seed: int) -> Split:
    """Put texts and labels in a random order."""
    order = list(range(len(split)))
    Random(seed).shuffle(order)
    return Split([split.texts[i] for i in order], [split.labels[i] for i in order])


def majority_row(task: Task, data: dict[str, Split]) -> BaselineSeed:
    """Always answer the most frequent class of the training texts."""
    answer = majority_class(data["train"].labels)
    hits = [int(label == answer) for label in data["test"].labels]
    validation = mean(label == answer for label in data["validation"].labels)
    counts = {"sentences": 0, "reviews": 0, task: len(data["train"])}
    return BaselineSeed(
        task=task,
        model="majority",
        labelled_sentences=counts["sentences"],
        labelled_reviews=counts["reviews"],
        accuracy_percent=100 * mean(hits),
        validation_percent=100 * validation,
        hits=Hits.pack(hits),
    )


def bag_row(fit: Fit, data: dict[str, Split]) -> BaselineSeed:
    """Fit the best bag of words on sentences and reviews, tuned on the task's validation texts."""
    texts = fit.sentences.texts + fit.reviews.texts
    train = Split(texts, fit.sentences.labels + fit.reviews.labels)
    fitted = best_bag_of_words(train, data["validation"], fit.features)
    hits = fitted.correct(data["test"])
    return BaselineSeed(
        task=fit.task,
        model="bag_of_words",
        labelled_sentences=len(fit.sentences),
        labelled_reviews=len(fit.reviews),
        accuracy_percent=100 * mean(hits),
        validation_percent=100 * fitted.validation_accuracy,
        hits=Hits.pack(hits),
        features=fitted.features,
        strength=fitted.strength,
    )


def summarise_baselines(seeds: list[list[BaselineSeed]]) -> list[Row]:
    """Mean and spread over draws, and the difference from a bag that learned from sentences."""
    draws: dict[tuple[object, ...], list[BaselineSeed]] = {}
    for seed in seeds:
        for row in seed:
            what = (row.task, row.model, row.labelled_sentences, row.labelled_reviews)
            draws.setdefault(what, []).append(row)
    bags = {}
    for same in draws.values():
        if same[0].model == "bag_of_words" and not same[0].labelled_reviews:
            bags[same[0].task] = unpacked(same)
    rows: list[Row] = []
    for same in draws.values():
        first = same[0]
        gap = unpacked(same) - bags[first.task]
        rows.append(
            BaselineRow(
                task=first.task,
                model=first.model,
                labelled_sentences=first.labelled_sentences,
                labelled_reviews=first.labelled_reviews,
                accuracy_percent=spread([row.accuracy_percent for row in same]),
                validation_percent=spread([row.validation_percent for row in same]),
                hits=tuple(row.hits for row in same),
                against_bag_points=paired_interval(gap) if gap.any() else None,
                features=tuple(row.features for row in same if row.features is not None),
                strengths=tuple(row.strength for row in same if row.strength is not None),
            )
        )
    return rows


def teacher_on_reviews(seed: int, settings: Settings) -> list[BaselineRow]:
    """Let a teacher, which learned from sentences alone, read whole reviews.

    It is compared with the bag of words of the same sentences, in the record `baselines`.

    Raises:
        InvalidInput: there is no such record, or its recipe has changed.
    """
    record = read_record("baselines")
    if record is None or record.stale:
        raise InvalidInput(
            "teacher_on_reviews: results/baselines.json is missing or stale; make it first."
        )
    (bag,) = (
        row
        for row in record.rows
        if isinstance(row, BaselineRow)
        and (row.task, row.model, row.labelled_reviews) == ("reviews", "bag_of_words", 0)
    )
    teacher, test = load_teacher(teacher_of(seed)), load_reviews("imdb")["test"]
    model = elastic_copy(teacher.model)
    readings: tuple[Literal["cut", "windows"], ...] = ("cut", "windows")
    rows = []
    for reading in readings:
        logits = classify_documents(
            model, teacher.tokenizer, test.texts, reading, None, settings["segment"]
        )
        hits = correct(logits, test.labels)
        gap = by_seed([hits]) - by_seed([bag.hits[0].unpack()])
        row = BaselineRow(
            task="reviews",
            model="teacher",
            labelled_sentences=len(teacher.splits["train"]),
            labelled_reviews=0,
            accuracy_percent=OverSeeds(100 * mean(hits), 0.0),
            hits=(Hits.pack(hits),),
            reading=reading,
            against_bag_points=paired_interval(gap),
        )
        rows.append(row)
    return rows


def unpacked(rows: Sequence[BaselineSeed]) -> np.ndarray:
    """Right and wrong answers of several draws, [draws, texts]."""
    return by_seed([row.hits.unpack() for row in rows])


def trigram(seed: int, settings: Settings) -> list[PerplexityRow]:
    """Count trigrams on the training text of the record `generation`, and score its very items.

    Nothing is drawn at random. The sub-models' perplexities are those of that record.
    """
    generation = settings["generation"]
    _, tokenizer = load_embedded()
    vocabulary, blocks = review_blocks(tokenizer, generation["vocabulary"], generation["reviews"])
    num_held_out = len(blocks) // 20  # as in `load_writer`
    held_out, train = blocks[:num_held_out], blocks[num_held_out:]
    texts = held_out[: settings["texts"]]
    drawn = generation["num_steps"] * generation["batch_size"]
    rows = recorded_perplexities(drawn)
    for read in (len(train), drawn):
        counts = Trigram(train[:read], len(vocabulary))
        losses = [counts.losses(text) for text in texts.tolist()]
        rows.append(
            PerplexityRow(
                author="trigram",
                sub_model=None,
                blocks_read=read,
                perplexity=OverSeeds(counts.perplexity(texts), 0.0),
                nats_by_text=tuple(round(sum(text), 3) for text in losses),
            )
        )
    return rows


def recorded_perplexities(blocks_read: int) -> list[PerplexityRow]:
    """The sub-models' perplexities in results/generation.json.

    Raises:
        InvalidInput: there is no such record, or its recipe has changed.
    """
    record = read_record("generation")
    if record is None or record.stale:
        raise InvalidInput("trigram: results/generation.json is missing or stale; make it first.")
    perplexities = {}
    for row in record.rows:
        if isinstance(row, GenerationRow) and row.sub_model and row.perplexity:
            perplexities[row.sub_model] = row.perplexity
    rows = []
    for sub_model, perplexity in perplexities.items():
        rows.append(PerplexityRow("sub_model", sub_model, blocks_read, perplexity))
    return rows


def trivial_answers(seed: int, settings: Settings) -> list[TrivialAnswerRow]:
    """Choose a trivial answer for each kind on stories of training; score the record's stories."""
    training = make_stories(settings["training_stories"], settings["training_seed"])
    testing = make_stories(settings["stories"], 1_000_000, world=TESTING)  # as in `questions`
    rows = []
    for kind in KINDS:
        known, asked = of_kind(training, kind), of_kind(testing, kind)
        best = best_trivial_answer(known)
        rule = cast(TrivialRule, best.rule)
        hits = best.correct(asked)
        rows.append(
            TrivialAnswerRow(
                question=kind,
                rule=rule,
                training_percent=100 * mean(best.correct(known)),
                exact_match_percent=100 * mean(hits),
                hits=Hits.pack(hits),
                word=best.word,
            )
        )
    return rows


def of_kind(stories: Sequence[Story], kind: str) -> list[Story]:
    return [story for story in stories if story.kind == kind]


def only_seed(seeds: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of a run that draws nothing at random."""
    (rows,) = seeds
    return list(rows)


BASELINES = Job("baselines", recipes.BASELINES, BaselineSeed, baselines, summarise_baselines)
TEACHER = Job("baselines", recipes.TEACHER_ON_REVIEWS, BaselineRow, teacher_on_reviews, only_seed)
TRIGRAM = Job("trigram", recipes.TRIGRAM, PerplexityRow, trigram, only_seed)
TRIVIAL = Job(
    "trivial_answers", recipes.TRIVIAL_ANSWERS, TrivialAnswerRow, trivial_answers, only_seed
)
