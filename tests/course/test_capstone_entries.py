"""Entries that the library makes compute what their models compute; the baseline notebook."""

import json

import nbformat
import numpy as np
import pytest
import warm
from conftest import small_bert
from own_bert import make_tokenizer as make_small_tokenizer
from transformers import AutoTokenizer

from tinybert_l.course.capstone import bag
from tinybert_l.course.capstone.asking import Sentences
from tinybert_l.course.capstone.baseline import NOTEBOOK, write_baseline
from tinybert_l.course.capstone.classifier import Classifier
from tinybert_l.course.capstone.description import Description
from tinybert_l.course.capstone.entries import MAX_TOKENS, write_entry, write_first_entries
from tinybert_l.course.capstone.folder import Entry, read_entry
from tinybert_l.course.capstone.rules import CONFIG, LABELS, ONNX_MODEL, EntryRefused
from tinybert_l.course.capstone.vocabulary import make_tokenizer, read_pieces
from tinybert_l.errors import InvalidInput
from tinybert_l.grading.league.judge import score_in_sandbox
from tinybert_l.grading.outside.sandbox import problem
from tinybert_l.method.data import Split, embedded_teacher_path, encode
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.teacher import predict_logits
from tinybert_l.submodels import SubModel

SENTENCES = ["The match of week 3!", "Émile's soup isn't bad…", "电影 unaffable", "goal " * 200]
SUB_MODEL = SubModel(2, 0.5)
SPLIT = Split(SENTENCES, [0, 1, 0, 1])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A BERT of six narrow layers, and its tokenizer."""
    tokenizer = make_small_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    return small_bert(vocab_size=len(tokenizer), max_position_embeddings=MAX_TOKENS), tokenizer


@pytest.fixture(scope="module")
def written(small, tmp_path_factory) -> Entry:
    bert, tokenizer = small
    folder = tmp_path_factory.mktemp("written") / "entry"
    write_entry(folder, "small", elastic_copy(bert), SUB_MODEL, tokenizer, int8=False)
    return read_entry(folder)


def logits(files: dict[str, bytes]) -> np.ndarray:
    classifier = Classifier(files)
    return np.stack([classifier.logits(sentence) for sentence in SENTENCES])


def expected(model, tokenizer) -> np.ndarray:
    return predict_logits(model, encode(SPLIT, tokenizer, MAX_TOKENS)).numpy()


def test_an_entry_cuts_texts_as_its_tokenizer_does():
    tokenizer = AutoTokenizer.from_pretrained(embedded_teacher_path())
    by_id = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    pieces = read_pieces("\n".join(by_id).encode())
    own = make_tokenizer(pieces, Description("x", LABELS, True, MAX_TOKENS))
    ids = [own.encode(sentence).ids for sentence in SENTENCES]
    assert ids == tokenizer(SENTENCES, truncation=True, max_length=MAX_TOKENS)["input_ids"]


def test_an_onnx_entry_computes_what_the_sub_model_computes(small, written):
    bert, tokenizer = small
    model = extract(elastic_copy(bert), SUB_MODEL).eval()
    assert np.abs(logits(written.files) - expected(model, tokenizer)).max() < 1e-4


@pytest.mark.parametrize("kind", ["bert", "elastic_bert"])
def test_safetensors_compute_what_was_saved(small, written, tmp_path, kind):
    bert, tokenizer = small
    model = bert if kind == "bert" else extract(elastic_copy(bert), SUB_MODEL).eval()
    model.save_pretrained(tmp_path)
    files = {name: raw for name, raw in written.files.items() if name != ONNX_MODEL}
    files |= {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert json.loads(files[CONFIG])["model_type"] == kind
    assert np.abs(logits(files) - expected(model, tokenizer)).max() < 1e-5
    files[CONFIG] = files[CONFIG].replace(b'"intermediate_size": ', b'"intermediate_size": 1')
    with pytest.raises(EntryRefused, match="do not fit"):
        Classifier(files)


def test_the_floor_of_the_norms_is_that_of_the_configuration(small, written, tmp_path):
    """What changes an answer is read from config.json, or refused; it is never passed over."""
    _, tokenizer = small
    model = small_bert(
        vocab_size=len(tokenizer), max_position_embeddings=MAX_TOKENS, layer_norm_eps=0.1
    )
    model.save_pretrained(tmp_path)
    files = {name: raw for name, raw in written.files.items() if name != ONNX_MODEL}
    files |= {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert np.abs(logits(files) - expected(model, tokenizer)).max() < 1e-5


@pytest.mark.nightly
@pytest.mark.skipif(problem() is not None, reason=f"no sandbox here: {problem()}")
@pytest.mark.parametrize("kind", ["bert", "elastic_bert"])
def test_safetensors_are_judged_in_the_sandbox(small, written, tmp_path, kind):
    bert, tokenizer = small
    model = bert if kind == "bert" else extract(elastic_copy(bert), SUB_MODEL).eval()
    model.save_pretrained(tmp_path)
    files = {name: raw for name, raw in written.files.items() if name != ONNX_MODEL}
    files |= {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    entry = Entry(written.description, files, "x")
    labels = expected(model, tokenizer).argmax(-1).tolist()
    assert score_in_sandbox(entry, Sentences(SENTENCES, labels), None).hits == [1] * len(SENTENCES)


@pytest.mark.nightly
def test_the_first_entries_keep_the_rules(small, tmp_path):
    bert, tokenizer = small
    elastic_copy(bert).save_pretrained(tmp_path / "student")
    tokenizer.save_pretrained(tmp_path / "student")
    paths = write_first_entries(tmp_path / "first", tmp_path / "student")
    names = [read_entry(path).description.name for path in paths]
    assert names == ["bag of words", "TinyBERT-L 2x0.25 int8", "TinyBERT-L 3x0.5 int8"]
    for path in paths:
        assert np.isfinite(logits(read_entry(path).files)).all()


def decision(fit: bag.Fit, ids: list[int]) -> float:
    """The log odds of the second class, computed without the graph."""
    grams = [(piece,) for piece in ids] + [(ids[n], ids[n + 1]) for n in range(len(ids) - 1)]
    counts = np.array([grams.count(gram) for gram in fit.grams])
    weighted = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * fit.idf
    return float(weighted @ fit.weights / np.linalg.norm(weighted) + fit.bias)


def test_the_graph_of_a_bag_computes_the_regression_that_scikit_learn_fitted(tmp_path):
    chance = np.random.default_rng(0)
    ids = {name: chance.integers(4, 30, (80, 9)).tolist() for name in ("train", "validation")}
    splits = {}
    for name, rows in ids.items():
        splits[name] = Split([""] * 80, [int(row[0] > 16 or row[3] > 22) for row in rows])
    fit = bag.best_fit(ids, splits)
    labels = splits["validation"].labels
    right = [
        (decision(fit, row) > 0) == label
        for row, label in zip(ids["validation"], labels, strict=True)
    ]
    assert 0.55 < fit.accuracy == np.mean(right)  # scikit-learn's own count
    bag.write_graph(tmp_path / ONNX_MODEL, fit)
    from onnxruntime import InferenceSession

    session = InferenceSession(str(tmp_path / ONNX_MODEL))
    for row in ids["validation"][:20]:
        given = np.array([[2, *row, 3]], np.int64)  # the ends are no features
        (answer,) = session.run(None, {"input_ids": given})[0]
        assert answer[1] - answer[0] == pytest.approx(decision(fit, row), abs=1e-4)
    (unknown,) = session.run(None, {"input_ids": np.array([[2, 99, 3]], np.int64)})[0]
    assert unknown[1] - unknown[0] == pytest.approx(fit.bias, abs=1e-5)  # and no NaN


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_baseline_notebook_is_bilingual_and_has_no_outputs(notebook):
    nbformat.validate(notebook)
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"
    tags = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
            compile(cell.source, cell.id, "exec")
        else:
            tags += cell.metadata.tags
    assert tags == ["lang-zh", "lang-en"] * (len(tags) // 2) and len(tags) >= 10


def test_a_baseline_notebook_is_never_replaced(tmp_path):
    path = write_baseline(tmp_path / "mine")
    path.write_text("my work")
    with pytest.raises(InvalidInput, match="exists already"):
        write_baseline(tmp_path / "mine")
    assert path.read_text() == "my work"


@pytest.mark.nightly
def test_the_baseline_notebook_runs_to_a_valid_entry(notebook, tmp_path):
    """At its quick size, which shows that the steps work; its entry keeps the rules."""
    for cell in notebook.cells:
        cell.source = cell.source.replace("QUICK = False", "QUICK = True")
    warm.run_notebook(notebook, tmp_path, timeout=900)
    shown = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", output
            shown.append(output.get("text", ""))
    assert "to hand in" in "".join(shown)
    assert read_entry(tmp_path / "entry").size < 8e6
