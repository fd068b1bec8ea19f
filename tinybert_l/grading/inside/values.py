"""What crosses between student and judge: plain data with their types, never pickles.

Decoding makes only the kinds of values listed here; whatever else a student returns arrives as `Opaque`, which
equals nothing and says what it was. Imported inside the sandbox, as a file beside `runner` and `wire`.
"""

import json
import math
from typing import Any

import numpy as np
import torch
from transformers import BertConfig
from wire import LIMIT, WireError

from tinybert_l.submodels import SubModel

DEPTH = 32
_DTYPES = {str(getattr(torch, n)): getattr(torch, n) for n in (
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")}  # fmt: skip


class Opaque:
    """A value that is not plain data: its type's name, for the message a student reads."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"<a {self.kind}, which is no plain value 不是普通数据>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise TypeError(
            f"The answer is a {self.kind}; return a number, string, list, dict or tensor. 请返回普通数据。"
        )

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


class Encoder:
    """Turns a value into a JSON tree and buffers; remembers the tensors, in order."""

    def __init__(self) -> None:
        self.buffers: list[bytes] = []
        self.tensors: list[torch.Tensor] = []

    def encode(self, value: Any, depth: int = 0) -> Any:
        kind = type(value)
        if depth > DEPTH:
            return {"t": "opaque", "v": "deeply nested value"}
        if value is None or kind in (bool, str):
            return value
        if isinstance(value, (bool, np.bool_)):
            return bool(value)
        if isinstance(value, (int, np.integer)):
            return {"t": "int", "v": int.__repr__(int(value))}
        if isinstance(value, (float, np.floating)):
            return {
                "t": "float",
                "v": float.hex(float(value))
                if math.isfinite(value)
                else float.__repr__(float(value)),
            }
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, torch.Generator):
            return {"t": "generator", "v": self._buffer(value.get_state().numpy().tobytes())}
        if kind in (list, tuple, torch.Size):
            return {
                "t": "list" if kind is list else "tuple",
                "v": [self.encode(v, depth + 1) for v in value],
            }
        if kind is range:
            return {"t": "range", "v": [value.start, value.stop, value.step]}
        if kind is dict:
            return {
                "t": "dict",
                "v": [
                    [self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in value.items()
                ],
            }
        if kind is np.ndarray and value.dtype.kind in "fiub":
            return {"t": "array", "v": self._tensor(torch.from_numpy(value.copy()))}
        if kind is SubModel:
            return {"t": "SubModel", "v": [self.encode(value.depth), self.encode(value.width)]}
        if isinstance(value, BertConfig):
            return {"t": "BertConfig", "v": json.loads(json.dumps(value.to_dict(), default=str))}
        return {"t": "opaque", "v": str(kind.__name__)[:80]}

    def _tensor(self, value: torch.Tensor) -> Any:
        plain = value.detach().as_subclass(torch.Tensor).to_dense().cpu().contiguous()
        if str(plain.dtype) not in _DTYPES or plain.numel() * plain.element_size() > LIMIT // 2:
            return {"t": "opaque", "v": f"tensor of {plain.dtype} with {plain.numel()} numbers"}
        self.tensors.append(value)
        raw = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        return {
            "t": "tensor",
            "d": str(plain.dtype),
            "s": list(plain.shape),
            "g": bool(value.requires_grad),
            "i": len(self.tensors) - 1,
            "v": self._buffer(raw),
        }

    def _buffer(self, raw: bytes) -> int:
        self.buffers.append(raw)
        return len(self.buffers) - 1


class Decoder:
    """The inverse, for trees from a process that may lie; keeps the tensors, in order."""

    def __init__(self, buffers: list[bytes]) -> None:
        self.buffers = buffers
        self.tensors: list[torch.Tensor] = []

    def decode(self, tree: Any, depth: int = 0) -> Any:
        if depth > DEPTH + 2:
            raise WireError("A value is nested too deeply.")
        if tree is None or isinstance(tree, bool | str):
            return tree
        if not isinstance(tree, dict):
            raise WireError("A value without a type.")
        kind: Any = tree.get("t")
        v: Any = tree.get("v")
        if kind == "int":
            if len(v) > 4000:
                raise WireError("A whole number of more than 4000 digits.")
            return int(v)
        if kind == "float":
            return float.fromhex(v) if "x" in v else float(v)
        if kind in ("list", "tuple"):
            return {"list": list, "tuple": tuple}[kind](self.decode(item, depth + 1) for item in v)
        if kind == "dict":
            return {self._key(k, depth): self.decode(item, depth + 1) for k, item in v}
        if kind == "range":
            return range(*(int(part) for part in v))
        if kind == "tensor":
            return self._tensor(tree)
        if kind == "array":
            return self._tensor(v).numpy()
        if kind == "generator":
            generator = torch.Generator()
            generator.set_state(torch.frombuffer(bytearray(self.buffers[v]), dtype=torch.uint8))
            return generator
        if kind == "SubModel":
            return SubModel(self.decode(v[0]), self.decode(v[1]))
        if kind == "BertConfig":
            return BertConfig(**v)
        if kind == "opaque":
            return Opaque(str(v)[:120])
        raise WireError(f"An unknown type {str(kind)[:40]!r}.")

    def _key(self, tree: Any, depth: int) -> Any:
        key = self.decode(tree, depth + 1)
        return (
            key
            if isinstance(key, str | int | float | bool | tuple | SubModel | None)
            else repr(key)
        )

    def _tensor(self, tree: Any) -> torch.Tensor:
        dtype, shape, raw = _DTYPES[tree["d"]], [int(n) for n in tree["s"]], self.buffers[tree["v"]]
        count = math.prod(shape)
        if count < 0 or min(shape, default=0) < 0 or len(raw) != count * dtype.itemsize:
            raise WireError("A tensor whose shape and bytes do not agree.")
        flat = torch.frombuffer(bytearray(raw), dtype=dtype) if raw else torch.empty(0, dtype=dtype)
        tensor = flat.reshape(shape)
        if tree["g"] and dtype.is_floating_point:
            tensor.requires_grad_()
        self.tensors.append(tensor)
        return tensor
