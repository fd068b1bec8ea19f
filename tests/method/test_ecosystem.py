"""Uses of docs/reference/ecosystem.md: right, or refused with the reason."""

import pytest
import torch
from conftest import small_bert
from torch import nn
from torch.nn import functional as F

from tinybert_l.errors import InvalidInput
from tinybert_l.method.data import Encoded, collate
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.teacher import predict_logits
from tinybert_l.submodels import SubModel

SMALL = {"num_hidden_layers": 2, "hidden_size": 16}


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
    peft = pytest.importorskip("peft")
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


def test_the_second_text_of_a_pair_is_told_from_the_first():
    bert = small_bert(**SMALL)
    pair = Encoded([[1, 2, 3, 4]], [0], 0, [[0, 0, 1, 1]])
    assert collate(pair, [0])["token_type_ids"].tolist() == [[0, 0, 1, 1]]
    expected = bert(torch.tensor([[1, 2, 3, 4]]), token_type_ids=torch.tensor([[0, 0, 1, 1]]))
    assert torch.allclose(predict_logits(elastic_copy(bert), pair), expected.logits, atol=1e-5)
