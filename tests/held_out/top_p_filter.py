"""Held-out answers to exercise 9.2, `top_p_filter`."""

import math

import torch


def wrong_p_one_loses_the_tail(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    ordered, order = logits.sort(dim=-1, descending=True)
    probabilities = ordered.softmax(-1)
    keep = probabilities.cumsum(-1) - probabilities < p
    flags = torch.zeros_like(keep).scatter(-1, order, keep)
    return logits.masked_fill(~flags, -math.inf)


def wrong_all_equals_stay(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    if p == 1:
        return logits.clone()
    ordered = logits.sort(dim=-1, descending=True).values
    probabilities = ordered.softmax(-1)
    keep = probabilities.cumsum(-1) - probabilities < p
    last = ordered.masked_fill(~keep, math.inf).amin(-1, keepdim=True)
    return logits.masked_fill(logits < last, -math.inf)


def wrong_large_negative_number(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    if p == 1:
        return logits.clone()
    ordered, order = logits.sort(dim=-1, descending=True)
    probabilities = ordered.softmax(-1)
    keep = probabilities.cumsum(-1) - probabilities < p
    flags = torch.zeros_like(keep).scatter(-1, order, keep)
    return logits.masked_fill(~flags, torch.finfo(logits.dtype).min)


def wrong_zero_allowed(logits, p):
    if not 0 <= p <= 1:
        raise ValueError("p")
    if p == 1:
        return logits.clone()
    ordered, order = logits.sort(dim=-1, descending=True)
    probabilities = ordered.softmax(-1)
    keep = probabilities.cumsum(-1) - probabilities < p
    keep[..., 0] = True
    flags = torch.zeros_like(keep).scatter(-1, order, keep)
    return logits.masked_fill(~flags, -math.inf)


def wrong_one_refused(logits, p):
    if not 0 < p < 1:
        raise ValueError("p")
    ordered, order = logits.sort(dim=-1, descending=True)
    probabilities = ordered.softmax(-1)
    keep = probabilities.cumsum(-1) - probabilities < p
    flags = torch.zeros_like(keep).scatter(-1, order, keep)
    return logits.masked_fill(~flags, -math.inf)


def wrong_log_softmax_inside(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    logits = logits.log_softmax(-1)
    if p == 1:
        return logits
    ordered, order = logits.sort(dim=-1, descending=True)
    probabilities = ordered.exp()
    keep = probabilities.cumsum(-1) - probabilities < p
    flags = torch.zeros_like(keep).scatter(-1, order, keep)
    return logits.masked_fill(~flags, -math.inf)


def wrong_float32(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    result = torch.full(logits.shape, -math.inf)
    for i, row in enumerate(logits):
        total = 0.0
        for t in row.argsort(descending=True).tolist():
            result[i, t] = row[t]
            total += float(row.softmax(0)[t])
            if total >= p and p < 1:
                break
    return result


def wrong_least_likely_first(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    if p == 1:
        return logits.clone()
    result = logits.clone()
    for i, row in enumerate(logits.softmax(-1)):
        removed = 0.0
        for t in row.argsort().tolist():
            if removed + float(row[t]) >= 1 - p:
                break
            removed += float(row[t])
            result[i, t] = -math.inf
    return result


def wrong_sorts_rows_together(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    if p == 1:
        return logits.clone()
    probabilities = logits.softmax(-1)
    flat, order = probabilities.flatten().sort(descending=True)
    keep = flat.cumsum(0) - flat < p * len(logits)
    flags = torch.zeros_like(keep).scatter(0, order, keep).view_as(logits)
    return logits.masked_fill(~flags, -math.inf)


def right_loop(logits, p):
    if p <= 0 or p > 1:
        raise ValueError("p")
    result = torch.full_like(logits, -math.inf)
    for i, row in enumerate(logits):
        probabilities = row.softmax(0)
        total = torch.zeros(())
        for t in torch.argsort(row, descending=True):
            result[i, t] = row[t]
            total = total + probabilities[t]
            if total >= p and p < 1:
                break
    return result


def right_count(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    if p == 1:
        return logits.clone()
    order = logits.argsort(-1, descending=True)
    rank = order.argsort(-1)
    total = logits.softmax(-1).gather(-1, order).cumsum(-1)
    size = (total < p).sum(-1, keepdim=True) + 1
    return torch.where(rank < size, logits, -torch.inf)


def right_ascending(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    if p == 1:
        return logits.clone()
    ordered, order = torch.sort(logits, descending=False)
    remove = ordered.softmax(-1).cumsum(-1) <= 1 - p
    remove[..., -1] = False
    return logits.masked_fill(remove.scatter(1, order, remove), float("-inf"))


def right_transformers(logits, p):
    from transformers import TopPLogitsWarper

    if not 0 < p <= 1:
        raise ValueError("p")
    if p == 1.0:
        return logits
    return TopPLogitsWarper(top_p=p)(None, logits)


def wrong_two_stay(logits, p):
    if not 0 < p <= 1:
        raise ValueError(f"p in (0, 1], got {p}")
    ordered, index = logits.sort(descending=True, dim=-1)
    probabilities = ordered.softmax(-1)
    drop = probabilities.cumsum(-1) - probabilities >= p
    drop[:, :2] = False
    mask = torch.zeros_like(drop).scatter(1, index, drop)
    return logits.masked_fill(mask & torch.tensor(p < 1), -math.inf)


def wrong_subtracts_the_maximum(logits, p):
    if not 0 < p <= 1:
        raise ValueError(f"p in (0, 1], got {p}")
    logits = logits - logits.max(-1, keepdim=True).values
    ordered, index = logits.sort(descending=True, dim=-1)
    probabilities = ordered.softmax(-1)
    drop = probabilities.cumsum(-1) - probabilities >= p
    mask = torch.zeros_like(drop).scatter(1, index, drop)
    return logits.masked_fill(mask & torch.tensor(p < 1), -math.inf)


def wrong_gathers_instead_of_scatters(logits, p):
    if not 0 < p <= 1:
        raise ValueError(f"p in (0, 1], got {p}")
    ordered, index = logits.sort(descending=True, dim=-1)
    probabilities = ordered.softmax(-1)
    drop = probabilities.cumsum(-1) - probabilities >= p
    mask = drop.gather(1, index)
    return logits.masked_fill(mask & torch.tensor(p < 1), -math.inf)


def right_ranks(logits, p):
    if p <= 0 or p > 1:
        raise ValueError(f"p in (0, 1], got {p}")
    if p == 1:
        return logits.clone()
    order = torch.argsort(logits, dim=1, descending=True)
    rank = torch.argsort(order, dim=1)
    cumulative = logits.softmax(1).gather(1, order).cumsum(1)
    needed = (cumulative < p).sum(1, keepdim=True) + 1
    return torch.where(rank < needed, logits, torch.full_like(logits, -math.inf))


def right_mass_before(logits, p):
    if not 0 < p <= 1:
        raise ValueError(f"p in (0, 1], got {p}")
    result = logits.clone()
    if p == 1:
        return result
    ordered, index = torch.sort(logits, descending=True)
    probabilities = torch.softmax(ordered, -1)
    before = torch.cumsum(probabilities, -1) - probabilities
    for row in range(len(logits)):
        for place, token in enumerate(index[row].tolist()):
            if before[row, place] >= p:
                result[row, token] = -math.inf
    return result
