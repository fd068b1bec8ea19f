"""Wrong and right answers to exercise 3.5, `attention_loss`."""

import torch

from zoo import right, wrong


@wrong("padding counted", message="still counted")
def padding_counted(student_scores, teacher_scores, attention_mask):
    m = (attention_mask[:, None, :, None] * attention_mask[:, None, None, :]).bool()
    d = torch.where(m, student_scores - teacher_scores.detach(), 0.0)
    return d.pow(2).mean()


@wrong("mask times", message="-inf minus -inf")
def mask_times(student_scores, teacher_scores, attention_mask):
    m = attention_mask[:, None, :, None] * attention_mask[:, None, None, :]
    d = (student_scores - teacher_scores) * m
    return d.pow(2).sum() / (m.sum() * student_scores.shape[1])


@wrong("sum over heads", message="heads are summed")
def sum_over_heads(student_scores, teacher_scores, attention_mask):
    m = (attention_mask[:, None, :, None] * attention_mask[:, None, None, :]).bool()
    d = torch.where(m, student_scores - teacher_scores.detach(), 0.0)
    return d.pow(2).sum() / m.sum().clamp(min=1)


@wrong("softmax first", message="not softmax|real pair")
def softmax_first(student_scores, teacher_scores, attention_mask):
    m = (attention_mask[:, None, :, None] * attention_mask[:, None, None, :]).bool()
    d = torch.where(m, student_scores.softmax(-1) - teacher_scores.softmax(-1).detach(), 0.0)
    return d.pow(2).sum() / (m.sum() * student_scores.shape[1]).clamp(min=1)


@wrong("keys only", message="NaN|real")
def keys_only(student_scores, teacher_scores, attention_mask):
    m = attention_mask.bool()[:, None, None, :].expand_as(student_scores)
    d = student_scores[m] - teacher_scores.detach()[m]
    return d.pow(2).sum() / max(d.numel(), 1)


@wrong("broadcasts heads", message="not broadcast")
def broadcasts_heads(student_scores, teacher_scores, attention_mask):
    m = (attention_mask[:, None, :, None] * attention_mask[:, None, None, :]).bool()
    d = torch.where(m, student_scores - teacher_scores.detach(), 0.0)
    return d.pow(2).sum() / (m.sum() * d.shape[1]).clamp(min=1)


@wrong("squeezed", message="An axis of size one")
def squeezed(student_scores, teacher_scores, attention_mask):
    if student_scores.shape != teacher_scores.shape:
        raise ValueError("shape")
    m = (attention_mask[:, None, :, None] * attention_mask[:, None, None, :]).bool()
    d = torch.where(m, (student_scores - teacher_scores.detach()).squeeze(), 0.0)
    return d.pow(2).sum() / (m.sum() * student_scores.shape[1]).clamp(min=1)


@wrong("mean of texts", message="whole batch")
def mean_of_texts(student_scores, teacher_scores, attention_mask):
    if student_scores.shape != teacher_scores.shape:
        raise ValueError("shape")
    losses = []
    for s, t, m in zip(student_scores, teacher_scores.detach(), attention_mask.bool()):
        d = s[:, m][:, :, m] - t[:, m][:, :, m]
        losses.append(d.pow(2).sum() / max(d.numel(), 1))
    return torch.stack(losses).mean()


@right("where after the square")
def where_after_square(student_scores, teacher_scores, attention_mask):
    if student_scores.shape[1] != teacher_scores.shape[1]:
        raise ValueError("heads")
    m = attention_mask.bool()
    real = (m[:, None, :, None] & m[:, None, None, :]).expand_as(student_scores)
    gap = (student_scores - teacher_scores.detach()) ** 2
    return torch.where(real, gap, torch.zeros_like(gap)).sum() / real.sum().clamp(min=1)


@wrong("padding at the end", message="stand in front")
def padding_at_the_end(student_scores, teacher_scores, attention_mask):
    if student_scores.shape[1] != teacher_scores.shape[1]:
        raise ValueError("heads")
    total, count = student_scores.new_zeros(()), 0
    for x, y, m in zip(student_scores, teacher_scores.detach(), attention_mask):
        n = int(m.sum())
        total = total + ((x[:, :n, :n] - y[:, :n, :n]) ** 2).sum()
        count += x.shape[0] * n * n
    return total / max(count, 1)


@right("loop over texts")
def loop_over_texts(student_scores, teacher_scores, attention_mask):
    if student_scores.shape != teacher_scores.shape:
        raise ValueError("shape")
    total, count = student_scores.new_zeros(()), 0
    for s, t, m in zip(student_scores, teacher_scores.detach(), attention_mask.bool()):
        d = s[:, m][:, :, m] - t[:, m][:, :, m]
        total = total + (d**2).sum()
        count += d.numel()
    return total / max(count, 1)


@right("masked_fill")
def masked_fill(student_scores, teacher_scores, attention_mask):
    if student_scores.shape != teacher_scores.shape:
        raise ValueError("shape")
    m = attention_mask.float()
    pair = torch.einsum("bq,bk->bqk", m, m)[:, None]
    off = pair == 0
    d = student_scores.masked_fill(off, 0) - teacher_scores.detach().masked_fill(off, 0)
    return d.pow(2).sum(dim=(0, 2, 3)).mean() / pair.sum().clamp(min=1)


@right("heads last")
def heads_last(student_scores, teacher_scores, attention_mask):
    if student_scores.shape[1] != teacher_scores.shape[1]:
        raise ValueError("heads")
    token = attention_mask == 1
    pair = token.unsqueeze(2) & token.unsqueeze(1)
    s = student_scores.permute(0, 2, 3, 1)[pair]
    t = teacher_scores.detach().permute(0, 2, 3, 1)[pair]
    return torch.nn.functional.mse_loss(s, t) if pair.any() else (s - t).sum()
