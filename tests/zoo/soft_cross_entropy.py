"""Wrong and right answers to exercise 1.2, `soft_cross_entropy`."""

import torch

from zoo import right, wrong


@wrong("kl", message="KL divergence")
def kl(student_logits, teacher_logits, temperature=1.0):
    p = torch.softmax(teacher_logits.detach() / temperature, -1)
    q = torch.log_softmax(student_logits / temperature, -1)
    return (p * (p.log() - q)).sum(-1).mean()


@wrong("times t²", message="t²")
def times_t2(student_logits, teacher_logits, temperature=1.0):
    p = torch.softmax(teacher_logits.detach() / temperature, -1)
    q = torch.log_softmax(student_logits / temperature, -1)
    return -(p * q).sum(-1).mean() * temperature**2


@wrong("student not softened", message="both sides")
def student_not_softened(student_logits, teacher_logits, temperature=1.0):
    p = torch.softmax(teacher_logits.detach() / temperature, -1)
    q = torch.log_softmax(student_logits / 1, -1)
    return -(p * q).sum(-1).mean()


@wrong("teacher not softened", message="both sides")
def teacher_not_softened(student_logits, teacher_logits, temperature=1.0):
    p = torch.softmax(teacher_logits.detach() / 1, -1)
    q = torch.log_softmax(student_logits / temperature, -1)
    return -(p * q).sum(-1).mean()


@wrong("mean over classes", message="ln 2|Sum over classes")
def mean_over_classes(student_logits, teacher_logits, temperature=1.0):
    p = torch.softmax(teacher_logits.detach() / temperature, -1)
    q = torch.log_softmax(student_logits / temperature, -1)
    return -(p * q).mean()


@wrong("sum over batch", message="mean over the batch")
def sum_over_batch(student_logits, teacher_logits, temperature=1.0):
    p = torch.softmax(teacher_logits.detach() / temperature, -1)
    q = torch.log_softmax(student_logits / temperature, -1)
    return -(p * q).sum()


@wrong("log of softmax", message="log_softmax|Extreme")
def log_of_softmax(student_logits, teacher_logits, temperature=1.0):
    p = torch.softmax(teacher_logits.detach() / temperature, -1)
    q = torch.softmax(student_logits / temperature, -1).log()
    return -(p * q).sum(-1).mean()


@wrong("teacher learns", message="teacher must receive no gradient")
def teacher_learns(student_logits, teacher_logits, temperature=1.0):
    p = torch.softmax(teacher_logits / temperature, -1)
    q = torch.log_softmax(student_logits / temperature, -1)
    return -(p * q).sum(-1).mean()


@wrong("student detached", message="radient|require grad")
def student_detached(student_logits, teacher_logits, temperature=1.0):
    p = torch.softmax(teacher_logits.detach() / temperature, -1)
    q = torch.log_softmax(student_logits.detach() / temperature, -1)
    return -(p * q).sum(-1).mean()


@wrong("hard labels", message="expected|: ")
def hard_labels(student_logits, teacher_logits, temperature=1.0):
    return torch.nn.functional.cross_entropy(
        student_logits / temperature, teacher_logits.argmax(-1)
    )


@wrong("squeezed", message="no squeeze")
def squeezed(student_logits, teacher_logits, temperature=1.0):
    p = torch.softmax(teacher_logits.detach().squeeze() / temperature, -1)
    q = torch.log_softmax(student_logits.squeeze() / temperature, -1)
    return -(p * q).sum(-1).mean()


@wrong("softmax over the batch", message="ln 2|Sum over classes|worked example")
def softmax_over_the_batch(student_logits, teacher_logits, temperature=1.0):
    p = torch.softmax(teacher_logits.detach() / temperature, 0)
    q = torch.log_softmax(student_logits / temperature, 0)
    return -(p * q).sum(-1).mean()


@wrong("one maximum for the batch", message="that of each sentence")
def one_maximum(student_logits, teacher_logits, temperature=1.0):
    z = student_logits / temperature
    z = z - z.max()
    log_q = z - torch.log(torch.exp(z).sum(dim=-1, keepdim=True))
    p = torch.softmax(teacher_logits.detach() / temperature, dim=-1)
    return -(p * log_q).sum(dim=-1).mean()


@right("torch's")
def by_torch(student_logits, teacher_logits, temperature=1.0):
    return torch.nn.functional.cross_entropy(
        student_logits / temperature, torch.softmax(teacher_logits / temperature, -1).detach()
    )


@right("einsum")
def einsum(student_logits, teacher_logits, temperature=1.0):
    q = student_logits / temperature - torch.logsumexp(
        student_logits / temperature, -1, keepdim=True
    )
    p = torch.softmax(teacher_logits.detach() / temperature, 1)
    return -torch.einsum("bc,bc->", p, q) / len(p)


@right("kl plus entropy")
def kl_plus_entropy(student_logits, teacher_logits, temperature=1.0):
    p = torch.softmax(teacher_logits.detach() / temperature, -1)
    q = torch.log_softmax(student_logits / temperature, -1)
    return (
        torch.nn.functional.kl_div(q, p, reduction="batchmean")
        - torch.special.xlogy(p, p).sum(-1).mean()
    )


@right("loop over texts")
def loop_over_texts(student_logits, teacher_logits, temperature=1.0):
    losses = []
    for s, t in zip(student_logits / temperature, teacher_logits.detach() / temperature):
        losses.append(torch.logsumexp(s, 0) - torch.softmax(t, 0) @ s)
    return torch.stack(losses).mean()
