"""A teacher assistant: the teacher itself learns the shipped soft labels of MPNet.

If small students cannot follow a strong teacher, the largest of their family may (Mirzadeh et al.
2020, Improved knowledge distillation via teacher assistant). MPNet answered for the first fold
only, and so there is one seed.
"""

from dataclasses import dataclass

from headline_students import LENGTH, teacher_of
from long_run import PARTS, Job, Settings, by_seed, correct_predictions, paired_interval

from tinybert_l.cache import recipe_hash
from tinybert_l.course import recipes
from tinybert_l.course.rows import DeployedModel, HeadlineRow, Row
from tinybert_l.method.data import encode
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.mpnet import read_note, shipped_answers
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher_outputs import TeacherOutputs
from tinybert_l.submodels import SubModel


@dataclass(frozen=True)
class AssistantSeed:
    """One seed's answers to the test sentences before and after: 1 for a right one, else 0."""

    before: list[int]
    after: list[int]


def assistant(seed: int, settings: Settings) -> list[AssistantSeed]:
    """Train the fold's teacher further, on the soft labels of MPNet alone."""
    teacher = teacher_of(settings, seed)
    texts, logits = shipped_answers(settings["unlabelled"])
    data = encode(texts, teacher.tokenizer, LENGTH)
    student = elastic_copy(teacher.model)
    size = SubModel.parse(settings["student"])
    recipe = JointRecipe(
        ((0.0, (size,)),),
        num_steps=settings["num_steps"],
        learning_rate=settings["learning_rate"],
        hidden_weight=0.0,
        attention_weight=0.0,
        embedding_weight=0.0,
        self_distillation=False,
        batch_size=settings["batch_size"],
        seed=seed,
        checkpoint_every=250,
    )
    folder = PARTS / f"assistant-{recipe_hash(settings)}-{seed}"
    train_jointly(student, TeacherOutputs(logits, source=data.source), data, recipe, folder)
    test = encode(teacher.splits["test"], teacher.tokenizer, LENGTH)
    return [
        AssistantSeed(
            before=correct_predictions(elastic_copy(teacher.model), test, size),
            after=correct_predictions(student, test, size),
        )
    ]


def summarise_assistant(seeds: list[list[AssistantSeed]]) -> list[Row]:
    """Both teachers, and the assistant with what it gained, paired by sentence."""
    before = by_seed([seed[0].before for seed in seeds])
    after = by_seed([seed[0].after for seed in seeds])
    size = SubModel.parse(recipes.ASSISTANT["student"])
    return [
        HeadlineRow("teacher", accuracy_percent=100 * float(before.mean())),
        HeadlineRow("mpnet", accuracy_percent=100 * read_note()["metrics"]["test_accuracy"]),
        HeadlineRow(
            "candidate",
            models=(DeployedModel(size, "torch float32"),),
            accuracy_percent=100 * float(after.mean()),
            gain_points=paired_interval(after - before),
        ),
    ]


ASSISTANT = Job("assistant", recipes.ASSISTANT, AssistantSeed, assistant, summarise_assistant)
