"""The tutorial of one's own BERT runs as printed; teachers and texts of other kinds as well."""

import json
import re

import numpy as np
import own_bert
import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertModel

from tinybert_l import Family, SubModel, distil
from tinybert_l.cli.app import main
from tinybert_l.errors import InvalidInput
from tinybert_l.method import budgets
from tinybert_l.method.cached_model import quiet_loading
from tinybert_l.method.data import Table
from tinybert_l.method.export import OnnxClassifier
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.own_texts import Columns, read_own_texts
from tinybert_l.method.teacher import TeacherRecipe, load_teacher
from tinybert_l.method.vocabulary import prune_vocabulary

PAGE = "docs/tutorials/your-own-bert.md"
ORDER = list(own_bert.TOPICS)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with a fine-tuned BERT and a CSV file of one's own."""
    folder = tmp_path_factory.mktemp("own")
    own_bert.make_own_bert(folder / "my-bert", num_layers=3)
    own_bert.write_csv(folder / "my.csv")
    return folder


def run_tutorial(checkout, **changes):
    page = (checkout / PAGE).read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(program.splitlines()) <= 20
    changes = {"max_latency_ms=5": "max_latency_ms=1000", **changes}
    for old, new in changes.items():
        assert program.count(old) == 1
        program = program.replace(old, new)
    names = {}
    exec(compile(program, PAGE, "exec"), names)
    return names


def check_files(folder):
    """The exported files have the classes in the teacher's order and compute the same."""
    with quiet_loading():
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert list(model.config.id2label.values()) == ORDER
    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = tokenizer([text for text, _ in own_bert.rows()], padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = model(batch["input_ids"], batch["attention_mask"]).logits.numpy()
    got = OnnxClassifier(folder / "model.onnx")(batch["input_ids"], batch["attention_mask"])
    assert np.abs(got - expected).max() < 1e-4
    numbers = json.loads((folder / "numbers.json").read_text())
    assert numbers["task"] == "Classes of the user's own texts: 0 sport, 1 food, 2 money."
    assert numbers["chance"] == pytest.approx(1 / 3)


def test_the_tutorial_in_short(own, checkout, monkeypatch, capsys):
    monkeypatch.chdir(own)
    monkeypatch.setitem(budgets.BUDGETS, "quick", 8)
    names = run_tutorial(checkout, **{"onnx-int8": "torch"})
    check_files(own / "my-small-bert")
    shown = capsys.readouterr().out
    assert "96 to train, 12 to validate, 27 to test" in shown
    assert "8 steps of about" in shown and "a constant answer gets 33.3%" in shown
    assert names["best"] in names["family"].sub_models
    (command,) = re.findall(r"tinybert-l (distil .*)", (checkout / PAGE).read_text())
    command = command.replace("--max-latency-ms 5", "--max-latency-ms 1000")
    done = CliRunner().invoke(main, command.split(), catch_exceptions=False)
    assert done.exit_code == 0 and "is read, not trained" in done.output
    assert "chosen: " in done.output and (own / "my-family" / "chosen" / "model.onnx").is_file()


@pytest.mark.nightly
def test_the_tutorial_with_twelve_layers_as_it_is_printed(tmp_path, checkout, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own_bert.make_own_bert(tmp_path / "my-bert", num_layers=12)
    own_bert.write_csv(tmp_path / "my.csv")
    names = run_tutorial(checkout)
    check_files(tmp_path / "my-small-bert")
    assert {s.depth for s in names["family"].sub_models} == {12, 6, 4}
    assert names["family"].evaluate(0.05).rows[1].accuracy > 0.9


def test_another_call_in_the_folder_is_refused_and_the_family_can_be_read(own, monkeypatch):
    monkeypatch.setitem(budgets.BUDGETS, "quick", 3)
    folder = own / "families"
    options = {"folder": folder, "quiet": True, "widths": (1.0,), "depths": (1,)}
    family = distil(own / "my-bert", own / "my.csv", budget="quick", **options)
    assert [s.name for s in family.sub_models] == ["1x1", "3x1"]
    with pytest.raises(InvalidInput, match="budget quick, now standard"):
        distil(own / "my-bert", own / "my.csv", budget="standard", **options)
    read = Family.load(folder)
    ids = torch.ones(1, 3, dtype=torch.long)
    for sub_model in family.sub_models:
        logits = [f.model(ids, sub_model=sub_model).logits for f in (family, read)]
        assert torch.allclose(*logits, atol=1e-6)  # rounding depends on where weights lie in memory
    for name, weights in family.model.state_dict().items():
        assert torch.equal(weights, read.model.state_dict()[name]), name
    with pytest.raises(InvalidInput, match="none was chosen"):
        read.export(own / "nowhere")
    with pytest.raises(InvalidInput, match=r"sub_model=2x0\.5"):
        read.export(own / "nowhere", SubModel(2, 0.5))
    with pytest.raises(InvalidInput, match="no family is here"):
        Family.load(own)


def test_another_architecture_teaches_by_its_answers_and_texts_need_no_labels(own, monkeypatch):
    monkeypatch.setitem(budgets.BUDGETS, "quick", 3)
    roberta = own_bert.make_own_roberta(own / "my-roberta")
    texts = [text for text, _ in own_bert.rows()]
    options = {"folder": own / "by-answers", "budget": "quick", "quiet": True, "widths": (1.0,)}
    with pytest.raises(InvalidInput, match="the teacher is a roberta"):
        distil(roberta, texts, **options)
    encoder = BertModel.from_pretrained(own / "my-bert")
    encoder.save_pretrained(own / "encoder")
    AutoTokenizer.from_pretrained(own / "my-bert").save_pretrained(own / "encoder")
    family = distil(roberta, texts, student=own / "encoder", **options)
    assert list(family.model.config.id2label.values()) == ORDER
    assert family.evaluate(0.01).measure == "agreement with the teacher"
    with pytest.raises(InvalidInput, match="lacks classifier"):
        distil(own / "encoder", texts, **options)


def test_a_fine_tuned_checkpoint_keeps_head_names_and_order(own):
    table = Table(str(own / "my.csv"))
    teacher = load_teacher(TeacherRecipe(checkpoint=str(own / "my-bert"), table=table))
    assert list(teacher.model.config.id2label.values()) == ORDER != sorted(ORDER)
    assert teacher.metrics["steps"] == 0 and teacher.metrics["test_accuracy"] > 0.9
    with quiet_loading():
        before = AutoModelForSequenceClassification.from_pretrained(own / "my-bert")
    assert torch.equal(teacher.model.classifier.weight, before.classifier.weight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "roberta"}, "a roberta checkpoint"),
        ({"id2label": {"0": "a", "1": "b", "2": "c"}}, "labels food, money, sport are none of"),
        ({"problem_type": "multi_label_classification"}, "problem_type multi_label"),
    ],
)
def test_what_cannot_teach_is_refused_before_anything_is_trained(change, message, own, tmp_path):
    for name in ("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((own / "my-bert" / name).read_bytes())
    settings = json.loads((tmp_path / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(settings))
    recipe = TeacherRecipe(checkpoint=str(tmp_path), table=Table(str(own / "my.csv")))
    with pytest.raises(InvalidInput, match=message):
        load_teacher(recipe)


def test_texts_are_cut_as_before_after_the_vocabulary_was_pruned(own):
    tokenizer = AutoTokenizer.from_pretrained(own / "my-bert")
    with quiet_loading():
        bert = AutoModelForSequenceClassification.from_pretrained(own / "my-bert")
    texts = [text for text, _ in own_bert.rows()]
    pruned = prune_vocabulary(elastic_copy(bert), tokenizer, texts, len(tokenizer) - 3)
    assert pruned.model_max_length == 40
    assert len(pruned("soup " * 90, truncation=True)["input_ids"]) == 40


ROWS = [{"text": f"a text about {word} {n}", "label": word} for word in "abc" for n in range(10)]


def written(folder, kind):
    path = folder / f"texts.{kind}"
    if kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, ROWS)))
    elif kind == "json":
        path.write_text(json.dumps(ROWS))
    elif kind == "parquet":
        pandas = pytest.importorskip("pandas")
        pandas.DataFrame(ROWS).to_parquet(path)
    else:
        sign = {"csv": ",", "tsv": "\t", "txt": ";"}[kind]
        lines = [sign.join(row.values()) for row in [{"a": "text", "b": "label"}, *ROWS]]
        path.write_text("\n".join(lines), encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "jsonl", "json", "parquet"])
