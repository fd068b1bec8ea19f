"""Uses with odd inputs: the right result, or one error that names argument, value and limits."""

import copy
import threading
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from conftest import small_bert

from tinybert_l.cache import write_atomically
from tinybert_l.errors import InvalidInput
from tinybert_l.method import own_texts
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.data import Encoded
from tinybert_l.method.export import OnnxClassifier, export_onnx
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.importance import Importance, measure_importance, sort_by_importance
from tinybert_l.method.own_texts import Columns, read_own_texts
from tinybert_l.method.recipe import JointRecipe, stages_of
from tinybert_l.method.run_identity import as_it_was_after_errors
from tinybert_l.method.saving import save_alone
from tinybert_l.method.teacher import predict_logits
from tinybert_l.method.teachers import LiveTeacher
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.decoding import GREEDY, Decoding, draft_and_verify, stream
from tinybert_l.tasks.generation import ElasticBertForCausalLM, causal_model
from tinybert_l.tasks.pretraining import ElasticBertForMaskedLM

SMALL = {"num_hidden_layers": 2, "hidden_size": 16}
HALF = SubModel(2, 0.5)
RECIPE = JointRecipe(((0.0, (SubModel(2),)),), num_steps=2)


@pytest.fixture
def model():
    return elastic_copy(small_bert(**SMALL))


def language_model(kind, **changes):
    config = small_bert(**SMALL).config.to_dict() | changes
    config.pop("model_type")
    torch.manual_seed(0)
    return kind(ElasticBertConfig(**config)).eval()


@pytest.mark.parametrize("width", [1 / 3, 0.1 + 0.2, 0.5, 1e-7])
def test_a_sub_models_name_is_read_back_as_the_same_sub_model(width):
    for sub_model in (SubModel(2, width), SubModel(2, 0.5, width)):
        assert SubModel.parse(sub_model.name) == sub_model
    assert SubModel(2, 0.5).name == "2x0.5"


def test_numbers_of_numpy_become_those_of_python():
    sub_model = SubModel(np.int64(2), np.float32(0.5))
    assert type(sub_model.depth) is int and type(sub_model.width) is float
    assert stages_of(4, np.array([2]), [np.float64(0.5)]) == stages_of(4, [2], [0.5])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: SubModel.parse(None), "SubModel: None"),
        (lambda: stages_of(6, 3), "depths: 3"),
        (lambda: stages_of(6, [3], 0.5), "widths: 0.5"),
        (lambda: stages_of(6, [1.5]), "depth=1.5"),
        (lambda: JointRecipe(batch_size=1.5), "batch_size=1.5"),
        (lambda: JointRecipe(num_steps=10.5), "num_steps=10.5"),
        (lambda: JointRecipe(seed="a"), "seed='a'"),
        (lambda: JointRecipe(learning_rate="1e-4"), "learning_rate='1e-4'"),
        (lambda: JointRecipe(layer_map_strategy="middle"), "layer_map_strategy='middle'"),
        (lambda: JointRecipe(((0.0, ("2x1",)),)), "stages hold '2x1'"),
        (lambda: ElasticBertConfig(attention_head_size=0), "attention_head_size=0"),
        (lambda: ElasticBertConfig(num_attention_heads=0), "num_attention_heads=0"),
        (lambda: ElasticBertConfig(kept_length=2.0), "kept_length=2.0"),
        (lambda: ElasticBertConfig(attention_window=0), "attention_window=0"),
        (lambda: Decoding(top_k=2.5), "top_k=2.5"),
    ],
)
def test_a_setting_out_of_range_is_refused_where_it_is_given(wrong, message):
    with pytest.raises(InvalidInput, match=message.replace("(", r"\(")):
        wrong()


