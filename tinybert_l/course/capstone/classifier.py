"""Run an entry: a sentence in, logits out, one sentence at a time, in one thread."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinybert_l.course.capstone.description import Description, read_description
from tinybert_l.course.capstone.graph import check_onnx
from tinybert_l.course.capstone.rules import (
    CONFIG,
    DESCRIPTION,
    LABELS,
    ONNX_MODEL,
    OUTPUT,
    VOCABULARY,
    WEIGHTS,
    EntryRefused,
)
from tinybert_l.course.capstone.vocabulary import make_tokenizer, read_pieces
from tinybert_l.course.capstone.weights import build_model, check_config, check_weights
from tinybert_l.errors import printable

REASON_LIMIT = 200  # characters; what is wrong stands at the end
# such as "[ONNXRuntimeError] : 1 : FAIL : /onnxruntime_src/model.cc:256 Model::Model(int) "
_PLACE_IN_RUNTIME = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |/onnxruntime_src/\S+ .*?\) |\.?$"
)
Model = Callable[[np.ndarray, np.ndarray], Any]  # ids and mask [1, tokens] -> logits


class Classifier:
    """An entry that was checked and loaded.

    Args:
        files: the bytes of each of its files.
    Raises:
        EntryRefused: it breaks a rule, or cannot be loaded.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        description: Description = read_description(files[DESCRIPTION])
        pieces = read_pieces(files[VOCABULARY])
        if ONNX_MODEL in files:
            check_onnx(files[ONNX_MODEL])
            self.model = onnx_model(files[ONNX_MODEL])
        else:
            config = check_config(files[CONFIG], len(pieces))
            self.model = torch_model(config, check_weights(files[WEIGHTS]))
        self.tokenizer = make_tokenizer(pieces, description)

    def logits(self, sentence: str) -> np.ndarray:
        """Return one number a class, [classes].

        Raises:
            EntryRefused: the model fails, or answers with something else than finite numbers.
        """
        ids = np.array([self.tokenizer.encode(sentence).ids], dtype=np.int64)
        answer = np.asarray(self.model(ids, np.ones_like(ids)))
        if answer.shape != (1, len(LABELS)) or answer.dtype != np.float32:
            given = f"{answer.dtype} {list(answer.shape)}"
            allowed = f"float32 [1, {len(LABELS)}]"
            raise EntryRefused(f"{OUTPUT} of one sentence are {given}; allowed: {allowed}.")
        if not np.isfinite(answer).all():
            raise EntryRefused(f"{OUTPUT} are not finite (NaN or infinite). 输出不是有限的数。")
        return answer[0]


def onnx_model(raw: bytes) -> Model:
    """Return what runs an ONNX model that was checked.

    Raises:
        EntryRefused: ONNX Runtime cannot load or run it.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each fault has a class of its own
        raise _cannot("load", error) from None
    names = {value.name for value in session.get_inputs()}

    def run(ids: np.ndarray, mask: np.ndarray) -> Any:
        inputs = {"input_ids": ids, "attention_mask": mask}
        try:
            return session.run([OUTPUT], {name: inputs[name] for name in names})[0]
        except Exception as error:
            raise _cannot("run", error) from None

    return run


def torch_model(config: dict[str, Any], tensors: dict[str, Any]) -> Model:
    """Return what runs a BERT in torch."""
    model = build_model(config, tensors)
    import torch

    @torch.inference_mode()
    def run(ids: np.ndarray, mask: np.ndarray) -> Any:
        try:
            inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            return model(**inputs).logits.numpy()
        except (RuntimeError, IndexError) as error:
            raise _cannot("run", error) from None

    return run


def _cannot(do: str, error: Exception) -> EntryRefused:
    words = _PLACE_IN_RUNTIME.sub("", " ".join(str(error).split()))
    reason = printable(words if len(words) <= REASON_LIMIT else f"… {words[-REASON_LIMIT:]}")
    return EntryRefused(f"the model does not {do}: {reason}. 模型无法加载或运行。")
