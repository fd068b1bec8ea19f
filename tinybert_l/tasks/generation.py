"""Text generation: the same elastic encoder with a causal mask and a language-model head."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, DynamicCache, GenerationMixin

from tinybert_l.cache import cached
from tinybert_l.exercises.lecture_09 import causal_mask, top_p_filter
from tinybert_l.method.config import NO_DROPOUT, ElasticBertConfig
from tinybert_l.method.data import REVIEWS, packaged_file
from tinybert_l.method.joint import train_on_labels
from tinybert_l.method.model import ElasticBertWithLMHead, ElasticOutput
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import load_embedded, quiet_loading
from tinybert_l.submodels import SubModel

BLOCK = 64  # tokens of a training text


class ElasticBertForCausalLM(ElasticBertWithLMHead, GenerationMixin):
    """The elastic encoder under a causal mask, with a head that names the next token.

    The transformers' `generate` works, with `sub_model=` too.
    """

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        cache: Any = None,
        sub_model: SubModel | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
        **kwargs: Any,
    ) -> ElasticOutput:
        """Next-token logits [batch, length, vocabulary].

        Args:
            input_ids: [batch, length]; with a cache only the tokens that are not in it yet.
            attention_mask: 1 = token, 0 = padding, [batch, earlier + length]; None: no padding.
            cache: transformers' `DynamicCache` with keys and values of earlier tokens of the same sub-model;
                takes the new ones.
            labels: the texts again [batch, length], -100 where nothing is to be learned; gives the loss.
            use_cache: make a cache where none is given, and return it.
            logits_to_keep: only of so many last tokens; 0: of all.
        """
        cache = DynamicCache() if cache is None and use_cache else cache
        past, length = cache.get_seq_length() if cache is not None else 0, input_ids.shape[1]
        if position_ids is None and attention_mask is None:
            position_ids = torch.arange(past, past + length, device=input_ids.device)[None]
        output = self.bert(
            input_ids,
            attention_mask,
            position_ids=position_ids,
            sub_model=sub_model,
            allowed=causal_mask(length, past + length).to(input_ids.device),
            cache=cache,
            **kwargs,
        )
        output.logits = self.lm_head(output.last_hidden_state[:, -logits_to_keep:])
        output.cache = cache
        if labels is not None:
            output.loss = F.cross_entropy(
                output.logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten()
            )
        return output


AutoModelForCausalLM.register(ElasticBertConfig, ElasticBertForCausalLM, exist_ok=True)


@dataclass(frozen=True)
class Decoding:
    """How the next token is chosen.

    Args:
        temperature: 0: the most likely token (greedy).
        top_k: only so many most likely ones; None: all.
        top_p: see `top_p_filter`; 1: all.
        repetition_penalty: logits of tokens that are in the text are divided by it, or multiplied where they are below
            0 (Keskar et al. 2019); 1: left alone.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        allowed = {
            "temperature": (self.temperature >= 0, "0 or more"),
            "top_k": (self.top_k is None or self.top_k >= 1, "None, or at least 1"),
            "top_p": (0 < self.top_p <= 1, "above 0, at most 1"),
            "repetition_penalty": (self.repetition_penalty >= 1, "at least 1"),
        }
        for name, (fine, range_) in allowed.items():
            if not fine:
                raise ValueError(f"Decoding: {name}={getattr(self, name)!r}; allowed: {range_}.")

    def probabilities(self, logits: torch.Tensor, text: Sequence[int] = ()) -> torch.Tensor:
        """What the next token is drawn from, [vocabulary], for logits [vocabulary] after `text`."""
        if self.repetition_penalty != 1 and text:
            seen = torch.tensor(sorted(set(text)))
            scores = logits[seen]
            changed = torch.where(
                scores > 0, scores / self.repetition_penalty, scores * self.repetition_penalty
            )
            logits = logits.index_copy(0, seen, changed)
        if self.temperature == 0:
            return F.one_hot(logits.argmax(), len(logits)).to(logits)
        logits = logits[None] / self.temperature
        if self.top_k is not None:
            lowest = logits.topk(min(self.top_k, logits.shape[-1])).values[:, -1:]
            logits = logits.masked_fill(logits < lowest, float("-inf"))
        if self.top_p < 1:
            logits = top_p_filter(logits, self.top_p)
        return torch.softmax(logits, -1)[0]

    def choose(
        self,
        logits: torch.Tensor,
        generator: torch.Generator | None = None,
        text: Sequence[int] = (),
    ) -> int:
        """One token for logits [vocabulary] after `text`."""
        probabilities = self.probabilities(logits, text)
        if self.temperature == 0:
            return int(probabilities.argmax())
        return int(torch.multinomial(probabilities, 1, generator=generator))


GREEDY = Decoding(0)


