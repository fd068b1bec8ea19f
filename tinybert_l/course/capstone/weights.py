"""Read safetensors into a BERT whose sizes `config.json` gives; no class of the entry's choice."""

import json
from typing import TYPE_CHECKING, Any

from tinybert_l.course.capstone.rules import CONFIG, LABELS, SIZE_LIMIT, WEIGHTS, EntryRefused

if TYPE_CHECKING:
    from transformers import PreTrainedModel

EPSILON = 1e-12  # BERT's, where a configuration does not say
FIXED = {  # what may not be chosen
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "attention_window": None,
    "kept_length": 1.0,
}
RANGES = {  # what may be chosen; all else of a configuration changes no answer, and is not read
    "vocab_size": (4, 60_000),
    "hidden_size": (1, 1024),
    "num_hidden_layers": (1, 24),
    "num_attention_heads": (1, 64),
    "intermediate_size": (1, 4096),
    "max_position_embeddings": (8, 1024),
    "type_vocab_size": (1, 4),
}
ACTIVATIONS = ("gelu", "gelu_new", "relu", "silu", "tanh")
ARCHITECTURES = ("bert", "elastic_bert")
FLOATS = ("float32", "float16")
SMALLEST_FLOAT = 2  # bytes


def check_weights(raw: bytes) -> dict[str, Any]:
    """Return the tensors of a safetensors file, as numpy arrays.

    The safetensors library checks the header: its length, that each tensor's bytes lie in the file,
    fit its shape, and overlap no other's.

    Raises:
        EntryRefused: the file is damaged, or numbers of another kind stand there.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(raw)
    except KeyError as error:  # a type that numpy has not
        raise EntryRefused(
            f"{WEIGHTS} has numbers of the type {str(error)[:20]}; allowed: {', '.join(FLOATS)}. "
            "数值类型不符。"
        ) from None
    except (SafetensorError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise EntryRefused(f"{WEIGHTS}: {str(error)[:100]}. safetensors文件无效。") from None
    for name, tensor in tensors.items():
        if tensor.dtype.name not in FLOATS:
            raise EntryRefused(
                f"{WEIGHTS}: {name[:60]!r} is {tensor.dtype.name}; allowed: {', '.join(FLOATS)}."
            )
    return tensors


def check_config(raw: bytes, num_pieces: int) -> dict[str, Any]:
    """Return the sizes of `config.json` that are used, with the architecture's name.

    Args:
        num_pieces: of the vocabulary.
    Raises:
        EntryRefused: another architecture, sizes out of range, or more weights than an entry holds.
    """
    try:
        given = json.loads(raw)
    except (ValueError, RecursionError):
        raise EntryRefused(f"{CONFIG}: not JSON. 不是JSON。") from None
    if not isinstance(given, dict) or given.get("model_type") not in ARCHITECTURES:
        raise EntryRefused(f"{CONFIG}: allowed: model_type {' or '.join(ARCHITECTURES)}.")
    config = {"model_type": given["model_type"]}
    for key, (low, high) in RANGES.items():
        config[key] = _whole_number(given, key, low, high)
    if given["model_type"] == "elastic_bert":
        config["attention_head_size"] = _whole_number(given, "attention_head_size", 1, 1024)
    _require_as_fixed(given)
    config["layer_norm_eps"] = given.get("layer_norm_eps", EPSILON)
    if type(config["layer_norm_eps"]) not in (int, float) or not 0 < config["layer_norm_eps"] < 1:
        raise EntryRefused(f"{CONFIG}: layer_norm_eps; allowed: a number above 0, below 1.")
    config["hidden_act"] = given.get("hidden_act", "gelu")
    if config["hidden_act"] not in ACTIVATIONS:
        raise EntryRefused(f"{CONFIG}: hidden_act; allowed: {', '.join(ACTIVATIONS)}.")
    if config["vocab_size"] != num_pieces:
        raise EntryRefused(
            f"{CONFIG}: vocab_size is {config['vocab_size']}; allowed: {num_pieces}."
        )
    if SMALLEST_FLOAT * _least_weights(config) > SIZE_LIMIT:
        raise EntryRefused(f"{CONFIG}: more weights than {SIZE_LIMIT:,} bytes can hold. 参数过多。")
    return config


def _require_as_fixed(given: dict[str, Any]) -> None:
    """Refuse what would compute something else than the judge does, in place of passing it over."""
    for key, value in FIXED.items():
        if given.get(key, value) not in (value, None):
            raise EntryRefused(
                f"{CONFIG}: {key} is {str(given[key])[:20]}; allowed: {value}. 不支持该设置。"
            )


def _whole_number(given: dict[str, Any], key: str, low: int, high: int) -> int:
    value = given.get(key)
    if type(value) is not int or not low <= value <= high:
        raise EntryRefused(f"{CONFIG}: {key} is {str(value)[:20]}; allowed: {low} to {high}.")
    return value


def _least_weights(config: dict[str, Any]) -> int:
    hidden = config["hidden_size"]
    heads = config["num_attention_heads"] * config.get("attention_head_size", 0)
    a_layer = 2 * hidden * config["intermediate_size"] + 4 * hidden * (heads or hidden)
    embeddings = config["vocab_size"] + config["max_position_embeddings"]
    return hidden * embeddings + config["num_hidden_layers"] * a_layer


def build_model(config: dict[str, Any], tensors: dict[str, Any]) -> "PreTrainedModel":
    """Return the classifier; imports torch, which takes seconds.

    Raises:
        EntryRefused: the tensors are not those of such a model.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.set_num_threads(1)
    settings = {key: value for key, value in config.items() if key != "model_type"}
    settings["num_labels"] = len(LABELS)
    try:
        model: PreTrainedModel
        if config["model_type"] == "bert":
            model = BertForSequenceClassification(BertConfig(**settings))
        else:
            model = _elastic(settings)
        state = {name: torch.from_numpy(tensor).float() for name, tensor in tensors.items()}
        model.load_state_dict(state)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise EntryRefused(
            f"{WEIGHTS} and {CONFIG} do not fit: {reason}. 权重与配置不符。"
        ) from None
    return model.eval()


def _elastic(settings: dict[str, Any]) -> Any:
    from tinybert_l.method.config import ElasticBertConfig
    from tinybert_l.method.model import ElasticBertForSequenceClassification

    return ElasticBertForSequenceClassification(ElasticBertConfig(**settings))
