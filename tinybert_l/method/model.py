"""The elastic student: a BERT whose first layers, heads and neurons are models of their own.

A sub-model is an argument of `forward`. It runs on views of the weights (the first heads, the first
FFN neurons), so a smaller one costs less; nothing is masked, nothing is copied. Heads and neurons are
sorted by importance once, so that "the first" are the most important ones. A sub-model of less length also
leaves the least attended tokens behind between its layers.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, cast

import torch
from torch import nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
)
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import ModelOutput
from transformers.models.bert.modeling_bert import BertEmbeddings, BertPooler, BertPreTrainedModel

from tinybert_l.exercises.lecture_03 import kept_layers
from tinybert_l.method.windowed import windowed_attention
from tinybert_l.submodels import SubModel, kept_tokens, share_of

# For runs with more text than they read: there is little to overfit, and attention without dropout has a faster path.
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


class ElasticBertConfig(BertConfig):
    """A `BertConfig` whose heads need not fill the hidden size.

    Args:
        attention_head_size: numbers a head works with; None: hidden_size / num_attention_heads, as in BERT.
        attention_window: block size of local-window attention (see `windowed`); None: full attention.
        kept_length: share of the tokens that reach the last layer, where no sub-model says so.
        Everything else as in `BertConfig`.
    Raises:
        ValueError: `num_hidden_layers` below 1, or no head size given and hidden_size not divisible.
    """

    model_type = "elastic_bert"
    attention_head_size: int | None = None
    attention_window: int | None = None
    kept_length: float = 1.0

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.num_hidden_layers < 1:
            raise ValueError(
                f"ElasticBertConfig: num_hidden_layers={self.num_hidden_layers}; allowed: at least 1."
            )
        if self.attention_head_size is None:
            if self.hidden_size % self.num_attention_heads:
                raise ValueError(
                    f"ElasticBertConfig: hidden_size={self.hidden_size} is no multiple of "
                    f"num_attention_heads={self.num_attention_heads}; give attention_head_size."
                )
            self.attention_head_size = self.hidden_size // self.num_attention_heads


@dataclass
class ElasticOutput(ModelOutput):
    """What a forward pass returns; depth and heads are those of the sub-model.

    Attributes:
        loss: scalar, when labels were given.
        logits: [batch, classes], of a model with a classification head.
        last_hidden_state: [batch, length, hidden].
        pooler_output: [batch, hidden], when there is a pooler.
        hidden_states: embeddings, then each kept layer's output, [batch, length, hidden] each; on request.
        attention_scores: each kept layer's scores before mask and softmax, [batch, heads, query, key]; on request.
        attentions: the same after mask and softmax; on request.
        cache: the KV cache, of a language model.
    """

    loss: torch.Tensor | None = None
    logits: Any = None
    last_hidden_state: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    hidden_states: Any = None
    attention_scores: Any = None
    attentions: Any = None
    cache: Any = None


class ElasticSelfAttention(nn.Module):
    """Multi-head self-attention of the first `heads` heads; parameter names as in BERT."""

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__()
        self.head_size = int(config.attention_head_size or 0)
        all_heads = config.num_attention_heads * self.head_size
        self.query = nn.Linear(config.hidden_size, all_heads)
        self.key = nn.Linear(config.hidden_size, all_heads)
        self.value = nn.Linear(config.hidden_size, all_heads)
        self.dropout = config.attention_probs_dropout_prob
        self.window = config.attention_window

    def forward(
        self,
        hidden: torch.Tensor,
        bias: torch.Tensor | None,
        heads: int,
        extra: str = "",
        past: Any = None,
        first: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """hidden [b, s, h], bias [b, 1, 1 or s, k] -> context [b, s, heads·head_size], and what `extra` asks for.

        "scores": before the softmax [b, heads, s, k], which only plain products give (slower); "attended": how much the
        first token looks at each, [b, k]; "": None.
        `past` takes this layer's keys and values, and gives them back with those of earlier calls before them.
        `first`, each text's first token [b, 1, h], is then the only one to look at the others: context [b, 1, ...].
        """
        query = self._project(self.query, hidden if first is None else first, heads)
        key, value = (self._project(part, hidden, heads) for part in (self.key, self.value))
        if past is not None:
            key, value = past(key, value)
        dropout, found = self.dropout if self.training else 0.0, None
        if extra == "attended":
            row = (
                query[:, :, :1].detach()
                @ key.detach().transpose(-1, -2)
                / math.sqrt(self.head_size)
            )
            found = torch.softmax(row if bias is None else row + bias, -1).mean(1)[:, 0]
        if extra == "scores":
            found = query @ key.transpose(-1, -2) / math.sqrt(self.head_size)
            context = (
                F.dropout(torch.softmax(found if bias is None else found + bias, -1), dropout)
                @ value
            )
        elif self.window is not None and first is None:
            context = windowed_attention(query, key, value, bias, self.window)
        else:
            scale = 1 / math.sqrt(self.head_size)  # the default, but a constant in exported graphs
            context = F.scaled_dot_product_attention(
                query, key, value, attn_mask=bias, dropout_p=dropout, scale=scale
            )
        return context.transpose(1, 2).flatten(2), found

    def _project(self, linear: nn.Linear, hidden: torch.Tensor, heads: int) -> torch.Tensor:
        rows = heads * self.head_size
        return (
            F.linear(hidden, linear.weight[:rows], linear.bias[:rows])
            .unflatten(-1, (heads, -1))
            .transpose(1, 2)
        )


class AddAndNorm(nn.Module):
    """Project back to the hidden size, add the input, normalise: the end of both halves of a layer."""

    def __init__(self, in_features: int, config: ElasticBertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(in_features, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, features: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        weight, width = self.dense.weight, features.shape[-1]
        if (
            width != self.dense.in_features
        ):  # exported models keep whole weights: a slice is not quantized
            weight = weight[:, :width]
        return self.LayerNorm(self.dropout(F.linear(features, weight, self.dense.bias)) + residual)


class ElasticAttention(nn.Module):
    """The first half of a layer, only a name space: BERT's checkpoints call its parts so."""

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__()
        self.self = ElasticSelfAttention(config)
        self.output = AddAndNorm(self.self.query.out_features, config)