def test_texts_of_every_kind_are_read_and_split_label_by_label(kind, tmp_path):
    texts = read_own_texts(written(tmp_path, kind), Columns())
    assert texts == read_own_texts(ROWS, Columns())
    for name, count in (("test", 2), ("validation", 1), ("train", 7)):
        labels = [label for _, label in texts.splits[name]]
        assert sorted(labels) == sorted("abc" * count)


def test_a_data_set_is_read_with_the_names_of_its_classes(tmp_path):
    datasets = pytest.importorskip("datasets")
    numbered = [{"text": row["text"], "label": "abc".index(row["label"])} for row in ROWS]
    data = datasets.Dataset.from_list(numbered)
    data = data.cast_column("label", datasets.ClassLabel(names=list("abc")))
    data.save_to_disk(str(tmp_path / "saved"))
    expected = read_own_texts(ROWS, Columns())
    assert read_own_texts(data, Columns()) == expected
    assert read_own_texts(tmp_path / "saved", Columns()) == expected
    halves = {"train": ROWS[:25], "test": ROWS[20:]}
    split = read_own_texts(halves, Columns())
    assert len(split.splits["test"]) == 10 and split.repeated == 5


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (ROWS[:5], "5 different ones; allowed: at least 20"),
        ([*ROWS, "no label"], "1 of 31 have no label"),
        ([{"body": "x"}], "no column text; there are: body"),
        ([("x", "y")], "row 1: a tuple, .*; allowed: a text, or a dictionary"),
        ({"text": ["x"], "label": ["y"]}, "give pandas.DataFrame"),
        ([{"text": " "}], "the text is ' '"),
        ({"dev": ROWS}, "splits dev; allowed: train"),
        (3, "a int; allowed: a file"),
        ("nothing.jsonl", "no such file"),
        ("nothing.xlsx", "no such file"),
    ],
)
def test_texts_that_cannot_be_read_are_refused(source, message):
    with pytest.raises(InvalidInput, match=message):
        read_own_texts(source, Columns())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\nWell, it is,the soup 3,food\n", "line 2: more fields than the header"),
        ("text,label,label\na,b,c\n", "names label twice"),
    ],
)
def test_faults_of_a_table_are_said_with_their_line(content, message, tmp_path):
    path = tmp_path / "faulty.csv"
    path.write_text(content)
    with pytest.raises(InvalidInput, match=message):
        read_own_texts(path, Columns())
