"""Long documents: more positions than BERT has, batches of equal work, and a classifier that reads whole reviews."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from tinybert_l.exercises.lecture_05 import split_document
from tinybert_l.method.data import Encoded, Split, collate
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import train_on_labels
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import predict_logits
from tinybert_l.submodels import SubModel

WAYS = ("cut", "windows", "windowed attention")


def extend_positions(model: ElasticBertForSequenceClassification, max_length: int) -> None:
    """Give a model, in place, positions up to `max_length`: the known ones once more (Beltagy et al. 2020, section 5).

    Texts that fitted before give the same logits as before.

    Raises:
        ValueError: fewer positions than the model has.
    """
    known = model.config.max_position_embeddings
    if max_length < known:
        raise ValueError(
            f"extend_positions: max_length={max_length}; allowed: {known}, what the model has, or more."
        )
    embeddings = model.bert.embeddings
    old = embeddings.position_embeddings.weight.data
    new = nn.Embedding(max_length, old.shape[1], device=old.device, dtype=old.dtype)
    new.weight.data.copy_(old.repeat(-(-max_length // known), 1)[:max_length])
    embeddings.position_embeddings = new
    for name, value in (
        ("position_ids", torch.arange(max_length)),
        ("token_type_ids", torch.zeros(max_length).long()),
    ):
        embeddings.register_buffer(name, value[None].to(old.device), persistent=False)
    model.config.max_position_embeddings = max_length


@contextmanager
def windows(model: ElasticBertForSequenceClassification, window: int | None) -> Iterator[None]:
    """Within the block, the model attends within blocks of `window` tokens (None: to all)."""
    layers = model.bert.layers
    before = [layer.attention.self.window for layer in layers]
    for layer in layers:
        layer.attention.self.window = window
    try:
        yield
    finally:
        for layer, old in zip(layers, before, strict=True):
            layer.attention.self.window = old


def pieces(
    token_ids: Sequence[list[int]], tokenizer: Any, how: str, length: int
) -> list[list[list[int]]]:
    """What a model reads of each document, with [CLS] and [SEP].

    Args:
        how: "cut": the first `length` tokens; "windows": all of it in windows of `length` (`split_document`);
            "windowed attention": the first `length` tokens, in one go.
    """
    if how not in WAYS:
        raise ValueError(f"how={how!r}; allowed: {', '.join(map(repr, WAYS))}.")
    room, first, last = length - 2, tokenizer.cls_token_id, tokenizer.sep_token_id
    parts = (
        split_document(ids, room, room) or [[]] if how == "windows" else [ids[:room]]
        for ids in token_ids
    )
    return [[[first, *ids, last] for ids in own] for own in parts]


@torch.no_grad()
def classify_documents(
    model: ElasticBertForSequenceClassification,
    tokenizer: Any,
    texts: Sequence[str],
    how: str,
    sub_model: SubModel | None = None,
    length: int = 128,
    window: int = 32,
) -> torch.Tensor:
    """Logits [texts, classes] of long texts.

    Args:
        how: see `pieces`; the mean over "windows"; "windowed attention" reads as much as the model has positions for,
            each token attending within blocks of `window`.
    """
    whole = how == "windowed attention"
    token_ids = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    parts = pieces(
        token_ids, tokenizer, how, model.config.max_position_embeddings if whole else length
    )
    rows = [ids for own in parts for ids in own]
    data = Encoded(rows, [0] * len(rows), tokenizer.pad_token_id)
    with windows(model, window if whole else None):
        logits = predict_logits(model, data, 8 if whole else 16, sub_model=sub_model)
    return torch.stack([part.mean(0) for part in logits.split([len(own) for own in parts])])


def work_batches(lengths: Sequence[int], tokens: int, num_steps: int, seed: int) -> list[list[int]]:
    """Indices of every step's batch, each of about `tokens` tokens with its padding: short texts together.

    Args:
        lengths: tokens of each text; one longer than `tokens` makes a batch alone.
    """
    batches: list[list[int]] = []
    while len(batches) < num_steps:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + len(batches))
        noise = 1 + 0.1 * torch.rand(
            len(lengths), generator=generator
        )  # so that other texts meet in each pass
        order = sorted(range(len(lengths)), key=lambda i: lengths[i] * float(noise[i]))
        passed, longest = [[order[0]]], lengths[order[0]]
        for i in order[1:]:
            longest = max(longest, lengths[i])
            if longest * (len(passed[-1]) + 1) > tokens:
                passed, longest = [*passed, []], lengths[i]
            passed[-1].append(i)
        batches += [passed[i] for i in torch.randperm(len(passed), generator=generator).tolist()]
    return batches[:num_steps]


@dataclass(frozen=True)
class DocumentRecipe:
    """How a supernet learns to classify documents.

    Args:
        how: what it reads of each (see `pieces`).
        length: tokens it reads at most, at once.
        window: block size of its attention; None: full.
        tokens: in a step's batch, so that ways that read more take fewer texts and a step costs the same.
        joint: stages and optimisation. Stages may shorten sub-models: length is the third elastic dimension.
        short_share: of the steps, at the start, that read windows of `short` tokens with full attention instead: a
            batch of as many tokens then holds more labels (Press et al. 2021, Shortformer, section 3).
    """

    how: str
    length: int
    window: int | None
    tokens: int
    joint: JointRecipe
    short_share: float = 0.0
    short: int = 128

    def __post_init__(self) -> None:
        if not 0 <= self.short_share < 1:
            raise ValueError(
                f"DocumentRecipe: short_share={self.short_share!r}; allowed: at least 0, below 1."
            )
        if self.short_share and not 3 <= self.short <= self.length:
            raise ValueError(
                f"DocumentRecipe: short={self.short!r}; allowed: from 3 to length={self.length} tokens."
            )


def train_on_documents(
    start: ElasticBertForSequenceClassification,
    tokenizer: Any,
    documents: Split,
    recipe: DocumentRecipe,
    folder: Path,
) -> ElasticBertForSequenceClassification:
    """A copy of `start`, trained jointly on whole documents; resumes from checkpoints in `folder`."""
    student = elastic_copy(start)
    if recipe.length > student.config.max_position_embeddings:
        extend_positions(student, recipe.length)
    token_ids = tokenizer(documents.texts, add_special_tokens=False, verbose=False)["input_ids"]
    num_steps, seed = recipe.joint.num_steps, recipe.joint.seed
    num_short = round(recipe.short_share * num_steps)

    def batches(how: str, length: int, num_steps: int) -> list[tuple[Encoded, list[int]]]:
        parts = pieces(token_ids, tokenizer, how, length)
        labels = [label for own, label in zip(parts, documents.labels, strict=True) for _ in own]
        data = Encoded([ids for own in parts for ids in own], labels, tokenizer.pad_token_id)
        lengths = [len(ids) for ids in data.token_ids]
        return [
            (data, indices) for indices in work_batches(lengths, recipe.tokens, num_steps, seed)
        ]

    steps = batches("windows", recipe.short, num_short) + batches(
        recipe.how, recipe.length, num_steps - num_short
    )

    def predict(step: int, sub_model: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
        batch = collate(
            *steps[step], student.device, at_most=student.config.max_position_embeddings
        )
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        with windows(student, recipe.window if step >= num_short else None):
            return cast(torch.Tensor, student(**inputs, sub_model=sub_model).logits), batch[
                "labels"
            ]

    train_on_labels(student, predict, recipe.joint, folder, f"documents 长文档: {recipe.how}")
    return student
