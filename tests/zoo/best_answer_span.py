"""Wrong and right answers to exercise 5.2, `best_answer_span`."""

import math

import torch

from zoo import right, wrong


@wrong("separately", message="before the start")
def separately(start_logits, end_logits, max_answer_length):
    return int(start_logits.argmax()), int(end_logits.argmax())


@wrong("exclusive length", message="at most|four|All|.")
def exclusive_length(start_logits, end_logits, max_answer_length):
    best, found = -math.inf, (0, 0)
    for i in range(len(start_logits)):
        for j in range(i, min(len(end_logits), i + max_answer_length - 1)):
            score = start_logits[i] + end_logits[j]
            if score > best:
                best, found = score, (i, j)
    return found


@wrong("one too long", message="At most 3")
def one_too_long(start_logits, end_logits, max_answer_length):
    best, found = -math.inf, (0, 0)
    for i in range(len(start_logits)):
        for j in range(i, min(len(end_logits), i + max_answer_length + 1)):
            score = start_logits[i] + end_logits[j]
            if score > best:
                best, found = score, (i, j)
    return found


@wrong("from zero", message="negative")
def from_zero(start_logits, end_logits, max_answer_length):
    best, found = 0.0, (0, 0)
    for i in range(len(start_logits)):
        for j in range(i, min(len(end_logits), i + max_answer_length)):
            score = start_logits[i] + end_logits[j]
            if score > best:
                best, found = score, (i, j)
    return found


@wrong("last tie", message="All equal")
def last_tie(start_logits, end_logits, max_answer_length):
    best, found = -math.inf, (0, 0)
    for i in range(len(start_logits)):
        for j in range(i, min(len(end_logits), i + max_answer_length)):
            score = start_logits[i] + end_logits[j]
            if score >= best:
                best, found = score, (i, j)
    return found


@wrong("no single", message="worked example")
def no_single(start_logits, end_logits, max_answer_length):
    best, found = -math.inf, (0, 0)
    for i in range(len(start_logits)):
        for j in range(i + 1, min(len(end_logits), i + max_answer_length)):
            score = start_logits[i] + end_logits[j]
            if score > best:
                best, found = score, (i, j)
    return found


@wrong("end exclusive", message="worked example")
def end_exclusive(start_logits, end_logits, max_answer_length):
    best, found = -math.inf, (0, 0)
    for i in range(len(start_logits)):
        for j in range(i, min(len(end_logits), i + max_answer_length)):
            score = start_logits[i] + end_logits[j]
            if score > best:
                best, found = score, (i, j)
    return found[0], found[1] + 1


@wrong("start first", message="worked example")
def start_first(start_logits, end_logits, max_answer_length):
    s = int(start_logits.argmax())
    e = s + int(end_logits[s : s + max_answer_length].argmax())
    return s, e


@wrong("product", message=".")
def product(start_logits, end_logits, max_answer_length):
    best, found = -math.inf, (0, 0)
    for i in range(len(start_logits)):
        for j in range(i, min(len(end_logits), i + max_answer_length)):
            score = start_logits[i] * end_logits[j]
            if score > best:
                best, found = score, (i, j)
    return found


@wrong("floats", message="whole numbers")
def floats(start_logits, end_logits, max_answer_length):
    n = len(start_logits)
    scores = start_logits[:, None] + end_logits[None, :]
    i, j = torch.arange(n)[:, None], torch.arange(n)[None]
    scores = scores.masked_fill((j < i) | (j >= i + max_answer_length), -math.inf)
    flat = int((scores.flatten() == scores.max()).nonzero()[0])
    return flat / n, flat % n


@wrong("shortest first", message="earliest start, then shortest")
def shortest_first(start_logits, end_logits, max_answer_length):
    best, found = -math.inf, (0, 0)
    for size in range(max_answer_length):
        for i in range(len(start_logits) - size):
            score = float(start_logits[i]) + float(end_logits[i + size])
            if score > best:
                best, found = score, (i, i + size)
    return found


@wrong("product of softmaxes", message="Add logits")
def product_of_softmaxes(start_logits, end_logits, max_answer_length):
    p, q = start_logits.softmax(0).tolist(), end_logits.softmax(0).tolist()
    best, span = -1.0, (0, 0)
    for i in range(len(p)):
        for j in range(i, min(len(p), i + max_answer_length)):
            if p[i] * q[j] > best:
                best, span = p[i] * q[j], (i, j)
    return span


@right("loops")
def loops(start_logits, end_logits, max_answer_length):
    best, found = -math.inf, (0, 0)
    for i in range(len(start_logits)):
        for j in range(i, min(len(end_logits), i + max_answer_length)):
            score = start_logits[i] + end_logits[j]
            if score > best:
                best, found = score, (i, j)
    return found


@right("matrix")
def matrix(start_logits, end_logits, max_answer_length):
    n = len(start_logits)
    scores = start_logits[:, None] + end_logits[None, :]
    i, j = torch.arange(n)[:, None], torch.arange(n)[None]
    scores = scores.masked_fill((j < i) | (j >= i + max_answer_length), -math.inf)
    flat = int((scores.flatten() == scores.max()).nonzero()[0])
    return divmod(flat, n)


@right("best end of each start")
def best_end_of_each_start(start_logits, end_logits, max_answer_length):
    spans = []
    for i, start in enumerate(start_logits.tolist()):
        ends = end_logits[i : i + max_answer_length].tolist()
        j = ends.index(max(ends))
        spans.append((start + ends[j], -i, i + j))
    _, start, end = max(spans, key=lambda span: span[:2])
    return torch.tensor([-start, end])
