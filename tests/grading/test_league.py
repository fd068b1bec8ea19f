"""The league: held-out sentences, places, the book of scores, and the page."""

import json
import re
import stat
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from attacks import entries as attacks
from attacks import entry_models

from tinybert_l.course.capstone import asking, program
from tinybert_l.course.capstone.asking import Score, Sentences, score
from tinybert_l.course.capstone.folder import read_entry
from tinybert_l.course.capstone.rules import (
    BUDGET_MS,
    LABELS,
    REFERENCE_MACHINE,
    EntryRefused,
    budget_ratio,
)
from tinybert_l.errors import InvalidInput
from tinybert_l.grading.course import MATERIAL
from tinybert_l.grading.league import heldout
from tinybert_l.grading.league.book import Book, Judged, Refused
from tinybert_l.grading.league.heldout import HeldOut
from tinybert_l.grading.league.judge import judge, score_in_sandbox
from tinybert_l.grading.league.page import page, write_pages
from tinybert_l.grading.league.table import difference, is_better, make_table, places
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.method.data import load_reviews

needs_sandbox = pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
ITEMS = 1000
HASH = "0" * 64
cached_reviews = cache(load_reviews)


@pytest.fixture(autouse=True, scope="module")
def reviews_read_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinybert_l.course.capstone.sentences.load_reviews", cached_reviews)
        yield


def scored(name: str, hits: list[int], ratio: float = 0.1, **changes) -> Score:
    made = Score(name, name, HASH, 10**6, hits, [ratio] * 12, [1.0] * 12)
    return replace(made, **changes)


def right(count: int, first: int = 0) -> list[int]:
    """Hits of an entry that is right on `count` sentences from the first on."""
    hits = np.zeros(ITEMS, int)
    hits[np.arange(first, first + count) % ITEMS] = 1
    return hits.tolist()


def book_of(folder, *scores: Score, teacher: Score | None = None, heldout: str = HASH) -> Book:
    book = Book(folder)
    for one in scores:
        book.add(Judged(one, heldout, "2026-01-01", {}), one.name.casefold())
    if teacher is not None:
        book.teacher = Judged(teacher, heldout, "2026-01-01", {})
    return book


def test_a_place_is_shared_where_the_paired_interval_does_not_decide():
    best, close, worse = scored("a", right(850)), scored("b", right(848)), scored("c", right(780))
    assert places([best, close, worse]) == [1, 1, 3]
    assert not is_better(best, close) and is_better(close, worse)


def test_the_same_two_accuracies_differ_where_the_sentences_are_others():
    """Both pairs have 85 and 83 %: what decides is on how many sentences they differ."""
    best = scored("a", right(850))
    same_sentences, others = scored("b", right(830)), scored("c", right(830, first=500))
    assert best.accuracy.mean - same_sentences.accuracy.mean == pytest.approx(0.02)
    assert places([best, same_sentences]) == [1, 2]
    assert places([best, others]) == [1, 1]
    assert difference(best, others).low < 0 < difference(best, others).high


def test_equal_answers_share_a_place():
    assert places([scored("a", right(900)), scored("b", right(900))]) == [1, 1]


def test_what_is_too_slow_has_no_place_and_takes_none_away(tmp_path):
    fast, slow = scored("fast", right(700)), scored("slow", right(900), 1.5 * budget_ratio())
    table = make_table(book_of(tmp_path, fast, slow), HASH)
    assert [(row.score.name, row.place) for row in table.rows] == [("fast", 1), ("slow", None)]


def test_a_time_whose_interval_reaches_into_the_budget_is_in_it():
    times = [0.9 * budget_ratio()] * 4 + [1.1 * budget_ratio()] * 8
    assert scored("a", right(1), entry_ms=times).is_in_budget
    assert not scored("a", right(1), entry_ms=[1.1 * budget_ratio()] * 12).is_in_budget


class Told:
    """A classifier whose sentences take the times that were told, in turns."""

    def __init__(self, clock: list[float], times) -> None:
        self.clock = clock
        self.times = iter(times)

    def logits(self, sentence: str) -> None:
        self.clock[0] += next(self.times)


@pytest.mark.parametrize(("noise", "rounds"), [(0.001, 12), (0.5, 36)])
def test_rounds_go_on_while_the_ratio_is_not_narrow(monkeypatch, noise, rounds):
    chance = np.random.default_rng(0)
    clock = [0.0]
    monkeypatch.setattr(program.time, "thread_time", lambda: clock[0])
    monkeypatch.setattr(program, "PASSES", 1)
    entry = Told(clock, 1 + noise * chance.random(1000))
    teacher = Told(clock, 8 + 8 * noise * chance.random(1000))
    job = program.Job([""], ["x"], 1e9, "/reference", [0], 12)
    times = program._times_until_narrow(entry, teacher, ["x"], job)
    assert [*map(len, times)] == [rounds] * 2


