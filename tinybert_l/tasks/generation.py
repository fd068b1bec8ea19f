"""A language model: the elastic encoder with a causal mask and a head that predicts next tokens.

`decoding` writes with it, and `trigram` is its baseline.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, Cache, DynamicCache, GenerationMixin

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_09 import causal_mask
from tinybert_l.method.cached_model import TrainingLog, cached_model
from tinybert_l.method.config import NO_DROPOUT, ElasticBertConfig, config_settings
from tinybert_l.method.joint import train_on_labels
from tinybert_l.method.model import ElasticBertWithLMHead, ElasticOutput
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.seeding import step_generator
from tinybert_l.method.teacher import load_embedded
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.review_texts import UNKNOWN, numbered, whole_reviews

BLOCK_LENGTH = 64  # tokens of a training text
TEXTS_AT_ONCE = 16  # their logits take a hundred megabytes


class ElasticBertForCausalLM(ElasticBertWithLMHead, GenerationMixin):
    """The elastic encoder under a causal mask, with a head that predicts the next token.

    transformers' `generate` works, with `sub_model=` too.
    """

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        *,
        position_ids: torch.Tensor | None = None,
        cache: Cache | None = None,
        sub_model: SubModel | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
        return_dict: bool | None = True,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run `ElasticBertModel.forward` from left to right and predict next tokens.

        Args:
            input_ids: [batch, length]; with a cache only the tokens that are not in it yet.
            inputs_embeds: word embeddings in place of `input_ids`, [batch, length, hidden].
            attention_mask: 1 = token, 0 = padding, [batch, earlier + length]; None: no padding.
            cache: transformers' `DynamicCache` with keys and values of earlier tokens of the same
                sub-model; takes the new ones.
            labels: the texts again [batch, length], -100 where nothing is to be learned; None: no
                loss.
            use_cache: make a cache where none is given, and return it.
            logits_to_keep: return logits of so many last tokens only; 0: of all. The loss is that
                of all.
            return_dict, kwargs: as in `ElasticBertModel.forward`.
        Returns:
            Its output with logits [batch, length, vocabulary], the cache and, given labels, the
            loss.
        Raises:
            InvalidInput: no texts, or labels of another shape.
        """
        texts = inputs_embeds if input_ids is None else input_ids
        if texts is None:
            raise InvalidInput("input_ids and inputs_embeds: allowed: one of the two.")
        if labels is not None and labels.shape != texts.shape[:2]:
            raise InvalidInput(
                f"labels: shape {tuple(labels.shape)}; allowed: {tuple(texts.shape[:2])}."
            )
        if cache is None and use_cache:
            cache = DynamicCache()
        past = cache.get_seq_length() if cache is not None else 0
        length = texts.shape[1]
        if position_ids is None and attention_mask is None:
            position_ids = torch.arange(past, past + length, device=texts.device)[None]
        output = self.bert(
            input_ids,
            attention_mask,
            position_ids=position_ids,
            sub_model=sub_model,
            allowed=causal_mask(length, past + length).to(texts.device),
            cache=cache,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )
        kept = 0 if labels is not None else logits_to_keep
        logits = self.lm_head(output.last_hidden_state[:, -kept:])
        loss = None
        if labels is not None:
            predictions = logits[:, :-1].flatten(0, 1).float()
            loss = F.cross_entropy(predictions, labels[:, 1:].flatten())
        logits = logits[:, -logits_to_keep:]
        output = ElasticOutput(**{**output, "loss": loss, "logits": logits, "cache": cache})
        return output.to_tuple() if return_dict is False else output


# transformers' AutoModelForCausalLM finds the class by its configuration.
AutoModelForCausalLM.register(ElasticBertConfig, ElasticBertForCausalLM, exist_ok=True)


@dataclass(frozen=True)
class Writer:
    """A jointly trained language model, its small vocabulary, and held-out text.

    Args:
        vocabulary: the tokenizer's id for each of the model's numbers; number 0 (`UNKNOWN`) stands
            for all other tokens.
        held_out: texts that it has not read [texts, length], in the model's numbers.
        recipe: how it was trained.
        log: one row per training step.
    """

    model: ElasticBertForCausalLM
    tokenizer: Any
    vocabulary: list[int]
    held_out: torch.Tensor
    recipe: JointRecipe
    log: TrainingLog

    def encode(self, text: str) -> list[int]:
        """Turn a text into the model's numbers, without special tokens."""
        token_ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return numbered(token_ids, self.vocabulary)

    def decode(self, numbers: Sequence[int]) -> str:
        """Turn the model's numbers into a text."""
        return self.tokenizer.decode(list(map(self.vocabulary.__getitem__, numbers)))

    @torch.no_grad()
    def losses(self, texts: torch.Tensor, sub_model: SubModel | None = None) -> torch.Tensor:
        """Return the cross-entropy, in nats, of each next token; 0 where it is `UNKNOWN`.

        Args:
            texts: [texts, length], in the model's numbers.
        Returns:
            [texts, length - 1].
        """
        losses = []
        for part in texts.split(TEXTS_AT_ONCE):
            logits = self.model(part[:, :-1], sub_model=sub_model).logits.transpose(1, 2)
            losses.append(
                F.cross_entropy(logits, part[:, 1:], ignore_index=UNKNOWN, reduction="none")
            )
        return torch.cat(losses)

    def perplexity(self, texts: torch.Tensor, sub_model: SubModel | None = None) -> float:
        """Return exp of the mean cross-entropy of each next token.

        Tokens outside the vocabulary are not predicted.

        Args:
            texts: [texts, length], in the model's numbers.
        """
        known = (texts[:, 1:] != UNKNOWN).sum()
        return float((self.losses(texts, sub_model).sum() / known).exp())


