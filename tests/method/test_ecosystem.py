"""Uses of docs/reference/ecosystem.md: right, or refused with the reason."""

import copy
import io
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import peft
import pytest
import torch
from conftest import small_bert
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune
from torch.optim.swa_utils import AveragedModel
from transformers import (
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForSequenceClassification,
    BertForTokenClassification,
)

from tinybert_l.errors import InvalidInput
from tinybert_l.method import narrow_bert
from tinybert_l.method.cached_model import quiet_loading
from tinybert_l.method.data import Encoded, collate
from tinybert_l.method.extraction import elastic_copy, extract, to_bert
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.saving import save_alone
from tinybert_l.method.teacher import predict_logits
from tinybert_l.submodels import SubModel

SMALL = {"num_hidden_layers": 2, "hidden_size": 16}
HALF = SubModel(2, 0.5)


@pytest.fixture
def model():
    return elastic_copy(small_bert(**SMALL))


def gap(one, other):
    return float((one.float() - other.float()).abs().max())


def test_hooks_fire_on_every_projection_or_are_refused(padded):
    model = elastic_copy(small_bert(**SMALL))
    fired = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda *_, name=name: fired.append(name))
    model(**padded)
    assert len(fired) == len(set(fired)) == 2 * 6 + 2
    with pytest.raises(InvalidInput, match="hooks, which would not take effect"):
        model(**padded, sub_model=SubModel(2, 0.5))


def test_adapters_take_effect_on_an_extracted_model_or_are_refused(padded):
    settings = peft.LoraConfig(
        task_type="SEQ_CLS", r=2, target_modules=["query", "value"], init_lora_weights=False
    )
    small = extract(elastic_copy(small_bert(**SMALL)), SubModel(2, 0.5))
    before = small(**padded).logits
    adapted = peft.get_peft_model(small, settings).eval()
    assert float((adapted(**padded).logits - before).abs().max()) > 1e-3
    with pytest.raises(InvalidInput, match="would not take effect"):
        adapted(**padded, sub_model=SubModel(2, 0.5))


def test_masks_embeddings_and_tuples_are_those_of_bert(padded):
    bert = small_bert(**SMALL)
    model = elastic_copy(bert)
    ids, mask = padded["input_ids"], padded["attention_mask"]
    expected = bert(ids, mask).logits
    embeds = model.get_input_embeddings()(ids)
    for outputs in (
        model(ids, mask.bool()).logits,
        model(ids, mask.float()).logits,
        model(inputs_embeds=embeds, attention_mask=mask).logits,
        model(ids, mask, output_attentions=None, output_hidden_states=None).logits,
        model(ids, mask, return_dict=False)[0],
    ):
        assert torch.allclose(outputs, expected, atol=1e-5)
    with pytest.raises(InvalidInput, match="one of the two"):
        model(ids, mask, inputs_embeds=embeds)


def test_a_trainer_takes_logits_for_predictions_and_the_loss_first(padded):
    model = elastic_copy(small_bert(**SMALL))
    output = model(**padded, labels=torch.tensor([0, 1, 0]))
    assert list(output)[:2] == ["loss", "logits"]
    ignored = {"loss", *model.config.keys_to_ignore_at_inference}
    assert [name for name in output if name not in ignored] == ["logits"]


@pytest.mark.parametrize(
    ("kind", "labels", "loss"),
    [
        ("regression", torch.tensor([[0.5, 1.0]] * 3), F.mse_loss),
        (
            "multi_label_classification",
            torch.tensor([[1.0, 1.0]] * 3),
            F.binary_cross_entropy_with_logits,
        ),
    ],
)
def test_the_loss_is_that_of_the_problem_type(kind, labels, loss, padded):
    bert = small_bert(**SMALL, problem_type=kind)
    output = elastic_copy(bert)(**padded, labels=labels)
    assert torch.allclose(output.loss, loss(output.logits, labels))
    assert torch.allclose(output.loss, bert(**padded, labels=labels).loss, atol=1e-5)


def test_labels_of_32_bits_are_classes_too(model, padded):
    labels = torch.tensor([0, 1, 1])
    losses = [model(**padded, labels=labels.to(kind)).loss for kind in (torch.int64, torch.int32)]
    assert torch.equal(*losses)


