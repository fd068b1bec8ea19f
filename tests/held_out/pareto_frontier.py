"""Held-out answers to exercise 6.1, `pareto_frontier`."""

import math


def wrong_last_of_equals(points):
    index = {tuple(p): i for i, p in enumerate(points)}
    kept, best = [], -math.inf
    for cost, quality in sorted(index, key=lambda p: (p[0], -p[1])):
        if quality > best:
            kept.append(index[(cost, quality)])
            best = quality
    return kept


def wrong_convex_hull(points):
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    hull = []
    for i in order:
        if hull and points[i][1] <= points[hull[-1]][1]:
            continue
        while len(hull) >= 2:
            (a, b), (c, d), (e, f) = points[hull[-2]], points[hull[-1]], points[i]
            if (d - b) * (e - a) <= (f - b) * (c - a):
                hull.pop()
            else:
                break
        hull.append(i)
    return hull


def wrong_sorts_points(points):
    original = list(points)
    points.sort(key=lambda p: (p[0], -p[1]))
    kept, best = [], -math.inf
    for p in points:
        if p[1] > best:
            kept.append(original.index(p))
            best = p[1]
    return kept


def wrong_best_of_each_cost(points):
    best = {}
    for i, (cost, quality) in enumerate(points):
        if cost not in best or quality > points[best[cost]][1]:
            best[cost] = i
    top = max(q for _, q in points) if points else 0
    kept = [best[c] for c in sorted(best)]
    for i in list(kept):
        if any(points[j][0] < points[i][0] and points[j][1] >= points[i][1] for j in kept):
            kept.remove(i)
        if points[i][1] == top:
            break
    return kept


def right_empty_fails(points):
    best = max(points, key=lambda p: (p[1], -p[0]))
    kept = []
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if not kept or points[i][1] > points[kept[-1]][1]:
            kept.append(i)
        if points[i] == best:
            break
    return kept


def wrong_neighbours_only(points):
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    return [i for k, i in enumerate(order) if k == 0 or points[i][1] > points[order[k - 1]][1]]


def wrong_tolerance(points):
    kept, best = [], -math.inf
    for i in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if points[i][1] > best + 1e-3:
            kept.append(i)
            best = points[i][1]
    return kept


def right_pairs(points):
    kept = []
    for i, (c, q) in enumerate(points):
        beaten = False
        for j, (d, r) in enumerate(points):
            if d <= c and r >= q and (d < c or r > q):
                beaten = True
            if (d, r) == (c, q) and j < i:
                beaten = True
        if not beaten:
            kept.append(i)
    return sorted(kept, key=lambda i: points[i][0])


def right_numpy(points):
    import numpy as np

    if not points:
        return []
    p = np.array(points, dtype=float)
    order = np.lexsort((np.arange(len(p)), -p[:, 1], p[:, 0]))
    q = p[order, 1]
    before = np.concatenate([[-np.inf], np.maximum.accumulate(q)[:-1]])
    return order[q > before].tolist()


def right_by_quality(points):
    kept = []
    cheapest = math.inf
    for i in sorted(range(len(points)), key=lambda i: (-points[i][1], points[i][0], i)):
        if points[i][0] < cheapest:
            cheapest = points[i][0]
            kept.insert(0, i)
    return kept


def wrong_by_ratio(points):
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    kept, best = [], -math.inf
    for i in order:
        cost, quality = points[i]
        if quality / cost > best:
            kept.append(i)
            best = quality / cost
    return kept


def wrong_starts_at_minus_one(points):
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    kept, best = [], -1
    for i in order:
        if points[i][1] > best:
            kept.append(i)
            best = points[i][1]
    return kept


def wrong_highest_costs_first(points):
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]), reverse=True)
    kept, best = [], -math.inf
    for i in order:
        if points[i][1] > best:
            kept.append(i)
            best = points[i][1]
    return kept[::-1]


def right_groups_of_costs(points):
    from itertools import groupby

    order = sorted(range(len(points)), key=lambda i: points[i][0])
    kept, best = [], None
    for _, members in groupby(order, key=lambda i: points[i][0]):
        top = max(members, key=lambda i: points[i][1])
        if best is None or points[top][1] > best:
            kept.append(top)
            best = points[top][1]
    return kept


def right_removes_the_beaten(points):
    alive = {}
    for i, point in enumerate(points):
        if tuple(point) in alive:
            continue
        beaten = False
        for cost, quality in list(alive):
            if cost <= point[0] and quality >= point[1]:
                beaten = True
            elif point[0] <= cost and point[1] >= quality:
                del alive[(cost, quality)]
        if not beaten:
            alive[tuple(point)] = i
    return [alive[point] for point in sorted(alive)]
