"""Held-out answers to exercise 8.2, `choose_submodel`."""

import math


def wrong_slowest_that_fits(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fast = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fast:
        raise ValueError("fastest: " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return max(fast, key=lambda c: (c["latency_ms"], c["quality"]))["name"]


def wrong_names_the_first(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fast = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fast:
        raise ValueError("fastest: " + candidates[0]["name"])
    return max(fast, key=lambda c: (c["quality"], -c["latency_ms"]))["name"]


def wrong_removes_while_walking(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fastest = min(candidates, key=lambda c: c["latency_ms"])["name"]
    left = list(candidates)
    for c in left:
        if c["latency_ms"] > latency_budget_ms:
            left.remove(c)
    if not left:
        raise ValueError("fastest: " + fastest)
    return max(left, key=lambda c: (c["quality"], -c["latency_ms"]))["name"]


def wrong_best_from_zero(candidates, latency_budget_ms):
    best, quality, latency = None, 0.0, 0.0
    for c in candidates:
        if c["latency_ms"] <= latency_budget_ms:
            if c["quality"] > quality or (c["quality"] == quality and c["latency_ms"] < latency):
                best, quality, latency = c["name"], c["quality"], c["latency_ms"]
    if best is None:
        if not candidates:
            raise ValueError("no candidates")
        raise ValueError("fastest: " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return best


def wrong_lookup_error(candidates, latency_budget_ms):
    if not candidates:
        raise LookupError("no candidates")
    fast = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fast:
        raise LookupError("fastest: " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return max(fast, key=lambda c: (c["quality"], -c["latency_ms"]))["name"]


def wrong_names_the_best(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fast = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fast:
        raise ValueError(
            "closest: " + max(candidates, key=lambda c: (-c["quality"], c["name"]))["name"]
        )
    return max(fast, key=lambda c: (c["quality"], -c["latency_ms"]))["name"]


def wrong_none_without_candidates(candidates, latency_budget_ms):
    if not candidates:
        return None
    fast = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fast:
        raise ValueError("fastest: " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return max(fast, key=lambda c: (c["quality"], -c["latency_ms"]))["name"]


def wrong_tie_by_name(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fast = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fast:
        raise ValueError("fastest: " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return sorted(fast, key=lambda c: (-c["quality"], c["name"]))[0]["name"]


def right_sorted(candidates, latency_budget_ms):
    by_latency = sorted(candidates, key=lambda c: c["latency_ms"])
    if not by_latency:
        raise ValueError("no candidates")
    best = None
    for c in by_latency:
        if c["latency_ms"] <= latency_budget_ms and (
            best is None or c["quality"] > best["quality"]
        ):
            best = c
    if best is None:
        raise ValueError(f"too slow: {by_latency[0]['name']} is the fastest")
    return best["name"]


def right_natural_errors(candidates, latency_budget_ms):
    fastest = min(candidates, key=lambda c: c["latency_ms"])
    if fastest["latency_ms"] > latency_budget_ms:
        raise ValueError(f"Even {fastest['name']} takes {fastest['latency_ms']} ms.")
    fits = [
        (-c["quality"], c["latency_ms"], c["name"])
        for c in candidates
        if not c["latency_ms"] > latency_budget_ms
    ]
    return min(fits)[2]


def right_pandas(candidates, latency_budget_ms):
    import pandas as pd

    if not candidates:
        raise ValueError("no candidates")
    table = pd.DataFrame(candidates)
    fits = table[table.latency_ms <= latency_budget_ms]
    if fits.empty:
        raise ValueError(
            f"none fits; the fastest is {table.loc[table.latency_ms.idxmin(), 'name']}"
        )
    return fits.sort_values(["quality", "latency_ms"], ascending=[False, True]).iloc[0]["name"]


def wrong_marks_candidates(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    for candidate in candidates:
        candidate["fits"] = candidate["latency_ms"] <= latency_budget_ms
    fitting = [c for c in candidates if c["fits"]]
    if not fitting:
        fastest = min(candidates, key=lambda c: c["latency_ms"])
        raise ValueError(f"none fits; the fastest is {fastest['name']}")
    return max(fitting, key=lambda c: (c["quality"], -c["latency_ms"]))["name"]


def wrong_best_from_minus_one(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    best, name, latency = -1.0, None, math.inf
    for c in candidates:
        if c["latency_ms"] > latency_budget_ms:
            continue
        if c["quality"] > best or (c["quality"] == best and c["latency_ms"] < latency):
            best, name, latency = c["quality"], c["name"], c["latency_ms"]
    if name is None:
        fastest = min(candidates, key=lambda c: c["latency_ms"])
        raise ValueError(f"none fits; the fastest is {fastest['name']}")
    return name


def wrong_quality_per_millisecond(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fitting = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fitting:
        fastest = min(candidates, key=lambda c: c["latency_ms"])
        raise ValueError(f"none fits; the fastest is {fastest['name']}")
    return max(fitting, key=lambda c: c["quality"] / c["latency_ms"])["name"]


def right_reduce(candidates, latency_budget_ms):
    from functools import reduce

    if len(candidates) == 0:
        raise ValueError("choose_submodel: no candidates")
    fastest = min(candidates, key=lambda c: c["latency_ms"])
    if fastest["latency_ms"] > latency_budget_ms:
        raise ValueError(f"choose_submodel: even {fastest['name']} is too slow")

    def better(a, b):
        if a["quality"] != b["quality"]:
            return a if a["quality"] > b["quality"] else b
        return b if b["latency_ms"] < a["latency_ms"] else a

    fitting = [c for c in candidates if not c["latency_ms"] > latency_budget_ms]
    return reduce(better, fitting)["name"]


def right_numpy(candidates, latency_budget_ms):
    import numpy as np

    if not candidates:
        raise ValueError("choose_submodel: no candidates")
    latencies = np.array([c["latency_ms"] for c in candidates], dtype=float)
    qualities = np.array([c["quality"] for c in candidates], dtype=float)
    names = [c["name"] for c in candidates]
    if not (latencies <= latency_budget_ms).any():
        raise ValueError(f"choose_submodel: the fastest is {names[latencies.argmin()]}")
    qualities = np.where(latencies <= latency_budget_ms, qualities, -np.inf)
    return names[np.lexsort((latencies, -qualities))[0]]
