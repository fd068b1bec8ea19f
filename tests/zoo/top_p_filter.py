"""Wrong and right answers to exercise 9.2, `top_p_filter`."""

import math

import torch

from zoo import right, wrong


@wrong("crossing dropped", message="crosses p stays")
def crossing_dropped(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    chances, order = logits.softmax(-1).sort(-1, descending=True)
    total = chances.cumsum(-1)
    drop = total > p
    drop[..., 0] = False
    out = logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)
    return out


@wrong("nothing stays", message=".")
def nothing_stays(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    chances, order = logits.softmax(-1).sort(-1, descending=True)
    total = chances.cumsum(-1)
    drop = total > p
    out = logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)
    return out


@wrong("not put back", message=".")
def not_put_back(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    chances = logits.softmax(-1).sort(-1, descending=True).values
    total = chances.cumsum(-1)
    drop = total - chances >= p
    out = logits.masked_fill(drop, -math.inf)
    return out


@wrong("zeros", message=".")
def zeros(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    chances, order = logits.softmax(-1).sort(-1, descending=True)
    total = chances.cumsum(-1)
    drop = total - chances >= p
    out = logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), 0.0)
    return out


@wrong("in place", message=".")
def in_place(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    chances, order = logits.softmax(-1).sort(-1, descending=True)
    total = chances.cumsum(-1)
    drop = total - chances >= p
    out = logits.masked_fill_(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)
    return out


@wrong("first row", message="Each row")
def first_row(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    chances, order = logits.softmax(-1).sort(-1, descending=True)
    total = chances.cumsum(-1)
    drop = total - chances >= p
    out = logits.masked_fill(
        torch.zeros_like(drop).scatter(-1, order[:1].expand_as(order), drop[:1].expand_as(drop)),
        -math.inf,
    )
    return out


@wrong("threshold", message=".")
def threshold(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    q = logits.softmax(-1)
    return logits.masked_fill(q < 1 - p, -math.inf)


@wrong("returns probabilities", message="unchanged")
def returns_probabilities(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    chances, order = logits.softmax(-1).sort(-1, descending=True)
    total = chances.cumsum(-1)
    drop = total - chances >= p
    out = logits.softmax(-1).masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)
    return out


@wrong("no check", message="should raise ValueError")
def no_check(logits, p):
    chances, order = logits.softmax(-1).sort(-1, descending=True)
    total = chances.cumsum(-1)
    drop = total - chances >= p
    out = logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)
    return out


@wrong("one more", message=".")
def one_more(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    chances, order = logits.softmax(-1).sort(-1, descending=True)
    total = chances.cumsum(-1)
    drop = torch.nn.functional.pad(total - chances, (1, 0))[..., :-1] >= p
    out = logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)
    return out


@wrong("exactly is not enough", message="exactly")
def exactly_is_not_enough(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    chances, order = logits.softmax(-1).sort(-1, descending=True)
    drop = chances.cumsum(-1) > p
    drop[..., 1:] = drop[..., :-1].clone()
    drop[..., 0] = False
    drop &= p < 1
    return logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)


@wrong("squeezed", message="An axis of size one|Shape")
def squeezed(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    z = logits.squeeze(-1)
    chances, order = z.softmax(-1).sort(-1, descending=True)
    drop = (chances.cumsum(-1) - chances >= p) & (p < 1)
    out = z.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)
    return out.reshape(logits.shape)


@right("tail lost to rounding")
def loses_the_tail(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    ordered, order = logits.sort(dim=-1, descending=True)
    probabilities = ordered.softmax(-1)
    keep = probabilities.cumsum(-1) - probabilities < p
    flags = torch.zeros_like(keep).scatter(-1, order, keep)
    return logits.masked_fill(~flags, -math.inf)


@wrong("all equals stay", message="Choose places")
def all_equals_stay(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    if p == 1:
        return logits.clone()
    ordered = logits.sort(dim=-1, descending=True).values
    probabilities = ordered.softmax(-1)
    keep = probabilities.cumsum(-1) - probabilities < p
    last = ordered.masked_fill(~keep, math.inf).amin(-1, keepdim=True)
    return logits.masked_fill(logits < last, -math.inf)


@right("scatter")
def scatter(logits, p):
    if not 0 < p <= 1:
        raise ValueError("p")
    chances, order = logits.softmax(-1).sort(-1, descending=True)
    total = chances.cumsum(-1)
    drop = (total - chances >= p) & (p < 1)
    out = logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)
    return out


@right("loop")
def loop(logits, p):
    if p <= 0 or p > 1:
        raise ValueError("p")
    out = torch.full_like(logits, -math.inf)
    for row in range(len(logits)):
        q = logits[row].double().softmax(-1)
        total = 0.0
        for token in q.argsort(descending=True).tolist():
            if total >= p and p < 1:
                break
            out[row, token] = logits[row, token]
            total += float(q[token])
    return out


@right("shifted sums")
def shifted_sums(logits, p):
    if p > 1 or p <= 0:
        raise ValueError("p")
    if p == 1:
        return logits + 0
    order = logits.argsort(dim=-1, descending=True)
    reached = logits.softmax(-1).gather(-1, order).cumsum(-1) >= p
    drop = torch.cat([torch.zeros_like(reached[:, :1]), reached[:, :-1]], dim=-1)
    back = order.argsort(dim=-1)
    return torch.where(drop.gather(-1, back), torch.tensor(-math.inf, dtype=logits.dtype), logits)
