"""Uses of docs/reference/ecosystem.md with texts and teachers of one's own; the page itself."""

import re
from typing import Any

import own_bert
import pandas
import pytest
import torch
import transformers
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from tinybert_l import begin, distil
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.registry import exercises
from tinybert_l.method import budgets
from tinybert_l.method.any_teacher import OwnTeacher
from tinybert_l.method.cached_model import quiet_loading
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.own_teacher import class_numbers
from tinybert_l.method.own_texts import Columns, describe, read_own_texts, report_lines
from tinybert_l.method.recipe import stages_of
from tinybert_l.submodels import SubModel

ROWS = [{"text": text, "label": label} for text, label in own_bert.rows()]
TEXTS = [row["text"] for row in ROWS]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with a small fine-tuned BERT of one's own."""
    folder = tmp_path_factory.mktemp("own")
    own_bert.make_own_bert(folder / "bert", num_layers=2)
    return folder


@pytest.fixture(scope="module")
def bert(own):
    with quiet_loading():
        return AutoModelForSequenceClassification.from_pretrained(own / "bert").eval()


@pytest.fixture(scope="module")
def tokenizer(own):
    return AutoTokenizer.from_pretrained(own / "bert")


@pytest.mark.parametrize("use", ["data set", "stream", "frame", "categories", "generator"])
def test_rows_of_every_holder_are_read_alike(use):
    frame = pandas.DataFrame(ROWS)
    source = {
        "data set": lambda: Dataset.from_list(ROWS),
        "stream": lambda: Dataset.from_list(ROWS).to_iterable_dataset(),
        "frame": lambda: frame,
        "categories": lambda: frame.astype({"label": "category"}),
        "generator": lambda: (row for row in ROWS),
    }[use]()
    assert read_own_texts(source, Columns()) == read_own_texts(ROWS, Columns())


def test_texts_alone_come_from_lists_series_and_generators():
    expected = read_own_texts(TEXTS, Columns())
    assert not expected.are_labelled
    nothing = pandas.DataFrame({"text": TEXTS, "label": [float("nan")] * len(TEXTS)})
    for source in (pandas.Series(TEXTS), iter(TEXTS), nothing):
        assert read_own_texts(source, Columns()) == expected


@pytest.mark.parametrize("missing", [None, float("nan"), pandas.NA])
def test_a_label_that_is_missing_is_no_class(missing):
    rows = [*ROWS, {"text": "one more", "label": missing}]
    with pytest.raises(InvalidInput, match="1 of 136 have no label"):
        read_own_texts(rows, Columns())


def test_a_named_column_that_is_not_there_is_refused(tmp_path):
    path = own_bert.write_csv(tmp_path / "my.csv")
    for source in (ROWS, path):
        with pytest.raises(InvalidInput, match=r"no column topic; there are: text, label"):
            read_own_texts(source, Columns(label="topic"))


def test_the_report_says_what_the_texts_are_like(tokenizer):
    rows = [*ROWS, ROWS[0], {"text": TEXTS[1], "label": "food"}, {"text": "soup " * 60}]
    rows[-1]["label"] = "food"
    facts = describe(read_own_texts(rows, Columns()), tokenizer, 20)
    report = "\n".join(report_lines(facts))
    assert "2 repeated rows left out" in report
    assert "1 texts have several labels" in report
    assert re.search(r"[1-9]% are cut at 20 tokens", report)
    assert re.search(r"train: food \d+, money \d+, sport \d+", report)
    plain = report_lines(describe(read_own_texts(TEXTS, Columns()), tokenizer, 20))
    assert "agreement with the teacher" in "\n".join(plain)


def test_labels_find_their_class_as_written_first_then_by_letters_then_by_number():
    assert class_numbers(["US", "us", "them"], ["us", "US", "THEM"], "") == {
        "us": 1,
        "US": 0,
        "THEM": 2,
    }
    assert class_numbers(["1", "0"], ["0", "1"], "") == {"0": 1, "1": 0}
    assert class_numbers(["LABEL_0", "LABEL_1"], ["1", "label_0"], "") == {"1": 1, "label_0": 0}
    with pytest.raises(InvalidInput, match="the labels maybe are none of"):
        class_numbers(["yes", "no"], ["maybe"], "")


