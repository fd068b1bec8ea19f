"""Wrong and right answers to exercise 3.2, `slice_heads`."""

import torch

from zoo import right, wrong


@wrong("sorted", message="order given")
def only_sorted(weight, bias, kept_heads, head_size):
    k = sorted(kept_heads)
    r = [h * head_size + i for h in k for i in range(head_size)]
    return weight[r], None if bias is None else bias[r]


@wrong("bias forgotten", message="bias follows")
def bias_forgotten(weight, bias, kept_heads, head_size):
    r = [h * head_size + i for h in kept_heads for i in range(head_size)]
    return weight[r], bias


@wrong("detached", message="radient|require grad")
def detached(weight, bias, kept_heads, head_size):
    r = [h * head_size + i for h in kept_heads for i in range(head_size)]
    return weight.detach()[r], None if bias is None else bias.detach()[r]


@wrong("no check", message="out of range or twice")
def no_check(weight, bias, kept_heads, head_size):
    r = [h * head_size + i for h in kept_heads for i in range(head_size)]
    return weight[r], None if bias is None else bias[r]


@wrong("interleaved", message="rows 2, 3, 0, 1")
def interleaved(weight, bias, kept_heads, head_size):
    n = weight.shape[0] // head_size
    r = [i * n + h for h in kept_heads for i in range(head_size)]
    return weight[r], None if bias is None else bias[r]


@wrong("squeezed", message="no squeeze")
def squeezed(weight, bias, kept_heads, head_size):
    n = weight.shape[0] // head_size
    if len(set(kept_heads)) < len(kept_heads) or any(h not in range(n) for h in kept_heads):
        raise ValueError("heads")
    r = torch.tensor([h * head_size + i for h in kept_heads for i in range(head_size)])
    return weight[r].squeeze(), None if bias is None else bias[r].squeeze()


@wrong("number of heads allowed", message="out of range")
def number_of_heads_allowed(weight, bias, kept_heads, head_size):
    n = weight.shape[0] // head_size
    if len(set(kept_heads)) < len(kept_heads) or any(not 0 <= h <= n for h in kept_heads):
        raise ValueError("heads")
    r = torch.tensor([h * head_size + i for h in kept_heads for i in range(head_size)])
    return weight[r], None if bias is None else bias[r]


@wrong("one head in range is enough", message="out of range")
def one_head_in_range_is_enough(weight, bias, kept_heads, head_size):
    n = weight.shape[0] // head_size
    if len(set(kept_heads)) < len(kept_heads) or not any(0 <= h < n for h in kept_heads):
        raise ValueError("heads")
    r = torch.tensor([h * head_size + i for h in kept_heads for i in range(head_size)])
    return weight[r], None if bias is None else bias[r]


@wrong("heads by columns", message="not columns")
def heads_by_columns(weight, bias, kept_heads, head_size):
    heads = max(weight.shape) // head_size
    if any(not 0 <= h < heads for h in kept_heads) or len(set(kept_heads)) < len(kept_heads):
        raise ValueError("heads")
    parts = [weight[h * head_size : (h + 1) * head_size] for h in kept_heads]
    if bias is None:
        return torch.cat(parts), None
    return torch.cat(parts), torch.cat(
        [bias[h * head_size : (h + 1) * head_size] for h in kept_heads]
    )


@right("view")
def view(weight, bias, kept_heads, head_size):
    n = weight.shape[0] // head_size
    heads = list(kept_heads)
    if len(set(heads)) < len(heads) or any(h not in range(n) for h in heads):
        raise ValueError("heads")
    w = weight.view(n, head_size, -1)[heads].reshape(-1, weight.shape[1])
    return w, bias if bias is None else bias.view(n, head_size)[heads].reshape(-1)


@right("cat")
def cat(weight, bias, kept_heads, head_size):
    n = len(weight) // head_size
    seen = set()
    for h in kept_heads:
        if h < 0 or h >= n or h in seen:
            raise ValueError("heads")
        seen.add(h)

    def cut(t):
        return torch.cat([t[h * head_size : (h + 1) * head_size] for h in kept_heads])

    return cut(weight), None if bias is None else cut(bias)


@right("split")
def split(weight, bias, kept_heads, head_size):
    heads = list(kept_heads)
    blocks = weight.split(head_size)
    if sorted(heads) != sorted(set(heads)) or min(heads) < 0 or max(heads) >= len(blocks):
        raise ValueError("heads")
    chosen = torch.cat([blocks[h] for h in heads])
    if bias is None:
        return chosen, None
    return chosen, torch.cat([bias.split(head_size)[h] for h in heads])
