"""The layers of the elastic encoder: each runs with its first heads and FFN neurons alone."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from transformers import Cache
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer

from tinybert_l.errors import InvalidInput
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.forward_plan import AttentionProbe
from tinybert_l.method.token_masks import attention_weights
from tinybert_l.method.windowed import windowed_attention


@dataclass(frozen=True)
class LayerCache:
    """One layer's part of a KV cache.

    Attributes:
        cache: transformers' cache of all layers.
        layer: index of the layer among the sub-model's.
    """

    cache: Cache
    layer: int

    def update(self, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Store keys and values [batch, heads, new, head_size]; return all, earlier first."""
        return self.cache.update(key, value, self.layer)


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
        probe: AttentionProbe = AttentionProbe.NOTHING,
        cache: LayerCache | None = None,
        first: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attend from every token, or from the first tokens alone.

        Args:
            hidden: [batch, length, hidden].
            bias: added to the scores (see `attention_bias`), [batch, 1, 1 or length, key].
            heads: number of heads that run.
            probe: what to return beside the context.
            cache: takes the new keys and values, and returns them after the earlier ones.
            first: each text's first token [batch, 1, hidden], when it alone attends to the others.
        Returns:
            (context [batch, length or 1, heads·head_size], the tensor that `probe` names or None).
        """
        query = self._project(self.query, hidden if first is None else first, heads)
        key = self._project(self.key, hidden, heads)
        value = self._project(self.value, hidden, heads)
        if cache is not None:
            key, value = cache.update(key, value)
        dropout = self.dropout if self.training else 0.0
        if probe is AttentionProbe.SCORES:
            scores = query @ key.transpose(-1, -2) / math.sqrt(self.head_size)
            context = F.dropout(attention_weights(scores, bias), dropout) @ value
            return _join_heads(context), scores
        attended = None
        if probe is AttentionProbe.FIRST_TOKEN:
            attended = self._first_token_weights(query, key, bias)
        if self.window is not None and first is None:
            context = windowed_attention(query, key, value, bias, self.window)
        elif _trains_in_bfloat16_on_cpu(query):
            context = attention_by_products(query, key, value, bias, dropout)
        else:
            # The scale is torch's default. Given as a number, it is a constant in exported graphs.
            scale = 1 / math.sqrt(self.head_size)
            context = F.scaled_dot_product_attention(
                query, key, value, attn_mask=bias, dropout_p=dropout, scale=scale
            )
        return _join_heads(context), attended

    def _project(self, linear: nn.Linear, hidden: torch.Tensor, heads: int) -> torch.Tensor:
        """Project [batch, length, hidden] to the first heads [batch, heads, length, head_size]."""
        projected = first_rows(linear, hidden, heads * self.head_size)
        return projected.unflatten(-1, (heads, -1)).transpose(1, 2)

    def _first_token_weights(
        self, query: torch.Tensor, key: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """Return the first token's weights, mean over heads, [batch, key], without gradient."""
        first_query = query[:, :, :1].detach()
        scores = first_query @ key.detach().transpose(-1, -2) / math.sqrt(self.head_size)
        return attention_weights(scores, bias).mean(1)[:, 0]


def attention_by_products(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bias: torch.Tensor | None,
    dropout: float,
) -> torch.Tensor:
    """Compute attention's context by two products, all in the type of the query."""
    if bias is not None:
        bias = bias.clamp(min=torch.finfo(query.dtype).min).to(query.dtype)
    scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-1, -2)
    return F.dropout(attention_weights(scores, bias), dropout) @ value


def _trains_in_bfloat16_on_cpu(query: torch.Tensor) -> bool:
    """Whether two plain products are faster than torch's fused attention.

    Backwards, its kernel for bfloat16 on a CPU takes up to ten times as long as they do, up to
    some 128 tokens (`benchmarks/attention_step.py`); in float32, and without gradients, it is the
    faster one.
    """
    is_bfloat16_on_cpu = query.dtype is torch.bfloat16 and query.device.type == "cpu"
    return is_bfloat16_on_cpu and query.requires_grad and query.shape[-2] <= 128


def _join_heads(context: torch.Tensor) -> torch.Tensor:
    """Turn [batch, heads, length, head_size] into [batch, length, heads·head_size]."""
    return context.transpose(1, 2).flatten(2)


