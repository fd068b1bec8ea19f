"""The method's own functions, which the library runs where no lecture was begun.

In a lecture the exercises' answers take their place, and grading hides this file from submissions.
They do what the exercises specify, for arguments that the method itself makes; telling wrong
arguments apart is left to the answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tinybert_l.errors import InvalidInput

if TYPE_CHECKING:
    import torch
    from transformers import BertConfig


def _count_by_building(sizes: BertConfig, with_pooler: bool = True) -> int:
    """Build the encoder without memory for its weights, and count them."""
    import torch
    from transformers import BertModel

    with torch.device("meta"):
        encoder = BertModel(sizes, add_pooling_layer=with_pooler)
    return sum(map(torch.numel, encoder.parameters()))


def _imitation(
    logits: torch.Tensor, soft_logits: torch.Tensor, temperature: float = 1.0
) -> torch.Tensor:
    """Compare logits with a teacher's by torch's cross-entropy with probabilities as labels."""
    from torch.nn import functional as F

    labels = F.softmax(soft_logits.detach().flatten(end_dim=-2) / temperature, 1)
    return F.cross_entropy(logits.flatten(end_dim=-2) / temperature, labels)


def _weighted_mean(parts: list[torch.Tensor], shares: list[float] | None = None) -> torch.Tensor:
    """Average losses; one whose weight is 0 is not touched."""
    if shares is None:
        shares = [1.0] * len(parts)
    total = parts[0].new_zeros(())
    for part, share in zip(parts, shares, strict=True):
        if share:
            total = total + part * (share / math.fsum(shares))
    return total


def _sandwich(sizes: list[Any], filling: int, generator: torch.Generator) -> list[Any]:
    """Take both ends of a list, and some of the rest by lot."""
    import torch

    inner = sizes[1:-1]
    lots = torch.randperm(len(inner), generator=generator).tolist()
    ends = sizes[:1] if len(sizes) == 1 else [sizes[-1], sizes[0]]
    return ends + [inner[lot] for lot in lots[:filling]]


def _even_spread(layers: int, parts: int) -> list[int]:
    """Keep each layer at which another of so many equal parts of the way is complete."""
    kept = []
    for layer in range(layers):
        parts_here = math.ceil((layer + 1) * parts / layers)
        parts_next = math.ceil((layer + 2) * parts / layers)
        if parts_next > parts_here:
            kept.append(layer)
    return kept


def _blocks_of_heads(
    weight: torch.Tensor, bias: torch.Tensor | None, heads: list[int], rows_a_head: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Cut a projection into the blocks of its heads, and put those wanted together again."""
    import torch

    blocks = weight.split(rows_a_head)
    chosen = torch.cat([blocks[head] for head in heads])
    if bias is None:
        return chosen, None
    offsets = bias.split(rows_a_head)
    return chosen, torch.cat([offsets[head] for head in heads])


def _imitated_layers(student: int, teacher: int, strategy: str = "uniform") -> list[int]:
    """Take the layers that an evenly cut teacher would keep, or those at one of its ends."""
    if strategy == "uniform":
        return [layer + 1 for layer in _even_spread(teacher, student)]
    every_layer = list(range(1, teacher + 1))
    return {"bottom": every_layer[:student], "top": every_layer[-student:]}[strategy]


def _gap_of_states(
    states: torch.Tensor, goal: torch.Tensor, projection: torch.Tensor | None, mask: torch.Tensor
) -> torch.Tensor:
    """Blank the padding on both sides, then average the squared error over the tokens."""
    from torch.nn import functional as F

    padding = mask.eq(0).unsqueeze(-1)
    mine = states.masked_fill(padding, 0)
    if projection is not None:
        mine = F.linear(mine, projection.t())
    theirs = goal.detach().masked_fill(padding, 0)
    return F.mse_loss(mine, theirs, reduction="sum") / _at_least_one(~padding, goal.shape[-1])


