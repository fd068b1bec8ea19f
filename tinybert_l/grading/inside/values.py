"""Turn values into plain data and back, for the way between student's and judge's process.

Values cross with their types, and never as pickles. `CODECS` lists the types that cross: a type is
added there and nowhere else. Any other value that a student returns arrives as `Opaque`, which
equals nothing and says which type it was.
"""

import json
import math
import re
from array import array
from collections import UserDict, UserList, UserString, deque
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from transformers import BertConfig

from tinybert_l.grading.inside.opaque import NotPlain, Opaque
from tinybert_l.grading.inside.tensors import (
    decode_array,
    decode_generator,
    decode_tensor,
    encode_array,
    encode_generator,
    encode_tensor,
)
from tinybert_l.grading.inside.wire import WireError
from tinybert_l.submodels import SubModel

Tree = Any  # what `json` can write
DEPTH_LIMIT = 32  # of lists in lists
INT_DIGITS_LIMIT = 4000
MALFORMED = (
    TypeError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
)


class Encoder:
    """Turns values into JSON trees and buffers.

    Attributes:
        buffers: raw bytes that the trees refer to by index.
        tensors: every tensor met, in the order in which `Decoder.tensors` has them.
    """

    def __init__(self) -> None:
        self.buffers: list[bytes] = []
        self.tensors: list[torch.Tensor] = []
        self.depth = 0

    def encode(self, value: Any) -> Tree:
        """Return the tree of a value."""
        if self.depth > DEPTH_LIMIT:
            return {"tag": "opaque", "value": "deeply nested value"}
        self.depth += 1
        try:
            for codec in CODECS:
                if codec.accepts(value):
                    return {"tag": codec.tag, "value": codec.encode(self, value)}
            raise NotPlain(str(type(value).__name__)[:80])
        except NotPlain as error:
            return {"tag": "opaque", "value": str(error)}
        finally:
            self.depth -= 1

    def add_buffer(self, raw: bytes) -> int:
        """Keep bytes for the message; return their index."""
        self.buffers.append(raw)
        return len(self.buffers) - 1


class Decoder:
    """Rebuilds values from the trees and buffers of a process that may lie.

    Attributes:
        tensors: every tensor made, in the order in which `Encoder.tensors` has them.
    """

    def __init__(self, buffers: list[bytes]) -> None:
        self.buffers = buffers
        self.tensors: list[torch.Tensor] = []
        self.depth = 0

    def decode(self, tree: Tree) -> Any:
        """Return the value of a tree; raises `WireError` where `Encoder` makes no such tree."""
        if self.depth > DEPTH_LIMIT + 2:
            raise WireError("A value is nested too deeply.")
        if not isinstance(tree, dict):
            raise WireError("A value without a type.")
        tag = tree.get("tag")
        if tag == "opaque":
            return Opaque(str(tree.get("value"))[:120])
        codec = CODEC_OF_TAG.get(str(tag))
        if codec is None:
            raise WireError(f"An unknown type {str(tag)[:40]!r}.")
        self.depth += 1
        try:
            return codec.decode(self, tree.get("value"))
        except WireError:
            raise
        except MALFORMED as error:
            raise WireError(f"A value of type {tag} that is not in the format.") from error
        finally:
            self.depth -= 1


@dataclass(frozen=True)
class Codec:
    """How values of one kind cross.

    Args:
        tag: names the kind in a tree.
        types: whose values belong to it.
        encode: turns a value into what stands for it in the tree; may raise `NotPlain`.
        decode: the inverse.
        subclasses: whether values of subclasses cross too, as values of the type itself.
    """

    tag: str
    types: tuple[type, ...]
    encode: Callable[[Encoder, Any], Tree]
    decode: Callable[[Decoder, Any], Any]
    subclasses: bool = False

    def accepts(self, value: Any) -> bool:
        if self.subclasses:
            return isinstance(value, self.types)
        return type(value) in self.types


def _encode_int(encoder: Encoder, value: Any) -> str:
    return int.__repr__(int(value))


