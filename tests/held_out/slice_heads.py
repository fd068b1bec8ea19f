"""Held-out answers to exercise 3.2, `slice_heads`."""

import torch


def wrong_repeats_side_by_side(weight, bias, kept_heads, head_size):
    heads = weight.shape[0] // head_size
    if any(not 0 <= h < heads for h in kept_heads):
        raise ValueError("range")
    if any(a == b for a, b in zip(kept_heads, kept_heads[1:])):
        raise ValueError("twice")
    rows = [h * head_size + i for h in kept_heads for i in range(head_size)]
    return weight[rows], None if bias is None else bias[rows]


def wrong_zero_bias(weight, bias, kept_heads, head_size):
    heads = weight.shape[0] // head_size
    if any(not 0 <= h < heads for h in kept_heads) or len(set(kept_heads)) < len(kept_heads):
        raise ValueError("heads")
    rows = [h * head_size + i for h in kept_heads for i in range(head_size)]
    if bias is None:
        bias = torch.zeros(weight.shape[0])
    return weight[rows], bias[rows]


def wrong_bias_detached(weight, bias, kept_heads, head_size):
    heads = weight.shape[0] // head_size
    if any(not 0 <= h < heads for h in kept_heads) or len(set(kept_heads)) < len(kept_heads):
        raise ValueError("heads")
    rows = [h * head_size + i for h in kept_heads for i in range(head_size)]
    return weight[rows], None if bias is None else torch.tensor([float(bias[r]) for r in rows])


def wrong_heads_by_columns(weight, bias, kept_heads, head_size):
    heads = max(weight.shape) // head_size
    if any(not 0 <= h < heads for h in kept_heads) or len(set(kept_heads)) < len(kept_heads):
        raise ValueError("heads")
    parts = [weight[h * head_size : (h + 1) * head_size] for h in kept_heads]
    if bias is None:
        return torch.cat(parts), None
    return torch.cat(parts), torch.cat(
        [bias[h * head_size : (h + 1) * head_size] for h in kept_heads]
    )


def wrong_index_error(weight, bias, kept_heads, head_size):
    if len(set(kept_heads)) < len(kept_heads):
        raise ValueError("twice")
    if any(h < 0 for h in kept_heads):
        raise ValueError("negative")
    rows = [h * head_size + i for h in kept_heads for i in range(head_size)]
    return weight[rows], None if bias is None else bias[rows]


def wrong_negative_from_the_end(weight, bias, kept_heads, head_size):
    heads = weight.shape[0] // head_size
    if any(h >= heads for h in kept_heads) or len({h % heads for h in kept_heads}) < len(
        kept_heads
    ):
        raise ValueError("heads")
    rows = [h % heads * head_size + i for h in kept_heads for i in range(head_size)]
    return weight[rows], None if bias is None else bias[rows]


def wrong_float32(weight, bias, kept_heads, head_size):
    heads = weight.shape[0] // head_size
    if any(not 0 <= h < heads for h in kept_heads) or len(set(kept_heads)) < len(kept_heads):
        raise ValueError("heads")
    chosen = torch.zeros(len(kept_heads) * head_size, weight.shape[0])
    for i, h in enumerate(kept_heads):
        for j in range(head_size):
            chosen[i * head_size + j, h * head_size + j] = 1
    return chosen @ weight.float(), None if bias is None else chosen @ bias.float()


def right_view(weight, bias, kept_heads, head_size):
    heads = len(weight) // head_size
    if set(kept_heads) - set(range(heads)) or len(set(kept_heads)) != len(kept_heads):
        raise ValueError("head numbers")
    w = weight.reshape(heads, head_size, -1)[kept_heads].reshape(-1, weight.shape[1])
    b = None if bias is None else bias.reshape(heads, head_size)[kept_heads].flatten()
    return w, b