@pytest.mark.parametrize("count", [6, 12, 24, 36])
def test_the_interval_of_a_median_holds_it_95_times_in_a_hundred(count):
    chance = np.random.default_rng(0)
    values = np.sort(chance.exponential(size=(20_000, count)))
    rank = program.rank_of_median(count)
    held = (values[:, rank] <= np.log(2)) & (np.log(2) <= values[:, -1 - rank])
    assert 0.945 < held.mean() < 0.985


def test_who_is_better_than_the_teacher_beyond_chance_is_marked(tmp_path):
    above, below = scored("above", right(990)), scored("below", right(845))
    table = make_table(book_of(tmp_path, above, below, teacher=scored("t", right(850))), HASH)
    assert {row.score.name: row.is_above_teacher for row in table.rows} == {
        "above": True,
        "below": False,
    }


def test_scores_on_other_sentences_are_not_compared(tmp_path):
    book = book_of(tmp_path, scored("old", right(990)), heldout="1" * 64)
    book.add(Judged(scored("new", right(500)), HASH, "2026-01-01", {}), "new")
    table = make_table(book, HASH)
    assert [row.score.name for row in table.rows] == ["new"] and table.outdated == ["old"]


def test_the_book_is_read_as_it_was_written(tmp_path):
    book = book_of(tmp_path, scored("a", right(700)), teacher=scored("teacher", right(800)))
    book.refuse(Refused("b.zip", "why", "2026-01-01"))
    book.write()
    assert Book.read(tmp_path) == book


def test_a_name_belongs_to_whom_handed_it_in_first(tmp_path):
    entry = read_entry(attacks.honest(tmp_path / "first"))
    book = book_of(tmp_path, scored("honest", [1], source="first"))
    book.require_free(entry)  # the same hand-in again
    attacks.honest(tmp_path / "second")
    for name in ("honest", "Ho nest", "HON-EST", "Teacher"):
        attacks.describe(tmp_path / "second", name=name)
        with pytest.raises(EntryRefused, match="taken"):
            book.require_free(read_entry(tmp_path / "second"))


def test_a_later_entry_takes_the_place_of_the_earlier_one(tmp_path):
    book = book_of(tmp_path, scored("one", [1], source="ann.zip"))
    gone = book.add(Judged(scored("two", [1], source="ann.zip"), HASH, "", {}), "two")
    assert list(book.judged) == ["two"] and gone == ["one"]


@needs_sandbox
def test_two_entries_of_one_name_are_refused_before_one_takes_the_others_place(tmp_path):
    paths = [attacks.honest(tmp_path / who / "entry") for who in ("ann", "bob")]
    held_out = HeldOut(Sentences(["good"], [1]), HASH, True)
    with pytest.raises(InvalidInput, match="2 entries are called entry"):
        judge(tmp_path / "league", paths, held_out, paths[0], print)
    assert not (tmp_path / "league").exists()


def test_an_entry_is_named_after_its_folder_however_it_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(attacks.honest(tmp_path / "ann"))
    for given in (Path("."), Path("../ann"), Path("../ann/../ann/")):
        assert read_entry(given).source == "ann"


def test_the_budget_is_that_of_the_reference_machine():
    record = json.loads(REFERENCE_MACHINE.read_text())
    assert budget_ratio() * record["teacher_ms"] == pytest.approx(BUDGET_MS)
    rounds = sorted(record["rounds_ms"])
    assert rounds[0] <= record["teacher_ms"] <= rounds[-1]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("league")
    heldout.draw(folder, 800, MATERIAL / "notebooks")
    return folder


def test_held_out_sentences_are_in_no_training_and_private(drawn):
    reviews = cached_reviews()
    held_out = heldout.read_held_out(drawn)
    seen = {*reviews["train"].texts, *reviews["validation"].texts}
    assert len(set(held_out.sentences.texts)) == 800
    assert not seen & set(held_out.sentences.texts) and not held_out.is_own
    labels = dict(zip(reviews["test"].texts, reviews["test"].labels, strict=True))
    for text, label in zip(held_out.sentences.texts, held_out.sentences.labels, strict=True):
        assert labels[text] == label
    for name in (heldout.FILE_NAME, heldout.SECRET):
        assert stat.S_IMODE((drawn / name).stat().st_mode) == 0o600


