"""Test that docs/glossary.csv holds in all notebooks and documents: one term, one translation."""

import csv
import itertools
import re

import nbformat
import pytest

from tinybert_l.exercises.registry import NOTEBOOKS

LANGUAGES = {"lang-zh", "lang-en"}


@pytest.fixture(scope="module")
def terms(checkout):
    with open(checkout / "docs" / "glossary.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pairs(checkout):
    """A Chinese text cell and the English one that follows it."""
    for path in sorted((checkout / "notebooks").glob("*/*.ipynb")):
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"]
        for zh, en in itertools.pairwise(cells):
            if languages(zh) == {"lang-zh"} and languages(en) == {"lang-en"}:
                yield path.stem, zh.source, en.source


def languages(cell) -> set[str]:
    """The languages of a cell, whatever other tags it has."""
    return LANGUAGES & set(cell.metadata.get("tags", []))


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


def test_no_message_or_caption_in_code_calls_a_term_by_another_chinese_name(terms, checkout):
    """English names are left to the prose: identifiers may differ from them."""
    sources = [(p.name, p.read_text(encoding="utf-8")) for p in checkout.glob("tinybert_l/**/*.py")]
    for path in sorted((checkout / "notebooks").glob("*/*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        sources += [(path.stem, cell.source) for cell in cells if cell.cell_type == "code"]
    assert len(sources) > 200
    wrong = [
        f"{name}: {match.group(0)!r}, say {term['zh']}"
        for term in terms
        if term["never_zh"]
        for name, source in sources
        for match in re.finditer(term["never_zh"], source)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_linter_would_notice_each_forbidden_name(terms):
    """Every pattern compiles, and none forbids the term itself or another term's right name."""
    right = [term["zh"] for term in terms]
    assert len(set(right)) == len(right)
    for term in terms:
        assert re.compile(term["en"]), term
        for never in filter(None, (term["never_zh"], term["never_en"])):
            assert not [name for name in right if re.search(never, name)], never
    by_name = {term["zh"]: term for term in terms}
    for name, slip in (("头的编号", "头号越界"), ("三元语法", "三元组"), ("奈特", "0.2纳特")):
        assert re.search(by_name[name]["never_zh"], slip)
    assert re.search(by_name["先softmax再取log"]["never_zh"], "先取log再softmax会下溢")


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
        in_cells = [languages(cell) for cell in cells if cell.cell_type == "markdown"]
        assert in_cells.count({"lang-zh"}) == in_cells.count({"lang-en"})
        assert all(in_cells)


def test_no_emphasis_ends_in_punctuation_before_a_letter(checkout):
    """Markdown shows the asterisks of "**句。**字": punctuation goes behind them."""
    listed = []
    for path in sorted((checkout / "notebooks").glob("*/*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            parts = cell.source.split("**") if cell.cell_type == "markdown" else []
            for inside, behind in zip(parts[1:-1:2], parts[2::2], strict=False):
                if re.search(r"[。？！：；，”）]$", inside) and re.match(r"[^\W_]", behind):
                    listed.append(f"{path.stem} {cell.id}: **{inside}**{behind[:6]}")
    assert listed == []
