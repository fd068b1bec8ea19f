"""Measures of texts on examples that are counted by hand."""

import pytest
import torch

from tinybert_l.tasks.text_metrics import expected_calibration_error, repetition, self_bleu


def test_repetition_counts_tokens_that_stand_shortly_before():
    assert repetition([1, 2, 1]) == pytest.approx(1 / 3)
    assert repetition([1, 2, 3, 1], window=2) == 0
    assert repetition([1]) == 0


def test_equal_texts_have_a_self_bleu_of_one_and_different_texts_none():
    assert self_bleu([[1, 2, 3, 4], [1, 2, 3, 4]]) == pytest.approx(1)
    assert self_bleu([[1, 2, 3], [4, 5, 6]]) < 1e-3


def test_full_confidence_that_is_right_half_the_time_is_off_by_a_half():
    probabilities = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    error = expected_calibration_error(probabilities, torch.tensor([0, 1]))
    assert error == pytest.approx(0.5)
