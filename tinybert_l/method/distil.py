"""Distil a classifier of one's own into a family of smaller ones, in one call."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    BertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from tinybert_l.cache import write_atomically
from tinybert_l.errors import InvalidInput
from tinybert_l.method.any_teacher import (
    OwnTeacher,
    load_own_teacher,
    require_pieces,
    tokenizer_hash,
)
from tinybert_l.method.budgets import BUDGETS, num_steps, plain_budget, seconds_a_step
from tinybert_l.method.checkpoints import remove_checkpoints
from tinybert_l.method.checks import require_folder
from tinybert_l.method.data import Encoded
from tinybert_l.method.evaluation import latency_texts, weight_bytes
from tinybert_l.method.export import torch_latencies
from tinybert_l.method.extraction import elastic_copy
from tinybert_l.method.family import FACTS, Family
from tinybert_l.method.family_folder import agreed, alone_in, read_kept
from tinybert_l.method.importance import sorted_copy
from tinybert_l.method.joint import train_jointly
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.onnx_files import LENGTH
from tinybert_l.method.own_teacher import (
    class_names,
    class_numbers,
    quiet_reading,
    read_config,
    require_bert,
)
from tinybert_l.method.own_texts import (
    Columns,
    OwnTexts,
    describe,
    encode_own_texts,
    read_own_texts,
    report_lines,
)
from tinybert_l.method.processes import is_main_process, open_accelerator
from tinybert_l.method.quality import by_the_method, quality_of
from tinybert_l.method.recipe import JointRecipe, stages_of
from tinybert_l.method.run_identity import text_hash, weights_hash
from tinybert_l.method.teacher_outputs import TeacherOutputs
from tinybert_l.method.timing import measure_call
from tinybert_l.submodels import SubModel, as_list

BATCH_SIZE = 32
PLAN = "plan.json"
# Architectures whose first position is number 2.
POSITIONS_FROM_2 = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "data2vec-text")


@by_the_method
def distil(
    teacher: str | Path | PreTrainedModel,
    texts: Any,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    student: str | Path | None = None,
    text_column: str = "text",
    label_column: str = "label",
    budget: str | float = "standard",
    depths: Sequence[int] | None = None,
    widths: Sequence[float] = (1.0, 0.5, 0.25),
    max_length: int | None = None,
    folder: str | Path = "outputs/family",
    seed: int = 0,
    quiet: bool = False,
) -> Family:
    """Distil a fine-tuned classifier into a family of smaller ones, trained jointly.

    Says beforehand what the texts are like and how long training will take. What is stopped goes on
    where it was; what is done is read from the folder. The method's own functions train.

    Args:
        teacher: a fine-tuned classifier that chooses one of several classes: a folder, a name on
            the hub, or a model with its `tokenizer`. Its classes keep their names and their order.
        texts: a file or anything else that `read_own_texts` reads. Labels are used for measuring
            alone; without them, agreement with the teacher is measured.
        student: a BERT to start from, a folder or a name on the hub, which learns from the
            teacher's answers to the same texts; None: a copy of the teacher, which is a BERT then
            and is imitated layer by layer.
        text_column, label_column: names of the columns.
        budget: "quick" (60 steps, or those of two minutes), "standard" (400), "thorough" (2,000),
            or minutes of training.
        depths: numbers of layers to offer; None: all, a half and a third.
        widths: shares of heads and neurons to offer.
        max_length: tokens at which a text is cut; None: 128, or what the models can read.
        folder: where the family is kept.
        seed: of all random numbers.
        quiet: print nothing.
    Raises:
        InvalidInput: teacher, texts or options that cannot be used, a folder without room, or it
            holds the family or a run of another call.
    """
    say = _say_nothing if quiet else print
    folder = require_folder(folder, "distil")
    depths, widths, seed = _plain_options(depths, widths, seed)
    own = load_own_teacher(teacher, tokenizer)
    read = read_own_texts(texts, Columns(text_column, label_column))
    base, base_tokenizer = _student_base(own, student, seed)
    length = _length(max_length, own, base, base_tokenizer)
    request = {
        "teacher": weights_hash(own.model),
        "texts": text_hash(repr(read)),
        "tokenizer": tokenizer_hash(own.tokenizer),
        "student": None if student is None else [str(student), weights_hash(base)],
        "budget": plain_budget(budget),
        "depths": depths,
        "widths": widths,
        "max_length": length,
        "seed": seed,
    }
    if _is_here(folder, request):
        say(f"{folder}: this family was made before; it is read, not trained. 直接读取已有结果。")
        return Family.load(folder)
    with alone_in(folder, weight_bytes(base)):
        work = _Work(own, read, base, base_tokenizer, length, folder)
        return work.finish(request, describe(read, base_tokenizer, length), depths, widths, say)


def _plain_options(
    depths: Sequence[int] | None, widths: Sequence[float], seed: int
) -> tuple[list[int] | None, list[float], int]:
    """Return depths, widths and seed as Python's numbers.

    Raises:
        InvalidInput: they are none.
    """
    if depths is not None:
        depths = [SubModel(depth).depth for depth in as_list("depths", depths)]
    widths = [SubModel(1, width).width for width in as_list("widths", widths)]
    return depths, widths, _whole("seed", seed, 0)


def _whole(name: str, value: Any, least: int, most: float = math.inf) -> int:
    """Return a whole number as Python's own.

    Raises:
        InvalidInput: another value, or one out of range.
    """
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:
        allowed = f"{least} to {most}" if most < math.inf else f"at least {least}"
        raise InvalidInput(f"distil: {name}={value!r}; allowed: {allowed}, a whole number.")
    return int(value)


def _say_nothing(_: str) -> None:
    """Print nothing."""


def _student_base(
    own: OwnTeacher, student: str | Path | None, seed: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the BERT from which the student starts, with the teacher's classes."""
    if student is None:
        if not own.is_bert:
            raise InvalidInput(
                f"distil: the teacher is a {own.model.config.model_type}, of which no BERT can be "
                "copied; allowed: student=, a BERT to start from. 教师不是BERT，请给出student。"
            )
        return own.model, own.tokenizer
    with quiet_reading(student, "student"):
        require_bert(read_config(student), f"student={str(student)!r}")
    classes = class_names(own.model.config)
    torch.manual_seed(seed)  # the new head starts from random weights
    with quiet_reading(student, "student"):
        base = BertForSequenceClassification.from_pretrained(
            student,
            num_labels=len(classes),
            id2label=dict(enumerate(classes)),
            label2id={name: number for number, name in enumerate(classes)},
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
        )
        tokenizer = AutoTokenizer.from_pretrained(student)
    require_pieces(tokenizer)
    return base.eval(), tokenizer


