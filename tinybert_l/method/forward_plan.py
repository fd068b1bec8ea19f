"""Decide how one forward pass runs, before the first layer: checks of inputs and a frozen plan."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, cast

import torch
from transformers import BertConfig, Cache, DynamicCache

from tinybert_l.errors import InvalidInput
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.submodels import SubModel, kept_tokens, share_of


class AttentionProbe(Enum):
    """What a layer's self-attention returns beside its context."""

    NOTHING = auto()
    """None."""
    SCORES = auto()
    """All scores before mask and softmax, [batch, heads, query, key]; needs the slower path."""
    FIRST_TOKEN = auto()
    """The first token's attention weights, averaged over the heads, [batch, key]."""


@dataclass(frozen=True)
class ForwardPlan:
    """How one forward pass runs a sub-model. Positions count the kept layers from 1.

    Attributes:
        sub_model: the part of the supernet that runs.
        layers: index in the supernet of each kept layer.
        heads: attention heads of each kept layer.
        neurons: FFN neurons of each kept layer.
        returns_hidden_states: whether the caller asked for embeddings and each layer's output.
        returned_scores: positions whose attention scores the caller asked for.
        returns_attentions: whether the caller asked for every layer's attention weights.
        only_first: whether the last layer runs for each text's first token alone.
    """

    sub_model: SubModel
    layers: tuple[int, ...]
    heads: int
    neurons: int
    returns_hidden_states: bool
    returned_scores: frozenset[int]
    returns_attentions: bool
    only_first: bool

    @property
    def drops_tokens(self) -> bool:
        """Whether tokens are left behind between the layers."""
        return self.sub_model.length < 1

    @property
    def needs_scores(self) -> bool:
        """Whether any layer must compute its attention scores."""
        return self.returns_attentions or bool(self.returned_scores)

    def probe(self, position: int) -> AttentionProbe:
        """Return what the attention of a layer must return."""
        if self.returns_attentions or position in self.returned_scores:
            return AttentionProbe.SCORES
        if self.drops_tokens and position < self.sub_model.depth:
            return AttentionProbe.FIRST_TOKEN
        return AttentionProbe.NOTHING

    def runs_first_only(self, position: int) -> bool:
        """Return whether a layer computes the first token alone."""
        return self.only_first and position == self.sub_model.depth

    def kept_counts(self, lengths: Collection[int], position: int) -> list[int]:
        """Return how many tokens each text keeps after a layer.

        Args:
            lengths: tokens of each text before the first layer.
        """
        share, depth = self.sub_model.length, self.sub_model.depth
        return [kept_tokens(length, share, position, depth) for length in lengths]


def make_plan(
    config: ElasticBertConfig,
    sub_model: SubModel,
    output_hidden_states: bool,
    output_attention_scores: bool | Collection[int],
    output_attentions: bool,
    only_first: bool,
) -> ForwardPlan:
    """Plan a forward pass; arguments as in `ElasticBertModel.forward`.

    Raises:
        InvalidInput: attention scores of a layer that the sub-model lacks.
    """
    return ForwardPlan(
        sub_model=sub_model,
        layers=config.layers_of(sub_model.depth),
        heads=share_of(config.num_attention_heads, sub_model.width),
        neurons=share_of(config.intermediate_size, sub_model.width),
        returns_hidden_states=output_hidden_states,
        returned_scores=_scored_positions(output_attention_scores, sub_model.depth),
        returns_attentions=output_attentions,
        only_first=only_first,
    )


def _scored_positions(requested: bool | Collection[int], depth: int) -> frozenset[int]:
    """Return the positions, from 1, of the layers whose attention scores are requested."""
    if requested is True:
        return frozenset(range(1, depth + 1))
    if requested is False:
        return frozenset()
    positions = frozenset(requested)
    if not positions <= frozenset(range(1, depth + 1)):
        raise InvalidInput(
            f"output_attention_scores: layers {sorted(positions)}; allowed: 1 to {depth}."
        )
    return positions


