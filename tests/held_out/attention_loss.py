"""Held-out answers to exercise 3.5, `attention_loss`."""

import torch


def right_where_after_square(student_scores, teacher_scores, attention_mask):
    if student_scores.shape[1] != teacher_scores.shape[1]:
        raise ValueError("heads")
    m = attention_mask.bool()
    real = (m[:, None, :, None] & m[:, None, None, :]).expand_as(student_scores)
    gap = (student_scores - teacher_scores.detach()) ** 2
    return torch.where(real, gap, torch.zeros_like(gap)).sum() / real.sum().clamp(min=1)


def wrong_fewer_heads_allowed(student_scores, teacher_scores, attention_mask):
    if student_scores.shape[1] > teacher_scores.shape[1]:
        raise ValueError("heads")
    teacher_scores = teacher_scores[:, : student_scores.shape[1]].detach()
    m = attention_mask.bool()
    real = (m[:, None, :, None] & m[:, None, None, :]).expand_as(student_scores)
    return ((student_scores[real] - teacher_scores[real]) ** 2).sum() / real.sum().clamp(min=1)


def wrong_padding_at_the_end(student_scores, teacher_scores, attention_mask):
    if student_scores.shape[1] != teacher_scores.shape[1]:
        raise ValueError("heads")
    total, count = student_scores.new_zeros(()), 0
    for x, y, m in zip(student_scores, teacher_scores.detach(), attention_mask):
        n = int(m.sum())
        total = total + ((x[:, :n, :n] - y[:, :n, :n]) ** 2).sum()
        count += x.shape[0] * n * n
    return total / max(count, 1)


def wrong_finite_is_real(student_scores, teacher_scores, attention_mask):
    if student_scores.shape[1] != teacher_scores.shape[1]:
        raise ValueError("heads")
    teacher_scores = teacher_scores.detach()
    m = attention_mask.bool()[:, None, None, :].expand_as(student_scores)
    real = m & student_scores.isfinite() & teacher_scores.isfinite()
    return ((student_scores[real] - teacher_scores[real]) ** 2).sum() / real.sum().clamp(min=1)


def wrong_pairs_not_heads(student_scores, teacher_scores, attention_mask):
    if student_scores.shape[1] != teacher_scores.shape[1]:
        raise ValueError("heads")
    m = attention_mask.bool()
    real = m[:, None, :, None] & m[:, None, None, :]
    gap = (student_scores - teacher_scores.detach()).masked_fill(~real, 0) ** 2
    return gap.sum() / real.sum().clamp(min=1)


def wrong_empties_teacher_padding(student_scores, teacher_scores, attention_mask):
    if student_scores.shape[1] != teacher_scores.shape[1]:
        raise ValueError("heads")
    m = attention_mask.bool()
    real = (m[:, None, :, None] & m[:, None, None, :]).expand_as(student_scores)
    teacher_scores = teacher_scores.detach()
    teacher_scores[~real] = 0
    gap = (student_scores.masked_fill(~real, 0) - teacher_scores) ** 2
    return gap.sum() / real.sum().clamp(min=1)


def wrong_or(student_scores, teacher_scores, attention_mask):
    if student_scores.shape[1] != teacher_scores.shape[1]:
        raise ValueError("heads")
    m = attention_mask.bool()
    real = (m[:, None, :, None] | m[:, None, None, :]).expand_as(student_scores)
    real = real & torch.isfinite(student_scores) & torch.isfinite(teacher_scores)
    return ((student_scores[real] - teacher_scores.detach()[real]) ** 2).sum() / real.sum().clamp(
        min=1
    )


def wrong_mask_of_first_sentence(student_scores, teacher_scores, attention_mask):
    if student_scores.shape[1] != teacher_scores.shape[1]:
        raise ValueError("heads")
    rows = attention_mask[0].nonzero().flatten()
    x = student_scores[:, :, rows][..., rows]
    y = teacher_scores.detach()[:, :, rows][..., rows]
    return ((x - y) ** 2).sum() / max(1, x.numel())