def test_which_sentences_are_held_out_depends_on_the_secret(drawn, tmp_path, monkeypatch):
    kept = heldout.read_held_out(drawn).sentences.texts
    monkeypatch.setattr(heldout, "_quoted_text", lambda material: "")
    (tmp_path / "same").mkdir()
    (tmp_path / "same" / heldout.SECRET).write_bytes((drawn / heldout.SECRET).read_bytes())
    for name in ("same", "other"):
        heldout.draw(tmp_path / name, 800, MATERIAL)
    same, other = (
        set(heldout.read_held_out(tmp_path / name).sentences.texts) for name in ("same", "other")
    )
    assert len(same & set(kept)) > 780  # but for quoted ones
    assert 450 < len(other & set(kept)) < 620  # 800 of 1,200, twice: 533 expected


def own_sentences(path, count: int = 100, extra: str = ""):
    rows = []
    for number in range(count):
        word = ("bad", "good")[number % 2]
        rows.append(f"a {word} film of week {number},{LABELS[number % 2]}")
    path.write_text("\n".join(["text,label", *rows, *filter(None, [extra])]) + "\n")
    return path


def test_sentences_of_ones_own_must_not_stand_in_the_public_data(tmp_path):
    known = cached_reviews()["train"].texts[0].upper().replace(",", "")
    extra = f'"{known}",positive'
    with pytest.raises(InvalidInput, match="1 of these sentences"):
        heldout.take(tmp_path, own_sentences(tmp_path / "own.csv", extra=extra))
    with pytest.raises(InvalidInput, match="at least 100"):
        heldout.take(tmp_path, own_sentences(tmp_path / "few.csv", 99))
    heldout.take(tmp_path, own_sentences(tmp_path / "own.csv"))
    assert heldout.read_held_out(tmp_path).is_own


@pytest.fixture(scope="module")
def league(tmp_path_factory):
    """A league of tiny entries, judged in the sandbox beside a tiny teacher."""
    folder = tmp_path_factory.mktemp("judged")
    teacher = attacks.honest(folder / "teacher")
    heldout.take(folder / "league", own_sentences(folder / "own.csv"))
    held_out = heldout.read_held_out(folder / "league")
    honest = attacks.honest(folder / "ann")
    wrong = attacks.honest(folder / "bob")
    attacks.describe(wrong, name="wrong order", labels=list(LABELS[::-1]))
    refused = attacks.honest(folder / "eve")
    attacks.describe(refused, name="noise")
    entry_models.random_answers(refused)
    copied = attacks.copy_of(honest, folder / "copycat")
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "ROUNDS", 5)
        paths = [honest, wrong, refused, copied]
        book = judge(folder / "league", paths, held_out, teacher, lines.append)
    return folder / "league", held_out, book, lines


@needs_sandbox
def test_entries_are_judged_by_what_they_answer(league, monkeypatch):
    folder, held_out, book, lines = league
    monkeypatch.setattr(asking, "budget_ratio", lambda: 10.0)  # the teacher is as small as they
    table = make_table(book, held_out.sha256)
    placed = [(row.place, row.score.name) for row in table.rows]
    assert placed == [(1, "honest"), (2, "wrong order")]
    hits = {judged.score.name: judged.score.hits for judged in book.judged.values()}
    assert sum(hits["honest"]) == 100 and sum(hits["wrong order"]) == 0
    assert set(book.refused) == {"eve", "copycat"}
    assert "not allowed" in book.refused["eve"].reason
    assert "taken" in book.refused["copycat"].reason
    assert book.teacher.score.hits == hits["honest"]
    assert len(lines) == 5 and Book.read(folder) == book


@needs_sandbox
def test_what_was_judged_is_kept(league):
    folder, _, book, _ = league
    for judged in book.judged.values():
        kept = read_entry(folder / "judged" / f"{judged.score.sha256}.zip")
        assert kept.sha256 == judged.score.sha256


@pytest.fixture
def filled(tmp_path):
    scores = (scored("first", right(850)), scored("zweite ×2", right(700)))
    slow = scored("slow", right(900), 2 * budget_ratio())
    book = book_of(tmp_path, *scores, slow, teacher=scored("teacher", right(860)))
    held_out = HeldOut(Sentences(["x"] * ITEMS, [0] * ITEMS), HASH, False)
    return make_table(book, HASH), held_out


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_is_static_and_of_one_language(filled, lang):
    text = page(*filled, lang)
    assert "<script" not in text and "http" not in re.sub(r"http-equiv", "", text)
    assert text.count("<tr>") == 4 and "85.0 %" in text and HASH in text
    chinese = re.findall(r"[\u4e00-\u9fff]+", text)
    if lang == "en":
        assert set(chinese) == {"中文"}
    else:
        assert len(chinese) > 50 and "The league" not in text


def test_a_name_is_text_on_the_page(filled):
    table, held_out = filled
    hostile = replace(table.rows[0].score, name="<script>alert(1)</script>")
    changed = replace(table, rows=[replace(table.rows[0], score=hostile)])
    text = page(changed, held_out, "en")
    assert "<script" not in text and "<bdi>&lt;script&gt;" in text


