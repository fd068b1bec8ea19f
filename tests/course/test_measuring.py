"""What is measured for the command line: the choice within a budget of latency."""

import pytest

from tinybert_l.course.measuring import Candidate, choose_candidate
from tinybert_l.errors import InvalidInput

CANDIDATES = [Candidate("small", 2.0, 0.7), Candidate("large", 9.0, 0.9)]


@pytest.mark.parametrize(("budget_ms", "name"), [(2.0, "small"), (8.9, "small"), (9.0, "large")])
def test_the_best_candidate_within_the_budget_is_chosen(budget_ms, name):
    assert choose_candidate(CANDIDATES, budget_ms) == name


def test_a_budget_that_no_candidate_meets_is_the_users_mistake():
    with pytest.raises(InvalidInput, match="small"):
        choose_candidate(CANDIDATES, 1.0)
