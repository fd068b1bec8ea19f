"""Decide how one forward pass runs, before the first layer: checks of inputs and a frozen plan."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

import torch
from transformers import BertConfig

from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_03 import kept_layers
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
    config: BertConfig,
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
        layers=tuple(kept_layers(config.num_hidden_layers, sub_model.depth)),
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


def check_inputs(
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor | None,
    config: BertConfig,
    past_length: int,
) -> None:
    """Refuse tensors that the model cannot read.

    Args:
        input_ids: integers [batch, length].
        attention_mask: [batch, past_length + length]; None: no padding.
        past_length: tokens that a KV cache holds already.
    Raises:
        InvalidInput: wrong shapes, an empty batch, too many tokens, or ids beyond the vocabulary.
    """
    if input_ids.ndim != 2 or not input_ids.numel():
        raise InvalidInput(
            f"input_ids: shape {tuple(input_ids.shape)}; "
            "allowed: [batch, length] with at least one token."
        )
    batch = input_ids.shape[0]
    length = input_ids.shape[1] + past_length
    if length > config.max_position_embeddings:
        raise InvalidInput(
            f"input_ids: length {length}; allowed: at most {config.max_position_embeddings}."
        )
    if not input_ids.is_meta and not torch.compiler.is_compiling():
        low, high = torch.stack(torch.aminmax(input_ids)).tolist()
        if low < 0 or high >= config.vocab_size:
            raise InvalidInput(
                f"input_ids: ids from {low} to {high}; allowed: 0 to {config.vocab_size - 1}, "
                "this model's vocabulary. Do tokenizer and model belong together?"
            )
    if attention_mask is not None and attention_mask.shape != (batch, length):
        raise InvalidInput(
            f"attention_mask: shape {tuple(attention_mask.shape)}; allowed: {(batch, length)}."
        )
