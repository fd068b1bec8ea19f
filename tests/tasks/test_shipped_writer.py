"""The course's language model: its text, its nested training, its file, and what is said of it."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests_support import small_causal_model

from tinybert_l.course.records import RESULTS
from tinybert_l.course.rows import row_from_json
from tinybert_l.method.config import ElasticBertConfig, config_settings
from tinybert_l.method.model import ElasticBertModel
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.submodels import SubModel
from tinybert_l.tasks import shipped_writer as shipped
from tinybert_l.tasks.decoding import Decoding, stream
from tinybert_l.tasks.nested_writer import SharedPass, nested_model, train_nested
from tinybert_l.tasks.review_texts import END, as_blocks, numbered, review_parts
from tinybert_l.tasks.text_metrics import returning, sentences

CHECKED = 4  # pieces of the record that are scored anew


@pytest.fixture(scope="module")
def writer():
    return shipped.shipped_writer()


def small_nested_model():
    sizes = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 3, "intermediate_size": 16}
    config = ElasticBertConfig(num_attention_heads=2, max_position_embeddings=32, **sizes)
    torch.manual_seed(0)
    encoder = ElasticBertModel(config, add_pooling_layer=False)
    return nested_model(encoder, list(range(2, 14)), context=10).eval()


def test_no_review_stands_in_two_parts_and_both_labels_are_there():
    parts = review_parts()
    plain = [
        {" ".join(text.casefold().split()) for text in part}
        for part in (parts.train, parts.validation, parts.test)
    ]
    assert len(set.union(*plain)) == sum(map(len, plain)) > 24_000
    assert len(parts.test) == len(parts.validation) == 400
    for word in ("wonderful", "awful"):
        assert 10 < sum(word in text for text in parts.test) < 100


def test_reviews_become_blocks():
    blocks = as_blocks([[5, 6, 7], [8]], 3)
    assert blocks.tolist() == [[5, 6, 7], [END, 8, END]]
    assert numbered([10, 99, 30], [0, 10, 30]) == [1, 0, 2]


def test_sentences_and_what_returns_of_the_beginning():
    assert sentences([4, 9, 5, 6, 9, 7], stop=9) == [[4, 9], [5, 6, 9]]
    text = [500, 7, 600, 700] + [7] * 10 + [600, 8, 500, 9, 7, 7]
    assert returning(text, rare_from=500) == pytest.approx(2 / 3)
    assert returning([1, 2, 3, 4, 5], rare_from=500) == 0.0


def test_a_nested_sub_model_is_the_first_layers_of_the_same_run():
    model = small_nested_model()
    texts = torch.tensor([[1, 4, 6, 3, 2]])
    shared = SharedPass(model, SubModel(3))
    with torch.no_grad():
        for sub_model in (SubModel(3), SubModel(2), SubModel(1), SubModel(2, 0.5)):
            alone = model(texts, sub_model=sub_model).logits
            together = shared.logits(0, texts, sub_model)
            torch.testing.assert_close(together, alone)
    assert model.config.max_position_embeddings == 10


def test_nested_training_learns_and_sees_each_block_once_a_pass(tmp_path):
    model = small_nested_model()
    blocks = torch.tensor([[1, 2, 3, 4, 5, 6]] * 6)
    stages = ((0.0, (SubModel(3),)), (0.1, (SubModel(2), SubModel(1), SubModel(2, 0.5))))
    recipe = JointRecipe(stages=stages, num_steps=30, batch_size=4, learning_rate=3e-2)
    log = train_nested(model, blocks, recipe, tmp_path)
    assert log[-1]["losses"]["3x1"]["labels"] < 0.5 * log[0]["losses"]["3x1"]["labels"]
    assert len({name for row in log for name in row["losses"]}) == 4


def test_a_sliding_text_grows_past_the_positions_and_leaves_out_what_it_must():
    model = small_causal_model()
    room = model.config.max_position_embeddings
    written = list(stream(model, [3, 4], room + 20, Decoding(0), sliding=True))
    never = written[0]
    assert len(written) == room + 20
    assert written[: room - 2] == list(stream(model, [3, 4], room - 2, Decoding(0)))
    other = list(stream(model, [3, 4], room + 20, Decoding(0), sliding=True, never=[never]))
    assert never not in other
    again = list(stream(model, [3, 4], room + 20, Decoding(0), sliding=True, use_cache=False))
    assert again[: room - 2] == written[: room - 2]


def test_rounded_weights_are_near_the_trained_ones(tmp_path):
    model = small_nested_model()
    path = tmp_path / "weights.npz"
    shipped.save_weights(model, [7, 8, 9], path)
    restored, vocabulary = shipped.load_weights(path, config_settings(model.config))
    assert vocabulary == [7, 8, 9]
    for name, weights in model.state_dict().items():
        allowed = weights.abs().max() / shipped.LEVELS
        assert (restored.state_dict()[name] - weights).abs().max() <= allowed, name
    assert restored.lm_head.weight is restored.bert.embeddings.word_embeddings.weight


def test_a_file_that_lacks_a_weight_is_no_model(tmp_path):
    model = small_nested_model()
    path = tmp_path / "weights.npz"
    shipped.save_weights(model, [7, 8, 9], path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file if name != "whole/lm_head.bias"}
    np.savez_compressed(path, **arrays)
    with pytest.raises(RuntimeError, match=r"lm_head\.bias"):
        shipped.load_weights(path, config_settings(model.config))


def test_a_missing_file_says_how_to_make_it(monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "NOTE", tmp_path / "recipe.json")
    with pytest.raises(shipped.CourseError, match=r"make_writer\.py"):
        shipped.shipped_writer()


def test_the_shipped_model_is_of_the_recipe_in_the_code():
    note = shipped.read_note()
    assert note is not None and note["recipe"] == json.loads(json.dumps(shipped.recipe_values()))
    assert note["command"] == "python tools/make_writer.py"
    record = json.loads((RESULTS / "writer.json").read_text(encoding="utf-8"))
    training = record["recipe"]["training"]
    assert training.items() <= note["recipe"].items()
    before = note["metrics"]["validation_perplexity_before_rounding"]
    for name, after in note["metrics"]["validation_perplexity"].items():
        assert after < 1.02 * before[name], "rounding costs less than two percent"
    assert shipped.WEIGHTS.stat().st_size < 15e6


def test_the_shipped_model_has_the_losses_of_its_record(writer):
    """The first pieces scored anew; all of them nightly."""
    check_losses(writer, CHECKED)


@pytest.mark.nightly
def test_the_shipped_model_has_all_the_losses_of_its_record(writer):
    check_losses(writer, 200)


def check_losses(writer, number: int) -> None:
    record = json.loads((RESULTS / "writer.json").read_text(encoding="utf-8"))
    rows = [row_from_json(row) for row in record["rows"] if row["kind"] == "author"]
    texts = writer.held_out[:number]
    known = (texts[:, 1:] != 0).sum(1)
    for row in rows:
        if row.sub_model is not None:
            losses = writer.losses(texts, row.sub_model).sum(1) / known
            recorded = torch.tensor(row.loss_nats[0][:number])
            torch.testing.assert_close(losses, recorded, atol=2e-3, rtol=0)


def test_a_writer_scores_a_text_as_its_model_does():
    model = small_causal_model()
    writer = shipped.Writer(model, SimpleNamespace(), [], torch.empty(0), JointRecipe(), [])
    texts = torch.tensor([[3, 4, 0, 5], [5, 3, 4, 4]])
    losses = writer.losses(texts)
    assert losses.shape == (2, 3) and losses[0, 1] == 0
    logits = model(texts[:, :-1]).logits
    expected = -logits.log_softmax(-1)[1, 2, 4]
    assert losses[1, 2] == pytest.approx(expected.item(), abs=1e-5)
    assert writer.perplexity(texts) == pytest.approx((losses.sum() / 5).exp().item(), rel=1e-5)
    assert dataclasses.is_dataclass(writer)
