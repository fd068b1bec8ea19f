"""The teacher: a BERT checkpoint with a classification head, fine-tuned once and cached.

Every weight is trained, or, with a rank above 0, only low-rank adapters (LoRA, Hu et al. 2022), the
pooler and the classifier; the adapters are then merged into the weights. Runs of several seeds may
be averaged weight by weight (Wortsman et al. 2022, model soups): one model, and steadier than each.
The default teacher comes with the library, as a file of its differences from the checkpoint;
`from_scratch` trains it anew.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    BertModel,
    PreTrainedTokenizerBase,
)

from tinybert_l.cache import cached, read_entry
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.answer_sources import TRAINING, chosen
from tinybert_l.method import shipped_teacher
from tinybert_l.method.cached_model import quiet_loading, save_quietly
from tinybert_l.method.checkpoints import remove_checkpoints
from tinybert_l.method.data import (
    Encoded,
    Split,
    Table,
    bucketed_batches,
    collate,
    data_hash,
    embedded_teacher_path,
    encode_all,
    load_reviews,
    load_table,
    model_inputs,
    training_batches,
)
from tinybert_l.method.own_teacher import as_the_checkpoint_counts, checkpoint_key, known_classes
from tinybert_l.method.precision import autocast, resolve_precision
from tinybert_l.method.processes import is_main_process, open_accelerator, split_batch
from tinybert_l.method.training import LoopSettings, run_loop

EMBEDDED = "embedded"
ADAPTED = r".*encoder.*\.(query|key|value|dense)"
REVIEW_LABELS = ["negative", "positive"]


@dataclass(frozen=True)
class TeacherRecipe:
    """All that decides the fine-tuned teacher.

    Args:
        checkpoint: "embedded", a folder made by `save_pretrained`, or a BERT's name on the hub. A
            checkpoint that was fine-tuned for these classes keeps its head and is not trained.
        rank: of the adapters that are trained; 0: every weight is trained, and nothing is adapted.
        epochs: passes over the training texts.
        batch_size: texts a step.
        learning_rate: highest rate of the linear warm-up and decay.
        max_length: tokens at which a text is cut.
        seed: of the new head, the order of the texts and dropout.
        precision: see `LoopSettings`.
        quick: train on a small slice, for a try.
        table: the user's own texts; None: the embedded reviews.
        fold: which of the embedded reviews are for testing; see `load_reviews`.
        runs: the weights of so many runs, with the seeds that follow `seed`, are averaged.
    """

    checkpoint: str = EMBEDDED
    rank: int = 0
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 1e-4
    max_length: int = 64
    seed: int = 0
    precision: str = "auto"
    quick: bool = False
    table: Table | None = None
    fold: int = 0
    runs: int = 1

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise InvalidInput(f"TeacherRecipe: runs={self.runs}; allowed: 1 or more.")

    def splits(self) -> tuple[dict[str, Split], list[str]]:
        """Read the texts to train, validate and test on, and the names of their labels."""
        if self.table is None:
            splits, names = load_reviews(quick=self.quick, fold=self.fold), REVIEW_LABELS
        else:
            splits, names = load_table(self.table, self.quick)
        if self.checkpoint == EMBEDDED:
            return splits, names
        return as_the_checkpoint_counts(splits, names, self.checkpoint, self.table is None)

    def key(self, splits: dict[str, Split]) -> dict[str, Any]:
        """Return the values that name a cached result of this recipe.

        A table counts by the content of its texts, not by its path; so does a fold.
        """
        key = asdict(self)
        del key["table"], key["fold"]
        if self.runs == 1:
            del key["runs"]
        key["data"] = data_hash(splits)
        if self.checkpoint != EMBEDDED:
            key.update(checkpoint_key(self.checkpoint))
        return key

    def source(self) -> str:
        """Return the checkpoint as `from_pretrained` takes it: a folder or a name on the hub."""
        if self.checkpoint == EMBEDDED:
            return str(embedded_teacher_path())
        return self.checkpoint


DEFAULT_TEACHER = TeacherRecipe(runs=3)


@dataclass(frozen=True)
class Teacher:
    """A fine-tuned teacher and the texts it was trained on.

    Args:
        model: in eval mode.
        tokenizer: the checkpoint's.
        data: the splits as token ids.
        folder: the teacher's cache entry.
        metrics: the numbers that were stored when it was trained.
        recipe: the teacher's recipe.
        splits: the texts themselves, {"train", "validation", "test"}.
        key: the values that name the cache entry.
    """

    model: BertForSequenceClassification
    tokenizer: PreTrainedTokenizerBase
    data: dict[str, Encoded]
    folder: Path
    metrics: dict[str, Any]
    recipe: TeacherRecipe
    splits: dict[str, Split]
    key: dict[str, Any]


def load_teacher(recipe: TeacherRecipe | None = None, from_scratch: bool = False) -> Teacher:
    """Load the fine-tuned teacher of the recipe from the cache; train it first when it is missing.

    Args:
        recipe: None: `DEFAULT_TEACHER`.
        from_scratch: train even where the recipe's teacher comes with the library; the result is
            cached apart.
    """
    recipe = recipe or DEFAULT_TEACHER
    splits, label_names = recipe.splits()
    tokenizer = AutoTokenizer.from_pretrained(recipe.source())
    data = encode_all(splits, tokenizer, recipe.max_length)
    key = recipe.key(splits)
    note = shipped_teacher.read_note()
    is_shipped = not from_scratch and note is not None and note["recipe"] == key
    if from_scratch:
        key["from_scratch"] = True

    def build(folder: Path) -> dict[str, Any]:
        if is_shipped:
            return merge_shipped(recipe.source(), folder)
        if recipe.runs > 1:
            return average_runs(recipe, folder, data)
        return fine_tune(data, recipe, folder, label_names)

    with chosen("reference", TRAINING):  # whoever asks for the recipe gets it
        folder = cached("teacher", key, build, together=True)
    with quiet_loading():
        model = BertForSequenceClassification.from_pretrained(folder).eval()
    metrics = (read_entry(folder) or {}).get("metrics", {})
    return Teacher(model, tokenizer, data, folder, metrics, recipe, splits, key)


def fine_tune(
    data: dict[str, Encoded], recipe: TeacherRecipe, folder: Path, label_names: Sequence[str]
) -> dict[str, Any]:
    """Fine-tune the recipe's checkpoint for classification and save it in `folder`.

    A checkpoint that knows its classes already is saved as it is, with its head.

    Args:
        data: the splits as token ids.
        label_names: names of the labels, in the order of their numbers.
    Returns:
        Accuracies, steps, precision and last loss; of several processes, the first returns them.
    """
    if recipe.checkpoint != EMBEDDED and known_classes(recipe.checkpoint) is not None:
        return _save_as_it_is(recipe, data, folder)
    model = _untrained(recipe, label_names)
    accelerator = open_accelerator()
    train = data["train"]
    steps = recipe.epochs * -(-len(train) // recipe.batch_size)
    precision = resolve_precision(recipe.precision, folder, model.config.hidden_size)
    settings = LoopSettings(
        num_steps=steps, learning_rate=recipe.learning_rate, seed=recipe.seed, precision=precision
    )
    batches = training_batches(train, recipe.batch_size, steps, recipe.seed)
    model = model.to(accelerator.device)

    def step_loss(step: int) -> tuple[torch.Tensor, dict[str, Any]]:
        rows, shares = split_batch(train, batches[step], accelerator)
        batch = collate(train, rows, accelerator.device, at_most=recipe.max_length)
        with autocast(accelerator.device, precision):
            return shares.texts * model(**batch).loss, {}

    log = run_loop(model, step_loss, settings, folder, "teacher 教师")
    model.eval()
    if not is_main_process():
        return {}
    model = _save(model, recipe, folder)
    return {
        "validation_accuracy": accuracy_of(model, data["validation"]),
        "test_accuracy": accuracy_of(model, data["test"]),
        "steps": steps,
        "precision": precision,
        "last_loss": log[-1]["loss"] if log else None,
    }


def average_runs(recipe: TeacherRecipe, folder: Path, data: dict[str, Encoded]) -> dict[str, Any]:
    """Train the recipe's runs, each a cached teacher of its own; save the mean of their weights.

    Returns:
        Accuracies of the mean and of each run; of several processes, the first returns them.
    """
    runs = []
    for number in range(recipe.runs):
        runs.append(load_teacher(replace(recipe, runs=1, seed=recipe.seed + number)))
    if not is_main_process():
        return {}
    states = [run.model.state_dict() for run in runs]
    model = runs[0].model
    model.load_state_dict({name: sum(s[name] for s in states) / len(states) for name in states[0]})
    save_quietly(model, folder)
    return {
        "validation_accuracy": accuracy_of(model, data["validation"]),
        "test_accuracy": accuracy_of(model, data["test"]),
        "steps": sum(run.metrics["steps"] for run in runs),
        "precision": runs[0].metrics.get("precision"),
        "test_accuracy_of_runs": [run.metrics["test_accuracy"] for run in runs],
    }


def _save_as_it_is(recipe: TeacherRecipe, data: dict[str, Encoded], folder: Path) -> dict[str, Any]:
    """Save a fine-tuned checkpoint untrained; return its accuracies."""
    if not is_main_process():
        return {}
    with quiet_loading():
        model = BertForSequenceClassification.from_pretrained(
            recipe.source(), dtype=torch.float32
        ).eval()
    save_quietly(model, folder)
    return {
        "validation_accuracy": accuracy_of(model, data["validation"]),
        "test_accuracy": accuracy_of(model, data["test"]),
        "steps": 0,
    }


def _untrained(recipe: TeacherRecipe, label_names: Sequence[str]) -> Any:
    """Return the recipe's checkpoint with a new head, and with adapters unless its rank is 0."""
    torch.manual_seed(recipe.seed)  # the new head starts from random weights
    with quiet_loading():
        model = BertForSequenceClassification.from_pretrained(
            recipe.source(), num_labels=len(label_names), dtype=torch.float32
        )
        if recipe.table is not None:
            model.config.id2label = dict(enumerate(label_names))
            model.config.label2id = {name: number for number, name in enumerate(label_names)}
        if recipe.rank:
            model = with_adapters(model, recipe.rank)
    return model