@dataclass(frozen=True)
class Writer:
    """A jointly trained language model, its small vocabulary, and held-out text.

    Args:
        vocabulary: token ids of the tokenizer, by the model's own numbers; number 0 stands for all others.
        held_out: [texts, BLOCK], in the model's numbers.
    """

    model: ElasticBertForCausalLM
    tokenizer: Any
    vocabulary: list[int]
    held_out: torch.Tensor
    recipe: JointRecipe
    log: list[dict[str, Any]]

    def encode(self, text: str) -> list[int]:
        """A text in the model's numbers, without special tokens."""
        number = {token: i for i, token in enumerate(self.vocabulary)}
        return [
            number.get(t, 0) for t in self.tokenizer(text, add_special_tokens=False)["input_ids"]
        ]

    def decode(self, numbers: Sequence[int]) -> str:
        return self.tokenizer.decode([self.vocabulary[i] for i in numbers])

    @torch.no_grad()
    def perplexity(self, texts: torch.Tensor, sub_model: SubModel | None = None) -> float:
        """exp of the mean cross-entropy of each next token; tokens outside the vocabulary are left out."""
        logits = self.model(texts[:, :-1], sub_model=sub_model).logits
        return float(
            F.cross_entropy(logits.flatten(0, 1), texts[:, 1:].flatten(), ignore_index=0).exp()
        )


@torch.no_grad()
def stream(
    model: ElasticBertForCausalLM,
    prompt: Sequence[int],
    max_new_tokens: int,
    decoding: Decoding,
    sub_model: SubModel | None = None,
    seed: int = 0,
    use_cache: bool = True,
) -> Iterator[int]:
    """New tokens as they are chosen.

    Args:
        prompt: at least one token.
        use_cache: keep keys and values; without it the whole text is computed anew for each token.
    Raises:
        ValueError: an empty prompt, or more tokens than the model has positions.
    """
    room = model.config.max_position_embeddings
    if not prompt or len(prompt) + max_new_tokens > room:
        raise ValueError(
            f"stream: a prompt of {len(prompt)} and max_new_tokens={max_new_tokens}; allowed: at least one token, "
            f"and at most {room} together."
        )
    generator = torch.Generator().manual_seed(seed)
    text, cache = list(prompt), DynamicCache() if use_cache else None
    fresh = torch.tensor([text])
    for _ in range(max_new_tokens):
        logits = model(fresh, cache=cache, sub_model=sub_model).logits[0, -1]
        logits[0] = float("-inf")  # the stand-in for unknown words is never written
        text.append(decoding.choose(logits, generator, text))
        yield text[-1]
        fresh = torch.tensor([[text[-1]]]) if use_cache else torch.tensor([text])


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
    """Text of the largest sub-model, drafted by a small one of the same supernet (Leviathan et al. 2023, algorithm 1).

    A drafted token x stays with probability min(1, p(x)/q(x)), p the largest's and q the small one's; the first that
    does not stay is drawn anew from max(0, p - q). So each token is distributed as the largest's own; with
    temperature 0 the text is that of greedy decoding, token for token.

    Returns:
        (the new tokens; share of drafted tokens that stayed).
    """
    text, goal, drafted, accepted = list(prompt), len(prompt) + max_new_tokens, 0, 0
    generator = torch.Generator().manual_seed(seed)
    caches = {"large": DynamicCache(), "small": DynamicCache()}

    def chances(name: str, so_far: Sequence[int], count: int) -> list[torch.Tensor]:
        """Of the next token after each of the last `count` tokens of the text so far."""
        new = torch.tensor([so_far[caches[name].get_seq_length() :]])
        logits = model(
            new, cache=caches[name], sub_model=small if name == "small" else None
        ).logits[0]
        logits[:, 0] = float("-inf")  # the stand-in for unknown words is never written
        places = range(len(so_far) - count + 1, len(so_far) + 1)
        return [
            decoding.probabilities(row, so_far[:end])
            for row, end in zip(logits[-count:], places, strict=True)
        ]

    while len(text) < goal:
        draft, proposed = list(text), []
        for _ in range(min(ahead, goal - len(text) - 1)):
            (q,) = chances("small", draft, 1)
            draft.append(int(torch.multinomial(q, 1, generator=generator)))
            proposed.append(q)
        wanted = chances("large", draft, len(proposed) + 1)
        stayed = 0
        for q, p in zip(proposed, wanted, strict=False):
            token = draft[len(text)]
            if float(torch.rand((), generator=generator)) * float(q[token]) >= float(p[token]):
                break
            text.append(token)
            stayed += 1
        rest = wanted[stayed]
        if stayed < len(proposed):
            rest = (rest - proposed[stayed]).clamp(min=0)
        text.append(int(torch.multinomial(rest, 1, generator=generator)))
        drafted, accepted = drafted + len(proposed), accepted + stayed
        for cache in caches.values():
            if (surplus := cache.get_seq_length() - len(text) + 1) > 0:
                cache.crop(-surplus)  # rejected drafts; the last token's keys are still to come
    return text[len(prompt) :], accepted / max(drafted, 1)


