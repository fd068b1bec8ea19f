"""Stories of nine kinds, SQuAD's files, and answers in long texts."""

import json
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
import torch
from transformers import AutoTokenizer

from tinybert_l.method.data import embedded_teacher_path
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.questions import Reader, as_question, encode_questions, load_reader
from tinybert_l.tasks.squad import Question, answer_f1, exact_match, read_squad
from tinybert_l.tasks.stories import (
    CAST,
    KINDS,
    LIST,
    TESTING,
    TRAINING,
    Teller,
    last_mentioned,
    make_stories,
)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(embedded_teacher_path())


def test_the_two_worlds_share_nothing():
    for name in ("people", "places", "objects"):
        assert not set(getattr(TRAINING, name)) & set(getattr(TESTING, name))
    words = {w for s in make_stories(200, 0, world=TESTING) for w in s.words}
    assert not words & {*TRAINING.people, *TRAINING.places, *TRAINING.objects}


def test_every_story_has_a_cast_and_training_has_many():
    met = Counter(
        w for s in make_stories(400, 0) for w in {*s.words} & {*TRAINING.people, *TRAINING.places}
    )
    assert len(met) == len(TRAINING.people) + len(TRAINING.places) > 40
    cast = Teller(Random(0), TRAINING).world
    for name, count in CAST.items():
        assert len(getattr(cast, name)) == count and set(getattr(cast, name)) < set(
            getattr(TRAINING, name)
        )
    with pytest.raises(ValueError, match=r"people=.*6 or more"):
        replace(TESTING, people={"Anna": "she"})


def worked_out(story):
    """The answer, found again from the words alone, by other means than the teller's."""
    text = " ".join(story.words[len(LIST) :])
    facts = [f.split() for f in text.split(" .") if f.split()]
    question, at, has = story.question, {}, {}
    if story.kind == "negation":
        return next(
            "no" if "longer" in f else "yes" for f in reversed(facts) if f[0] == question[1]
        )
    if story.kind == "counting":
        for f in facts:
            has[f[3]] = f[0] if f[1] == "took" else None
        count = list(has.values()).count(question[4])
        return ("none", "one", "two", "three")[count]
    if story.kind == "time":
        time = question[3:-1]
        return next(f[-1] for f in facts if question[2] in f and f[: len(time)] == time)
    if story.kind == "path":
        start, goal = question[6], question[9]
        for f in facts:
            if {f[1], f[6]} == {start, goal}:
                back = {"north": "south", "south": "north", "east": "west", "west": "east"}
                return f[3] if f[1] == goal else back[f[3]]
    last = None
    for f in facts:
        f = f[1:] if f[0] == "then" else f
        who = last if f[0] in ("she", "he") else f[0]
        last = who
        if "took" in f:
            has[f[3]] = who
            at.setdefault(f[3], []).extend(at.get(who, [])[-1:])
        else:
            for one in (who, *(thing for thing, owner in has.items() if owner == who)):
                at.setdefault(one, []).append(f[-1])
    if story.kind == "who has an object":
        return has[question[3]]
    about = question[-2] if story.kind != "where was it before" else question[3]
    return at[about][-2 if story.kind == "where was it before" else -1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("world", [TRAINING, TESTING], ids=["training", "testing"])
def test_the_answer_follows_from_the_story(kind, world):
    stories = make_stories(150, 7, [kind], world)
    assert [s.answer for s in stories] == [worked_out(s) for s in stories]
    assert len({s.answer for s in stories}) >= 2
    assert sum(last_mentioned(s) == s.answer for s in stories) < 0.75 * len(stories), (
        "too easy to guess"
    )


def test_every_answer_is_marked_at_its_tokens(tokenizer):
    stories = make_stories(45, 1)
    batch = encode_questions([as_question(s) for s in stories], tokenizer)
    for story, ids, start, end in zip(
        stories, batch["input_ids"], batch["starts"], batch["ends"], strict=True
    ):
        assert tokenizer.decode(ids[start : end + 1]) == story.answer.lower()


SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Distillation",
            "paragraphs": [
                {
                    "context": "A teacher teaches. The student is smaller than the teacher.",
                    "qas": [
                        {
                            "id": "1",
                            "question": "Who teaches?",
                            "answers": [{"text": "A teacher", "answer_start": 0}],
                        },
                        {
                            "id": "2",
                            "question": "Who sleeps?",
                            "answers": [],
                            "is_impossible": True,
                        },
                    ],
                }
            ],
        }
    ],
}


def test_squad_files_and_folders_are_read_alike(tmp_path):
    (tmp_path / "squad.json").write_text(json.dumps(SQUAD), encoding="utf-8")
    from_file = read_squad(tmp_path / "squad.json")
    assert [q.answers for q in from_file] == [("A teacher",), ()]
    datasets = pytest.importorskip("datasets")
    rows = [
        {
            "question": q.question,
            "context": q.context,
            "answers": {"text": [*q.answers], "answer_start": [*q.starts]},
        }
        for q in from_file
    ]
    datasets.Dataset.from_list(rows).save_to_disk(tmp_path / "folder")
    assert read_squad(tmp_path / "folder") == from_file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not in SQuAD's format"),
        ('{"data": [{"title": "x"}]}', "not in SQuAD's format .*paragraphs"),
        ('{"data": []}', "no questions"),
        (
            json.dumps(SQUAD).replace('"answer_start": 0', '"answer_start": 3'),
            "question '1': the answer 'A teacher'",
        ),
    ],
)
def test_a_file_that_is_not_squads_is_said(tmp_path, text, message):
    (tmp_path / "squad.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_squad(tmp_path / "squad.json")
    with pytest.raises(ValueError, match="No such file"):
        read_squad(tmp_path / "none.json")


def test_answers_are_compared_as_squad_compares_them():
    assert exact_match("The Kitchen.", ["kitchen"]) == 1 and exact_match("garden", ["kitchen"]) == 0
    assert exact_match("", []) == 1 and exact_match("kitchen", []) == 0
    assert answer_f1("in the kitchen", ["kitchen"]) == pytest.approx(2 / 3)
    assert answer_f1("", []) == 1 and answer_f1("", ["kitchen"]) == 0


def test_one_s_own_questions_are_learned_and_a_long_text_is_read_in_parts(tmp_path, tokenizer):
    filler = "nothing happens here . " * 120  # longer than one part
    question = Question(
        "who wins ?", filler + "in the end Mary wins .", ("Mary",), (len(filler) + 11,)
    )
    batch = encode_questions([question], tokenizer)
    assert len(batch["of"]) >= 2 and int((batch["starts"] > 0).sum()) >= 1
    (tmp_path / "squad.json").write_text(json.dumps(SQUAD), encoding="utf-8")
    reader = load_reader(3, 2, squad=tmp_path / "squad.json", precision="float32")
    assert isinstance(reader, Reader)
    for sub_model in (None, SubModel(2, 0.25)):
        answers = reader.answer_questions(
            [question, *read_squad(tmp_path / "squad.json")], sub_model
        )
        assert len(answers) == 3 and all(
            a in question.context + SQUAD["data"][0]["paragraphs"][0]["context"] for a in answers
        )
        assert set(reader.score([question], sub_model)) == {"exact_match", "f1"}
    assert torch.isfinite(torch.tensor(reader.log[-1]["loss"]))
