"""Markers of model answers and hidden tests are found, and the code between them is removed."""

import textwrap

import nbformat
import pytest
from nbgrader.preprocessors import ClearHiddenTests

from tinybert_l.course.markers import (
    BEGIN_OF_REGION,
    hidden_tests,
    without_hidden_tests,
    without_regions,
)

TEST_CELL = textwrap.dedent("""\
    assert answer(1) == 1
    ### BEGIN HIDDEN TESTS
    assert answer(2) == 2
    ### END HIDDEN TESTS
    assert answer(3) == 3
    ### BEGIN HIDDEN TESTS
    assert answer(4) == 4
    ### END HIDDEN TESTS""")
ANSWER_CELL = "def answer(n):\n    ### BEGIN SOLUTION\n    return n\n    ### END SOLUTION"


def test_each_region_of_hidden_tests_is_returned():
    assert hidden_tests(TEST_CELL) == ["\nassert answer(2) == 2\n", "\nassert answer(4) == 4\n"]


@pytest.mark.parametrize("source", [TEST_CELL, "assert True", "x = 1\n\n", ANSWER_CELL])
def test_what_is_left_of_a_cell_is_what_nbgrader_leaves(source):
    is_test_cell = {"nbgrader": {"grade": True, "solution": False}}
    cell = nbformat.v4.new_code_cell(source, metadata=is_test_cell)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    released, _ = ClearHiddenTests().preprocess(notebook, {})
    assert without_hidden_tests(source) == released.cells[0].source


def test_a_region_without_an_end_is_hidden_to_the_end_of_the_cell():
    assert without_hidden_tests("a\n### BEGIN HIDDEN TESTS\nb\nc") == "a"


def test_answers_and_hidden_tests_are_both_taken_out():
    assert "return n" not in without_regions(ANSWER_CELL)
    assert "(2)" not in without_regions(TEST_CELL) and "(3)" in without_regions(TEST_CELL)
    assert BEGIN_OF_REGION.search(ANSWER_CELL) and BEGIN_OF_REGION.search(TEST_CELL)
    assert not BEGIN_OF_REGION.search("print('### BEGIN SOLUTION')")