def _length(
    wanted: int | None,
    own: OwnTeacher,
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
) -> int:
    """Return the number of tokens at which texts are cut."""
    most = min(own.tokenizer.model_max_length, tokenizer.model_max_length)
    for model in (own.model, base):
        positions = getattr(model.config, "max_position_embeddings", None) or -1
        if model.config.model_type in POSITIONS_FROM_2:
            positions -= 2
        if positions > 0:  # others have no absolute positions, and read any length
            most = min(most, positions)
    if wanted is None:
        return min(most, 128)
    return _whole("max_length", wanted, 3, most)


def _is_here(folder: Path, request: dict[str, Any]) -> bool:
    """Whether the folder holds the family of this call.

    Raises:
        InvalidInput: it holds that of another call.
    """
    if not (folder / FACTS).is_file():
        return False
    known = read_kept(folder / FACTS)["request"]
    differing = []
    for name, value in request.items():
        if name in known and known[name] != value:
            differing.append(f"{name} {known[name]}, now {value}")
    if differing:
        raise InvalidInput(
            f"{folder}: holds the family of another call ({'; '.join(differing)}); allowed: "
            "another folder, or this one emptied. 目录中已有另一次的结果。"
        )
    return True


@dataclass(frozen=True)
class _Work:
    """What one call of `distil` works on."""

    own: OwnTeacher
    texts: OwnTexts
    base: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    length: int
    folder: Path

    def finish(
        self,
        request: dict[str, Any],
        facts: dict[str, Any],
        depths: Sequence[int] | None,
        widths: Sequence[float],
        say: Callable[[str], None],
    ) -> Family:
        """Say what the texts are like, train and save the family."""
        say("\n".join(report_lines(facts)))
        data, answers = self._data()
        teacher = self._teacher_facts(data["test"], answers["test"])
        student, source, weights = self._student_and_teacher(data["train"], answers["train"])
        recipe = JointRecipe(
            stages=stages_of(student.config.num_hidden_layers, depths, widths),
            num_steps=max(BUDGETS.values()),
            batch_size=min(BATCH_SIZE, len(data["train"])),
            learning_rate=3e-4,
            seed=request["seed"],
            **weights,
        )
        recipe = self._planned(recipe, request, student, source, data["train"], say)
        train_jointly(
            student,
            source,
            data["train"],
            recipe,
            self.folder / "training",
            self.tokenizer if self.own.model is self.base else None,
            answers="reference",
        )
        held_out = {name: data[name] for name in ("validation", "test")}
        facts = facts | {
            "request": request,
            "labelled": self.texts.are_labelled,
            "teacher": teacher,
        }
        family = Family(student, self.tokenizer, recipe.sub_models(), held_out, self.folder, facts)
        self._save(family)
        return family

    def _save(self, family: Family) -> None:
        """Write the family; of several processes the first one does."""
        if is_main_process():
            family.save()
            remove_checkpoints(self.folder / "training")
        open_accelerator().wait_for_everyone()

    def _data(self) -> tuple[dict[str, Encoded], dict[str, torch.Tensor]]:
        """Return the texts as the student's tokens, and the teacher's logits for them.

        Texts without labels get the teacher's answers in their place.
        """
        known = class_names(self.own.model.config)
        numbers = {}
        if self.texts.are_labelled:
            numbers = class_numbers(known, self.texts.labels(), "The texts")
        data = encode_own_texts(self.texts, numbers, self.tokenizer, self.length)
        answers = {}
        for name in data:
            answers[name] = self.own.logits(self.texts.texts(name), self.length)
            if not answers[name].isfinite().all():
                raise InvalidInput(
                    "teacher: some of its answers are not finite; allowed: a classifier whose "
                    "weights and logits are numbers. 教师的输出不是有限数。"
                )
            if not self.texts.are_labelled:
                data[name] = replace(data[name], labels=answers[name].argmax(-1).tolist())
        return data, answers

    def _student_and_teacher(
        self, train: Encoded, answers: torch.Tensor
    ) -> tuple[
        ElasticBertForSequenceClassification,
        ElasticBertForSequenceClassification | TeacherOutputs,
        dict[str, Any],
    ]:
        """Return the student, what teaches it, and the weights of the losses that this allows."""
        if self.own.model is self.base:
            reference = sorted_copy(self.base, train)
            return elastic_copy(reference), reference, {}
        no_layers = ("hidden_weight", "embedding_weight", "attention_weight")
        kept = TeacherOutputs(answers, source=train.source)
        return elastic_copy(self.base), kept, dict.fromkeys(no_layers, 0.0)

    def _planned(
        self,
        recipe: JointRecipe,
        request: dict[str, Any],
        student: ElasticBertForSequenceClassification,
        source: ElasticBertForSequenceClassification | TeacherOutputs,
        train: Encoded,
        say: Callable[[str], None],
    ) -> JointRecipe:
        """Set the number of steps by the budget, say how long they will take, and keep the plan."""
        path = self.folder / PLAN
        kept = read_kept(path) if path.is_file() else {}
        if kept.get("request") == request:
            steps = kept["num_steps"]
        else:
            seconds = seconds_a_step(student, source, train, recipe)
            steps = num_steps(request["budget"], seconds)
            say(
                f"training 训练: {steps} steps of about {seconds:.2f} s, "
                f"{steps * seconds / 60:.1f} minutes on this machine; it can be stopped and goes on"
            )
        steps = agreed(steps)  # each of several processes has measured its own time
        write_atomically(path, json.dumps({"request": request, "num_steps": steps}))
        return replace(recipe, num_steps=steps)

    def _teacher_facts(self, test: Encoded, answers: torch.Tensor) -> dict[str, Any]:
        """Return what the teacher is worth and costs."""
        model = self.own.model
        quality = quality_of(answers.argmax(-1).tolist(), test, model.config.num_labels)
        parameters = sum(map(torch.numel, model.parameters()))
        ids = latency_texts(model.config, 1, LENGTH)
        with torch.no_grad():
            mask = torch.ones_like(ids)
            call = partial(model, input_ids=ids, attention_mask=mask)
            latency = measure_call(call, 0.3).median_ms
        row = {
            "model": "teacher, torch",
            **quality,
            "bytes": 4 * parameters,
            **torch_latencies(model, 0.3),
        }
        return {
            "right": round(quality["accuracy"] * len(test)),
            "macro_f1": quality["macro_f1"],
            "parameters": parameters,
            "ms": latency,
            "row": row,
        }