def _decode_int(decoder: Decoder, digits: str) -> int:
    if len(digits) > INT_DIGITS_LIMIT:
        raise WireError(f"A whole number of more than {INT_DIGITS_LIMIT} digits.")
    return int(digits)


def _encode_float(encoder: Encoder, value: Any) -> str:
    number = float(value)
    if math.isfinite(number):
        return float.hex(number)  # exact
    return float.__repr__(number)


def _decode_float(decoder: Decoder, text: str) -> float:
    if "x" in text:
        return float.fromhex(text)
    return float(text)


def _encode_str(encoder: Encoder, value: str) -> str:
    return str.__str__(value)


def _decode_str(decoder: Decoder, text: str) -> str:
    if not isinstance(text, str):
        raise WireError("A text that is none.")
    return text


def _encode_items(encoder: Encoder, values: Any) -> list[Tree]:
    return list(map(encoder.encode, values))


def _decode_list(decoder: Decoder, trees: list[Tree]) -> list[Any]:
    return list(map(decoder.decode, trees))


def _decode_tuple(decoder: Decoder, trees: list[Tree]) -> tuple[Any, ...]:
    return tuple(map(decoder.decode, trees))


def _encode_dict(encoder: Encoder, values: dict[Any, Any]) -> list[list[Tree]]:
    pairs = []
    for key, value in values.items():
        pairs.append([encoder.encode(key), encoder.encode(value)])
    return pairs


def _decode_dict(decoder: Decoder, pairs: list[list[Tree]]) -> dict[Any, Any]:
    values = {}
    for key_tree, value_tree in pairs:
        key = decoder.decode(key_tree)
        if not isinstance(key, str | int | float | bool | tuple | SubModel | None):
            key = repr(key)
        values[key] = decoder.decode(value_tree)
    return values


def _encode_range(encoder: Encoder, value: range) -> list[int]:
    return [value.start, value.stop, value.step]


def _decode_range(decoder: Decoder, bounds: list[int]) -> range:
    return range(*map(int, bounds))


def _encode_submodel(encoder: Encoder, value: SubModel) -> list[float]:
    return list(astuple(value))


def _decode_submodel(decoder: Decoder, fields: list[float]) -> SubModel:
    return SubModel(*fields)  # type: ignore[arg-type]


def _encode_bert_config(encoder: Encoder, config: BertConfig) -> Tree:
    return json.loads(json.dumps(config.to_dict(), default=str))


def _decode_bert_config(decoder: Decoder, settings: dict[str, Any]) -> BertConfig:
    return BertConfig(**settings)


def _encode_user_string(encoder: Encoder, value: Any) -> str:
    return str(value)


def _encode_set(encoder: Encoder, values: Any) -> list[Tree]:
    return [encoder.encode(value) for value in sorted(values, key=repr)]


def _decode_set(decoder: Decoder, trees: list[Tree]) -> set[Any]:
    return set(map(decoder.decode, trees))


def _encode_as_text(encoder: Encoder, value: Any) -> str:
    return str(value)


def _decode_decimal(decoder: Decoder, text: str) -> Decimal:
    if len(text) > INT_DIGITS_LIMIT:
        raise WireError("A decimal number of too many digits.")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise WireError("A decimal number that is none.") from None


def _decode_fraction(decoder: Decoder, text: str) -> Fraction:
    if len(text) > INT_DIGITS_LIMIT or not re.fullmatch(r"-?[0-9]+(/[0-9]+)?", text):
        raise WireError("A fraction that is none.")
    try:
        return Fraction(text)
    except ZeroDivisionError:
        raise WireError("A fraction that is none.") from None


def _encode_complex(encoder: Encoder, value: Any) -> list[Tree]:
    return [_encode_float(encoder, value.real), _encode_float(encoder, value.imag)]


def _decode_complex(decoder: Decoder, parts: list[str]) -> complex:
    real, imaginary = parts
    return complex(_decode_float(decoder, real), _decode_float(decoder, imaginary))


def _encode_bytes(encoder: Encoder, value: Any) -> int:
    return encoder.add_buffer(bytes(value))


