"""Teachers, texts and families that cannot be used are refused by name before anything is made."""

import copy
import json

import numpy as np
import pandas
import pytest
import torch
from conftest import small_bert
from own_bert import make_tokenizer, rows
from transformers import BertForMultipleChoice, BertForTokenClassification, BertModel

from tinybert_l.errors import InvalidInput
from tinybert_l.method.any_teacher import load_own_teacher
from tinybert_l.method.budgets import num_steps, plain_budget
from tinybert_l.method.distil import _whole, _Work, distil
from tinybert_l.method.family import Family
from tinybert_l.method.family_folder import alone_in, require_space
from tinybert_l.method.own_teacher import class_names, class_numbers
from tinybert_l.method.own_texts import Columns, read_own_texts
from tinybert_l.method.timing import measure_in_turns

TEXTS = [text for text, _ in rows()]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture
def bert(tokenizer):
    return small_bert(num_hidden_layers=1, vocab_size=len(tokenizer))


def test_numbers_of_numpy_are_numbers_and_other_values_are_refused():
    assert _whole("seed", np.int64(3), 0) == 3 and type(plain_budget(np.float32(2))) is float
    assert num_steps(np.float64(1), 0.5) == 120 and num_steps("standard", 9) == 400
    for value in (True, 3.0, "3", None, -1):
        with pytest.raises(InvalidInput, match="distil: seed="):
            _whole("seed", value, 0)
    for value in (0, -1, float("nan"), float("inf"), "Quick", None, [1], True):
        with pytest.raises(InvalidInput, match="distil: budget="):
            plain_budget(value)


@pytest.mark.parametrize("option", [{"seconds": float("inf")}, {"seconds": "1"}, {"seconds": -1}])
def test_a_time_that_never_ends_is_refused(option):
    with pytest.raises(InvalidInput, match="measure: seconds="):
        measure_in_turns({"a": lambda: None}, **option)


@pytest.mark.parametrize("folder", [None, 3])
def test_a_folder_is_a_path(bert, tokenizer, folder):
    with pytest.raises(InvalidInput, match="distil: folder="):
        distil(bert, TEXTS, tokenizer=tokenizer, folder=folder)


def test_classes_whose_numbers_are_not_those_of_the_outputs_are_refused(bert):
    bert.config.id2label = {1: "sport", 5: "food"}
    with pytest.raises(InvalidInput, match=r"id2label: names of the classes 1, 5; .* from 0 to 1"):
        class_names(bert.config)


def test_of_many_unknown_labels_a_few_are_named():
    with pytest.raises(InvalidInput) as caught:
        class_numbers(["a", "b"], [f"label {number}" for number in range(200)], "The texts")
    assert "(200 in all)" in str(caught.value) and len(str(caught.value)) < 500


def test_a_tokenizer_with_more_pieces_than_the_teacher_is_refused(bert, tokenizer):
    longer = copy.deepcopy(tokenizer)
    longer.add_tokens(["x1"])
    teacher = load_own_teacher(bert, longer)
    with pytest.raises(InvalidInput, match=r"makes the token id .* teacher's vocabulary"):
        teacher.logits(["x1 soup"], 16)


def test_a_teacher_whose_answers_are_no_numbers_is_refused(bert, tokenizer, tmp_path):
    with torch.no_grad():
        bert.classifier.weight[0, 0] = float("nan")
    teacher = load_own_teacher(bert, tokenizer)
    texts = read_own_texts(TEXTS, Columns())
    work = _Work(teacher, texts, teacher.model, tokenizer, 16, tmp_path)
    with pytest.raises(InvalidInput, match="answers are not finite"):
        work._data()


def test_a_teacher_that_returns_tuples_teaches_and_stays_as_it_is(bert, tokenizer):
    expected = load_own_teacher(bert, tokenizer).logits(TEXTS[:3], 16)
    bert.config.return_dict = False
    assert torch.equal(load_own_teacher(bert, tokenizer).logits(TEXTS[:3], 16), expected)
    assert bert.config.return_dict is False