class Intermediate(nn.Module):
    """The FFN's first product; a name space too."""

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)


class ElasticLayer(GradientCheckpointingLayer):
    """One transformer layer that can run with fewer heads and neurons; parameter names as in BERT."""

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__()
        self.attention = ElasticAttention(config)
        self.intermediate = Intermediate(config)
        self.activation = ACT2FN[config.hidden_act]
        self.output = AddAndNorm(config.intermediate_size, config)

    def forward(
        self,
        hidden: torch.Tensor,
        bias: torch.Tensor | None,
        heads: int,
        neurons: int,
        extra: str = "",
        past: Any = None,
        first: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        context, found = self.attention.self(hidden, bias, heads, extra, past, first)
        hidden = self.attention.output(context, hidden if first is None else first)
        dense = self.intermediate.dense
        features = self.activation(F.linear(hidden, dense.weight[:neurons], dense.bias[:neurons]))
        return self.output(features, hidden), found


class ElasticPreTrainedModel(BertPreTrainedModel):
    """Configuration, initialisation and checkpoint names that the elastic models share."""

    config_class = ElasticBertConfig
    config: ElasticBertConfig
    _can_record_outputs: ClassVar[dict[str, Any]] = {}
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # of the Trainer: the loss is a mean over the texts given
    _supports_flash_attn = False
    _supports_flex_attn = False

    def full_size(self) -> SubModel:
        """The largest sub-model: everything."""
        return SubModel(self.config.num_hidden_layers, length=self.config.kept_length)

    def check_sub_model(self, sub_model: SubModel) -> None:
        """Raises `ValueError` when this model has fewer layers than the sub-model wants."""
        if sub_model.depth > self.config.num_hidden_layers:
            raise ValueError(
                f"sub_model: depth={sub_model.depth}; allowed: 1 to {self.config.num_hidden_layers}, "
                "the layers of this model."
            )


class ElasticBertModel(ElasticPreTrainedModel):
    """An encoder that equals `BertModel` at full size and runs any sub-model by slicing."""

    embeddings: Any
    pooler: Any

    def __init__(self, config: ElasticBertConfig, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        self.embeddings = BertEmbeddings(config)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(
            ElasticLayer(config) for _ in range(config.num_hidden_layers)
        )
        self.pooler = BertPooler(config) if add_pooling_layer else None
        self.post_init()

    @property
    def layers(self) -> list[ElasticLayer]:
        """The transformer layers, from the first to the last."""
        return list(cast(nn.ModuleList, self.encoder.layer))  # type: ignore[arg-type]

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.embeddings.word_embeddings = value

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        sub_model: SubModel | None = None,
        output_hidden_states: bool = False,
        output_attention_scores: bool | Collection[int] = False,
        output_attentions: bool = False,
        embedded: torch.Tensor | None = None,
        allowed: torch.Tensor | None = None,
        cache: Any = None,
        only_first: bool = False,
        return_dict: bool = True,
    ) -> ElasticOutput:
        """Run one sub-model.

        Args:
            input_ids: integers [batch, length], below vocab_size.
            attention_mask: 1 = token, 0 = padding at either side, [batch, length]; None: no padding.
            position_ids: [batch, length]; None: 0, 1, ... from each text's first token on.
            sub_model: which part of the model runs; None: all of it.
            output_attention_scores: also return scores before mask and softmax; True, or of these layers only, counted
                from 1 among those kept (a slower path for them; the others give None).
            output_attentions: also return the attention weights, after mask and softmax (slower, for all layers).
            embedded: [batch, length, hidden], what the embeddings give for input_ids; None: they are asked.
            allowed: bool [query, key], where attention is allowed beside the padding mask; None: everywhere.
            cache: transformers' `DynamicCache`; holds earlier tokens' keys and values, and takes the new ones.
            only_first: compute the last layer for each text's first token alone, all that the pooler reads: the same
                pooler_output with less work, and last_hidden_state [batch, 1, hidden].
            return_dict: only True; the transformers' pipelines pass it.
        Raises:
            ValueError: an empty batch, ids or a length beyond the model's, a sub-model deeper than it, or options that
                do not go together.
        """
        sub_model = sub_model or self.full_size()
        self.check_sub_model(sub_model)
        _check_inputs(
            input_ids,
            attention_mask,
            self.config,
            cache.get_seq_length() if cache is not None else 0,
        )
        wanted = _scored_layers(output_attention_scores or output_attentions, sub_model.depth)
        left_to_right = allowed is not None or cache is not None
        self._check_options(sub_model, bool(wanted), left_to_right, attention_mask)
        if only_first and (wanted or left_to_right or output_hidden_states):
            raise ValueError(
                "only_first=True: allowed without hidden states, attention scores, a causal mask or a cache."
            )
        heads = share_of(self.config.num_attention_heads, sub_model.width)
        neurons = share_of(self.config.intermediate_size, sub_model.width)
        if sub_model.length < 1:
            attention_mask = (
                torch.ones_like(input_ids) if attention_mask is None else attention_mask
            )
            lengths = attention_mask.sum(1).tolist()
        if position_ids is None and attention_mask is not None:
            position_ids = (attention_mask.cumsum(-1) - 1).clamp(min=0)[:, -input_ids.shape[1] :]
        hidden = (
            self.embeddings(input_ids, token_type_ids, position_ids)
            if embedded is None
            else embedded
        )
        mask, bias = attention_mask, _attention_bias(attention_mask, allowed, hidden.dtype)
        hidden_states, scores, attentions = [hidden], [], []
        for place, index in enumerate(
            kept_layers(self.config.num_hidden_layers, sub_model.depth), 1
        ):
            past = partial(_remember, cache, place - 1) if cache is not None else None
            drops = sub_model.length < 1 and place < sub_model.depth
            extra = "scores" if place in wanted else "attended" if drops else ""
            first = _first_tokens(hidden, mask) if only_first and place == sub_model.depth else None
            hidden, found = self.layers[index](hidden, bias, heads, neurons, extra, past, first)
            hidden_states.append(hidden)
            scores.append(found if place in wanted else None)
            if output_attentions:
                attentions.append(torch.softmax(found if bias is None else found + bias, -1))
            if drops:
                counts = [kept_tokens(n, sub_model.length, place, sub_model.depth) for n in lengths]
                hidden, mask = drop_tokens(hidden, cast(torch.Tensor, mask), found, counts)
                bias = _attention_bias(mask, None, hidden.dtype)
        pooled = (
            None
            if self.pooler is None
            else self.pooler(hidden if only_first else _first_tokens(hidden, mask))
        )
        return ElasticOutput(
            last_hidden_state=hidden,
            pooler_output=pooled,
            hidden_states=tuple(hidden_states) if output_hidden_states else None,
            attention_scores=tuple(scores) if output_attention_scores else None,
            attentions=tuple(attentions) if output_attentions else None,
        )

    def _check_options(
        self,
        sub_model: SubModel,
        scores: bool,
        left_to_right: bool,
        attention_mask: torch.Tensor | None,
    ) -> None:
        """Raises `ValueError` for options that do not go together."""
        shorter, windowed = sub_model.length < 1, self.layers[0].attention.self.window is not None
        for name, with_what in (("length", shorter), ("window", windowed)):
            if with_what and (scores or left_to_right):
                what = "attention scores" if scores else "a causal mask or a KV cache"
                raise ValueError(
                    f"sub_model: {what} with a {name} that leaves tokens out; allowed: one of the two."
                )
        seen = (
            not (torch.jit.is_tracing() or torch.compiler.is_compiling())
            and attention_mask is not None
        )
        if (
            (shorter or windowed)
            and seen
            and not bool(cast(torch.Tensor, attention_mask)[:, 0].all())
        ):
            raise ValueError(
                "attention_mask: padding at the left; allowed with windows or dropped tokens: right."
            )


class ElasticBertForSequenceClassification(ElasticPreTrainedModel):
    """The elastic encoder with BERT's classification head."""

    bert: ElasticBertModel

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__(config)
        self.bert = ElasticBertModel(config)
        share = config.classifier_dropout
        self.dropout = nn.Dropout(config.hidden_dropout_prob if share is None else share)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> ElasticOutput:
        """As `ElasticBertModel.forward`, and logits [batch, classes]; with labels [batch], the loss too."""
        output = self.bert(input_ids, attention_mask, token_type_ids, **kwargs)
        output.logits = self.classifier(self.dropout(output.pooler_output))
        if labels is not None:
            output.loss = F.cross_entropy(output.logits, labels)
        return output


class ElasticBertWithLMHead(ElasticPreTrainedModel):
    """The elastic encoder and an output layer over the vocabulary; its weights are the word embeddings."""

    _tied_weights_keys: ClassVar[Any] = {"lm_head.weight": "bert.embeddings.word_embeddings.weight"}

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__(config)
        self.bert = ElasticBertModel(config, add_pooling_layer=False)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        self.lm_head = new_embeddings


def _first_tokens(hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Each text's first token [batch, 1, hidden], wherever the padding is."""
    if mask is None:
        return hidden[:, :1]
    return hidden.gather(1, mask.argmax(1)[:, None, None].expand(-1, -1, hidden.shape[-1]))


def _remember(
    cache: Any, place: int, key: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    return cache.update(key, value, place)


def drop_tokens(
    hidden: torch.Tensor, mask: torch.Tensor, attended: torch.Tensor, counts: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Leave the least attended tokens behind (Goyal et al. 2020, PoWER-BERT; here: attended by the first token).

    Each text keeps its own number, in order and with its first token, so what else is in the batch does not matter.

    Args:
        hidden: [batch, tokens, hidden].
        mask: 1 = token, 0 = padding, [batch, tokens].
        attended: how much the first token looks at each, [batch, tokens].
        counts: tokens that each text keeps.
    Returns:
        The hidden states and the mask of the tokens that go on.
    """
    order = attended.masked_fill(mask == 0, -1.0)
    order[:, 0] = 2.0  # an attention weight is at most 1
    rank = order.argsort(dim=1, descending=True, stable=True).argsort(1)
    kept = rank < torch.tensor(counts, device=hidden.device)[:, None]
    places = (~kept).to(torch.int8).argsort(dim=1, stable=True)[:, : max(counts)]
    return hidden.gather(1, places[..., None].expand(-1, -1, hidden.shape[-1])), kept.gather(
        1, places
    ).long()


def _scored_layers(asked: bool | Collection[int], depth: int) -> frozenset[int]:
    """The layers, from 1, whose attention scores are wanted."""
    if isinstance(asked, bool):
        return frozenset(range(1, depth + 1) if asked else ())
    if not set(asked) <= set(range(1, depth + 1)):
        raise ValueError(f"output_attention_scores: layers {sorted(asked)}; allowed: 1 to {depth}.")
    return frozenset(asked)


def _attention_bias(
    attention_mask: torch.Tensor | None, allowed: torch.Tensor | None, dtype: torch.dtype
) -> torch.Tensor | None:
    """Added to the scores: 0 where attention is allowed, the lowest number elsewhere; [batch or 1, 1, 1 or q, k]."""
    lowest, bias = torch.finfo(dtype).min, None
    if attention_mask is not None:
        bias = (1.0 - attention_mask[:, None, None, :].to(dtype)) * lowest
    if allowed is not None:
        forbidden = torch.zeros_like(allowed, dtype=dtype).masked_fill(~allowed, lowest)
        bias = (
            forbidden[None, None]
            if bias is None
            else torch.maximum(bias + forbidden, bias.new_tensor(lowest))
        )
    return bias


def _check_inputs(
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor | None,
    config: ElasticBertConfig,
    past: int,
) -> None:
    if input_ids.ndim != 2 or not input_ids.numel():
        raise ValueError(
            f"input_ids: shape {tuple(input_ids.shape)}; allowed: [batch, length] with at least one token."
        )
    batch, length = input_ids.shape[0], input_ids.shape[1] + past
    if length > config.max_position_embeddings:
        raise ValueError(
            f"input_ids: length {length}; allowed: at most {config.max_position_embeddings}."
        )
    if not input_ids.is_meta and not torch.compiler.is_compiling():
        low, high = torch.stack(torch.aminmax(input_ids)).tolist()
        if low < 0 or high >= config.vocab_size:
            raise ValueError(
                f"input_ids: ids from {low} to {high}; allowed: 0 to {config.vocab_size - 1}, this model's "
                "vocabulary. Do tokenizer and model belong together?"
            )
    if attention_mask is not None and attention_mask.shape != (batch, length):
        raise ValueError(
            f"attention_mask: shape {tuple(attention_mask.shape)}; allowed: {(batch, length)}."
        )


AutoConfig.register("elastic_bert", ElasticBertConfig, exist_ok=True)
AutoModel.register(ElasticBertConfig, ElasticBertModel, exist_ok=True)
AutoModelForSequenceClassification.register(
    ElasticBertConfig, ElasticBertForSequenceClassification, exist_ok=True
)
