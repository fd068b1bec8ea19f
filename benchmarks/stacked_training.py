"""Train several small models of one shape at once, each with its own settings.

All see the same batches. Their weights are stacked for the forward and backward pass, so that one
matrix product serves all of them (torch.func.vmap); each has its own AdamW, schedule and clipping,
as `tinybert_l.method.training.run_loop` would give it. A test compares the two.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.lr_scheduler import LambdaLR

from tinybert_l.course.optimisation import Rate
from tinybert_l.exercises.lecture_04 import clip_by_global_norm
from tinybert_l.method.training import LoopSettings, parameter_groups

Inputs = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Run:
    """A model that is trained in place, and its settings.

    Attributes:
        rate: (step, warm-up steps, all steps) -> the factor of the learning rate.
    """

    model: nn.Module
    settings: LoopSettings
    rate: Rate

    def optimiser(self) -> tuple[torch.optim.Optimizer, LambdaLR]:
        """AdamW with the library's groups of weights, and the schedule of its rate."""
        groups = parameter_groups(self.model, self.settings.weight_decay)
        optimiser = torch.optim.AdamW(groups, lr=self.settings.learning_rate, fused=True)
        steps = self.settings.num_steps
        warmup = round(self.settings.warmup_share * steps)
        return optimiser, LambdaLR(optimiser, lambda step: self.rate(step, warmup, steps))

    def weights(self) -> dict[str, nn.Parameter]:
        """The weights that are trained, by name; the others are shared and stay."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def clip(self) -> float:
        """Clip the gradient; return its norm before."""
        weights = list(self.weights().values())
        clipped, norm = clip_by_global_norm([p.grad for p in weights], self.settings.max_norm)
        for weight, gradient in zip(weights, clipped, strict=True):
            weight.grad = gradient
        return float(norm)


def train_stacked(
    runs: Sequence[Run],
    inputs_of: Callable[[int], Inputs],
    loss_of: Callable[[torch.Tensor, int], torch.Tensor],
    seed: int,
) -> list[list[float]]:
    """Train all models in place; return each one's gradient norms before clipping, by step.

    Args:
        runs: with the same number of steps, and models of one shape that start alike.
        inputs_of: step -> the arguments of a model.
        loss_of: (logits of one model, step) -> its loss.
        seed: of dropout, which differs between the models.
    """
    torch.manual_seed(seed)
    shape = runs[0].model.train()
    own_weights = [run.weights() for run in runs]
    optimisers = [run.optimiser() for run in runs]
    norms: list[list[float]] = [[] for _ in runs]
    for step in range(runs[0].settings.num_steps):
        inputs = {**inputs_of(step), "only_first": True}

        def loss(
            weights: dict[str, torch.Tensor], inputs: dict[str, Any] = inputs, step: int = step
        ) -> torch.Tensor:
            return loss_of(functional_call(shape, weights, (), inputs).logits, step)

        names = own_weights[0]
        stacked = {name: torch.stack([own[name] for own in own_weights]) for name in names}
        with sdpa_kernel(SDPBackend.MATH):  # the kernel that vmap can stack
            vmap(loss, randomness="different")(stacked).sum().backward()
        for run, (optimiser, schedule), own_norms in zip(runs, optimisers, norms, strict=True):
            own_norms.append(run.clip())
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
    for run in runs:
        run.model.eval()
    return norms
