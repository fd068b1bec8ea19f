"""Hostile capstone entries, by what they try, each made from an honest one.

`REFUSED_UNOPENED` are refused before anything of them but `entry.json` is opened, `REFUSED_INSIDE`
by the program in the sandbox; each with a part of the reason. `JUDGED` are accepted: what they try
gains nothing.
"""

import json
import os
import pickle
import shutil
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from onnx import AttributeProto, TensorProto, helper, numpy_helper

Attack = Callable[[Path], "Path | None"]  # changes an honest folder; may return another path
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "a", "film")
GOOD, BAD = 4, 5
DESCRIPTION = {
    "format": 1,
    "name": "honest",
    "labels": ["negative", "positive"],
    "lowercase": True,
    "max_tokens": 16,
}
REFUSED_UNOPENED: dict[str, tuple[Attack, str]] = {}
REFUSED_INSIDE: dict[str, tuple[Attack, str]] = {}
SLOW: dict[str, tuple[Attack, str]] = {}
JUDGED: dict[str, Attack] = {}


def honest_onnx(nodes: list[Any] | None = None, **changes: Any) -> bytes:
    """A model that adds a number for each word; `nodes` come before its own last step."""
    weights = np.zeros((len(WORDS), 2), np.float32)
    weights[GOOD] = (-1, 1)
    weights[BAD] = (1, -1)
    weights = changes.pop("weights", weights)
    last = changes.pop("last", "sums")
    body = [
        helper.make_node("Gather", ["weights", "input_ids"], ["vectors"]),
        helper.make_node("ReduceMean", ["vectors"], ["sums"], axes=[1], keepdims=0),
        *(nodes or []),
        helper.make_node("Identity", [last], ["logits"]),
    ]
    output = changes.pop("output", TensorProto.FLOAT)
    inputs = [value("input_ids", TensorProto.INT64), *changes.pop("inputs", [])]
    kept = [numpy_helper.from_array(weights, "weights"), *changes.pop("initializers", [])]
    graph = helper.make_graph(body, "honest", inputs, [value("logits", output)], kept)
    opsets = [helper.make_opsetid("", 17), *changes.pop("opsets", [])]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=8, **changes
    ).SerializeToString()


def value(name: str, kind: int) -> Any:
    return helper.make_tensor_value_info(name, kind, ["batch", f"{name}_size"])


def constant(name: str, array: Any, kind: type = np.int64) -> Any:
    return numpy_helper.from_array(np.array(array, kind), name)


def honest(folder: Path) -> Path:
    """Write an honest entry."""
    folder.mkdir(parents=True)
    (folder / "entry.json").write_text(json.dumps(DESCRIPTION))
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "model.onnx").write_bytes(honest_onnx())
    return folder


def make(attack: Attack, folder: Path) -> Path:
    """Write an honest entry, and let an attack change it."""
    return attack(honest(folder)) or folder


def describe(folder: Path, **changes: Any) -> None:
    (folder / "entry.json").write_text(json.dumps({**DESCRIPTION, **changes}))


def unopened(reason: str) -> Callable[[Attack], Attack]:
    """Register an attack that is refused before it is opened."""

    def register(attack: Attack) -> Attack:
        REFUSED_UNOPENED[attack.__name__] = (attack, reason)
        return attack

    return register


def inside(reason: str) -> Callable[[Attack], Attack]:
    """Register an attack that the program in the sandbox refuses."""

    def register(attack: Attack) -> Attack:
        REFUSED_INSIDE[attack.__name__] = (attack, reason)
        return attack

    return register


def slow(reason: str) -> Callable[[Attack], Attack]:
    """Register an attack that is refused only when its time is over."""

    def register(attack: Attack) -> Attack:
        SLOW[attack.__name__] = (attack, reason)
        return attack

    return register


def judged(attack: Attack) -> Attack:
    """Register an attack that is judged like an honest entry."""
    JUDGED[attack.__name__] = attack
    return attack