def load_writer(
    num_steps: int = 240,
    batch_size: int = 16,
    vocabulary_size: int = 6000,
    seed: int = 0,
    reviews: int = 2500,
) -> Writer:
    """The language-model supernet; trained on the embedded whole reviews first when the cache has none."""
    encoder, tokenizer = load_embedded()
    recipe = JointRecipe(num_steps=num_steps, batch_size=batch_size, learning_rate=5e-4, seed=seed)
    vocabulary, blocks = review_blocks(tokenizer, vocabulary_size, reviews)
    held_out, train = blocks[: len(blocks) // 20], blocks[len(blocks) // 20 :]

    def build(folder: Path) -> dict[str, Any]:
        torch.manual_seed(seed)
        settings = {**encoder.config.to_dict(), **NO_DROPOUT, "vocab_size": len(vocabulary)}
        model = ElasticBertForCausalLM(ElasticBertConfig(**settings))
        state = encoder.state_dict()
        key = "embeddings.word_embeddings.weight"
        model.bert.load_state_dict({**state, key: state[key][torch.tensor(vocabulary)]})

        def predict(step: int, sub_model: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
            generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
            texts = train[torch.randint(len(train), (batch_size,), generator=generator)].to(
                model.device
            )
            logits = model(texts[:, :-1], sub_model=sub_model).logits.flatten(0, 1)
            known = texts[:, 1:].flatten() != 0
            return logits[known], texts[:, 1:].flatten()[known]

        log = train_on_labels(model, predict, recipe, folder, "writer 生成")
        model.save_pretrained(folder)
        torch.save(log, folder / "log.pt")
        return {"last_loss": log[-1]["loss"]}

    plain = {
        "steps": num_steps,
        "batch": batch_size,
        "vocabulary": vocabulary_size,
        "seed": seed,
        "reviews": reviews,
    }
    folder = cached("writer", {**plain, "version": 4}, build)
    with quiet_loading():
        model = ElasticBertForCausalLM.from_pretrained(folder).eval()
    log = torch.load(folder / "log.pt", weights_only=True)
    return Writer(model, tokenizer, vocabulary, held_out, recipe, log)


def review_blocks(
    tokenizer: Any, vocabulary_size: int, reviews: int
) -> tuple[list[int], torch.Tensor]:
    """Whole reviews cut into blocks of 64 tokens.

    Returns:
        (the most frequent token ids, the unknown one first; [blocks, BLOCK] in numbers of that list). Blocks of one
        review stay together, so the first twentieth shares no review with the rest, but at its edge.
    """
    with packaged_file(*REVIEWS).open(encoding="utf-8", newline="") as file:
        rows = (row["text"] for row in csv.DictReader(file) if row["source"] == "imdb")
        texts = [text.replace("<br />", " ") for _, text in zip(range(reviews), rows, strict=False)]
    ids = [t for row in tokenizer(texts, add_special_tokens=False)["input_ids"] for t in row]
    common = [token for token, _ in Counter(ids).most_common(vocabulary_size - 1)]
    vocabulary = [
        tokenizer.unk_token_id,
        *(token for token in common if token != tokenizer.unk_token_id),
    ]
    number = {token: i for i, token in enumerate(vocabulary)}
    numbers = torch.tensor([number.get(t, 0) for t in ids])
    return vocabulary, numbers[: len(numbers) // BLOCK * BLOCK].view(-1, BLOCK)


class Trigram:
    """The baseline without a network: counts of three tokens, mixed with two, one and none.

    Args:
        texts: [texts, length], numbers below `vocabulary_size`; 0 is no word.
    """

    def __init__(self, texts: torch.Tensor, vocabulary_size: int) -> None:
        self.size = vocabulary_size
        self.counts: list[dict[tuple[int, ...], Counter[int]]] = [{}, {}, {}]
        for row in texts.tolist():
            for i, token in enumerate(row):
                for order in range(min(i, 2) + 1):
                    self.counts[order].setdefault(tuple(row[i - order : i]), Counter())[token] += 1

    def probabilities(self, before: Sequence[int]) -> torch.Tensor:
        """Of every next token, [vocabulary]."""
        mixed = torch.full((self.size,), 1 / self.size)
        for order in range(min(len(before), 2) + 1):
            found = self.counts[order].get(tuple(before[len(before) - order :]))
            if found:
                own = torch.zeros(self.size)
                own[list(found)] = torch.tensor(list(found.values()), dtype=torch.float32)
                trust = sum(found.values()) / (
                    sum(found.values()) + 5 * len(found)
                )  # many kinds, few counts: little
                mixed = (1 - trust) * mixed + trust * own / own.sum()
        return mixed

    def perplexity(self, texts: torch.Tensor) -> float:
        """As `Writer.perplexity`."""
        losses = [
            -float(self.probabilities(row[:i])[row[i]].log())
            for row in texts.tolist()
            for i in range(1, len(row))
            if row[i]
        ]
        return float(torch.tensor(losses).mean().exp())

    def write(self, prompt: Sequence[int], max_new_tokens: int, seed: int = 0) -> list[int]:
        """New tokens, drawn one by one."""
        generator, text = torch.Generator().manual_seed(seed), list(prompt)
        for _ in range(max_new_tokens):
            probabilities = self.probabilities(text)
            probabilities[0] = 0
            text.append(int(torch.multinomial(probabilities, 1, generator=generator)))
        return text[len(prompt) :]
