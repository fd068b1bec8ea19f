"""Held-out answers to exercise 7.2, `early_exit`."""

import math

import torch


def wrong_counts_unsure_layers(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer))
    log_p = z.log_softmax(-1)
    entropy = -(log_p.exp() * log_p).sum(-1)
    unsure = (entropy > max_entropy).sum(0)
    return torch.clamp(unsure + 1, max=len(logits_per_layer))


def wrong_mean_entropy(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer))
    log_p = z.log_softmax(-1)
    sure = -(log_p.exp() * log_p).mean(-1) <= max_entropy
    sure[-1] = True
    return sure.int().argmax(0) + 1


def wrong_column(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer))
    log_p = z.log_softmax(-1)
    sure = -(log_p.exp() * log_p).sum(-1, keepdim=True) <= max_entropy
    sure[-1] = True
    return sure.int().argmax(0) + 1


def wrong_epsilon(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer))
    p = z.softmax(-1)
    sure = -(p * (p + 1e-2).log()).sum(-1) <= max_entropy
    sure[-1] = True
    return sure.int().argmax(0) + 1


def wrong_stays_sure(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer))
    log_p = z.log_softmax(-1)
    sure = -(log_p.exp() * log_p).sum(-1) <= max_entropy
    last = torch.full((z.shape[1],), len(logits_per_layer))
    for layer in range(len(logits_per_layer), 0, -1):
        still = sure[layer - 1 :].all(0)
        last = torch.where(still, layer, last)
    return last


def wrong_softmax_over_layers(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer))
    log_p = z.log_softmax(-1)
    sure = -(log_p.exp() * log_p).sum(-1) <= max_entropy
    sure[-1] = sure.any(0)
    return sure.int().argmax(0) + 1


def wrong_two_classes(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer))[..., :2]
    log_p = z.log_softmax(-1)
    sure = -(log_p.exp() * log_p).sum(-1) <= max_entropy
    sure[-1] = True
    return sure.int().argmax(0) + 1


def wrong_removes_last_layer(logits_per_layer, max_entropy):
    logits_per_layer.pop()
    batch = 1
    result = None
    for number, z in enumerate(logits_per_layer, start=1):
        log_p = z.log_softmax(-1)
        sure = -(log_p.exp() * log_p).sum(-1) <= max_entropy
        if result is None:
            result = torch.full((len(z),), len(logits_per_layer) + 1)
        result = torch.where(sure & (result == len(logits_per_layer) + 1), number, result)
    return result if result is not None else torch.ones(batch, dtype=torch.long)


def right_loop(logits_per_layer, max_entropy):
    exits = []
    for text in range(len(logits_per_layer[0])):
        leave = len(logits_per_layer)
        for number, logits in enumerate(logits_per_layer, start=1):
            p = torch.softmax(logits[text], dim=0).tolist()
            if -sum(x * math.log(x) for x in p if x > 0) <= max_entropy:
                leave = number
                break
        exits.append(leave)
    return torch.tensor(exits)


def right_distribution(logits_per_layer, max_entropy):
    entropy = torch.stack(
        [torch.distributions.Categorical(logits=z).entropy() for z in logits_per_layer]
    )
    result = torch.full((entropy.shape[1],), len(entropy), dtype=torch.int32)
    for layer in reversed(range(len(entropy))):
        result[entropy[layer] <= max_entropy] = layer + 1
    return result


def right_entr(logits_per_layer, max_entropy):
    entropy = torch.special.entr(torch.stack(tuple(logits_per_layer), dim=1).softmax(2)).sum(2)
    numbers = torch.arange(1, entropy.shape[1] + 1).expand_as(entropy)
    return numbers.masked_fill(entropy > max_entropy, entropy.shape[1]).amin(1)


def right_cumulative(logits_per_layer, max_entropy):
    still = None
    for z in logits_per_layer[:-1]:
        log_p = z - z.logsumexp(1, keepdim=True)
        unsure = -(log_p.exp() * log_p).sum(1) > max_entropy
        still = [unsure] if still is None else [*still, still[-1] & unsure]
    if still is None:
        return torch.ones(len(logits_per_layer[0]), dtype=torch.long)
    return 1 + torch.stack(still).sum(0)


def wrong_python_list(logits_per_layer, max_entropy):
    leaves = []
    for text in range(len(logits_per_layer[0])):
        for layer, logits in enumerate(logits_per_layer, 1):
            q = torch.log_softmax(logits[text], -1)
            if -(q.exp() * q).sum() <= max_entropy:
                break
        leaves.append(layer)
    return leaves


def wrong_confidence(logits_per_layer, max_entropy):
    leaves = torch.full((len(logits_per_layer[0]),), len(logits_per_layer))
    for layer in range(len(logits_per_layer) - 1, 0, -1):
        sure = 1 - torch.softmax(logits_per_layer[layer - 1], -1).max(-1).values <= max_entropy
        leaves[sure] = layer
    return leaves


def wrong_all_must_be_sure(logits_per_layer, max_entropy):
    texts = len(logits_per_layer[0])
    for layer, logits in enumerate(logits_per_layer, 1):
        q = torch.log_softmax(logits, -1)
        if bool((-(q.exp() * q).sum(-1) <= max_entropy).all()):
            break
    return torch.full((texts,), layer)


def right_nan_to_num(logits_per_layer, max_entropy):
    p = torch.stack(logits_per_layer).softmax(-1)
    entropies = -(p * p.log()).nan_to_num(nan=0.0).sum(-1)
    sure = entropies <= max_entropy
    sure[-1] = True
    return sure.to(torch.int64).argmax(0) + 1


def right_waiting_texts(logits_per_layer, max_entropy):
    last = len(logits_per_layer)
    leaves = torch.zeros(logits_per_layer[0].shape[0], dtype=torch.long)
    for layer, logits in enumerate(logits_per_layer, 1):
        p = torch.softmax(logits.double(), -1)
        entropy = -torch.special.xlogy(p, p).sum(-1).to(logits.dtype)
        going = (leaves == 0) & ((entropy <= max_entropy) | (layer == last))
        leaves = torch.where(going, layer, leaves)
    return leaves
