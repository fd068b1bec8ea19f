"""Wrong and right answers to exercise 7.2, `early_exit`."""

import math

import torch

from zoo import right, wrong


@wrong("from zero", message="count from 1")
def from_zero(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer)).double()
    q = z.log_softmax(-1)
    h = -(q.exp() * q).sum(-1)
    ok = h <= max_entropy
    ok[-1] = True
    return ok.int().argmax(0)


@wrong("strictly below, bits", message="Natural|nats")
def strictly_below_bits(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer)).double()
    q = z.log_softmax(-1)
    h = -(q.exp() * q).sum(-1)
    ok = h / math.log(2) <= max_entropy
    ok[-1] = True
    return ok.int().argmax(0) + 1


@wrong("normalised", message="nats|Natural")
def normalised(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer)).double()
    q = z.log_softmax(-1)
    h = -(q.exp() * q).sum(-1)
    ok = h / math.log(z.shape[-1]) <= max_entropy
    ok[-1] = True
    return ok.int().argmax(0) + 1


@wrong("nan", message="NaN")
def nan(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer))
    p = z.softmax(-1)
    h = -(p * p.log()).sum(-1)
    ok = h <= max_entropy
    ok[-1] = True
    return ok.int().argmax(0) + 1


@wrong("never sure", message="never|last")
def never_sure(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer)).double()
    q = z.log_softmax(-1)
    h = -(q.exp() * q).sum(-1)
    return (h <= max_entropy).int().argmax(0) + 1


@wrong("most sure layer", message=".")
def most_sure_layer(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer)).double()
    q = z.log_softmax(-1)
    h = -(q.exp() * q).sum(-1)
    return h.argmin(0) + 1


@wrong("last sure", message="first")
def last_sure(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer)).double()
    q = z.log_softmax(-1)
    h = -(q.exp() * q).sum(-1)
    ok = h <= max_entropy
    L = len(z)
    last = L - ok.flip(0).int().argmax(0)
    return torch.where(ok.any(0), last, L)


@wrong("batch mean", message=".")
def batch_mean(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer)).double()
    q = z.log_softmax(-1)
    h = -(q.exp() * q).sum(-1)
    ok = (h.mean(1, keepdim=True) <= max_entropy).expand_as(h).clone()
    ok[-1] = True
    return ok.int().argmax(0) + 1


@wrong("floats", message="Integers")
def floats(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer)).double()
    q = z.log_softmax(-1)
    h = -(q.exp() * q).sum(-1)
    ok = h <= max_entropy
    ok[-1] = True
    return (ok.int().argmax(0) + 1).float()


@wrong("strictly below", message="Exactly the limit")
def strictly_below(logits_per_layer, max_entropy):
    q = torch.stack(list(logits_per_layer)).double().log_softmax(-1)
    ok = -(q.exp() * q).sum(-1) < max_entropy
    ok[-1] = True
    return ok.int().argmax(0) + 1


@wrong("squeezed", message="shape|Error")
def squeezed(logits_per_layer, max_entropy):
    q = torch.stack(list(logits_per_layer)).squeeze().double().log_softmax(-1)
    ok = -(q.exp() * q).sum(-1) <= max_entropy
    ok[-1] = True
    return ok.int().argmax(0) + 1


@wrong("small constant", message="Add nothing")
def small_constant(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer))
    p = z.softmax(-1)
    sure = -(p * (p + 1e-2).log()).sum(-1) <= max_entropy
    sure[-1] = True
    return sure.int().argmax(0) + 1


@right("stack")
def stack(logits_per_layer, max_entropy):
    z = torch.stack(list(logits_per_layer)).double()
    q = z.log_softmax(-1)
    h = -(q.exp() * q).sum(-1)
    ok = h <= max_entropy
    ok[-1] = True
    return ok.int().argmax(0) + 1


@right("loop")
def loop(logits_per_layer, max_entropy):
    out = []
    for i in range(len(logits_per_layer[0])):
        for m, z in enumerate(logits_per_layer, 1):
            layer = m
            if float(torch.distributions.Categorical(logits=z[i]).entropy()) <= max_entropy:
                break
        out.append(layer)
    return torch.tensor(out)


@right("backwards")
def backwards(logits_per_layer, max_entropy):
    L = len(logits_per_layer)
    out = torch.full((len(logits_per_layer[0]),), L)
    for m in range(L, 0, -1):
        z = logits_per_layer[m - 1]
        p = z.softmax(-1)
        h = -torch.special.xlogy(p, p).sum(-1)
        out = torch.where(h <= max_entropy, m, out)
    return out


@right("counts the unsure")
def counts_the_unsure(logits_per_layer, max_entropy):
    still = torch.ones(len(logits_per_layer[0]), dtype=torch.bool)
    layers = torch.ones(len(still), dtype=torch.long)
    for z in logits_per_layer[:-1]:
        still = still & (torch.special.entr(z.softmax(-1)).sum(-1) > max_entropy)
        layers += still
    return layers
