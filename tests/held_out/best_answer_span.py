"""Held-out answers to exercise 5.2, `best_answer_span`."""

import math

import torch


def wrong_five_best_only(start_logits, end_logits, max_answer_length):
    k = min(5, len(start_logits))
    best, span = -math.inf, None
    for i in start_logits.argsort(descending=True, stable=True)[:k].tolist():
        for j in end_logits.argsort(descending=True, stable=True)[:k].tolist():
            total = float(start_logits[i] + end_logits[j])
            if i <= j < i + max_answer_length and (
                total > best or (total == best and (i, j) < span)
            ):
                best, span = total, (i, j)
    return span or (0, 0)


def wrong_softmax_product(start_logits, end_logits, max_answer_length):
    p, q = start_logits.softmax(0).tolist(), end_logits.softmax(0).tolist()
    best, span = -1.0, (0, 0)
    for i in range(len(p)):
        for j in range(i, min(len(p), i + max_answer_length)):
            if p[i] * q[j] > best:
                best, span = p[i] * q[j], (i, j)
    return span


def wrong_end_first(start_logits, end_logits, max_answer_length):
    end = int(end_logits.argmax())
    first = max(0, end - max_answer_length + 1)
    return first + int(start_logits[first : end + 1].argmax()), end


def wrong_forbidden_is_zero(start_logits, end_logits, max_answer_length):
    n = len(start_logits)
    total = start_logits[:, None] + end_logits[None, :]
    allowed = torch.ones(n, n).triu().tril(max_answer_length - 1)
    best = int((total * allowed).argmax())
    return best // n, best % n


def wrong_longest_tie(start_logits, end_logits, max_answer_length):
    a, e = start_logits.tolist(), end_logits.tolist()
    spans = [(i, j) for i in range(len(a)) for j in range(i, min(len(a), i + max_answer_length))]
    return max(spans, key=lambda s: (a[s[0]] + e[s[1]], -s[0], s[1]))


def wrong_latest_start(start_logits, end_logits, max_answer_length):
    a, e = start_logits.tolist(), end_logits.tolist()
    spans = [(i, j) for i in range(len(a)) for j in range(i, min(len(a), i + max_answer_length))]
    return max(spans, key=lambda s: (a[s[0]] + e[s[1]], s[0], -s[1]))


def wrong_beyond_the_end(start_logits, end_logits, max_answer_length):
    best, span = -math.inf, (0, 0)
    for i in range(len(start_logits)):
        for j in range(i, i + max_answer_length):
            if start_logits[i] + end_logits[j] > best:
                best, span = start_logits[i] + end_logits[j], (i, j)
    return span


def wrong_last_token_never(start_logits, end_logits, max_answer_length):
    best, span = -math.inf, (0, 0)
    n = len(start_logits)
    for i in range(max(1, n - 1)):
        for j in range(i, min(n, i + max_answer_length)):
            total = float(start_logits[i] + end_logits[j])
            if total > best:
                best, span = total, (i, j)
    return span


def wrong_masks_in_place(start_logits, end_logits, max_answer_length):
    best, span = -math.inf, (0, 0)
    for i in range(len(start_logits)):
        ends = end_logits[i : i + max_answer_length]
        j = int(ends.argmax())
        ends += start_logits[i]
        if float(ends[j]) > best:
            best, span = float(ends[j]), (i, i + j)
        ends -= start_logits[i]
    end_logits.zero_()
    return span


def right_matrix(start_logits, end_logits, max_answer_length):
    n = start_logits.numel()
    total = start_logits.unsqueeze(1) + end_logits.unsqueeze(0)
    allowed = torch.ones(n, n, dtype=torch.bool).triu().tril(max_answer_length - 1)
    best = int(total.masked_fill(~allowed, -math.inf).argmax())
    return divmod(best, n)


def right_max_of_pairs(start_logits, end_logits, max_answer_length):
    a, e = start_logits.tolist(), end_logits.tolist()
    spans = [(i, j) for i in range(len(a)) for j in range(len(e)) if 0 <= j - i < max_answer_length]
    return min(spans, key=lambda s: (-(a[s[0]] + e[s[1]]), s[0], s[1] - s[0]))


def right_window_maximum(start_logits, end_logits, max_answer_length):
    import numpy as np

    a, e = start_logits.detach().numpy(), end_logits.detach().numpy()
    ends = [i + int(np.argmax(e[i : i + max_answer_length])) for i in range(len(a))]
    sums = [a[i] + e[j] for i, j in enumerate(ends)]
    start = int(np.argmax(sums))
    return start, ends[start]


def wrong_best_from_minus_thousand(start_logits, end_logits, max_answer_length):
    best, span = -1000.0, (0, 0)
    for start in range(len(start_logits)):
        for end in range(start, min(len(end_logits), start + max_answer_length)):
            score = float(start_logits[start] + end_logits[end])
            if score > best:
                best, span = score, (start, end)
    return span


def wrong_score_per_token(start_logits, end_logits, max_answer_length):
    best, span = -math.inf, (0, 0)
    for start in range(len(start_logits)):
        for end in range(start, min(len(end_logits), start + max_answer_length)):
            score = float(start_logits[start] + end_logits[end]) / (end - start + 1)
            if score > best:
                best, span = score, (start, end)
    return span


def wrong_near_is_equal(start_logits, end_logits, max_answer_length):
    best, span = -math.inf, (0, 0)
    for start in range(len(start_logits)):
        for end in range(start, min(len(end_logits), start + max_answer_length)):
            score = float(start_logits[start] + end_logits[end])
            if score > best + 0.01:
                best, span = score, (start, end)
    return span


def right_flat_argmax(start_logits, end_logits, max_answer_length):
    length = len(start_logits)
    scores = start_logits.detach()[:, None] + end_logits.detach()[None, :]
    gap = torch.arange(length)[None, :] - torch.arange(length)[:, None]
    scores = scores.masked_fill((gap < 0) | (gap >= max_answer_length), -math.inf)
    places = (scores == scores.max()).nonzero()
    start, end = places[0].tolist()
    return start, end


def right_sorted(start_logits, end_logits, max_answer_length):
    starts, ends = start_logits.tolist(), end_logits.tolist()
    spans = []
    for length in range(1, max_answer_length + 1):
        for start in range(len(starts) - length + 1):
            spans.append((start, start + length - 1))
    return sorted(spans, key=lambda s: (-(starts[s[0]] + ends[s[1]]), s[0], s[1]))[0]
