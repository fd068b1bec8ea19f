"""What students read in all lectures: sentences of moderate length, code that fits a line."""

import re

import pytest
from lecture_text import cells_of

LECTURES = range(1, 12)
MOST_WORDS = 35  # of an English sentence; a formula counts as a word
MOST_COLUMNS = 100
FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$]*\$", re.DOTALL)
STOP = re.compile(r"\.\s*\$\$$")  # a full stop within a displayed formula
# a paragraph, an item of a list or a row of a table ends a sentence as a full stop does
PARAGRAPH = re.compile(r"\n\s*\n|\n[-*|] ?|\n\d+\. ")
SENTENCE = re.compile(r"(?<=[.?!:;])[\"*)]*\s+(?=[^a-z])")


def sentences(source: str) -> list[str]:
    """The sentences of an English text; a semicolon before a lower-case letter ends none."""
    text = FORMULA.sub(lambda formula: "M." if STOP.search(formula.group()) else "M", source)
    return [
        sentence
        for paragraph in PARAGRAPH.split(text)
        for sentence in SENTENCE.split(" ".join(paragraph.split()))
    ]


def test_a_long_sentence_would_be_noticed():
    source = "One two $a + b$.\n\nThree four; five. 6×1 six:\n- seven\n- eight $$c.$$ Nine"
    first, last = ["One two M.", "Three four; five.", "6×1 six:"], ["seven", "eight M.", "Nine"]
    assert sentences(source) == first + last


@pytest.mark.parametrize("lecture", LECTURES)
def test_no_english_sentence_is_very_long(lecture):
    """Specifications, hints and marking schemes are lists in one sentence, and are left out."""
    long = [
        f"{cell.id}: {sentence}"
        for cell in cells_of(lecture)
        if cell.cell_type == "markdown"
        and "lang-en" in cell.metadata.tags
        and not {"role-task", "role-hint", "role-essay"} & set(cell.metadata.tags)
        for sentence in sentences(cell.source)
        if len(re.findall(r"\w[^\s·]*", sentence)) > MOST_WORDS
    ]
    assert long == []


@pytest.mark.parametrize("lecture", LECTURES)
def test_lines_of_demonstrations_fit(lecture):
    """Choices of a quiz are texts of their own, in two languages."""
    wide = [
        f"{cell.id}: {line}"
        for cell in cells_of(lecture)
        if cell.cell_type == "code"
        and "nbgrader" not in cell.metadata
        and not cell.id.endswith("-choices")
        for line in cell.source.split("\n")
        if len(line) > MOST_COLUMNS
    ]
    assert wide == []
