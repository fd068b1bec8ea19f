"""A pruned vocabulary changes what is stored, not what is computed."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from tinybert_l.method.data import Split, encode, load_reviews, unlabelled_sentences
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.teacher import predict_logits
from tinybert_l.method.vocabulary import SPECIAL_TOKENS, prune_vocabulary

PIECES = [
    *SPECIAL_TOKENS.values(),
    *"abcdefgh",
    *(f"##{c}" for c in "abcdefgh"),
    "bad",
    "bade",
    "face",
    "##ce",
    "##ed",
    "cab",
]


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {piece: number for number, piece in enumerate(PIECES)}
    whole = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    whole.normalizer = normalizers.BertNormalizer()
    whole.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    whole.decoder = decoders.WordPiece()
    ends = [(name, vocabulary[name]) for name in ("[SEP]", "[CLS]")]
    whole.post_processor = processors.BertProcessing(*ends)
    return PreTrainedTokenizerFast(tokenizer_object=whole, **SPECIAL_TOKENS)


def test_texts_that_need_no_lost_piece_give_the_same_logits(tokenizer, supernet):
    before = elastic_copy(supernet)
    texts = ["bad face", "cab a bad"]
    smaller = prune_vocabulary(supernet, tokenizer, texts * 3, 24)
    rows = len(supernet.get_input_embeddings().weight)
    assert len(smaller) == supernet.config.vocab_size == rows == 24
    old, new = (encode(Split(texts, [0, 1]), t, 16) for t in (tokenizer, smaller))
    assert [len(a) for a in old.token_ids] == [len(b) for b in new.token_ids]
    torch.testing.assert_close(predict_logits(supernet, new), predict_logits(before, old))


def test_a_lost_piece_falls_apart_and_is_not_unknown(tokenizer, supernet):
    smaller = prune_vocabulary(supernet, tokenizer, ["face"], 22)
    assert smaller.tokenize("bad face") == ["b", "##a", "##d", "face"]
    assert smaller.unk_token_id not in smaller("bade faced")["input_ids"]
    ids = smaller("a")["input_ids"]
    assert (ids[0], ids[-1]) == (smaller.cls_token_id, smaller.sep_token_id)


@pytest.mark.parametrize("size", [0, 20, 10_000])
def test_a_size_out_of_range_is_refused(tokenizer, supernet, size):
    with pytest.raises(ValueError, match=f"size={size}; allowed: 21"):
        prune_vocabulary(supernet, tokenizer, ["bad"], size)


@pytest.mark.slow
def test_unlabelled_sentences_are_many_different_and_not_held_out():
    sentences = unlabelled_sentences()
    assert len(sentences) > 200_000 and len(set(sentences)) == len(sentences)
    short = load_reviews()
    held_out = {
        text.casefold().strip() for name in ("validation", "test") for text in short[name].texts
    }
    assert not held_out & {s.casefold() for s in sentences}
    assert all(6 <= len(s.split()) <= 40 for s in sentences[:5000])