def right_loop(student_scores, teacher_scores, attention_mask):
    if student_scores.shape[1] != teacher_scores.shape[1]:
        raise ValueError("heads differ")
    parts = []
    for x, y, m in zip(student_scores, teacher_scores, attention_mask):
        rows = m.nonzero().flatten()
        parts.append((x[:, rows][:, :, rows] - y.detach()[:, rows][:, :, rows]).flatten())
    gaps = torch.cat(parts)
    return (gaps**2).mean() if gaps.numel() else torch.tensor(0.0)


def right_fill(student_scores, teacher_scores, attention_mask):
    if student_scores.size(1) != teacher_scores.size(1):
        raise ValueError("heads differ")
    m = attention_mask.float()
    pairs = torch.einsum("bq,bk->bqk", m, m).unsqueeze(1)
    x = student_scores.masked_fill(pairs == 0, 0)
    y = teacher_scores.masked_fill(pairs == 0, 0).detach()
    return (x - y).square().sum() / (pairs.sum() * x.size(1)).clamp(min=1)


def right_per_head(student_scores, teacher_scores, attention_mask):
    from torch.nn import functional as F

    if student_scores.shape[1] != teacher_scores.shape[1]:
        raise ValueError("heads differ")
    m = attention_mask == 1
    real = m.unsqueeze(2) & m.unsqueeze(1)
    if not real.any():
        return (student_scores[:, :, :0] * 0).sum()
    losses = [
        F.mse_loss(student_scores[:, h][real], teacher_scores[:, h][real].detach())
        for h in range(student_scores.shape[1])
    ]
    return sum(losses) / len(losses)


def wrong_unordered_pairs(student_scores, teacher_scores, attention_mask):
    if student_scores.shape != teacher_scores.shape:
        raise ValueError("numbers of heads differ")
    keep = attention_mask.bool()
    pairs = (keep[:, :, None] & keep[:, None, :]).tril()[:, None].expand(student_scores.shape)
    if not pairs.any():
        return torch.zeros(())
    return ((student_scores[pairs] - teacher_scores.detach()[pairs]) ** 2).mean()


def wrong_without_the_diagonal(student_scores, teacher_scores, attention_mask):
    if student_scores.shape != teacher_scores.shape:
        raise ValueError("numbers of heads differ")
    keep = attention_mask.bool()
    pairs = keep[:, :, None] & keep[:, None, :]
    if keep.shape[1] > 1:
        pairs = pairs & ~torch.eye(keep.shape[1], dtype=torch.bool)
    pairs = pairs[:, None].expand(student_scores.shape)
    if not pairs.any():
        return torch.zeros(())
    return ((student_scores[pairs] - teacher_scores.detach()[pairs]) ** 2).mean()


def wrong_switches_teacher_gradient_off(student_scores, teacher_scores, attention_mask):
    if student_scores.shape != teacher_scores.shape:
        raise ValueError("numbers of heads differ")
    if teacher_scores.is_leaf:
        teacher_scores.requires_grad_(False)
    keep = attention_mask.bool()
    pairs = (keep[:, :, None] & keep[:, None, :])[:, None].expand(student_scores.shape)
    if not pairs.any():
        return torch.zeros(())
    return ((student_scores[pairs] - teacher_scores.detach()[pairs]) ** 2).mean()


def right_places_of_pairs(student_scores, teacher_scores, attention_mask):
    if student_scores.size(1) != teacher_scores.size(1):
        raise ValueError("numbers of heads differ")
    m = attention_mask != 0
    text, query, key = (m.unsqueeze(2) * m.unsqueeze(1)).nonzero(as_tuple=True)
    if len(text) == 0:
        return student_scores.new_tensor(0.0)
    gap = student_scores[text, :, query, key] - teacher_scores[text, :, query, key].detach()
    return gap.pow(2).mean()


def right_smaller_squares(student_scores, teacher_scores, attention_mask):
    if student_scores.shape[1] != teacher_scores.shape[1]:
        raise ValueError("numbers of heads differ")
    total, count = 0.0, 0
    for student, teacher, mask in zip(student_scores, teacher_scores.detach(), attention_mask):
        tokens = torch.where(mask > 0)[0]
        student = student[:, tokens][:, :, tokens]
        teacher = teacher[:, tokens][:, :, tokens]
        total = total + (student - teacher).square().sum()
        count += student.numel()
    return total / count if count else total * 0
