"""Small, seeded runs that a notebook can make while the lecture goes on.

TINYBERT_L_REDUCED=1 shrinks them for tests; `describe` says so in the notebook's output.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from tinybert_l.exercises.lecture_01 import soft_cross_entropy
from tinybert_l.exercises.lecture_04 import Stages
from tinybert_l.languages import in_words
from tinybert_l.method.data import Encoded, collate, training_batches
from tinybert_l.method.evaluation import count_flops, weight_bytes
from tinybert_l.method.extraction import elastic_copy, extract, set_dropout_on_states
from tinybert_l.method.importance import Importance, sort_by_importance
from tinybert_l.method.joint import (
    Supernet,
    load_supernet,
    sorted_by_importance,
    train_jointly,
    train_on_labels,
)
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import (
    DEFAULT_TEACHER,
    TeacherRecipe,
    load_teacher,
    predict_logits,
)
from tinybert_l.method.teacher_outputs import TeacherOutputs
from tinybert_l.method.timing import measure_call
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.generation import Writer, load_writer
from tinybert_l.tasks.questions import Reader, load_reader


@dataclass(frozen=True)
class LectureSetup:
    """The teacher, data, seeds and recipe that all short runs of a notebook share."""

    teacher: ElasticBertForSequenceClassification
    train: Encoded
    held_out: Encoded
    seeds: tuple[int, ...]
    recipe: JointRecipe
    teacher_logits: torch.Tensor  # on the held-out texts, [texts, classes]

    def describe(self) -> str:
        """Describe size and seeds in one line, for captions."""
        size = "REDUCED for tests 为测试缩减" if reduced() else "live 现场运行"
        return in_words(
            f"{size}: steps 步 {self.recipe.num_steps}, sentences a step 每步句子 "
            f"{self.recipe.batch_size}, seeds 种子 {', '.join(map(str, self.seeds))}, "
            f"held-out sentences 留出句子 {len(self.held_out)}"
        )


@dataclass(frozen=True)
class ShortRun:
    """The student that a short run trained, its log by step, and the seconds it took."""

    model: ElasticBertForSequenceClassification
    log: list[dict[str, Any]]
    seconds: float


def reduced() -> bool:
    """Say whether notebooks run at the size for tests."""
    return os.environ.get("TINYBERT_L_REDUCED", "") not in ("", "0")


def open_bench(teacher_recipe: TeacherRecipe | None = None) -> LectureSetup:
    """Load what a notebook's short runs share.

    The teacher comes from the cache, is fine-tuned first if need be, and is sorted by importance.

    Args:
        teacher_recipe: of another teacher than the default one; not with reduced runs.
    """
    teacher_recipe = teacher_recipe or DEFAULT_TEACHER
    seeds: tuple[int, ...] = (0, 1, 2)
    texts = 240
    texts_for_importance = 256
    recipe = JointRecipe(num_steps=20, batch_size=16, checkpoint_every=10_000)
    if reduced():
        teacher_recipe = TeacherRecipe(quick=True, epochs=1)
        seeds = (0, 1)
        texts = 8
        texts_for_importance = 32
        recipe = replace(recipe, num_steps=3, batch_size=2)
    teacher = load_teacher(teacher_recipe)
    held_out = first_texts(teacher.data["validation"], texts)
    return LectureSetup(
        teacher=sorted_by_importance(teacher, texts_for_importance),
        train=teacher.data["train"],
        held_out=held_out,
        seeds=seeds,
        recipe=recipe,
        teacher_logits=predict_logits(teacher.model, held_out),
    )


def first_texts(data: Encoded, count: int) -> Encoded:
    """Take the first texts of a split; in the order of a hash, they are as good as random."""
    return Encoded(data.token_ids[:count], data.labels[:count], data.pad_token_id)


def short_run(
    setup: LectureSetup,
    recipe: JointRecipe,
    start: Any = None,
    on_step: Any = None,
    outputs: TeacherOutputs | None = None,
) -> ShortRun:
    """Train a fresh copy of a model jointly.

    Args:
        setup: teacher and training texts.
        recipe: of the joint run.
        start: the model to copy; None: the teacher.
        on_step: called with each step's number and the student.
        outputs: the teacher's outputs, computed before; None: the teacher runs in every step.
    """
    student = elastic_copy(start if start is not None else setup.teacher)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        step = (lambda s: on_step(s, student)) if on_step else None
        log = train_jointly(
            student, outputs or setup.teacher, setup.train, recipe, Path(folder), on_step=step
        )
    return ShortRun(student, log, time.perf_counter() - begin)


@torch.no_grad()
def divergence(student: torch.Tensor, target: torch.Tensor) -> float:
    """Compute the mean KL divergence, in nats, of logits [texts, classes] from the target's."""
    both = (F.log_softmax(student, -1), F.log_softmax(target, -1))
    return float(F.kl_div(*both, log_target=True, reduction="batchmean").clamp(min=0))