def check_options(plan: ForwardPlan, windowed: bool, left_to_right: bool) -> None:
    """Refuse options that do not go together.

    Args:
        windowed: whether attention is limited to local windows.
        left_to_right: whether a causal mask or a KV cache is given.
    Raises:
        InvalidInput: attention scores, a causal mask or a cache together with dropped tokens or
            windows; or `only_first` together with an output that needs every token.
    """
    if plan.needs_scores or left_to_right:
        output = "attention scores" if plan.needs_scores else "a causal mask or a KV cache"
        for name, leaves_tokens_out in (("length", plan.drops_tokens), ("window", windowed)):
            if leaves_tokens_out:
                raise InvalidInput(
                    f"sub_model: {output} with a {name} that leaves tokens out; "
                    "allowed: one of the two."
                )
    if plan.only_first and (plan.needs_scores or left_to_right or plan.returns_hidden_states):
        raise InvalidInput(
            "only_first=True: allowed without hidden states, attention scores, "
            "a causal mask or a cache."
        )


def claim_cache(cache: Cache | None, sub_model: SubModel) -> int:
    """Bind a KV cache to the sub-model whose keys and values it holds.

    Returns:
        The number of tokens that it holds; 0 where there is none.
    Raises:
        InvalidInput: no `DynamicCache`, or it holds those of another sub-model.
    """
    if cache is None:
        return 0
    if not isinstance(cache, DynamicCache):
        raise InvalidInput(f"cache: a {type(cache).__name__}; allowed: a DynamicCache.")
    held = cache.get_seq_length()
    owner = getattr(cache, "sub_model", sub_model)
    if held and owner != sub_model:
        raise InvalidInput(
            f"cache: holds keys and values of sub-model {owner.name}; allowed for {sub_model.name}:"
            " its own, or an empty one."
        )
    cast(Any, cache).sub_model = sub_model
    return held


def check_left_padding(attention_mask: torch.Tensor | None) -> None:
    """Refuse padding at the left, where windows or dropped tokens need [CLS] in the first column.

    Nothing is checked while a graph is traced or compiled: a check of values has no place in it.

    Raises:
        InvalidInput: a text whose first column is padding.
    """
    if attention_mask is None or torch.jit.is_tracing() or torch.compiler.is_compiling():
        return
    if not bool(attention_mask[:, 0].all()):
        raise InvalidInput(
            "attention_mask: padding at the left; allowed with windows or dropped tokens: right."
        )


@dataclass(frozen=True)
class Texts:
    """The texts that a forward pass reads: token ids, or word embeddings in their place.

    Attributes:
        input_ids: integers [batch, length]; None where `embeds` are given.
        embeds: [batch, length, hidden]; None where `input_ids` are given.
        mask: 1 = token, 0 = padding, integers [batch, past + length]; None: no padding.
    """

    input_ids: torch.Tensor | None
    embeds: torch.Tensor | None
    mask: torch.Tensor | None

    @property
    def length(self) -> int:
        """Number of new tokens of each text."""
        return self.shape[1]

    @property
    def shape(self) -> torch.Size:
        """(batch, length)."""
        given = self.input_ids if self.input_ids is not None else self.embeds
        return cast(torch.Tensor, given).shape[:2]


