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


@wrong("squeezed", message="One new token")
def squeezed(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q")
    mask = torch.ones(query_length, key_length, dtype=torch.bool).tril(key_length - query_length)
    return mask.squeeze()


@wrong("whole numbers", message="True and False")
def whole_numbers(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q")
    return torch.ones(query_length, key_length, dtype=torch.long).tril(key_length - query_length)


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


@right("last rows of the square")
def last_rows_of_the_square(query_length, key_length):
    if query_length > key_length or query_length < 1:
        raise ValueError("q")
    position = torch.arange(key_length)
    return position.ge(position.unsqueeze(1)).T[-query_length:]
