"""Wrong and right answers to exercise 9.1, `causal_mask`."""

import torch

from zoo import right, wrong


@wrong("top left", message="LAST q")
def top_left(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q")
    return torch.ones(query_length, key_length).tril().bool()


@wrong("forbidden", message="allowed, not forbidden")
def forbidden(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q")
    return ~torch.ones(query_length, key_length).tril(key_length - query_length).bool()


@wrong("not itself", message="worked example|diagonal")
def not_itself(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q")
    return torch.ones(query_length, key_length).tril(key_length - query_length - 1).bool()


@wrong("peeks", message=".")
def peeks(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q")
    return torch.ones(query_length, key_length).tril(key_length - query_length + 1).bool()


@wrong("floats", message="True and False")
def floats(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q")
    return torch.ones(query_length, key_length).tril(key_length - query_length)


@wrong("transposed", message=".")
def transposed(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q")
    return torch.ones(key_length, query_length).tril().bool()


@wrong("no check", message="should raise ValueError")
def no_check(query_length, key_length):
    return torch.ones(query_length, key_length).tril(key_length - query_length).bool()


@right("tril")
def tril(query_length, key_length):
    if not 1 <= query_length <= key_length:
        raise ValueError("q")
    return torch.ones(query_length, key_length, dtype=torch.bool).tril(key_length - query_length)


@right("loops")
def loops(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q")
    return torch.tensor(
        [
            [j <= key_length - query_length + i for j in range(key_length)]
            for i in range(query_length)
        ]
    )
