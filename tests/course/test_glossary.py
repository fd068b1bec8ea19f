"""Test that docs/glossary.csv holds in all notebooks and documents: one term, one translation."""

import csv
import itertools
import re

import nbformat
import pytest

from tinybert_l.exercises.registry import NOTEBOOKS


@pytest.fixture(scope="module")
def terms(checkout):
    with open(checkout / "docs" / "glossary.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pairs(checkout):
    """A Chinese text cell and the English one that follows it."""
    for path in sorted((checkout / "notebooks").glob("*/*.ipynb")):
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"]
        for zh, en in itertools.pairwise(cells):
            if zh.metadata.get("tags") == ["lang-zh"] and en.metadata.get("tags") == ["lang-en"]:
                yield path.stem, zh.source, en.source


def prose(source: str) -> str:
    """The text without code, formulas and titles of papers."""
    return re.sub(r"`[^`]*`|\$[^$]*\$|\*[A-Z][^*]{12,}\*", "", source)


def test_no_term_is_called_by_another_name(terms, checkout):
    texts = [(name, prose(zh + "\n" + en)) for name, zh, en in pairs(checkout)]
    texts += [
        (p.name, prose(p.read_text(encoding="utf-8")))
        for p in [*checkout.glob("*.md"), *checkout.glob("docs/**/*.md")]
    ]
    assert len(texts) > 100
    wrong = []
    for term in terms:
        right = f"{term['zh']} / {term['en']}"
        for never in filter(None, (term["never_zh"], term["never_en"])):
            for name, text in texts:
                for match in re.finditer(never, text):
                    wrong.append(f"{name}: {match.group(0)!r}, say {right}")
    assert not wrong, "\n".join(wrong)


def test_a_term_in_the_chinese_text_has_its_english_name_in_the_english_text(terms, checkout):
    wrong = []
    for name, zh, en in pairs(checkout):
        for term in terms:
            if term["zh"] in zh and not re.search(term["en"], en, re.I):
                wrong.append(f"{name}: {term['zh']} without {term['en']}: {zh[:40]!r}")
    assert not wrong, "\n".join(wrong)


def test_every_text_has_both_languages(checkout):
    found = [name for name, _, _ in pairs(checkout)]
    for name in NOTEBOOKS.values():
        assert found.count(name) >= 10
        cells = nbformat.read(checkout / "notebooks" / name / f"{name}.ipynb", as_version=4).cells
        tags = [tuple(c.metadata.get("tags", [])) for c in cells if c.cell_type == "markdown"]
        assert tags.count(("lang-zh",)) == tags.count(("lang-en",))
        assert not [t for t in tags if not {"lang-zh", "lang-en"} & set(t)]
