"""Uses of docs/reference/ecosystem.md in which something trains, is measured, or is written."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
import yaml
from conftest import small_bert
from test_joint import RECIPE
from torch import nn
from transformers import (
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from tinybert_l.errors import InvalidInput
from tinybert_l.method.cached_model import quiet_loading
from tinybert_l.method.data import Encoded
from tinybert_l.method.export import Deployment, export_formats, export_onnx
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.model_card import model_card
from tinybert_l.method.teacher import predict_logits
from tinybert_l.method.teacher_outputs import TeacherOutputs
from tinybert_l.method.timing import measure_in_turns
from tinybert_l.submodels import SubModel

SMALL = {"num_hidden_layers": 2, "hidden_size": 16}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
SOFT = replace(RECIPE, hidden_weight=0.0, attention_weight=0.0, embedding_weight=0.0, num_steps=2)


def arguments(folder, **changes):
    settings = {
        "max_steps": 4,
        "per_device_train_batch_size": 3,
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "save_strategy": "no",
        "logging_strategy": "no",
    }
    return TrainingArguments(str(folder), **settings | changes)


def rows_of(padded, labels):
    rows = []
    for number, label in enumerate(labels):
        row = {name: values[number % 3] for name, values in padded.items()}
        rows.append(row | {"labels": torch.tensor(label)})
    return rows


def unpadded(lengths):
    """Return rows of so many tokens each."""
    return [{"input_ids": [1] * n, "attention_mask": [1] * n, "labels": 0} for n in lengths]


def pad(rows):
    """Pad rows to one batch, those without a token too."""
    longest = max(len(row["input_ids"]) for row in rows)
    batch = {"labels": torch.tensor([row["labels"] for row in rows])}
    for name in ("input_ids", "attention_mask"):
        values = [row[name] + [0] * (longest - len(row[name])) for row in rows]
        batch[name] = torch.tensor(values, dtype=torch.long)
    return batch


def train_one_step(lengths, folder):
    model = extract(elastic_copy(small_bert(**SMALL)), SubModel(2, 0.5))
    options = arguments(folder, max_steps=1)
    Trainer(model, options, train_dataset=unpadded(lengths), data_collator=pad).train()
    return model


def test_a_trainer_takes_an_empty_text_and_refuses_one_beyond_the_positions(tmp_path):
    model = train_one_step([0, 5, 2], tmp_path)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    with pytest.raises(InvalidInput, match=r"length 10000; allowed: at most 40"):
        train_one_step([10_000, 5, 2], tmp_path)
    with pytest.raises(InvalidInput, match="with at least one token"):
        train_one_step([0, 0, 0], tmp_path)


class CountSteps(TrainerCallback):
    def __init__(self):
        self.steps = 0

    def on_step_end(self, *_, **__):
        self.steps += 1


def test_a_trainer_with_callbacks_metrics_and_arguments_of_ones_own(padded, tmp_path):
    small = extract(elastic_copy(small_bert(**SMALL)), SubModel(1, 0.5))
    rows = rows_of(padded, [0, 1] * 6)
    shapes = []

    def metrics(prediction):
        shapes.append(prediction.predictions.shape)
        return {"accuracy": np.mean(prediction.predictions.argmax(-1) == prediction.label_ids)}

    settings = arguments(
        tmp_path,
        eval_strategy="steps",
        eval_steps=2,
        save_strategy="steps",
        save_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        label_smoothing_factor=0.1,
        gradient_accumulation_steps=2,
    )
    count = CountSteps()
    trainer = Trainer(
        small,
        settings,
        train_dataset=rows,
        eval_dataset=rows,
        compute_metrics=metrics,
        callbacks=[count, EarlyStoppingCallback(3)],
    )
    with quiet_loading():
        trainer.train()
        assert count.steps == 4 and shapes == [(12, 2)] * 2
        expected = trainer.predict(rows).predictions
        trainer.save_model(str(tmp_path / "final"))
        again = ElasticBertForSequenceClassification.from_pretrained(tmp_path / "final").eval()
    got = [again(row["input_ids"][None], row["attention_mask"][None]).logits for row in rows]
    assert np.allclose(torch.cat(got).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "outputs", "labels"),
    [
        ("regression", 1, [0.0, 1.0]),
        ("multi_label_classification", 3, [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]),
    ],
)
def test_a_trainer_does_with_it_what_it_does_with_bert(kind, outputs, labels, padded, tmp_path):
    bert = small_bert(**SMALL, **NO_DROPOUT, num_labels=outputs, problem_type=kind)
    weights = []
    for model in (elastic_copy(bert), bert):
        with quiet_loading():
            Trainer(model, arguments(tmp_path), train_dataset=rows_of(padded, labels * 6)).train()
        weights.append(model.classifier.weight.detach())
    assert torch.allclose(*weights, atol=1e-6)


def test_a_card_begins_with_what_the_hub_reads_and_has_intervals(texts, tmp_path):
    student = elastic_copy(small_bert(**SMALL))
    deployed = Deployment(student, Tokenizer(), texts, "A task.", seconds=0.001)
    numbers = export_formats(deployed, SubModel(1), tmp_path, [])
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\n") and card == model_card(numbers)
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["library_name"] == "transformers"
    assert front["pipeline_tag"] == "text-classification"
    row = numbers["rows"][0]
    assert row["low"] < row["accuracy"] < row["high"] and 0 <= row["macro_f1"] <= 1
    interval = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
    assert f"({interval}) | {row['macro_f1']:.3f} |" in card
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "bert"
    assert "trust_remote_code" not in card
    student.config.problem_type = "multi_label_classification"
    with pytest.raises(InvalidInput, match="multi_label"):
        export_formats(deployed, SubModel(1), tmp_path, [])


class Tokenizer:
    """Stands for one where a card is written."""

    def save_pretrained(self, folder):
        pass

    def __len__(self):
        return 60


def test_an_onnx_file_has_the_names_and_free_sizes_that_optimum_asks_for(tmp_path):
    path = export_onnx(elastic_copy(small_bert(**SMALL)), SubModel(1), tmp_path / "model.onnx")
    graph = onnx.load(path).graph
    assert [tensor.name for tensor in graph.input] == ["input_ids", "attention_mask"]
    assert [tensor.name for tensor in graph.output] == ["logits"]
    for tensor in graph.input:
        sizes = tensor.type.tensor_type.shape.dim
        assert [size.dim_param for size in sizes] == ["batch", "length"]
        assert tensor.type.tensor_type.elem_type == onnx.TensorProto.INT64


def test_sub_models_with_a_length_learn_soft_labels_and_nothing_of_each_token(texts, tmp_path):
    student = elastic_copy(small_bert(**SMALL))
    before = student.classifier.weight.detach().clone()
    stages = ((0.0, (SubModel(2), SubModel(2, 1.0, 0.5))),)
    recipe = replace(SOFT, stages=stages)
    log = train_jointly(student, elastic_copy(student), texts, recipe, tmp_path / "soft")
    assert set(log[0]["losses"]) == {"2x1", "2x1x0.5"}
    assert not torch.equal(before, student.classifier.weight)
    whole = replace(RECIPE, stages=stages)
    with pytest.raises(InvalidInput, match=r"2x1x0\.5, which drop tokens"):
        train_jointly(student, elastic_copy(student), texts, whole, tmp_path / "whole")


@pytest.mark.parametrize(
    ("kind", "label"), [("multi_label_classification", [1.0, 0.0]), ("regression", [0.5, 2.0])]
)
def test_students_of_several_classes_and_of_numbers_are_trained_jointly(kind, label, tmp_path):
    data = Encoded([[1, 2, 3], [4, 5, 6, 7]] * 6, [label] * 12, 0)
    teacher = elastic_copy(small_bert(**SMALL, problem_type=kind))
    student = elastic_copy(small_bert(5, **SMALL, problem_type=kind))
    recipe = replace(SOFT, num_steps=12, learning_rate=3e-3, batch_size=6)
    before = nn.functional.mse_loss(predict_logits(student, data), predict_logits(teacher, data))
    train_jointly(student, teacher, data, recipe, tmp_path)
    after = nn.functional.mse_loss(predict_logits(student, data), predict_logits(teacher, data))
    assert after < before


def test_kept_outputs_of_other_texts_are_refused(supernet, texts, tmp_path):
    logits = predict_logits(supernet, texts)
    kept = TeacherOutputs(logits, source="of these texts")
    with pytest.raises(InvalidInput, match="kept for other texts"):
        train_jointly(supernet, kept, replace(texts, source="of others"), SOFT, tmp_path)
    known = replace(texts, source="of these texts")
    assert len(train_jointly(supernet, kept, known, SOFT, tmp_path)) == SOFT.num_steps


def test_latencies_are_taken_in_turns_and_compared_at_a_percentile():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "abc"}
    assert set(measure_in_turns(calls, 0.0, percentile=95)) == set("abc")
    measured = "".join(order[9:])  # after three calls each to warm up
    assert measured == "abc" * (len(measured) // 3)
    with pytest.raises(InvalidInput, match="percentile=101"):
        measure_in_turns(calls, 0.0, percentile=101)
