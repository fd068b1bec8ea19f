"""Windows, questions, generation, export, counters: each equals what it is meant to equal."""

import math
from collections import Counter

import onnx
import pytest
import torch
from scipy.stats import chi2_contingency
from tests_support import small_causal_model
from torch.nn import functional as F
from transformers import BertConfig, BertModel

from tinybert_l import flops, parameter_count
from tinybert_l.exercises.lecture_11 import _counted_by_torch
from tinybert_l.method.data import embedded_teacher_path
from tinybert_l.method.export import OnnxClassifier, export_onnx
from tinybert_l.method.windowed import windowed_attention
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.decoding import Decoding, draft_and_verify, stream
from tinybert_l.tasks.questions import encode_stories
from tinybert_l.tasks.stories import KINDS, last_mentioned, make_stories
from tinybert_l.tasks.text_metrics import expected_calibration_error, repetition, self_bleu
from tinybert_l.tasks.trigram import Trigram


@pytest.mark.parametrize("window", [1, 3, 11, 50])
def test_windowed_attention_equals_full_attention_under_its_mask(window):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 11, 4) for _ in range(3))
    mask = torch.ones(2, 11)
    mask[1, 6:] = 0
    bias = (1 - mask)[:, None, None, :] * torch.finfo(torch.float32).min
    sees = [
        [abs(i // window - j // window) <= 1 or 0 in (i, j) for j in range(11)] for i in range(11)
    ]
    wanted = F.scaled_dot_product_attention(
        query, key, value, bias.masked_fill(~torch.tensor(sees), -math.inf)
    )
    got = windowed_attention(query, key, value, bias, window)
    assert torch.allclose(got[0], wanted[0], atol=1e-5)
    assert torch.allclose(got[1, :, :6], wanted[1, :, :6], atol=1e-5)


def test_a_window_that_covers_the_text_changes_nothing_in_the_model(supernet, padded):
    full = supernet(**padded).logits
    for layer in supernet.bert.layers:
        layer.attention.self.window = 9
    assert torch.allclose(supernet(**padded).logits, full, atol=1e-5)


@pytest.mark.parametrize(
    "decoding", [Decoding(0), Decoding(1.0, top_p=0.8), Decoding(0.7, top_k=5)]
)
def test_text_with_and_without_kv_cache_is_the_same(decoding):
    model = small_causal_model()
    for sub_model in (None, SubModel(2, 0.5)):
        both = [
            list(stream(model, [3, 4, 5], 20, decoding, sub_model, 1, cached))
            for cached in (True, False)
        ]
        assert both[0] == both[1] and len(both[0]) == 20


def test_drafted_text_is_that_of_greedy_decoding_and_a_perfect_draft_is_accepted():
    model = small_causal_model()
    greedy = list(stream(model, [3, 4, 5], 21, Decoding(0)))
    for small, ahead in ((SubModel(2, 0.5), 4), (SubModel(1, 0.25), 1), (SubModel(4), 3)):
        text, accepted = draft_and_verify(model, [3, 4, 5], 21, small, ahead)
        assert text == greedy
    assert accepted == 1.0


@pytest.mark.slow
def test_drafted_samples_are_distributed_as_the_largest_s_own():
    """Chi-squared, pairs of tokens; the same test tells the small sub-model's own samples from the largest's."""
    model, decoding, draws = small_causal_model(), Decoding(1.0, top_k=4), 600
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.6)  # so that several tokens are likely
    small = SubModel(1, 0.25)
    own = Counter(tuple(stream(model, [3, 4], 2, decoding, None, 10_000 + i)) for i in range(draws))
    drafted = Counter(
        tuple(draft_and_verify(model, [3, 4], 3, small, 2, decoding, i)[0][:2])
        for i in range(draws)
    )
    others = Counter(
        tuple(stream(model, [3, 4], 2, decoding, small, 20_000 + i)) for i in range(draws)
    )
    assert chi_squared(own, drafted) > 1e-3 > chi_squared(own, others)


def chi_squared(one: Counter, two: Counter) -> float:
    """How likely two samples come from one distribution; rare outcomes are counted together."""
    common = [key for key in one | two if one[key] + two[key] >= 12]
    table = [[counts[key] for key in common] for counts in (one, two)]
    rest = [sum(counts.values()) - sum(row) for counts, row in zip((one, two), table, strict=True)]
    table = [[*row, left] for row, left in zip(table, rest, strict=True)] if any(rest) else table
    return float(chi2_contingency(table).pvalue)


def test_a_repetition_penalty_makes_what_was_said_less_likely():
    logits = torch.tensor([2.0, 1.0, -1.0])
    plain, fined = (
        Decoding(1.0, repetition_penalty=p).probabilities(logits, [0, 2]) for p in (1.0, 2.0)
    )
    torch.testing.assert_close(plain, logits.softmax(0))
    torch.testing.assert_close(fined, torch.tensor([1.0, 1.0, -2.0]).softmax(0))
    with pytest.raises(ValueError, match=r"repetition_penalty=0.5; allowed: at least 1"):
        Decoding(repetition_penalty=0.5)


def test_a_later_token_changes_no_earlier_prediction():
    model = small_causal_model()
    one, other = torch.tensor([[3, 4, 5, 6]]), torch.tensor([[3, 4, 5, 40]])
    assert torch.allclose(model(one).logits[:, :3], model(other).logits[:, :3], atol=1e-6)


@pytest.mark.parametrize(("prompt", "count"), [([], 3), ([1], 60)])
def test_a_prompt_that_is_empty_or_too_long_is_named(prompt, count):
    with pytest.raises(ValueError, match=r"stream: a prompt of"):
        list(stream(small_causal_model(), prompt, count, Decoding(0)))


def test_trigram_probabilities_add_up_to_one_and_prefer_what_was_seen():
    model = Trigram(torch.tensor([[1, 2, 3, 1, 2, 3]]), 6)
    chances = model.probabilities([1, 2])
    assert abs(float(chances.sum()) - 1) < 1e-5 and int(chances.argmax()) == 3


@pytest.mark.parametrize("int8", [False, True])
def test_onnx_says_what_torch_says(supernet, padded, tmp_path, int8):
    sub_model = SubModel(3, 0.5)
    session = OnnxClassifier(export_onnx(supernet, sub_model, tmp_path / "m.onnx", int8=int8))
    wanted = supernet(**padded, sub_model=sub_model).logits.detach()
    got = torch.from_numpy(session(padded["input_ids"], padded["attention_mask"]))
    assert torch.allclose(got, wanted, atol=0.3 if int8 else 1e-5)
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_int8_reaches_every_matrix_of_an_exported_sub_model(supernet, tmp_path):
    graph = onnx.load(export_onnx(supernet, SubModel(3, 0.5), tmp_path / "m.onnx", int8=True)).graph
    matrices = [weight for weight in graph.initializer if len(weight.dims) == 2]
    assert len(matrices) == 3 + 3 * 6 + 2  # embeddings, layers, pooler and classifier
    assert {weight.data_type for weight in matrices} <= {
        onnx.TensorProto.INT8,
        onnx.TensorProto.UINT8,
    }


def test_stories_are_the_same_for_a_seed_and_their_answers_lie_in_the_text():
    stories = make_stories(60, 3)
    assert stories == make_stories(60, 3) != make_stories(60, 4)
    assert {s.kind for s in stories} == set(KINDS)
    right = sum(last_mentioned(s) == s.answer for s in stories)
    assert 10 < right < 55  # a baseline worth beating, and one that can be beaten


def test_the_answer_span_points_at_the_answer():
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(embedded_teacher_path())
    stories = make_stories(12, 0)
    batch = encode_stories(stories, tokenizer)
    for story, ids, start, end in zip(
        stories, batch["input_ids"], batch["starts"], batch["ends"], strict=True
    ):
        assert tokenizer.decode(ids[start : end + 1]) == story.answer.lower()


COUNTS = [
    (12, 768, 3072, 109_482_240, 108_891_648, 22.347), (6, 768, 3072, 66_955_008, 66_364_416, 11.174),
    (4, 768, 3072, 52_779_264, 52_188_672, 7.449), (4, 512, 2048, 28_763_648, 28_500_992, 3.355),
    (4, 312, 1200, 14_350_248, 14_252_592, 1.247), (12, 384, 1536, 33_360_000, 33_212_160, 5.738),
    (6, 384, 1536, 22_713_216, 22_565_376, 2.869),
]  # fmt: skip


@pytest.mark.parametrize(("layers", "hidden", "inner", "with_pooler", "without", "gflops"), COUNTS)
def test_counters_give_the_published_integers(layers, hidden, inner, with_pooler, without, gflops):
    heads = 12 if hidden % 12 == 0 else 8
    config = BertConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        intermediate_size=inner,
        num_attention_heads=heads,
    )
    assert (parameter_count(config), parameter_count(config, pooler=False)) == (
        with_pooler,
        without,
    )
    assert round(flops(config, 128) / 1e9, 3) == gflops
    assert flops(config, 128) == _counted_by_torch(config, 128)
    with torch.device("meta"):
        assert sum(p.numel() for p in BertModel(config).parameters()) == with_pooler


def test_metrics_of_texts():
    assert repetition([1, 2, 1]) == pytest.approx(1 / 3) and repetition([1]) == 0
    assert (
        self_bleu([[1, 2, 3, 4], [1, 2, 3, 4]]) == pytest.approx(1)
        and self_bleu([[1, 2, 3], [4, 5, 6]]) < 1e-3
    )
    sure = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert expected_calibration_error(sure, torch.tensor([0, 1])) == pytest.approx(0.5)
