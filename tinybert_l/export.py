"""A sub-model as a file of its own: ONNX in float32 and int8, and a session that runs it."""

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tinybert_l.model import ElasticBertForSequenceClassification, extract
from tinybert_l.submodels import SubModel


class _LogitsOnly(nn.Module):
    def __init__(self, model: ElasticBertForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def export_onnx(
    supernet: ElasticBertForSequenceClassification, sub_model: SubModel, path: Path, int8: bool = False
) -> Path:
    """Write a sub-model as ONNX, with free batch size and length.

    Args:
        int8: store and multiply the weights as 8-bit integers (dynamic quantization).
    Returns:
        The file.
    """
    model = _LogitsOnly(extract(supernet, sub_model)).eval()
    ids = torch.ones(2, 8, dtype=torch.long)
    whole = path.with_suffix(".float32.onnx") if int8 else path
    axes = {0: "batch", 1: "length"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on checks that need not be traced, and on the exporter's age
        # torch 2.13's newer exporter changed this model's logits by 1e-2; a test holds this one to 1e-5
        torch.onnx.export(
            model,
            (ids, ids),
            str(whole),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    if int8:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        logging.getLogger().addFilter(lambda record: "pre-processing before quantization" not in record.getMessage())
        quantize_dynamic(whole, path, weight_type=QuantType.QInt8)
        whole.unlink()
    return path


class OnnxClassifier:
    """An exported model; called with one batch of token ids and mask, returns logits as numpy [batch, classes]."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, input_ids: Any, attention_mask: Any) -> np.ndarray:
        inputs = {"input_ids": np.asarray(input_ids), "attention_mask": np.asarray(attention_mask)}
        return self.session.run(["logits"], inputs)[0]
