"""Every sub-model passes what transformers' own common tests ask of a model.

And scikit-learn agrees on metrics.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from conftest import small_bert
from sklearn import metrics
from tests_support import small_causal_model
from torch import nn
from transformers import (
    AutoModel,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)
from transformers import pipeline as make_pipeline

from tinybert_l.exercises.lecture_08 import macro_f1
from tinybert_l.method.evaluation import count_flops, count_parameters
from tinybert_l.method.extraction import NothingDrawn, elastic_copy, extract, to_bert
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.submodels import SubModel, sub_model_grid
from tinybert_l.tasks.decoding import Decoding, stream

GRID = sub_model_grid((6, 3, 2), (1, 0.5, 0.25))
every_sub_model = pytest.mark.parametrize("sub_model", GRID, ids=lambda s: s.name)


@every_sub_model
def test_saved_and_loaded_it_gives_the_same(supernet, padded, tmp_path, sub_model):
    small = extract(supernet, sub_model)
    small.save_pretrained(tmp_path)
    again = ElasticBertForSequenceClassification.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(again(**padded).logits, small(**padded).logits)
    encoder = AutoModel.from_pretrained(tmp_path).eval()
    expected = small.bert(**padded).last_hidden_state
    torch.testing.assert_close(encoder(**padded).last_hidden_state, expected)


@every_sub_model
def test_the_vocabulary_grows_and_shrinks(supernet, padded, sub_model):
    expected = supernet(**padded, sub_model=sub_model).logits
    supernet.resize_token_embeddings(70)
    assert supernet.config.vocab_size == 70
    torch.testing.assert_close(supernet(**padded, sub_model=sub_model).logits, expected)
    supernet(torch.tensor([[69, 1]]), sub_model=sub_model)
    supernet.resize_token_embeddings(60)
    torch.testing.assert_close(supernet(**padded, sub_model=sub_model).logits, expected)


def test_the_language_models_vocabulary_grows_with_its_output_layer():
    model = small_causal_model()
    model.resize_token_embeddings(55)
    assert model(torch.tensor([[54, 1]])).logits.shape[-1] == 55
    assert model.lm_head.weight is model.bert.embeddings.word_embeddings.weight


@every_sub_model
def test_gradient_checkpointing_gives_the_same_gradients(supernet, padded, sub_model):
    gradients = []
    for module in supernet.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for layer in supernet.bert.layers:
        layer.attention.self.dropout = 0.0
    supernet.train()
    for checkpointing in (False, True):
        if checkpointing:
            supernet.gradient_checkpointing_enable()
        supernet.zero_grad()
        supernet(**padded, sub_model=sub_model, labels=torch.tensor([0, 1, 0])).loss.backward()
        gradients.append(
            {n: p.grad.clone() for n, p in supernet.named_parameters() if p.grad is not None}
        )
    assert gradients[0].keys() == gradients[1].keys()
    for name, value in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], value, msg=name)


@every_sub_model
def test_hidden_states_and_attentions_have_their_shapes(supernet, padded, sub_model):
    output = supernet(
        **padded, sub_model=sub_model, output_hidden_states=True, output_attentions=True
    )
    assert len(output.hidden_states) == sub_model.depth + 1
    assert len(output.attentions) == sub_model.depth
    assert output.hidden_states[0].shape == (3, 9, 24)
    for weights in output.attentions:
        assert weights.shape == (3, max(1, round(4 * sub_model.width)), 9, 9)
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:3]))
        assert float(weights[1, :, :, 5:].max()) < 1e-6, "padding is looked at"


def test_scores_of_some_layers_leave_the_others_on_the_fast_path(supernet, padded):
    whole = supernet(**padded, output_attention_scores=True)
    some = supernet(**padded, output_attention_scores=(2, 6))
    given = [scores is not None for scores in some.attention_scores]
    assert given == [False, True, False, False, False, True]
    torch.testing.assert_close(
        some.attention_scores[5], whole.attention_scores[5], rtol=1e-4, atol=1e-4
    )
    with pytest.raises(ValueError, match="layers \\[7\\]; allowed: 1 to 6"):
        supernet(**padded, output_attention_scores=[7])


def test_scores_of_some_layers_come_with_attentions_of_all(supernet, padded):
    output = supernet(**padded, output_attention_scores=[2], output_attentions=True)
    assert [scores is None for scores in output.attention_scores[:3]] == [True, False, True]
    expected = supernet(**padded, output_attentions=True).attentions
    torch.testing.assert_close(output.attentions, expected, rtol=0, atol=0)


@every_sub_model
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_at_either_side_changes_nothing(supernet, sub_model, side):
    ids = torch.tensor([[5, 6, 7, 8]])
    expected = supernet(ids, sub_model=sub_model).logits
    filler, real = torch.zeros(1, 3).long(), torch.ones(1, 4).long()
    parts = ([filler, ids], [filler, real]) if side == "left" else ([ids, filler], [real, filler])
    got = supernet(
        torch.cat(parts[0], 1), attention_mask=torch.cat(parts[1], 1), sub_model=sub_model
    ).logits
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@every_sub_model
def test_a_text_alone_and_in_a_batch_gives_the_same(supernet, padded, sub_model):
    together = supernet(**padded, sub_model=sub_model).logits
    for i, length in enumerate((9, 5, 1)):
        alone = supernet(padded["input_ids"][i : i + 1, :length], sub_model=sub_model).logits
        torch.testing.assert_close(alone, together[i : i + 1], rtol=1e-4, atol=1e-5)


def test_at_full_size_it_is_transformers_bert(bert, padded):
    expected = bert(**padded, output_hidden_states=True, output_attentions=False)
    got = elastic_copy(bert)(**padded, output_hidden_states=True)
    torch.testing.assert_close(got.logits, expected.logits, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(got.hidden_states, expected.hidden_states, strict=True):
        text_without_padding = 0
        torch.testing.assert_close(
            ours[text_without_padding], theirs[text_without_padding], rtol=1e-4, atol=1e-5
        )


@every_sub_model
def test_the_counters_give_the_numbers_of_a_hand_count(supernet, sub_model):
    hidden, tokens = 24, 16
    heads = max(1, round(4 * sub_model.width)) * 6  # numbers of all heads together
    neurons = max(1, round(32 * sub_model.width))
    layer = 3 * (hidden * heads + heads) + (heads * hidden + hidden) + 2 * hidden
    layer += (hidden * neurons + neurons) + (neurons * hidden + hidden) + 2 * hidden
    pooler_and_head = (hidden * hidden + hidden) + (hidden * 2 + 2)
    without_embeddings = sub_model.depth * layer + pooler_and_head
    embeddings = (60 + 40 + 2) * hidden + 2 * hidden
    small = extract(supernet, sub_model)
    assert count_parameters(small) == (embeddings + without_embeddings, without_embeddings)

    products = tokens * (4 * hidden * heads + 2 * hidden * neurons) + 2 * tokens**2 * heads
    products = sub_model.depth * products + hidden * hidden + hidden * 2
    assert count_flops(small, tokens) == 2 * products


def test_scikit_learn_agrees_on_macro_f1():
    generator = torch.Generator().manual_seed(0)
    for classes in (2, 3, 5):
        ours, theirs = (
            torch.randint(classes, (50,), generator=generator).tolist() for _ in range(2)
        )
        expected = metrics.f1_score(
            theirs, ours, labels=range(classes), average="macro", zero_division=0
        )
        assert macro_f1(ours, theirs, classes) == pytest.approx(expected)


def test_the_trainer_trains_it_and_the_pipeline_asks_it(supernet, tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[PAD]", "[UNK]", "good", "bad", "film"]
    whole = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    whole.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=whole, pad_token="[PAD]", unk_token="[UNK]"
    )
    small = extract(supernet, SubModel(3, 0.5))
    texts = ["good film", "bad film"] * 8
    rows = [{**tokenizer(t), "labels": int(t.startswith("good"))} for t in texts]
    arguments = TrainingArguments(
        str(tmp_path),
        per_device_train_batch_size=8,
        max_steps=60,
        learning_rate=1e-2,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        logging_steps=1000,
    )
    Trainer(small, arguments, train_dataset=rows, processing_class=tokenizer).train()
    small.save_pretrained(tmp_path / "out")
    tokenizer.save_pretrained(tmp_path / "out")
    ask = make_pipeline("text-classification", str(tmp_path / "out"), device="cpu")
    assert [a["label"] for a in ask(["good film", "bad film"])] == ["LABEL_1", "LABEL_0"]


def test_generate_writes_what_our_own_loop_writes():
    model = small_causal_model()
    ids = torch.tensor([[3, 4, 5, 6], [3, 4, 5, 7]])
    for sub_model in (None, SubModel(2, 0.5)):
        got = model.generate(
            ids, max_new_tokens=8, do_sample=False, sub_model=sub_model, pad_token_id=0
        )
        for row, text in zip(ids.tolist(), got[:, 4:].tolist(), strict=True):
            assert text == unhindered(model, row, 8, sub_model)


def unhindered(model, prompt, count, sub_model):
    """Greedy text in which every token may be written, number 0 too."""
    text = list(prompt)
    for _ in range(count):
        text.append(int(model(torch.tensor([text]), sub_model=sub_model).logits[0, -1].argmax()))
    return text[len(prompt) :]


def test_generate_takes_padding_at_the_left():
    model = small_causal_model()
    ids, mask = torch.tensor([[0, 0, 0, 9, 8, 7], [1, 2, 3, 9, 8, 7]]), torch.ones(2, 6).long()
    mask[0, :3] = 0
    got = model.generate(
        ids, attention_mask=mask, max_new_tokens=5, do_sample=False, pad_token_id=0
    )
    assert got[0, 6:].tolist() == unhindered(model, [9, 8, 7], 5, None)


def test_the_kv_cache_gives_the_recomputed_logits():
    model = small_causal_model()
    ids = torch.tensor([[3, 4, 5, 6, 7, 8]])
    for sub_model in (None, SubModel(2, 0.5), SubModel(1, 0.25)):
        whole = model(ids, sub_model=sub_model).logits
        first = model(ids[:, :4], use_cache=True, sub_model=sub_model)
        rest = model(ids[:, 4:], cache=first.cache, sub_model=sub_model).logits
        torch.testing.assert_close(torch.cat((first.logits, rest), 1), whole, rtol=1e-4, atol=1e-5)


def test_a_bert_of_another_size_becomes_elastic_too():
    bert = small_bert(num_hidden_layers=4, hidden_size=32, num_attention_heads=8)
    assert isinstance(bert, BertForSequenceClassification)
    model = elastic_copy(bert)
    assert model(torch.ones(1, 3).long(), sub_model=SubModel(2, 0.25)).logits.shape == (1, 2)
    assert len(list(stream(small_causal_model(), [1], 3, Decoding(0)))) == 3


def test_a_copy_draws_nothing_at_random_and_other_threads_do(bert, supernet):
    before = torch.get_rng_state()
    to_bert(elastic_copy(bert))
    extract(supernet, SubModel(2, 0.5))
    assert torch.equal(torch.get_rng_state(), before)
    sevens = torch.full((64, 64), 7.0)
    with NothingDrawn(), ThreadPoolExecutor(1) as pool:
        drawn = pool.submit(nn.Linear, 64, 64).result()
        assert (nn.init.normal_(sevens) == 7).all()
    assert 0.05 < float(drawn.weight.std()) < 0.1, "uniform between -1/8 and 1/8"
