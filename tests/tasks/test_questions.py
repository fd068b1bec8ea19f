"""Question answering: answers are found at their tokens, in files of SQuAD and in long texts."""

import json

import pytest
import torch
from transformers import AutoTokenizer

from tinybert_l.cache import recipe_hash
from tinybert_l.method.data import embedded_teacher_path
from tinybert_l.submodels import SubModel
from tinybert_l.tasks import questions
from tinybert_l.tasks.questions import as_question, encode_questions, load_reader
from tinybert_l.tasks.squad import Question, answer_f1, exact_match, read_squad
from tinybert_l.tasks.stories import make_stories


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(embedded_teacher_path())


def test_every_answer_is_marked_at_its_tokens(tokenizer):
    stories = make_stories(45, 1)
    batch = encode_questions(list(map(as_question, stories)), tokenizer)
    rows = zip(stories, batch.inputs["input_ids"], batch.starts, batch.ends, strict=True)
    for story, ids, start, end in rows:
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
def test_a_file_in_another_format_is_refused(tmp_path, text, message):
    (tmp_path / "squad.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_squad(tmp_path / "squad.json")
    with pytest.raises(ValueError, match="No such file"):
        read_squad(tmp_path / "none.json")


def test_answers_are_compared_as_squad_compares_them():
    assert exact_match("The Kitchen.", ["kitchen"]) == 1
    assert exact_match("garden", ["kitchen"]) == 0
    assert exact_match("garden", ["kitchen", "a garden"]) == 1
    assert answer_f1("in the kitchen", ["kitchen"]) == pytest.approx(2 / 3)
    assert answer_f1("in the kitchen", ["garden", "kitchen"]) == pytest.approx(2 / 3)


def test_no_answer_is_right_where_the_text_holds_none():
    assert exact_match("", []) == 1
    assert exact_match("kitchen", []) == 0
    assert answer_f1("", []) == 1
    assert answer_f1("", ["kitchen"]) == 0


def test_ones_own_questions_are_learned_and_a_long_text_is_read_in_parts(tmp_path, tokenizer):
    filler = "nothing happens here . " * 120  # longer than one part
    text = filler + "in the end Mary wins ."
    question = Question("who wins ?", text, ("Mary",), (len(filler) + 11,))
    batch = encode_questions([question], tokenizer)
    assert len(batch.question_of) >= 2
    assert int((batch.starts > 0).sum()) >= 1
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(SQUAD), encoding="utf-8")
    reader = load_reader(3, 2, squad=path, precision="float32")
    asked = [question, *read_squad(path)]
    for sub_model in (None, SubModel(2, 0.25)):
        answers = reader.answer_questions(asked, sub_model)
        for answer, its_question in zip(answers, asked, strict=True):
            assert answer in its_question.context
        assert set(reader.score([question], sub_model)) == {"exact_match", "f1"}
    assert torch.isfinite(torch.tensor(reader.log[-1]["loss"]))


@pytest.mark.parametrize(
    ("arguments", "digits"),
    [
        ({}, "e52c282b00aa"),
        ({"num_steps": 4, "batch_size": 4}, "34896cb19a22"),
        ({"seed": 2, "num_random": 2, "self_distillation": False}, "fd3ad21c208f"),
    ],
)
def test_readers_that_earlier_versions_trained_are_found(monkeypatch, arguments, digits):
    def found(kind, recipe, *_):
        raise KeyError(kind, recipe_hash(recipe))

    monkeypatch.setattr(questions, "cached_model", found)
    with pytest.raises(KeyError) as error:
        load_reader(**arguments)
    assert error.value.args == ("reader", digits)
