"""Wrong and right answers to exercise 2.1, `joint_loss`."""

import math

import torch

from zoo import right, wrong


@wrong("sum", message="6 is the sum")
def only_sum(losses, weights=None):
    if weights is None:
        weights = [1.0] * len(losses)
    if not losses or len(weights) != len(losses) or min(weights) < 0 or max(weights) == 0:
        raise ValueError("weights")
    return sum(w * loss for w, loss in zip(weights, losses))


@wrong("by number", message="sum of the weights")
def by_number(losses, weights=None):
    if weights is None:
        weights = [1.0] * len(losses)
    if not losses or len(weights) != len(losses) or min(weights) < 0 or max(weights) == 0:
        raise ValueError("weights")
    return sum(w * loss for w, loss in zip(weights, losses)) / len(losses)


@wrong("ignores weights", message="3.5")
def ignores_weights(losses, weights=None):
    if weights is None:
        weights = [1.0] * len(losses)
    if not losses or len(weights) != len(losses) or min(weights) < 0 or max(weights) == 0:
        raise ValueError("weights")
    return sum(losses) / len(losses)


@wrong("detached", message="Gradients must reach")
def detached(losses, weights=None):
    if weights is None:
        weights = [1.0] * len(losses)
    if not losses or len(weights) != len(losses) or min(weights) < 0 or max(weights) == 0:
        raise ValueError("weights")
    return torch.tensor(
        sum(w * float(loss) for w, loss in zip(weights, losses)) / sum(weights), requires_grad=True
    )


@wrong("no check", message="should raise ValueError")
def no_check(losses, weights=None):
    weights = [1.0] * len(losses) if weights is None else weights
    return sum(w * loss for w, loss in zip(weights, losses)) / sum(weights)


@wrong("negative allowed", message="negative")
def negative_allowed(losses, weights=None):
    if weights is None:
        weights = [1.0] * len(losses)
    if not losses or len(weights) != len(losses) or max(weights) == 0:
        raise ValueError("weights")
    return sum(w * loss for w, loss in zip(weights, losses)) / sum(weights)


@wrong("largest loss", message="3; got 4")
def largest_loss(losses, weights=None):
    if weights is None:
        weights = [1.0] * len(losses)
    if not losses or len(weights) != len(losses) or min(weights) < 0 or max(weights) == 0:
        raise ValueError("weights")
    return max(losses)


@wrong("in place", message=".")
def in_place(losses, weights=None):
    if weights is None:
        weights = [1.0] * len(losses)
    if not losses or len(weights) != len(losses) or min(weights) < 0 or max(weights) == 0:
        raise ValueError("weights")
    return sum(weights.pop(0) * loss for loss in list(losses)) / 4


@wrong("mean of whole weights", message="RuntimeError|whole numbers")
def mean_of_whole_weights(losses, weights=None):
    if weights is None:
        weights = [1.0] * len(losses)
    if not losses or len(weights) != len(losses) or min(weights) < 0 or max(weights) == 0:
        raise ValueError("weights")
    weights = torch.tensor(weights)
    return (torch.stack(list(losses)) * (weights / weights.mean())).mean()


@wrong("zero refused", message="ValueError")
def zero_refused(losses, weights=None):
    if weights is None:
        weights = [1.0] * len(losses)
    if not losses or len(weights) != len(losses) or min(weights) <= 0:
        raise ValueError("weights")
    return sum(w * loss for w, loss in zip(weights, losses)) / sum(weights)


@wrong("asserts", message="ValueError was asked for here")
def asserts(losses, weights=None):
    assert losses, "no losses"
    if weights is None:
        weights = [1.0] * len(losses)
    assert len(weights) == len(losses)
    assert min(weights) >= 0 and sum(weights) > 0
    return sum(w * loss for w, loss in zip(weights, losses)) / sum(weights)


@right("sum")
def by_sum(losses, weights=None):
    if weights is None:
        weights = [1.0] * len(losses)
    if not losses or len(weights) != len(losses) or min(weights) < 0 or max(weights) == 0:
        raise ValueError("weights")
    return sum(w * loss for w, loss in zip(weights, losses)) / sum(weights)


@right("stack and dot")
def stack_and_dot(losses, weights=None):
    if weights is None:
        weights = [1.0] * len(losses)
    if not losses or len(weights) != len(losses) or min(weights) < 0 or max(weights) == 0:
        raise ValueError("weights")
    return torch.stack(list(losses)) @ (torch.tensor(weights, dtype=losses[0].dtype) / sum(weights))


@right("running sum")
def running_sum(losses, weights=None):
    weights = [1] * len(losses) if weights is None else list(weights)
    if len(losses) == 0 or len(weights) != len(losses):
        raise ValueError("lengths")
    if any(w < 0 for w in weights) or not any(weights):
        raise ValueError("weights")
    total = losses[0].new_zeros(())
    for w, loss in zip(weights, losses):
        total = total + loss * (w / math.fsum(weights))
    return total
