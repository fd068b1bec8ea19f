"""Held-out answers to exercise 3.3, `layer_map`."""

import math

import torch


def wrong_equal_sizes_refused(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if not 1 <= M < N:
        raise ValueError("layers")
    maps = {"uniform": lambda m: m * N // M, "top": lambda m: N - M + m, "bottom": lambda m: m}
    if strategy not in maps:
        raise ValueError("strategy")
    return [maps[strategy](m) for m in range(1, M + 1)]


def wrong_checks_uniform_only(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if strategy == "uniform":
        if not 1 <= M <= N:
            raise ValueError("layers")
        return [m * N // M for m in range(1, M + 1)]
    if strategy == "top":
        return [N - M + m for m in range(1, M + 1)]
    if strategy == "bottom":
        return [m for m in range(1, M + 1)]
    raise ValueError("strategy")


def wrong_negative_layers(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if M == 0 or M > N:
        raise ValueError("layers")
    if strategy not in ("uniform", "top", "bottom"):
        raise ValueError("strategy")
    if strategy == "top":
        return list(range(N - M + 1, N + 1))
    if strategy == "bottom":
        return list(range(1, M + 1))
    return [m * N // M for m in range(1, M + 1)]


def wrong_key_error(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if not 1 <= M <= N:
        raise ValueError("layers")
    maps = {"uniform": lambda m: m * N // M, "top": lambda m: N - M + m, "bottom": lambda m: m}
    return [maps[strategy](m) for m in range(1, M + 1)]


def wrong_bottom_from_zero(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if not 1 <= M <= N:
        raise ValueError("layers")
    if strategy == "uniform":
        return [m * N // M for m in range(1, M + 1)]
    if strategy == "top":
        return list(range(1, N + 1))[-M:]
    if strategy == "bottom":
        return list(range(N))[:M]
    raise ValueError("strategy")


def wrong_divides_first(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if not 1 <= M <= N:
        raise ValueError("layers")
    if strategy == "uniform":
        return [int(m * (N / M)) for m in range(1, M + 1)]
    if strategy == "top":
        return list(range(N - M + 1, N + 1))
    if strategy == "bottom":
        return list(range(1, M + 1))
    raise ValueError("strategy")


def wrong_strategy_when_it_matters(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if not 1 <= M <= N:
        raise ValueError("layers")
    if M == N:
        return list(range(1, N + 1))
    maps = {"uniform": lambda m: m * N // M, "top": lambda m: N - M + m, "bottom": lambda m: m}
    if strategy not in maps:
        raise ValueError("strategy")
    return [maps[strategy](m) for m in range(1, M + 1)]


def right_ranges(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if M < 1 or M > N:
        raise ValueError(f"1 <= M <= {N}")
    match strategy:
        case "uniform":
            return [(m * N - m * N % M) // M for m in range(1, M + 1)]
        case "top":
            return list(range(1, N + 1))[N - M :]
        case "bottom":
            return list(range(1, N + 1))[:M]
        case _:
            raise ValueError(strategy)


def right_torch(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if not 0 < M <= N:
        raise ValueError("M")
    m = torch.arange(1, M + 1)
    if strategy == "top":
        m = m + N - M
    elif strategy == "uniform":
        m = torch.div(m * N, M, rounding_mode="floor")
    elif strategy != "bottom":
        raise ValueError("strategy")
    return m.tolist()


def right_through_kept_layers(num_student_layers, num_teacher_layers, strategy="uniform"):

    if strategy not in {"uniform", "top", "bottom"}:
        raise ValueError(f"unknown strategy {strategy!r}")
    if not 1 <= num_student_layers <= num_teacher_layers:
        raise ValueError("number of layers")
    if strategy == "uniform":
        M, N = num_student_layers, num_teacher_layers
        return [math.floor(m * N / M) for m in range(1, M + 1)]
    first = 1 if strategy == "bottom" else num_teacher_layers - num_student_layers + 1
    return [first + i for i in range(num_student_layers)]
