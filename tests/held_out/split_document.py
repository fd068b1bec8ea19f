"""Held-out answers to exercise 5.1, `split_document`."""

import math

import torch


def wrong_last_window_moved_back(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    windows, n = [], len(token_ids)
    for start in range(0, n, stride):
        if start + max_length >= n:
            windows.append(token_ids[max(0, n - max_length) :])
            break
        windows.append(token_ids[start : start + max_length])
    return windows


def wrong_padded(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    windows = []
    for start in range(0, len(token_ids), stride):
        window = token_ids[start : start + max_length]
        windows.append(window + [0] * (max_length - len(window)))
        if start + max_length >= len(token_ids):
            break
    return windows


def wrong_short_document_lost(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    if not token_ids:
        return []
    k = 1 + math.ceil((len(token_ids) - max_length) / stride)
    return [token_ids[j * stride : j * stride + max_length] for j in range(k)]


def wrong_range_checks_stride(token_ids, max_length, stride):
    if stride > max_length:
        raise ValueError("stride")
    windows = []
    for start in range(0, len(token_ids), stride):
        windows.append(token_ids[start : start + max_length])
        if start + max_length >= len(token_ids):
            break
    return windows


def wrong_stride_is_overlap(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    windows = []
    for start in range(0, len(token_ids), max(1, max_length - stride)):
        windows.append(token_ids[start : start + max_length])
        if start + max_length >= len(token_ids):
            break
    return windows


def wrong_full_stride_refused(token_ids, max_length, stride):
    if not 1 <= stride < max_length:
        raise ValueError("stride")
    windows = []
    for start in range(0, len(token_ids), stride):
        windows.append(token_ids[start : start + max_length])
        if start + max_length >= len(token_ids):
            break
    return windows


def wrong_eats_the_document(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    windows = []
    while token_ids:
        windows.append(token_ids[:max_length])
        if len(token_ids) <= max_length:
            break
        del token_ids[:stride]
    return windows


def wrong_whole_division(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")
    if not token_ids:
        return []
    k = 1 + max(0, (len(token_ids) - max_length) // stride + 1)
    return [token_ids[j * stride : j * stride + max_length] for j in range(k)]


def wrong_checks_only_long_documents(token_ids, max_length, stride):
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


def right_formula(token_ids, max_length, stride):
    if stride < 1 or stride > max_length:
        raise ValueError("stride")
    n = len(token_ids)
    if n == 0:
        return []
    k = 1 + max(0, -(-(n - max_length) // stride))
    return [list(token_ids[j * stride : j * stride + max_length]) for j in range(k)]


def right_while(token_ids, max_length, stride):
    if stride not in range(1, max_length + 1):
        raise ValueError("stride")
    rest, windows = list(token_ids), []
    while rest:
        windows.append(rest[:max_length])
        rest = rest[stride:] if len(rest) > max_length else []
    return windows


def right_torch_unfold(token_ids, max_length, stride):
    if not 0 < stride <= max_length:
        raise ValueError("stride")
    n = len(token_ids)
    if n <= max_length:
        return [token_ids[:]] if n else []
    full = torch.tensor(token_ids).unfold(0, max_length, stride).tolist()
    end = (len(full) - 1) * stride + max_length
    if end < n:
        full.append(token_ids[len(full) * stride :])
    return full


def right_generator(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError("stride")

    def windows(start):
        while start < len(token_ids):
            yield token_ids[start : start + max_length]
            if start + max_length >= len(token_ids):
                return
            start += stride

    return [*windows(0)]


def wrong_shortens_the_stride(token_ids, max_length, stride):
    stride = min(max(stride, 1), max_length)
    windows = []
    for begin in range(0, len(token_ids), stride):
        windows.append(token_ids[begin : begin + max_length])
        if begin + max_length >= len(token_ids):
            break
    return windows


def wrong_drops_equal_windows(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError(f"stride: 1 to {max_length}, got {stride}")
    windows = []
    for begin in range(0, len(token_ids), stride):
        window = token_ids[begin : begin + max_length]
        if window not in windows:
            windows.append(window)
        if begin + max_length >= len(token_ids):
            break
    return windows


def wrong_zero_is_padding(token_ids, max_length, stride):
    if not 1 <= stride <= max_length:
        raise ValueError(f"stride: 1 to {max_length}, got {stride}")
    token_ids = [token for token in token_ids if token]
    windows = []
    for begin in range(0, len(token_ids), stride):
        windows.append(token_ids[begin : begin + max_length])
        if begin + max_length >= len(token_ids):
            break
    return windows


def right_rest(token_ids, max_length, stride):
    if stride < 1 or stride > max_length:
        raise ValueError(f"stride: 1 to {max_length}, got {stride}")
    rest, windows = list(token_ids), []
    while rest:
        windows.append(rest[:max_length])
        rest = rest[stride:] if len(rest) > max_length else []
    return windows


def right_new_tokens_only(token_ids, max_length, stride):
    if stride not in range(1, max_length + 1):
        raise ValueError(f"stride: 1 to {max_length}, got {stride}")
    n = len(token_ids)
    begins = [b for b in range(0, n, stride) if b == 0 or b - stride + max_length < n]
    return [[token_ids[i] for i in range(b, min(n, b + max_length))] for b in begins]
