"""Reference answers of lecture 6."""


def pareto_frontier(points):
    # cheapest first, of equal costs the best, of equal points the first: sort is stable
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    frontier, best = [], float("-inf")
    for i in order:
        if points[i][1] > best:
            frontier.append(i)
            best = points[i][1]
    return frontier