class AddAndNorm(nn.Module):
    """Project to the hidden size, add the input, normalise: the end of both halves of a layer."""

    def __init__(self, in_features: int, config: ElasticBertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(in_features, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, features: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        """Add features [batch, length, up to in_features] to residual [batch, length, hidden]."""
        projected = _first_columns(self.dense, features)
        return self.LayerNorm(self.dropout(projected) + residual)


class ElasticAttention(nn.Module):
    """The first half of a layer; groups `self` and `output` as in BERT checkpoints."""

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__()
        self.self = ElasticSelfAttention(config)
        self.output = AddAndNorm(self.self.query.out_features, config)

    def forward(
        self,
        hidden: torch.Tensor,
        bias: torch.Tensor | None,
        heads: int,
        probe: AttentionProbe = AttentionProbe.NOTHING,
        cache: LayerCache | None = None,
        first: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attend, project, add and normalise; as `ElasticSelfAttention.forward`."""
        context, probed = self.self(hidden, bias, heads, probe, cache, first)
        return self.output(context, hidden if first is None else first), probed


class Intermediate(nn.Module):
    """The FFN's first product and its activation."""

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.intermediate_act_fn = ACT2FN[config.hidden_act]

    def forward(self, hidden: torch.Tensor, neurons: int) -> torch.Tensor:
        """Compute the activations of the first neurons, [batch, length, neurons]."""
        return self.intermediate_act_fn(first_rows(self.dense, hidden, neurons))


class ElasticLayer(GradientCheckpointingLayer):
    """A transformer layer that can run with fewer heads and neurons; names as in BERT."""

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__()
        self.attention = ElasticAttention(config)
        self.intermediate = Intermediate(config)
        self.output = AddAndNorm(config.intermediate_size, config)

    def forward(
        self,
        hidden: torch.Tensor,
        bias: torch.Tensor | None,
        heads: int,
        neurons: int,
        probe: AttentionProbe = AttentionProbe.NOTHING,
        cache: LayerCache | None = None,
        first: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Run the first heads and FFN neurons; arguments as in `ElasticSelfAttention.forward`.

        Returns:
            (hidden states [batch, length or 1, hidden], the tensor that `probe` names or None).
        """
        hidden, probed = self.attention(hidden, bias, heads, probe, cache, first)
        return self.output(self.intermediate(hidden, neurons), hidden), probed


def first_rows(linear: nn.Linear, hidden: torch.Tensor, rows: int) -> torch.Tensor:
    """Project to the first rows of a projection.

    With all rows the module itself is called, so that adapters and hooks on it take effect.

    Raises:
        InvalidInput: some of the rows of a projection that is more than a `nn.Linear`.
    """
    if rows == linear.out_features:
        return linear(hidden)
    _require_plain(linear)
    return F.linear(hidden, linear.weight[:rows], linear.bias[:rows])


def _first_columns(linear: nn.Linear, features: torch.Tensor) -> torch.Tensor:
    """Project [batch, length, up to in_features] by as many columns; as `first_rows`."""
    width = features.shape[-1]
    # An extracted model uses the weight itself: ONNX's quantizer skips a slice of a weight.
    if width == linear.in_features:
        return linear(features)
    _require_plain(linear)
    return F.linear(features, linear.weight[:, :width], linear.bias)


def _require_plain(linear: nn.Linear) -> None:
    """Refuse to go past what someone put into a projection: part of it would not take effect."""
    added = what_was_added(linear)
    if added is not None:
        raise InvalidInput(
            f"sub_model: a width below 1 runs part of a projection that has {added}, which would "
            "not take effect; allowed: width 1, or a model made by extract(), given adapters or "
            "hooks afterwards."
        )


def what_was_added(linear: nn.Module) -> str | None:
    """Say what a projection has beside its weight and bias; None: nothing."""
    if type(linear) is not nn.Linear:
        return f"a {type(linear).__module__}.{type(linear).__name__}"
    if "forward" in vars(linear):
        return "a forward of its own"
    hooks = (
        linear._forward_hooks,
        linear._forward_pre_hooks,
        linear._backward_hooks,
        linear._backward_pre_hooks,
    )
    return "hooks" if any(hooks) else None
