"""Reference answers of lecture 2."""

import torch


def joint_loss(losses, weights=None):
    weights = [1.0] * len(losses) if weights is None else weights
    if not losses or len(weights) != len(losses):
        raise ValueError(
            f"joint_loss: {len(losses)} losses and {len(weights)} weights; "
            "allowed: at least one loss, as many weights."
        )
    if any(not 0 <= weight < float("inf") for weight in weights) or sum(weights) == 0:
        raise ValueError(
            f"joint_loss: weights={weights}; allowed: finite, none below 0, at least one above 0."
        )
    # a loss that is left out must not spoil the sum when it is not finite
    weighted = [weight * loss for weight, loss in zip(weights, losses) if weight > 0]
    return torch.stack(weighted).sum() / sum(weights)


def sandwich_sample(submodels, num_random, generator):
    if not submodels or num_random < 0:
        raise ValueError(
            f"sandwich_sample: {len(submodels)} submodels, num_random={num_random}; "
            "allowed: at least one, 0 or more."
        )
    if len(submodels) == 1:
        return list(submodels)
    smallest, *others, largest = submodels
    drawn = torch.randperm(len(others), generator=generator)[:num_random]
    return [largest, smallest, *(others[i] for i in drawn.tolist())]
