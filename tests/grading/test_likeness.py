"""Alike answers are found in a class, chance is told from copying, and nobody is accused."""

import random
import re
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from attacks.likeness import HOSTILE, MARKUP, NAMES, ON_PAGE
from bs4 import BeautifulSoup
from quick_course import Submissions, quick_course

from tinybert_l.cli.likeness import _write
from tinybert_l.errors import InvalidInput
from tinybert_l.grading.likeness.find import blind_names, compare_class
from tinybert_l.grading.likeness.grams import TEXT_LIMIT, code_grams, essay_grams
from tinybert_l.grading.likeness.page import marked, page
from tinybert_l.grading.likeness.pairs import _positions, compare

LECTURE = 3
FRAMES = (
    "for {a} in range({n}):\n        {b} = {a} * {n} + {c}\n        {d}.append({b})",
    "if {a} < {n}:\n        raise ValueError('{b} is {n}')",
    "{a} = [{b} + {n} for {b} in {c} if {b} > {n}]",
    "{a}, {b} = {c} // {n}, {c} % {n}",
    "{a} = sum({b}.get({c}, {n}) for {c} in {d})",
    "while {a} > {n}:\n        {a} -= {b} ** {n}",
    "{a} = max({b}, key=lambda {c}: {c} - {n})",
    "assert {a} != {b}, f'{{{a}}} {n}'",
    "{a} = {{{b}: {c}[{n}] for {b} in {d}}}",
    "try:\n        {a} = {b}[{c}]\n    except KeyError:\n        {a} = {n}",
    "{a} = {b}[::{n}] + {c}[{n}:]",
    "{a} = not ({b} and {c}) or {d} is None",
)
SYLLABLES = (
    "ka",
    "to",
    "ri",
    "men",
    "sol",
    "ver",
    "an",
    "de",
    "lu",
    "pra",
    "mi",
    "ster",
    "on",
    "qua",
)
CHARACTERS = (
    "层映射均匀顶部底部教师学生损失收敛训练数据模型参数宽深度注意力隐藏状态蒸馏温度样本批次梯度"
)


def program(chance: random.Random, names: str = "abcdefgh", length: int = 10) -> str:
    """An answer to layer_map that nobody else writes."""
    lines = []
    for frame in chance.choices(FRAMES, k=length):
        a, b, c, d = chance.sample(names, 4)
        lines.append("    " + frame.format(a=a, b=b, c=c, d=d, n=chance.randrange(9)))
    body = "\n".join(lines)
    return f"@layer_map.implement\ndef layer_map(m, n, strategy='uniform'):\n{body}\n    return a\n"


def essay(chance: random.Random, words: int = 120) -> str:
    vocabulary = ["".join(chance.choices(SYLLABLES, k=3)) for _ in range(words)]
    return " ".join(vocabulary) + ". " + "".join(chance.choices(CHARACTERS, k=words))


@pytest.fixture
def submissions(tmp_path, monkeypatch):
    return Submissions(quick_course(tmp_path / "course", LECTURE, monkeypatch), LECTURE)


@pytest.fixture(scope="module")
def likeness(tmp_path_factory):
    """Thirty who worked alone, and two who did not: other names, other numbers, a comment."""
    with pytest.MonkeyPatch.context() as patch:
        course = quick_course(tmp_path_factory.mktemp("class") / "course", LECTURE, patch)
        fill(Submissions(course, LECTURE))
        return compare_class(course, LECTURE)


def fill(submissions: Submissions) -> None:
    chance = random.Random(0)
    for number in range(30):
        answers = {"layer_map": program(chance), "essay": essay(chance)}
        submissions.hand_in(f"student{number:02}", answers)
    copied = program(random.Random(1), "abcdefgh")
    renamed = program(random.Random(1), ["total", "x1", "step", "k", "out", "val", "idx", "acc"])
    renamed = renamed.replace("    return", "    # mine\n    return")
    text = essay(random.Random(2))
    submissions.hand_in("ann", {"layer_map": copied, "essay": f"{essay(chance, 40)} {text}"})
    submissions.hand_in(
        "bo", {"layer_map": renamed, "essay": f"{text.upper()} {essay(chance, 40)}"}
    )


def people(found) -> list[set[str]]:
    exercise = found
    pairs = exercise.comparison.pairs
    return [{exercise.answers[i].student for i in (pair.first, pair.second)} for pair in pairs]


def test_those_who_worked_together_are_found_and_nobody_else_is(likeness):
    by_name = {exercise.item.name: exercise for exercise in likeness.exercises}
    for name in ("layer_map", "essay"):
        first, *others = by_name[name].comparison.pairs
        assert people(by_name[name])[0] == {"ann", "bo"}, name
        assert first.score > 0.6 and first.expected < 0.01 and first.as_alike == 1
        assert all(other.expected > 0.01 for other in others), others
    assert by_name["hidden_loss"].answers == []  # left as released
    assert not [name for name in by_name if name.startswith("quiz")], "a letter tells nothing"
    text = page(likeness)
    assert text.count("<mark>") >= 4 and "accuses nobody" in text and "不指认任何人" in text
    assert "Essay" in text and "&lt; 0.001" in text


