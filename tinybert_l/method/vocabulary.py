"""Prune a WordPiece vocabulary to its most frequent pieces, in tokenizer and model.

The word embeddings are half of the teacher's bytes, and nearly all of a small sub-model's.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedTokenizerFast

from tinybert_l.errors import InvalidInput
from tinybert_l.method.model import ElasticBertForSequenceClassification

# BERT's special pieces, by the names of the tokenizer's arguments.
SPECIAL_TOKENS = {
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
}
# How the tokenizer cuts and fills texts does not change with its vocabulary.
KEPT_SETTINGS = ("model_max_length", "padding_side", "truncation_side", "model_input_names")
TEXTS_PER_CALL = 10_000  # tokenised at once; more would take much memory


def prune_vocabulary(
    model: ElasticBertForSequenceClassification,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    size: int,
) -> PreTrainedTokenizerFast:
    """Keep the `size` most frequent pieces of the texts, in the model (in place) and the tokenizer.

    Single characters stay, so that a word whose piece was pruned is split into smaller pieces and
    is not lost as [UNK]. Texts that need no pruned piece give the same logits as before.

    Args:
        tokenizer: a fast WordPiece tokenizer, as BERT's; not changed.
        size: pieces to keep, at least the special ones and the single characters.
    Returns:
        The new tokenizer; its ids are the rows of the model's new embeddings.
    Raises:
        InvalidInput: no WordPiece tokenizer, or a size out of range.
    """
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = description["model"]["type"]
    if kind != "WordPiece":
        raise InvalidInput(f"prune_vocabulary: tokenizer is a {kind}; allowed: WordPiece.")
    old_ids = description["model"]["vocab"]
    pieces = sorted(_pieces_to_keep(old_ids, tokenizer, texts, size), key=old_ids.__getitem__)
    new_ids = dict(zip(pieces, range(size), strict=True))
    _renumber(description, new_ids)
    old_rows = torch.tensor(list(map(old_ids.__getitem__, pieces)))
    _keep_rows(model, old_rows, new_ids[SPECIAL_TOKENS["pad_token"]])
    backend = Tokenizer.from_str(json.dumps(description))
    kept = {name: getattr(tokenizer, name) for name in KEPT_SETTINGS}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **SPECIAL_TOKENS, **kept)


def _renumber(description: dict[str, Any], new_ids: dict[str, int]) -> None:
    """Put new ids into the JSON description of a tokenizer, in place."""
    description["model"]["vocab"] = new_ids
    for token in description.get("added_tokens", []):
        token["id"] = new_ids[token["content"]]
    processor = description.get("post_processor") or {}
    for piece, special in (processor.get("special_tokens") or {}).items():
        special["ids"] = [new_ids[piece]]
    # BERT's own post-processor stores its two special tokens as (piece, id).
    for name in ("sep", "cls"):
        token = processor.get(name)
        if isinstance(token, list):
            token[1] = new_ids[token[0]]


def _pieces_to_keep(
    old_ids: dict[str, int],
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    size: int,
) -> set[str]:
    """Choose special pieces, single characters and then the most frequent pieces of the texts."""
    always = set(SPECIAL_TOKENS.values())
    for piece in old_ids:
        if len(piece.removeprefix("##")) == 1:
            always.add(piece)
    if not len(always) <= size <= len(old_ids):
        raise InvalidInput(
            f"prune_vocabulary: size={size}; allowed: {len(always)} "
            f"(special pieces and single characters) to {len(old_ids)} (the whole vocabulary)."
        )
    counts: Counter[int] = Counter()
    for start in range(0, len(texts), TEXTS_PER_CALL):
        part = list(texts[start : start + TEXTS_PER_CALL])
        for ids in tokenizer(part, add_special_tokens=False, verbose=False)["input_ids"]:
            counts.update(ids)
    others = old_ids.keys() - always
    by_frequency = sorted(others, key=lambda piece: (-counts[old_ids[piece]], old_ids[piece]))
    return always | set(by_frequency[: size - len(always)])


def _keep_rows(
    model: ElasticBertForSequenceClassification, rows: torch.Tensor, padding_id: int
) -> None:
    """Keep these rows of the word embeddings, in this order, in place.

    Args:
        rows: old ids, integers [size].
        padding_id: new id of [PAD].
    """
    whole = model.get_input_embeddings()
    device = whole.weight.device
    kept = whole.weight.data[rows.to(device)]  # of the same type, on the same device
    smaller = nn.Embedding.from_pretrained(kept, freeze=False, padding_idx=padding_id)
    smaller.weight.requires_grad_(whole.weight.requires_grad)
    model.bert.set_input_embeddings(smaller)
    model.config.vocab_size = len(rows)
    model.config.pad_token_id = padding_id
