"""Held-out answers to exercise 3.4, `hidden_loss`."""

import torch


def wrong_fills_after_projection(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape != teacher_hidden.shape:
        raise ValueError("sizes")
    x = student_hidden if projection is None else student_hidden @ projection
    keep = attention_mask.bool().unsqueeze(-1)
    difference = x.masked_fill(~keep, 0) - teacher_hidden.detach().masked_fill(~keep, 0)
    return difference.pow(2).sum() / (attention_mask.sum().clamp(min=1) * teacher_hidden.shape[-1])


def wrong_where_after_square(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape != teacher_hidden.shape:
        raise ValueError("sizes")
    x = student_hidden if projection is None else student_hidden @ projection
    gap = (x - teacher_hidden.detach()) ** 2
    gap = torch.where(attention_mask.bool()[..., None], gap, torch.zeros_like(gap))
    return gap.sum() / (attention_mask.sum().clamp(min=1) * teacher_hidden.shape[-1])


def wrong_mean_over_student_size(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape != teacher_hidden.shape:
        raise ValueError("sizes")
    keep = attention_mask.bool()
    x = student_hidden[keep]
    if projection is not None:
        x = x @ projection
    gap = (x - teacher_hidden[keep].detach()) ** 2
    return gap.sum() / (keep.sum().clamp(min=1) * student_hidden.shape[-1])


def wrong_padding_at_the_end(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape != teacher_hidden.shape:
        raise ValueError("sizes")
    total, count = student_hidden.new_zeros(()), 0
    for x, y, m in zip(student_hidden, teacher_hidden.detach(), attention_mask):
        n = int(m.sum())
        z = x[:n] if projection is None else x[:n] @ projection
        total = total + ((z - y[:n]) ** 2).sum()
        count += n * y.shape[-1]
    return total / max(count, 1)


def wrong_transposed_projection(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape != teacher_hidden.shape:
        raise ValueError("sizes")
    keep = attention_mask.bool()
    x = student_hidden[keep]
    if projection is not None:
        x = x @ (projection.T if projection.shape[0] == projection.shape[1] else projection)
    return ((x - teacher_hidden[keep].detach()) ** 2).sum() / max(
        1, int(keep.sum()) * teacher_hidden.shape[-1]
    )


def wrong_empties_teacher_padding(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape != teacher_hidden.shape:
        raise ValueError("sizes")
    keep = attention_mask.bool()
    teacher_hidden = teacher_hidden.detach()
    teacher_hidden[~keep] = 0
    x = student_hidden.masked_fill(~keep.unsqueeze(-1), 0)
    if projection is not None:
        x = x @ projection
    return ((x - teacher_hidden) ** 2).sum() / (keep.sum().clamp(min=1) * teacher_hidden.shape[-1])


def wrong_projection_detached(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape != teacher_hidden.shape:
        raise ValueError("sizes")
    keep = attention_mask.bool()
    x = student_hidden[keep]
    if projection is not None:
        x = x @ projection.detach()
    gap = (x - teacher_hidden[keep].detach()) ** 2
    return gap.sum() / (keep.sum().clamp(min=1) * teacher_hidden.shape[-1])


def wrong_nan_without_tokens(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape != teacher_hidden.shape:
        raise ValueError("sizes")
    keep = attention_mask.bool()
    x = student_hidden[keep]
    if projection is not None:
        x = x @ projection
    return ((x - teacher_hidden[keep].detach()) ** 2).mean()


def wrong_gap_of_finite_numbers(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape != teacher_hidden.shape:
        raise ValueError("sizes")
    x = student_hidden.nan_to_num()
    if projection is not None:
        x = x @ projection
    gap = (x - teacher_hidden.detach().nan_to_num()) ** 2 * attention_mask.unsqueeze(-1)
    return gap.sum() / (attention_mask.sum().clamp(min=1) * teacher_hidden.shape[-1])


def right_fills_first(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape[-1] != teacher_hidden.shape[-1]:
        raise ValueError("h and H differ")
    padding = (attention_mask == 0)[:, :, None]
    x = student_hidden.masked_fill(padding, 0.0)
    y = teacher_hidden.detach().masked_fill(padding, 0.0)
    if projection is not None:
        x = torch.einsum("bsh,hk->bsk", x, projection)
    n = max(int(attention_mask.sum()), 1) * y.size(-1)
    return (
        torch.linalg.vector_norm(x - y) ** 2 / n
        if bool((x != y).any())
        else ((x - y) ** 2).sum() / n
    )


def right_loop(student_hidden, teacher_hidden, projection, attention_mask):
    h, H = student_hidden.shape[-1], teacher_hidden.shape[-1]
    if projection is None and h != H:
        raise ValueError("h and H differ")
    gaps = []
    for b in range(attention_mask.shape[0]):
        for s in range(attention_mask.shape[1]):
            if attention_mask[b, s]:
                x = student_hidden[b, s]
                if projection is not None:
                    x = x @ projection
                gaps.append(((x - teacher_hidden[b, s].detach()) ** 2).mean())
    if not gaps:
        return torch.zeros(())
    return torch.stack(gaps).mean()


def right_mse_of_selected(student_hidden, teacher_hidden, projection, attention_mask):
    from torch.nn import functional as F

    index = attention_mask.flatten().nonzero().squeeze(1)
    x = student_hidden.flatten(0, 1).index_select(0, index)
    y = teacher_hidden.detach().flatten(0, 1).index_select(0, index)
    if projection is not None:
        x = F.linear(x, projection.t())
    elif x.shape[1] != y.shape[1]:
        raise ValueError("sizes differ")
    if len(index) == 0:
        return x.sum()
    return F.mse_loss(x, y)


def right_where_twice(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape[2] != teacher_hidden.shape[2]:
        raise ValueError("sizes")
    m = attention_mask.bool().unsqueeze(2)
    zero = torch.zeros((), dtype=student_hidden.dtype)
    x = torch.where(m, student_hidden, zero)
    with torch.no_grad():
        y = torch.where(m, teacher_hidden, zero)
    if projection is not None:
        x = torch.matmul(x, projection)
    return torch.square(x - y).mean(-1).sum() / attention_mask.sum().clamp_min(1)


def wrong_indexes_with_integers(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape[-1] != teacher_hidden.shape[-1]:
        raise ValueError("sizes differ: a projection is needed")
    if not attention_mask.any():
        return torch.zeros(())
    student, teacher = student_hidden[attention_mask], teacher_hidden.detach()[attention_mask]
    if projection is not None:
        student = student @ projection
    return ((student - teacher) ** 2).mean()


def wrong_projects_the_teacher(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape[-1] != teacher_hidden.shape[-1]:
        raise ValueError("sizes differ: a projection is needed")
    keep = attention_mask.bool()
    if not keep.any():
        return torch.zeros(())
    student, teacher = student_hidden[keep], teacher_hidden.detach()[keep]
    if projection is not None:
        teacher = teacher @ projection.T
    return ((student - teacher) ** 2).mean()


def wrong_switches_teacher_gradient_off(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape[-1] != teacher_hidden.shape[-1]:
        raise ValueError("sizes differ: a projection is needed")
    if teacher_hidden.is_leaf:
        teacher_hidden.requires_grad_(False)
    keep = attention_mask.bool()
    if not keep.any():
        return torch.zeros(())
    student, teacher = student_hidden[keep], teacher_hidden.detach()[keep]
    if projection is not None:
        student = student @ projection
    return ((student - teacher) ** 2).mean()


def right_index_of_tokens(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.size(-1) != teacher_hidden.size(-1):
        raise ValueError("without a projection both must have one size")
    tokens = attention_mask.flatten().nonzero().squeeze(1)
    if len(tokens) == 0:
        return student_hidden.new_zeros(())
    student = student_hidden.flatten(0, 1).index_select(0, tokens)
    teacher = teacher_hidden.detach().flatten(0, 1).index_select(0, tokens)
    if projection is not None:
        student = torch.einsum("th,hk->tk", student, projection)
    return torch.square(student - teacher).sum() / teacher.numel()


def right_sentence_by_sentence(student_hidden, teacher_hidden, projection, attention_mask):
    h, size = student_hidden.shape[-1], teacher_hidden.shape[-1]
    if projection is None and h != size:
        raise ValueError(f"a student of size {h}, a teacher of {size}, and no projection")
    parts, count = [], 0
    for student, teacher, mask in zip(student_hidden, teacher_hidden, attention_mask):
        student, teacher = student[mask == 1], teacher[mask == 1].detach()
        if projection is not None:
            student = student.matmul(projection)
        parts.append(((student - teacher) ** 2).sum())
        count += int((mask == 1).sum())
    return sum(parts) / max(count * size, 1)
