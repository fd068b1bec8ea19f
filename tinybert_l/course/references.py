"""The bibliography of the course, read from references.bib: the works that lectures cite.

`show_works` shows a group of them in a notebook; `bibtex` gives the entry of one for one's own
paper. Needs no torch.
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tinybert_l.errors import InvalidInput
from tinybert_l.languages import one_of

BIBLIOGRAPHY = Path(__file__).with_name("references.bib")
GROUPS = {
    "outline": ("named by the outline", "大纲所列"),
    "method": ("what TinyBERT-L is built from", "TinyBERT-L由它们搭成"),
    "teacher": ("where the teacher comes from", "教师的来历"),
    "compression": ("small models and how they are made", "小模型与做法"),
    "long": ("long texts", "长文本"),
    "training": ("training", "训练"),
    "generation": ("generation", "生成"),
    "elastic": ("2024 and later", "2024年以后"),
    "data": ("data and benchmarks", "数据与基准"),
    "evaluation": ("measuring and reporting", "测量与报告"),
    "interpretability": ("what attention shows", "注意力说明什么"),
}
_VENUE_FIELDS = ("booktitle", "journal", "institution", "publisher")
_ENTRY = re.compile(r"@(?P<kind>\w+)\{(?P<key>\w+),\n(?P<fields>.*?)\n\}", re.S)
_FIELD = re.compile(r"^  (\w+) = \{(.*)\},$", re.M)


@dataclass(frozen=True)
class Work:
    """A work of the bibliography; `note_zh` and `note_en` say what the course takes from it."""

    key: str
    authors: tuple[str, ...]  # family names, in the order of the paper; "others" is dropped
    title: str
    venue: str
    year: int
    url: str
    group: str
    lectures: tuple[int, ...]
    note_zh: str
    note_en: str
    bibtex: str
    more_authors: bool = False  # the entry ends with "and others"

    @property
    def label_en(self) -> str:
        """How an English text cites it: "Jiao et al. (2020)"."""
        first, *rest = self.authors
        if len(rest) == 1 and not self.more_authors:
            return f"{first} & {rest[0]} ({self.year})"
        return f"{first} et al. ({self.year})" if rest else f"{first} ({self.year})"

    @property
    def label_zh(self) -> str:
        """How a Chinese text cites it: "Jiao等（2020）"."""
        first, *rest = self.authors
        if len(rest) == 1 and not self.more_authors:
            return f"{first}和{rest[0]}（{self.year}）"
        return f"{first}等（{self.year}）" if rest else f"{first}（{self.year}）"


@cache
def bibliography() -> dict[str, Work]:
    """Read every work of references.bib, by key, in the order of the file.

    Raises:
        InvalidInput: an entry lacks a field, has an unknown group, or repeats a key.
    """
    text = BIBLIOGRAPHY.read_text(encoding="utf-8")
    works: dict[str, Work] = {}
    for work in _read_works(text):
        if work.key in works:
            raise InvalidInput(f"{BIBLIOGRAPHY.name}: the key {work.key} is there twice.")
        works[work.key] = work
    if len(works) != len(re.findall(r"^@", text, re.M)):
        raise InvalidInput(
            f"{BIBLIOGRAPHY.name}: {len(works)} of {len(re.findall(r'^@', text, re.M))} entries "
            "can be read; allowed: one field a line, `  name = {value},`, and a closing brace."
        )
    return works


def _read_works(text: str) -> Iterator[Work]:
    for entry in _ENTRY.finditer(text):
        fields = dict(_FIELD.findall(entry["fields"]))
        venue = next((fields[name] for name in _VENUE_FIELDS if name in fields), "")
        needed = ("author", "title", "year", "url", "group", "lectures", "note_zh", "note_en")
        missing = [name for name in needed if not fields.get(name)]
        if missing or not venue or fields["group"] not in GROUPS:
            raise InvalidInput(
                f"{BIBLIOGRAPHY.name}: {entry['key']} lacks {missing or 'a venue or a group'}; "
                f"allowed: {', '.join(needed)}, one of {', '.join(_VENUE_FIELDS)}, and one of the "
                f"groups {', '.join(GROUPS)}."
            )
        names = [name.partition(",")[0] for name in fields["author"].split(" and ")]
        yield Work(
            key=entry["key"],
            authors=tuple(name for name in names if name != "others"),
            title=fields["title"],
            venue=venue,
            year=int(fields["year"]),
            url=fields["url"],
            group=fields["group"],
            lectures=tuple(map(int, fields["lectures"].split())),
            note_zh=fields["note_zh"],
            note_en=fields["note_en"],
            bibtex=_without_notes(entry.group(0)),
            more_authors="others" in names,
        )


def _without_notes(entry: str) -> str:
    """Drop the fields that BibTeX does not know."""
    own = re.compile(r"^  (?:group|lectures|note_zh|note_en) = .*\n", re.M)
    return own.sub("", entry)


def _with_code(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)


def works_of(group: str) -> list[Work]:
    """Return the works of a group of `GROUPS`.

    Raises:
        InvalidInput: another group.
    """
    if group not in GROUPS:
        raise InvalidInput(f"works_of: group={group!r}; allowed: {', '.join(GROUPS)}.")
    return [work for work in bibliography().values() if work.group == group]


def bibtex(key: str) -> str:
    """Return the BibTeX entry of a work, ready for one's own bibliography.

    Raises:
        InvalidInput: the bibliography has no such key.
    """
    works = bibliography()
    if key not in works:
        raise InvalidInput(f"bibtex: key={key!r}; allowed: {', '.join(works)}.")
    return works[key].bibtex


def show_works(groups: Sequence[str]) -> Any:
    """Show the works of some groups in a notebook, each with its note and a link."""
    import pandas as pd

    from tinybert_l.course.tables import styled

    rows = []
    for group in groups:
        for work in works_of(group):
            title = f"{work.label_en}. <i>{html.escape(work.title)}</i>. {html.escape(work.venue)}"
            link = f'<a href="{work.url}">{html.escape(work.key)}</a>'
            note = _with_code(html.escape(one_of(work.note_en, work.note_zh)))
            rows.append((title, note, ", ".join(map(str, work.lectures)), link))
    columns = [
        "work 文献",
        "what it is, and what the course uses 内容与用处",
        "lectures 讲",
        "BibTeX, link 链接",
    ]
    names = "; ".join(one_of(*GROUPS[group]) for group in groups)
    return styled(pd.DataFrame(rows, columns=columns), names)
