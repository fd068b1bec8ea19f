"""Held-out answers to exercise 4.1, `submodel_schedule`."""


def wrong_later_stages_unchecked(step, total_steps, stages):
    if not 0 <= step < total_steps or stages[0][0] != 0:
        raise ValueError("step")
    found, previous = [], -1
    for start, group in stages:
        if start <= previous or start >= 1:
            raise ValueError("starts")
        previous = start
        if start > step / total_steps:
            break
        found += [s for s in group if s not in found]
    return list(dict.fromkeys(found))


def wrong_step_total_allowed(step, total_steps, stages):
    starts = [start for start, _ in stages]
    if step < 0 or step > total_steps or starts[0] != 0 or starts[-1] >= 1:
        raise ValueError("step")
    if any(b <= a for a, b in zip(starts, starts[1:])):
        raise ValueError("starts")
    found = []
    for start, group in stages:
        if start <= step / total_steps:
            found.extend(group)
    return list(dict.fromkeys(found))


def wrong_start_one_allowed(step, total_steps, stages):
    starts = [start for start, _ in stages]
    if not 0 <= step < total_steps or starts[0] != 0 or starts[-1] > 1:
        raise ValueError("step")
    if any(b <= a for a, b in zip(starts, starts[1:])):
        raise ValueError("starts")
    return list(
        dict.fromkeys(s for start, group in stages if start <= step / total_steps for s in group)
    )


def wrong_equal_starts_allowed(step, total_steps, stages):
    starts = [start for start, _ in stages]
    if not 0 <= step < total_steps or starts[0] != 0 or starts[-1] >= 1:
        raise ValueError("step")
    if starts != sorted(starts):
        raise ValueError("starts")
    return list(
        dict.fromkeys(s for start, group in stages if start <= step / total_steps for s in group)
    )


def wrong_sorts_stages(step, total_steps, stages):
    stages = sorted(stages, key=lambda stage: stage[0])
    starts = [start for start, _ in stages]
    if (
        not 0 <= step < total_steps
        or starts[0] != 0
        or starts[-1] >= 1
        or len(set(starts)) < len(starts)
    ):
        raise ValueError("step")
    return list(
        dict.fromkeys(s for start, group in stages if start <= step / total_steps for s in group)
    )


def wrong_twice_in_one_stage(step, total_steps, stages):
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


def wrong_grows_the_first_stage(step, total_steps, stages):
    starts = [start for start, _ in stages]
    if not 0 <= step < total_steps or starts[0] != 0 or starts[-1] >= 1:
        raise ValueError("step")
    if any(b <= a for a, b in zip(starts, starts[1:])):
        raise ValueError("starts")
    found = stages[0][1]
    for start, group in stages[1:]:
        if start <= step / total_steps:
            for s in group:
                if s not in found:
                    found.append(s)
    return found


def wrong_rounds_to_percent(step, total_steps, stages):
    starts = [start for start, _ in stages]
    if not 0 <= step < total_steps or starts[0] != 0 or starts[-1] >= 1:
        raise ValueError("step")
    if any(b <= a for a, b in zip(starts, starts[1:])):
        raise ValueError("starts")
    share = round(step / total_steps, 2)
    return list(dict.fromkeys(s for start, group in stages if start <= share for s in group))


def wrong_neighbours_deduplicated(step, total_steps, stages):
    starts = [start for start, _ in stages]
    if not 0 <= step < total_steps or starts[0] != 0 or starts[-1] >= 1:
        raise ValueError("step")
    if any(b <= a for a, b in zip(starts, starts[1:])):
        raise ValueError("starts")
    found = []
    for start, group in stages:
        if start <= step / total_steps:
            for s in group:
                if not found or found[-1] != s:
                    found.append(s)
    return found


def right_bisect(step, total_steps, stages):
    from bisect import bisect_right
    from itertools import chain

    starts = [stage[0] for stage in stages]
    if step not in range(total_steps):
        raise ValueError("step out of range")
    if not starts or starts[0] != 0 or starts[-1] >= 1:
        raise ValueError("starts")
    for a, b in zip(starts, starts[1:]):
        if not a < b:
            raise ValueError("starts must rise strictly")
    n = bisect_right(starts, step / total_steps)
    return [*dict.fromkeys(chain.from_iterable(stage[1] for stage in stages[:n]))]