class Quantized(torch.Tensor):
    """Stands for the tensors in which a quantizer such as torchao keeps weights."""


def test_quantized_weights_are_not_sliced_into_copies(model):
    linear = model.bert.layers[0].intermediate.dense
    linear.weight = nn.Parameter(linear.weight.data.as_subclass(Quantized))
    with pytest.raises(InvalidInput, match=r"extract: .*dense.weight as a Quantized; .* quantize"):
        extract(model, HALF)
    with pytest.raises(InvalidInput, match=r"elastic_copy: .* Quantized"):
        elastic_copy(model)


def test_the_second_text_of_a_pair_is_told_from_the_first():
    bert = small_bert(**SMALL)
    pair = Encoded([[1, 2, 3, 4]], [0], 0, [[0, 0, 1, 1]])
    assert collate(pair, [0])["token_type_ids"].tolist() == [[0, 0, 1, 1]]
    expected = bert(torch.tensor([[1, 2, 3, 4]]), token_type_ids=torch.tensor([[0, 0, 1, 1]]))
    assert torch.allclose(predict_logits(elastic_copy(bert), pair), expected.logits, atol=1e-5)


def test_hooks_on_layers_and_the_encoder_fire_and_backward_hooks_are_not_lost(model, padded):
    fired = []
    for name, module in model.named_modules():
        module.register_forward_hook(lambda *_, name=name: fired.append(name))
    model(**padded)
    silent = {name for name, _ in model.named_modules()} - set(fired)
    assert silent == {"bert.encoder.layer"}, "the list of layers itself, as in BERT"
    fresh = elastic_copy(model)
    linear = fresh.bert.encoder.layer[0].attention.self.query
    linear.register_full_backward_pre_hook(lambda *_: None)
    with pytest.raises(InvalidInput, match="hooks, which would not take effect"):
        fresh(**padded, sub_model=HALF)


class LowRank(nn.Module):
    """An adapter written by hand: a projection and a product of two small matrices."""

    def __init__(self, linear):
        super().__init__()
        self.linear = linear
        self.out_features, self.in_features = linear.out_features, linear.in_features
        self.down = nn.Linear(linear.in_features, 2, bias=False)
        self.up = nn.Linear(2, linear.out_features, bias=False)

    def forward(self, hidden):
        return self.linear(hidden) + self.up(self.down(hidden))


def test_an_adapter_of_ones_own_trains_alone_and_is_never_dropped_in_silence(model, padded):
    small = extract(model, HALF)
    before = small(**padded).logits
    small.requires_grad_(False)
    attention = small.bert.encoder.layer[0].attention.self
    attention.query = LowRank(attention.query)
    assert gap(small(**padded).logits, before) > 1e-3
    small(**padded, labels=torch.tensor([0, 1, 0])).loss.backward()
    trained = {name for name, value in small.named_parameters() if value.grad is not None}
    assert {name.rpartition("query.")[2] for name in trained} == {"down.weight", "up.weight"}
    for use in (
        lambda: small(**padded, sub_model=SubModel(2, 0.5)),
        lambda: extract(small, SubModel(2)),
        lambda: elastic_copy(small),
    ):
        with pytest.raises(InvalidInput, match=r"LowRank|other weights"):
            use()


def test_a_forward_put_onto_a_projection_is_not_gone_round(model, padded):
    linear = model.bert.encoder.layer[0].attention.self.key
    linear.forward = lambda hidden: 2 * F.linear(hidden, linear.weight, linear.bias)
    model(**padded)
    with pytest.raises(InvalidInput, match="a forward of its own"):
        model(**padded, sub_model=HALF)


def test_merged_adapters_are_extracted_and_prompt_tuning_is_that_of_bert(model, padded):
    low_rank = peft.LoraConfig(
        task_type="SEQ_CLS", r=2, target_modules=["query"], init_lora_weights=False
    )
    adapted = peft.get_peft_model(copy.deepcopy(model), low_rank).eval()
    expected = adapted(**padded).logits
    with pytest.raises(InvalidInput, match="merge adapters"):
        extract(adapted.base_model.model, SubModel(2))
    merged = adapted.merge_and_unload()
    assert gap(extract(merged, SubModel(2))(**padded).logits, expected) < 1e-5
    logits = []
    for base in (small_bert(**SMALL), model):
        torch.manual_seed(0)
        prompts = peft.PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=3)
        logits.append(peft.get_peft_model(base, prompts).eval()(**padded).logits)
    assert gap(*logits) < 1e-5
    with pytest.raises(ValueError, match="past key values"):
        prefix = peft.PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=3)
        peft.get_peft_model(model, prefix)(**padded)


