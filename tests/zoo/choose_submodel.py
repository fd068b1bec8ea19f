"""Wrong and right answers to exercise 8.2, `choose_submodel`."""

from zoo import right, wrong


@wrong("strict", message="fits exactly")
def strict(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fit = [c for c in candidates if c["latency_ms"] < latency_budget_ms]
    if not fit:
        raise ValueError("fastest is " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return sorted(fit, key=lambda c: (-c["quality"], c["latency_ms"]))[0]["name"]


@wrong("fastest", message=".")
def fastest(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fit = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fit:
        raise ValueError("fastest is " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return min(fit, key=lambda c: c["latency_ms"])["name"]


@wrong("best of all", message="only a fits")
def best_of_all(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fit = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fit:
        raise ValueError("fastest is " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return max(candidates, key=lambda c: c["quality"])["name"]


@wrong("over budget", message="over budget")
def over_budget(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fit = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fit:
        return min(candidates, key=lambda c: c["latency_ms"])["name"]
    return sorted(fit, key=lambda c: (-c["quality"], c["latency_ms"]))[0]["name"]


@wrong("nameless", message="name the fastest")
def nameless(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fit = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fit:
        raise ValueError("too slow")
    return sorted(fit, key=lambda c: (-c["quality"], c["latency_ms"]))[0]["name"]


@wrong("tie ignored", message="lowest latency")
def tie_ignored(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fit = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fit:
        raise ValueError("fastest is " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return max(fit, key=lambda c: c["quality"])["name"]


@wrong("slowest tie", message="lowest latency")
def slowest_tie(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fit = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fit:
        raise ValueError("fastest is " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return max(fit, key=lambda c: (c["quality"], c["latency_ms"]))["name"]


@wrong("returns dict", message=".")
def returns_dict(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fit = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fit:
        raise ValueError("fastest is " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return sorted(fit, key=lambda c: (-c["quality"], c["latency_ms"]))[0]


@wrong("empty index", message="No candidates")
def empty_index(candidates, latency_budget_ms):
    if not candidates:
        return ""
    fit = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fit:
        raise ValueError("fastest is " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return sorted(fit, key=lambda c: (-c["quality"], c["latency_ms"]))[0]["name"]


@wrong("sorts in place", message="changed")
def sorts_in_place(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    candidates.sort(key=lambda c: c["latency_ms"])
    fit = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fit:
        raise ValueError("fastest is " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return sorted(fit, key=lambda c: (-c["quality"], c["latency_ms"]))[0]["name"]


@wrong("whole milliseconds", message="Do not round latencies")
def whole_milliseconds(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fit = [c for c in candidates if int(c["latency_ms"]) <= latency_budget_ms]
    if not fit:
        raise ValueError("fastest is " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return sorted(fit, key=lambda c: (-c["quality"], c["latency_ms"]))[0]["name"]


@wrong("whole percents", message="Do not round qualities")
def whole_percents(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fit = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fit:
        raise ValueError("fastest is " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return sorted(fit, key=lambda c: (-round(c["quality"], 2), c["latency_ms"]))[0]["name"]


@wrong("names the poorest", message="fastest is m2")
def names_the_poorest(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fast = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fast:
        raise ValueError(
            "closest: " + max(candidates, key=lambda c: (-c["quality"], c["name"]))["name"]
        )
    return max(fast, key=lambda c: (c["quality"], -c["latency_ms"]))["name"]


@wrong("tie by name", message="whatever the names")
def tie_by_name(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fast = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fast:
        raise ValueError("fastest: " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return sorted(fast, key=lambda c: (-c["quality"], c["name"]))[0]["name"]


@right("sorted")
def by_sorted(candidates, latency_budget_ms):
    if not candidates:
        raise ValueError("no candidates")
    fit = [c for c in candidates if c["latency_ms"] <= latency_budget_ms]
    if not fit:
        raise ValueError("fastest is " + min(candidates, key=lambda c: c["latency_ms"])["name"])
    return sorted(fit, key=lambda c: (-c["quality"], c["latency_ms"]))[0]["name"]


@right("loop")
def loop(candidates, latency_budget_ms):
    if len(candidates) == 0:
        raise ValueError("no candidates")
    best = None
    for c in candidates:
        if c["latency_ms"] > latency_budget_ms:
            continue
        if (
            best is None
            or c["quality"] > best["quality"]
            or (c["quality"] == best["quality"] and c["latency_ms"] < best["latency_ms"])
        ):
            best = c
    if best is None:
        raise ValueError(f"fastest: {min(candidates, key=lambda c: c['latency_ms'])['name']}")
    return best["name"]


@right("sorts twice")
def sorts_twice(candidates, latency_budget_ms):
    by_speed = sorted(candidates, key=lambda c: c["latency_ms"])
    if not by_speed:
        raise ValueError("no candidates")
    by_quality = sorted(by_speed, key=lambda c: c["quality"], reverse=True)
    for c in by_quality:
        if c["latency_ms"] <= latency_budget_ms:
            return c["name"]
    raise ValueError(f"none fits; {by_speed[0]['name']} is the fastest")
