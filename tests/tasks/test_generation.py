"""Text generation: caches and drafts change the work, not the text."""

from collections import Counter

import pytest
import torch
from scipy.stats import chi2_contingency
from tests_support import small_causal_model

from tinybert_l.cache import recipe_hash
from tinybert_l.submodels import SubModel
from tinybert_l.tasks import generation
from tinybert_l.tasks.decoding import Decoding, draft_and_verify, stream
from tinybert_l.tasks.generation import load_writer
from tinybert_l.tasks.trigram import Trigram

DECODINGS = [Decoding(0), Decoding(1.0, top_p=0.8), Decoding(0.7, top_k=5)]


@pytest.mark.parametrize("decoding", DECODINGS)
def test_text_with_and_without_kv_cache_is_the_same(decoding):
    model = small_causal_model()
    for sub_model in (None, SubModel(2, 0.5)):
        fast = list(stream(model, [3, 4, 5], 20, decoding, sub_model, 1, use_cache=True))
        slow = list(stream(model, [3, 4, 5], 20, decoding, sub_model, 1, use_cache=False))
        assert fast == slow
        assert len(fast) == 20


def test_drafted_text_is_that_of_greedy_decoding_and_a_perfect_draft_is_accepted():
    model = small_causal_model()
    greedy = list(stream(model, [3, 4, 5], 21, Decoding(0)))
    for small, ahead in ((SubModel(2, 0.5), 4), (SubModel(1, 0.25), 1)):
        assert draft_and_verify(model, [3, 4, 5], 21, small, ahead)[0] == greedy
    assert draft_and_verify(model, [3, 4, 5], 21, SubModel(4), 3) == (greedy, 1.0)


@pytest.mark.slow
def test_drafted_samples_are_distributed_as_those_of_the_largest():
    """Chi-squared on pairs of tokens; it tells the small sub-model's own samples apart."""
    model = small_causal_model()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.6)  # so that several tokens are likely
    decoding = Decoding(1.0, top_k=4)
    small = SubModel(1, 0.25)
    by_largest, drafted, by_small = Counter(), Counter(), Counter()
    for i in range(600):
        by_largest[tuple(stream(model, [3, 4], 2, decoding, None, 10_000 + i))] += 1
        drafted[tuple(draft_and_verify(model, [3, 4], 3, small, 2, decoding, i)[0][:2])] += 1
        by_small[tuple(stream(model, [3, 4], 2, decoding, small, 20_000 + i))] += 1
    assert same_distribution(by_largest, drafted) > 1e-3 > same_distribution(by_largest, by_small)


def same_distribution(first: Counter, second: Counter) -> float:
    """The p-value of two samples from one distribution; rare outcomes are counted together."""
    common = [key for key in first | second if first[key] + second[key] >= 12]
    table = []
    for counts in (first, second):
        row = [counts[key] for key in common]
        table.append([*row, counts.total() - sum(row)])
    if not any(row[-1] for row in table):
        table = [row[:-1] for row in table]
    return float(chi2_contingency(table).pvalue)


def test_a_repetition_penalty_makes_tokens_of_the_text_less_likely():
    logits = torch.tensor([2.0, 1.0, -1.0])
    plain = Decoding(1.0, repetition_penalty=1.0).probabilities(logits, [0, 2])
    penalised = Decoding(1.0, repetition_penalty=2.0).probabilities(logits, [0, 2])
    torch.testing.assert_close(plain, logits.softmax(0))
    torch.testing.assert_close(penalised, torch.tensor([1.0, 1.0, -2.0]).softmax(0))


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("temperature", -1, "0 or more"),
        ("top_k", 0, "None, or at least 1"),
        ("top_p", 0, "above 0, at most 1"),
        ("repetition_penalty", 0.5, "at least 1"),
    ],
)
def test_a_setting_out_of_range_is_named_with_what_is_allowed(name, value, allowed):
    with pytest.raises(ValueError, match=f"Decoding: {name}={value}; allowed: {allowed}"):
        Decoding(**{name: value})


def test_a_later_token_changes_no_earlier_prediction():
    model = small_causal_model()
    logits = model(torch.tensor([[3, 4, 5, 6]])).logits
    other = model(torch.tensor([[3, 4, 5, 40]])).logits
    assert torch.allclose(logits[:, :3], other[:, :3], atol=1e-6)


@pytest.mark.parametrize(("prompt", "count"), [([], 3), ([1], 60)])
def test_a_prompt_that_is_empty_or_too_long_is_named(prompt, count):
    with pytest.raises(ValueError, match=r"stream: a prompt of"):
        list(stream(small_causal_model(), prompt, count, Decoding(0)))


def test_trigram_probabilities_add_up_to_one_and_prefer_what_was_seen():
    model = Trigram(torch.tensor([[1, 2, 3, 1, 2, 3]]), 6)
    probabilities = model.probabilities([1, 2])
    assert abs(float(probabilities.sum()) - 1) < 1e-5
    assert int(probabilities.argmax()) == 3


def test_the_trigram_s_perplexity_is_that_of_its_probabilities():
    texts = torch.tensor([[1, 2, 3, 1, 2, 3], [4, 1, 2, 0, 5, 1]])
    model = Trigram(texts, 6)
    losses = []
    for text in texts.tolist():
        for i in range(1, len(text)):
            expected = model.probabilities(text[:i])
            for token in range(6):
                assert model.probability(text[:i], token) == pytest.approx(float(expected[token]))
            if text[i]:  # 0 is no word
                losses.append(-float(expected[text[i]].log()))
    assert [*model.losses(texts[0].tolist()), *model.losses(texts[1].tolist())] == pytest.approx(
        losses, rel=1e-5
    )
    assert len(losses) == 9
    assert model.perplexity(texts) == pytest.approx(float(torch.tensor(losses).mean().exp()))


@pytest.mark.parametrize(
    ("arguments", "digits"),
    [({}, "aebbff63ae1b"), ({"num_steps": 4, "reviews": 30}, "48c20372f48c")],
)
def test_writers_that_earlier_versions_trained_are_found(monkeypatch, arguments, digits):
    assert entry_of(monkeypatch, generation, load_writer, arguments) == ("writer", digits)


def entry_of(monkeypatch, module, load, arguments) -> tuple[str, str]:
    """Kind and hash of the cache entry that a loader would read."""

    def found(kind, recipe, *_):
        raise KeyError(kind, recipe_hash(recipe))

    monkeypatch.setattr(module, "cached_model", found)
    with pytest.raises(KeyError) as error:
        load(**arguments)
    return error.value.args
