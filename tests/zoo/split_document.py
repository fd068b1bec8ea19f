"""Wrong and right answers to exercise 5.1, `split_document`."""

import math

from zoo import right, wrong


@wrong("one too many", message="one window too many")
def one_too_many(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    return [token_ids[i : i + max_length] for i in range(0, len(token_ids), stride)]


@wrong("drops the tail", message="short document|no window|reach the end")
def drops_the_tail(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    return [
        token_ids[i : i + max_length] for i in range(0, len(token_ids) - max_length + 1, stride)
    ]


@wrong("ignores stride", message="worked example")
def ignores_stride(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    return [token_ids[i : i + max_length] for i in range(0, len(token_ids), max_length)]


@wrong("stride is overlap", message="worked example")
def stride_is_overlap(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    out, i = [], 0
    while i < len(token_ids):
        out.append(token_ids[i : i + max_length])
        if i + max_length >= len(token_ids):
            break
        i += max(1, max_length - stride)
    return out


@wrong("empty window", message="empty document")
def empty_window(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    out, i = [], 0
    while True:
        out.append(token_ids[i : i + max_length])
        if i + max_length >= len(token_ids):
            return out
        i += stride


@wrong("shifted last", message="starts at")
def shifted_last(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    out, i = [], 0
    while i < len(token_ids):
        if i + max_length >= len(token_ids):
            out.append(token_ids[-max_length:])
            break
        out.append(token_ids[i : i + max_length])
        i += stride
    return out


@wrong("no check", message="should raise ValueError")
def no_check(token_ids, max_length, stride):
    out, i = [], 0
    while i < len(token_ids) and stride > 0:
        out.append(token_ids[i : i + max_length])
        if i + max_length >= len(token_ids):
            break
        i += stride
    return out


@wrong("end by token", message="looks like the last")
def end_by_token(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    out = []
    for i in range(0, len(token_ids), stride):
        out.append(token_ids[i : i + max_length])
        if out[-1][-1] == token_ids[-1]:
            break
    return out


@wrong("strictly past the end", message="stop at the first|one window too many")
def strictly_past_the_end(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    out = []
    for i in range(0, len(token_ids), stride):
        out.append(token_ids[i : i + max_length])
        if i + max_length > len(token_ids):
            break
    return out


@wrong("checks long documents only", message="one window is enough")
def checks_long_documents_only(token_ids, max_length, stride):
    if len(token_ids) <= max_length:
        return [token_ids[:]] if token_ids else []
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    windows = []
    for start in range(0, len(token_ids), stride):
        windows.append(token_ids[start : start + max_length])
        if start + max_length >= len(token_ids):
            break
    return windows


@right("while")
def by_while(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    out, i = [], 0
    while i < len(token_ids):
        out.append(token_ids[i : i + max_length])
        if i + max_length >= len(token_ids):
            break
        i += stride
    return out


@right("count first")
def count_first(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    n = len(token_ids)
    count = 0 if n == 0 else 1 + max(0, math.ceil((n - max_length) / stride))
    return [list(token_ids[j * stride : j * stride + max_length]) for j in range(count)]


@right("recursion")
def recursion(token_ids, max_length, stride):
    if stride < 1 or stride > max_length:
        raise ValueError("stride")

    def windows_from(start):
        window = list(token_ids[start : start + max_length])
        if start + max_length >= len(token_ids):
            return [window]
        return [window, *windows_from(start + stride)]

    return windows_from(0) if token_ids else []
