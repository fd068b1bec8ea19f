"""The joint training step that joint_step.py and gpu_step.py measure, one change at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from tinybert_l.exercises.lecture_01 import soft_cross_entropy
from tinybert_l.exercises.lecture_02 import joint_loss
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.precision import autocast
from tinybert_l.method.training import parameter_groups
from tinybert_l.submodels import SubModel

PLAIN_LOOP = "plain_loop"
Batch = tuple[dict[str, torch.Tensor], torch.Tensor]  # input ids and mask; rows of kept logits


@dataclass
class Contestant:
    """A student of its own that takes joint steps in its own way.

    Attributes:
        student: is trained.
        teacher: gives the soft labels where no outputs of it are kept.
        sub_models: train together in each step.
        changes: of the plain loop, by the identifiers of `captions.VALUES["change"]`.
        next_batch: gives inputs, and which rows of `teacher_logits` belong to them.
        precision: "float32" or "bfloat16".
        learning_rate: of AdamW.
        plain_attention: whether attention computes scores instead of the fused product.
        teacher_logits: kept outputs [texts, classes]; None: the teacher runs in every step.
    """

    student: ElasticBertForSequenceClassification
    teacher: ElasticBertForSequenceClassification
    sub_models: Sequence[SubModel]
    changes: frozenset[str]
    next_batch: Callable[[], Batch]
    precision: str
    learning_rate: float
    plain_attention: bool = False
    teacher_logits: torch.Tensor | None = None
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.student, 0.01),
            lr=self.learning_rate,
            fused="fused_adamw" in self.changes,
            foreach=False,
        )

    def step(self) -> None:
        """Take one training step."""
        inputs, rows = self.next_batch()
        with autocast(self.student.device, self.precision):
            target = self.target(inputs, rows)
            embedded = None
            if "embeddings_once" in self.changes:
                embedded = self.student.bert.embeddings(inputs["input_ids"])
            logits = []
            for sub_model in self.sub_models:
                output = self.student(
                    **inputs,
                    sub_model=sub_model,
                    embedded=embedded,
                    only_first="last_layer_first_token" in self.changes,
                    output_attention_scores=self.plain_attention,
                )
                logits.append(output.logits.float())
            loss = joint_loss([soft_cross_entropy(part, target) for part in logits])
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses.append(float(loss.detach()))  # waits for a GPU

    @torch.no_grad()
    def target(self, inputs: dict[str, torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
        """The teacher's logits for a batch, [texts, classes]."""
        if self.teacher_logits is not None:
            return self.teacher_logits[rows]
        output = self.teacher(**inputs, output_attention_scores=self.plain_attention)
        return output.logits.float()


def changes_so_far(changes: Sequence[str]) -> dict[str, frozenset[str]]:
    """The changes of each contestant: none for the plain loop, one more for each that follows."""
    contestants: dict[str, frozenset[str]] = {PLAIN_LOOP: frozenset()}
    for number, change in enumerate(changes, 1):
        contestants[change] = frozenset(changes[:number])
    return contestants
