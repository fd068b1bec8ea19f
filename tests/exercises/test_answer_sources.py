"""Whose answers a run uses: chosen, told, kept apart, and required before the first step."""

from dataclasses import replace

import pytest
import torch
from conftest import small_bert

from tinybert_l import MissingAnswer, begin
from tinybert_l.cache import read_entry
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises import answer_sources, formulas
from tinybert_l.exercises.answer_sources import TRAINING, answers_in_use, fingerprint, other_answers
from tinybert_l.exercises.registry import exercises, find_exercise
from tinybert_l.method.cached_model import cached_model
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe

RECIPE = JointRecipe(num_steps=6, batch_size=4, precision="float32", checkpoint_every=4)


@pytest.fixture
def untold(monkeypatch):
    monkeypatch.setattr(answer_sources, "_told", set())


@pytest.fixture
def stand_ins(tmp_path, monkeypatch, untold, capsys):
    """As in a first lecture's sandbox: no answers, and the method's own functions are hidden."""
    monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(tmp_path / "none"))
    monkeypatch.delattr(formulas, "FORMULAS")
    begin(11)
    find_exercise("soft_cross_entropy").reference = torch.nn.functional.mse_loss
    capsys.readouterr()


def train(texts, folder, recipe=RECIPE, student=None, **options):
    sizes = {"num_hidden_layers": 2, "hidden_size": 16}
    student = student or elastic_copy(small_bert(**sizes))
    teacher = elastic_copy(small_bert(1, **sizes))
    log = train_jointly(student, teacher, texts, recipe, folder, **options)
    return student, log


def wrong(losses, weights=None):
    return 3 * losses[0]


def test_what_stand_ins_compute_otherwise_is_said_once_and_kept(
    stand_ins, texts, tmp_path, capsys, monkeypatch
):
    find_exercise("soft_cross_entropy").reference = lambda student, teacher, t: student.mean()
    student, _ = train(texts, tmp_path / "a")
    told = capsys.readouterr().out
    assert "hidden_loss (lecture 3 第3讲): padding counts as if it were text." in told
    assert "sandwich_sample (lecture 2 第2讲): no random sub-model joins" in told
    assert "clip_by_global_norm" not in told, "torch's clipping is the same"
    assert student.config.answers["hidden_loss"]["source"] == "peer"
    assert set(student.config.trained["answers"]) == set(other_answers(TRAINING))
    train(texts, tmp_path / "b")
    assert capsys.readouterr().out == ""


def test_the_method_says_nothing_and_counts_as_itself(texts, tmp_path, untold, capsys):
    student, _ = train(texts, tmp_path)
    assert capsys.readouterr().out == "" and other_answers(TRAINING) == {}
    assert student.config.trained["answers"] == {}


def test_a_run_stops_before_its_first_step_where_an_answer_is_missing(texts, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYBERT_L_SOLUTIONS", str(tmp_path / "none"))
    begin(4)
    steps = []
    with pytest.raises(MissingAnswer, match="submodel_schedule"):
        train(texts, tmp_path, on_step=steps.append)
    assert steps == []


def test_answers_are_chosen_for_a_run_alone(texts, tmp_path):
    entry = find_exercise("joint_loss")
    _, right = train(texts, tmp_path / "right")
    entry.replace_answer(wrong)
    _, mine = train(texts, tmp_path / "mine", answers="mine")
    for choice in ("reference", "released"):
        assert train(texts, tmp_path / choice, answers=choice)[1] == right
    assert entry.student is wrong and mine != right
    for other in exercises().values():
        other.reference = None
    _, by_formulas = train(texts, tmp_path / "formulas", answers="reference")
    assert by_formulas[-1]["loss"] == pytest.approx(right[-1]["loss"], abs=1e-4)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("mine", "no your answer"),
        ("released", "no reference answer"),
        ("best", "answers='best'; allowed: reference, mine, released"),
    ],
)
def test_answers_that_are_not_there_are_refused(choice, message, texts, tmp_path, monkeypatch):
    for entry in exercises().values():
        monkeypatch.setattr(entry, "reference", None)
    with pytest.raises(InvalidInput, match=message):
        train(texts, tmp_path, answers=choice)


