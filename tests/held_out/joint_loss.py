"""Held-out answers to exercise 2.1, `joint_loss`."""

import math

import torch


def wrong_empty_weights_default(losses, weights=None):
    if not losses:
        raise ValueError("no losses")
    if not weights:
        weights = [1.0] * len(losses)
    if len(weights) != len(losses) or min(weights) < 0 or sum(weights) == 0:
        raise ValueError("weights")
    return sum(w * l for w, l in zip(weights, losses)) / sum(weights)


def wrong_more_weights_allowed(losses, weights=None):
    if not losses:
        raise ValueError("no losses")
    if weights is None:
        weights = [1.0] * len(losses)
    if len(weights) < len(losses) or min(weights) < 0 or sum(weights) == 0:
        raise ValueError("weights")
    weights = weights[: len(losses)]
    return sum(w * l for w, l in zip(weights, losses)) / sum(weights)


def wrong_assertions(losses, weights=None):
    assert losses, "no losses"
    if weights is None:
        weights = [1.0] * len(losses)
    assert len(weights) == len(losses)
    assert min(weights) >= 0 and sum(weights) > 0
    return sum(w * l for w, l in zip(weights, losses)) / sum(weights)


def wrong_normalises_weights_in_place(losses, weights=None):
    if not losses:
        raise ValueError("no losses")
    if weights is None:
        weights = [1.0] * len(losses)
    if len(weights) != len(losses) or min(weights) < 0 or sum(weights) == 0:
        raise ValueError("weights")
    total = sum(weights)
    for i in range(len(weights)):
        weights[i] /= total
    return sum(w * l for w, l in zip(weights, losses))


def wrong_shared_default(losses, weights=[]):
    if not losses:
        raise ValueError("no losses")
    if weights is None:
        weights = []
    if weights == []:
        for _ in losses:
            weights.append(1.0)
    if len(weights) != len(losses) or min(weights) < 0 or sum(weights) == 0:
        raise ValueError("weights")
    return sum(w * l for w, l in zip(weights, losses)) / sum(weights)


def wrong_first_loss_detached(losses, weights=None):
    if not losses:
        raise ValueError("no losses")
    if weights is None:
        weights = [1.0] * len(losses)
    if len(weights) != len(losses) or min(weights) < 0 or sum(weights) == 0:
        raise ValueError("weights")
    total = losses[0].clone().detach() * weights[0]
    for w, l in zip(weights[1:], losses[1:]):
        total = total + w * l
    return total / sum(weights)


def wrong_weights_as_integers(losses, weights=None):
    if not losses:
        raise ValueError("no losses")
    if weights is None:
        weights = [1] * len(losses)
    if len(weights) != len(losses) or min(weights) < 0 or sum(weights) == 0:
        raise ValueError("weights")
    w = torch.tensor(weights, dtype=torch.long)
    return (w * torch.stack(list(losses))).sum() / w.sum().clamp(min=1)


def wrong_softmax_of_weights(losses, weights=None):
    if not losses:
        raise ValueError("no losses")
    if weights is None:
        weights = [1.0] * len(losses)
    if len(weights) != len(losses) or min(weights) < 0 or sum(weights) == 0:
        raise ValueError("weights")
    w = torch.tensor(weights).softmax(0)
    return (w * torch.stack(list(losses))).sum()


def right_stack_dot(losses, weights=None):
    if len(losses) == 0:
        raise ValueError("at least one loss")
    stacked = torch.stack(tuple(losses))
    w = torch.ones_like(stacked) if weights is None else torch.tensor(weights).to(stacked)
    if w.shape != stacked.shape or (w < 0).any() or not (w > 0).any():
        raise ValueError("weights out of range")
    return torch.dot(w, stacked) / w.sum()


def right_reduce(losses, weights=None):
    from functools import reduce

    n = len(losses)
    weights = [1] * n if weights is None else weights
    if n == 0 or n != len(weights):
        raise ValueError("lengths")
    if any(w < 0 for w in weights) or not any(weights):
        raise ValueError("weights")
    total = sum(weights)
    shares = [w / total for w in weights]
    return reduce(lambda acc, pair: acc + pair[0] * pair[1], zip(shares, losses), torch.zeros(()))


def right_skips_zero_weights(losses, weights=None):
    if not losses:
        raise ValueError("empty")
    if weights is None:
        return sum(losses) / len(losses)
    if len(weights) != len(losses):
        raise ValueError("lengths differ")
    for w in weights:
        if w < 0:
            raise ValueError("negative")
    terms = [(w, l) for w, l in zip(weights, losses) if w > 0]
    if not terms:
        raise ValueError("all zero")
    return torch.stack([w * l for w, l in terms]).sum() / math.fsum(w for w, _ in terms)


def right_running_mean(losses, weights=None):
    if not losses:
        raise ValueError("empty")
    if weights is None:
        weights = [1.0 for _ in losses]
    if len(weights) != len(losses) or min(weights) < 0 or max(weights) == 0:
        raise ValueError("weights")
    mean, total = 0.0, 0.0
    for w, l in zip(weights, losses):
        total += w
        if total:
            mean = mean + (l - mean) * (w / total)
    return mean


def wrong_small_sums_refused(losses, weights=None):
    if weights is None:
        weights = [1.0] * len(losses)
    if not losses or len(losses) != len(weights) or min(weights) < 0 or sum(weights) < 1e-6:
        raise ValueError("losses and weights: as many, none negative, not all 0")
    return sum(w * loss for w, loss in zip(weights, losses)) / sum(weights)


def wrong_epsilon_in_the_divisor(losses, weights=None):
    if weights is None:
        weights = [1.0] * len(losses)
    if not losses or len(losses) != len(weights) or min(weights) < 0 or not any(weights):
        raise ValueError("losses and weights: as many, none negative, not all 0")
    return sum(w * loss for w, loss in zip(weights, losses)) / (sum(weights) + 1e-8)


def wrong_divides_above_one_only(losses, weights=None):
    if weights is None:
        weights = [1.0 / len(losses)] * len(losses) if losses else []
    if not losses or len(losses) != len(weights) or min(weights) < 0 or not any(weights):
        raise ValueError("losses and weights: as many, none negative, not all 0")
    total = sum(w * loss for w, loss in zip(weights, losses))
    return total / sum(weights) if sum(weights) > 1 else total


def right_numpy_weights(losses, weights=None):
    import numpy as np

    w = np.ones(len(losses)) if weights is None else np.array(weights, dtype=float)
    if len(losses) == 0 or w.shape != (len(losses),) or (w < 0).any() or not w.any():
        raise ValueError(f"joint_loss: {len(losses)} losses, weights {weights}")
    share = w / w.sum()
    total = 0.0
    for i, loss in enumerate(losses):
        if share[i] > 0:
            total = total + float(share[i]) * loss
    return total


def right_recursive(losses, weights=None):
    if weights is None:
        weights = [1 for _ in losses]
    if len(losses) != len(weights) or not losses:
        raise ValueError("as many weights as losses, at least one")
    if any(w < 0 for w in weights) or all(w == 0 for w in weights):
        raise ValueError("weights of at least 0, and one above")

    def merged(losses, weights):
        if len(losses) == 1:
            return losses[0] * 1.0, weights[0]
        half = len(losses) // 2
        a, va = merged(losses[:half], weights[:half])
        b, vb = merged(losses[half:], weights[half:])
        if va + vb == 0:
            return a, 0
        if va == 0:
            return b, vb
        if vb == 0:
            return a, va
        return (va * a + vb * b) / (va + vb), va + vb

    return merged(list(losses), list(weights))[0]
