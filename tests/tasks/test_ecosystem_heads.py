"""Uses of docs/reference/ecosystem.md with other heads: extracted, saved, and writing text."""

import pytest
import torch
from tests_support import small_causal_model
from transformers import AutoModelForCausalLM, DynamicCache, StaticCache

from tinybert_l.errors import InvalidInput
from tinybert_l.method.cached_model import quiet_loading
from tinybert_l.method.extraction import extract
from tinybert_l.method.model import ElasticBertModel
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.pretraining import ElasticBertForMaskedLM
from tinybert_l.tasks.questions import ElasticBertForQuestionAnswering

HALF = SubModel(2, 0.5)
IDS = torch.tensor([[3, 4, 5, 6], [7, 8, 9, 10]])


@pytest.mark.parametrize(
    "kind", [None, ElasticBertForMaskedLM, ElasticBertForQuestionAnswering, ElasticBertModel]
)
def test_a_sub_model_with_any_head_stands_alone(kind, tmp_path):
    model = small_causal_model()
    if kind is not None:
        torch.manual_seed(0)
        model = kind(model.config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
    small = extract(model, HALF)
    assert type(small) is type(model) and small.num_parameters() < model.num_parameters()
    with quiet_loading():
        small.save_pretrained(tmp_path)
        loaded = type(small).from_pretrained(tmp_path).eval()
    expected = model(IDS, sub_model=HALF).to_tuple()[0]
    for alone in (small, loaded):
        assert torch.allclose(alone(IDS).to_tuple()[0], expected, atol=1e-5)


def test_a_small_language_model_writes_by_itself_and_keeps_its_tied_weights(tmp_path):
    model = small_causal_model()
    settings = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
    expected = model.generate(IDS, sub_model=HALF, **settings)
    with quiet_loading():
        extract(model, HALF).save_pretrained(tmp_path)
        small = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert small.generate(IDS, **settings).tolist() == expected.tolist()
    assert small.lm_head.weight is small.get_input_embeddings().weight


@pytest.mark.parametrize("sub_model", [None, HALF])
def test_beams_find_texts_at_least_as_likely_with_and_without_cache(sub_model):
    model = small_causal_model()
    settings = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 0, "sub_model": sub_model}
    greedy = model.generate(IDS, **settings)
    beams = model.generate(IDS, num_beams=4, **settings)
    assert beams.tolist() == model.generate(IDS, num_beams=4, use_cache=False, **settings).tolist()
    assert all(likelihood(model, beams, sub_model) >= likelihood(model, greedy, sub_model) - 1e-4)


@torch.no_grad()
def likelihood(model, texts, sub_model):
    """The log-probability of what follows the prompt, [texts]."""
    steps = model(texts[:, :-1], sub_model=sub_model).logits.log_softmax(-1)
    each = steps.gather(2, texts[:, 1:, None])[..., 0]
    return each[:, IDS.shape[1] - 1 :].sum(1)


def test_sampled_tokens_are_a_function_of_the_seed_and_likely_ones():
    model = small_causal_model()
    texts = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        settings = {"max_new_tokens": 8, "do_sample": True, "top_k": 3, "pad_token_id": 0}
        texts.append(model.generate(IDS, sub_model=HALF, **settings))
    assert texts[0].tolist() == texts[1].tolist() != texts[2].tolist()
    logits = model(texts[0][:, :-1], sub_model=HALF).logits[:, IDS.shape[1] - 1 :]
    likely = logits.topk(3).indices
    written = texts[0][:, IDS.shape[1] :, None]
    assert bool((likely == written).any(-1).all())


def test_a_cache_belongs_to_one_sub_model_and_is_a_dynamic_one():
    model = small_causal_model()
    cache = DynamicCache()
    model(IDS, cache=cache, sub_model=SubModel(2))
    with pytest.raises(InvalidInput, match=r"keys and values of sub-model 2x1; allowed for 3x1"):
        model(IDS[:, :1], cache=cache, sub_model=SubModel(3))
    model(IDS[:, :1], cache=cache, sub_model=SubModel(2))
    fixed = StaticCache(config=model.config, max_cache_len=20)
    with pytest.raises(InvalidInput, match="StaticCache; allowed: a DynamicCache"):
        model(IDS, cache=fixed)


@pytest.mark.parametrize(
    "kind", [ElasticBertForMaskedLM, ElasticBertForQuestionAnswering, type(small_causal_model())]
)
def test_every_head_is_called_as_that_of_bert(kind):
    """Mask and segments by position, tuples, logits first; nothing else is taken by its place."""
    torch.manual_seed(0)
    model = kind(small_causal_model().config).eval()
    mask = torch.ones_like(IDS)
    mask[1, 3:] = 0
    expected = model(input_ids=IDS, attention_mask=mask)
    assert next(iter(expected)) == "logits"
    assert torch.equal(model(IDS, mask).logits, expected.logits)
    assert torch.equal(model(IDS, mask, return_dict=False)[0], expected.logits)
    with pytest.raises(TypeError, match="positional arguments"):
        model(IDS, mask, *[torch.zeros_like(IDS)] * 2)


def test_questions_have_the_loss_of_bert_and_a_trainer_takes_it():
    torch.manual_seed(0)
    model = extract(ElasticBertForQuestionAnswering(small_causal_model().config), HALF)
    first, last = torch.tensor([1, 2]), torch.tensor([2, 3])
    output = model(IDS, start_positions=first, end_positions=last)
    start, end = output.logits.unbind(-1)
    entropy = torch.nn.functional.cross_entropy
    assert torch.isclose(output.loss, (entropy(start, first) + entropy(end, last)) / 2)
    assert list(output)[:2] == ["loss", "logits"]
    with pytest.raises(InvalidInput, match="allowed: both, or none"):
        model(IDS, start_positions=first)