def _save(model: Any, recipe: TeacherRecipe, folder: Path) -> BertForSequenceClassification:
    """Save the trained model, and its adapters apart; return it with the adapters merged."""
    if recipe.rank:
        save_quietly(model, folder / "adapter")
        model = model.merge_and_unload()
    save_quietly(model, folder)
    remove_checkpoints(folder)
    return model


def with_adapters(model: BertForSequenceClassification, rank: int) -> Any:
    """Return the model with low-rank adapters on every projection of its layers.

    All other weights but those of pooler and classifier are frozen.
    """
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(
        task_type="SEQ_CLS",
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.1,
        target_modules=ADAPTED,
        modules_to_save=["pooler", "classifier"],
    )
    return get_peft_model(model, settings)


def merge_shipped(source: str, folder: Path) -> dict[str, Any]:
    """Write the shipped teacher into `folder`; return the metrics measured when it was made.

    Raises:
        InvalidInput: the checkpoint is not the one that the teacher was made from.
    """
    note = shipped_teacher.read_note()
    if not is_main_process() or note is None:
        return {}
    model = untrained_classifier(source)
    weights = shipped_teacher.add_difference(checkpoint_weights(model))
    model.load_state_dict(weights)
    save_quietly(model.eval(), folder)
    return {**note["metrics"], "shipped": True}


