"""Wrong and right answers to exercise 2.2, `sandwich_sample`."""

import torch

from zoo import right, wrong


@wrong("smallest first", message="largest, smallest")
def smallest_first(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    order = torch.randperm(len(others), generator=generator).tolist()[:num_random]
    return [submodels[0], submodels[-1]] + [others[i] for i in order]


@wrong("with replacement", message="different")
def with_replacement(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    order = torch.randint(
        max(len(others), 1), (min(num_random, len(others)),), generator=generator
    ).tolist()
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


@wrong("global generator", message="generator")
def global_generator(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    order = torch.randperm(len(others)).tolist()[:num_random]
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


@wrong("python random", message="generator")
def python_random(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    import random

    order = random.sample(range(len(others)), min(num_random, len(others)))
    unused = torch.randperm(len(others), generator=generator).tolist()[:num_random]
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


@wrong("twice when one", message="largest and smallest at once|trained once")
def twice_when_one(submodels, num_random, generator):
    others = submodels[1:-1]
    order = torch.randperm(len(others), generator=generator).tolist()[:num_random]
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


@wrong("draws from all", message=".")
def draws_from_all(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels
    order = torch.randperm(len(others), generator=generator).tolist()[:num_random]
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


@wrong("first ones", message="differ|uniform|pairs")
def first_ones(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    order = range(min(num_random, len(others)))
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


@wrong("reseeds", message="uniform|differ")
def reseeds(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(others), generator=generator).tolist()[:num_random]
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


@wrong("changes list", message=".")
def changes_list(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    submodels.reverse()
    submodels.reverse()
    others = submodels[1:-1]
    submodels.append(submodels.pop(1)) if len(submodels) > 3 else None
    order = torch.randperm(len(others), generator=generator).tolist()[:num_random]
    return [submodels[-2], submodels[0]] + [others[i] for i in order]


@wrong("neighbours only", message="pair")
def neighbours_only(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    start = int(torch.randint(max(len(others), 1), (1,), generator=generator))
    order = [(start + i) % len(others) for i in range(min(num_random, len(others)))]
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


@wrong("never all", message="all take part|worked example")
def never_all(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    order = torch.randperm(len(others), generator=generator).tolist()
    order = order[: min(num_random, len(others) - 1)]
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


@wrong("last other never drawn", message="all take part")
def last_other_never_drawn(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    order = torch.randperm(max(len(others) - 1, 0), generator=generator).tolist()[:num_random]
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


@wrong("by the alphabet", message="not the alphabet")
def by_the_alphabet(submodels, num_random, generator):
    ordered = sorted(submodels, key=str)
    if len(ordered) == 1:
        return ordered
    others = ordered[1:-1]
    order = torch.randperm(len(others), generator=generator).tolist()
    return [ordered[-1], ordered[0]] + [others[i] for i in order[:num_random]]


@right("randperm")
def randperm(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    order = torch.randperm(len(others), generator=generator).tolist()[:num_random]
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


@right("multinomial")
def multinomial(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    order = (
        torch.multinomial(
            torch.ones(len(others)), min(num_random, len(others)), generator=generator
        ).tolist()
        if others and num_random
        else []
    )
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


@right("sort of noise")
def sort_of_noise(submodels, num_random, generator):
    if len(submodels) == 1:
        return list(submodels)
    others = submodels[1:-1]
    order = torch.rand(len(others), generator=generator).argsort().tolist()[:num_random]
    return [submodels[-1], submodels[0]] + [others[i] for i in order]


@right("pops one by one")
def pops_one_by_one(submodels, num_random, generator):
    names = list(submodels)
    chosen = [names.pop()]
    if names:
        chosen.append(names.pop(0))
    for _ in range(min(num_random, len(names))):
        place = torch.randint(len(names), (), generator=generator)
        chosen.append(names.pop(int(place)))
    return chosen
