"""The elastic model: equal to BERT at full size, equal to its extracted sub-models everywhere."""

import pytest
import torch
from conftest import bert_config, small_bert
from transformers import BertForSequenceClassification, BertModel

from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.data import embedded_teacher_path
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.importance import measure_importance, sort_by_importance
from tinybert_l.method.model import ElasticBertForSequenceClassification, ElasticBertModel
from tinybert_l.submodels import SubModel, sub_model_grid
from tinybert_l.tasks.documents import attention_window

NINE = sub_model_grid((6, 3, 2), (1, 0.5, 0.25))


@torch.no_grad()
def test_full_size_equals_bert_with_padding_on_both_attention_paths(bert, supernet, padded):
    expected = bert(**padded, output_hidden_states=True)
    for with_scores in (False, True):
        got = supernet(**padded, output_hidden_states=True, output_attention_scores=with_scores)
        assert torch.allclose(got.logits, expected.logits, atol=1e-5)
        real = padded["attention_mask"].bool()
        for ours, theirs in zip(got.hidden_states, expected.hidden_states, strict=True):
            assert torch.allclose(ours[real], theirs[real], atol=1e-5)


@torch.no_grad()
def test_full_size_equals_bert_with_the_embedded_weights():
    path = embedded_teacher_path()
    theirs = BertModel.from_pretrained(path).eval()
    ours = ElasticBertModel.from_pretrained(path).eval()
    ids = torch.randint(0, 30000, (3, 17), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(17) < torch.tensor([17, 9, 2])[:, None]).long()
    expected, got = theirs(ids, attention_mask=mask), ours(ids, mask)
    assert torch.allclose(
        got.last_hidden_state[mask.bool()], expected.last_hidden_state[mask.bool()], atol=1e-5
    )
    assert torch.allclose(got.pooler_output, expected.pooler_output, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("sub_model", NINE, ids=lambda s: s.name)
def test_an_extracted_sub_model_computes_the_same_and_is_smaller(supernet, padded, sub_model):
    alone = extract(supernet, sub_model)
    assert torch.allclose(
        alone(**padded).logits, supernet(**padded, sub_model=sub_model).logits, atol=1e-6
    )
    assert alone.config.num_hidden_layers == sub_model.depth
    assert (alone.num_parameters() < supernet.num_parameters()) == (sub_model != SubModel(6))
    extracted = {p.data_ptr() for p in alone.parameters()}
    shared = {p.data_ptr() for p in supernet.parameters()}
    assert not extracted & shared, "an extracted model must stand alone"


@torch.no_grad()
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("sub_model", [SubModel(6), SubModel(3, 0.5), SubModel(1, 0.25)])
def test_the_last_layer_for_the_first_token_alone_gives_the_same_logits(
    supernet, padded, sub_model, side
):
    if side == "left":
        padded = {
            "input_ids": padded["input_ids"].flip(1),
            "attention_mask": padded["attention_mask"].flip(1),
        }
    whole, first = (
        supernet(**padded, sub_model=sub_model, only_first=only) for only in (False, True)
    )
    torch.testing.assert_close(first.logits, whole.logits)
    assert whole.last_hidden_state.shape[1] == 9 and first.last_hidden_state.shape[1] == 1


def test_the_last_layer_for_the_first_token_alone_gives_the_same_gradients(supernet, padded):
    gradients = []
    for only_first in (False, True):
        supernet.zero_grad()
        supernet(
            **padded, sub_model=SubModel(3, 0.5), only_first=only_first
        ).logits.square().sum().backward()
        gradients.append(
            {name: p.grad for name, p in supernet.named_parameters() if p.grad is not None}
        )
    torch.testing.assert_close(*gradients)


def test_the_first_token_alone_sees_what_it_sees_with_windows_and_after_tokens_were_dropped(
    supernet, padded
):
    with attention_window(supernet, 2):
        for sub_model in (SubModel(3, 0.5), SubModel(3, 0.5, 0.4)):
            whole, first = (
                supernet(**padded, sub_model=sub_model, only_first=only) for only in (False, True)
            )
            torch.testing.assert_close(first.logits, whole.logits)


@pytest.mark.parametrize(
    "option", ["output_hidden_states", "output_attention_scores", "output_attentions"]
)
def test_the_first_token_alone_has_no_states_of_the_others_to_give(supernet, padded, option):
    with pytest.raises(ValueError, match="only_first=True: allowed without"):
        supernet(**padded, only_first=True, **{option: True})


@torch.no_grad()
def test_a_sub_model_is_a_slice_gradients_stay_inside_it(supernet, padded):
    with torch.enable_grad():
        supernet(**padded, sub_model=SubModel(2, 0.5)).logits.sum().backward()
    first, third = supernet.bert.layers[0], supernet.bert.layers[2]
    assert first.intermediate.dense.weight.grad is None
    gradient = third.intermediate.dense.weight.grad
    assert gradient[:16].abs().sum() > 0 and not gradient[16:].any()
    assert not third.attention.self.query.weight.grad[12:].any()


@torch.no_grad()
def test_sorting_by_importance_changes_nothing_at_full_size_and_puts_the_important_first(
    supernet, padded
):
    batch = {**padded, "labels": torch.tensor([0, 1, 1])}
    importance = measure_importance(supernet, [batch])
    ordered = sort_by_importance(supernet, importance)
    assert torch.allclose(ordered(**padded).logits, supernet(**padded).logits, atol=1e-5)
    again = measure_importance(ordered, [batch])
    for scores in again.heads + again.neurons:
        assert bool((scores[:-1] >= scores[1:] - 1e-5).all())
    assert all(p.grad is None for p in supernet.parameters())


def test_importance_leaves_gradients_and_frozen_weights_as_they_were(supernet, padded):
    batch = {**padded, "labels": torch.tensor([0, 1, 1])}
    free = measure_importance(supernet, [batch])
    frozen, learning = supernet.bert.embeddings.word_embeddings.weight, supernet.classifier.weight
    frozen.requires_grad_(False)
    learning.grad = torch.ones_like(learning)
    with pytest.raises(ValueError, match="attention_mask"):  # also where a batch does not fit
        measure_importance(supernet, [{**batch, "attention_mask": batch["attention_mask"][:, :2]}])
    again = measure_importance(supernet, [batch])
    assert all(map(torch.equal, free.heads + free.neurons, again.heads + again.neurons))
    assert not frozen.requires_grad and learning.requires_grad and bool((learning.grad == 1).all())
    assert supernet.bert.layers[0].output.dense.weight.requires_grad
    still = measure_importance(supernet.requires_grad_(False), [batch])  # nothing at all learns
    assert all(map(torch.equal, free.heads + free.neurons, still.heads + still.neurons))
    assert not any(p.requires_grad for p in supernet.parameters())


def test_importance_of_a_head_is_the_change_it_would_make(supernet, padded):
    """Scaling a head's output by 1 - e changes the loss by about e times the inner product."""
    batch = {
        name: value[:1] for name, value in {**padded, "labels": torch.tensor([1, 0, 0])}.items()
    }
    importance = measure_importance(supernet, [batch])
    layer, size, e = supernet.bert.layers[2], 6, 1e-3
    with torch.no_grad():
        before = supernet(**batch).loss
        layer.attention.output.dense.weight[:, size : 2 * size] *= 1 - e
        after = supernet(**batch).loss
    measured = float(importance.heads[2][1])
    change = abs(float(before - after)) / e
    assert abs(measured - change) < 0.05 * measured + 1e-3


@torch.no_grad()
@pytest.mark.parametrize("sub_model", [SubModel(6), SubModel(3, 0.5)], ids=lambda s: s.name)
def test_save_and_load_is_exact(supernet, padded, tmp_path, sub_model):
    model = extract(supernet, sub_model)
    model.save_pretrained(tmp_path)
    loaded = ElasticBertForSequenceClassification.from_pretrained(tmp_path).eval()
    assert torch.equal(loaded(**padded).logits, model(**padded).logits)
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_a_plain_bert_checkpoint_loads_by_path(bert, padded, tmp_path):
    bert.save_pretrained(tmp_path)
    loaded = ElasticBertForSequenceClassification.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert torch.allclose(loaded(**padded).logits, bert(**padded).logits, atol=1e-5)


@torch.no_grad()
def test_a_text_gets_the_same_logits_alone_as_in_a_padded_batch(supernet, padded):
    together = supernet(**padded, sub_model=SubModel(3, 0.5)).logits
    alone = supernet(padded["input_ids"][1:2, :5], sub_model=SubModel(3, 0.5)).logits
    assert torch.allclose(together[1:2], alone, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SubModel(0), r"depth=0; allowed: .*at least 1"),
        (lambda: SubModel(True), r"depth=True; allowed: a whole number"),
        (lambda: SubModel(2, True), r"width=True; allowed"),
        (lambda: SubModel(2, 0), r"width=0; allowed: .*above 0 and at most 1"),
        (lambda: SubModel(2, 1.5), r"width=1.5; allowed"),
        (lambda: SubModel(2, float("nan")), r"width=nan; allowed"),
        (lambda: SubModel.parse("3by2"), r"3by2"),
        (
            lambda: ElasticBertConfig(hidden_size=10, num_attention_heads=3),
            r"hidden_size=10.*num_attention_heads=3",
        ),
        (
            lambda: elastic_copy(BertModel(bert_config())),
            r"BertModel; allowed: BertForSequenceClassification",
        ),
    ],
)
def test_bad_sizes_are_named_with_what_is_allowed(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_ids": torch.zeros(0, 5, dtype=torch.long)}, r"input_ids: shape \(0, 5\); allowed"),
        ({"input_ids": torch.zeros(1, 0, dtype=torch.long)}, r"input_ids: shape \(1, 0\); allowed"),
        ({"input_ids": torch.full((1, 3), 60)}, r"input_ids: from 60 to 60; allowed: 0 to 59"),
        ({"input_ids": torch.zeros(1, 41, dtype=torch.long)}, r"length 41; allowed: at most 40"),
        (
            {"input_ids": torch.zeros(1, 3, dtype=torch.long), "attention_mask": torch.ones(1, 2)},
            r"attention_mask: shape \(1, 2\)",
        ),
        (
            {"input_ids": torch.zeros(1, 3, dtype=torch.long), "sub_model": SubModel(7)},
            r"depth=7; allowed: 1 to 6",
        ),
    ],
)
def test_bad_inputs_are_named_with_what_is_allowed(supernet, arguments, message):
    with pytest.raises(ValueError, match=message):
        supernet(**arguments)


def test_a_classifier_keeps_its_number_of_labels():
    model = elastic_copy(small_bert(num_labels=5))
    assert isinstance(small_bert(num_labels=5), BertForSequenceClassification)
    assert model(torch.zeros(1, 2, dtype=torch.long)).logits.shape == (1, 5)