def right_cat(weight, bias, kept_heads, head_size):
    heads = weight.size(0) // head_size
    seen = set()
    for h in kept_heads:
        if h < 0 or h >= heads:
            raise ValueError(f"head {h}")
        if h in seen:
            raise ValueError(f"head {h} twice")
        seen.add(h)
    w = weight.split(head_size)
    new = torch.cat([w[h] for h in kept_heads])
    if bias is None:
        return new, None
    b = bias.split(head_size)
    return new, torch.cat([b[h] for h in kept_heads])


def right_index_select(weight, bias, kept_heads, head_size):
    heads = torch.as_tensor(kept_heads, dtype=torch.long)
    n = weight.shape[0] // head_size
    if bool(((heads < 0) | (heads >= n)).any()) or heads.unique().numel() != heads.numel():
        raise ValueError("heads out of range or repeated")
    rows = (heads[:, None] * head_size + torch.arange(head_size)).reshape(-1)
    return weight.index_select(0, rows), bias.index_select(0, rows) if bias is not None else None


def wrong_square_weights(weight, bias, kept_heads, head_size):
    num_heads = weight.shape[0] // head_size
    if len(set(kept_heads)) < len(kept_heads) or not all(0 <= h < num_heads for h in kept_heads):
        raise ValueError(f"kept_heads {kept_heads}")
    blocks = weight.reshape(num_heads, head_size, num_heads * head_size)
    sliced = blocks[kept_heads].reshape(-1, num_heads * head_size)
    return sliced, None if bias is None else bias.reshape(num_heads, -1)[kept_heads].reshape(-1)


def wrong_neighbouring_doubles(weight, bias, kept_heads, head_size):
    num_heads = weight.shape[0] // head_size
    for head in kept_heads:
        if not 0 <= head < num_heads:
            raise ValueError(f"head {head}")
    for head, following in zip(kept_heads, kept_heads[1:]):
        if head == following:
            raise ValueError(f"head {head} twice")
    rows = [h * head_size + i for h in kept_heads for i in range(head_size)]
    return weight[rows], None if bias is None else bias[rows]


def wrong_eats_kept_heads(weight, bias, kept_heads, head_size):
    num_heads = weight.shape[0] // head_size
    if len(set(kept_heads)) < len(kept_heads) or not all(0 <= h < num_heads for h in kept_heads):
        raise ValueError(f"kept_heads {kept_heads}")
    rows = []
    while kept_heads:
        head = kept_heads.pop(0)
        rows += range(head * head_size, (head + 1) * head_size)
    return weight[rows], None if bias is None else bias[rows]


def right_selection_matrix(weight, bias, kept_heads, head_size):
    num_heads = len(weight) // head_size
    if any(h not in range(num_heads) for h in kept_heads):
        raise ValueError(f"heads are 0 to {num_heads - 1}; got {kept_heads}")
    if len(kept_heads) != len(set(kept_heads)):
        raise ValueError(f"a head is named twice: {kept_heads}")
    select = torch.zeros(len(kept_heads) * head_size, len(weight), dtype=weight.dtype)
    for place, head in enumerate(kept_heads):
        for i in range(head_size):
            select[place * head_size + i, head * head_size + i] = 1
    return select @ weight, None if bias is None else select @ bias


def right_take(weight, bias, kept_heads, head_size):
    blocks = weight.unflatten(0, (-1, head_size))
    if sorted(set(kept_heads)) != sorted(kept_heads):
        raise ValueError(f"a head is named twice: {kept_heads}")
    if kept_heads and not (min(kept_heads) >= 0 and max(kept_heads) < len(blocks)):
        raise ValueError(f"heads are 0 to {len(blocks) - 1}; got {kept_heads}")
    index = torch.tensor(kept_heads, dtype=torch.long)
    weight = torch.index_select(blocks, 0, index).flatten(0, 1)
    if bias is not None:
        bias = torch.index_select(bias.unflatten(0, (-1, head_size)), 0, index).flatten()
    return weight, bias