def test_labels_that_name_no_class_are_refused(model, padded):
    for labels, message in (
        (torch.tensor([0, 5, 1]), "labels: 5; allowed: 0 to 1"),
        (torch.tensor([0.0, 1.0, 1.0]), "labels: torch.float32"),
    ):
        model.config.problem_type = "single_label_classification"
        with pytest.raises(InvalidInput, match=message):
            model(**padded, labels=labels)
    assert model(**padded, labels=torch.tensor([0, -100, 1])).loss.isfinite()


def test_a_model_saved_alone_stays_as_it_is_and_other_heads_are_refused(model, tmp_path):
    narrow = extract(model, HALF)
    save_alone(narrow, str(tmp_path / "narrow"))
    assert not hasattr(narrow.config, "auto_map")
    assert "auto_map" in (tmp_path / "narrow" / "config.json").read_text()
    writer = language_model(ElasticBertForCausalLM)
    with pytest.raises(InvalidInput, match="save_alone: model is a ElasticBertForCausalLM"):
        save_alone(extract(writer, HALF), tmp_path / "writer")
    with pytest.raises(InvalidInput, match="export_onnx: model is a ElasticBertForCausalLM"):
        export_onnx(writer, HALF, tmp_path / "writer.onnx")
    assert not (tmp_path / "writer").exists() and not (tmp_path / "writer.onnx").exists()


def test_onnx_tells_the_second_text_of_a_pair_or_refuses_it(padded, tmp_path):
    model = elastic_copy(small_bert(**SMALL)).to(torch.bfloat16)
    segments = torch.zeros_like(padded["input_ids"])
    segments[:, 3:] = 1
    pairs = OnnxClassifier(export_onnx(model, HALF, str(tmp_path / "new" / "a.onnx"), pairs=True))
    logits = pairs(*(tensor.int() for tensor in padded.values()), segments)
    expected = model.float()(**padded, token_type_ids=segments, sub_model=HALF).logits
    assert np.allclose(logits, expected.detach().numpy(), atol=1e-4)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.onnx"]
    single = OnnxClassifier(export_onnx(model, HALF, tmp_path / "b.onnx"))
    with pytest.raises(InvalidInput, match="token_type_ids: those of pairs"):
        single(*padded.values(), segments)
    with pytest.raises(InvalidInput, match="no such file"):
        OnnxClassifier(tmp_path / "missing.onnx")


def test_importance_of_nothing_or_of_another_model_is_refused(model, padded):
    with pytest.raises(InvalidInput, match="no batches"):
        measure_importance(model, [])
    with pytest.raises(InvalidInput, match="without labels"):
        measure_importance(model, [padded])
    other = Importance([torch.zeros(2)] * 2, [torch.zeros(32)] * 2)
    with pytest.raises(InvalidInput, match="importance of 2 layers"):
        sort_by_importance(model, other)
    with torch.no_grad():
        model.classifier.weight[0, 0] = float("nan")
    with pytest.raises(InvalidInput, match="not finite"):
        measure_importance(model, [padded | {"labels": torch.tensor([0, 1, 0])}])