def test_adapters_are_saved_and_loaded(model, padded, tmp_path):
    settings = peft.LoraConfig(
        task_type="SEQ_CLS", r=2, target_modules=["value"], init_lora_weights=False
    )
    adapted = peft.get_peft_model(extract(model, HALF), settings).eval()
    adapted.save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(extract(model, HALF), tmp_path).eval()
    assert gap(again(**padded).logits, adapted(**padded).logits) == 0


def test_pruned_and_normalised_weights_run_whole_and_are_not_sliced(model, padded):
    bert = small_bert(**SMALL)
    for net in (bert, model):
        prune.l1_unstructured(net.bert.encoder.layer[0].attention.self.query, "weight", 0.5)
    assert gap(model(**padded).logits, bert(**padded).logits) < 1e-5
    with pytest.raises(InvalidInput, match="would not take effect"):
        model(**padded, sub_model=HALF)
    with pytest.raises(InvalidInput, match="make pruning permanent"):
        elastic_copy(model)
    fresh = elastic_copy(small_bert(**SMALL))
    expected = fresh(**padded).logits
    parametrizations.weight_norm(fresh.bert.encoder.layer[1].output.dense)
    assert gap(fresh(**padded).logits, expected) < 1e-5
    with pytest.raises(InvalidInput, match="ParametrizedLinear"):
        fresh(**padded, sub_model=HALF)


def test_torch_quantizes_an_extracted_model_and_a_whole_one(model, padded):
    for net in (model, extract(model, HALF)):
        with warnings.catch_warnings():  # torch announces another home for this function
            warnings.simplefilter("ignore")
            small = torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, dtype=torch.qint8)
        assert 0 < gap(small(**padded).logits, net(**padded).logits) < 0.1
        with pytest.raises(InvalidInput, match="quantized"):
            small(**padded, sub_model=SubModel(2, 0.25))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_numbers_of_every_type_are_kept_by_copies_and_extracts(kind, padded, tmp_path):
    bert = small_bert(**SMALL).to(kind)
    model = elastic_copy(bert)
    logits = model(**padded).logits
    assert logits.dtype == model.dtype == kind
    assert gap(logits, bert(**padded).logits) < 0.05
    small = extract(model, HALF)
    assert small.dtype == kind and to_bert(extract(model, SubModel(1))).dtype == kind
    with quiet_loading():
        small.save_pretrained(tmp_path)
        again = ElasticBertForSequenceClassification.from_pretrained(
            tmp_path, dtype=kind, device_map="cpu"
        )
    assert again.dtype == kind
    assert gap(again.eval()(**padded).logits, small(**padded).logits) < 0.05


def test_copies_of_every_kind_compute_the_same(model, padded):
    expected = model(**padded).logits
    saved = io.BytesIO()
    torch.save(model, saved)
    saved.seek(0)
    copies = [
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        torch.load(saved, weights_only=False),
        nn.DataParallel(model),
        AveragedModel(model),
    ]
    for other in copies:
        assert gap(other(**padded).logits, expected) == 0
    inputs = (padded["input_ids"], padded["attention_mask"])
    assert gap(functional_call(model, dict(model.named_parameters()), inputs).logits, expected) == 0
    bert = small_bert(5, **SMALL)
    bert.load_state_dict(model.state_dict(), strict=True)
    assert gap(bert(**padded).logits, expected) < 1e-5
    model.load_state_dict(small_bert(5, **SMALL).state_dict(), strict=True)
    assert gap(model(**padded).logits, expected) > 1e-3