def _gap_of_scores(scores: torch.Tensor, goal: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Blank the pairs with padding in the differences, then average over the other pairs."""
    here = mask.ne(0)
    blank = ~(here.unsqueeze(-1) & here.unsqueeze(-2)).unsqueeze(1)
    differences = scores.sub(goal.detach()).masked_fill(blank, 0)
    return differences.pow(2).sum() / _at_least_one(~blank, scores.shape[1])


def _at_least_one(counted: torch.Tensor, times: int) -> torch.Tensor:
    """Return the number of marks, so many times; 1 where there is none."""
    return counted.count_nonzero().mul(times).clamp_min(1)


def _opened(now: int, end: int, stages: Sequence[tuple[float, Sequence[Any]]]) -> list[Any]:
    """Collect what each stage that has begun brings."""
    members: dict[Any, None] = {}  # a set that keeps its order
    for begin, group in stages:
        if now / end >= begin:
            members.update(dict.fromkeys(group))
    return list(members)


def _ramp(now: int, rise: int, end: int) -> float:
    """Rise to 1, then fall to 0: the lower of the two lines."""
    falling = max(0, end - now) / max(1, end - rise)
    return min(now / rise, falling) if now < rise else falling


def _clipped(
    gradients: Sequence[torch.Tensor | None], bound: float
) -> tuple[list[torch.Tensor | None], torch.Tensor]:
    """Scale gradients by torch's own total norm of them."""
    import torch

    present = [gradient for gradient in gradients if gradient is not None]
    length = torch.nn.utils.get_total_norm(present, error_if_nonfinite=True)
    scale = torch.clamp(bound / length, max=1.0).nan_to_num(1.0)
    scaled: list[torch.Tensor | None] = []
    for gradient in gradients:
        scaled.append(gradient if gradient is None else torch.mul(gradient, scale))
    return scaled, length


def _decays(shapes: Mapping[str, Sequence[int]], decay: float) -> dict[str, float]:
    """Let all but vectors decay."""
    rates = dict.fromkeys(shapes, decay)
    for name, shape in shapes.items():
        if len(shape) == 1:
            rates[name] = 0.0
    return rates


def _windows(tokens: list[int], width: int, step: int) -> list[list[int]]:
    """Move a window over the tokens until it has seen the last one."""
    found: list[list[int]] = []
    begin = 0
    while tokens and (not found or begin - step + width < len(tokens)):
        found.append(list(tokens[begin : begin + width]))
        begin += step
    return found


def _best_span(begins: torch.Tensor, ends: torch.Tensor, longest: int) -> tuple[int, int]:
    """Add every begin to every end, rule out what is backwards or too long, take the largest."""
    import torch

    sums = begins.double()[:, None] + ends.double()
    allowed = torch.ones_like(sums).triu().tril(longest - 1).bool()
    best = int(sums.masked_fill(~allowed, -math.inf).flatten().argmax())
    row, column = divmod(best, len(ends))
    return row, column


def _undominated(offers: Sequence[tuple[float, float]]) -> list[int]:
    """Go through the offers by rising cost, and keep each that is better than all before."""
    by_cost = sorted((cost, -quality, place) for place, (cost, quality) in enumerate(offers))
    kept: list[int] = []
    for _, loss, place in by_cost:
        if not kept or -loss > offers[kept[-1]][1]:
            kept.append(place)
    return kept


def _importance_of_heads(outputs: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Contract outputs with gradients, head by head."""
    import torch

    change = torch.einsum("bhsd,bhsd->bh", outputs, slopes)
    return change.detach().abs().mean(0)


def _exits(logits: list[torch.Tensor], bound: float) -> torch.Tensor:
    """Note for each text the earliest layer that is sure, from the last layer backwards."""
    import torch

    exits = torch.full(logits[0].shape[:1], len(logits), device=logits[0].device)
    for layer in range(len(logits) - 1, 0, -1):
        doubt = torch.special.entr(logits[layer - 1].float().softmax(-1)).sum(-1)
        exits[doubt <= bound] = layer
    return exits


def _within_budget(models: Sequence[Mapping[str, Any]], budget: float) -> str:
    """Rank the models by quality, then speed, and take the first within the budget."""
    ranking = sorted(models, key=lambda model: (-model["quality"], model["latency_ms"]))
    for model in ranking:
        if not model["latency_ms"] > budget:
            return model["name"]
    if not ranking:
        raise InvalidInput("choose_submodel: no candidates were given.")
    quickest = min(ranking, key=lambda model: model["latency_ms"])
    raise InvalidInput(
        f"choose_submodel: latency_budget_ms={budget}; allowed here: "
        f"{quickest['latency_ms']} or more, which {quickest['name']} takes. 没有子模型满足预算。"
    )


def _variety(tokens: Sequence[int], length: int) -> float:
    """Count different runs of tokens among all."""
    runs = list(zip(*(tokens[offset:] for offset in range(length)), strict=False))
    return len(set(runs)) / max(1, len(runs))


FORMULAS: dict[str, Callable[..., Any]] = {  # by the exercise that specifies each
    "parameter_count": _count_by_building,
    "soft_cross_entropy": _imitation,
    "joint_loss": _weighted_mean,
    "sandwich_sample": _sandwich,
    "kept_layers": _even_spread,
    "slice_heads": _blocks_of_heads,
    "layer_map": _imitated_layers,
    "hidden_loss": _gap_of_states,
    "attention_loss": _gap_of_scores,
    "submodel_schedule": _opened,
    "linear_warmup_decay": _ramp,
    "clip_by_global_norm": _clipped,
    "weight_decay_by_name": _decays,
    "split_document": _windows,
    "best_answer_span": _best_span,
    "pareto_frontier": _undominated,
    "head_importance": _importance_of_heads,
    "early_exit": _exits,
    "choose_submodel": _within_budget,
    "distinct_n": _variety,
}
