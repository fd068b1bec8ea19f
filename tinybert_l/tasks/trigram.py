"""The baseline of text generation: a language model that only counts."""

from collections import Counter
from collections.abc import Sequence
from math import exp, log
from statistics import fmean

import torch

from tinybert_l.tasks.review_texts import UNKNOWN


class Trigram:
    """The baseline without a network: counts of three tokens, mixed with two, one and none.

    Args:
        texts: [texts, length], numbers below `vocabulary_size`; 0 is no word.
    """

    def __init__(self, texts: torch.Tensor, vocabulary_size: int) -> None:
        self.size = vocabulary_size
        # For contexts of 0, 1 and 2 tokens: how often each token followed each context.
        self.counts: list[dict[tuple[int, ...], Counter[int]]] = [{}, {}, {}]
        for row in texts.tolist():
            for i, token in enumerate(row):
                for order in range(min(i, 2) + 1):
                    context = tuple(row[i - order : i])
                    self.counts[order].setdefault(context, Counter())[token] += 1
        self.totals: list[dict[tuple[int, ...], int]] = []
        for by_context in self.counts:
            self.totals.append({c: followers.total() for c, followers in by_context.items()})

    def probabilities(self, before: Sequence[int]) -> torch.Tensor:
        """Return the distribution of the next token, [vocabulary], after the tokens `before`."""
        mixed = torch.full((self.size,), 1 / self.size)
        for order in range(min(len(before), 2) + 1):
            context = tuple(before[len(before) - order :])
            followers = self.counts[order].get(context)
            if followers:
                counts = torch.zeros(self.size)
                counts[list(followers)] = torch.tensor(list(followers.values())).float()
                trust = self._trust(order, context)
                mixed = (1 - trust) * mixed + trust * counts / counts.sum()
        return mixed

    def probability(self, before: Sequence[int], token: int) -> float:
        """Return the probability of one next token, as `probabilities` gives it."""
        mixed = 1 / self.size
        for order in range(min(len(before), 2) + 1):
            context = tuple(before[len(before) - order :])
            followers = self.counts[order].get(context)
            if followers:
                trust = self._trust(order, context)
                share = followers[token] / self.totals[order][context]
                mixed = (1 - trust) * mixed + trust * share
        return mixed

    def _trust(self, order: int, context: tuple[int, ...]) -> float:
        """Trust a context less if many different tokens followed it (Witten-Bell)."""
        total = self.totals[order][context]
        return total / (total + 5 * len(self.counts[order][context]))

    def perplexity(self, texts: torch.Tensor) -> float:
        """Return exp of the mean cross-entropy of each next token, as `Writer.perplexity` does."""
        losses = [loss for row in texts.tolist() for loss in self.losses(row)]
        return exp(fmean(losses))

    def losses(self, text: Sequence[int]) -> list[float]:
        """Return the cross-entropy, in nats, of each next token of a text that is a known word."""
        losses = []
        for i in range(1, len(text)):
            if text[i] != UNKNOWN:
                losses.append(-log(self.probability(text[:i], text[i])))
        return losses

    def write(self, prompt: Sequence[int], max_new_tokens: int, seed: int = 0) -> list[int]:
        """Draw new tokens one by one; returns them without the prompt."""
        generator = torch.Generator().manual_seed(seed)
        text = list(prompt)
        for _ in range(max_new_tokens):
            probabilities = self.probabilities(text)
            probabilities[UNKNOWN] = 0
            text.append(int(torch.multinomial(probabilities, 1, generator=generator)))
        return text[len(prompt) :]
