"""The comment lines by which nbgrader finds what students must not see in a notebook's cell.

A model answer stands between `### BEGIN SOLUTION` and `### END SOLUTION`, a hidden test between
`### BEGIN HIDDEN TESTS` and `### END HIDDEN TESTS`, each on a line of its own.
"""

import re

BEGIN_SOLUTION = "### BEGIN SOLUTION"
END_SOLUTION = "### END SOLUTION"
BEGIN_HIDDEN_TESTS = "### BEGIN HIDDEN TESTS"
END_HIDDEN_TESTS = "### END HIDDEN TESTS"

# What stands in the cell of an essay before it is written: in the source, and after nbgrader's
# release.
TEXT_STUBS = ("你的回答 · Your answer", "YOUR ANSWER HERE")

# Group 1 is the code between the two markers, with the line breaks beside them.
SOLUTION = re.compile(f"{BEGIN_SOLUTION}(.*?){END_SOLUTION}", re.DOTALL)
HIDDEN_TESTS = re.compile(f"{BEGIN_HIDDEN_TESTS}(.*?){END_HIDDEN_TESTS}", re.DOTALL)
# A line that opens either region; it must not be left in a released notebook.
BEGIN_OF_REGION = re.compile(rf"^\s*(?:{BEGIN_SOLUTION}|{BEGIN_HIDDEN_TESTS})", re.MULTILINE)


def hidden_tests(source: str) -> list[str]:
    """Return the code of each region of hidden tests in a cell, in order."""
    return HIDDEN_TESTS.findall(source)


def without_hidden_tests(source: str) -> str:
    """Return a cell's source without the lines from a BEGIN HIDDEN TESTS marker to its END.

    Leaves what nbgrader's preprocessor ClearHiddenTests leaves for students. A region without an
    end reaches to the end of the cell.
    """
    kept_lines = []
    is_hidden = False
    for line in source.split("\n"):
        if BEGIN_HIDDEN_TESTS in line:
            is_hidden = True
        if not is_hidden:
            kept_lines.append(line)
        if END_HIDDEN_TESTS in line:
            is_hidden = False
    return "\n".join(kept_lines)


def without_regions(source: str) -> str:
    """Return a cell's source without its model answers and hidden tests, markers included."""
    return HIDDEN_TESTS.sub("", SOLUTION.sub("", source))