# files that are no plain files of an entry


@unopened("pickles are code")
def pickled_weights(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(os.system))


@unopened("no code")
def python_module(folder: Path) -> None:
    (folder / "modeling.py").write_text("import os")


@unopened("one file")
def weights_beside_the_model(folder: Path) -> None:
    (folder / "model.onnx.data").write_bytes(b"0" * 64)


@unopened("vocab.txt, one a line")
def tokenizer_with_a_regex_bomb(folder: Path) -> None:
    rule = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated"}
    (folder / "tokenizer.json").write_text(json.dumps({"pre_tokenizer": rule}))


@unopened("a symbolic link")
def link_to_a_secret(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    (folder / "vocab.txt").symlink_to("/etc/passwd")


@unopened("a symbolic link")
def folder_that_is_a_link(folder: Path) -> Path:
    link = folder.with_name("link")
    link.symlink_to(folder)
    return link


@unopened("hard link")
def hard_link(folder: Path) -> None:
    os.link(folder / "model.onnx", folder.with_name("other"))


@unopened("a pipe")
def pipe_that_never_ends(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    os.mkfifo(folder / "vocab.txt")


@unopened("a socket")
def socket_in_place_of_a_file(folder: Path) -> None:
    (folder / "vocab.txt").unlink()
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket has to be short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("vocab.txt")
    finally:
        os.chdir(here)


@unopened("a device")
def pipe_of_a_device(folder: Path) -> Path:
    return Path("/dev/zero")


@unopened("a folder")
def folder_in_place_of_a_file(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").mkdir()


@unopened("allowed: at most")
def sparse_gigabytes(folder: Path) -> None:
    with (folder / "model.onnx").open("wb") as file:
        file.truncate(2**34)


@unopened("allowed: at most")
def ten_million_pieces(folder: Path) -> None:
    (folder / "vocab.txt").write_bytes(b"a\n" * 10**7)


@unopened("more than")
def thousands_of_files(folder: Path) -> None:
    for number in range(2000):
        (folder / f".{number}").touch()


@unopened("a file")
def pickle_alone(folder: Path) -> Path:
    path = folder.with_name("entry.pkl")
    path.write_bytes(pickle.dumps(os.system))
    return path


# zip files


def zipped(folder: Path, names: dict[str, str] | None = None) -> Path:
    """Pack an entry, with other names where given."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            name = (names or {}).get(file.name, f"entry/{file.name}")
            archive.writestr(name, file.read_bytes())
    return path


@unopened("leads out")
def path_out_of_a_zip(folder: Path) -> Path:
    return zipped(folder, {"vocab.txt": "../../vocab.txt"})


@unopened("leads out")
def absolute_path_in_a_zip(folder: Path) -> Path:
    return zipped(folder, {"vocab.txt": "/etc/vocab.txt"})


@unopened("several folders")
def two_folders_in_a_zip(folder: Path) -> Path:
    return zipped(folder, {"vocab.txt": "other/vocab.txt"})


@unopened("allowed: at most")
def zip_bomb(folder: Path) -> Path:
    (folder / "vocab.txt").write_bytes(bytes(3 * 2**20))
    return zipped(folder)


@unopened("damaged")
def zip_that_lies_of_sizes(folder: Path) -> Path:
    (folder / "vocab.txt").write_bytes(bytes(3 * 2**20))
    path = zipped(folder)
    size = struct.pack("<I", 3 * 2**20)
    path.write_bytes(path.read_bytes().replace(size, struct.pack("<I", 1000)))
    return path


@unopened("a symbolic link")
def link_in_a_zip(folder: Path) -> Path:
    path = zipped(folder, {"vocab.txt": "entry/.hidden"})
    with zipfile.ZipFile(path, "a") as archive:
        member = zipfile.ZipInfo("entry/vocab.txt")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    return path


@unopened("twice")
def one_name_twice_in_a_zip(folder: Path) -> Path:
    return zipped(folder, {"model.onnx": "entry/vocab.txt"})


@unopened("damaged")
def zip_that_is_none(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    return path


# entry.json


@unopened("not JSON")
def nested_json(folder: Path) -> None:
    (folder / "entry.json").write_text("[" * 4000)


@unopened("allowed: at most")
def huge_json(folder: Path) -> None:
    (folder / "entry.json").write_text(json.dumps({**DESCRIPTION, "name": "x" * 10**6}))


@unopened("twice")
def one_key_twice(folder: Path) -> None:
    text = json.dumps(DESCRIPTION)
    (folder / "entry.json").write_text(text.replace("{", '{"name": "other", ', 1))


@unopened("no JSON number")
def number_that_is_none(folder: Path) -> None:
    describe(folder, max_tokens=float("nan"))


@unopened("max_tokens")
def a_billion_tokens(folder: Path) -> None:
    describe(folder, max_tokens=10**9)


@unopened("labels")
def three_labels(folder: Path) -> None:
    describe(folder, labels=["negative", "positive", "positive"])


@unopened("labels")
def labels_that_are_objects(folder: Path) -> None:
    describe(folder, labels=[{"positive": 1}, ["negative"]])


@unopened("keys")
def key_that_names_code(folder: Path) -> None:
    describe(folder, auto_map={"AutoModel": "modeling.Evil"})


@unopened("name")
def script_in_the_name(folder: Path) -> None:
    describe(folder, name="<script>alert(1)</script>")


@unopened("name")
def name_that_turns_around(folder: Path) -> None:
    describe(folder, name="a\u202etsebe")


@unopened("name")
def name_with_unseen_letters(folder: Path) -> None:
    describe(folder, name="hon\u200best")


@unopened("name")
def name_in_letters_that_look_alike(folder: Path) -> None:
    describe(folder, name="h\u043enest")


@unopened("name")
def name_of_marks(folder: Path) -> None:
    describe(folder, name="h" + "\u0301" * 30)


@unopened("name")
def name_that_is_a_path(folder: Path) -> None:
    describe(folder, name="../../etc/passwd")


# ONNX


def with_model(folder: Path, raw: bytes) -> None:
    (folder / "model.onnx").write_bytes(raw)


@inside("another file")
def weights_from_another_file(folder: Path) -> None:
    tensor = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[len(WORDS), 2])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    with_model(folder, honest_onnx(initializers=[tensor]))


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


# accepted, and judged by what they say


@judged
def outputs_in_the_other_order(folder: Path) -> None:
    weights = np.zeros((len(WORDS), 2), np.float32)
    weights[GOOD] = (1, -1)
    weights[BAD] = (-1, 1)
    with_model(folder, honest_onnx(weights=weights))
    describe(folder, labels=["positive", "negative"])


@judged
def texts_of_hidden_files(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"left behind by a system")
    (folder / ".evil.pkl").write_bytes(pickle.dumps(os.system))


@judged
def packed_with_a_system_folder(folder: Path) -> Path:
    path = zipped(folder)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/entry/._vocab.txt", "x")
    return path


@judged
def answers_by_place_in_the_batch(folder: Path) -> None:
    """The first text of a batch gets its honest answer, the others the opposite one."""
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["size"]),
        helper.make_node("Gather", ["size", "first"], ["rows"], axis=0),
        helper.make_node("Range", ["first", "rows", "step"], ["places"]),
        helper.make_node("Equal", ["places", "first"], ["is_first"]),
        helper.make_node("Unsqueeze", ["is_first", "last"], ["column"]),
        helper.make_node("Neg", ["sums"], ["opposite"]),
        helper.make_node("Where", ["column", "sums", "opposite"], ["told"]),
    ]
    kept = [constant("first", 0), constant("step", 1), constant("last", [1])]
    with_model(folder, honest_onnx(nodes, last="told", initializers=kept))


def copy_of(folder: Path, into: Path) -> Path:
    """Copy an entry."""
    shutil.copytree(folder, into)
    return into