def test_names_are_hidden_and_languages_chosen(likeness):
    blind = BeautifulSoup(page(likeness, blind=True, lang="en"), "html.parser")
    shown = [heading.get_text() for heading in blind.find_all("h4")]
    assert shown and all(re.fullmatch(r"student \d+", name) for name in shown)
    assert not blind.find(string=re.compile(r"\bann\b|\bbo\b|student\d\d"))
    blind.main.find("div", class_="sides").extract()
    for part in blind.find_all("pre"):
        part.extract()
    assert not re.search("[\u4e00-\u9fff]", blind.get_text())
    chinese = BeautifulSoup(page(likeness, lang="zh"), "html.parser")
    for part in chinese.find_all("pre"):
        part.extract()
    assert "accuses" not in chinese.get_text() and "相似度" in chinese.get_text()


def test_an_exercise_with_few_solutions_says_so(submissions):
    chance = random.Random(0)
    kinds = [program(random.Random(kind), length=6) for kind in range(4)]
    for number in range(24):
        submissions.hand_in(f"s{number}", {"layer_map": chance.choice(kinds)})
    likeness = compare_class(submissions.course, LECTURE, only="layer_map")
    (found,) = likeness.exercises
    assert found.comparison.pairs == [] and "few solutions" in found.comparison.nothing
    assert "Likeness means nothing here" in page(likeness)


def test_what_was_given_counts_nothing():
    answer = program(random.Random(3))
    runs = [gram.text for gram in code_grams(answer)]
    alike = compare([runs, runs], frozenset(), 5)
    assert [pair.score for pair in alike.pairs] == pytest.approx([1.0])
    assert alike.pairs[0].expected is None  # two say nothing of a class
    assert "given" in compare([runs, runs], frozenset(runs), 5).nothing


def test_independent_answers_are_not_called_surprising():
    """Of classes in which all work alone, few have a pair that only one class in twenty has."""
    surprised = 0
    for seed in range(20):
        chance = random.Random(100 + seed)
        runs = [[g.text for g in code_grams(program(chance))] for _ in range(30)]
        found = compare(runs, frozenset(), 5)
        surprised += bool(found.pairs) and found.pairs[0].expected < 0.05
    assert surprised <= 4


def chinese(chance: random.Random, length: int) -> str:
    """Return a text of words of four characters, as set phrases have."""
    words = [chr(0x4E00 + n % 97) + "的" + chr(0x5E00 + n) + "层" for n in range(2000)]
    return "".join(chance.choices(words, k=length))


@pytest.mark.parametrize("length", [6, 12])
def test_short_chinese_answers_that_share_a_word_are_not_called_surprising(length):
    """Most pairs share nothing at all, which says little of those that share something."""
    chance = random.Random(7)
    template = chinese(chance, 60)
    given = frozenset(gram.text for gram in essay_grams(template))
    essays = (template + "。" + chinese(chance, length) for _ in range(300))
    found = compare(([g.text for g in essay_grams(essay)] for essay in essays), given, 5)
    surprising = [pair for pair in found.pairs if pair.expected < 0.05]
    assert not found.nothing and len(surprising) <= 1 and found.num_further == 0


@pytest.mark.parametrize("count", [0, 1, 40])
def test_answers_that_are_the_template_alone_mean_nothing(count):
    runs = [gram.text for gram in essay_grams(chinese(random.Random(1), 60))]
    found = compare([runs] * count, frozenset(runs), 5)
    assert found.nothing and not found.pairs and found.num_compared == 0


def test_runs_of_odd_characters_keep_their_places():
    source = "ﬁn Größe ①② x\u0301y 𠀀均匀映 \ud800 ㍿"
    for gram in essay_grams(source * 3):
        part = unicodedata.normalize("NFKC", (source * 3)[gram.start : gram.end]).casefold()
        kept = [x for x in part if unicodedata.category(x)[0] in "LN"]
        assert gram.text in "".join(kept)


def test_pairs_are_counted_right():
    rows, columns = np.triu_indices(7, 1)
    found = _positions(np.arange(21), 7)
    assert found[0].tolist() == rows.tolist() and found[1].tolist() == columns.tolist()