def test_without_gradients_and_in_threads_it_computes_the_same(model, padded):
    sub_models = [SubModel(2), HALF, SubModel(1), SubModel(1, 0.25)] * 4
    expected = [model(**padded, sub_model=sub_model).logits for sub_model in sub_models]

    def run(sub_model):
        with torch.inference_mode():
            return model(**padded, sub_model=sub_model).logits

    with ThreadPoolExecutor(4) as threads:
        for before, logits in zip(expected, threads.map(run, sub_models), strict=True):
            assert gap(before, logits) == 0 and logits.is_inference()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"input_ids": torch.zeros(0, 4, dtype=torch.long)}, "at least one token"),
        ({"input_ids": torch.ones(1, 41, dtype=torch.long)}, "length 41; allowed: at most 40"),
        ({"attention_mask": torch.ones(3, 1, 9, 9)}, r"shape \(3, 1, 9, 9\); allowed: \(3, 9\)"),
        ({"attention_mask": torch.ones(3, 9, 9)}, r"shape \(3, 9, 9\); allowed: \(3, 9\)"),
        ({"sub_model": "1x0.5"}, r"SubModel\.parse"),
        ({"sub_model": (1, 0.5)}, r"SubModel\.parse"),
    ],
)
def test_what_it_cannot_read_is_refused(model, padded, inputs, message):
    with pytest.raises(InvalidInput, match=message):
        model(**padded | inputs if "input_ids" not in inputs else inputs)


@pytest.mark.parametrize("name", ["head_mask", "encoder_hidden_states", "subb_model"])
def test_an_argument_that_it_does_not_know_is_refused_and_not_dropped(model, padded, name):
    with pytest.raises(TypeError, match=name):
        model(**padded, **{name: None})


def test_other_models_than_classifiers_that_read_both_ways_are_refused(bert):
    for kind in (BertForMaskedLM, BertForTokenClassification, BertForMultipleChoice):
        with pytest.raises(InvalidInput, match=kind.__name__):
            elastic_copy(kind(bert.config))
    with pytest.raises(InvalidInput, match="ElasticBertForCausalLM"):
        elastic_copy(small_bert(**SMALL, is_decoder=True))
    with pytest.raises(InvalidInput, match="an elastic model"):
        extract(bert, HALF)


def test_a_full_width_sub_model_is_a_plain_bert(model, padded, tmp_path):
    sub_model = SubModel(1)
    save_alone(extract(model, sub_model), tmp_path)
    with quiet_loading():
        bert = BertForSequenceClassification.from_pretrained(tmp_path).eval()
    assert bert.config.model_type == "bert"
    assert gap(bert(**padded).logits, model(**padded, sub_model=sub_model).logits) < 1e-6
    with pytest.raises(InvalidInput, match="2 heads of 4"):
        to_bert(extract(model, HALF))


@pytest.mark.parametrize("heads", [2, 3, 5, 8])
def test_a_narrow_one_takes_its_code_along(heads, padded, tmp_path):
    model = elastic_copy(
        small_bert(num_hidden_layers=2, hidden_size=120, num_attention_heads=heads)
    )
    small = extract(model, SubModel(1, 0.4))
    save_alone(small, tmp_path)
    assert (tmp_path / "modeling_narrow_bert.py").is_file()
    with quiet_loading():
        alone = narrow_bert.NarrowBertForSequenceClassification.from_pretrained(tmp_path).eval()
    assert gap(alone(**padded).logits, small(**padded).logits) < 1e-6
    with pytest.raises(InvalidInput, match=r"kept_length=0\.5"):
        save_alone(extract(model, SubModel(1, 1.0, 0.5)), tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("sub_model", [None, SubModel(1, 0.5)])
def test_torch_compiles_exports_and_traces_it(model, padded, sub_model):
    def logits(input_ids, attention_mask):
        return model(input_ids, attention_mask, sub_model=sub_model).logits

    class Logits(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask):
            return logits(input_ids, attention_mask)

    whole = (padded["input_ids"], padded["attention_mask"])
    part = tuple(tensor[:2, :5] for tensor in whole)
    compiled = torch.compile(logits, backend="eager", fullgraph=True)
    batch, length = torch.export.Dim("batch", max=64), torch.export.Dim("length", max=40)
    shapes = {name: {0: batch, 1: length} for name in ("input_ids", "attention_mask")}
    exported = torch.export.export(Logits(), whole, dynamic_shapes=shapes, strict=False).module()
    traced = torch.jit.trace(Logits(), whole)
    for inputs in (whole, part):
        for run in (compiled, exported, traced):
            assert gap(run(*inputs), logits(*inputs)) < 1e-5
