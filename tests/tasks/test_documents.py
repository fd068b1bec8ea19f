"""Long documents: more positions, dropped tokens, batches of equal work, elastic length."""

from pathlib import Path

import pytest
import torch
from conftest import small_bert
from transformers import AutoTokenizer

from tinybert_l.method.data import Split, embedded_teacher_path
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.export import export_onnx
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.token_masks import drop_tokens
from tinybert_l.submodels import SubModel, kept_tokens
from tinybert_l.tasks.documents import (
    DocumentRecipe,
    attention_window,
    classify_documents,
    document_segments,
    extend_positions,
    token_budget_batches,
    train_on_documents,
)


def test_more_positions_change_no_text_that_fitted_before(supernet, padded):
    before = supernet(**padded).logits
    extend_positions(supernet, 100)
    torch.testing.assert_close(supernet(**padded).logits, before)
    assert supernet(torch.ones(1, 100).long()).logits.shape == (1, 2)
    with pytest.raises(ValueError, match="length 101; allowed: at most 100"):
        supernet(torch.ones(1, 101).long())
    with pytest.raises(ValueError, match="max_length=50; allowed: 100"):
        extend_positions(supernet, 50)


def test_extended_positions_survive_saving(supernet, tmp_path):
    extend_positions(supernet, 90)
    supernet.save_pretrained(tmp_path)
    again = type(supernet).from_pretrained(tmp_path).eval()
    ids = torch.arange(80)[None] % 60
    torch.testing.assert_close(again(ids).logits, supernet(ids).logits)


def test_the_least_attended_tokens_go_and_the_rest_stays_in_order():
    hidden = torch.arange(5.0)[None, :, None]
    attended = torch.tensor([[0.0, 0.4, 0.1, 0.3, 0.2]])
    kept, mask = drop_tokens(hidden, torch.ones(1, 5).long(), attended, [3])
    assert kept[0, :, 0].tolist() == [0, 1, 3], "the first token stays although nobody looks at it"
    assert mask.tolist() == [[1, 1, 1]]


def test_each_text_keeps_its_own_share_whatever_else_is_in_the_batch(supernet, padded):
    shorter = SubModel(6, 1.0, 0.3)
    together = supernet(**padded, sub_model=shorter)
    assert together.last_hidden_state.shape[1] == kept_tokens(9, 0.3, 5, 6) == 3
    for i, length in enumerate((9, 5, 1)):
        alone = supernet(padded["input_ids"][i : i + 1, :length], sub_model=shorter)
        torch.testing.assert_close(alone.logits, together.logits[i : i + 1], rtol=1e-4, atol=1e-5)


def test_a_length_of_one_drops_nothing_and_less_length_changes_something(supernet, padded):
    whole = supernet(**padded).logits
    torch.testing.assert_close(supernet(**padded, sub_model=SubModel(6, 1.0, 1.0)).logits, whole)
    assert not torch.allclose(
        supernet(**padded, sub_model=SubModel(6, 1.0, 0.2)).logits[:2], whole[:2], atol=1e-4
    )


def test_gradients_reach_the_weights_through_dropped_tokens(supernet, padded):
    supernet(**padded, sub_model=SubModel(3, 0.5, 0.4)).logits.sum().backward()
    assert float(supernet.bert.embeddings.word_embeddings.weight.grad.abs().sum()) > 0


def test_an_extracted_sub_model_drops_the_same_tokens_and_counts_fewer_flops(supernet, padded):
    sub_model = SubModel(3, 0.5, 0.4)
    small = extract(supernet, sub_model)
    torch.testing.assert_close(
        small(**padded).logits, supernet(**padded, sub_model=sub_model).logits
    )
    whole = count_flops(extract(supernet, SubModel(3, 0.5)), 32)
    assert (
        count_flops(small, 32) < whole
        and count_flops(extract(supernet, SubModel(3, 0.5, 0.999)), 32) == whole
    )


def test_options_that_do_not_go_together_are_refused(supernet, padded, tmp_path):
    shorter = SubModel(3, 1.0, 0.5)
    with pytest.raises(ValueError, match="attention scores with a length"):
        supernet(**padded, sub_model=shorter, output_attention_scores=True)
    left = {"input_ids": padded["input_ids"], "attention_mask": padded["attention_mask"].flip(1)}
    with pytest.raises(ValueError, match="padding at the left"):
        supernet(**left, sub_model=shorter)
    message = "attention scores with a window"
    with attention_window(supernet, 3), pytest.raises(ValueError, match=message):
        supernet(**padded, output_attentions=True)
    with pytest.raises(ValueError, match="drops tokens"):
        export_onnx(supernet, shorter, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match="length=0"):
        SubModel(3, 1.0, 0)


