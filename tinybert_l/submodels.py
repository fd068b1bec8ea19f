"""Sub-models: which part of the supernet is in use. Needs no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

_VULGAR = {
    Fraction(1, 4): "¼",
    Fraction(1, 2): "½",
    Fraction(3, 4): "¾",
    Fraction(1, 3): "⅓",
    Fraction(2, 3): "⅔",
}


@dataclass(frozen=True)
class SubModel:
    """One choice of depth, width and length.

    Args:
        depth: number of layers kept, at least 1.
        width: share of each layer's attention heads and FFN neurons kept, 0 < width <= 1.
        length: share of a text's tokens that reach the last layer, 0 < length <= 1 (see `kept_tokens`).

    >>> SubModel(3, 0.5).name, SubModel(3, 0.5, 0.25).label
    ('3x0.5', '3×½×¼')
    """

    depth: int
    width: float = 1.0
    length: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.depth, bool) or not isinstance(self.depth, int) or self.depth < 1:
            raise ValueError(
                f"SubModel: depth={self.depth!r}; allowed: a whole number of layers, at least 1."
            )
        for name in ("width", "length"):
            share = getattr(self, name)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
                raise ValueError(
                    f"SubModel: {name}={share!r}; allowed: a number above 0 and at most 1."
                )

    @property
    def name(self) -> str:
        return f"{self.depth}x{self.width:g}" + (f"x{self.length:g}" if self.length < 1 else "")

    @property
    def label(self) -> str:
        """For people: 3×½."""
        shares = [self.width, *([self.length] if self.length < 1 else [])]
        exact = [Fraction(share).limit_denominator(64) for share in shares]
        return "×".join([str(self.depth), *(_VULGAR.get(one, str(one)) for one in exact)])

    @property
    def size(self) -> tuple[float, int]:
        """Sorts by cost (matrix products grow with layers × width × tokens), then by depth."""
        tokens = sum(self.length ** (i / max(self.depth - 1, 1)) for i in range(self.depth))
        return (tokens * self.width, self.depth)

    @classmethod
    def parse(cls, text: str) -> "SubModel":
        """The inverse of `name`: '3x0.5' -> SubModel(3, 0.5)."""
        depth, *shares = text.split("x")
        try:
            if len(shares) > 2:
                raise ValueError("Too many parts.")
            return cls(int(depth), *map(float, shares))
        except ValueError as error:
            raise ValueError(
                f"SubModel: {text!r} is not DEPTHxWIDTH or DEPTHxWIDTHxLENGTH, such as 3x0.5. {error}"
            ) from None


def share_of(total: int, width: float) -> int:
    """How many of `total` heads or neurons a width keeps: the nearest whole number, at least one."""
    return max(1, round(total * width))


def kept_tokens(tokens: int, share: float, layers_done: int, depth: int) -> int:
    """How many of a text's tokens go on after so many of a sub-model's layers: fewer each time by the same factor.

    All run through the first layer, and `share` of them through the last.

    >>> [kept_tokens(100, 0.25, done, 3) for done in (0, 1, 2)]
    [100, 50, 25]
    """
    return max(1, math.ceil(tokens * share ** (layers_done / max(depth - 1, 1)) - 1e-9))


def sub_model_grid(depths: Sequence[int], widths: Sequence[float]) -> list[SubModel]:
    """All combinations, from smallest to largest."""
    return sorted(
        (SubModel(depth, width) for depth in depths for width in widths), key=lambda s: s.size
    )


def default_stages(num_layers: int) -> list[tuple[float, list[SubModel]]]:
    """The course's progressive schedule: the largest alone, then depth opens, then width, step by step.

    Returns:
        (start as a fraction of all steps, sub-models that open there), for depths N, N/2, N/3.
    """
    depths = sorted({num_layers, max(1, num_layers // 2), max(1, num_layers // 3)}, reverse=True)
    stages = [(0.0, [SubModel(depths[0])]), (0.05, [SubModel(depth) for depth in depths[1:]])]
    stages += [(start, [SubModel(d, w) for d in depths]) for start, w in ((0.15, 0.5), (0.3, 0.25))]
    return [stage for stage in stages if stage[1]]
