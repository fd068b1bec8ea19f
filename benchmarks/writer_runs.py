"""The course's language model against trigrams of the very text that it was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import exp
from random import Random
from typing import Any, cast

import numpy as np
import torch
from long_run import PARTS, Job, Settings
from tqdm.auto import tqdm

from tinybert_l.cache import recipe_hash
from tinybert_l.course import recipes
from tinybert_l.course.experiments import alone
from tinybert_l.course.intervals import hierarchical
from tinybert_l.course.rows import AuthorRow, Interval, LongTextRow, Row
from tinybert_l.method.config import config_settings
from tinybert_l.method.teacher import load_embedded
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.decoding import Decoding, stream
from tinybert_l.tasks.generation import Writer
from tinybert_l.tasks.nested_writer import nested_model, train_nested
from tinybert_l.tasks.review_texts import END, UNKNOWN, as_blocks, in_numbers, review_parts
from tinybert_l.tasks.shipped_writer import (
    CONTEXT,
    RECIPE,
    load_weights,
    save_weights,
    shipped_writer,
)
from tinybert_l.tasks.text_metrics import repetition, returning, sentences
from tinybert_l.tasks.trigram import Trigram


@dataclass(frozen=True)
class WriterSeed:
    """All that one trained model and its baselines have shown."""

    authors: tuple[AuthorRow, ...]
    long_texts: tuple[LongTextRow, ...]


Author = SubModel | Trigram
Pairs = list[tuple[list[int], list[int]]]
Items = tuple[list[list[int]], Pairs]
FIFTHS = 5


def mean_losses(writer: Writer, author: Author, texts: Sequence[Sequence[int]]) -> np.ndarray:
    """The mean cross-entropy, in nats, of each text's known tokens after the first."""
    means = []
    for text in tqdm(texts, mininterval=5):
        if isinstance(author, Trigram):
            means.append(float(np.mean(author.losses(text))))
            continue
        row = torch.tensor([text])
        known = int((row[:, 1:] != UNKNOWN).sum())
        means.append(float(writer.losses(row, author).sum()) / known)
    return np.array(means)


def shuffled_pairs(writer: Writer, reviews: Sequence[list[int]], settings: Settings) -> Pairs:
    """Reviews that fit the model's context, each with its sentences in another order."""
    random = Random(0)
    stop = writer.encode(".")[0]
    pairs: Pairs = []
    for review in reviews:
        parts = sentences(review[: CONTEXT - 1], stop)
        if len(parts) < settings["sentences"]:
            continue
        mixed = parts
        while mixed == parts:
            mixed = random.sample(parts, len(parts))
        pairs.append((list(chain(*parts)), list(chain(*mixed))))
    return pairs[: settings["ordered_reviews"]]


def test_items(writer: Writer, settings: Settings) -> Items:
    """The pieces that are scored, and the reviews that are shuffled; none was trained on."""
    test = in_numbers(writer.tokenizer, review_parts().test, writer.vocabulary)
    texts = as_blocks(test, CONTEXT)[: settings["texts"]].tolist()
    return texts, shuffled_pairs(writer, test, settings)


def author_row(
    writer: Writer, author: Author, items: Items, trigram: np.ndarray | None
) -> AuthorRow:
    """Measure an author on unread texts; `trigram` are the losses to compare with."""
    texts, pairs = items
    losses = mean_losses(writer, author, texts)
    human = mean_losses(writer, author, [pair[0] for pair in pairs])
    mixed = mean_losses(writer, author, [pair[1] for pair in pairs])
    is_trigram = isinstance(author, Trigram)
    return AuthorRow(
        author="trigram" if is_trigram else "sub_model",
        sub_model=None if is_trigram else cast(SubModel, author),
        perplexity=exp(losses.mean()),
        below_trigram_percent=None if trigram is None else lower_by(losses, trigram),
        order_nats=interval(mixed - human),
        loss_nats=(tuple(losses.round(4).tolist()),),
    )


def interval(gaps: np.ndarray) -> Interval:
    """Mean and 95 % interval over texts of paired differences."""
    estimate = hierarchical(gaps[None])
    return Interval(estimate.mean, estimate.low, estimate.high, "one_seed")


def lower_by(losses: np.ndarray, others: np.ndarray) -> Interval:
    """By how many percent the perplexity of `losses` is below that of `others`."""
    gap = interval(losses - others)
    mean, low, high = (100 * (1 - exp(value)) for value in (gap.estimate, gap.high, gap.low))
    return Interval(mean, low, high, "one_seed")


