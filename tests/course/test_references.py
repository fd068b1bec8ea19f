"""Test the bibliography: entries are whole, and hold all that a lecture cites."""

import re

import pytest
from lecture_text import cells_of

from tinybert_l.course import references
from tinybert_l.course.references import bibliography, bibtex, show_works, works_of
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import NOTEBOOKS

CITATION = {
    "zh": re.compile(r"^- (.+?（\d{4}）)，\*(.+?)\*", re.M),
    "en": re.compile(r"^- (.+? \(\d{4}\)), \*(.+?)\*", re.M),
}


NAME = r"[A-Z][A-Za-zÀ-ž-]+"
IN_TEXT = re.compile(rf"({NAME}(?: et al\.|等|(?: & |和){NAME})?)(?:,? \(?|（|，)((?:19|20)\d\d)")


def cited_in(lecture):
    """Each "name (year)" in a lecture's text and code: ("Jiao et al.", 2020)."""
    for cell in cells_of(lecture):
        for name, year in IN_TEXT.findall(cell.source):
            yield name.replace("等", " et al.").replace("和", " & "), int(year)


def further_reading():
    """Each citation: lecture, language, author and year, title."""
    for lecture in NOTEBOOKS:
        for cell in cells_of(lecture):
            tags = cell.metadata.get("tags", [])
            heading = re.match(r"## (延伸阅读|Further reading)", cell.source)
            if cell.cell_type != "markdown" or not heading:
                continue
            language = "zh" if "lang-zh" in tags else "en"
            citations = CITATION[language].findall(cell.source)
            bullets = re.findall(r"^- ", cell.source, re.M)
            assert len(citations) == len(bullets), f"lecture {lecture}: {cell.source}"
            for label, title in citations:
                yield lecture, language, label, title


def test_every_work_that_a_lecture_cites_is_in_the_bibliography_with_its_whole_title():
    works = bibliography().values()
    missing = []
    for lecture, language, label, title in further_reading():
        labelled = [w for w in works if label == getattr(w, f"label_{language}")]
        same_title = [w for w in labelled if w.title.lower() == title.lower()]
        found = [w for w in same_title if lecture in w.lectures]
        if not found:
            near = [(w.title, w.lectures) for w in labelled]
            missing.append(f"lecture {lecture}: {label}, {title!r}; the bibliography has {near}")
    assert not missing, "\n".join(missing)


def test_every_citation_in_a_lecture_s_text_has_an_entry():
    labels = {work.label_en for work in bibliography().values()}
    missing = {
        f"lecture {lecture}: {name} ({year})"
        for lecture in NOTEBOOKS
        for name, year in cited_in(lecture)
        if ("et al." in name or "&" in name) and f"{name} ({year})" not in labels
    }
    assert not missing, sorted(missing)


def test_an_entry_names_just_the_lectures_that_cite_it():
    citing = {}
    for lecture in NOTEBOOKS:
        for name, year in cited_in(lecture):
            citing.setdefault(f"{name} ({year})", set()).add(lecture)
    wrong = {
        work.key: f"says {work.lectures}, cited in {sorted(citing.get(work.label_en, ()))}"
        for work in bibliography().values()
        if set(work.lectures) != (citing.get(work.label_en) or {11})
    }
    assert not wrong, wrong


def test_both_languages_of_a_lecture_cite_the_same_works():
    titles = {}
    for lecture, language, _, title in further_reading():
        titles.setdefault((lecture, language), []).append(title)
    for lecture in NOTEBOOKS:
        assert titles.get((lecture, "zh")) == titles.get((lecture, "en")), lecture


def test_the_bibliography_is_whole():
    works = bibliography()
    assert len(works) >= 45
    titles = [work.title for work in works.values()]
    assert len(set(titles)) == len(titles)
    for work in works.values():
        assert work.url.startswith("https://") and 1990 < work.year <= 2026, work.key
        assert work.authors and str(work.year) in work.key, work.key
        assert set(work.lectures) <= set(NOTEBOOKS), work.key
        assert re.search("[\u4e00-\u9fff]", work.note_zh), work.key
        assert not re.search("[\u4e00-\u9fff]", work.note_en + work.title), work.key
        if "arXiv:" in work.venue:
            assert work.url.endswith(work.venue.removeprefix("arXiv:")), work.key
    assert {work.group for work in works.values()} == set(references.GROUPS)


def test_the_outline_s_works_and_the_teacher_s_are_there():
    outline = {work.label_en for work in works_of("outline")}
    assert outline >= {
        "Jiao et al. (2020)",
        "Sanh et al. (2019)",
        "Vaswani et al. (2017)",
        "Devlin et al. (2019)",
        "Radford et al. (2019)",
    }
    teacher = {work.key for work in works_of("teacher")}
    assert {"wang2020minilm", "reimers2019sentence", "hu2022lora", "song2020mpnet"} <= teacher


def test_labels_follow_the_number_of_authors():
    works = bibliography()
    labels = {key: (works[key].label_en, works[key].label_zh) for key in works}
    assert labels["koehn2004statistical"] == ("Koehn (2004)", "Koehn（2004）")
    assert labels["yu2019universally"] == ("Yu & Huang (2019)", "Yu和Huang（2019）")
    assert labels["jiao2020tinybert"] == ("Jiao et al. (2020)", "Jiao等（2020）")
    assert labels["elhoushi2024layerskip"][0] == "Elhoushi et al. (2024)"


def test_an_entry_for_one_s_own_paper_has_no_notes_of_the_course():
    entry = bibtex("jiao2020tinybert")
    assert entry.startswith("@inproceedings{jiao2020tinybert,") and entry.endswith("}")
    assert "note_" not in entry and "group" not in entry and "lectures" not in entry
    assert entry.count("{") == entry.count("}")
    with pytest.raises(InvalidInput, match="bibtex: key='nobody'"):
        bibtex("nobody")
    with pytest.raises(InvalidInput, match="works_of: group='x'"):
        works_of("x")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("  year = {2020},\n", ""), "lacks"),
        (("  group = {outline},", "  group = {other},"), "lacks"),
        (("  title = {TinyBERT", "  title = {TinyBERT}, x = {"), "can be read"),
        (("sanh2019distilbert", "jiao2020tinybert"), "is there twice"),
    ],
)
def test_a_broken_entry_is_named(change, words, tmp_path, monkeypatch):
    text = references.BIBLIOGRAPHY.read_text(encoding="utf-8")
    broken = tmp_path / "references.bib"
    if words == "can be read":
        text += "\n@book{unclosed,\n  title = {x},\n"
    else:
        assert change[0] in text
        text = text.replace(*change, 1)
    broken.write_text(text, encoding="utf-8")
    monkeypatch.setattr(references, "BIBLIOGRAPHY", broken)
    bibliography.cache_clear()
    try:
        with pytest.raises(InvalidInput, match=words):
            bibliography()
    finally:
        bibliography.cache_clear()


def test_a_group_is_shown_with_links():
    page = show_works(["outline"]).to_html()
    assert page.count("<a href=") == len(works_of("outline")) and "大纲所列" in page
