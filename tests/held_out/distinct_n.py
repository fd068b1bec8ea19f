"""Held-out answers to exercise 9.3, `distinct_n`."""

import torch


def wrong_exactly_n_is_too_short(token_ids, n):
    if len(token_ids) <= n:
        return 0.0
    grams = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    return len(set(grams)) / len(grams)


def wrong_pairs_only(token_ids, n):
    if len(token_ids) < n:
        return 0.0
    if n == 1:
        return len(set(token_ids)) / len(token_ids)
    grams = list(zip(token_ids, token_ids[1:]))
    return len(set(grams)) / len(grams)


def wrong_remembers_grams(token_ids, n):
    seen = globals().setdefault("_grams", set())
    if len(token_ids) < n:
        return 0.0
    grams = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    new = {g for g in grams if (n, g, len(token_ids)) not in seen}
    seen |= {(n, g, len(token_ids)) for g in grams}
    return len(new) / len(grams)


def wrong_wraps_around(token_ids, n):
    if len(token_ids) < n:
        return 0.0
    ring = list(token_ids) + list(token_ids[: n - 1])
    grams = [tuple(ring[i : i + n]) for i in range(len(token_ids))]
    return len(set(grams)) / len(grams)


def wrong_once_only(token_ids, n):
    from collections import Counter

    if len(token_ids) < n:
        return 0.0
    counts = Counter(tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1))
    return sum(1 for c in counts.values() if c == 1) / sum(counts.values())


def wrong_rounded(token_ids, n):
    if len(token_ids) < n:
        return 0.0
    grams = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    return round(len(set(grams)) / len(grams), 4)


def wrong_first_and_last(token_ids, n):
    if len(token_ids) < n:
        return 0.0
    grams = [(token_ids[i], token_ids[i + n - 1]) for i in range(len(token_ids) - n + 1)]
    return len(set(grams)) / len(grams)


def wrong_neighbouring_repeats_only(token_ids, n):
    if len(token_ids) < n:
        return 0.0
    grams = sorted(tuple(sorted(token_ids[i : i + n])) for i in range(len(token_ids) - n + 1))
    if n == 2:
        grams = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    return len(set(grams)) / len(grams)


def right_zip(token_ids, n):
    grams = list(zip(*(token_ids[i:] for i in range(n))))
    return len(set(grams)) / len(grams) if grams else 0.0


def right_unfold(token_ids, n):
    if len(token_ids) < n:
        return 0.0
    grams = torch.tensor(token_ids).unfold(0, n, 1)
    return len(torch.unique(grams, dim=0)) / len(grams)


def right_loop(token_ids, n):
    seen, total = [], 0
    for start in range(len(token_ids)):
        gram = list(token_ids[start : start + n])
        if len(gram) == n:
            total += 1
            if gram not in seen:
                seen.append(gram)
    return len(seen) / max(total, 1)


def right_deque(token_ids, n):
    from collections import Counter, deque

    window, counts = deque(maxlen=n), Counter()
    for token in token_ids:
        window.append(token)
        if len(window) == n:
            counts[tuple(window)] += 1
    return len(counts) / counts.total() if counts else 0.0


def wrong_eats_the_text(token_ids, n):
    grams = []
    while len(token_ids) >= n:
        grams.append(tuple(token_ids[:n]))
        token_ids.pop(0)
    return len(set(grams)) / len(grams) if grams else 0.0


def wrong_kinds_that_repeat(token_ids, n):
    grams = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    if not grams:
        return 0.0
    repeated = {gram for gram in grams if grams.count(gram) > 1}
    return (len(grams) - len(repeated)) / len(grams)


def wrong_zero_is_padding(token_ids, n):
    grams = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    grams = [gram for gram in grams if all(gram)]
    return len(set(grams)) / len(grams) if grams else 0.0


def right_counter(token_ids, n):
    from collections import Counter

    grams = Counter()
    for end in range(n, len(token_ids) + 1):
        grams[tuple(token_ids[end - n : end])] += 1
    return len(grams) / sum(grams.values()) if grams else 0.0


def right_sliding_windows(token_ids, n):
    import numpy as np

    if len(token_ids) < n:
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(np.array(token_ids), n)
    return len(np.unique(windows, axis=0)) / len(windows)
