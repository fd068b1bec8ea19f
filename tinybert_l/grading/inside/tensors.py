"""Tensors, arrays and generators as their type, shape and raw bytes, and back."""

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from tinybert_l.grading.inside.opaque import NotPlain
from tinybert_l.grading.inside.wire import MESSAGE_LIMIT, WireError

if TYPE_CHECKING:
    from tinybert_l.grading.inside.values import Decoder, Encoder, Tree

TENSOR_LIMIT = MESSAGE_LIMIT // 2  # bytes
DTYPES = {
    str(dtype): dtype
    for dtype in (
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.uint16,
        torch.uint32,
        torch.uint64,
        torch.bool,
    )
}


def _encode_numbers(encoder: "Encoder", tensor: torch.Tensor) -> "Tree":
    """Write a tensor's type, shape and bytes.

    Raises:
        NotPlain: it is too large, or of a type that is not in `DTYPES`.
    """
    plain = tensor.detach()
    if plain.layout != torch.strided:
        plain = plain.to_dense()
    plain = plain.as_subclass(torch.Tensor).cpu().contiguous()
    known = str(plain.dtype) in DTYPES
    if not known or plain.numel() * plain.element_size() > TENSOR_LIMIT:
        raise NotPlain(f"tensor of {plain.dtype} with {plain.numel()} numbers")
    raw = b""
    if plain.numel():
        raw = plain.reshape(-1).view(torch.uint8).numpy().tobytes()
    return {
        "dtype": str(plain.dtype),
        "shape": list(plain.shape),
        "bytes": encoder.add_buffer(raw),
    }


def _decode_numbers(decoder: "Decoder", tree: "Tree") -> torch.Tensor:
    dtype = DTYPES[tree["dtype"]]
    shape = list(map(int, tree["shape"]))
    raw = decoder.buffers[tree["bytes"]]
    if min(shape, default=0) < 0 or len(raw) != math.prod(shape) * dtype.itemsize:
        raise WireError("A tensor whose shape and bytes do not agree.")
    if not raw:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(raw), dtype=dtype).reshape(shape)


def encode_tensor(encoder: "Encoder", tensor: torch.Tensor) -> "Tree":
    tree = _encode_numbers(encoder, tensor)
    encoder.tensors.append(tensor)
    return {**tree, "requires_grad": bool(tensor.requires_grad)}


def decode_tensor(decoder: "Decoder", tree: "Tree") -> torch.Tensor:
    tensor = _decode_numbers(decoder, tree)
    if tree["requires_grad"] and tensor.is_floating_point():
        tensor.requires_grad_()
    decoder.tensors.append(tensor)
    return tensor


def encode_array(encoder: "Encoder", array: np.ndarray) -> "Tree":
    if array.dtype.kind == "U":
        return {"texts": encoder.encode(array.tolist())}
    if f"torch.{array.dtype.name}" not in DTYPES:
        raise NotPlain("ndarray")
    return _encode_numbers(encoder, torch.from_numpy(array.copy()))


def decode_array(decoder: "Decoder", tree: "Tree") -> np.ndarray:
    if "texts" in tree:
        return np.array(decoder.decode(tree["texts"]), dtype=str)
    return _decode_numbers(decoder, tree).numpy()


def encode_generator(encoder: "Encoder", generator: torch.Generator) -> int:
    return encoder.add_buffer(generator.get_state().numpy().tobytes())


def decode_generator(decoder: "Decoder", index: int) -> torch.Generator:
    generator = torch.Generator()
    state = bytearray(decoder.buffers[index])
    generator.set_state(torch.frombuffer(state, dtype=torch.uint8))
    return generator
