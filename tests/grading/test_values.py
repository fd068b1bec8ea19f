"""Values cross between student's and judge's process, and are then what they were."""

import contextlib
import math
from array import array
from collections import (
    Counter,
    OrderedDict,
    UserDict,
    UserList,
    UserString,
    defaultdict,
    deque,
    namedtuple,
)
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig

from tinybert_l.grading.inside.judge import updated
from tinybert_l.grading.inside.opaque import Opaque
from tinybert_l.grading.inside.tensors import DTYPES
from tinybert_l.grading.inside.values import CODECS, DEPTH_LIMIT, Decoder, Encoder
from tinybert_l.grading.inside.wire import WireError
from tinybert_l.submodels import SubModel

SHARES = st.floats(0, 1, exclude_min=True)
SUB_MODELS = st.builds(SubModel, st.integers(1, 99), SHARES, SHARES)
NUMBERS = st.integers() | st.floats()
KEYS = st.text() | st.integers() | st.booleans() | st.none() | SUB_MODELS
SHAPES = st.lists(st.integers(0, 3), max_size=3)


@st.composite
def tensors(draw) -> torch.Tensor:
    dtype = draw(st.sampled_from(list(DTYPES.values())))
    shape = draw(SHAPES)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    tensor = (torch.randn(shape, generator=generator) * 3).to(dtype)
    return tensor.requires_grad_(tensor.is_floating_point() and draw(st.booleans()))


@st.composite
def generators(draw) -> torch.Generator:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**63)))
    torch.rand(draw(st.integers(0, 9)), generator=generator)
    return generator


@st.composite
def configs(draw) -> BertConfig:
    layers = draw(st.integers(1, 24))
    problem = draw(st.sampled_from([None, "single_label_classification"]))
    labels = draw(st.integers(2, 5))
    return BertConfig(num_hidden_layers=layers, num_labels=labels, problem_type=problem)


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.text(),
    st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 9)),
    SUB_MODELS,
    tensors(),
    generators(),
    configs(),
    st.builds(np.asarray, st.lists(st.floats(width=32) | st.integers(-9, 9), max_size=3)),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS | st.tuples(KEYS, KEYS), inner, max_size=3),
    ),
    max_leaves=8,
)


def crossed(value):
    encoder = Encoder()
    tree = encoder.encode(value)
    return Decoder(encoder.buffers).decode(tree)


ITERABLES = {
    "a generator": lambda: (i for i in (1, 3, 5)),
    "a map": lambda: map(int, (1, 3, 5)),
    "keys": lambda: dict.fromkeys((1, 3, 5)).keys(),
    "values": lambda: {"a": 1, "b": 3, "c": 5}.values(),
    "a queue": lambda: deque([1, 3, 5]),
    "an array": lambda: array("i", [1, 3, 5]),
    "unsigned numbers": lambda: np.array([1, 3, 5], dtype="uint32"),
    "texts": lambda: map(int, np.array(["1", "3", "5"])),
}


@pytest.mark.parametrize("kind", ITERABLES)
def test_what_is_gone_through_item_by_item_crosses(kind):
    assert list(crossed(ITERABLES[kind]())) == [1, 3, 5]


def test_views_of_a_dictionary_cross_as_what_they_equal():
    assert crossed({"a": 1}.keys()) == {"a"} and crossed({"a": 1}.items()) == {("a", 1)}
    assert dict(crossed(MappingProxyType({"a": 1}))) == {"a": 1}
    assert crossed(np.array([["a", "b"]])).tolist() == [["a", "b"]]


@pytest.mark.parametrize("use", [iter, len, float, lambda x: x[0], lambda x: x < 1, lambda x: x()])
def test_what_cannot_cross_says_what_to_return(use):
    with pytest.raises(TypeError, match="The answer is a object; return a number"):
        use(crossed(object()))


def same(mine, theirs) -> bool:
    """Whether two values are equal and of equal types, all the way down."""
    if type(mine) is not type(theirs):
        return False
    if isinstance(mine, list | tuple):
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    if isinstance(mine, dict):
        return same(list(mine.items()), list(theirs.items()))
    if isinstance(mine, torch.Tensor):
        alike = mine.dtype == theirs.dtype and mine.requires_grad == theirs.requires_grad
        return alike and mine.shape == theirs.shape and same_bits(mine, theirs)
    if isinstance(mine, torch.Generator):
        return torch.equal(mine.get_state(), theirs.get_state())
    if isinstance(mine, np.ndarray):
        return mine.dtype == theirs.dtype and np.array_equal(mine, theirs, equal_nan=True)
    if isinstance(mine, BertConfig):
        return mine.to_dict() == theirs.to_dict()
    if isinstance(mine, float) and math.isnan(mine):
        return math.isnan(theirs)
    if isinstance(mine, float):
        return mine == theirs and math.copysign(1, mine) == math.copysign(1, theirs)
    return mine == theirs


def same_bits(mine: torch.Tensor, theirs: torch.Tensor) -> bool:
    if not mine.numel():
        return True
    bits = [tensor.detach().reshape(-1).view(torch.uint8) for tensor in (mine, theirs)]
    return torch.equal(*bits)


@settings(deadline=None)
@given(VALUES)
def test_a_value_arrives_as_what_it_was(value):
    assert same(value, crossed(value))


