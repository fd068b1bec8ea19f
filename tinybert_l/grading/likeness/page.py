"""The page that shows alike answers side by side; it says what was measured, and accuses nobody."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from tinybert_l.errors import printable
from tinybert_l.grading.likeness import grams, pairs
from tinybert_l.grading.likeness.find import Answer, ClassLikeness, ExerciseLikeness, blind_names
from tinybert_l.grading.likeness.pairs import Pair
from tinybert_l.languages import in_words

TEMPLATE = Path(__file__).with_name("page.html.j2")
SHOWN_LIMIT = 6000  # characters of an answer
NAME_LIMIT = 64
LEAST_EXPECTED = 0.001  # the model is not believed below


@dataclass(frozen=True)
class Part:
    """A piece of an answer's text, and whether the other answer has it too."""

    text: str
    is_shared: bool


@dataclass(frozen=True)
class _Side:
    """One answer of a pair, as the page shows it."""

    who: str
    parts: list[Part]
    is_cut: bool


@dataclass(frozen=True)
class _Shown:
    """A pair as the page shows it.

    Args:
        also: titles of other exercises in which these two people are listed.
    """

    exercise: ExerciseLikeness
    pair: Pair
    sides: tuple[_Side, _Side]
    also: list[str]


def page(likeness: ClassLikeness, blind: bool = False, lang: str | None = None) -> str:
    """Render what was found as HTML, which holds no script and loads nothing.

    Args:
        blind: show numbers in place of names.
        lang: zh or en; None: both.
    """
    names = blind_names(likeness) if blind else {}
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["words"] = lambda text: in_words(text, lang)
    environment.filters["expected"] = expected_in_words
    environment.filters["title"] = lambda item: _title(item.title_zh, item.title_en, lang)
    unread = {_named(student, names, blind): why for student, why in likeness.unread.items()}
    return environment.get_template(TEMPLATE.name).render(
        likeness=likeness,
        shown=_shown(likeness, names, lang),
        unread={who: printable(why) for who, why in unread.items()},
        blind=blind,
        lang=lang,
        tokens=grams.TOKENS,
        letters=grams.LETTERS,
        ideographs=grams.IDEOGRAPHS,
        text_limit=grams.TEXT_LIMIT,
        runs_needed=pairs.RUNS_NEEDED,
        answers_needed=pairs.ANSWERS_NEEDED,
        common=pairs.COMMON_SHARE,
        censored=pairs.CENSORED,
        tail=pairs.TAIL,
    )


def expected_in_words(expected: float | None) -> str:
    """Say how many such pairs independent answers would have; no more exactly than is known."""
    if expected is None:
        return "–"
    return f"< {LEAST_EXPECTED:g}" if expected < LEAST_EXPECTED else f"{expected:.2g}"


def marked(source: str, shared: frozenset[str], own: list[grams.Gram]) -> list[Part]:
    """Cut a text into parts that another answer has too and parts that it has not.

    Args:
        shared: the runs that both hold.
        own: the runs of this answer.
    """
    is_shared = bytearray(len(source))
    for gram in own:
        if gram.text in shared:
            is_shared[gram.start : gram.end] = b"\1" * (min(gram.end, len(source)) - gram.start)
    parts: list[Part] = []
    start = 0
    for end in range(1, len(source) + 1):
        if end == len(source) or is_shared[end] != is_shared[start]:
            parts.append(Part(visible(source[start:end]), bool(is_shared[start])))
            start = end
    return parts


def visible(text: str) -> str:
    """Return a text of several lines with all that is not seen written out."""
    lines = text.replace("\r\n", "\n").replace("\t", "    ").split("\n")
    return "\n".join(map(printable, lines))


def _shown(likeness: ClassLikeness, names: dict[str, str], lang: str | None) -> list[_Shown]:
    listed = likeness.listed()
    titles: dict[frozenset[str], list[str]] = {}
    for exercise, pair in listed:
        title = _title(exercise.item.title_zh, exercise.item.title_en, lang)
        titles.setdefault(_people(exercise, pair), []).append(title)
    shown = []
    for exercise, pair in listed:
        title = _title(exercise.item.title_zh, exercise.item.title_en, lang)
        also = [other for other in titles[_people(exercise, pair)] if other != title]
        shown.append(_Shown(exercise, pair, _sides(exercise, pair, names), also))
    return shown


def _people(exercise: ExerciseLikeness, pair: Pair) -> frozenset[str]:
    return frozenset(exercise.answers[index].student for index in (pair.first, pair.second))


def _sides(exercise: ExerciseLikeness, pair: Pair, names: dict[str, str]) -> tuple[_Side, _Side]:
    answers = (exercise.answers[pair.first], exercise.answers[pair.second])
    own = [exercise.grams(answer.source) for answer in answers]
    texts = [{gram.text for gram in runs} for runs in own]
    shared = frozenset(texts[0] & texts[1])
    first, second = (
        _side(answer, shared, runs, names) for answer, runs in zip(answers, own, strict=True)
    )
    return first, second


def _side(
    answer: Answer, shared: frozenset[str], own: list[grams.Gram], names: dict[str, str]
) -> _Side:
    source = answer.source[:SHOWN_LIMIT]
    in_sight = [gram for gram in own if gram.end <= len(source)]
    who = _named(answer.student, names, bool(names))
    return _Side(who, marked(source, shared, in_sight), len(answer.source) > SHOWN_LIMIT)


def _named(student: str, names: dict[str, str], blind: bool) -> str:
    """Return the name that the page shows for a student."""
    if blind:
        return names.get(student, "?")
    return printable(student)[:NAME_LIMIT]


def _title(zh: str, en: str, lang: str | None) -> str:
    return {"zh": zh, "en": en}.get(lang or "", f"{zh} · {en}")
