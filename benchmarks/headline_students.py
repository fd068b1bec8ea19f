"""The headline's students: trained by the settings of a record, each kept on disk at once."""

from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from tinybert_l.cache import recipe_hash, write_atomically
from tinybert_l.method.data import Encoded, Split, encode, load_reviews, unlabelled_sentences
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import sorted_by_importance, train_jointly
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.mpnet import MpnetRecipe, mpnet_answers
from tinybert_l.method.processes import open_accelerator
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import Teacher, TeacherRecipe, load_teacher
from tinybert_l.method.teacher_outputs import TeacherOutputs, keep_outputs
from tinybert_l.method.vocabulary import prune_vocabulary
from tinybert_l.submodels import sub_model_grid

OUTPUT = Path("outputs/records")
LENGTH = 64  # tokens at most of a sentence
Settings = dict[str, Any]


def joint_recipes(settings: Settings, seed: int) -> tuple[JointRecipe | None, JointRecipe]:
    """The recipes of both stages: inner states of the live teacher, then soft labels.

    The first is None where the settings give it no steps.
    """
    largest_first = tuple(sub_model_grid(settings["depths"], settings["widths"])[::-1])
    inner = None
    if settings["inner_steps"]:
        stages = ((0.0, largest_first[:1]), (0.1, largest_first[1:]))
        inner = JointRecipe(
            stages[: len(largest_first)],
            num_steps=settings["inner_steps"],
            learning_rate=settings["inner_learning_rate"],
            soft_label_weight=0.0,
            hidden_weight=1.0,
            attention_weight=0.1,
            embedding_weight=1.0,
            self_distillation=False,
            batch_size=settings["batch_size"],
            seed=seed,
            checkpoint_every=500,
        )
    soft_labels = JointRecipe(
        ((0.0, largest_first),),
        num_steps=settings["soft_label_steps"],
        learning_rate=settings["learning_rate"],
        hidden_weight=0.0,
        attention_weight=0.0,
        embedding_weight=0.0,
        self_distillation=settings.get("self_distillation", True),
        batch_size=settings["batch_size"],
        seed=seed,
        checkpoint_every=500,
    )
    return inner, soft_labels


def teacher_of(settings: Settings, seed: int) -> Teacher:
    """The seed's teacher, which has not seen the test texts of the seed's fold."""
    return load_teacher(TeacherRecipe(**settings["teacher"], fold=seed, seed=seed))


def corpus(settings: Settings, fold: int) -> Split:
    """Training texts; labels of the unlabelled ones are 0 and never used.

    None of them is a test text of the fold.
    """
    labelled = load_reviews(fold=fold)["train"]
    unlabelled = unlabelled_sentences(fold=fold)[: settings["unlabelled"]]
    return Split(labelled.texts + unlabelled, labelled.labels + [0] * len(unlabelled))


def train(
    teacher: Teacher, settings: Settings, seed: int, folder: Path
) -> tuple[ElasticBertForSequenceClassification, Any]:
    """Train jointly once; return the student with its smaller vocabulary, and its tokenizer."""
    texts = corpus(settings, seed)
    whole = encode(texts, teacher.tokenizer, LENGTH)
    outputs = soft_labels_of(teacher, settings, seed, texts, whole)
    inner, soft_labels = joint_recipes(settings, seed)
    if settings.get("sorted", True):
        start = sorted_by_importance(teacher)
    else:
        start = elastic_copy(teacher.model)
    student = elastic_copy(start)
    if inner is not None:
        train_jointly(student, start, whole, inner, folder / "inner")
    tokenizer = teacher.tokenizer
    if settings["vocabulary"]:
        tokenizer = prune_vocabulary(student, tokenizer, texts.texts, settings["vocabulary"])
    train_jointly(student, outputs, encode(texts, tokenizer, LENGTH), soft_labels, folder / "soft")
    return student, tokenizer


def mpnet_of(settings: Settings, seed: int) -> MpnetRecipe | None:
    """The recipe of the seed's MPNet, which has not seen the fold's test texts; None: not used."""
    if settings.get("soft_labels") != "mpnet":
        return None
    return MpnetRecipe(fold=seed, seed=seed)


def soft_labels_of(
    teacher: Teacher, settings: Settings, seed: int, texts: Split, whole: Encoded
) -> TeacherOutputs:
    """The logits on all texts, of the seed's MPNet where the settings say so, or of the teacher."""
    mpnet = mpnet_of(settings, seed)
    if mpnet is None:
        return keep_outputs(elastic_copy(teacher.model), whole, layers=[])
    return TeacherOutputs(mpnet_answers(mpnet, texts.texts), source=whole.source)


def student_folder(settings: Settings, seed: int) -> Path:
    """Where a seed's student is kept; the file "done" there names the device that trained it."""
    return OUTPUT / f"headline-{recipe_hash(settings)}-{seed}"


def trained(
    teacher: Teacher, settings: Settings, seed: int
) -> tuple[ElasticBertForSequenceClassification, Any]:
    """The seed's student and tokenizer: trained, or read where an earlier run has kept them."""
    folder = student_folder(settings, seed)
    if not (folder / "done").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        student, tokenizer = train(teacher, settings, seed, folder)
        student.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        on_gpu = open_accelerator().device.type == "cuda"
        write_atomically(folder / "done", torch.cuda.get_device_name() if on_gpu else "CPU")
    model = ElasticBertForSequenceClassification.from_pretrained(folder).eval()
    return model, PreTrainedTokenizerFast.from_pretrained(folder)
