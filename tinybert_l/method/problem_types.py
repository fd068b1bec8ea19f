"""What a classifier's logits mean, by its configuration's `problem_type`, and the losses for it.

The names are those of transformers: classes of which one is right, classes of which any may be
right, or numbers.
"""

from collections.abc import Callable

import torch
from torch.nn import functional as F
from transformers import PretrainedConfig

from tinybert_l.errors import InvalidInput

SINGLE_LABEL = "single_label_classification"
MULTI_LABEL = "multi_label_classification"
REGRESSION = "regression"
PROBLEM_TYPES = (SINGLE_LABEL, MULTI_LABEL, REGRESSION)


def problem_type(config: PretrainedConfig, labels: torch.Tensor | None = None) -> str:
    """Return one of `PROBLEM_TYPES`.

    Where the configuration names none, a single output is a number, and labels that are no whole
    numbers are those of several classes at once, as in transformers.

    Raises:
        InvalidInput: the configuration names another type.
    """
    named = config.problem_type
    if named is not None and named not in PROBLEM_TYPES:
        raise InvalidInput(f"problem_type={named!r}; allowed: {', '.join(PROBLEM_TYPES)}.")
    if named is not None:
        return named
    if config.num_labels == 1:
        return REGRESSION
    if labels is not None and labels.is_floating_point():
        return MULTI_LABEL
    return SINGLE_LABEL


def is_named(config: PretrainedConfig) -> bool:
    """Whether the classes have names of their own, not transformers' LABEL_0, LABEL_1, ..."""
    names = (config.id2label or {}).items()
    return not all(name == f"LABEL_{number}" for number, name in names)


def classification_loss(
    logits: torch.Tensor, labels: torch.Tensor, config: PretrainedConfig
) -> torch.Tensor:
    """Return the mean loss of labels that fits the configuration's `problem_type`.

    Args:
        logits: [batch, classes].
        labels: class numbers [batch]; for several classes at once 0 or 1, [batch, classes]; for
            regression numbers, [batch] or [batch, outputs].
    Raises:
        InvalidInput: labels of another shape.
    """
    kind = problem_type(config, labels)
    if kind == SINGLE_LABEL:
        _check_classes(labels, logits.shape[-1])
        return F.cross_entropy(logits, labels.view(-1).long())  # int32 is read too
    if labels.numel() != logits.numel():
        raise InvalidInput(
            f"labels: shape {tuple(labels.shape)}; allowed for {kind}: {tuple(logits.shape)}."
        )
    labels = labels.view_as(logits).to(logits.dtype)
    if kind == MULTI_LABEL:
        return F.binary_cross_entropy_with_logits(logits, labels)
    return F.mse_loss(logits, labels)


def _check_classes(labels: torch.Tensor, classes: int) -> None:
    """Refuse labels that name no class; -100 counts for nothing, as in torch.

    Numbers are looked at on the CPU alone: reading them makes a GPU wait.
    """
    if labels.is_floating_point():
        raise InvalidInput(f"labels: {labels.dtype}; allowed: integers, the numbers of classes.")
    if labels.device.type != "cpu" or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return
    wrong = labels[(labels != -100) & ((labels < 0) | (labels >= classes))]
    if wrong.numel():
        raise InvalidInput(
            f"labels: {int(wrong[0])}; allowed: 0 to {classes - 1}, the numbers of the classes."
        )


def imitation_loss(
    kind: str, soft_cross_entropy: Callable[..., torch.Tensor]
) -> Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]:
    """Return the loss (student's logits, teacher's logits, temperature) of soft labels.

    Args:
        kind: one of `PROBLEM_TYPES`.
        soft_cross_entropy: the loss of one right class.
    """
    return {
        SINGLE_LABEL: soft_cross_entropy,
        MULTI_LABEL: _soft_binary_cross_entropy,
        REGRESSION: _squared_gap,
    }[kind]


def _soft_binary_cross_entropy(
    student: torch.Tensor, teacher: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Compare each class by itself: it holds with a probability, whatever the others do."""
    goal = torch.sigmoid(teacher.detach() / temperature)
    return F.binary_cross_entropy_with_logits(student / temperature, goal)


def _squared_gap(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Compare numbers; they have no temperature."""
    return F.mse_loss(student, teacher.detach())
