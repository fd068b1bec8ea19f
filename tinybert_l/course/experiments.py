"""Small, seeded runs that a notebook can make while the lecture goes on.

TINYBERT_L_REDUCED=1 shrinks them for tests; `describe` says so in the notebook's output.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from tinybert_l.exercises.lecture_01 import soft_cross_entropy
from tinybert_l.exercises.lecture_04 import Stages
from tinybert_l.method.data import Encoded, collate, training_batches
from tinybert_l.method.evaluation import count_flops, weight_bytes
from tinybert_l.method.importance import Importance, sort_by_importance
from tinybert_l.method.joint import (
    Supernet,
    load_supernet,
    sorted_by_importance,
    train_jointly,
    train_on_labels,
)
from tinybert_l.method.model import (
    ElasticBertForSequenceClassification,
    elastic_copy,
    extract,
    set_dropout_on_states,
)
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import TeacherRecipe, load_teacher, predict_logits
from tinybert_l.method.teacher_outputs import TeacherOutputs
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.generation import Writer, load_writer
from tinybert_l.tasks.questions import Reader, load_reader


@dataclass(frozen=True)
class Bench:
    """What all short runs of a notebook share."""

    teacher: ElasticBertForSequenceClassification
    train: Encoded
    held_out: Encoded
    seeds: tuple[int, ...]
    recipe: JointRecipe
    teacher_logits: torch.Tensor  # on the held-out texts, [texts, classes]

    def describe(self) -> str:
        """One line on size and seeds, for captions."""
        size = "REDUCED 缩减, for tests" if reduced() else "live 现场运行"
        return (
            f"{size}: {self.recipe.num_steps} steps of {self.recipe.batch_size} sentences, "
            f"seeds {', '.join(map(str, self.seeds))}, {len(self.held_out)} held-out sentences"
        )


@dataclass(frozen=True)
class ShortRun:
    """What one short run gave."""

    model: ElasticBertForSequenceClassification
    log: list[dict[str, Any]]
    seconds: float


def reduced() -> bool:
    """Whether notebooks run at the size for tests."""
    return os.environ.get("TINYBERT_L_REDUCED", "") not in ("", "0")


def open_bench() -> Bench:
    """The cached teacher (fine-tuned first, if need be), sorted by importance, and slices of the data."""
    teacher = load_teacher(TeacherRecipe(quick=True, epochs=1) if reduced() else TeacherRecipe())
    recipe = JointRecipe(num_steps=20, batch_size=16, checkpoint_every=10_000)
    if reduced():
        recipe = replace(recipe, num_steps=4, batch_size=4)
    held_out = first(teacher.data["validation"], 24 if reduced() else 240)
    return Bench(
        sorted_by_importance(teacher, 32 if reduced() else 256),
        teacher.data["train"],
        held_out,
        (0, 1) if reduced() else (0, 1, 2),
        recipe,
        predict_logits(teacher.model, held_out),
    )


def first(data: Encoded, count: int) -> Encoded:
    """The first texts of a split (its order is that of a hash: as good as random)."""
    return Encoded(data.token_ids[:count], data.labels[:count], data.pad_token_id)


def short_run(
    bench: Bench,
    recipe: JointRecipe,
    start: Any = None,
    on_step: Any = None,
    outputs: TeacherOutputs | None = None,
) -> ShortRun:
    """Train a fresh copy of the teacher (or of `start`) jointly; `outputs` of the teacher spare running it."""
    student = elastic_copy(start if start is not None else bench.teacher)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        step = (lambda s: on_step(s, student)) if on_step else None
        log = train_jointly(
            student, outputs or bench.teacher, bench.train, recipe, Path(folder), on_step=step
        )
    return ShortRun(student, log, time.perf_counter() - begin)


@torch.no_grad()
def divergence(student: torch.Tensor, target: torch.Tensor) -> float:
    """Mean KL divergence, in nats, of softened predictions [texts, classes] from the target's."""
    both = (F.log_softmax(student, -1), F.log_softmax(target, -1))
    return float(F.kl_div(*both, log_target=True, reduction="batchmean").clamp(min=0))


