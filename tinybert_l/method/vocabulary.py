"""A smaller vocabulary: half of the teacher's bytes, and nearly all of a small sub-model's, are embeddings."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedTokenizerFast

from tinybert_l.method.model import ElasticBertForSequenceClassification

SPECIAL = {
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
}


def prune_vocabulary(
    model: ElasticBertForSequenceClassification, tokenizer: Any, texts: Sequence[str], size: int
) -> PreTrainedTokenizerFast:
    """Keep the `size` most frequent pieces of the texts, in model (in place) and tokenizer.

    Single characters stay, so that a word that is no piece any more falls apart into smaller ones and is not lost as
    [UNK]. Texts that need none of the pieces left out give the same logits as before.

    Args:
        tokenizer: a fast WordPiece tokenizer, as BERT's; not changed.
        size: pieces to keep, at least the special ones and the single characters.
    Returns:
        The new tokenizer; its ids are the model's new ones.
    Raises:
        ValueError: no WordPiece tokenizer, or a size out of range.
    """
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    if description["model"]["type"] != "WordPiece":
        raise ValueError(
            f"prune_vocabulary: tokenizer is a {description['model']['type']}; allowed: WordPiece."
        )
    old = description["model"]["vocab"]
    kept = _pieces_to_keep(old, tokenizer, texts, size)
    pieces = sorted(kept, key=old.__getitem__)
    description["model"]["vocab"] = {piece: index for index, piece in enumerate(pieces)}
    new_id = description["model"]["vocab"]
    for added in description.get("added_tokens", []):
        added["id"] = new_id[added["content"]]
    processor = description.get("post_processor") or {}
    for name, special in (processor.get("special_tokens") or {}).items():
        special["ids"] = [new_id[name]]
    for end in ("sep", "cls"):  # BERT's own processor notes (piece, id)
        if isinstance(processor.get(end), list):
            processor[end][1] = new_id[processor[end][0]]
    _keep_rows(model, torch.tensor([old[piece] for piece in pieces]), new_id["[PAD]"])
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(description)), **SPECIAL
    )


def _pieces_to_keep(
    old: dict[str, int], tokenizer: Any, texts: Sequence[str], size: int
) -> set[str]:
    always = set(SPECIAL.values()) | {piece for piece in old if len(piece.removeprefix("##")) == 1}
    if not len(always) <= size <= len(old):
        raise ValueError(
            f"prune_vocabulary: size={size}; allowed: {len(always)} (special pieces and single characters) "
            f"to {len(old)} (the whole vocabulary)."
        )
    counts: Counter[int] = Counter()
    for start in range(0, len(texts), 10_000):
        for ids in tokenizer(list(texts[start : start + 10_000]), add_special_tokens=False)[
            "input_ids"
        ]:
            counts.update(ids)
    by_frequency = sorted(
        (p for p in old if p not in always), key=lambda p: (-counts[old[p]], old[p])
    )
    return always | set(by_frequency[: size - len(always)])


def _keep_rows(
    model: ElasticBertForSequenceClassification, rows: torch.Tensor, padding: int
) -> None:
    whole = model.get_input_embeddings()
    smaller = nn.Embedding(len(rows), whole.embedding_dim, padding_idx=padding)
    smaller.weight.data.copy_(whole.weight.data[rows.to(whole.weight.device)])
    model.bert.set_input_embeddings(smaller.to(whole.weight.device))
    model.config.vocab_size, model.config.pad_token_id = len(rows), padding
