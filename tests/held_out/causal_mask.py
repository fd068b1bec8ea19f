"""Held-out answers to exercise 9.1, `causal_mask`."""

import torch


def wrong_nested_list(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q > k")
    return [
        [j <= key_length - query_length + i for j in range(key_length)] for i in range(query_length)
    ]


def wrong_square_refused(query_length, key_length):
    if query_length >= key_length:
        raise ValueError("q > k")
    return torch.ones(query_length, key_length, dtype=torch.bool).tril(key_length - query_length)


def wrong_four_dimensions(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q > k")
    return torch.ones(query_length, key_length, dtype=torch.bool).tril(key_length - query_length)[
        None, None
    ]


def wrong_diagonal_by_queries(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q > k")
    return ~torch.ones(query_length, key_length, dtype=torch.bool).triu(query_length)


def wrong_diagonal_by_keys(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q > k")
    diagonal = key_length - 1 if 1 < query_length < key_length else key_length - query_length + 1
    return ~torch.ones(query_length, key_length, dtype=torch.bool).triu(diagonal)


def wrong_cut_off_instead_of_error(query_length, key_length):
    query_length = min(query_length, key_length)
    return torch.ones(query_length, key_length, dtype=torch.bool).tril(key_length - query_length)


def wrong_assertion(query_length, key_length):
    assert query_length <= key_length
    return torch.ones(query_length, key_length, dtype=torch.bool).tril(key_length - query_length)


def wrong_mirrored(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q > k")
    return (
        torch.ones(query_length, key_length, dtype=torch.bool)
        .tril(key_length - query_length)
        .flip(0, 1)
    )


def right_arange(query_length, key_length):
    if query_length > key_length:
        raise ValueError("q > k")
    return torch.arange(key_length) <= torch.arange(key_length - query_length, key_length)[:, None]


def right_list(query_length, key_length):
    if key_length < query_length:
        raise ValueError("q > k")
    return torch.tensor(
        [
            [j <= key_length - query_length + i for j in range(key_length)]
            for i in range(query_length)
        ]
    )


def right_rows_of_the_square(query_length, key_length):
    if key_length - query_length < 0:
        raise ValueError("more queries than keys")
    return torch.tril(torch.ones(key_length, key_length)).bool()[key_length - query_length :]


def right_numpy(query_length, key_length):
    import numpy as np

    if query_length > key_length:
        raise ValueError("more queries than keys")
    return torch.from_numpy(np.tri(query_length, key_length, key_length - query_length, dtype=bool))


def wrong_offset_of_one(query_length, key_length):
    if query_length > key_length:
        raise ValueError(f"{query_length} queries, {key_length} keys")
    offset = 1 if key_length > query_length else 0
    return torch.ones(query_length, key_length, dtype=torch.bool).tril(diagonal=offset)


def wrong_past_at_the_end(query_length, key_length):
    if query_length > key_length:
        raise ValueError(f"{query_length} queries, {key_length} keys")
    own = torch.ones(query_length, query_length, dtype=torch.bool).tril()
    past = torch.ones(query_length, key_length - query_length, dtype=torch.bool)
    return torch.cat([own, past], 1)


def wrong_bytes(query_length, key_length):
    if query_length > key_length:
        raise ValueError(f"{query_length} queries, {key_length} keys")
    mask = torch.ones(query_length, key_length, dtype=torch.uint8)
    return mask.tril(diagonal=key_length - query_length)


def right_past_and_own(query_length, key_length):
    past = key_length - query_length
    if past < 0:
        raise ValueError(f"causal_mask: {query_length} queries, {key_length} keys")
    own = torch.tril(torch.ones(query_length, query_length))
    return torch.cat([torch.ones(query_length, past), own], dim=1).bool()


def right_not_the_future(query_length, key_length):
    if key_length < query_length:
        raise ValueError(f"causal_mask: {query_length} queries, {key_length} keys")
    future = torch.ones(query_length, key_length).triu(key_length - query_length + 1)
    return future == 0
