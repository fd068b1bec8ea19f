"""Wrong and right answers to exercise 3.4, `hidden_loss`."""

import torch

from zoo import right, wrong


@wrong("padding counted", message="still counted")
def padding_counted(student_hidden, teacher_hidden, projection, attention_mask):
    m = attention_mask[..., None]
    s = student_hidden if projection is None else student_hidden @ projection
    return ((s - teacher_hidden) * m).pow(2).mean()


@wrong("sum", message="20 is the sum")
def only_sum(student_hidden, teacher_hidden, projection, attention_mask):
    t = attention_mask.bool()
    s = student_hidden[t]
    s = s if projection is None else s @ projection
    return (s - teacher_hidden[t]).pow(2).sum() / max(int(t.sum()), 1)


@wrong("nan times zero", message="NaN times 0")
def nan_times_zero(student_hidden, teacher_hidden, projection, attention_mask):
    m = attention_mask[..., None]
    s = student_hidden if projection is None else student_hidden @ projection
    d = (s - teacher_hidden.detach()) * m
    return d.pow(2).sum() / (m.sum() * d.shape[-1]).clamp(min=1)


@wrong("teacher learns", message="teacher must receive no gradient")
def teacher_learns(student_hidden, teacher_hidden, projection, attention_mask):
    t = attention_mask.bool()
    s = student_hidden[t]
    s = s if projection is None else s @ projection
    d = s - teacher_hidden[t]
    return d.pow(2).sum() / max(d.numel(), 1)


@wrong("student detached", message="radient")
def student_detached(student_hidden, teacher_hidden, projection, attention_mask):
    t = attention_mask.bool()
    s = student_hidden.detach()[t]
    s = s if projection is None else s @ projection
    d = s - teacher_hidden.detach()[t]
    return d.pow(2).sum() / max(d.numel(), 1)


@wrong("mean of sentences", message="whole batch")
def mean_of_sentences(student_hidden, teacher_hidden, projection, attention_mask):
    out = []
    for s, t, m in zip(student_hidden, teacher_hidden.detach(), attention_mask.bool()):
        s = s[m] if projection is None else s[m] @ projection
        out.append((s - t[m]).pow(2).mean())
    return torch.stack(out).mean()


@wrong("broadcasts sizes", message="not broadcast")
def broadcasts_sizes(student_hidden, teacher_hidden, projection, attention_mask):
    t = attention_mask.bool()
    s, h = student_hidden[t], teacher_hidden.detach()[t]
    s = s if projection is None else s @ projection
    try:
        d = s - h
    except RuntimeError:
        raise ValueError("sizes") from None
    return d.pow(2).sum() / max(d.numel(), 1)


@wrong("squeezed", message="An axis of size one")
def squeezed(student_hidden, teacher_hidden, projection, attention_mask):
    t = attention_mask.bool()[..., None]
    s = torch.where(t, student_hidden.squeeze(), 0.0)
    h = torch.where(t, teacher_hidden.detach().squeeze(), 0.0)
    s = s if projection is None else s @ projection
    if s.shape != h.shape:
        raise ValueError("sizes")
    return (s - h).pow(2).sum() / (t.sum() * h.shape[-1]).clamp(min=1)


@wrong("padding at the end", message="stand in front")
def padding_at_the_end(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape != teacher_hidden.shape:
        raise ValueError("sizes")
    total, count = student_hidden.new_zeros(()), 0
    for x, y, m in zip(student_hidden, teacher_hidden.detach(), attention_mask):
        n = int(m.sum())
        z = x[:n] if projection is None else x[:n] @ projection
        total = total + ((z - y[:n]) ** 2).sum()
        count += n * y.shape[-1]
    return total / max(count, 1)


@wrong("transposed projection", message="not transposed")
def transposed_projection(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape != teacher_hidden.shape:
        raise ValueError("sizes")
    keep = attention_mask.bool()
    x = student_hidden[keep]
    if projection is not None:
        x = x @ (projection.T if projection.shape[0] == projection.shape[1] else projection)
    return ((x - teacher_hidden[keep].detach()) ** 2).sum() / max(
        1, int(keep.sum()) * teacher_hidden.shape[-1]
    )


@wrong("fills after the projection", message="spoils the gradient")
def fills_after_projection(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape != teacher_hidden.shape:
        raise ValueError("sizes")
    x = student_hidden if projection is None else student_hidden @ projection
    keep = attention_mask.bool().unsqueeze(-1)
    difference = x.masked_fill(~keep, 0) - teacher_hidden.detach().masked_fill(~keep, 0)
    return difference.pow(2).sum() / (attention_mask.sum().clamp(min=1) * teacher_hidden.shape[-1])


@right("select")
def select(student_hidden, teacher_hidden, projection, attention_mask):
    t = attention_mask.bool()
    s, h = student_hidden[t], teacher_hidden.detach()[t]
    if projection is not None:
        s = s @ projection
    if s.shape != h.shape:
        raise ValueError("sizes")
    return torch.nn.functional.mse_loss(s, h) if len(s) else (s * 0).sum()


@right("einsum and masked_fill")
def einsum_and_masked_fill(student_hidden, teacher_hidden, projection, attention_mask):
    pad = (attention_mask == 0)[..., None]
    s, h = student_hidden.masked_fill(pad, 0), teacher_hidden.detach().masked_fill(pad, 0)
    if projection is not None:
        s = torch.einsum("bsh,hk->bsk", s, projection)
    elif s.shape != h.shape:
        raise ValueError("sizes")
    return ((s - h) ** 2).sum() / max(1, int(attention_mask.sum()) * h.shape[-1])


@right("loop over tokens")
def loop_over_tokens(student_hidden, teacher_hidden, projection, attention_mask):
    if projection is None and student_hidden.shape[2] != teacher_hidden.shape[2]:
        raise ValueError("sizes")
    total = teacher_hidden.new_zeros(())
    places = attention_mask.nonzero().tolist()
    for i, j in places:
        s = student_hidden[i, j]
        s = s if projection is None else projection.T @ s
        total = total + (s - teacher_hidden[i, j].detach()).square().mean()
    return total / max(len(places), 1)
