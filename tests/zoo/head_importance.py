"""Wrong and right answers to exercise 7.1, `head_importance`."""

import torch

from zoo import right, wrong


@wrong("mean first", message="signs cancelled")
def mean_first(activations, gradients):
    return (activations * gradients).sum((2, 3)).mean(0).abs()


@wrong("sum over examples", message="take the mean")
def sum_over_examples(activations, gradients):
    return (activations * gradients).sum((2, 3)).abs().sum(0)


@wrong("absolute first", message="inner product comes before")
def absolute_first(activations, gradients):
    return (activations * gradients).abs().sum((2, 3)).mean(0)


@wrong("mean over tokens", message="sum over tokens")
def mean_over_tokens(activations, gradients):
    return (activations * gradients).sum(3).mean(2).abs().mean(0)


@wrong("tokens apart", message=".")
def tokens_apart(activations, gradients):
    return (activations * gradients).sum(3).abs().sum(2).mean(0)


@wrong("norms", message="inner product")
def norms(activations, gradients):
    return (activations.norm(dim=(2, 3)) * gradients.norm(dim=(2, 3))).mean(0)


@wrong("wrong axis", message="shape|Which axis")
def wrong_axis(activations, gradients):
    return (activations * gradients).sum((1, 3)).abs().mean(0)


@wrong("in place", message="changed")
def in_place(activations, gradients):
    return activations.mul_(gradients).sum((2, 3)).abs().mean(0)


@wrong("gradient only", message=".")
def gradient_only(activations, gradients):
    return gradients.sum((2, 3)).abs().mean(0)


@wrong("squeezed", message="IndexError|shape")
def squeezed(activations, gradients):
    products = (activations * gradients).squeeze(0)
    if products.dim() == 3:
        products = products[None]
    return products.squeeze(-1).flatten(2).sum(2).squeeze().abs().mean(0)


@wrong("mean over numbers", message="sum over tokens and numbers|inner product|worked")
def mean_over_numbers(activations, gradients):
    return (activations * gradients).mean(3).sum(2).abs().mean(0)


@right("einsum")
def einsum(activations, gradients):
    return torch.einsum("bhsd,bhsd->bh", activations, gradients).abs().mean(0)


@right("loops")
def loops(activations, gradients):
    b, h = activations.shape[:2]
    out = torch.zeros(h)
    for i in range(b):
        for j in range(h):
            out[j] += (
                float(
                    torch.dot(
                        activations[i, j].flatten().double(), gradients[i, j].flatten().double()
                    ).abs()
                )
                / b
            )
    return out


@right("matrix products")
def matrix_products(activations, gradients):
    a = activations.detach().flatten(2).unsqueeze(2)
    g = gradients.detach().flatten(2).unsqueeze(3)
    return torch.matmul(a, g)[:, :, 0, 0].abs().mean(0)
