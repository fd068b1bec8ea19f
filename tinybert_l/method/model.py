"""The elastic student: a BERT whose first layers, heads and neurons form smaller models.

A sub-model is an argument of `forward`. It runs on views of the weights (the first heads, the first
FFN neurons), so a smaller sub-model costs less; nothing is masked and nothing is copied. Heads and
neurons are sorted by importance once, so that the first ones are the most important ones (see
`importance`). A sub-model of less length also drops the least attended tokens between its layers.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import torch
from torch import nn
from transformers import AutoModel, AutoModelForSequenceClassification, Cache
from transformers.modeling_outputs import ModelOutput
from transformers.models.bert.modeling_bert import BertEmbeddings, BertPooler, BertPreTrainedModel

from tinybert_l.errors import InvalidInput
from tinybert_l.method.config import ElasticBertConfig, warn_of_other_layers
from tinybert_l.method.forward_plan import (
    AttentionProbe,
    ForwardPlan,
    Texts,
    check_left_padding,
    check_options,
    check_places,
    claim_cache,
    make_plan,
    read_texts,
)
from tinybert_l.method.layers import ElasticLayer, LayerCache
from tinybert_l.method.problem_types import classification_loss
from tinybert_l.method.token_masks import (
    attention_bias,
    attention_weights,
    drop_tokens,
    first_tokens,
    token_positions,
)
from tinybert_l.submodels import SubModel


@dataclass
class ElasticOutput(ModelOutput):
    """The result of a forward pass; depth and heads are those of the sub-model.

    A field that was not requested, or that the model lacks, is None. Fields typed `Any` are
    tensors, or tuples with an entry for each kept layer.

    Attributes:
        loss: scalar, when labels were given.
        logits: [batch, classes], of a model with a classification head.
        last_hidden_state: [batch, length, hidden].
        pooler_output: [batch, hidden], when there is a pooler.
        hidden_states: embeddings, then each kept layer's output, [batch, length, hidden] each.
        attention_scores: each kept layer's scores before mask and softmax,
            [batch, heads, query, key].
        attentions: each kept layer's weights after mask and softmax, of the same shape.
        cache: the KV cache, of a language model.
    """

    loss: torch.Tensor | None = None
    logits: Any = None
    last_hidden_state: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    hidden_states: Any = None
    attention_scores: Any = None
    attentions: Any = None
    cache: Cache | None = None


class ElasticPreTrainedModel(BertPreTrainedModel):
    """Configuration, initialisation and checkpoint names that the elastic models share."""

    config_class = ElasticBertConfig
    config: ElasticBertConfig
    _can_record_outputs: ClassVar[dict[str, Any]] = {}
    supports_gradient_checkpointing = True
    # Tells transformers' Trainer that the loss is a mean over the texts of a batch.
    accepts_loss_kwargs = False
    _supports_flash_attn = False
    _supports_flex_attn = False

    def full_size(self) -> SubModel:
        """Return the largest sub-model: every layer, head and neuron."""
        return SubModel(self.config.num_hidden_layers, length=self.config.kept_length)

    def save_pretrained(self, *args: Any, **kwargs: Any) -> None:
        """Save as transformers does, with the layers of each depth that is still open fixed."""
        self.config.fix_layers()
        super().save_pretrained(*args, **kwargs)

    def check_sub_model(self, sub_model: SubModel) -> None:
        """Raise `InvalidInput` if it is no sub-model, or deeper than this model."""
        if not isinstance(sub_model, SubModel):
            raise InvalidInput(
                f"sub_model: {sub_model!r}; allowed: a SubModel, such as SubModel.parse('3x0.5')."
            )
        if sub_model.depth > self.config.num_hidden_layers:
            raise InvalidInput(
                f"sub_model: depth={sub_model.depth}; "
                f"allowed: 1 to {self.config.num_hidden_layers}, the layers of this model."
            )


class ElasticEncoder(nn.Module):
    """The transformer layers; runs those that a plan names, each as wide as the plan says."""

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(ElasticLayer(config) for _ in range(config.num_hidden_layers))

    def forward(
        self,
        hidden: torch.Tensor,
        plan: ForwardPlan,
        mask: torch.Tensor | None = None,
        allowed: torch.Tensor | None = None,
        cache: Cache | None = None,
    ) -> ElasticOutput:
        """Run the planned layers on embedded tokens [batch, length, hidden].

        Args:
            mask, allowed, cache: as in `ElasticBertModel.forward`.
        """
        bias = attention_bias(mask, allowed, hidden.dtype)
        lengths = mask.sum(1).tolist() if plan.drops_tokens and mask is not None else []
        record = _Record(plan, [hidden])
        for position, index in enumerate(plan.layers, 1):
            probe = plan.probe(position)
            first = first_tokens(hidden, mask) if plan.runs_first_only(position) else None
            layer_cache = LayerCache(cache, position - 1) if cache is not None else None
            hidden, probed = self.layer[index](
                hidden, bias, plan.heads, plan.neurons, probe, layer_cache, first
            )
            record.add(position, hidden, probed, bias)
            if probe is AttentionProbe.FIRST_TOKEN:
                counts = plan.kept_counts(lengths, position)
                hidden, mask = drop_tokens(hidden, cast(torch.Tensor, mask), probed, counts)
                bias = attention_bias(mask, None, hidden.dtype)
        return record.output(hidden)


class ElasticBertModel(ElasticPreTrainedModel):
    """An encoder that equals `BertModel` at full size and runs any sub-model by slicing."""

    embeddings: Any
    pooler: Any

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        # not an entry of the dictionary: its names stay those of BERT
        destination._metadata[prefix[:-1]]["layers_by_depth"] = self.config.layers_by_depth

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, metadata: Any, *rest: Any
    ) -> None:
        warn_of_other_layers(metadata.get("layers_by_depth"), self.config)
        super()._load_from_state_dict(state_dict, prefix, metadata, *rest)

    def __init__(self, config: ElasticBertConfig, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        config.fix_layers()
        self.embeddings = BertEmbeddings(config)
        self.encoder = ElasticEncoder(config)
        self.pooler = BertPooler(config) if add_pooling_layer else None
        self.post_init()

    @property
    def layers(self) -> list[ElasticLayer]:
        """The transformer layers, from the first to the last."""
        return list(cast(Iterable[ElasticLayer], self.encoder.layer))

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the word embeddings, as transformers' models do."""
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Replace the word embeddings, as transformers' models do."""
        self.embeddings.word_embeddings = value

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        sub_model: SubModel | None = None,
        output_hidden_states: bool | None = None,
        output_attention_scores: bool | Collection[int] = False,
        output_attentions: bool | None = None,
        embedded: torch.Tensor | None = None,
        allowed: torch.Tensor | None = None,
        cache: Cache | None = None,
        only_first: bool = False,
        return_dict: bool | None = True,
        inputs_embeds: torch.Tensor | None = None,
    ) -> Any:
        """Run one sub-model.

        Args:
            input_ids: integers [batch, length], below vocab_size.
            attention_mask: 1 = token, 0 = padding at either side, [batch, length]; truth values and
                floats count as transformers counts them; None: no padding. With a cache, `length`
                includes the cached tokens.
            token_type_ids: 0 or 1 for the first or second text of a pair, [batch, length];
                None: 0.
            position_ids: [batch, length]; None: 0, 1, ... from each text's first token on.
            sub_model: which part of the model runs; None: all of it.
            output_hidden_states: also return embeddings and each layer's output; None: as the
                configuration says.
            output_attention_scores: also return scores before mask and softmax. True, or the
                positions of kept layers, from 1: those take a slower path, the others give None.
            output_attentions: also return the attention weights, after mask and softmax, of all
                layers (the slower path too); None: as the configuration says.
            embedded: the embeddings of `input_ids`, [batch, length, hidden]; None: computed here.
            allowed: bool [query, key], True where attention is allowed, beside the padding mask;
                None: everywhere.
            cache: transformers' `DynamicCache`; holds earlier tokens' keys and values, and takes
                the new ones.
            only_first: run the last layer for each text's first token alone, all that the pooler
                reads: the same pooler_output with less work, and last_hidden_state
                [batch, 1, hidden].
            return_dict: False: return a tuple of what is not None, as transformers' models do.
            inputs_embeds: word embeddings in place of `input_ids`, [batch, length, hidden].
        Returns:
            An `ElasticOutput`, or a tuple.
        Raises:
            InvalidInput: an empty batch, ids or a length beyond the model's, a sub-model deeper
                than it, or options that do not go together.
        """
        sub_model = sub_model or self.full_size()
        self.check_sub_model(sub_model)
        past_length = claim_cache(cache, sub_model)
        texts = read_texts(input_ids, inputs_embeds, attention_mask, self.config, past_length)
        plan = make_plan(
            self.config,
            sub_model,
            bool(_or_default(output_hidden_states, self.config.output_hidden_states)),
            output_attention_scores,
            bool(_or_default(output_attentions, self.config.output_attentions)),
            only_first,
        )
        windowed = self.layers[0].attention.self.window is not None
        check_options(plan, windowed, allowed is not None or cache is not None)
        if windowed or plan.drops_tokens:
            check_left_padding(texts.mask)
        mask = self._ones(texts.shape) if plan.drops_tokens and texts.mask is None else texts.mask
        if embedded is None:
            embedded = self._embedded(texts, mask, token_type_ids, position_ids)
        output = self.encoder(embedded, plan, mask, allowed, cache)
        if self.pooler is not None:
            output.pooler_output = self._pooled(output.last_hidden_state, plan, mask)
        return output.to_tuple() if return_dict is False else output

    def _embedded(
        self,
        texts: Texts,
        mask: torch.Tensor | None,
        token_type_ids: torch.Tensor | None,
        position_ids: torch.Tensor | None,
    ) -> torch.Tensor:
        """Embed [batch, length, hidden]; positions count from each text's first token."""
        check_places(token_type_ids, position_ids, self.config)
        if position_ids is None and mask is not None:
            position_ids = token_positions(mask)[:, -texts.length :]
        return self.embeddings(texts.input_ids, token_type_ids, position_ids, texts.embeds)

    def _pooled(
        self, last: torch.Tensor, plan: ForwardPlan, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Pool each text's first token, which stands first where tokens were left out."""
        is_first = plan.only_first or plan.drops_tokens
        return self.pooler(first_tokens(last, None if is_first else mask))

    def _ones(self, shape: Sequence[int]) -> torch.Tensor:
        """Return a mask without padding."""
        return torch.ones(shape, dtype=torch.long, device=self.device)


@dataclass
class _Record:
    """Collects the outputs of the layers that a plan asks for.

    Attributes:
        hidden_states: starts with the embeddings.
        scores: None at layers whose scores were not requested.
    """

    plan: ForwardPlan
    hidden_states: list[torch.Tensor]
    scores: list[torch.Tensor | None] = field(default_factory=list)
    attentions: list[torch.Tensor] = field(default_factory=list)

    def add(
        self,
        position: int,
        hidden: torch.Tensor,
        probed: torch.Tensor | None,
        bias: torch.Tensor | None,
    ) -> None:
        """Add what the layer at a position returned, and the bias of its attention."""
        if self.plan.returns_hidden_states:
            self.hidden_states.append(hidden)
        if self.plan.returned_scores:
            self.scores.append(probed if position in self.plan.returned_scores else None)
        if self.plan.returns_attentions:
            self.attentions.append(attention_weights(cast(torch.Tensor, probed), bias))

    def output(self, last: torch.Tensor) -> ElasticOutput:
        """Return the collected outputs with the last hidden states."""
        hidden_states = self.hidden_states if self.plan.returns_hidden_states else ()
        return ElasticOutput(
            last_hidden_state=last,
            hidden_states=tuple(hidden_states) or None,
            attention_scores=tuple(self.scores) or None,
            attentions=tuple(self.attentions) or None,
        )


class ElasticBertForSequenceClassification(ElasticPreTrainedModel):
    """The elastic encoder with BERT's classification head."""

    bert: ElasticBertModel

    def __init__(self, config: ElasticBertConfig) -> None:
        if config.is_decoder:
            raise InvalidInput(
                "ElasticBertForSequenceClassification: is_decoder=True, and it reads texts in both "
                "directions; allowed: False, or ElasticBertForCausalLM, which reads from left to "
                "right."
            )
        super().__init__(config)
        self.bert = ElasticBertModel(config)
        dropout = config.classifier_dropout
        self.dropout = nn.Dropout(config.hidden_dropout_prob if dropout is None else dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        *,
        labels: torch.Tensor | None = None,
        return_dict: bool | None = True,
        **kwargs: Any,
    ) -> Any:
        """Run `ElasticBertModel.forward` and classify.

        Args:
            labels: what the configuration's `problem_type` asks for (see `classification_loss`);
                None: no loss.
            return_dict: as there.
            kwargs: further arguments of `ElasticBertModel.forward`.
        Returns:
            Its output with logits [batch, classes] and, given labels, their loss.
        """
        output = self.bert(input_ids, attention_mask, token_type_ids, **kwargs)
        logits = self.classifier(self.dropout(output.pooler_output))
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        # made anew: transformers takes an output's fields in the order in which they were set
        output = ElasticOutput(**{**output, "loss": loss, "logits": logits})
        return output.to_tuple() if return_dict is False else output


def _or_default(given: bool | None, default: bool | None) -> bool | None:
    return default if given is None else given


class ElasticBertWithLMHead(ElasticPreTrainedModel):
    """The elastic encoder and an output layer over the vocabulary, tied to the word embeddings."""

    _tied_weights_keys: ClassVar[Any] = {"lm_head.weight": "bert.embeddings.word_embeddings.weight"}

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__(config)
        self.bert = ElasticBertModel(config, add_pooling_layer=False)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        """Return the output layer, as transformers' language models do."""
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """Replace the output layer, as transformers' language models do."""
        self.lm_head = new_embeddings


# transformers' Auto classes find a class by its configuration once the module that defines it was
# imported. The heads of `tasks` are registered in the same way, each after its own class.
AutoModel.register(ElasticBertConfig, ElasticBertModel, exist_ok=True)
AutoModelForSequenceClassification.register(
    ElasticBertConfig, ElasticBertForSequenceClassification, exist_ok=True
)
