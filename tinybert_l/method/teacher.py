"""The teacher: a BERT checkpoint with a classification head, fine-tuned once and cached.

Only low-rank adapters (LoRA, Hu et al. 2022), the pooler and the classifier are trained, and merged into the weights.
So the default teacher is a file of a megabyte that lies beside this module; `from_scratch` trains it anew.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, BertForSequenceClassification, BertModel

from tinybert_l.cache import cached, read_entry
from tinybert_l.method.cached_model import quiet_loading
from tinybert_l.method.data import (
    Encoded,
    Split,
    Table,
    bucketed_batches,
    collate,
    data_hash,
    embedded_teacher_path,
    encode,
    load_reviews,
    load_table,
    training_batches,
)
from tinybert_l.method.training import (
    LoopSettings,
    autocast,
    is_main_process,
    open_accelerator,
    remove_checkpoints,
    resolve_precision,
    run_loop,
    shared_out,
)

EMBEDDED = "embedded"
SHIPPED = Path(__file__).resolve().parent / "adapter"  # made by tools/make_adapter.py
ADAPTED = r".*encoder.*\.(query|key|value|dense)"


@dataclass(frozen=True)
class TeacherRecipe:
    """All that decides the fine-tuned teacher.

    Args:
        checkpoint: "embedded", a folder made by `save_pretrained`, or a BERT's name on the hub.
        rank: of the adapters, at least 1; 0: every weight is trained, and nothing is adapted.
        quick: train on a small slice, for a try.
        table: one's own texts; None: the embedded reviews.
    """

    checkpoint: str = EMBEDDED
    rank: int = 8
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 1e-3
    max_length: int = 64
    seed: int = 0
    precision: str = "auto"
    quick: bool = False
    table: Table | None = None

    def splits(self) -> tuple[dict[str, Split], list[str]]:
        """The texts to train on, and the names of their labels."""
        if self.table is None:
            return load_reviews(quick=self.quick), ["negative", "positive"]
        return load_table(self.table, self.quick)

    def key(self, splits: dict[str, Split]) -> dict[str, Any]:
        """What a cached result of this recipe is known by: of the texts, what they say and not where they lie."""
        return {k: v for k, v in asdict(self).items() if k != "table"} | {"data": data_hash(splits)}


@dataclass(frozen=True)
class Teacher:
    """A fine-tuned teacher, its tokenizer and the data it was trained on, tokenised."""

    model: BertForSequenceClassification
    tokenizer: Any
    data: dict[str, Encoded]
    folder: Path
    metrics: dict[str, Any]


def load_teacher(recipe: TeacherRecipe | None = None, from_scratch: bool = False) -> Teacher:
    """The fine-tuned teacher of the recipe; trains it first when the cache has none.

    Args:
        from_scratch: train even where the recipe's adapter comes with the library, and keep the result apart.
    """
    recipe = recipe or TeacherRecipe()
    source = str(embedded_teacher_path()) if recipe.checkpoint == EMBEDDED else recipe.checkpoint
    splits, names = recipe.splits()
    tokenizer = AutoTokenizer.from_pretrained(source)
    data = {name: encode(split, tokenizer, recipe.max_length) for name, split in splits.items()}

    key = recipe.key(splits)

    def build(folder: Path) -> dict[str, Any]:
        if not from_scratch and shipped_recipe() == key:
            return merge_shipped(source, folder)
        return fine_tune(source, data, recipe, folder, names)

    folder = cached(
        "teacher", key | ({"from_scratch": True} if from_scratch else {}), build, together=True
    )
    with quiet_loading():
        model = BertForSequenceClassification.from_pretrained(folder).eval()
    entry = read_entry(folder) or {}
    return Teacher(model, tokenizer, data, folder, entry.get("metrics", {}))


def fine_tune(
    source: str, data: dict[str, Encoded], recipe: TeacherRecipe, folder: Path, names: Sequence[str]
) -> dict[str, Any]:
    """Fine-tune a checkpoint for classification and save it in `folder`; returns its metrics.

    Args:
        names: of the labels, in the order of their numbers.
    """
    torch.manual_seed(recipe.seed)  # of the new classification head
    with quiet_loading():
        model = BertForSequenceClassification.from_pretrained(
            source, num_labels=len(names), dtype=torch.float32
        )
    if recipe.table is not None:
        model.config.id2label = dict(enumerate(names))
        model.config.label2id = {name: number for number, name in enumerate(names)}
    if recipe.rank:
        model = with_adapters(model, recipe.rank)
    accelerator = open_accelerator()
    steps = recipe.epochs * -(-len(data["train"]) // recipe.batch_size)
    precision = resolve_precision(recipe.precision, folder, model.config.hidden_size)
    settings = LoopSettings(steps, recipe.learning_rate, seed=recipe.seed, precision=precision)
    batches = training_batches(data["train"], recipe.batch_size, steps, recipe.seed)
    model = model.to(accelerator.device)

    def step_loss(step: int) -> tuple[torch.Tensor, dict[str, Any]]:
        own, shares = shared_out(data["train"], batches[step], accelerator)
        batch = collate(data["train"], own, accelerator.device, at_most=recipe.max_length)
        with autocast(accelerator.device, precision):
            return shares.texts * model(**batch).loss, {}

    rows = run_loop(model, step_loss, settings, folder, "teacher 教师", accelerator)
    model.eval()
    if not is_main_process():
        return {}
    with quiet_loading():
        if recipe.rank:
            model.save_pretrained(folder / "adapter")
            model = model.merge_and_unload()
        model.save_pretrained(folder)
    remove_checkpoints(folder)
    metrics = {
        f"{name}_accuracy": accuracy_of(model, data[name]) for name in ("validation", "test")
    }
    return {
        **metrics,
        "steps": steps,
        "precision": precision,
        "last_loss": rows[-1]["loss"] if rows else None,
    }


def with_adapters(model: BertForSequenceClassification, rank: int) -> Any:
    """The model with low-rank adapters on every projection of its layers; all else but pooler and head is frozen."""
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(
        task_type="SEQ_CLS", r=rank, lora_alpha=2 * rank, lora_dropout=0.1, target_modules=ADAPTED,
        modules_to_save=["pooler", "classifier"],
    )  # fmt: skip
    return get_peft_model(model, settings)


def shipped_recipe() -> dict[str, Any] | None:
    """What the adapter beside this module was trained with, data hash included; None: this installation has none."""
    try:
        return json.loads((SHIPPED / "recipe.json").read_text(encoding="utf-8"))["recipe"]
    except FileNotFoundError:
        return None


def merge_shipped(source: str, folder: Path) -> dict[str, Any]:
    """Write the shipped teacher into `folder`; returns the metrics that were measured when it was made."""
    from peft import PeftModel

    note = json.loads((SHIPPED / "recipe.json").read_text(encoding="utf-8"))
    if not is_main_process():
        return {}
    with quiet_loading():
        model = BertForSequenceClassification.from_pretrained(
            source, num_labels=2, dtype=torch.float32
        )
        merged = PeftModel.from_pretrained(model, str(SHIPPED)).merge_and_unload().eval()
        merged.save_pretrained(folder)
    return {**note["metrics"], "shipped": True}


@torch.no_grad()
def predict_logits(
    model: torch.nn.Module, data: Encoded, batch_size: int = 64, **kwargs: Any
) -> torch.Tensor:
    """Logits [texts, classes] in the order of the data; dropout is off, float32."""
    device = next(model.parameters()).device
    was_training, _ = model.training, model.eval()
    parts: dict[int, torch.Tensor] = {}
    for indices in bucketed_batches([len(ids) for ids in data.token_ids], batch_size):
        batch = collate(data, indices, device)
        logits = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], **kwargs
        ).logits
        parts.update(zip(indices, logits.float().cpu(), strict=True))
    model.train(was_training)
    return torch.stack([parts[i] for i in range(len(data))])


def accuracy_of(model: torch.nn.Module, data: Encoded, **kwargs: Any) -> float:
    """Share of texts whose most likely class is the label."""
    predictions = predict_logits(model, data, **kwargs).argmax(-1)
    return float((predictions == torch.tensor(data.labels)).float().mean())


def load_embedded() -> tuple[BertModel, Any]:
    """The embedded checkpoint before any fine-tuning, without pooler, and its tokenizer."""
    with quiet_loading():
        encoder = BertModel.from_pretrained(
            embedded_teacher_path(), add_pooling_layer=False, dtype=torch.float32
        )
        return encoder.eval(), AutoTokenizer.from_pretrained(embedded_teacher_path())