@pytest.mark.parametrize("num_layers", range(1, 25))
def test_any_number_of_layers_has_stages_of_its_own(num_layers):
    depths = set()
    for _, opened in stages_of(num_layers, None, (1.0, 0.5)):
        depths |= {sub_model.depth for sub_model in opened}
    assert depths == {num_layers, max(1, num_layers // 2), max(1, num_layers // 3)}


def test_a_quick_run_of_a_slow_model_takes_fewer_steps():
    assert budgets.num_steps("quick", 0.1) == 60
    assert budgets.num_steps("quick", 4.0) == 30
    assert budgets.num_steps("quick", 100.0) == budgets.FEWEST_STEPS


def test_distil_trains_by_the_methods_own_functions_whatever_answers_are_installed(
    own, bert, tokenizer, monkeypatch
):
    """A wrong answer to any exercise is never called."""
    monkeypatch.setitem(budgets.BUDGETS, "quick", 2)
    begin(11, demo=True)

    def wrong(*_, **__):
        raise AssertionError("a student's answer was called")

    for entry in exercises().values():
        entry.replace_answer(wrong)
    rows = {"train": ROWS[::3], "validation": ROWS[1:9], "test": ROWS[10:18]}
    options = {"depths": (1,), "widths": (1.0, 0.5), "folder": own / "family"}
    family = distil(bert, rows, tokenizer=tokenizer, budget="quick", quiet=True, **options)
    assert family.evaluate(0.001).rows[1].accuracy > 0
    chosen = family.choose(1e6, seconds=0.001)
    family.export(own / "out", SubModel(1))
    assert chosen in family.sub_models and family.model.config.layers_by_depth == [[1], [0, 1]]
    assert list(family.model.config.id2label.values()) == list(own_bert.TOPICS)


def test_a_pipeline_cuts_pads_and_ranks_as_with_bert(bert, tokenizer):
    settings = {"top_k": None, "batch_size": 4, "truncation": True}
    texts = [*TEXTS[:6], "", "soup " * 100]
    answers = []
    for model in (bert, elastic_copy(bert)):
        ask = pipeline("text-classification", model=model, tokenizer=tokenizer)
        answers.append(ask(texts, **settings))
    for expected, answer in zip(*answers, strict=True):
        assert [row["label"] for row in expected] == [row["label"] for row in answer]
        for known, row in zip(expected, answer, strict=True):
            assert known["score"] == pytest.approx(row["score"], abs=1e-5)
    with pytest.raises(InvalidInput, match="length 102; allowed: at most 40"):
        ask("soup " * 100)


def test_a_sub_model_is_extracted_before_it_goes_into_a_pipeline(bert, tokenizer):
    """transformers takes `sub_model=` for an option of the tokenizer, and drops it."""
    model = elastic_copy(bert)
    scores = {}
    for name, part in (("whole", model), ("part", extract(model, SubModel(1, 0.25)))):
        ask = pipeline("text-classification", model=part, tokenizer=tokenizer)
        scores[name] = ask(TEXTS[0])[0]["score"]
    batch = tokenizer(TEXTS[:1], return_tensors="pt")
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    logits = model(**inputs, sub_model=SubModel(1, 0.25)).logits
    assert scores["part"] == pytest.approx(float(logits.softmax(-1).max()), abs=1e-5)
    assert scores["part"] != pytest.approx(scores["whole"], abs=1e-4)


ARCHITECTURES = [
    "Roberta",
    "XLMRoberta",
    "Albert",
    "Electra",
    "DistilBert",
    "MPNet",
    "DebertaV2",
    "MobileBert",
    "ModernBert",
    "GPT2",
    "XLNet",
    "FNet",
]


def test_a_teacher_with_encoder_and_decoder_is_refused(own, tokenizer):
    sizes = {"d_model": 8, "d_ff": 8, "num_layers": 1, "num_heads": 2, "d_kv": 4}
    config = transformers.T5Config(vocab_size=len(tokenizer), **sizes)
    teacher = AutoModelForSequenceClassification.from_config(config)
    with pytest.raises(InvalidInput, match="a t5, which has an encoder and a decoder"):
        distil(teacher, ROWS, tokenizer=tokenizer, student=own / "bert")


@pytest.mark.nightly
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_teacher_of_any_architecture_teaches_by_its_answers(
    name, own, tokenizer, monkeypatch, tmp_path
):
    monkeypatch.setitem(budgets.BUDGETS, "quick", 2)
    torch.manual_seed(0)
    teacher = AutoModelForSequenceClassification.from_config(settings_of(name, len(tokenizer)))
    teacher.eval()  # `distil` leaves the user's own as it is
    rows = {"train": ROWS[::2], "validation": ROWS[1:20:2], "test": ROWS[21:60:2]}
    options = {"budget": "quick", "quiet": True, "depths": (1,), "widths": (1.0,)}
    options |= {"tokenizer": tokenizer, "folder": tmp_path / "family"}
    with pytest.raises(InvalidInput, match="of which no BERT can be copied"):
        distil(teacher, rows, **options)
    family = distil(teacher, rows, student=own / "bert", **options)
    assert list(family.model.config.id2label.values()) == list(own_bert.TOPICS)
    logits = OwnTeacher(teacher, tokenizer).logits(TEXTS[:6], 40)
    for text, row in zip(TEXTS, logits, strict=False):
        alone = teacher(input_ids=torch.tensor([tokenizer(text)["input_ids"]])).logits[0]
        assert torch.allclose(row, alone, atol=1e-4), "padding changes no answer"


def settings_of(name, vocabulary):
    """A narrow configuration of an architecture, with its own names of sizes."""
    names = own_bert.names() | {"vocab_size": vocabulary}
    if name == "GPT2":
        sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 44, "pad_token_id": 0}
    elif name == "XLNet":
        sizes = {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48}
    elif name == "DistilBert":
        sizes = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}
        sizes |= {"max_position_embeddings": 44, "pad_token_id": 0}
    else:
        sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2}
        sizes |= {"num_attention_heads": 4} if name != "FNet" else {}
        sizes |= {"intermediate_size": 48, "max_position_embeddings": 44, "pad_token_id": 0}
        sizes |= {"embedding_size": 16} if name in ("Albert", "Electra") else {}
        if name == "MobileBert":
            sizes |= {"embedding_size": 32, "intra_bottleneck_size": 32}
        if name == "ModernBert":
            sizes |= {"global_attn_every_n_layers": 1}
    return getattr(transformers, f"{name}Config")(**names, **sizes)


def test_every_row_of_the_page_names_a_test_that_there_is(checkout):
    page = (checkout / "docs/reference/ecosystem.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and "`tests/" in line]
    assert len(rows) >= 50
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for file, test in named:
            assert f"def {test}(" in (checkout / file).read_text(encoding="utf-8"), row
