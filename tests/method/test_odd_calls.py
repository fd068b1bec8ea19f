"""Calls with values of a wrong kind or size: one error that names argument, value and limits."""

import numpy as np
import pytest
import torch
from conftest import small_bert

from tinybert_l.errors import InvalidInput
from tinybert_l.method.export import OnnxClassifier, export_onnx
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.recipe import stages_of
from tinybert_l.submodels import SubModel, default_stages, sub_model_grid

IDS = torch.tensor([[5, 6, 7], [8, 9, 3]])


@pytest.fixture(scope="module")
def model():
    return elastic_copy(small_bert(num_hidden_layers=2, hidden_size=16))


@pytest.fixture(scope="module")
def onnx(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    return OnnxClassifier(export_onnx(model, SubModel(2, 0.5), path))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: sub_model_grid(2, [0.5]), r"depths: 2; allowed: a list, such as \[2\]"),
        (lambda: sub_model_grid([2], 0.5), r"widths: 0.5; allowed: a list, such as \[0.5\]"),
        (lambda: sub_model_grid(None, [0.5]), "depths: None"),
        (lambda: default_stages("6"), "num_layers='6'; allowed: a whole number"),
        (lambda: default_stages(0), "num_layers=0"),
        (lambda: stages_of(True), "num_layers=True"),
    ],
)
def test_one_number_where_several_belong_is_refused(wrong, message):
    with pytest.raises(InvalidInput, match=message):
        wrong()
    assert default_stages(np.int64(4)) == default_stages(4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_ids": [[5, 6]]}, "input_ids: a list; allowed: a tensor"),
        ({"input_ids": IDS.numpy()}, "input_ids: a ndarray; allowed: a tensor"),
        ({"input_ids": IDS.float()}, "input_ids: torch.float32; allowed: torch.int64"),
        ({"input_ids": IDS, "token_type_ids": IDS}, "token_type_ids: from 3 to 9; allowed: 0 to 1"),
        ({"input_ids": IDS, "position_ids": 9 * IDS}, "position_ids: from 27 to 81; .* 0 to 39"),
        ({"input_ids": IDS, "position_ids": IDS.float()}, "position_ids: torch.float32"),
        ({"input_ids": IDS, "attention_mask": IDS}, "attention_mask: from 3 to 9; .* 0 to 1"),
        ({"input_ids": IDS, "attention_mask": IDS * float("nan")}, "attention_mask: from nan"),
        ({"input_ids": IDS, "attention_mask": [[1, 1, 1]]}, "attention_mask: a list"),
    ],
)
def test_a_tensor_of_a_wrong_kind_or_out_of_range_is_refused(model, arguments, message):
    with pytest.raises(InvalidInput, match=message):
        model(**arguments)


@pytest.mark.parametrize(
    ("ids", "mask", "message"),
    [
        (np.ones((1, 60)), np.ones((1, 60)), "length 60; allowed: at most 40"),
        ([[5, 999]], [[1, 1]], "input_ids: from 5 to 999; allowed: 0 to 59"),
        ([5, 6], [1, 1], r"input_ids: shape \(2,\)"),
        ([[5, 6]], [[1, 1], [1, 1]], r"attention_mask: shape \(2, 2\); allowed: \(1, 2\)"),
        ([[5.5, 6]], [[1, 1]], "input_ids: float64 values; allowed: whole"),
        ([["a"]], [[1]], "input_ids: <U1 values"),
    ],
)
def test_an_onnx_file_says_what_it_cannot_read(onnx, ids, mask, message):
    with pytest.raises(InvalidInput, match=message):
        onnx(ids, mask)


def test_onnx_paths_that_cannot_be_used_are_named(model, tmp_path):
    (tmp_path / "damaged.onnx").write_bytes(b"no graph")
    with pytest.raises(InvalidInput, match=r"damaged.onnx: cannot be read as an ONNX file"):
        OnnxClassifier(tmp_path / "damaged.onnx")
    with pytest.raises(InvalidInput, match="is a folder; allowed: a file in it"):
        export_onnx(model, SubModel(2), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.onnx"]