def long_row(
    author: Any, texts: list[list[int]], writer: Writer, settings: Settings
) -> LongTextRow:
    """Measure an author's long texts."""
    tokens = len(texts[0])
    fifth = tokens // FIFTHS
    parts = []
    for text in texts:
        parts.append([100 * repetition(text[i * fifth : (i + 1) * fifth]) for i in range(FIFTHS)])
    rare = np.array([100 * returning(text, settings["rare_from"]) for text in texts])
    is_sub_model = isinstance(author, SubModel)
    return LongTextRow(
        author="sub_model" if is_sub_model else author,
        sub_model=author if is_sub_model else None,
        tokens=tokens,
        repetition_percent=(tuple(round(part[-1], 2) for part in parts),),
        returning_percent=(tuple(rare.round(2).tolist()),),
        returning=interval(rare),
        repetition_curve=tuple(np.mean(parts, 0).round(1).tolist()),
        sample=writer.decode(texts[0]),
    )


def long_rows(
    writer: Writer, trigram: Trigram, reviews: list[list[int]], settings: Settings
) -> list[LongTextRow]:
    """Let the sub-models and trigrams go on from the beginnings of long human reviews."""
    rows = []
    decoding = Decoding(top_p=settings["top_p"])
    for tokens in settings["lengths"]:
        human = [review[:tokens] for review in reviews if len(review) >= tokens]
        human = human[: settings["long_texts"]]
        starts = [text[: settings["prompt"]] for text in human]
        new = tokens - settings["prompt"]
        for name in settings["long_sub_models"]:
            sub_model = SubModel.parse(name)
            texts = []
            for number, start in enumerate(tqdm(starts, name, mininterval=5)):
                written = stream(
                    writer.model, start, new, decoding, sub_model, number, sliding=True, never=[END]
                )
                texts.append([*start, *written])
            rows.append(long_row(sub_model, texts, writer, settings))
        counted = [[*start, *trigram.write(start, new, n)] for n, start in enumerate(starts)]
        rows.append(long_row("trigram", counted, writer, settings))
        rows.append(long_row("human", human, writer, settings))
    return rows


def measure_writer(seed: int, settings: Settings) -> list[WriterSeed]:
    """Measure the shipped model and trigrams of its whole training text, on the same items."""
    writer = shipped_writer()
    parts = review_parts()
    train = in_numbers(writer.tokenizer, parts.train, writer.vocabulary)
    trigram = Trigram(as_blocks(train, CONTEXT), len(writer.vocabulary))
    items = test_items(writer, settings)
    counted = author_row(writer, trigram, items, None)
    rows = []
    for name in settings["sub_models"]:
        losses = np.array(counted.loss_nats[0])
        rows.append(author_row(writer, SubModel.parse(name), items, losses))
    rows.append(counted)
    test = in_numbers(writer.tokenizer, parts.test, writer.vocabulary)
    # human texts this long are few among those for testing
    long_texts = long_rows(writer, trigram, [*test, *train], settings)
    return [WriterSeed(tuple(rows), tuple(long_texts))]


def all_rows(seeds: list[list[WriterSeed]]) -> list[Row]:
    """The rows of the one seed."""
    ((measured,),) = seeds
    return [*measured.authors, *measured.long_texts]


def measure_alone(seed: int, settings: Settings) -> list[AuthorRow]:
    """Train one size by itself, in as many steps as it had in the joint run; score the same items.

    Its weights are rounded as those of the shipped model were.
    """
    sub_model = SubModel.parse(settings["sub_model"])
    recipe = replace(alone(RECIPE, sub_model), num_steps=settings["num_steps"])
    writer = shipped_writer()
    encoder, tokenizer = load_embedded()
    folder = PARTS / f"writer-{recipe_hash(settings)}"
    weights = folder / "weights.npz"
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = nested_model(encoder, writer.vocabulary, CONTEXT)
    if not weights.is_file():
        train = in_numbers(tokenizer, review_parts().train, writer.vocabulary)
        train_nested(model, as_blocks(train, CONTEXT), recipe, folder)
        unfinished = folder / "unfinished.npz"
        save_weights(model, writer.vocabulary, unfinished)
        unfinished.replace(weights)
    rounded, _ = load_weights(weights, config_settings(model.config))
    by_itself = replace(writer, model=rounded)
    row = author_row(by_itself, sub_model, test_items(writer, settings["writer"]), None)
    return [replace(row, author="alone")]


def first_rows(seeds: list[list[AuthorRow]]) -> list[Row]:
    """The rows of the one seed."""
    return list(seeds[0])


ALONE = Job("writer_alone", recipes.WRITER_ALONE, AuthorRow, measure_alone, first_rows)
WRITER_RUNS = Job("writer", recipes.WRITER, WriterSeed, measure_writer, all_rows)
