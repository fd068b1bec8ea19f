"""The values that rows hold beside plain numbers, and `Row`, the base of all rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from tinybert_l.submodels import SubModel

Runtime = Literal["torch float32", "ONNX float32", "ONNX int8"]
Decoding = Literal["greedy", "top_p", "top_p_penalty"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval, and what that is over."""

    estimate: float
    low: float
    high: float
    method: Literal["seeds_and_items", "one_seed", "seeds"]


@dataclass(frozen=True)
class Quartiles:
    """The median of a benchmark's rounds, with the quartiles, and what each round gave."""

    median: float
    low: float
    high: float
    rounds: tuple[float, ...] | None = None  # contestants take turns: a round is a pair


@dataclass(frozen=True)
class OverSeeds:
    """The mean over a record's seeds, the standard deviation, and the value of each seed."""

    mean: float
    sd: float
    values: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Hits:
    """Which test texts were answered rightly, four texts a hexadecimal digit.

    Two of them over the same texts give a paired interval.
    """

    count: int
    digits: str

    @classmethod
    def pack(cls, correct: Sequence[int]) -> "Hits":
        """Keep 1 (right) or 0 (wrong) for each text, in the order of the texts."""
        bits = "".join(map(str, map(int, correct)))
        padded = bits + "0" * (-len(bits) % 4)
        return cls(len(bits), f"{int(padded or '0', 2):0{len(padded) // 4}x}")

    def unpack(self) -> list[int]:
        """Return 1 or 0 for each text, as `pack` took them."""
        bits = "".join(f"{int(digit, 16):04b}" for digit in self.digits)
        return list(map(int, bits[: self.count]))


@dataclass(frozen=True)
class DeployedModel:
    """A sub-model in the runtime that executes it."""

    sub_model: SubModel
    runtime: Runtime

    @property
    def label(self) -> str:
        """The sub-model's label and the runtime: 3×½ ONNX int8."""
        return f"{self.sub_model.label} {self.runtime}"


@dataclass(frozen=True)
class Row:
    """The base of all rows; `kind` names the row's class on disk."""

    kind: ClassVar[str] = ""