def test_a_damaged_checkpoint_of_a_teacher_or_a_family_is_named(bert, tokenizer, tmp_path):
    bert.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:300])
    with pytest.raises(InvalidInput, match=r"teacher=.* cannot be read"):
        load_own_teacher(tmp_path)
    for name in ("family.json", "held-out.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(InvalidInput, match=r"folder=.* cannot be read"):
        Family.load(tmp_path)
    bert.save_pretrained(tmp_path)
    with pytest.raises(InvalidInput, match=r"family.json or held-out.json is damaged"):
        Family.load(tmp_path)


@pytest.mark.parametrize(
    ("label", "message"),
    [(np.array([1, 0]), "allowed: one class"), (torch.tensor([1, 0]), "allowed: one class")],
)
def test_several_labels_in_a_row_are_refused_whatever_holds_them(label, message):
    with pytest.raises(InvalidInput, match=message):
        read_own_texts([{"text": text, "label": label} for text in TEXTS], Columns())


def test_labels_of_numpy_and_torch_are_numbers():
    for kind in (np.int64, np.float64, torch.tensor):
        records = [{"text": text, "label": kind(place % 2)} for place, text in enumerate(TEXTS)]
        assert read_own_texts(records, Columns()).labels() == ["0", "1"]


def test_a_text_that_is_none_and_a_damaged_parquet_file_are_named_in_short(tmp_path):
    for text in (None, float("nan"), 5, b"soup", TEXTS):
        with pytest.raises(InvalidInput, match=r"row 1: the text is .* Leave such rows out") as it:
            read_own_texts([{"text": text}], Columns())
        assert len(str(it.value)) < 300
    (tmp_path / "a.parquet").write_bytes(b"PAR1 damaged")
    with pytest.raises(InvalidInput, match=r"a.parquet: no Parquet file that can be read"):
        read_own_texts(tmp_path / "a.parquet", Columns())
    frame = pandas.DataFrame({"text": TEXTS, "label": ["a", "b", "c"] * 45})
    frame["label"] = frame["label"].astype("category")
    assert read_own_texts(frame, Columns()).labels() == ["a", "b", "c"]


def test_a_checkpoint_without_its_tokenizer_is_refused(bert, tmp_path):
    bert.save_pretrained(tmp_path)
    with pytest.raises(InvalidInput, match=r"special tokens alone|cannot be read"):
        load_own_teacher(tmp_path)


def test_a_label_that_names_two_classes_and_an_open_file_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="the label a is the name of several"):
        class_numbers(["a", "a", "b"], ["a", "b"], "The texts")
    (tmp_path / "a.csv").write_text("text,label")
    with (tmp_path / "a.csv").open() as file, pytest.raises(InvalidInput, match="an open file"):
        read_own_texts(file, Columns())


@pytest.mark.parametrize("kind", [BertForTokenClassification, BertForMultipleChoice, BertModel])
def test_a_loaded_model_with_another_head_does_not_teach(kind, bert, tokenizer):
    with pytest.raises(InvalidInput, match=r"not those of a classifier .* shape \(2, 2\)"):
        load_own_teacher(kind(bert.config), tokenizer)


def test_class_numbers_that_are_texts_are_numbers(bert):
    bert.config.id2label = {"1": "food", "0": "sport"}
    assert class_names(bert.config) == ["sport", "food"]


def test_a_header_with_spaces_keeps_its_labels_and_a_line_of_json_its_line_breaks(tmp_path):
    lines = [f"{text.replace(',', '')}, {label}" for text, label in rows()]
    (tmp_path / "a.csv").write_text("\n".join(["text, label", *lines]))
    assert read_own_texts(tmp_path / "a.csv", Columns()).labels() == ["food", "money", "sport"]
    texts = [f"{text}\u2028and\u0085more" for text in TEXTS]
    written = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    (tmp_path / "a.jsonl").write_text("\r\n".join(written), encoding="utf-8", newline="")
    assert read_own_texts(tmp_path / "a.jsonl", Columns()) == read_own_texts(texts, Columns())


def test_splits_of_the_same_texts_are_refused_with_that_reason():
    with pytest.raises(InvalidInput, match="all of train stand in validation or test too"):
        read_own_texts({"train": TEXTS[:30], "test": TEXTS}, Columns())


def test_a_folder_takes_one_run_at_a_time_and_must_have_room(bert, tokenizer, tmp_path):
    options = {"tokenizer": tokenizer, "quiet": True, "folder": tmp_path}
    with alone_in(tmp_path), pytest.raises(InvalidInput, match="another run is at work in"):
        distil(bert, TEXTS, **options)
    (tmp_path / "plan.json").write_text("[]")
    with pytest.raises(InvalidInput, match=r"plan.json: damaged, it names no request"):
        distil(bert, TEXTS, **options)
    (tmp_path / "family.json").write_text("{}")
    with pytest.raises(InvalidInput, match=r"family.json: damaged, it names no request"):
        distil(bert, TEXTS, **options)
    with pytest.raises(InvalidInput, match=r"/proc/x cannot be written to"):
        distil(bert, TEXTS, **options | {"folder": "/proc/x"})
    with pytest.raises(InvalidInput, match=r"MB free; allowed: 7000000000.0 MB"):
        require_space(tmp_path, 10**15)