def test_both_pages_link_to_each_other(filled, tmp_path):
    zh, en = write_pages(*filled, tmp_path / "page", tmp_path)
    assert en.name in zh.read_text() and zh.name in en.read_text()


def test_a_page_or_sentences_that_somebody_has_edited_stay(filled, tmp_path):
    write_pages(*filled, tmp_path, tmp_path)
    edited = tmp_path / "league-zh.html"
    edited.write_text("mine")
    (zh, place), (en, same) = write_pages(*filled, tmp_path, tmp_path).items()
    assert zh == edited != place and edited.read_text() == "mine" and en == same
    own = own_sentences(tmp_path / "own.csv")
    made = heldout.take(tmp_path / "league", own)
    assert heldout.take(tmp_path / "league", own) == made, "its own file is written again"
    for folder in (made.parent, tmp_path / "new"):
        folder.mkdir(exist_ok=True)
        (folder / heldout.FILE_NAME).write_text("text,label\nmy own,positive\n")
        with pytest.raises(InvalidInput, match=r"heldout\.csv is there already"):
            heldout.take(folder, own)
        assert "my own" in (folder / heldout.FILE_NAME).read_text()


def test_the_page_of_an_empty_league_is_a_page(filled):
    table, held_out = filled
    assert "<tbody>" in page(replace(table, rows=[], teacher=None), held_out, "en")


@pytest.mark.slow
def test_the_students_wheel_has_the_capstone_and_no_secret_of_the_judging(student_wheel):
    with zipfile.ZipFile(student_wheel) as archive:
        names = archive.namelist()
    assert "tinybert_l/course/capstone/capstone.ipynb" in names
    assert "tinybert_l/course/capstone/reference_machine.json" in names
    assert not [name for name in names if "league/" in name or "heldout" in name]


@needs_sandbox
@pytest.mark.nightly
def test_the_same_entry_has_the_same_accuracy_and_time_three_times(tmp_path):
    """Networks of random weights, a large one and a small one; other programs may run beside."""
    teacher = network(attacks.honest(tmp_path / "teacher"), width=1024, layers=8)
    entry = read_entry(network(attacks.honest(tmp_path / "entry"), width=512, layers=4))
    sentences = Sentences([f"a good film {number}" for number in range(60)], [0, 1] * 30)
    scores = [score_in_sandbox(entry, sentences, teacher) for _ in range(3)]
    assert len({tuple(one.hits) for one in scores}) == 1
    ratios = [one.ratio.mean for one in scores]
    assert max(ratios) / min(ratios) < 1.1, ratios


def network(folder, width: int, layers: int):
    """Put matrix products into an honest entry, which change nothing of its answers."""
    chance = np.random.default_rng(0)
    nodes = [attacks.helper.make_node("MatMul", ["vectors", "enter"], ["part0"])]
    kept = [attacks.constant("enter", chance.normal(size=(2, width)), np.float32)]
    square = chance.normal(size=(width, width)) / width**0.5
    kept.append(attacks.constant("square", square, np.float32))
    for number in range(layers):
        given = [f"part{number}", "square"]
        nodes.append(attacks.helper.make_node("MatMul", given, [f"part{number + 1}"]))
    last = f"part{layers}"
    nodes += [
        attacks.helper.make_node("ReduceMean", [last], ["mean"], axes=[1, 2], keepdims=0),
        attacks.helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        attacks.helper.make_node("Unsqueeze", ["nothing", "axis"], ["column"]),
        attacks.helper.make_node("Add", ["sums", "column"], ["told"]),
    ]
    kept += [attacks.constant("zero", 0, np.float32), attacks.constant("axis", [1])]
    raw = attacks.honest_onnx(nodes, last="told", initializers=kept)
    (folder / "model.onnx").write_bytes(raw)
    return folder


def test_the_sentences_that_are_timed_are_always_the_same_and_of_all_lengths():
    texts = ["x" * (1 + number % 97) + str(number) for number in range(1000)]
    chosen = {texts[place] for place in asking._to_time(texts)}
    assert len(chosen) == asking.SENTENCES_TIMED
    assert {texts[::-1][place] for place in asking._to_time(texts[::-1])} == chosen
    assert min(map(len, chosen)) < 15 and max(map(len, chosen)) > 85
    assert asking._to_time(["a", "b"]) == [0, 1]


def test_a_measurement_without_a_teacher_has_no_times(tmp_path):
    folder = attacks.honest(tmp_path / "entry")
    measured = score(
        read_entry(folder),
        str(folder),
        Sentences(["good", "bad"], [1, 0]),
        asking.Program.here(None),
    )
    assert measured.hits == [1, 1] and measured.entry_ms == []
