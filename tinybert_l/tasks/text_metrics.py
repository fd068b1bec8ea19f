"""What can be counted about a generated text; lecture 9 judges these measures too."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch


def repetition(token_ids: Sequence[int], window: int = 32) -> float:
    """Share of tokens that already stand among the `window` tokens before them."""
    if len(token_ids) < 2:
        return 0.0
    seen = [token in token_ids[max(0, i - window) : i] for i, token in enumerate(token_ids)]
    return sum(seen) / len(seen)


def self_bleu(texts: Sequence[Sequence[int]], longest: int = 3) -> float:
    """How alike several texts are (Zhu et al. 2018): each one's BLEU against the others, on average, 0..1.

    Clipped precisions of 1- to `longest`-grams, geometric mean, without brevity penalty.
    """
    scores = []
    for i, text in enumerate(texts):
        precisions = []
        for n in range(1, longest + 1):
            own = _ngrams(text, n)
            best: Counter[tuple[int, ...]] = Counter()
            for j, other in enumerate(texts):
                if j != i:
                    best |= _ngrams(other, n)  # of each n-gram the largest count
            shared = sum((own & best).values())
            precisions.append(max(shared, 1e-9) / max(sum(own.values()), 1))
        scores.append(math.exp(sum(map(math.log, precisions)) / longest))
    return sum(scores) / len(scores)


def _ngrams(text: Sequence[int], n: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))


@torch.no_grad()
def coherence(texts: Sequence[str], encoder: Any, tokenizer: Any) -> float:
    """Mean cosine of neighbouring sentences, in the embedded sentence model (mean of its last hidden states).

    NaN when no text has two sentences.
    """
    cosines: list[torch.Tensor] = []
    for text in texts:
        sentences = [part for part in re.split(r"[.!?]", text) if len(part.split()) > 1]
        if len(sentences) < 2:
            continue
        batch = tokenizer(
            sentences, padding=True, truncation=True, max_length=64, return_tensors="pt"
        )
        hidden, mask = encoder(**batch).last_hidden_state, batch["attention_mask"][..., None]
        means = (hidden * mask).sum(1) / mask.sum(1)
        cosines.append(torch.cosine_similarity(means[1:], means[:-1]).mean())
    return float(torch.stack(cosines).mean()) if cosines else math.nan


def expected_calibration_error(
    probabilities: torch.Tensor, labels: torch.Tensor, bins: int = 10
) -> float:
    """How far confidence and accuracy lie apart (Guo et al. 2017): weighted mean over bins of confidence.

    Args:
        probabilities: [texts, classes].
        labels: [texts].
    """
    confidence, predictions = probabilities.max(-1)
    right = (predictions == labels).float()
    bin_of = (confidence * bins).long().clamp(max=bins - 1)
    gaps = [
        (right[chosen].mean() - confidence[chosen].mean()).abs() * chosen.float().mean()
        for chosen in (bin_of == i for i in range(bins))
        if chosen.any()
    ]
    return float(torch.stack(gaps).sum())