def _decode_bytes(decoder: Decoder, index: int) -> bytes:
    if type(index) is not int or index < 0:
        raise WireError("Bytes that are none.")
    return bytes(decoder.buffers[index])


def _encode_as_it_is(encoder: Encoder, value: Any) -> Tree:
    return value


def _decode_none(decoder: Decoder, value: Tree) -> None:
    return None


def _encode_bool(encoder: Encoder, value: Any) -> bool:
    return bool(value)


def _decode_bool(decoder: Decoder, value: Tree) -> bool:
    return bool(value)


def _decode_keys(decoder: Decoder, trees: list[Tree]) -> Any:
    return dict.fromkeys(map(decoder.decode, trees)).keys()


def _decode_values(decoder: Decoder, trees: list[Tree]) -> Any:
    return dict(enumerate(map(decoder.decode, trees))).values()


def _decode_pairs(decoder: Decoder, trees: list[Tree]) -> Any:
    return dict(map(decoder.decode, trees)).items()


def _decode_deque(decoder: Decoder, trees: list[Tree]) -> deque[Any]:
    return deque(map(decoder.decode, trees))


def _decode_iterator(decoder: Decoder, trees: list[Tree]) -> Iterator[Any]:
    return iter(_decode_list(decoder, trees))


# The first codec that accepts a value is used: bool stands before int, whose subclass it is.
CODECS = (
    Codec("none", (type(None),), _encode_as_it_is, _decode_none),
    Codec("bool", (bool, np.bool_), _encode_bool, _decode_bool),
    Codec("int", (int, np.integer), _encode_int, _decode_int, subclasses=True),
    Codec("float", (float, np.floating), _encode_float, _decode_float, subclasses=True),
    Codec("str", (str,), _encode_str, _decode_str, subclasses=True),
    Codec("tensor", (torch.Tensor,), encode_tensor, decode_tensor, subclasses=True),
    Codec("generator", (torch.Generator,), encode_generator, decode_generator, subclasses=True),
    # of a subclass, such as a named tuple or a Counter, as what it equals in the student's notebook
    Codec("list", (list,), _encode_items, _decode_list, subclasses=True),
    Codec("list", (UserList,), _encode_items, _decode_list, subclasses=True),
    Codec("tuple", (tuple,), _encode_items, _decode_tuple, subclasses=True),
    Codec("range", (range,), _encode_range, _decode_range),
    Codec("dict", (dict,), _encode_dict, _decode_dict, subclasses=True),
    Codec("dict", (UserDict,), _encode_dict, _decode_dict, subclasses=True),
    Codec("str", (UserString,), _encode_user_string, _decode_str, subclasses=True),
    Codec("dict", (MappingProxyType,), _encode_dict, _decode_dict),
    Codec("keys", (type({}.keys()),), _encode_items, _decode_keys),
    Codec("values", (type({}.values()),), _encode_items, _decode_values),
    Codec("pairs", (type({}.items()),), _encode_items, _decode_pairs),
    Codec("deque", (deque,), _encode_items, _decode_deque, subclasses=True),
    Codec("list", (array,), _encode_items, _decode_list),
    # one that never ends costs its own answer: the time and the memory of a call are limited
    Codec("iterator", (Iterator,), _encode_items, _decode_iterator, subclasses=True),
    Codec("set", (set, frozenset), _encode_set, _decode_set),
    Codec("decimal", (Decimal,), _encode_as_text, _decode_decimal),
    Codec("fraction", (Fraction,), _encode_as_text, _decode_fraction),
    Codec("complex", (complex, np.complexfloating), _encode_complex, _decode_complex, True),
    Codec("bytes", (bytes, bytearray), _encode_bytes, _decode_bytes),
    Codec("array", (np.ndarray,), encode_array, decode_array),
    Codec("SubModel", (SubModel,), _encode_submodel, _decode_submodel),
    Codec("BertConfig", (BertConfig,), _encode_bert_config, _decode_bert_config, subclasses=True),
)
CODEC_OF_TAG = {codec.tag: codec for codec in CODECS}
