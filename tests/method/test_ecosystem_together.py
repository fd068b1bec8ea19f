"""Uses that one meets together: adapters and ONNX, export with free sizes, every way of loading."""

import io

import numpy as np
import pytest
import torch
from conftest import small_bert

from tinybert_l.method.export import OnnxClassifier, export_onnx
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.submodels import SubModel

HALF = SubModel(2, 0.5)


@pytest.fixture
def model():
    return elastic_copy(small_bert(num_hidden_layers=2, hidden_size=16))


def with_adapters(model, *targets):
    """The model with LoRA adapters that change what it computes."""
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(task_type="SEQ_CLS", r=2, target_modules=list(targets))
    adapted = peft.get_peft_model(model, config).eval()
    torch.manual_seed(1)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return adapted


def test_adapters_of_a_sub_model_are_merged_and_exported(model, padded, tmp_path):
    plain = extract(model, HALF)(**padded).logits
    adapted = with_adapters(extract(model, HALF), "query", "value")
    expected = adapted(**padded).logits.detach()
    assert (expected - plain).abs().max() > 0.01
    merged = adapted.merge_and_unload()
    onnx = OnnxClassifier(export_onnx(merged, SubModel(2), tmp_path / "merged.onnx"))
    assert np.allclose(onnx(*padded.values()), expected.numpy(), atol=1e-4)


def test_adapters_of_the_whole_model_are_merged_and_sliced(model, padded):
    merged = with_adapters(model, "query", "value", "dense").merge_and_unload().eval()
    expected = merged(**padded, sub_model=HALF).logits
    assert torch.allclose(extract(merged, HALF)(**padded).logits, expected, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "auto"},
        {"dtype": torch.bfloat16},
        {"low_cpu_mem_usage": True},
        {"device_map": "cpu"},
        {"revision": "main"},
        {"attn_implementation": "eager"},
        {"attn_implementation": "sdpa"},
    ],
    ids=str,
)
def test_every_way_of_loading_loads_the_same(model, padded, tmp_path, options):
    small = extract(model, HALF)
    small.save_pretrained(tmp_path)
    loaded = ElasticBertForSequenceClassification.from_pretrained(tmp_path, **options)
    loose = options.get("dtype") is torch.bfloat16
    assert torch.allclose(
        loaded(**padded).logits.float(), small(**padded).logits, atol=0.1 if loose else 1e-6
    )
    assert len(loaded(**padded, output_attentions=True).attentions) == 2


def test_an_extracted_model_is_kept_as_a_whole(model, padded):
    small = extract(model, HALF)
    kept = io.BytesIO()
    torch.save(small, kept)
    kept.seek(0)
    loaded = torch.load(kept, weights_only=False)
    assert torch.equal(loaded(**padded).logits, small(**padded).logits)


@pytest.mark.nightly
def test_one_compiled_model_runs_every_sub_model(model, padded):
    compiled = torch.compile(model, backend="eager")
    for sub_model in (SubModel(2), HALF, SubModel(1, 0.25), HALF):
        expected = model(**padded, sub_model=sub_model).logits
        assert torch.allclose(compiled(**padded, sub_model=sub_model).logits, expected, atol=1e-6)


@pytest.mark.nightly
def test_a_sub_model_with_adapters_is_compiled(model, padded):
    adapted = with_adapters(extract(model, HALF), "query", "value")
    compiled = torch.compile(adapted, backend="eager")
    assert torch.allclose(compiled(**padded).logits, adapted(**padded).logits, atol=1e-6)


@pytest.mark.nightly
@pytest.mark.parametrize("sub_model", [SubModel(2), HALF], ids=str)
def test_an_exported_sub_model_takes_any_batch_and_length(model, padded, sub_model):
    small = extract(model, sub_model)
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=40)}
    program = torch.export.export(
        small,
        (),
        padded,
        dynamic_shapes={"input_ids": free, "attention_mask": free},
        strict=False,
    )
    ids = torch.randint(1, 60, (5, 13))
    other = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    assert torch.allclose(program.module()(**other).logits, small(**other).logits, atol=1e-6)
