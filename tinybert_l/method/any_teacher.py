"""A classifier of any architecture that teaches: loaded, checked, and asked."""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from tinybert_l.errors import InvalidInput
from tinybert_l.method.data import Encoded, Split, collate, encode, model_inputs
from tinybert_l.method.own_teacher import BERTS, quiet_reading
from tinybert_l.method.problem_types import SINGLE_LABEL, problem_type
from tinybert_l.method.run_identity import text_hash
from tinybert_l.method.teacher import predict_logits

TEXTS_AT_ONCE = 32


@dataclass(frozen=True)
class OwnTeacher:
    """A classifier that teaches, whatever its architecture.

    Args:
        model: in eval mode.
        tokenizer: the model's.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @property
    def is_bert(self) -> bool:
        """Whether a student can be copied from it."""
        return self.model.config.model_type in BERTS

    def logits(self, texts: Sequence[str], max_length: int) -> torch.Tensor:
        """Return its answers to texts, [texts, classes]."""
        split = Split(list(texts), [0] * len(texts))
        data = encode(split, self.tokenizer, max_length)
        self._require_known(data)
        if self.is_bert:
            return predict_logits(self.model, data)
        return logits_without_padding(self.model, data)

    def _require_known(self, data: Encoded) -> None:
        """Refuse token ids that the model has no embedding of."""
        embedding = self.model.get_input_embeddings()
        known = getattr(embedding, "num_embeddings", None)
        highest = max((max(ids) for ids in data.token_ids), default=0)
        if known is not None and highest >= known:
            raise InvalidInput(
                f"tokenizer: makes the token id {highest}; allowed: 0 to {known - 1}, the "
                "teacher's vocabulary. Do they belong together? 分词器与教师不匹配。"
            )


def tokenizer_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return digits that change with the pieces, their numbers, or how a text is cut."""
    pieces = sorted(tokenizer.get_vocab().items())
    facts = [type(tokenizer).__name__, tokenizer.truncation_side, pieces]
    return text_hash(json.dumps(facts))


@torch.no_grad()
def logits_without_padding(model: PreTrainedModel, data: Encoded) -> torch.Tensor:
    """Return logits [texts, classes], texts of one length together.

    Not every architecture reads padding at the right as nothing: XLNet classifies by the last
    place, and FNet knows no mask.
    """
    rows_of: dict[int, list[int]] = {}
    for row, length in enumerate(data.lengths()):
        rows_of.setdefault(length, []).append(row)
    logits = torch.zeros(len(data), model.config.num_labels)
    for rows in rows_of.values():
        for start in range(0, len(rows), TEXTS_AT_ONCE):
            part = rows[start : start + TEXTS_AT_ONCE]
            output = model(**model_inputs(collate(data, part, model.device)))
            logits[part] = output.logits.float().cpu()
    return logits


def load_own_teacher(
    teacher: str | Path | PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None
) -> OwnTeacher:
    """Load a fine-tuned classifier, or take one that is loaded.

    Raises:
        InvalidInput: no trained head, another kind of answer, or no tokenizer.
    """
    if isinstance(teacher, str | Path):
        with quiet_reading(teacher, "teacher"):
            model, report = AutoModelForSequenceClassification.from_pretrained(
                teacher, output_loading_info=True, dtype=torch.float32
            )
            tokenizer = tokenizer or AutoTokenizer.from_pretrained(teacher)
        if report["missing_keys"]:
            missing = ", ".join(sorted(report["missing_keys"])[:3])
            raise InvalidInput(
                f"teacher={str(teacher)!r}: the checkpoint lacks {missing}; allowed: a classifier "
                "that is fine-tuned already, with its head. 检查点没有训练好的分类头。"
            )
    else:
        model = teacher
    if not isinstance(model, PreTrainedModel) or not hasattr(model.config, "id2label"):
        raise InvalidInput(
            f"teacher: a {type(model).__name__}; allowed: a classifier of transformers (without "
            "wrapper, adapters merged), a folder, or a name on the hub."
        )
    if not isinstance(tokenizer, PreTrainedTokenizerBase) or tokenizer.pad_token_id is None:
        given = f"a {type(tokenizer).__name__}"
        if isinstance(tokenizer, PreTrainedTokenizerBase):
            given = "has no padding token"
        raise InvalidInput(
            f"tokenizer: {'none' if tokenizer is None else given}; allowed: the teacher's, with a "
            "padding token."
        )
    require_pieces(tokenizer)
    _require_choosing(model)
    _require_class_logits(model)
    is_exact = model.dtype in (torch.float32, torch.float64)
    if model.training or not is_exact or not model.config.return_dict:
        model = copy.deepcopy(model).float()  # the user's own keeps its mode and its numbers
        model.config.return_dict = True
    return OwnTeacher(model.eval(), tokenizer)


def require_pieces(tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse what transformers makes where the files of a tokenizer are missing: special tokens.

    Raises:
        InvalidInput: a tokenizer that would make [UNK] of every word.
    """
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise InvalidInput(
            "tokenizer: has special tokens alone, as where its files are missing; allowed: the "
            "checkpoint's own, saved beside it by save_pretrained. 检查点旁缺少分词器文件。"
        )


@torch.no_grad()
def _require_class_logits(model: PreTrainedModel) -> None:
    """Refuse a model with another head than a classifier's, by its answers to two made-up texts.

    Raises:
        InvalidInput: it answers with anything but a number for each class, or not at all.
    """
    ids = torch.ones(2, 4, dtype=torch.long, device=model.device)
    expected = (2, model.config.num_labels)
    try:
        output = model(input_ids=ids, attention_mask=torch.ones_like(ids), return_dict=True)
        given = f"logits of shape {tuple(output.logits.shape)}"
    except Exception as error:  # models of many makers: each raises its own
        given = str(error).partition("\n")[0][:200]
    if given != f"logits of shape {expected}":
        raise InvalidInput(
            f"teacher: a {type(model).__name__}, whose answers to two texts are not those of a "
            f"classifier ({given}); allowed: logits of shape {expected}, as of "
            "AutoModelForSequenceClassification. 教师须是文本分类模型。"
        )


def _require_choosing(model: PreTrainedModel) -> None:
    """Refuse a model that cannot answer here, or that does not choose one of several classes."""
    if any(parameter.is_meta for parameter in model.parameters()):
        raise InvalidInput("teacher: on the device meta, without weights; allowed: a loaded one.")
    if model.config.is_encoder_decoder:
        raise InvalidInput(
            f"teacher: a {model.config.model_type}, which has an encoder and a decoder; allowed: "
            "a classifier with one of the two. 教师不能是编码器-解码器模型。"
        )
    kind = problem_type(model.config)
    if kind != SINGLE_LABEL:
        raise InvalidInput(
            f"teacher: problem_type {kind}; allowed in distil: {SINGLE_LABEL}. train_jointly "
            "trains the others, with the losses that fit them."
        )
