"""A sub-model: the part of the supernet that a forward pass uses. Needs no torch."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

from tinybert_l.errors import InvalidInput

_FRACTION_SIGNS = {
    Fraction(1, 4): "¼",
    Fraction(1, 2): "½",
    Fraction(3, 4): "¾",
    Fraction(1, 3): "⅓",
    Fraction(2, 3): "⅔",
}


@dataclass(frozen=True)
class SubModel:
    """A choice of depth, width and length; an immutable value.

    Args:
        depth: number of layers kept, at least 1.
        width: share of each layer's attention heads and FFN neurons kept, 0 < width <= 1.
        length: share of a text's tokens that reach the last layer, 0 < length <= 1 (see
            `kept_tokens`).

    Raises:
        InvalidInput: a value is out of range.

    >>> SubModel(3, 0.5).name, SubModel(3, 0.5, 0.25).label
    ('3x0.5', '3×½×¼')
    """

    depth: int
    width: float = 1.0
    length: float = 1.0

    def __post_init__(self) -> None:
        self._take_numbers_of_numpy()
        if isinstance(self.depth, bool) or not isinstance(self.depth, int) or self.depth < 1:
            raise InvalidInput(
                f"SubModel: depth={self.depth!r}; allowed: a whole number of layers, at least 1."
            )
        for name in ("width", "length"):
            share = getattr(self, name)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
                raise InvalidInput(
                    f"SubModel: {name}={share!r}; allowed: a number above 0 and at most 1."
                )

    def _take_numbers_of_numpy(self) -> None:
        """Turn numbers of other types, such as numpy's, into Python's, which JSON can hold."""
        if isinstance(self.depth, Integral) and not isinstance(self.depth, int):
            object.__setattr__(self, "depth", int(self.depth))
        for name in ("width", "length"):
            share = getattr(self, name)
            if isinstance(share, Real) and not isinstance(share, int | float):
                object.__setattr__(self, name, float(share))

    @property
    def name(self) -> str:
        """The name in files and options: "3x0.5", with the length only where it is below 1."""
        name = f"{self.depth}x{_digits(self.width)}"
        return f"{name}x{_digits(self.length)}" if self.length < 1 else name

    @property
    def label(self) -> str:
        """The name for readers: "3×½"."""
        label = f"{self.depth}×{_as_fraction(self.width)}"
        return f"{label}×{_as_fraction(self.length)}" if self.length < 1 else label

    @property
    def size(self) -> tuple[float, int]:
        """A key that sorts by cost, then by depth.

        The cost of matrix products grows with width times the tokens of all layers together.
        """
        tokens = sum(self.length ** (i / max(self.depth - 1, 1)) for i in range(self.depth))
        return (tokens * self.width, self.depth)

    @classmethod
    def parse(cls, text: str) -> "SubModel":
        """Return the sub-model of a name: '3x0.5' is SubModel(3, 0.5).

        Raises:
            InvalidInput: the text is no name of a sub-model.
        """
        if not isinstance(text, str):
            raise InvalidInput(f"SubModel: {text!r}; allowed: a name, such as '3x0.5'.")
        depth, *shares = text.split("x")
        try:
            if len(shares) > 2:
                raise InvalidInput("Too many parts.")
            return cls(int(depth), *map(float, shares))
        except ValueError as error:
            raise InvalidInput(
                f"SubModel: {text!r} is not DEPTHxWIDTH or DEPTHxWIDTHxLENGTH, such as 3x0.5. "
                f"{error}"
            ) from None


def _digits(share: float) -> str:
    """Return a share's digits, all that it takes to read the same number again."""
    short = f"{share:g}"
    return short if float(short) == share else repr(float(share))


def _as_fraction(share: float) -> str:
    fraction = Fraction(share).limit_denominator(64)
    return _FRACTION_SIGNS.get(fraction, str(fraction))


def share_of(total: int, width: float) -> int:
    """Return how many of `total` heads or neurons a width keeps: rounded, but at least 1."""
    return max(1, round(total * width))


def kept_tokens(tokens: int, share: float, layers_done: int, depth: int) -> int:
    """Return how many of a text's tokens go on after some of a sub-model's layers.

    All tokens run through the first layer, and `share` of them through the last; between layers
    their number falls by a constant factor.

    Args:
        tokens: number of the text's tokens.
        share: the sub-model's length, 0 < share <= 1.
        layers_done: layers that the tokens have run through.
        depth: layers of the sub-model.

    >>> [kept_tokens(100, 0.25, done, 3) for done in (0, 1, 2)]
    [100, 50, 25]
    """
    return max(1, math.ceil(tokens * share ** (layers_done / max(depth - 1, 1)) - 1e-9))


def sub_model_grid(depths: Sequence[int], widths: Sequence[float]) -> list[SubModel]:
    """Return the sub-models of all combinations, from smallest to largest.

    Raises:
        InvalidInput: one number where several belong, or one that no sub-model has.
    """
    combinations = itertools.product(as_list("depths", depths), as_list("widths", widths))
    return sorted(itertools.starmap(SubModel, combinations), key=lambda sub_model: sub_model.size)


def as_list(name: str, values: Any) -> list[Any]:
    """Return the values of an argument that holds several.

    Raises:
        InvalidInput: it holds one value, or is a text.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InvalidInput(f"{name}: {values!r}; allowed: a list, such as [{values!r}].")
    return list(values)


def require_layers(num_layers: int) -> int:
    """Return a number of layers as Python's own.

    Raises:
        InvalidInput: it is none.
    """
    whole = isinstance(num_layers, Integral) and not isinstance(num_layers, bool)
    if not whole or num_layers < 1:
        raise InvalidInput(f"num_layers={num_layers!r}; allowed: a whole number, at least 1.")
    return int(num_layers)


def default_stages(num_layers: int) -> list[tuple[float, list[SubModel]]]:
    """Return the course's progressive schedule: depth opens first, then width in two steps.

    The depths are N, N/2 and N/3 of the supernet's N layers; the largest sub-model trains alone at
    first.

    Args:
        num_layers: N.

    Returns:
        (start as a fraction of all steps, sub-models that open there).
    Raises:
        InvalidInput: no number of layers.
    """
    num_layers = require_layers(num_layers)
    depths = sorted({num_layers, max(1, num_layers // 2), max(1, num_layers // 3)}, reverse=True)
    stages = [(0.0, [SubModel(depths[0])])]
    if len(depths) > 1:
        stages.append((0.05, list(map(SubModel, depths[1:]))))
    for start, width in ((0.15, 0.5), (0.3, 0.25)):
        stages.append((start, [SubModel(depth, width) for depth in depths]))
    return stages