def right_loop(step, total_steps, stages):
    if step < 0 or step >= total_steps:
        raise ValueError("step")
    last = None
    result = []
    for start, group in stages:
        if last is None and start != 0:
            raise ValueError("first start must be 0")
        if last is not None and start <= last:
            raise ValueError("starts must rise")
        if start >= 1:
            raise ValueError("start below 1")
        last = start
        if step / total_steps >= start:
            for submodel in group:
                if submodel not in result:
                    result.append(submodel)
    return result


def right_recursive(step, total_steps, stages):
    if not (0 <= step <= total_steps - 1):
        raise ValueError("step")
    starts = [float(s) for s, _ in stages]
    if starts[:1] != [0.0] or sorted(set(starts)) != starts or max(starts) >= 1.0:
        raise ValueError("starts")

    def unfold(left, seen):
        if not left or left[0][0] > step / total_steps:
            return seen
        new = []
        for s in left[0][1]:
            if s not in seen and s not in new:
                new.append(s)
        return unfold(left[1:], seen + new)

    return unfold(list(stages), [])


def wrong_state_between_calls(step, total_steps, stages, opened=[]):
    starts = [start for start, _ in stages]
    if not 0 <= step < total_steps or starts[0] != 0 or starts[-1] >= 1:
        raise ValueError(f"step {step} of {total_steps}, starts {starts}")
    if any(a >= b for a, b in zip(starts, starts[1:])):
        raise ValueError(f"starts must rise: {starts}")
    if step == 0:
        opened.clear()
    for start, group in stages:
        if start <= step / total_steps:
            opened += [s for s in group if s not in opened]
    return list(opened)


def wrong_negative_steps_allowed(step, total_steps, stages):
    starts = [start for start, _ in stages]
    if step >= total_steps or starts[0] != 0 or starts[-1] >= 1:
        raise ValueError(f"step {step} of {total_steps}, starts {starts}")
    if any(a >= b for a, b in zip(starts, starts[1:])):
        raise ValueError(f"starts must rise: {starts}")
    found = [s for start, group in stages if start <= step / total_steps for s in group]
    return list(dict.fromkeys(found))


def wrong_first_start_unchecked(step, total_steps, stages):
    starts = [start for start, _ in stages]
    if not 0 <= step < total_steps or starts[-1] >= 1:
        raise ValueError(f"step {step} of {total_steps}, starts {starts}")
    if any(a >= b for a, b in zip(starts, starts[1:])):
        raise ValueError(f"starts must rise: {starts}")
    found = [s for start, group in stages if start <= step / total_steps for s in group]
    return list(dict.fromkeys(found))


def right_takewhile(step, total_steps, stages):
    from itertools import chain, pairwise, takewhile

    starts = [stage[0] for stage in stages]
    if step < 0 or step > total_steps - 1:
        raise ValueError(f"step {step}: from 0 to {total_steps - 1}")
    rising = all(a < b for a, b in pairwise([*starts, 1]))
    if not starts or starts[0] != 0 or not rising:
        raise ValueError(f"starts {starts}: 0 first, rising, below 1")
    begun = takewhile(lambda stage: stage[0] <= step / total_steps, stages)
    return list(dict.fromkeys(chain.from_iterable(group for _, group in begun)))


def right_seen_set(step, total_steps, stages):
    if not 0 <= step < total_steps:
        raise ValueError(f"step {step}: from 0 to {total_steps - 1}")
    starts = [start for start, _ in stages]
    if starts != sorted(set(starts)) or starts[:1] != [0] or max(starts) >= 1:
        raise ValueError(f"starts {starts}: 0 first, rising, below 1")
    seen, result = set(), []
    progress = step / total_steps
    for start, group in stages:
        if start > progress:
            break
        for sub_model in group:
            if sub_model not in seen:
                seen.add(sub_model)
                result.append(sub_model)
    return result