def fidelity(
    bench: Bench, model: ElasticBertForSequenceClassification, sub_model: SubModel
) -> dict[str, float]:
    """Accuracy (0..1) of a sub-model on held-out sentences, and its divergence from the teacher."""
    logits = predict_logits(model, bench.held_out, sub_model=sub_model)
    accuracy = float((logits.argmax(-1) == torch.tensor(bench.held_out.labels)).float().mean())
    return {"accuracy": accuracy, "divergence": divergence(logits, bench.teacher_logits)}


def distances_to_largest(
    bench: Bench, every: int, texts: int = 64
) -> tuple[ShortRun, list[int], dict[str, list[float]]]:
    """Train with the default schedule; every few steps measure how far each sub-model is from the largest.

    Returns:
        The run, the steps of measurement, and {sub-model's label: KL in nats at those steps}.
    """
    recipe = replace(bench.recipe, num_steps=2 * bench.recipe.num_steps)
    batch = collate(bench.held_out, range(min(texts, len(bench.held_out))))
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

    run = short_run(bench, recipe, on_step=look)
    return run, steps, distances


def all_at_once(stages: Stages) -> tuple[tuple[float, tuple[SubModel, ...]], ...]:
    """The same sub-models, all open from the first step."""
    return ((0.0, tuple(dict.fromkeys(s for _, group in stages for s in group))),)


def shuffled_teacher(bench: Bench, seed: int) -> ElasticBertForSequenceClassification:
    """The teacher with heads and neurons in random order: the same function, other slices."""
    generator = torch.Generator().manual_seed(seed)
    config = bench.teacher.config
    noise = Importance(
        [
            torch.rand(config.num_attention_heads, generator=generator)
            for _ in bench.teacher.bert.layers
        ],
        [
            torch.rand(config.intermediate_size, generator=generator)
            for _ in bench.teacher.bert.layers
        ],
    )
    return sort_by_importance(bench.teacher, noise)


def compare(
    bench: Bench, variants: dict[str, Any], sub_models: Sequence[SubModel]
) -> list[dict[str, Any]]:
    """Run every variant with every seed; one row for each.

    Args:
        variants: {name: seed -> (recipe, model to start from or None)}.
    Returns:
        Rows with variant, seed, largest_gradient_norm, and mean accuracy and divergence of `sub_models`.
    """
    rows = []
    for (
        seed
    ) in bench.seeds:  # seeds outside, so that a slow minute of the machine meets every variant
        for name, variant in variants.items():
            recipe, start = variant(seed)
            run = short_run(bench, replace(recipe, seed=seed), start)
            measured = [fidelity(bench, run.model, s) for s in sub_models]
            rows.append(
                {
                    "variant": name,
                    "seed": seed,
                    "accuracy": sum(m["accuracy"] for m in measured) / len(measured),
                    "divergence": sum(m["divergence"] for m in measured) / len(measured),
                    "largest_gradient_norm": max(row["gradient_norm"] for row in run.log),
                    "seconds": run.seconds,
                }
            )
    return rows


def storage_and_switching(
    model: ElasticBertForSequenceClassification, sub_models: Sequence[SubModel]
) -> dict[str, float]:
    """Bytes of one supernet against separate models; milliseconds to change the model and answer; FLOPs."""
    extracted = [extract(model, s) for s in sub_models]
    size, separate = weight_bytes(model), sum(map(weight_bytes, extracted))
    ids = torch.zeros(1, 8, dtype=torch.long)
    smallest = sub_models[0]
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder) / "model.safetensors"
        save_file({k: v.contiguous() for k, v in extracted[0].state_dict().items()}, path)

        def load_and_answer() -> None:
            extracted[0].load_state_dict(load_file(path))
            extracted[0](ids)

        loading = _median_ms(load_and_answer)
        switching = _median_ms(lambda: model(ids, sub_model=smallest), before=lambda: model(ids))
    return {
        "supernet_bytes": size,
        "separate_bytes": separate,
        "loading_ms": loading,
        "switching_ms": switching,
        "largest_flops": count_flops(extracted[-1]),
        "smallest_flops": count_flops(extracted[0]),
    }


