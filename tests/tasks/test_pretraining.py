"""Joint pre-training of a character-level Chinese BERT."""

import pytest
import torch

from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.data import Split, encode
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.pretraining import (
    character_tokenizer,
    classifier_from,
    load_chinese_reviews,
    mask_tokens,
    masked_accuracy,
    most_frequent_token,
    name_hidden_tokens,
    pretrain_jointly,
)

TEXTS = ["这本书很好看", "这本书不好看", "内容很好，印刷不好", "good书"] * 4


@pytest.fixture(scope="module")
def tokenizer():
    return character_tokenizer(TEXTS)


def test_every_character_is_a_token(tokenizer):
    assert tokenizer.tokenize("这本书good") == ["这", "本", "书", "g", "##o", "##o", "##d"]
    assert tokenizer.decode(tokenizer("很好看")["input_ids"]).split() == [
        "[CLS]",
        "很",
        "好",
        "看",
        "[SEP]",
    ]
    assert tokenizer.tokenize("龘") == ["[UNK]"]


def test_hidden_tokens_are_fifteen_in_a_hundred_and_never_special(tokenizer):
    ids = torch.full((40, 60), tokenizer.convert_tokens_to_ids("书"))
    ids[:, 0], ids[:, -10:] = tokenizer.cls_token_id, tokenizer.pad_token_id
    mask = (ids != tokenizer.pad_token_id).long()
    hidden, chosen = mask_tokens(ids, mask, tokenizer, torch.Generator().manual_seed(0))
    assert 0.12 < float(chosen[:, 1:-10].float().mean()) < 0.18
    assert not chosen[:, 0].any() and not chosen[:, -10:].any()
    assert torch.equal(hidden[~chosen], ids[~chosen])
    assert 0.7 < float((hidden[chosen] == tokenizer.mask_token_id).float().mean()) < 0.9
    one = mask_tokens(ids[:1, :2], mask[:1, :2], tokenizer, torch.Generator().manual_seed(3))[1]
    assert int(one.sum()) == 1, "at least one token is to be named"


def test_in_measuring_every_chosen_token_is_hidden(tokenizer):
    """A tenth of the chosen tokens is shown in training: whoever copies them names those."""
    texts = [text * 20 for text in TEXTS]
    data = encode(Split(texts, [0] * len(texts)), tokenizer, 128)
    shown = []

    def copying(batch):
        named = batch["input_ids"][batch["chosen"]]
        shown.append(named)
        return named

    named = name_hidden_tokens(copying, data, tokenizer)
    assert named.accuracy == 0.0 and sum(named.right) == 0
    assert set(torch.cat(shown).tolist()) == {tokenizer.mask_token_id}
    assert len(named.hidden) == len(data) and 0.1 < sum(named.hidden) / sum(data.lengths()) < 0.2


def test_the_most_frequent_token_is_a_character_and_a_baseline(tokenizer):
    data = encode(Split(["好好好书", "好书"], [0, 0]), tokenizer, 16)
    token = most_frequent_token(data, tokenizer)
    assert tokenizer.convert_ids_to_tokens(token) == "好"

    def always(batch):
        return torch.full((int(batch["chosen"].sum()),), token)

    named = name_hidden_tokens(always, data, tokenizer)
    assert 0 < sum(named.hidden) <= 6 and named.accuracy == sum(named.right) / sum(named.hidden)


def test_sub_models_learn_jointly_to_name_hidden_tokens(tokenizer, tmp_path):
    data = encode(Split(TEXTS, [0] * len(TEXTS)), tokenizer, 16)
    sizes = {
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
    }
    config = ElasticBertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=16, pad_token_id=0, **sizes
    )
    stages = ((0.0, (SubModel(2),)), (0.1, (SubModel(1, 0.5),)))
    recipe = JointRecipe(
        stages=stages, num_steps=150, batch_size=8, learning_rate=1e-2, precision="float32"
    )
    model = pretrain_jointly(config, data, tokenizer, recipe, tmp_path)
    for sub_model in recipe.sub_models():
        assert masked_accuracy(model, data, tokenizer, sub_model) > 0.5
    classifier = classifier_from(model)
    wanted = model.bert(torch.tensor([[2, 6, 7]])).last_hidden_state
    torch.testing.assert_close(
        classifier.eval().bert(torch.tensor([[2, 6, 7]])).last_hidden_state, wanted
    )


def test_the_chinese_reviews_are_split_once_for_all():
    reviews = load_chinese_reviews()
    assert {name: len(split) for name, split in reviews.items()}["test"] == 2400
    assert len(reviews["train"]) > 14_000 and set(reviews["train"].labels) == {0, 1}
    assert not set(reviews["train"].texts) & set(reviews["test"].texts)
