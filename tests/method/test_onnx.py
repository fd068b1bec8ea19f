"""Exported sub-models compute what torch computes, and int8 reaches all their matrices."""

import os
import subprocess
import sys

import onnx
import pytest
import torch

from tinybert_l.method.export import OnnxClassifier, export_onnx
from tinybert_l.submodels import SubModel


@pytest.mark.parametrize("int8", [False, True])
def test_onnx_gives_the_logits_of_torch(supernet, padded, tmp_path, int8):
    sub_model = SubModel(3, 0.5)
    session = OnnxClassifier(export_onnx(supernet, sub_model, tmp_path / "m.onnx", int8=int8))
    expected = supernet(**padded, sub_model=sub_model).logits.detach()
    got = torch.from_numpy(session(padded["input_ids"], padded["attention_mask"]))
    assert torch.allclose(got, expected, atol=0.3 if int8 else 1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_int8_reaches_every_matrix_of_an_exported_sub_model(supernet, tmp_path):
    graph = onnx.load(export_onnx(supernet, SubModel(3, 0.5), tmp_path / "m.onnx", int8=True)).graph
    matrices = [weight for weight in graph.initializer if len(weight.dims) == 2]
    assert len(matrices) == 3 + 3 * 6 + 2  # embeddings, layers, pooler and classifier
    types = {weight.data_type for weight in matrices}
    assert types <= {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}


def test_onnxruntime_keeps_no_number_of_the_machine_and_so_reports_nothing(tmp_path):
    """The student's guide promises that nothing is sent anywhere."""
    code = "import tinybert_l, onnxruntime; onnxruntime.get_available_providers()"
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]
