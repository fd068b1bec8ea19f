"""The reference answers that joint training uses; those of lecture 3 are tested by its notebook."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tinybert_l import (
    joint_loss,
    pareto_frontier,
    sandwich_sample,
    soft_cross_entropy,
    submodel_schedule,
)
from tinybert_l.submodels import SubModel, default_stages, share_of, sub_model_grid


def test_soft_cross_entropy_is_the_mean_over_the_batch_and_teaches_only_the_student():
    student = torch.tensor([[0.0, 0.0], [2.0, 0.0]], requires_grad=True)
    teacher = torch.tensor([[0.0, 0.0], [0.0, 2.0]], requires_grad=True)
    loss = soft_cross_entropy(student, teacher, 2.0)
    p, log_q = torch.softmax(teacher / 2, -1), torch.log_softmax(student / 2, -1)
    assert torch.allclose(loss, -(p * log_q).sum() / 2)
    loss.backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0
    assert torch.isfinite(
        soft_cross_entropy(torch.tensor([[1e4, -1e4]]), torch.tensor([[-1e4, 1e4]]))
    )


@pytest.mark.parametrize("temperature", [0, -1, float("inf")])
def test_soft_cross_entropy_refuses_temperatures_out_of_range(temperature):
    with pytest.raises(ValueError, match="temperature"):
        soft_cross_entropy(torch.zeros(1, 2), torch.zeros(1, 2), temperature)


def test_joint_loss_weighs_and_refuses():
    losses = [torch.tensor(1.0), torch.tensor(4.0)]
    assert float(joint_loss(losses)) == 2.5
    assert float(joint_loss(losses, [3, 1])) == 1.75
    for bad in (([], None), (losses, [1]), (losses, [0, 0]), (losses, [-1, 2])):
        with pytest.raises(ValueError, match="joint_loss"):
            joint_loss(*bad)


@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 99))
def test_the_sandwich_holds_largest_and_smallest_first(count, num_random, seed):
    sub_models = list(range(count))
    drawn = sandwich_sample(sub_models, num_random, torch.Generator().manual_seed(seed))
    if count == 1:
        assert drawn == [0]
    else:
        assert drawn[:2] == [count - 1, 0]
        assert len(drawn) == len(set(drawn)) == min(count, 2 + num_random)


def test_the_sandwich_draws_the_others_evenly():
    counts = dict.fromkeys(range(1, 5), 0)
    for seed in range(2000):
        for other in sandwich_sample(list(range(6)), 2, torch.Generator().manual_seed(seed))[2:]:
            counts[other] += 1
    assert all(900 < count < 1100 for count in counts.values()), counts


def test_stages_open_in_order_and_none_closes():
    stages = default_stages(6)
    seen: set[SubModel] = set()
    for step in range(100):
        open_now = submodel_schedule(step, 100, stages)
        assert seen <= set(open_now) and len(open_now) == len(set(open_now))
        seen = set(open_now)
    assert sorted(seen, key=lambda s: s.size) == sub_model_grid((6, 3, 2), (1, 0.5, 0.25))
    assert submodel_schedule(0, 100, stages) == [SubModel(6)]


@pytest.mark.parametrize("step", [-1, 10])
def test_the_schedule_refuses_steps_out_of_range(step):
    with pytest.raises(ValueError, match="step"):
        submodel_schedule(step, 10, [(0.0, [SubModel(1)])])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_the_frontier_holds_those_that_no_other_beats(points):
    def beats(a, b):
        return a[0] <= b[0] and a[1] >= b[1] and a != b

    expected = []
    for i, point in enumerate(points):
        is_first = points.index(point) == i
        if is_first and not any(beats(other, point) for other in points):
            expected.append(i)
    assert pareto_frontier(points) == sorted(expected, key=lambda i: points[i][0])


def test_names_can_be_read_back_and_shares_are_whole():
    for sub_model in sub_model_grid((6, 3, 2), (1, 0.5, 0.25)):
        assert SubModel.parse(sub_model.name) == sub_model
    assert [share_of(12, w) for w in (1, 0.5, 0.25, 0.01)] == [12, 6, 3, 1]
