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


def wrong_no_layers_allowed(num_student_layers, num_teacher_layers, strategy="uniform"):
    m, n = num_student_layers, num_teacher_layers
    if m < 0 or m > n:
        raise ValueError(f"the student has 1 to {n} layers, got {m}")
    if strategy not in ("uniform", "top", "bottom"):
        raise ValueError(f"strategy is uniform, top or bottom, got {strategy}")
    if strategy == "uniform":
        return [i * n // m for i in range(1, m + 1)]
    return [i + (n - m if strategy == "top" else 0) for i in range(1, m + 1)]


def wrong_top_from_zero(num_student_layers, num_teacher_layers, strategy="uniform"):
    m, n = num_student_layers, num_teacher_layers
    if not 1 <= m <= n:
        raise ValueError(f"the student has 1 to {n} layers, got {m}")
    if strategy == "uniform":
        return [i * n // m for i in range(1, m + 1)]
    if strategy == "top":
        return list(range(n))[-m:]
    if strategy == "bottom":
        return list(range(1, m + 1))
    raise ValueError(f"strategy is uniform, top or bottom, got {strategy}")


def wrong_assertions(num_student_layers, num_teacher_layers, strategy="uniform"):
    m, n = num_student_layers, num_teacher_layers
    assert 1 <= m <= n, f"the student has 1 to {n} layers, got {m}"
    assert strategy in ("uniform", "top", "bottom"), "strategy is uniform, top or bottom"
    if strategy == "uniform":
        return [i * n // m for i in range(1, m + 1)]
    return [i + (n - m if strategy == "top" else 0) for i in range(1, m + 1)]


def right_match(num_student_layers, num_teacher_layers, strategy="uniform"):
    if num_student_layers not in range(1, num_teacher_layers + 1):
        raise ValueError(f"num_student_layers: 1 to {num_teacher_layers}")
    layers = range(1, num_student_layers + 1)
    match strategy:
        case "uniform":
            return [m * num_teacher_layers // num_student_layers for m in layers]
        case "top":
            return [num_teacher_layers - num_student_layers + m for m in layers]
        case "bottom":
            return [*layers]
        case _:
            raise ValueError("strategy: 'uniform', 'top' or 'bottom'")


def right_numpy(num_student_layers, num_teacher_layers, strategy="uniform"):
    import numpy as np

    if not 1 <= num_student_layers <= num_teacher_layers:
        raise ValueError(f"num_student_layers: 1 to {num_teacher_layers}")
    m = np.arange(1, num_student_layers + 1)
    maps = {
        "uniform": np.floor_divide(m * num_teacher_layers, num_student_layers),
        "top": m + num_teacher_layers - num_student_layers,
        "bottom": m,
    }
    if strategy not in maps:
        raise ValueError(f"strategy: one of {sorted(maps)}")
    return maps[strategy].tolist()