def fidelity(
    setup: LectureSetup, model: ElasticBertForSequenceClassification, sub_model: SubModel
) -> dict[str, float]:
    """Measure accuracy (0..1) on the held-out texts, and divergence from the teacher's logits."""
    logits = predict_logits(model, setup.held_out, sub_model=sub_model)
    accuracy = float((logits.argmax(-1) == torch.tensor(setup.held_out.labels)).float().mean())
    return {"accuracy": accuracy, "divergence": divergence(logits, setup.teacher_logits)}


def distances_to_largest(
    setup: LectureSetup, every: int, texts: int = 64
) -> tuple[ShortRun, list[int], dict[str, list[float]]]:
    """Train with the default schedule, and measure how far sub-models are from the largest.

    Args:
        setup: teacher, data and recipe; the run takes twice the recipe's steps.
        every: steps between two measurements.
        texts: how many held-out texts are measured.

    Returns:
        The run, the steps of measurement, and {sub-model's label: KL in nats at those steps}.
    """
    recipe = replace(setup.recipe, num_steps=2 * setup.recipe.num_steps)
    batch = collate(setup.held_out, range(min(texts, len(setup.held_out))))
    smaller = recipe.sub_models()[:-1]
    steps: list[int] = []
    distances: dict[str, list[float]] = {s.label: [] for s in smaller}

    @torch.no_grad()
    def look(step: int, student: ElasticBertForSequenceClassification) -> None:
        if step % every and step != recipe.num_steps - 1:
            return
        steps.append(step)
        inputs = {name: batch[name].to(student.device) for name in ("input_ids", "attention_mask")}
        largest = student(**inputs).logits.float()
        for sub_model in smaller:
            logits = student(**inputs, sub_model=sub_model).logits.float()
            distances[sub_model.label].append(divergence(logits, largest))

    run = short_run(setup, recipe, on_step=look)
    return run, steps, distances


def all_at_once(stages: Stages) -> tuple[tuple[float, tuple[SubModel, ...]], ...]:
    """Open all sub-models of the stages at the first step."""
    sub_models: dict[SubModel, None] = {}
    for _, group in stages:
        sub_models |= dict.fromkeys(group)
    return ((0.0, tuple(sub_models)),)


def shuffled_teacher(setup: LectureSetup, seed: int) -> ElasticBertForSequenceClassification:
    """Put the teacher's heads and neurons in random order: the same function, other slices."""
    generator = torch.Generator().manual_seed(seed)
    config = setup.teacher.config
    layers = range(config.num_hidden_layers)
    heads = [torch.rand(config.num_attention_heads, generator=generator) for _ in layers]
    neurons = [torch.rand(config.intermediate_size, generator=generator) for _ in layers]
    noise = Importance(heads, neurons)
    return sort_by_importance(setup.teacher, noise)


