"""Text generation: the same elastic encoder with a causal mask and a language-model head."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention.bias import causal_lower_right
from transformers import AutoModelForCausalLM, DynamicCache, TopPLogitsWarper

from tinybert_l.cache import cached
from tinybert_l.data import REVIEWS, packaged_file
from tinybert_l.exercise import exercise
from tinybert_l.joint import JointRecipe, train_on_labels
from tinybert_l.model import ElasticBertConfig, ElasticBertModel, ElasticOutput, ElasticPreTrainedModel
from tinybert_l.submodels import SubModel
from tinybert_l.teacher import load_embedded, quiet_loading

BLOCK = 64  # tokens of a training text


def _causal_by_torch(query_length: int, key_length: int) -> torch.Tensor:
    """Stand-in before lecture 9."""
    return causal_lower_right(query_length, key_length)._materialize() > -1


def _top_p_by_transformers(logits: torch.Tensor, p: float) -> torch.Tensor:
    """Stand-in before lecture 9."""
    return TopPLogitsWarper(p)(torch.zeros(len(logits), 0, dtype=torch.long), logits)


@exercise(lecture=9, peer=_causal_by_torch)
def causal_mask(query_length: int, key_length: int) -> torch.Tensor:
    """Which tokens a token may look at when text is written from left to right.

    The queries are the last `query_length` of `key_length` tokens (the earlier ones lie in a KV cache), so query i
    stands at position key_length - query_length + i, and sees the keys up to and with its own position.

    Args:
        query_length: at least 1, at most key_length.
        key_length: tokens in all.
    Returns:
        bool [query_length, key_length], True where attention is allowed.
    Raises:
        ValueError: query_length below 1 or above key_length.

    Worked example: causal_mask(2, 3): [[True, True, False], [True, True, True]].
    """
    raise NotImplementedError


@exercise(lecture=9, peer=_top_p_by_transformers)
def top_p_filter(logits: torch.Tensor, p: float) -> torch.Tensor:
    """Keep the smallest set of most likely tokens whose probability reaches p (Holtzman et al. 2020).

    Args:
        logits: [batch, vocabulary]; not changed.
        p: 0 < p <= 1; 1 keeps every token.
    Returns:
        The logits, with -inf for the tokens outside the set; the token that crosses p stays.
    Raises:
        ValueError: p out of range.

    Worked example: probabilities 0.5, 0.3, 0.2 and p = 0.6: 0.5 does not reach it, 0.5 + 0.3 does: two stay.
    """
    raise NotImplementedError


@exercise(lecture=9)
def distinct_n(token_ids: Sequence[int], n: int) -> float:
    """How varied a text is: different n-grams over all n-grams (Li et al. 2016).

    Args:
        token_ids: the text.
        n: tokens of an n-gram, at least 1.
    Returns:
        0..1; 0.0 for a text shorter than n.
    Raises:
        ValueError: n below 1.

    Worked example: [1, 2, 1, 2] has the 2-grams (1, 2), (2, 1), (1, 2): 2 / 3.
    """
    raise NotImplementedError


class ElasticBertForCausalLM(ElasticPreTrainedModel):
    """The elastic encoder under a causal mask; the word embeddings also serve as the output layer."""

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__(config)
        self.bert = ElasticBertModel(config, add_pooling_layer=False)
        self.output_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.post_init()

    def forward(self, input_ids: torch.Tensor, cache: DynamicCache | None = None, **kwargs: Any) -> ElasticOutput:
        """Next-token logits [batch, length, vocabulary].

        Args:
            input_ids: [batch, length]; with a cache only the tokens that are not in it yet.
            cache: keys and values of earlier tokens of the same sub-model; takes the new ones.
        """
        past = cache.get_seq_length() if cache is not None else 0
        length = input_ids.shape[1]
        output = self.bert(
            input_ids,
            position_ids=torch.arange(past, past + length)[None],
            allowed=causal_mask(length, past + length),
            cache=cache,
            **kwargs,
        )
        table = self.bert.embeddings.word_embeddings.weight
        output.logits = F.linear(output.last_hidden_state, table, self.output_bias)
        return output


AutoModelForCausalLM.register(ElasticBertConfig, ElasticBertForCausalLM, exist_ok=True)


@dataclass(frozen=True)
class Decoding:
    """How the next token is chosen.

    Args:
        temperature: 0: the most likely token (greedy).
        top_k: only so many most likely ones; None: all.
        top_p: see `top_p_filter`; 1: all.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0

    def choose(self, logits: torch.Tensor, generator: torch.Generator | None = None) -> int:
        """One token for logits [vocabulary]."""
        if self.temperature == 0:
            return int(logits.argmax())
        logits = logits[None] / self.temperature
        if self.top_k is not None:
            logits = logits.masked_fill(logits < logits.topk(self.top_k).values[:, -1:], float("-inf"))
        if self.top_p < 1:
            logits = top_p_filter(logits, self.top_p)
        return int(torch.multinomial(torch.softmax(logits, -1), 1, generator=generator))


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
        return [number.get(t, 0) for t in self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    def decode(self, numbers: Sequence[int]) -> str:
        return self.tokenizer.decode([self.vocabulary[i] for i in numbers])

    @torch.no_grad()
    def perplexity(self, texts: torch.Tensor, sub_model: SubModel | None = None) -> float:
        """exp of the mean cross-entropy of each next token; tokens outside the vocabulary are left out."""
        logits = self.model(texts[:, :-1], sub_model=sub_model).logits
        return float(F.cross_entropy(logits.flatten(0, 1), texts[:, 1:].flatten(), ignore_index=0).exp())


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
        text.append(decoding.choose(logits, generator))
        yield text[-1]
        fresh = torch.tensor([[text[-1]]]) if use_cache else torch.tensor([text])


@torch.no_grad()
def draft_and_verify(
    model: ElasticBertForCausalLM, prompt: Sequence[int], max_new_tokens: int, small: SubModel, ahead: int = 4
) -> tuple[list[int], float]:
    """Greedy text of the largest sub-model, drafted by a small one (Leviathan et al. 2023, the greedy case).

    Returns:
        (the new tokens, the same as greedy decoding's; share of drafted tokens that were accepted).
    """
    text, goal, drafted, accepted = list(prompt), len(prompt) + max_new_tokens, 0, 0
    large_cache, small_cache = DynamicCache(), DynamicCache()
    while len(text) < goal:
        draft = list(text)
        for _ in range(min(ahead, goal - len(text) - 1)):
            new = torch.tensor([draft[small_cache.get_seq_length() :]])
            draft.append(_most_likely(model(new, cache=small_cache, sub_model=small).logits[0, -1:])[0])
        new = torch.tensor([draft[large_cache.get_seq_length() :]])
        count = len(draft) - len(text) + 1  # what the largest says after the text and after each drafted token
        said = _most_likely(model(new, cache=large_cache).logits[0, -count:])
        agreed = next((i for i, t in enumerate(draft[len(text) :]) if t != said[i]), len(draft) - len(text))
        drafted, accepted = drafted + len(draft) - len(text), accepted + agreed
        text += said[: agreed + 1]
        for cache in (large_cache, small_cache):
            if (surplus := cache.get_seq_length() - len(text) + 1) > 0:
                cache.crop(-surplus)  # rejected drafts; the last token's keys are still to come
    return text[len(prompt) :], accepted / max(drafted, 1)


def _most_likely(logits: torch.Tensor) -> list[int]:
    logits[..., 0] = float("-inf")
    return logits.argmax(-1).tolist()


def load_writer(
    num_steps: int = 240, batch_size: int = 16, vocabulary_size: int = 6000, seed: int = 0, reviews: int = 2500
) -> Writer:
    """The language-model supernet; trained on the embedded whole reviews first when the cache has none."""
    encoder, tokenizer = load_embedded()
    recipe = JointRecipe(num_steps=num_steps, batch_size=batch_size, learning_rate=5e-4, seed=seed)
    vocabulary, blocks = review_blocks(tokenizer, vocabulary_size, reviews)
    held_out, train = blocks[: len(blocks) // 20], blocks[len(blocks) // 20 :]

    def build(folder: Path) -> dict[str, Any]:
        torch.manual_seed(seed)
        settings = {**encoder.config.to_dict(), "vocab_size": len(vocabulary)}
        model = ElasticBertForCausalLM(ElasticBertConfig(**settings))
        state = encoder.state_dict()
        key = "embeddings.word_embeddings.weight"
        model.bert.load_state_dict({**state, key: state[key][torch.tensor(vocabulary)]})

        def predict(step: int, sub_model: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
            generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
            texts = train[torch.randint(len(train), (batch_size,), generator=generator)]
            logits = model(texts[:, :-1], sub_model=sub_model).logits.flatten(0, 1)
            known = texts[:, 1:].flatten() != 0
            return logits[known], texts[:, 1:].flatten()[known]

        log = train_on_labels(model, predict, recipe, folder, "writer 生成")
        model.save_pretrained(folder)
        torch.save(log, folder / "log.pt")
        return {"last_loss": log[-1]["loss"]}

    plain = {"steps": num_steps, "batch": batch_size, "vocabulary": vocabulary_size, "seed": seed, "reviews": reviews}
    folder = cached("writer", {**plain, "version": 1}, build)
    with quiet_loading():
        model = ElasticBertForCausalLM.from_pretrained(folder).eval()
    log = torch.load(folder / "log.pt", weights_only=True)
    return Writer(model, tokenizer, vocabulary, held_out, recipe, log)


def review_blocks(tokenizer: Any, vocabulary_size: int, reviews: int) -> tuple[list[int], torch.Tensor]:
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
    vocabulary = [tokenizer.unk_token_id, *(token for token in common if token != tokenizer.unk_token_id)]
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
                trust = sum(found.values()) / (sum(found.values()) + 5 * len(found))  # many kinds, few counts: little
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
