"""Long documents: more positions than BERT has, and a classifier that reads whole reviews."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_05 import split_document
from tinybert_l.method.data import Encoded, Split, collate
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import train_on_labels
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.seeding import step_generator
from tinybert_l.method.teacher import predict_logits
from tinybert_l.submodels import SubModel

# How a model reads a document that is longer than its input: the first tokens alone; all of it, in
# segments whose logits are averaged; or all at once, with attention limited to local windows.
FIRST_TOKENS = "cut"
SEGMENTS = "windows"
LOCAL_ATTENTION = "windowed attention"
READING_STRATEGIES = (FIRST_TOKENS, SEGMENTS, LOCAL_ATTENTION)


def extend_positions(model: ElasticBertForSequenceClassification, max_length: int) -> None:
    """Give a model, in place, positions up to `max_length` by repeating those that it has.

    Beltagy et al. 2020, section 5. Texts that fitted before give the same logits as before.

    Raises:
        InvalidInput: fewer positions than the model has.
    """
    known = model.config.max_position_embeddings
    if max_length < known:
        raise InvalidInput(
            f"extend_positions: max_length={max_length}; "
            f"allowed: {known}, what the model has, or more."
        )
    embeddings = model.bert.embeddings
    old = embeddings.position_embeddings.weight.data
    new = nn.Embedding(max_length, old.shape[1], device=old.device, dtype=old.dtype)
    repeats = -(-max_length // known)
    new.weight.data.copy_(old.repeat(repeats, 1)[:max_length])
    embeddings.position_embeddings = new
    position_ids = torch.arange(max_length, device=old.device)[None]
    embeddings.register_buffer("position_ids", position_ids, persistent=False)
    token_type_ids = torch.zeros_like(position_ids)
    embeddings.register_buffer("token_type_ids", token_type_ids, persistent=False)
    model.config.max_position_embeddings = max_length


@contextmanager
def attention_window(
    model: ElasticBertForSequenceClassification, window: int | None
) -> Iterator[None]:
    """Limit a model's attention to local windows within the `with` block.

    Args:
        window: block size in tokens (see `windowed_attention`); None: attention to all tokens.
    """
    attentions = [layer.attention.self for layer in model.bert.layers]
    before = [attention.window for attention in attentions]
    for attention in attentions:
        attention.window = window
    try:
        yield
    finally:
        for attention, old in zip(attentions, before, strict=True):
            attention.window = old


def document_segments(
    token_ids: Sequence[list[int]], tokenizer: Any, strategy: str, length: int
) -> list[list[list[int]]]:
    """Choose what a model reads of each document.

    Args:
        token_ids: of each document, without special tokens.
        strategy: "cut": the first `length` tokens; "windows": all of it in segments of `length`
            tokens (`split_document`); "windowed attention": the first `length` tokens, at once.
        length: tokens of a segment, [CLS] and [SEP] included.
    Returns:
        For each document its segments, at least one: token ids with [CLS] and [SEP].
    Raises:
        InvalidInput: no such strategy.
    """
    if strategy not in READING_STRATEGIES:
        allowed = ", ".join(map(repr, READING_STRATEGIES))
        raise InvalidInput(f"strategy={strategy!r}; allowed: {allowed}.")
    room = length - 2
    documents = []
    for ids in token_ids:
        segments = [ids[:room]]
        if strategy == SEGMENTS:
            segments = split_document(ids, room, room) or [[]]
        documents.append(
            [[tokenizer.cls_token_id, *part, tokenizer.sep_token_id] for part in segments]
        )
    return documents


def _tokenised(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return each text's token ids, without special tokens and without a limit of length."""
    return tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]


@torch.no_grad()
def classify_documents(
    model: ElasticBertForSequenceClassification,
    tokenizer: Any,
    texts: Sequence[str],
    strategy: str,
    sub_model: SubModel | None = None,
    length: int = 128,
    window: int = 32,
) -> torch.Tensor:
    """Classify long texts.

    Args:
        strategy: see `document_segments`. With "windows", the logits of a text's segments are
            averaged; "windowed attention" reads as much as the model has positions for.
        length: tokens of a segment.
        window: block size of "windowed attention".
    Returns:
        Logits [texts, classes].
    """
    local = strategy == LOCAL_ATTENTION
    if local:
        length = model.config.max_position_embeddings
    documents = document_segments(_tokenised(tokenizer, texts), tokenizer, strategy, length)
    rows = list(chain.from_iterable(documents))
    data = Encoded(rows, [0] * len(rows), tokenizer.pad_token_id)
    with attention_window(model, window if local else None):
        logits = predict_logits(model, data, 8 if local else 16, sub_model=sub_model)
    by_document = logits.split(list(map(len, documents)))
    return torch.stack([segment_logits.mean(0) for segment_logits in by_document])


