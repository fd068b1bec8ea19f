"""Wrong and right answers to exercise 3.3, `layer_map`."""

import math

from zoo import right, wrong


@wrong("from zero", message="count from 1")
def from_zero(num_student_layers, num_teacher_layers, strategy="uniform"):
    return [
        m * num_teacher_layers // num_student_layers - 1 for m in range(1, num_student_layers + 1)
    ]


@wrong("ignores strategy", message="top: the last layers")
def ignores_strategy(num_student_layers, num_teacher_layers, strategy="uniform"):
    return [m * num_teacher_layers // num_student_layers for m in range(1, num_student_layers + 1)]


@wrong("fixed step", message="fixed step")
def fixed_step(num_student_layers, num_teacher_layers, strategy="uniform"):
    k = num_teacher_layers // num_student_layers
    M, N = num_student_layers, num_teacher_layers
    return {
        "uniform": [k * m for m in range(1, M + 1)],
        "top": list(range(N - M + 1, N + 1)),
        "bottom": list(range(1, M + 1)),
    }[strategy]


@wrong("missing one", message="worked example")
def missing_one(num_student_layers, num_teacher_layers, strategy="uniform"):
    return list(range(1, num_student_layers))


@wrong("takes any strategy", message=r"'middle'\): this should raise ValueError")
def takes_any_strategy(num_student_layers, num_teacher_layers, strategy="uniform"):
    if not 1 <= num_student_layers <= num_teacher_layers:
        raise ValueError("M")
    layers = range(1, num_student_layers + 1)
    if strategy == "top":
        return [num_teacher_layers - num_student_layers + m for m in layers]
    if strategy == "bottom":
        return list(layers)
    return [m * num_teacher_layers // num_student_layers for m in layers]


@wrong("floats at the top", message="not 2.0")
def floats_at_the_top(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if not 1 <= M <= N or strategy not in ("uniform", "top", "bottom"):
        raise ValueError("M")
    if strategy == "uniform":
        return [m * N // M for m in range(1, M + 1)]
    start = N - M if strategy == "top" else 0
    return [start + m / M * M for m in range(1, M + 1)]


@wrong("rounded step", message="multiply by m first")
def rounded_step(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if not 1 <= M <= N or strategy not in ("uniform", "top", "bottom"):
        raise ValueError("M")
    start, step = {"uniform": (0, N / M), "top": (N - M, 1), "bottom": (0, 1)}[strategy]
    return [start + math.floor(m * step) for m in range(1, M + 1)]


@wrong("strategy looked at when it matters", message="should raise ValueError")
def strategy_when_it_matters(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if not 1 <= M <= N:
        raise ValueError("layers")
    if M == N:
        return list(range(1, N + 1))
    maps = {"uniform": lambda m: m * N // M, "top": lambda m: N - M + m, "bottom": lambda m: m}
    if strategy not in maps:
        raise ValueError("strategy")
    return [maps[strategy](m) for m in range(1, M + 1)]


@right("chain")
def chain(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if M < 1 or M > N:
        raise ValueError("M")
    if strategy not in ("uniform", "top", "bottom"):
        raise ValueError("s")
    out = []
    for m in range(1, M + 1):
        if strategy == "uniform":
            out.append(int(m * N / M))
        elif strategy == "top":
            out.append(N - M + m)
        else:
            out.append(m)
    return out


@right("tables of all strategies")
def tables_of_all_strategies(num_student_layers, num_teacher_layers, strategy="uniform"):
    if num_student_layers not in range(1, num_teacher_layers + 1):
        raise ValueError("M")
    every_layer = list(range(1, num_teacher_layers + 1))
    tables = {
        "uniform": [
            math.floor(num_teacher_layers * m / num_student_layers)
            for m in every_layer[:num_student_layers]
        ],
        "top": every_layer[-num_student_layers:],
        "bottom": every_layer[:num_student_layers],
    }
    if strategy not in tables:
        raise ValueError("strategy")
    return tables[strategy]


@right("whole steps and rests")
def whole_steps_and_rests(num_student_layers, num_teacher_layers, strategy="uniform"):
    M, N = num_student_layers, num_teacher_layers
    if not 1 <= M <= N:
        raise ValueError("M")
    match strategy:
        case "uniform":
            return [m * (N // M) + m * (N % M) // M for m in range(1, M + 1)]
        case "top":
            return list(range(N + 1))[-M:]
        case "bottom":
            return [m + 1 for m in range(M)]
    raise ValueError("strategy")
