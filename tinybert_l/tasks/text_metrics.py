"""Measure generated texts, and how well a classifier's confidence is calibrated.

Lecture 9 also judges what these measures are worth.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch


def repetition(token_ids: Sequence[int], window: int = 32) -> float:
    """Return the share of tokens that already stand among the `window` tokens before them."""
    if len(token_ids) < 2:
        return 0.0
    repeated = 0
    for i, token in enumerate(token_ids):
        repeated += token in token_ids[max(0, i - window) : i]
    return repeated / len(token_ids)


def self_bleu(texts: Sequence[Sequence[int]], longest: int = 3) -> float:
    """Measure how alike several texts are, 0..1 (Zhu et al. 2018).

    The mean over the texts of each text's BLEU against all others: the geometric mean of the
    clipped precisions of 1- to `longest`-grams, without brevity penalty.
    """
    scores = []
    for i, text in enumerate(texts):
        others = [*texts[:i], *texts[i + 1 :]]
        precisions = [_clipped_precision(text, others, n) for n in range(1, longest + 1)]
        scores.append(math.exp(sum(map(math.log, precisions)) / longest))
    return sum(scores) / len(scores)


def _clipped_precision(text: Sequence[int], others: Sequence[Sequence[int]], n: int) -> float:
    """Return the share of a text's n-grams that some other text holds as often; at least 1e-9."""
    counts = _ngrams(text, n)
    largest: Counter[tuple[int, ...]] = Counter()
    for other in others:
        largest |= _ngrams(other, n)  # keeps each n-gram's largest count
    shared = (counts & largest).total()
    return max(shared, 1e-9) / max(counts.total(), 1)


def _ngrams(text: Sequence[int], n: int) -> Counter[tuple[int, ...]]:
    """Count the n-grams of a text."""
    return Counter(zip(*(text[start:] for start in range(n)), strict=False))


@torch.no_grad()
def coherence(texts: Sequence[str], encoder: Any, tokenizer: Any) -> float:
    """Return the mean cosine of neighbouring sentences.

    A sentence is represented by the mean of the encoder's last hidden states.

    Args:
        encoder: a model whose output has `last_hidden_state`, as the embedded sentence model.
    Returns:
        -1..1; NaN when no text has two sentences.
    """
    cosines: list[torch.Tensor] = []
    for text in texts:
        sentences = [part for part in re.split(r"[.!?]", text) if len(part.split()) > 1]
        if len(sentences) < 2:
            continue
        batch = tokenizer(
            sentences, padding=True, truncation=True, max_length=64, return_tensors="pt"
        )
        hidden = encoder(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None]
        means = (hidden * mask).sum(1) / mask.sum(1)
        cosines.append(torch.cosine_similarity(means[1:], means[:-1]).mean())
    if not cosines:
        return math.nan
    return float(torch.stack(cosines).mean())


def expected_calibration_error(
    probabilities: torch.Tensor, labels: torch.Tensor, bins: int = 10
) -> float:
    """Measure how far confidence and accuracy lie apart, 0..1 (Guo et al. 2017).

    The mean over `bins` equal intervals of confidence, each weighted by its share of the texts.

    Args:
        probabilities: [texts, classes].
        labels: [texts].
    """
    confidence, predictions = probabilities.max(-1)
    right = (predictions == labels).float()
    bin_of_text = (confidence * bins).long().clamp(max=bins - 1)
    gaps = []
    for number in range(bins):
        members = bin_of_text == number
        if members.any():
            gap = (right[members].mean() - confidence[members].mean()).abs()
            gaps.append(gap * members.float().mean())
    return float(torch.stack(gaps).sum())


def sentences(token_ids: Sequence[int], stop: int) -> list[list[int]]:
    """Cut a text after every full stop; what follows the last one is left out.

    Args:
        stop: the full stop's number.
    """
    parts, start = [], 0
    for i, token in enumerate(token_ids, 1):
        if token == stop:
            parts.append(list(token_ids[start:i]))
            start = i
    return parts


def returning(token_ids: Sequence[int], rare_from: int) -> float:
    """Return the share of the rarer words of a text's first fifth that its last half holds too.

    A text that remembers its beginning comes back to its names and things.

    Args:
        token_ids: in numbers of a vocabulary by frequency.
        rare_from: the first number that counts as rare.
    """
    fifth, half = len(token_ids) // 5, len(token_ids) // 2
    named = {token for token in token_ids[:fifth] if token >= rare_from}
    return len(named.intersection(token_ids[half:])) / len(named) if named else 0.0
