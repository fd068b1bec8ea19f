"""Hostile entries whose models or vocabularies break the rules: refused in the sandbox."""

import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper

from .entries import WORDS, constant, honest_onnx, inside, slow, value, with_model


@inside("another file")
def weights_from_another_file(folder: Path) -> None:
    tensor = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[len(WORDS), 2])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    with_model(folder, honest_onnx(initializers=[tensor]))


@inside("does not load")
def weights_that_claim_terabytes(folder: Path) -> None:
    claimed = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[2**20, 2**20])
    claimed.raw_data = bytes(64)
    with_model(folder, honest_onnx(weights=claimed))


@inside("another file")
def constant_from_another_file(folder: Path) -> None:
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[2])
    tensor.external_data.add(key="location", value="/etc/passwd")
    node = helper.make_node("Constant", [], ["secret"], value=tensor)
    with_model(folder, honest_onnx([node]))


@inside("ONNX's own operators")
def operator_of_a_strange_domain(folder: Path) -> None:
    node = helper.make_node("Clock", ["sums"], ["told"], domain="evil")
    with_model(folder, honest_onnx([node], opsets=[helper.make_opsetid("evil", 1)]))


@inside("ONNX's own operators")
def operator_of_a_domain_that_is_not_declared(folder: Path) -> None:
    node = helper.make_node("Attention", ["sums"], ["told"], domain="com.microsoft")
    with_model(folder, honest_onnx([node]))


@inside("not allowed")
def clock_as_an_operator(folder: Path) -> None:
    with_model(folder, honest_onnx([helper.make_node("Clock", ["sums"], ["told"])]))


@inside("not allowed")
def random_answers(folder: Path) -> None:
    node = helper.make_node("RandomNormalLike", ["sums"], ["noise"])
    with_model(folder, honest_onnx([node], last="noise"))


@inside("not allowed")
def endless_loop(folder: Path) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["keep"], ["kept"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("keep", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("kept", TensorProto.BOOL, [])],
    )
    node = helper.make_node("Loop", ["", "always"], [], body=body)
    with_model(folder, honest_onnx([node], initializers=[constant("always", True, np.bool_)]))


@inside("another graph")
def graph_hidden_in_a_harmless_operator(folder: Path) -> None:
    node = helper.make_node("Identity", ["sums"], ["told"])
    graph = helper.make_graph([helper.make_node("Identity", ["sums"], ["x"])], "g", [], [])
    node.attribute.append(AttributeProto(name="body", type=AttributeProto.GRAPH, g=graph))
    with_model(folder, honest_onnx([node]))


@inside("functions")
def function_that_replaces_an_operator(folder: Path) -> None:
    opset = helper.make_opsetid("", 17)
    step = helper.make_node("RandomNormalLike", ["x"], ["y"])
    function = helper.make_function("", "Identity", ["x"], ["y"], [step], [opset])
    with_model(folder, honest_onnx(functions=[function]))


@inside("not allowed")
def texts_in_the_graph(folder: Path) -> None:
    with_model(folder, honest_onnx([helper.make_node("StringNormalizer", ["sums"], ["told"])]))


