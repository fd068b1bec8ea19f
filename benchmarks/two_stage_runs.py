"""TinyBERT's two stages as the paper has them: general distillation, then that of the task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from long_run import (
    PARTS,
    Job,
    Settings,
    by_seed,
    correct_predictions,
    kept,
    long_setup,
    paired_interval,
    spread,
    teacher_of,
)
from torch import nn

from tinybert_l.cache import recipe_hash
from tinybert_l.course import recipes
from tinybert_l.course.experiments import LectureSetup, alone, label_run, short_run
from tinybert_l.course.rows import Hits, Row, TwoStagesRow, WayToStudent
from tinybert_l.method.data import Encoded, Split, collate, encode, unlabelled_sentences
from tinybert_l.method.evaluation import count_flops
from tinybert_l.method.extraction import elastic_copy, extract
from tinybert_l.method.importance import measure_importance, sort_by_importance
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import load_teacher, untrained_classifier
from tinybert_l.method.teacher_outputs import keep_outputs
from tinybert_l.submodels import SubModel

Student = ElasticBertForSequenceClassification
USUAL: WayToStudent = "task_only"
BACKWARD = 2  # a backward pass costs two forward passes
TEXTS_FOR_IMPORTANCE = 256


@dataclass(frozen=True)
class TwoStagesSeed:
    """One seed's way to the student; cost in forward FLOPs, those of the teacher included."""

    way: WayToStudent
    steps: int
    flops: float
    hits: Hits  # on the test sentences


class Bench:
    """What the ways of a seed share: teachers, texts and first weights."""

    def __init__(self, seed: int, settings: Settings, folder: Path) -> None:
        self.seed = seed
        self.settings = settings
        self.folder = folder
        self.sub_model = SubModel.parse(settings["student"])
        self.setup = long_setup(settings, seed)
        recipe = replace(self.setup.recipe, seed=seed, learning_rate=settings["learning_rate"])
        recipe = alone(recipe, self.sub_model)
        self.inner = replace(recipe, soft_label_weight=0.0)
        self.predictions = replace(
            recipe, hidden_weight=0.0, attention_weight=0.0, embedding_weight=0.0
        )

    @cached_property
    def random(self) -> Student:
        """The teacher with random layers; its embeddings stay: no short run could learn them."""
        student = elastic_copy(self.setup.teacher)
        std = student.config.initializer_range
        generator = torch.Generator().manual_seed(self.seed)
        for module in nn.ModuleList(student.bert.layers).modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=std, generator=generator)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
        return student

    @cached_property
    def general(self) -> Student:
        """The student after general distillation; kept, since several ways go on from it."""
        folder = self.folder / "general"
        if not (folder / "config.json").is_file():
            recipe = replace(self.inner, num_steps=self.settings["general_steps"])
            setup = replace(self.setup, teacher=self.general_teacher(), train=self.general_texts())
            short_run(setup, recipe, self.random).model.save_pretrained(folder)
        return ElasticBertForSequenceClassification.from_pretrained(folder).eval()

    def general_teacher(self) -> Student:
        """The encoder before fine-tuning, with heads in the order of the fine-tuned teacher."""
        teacher = load_teacher(teacher_of(self.seed))
        data = teacher.data["train"]
        rows = range(0, TEXTS_FOR_IMPORTANCE, 32)
        batches = [collate(data, range(row, row + 32)) for row in rows]
        importance = measure_importance(elastic_copy(teacher.model), batches)
        encoder = elastic_copy(untrained_classifier(teacher.recipe.source()))
        return sort_by_importance(encoder, importance)

    def general_texts(self) -> Encoded:
        """Sentences without labels, none of them of the seed's test fold."""
        teacher = load_teacher(teacher_of(self.seed))
        texts = unlabelled_sentences(fold=self.seed)[: self.settings["general_texts"]]
        return encode(Split(texts, [0] * len(texts)), teacher.tokenizer, teacher.recipe.max_length)

    def task(self, start: Student, extra_steps: int = 0) -> Student:
        """Distil the task as the paper does: inner layers first, predictions afterwards."""
        inner = replace(self.inner, num_steps=self.settings["num_steps"] + extra_steps)
        student = short_run(self.setup, inner, start).model
        predictions = replace(self.predictions, num_steps=self.settings["prediction_steps"])
        logits = keep_outputs(self.setup.teacher, self.setup.train, [])
        return short_run(self.setup, predictions, student, outputs=logits).model

    def labels(self, start: Student) -> Student:
        """Fine-tune on labels, without a teacher."""
        recipe = replace(self.predictions, num_steps=self.settings["prediction_steps"])
        return label_run(self.setup, self.sub_model, recipe, start=start).model