def test_an_interrupted_run_leaves_weights_and_modes_as_they_were(model):
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(KeyboardInterrupt), as_it_was_after_errors(model):
        model.train()
        with torch.no_grad():
            model.classifier.weight.add_(1)
        raise KeyboardInterrupt
    assert not any(part.training for part in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_student_that_cannot_learn_is_refused(model):
    data = Encoded([[5, 6]], [0], 0)
    teacher = LiveTeacher(elastic_copy(model))
    for student, message in (
        (teacher.model, "are one model"),
        (elastic_copy(model).half(), "torch.float16"),
        (elastic_copy(model).requires_grad_(False), "frozen"),
    ):
        with pytest.raises(InvalidInput, match=message):
            teacher.check(student, data, RECIPE)
    with pytest.raises(InvalidInput, match="no texts"):
        predict_logits(model, Encoded([], [], 0))


def test_threads_write_one_file_side_by_side_and_a_failure_leaves_nothing(tmp_path):
    path = tmp_path / "file.txt"
    failures = []

    def write(number):
        try:
            for _ in range(30):
                write_atomically(path, str(number) * 1000)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert not failures and [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]


def texts_of(label):
    return [{"text": f"text {number}", "label": label(number)} for number in range(40)]


def test_labels_are_read_as_they_are_meant():
    assert read_own_texts(texts_of(lambda number: number % 2 + 0.0), Columns()).labels() == [
        "0",
        "1",
    ]
    for missing in (None, float("nan"), " ", ""):
        assert not read_own_texts(texts_of(lambda _, it=missing: it), Columns()).are_labelled
    different = read_own_texts(texts_of(str), Columns())
    assert all(different.splits.values()), "every split has texts, although no label has two"


class Dataset(list):
    """Rows with named classes, as `datasets` has them."""

    class Label:
        names = ("good", "bad")

    features: ClassVar = {"text": None, "label": Label}


def test_a_class_of_minus_one_is_no_label():
    rows = own_texts._rows(Dataset(texts_of(lambda number: (0, 1, -1)[number % 3])), Columns())
    assert {label for _, label in rows} == {"good", "bad", None}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({f"text {number}" for number in range(40)}, "a set, which has no order"),
        ({"train": texts_of(str), "dev": texts_of(str)}, "splits train, dev"),
        (texts_of(lambda number: ["a", "b"]), r"the label is \['a', 'b'\]"),
        ([f"text {number} \ud800" for number in range(40)], "half of a character"),
    ],
)
def test_texts_that_would_be_misread_are_refused(source, message):
    with pytest.raises(InvalidInput, match=message):
        read_own_texts(source, Columns())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("a.json", b'[{"text": "a"},', "damaged"), ("a.jsonl", b'{"text":"caf\xe9"}', "not UTF-8")],
)
def test_a_damaged_file_of_texts_is_named(tmp_path, name, content, message):
    path: Path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        read_own_texts(path, Columns())


def test_a_language_model_takes_what_transformers_gives_it(padded):
    ids = padded["input_ids"]
    writer = language_model(ElasticBertForCausalLM)
    whole = writer(ids, labels=ids)
    last = writer(ids, labels=ids, logits_to_keep=1)
    assert torch.equal(last.loss, whole.loss) and last.logits.shape[1] == 1
    assert torch.equal(writer(ids, labels=ids, return_dict=False)[0], whole.loss)
    embeds = writer.get_input_embeddings()(ids)
    assert torch.allclose(writer(inputs_embeds=embeds).logits, whole.logits, atol=1e-6)
    masked = language_model(ElasticBertForMaskedLM)
    hidden = torch.where(torch.arange(9) == 2, ids, -100)
    output = masked(**padded, labels=hidden)
    expected = torch.nn.functional.cross_entropy(output.logits[:, 2], ids[:, 2])
    assert torch.allclose(output.loss, expected)
    for language in (writer, masked):
        with pytest.raises(InvalidInput, match="labels: shape"):
            language(ids, labels=ids[:, :2])


def test_writing_refuses_what_it_cannot_write(padded):
    writer = language_model(ElasticBertForCausalLM)
    for call, message in (
        (lambda: list(stream(writer, [5], -1, GREEDY)), "max_new_tokens=-1"),
        (lambda: list(stream(writer, [5], 2, GREEDY, never=range(60))), "never: 60 tokens"),
        (lambda: list(stream(writer, [5], 2, GREEDY, never=[99])), "from 99 to 99"),
        (lambda: draft_and_verify(writer, [5], 3, SubModel(1), ahead=0), "ahead=0"),
        (lambda: draft_and_verify(writer, [], 3, SubModel(1)), "a prompt of 0"),
        (lambda: causal_model(writer, [0, 99]), "vocabulary holds 99"),
    ):
        with pytest.raises(InvalidInput, match=message):
            call()
