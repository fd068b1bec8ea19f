"""Reference answers of lecture 3."""

import torch


def kept_layers(num_layers, depth):
    if not 1 <= depth <= num_layers:
        raise ValueError(f"kept_layers: depth={depth}; allowed: 1 to num_layers={num_layers}.")
    return [i * num_layers // depth - 1 for i in range(1, depth + 1)]


def slice_heads(weight, bias, kept_heads, head_size):
    num_heads = weight.shape[0] // head_size
    if sorted(set(kept_heads)) != sorted(kept_heads) or not all(
        0 <= head < num_heads for head in kept_heads
    ):
        raise ValueError(
            f"slice_heads: kept_heads={list(kept_heads)}; "
            f"allowed: different heads from 0 to {num_heads - 1}."
        )
    rows = [head * head_size + i for head in kept_heads for i in range(head_size)]
    index = torch.tensor(rows, dtype=torch.long, device=weight.device)
    return weight[index], None if bias is None else bias[index]


def layer_map(num_student_layers, num_teacher_layers, strategy="uniform"):
    if not 1 <= num_student_layers <= num_teacher_layers:
        raise ValueError(
            f"layer_map: num_student_layers={num_student_layers}, "
            f"num_teacher_layers={num_teacher_layers}; "
            "allowed: 1 <= num_student_layers <= num_teacher_layers."
        )
    layers = range(1, num_student_layers + 1)
    if strategy == "uniform":
        return [m * num_teacher_layers // num_student_layers for m in layers]
    if strategy == "top":
        return [num_teacher_layers - num_student_layers + m for m in layers]
    if strategy == "bottom":
        return list(layers)
    raise ValueError(f"layer_map: strategy={strategy!r}; allowed: 'uniform', 'top', 'bottom'.")


def hidden_loss(student_hidden, teacher_hidden, projection, attention_mask):
    token = attention_mask.bool()
    # padding may hold infinities or NaN: select before any arithmetic
    student = torch.where(token[..., None], student_hidden, 0.0)
    teacher = torch.where(token[..., None], teacher_hidden.detach(), 0.0)
    if projection is not None:
        student = student @ projection
    if student.shape != teacher.shape:
        raise ValueError(
            f"hidden_loss: the student's hidden states have {student.shape[-1]} numbers a token, "
            f"the teacher's {teacher.shape[-1]}; allowed: equal sizes, or a projection "
            "[student size, teacher size]."
        )
    count = token.sum() * teacher.shape[-1]
    return (student - teacher).square().sum() / count.clamp(min=1)


def attention_loss(student_scores, teacher_scores, attention_mask):
    if student_scores.shape != teacher_scores.shape:
        raise ValueError(
            f"attention_loss: student_scores {tuple(student_scores.shape)} and teacher_scores "
            f"{tuple(teacher_scores.shape)} differ; allowed: one shape [batch, heads, query, key]."
        )
    token = attention_mask.bool()
    real_pair = token[:, None, :, None] & token[:, None, None, :]
    # select before squaring: -inf minus -inf is NaN, and NaN times 0 still is
    gap = torch.where(real_pair, student_scores - teacher_scores.detach(), 0.0)
    count = real_pair.sum() * student_scores.shape[1]
    return gap.square().sum() / count.clamp(min=1)