def two_stages(seed: int, settings: Settings) -> list[TwoStagesSeed]:
    """Make the same student in five ways; each is kept at once."""
    folder = PARTS / f"two-stages-{recipe_hash(settings)}-{seed}"
    bench = Bench(seed, settings, folder)
    general, inner = settings["general_steps"], settings["num_steps"]
    last = settings["prediction_steps"]
    ways: dict[WayToStudent, tuple[Callable[[], Student], int, int]] = {
        "task_only": (lambda: bench.task(bench.random), inner, last),
        "general_then_task": (lambda: bench.task(bench.general), general + inner, last),
        "task_for_longer": (lambda: bench.task(bench.random, general), general + inner, last),
        "general_then_labels": (lambda: bench.labels(bench.general), general, last),
        "slices_of_the_teacher": (lambda: bench.task(bench.setup.teacher), inner, last),
    }
    rows = []
    for way, (make, with_teacher, without) in ways.items():

        def measured(
            way: WayToStudent = way,
            make: Callable[[], Student] = make,
            with_teacher: int = with_teacher,
            without: int = without,
        ) -> TwoStagesSeed:
            student = make()
            return TwoStagesSeed(
                way=way,
                steps=with_teacher + without,
                flops=flops(bench.setup, bench.inner, bench.sub_model, with_teacher, without),
                hits=Hits.pack(correct_predictions(student, bench.setup.held_out, bench.sub_model)),
            )

        rows.append(kept(folder / f"{way}.json", TwoStagesSeed, measured))
    return rows


def flops(
    setup: LectureSetup, recipe: JointRecipe, sub_model: SubModel, with_teacher: int, without: int
) -> float:
    """Forward FLOPs of a way. The teacher's logits for the last stage are computed once a text."""
    teacher = count_flops(setup.teacher)
    student = (1 + BACKWARD) * count_flops(extract(setup.teacher, sub_model))
    texts = recipe.batch_size
    steps = texts * (with_teacher * (teacher + student) + without * student)
    return float(steps + teacher * min(len(setup.train), without * texts))


def summarise_two_stages(seeds: list[list[TwoStagesSeed]]) -> list[Row]:
    """Accuracy over seeds, cost, and the difference from distilling the task only."""
    by_way: dict[WayToStudent, Sequence[TwoStagesSeed]] = {}
    for same in zip(*seeds, strict=True):
        by_way[same[0].way] = same
    usual = by_seed([row.hits.unpack() for row in by_way[USUAL]])
    rows: list[Row] = []
    for way, group in by_way.items():
        hits = by_seed([row.hits.unpack() for row in group])
        rows.append(
            TwoStagesRow(
                way=way,
                steps=group[0].steps,
                times_the_cost=group[0].flops / by_way[USUAL][0].flops,
                accuracy_percent=spread([100 * float(row.mean()) for row in hits]),
                hits=tuple(row.hits for row in group),
                difference_points=None if way == USUAL else paired_interval(hits - usual),
            )
        )
    return rows


TWO_STAGES = Job("two_stages", recipes.TWO_STAGES, TwoStagesSeed, two_stages, summarise_two_stages)