@inside("does not")
def terabytes_from_a_shape(folder: Path) -> None:
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["ones"]),
        helper.make_node("ReduceSum", ["ones"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sums", "sum"], ["told"]),
    ]
    with_model(folder, honest_onnx(nodes, last="told", initializers=[constant("shape", [10**12])]))


@inside("does not")
def gigabytes_by_expansion(folder: Path) -> None:
    nodes = [
        helper.make_node("Expand", ["sums", "shape"], ["large"]),
        helper.make_node("ReduceSum", ["large", "axis"], ["told"], keepdims=0),
    ]
    kept = [constant("shape", [2**15, 2**15, 2]), constant("axis", [0])]
    with_model(folder, honest_onnx(nodes, last="told", initializers=kept))


@inside("does not")
def memory_doubled_forty_times(folder: Path) -> None:
    nodes = []
    for number in range(40):
        before = "sums" if number == 0 else f"part{number}"
        nodes.append(helper.make_node("Concat", [before] * 2, [f"part{number + 1}"], axis=0))
    with_model(folder, honest_onnx(nodes, last="part40"))


@inside("allowed: at most")
def ten_thousand_operators(folder: Path) -> None:
    nodes = [helper.make_node("Identity", ["sums"], [f"copy{n}"]) for n in range(10_000)]
    with_model(folder, honest_onnx(nodes))


@inside("not finite")
def answers_that_are_no_numbers(folder: Path) -> None:
    nodes = [
        helper.make_node("Sub", ["sums", "sums"], ["zero"]),
        helper.make_node("Div", ["zero", "zero"], ["told"]),
    ]
    with_model(folder, honest_onnx(nodes, last="told"))


@inside("not finite")
def infinite_answers(folder: Path) -> None:
    weights = np.full((len(WORDS), 2), np.inf, np.float32)
    with_model(folder, honest_onnx(weights=weights))


@inside("float32 [1, 2]")
def three_classes(folder: Path) -> None:
    with_model(folder, honest_onnx(weights=np.zeros((len(WORDS), 3), np.float32)))


@inside("float32 [1, 2]")
def an_answer_for_each_word(folder: Path) -> None:
    with_model(folder, honest_onnx(last="vectors"))


@inside("of another kind")
def whole_numbers_as_answers(folder: Path) -> None:
    node = helper.make_node("Cast", ["sums"], ["whole"], to=TensorProto.INT64)
    with_model(folder, honest_onnx([node], last="whole", output=TensorProto.INT64))


@inside("its inputs")
def state_that_is_handed_on(folder: Path) -> None:
    with_model(folder, honest_onnx(inputs=[value("memory", TensorProto.FLOAT)]))


@inside("no ONNX file")
def pickle_named_onnx(folder: Path) -> None:
    with_model(folder, pickle.dumps({"weights": [1.0] * 100}))


@inside("ONNX")
def half_an_onnx_file(folder: Path) -> None:
    with_model(folder, honest_onnx()[:150])


@inside("ONNX")
def deep_protobuf(folder: Path) -> None:
    raw = b""
    for _ in range(3000):
        raw = b"\x3a" + varint(len(raw)) + raw
    with_model(folder, raw)


def varint(number: int) -> bytes:
    """Write a length as protobuf does."""
    digits = []
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


@inside("does not run")
def words_beyond_the_embeddings(folder: Path) -> None:
    with_model(folder, honest_onnx(weights=np.zeros((4, 2), np.float32)))


@inside("fixed sizes, any × 16")
def length_that_is_fixed(folder: Path) -> None:
    with_model(folder, changed(lambda model: fix_size(model, 1, 16)))


@inside("fixed sizes, 8 × any")
def batches_of_eight(folder: Path) -> None:
    with_model(folder, changed(lambda model: fix_size(model, 0, 8)))


@inside("Unsupported model IR version: 99")
def format_of_the_future(folder: Path) -> None:
    with_model(folder, changed(lambda model: setattr(model, "ir_version", 99)))


@inside("till opset")
def operators_of_the_future(folder: Path) -> None:
    with_model(folder, changed(lambda model: setattr(model.opset_import[0], "version", 99)))


def fix_size(model: Any, axis: int, size: int) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size


def changed(change: Callable[[Any], None]) -> bytes:
    """Return an honest model after a change."""
    model = onnx.load_from_string(honest_onnx())
    change(model)
    return model.SerializeToString()


# vocabularies


@inside("lines")
def many_short_pieces(folder: Path) -> None:
    (folder / "vocab.txt").write_bytes(b"a\n" * 400_000)


@inside("repeated")
def repeated_pieces(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join([*WORDS, "good"]))


@inside("missing")
def vocabulary_without_special_pieces(folder: Path) -> None:
    (folder / "vocab.txt").write_text("good\nbad\n")


@inside("not UTF-8")
def vocabulary_of_bytes(folder: Path) -> None:
    (folder / "vocab.txt").write_bytes(bytes(range(128, 256)))


# safetensors

CONFIG = {
    "model_type": "bert",
    "vocab_size": len(WORDS),
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 4,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
}


def with_weights(folder: Path, raw: bytes, **changes: Any) -> None:
    """Put safetensors and a configuration in place of the ONNX model."""
    (folder / "model.onnx").unlink()
    (folder / "model.safetensors").write_bytes(raw)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))


