"""Wrong and right answers to exercise 9.3, `distinct_n`."""

from zoo import right, wrong


@wrong("by tokens", message="not of tokens")
def by_tokens(token_ids, n):
    g = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    return len(set(g)) / len(token_ids) if g else 0.0


@wrong("count", message="2/3")
def count(token_ids, n):
    g = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    return float(len(set(g)))


@wrong("blocks", message="2/3")
def blocks(token_ids, n):
    g = [tuple(token_ids[i : i + n]) for i in range(0, len(token_ids) - n + 1, n)]
    return len(set(g)) / len(g) if g else 0.0


@wrong("bags", message="2/3")
def bags(token_ids, n):
    g = [tuple(sorted(token_ids[i : i + n])) for i in range(len(token_ids) - n + 1)]
    return len(set(g)) / len(g) if g else 0.0


@wrong("short divides", message="ZeroDivision")
def short_divides(token_ids, n):
    g = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    return len(set(g)) / len(g)


@wrong("short is one", message="shorter than n")
def short_is_one(token_ids, n):
    g = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    return len(set(g)) / len(g) if g else 1.0


@wrong("tail too", message=".")
def tail_too(token_ids, n):
    g = [tuple(token_ids[i : i + n]) for i in range(len(token_ids))]
    return len(set(g)) / len(g) if len(token_ids) >= n else 0.0


@wrong("digits joined", message="joined")
def digits_joined(token_ids, n):
    g = ["".join(map(str, token_ids[i : i + n])) for i in range(len(token_ids) - n + 1)]
    return len(set(g)) / len(g) if g else 0.0


@wrong("packed into one number", message="told apart")
def packed_into_one_number(token_ids, n):
    g = [
        sum(token * 1000**place for place, token in enumerate(token_ids[i : i + n]))
        for i in range(len(token_ids) - n + 1)
    ]
    return len(set(g)) / len(g) if g else 0.0


@right("slices")
def slices(token_ids, n):
    g = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    return len(set(g)) / len(g) if g else 0.0


@right("zip")
def by_zip(token_ids, n):
    g = list(zip(*(token_ids[i:] for i in range(n))))
    return len(set(g)) / max(1, len(g))


@right("digits joined with a separator")
def digits_joined_with_a_separator(token_ids, n):
    seen, total = set(), 0
    for end in range(n, len(token_ids) + 1):
        seen.add(" ".join(str(token) for token in token_ids[end - n : end]))
        total += 1
    return len(seen) / total if total else 0.0