def token_budget_batches(
    lengths: Sequence[int], tokens: int, num_steps: int, seed: int
) -> list[list[int]]:
    """Make batches of about equal work: short texts together, long ones few at a time.

    Args:
        lengths: tokens of each text.
        tokens: a batch's budget, padding included; a longer text makes a batch alone.
    Returns:
        The indices of the texts in each step's batch.
    Raises:
        InvalidInput: no texts.
    """
    if not lengths:
        raise InvalidInput("token_budget_batches: lengths is empty; allowed: at least one text.")
    batches: list[list[int]] = []
    while len(batches) < num_steps:
        generator = step_generator(seed, len(batches))
        # Noise on the lengths, so that each pass groups other texts.
        noise = 1 + 0.1 * torch.rand(len(lengths), generator=generator)
        noisy = [length * factor for length, factor in zip(lengths, noise.tolist(), strict=True)]
        order = sorted(range(len(lengths)), key=noisy.__getitem__)
        groups = _grouped_by_budget(order, lengths, tokens)
        shuffled = torch.randperm(len(groups), generator=generator).tolist()
        batches += map(groups.__getitem__, shuffled)
    return batches[:num_steps]


def _grouped_by_budget(
    order: Sequence[int], lengths: Sequence[int], tokens: int
) -> list[list[int]]:
    """Split `order`, indices of texts, into groups of at most `tokens` tokens with padding."""
    groups: list[list[int]] = []
    longest = 0
    for index in order:
        longest = max(longest, lengths[index])
        if not groups or longest * (len(groups[-1]) + 1) > tokens:
            groups.append([])
            longest = lengths[index]
        groups[-1].append(index)
    return groups


@dataclass(frozen=True)
class DocumentRecipe:
    """How a supernet learns to classify documents.

    Args:
        strategy: what it reads of each (see `document_segments`).
        length: tokens it reads at most, at once.
        window: block size of its attention; None: full attention.
        tokens: tokens of a step's batch. A strategy that reads more takes fewer texts, so that a
            step costs the same.
        joint: stages and optimisation. Stages may shorten sub-models: length is the third elastic
            dimension. Its weights of losses and its layer map concern a teacher, and this training
            has none.
        short_share: share of the steps, at the start, that read segments of `short` tokens with
            full attention instead: a batch of as many tokens then holds more labels (Press et al.
            2021, Shortformer, section 3).
        short: tokens of those segments.
    Raises:
        InvalidInput: `short_share` or `short` out of range.
    """

    strategy: str
    length: int
    window: int | None
    tokens: int
    joint: JointRecipe
    short_share: float = 0.0
    short: int = 128

    def __post_init__(self) -> None:
        if not 0 <= self.short_share < 1:
            raise InvalidInput(
                f"DocumentRecipe: short_share={self.short_share!r}; allowed: at least 0, below 1."
            )
        if self.short_share and not 3 <= self.short <= self.length:
            raise InvalidInput(
                f"DocumentRecipe: short={self.short!r}; "
                f"allowed: from 3 to length={self.length} tokens."
            )


def train_on_documents(
    start: ElasticBertForSequenceClassification,
    tokenizer: Any,
    documents: Split,
    recipe: DocumentRecipe,
    folder: Path,
) -> ElasticBertForSequenceClassification:
    """Train a copy of `start` jointly on documents; resumes from checkpoints in `folder`."""
    student = elastic_copy(start)
    if recipe.length > student.config.max_position_embeddings:
        extend_positions(student, recipe.length)
    num_short = round(recipe.short_share * recipe.joint.num_steps)
    num_long = recipe.joint.num_steps - num_short
    token_ids = _tokenised(tokenizer, documents.texts)
    short = document_segments(token_ids, tokenizer, SEGMENTS, recipe.short)
    long = document_segments(token_ids, tokenizer, recipe.strategy, recipe.length)
    steps = []
    for segmented, num_steps in ((short, num_short), (long, num_long)):
        data = _labelled_segments(segmented, documents.labels, tokenizer.pad_token_id)
        lengths = list(map(len, data.token_ids))
        batches = token_budget_batches(lengths, recipe.tokens, num_steps, recipe.joint.seed)
        steps += [(data, batch) for batch in batches]

    def predict(step: int, sub_model: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
        data, rows = steps[step]
        most = student.config.max_position_embeddings
        batch = collate(data, rows, student.device, at_most=most)
        window = recipe.window if step >= num_short else None
        with attention_window(student, window):
            output = student(batch["input_ids"], batch["attention_mask"], sub_model=sub_model)
        return cast(torch.Tensor, output.logits), batch["labels"]

    description = f"documents 长文档: {recipe.strategy}"
    train_on_labels(student, predict, recipe.joint, folder, description)
    return student


def _labelled_segments(
    documents: Sequence[list[list[int]]], labels: Sequence[int], padding_id: int
) -> Encoded:
    """Make each segment of each document a text of its own, with the document's label."""
    rows: list[list[int]] = []
    row_labels: list[int] = []
    for segments, label in zip(documents, labels, strict=True):
        rows += segments
        row_labels += [label] * len(segments)
    return Encoded(rows, row_labels, padding_id)