def _median_ms(action: Any, repeats: int = 15, before: Any = None) -> float:
    times = []
    for _ in range(repeats):
        if before is not None:
            before()
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return 1000 * sorted(times)[repeats // 2]


def training_cost(
    recipe: JointRecipe, model: ElasticBertForSequenceClassification
) -> tuple[float, float]:
    """(FLOPs of the joint run, FLOPs of training each sub-model alone for as many steps), a forward pass a text.

    Counted from the real schedule; backward passes cost twice as much on both sides, the teacher the same.
    """
    flops = {s: count_flops(extract(model, s)) for s in recipe.sub_models()}
    joint = sum(flops[s] for step in range(recipe.num_steps) for s in recipe.participants(step))
    return float(joint), float(sum(flops.values()) * recipe.num_steps)


def open_supernet() -> Supernet:
    """The cached supernet of the default recipe; trained first, if need be."""
    if not reduced():
        return load_supernet()
    return load_supernet(
        JointRecipe(num_steps=4, batch_size=4), TeacherRecipe(quick=True, epochs=1)
    )


def open_reader() -> Reader:
    """The cached question-answering supernet; trained first, if need be."""
    return load_reader(4, 4) if reduced() else load_reader()


def open_writer() -> Writer:
    """The cached language-model supernet; trained first, if need be."""
    return load_writer(3, 4, 400, reviews=40) if reduced() else load_writer()


def alone(recipe: JointRecipe, sub_model: SubModel) -> JointRecipe:
    """The same recipe for one sub-model by itself: the usual, separate training."""
    return replace(recipe, stages=((0.0, (sub_model,)),), self_distillation=False)


def label_run(
    bench: Bench, sub_model: SubModel, recipe: JointRecipe, dropout: float = 0.0, start: Any = None
) -> ShortRun:
    """Train one sub-model on the 0/1 labels alone, without a teacher."""
    student = elastic_copy(start if start is not None else bench.teacher)
    set_dropout_on_states(student, dropout)
    batches = training_batches(bench.train, recipe.batch_size, recipe.num_steps, recipe.seed)

    def predict(step: int, chosen: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
        batch = collate(bench.train, batches[step], student.device)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return student(**inputs, sub_model=chosen).logits, batch["labels"]

    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        log = train_on_labels(
            student, predict, alone(recipe, sub_model), Path(folder), "labels 硬标签"
        )
    return ShortRun(student, log, time.perf_counter() - begin)


def gradient_cosines(
    bench: Bench,
    model: ElasticBertForSequenceClassification,
    sub_models: Sequence[SubModel],
    texts: int = 32,
) -> torch.Tensor:
    """Cosine between the gradients of the sub-models' soft-label losses on one batch, [n, n].

    Over the weights that both of a pair use: where the smaller one's gradient is not zero.
    """
    batch = collate(bench.train, range(min(texts, len(bench.train))))
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        target = bench.teacher(**inputs).logits
    gradients = []
    for sub_model in sub_models:
        model.zero_grad(set_to_none=False)
        soft_cross_entropy(model(**inputs, sub_model=sub_model).logits, target).backward()
        layers = (p for name, p in model.named_parameters() if "encoder" in name)
        gradients.append(
            torch.cat(
                [torch.zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in layers]
            )
        )
    model.zero_grad(set_to_none=True)
    cosines = torch.ones(len(gradients), len(gradients))
    for i, a in enumerate(gradients):
        for j, b in enumerate(gradients):
            shared = (a != 0) & (b != 0)
            cosines[i, j] = F.cosine_similarity(a[shared], b[shared], dim=0)
    return cosines


@contextmanager
def answered_by(hole: Any, answer: Any) -> Iterator[None]:
    """Let the library run on another answer for a while: to see what a mistake does."""
    with hole.exercise.answered_by(answer):
        yield


def step_cost(
    model: torch.nn.Module, input_ids: torch.Tensor, repeats: int = 3
) -> tuple[float, float]:
    """(milliseconds of a training step's forward and backward pass, MB of tensors kept for the backward pass)."""
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = model(input_ids).logits.sum()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    megabytes = sum(size for pointer, size in kept.items() if pointer not in weights) / 1e6
    loss.backward()
    milliseconds = _median_ms(lambda: model(input_ids).logits.sum().backward(), repeats)
    model.zero_grad(set_to_none=True)
    return milliseconds, megabytes