@pytest.mark.parametrize("text", ["3x0.5", "6x1", "2x0.25x0.5"])
def test_names_of_sub_models_are_read_back(text):
    assert SubModel.parse(text).name == text


def test_a_shorter_sub_model_is_a_smaller_one():
    assert (
        SubModel(3, 0.5, 0.25).size < SubModel(3, 0.5).size
        and SubModel(3, 0.5, 0.25).label == "3×½×¼"
    )


def test_every_batch_holds_about_as_much_work_and_every_text_comes_once_a_pass():
    lengths = [5, 400, 20, 80, 7, 9, 300, 31] * 20
    batches = token_budget_batches(lengths, 800, 400, seed=0)
    assert all(max(lengths[i] for i in b) * len(b) <= 800 for b in batches)
    first_pass = set()
    for batch in batches:
        if first_pass & set(batch):
            break
        first_pass |= set(batch)
    assert first_pass == set(range(len(lengths)))
    assert batches == token_budget_batches(lengths, 800, 400, seed=0)
    assert batches != token_budget_batches(lengths, 800, 400, seed=1)


def test_batches_of_no_texts_are_refused():
    with pytest.raises(ValueError, match="lengths is empty; allowed: at least one text"):
        token_budget_batches([], 800, 4, seed=0)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(embedded_teacher_path())


def test_each_strategy_reads_its_part_of_a_document(tokenizer):
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    ids = [[1, 2, 3, 4, 5], []]
    start = [first, 1, 2, 3, last]
    assert document_segments(ids, tokenizer, "cut", 5) == [[start], [[first, last]]]
    segments = document_segments(ids, tokenizer, "windows", 5)
    assert segments == [[start, [first, 4, 5, last]], [[first, last]]]
    with pytest.raises(ValueError, match="allowed: 'cut', 'windows', 'windowed attention'"):
        document_segments(ids, tokenizer, "diagonal", 5)


def test_documents_are_learned_with_windows_and_three_elastic_dimensions(tokenizer, tmp_path: Path):
    start = elastic_copy(small_bert(vocab_size=tokenizer.vocab_size))
    texts = Split(["good " * 60, "bad " * 70] * 8, [1, 0] * 8)
    stages = ((0.0, (SubModel(6),)), (0.2, (SubModel(3, 0.5), SubModel(3, 0.5, 0.3))))
    joint = JointRecipe(stages=stages, num_steps=30, learning_rate=3e-3, precision="float32")
    recipe = DocumentRecipe("windowed attention", 64, 8, 512, joint)
    student = train_on_documents(start, tokenizer, texts, recipe, tmp_path)
    assert (
        student.config.max_position_embeddings == 64 and start.config.max_position_embeddings == 40
    )
    for sub_model in recipe.joint.sub_models():
        logits = classify_documents(
            student, tokenizer, texts.texts[:2], "windowed attention", sub_model, window=8
        )
        assert logits.argmax(-1).tolist() == [1, 0]
    assert not list(tmp_path.glob("checkpoint-*"))


def test_short_windows_come_first_and_then_whole_documents(tokenizer, tmp_path: Path, monkeypatch):
    start = elastic_copy(small_bert(vocab_size=tokenizer.vocab_size))
    texts = Split(["good " * 60, "bad " * 70] * 8, [1, 0] * 8)
    joint = JointRecipe(stages=((0.0, (SubModel(3),)),), num_steps=5, precision="float32")
    recipe = DocumentRecipe("windowed attention", 64, 8, 512, joint, short_share=0.6, short=16)
    seen = []
    forward = ElasticBertForSequenceClassification.forward

    def watched(self, input_ids, *args, **kwargs):
        seen.append((input_ids.shape[1], self.bert.layers[0].attention.self.window))
        return forward(self, input_ids, *args, **kwargs)

    monkeypatch.setattr(ElasticBertForSequenceClassification, "forward", watched)
    student = train_on_documents(start, tokenizer, texts, recipe, tmp_path)
    assert all(length <= 16 and window is None for length, window in seen[:3])
    assert all(length > 60 and window == 8 for length, window in seen[3:]) and len(seen) == 5
    assert student.bert.layers[0].attention.self.window is None


@pytest.mark.parametrize(
    "wrong", [{"short_share": 1.0}, {"short_share": -0.1}, {"short_share": 0.5, "short": 65}]
)
def test_a_share_or_length_of_the_short_part_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="DocumentRecipe: short"):
        DocumentRecipe("windowed attention", 64, 8, 512, JointRecipe(), **wrong)