def untrained_classifier(source: str) -> BertForSequenceClassification:
    """Return a checkpoint with a new head for the reviews' labels."""
    with quiet_loading():
        return BertForSequenceClassification.from_pretrained(
            source, num_labels=len(REVIEW_LABELS), dtype=torch.float32
        )


def checkpoint_weights(model: BertForSequenceClassification) -> dict[str, torch.Tensor]:
    """Return the weights that a model has from its checkpoint: all but those of the new head."""
    weights = model.state_dict()
    return {name: value for name, value in weights.items() if name.startswith("bert.")}


@torch.no_grad()
def predict_logits(
    model: torch.nn.Module, data: Encoded, batch_size: int = 64, **kwargs: Any
) -> torch.Tensor:
    """Return float32 logits [texts, classes] in the order of the data; dropout is off.

    Args:
        kwargs: further arguments of the model, such as `sub_model`.
    Raises:
        InvalidInput: no texts.
    """
    if not len(data):
        raise InvalidInput("predict_logits: data has no texts; allowed: at least one.")
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    logits_of: dict[int, torch.Tensor] = {}
    for rows in bucketed_batches(data.lengths(), batch_size):
        batch = collate(data, rows, device)
        logits = model(**model_inputs(batch), **kwargs).logits
        logits_of.update(zip(rows, logits.float().cpu(), strict=True))
    model.train(was_training)
    return torch.stack([logits_of[row] for row in range(len(data))])


def accuracy_of(model: torch.nn.Module, data: Encoded, **kwargs: Any) -> float:
    """Return the share of texts whose most likely class is the label."""
    predictions = predict_logits(model, data, **kwargs).argmax(-1)
    return float((predictions == torch.tensor(data.labels)).float().mean())


def load_embedded() -> tuple[BertModel, PreTrainedTokenizerBase]:
    """Load the embedded checkpoint before any fine-tuning, without pooler, and its tokenizer."""
    path = embedded_teacher_path()
    with quiet_loading():
        encoder = BertModel.from_pretrained(path, add_pooling_layer=False, dtype=torch.float32)
        return encoder.eval(), AutoTokenizer.from_pretrained(path)
