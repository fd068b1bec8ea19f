"""Live and kept teachers have one interface, and refuse early what they cannot teach."""

from dataclasses import replace

import pytest
import torch
from conftest import small_bert
from test_joint import RECIPE

from tinybert_l.errors import CourseError
from tinybert_l.method.data import collate
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.teacher_outputs import TeacherOutputs
from tinybert_l.method.teachers import KeptTeacher, LiveTeacher, teacher_source
from tinybert_l.submodels import SubModel

SOFT = replace(RECIPE, hidden_weight=0.0, attention_weight=0.0, embedding_weight=0.0)


def test_a_model_teaches_live_and_kept_outputs_are_looked_up(supernet, texts):
    kept = TeacherOutputs(torch.arange(80.0).reshape(40, 2))
    assert teacher_source(supernet) == LiveTeacher(supernet)
    assert teacher_source(kept) == KeptTeacher(kept)
    rows = [4, 11, 25]
    batch = collate(texts, rows)
    looked_up = KeptTeacher(kept).outputs(rows, batch, SOFT)
    assert looked_up.logits.tolist() == [[8, 9], [22, 23], [50, 51]]
    assert looked_up.hidden_states is None
    live = LiveTeacher(supernet.train()).outputs(rows, batch, RECIPE)
    assert not supernet.training and not live.logits.requires_grad
    assert len(live.hidden_states) == 7 and len(live.attention_scores) == 6


def test_sources_know_their_hidden_size_and_the_modules_to_place(supernet):
    live = LiveTeacher(supernet)
    assert live.hidden_size == 24 and live.modules == [supernet]
    logits = torch.zeros(40, 2)
    assert KeptTeacher(TeacherOutputs(logits)).hidden_size is None
    states = TeacherOutputs(logits, {3: torch.zeros(5, 32)}, num_layers=6)
    assert KeptTeacher(states).hidden_size == 32 and KeptTeacher(states).modules == []


class Words:
    def __len__(self):
        return 100


@pytest.mark.parametrize(
    ("changes", "recipe", "tokenizer", "message"),
    [
        ({"vocab_size": 50}, {}, None, r"vocab_size of student 50, of teacher 60"),
        ({"num_labels": 3}, {}, None, r"num_labels of student 3, of teacher 2"),
        ({}, {}, Words(), r"tokenizer has 100 tokens; allowed: at most vocab_size=60"),
        ({"num_hidden_layers": 4}, {}, None, r"depth 6; allowed: at most 4"),
        (
            {"num_attention_heads": 2},
            {},
            None,
            r"student has 2 heads and teacher 4; allowed: .*attention_weight=0",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_before_training(
    supernet, texts, changes, recipe, tokenizer, message
):
    student = elastic_copy(small_bert(**changes))
    with pytest.raises(ValueError, match=message):
        LiveTeacher(supernet).check(student, texts, replace(RECIPE, **recipe), tokenizer)


def test_a_mapping_to_a_layer_that_does_not_exist_is_refused(supernet, texts):
    from tinybert_l import layer_map

    def answer(num_student_layers, num_teacher_layers, strategy="uniform"):
        return [7] * num_student_layers

    answer.__name__ = "layer_map"
    layer_map.implement(answer)
    with pytest.raises(
        ValueError, match=r"layer_map gave \[7, 7.*allowed: one teacher layer from 1 to 6"
    ):
        LiveTeacher(supernet).check(supernet, texts, RECIPE)


def test_models_that_are_no_elastic_classifiers_are_refused(bert, supernet, texts):
    with pytest.raises(
        ValueError, match="teacher is a BertForSequenceClassification; allowed: Elastic"
    ):
        LiveTeacher(bert).check(supernet, texts, RECIPE)


@pytest.mark.parametrize(
    ("outputs", "recipe", "message"),
    [
        (
            TeacherOutputs(torch.zeros(3, 2)),
            SOFT,
            r"kept logits have shape \(3, 2\); allowed: \(40, 2\)",
        ),
        (
            TeacherOutputs(torch.zeros(40, 2)),
            RECIPE,
            "attention_weight=0.03, but attention scores are not",
        ),
        (
            TeacherOutputs(torch.zeros(40, 2), num_layers=6),
            replace(RECIPE, attention_weight=0.0),
            r"layers \[0, 1, 2, 3, 4, 5, 6\], which were not",
        ),
        (
            TeacherOutputs(torch.zeros(40, 2)),
            replace(SOFT, stages=((0.0, (SubModel(7),)),)),
            r"depth 7; allowed: at most 6",
        ),
    ],
)
def test_kept_outputs_that_do_not_fit_are_refused(
    supernet, texts, tmp_path, outputs, recipe, message
):
    with pytest.raises(ValueError, match=message) as raised:
        train_jointly(supernet, outputs, texts, recipe, tmp_path / "run")
    assert isinstance(raised.value, CourseError)
    assert not (tmp_path / "run").exists(), "nothing was begun"