def read_texts(
    input_ids: torch.Tensor | None,
    inputs_embeds: torch.Tensor | None,
    attention_mask: torch.Tensor | None,
    config: BertConfig,
    past_length: int,
) -> Texts:
    """Check the tensors of a forward pass; masks of truth values or floats become integers.

    Args:
        past_length: tokens that a KV cache holds already.
    Raises:
        InvalidInput: wrong shapes, an empty batch, too many tokens, or ids beyond the vocabulary.
    """
    if (input_ids is None) == (inputs_embeds is None):
        raise InvalidInput("input_ids and inputs_embeds: allowed: one of the two.")
    _require_tensors(
        input_ids=input_ids, inputs_embeds=inputs_embeds, attention_mask=attention_mask
    )
    if input_ids is not None:
        _check_ids(input_ids, config)
    if inputs_embeds is not None:
        _check_embeds(inputs_embeds, config)
    if attention_mask is not None:
        _check_range("attention_mask", attention_mask, 1, "1 for a token and 0 for padding.")
    if attention_mask is not None and attention_mask.dtype not in (torch.int64, torch.int32):
        attention_mask = (attention_mask != 0).long()
    texts = Texts(input_ids, inputs_embeds, attention_mask)
    batch, length = texts.shape[0], texts.length + past_length
    if length > config.max_position_embeddings:
        raise InvalidInput(
            f"input_ids: length {length}; allowed: at most {config.max_position_embeddings}."
        )
    if attention_mask is not None and attention_mask.shape != (batch, length):
        raise InvalidInput(
            f"attention_mask: shape {tuple(attention_mask.shape)}; allowed: {(batch, length)}."
        )
    return texts


def _check_ids(input_ids: torch.Tensor, config: BertConfig) -> None:
    if input_ids.ndim != 2 or not input_ids.numel():
        raise InvalidInput(
            f"input_ids: shape {tuple(input_ids.shape)}; "
            "allowed: [batch, length] with at least one token."
        )
    _require_whole("input_ids", input_ids)
    why = "this model's vocabulary. Do tokenizer and model belong together?"
    _check_range("input_ids", input_ids, config.vocab_size - 1, why)


def check_places(
    token_type_ids: torch.Tensor | None, position_ids: torch.Tensor | None, config: BertConfig
) -> None:
    """Check the numbers of segments and positions that were given.

    Raises:
        InvalidInput: no tensors of whole numbers, or numbers that the model has no embedding of.
    """
    _require_tensors(token_type_ids=token_type_ids, position_ids=position_ids)
    if token_type_ids is not None:
        _require_whole("token_type_ids", token_type_ids)
        most = config.type_vocab_size - 1
        _check_range("token_type_ids", token_type_ids, most, "the texts it tells apart.")
    if position_ids is not None:
        _require_whole("position_ids", position_ids)
        most = config.max_position_embeddings - 1
        _check_range("position_ids", position_ids, most, "the model's positions.")


def _require_tensors(**given: Any) -> None:
    """Refuse lists and arrays, which transformers' models do not read either."""
    for name, values in given.items():
        if values is not None and not isinstance(values, torch.Tensor):
            raise InvalidInput(
                f"{name}: a {type(values).__name__}; allowed: a tensor, such as a tokenizer's "
                "with return_tensors='pt'."
            )


def _require_whole(name: str, numbers: torch.Tensor) -> None:
    if numbers.dtype not in (torch.int64, torch.int32):
        raise InvalidInput(f"{name}: {numbers.dtype}; allowed: torch.int64 or torch.int32.")


def _check_range(name: str, numbers: torch.Tensor, most: int, why: str) -> None:
    """Refuse numbers outside of 0 to `most`; nothing is read while a graph is made of the call."""
    if numbers.is_meta or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return
    if numbers.dtype == torch.bool or not numbers.numel():
        return
    low, high = torch.stack(torch.aminmax(numbers)).tolist()
    if not (low >= 0 and high <= most):  # not a number is in no range
        raise InvalidInput(f"{name}: from {low} to {high}; allowed: 0 to {most}, {why}")


def _check_embeds(embeds: torch.Tensor, config: BertConfig) -> None:
    if embeds.ndim != 3 or not embeds.numel() or embeds.shape[2] != config.hidden_size:
        raise InvalidInput(
            f"inputs_embeds: shape {tuple(embeds.shape)}; allowed: [batch, length, "
            f"{config.hidden_size}] with at least one token."
        )