def test_what_other_answers_train_has_cache_entries_of_its_own(texts):
    def load(**options):
        def build(folder):
            return train(texts, folder, replace(RECIPE, seed=5))

        return cached_model(
            "answers", {"a": 1}, ElasticBertForSequenceClassification, build, **options
        )

    with find_exercise("joint_loss").answered_by(wrong):
        mine = load(answers="mine")
        assert load(answers="mine").folder == mine.folder
        method = load()
        assert method.folder != mine.folder
    assert load().folder == method.folder and load(answers=None).folder == method.folder
    assert read_entry(method.folder)["recipe"] == {"a": 1}, "as it was before answers counted"
    assert set(read_entry(mine.folder)["recipe"]["answers"]) == {"joint_loss"}
    assert method.model.config.answers["joint_loss"]["source"] == "reference"
    with find_exercise("joint_loss").answered_by(lambda losses, weights=None: 4 * losses[0]):
        assert load(answers="mine").folder not in (mine.folder, method.folder)


@pytest.mark.parametrize(
    ("name", "answer", "message"),
    [
        ("soft_cross_entropy", lambda *_, **__: 1.0, "returned a float"),
        ("soft_cross_entropy", lambda student, *_: student, r"returned a Tensor \[4, 2\]"),
        ("hidden_loss", lambda *_: None, "returned a NoneType"),
        ("attention_loss", lambda *_: 0, "returned a int"),
        ("joint_loss", lambda losses: sum(losses).detach(), "without a gradient"),
    ],
)
def test_an_answer_that_returns_no_loss_is_named(name, answer, message, texts, tmp_path):
    with find_exercise(name).answered_by(answer), pytest.raises(InvalidInput, match=message):
        train(texts, tmp_path / "run")


def test_a_file_in_the_place_of_the_runs_folder_is_named(texts, tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(InvalidInput, match="run is a file; allowed: a folder"):
        train(texts, tmp_path / "run")


def test_another_run_in_the_folder_begins_anew_and_the_same_goes_on(texts, tmp_path, capsys):
    steps = []
    whole, log = train(texts, tmp_path / "fresh", replace(RECIPE, num_steps=8))
    train(texts, tmp_path / "shared")
    capsys.readouterr()
    student, again = train(
        texts, tmp_path / "shared", replace(RECIPE, num_steps=8), on_step=steps.append
    )
    assert "num_steps 6, now 8" in capsys.readouterr().out
    assert steps == list(range(8)) and again == log
    assert torch.equal(student.classifier.weight, whole.classifier.weight)
    steps.clear()
    train(texts, tmp_path / "shared", replace(RECIPE, num_steps=8), on_step=steps.append)
    assert steps == [4, 5, 6, 7], "the same run goes on from its checkpoint"
    with find_exercise("joint_loss").answered_by(wrong):
        steps.clear()
        train(texts, tmp_path / "shared", replace(RECIPE, num_steps=8), on_step=steps.append)
        assert steps[0] == 0 and "joint_loss" in capsys.readouterr().out


def scale():
    return 2


def calls_another(losses):
    return scale() * losses[0]


def test_a_fingerprint_changes_with_what_a_function_does_and_not_with_its_place():
    source = "def answer(x):\n    {}\n    return x + {}\n"

    def compiled(comment, number):
        names = {}
        exec(source.format(comment, number), names)
        return names["answer"]

    first = fingerprint(compiled("'says nothing'", 1))
    assert first == fingerprint(compiled("'says\\nother things'", 1))
    assert first != fingerprint(compiled("'says nothing'", 2))
    before = fingerprint(calls_another)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "scale", lambda: 3)
        assert fingerprint(calls_another) != before
    assert answers_in_use(["joint_loss"])["joint_loss"]["source"] == "reference"
