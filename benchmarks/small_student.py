"""A small student for runs that take many repeats: a sub-model with a pruned vocabulary."""

from dataclasses import dataclass
from functools import cache

import torch
from long_run import Settings

from tinybert_l.method.data import Encoded, encode_all
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.joint import sorted_by_importance
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.teacher import load_teacher
from tinybert_l.method.teacher_outputs import keep_outputs
from tinybert_l.method.vocabulary import prune_vocabulary
from tinybert_l.submodels import SubModel


@dataclass(frozen=True)
class SmallBench:
    """What all runs share.

    Attributes:
        start: the untrained student, cut from the teacher.
        data: the splits as token ids of the student's vocabulary.
        teacher_logits: on the training texts, [texts, classes]; computed once.
    """

    start: ElasticBertForSequenceClassification
    data: dict[str, Encoded]
    teacher_logits: torch.Tensor

    def student(self) -> ElasticBertForSequenceClassification:
        """Copy the start; its embeddings stay as they are, which saves half of each step.

        No dropout on attention weights: that on hidden states is what recipes turn on and off.
        """
        copy = elastic_copy(self.start)
        copy.bert.embeddings.requires_grad_(False)
        for layer in copy.bert.layers:
            layer.attention.self.dropout = 0.0
        return copy


def small_bench(settings: Settings) -> SmallBench:
    """Cut the student that the settings name from the sorted teacher, with a pruned vocabulary."""
    return _bench(settings["student"], settings["vocabulary"], settings["length"])


@cache
def _bench(student_name: str, vocabulary: int, length: int) -> SmallBench:
    teacher = load_teacher()
    logits = keep_outputs(elastic_copy(teacher.model), teacher.data["train"], ()).logits
    student = extract(sorted_by_importance(teacher), SubModel.parse(student_name))
    texts = teacher.splits["train"].texts
    tokenizer = prune_vocabulary(student, teacher.tokenizer, texts, vocabulary)
    data = encode_all(teacher.splits, tokenizer, length)
    return SmallBench(student, data, logits)
