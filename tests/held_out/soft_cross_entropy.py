"""Held-out answers to exercise 1.2, `soft_cross_entropy`."""

import math

import torch


def wrong_clamps(student_logits, teacher_logits, temperature=1.0):
    student = (student_logits / temperature).clamp(-50, 50)
    p = torch.softmax(teacher_logits.detach() / temperature, dim=-1)
    return -(p * torch.log_softmax(student, dim=-1)).sum(dim=-1).mean()


def wrong_plus_epsilon(student_logits, teacher_logits, temperature=1.0):
    q = torch.softmax(student_logits / temperature, dim=-1)
    p = torch.softmax(teacher_logits.detach() / temperature, dim=-1)
    return -(p * torch.log(q + 1e-12)).sum(dim=-1).mean()


def wrong_divides_teacher_in_place(student_logits, teacher_logits, temperature=1.0):
    teacher_logits = teacher_logits.detach()
    teacher_logits /= temperature
    p = torch.softmax(teacher_logits, dim=-1)
    return -(p * torch.log_softmax(student_logits / temperature, dim=-1)).sum(dim=-1).mean()


def wrong_two_classes(student_logits, teacher_logits, temperature=1.0):
    from torch.nn import functional as F

    z = (student_logits[:, 1] - student_logits[:, 0]) / temperature
    y = (teacher_logits[:, 1] - teacher_logits[:, 0]).detach() / temperature
    return F.binary_cross_entropy_with_logits(z, torch.sigmoid(y))


def wrong_one_maximum(student_logits, teacher_logits, temperature=1.0):
    z = student_logits / temperature
    z = z - z.max()
    log_q = z - torch.log(torch.exp(z).sum(dim=-1, keepdim=True))
    p = torch.softmax(teacher_logits.detach() / temperature, dim=-1)
    return -(p * log_q).sum(dim=-1).mean()


def wrong_integer_temperature(student_logits, teacher_logits, temperature=1.0):
    t = max(1, int(temperature))
    p = torch.softmax(teacher_logits.detach() / t, dim=-1)
    return -(p * torch.log_softmax(student_logits / t, dim=-1)).sum(dim=-1).mean()


def wrong_nan_to_num(student_logits, teacher_logits, temperature=1.0):
    log_q = torch.log(torch.softmax(student_logits / temperature, dim=-1)).nan_to_num(neginf=-100.0)
    p = torch.softmax(teacher_logits.detach() / temperature, dim=-1)
    return -(p * log_q).sum(dim=-1).mean()


def right_functional(student_logits, teacher_logits, temperature=1.0):
    from torch.nn import functional as F

    return F.cross_entropy(
        student_logits / temperature, F.softmax(teacher_logits / temperature, dim=1).detach()
    )


def right_kl_plus_entropy(student_logits, teacher_logits, temperature=1.0):
    from torch.nn import functional as F

    with torch.no_grad():
        p = F.softmax(teacher_logits / temperature, dim=-1)
        entropy = torch.special.entr(p).sum(-1).mean()
    q = F.log_softmax(student_logits / temperature, dim=-1)
    return F.kl_div(q, p, reduction="batchmean") + entropy


def right_loop(student_logits, teacher_logits, temperature=1.0):
    total = 0
    for s, t in zip(student_logits, teacher_logits.detach()):
        s = s / temperature
        log_q = s - torch.logsumexp(s, dim=0)
        p = (t / temperature - torch.logsumexp(t / temperature, dim=0)).exp()
        total = total - torch.dot(p, log_q)
    return total / len(student_logits)


def right_einsum(student_logits, teacher_logits, temperature=1.0):
    log_q = (student_logits / temperature).log_softmax(1)
    p = (teacher_logits / temperature).softmax(1).detach()
    return -torch.einsum("bc,bc->", p, log_q) / student_logits.size(0)


def wrong_switches_teacher_gradient_off(student_logits, teacher_logits, temperature=1.0):
    if teacher_logits.is_leaf:
        teacher_logits.requires_grad = False
    p = torch.softmax(teacher_logits.detach() / temperature, -1)
    return -(p * torch.log_softmax(student_logits / temperature, -1)).sum(-1).mean()


def wrong_symmetric(student_logits, teacher_logits, temperature=1.0):
    s, z = student_logits / temperature, teacher_logits.detach() / temperature
    there = -(torch.softmax(z, -1) * torch.log_softmax(s, -1)).sum(-1).mean()
    back = -(torch.softmax(s, -1) * torch.log_softmax(z, -1)).sum(-1).mean()
    return (there + back) / 2


def wrong_in_bits(student_logits, teacher_logits, temperature=1.0):
    p = torch.softmax(teacher_logits.detach() / temperature, -1)
    q = torch.log_softmax(student_logits / temperature, -1)
    return -(p * q).sum(-1).mean() / math.log(2)


def right_logsumexp(student_logits, teacher_logits, temperature=1.0):
    s, z = student_logits / temperature, teacher_logits.detach() / temperature
    p = (z - z.logsumexp(1, keepdim=True)).exp()
    return (p * (s.logsumexp(1, keepdim=True) - s)).sum() / len(s)


def right_diagonal_of_a_product(student_logits, teacher_logits, temperature=1.0):
    with torch.no_grad():
        p = (teacher_logits / temperature).softmax(dim=1)
    q = (student_logits / temperature).log_softmax(dim=1)
    return -torch.diagonal(p @ q.T).mean()
