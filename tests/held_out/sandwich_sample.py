"""Held-out answers to exercise 2.2, `sandwich_sample`."""

import torch


def wrong_zero_means_all(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    order = torch.randperm(len(others), generator=generator).tolist()
    drawn = [others[i] for i in order]
    if num_random:
        drawn = drawn[:num_random]
    return [submodels[-1], submodels[0], *drawn]


def wrong_two_as_they_are(submodels, num_random, generator):
    if len(submodels) <= 2:
        return list(submodels)
    others = submodels[1:-1]
    order = torch.randperm(len(others), generator=generator).tolist()
    return [submodels[-1], submodels[0]] + [others[i] for i in order[:num_random]]


def wrong_larger_more_often(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    n = min(num_random, len(others))
    if n == 0:
        return [submodels[-1], submodels[0]]
    w = torch.arange(1.0, len(others) + 1)
    order = torch.multinomial(w, n, replacement=False, generator=generator).tolist()
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


def wrong_sorts(submodels, num_random, generator):
    ordered = sorted(submodels, key=str)
    if len(ordered) == 1:
        return ordered
    others = ordered[1:-1]
    order = torch.randperm(len(others), generator=generator).tolist()
    return [ordered[-1], ordered[0]] + [others[i] for i in order[:num_random]]


def wrong_ends_drawn_are_lost(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    if num_random >= len(submodels) - 2:
        return [submodels[-1], submodels[0], *submodels[1:-1]]
    order = torch.randperm(len(submodels), generator=generator).tolist()[:num_random]
    drawn = [submodels[i] for i in order if 0 < i < len(submodels) - 1]
    return [submodels[-1], submodels[0], *drawn]


def wrong_no_variety_in_order(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = list(submodels[1:-1])
    drawn = []
    for _ in range(min(num_random, len(others))):
        i = int(torch.rand((), generator=generator) * (len(others) - 1) + 0.5)
        drawn.append(others.pop(i))
    return [submodels[-1], submodels[0], *drawn]


def wrong_also_seeds_globally(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    torch.manual_seed(generator.initial_seed())
    others = submodels[1:-1]
    order = torch.randperm(len(others)).tolist()
    return [submodels[-1], submodels[0]] + [others[i] for i in order[:num_random]]


def wrong_error_when_too_few(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    if num_random > len(others):
        raise ValueError("too few")
    order = torch.randperm(len(others), generator=generator).tolist()
    return [submodels[-1], submodels[0]] + [others[i] for i in order[:num_random]]


def right_permutes_all(submodels, num_random, generator):
    n = len(submodels)
    if n == 1:
        return [submodels[0]]
    inner = [i for i in torch.randperm(n, generator=generator).tolist() if i not in (0, n - 1)]
    return [submodels[-1], submodels[0]] + [submodels[i] for i in inner[:num_random]]


def right_python_random_seeded_by_generator(submodels, num_random, generator):
    import random

    if len(submodels) == 1:
        return submodels[:]
    seed = int(torch.randint(2**62, (1,), generator=generator))
    others = submodels[1:-1]
    return [
        submodels[-1],
        submodels[0],
        *random.Random(seed).sample(others, min(num_random, len(others))),
    ]


def right_multinomial(submodels, num_random, generator):
    *rest, largest = submodels
    if not rest:
        return [largest]
    smallest, *others = rest
    if num_random >= len(others):
        return [largest, smallest, *others]
    if num_random == 0:
        return [largest, smallest]
    picked = torch.multinomial(torch.ones(len(others)), num_random, generator=generator)
    return [largest, smallest, *(others[i] for i in picked)]


def right_smallest_keys(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    keys = torch.rand(len(submodels) - 2, generator=generator, dtype=torch.float64)
    chosen = sorted(torch.argsort(keys)[:num_random].tolist())
    return [submodels[-1], submodels[0]] + [submodels[1 + i] for i in chosen]


def wrong_shuffles_all_globally(submodels, num_random, generator):
    others = submodels[1:-1]
    ends = [submodels[-1]] + ([submodels[0]] if len(submodels) > 1 else [])
    if num_random >= len(others):
        order = torch.randperm(len(others))
    else:
        order = torch.randperm(len(others), generator=generator)
    return ends + [others[i] for i in order[:num_random]]


def wrong_rounded_index(submodels, num_random, generator):
    others = list(submodels[1:-1])
    ends = [submodels[-1]] + ([submodels[0]] if len(submodels) > 1 else [])
    drawn = []
    while others and len(drawn) < num_random:
        place = torch.rand(1, generator=generator).item() * (len(others) - 1)
        drawn.append(others.pop(round(place)))
    return ends + drawn


def wrong_naive_shuffle(submodels, num_random, generator):
    others = list(submodels[1:-1])
    ends = [submodels[-1]] + ([submodels[0]] if len(submodels) > 1 else [])
    for i in range(len(others)):
        j = int(torch.randint(len(others), (1,), generator=generator))
        others[i], others[j] = others[j], others[i]
    return ends + others[:num_random]


def right_rejection(submodels, num_random, generator):
    if len(submodels) == 1:
        return [submodels[0]]
    count = min(num_random, len(submodels) - 2)
    places = []
    while len(places) < count:
        place = torch.randint(1, len(submodels) - 1, (), generator=generator).item()
        if place not in places:
            places.append(place)
    return [submodels[-1], submodels[0], *(submodels[p] for p in places)]


def right_reservoir(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    kept = []
    for seen, sub_model in enumerate(submodels[1:-1]):
        if seen < num_random:
            kept.append(sub_model)
            continue
        place = int(torch.randint(0, seen + 1, (1,), generator=generator))
        if place < num_random:
            kept[place] = sub_model
    return [submodels[-1], submodels[0]] + kept
