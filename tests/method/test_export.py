"""Exported files: each format is known by its name, measured alike, and leaves no traces."""

import logging

import numpy as np
import pytest

from tinybert_l.errors import CourseError
from tinybert_l.method import export, onnx_files
from tinybert_l.method.export import RUNTIMES, ExportDiffers
from tinybert_l.method.extraction import extract
from tinybert_l.method.onnx_files import (
    FLOAT32,
    INT8,
    MissingPackage,
    OnnxClassifier,
    export_onnx,
    onnx_latency,
    onnx_logits,
)
from tinybert_l.method.teacher import predict_logits
from tinybert_l.submodels import SubModel

HALF = SubModel(3, 0.5)


def test_the_runtimes_are_torch_and_the_two_formats():
    assert RUNTIMES == ("torch", "onnx", "onnx-int8")
    assert (FLOAT32.int8, INT8.int8) == (False, True)


def test_an_int8_export_changes_no_logger_and_leaves_one_file(supernet, tmp_path, caplog):
    root = logging.getLogger()
    filters = list(root.filters)
    export_onnx(supernet, HALF, tmp_path / "model.onnx", int8=True)
    assert root.filters == filters
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert "pre-processing before quantization" not in caplog.text
    logging.warning("Please consider pre-processing before quantization")
    assert "pre-processing before quantization" in caplog.text, "it is only hidden meanwhile"


def test_the_filter_is_removed_when_quantization_fails(tmp_path):
    root = logging.getLogger()
    filters = list(root.filters)
    with pytest.raises(Exception, match=r"missing\.onnx"):
        onnx_files._quantize(tmp_path / "missing.onnx", tmp_path / "model.onnx")
    assert root.filters == filters


def test_latency_is_measured_with_token_ids_of_the_vocabulary():
    shapes = set()
    highest = []

    def model(ids, mask):
        shapes.add((ids.shape, mask.shape))
        highest.append(int(ids.max()))

    assert onnx_latency(model, 3, length=8, seconds=0.01, vocab_size=60) > 0
    assert shapes == {((3, 8), (3, 8))}
    assert max(highest) < 60


def test_an_export_that_differs_from_torch_is_refused(supernet, texts, tmp_path):
    deployed = export.Deployment(supernet, None, texts, "A task.", seconds=0.01)
    expected = predict_logits(extract(supernet, HALF), texts).numpy()
    row = export._onnx_row(deployed, HALF, FLOAT32, tmp_path, expected)
    assert row["model"] == "3×½, ONNX float32" and row["largest difference from torch"] < 1e-3
    with pytest.raises(ExportDiffers, match=r"differs from torch by 1.0e\+00; allowed: 0.001"):
        export._onnx_row(deployed, HALF, FLOAT32, tmp_path, expected + 1)
    int8 = export._onnx_row(deployed, HALF, INT8, tmp_path, expected + 1)
    assert int8["largest difference from torch"] > 0.5, "int8 is reported, not refused"
    logits = onnx_logits(OnnxClassifier(tmp_path / INT8.file_name), texts)
    assert int8["accuracy"] == np.mean(logits.argmax(-1) == texts.labels)


def test_a_missing_package_is_named_with_the_command_that_installs_it():
    with pytest.raises(MissingPackage, match=r"no_such_runtime is missing.*pip install") as raised:
        onnx_files.import_optional("no_such_runtime")
    assert isinstance(raised.value, CourseError) and isinstance(raised.value, RuntimeError)


def test_a_sub_model_that_drops_tokens_is_refused(supernet, tmp_path):
    with pytest.raises(ValueError, match="drops tokens; allowed: length 1"):
        export_onnx(supernet, SubModel(2, 1.0, 0.5), tmp_path / "model.onnx")