def tensors(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(shape: list[int], begin: int, end: int, kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


@inside("safetensors")
def tensor_of_gigabytes(folder: Path) -> None:
    with_weights(folder, tensors({"a": tensor([2**16, 2**16], 0, 2**34)}, bytes(64)))


@inside("safetensors")
def overlapping_tensors(folder: Path) -> None:
    header = {"a": tensor([16], 0, 64), "b": tensor([16], 32, 96)}
    with_weights(folder, tensors(header, bytes(96)))


@inside("safetensors")
def header_of_exabytes(folder: Path) -> None:
    with_weights(folder, struct.pack("<Q", 2**60) + b"{}")


@inside("safetensors")
def header_of_brackets(folder: Path) -> None:
    with_weights(folder, tensors(b'{"a":' + b"[" * 10**6))


@inside("safetensors")
def shape_that_overflows(folder: Path) -> None:
    with_weights(folder, tensors({"a": tensor([2**63, 2], 0, 0)}))


@inside("allowed: float32")
def tensor_of_whole_numbers(folder: Path) -> None:
    with_weights(folder, tensors({"a": tensor([1], 0, 8, "I64")}, bytes(8)))


@inside("'BF16'; allowed: float32")
def tensor_of_a_type_that_numpy_has_not(folder: Path) -> None:
    with_weights(folder, tensors({"a": tensor([1], 0, 2, "BF16")}, bytes(2)))


@inside("attention_window is 8; allowed: None")
def setting_that_the_judge_does_not_run(folder: Path) -> None:
    raw = tensors({"a": tensor([1], 0, 4)}, bytes(4))
    changes = {"model_type": "elastic_bert", "attention_head_size": 4, "attention_window": 8}
    with_weights(folder, raw, **changes)


@inside("layer_norm_eps")
def norm_without_a_floor(folder: Path) -> None:
    with_weights(folder, tensors({"a": tensor([1], 0, 4)}, bytes(4)), layer_norm_eps=-1)


@inside("safetensors")
def pickle_named_safetensors(folder: Path) -> None:
    with_weights(folder, pickle.dumps(os.system))


@inside("more weights")
def configuration_of_gigabytes(folder: Path) -> None:
    raw = tensors({"a": tensor([1], 0, 4)}, bytes(4))
    with_weights(folder, raw, hidden_size=1024, intermediate_size=4096, num_hidden_layers=24)


@inside("model_type")
def configuration_that_names_code(folder: Path) -> None:
    raw = tensors({"a": tensor([1], 0, 4)}, bytes(4))
    with_weights(folder, raw, model_type="evil", auto_map={"AutoModel": "modeling.Evil"})


@inside("not JSON")
def configuration_of_brackets(folder: Path) -> None:
    with_weights(folder, tensors({"a": tensor([1], 0, 4)}, bytes(4)))
    (folder / "config.json").write_text("[" * 16_000)


# only time stops these


@slow("seconds")
def work_for_hours(folder: Path) -> None:
    nodes = [helper.make_node("Expand", ["one", "shape"], ["part0"])]
    for number in range(1000):
        given = [f"part{number}"] * 2
        nodes.append(helper.make_node("MatMul", given, [f"part{number + 1}"]))
    nodes.append(helper.make_node("ReduceMean", ["part1000"], ["mean"], keepdims=0))
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    nodes.append(helper.make_node("Add", ["sums", "nothing"], ["told"]))
    kept = [
        constant("shape", [3000, 3000]),
        constant("one", 1e-4, np.float32),
        constant("zero", 0, np.float32),
    ]
    with_model(folder, honest_onnx(nodes, last="told", initializers=kept))