@pytest.mark.parametrize("other", [2, True, 1.0, "1", [1], (1,), {1: 1}, None, SubModel(1)])
def test_the_comparison_tells_values_and_types_apart(other):
    assert same(1, 1) and not same(1, other)
    assert not same(SubModel(2, 1.0, 0.5), SubModel(2, 1.0))
    assert not same(torch.zeros(2), torch.zeros(2, dtype=torch.float64))


def test_tensors_are_counted_in_the_same_order_on_both_sides():
    tensors = [torch.full((n,), float(n)) for n in range(4)]
    value = {"b": (tensors[0], [tensors[1]]), "a": tensors[2], "array": np.zeros(2), 0: tensors[3]}
    encoder = Encoder()
    decoder = Decoder(encoder.buffers)
    decoder.decode(encoder.encode(value))
    assert [t.tolist() for t in encoder.tensors] == [t.tolist() for t in decoder.tensors]
    assert len(decoder.tensors) == 4


class Float(float):
    """A number whose comparison lies."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = float.__hash__


class TensorThatLies(torch.Tensor):
    def __float__(self) -> float:
        return 4.0


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Float(2.0), 2.0),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (torch.zeros(()).as_subclass(TensorThatLies), torch.zeros(())),
        (torch.Size([2, 3]), (2, 3)),
        (torch.ones(2).to_sparse(), torch.ones(2)),
    ],
)
def test_subclasses_arrive_as_the_plain_type(value, plain):
    assert same(crossed(value), plain)


@pytest.mark.parametrize(
    "value",
    [
        namedtuple("Pair", "a b")(1, 2),
        OrderedDict(a=1),
        Counter("aab"),
        defaultdict(list, a=[1]),
        UserList([1, 2]),
        UserDict({"a": 1}),
        UserString("text"),
        type("L", (list,), {})([1, 2]),
        {1, "b"},
        frozenset([1]),
        Decimal("3.25"),
        Fraction(-1, 3),
        2j,
        complex("nan"),
        b"bytes",
        torch.max(torch.tensor([[1.0, 2.0]]), dim=1),
    ],
)
def test_what_equals_a_plain_value_arrives_as_one(value):
    arrived = crossed(value)
    assert not isinstance(arrived, Opaque)
    if value == value:  # all but NaN
        assert arrived == value


@pytest.mark.parametrize("tag", ["fraction", "decimal", "complex", "set", "bytes"])
@pytest.mark.parametrize(
    "value", ["1/0", "x", "9" * 5000, 1, None, [], [[]], {"a": 1}, "1e999999999"]
)
def test_a_lie_about_such_a_value_breaks_the_protocol_and_nothing_else(tag, value):
    with contextlib.suppress(WireError):
        Decoder([]).decode({"tag": tag, "value": value})


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (object(), "object"),
        (lambda: 1, "function"),
        (np.zeros(2, dtype="complex64"), "ndarray"),
        (torch.zeros(2, dtype=torch.complex64), "tensor of torch.complex64 with 2 numbers"),
        (torch.zeros(1).expand(10**8), "tensor of torch.float32 with 100000000 numbers"),
    ],
)
def test_any_other_value_equals_nothing_and_says_what_it_was(value, kind):
    arrived = crossed(value)
    assert isinstance(arrived, Opaque) and arrived.kind == kind
    assert arrived != value and arrived != arrived and kind in repr(arrived)
    with pytest.raises(TypeError, match="return a number"):
        arrived.shape  # noqa: B018


def test_nesting_is_limited_on_both_sides():
    deep = "bottom"
    for _ in range(DEPTH_LIMIT + 1):
        deep = [deep]
    arrived = crossed(deep)
    for _ in range(DEPTH_LIMIT + 1):
        (arrived,) = arrived
    assert isinstance(arrived, Opaque)
    tree = {"tag": "none", "value": None}
    for _ in range(DEPTH_LIMIT + 5):
        tree = {"tag": "list", "value": [tree]}
    with pytest.raises(WireError, match="too deeply"):
        Decoder([]).decode(tree)


@pytest.mark.parametrize(
    "tag", [codec.tag for codec in CODECS if codec.tag not in ("none", "bool")]
)
@pytest.mark.parametrize("value", [None, {"dtype": "x"}, [[]], -1])
def test_a_tree_that_no_encoder_makes_is_refused(tag, value):
    with pytest.raises(WireError):
        Decoder([b""]).decode({"tag": tag, "value": value})


@pytest.mark.parametrize(
    "tree",
    [
        None,
        7,
        [],
        {},
        {"tag": "module", "value": "os"},
        {"tag": "int", "value": "9" * 4001},
        {"tag": "SubModel", "value": [0, 1.0, 1.0]},
        {
            "tag": "tensor",
            "value": {
                "dtype": "torch.float32",
                "shape": [2],
                "bytes": 0,
                "requires_grad": False,
            },
        },
        {
            "tag": "tensor",
            "value": {
                "dtype": "torch.uint8",
                "shape": [-1, -4],
                "bytes": 0,
                "requires_grad": False,
            },
        },
    ],
)
def test_a_lie_is_refused(tree):
    with pytest.raises(WireError):
        Decoder([b"four"]).decode(tree)


def test_a_configuration_that_an_answer_changed_is_changed_for_the_tests_too():
    mine, theirs = BertConfig(vocab_size=5), BertConfig(vocab_size=9)
    assert updated((mine,), (theirs,))[0] is mine
    assert mine.to_dict() == theirs.to_dict()
