"""Held-out answers to exercise 7.1, `head_importance`."""

import torch


def wrong_normalised(activations, gradients):
    scores = (activations * gradients).sum((2, 3)).abs().mean(0)
    return (
        scores / scores.norm().clamp(min=1e-12) * scores.shape[0] ** 0.5
        if len(scores) > 1
        else scores
    )


def wrong_layout_mistaken(activations, gradients):
    b, A, s, d = activations.shape
    product = (activations * gradients).reshape(b, s, A, d)
    return product.sum((1, 3)).abs().mean(0)


def wrong_divides_by_heads(activations, gradients):
    totals = (activations * gradients).sum((2, 3)).abs().sum(0)
    return totals / max(activations.shape[0], activations.shape[1])


def wrong_root_mean_square(activations, gradients):
    return ((activations * gradients).sum((2, 3)) ** 2).mean(0).sqrt()


def wrong_median(activations, gradients):
    return (activations * gradients).sum((2, 3)).abs().quantile(0.5, dim=0)


def wrong_first_two_examples(activations, gradients):
    total = 0
    for i in range(min(2, len(activations))):
        total = total + (activations[i] * gradients[i]).sum((1, 2)).abs()
    return total / min(2, len(activations))


def wrong_without_first_token(activations, gradients):
    if activations.shape[2] > 1:
        activations, gradients = activations[:, :, 1:], gradients[:, :, 1:]
    return (activations * gradients).sum((2, 3)).abs().mean(0)


def wrong_gradients_in_place(activations, gradients):
    gradients = gradients.mul_(activations)
    return gradients.sum((2, 3)).abs().mean(0)


def wrong_float16(activations, gradients):
    return (activations.half() * gradients.half()).sum((2, 3)).abs().mean(0).float()


def right_einsum(activations, gradients):
    return torch.einsum("bhsd,bhsd->bh", activations, gradients).abs().mean(dim=0)


def right_loop(activations, gradients):
    b, heads = activations.shape[:2]
    scores = []
    for h in range(heads):
        total = 0.0
        for i in range(b):
            total += abs(torch.dot(activations[i, h].flatten(), gradients[i, h].flatten()))
        scores.append(total / b)
    return torch.stack(scores)


def right_matmul(activations, gradients):
    x = activations.flatten(2).unsqueeze(2)
    y = gradients.flatten(2).unsqueeze(3)
    return (x @ y).reshape(activations.shape[:2]).abs().sum(0) / activations.size(0)


def right_numpy(activations, gradients):
    import numpy as np

    product = activations.detach().numpy() * gradients.detach().numpy()
    return torch.from_numpy(np.abs(product.sum(axis=(2, 3))).mean(axis=0))


def wrong_signed(activations, gradients):
    return (activations * gradients).sum((2, 3)).mean(0)


def wrong_mixes_by_reshape(activations, gradients):
    num_heads = activations.shape[1]
    product = (activations * gradients).reshape(num_heads, len(activations), -1)
    return product.sum(-1).abs().mean(1)


def wrong_squares(activations, gradients):
    return ((activations * gradients).sum((2, 3)) ** 2).mean(0)


def right_batched_product(activations, gradients):
    b, heads = activations.shape[:2]
    a = activations.reshape(b * heads, 1, -1)
    g = gradients.reshape(b * heads, -1, 1)
    return torch.bmm(a, g).reshape(b, heads).abs().sum(0) / b


def right_running_sum(activations, gradients):
    total = torch.zeros_like(activations[0, :, 0, 0])
    for a, g in zip(activations, gradients):
        total = total + torch.stack([torch.sum(x * y).abs() for x, y in zip(a, g)])
    return total / activations.size(0)
