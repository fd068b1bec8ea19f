"""Write text with a language model: choose tokens one by one, or draft them with a sub-model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F
from transformers import DynamicCache

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_09 import top_p_filter
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.generation import ElasticBertForCausalLM
from tinybert_l.tasks.review_texts import UNKNOWN


@dataclass(frozen=True)
class Decoding:
    """How the next token is chosen.

    Args:
        temperature: divides the logits; 0: choose the most likely token (greedy).
        top_k: choose among so many most likely tokens; None: among all.
        top_p: see `top_p_filter`; 1: choose among all.
        repetition_penalty: logits of tokens that are in the text are divided by it, or multiplied
            where they are below 0 (Keskar et al. 2019); 1: left alone.
    Raises:
        InvalidInput: a value out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        rules = (
            ("temperature", self.temperature >= 0, "0 or more"),
            (
                "top_k",
                self.top_k is None or (isinstance(self.top_k, int) and self.top_k >= 1),
                "None, or at least 1, a whole number",
            ),
            ("top_p", 0 < self.top_p <= 1, "above 0, at most 1"),
            ("repetition_penalty", self.repetition_penalty >= 1, "at least 1"),
        )
        for name, holds, allowed in rules:
            if not holds:
                value = getattr(self, name)
                raise InvalidInput(f"Decoding: {name}={value!r}; allowed: {allowed}.")

    def probabilities(self, logits: torch.Tensor, text: Sequence[int] = ()) -> torch.Tensor:
        """Return the distribution of the next token, [vocabulary].

        Args:
            logits: [vocabulary].
            text: the tokens so far.
        """
        if self.repetition_penalty != 1 and text:
            logits = self._penalised(logits, text)
        if self.temperature == 0:
            return F.one_hot(logits.argmax(), len(logits)).to(logits)
        logits = logits[None] / self.temperature
        if self.top_k is not None:
            lowest = logits.topk(min(self.top_k, logits.shape[-1])).values[:, -1:]
            logits = logits.masked_fill(logits < lowest, float("-inf"))
        if self.top_p < 1:
            logits = top_p_filter(logits, self.top_p)
        return torch.softmax(logits, -1)[0]

    def _penalised(self, logits: torch.Tensor, text: Sequence[int]) -> torch.Tensor:
        """Lower the logits of the tokens that stand in the text."""
        used = torch.tensor(sorted(set(text)))
        scores = logits[used]
        lowered = torch.where(
            scores > 0, scores / self.repetition_penalty, scores * self.repetition_penalty
        )
        return logits.index_copy(0, used, lowered)

    def choose(
        self,
        logits: torch.Tensor,
        generator: torch.Generator | None = None,
        text: Sequence[int] = (),
    ) -> int:
        """Choose one token; arguments as in `probabilities`."""
        probabilities = self.probabilities(logits, text)
        if self.temperature == 0:
            return int(probabilities.argmax())
        return _draw(probabilities, generator)


GREEDY = Decoding(temperature=0)


def _draw(probabilities: torch.Tensor, generator: torch.Generator | None) -> int:
    """Draw one token from probabilities, or other weights, [vocabulary]."""
    return int(torch.multinomial(probabilities, 1, generator=generator))


