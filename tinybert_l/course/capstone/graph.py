"""Check an ONNX model: one file, standard operators, no control flow, no chance, no text.

What passes is a pure function of its input: it can read no file, no clock and no random number, and
cannot loop. How much time and memory it takes is limited when it runs.
"""

from typing import TYPE_CHECKING, Any

from tinybert_l.course.capstone.rules import INPUTS, ONNX_MODEL, OUTPUT, EntryRefused
from tinybert_l.errors import printable

if TYPE_CHECKING:
    from onnx import ModelProto

NODES_LIMIT = 5000
STANDARD_DOMAINS = ("", "ai.onnx")
_NAMES = (
    "Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool "
    "BatchNormalization BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil "
    "Celu Clip Compress Concat Constant ConstantOfShape Conv ConvInteger Cos Cosh CumSum "
    "DepthToSpace DequantizeLinear Div DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand "
    "EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool "
    "GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GroupNormalization HardSigmoid HardSwish "
    "Hardmax Identity InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu "
    "Less LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max MaxPool "
    "Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow "
    "QLinearConv QLinearMatMul QuantizeLinear RMSNormalization RNN Range Reciprocal ReduceL1 "
    "ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum "
    "ReduceSumSquare Relu Reshape ReverseSequence RotaryEmbedding Round Scatter ScatterElements "
    "ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign "
    "SpaceToDepth Split Sqrt Squeeze Sub Sum SwiGLU Swish Tan Tanh TfIdfVectorizer "
    "ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Where Xor"
)
ALLOWED_OPERATORS = frozenset(_NAMES.split(" "))


def check_onnx(raw: bytes) -> None:
    """Check the bytes of an ONNX model; they are read, nothing is computed.

    Raises:
        EntryRefused: says which rule is broken.
    """
    model = _parse(raw)
    for opset in model.opset_import:
        _require_standard(opset.domain, "the operator set")
    if model.functions or model.training_info or model.graph.sparse_initializer:
        raise _refused("it has functions, training graphs or sparse weights")
    if len(model.graph.node) > NODES_LIMIT:
        raise _refused(f"{len(model.graph.node)} operators; allowed: at most {NODES_LIMIT}")
    for tensor in model.graph.initializer:
        _require_inside(tensor)
    for node in model.graph.node:
        _check_node(node)
    _check_ends(model)


def _parse(raw: bytes) -> "ModelProto":
    import onnx
    from google.protobuf.message import DecodeError

    model = onnx.ModelProto()
    try:
        model.ParseFromString(raw)
    except (DecodeError, RuntimeError, RecursionError, ValueError):
        raise _refused("it is no ONNX file, or a damaged one") from None
    if not model.graph.node or not model.opset_import:
        raise _refused("it is no ONNX file: it has no operators")
    return model


def _check_node(node: Any) -> None:
    _require_standard(node.domain, f"the operator {printable(node.op_type)[:40]}")
    if node.op_type not in ALLOWED_OPERATORS:
        raise _refused(
            f"the operator {printable(node.op_type)[:40]} is not allowed: no loops, branches, "
            "random numbers, texts, sequences or images"
        )
    for attribute in node.attribute:
        if attribute.HasField("g") or attribute.graphs or attribute.ref_attr_name:
            raise _refused(f"the operator {node.op_type} holds another graph")
        if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise _refused(f"the operator {node.op_type} holds sparse weights")
        for tensor in (attribute.t, *attribute.tensors):
            _require_inside(tensor)


def _require_inside(tensor: Any) -> None:
    """The weights stand in the file itself: no other file is opened."""
    if tensor.data_location or tensor.external_data:
        raise _refused("its weights lie in another file; save it as one file")


def _require_standard(domain: str, what: str) -> None:
    if domain not in STANDARD_DOMAINS:
        raise _refused(f"{what} is of {printable(domain)[:40]}; allowed: ONNX's own operators")


def _check_ends(model: "ModelProto") -> None:
    import onnx

    inputs = {value.name: value.type.tensor_type for value in model.graph.input}
    for tensor in model.graph.initializer:
        inputs.pop(tensor.name, None)  # older files name their weights among the inputs
    if "input_ids" not in inputs or not set(inputs) <= set(INPUTS):
        given = printable(", ".join(sorted(inputs)))[:60] or "none"
        raise _refused(f"its inputs are {given}; allowed: input_ids, and attention_mask if needed")
    for name, kind in inputs.items():
        if kind.elem_type != onnx.TensorProto.INT64 or len(kind.shape.dim) != 2:
            raise _refused(f"{name} is of another kind; allowed: int64 [batch, length]")
        batch, length = (dim.dim_value for dim in kind.shape.dim)  # 0 where it is free
        if batch > 1 or length:
            raise _refused(
                f"{name} has fixed sizes, {batch or 'any'} × {length or 'any'}; allowed: one "
                "sentence at a time, of any length (dynamic axes)"
            )
    if [value.name for value in model.graph.output] != [OUTPUT]:
        raise _refused(f"allowed: one output, named {OUTPUT}")
    if model.graph.output[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise _refused(f"{OUTPUT} is of another kind; allowed: float32 [batch, classes]")


def _refused(why: str) -> EntryRefused:
    return EntryRefused(f"{ONNX_MODEL}: {why}. ONNX模型不符合规则。")
