"""Wrong and right answers to exercise 4.1, `submodel_schedule`."""

from zoo import right, wrong


@wrong("strictly after", message="at its start")
def strictly_after(step, total_steps, stages):
    if not 0 <= step < total_steps:
        raise ValueError("step")
    starts = [s for s, _ in stages]
    if starts[0] != 0 or any(b <= a for a, b in zip(starts, [*starts[1:], 1])):
        raise ValueError("stages")
    out = []
    for start, group in stages:
        if start < step / total_steps or start == 0:
            for s in group:
                if s not in out:
                    out.append(s)
    return out


@wrong("rounded", message="do not round")
def rounded(step, total_steps, stages):
    if not 0 <= step < total_steps:
        raise ValueError("step")
    starts = [s for s, _ in stages]
    if starts[0] != 0 or any(b <= a for a, b in zip(starts, [*starts[1:], 1])):
        raise ValueError("stages")
    out = []
    for start, group in stages:
        if int(start * total_steps) <= step:
            for s in group:
                if s not in out:
                    out.append(s)
    return out


@wrong("last never opens", message=".")
def last_never_opens(step, total_steps, stages):
    if not 0 <= step < total_steps:
        raise ValueError("step")
    starts = [s for s, _ in stages]
    if starts[0] != 0 or any(b <= a for a, b in zip(starts, [*starts[1:], 1])):
        raise ValueError("stages")
    out = []
    for start, group in stages:
        if start <= step / total_steps and (start, group) != stages[-1]:
            for s in group:
                if s not in out:
                    out.append(s)
    return out


@wrong("closes", message="closes|open")
def closes(step, total_steps, stages):
    import bisect

    if not 0 <= step < total_steps:
        raise ValueError("step")
    i = bisect.bisect_right([s for s, _ in stages], step / total_steps) - 1
    return list(stages[i][1])


@wrong("twice", message="once")
def twice(step, total_steps, stages):
    if not 0 <= step < total_steps:
        raise ValueError("step")
    starts = [s for s, _ in stages]
    if starts[0] != 0 or any(b <= a for a, b in zip(starts, [*starts[1:], 1])):
        raise ValueError("stages")
    out = []
    for start, group in stages:
        if start <= step / total_steps:
            for s in group:
                out.append(s)
    return out


@wrong("no check", message="should raise ValueError")
def no_check(step, total_steps, stages):
    starts = [s for s, _ in stages]
    if starts[0] != 0 or any(b <= a for a, b in zip(starts, [*starts[1:], 1])):
        raise ValueError("stages")
    out = []
    for start, group in stages:
        if start <= step / total_steps:
            for s in group:
                if s not in out:
                    out.append(s)
    return out


@wrong("of the last step", message=".")
def of_the_last_step(step, total_steps, stages):
    if not 0 <= step < total_steps:
        raise ValueError("step")
    starts = [s for s, _ in stages]
    if starts[0] != 0 or any(b <= a for a, b in zip(starts, [*starts[1:], 1])):
        raise ValueError("stages")
    out = []
    for start, group in stages:
        if total_steps == 1 or start <= step / (total_steps - 1):
            for s in group:
                if s not in out:
                    out.append(s)
    return out


@wrong("sorted", message="order")
def only_sorted(step, total_steps, stages):
    if not 0 <= step < total_steps:
        raise ValueError("step")
    starts = [s for s, _ in stages]
    if starts[0] != 0 or any(b <= a for a, b in zip(starts, [*starts[1:], 1])):
        raise ValueError("stages")
    out = []
    for start, group in stages:
        if start <= step / total_steps:
            for s in group:
                if s not in out:
                    out.append(s)
    return sorted(out, key=str)


@wrong("start times total", message="Round neither")
def start_times_total(step, total_steps, stages):
    if not 0 <= step < total_steps:
        raise ValueError("step")
    starts = [s for s, _ in stages]
    if starts[0] != 0 or any(b <= a for a, b in zip(starts, [*starts[1:], 1])):
        raise ValueError("stages")
    opened = [s for start, group in stages if start * total_steps <= step for s in group]
    return list(dict.fromkeys(opened))


@wrong("equal starts allowed", message="strictly rising")
def equal_starts_allowed(step, total_steps, stages):
    if not 0 <= step < total_steps:
        raise ValueError("step")
    starts = [s for s, _ in stages]
    if starts[0] != 0 or starts != sorted(starts):
        raise ValueError("stages")
    opened = [s for start, group in stages if start <= step / total_steps for s in group]
    return list(dict.fromkeys(opened))


@wrong("start of one", message="below 1")
def start_of_one(step, total_steps, stages):
    starts = [start for start, _ in stages]
    if not 0 <= step < total_steps or starts[0] != 0 or starts[-1] > 1:
        raise ValueError("step")
    if any(b <= a for a, b in zip(starts, starts[1:])):
        raise ValueError("starts")
    return list(
        dict.fromkeys(s for start, group in stages if start <= step / total_steps for s in group)
    )


@wrong("twice in one stage", message="Named twice")
def twice_in_one_stage(step, total_steps, stages):
    starts = [start for start, _ in stages]
    if not 0 <= step < total_steps or starts[0] != 0 or starts[-1] >= 1:
        raise ValueError("step")
    if any(b <= a for a, b in zip(starts, starts[1:])):
        raise ValueError("starts")
    found = []
    for start, group in stages:
        if start <= step / total_steps:
            found += [s for s in group if s not in found]
    return found


@wrong("rounds to percent", message="Round neither")
def rounds_to_percent(step, total_steps, stages):
    starts = [start for start, _ in stages]
    if not 0 <= step < total_steps or starts[0] != 0 or starts[-1] >= 1:
        raise ValueError("step")
    if any(b <= a for a, b in zip(starts, starts[1:])):
        raise ValueError("starts")
    share = round(step / total_steps, 2)
    return list(dict.fromkeys(s for start, group in stages if start <= share for s in group))


@right("loop")
def loop(step, total_steps, stages):
    if not 0 <= step < total_steps:
        raise ValueError("step")
    starts = [s for s, _ in stages]
    if starts[0] != 0 or any(b <= a for a, b in zip(starts, [*starts[1:], 1])):
        raise ValueError("stages")
    out = []
    for start, group in stages:
        if start <= step / total_steps:
            for s in group:
                if s not in out:
                    out.append(s)
    return out


@right("bisect")
def bisect(step, total_steps, stages):
    from bisect import bisect_right

    if step < 0 or step >= total_steps:
        raise ValueError("step")
    starts = [s for s, _ in stages]
    if starts[0] != 0 or sorted(set(starts)) != starts or starts[-1] >= 1:
        raise ValueError("stages")
    flat = [s for _, g in stages[: bisect_right(starts, step / total_steps)] for s in g]
    return [s for i, s in enumerate(flat) if s not in flat[:i]]


@right("until the first that is closed")
def until_the_first_that_is_closed(step, total_steps, stages):
    if step not in range(total_steps):
        raise ValueError("step")
    previous, opened, waiting = None, {}, False
    for start, group in stages:
        if start <= previous if previous is not None else start != 0:
            raise ValueError("stages")
        if start >= 1:
            raise ValueError("stages")
        previous = start
        waiting = waiting or step / total_steps < start
        if not waiting:
            opened |= dict.fromkeys(group)
    return [*opened]
