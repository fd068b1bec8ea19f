"""Exits after layers and cascades: what leaves where, what it costs, and what training changes."""

import pytest
import torch
from conftest import small_bert

from tinybert_l.method.data import Encoded
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.teacher import predict_logits
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.early_exits import (
    cascade_costs,
    exit_costs,
    first_tokens_by_layer,
    leave_early,
    logits_by_exit,
    trained_exits,
    untrained_exits,
)

SURE, UNSURE = [9.0, 0.0], [0.1, 0.0]


@pytest.fixture(scope="module")
def model():
    return elastic_copy(small_bert())


@pytest.fixture(scope="module")
def data():
    """Texts whose label is the parity of their one repeated token."""
    rows = [[2, *[token] * (3 + token % 4), 3] for token in range(10, 50)] * 2
    return Encoded(rows, [row[1] % 2 for row in rows], 0)


def test_a_text_leaves_at_its_first_sure_answer_and_pays_for_all_that_ran():
    first = torch.tensor([SURE, UNSURE, UNSURE])
    second = torch.tensor([UNSURE, [0.0, 9.0], UNSURE])
    last = torch.tensor([[0.0, 9.0], UNSURE, UNSURE])
    result = leave_early([first, second, last], [1, 10, 100], [0, 1, 1], 0.1)
    assert result.correct == [1, 1, 0]
    assert result.flops == pytest.approx((1 + 10 + 100) / 3)
    never = leave_early([first, second, last], [1, 10, 100], [0, 1, 1], 0.0)
    assert never.flops == 100 and never.correct == [0, 0, 0]
    with pytest.raises(ValueError, match="2 costs; allowed: 3"):
        leave_early([first, second, last], [1, 10], [0, 1, 1], 0.1)


def test_a_cascade_costs_the_sum_of_its_sub_models(model):
    parts = [SubModel(1, 0.5), SubModel(2)]
    single = [count_flops(extract(model, part)) for part in parts]
    assert cascade_costs(model, parts) == [single[0], sum(single)]


def test_exits_cost_their_layers_and_every_head_on_the_way(model):
    costs = exit_costs(model)
    assert len(costs) == model.config.num_hidden_layers
    size, classes = model.config.hidden_size, model.config.num_labels
    head = 2 * size * (size + classes)
    assert costs[0] == count_flops(extract(model, SubModel(1)))
    layer = count_flops(extract(model, SubModel(2))) - costs[0]
    assert costs[1] - costs[0] == layer + head


def test_the_last_exit_is_the_model_itself(model, data):
    logits = logits_by_exit(model, untrained_exits(model), data)
    torch.testing.assert_close(logits[-1], predict_logits(model, data), atol=1e-5, rtol=1e-5)
    assert first_tokens_by_layer(model, data).shape[:2] == (len(logits), len(data))
    with pytest.raises(ValueError, match="1 heads; allowed"):
        logits_by_exit(model, untrained_exits(model)[:1], data)


def test_training_makes_early_exits_better_and_leaves_the_model_alone(model, data):
    before = [weight.clone() for weight in model.parameters()]
    labels = torch.tensor(data.labels)
    accuracies = []
    for heads in (untrained_exits(model), trained_exits(model, data, 80, learning_rate=3e-2)):
        first = logits_by_exit(model, heads, data)[0]
        accuracies.append(float((first.argmax(-1) == labels).float().mean()))
    assert accuracies[1] > max(0.8, accuracies[0])
    for weight, old in zip(model.parameters(), before, strict=True):
        assert torch.equal(weight, old) and weight.grad is None
    last = trained_exits(model, data, 2)[-1]
    assert torch.equal(last.classifier.weight, model.classifier.weight)