def test_renaming_layout_and_comments_change_nothing():
    one = "def f(a, b):\n    '''Doc.'''\n    total = a + b * 2\n    return total.sum()\n"
    other = "def f(x, y):\n\n    # a note\n    s = (\n x + y * 37)\n    return s.sum()\n"
    texts = [[gram.text for gram in code_grams(source)] for source in (one, other)]
    assert set(texts[0]) & set(texts[1]) and "mean" not in " ".join(texts[0])
    assert [g.text for g in essay_grams("Uniform, MAP!")] == [
        g.text for g in essay_grams("uniformmap")
    ]
    assert [gram.text for gram in essay_grams("均匀映射，层")] == ["均匀映射", "匀映射层"]


def test_shared_parts_are_marked_where_they_stand():
    grams = essay_grams("xxxxxxxxx uniform map yyyyyyyy")
    shared = frozenset(gram.text for gram in essay_grams("uniform map"))
    parts = marked("xxxxxxxxx uniform map yyyyyyyy", shared, grams)
    assert [part.text for part in parts if part.is_shared] == ["uniform map"]
    assert "".join(part.text for part in parts) == "xxxxxxxxx uniform map yyyyyyyy"


def test_wrong_names_are_said(submissions):
    with pytest.raises(InvalidInput, match="No submission of lecture 3"):
        compare_class(submissions.course, LECTURE)
    with pytest.raises(InvalidInput, match="'layer_mop'; allowed: kept_layers, "):
        compare_class(submissions.course, LECTURE, only="layer_mop")


@pytest.mark.nightly
def test_a_class_of_three_thousand(submissions, capsys):
    """Prints the time; asserts only what was found."""
    chance = random.Random(0)
    exercises = ("layer_map", "attention_loss", "hidden_loss", "kept_layers", "slice_heads")
    copied = {name: program(random.Random(7)) for name in exercises} | {"essay": essay(chance)}
    for number in range(3000):
        answers = {name: program(chance) for name in exercises} | {"essay": essay(chance)}
        submissions.hand_in(f"s{number:04}", copied if number in (17, 2900) else answers)
    began = time.perf_counter()
    likeness = compare_class(submissions.course, LECTURE)
    text = page(likeness)
    seconds = time.perf_counter() - began
    with capsys.disabled():
        print(f"\n3,000 submissions, six answers each: {seconds:.0f} s, page {len(text)} bytes")
    for exercise in likeness.exercises:
        assert people(exercise)[0] == {"s0017", "s2900"}
        assert exercise.comparison.pairs[0].expected < 0.01
        assert all(pair.expected > 0.001 for pair in exercise.comparison.pairs[1:])


@pytest.fixture
def attacked(submissions):
    """Answers that hold something for the page, each by two people, and files that are none."""
    for name in ON_PAGE:
        for student in (f"{name}1", f"{name}2"):
            shared = program(random.Random(name))
            submissions.hand_in(student, {"layer_map": f"{HOSTILE[name]}\n{shared}"})
    files = {"bytes": b"\xff\x00" * 9, "nested": b"[" * 10**5, "big": b" " * 2 * 10**7}
    for name, raw in files.items():
        submissions.hand_in(name, {}).write_bytes(raw + b" ")
    path = submissions.hand_in("link", {})
    path.unlink()
    path.symlink_to("/etc/passwd")
    return submissions.course


def test_hostile_answers_do_nothing_on_the_page(attacked):
    likeness = compare_class(attacked, LECTURE)
    text = page(likeness)
    assert likeness.unread.keys() == {"bytes", "nested", "big", "link"}
    tree = BeautifulSoup(text, "html.parser")
    assert not tree.find_all(["script", "img", "svg", "iframe", "link", "object", "base", "form"])
    for tag in tree.find_all(True):
        assert not any(key.startswith("on") for key in tag.attrs), tag
    shown = " ".join(part.get_text() for part in tree.find_all("pre"))
    for seen in (
        "\\x1b]0;owned",
        "\\u202e",
        "<script>alert(1)",
        "touch /tmp/left",
        "layer\ufffdmap",
    ):
        assert seen in shown, seen
    assert "default-src 'none'" in text and MARKUP not in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\ud800-\udfff]", text)
    assert not Path("/tmp/left_by_likeness").exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_do_not_stop_the_comparison(name):
    for grams in (code_grams(HOSTILE[name]), essay_grams(HOSTILE[name])):
        assert all(0 <= gram.start < gram.end <= TEXT_LIMIT for gram in grams)


def test_names_of_students_are_only_names(submissions, tmp_path, capsys):
    """They are folders' names here, whatever they hold; the table of numbers is no formula."""
    copied = program(random.Random(5))
    for name in NAMES:
        submissions.hand_in(name, {"layer_map": copied})
    likeness = compare_class(submissions.course, LECTURE)
    text = page(likeness)
    assert "<b>eve" not in text and "a" * 65 not in text
    _write(submissions.course, likeness, text, blind_names(likeness))
    table = (submissions.course.folder / f"similar-{likeness.name}-names.csv").read_text()
    assert "'=cmd" in table and "\n=cmd" not in table and ",=cmd" not in table