def compare(
    setup: LectureSetup, variants: dict[str, Any], sub_models: Sequence[SubModel]
) -> list[dict[str, Any]]:
    """Run every variant with every seed.

    Args:
        setup: teacher, data and seeds.
        variants: {name: seed -> (recipe, model to start from or None)}.
        sub_models: those that are measured after each run.
    Returns:
        A row for each run: variant, seed, largest_gradient_norm, seconds, and the means of accuracy
        and divergence over `sub_models`.
    """
    rows = []
    for seed in setup.seeds:  # the outer loop: a slow minute of the machine meets every variant
        for name, variant in variants.items():
            recipe, start = variant(seed)
            run = short_run(setup, replace(recipe, seed=seed), start)
            measured = pd.DataFrame([fidelity(setup, run.model, s) for s in sub_models])
            row = {"variant": name, "seed": seed}
            row["accuracy"] = sum(measured["accuracy"]) / len(measured)
            row["divergence"] = sum(measured["divergence"]) / len(measured)
            row["largest_gradient_norm"] = max(step["gradient_norm"] for step in run.log)
            row["seconds"] = run.seconds
            rows.append(row)
    return rows


def storage_and_switching(
    model: ElasticBertForSequenceClassification, sub_models: Sequence[SubModel]
) -> dict[str, float]:
    """Compare one supernet with separate models: bytes, milliseconds to change the model, FLOPs."""
    extracted = [extract(model, s) for s in sub_models]
    ids = torch.zeros(1, 8, dtype=torch.long)
    smallest = sub_models[0]
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / "model.safetensors"
        save_file({k: v.contiguous() for k, v in extracted[0].state_dict().items()}, path)

        def load_and_answer() -> None:
            extracted[0].load_state_dict(load_file(path))
            extracted[0](ids)

        loading = measure_call(load_and_answer, 0.3).median_ms
        switching = _switching_ms(lambda: model(ids), lambda: model(ids, sub_model=smallest))
    return {
        "supernet_bytes": weight_bytes(model),
        "separate_bytes": sum(map(weight_bytes, extracted)),
        "loading_ms": loading,
        "switching_ms": switching,
        "largest_flops": count_flops(extracted[-1]),
        "smallest_flops": count_flops(extracted[0]),
    }


def _switching_ms(before: Callable[[], Any], call: Callable[[], Any], repeats: int = 15) -> float:
    """Median milliseconds of a call, each time after another one that is not timed."""
    times = []
    for _ in range(repeats):
        before()
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return 1000 * median(times)


def training_cost(
    recipe: JointRecipe,
    model: ElasticBertForSequenceClassification,
    steps_alone: int | None = None,
) -> tuple[float, float]:
    """Count the FLOPs of a joint run, and of training each sub-model alone.

    Counted from the real schedule, for the forward pass of one text a step: backward passes cost
    twice as much on both sides, and the teacher is left out of both.

    Args:
        recipe: of the joint run.
        model: that both start from.
        steps_alone: of each run alone; None: as many as the joint run has.

    Returns:
        (joint, all alone).
    """
    flops = {s: count_flops(extract(model, s)) for s in recipe.sub_models()}
    joint = 0
    for step in range(recipe.num_steps):
        joint += sum(flops[s] for s in recipe.participants(step))
    steps = recipe.num_steps if steps_alone is None else steps_alone
    return float(joint), float(sum(flops.values()) * steps)


def open_supernet() -> Supernet:
    """Load the cached supernet of the default recipe; it is trained first, if need be."""
    if not reduced():
        return load_supernet()
    supernet = load_supernet(
        JointRecipe(num_steps=4, batch_size=4), TeacherRecipe(quick=True, epochs=1)
    )
    data = supernet.teacher.data
    fewer = {name: first_texts(data[name], 48) for name in ("validation", "test")}
    return replace(supernet, teacher=replace(supernet.teacher, data=data | fewer))


def open_reader() -> Reader:
    """Load the cached question-answering supernet; it is trained first, if need be."""
    return load_reader(4, 4) if reduced() else load_reader()


