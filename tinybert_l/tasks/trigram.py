"""The baseline of text generation: a language model that only counts."""

from collections import Counter
from collections.abc import Sequence

import torch

from tinybert_l.tasks.generation import UNKNOWN


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

    def probabilities(self, before: Sequence[int]) -> torch.Tensor:
        """Return the distribution of the next token, [vocabulary], after the tokens `before`."""
        mixed = torch.full((self.size,), 1 / self.size)
        for order in range(min(len(before), 2) + 1):
            context = tuple(before[len(before) - order :])
            followers = self.counts[order].get(context)
            if followers:
                total = followers.total()
                counts = torch.zeros(self.size)
                counts[list(followers)] = torch.tensor(list(followers.values())).float()
                # Trust a context less if many different tokens followed it (Witten-Bell).
                trust = total / (total + 5 * len(followers))
                mixed = (1 - trust) * mixed + trust * counts / counts.sum()
        return mixed

    def perplexity(self, texts: torch.Tensor) -> float:
        """Return exp of the mean cross-entropy of each next token, as `Writer.perplexity` does."""
        losses = []
        for row in texts.tolist():
            for i in range(1, len(row)):
                if row[i] != UNKNOWN:
                    losses.append(-float(self.probabilities(row[:i])[row[i]].log()))
        return float(torch.tensor(losses).mean().exp())

    def write(self, prompt: Sequence[int], max_new_tokens: int, seed: int = 0) -> list[int]:
        """Draw new tokens one by one; returns them without the prompt."""
        generator = torch.Generator().manual_seed(seed)
        text = list(prompt)
        for _ in range(max_new_tokens):
            probabilities = self.probabilities(text)
            probabilities[UNKNOWN] = 0
            text.append(int(torch.multinomial(probabilities, 1, generator=generator)))
        return text[len(prompt) :]