@torch.no_grad()
def stream(
    model: ElasticBertForCausalLM,
    prompt: Sequence[int],
    max_new_tokens: int,
    decoding: Decoding,
    sub_model: SubModel | None = None,
    seed: int = 0,
    use_cache: bool = True,
    sliding: bool = False,
    never: Sequence[int] = (),
) -> Iterator[int]:
    """Yield new tokens as they are chosen.

    Args:
        prompt: at least one token.
        use_cache: keep keys and values; without them the whole text is computed anew for each
            token.
        sliding: where the model has no position left, forget all but the last half of them and go
            on, for any length.
        never: tokens that are not written; the one for unknown tokens never is.
    Raises:
        InvalidInput: an empty prompt, more tokens than the model has positions, or `never` that
            names what is no token, or all of them.
    """
    _check_never(never, model.config.vocab_size)
    room = model.config.max_position_embeddings
    if not prompt or max_new_tokens < 0 or not (sliding or len(prompt) + max_new_tokens <= room):
        raise InvalidInput(
            f"stream: a prompt of {len(prompt)} and max_new_tokens={max_new_tokens}; "
            f"allowed: at least one token, and at most {room} together, or sliding=True."
        )
    generator = torch.Generator().manual_seed(seed)
    text = list(prompt)
    cache = DynamicCache() if use_cache else None
    unread = list(text)
    for _ in range(max_new_tokens):
        if (cache.get_seq_length() if cache else 0) + len(unread) > room:
            cache = DynamicCache() if use_cache else None
            unread = text[-(room // 2) :]
        logits = model(torch.tensor([unread]), cache=cache, sub_model=sub_model).logits[0, -1]
        logits[[UNKNOWN, *never]] = float("-inf")
        token = decoding.choose(logits, generator, text)
        text.append(token)
        yield token
        unread = [token] if use_cache else text


def _check_never(never: Sequence[int], vocab_size: int) -> None:
    """Refuse tokens that there are not, and a choice among none."""
    names_others = any(not 0 <= token < vocab_size for token in never)
    if names_others or len({UNKNOWN, *never}) >= vocab_size:
        raise InvalidInput(
            f"never: {len(set(never))} tokens, from {min(never)} to {max(never)}; allowed: some "
            f"from 0 to {vocab_size - 1}, but not all."
        )


class _Predictor:
    """One sub-model with its KV cache: predicts tokens of a text that grows and is cut back."""

    def __init__(
        self, model: ElasticBertForCausalLM, sub_model: SubModel | None, decoding: Decoding
    ) -> None:
        self.model = model
        self.sub_model = sub_model
        self.decoding = decoding
        self.cache = DynamicCache()

    def distributions(self, text: Sequence[int], count: int) -> list[torch.Tensor]:
        """Return the next token's distribution [vocabulary] after each of the last `count` tokens.

        Reads the tokens that are not in the cache yet.
        """
        unread = torch.tensor([text[self.cache.get_seq_length() :]])
        logits = self.model(unread, cache=self.cache, sub_model=self.sub_model).logits[0]
        logits[:, UNKNOWN] = float("-inf")  # the stand-in for unknown tokens is never written
        distributions = []
        for end, row in enumerate(logits[-count:], len(text) - count + 1):
            distributions.append(self.decoding.probabilities(row, text[:end]))
        return distributions

    def forget(self, length: int) -> None:
        """Leave at most `length` tokens in the cache."""
        surplus = self.cache.get_seq_length() - length
        if surplus > 0:
            self.cache.crop(-surplus)


@torch.no_grad()
def draft_and_verify(
    model: ElasticBertForCausalLM,
    prompt: Sequence[int],
    max_new_tokens: int,
    small: SubModel,
    ahead: int = 4,
    decoding: Decoding = GREEDY,
    seed: int = 0,
) -> tuple[list[int], float]:
    """Write the largest sub-model's text, drafted by a small sub-model of the same supernet.

    Leviathan et al. 2023, algorithm 1. A drafted token x is accepted with probability
    min(1, p(x)/q(x)), p the largest sub-model's and q the small one's; the first that is not is
    drawn anew from max(0, p - q). So each token is distributed as if the largest wrote alone; with
    temperature 0 the text is that of greedy decoding, token for token.

    Args:
        prompt: at least one token.
        small: drafts.
        ahead: tokens that it drafts before the largest verifies them.
    Returns:
        (the new tokens, share of drafted tokens that were accepted).
    Raises:
        InvalidInput: an empty prompt, more tokens than the model has positions, or `ahead` below 1.
    """
    room = model.config.max_position_embeddings
    if not prompt or max_new_tokens < 0 or len(prompt) + max_new_tokens > room or ahead < 1:
        raise InvalidInput(
            f"draft_and_verify: a prompt of {len(prompt)}, max_new_tokens={max_new_tokens}, "
            f"ahead={ahead}; allowed: at least one token, at most {room} together, at least 1."
        )
    text = list(prompt)
    goal = len(prompt) + max_new_tokens
    generator = torch.Generator().manual_seed(seed)
    drafter = _Predictor(model, small, decoding)
    verifier = _Predictor(model, None, decoding)
    num_drafted = num_accepted = 0
    while len(text) < goal:
        draft, proposed = _draft(drafter, text, min(ahead, goal - len(text) - 1), generator)
        wanted = verifier.distributions([*text, *draft], len(draft) + 1)
        accepted = _count_accepted(draft, proposed, wanted, generator)
        rest = wanted[accepted]
        if accepted < len(draft):
            rest = (rest - proposed[accepted]).clamp(min=0)
        text += [*draft[:accepted], _draw(rest, generator)]
        num_drafted += len(draft)
        num_accepted += accepted
        # Rejected drafts leave the caches; the last token has not been read yet.
        drafter.forget(len(text) - 1)
        verifier.forget(len(text) - 1)
    return text[len(prompt) :], num_accepted / max(num_drafted, 1)


def _draft(
    drafter: _Predictor, text: Sequence[int], count: int, generator: torch.Generator
) -> tuple[list[int], list[torch.Tensor]]:
    """Draw `count` tokens after the text; return them, and the distributions they came from."""
    draft: list[int] = []
    proposed = []
    for _ in range(count):
        (distribution,) = drafter.distributions([*text, *draft], 1)
        draft.append(_draw(distribution, generator))
        proposed.append(distribution)
    return draft, proposed


def _count_accepted(
    draft: Sequence[int],
    proposed: Sequence[torch.Tensor],
    wanted: Sequence[torch.Tensor],
    generator: torch.Generator,
) -> int:
    """Return how many drafted tokens are accepted before the first that is not.

    Args:
        proposed: the drafter's distribution of each drafted token, [vocabulary].
        wanted: the verifier's, with one more for the token after them.
    """
    for number, token in enumerate(draft):
        q = float(proposed[number][token])
        p = float(wanted[number][token])
        if float(torch.rand((), generator=generator)) * q >= p:
            return number
    return len(draft)