def open_writer() -> Writer:
    """Load the cached language-model supernet; it is trained first, if need be."""
    return load_writer(3, 4, 400, reviews=40) if reduced() else load_writer()


def alone(recipe: JointRecipe, sub_model: SubModel) -> JointRecipe:
    """Change a recipe to one sub-model by itself: the usual, separate training."""
    return replace(recipe, stages=((0.0, (sub_model,)),), self_distillation=False)


def label_run(
    setup: LectureSetup,
    sub_model: SubModel,
    recipe: JointRecipe,
    dropout: float = 0.0,
    start: Any = None,
) -> ShortRun:
    """Train one sub-model on the 0/1 labels alone, without a teacher."""
    student = elastic_copy(start if start is not None else setup.teacher)
    set_dropout_on_states(student, dropout)
    batches = training_batches(setup.train, recipe.batch_size, recipe.num_steps, recipe.seed)

    def predict(step: int, chosen: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
        batch = collate(setup.train, batches[step], student.device)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return student(**inputs, sub_model=chosen).logits, batch["labels"]

    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        log = train_on_labels(
            student, predict, alone(recipe, sub_model), Path(folder), "labels 硬标签"
        )
    return ShortRun(student, log, time.perf_counter() - begin)


def gradient_cosines(
    setup: LectureSetup,
    model: ElasticBertForSequenceClassification,
    sub_models: Sequence[SubModel],
    texts: int = 32,
) -> torch.Tensor:
    """Compare the gradients of the sub-models' soft-label losses on one batch by their cosines.

    A cosine is taken over the weights that both of a pair use: where neither gradient is zero.

    Returns:
        Cosines [sub-models, sub-models].
    """
    batch = collate(setup.train, range(min(texts, len(setup.train))))
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        target = setup.teacher(**inputs).logits
    gradients = []
    for sub_model in sub_models:
        model.zero_grad(set_to_none=False)
        soft_cross_entropy(model(**inputs, sub_model=sub_model).logits, target).backward()
        gradients.append(_encoder_gradient(model))
    model.zero_grad(set_to_none=True)
    cosines = torch.ones(len(gradients), len(gradients))
    for i, j in combinations(range(len(gradients)), 2):
        a, b = gradients[i], gradients[j]
        shared = (a != 0) & (b != 0)
        cosines[i, j] = cosines[j, i] = F.cosine_similarity(a[shared], b[shared], dim=0)
    return cosines


def _encoder_gradient(model: torch.nn.Module) -> torch.Tensor:
    """The gradients of all encoder weights in one vector; zeros where a weight has none."""
    parts = []
    for name, weight in model.named_parameters():
        if "encoder" in name:
            gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
            parts.append(gradient.flatten())
    return torch.cat(parts)


@contextmanager
def answered_by(stub: Any, answer: Any) -> Iterator[None]:
    """Let the library run on another answer inside `with`, to see the effect of a mistake."""
    with stub.exercise.answered_by(answer):
        yield


def step_cost(model: torch.nn.Module, input_ids: torch.Tensor) -> tuple[float, float]:
    """Measure a training step's forward and backward pass on token ids [batch, length].

    Returns:
        (median milliseconds, MB of tensors that are kept for the backward pass).
    """
    megabytes = megabytes_kept(model, input_ids)
    latency = measure_call(lambda: model(input_ids).logits.sum().backward(), 0.2)
    model.zero_grad(set_to_none=True)
    return latency.median_ms, megabytes


def megabytes_kept(model: torch.nn.Module, input_ids: torch.Tensor) -> float:
    """Measure the tensors that a forward pass on token ids [batch, length] keeps for the backward
    pass, in MB; the weights, which are there anyway, are not counted.
    """
    bytes_by_pointer: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        bytes_by_pointer[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model(input_ids)
    for weight in model.parameters():
        bytes_by_pointer.pop(weight.untyped_storage().data_ptr(), None)
    return sum(bytes_by_pointer.values()) / 1e6
