"""Wrong and right answers to exercise 6.1, `pareto_frontier`."""

import math

from zoo import right, wrong


@wrong("points not indices", message="indices")
def points_not_indices(points):
    best, out = -math.inf, []
    for c, q in sorted(points, key=lambda t: (t[0], -t[1])):
        if q > best:
            best = q
            out.append((c, q))
    return out


@wrong("unsorted", message="rising cost")
def unsorted(points):
    return [
        i
        for i, (c, q) in enumerate(points)
        if not any(
            (a <= c and b >= q and (a < c or b > q)) or ((a, b) == (c, q) and j < i)
            for j, (a, b) in enumerate(points)
        )
    ]


@wrong("keeps doubles", message="first stays")
def keeps_doubles(points):
    return sorted(
        (
            i
            for i, (c, q) in enumerate(points)
            if not any(a <= c and b >= q and (a < c or b > q) for a, b in points)
        ),
        key=lambda i: points[i][0],
    )


@wrong("drops doubles", message="worked example")
def drops_doubles(points):
    return sorted(
        (
            i
            for i, (c, q) in enumerate(points)
            if not any(a <= c and b >= q and j != i for j, (a, b) in enumerate(points))
        ),
        key=lambda i: points[i][0],
    )


@wrong("ties in cost", message="same cost")
def ties_in_cost(points):
    best, out = -math.inf, []
    for i in sorted(range(len(points)), key=lambda i: points[i][0]):
        if points[i][1] > best:
            best = points[i][1]
            out.append(i)
    return out


@wrong("low quality", message=".")
def low_quality(points):
    best, out = math.inf, []
    for i in sorted(range(len(points)), key=lambda i: points[i][0]):
        if points[i][1] < best:
            best = points[i][1]
            out.append(i)
    return out


@wrong("from zero", message="negative|expected")
def from_zero(points):
    best, out = 0, []
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if points[i][1] > best:
            best = points[i][1]
            out.append(i)
    return out


@wrong("not strict", message=".")
def not_strict(points):
    best, out = -math.inf, []
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if points[i][1] >= best:
            best = points[i][1]
            out.append(i)
    return out


@wrong("float indices", message="whole numbers")
def float_indices(points):
    best, out = -math.inf, []
    for _, q, i in sorted((c, -q, float(i)) for i, (c, q) in enumerate(points)):
        if -q > best:
            best = -q
            out.append(i)
    return out


@wrong("rounded", message="do not round")
def rounded(points):
    best, out = -math.inf, []
    near = [(round(c, 4), round(q, 4)) for c, q in points]
    for i in sorted(range(len(near)), key=lambda i: (near[i][0], -near[i][1])):
        if near[i][1] > best:
            best = near[i][1]
            out.append(i)
    return out


@right("sweep")
def sweep(points):
    best, out = -math.inf, []
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1], i)):
        if points[i][1] > best:
            best = points[i][1]
            out.append(i)
    return out


@right("all pairs")
def all_pairs(points):
    def beats(a, b):
        return a[0] <= b[0] and a[1] >= b[1] and a != b

    keep = [
        i
        for i, p in enumerate(points)
        if not any(beats(tuple(q), tuple(p)) for q in points) and list(points).index(p) == i
    ]
    return sorted(keep, key=lambda i: points[i][0])


@right("from the dearest back")
def from_the_dearest_back(points):
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1], i))
    kept = []
    for place in reversed(range(len(order))):
        quality = points[order[place]][1]
        if all(points[i][1] < quality for i in order[:place]):
            kept.insert(0, order[place])
    return tuple(kept)