def load_writer(
    num_steps: int = 240,
    batch_size: int = 16,
    vocabulary_size: int = 6000,
    seed: int = 0,
    reviews: int = 2500,
) -> Writer:
    """Load the language-model supernet; train it first when the cache has none.

    It learns from the first embedded whole reviews. Its `JointRecipe` names weights of losses and a
    layer map too; they concern a teacher, and this training has none.

    Args:
        vocabulary_size: the most frequent tokens that the model knows, the unknown one included.
        reviews: how many reviews it learns from.
    """
    encoder, tokenizer = load_embedded()
    recipe = JointRecipe(num_steps=num_steps, batch_size=batch_size, learning_rate=5e-4, seed=seed)
    vocabulary, blocks = review_blocks(tokenizer, vocabulary_size, reviews)
    num_held_out = len(blocks) // 20

    def train(folder: Path) -> tuple[ElasticBertForCausalLM, TrainingLog]:
        torch.manual_seed(seed)
        model = causal_model(encoder, vocabulary)
        return model, train_writer(model, blocks[num_held_out:], recipe, folder)

    key = {
        "steps": num_steps,
        "batch": batch_size,
        "vocabulary": vocabulary_size,
        "seed": seed,
        "reviews": reviews,
        # Raise the version when training changes, so that older entries are not found.
        "version": 4,
    }
    result = cached_model("writer", key, ElasticBertForCausalLM, train)
    held_out = blocks[:num_held_out]
    return Writer(result.model, tokenizer, vocabulary, held_out, recipe, result.log)


def causal_model(
    encoder: Any, vocabulary: Sequence[int], **settings: Any
) -> ElasticBertForCausalLM:
    """Make a language model from a BERT encoder, to be trained.

    Args:
        encoder: gives the weights to start from, and the sizes.
        vocabulary: the encoder's id for each number of the language model.
        settings: further values of the configuration; fewer positions drop the last ones.
    Raises:
        InvalidInput: the vocabulary names an id that the encoder lacks.
    """
    lacking = [number for number in vocabulary if not 0 <= number < encoder.config.vocab_size]
    if lacking:
        raise InvalidInput(
            f"causal_model: vocabulary holds {lacking[0]}; allowed: ids from 0 to "
            f"{encoder.config.vocab_size - 1}, those of the encoder."
        )
    known = config_settings(encoder.config) | NO_DROPOUT | {"vocab_size": len(vocabulary)}
    model = ElasticBertForCausalLM(ElasticBertConfig(**(known | settings)))
    state = encoder.state_dict()
    words = "embeddings.word_embeddings.weight"
    positions = "embeddings.position_embeddings.weight"
    state[words] = state[words][torch.tensor(vocabulary)]
    state[positions] = state[positions][: model.config.max_position_embeddings]
    model.bert.load_state_dict(state)
    return model


def train_writer(
    model: ElasticBertForCausalLM, texts: torch.Tensor, recipe: JointRecipe, folder: Path
) -> TrainingLog:
    """Train a language model jointly, in place; resumes from checkpoints in `folder`.

    Args:
        texts: [texts, length], in the model's numbers; `UNKNOWN` is not predicted.
    Returns:
        One row per step.
    """

    def predict(step: int, sub_model: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
        generator = step_generator(recipe.seed, step)
        rows = torch.randint(len(texts), (recipe.batch_size,), generator=generator)
        batch = texts[rows].to(model.device)
        logits = model(batch[:, :-1], sub_model=sub_model).logits.flatten(0, 1)
        labels = batch[:, 1:].flatten()
        known = labels != UNKNOWN
        return logits[known], labels[known]

    return train_on_labels(model, predict, recipe, folder, "writer 生成")


def review_blocks(
    tokenizer: Any, vocabulary_size: int, reviews: int
) -> tuple[list[int], torch.Tensor]:
    """Cut the first whole reviews into blocks of 64 tokens.

    Returns:
        (the most frequent token ids, the unknown one first; [blocks, BLOCK_LENGTH] in numbers of
        that list). Blocks of one review stay together, so the first twentieth shares no review with
        the rest, but at its edge.
    """
    texts = list(islice(whole_reviews(), reviews))
    by_review = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    token_ids = list(chain(*by_review))
    vocabulary = [tokenizer.unk_token_id]
    for token_id, _ in Counter(token_ids).most_common(vocabulary_size - 1):
        if token_id != tokenizer.unk_token_id:
            vocabulary.append(token_id)
    num_blocks = len(token_ids) // BLOCK_LENGTH
    numbers = torch.tensor(numbered(token_ids, vocabulary))
    return vocabulary, numbers[: num_blocks * BLOCK_LENGTH].view(-1, BLOCK_LENGTH)
