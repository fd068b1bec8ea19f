"""Question answering: a head that marks the answer in a text; generated stories, and SQuAD's files."""

import json
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForQuestionAnswering

from tinybert_l.cache import cached, recipe_hash
from tinybert_l.exercises.lecture_05 import best_answer_span
from tinybert_l.method.config import NO_DROPOUT, ElasticBertConfig
from tinybert_l.method.joint import train_on_labels
from tinybert_l.method.model import ElasticBertModel, ElasticOutput, ElasticPreTrainedModel
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import load_embedded, quiet_loading
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.stories import Story, make_stories

MAX_LENGTH, STRIDE = (
    384,
    128,
)  # tokens of question and text together; by how many the parts of a longer text overlap


@dataclass(frozen=True)
class Question:
    """A question on a text, in the terms of SQuAD (Rajpurkar et al. 2016).

    Args:
        answers: right ones, as they stand in the context; none where the text does not answer the question.
        starts: the place of each in the context, in characters.
    """

    question: str
    context: str
    answers: tuple[str, ...]
    starts: tuple[int, ...]


def as_question(story: Story) -> Question:
    """A story as one text; its words are joined by spaces."""
    start = len(" ".join([*story.words[: story.answer_at], ""]))
    return Question(" ".join(story.question), " ".join(story.words), (story.answer,), (start,))


def read_squad(path: Path | str) -> list[Question]:
    """The questions of a JSON file in SQuAD's format (1.1 or 2.0), or of a folder made by `datasets`' `save_to_disk`.

    Raises:
        ValueError: not in that format, or an answer that does not stand where the file says; names the entry.
    """
    path = Path(path)
    rows = _rows_of_folder(path) if path.is_dir() else _rows_of_json(path)
    found = []
    for place, question, context, answers in rows:
        texts, starts = tuple(answers.get("text", ())), tuple(answers.get("answer_start", ()))
        for text, start in zip(texts, starts, strict=True):
            if not text or context[start : start + len(text)] != text:
                raise ValueError(
                    f"{path}, {place}: the answer {text!r} does not stand at character {start}."
                )
        found.append(Question(question, context, texts, starts))
    if not found:
        raise ValueError(f"{path}: no questions in it. 没有问题。")
    return found


def _rows_of_json(path: Path) -> list[tuple[str, str, str, dict[str, Any]]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))["data"]
        rows = []
        for article in data:
            for paragraph in article["paragraphs"]:
                for one in paragraph["qas"]:
                    answers = {
                        key: [a[key] for a in one.get("answers", [])]
                        for key in ("text", "answer_start")
                    }
                    rows.append(
                        (
                            f"question {one.get('id')!r}",
                            one["question"],
                            paragraph["context"],
                            answers,
                        )
                    )
        return rows
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:  # no JSON, not UTF-8, or other keys
        raise ValueError(
            f"{path}: not in SQuAD's format ({error}); needed: data > paragraphs > context, qas > question, answers > "
            "text, answer_start. 不是SQuAD格式。"
        ) from None


def _rows_of_folder(path: Path) -> list[tuple[str, str, str, dict[str, Any]]]:
    try:
        from datasets import load_from_disk
    except ImportError:
        raise ValueError(
            f"{path}: a folder of `datasets`, which is not installed: pip install datasets"
        ) from None
    rows = load_from_disk(str(path))
    missing = {"question", "context", "answers"} - set(getattr(rows, "column_names", ()))
    if missing:
        raise ValueError(
            f"{path}: no columns {sorted(missing)}; give the folder of one split, such as train."
        )
    return [
        (f"row {i}", row["question"], row["context"], row["answers"]) for i, row in enumerate(rows)
    ]


def normalised(answer: str) -> list[str]:
    """Words without case, punctuation and articles, as SQuAD's own script compares them."""
    plain = answer.lower().translate(str.maketrans("", "", string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def exact_match(answer: str, right: Sequence[str]) -> float:
    """1.0 when the answer is one of the right ones, else 0.0; with none right, when it is empty."""
    return float(any(normalised(answer) == normalised(one) for one in right or ("",)))


def answer_f1(answer: str, right: Sequence[str]) -> float:
    """Overlap of words with the nearest of the right answers (harmonic mean of precision and recall), 0..1."""

    def overlap(one: str) -> float:
        given, wanted = Counter(normalised(answer)), Counter(normalised(one))
        if not given or not wanted:
            return float(given == wanted)
        return 2 * (given & wanted).total() / (given.total() + wanted.total())

    return max(overlap(one) for one in right or ("",))


def encode_questions(questions: Sequence[Question], tokenizer: Any) -> dict[str, Any]:
    """[CLS] question [SEP] text [SEP]; a long text in parts that overlap.

    Returns:
        input_ids, token_type_ids, attention_mask [parts, length]; starts and ends [parts], the first right answer, or
        the first token in a part that does not hold it; of [parts], which question each belongs to; offsets, each
        token's (first, last) character in the text.
    """
    batch = tokenizer(
        [q.question for q in questions],
        [q.context for q in questions],
        padding=True,
        truncation="only_second",
        max_length=MAX_LENGTH,
        stride=STRIDE,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    belongs, spans = batch["overflow_to_sample_mapping"].tolist(), []
    for part, number in enumerate(belongs):
        question = questions[number]
        span = (None, None)
        if question.answers:
            first = question.starts[0]
            last = first + len(question.answers[0]) - 1
            span = tuple(batch.char_to_token(part, at, sequence_index=1) for at in (first, last))
        spans.append((0, 0) if None in span else span)
    offsets = batch["offset_mapping"].tolist()
    in_text = [[s == 1 for s in batch.sequence_ids(part)] for part in range(len(belongs))]
    found = {k: batch[k] for k in ("input_ids", "token_type_ids", "attention_mask")}
    found |= {
        "starts": torch.tensor([s for s, _ in spans]),
        "ends": torch.tensor([e for _, e in spans]),
    }
    return {**found, "of": belongs, "offsets": offsets, "in_text": torch.tensor(in_text)}


def encode_stories(stories: Sequence[Story], tokenizer: Any) -> dict[str, Any]:
    """`encode_questions` of stories, one part each."""
    return encode_questions([as_question(s) for s in stories], tokenizer)


class ElasticBertForQuestionAnswering(ElasticPreTrainedModel):
    """The elastic encoder with BERT's span head: logits [batch, length, 2], start and end."""

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__(config)
        self.bert = ElasticBertModel(config, add_pooling_layer=False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.post_init()

    def forward(self, input_ids: torch.Tensor, **kwargs: Any) -> ElasticOutput:
        """As `ElasticBertModel.forward`, and logits [batch, length, 2]; padding is no answer."""
        output = self.bert(input_ids, **kwargs)
        output.logits = self.qa_outputs(output.last_hidden_state)
        if (mask := kwargs.get("attention_mask")) is not None:
            output.logits = output.logits.masked_fill(~mask.bool()[..., None], -1e4)
        return output


AutoModelForQuestionAnswering.register(
    ElasticBertConfig, ElasticBertForQuestionAnswering, exist_ok=True
)


@dataclass(frozen=True)
class Reader:
    """A model that answers questions on stories, for every sub-model of its recipe."""

    model: ElasticBertForQuestionAnswering
    tokenizer: Any
    recipe: JointRecipe
    log: list[dict[str, Any]]

    def answer(self, stories: Sequence[Story], sub_model: SubModel | None = None) -> list[str]:
        """The marked words of each story."""
        return self.answer_questions([as_question(s) for s in stories], sub_model)

    @torch.no_grad()
    def answer_questions(
        self,
        questions: Sequence[Question],
        sub_model: SubModel | None = None,
        max_answer_length: int = 3,
    ) -> list[str]:
        """The `best_answer_span` of each text, of all its parts; "" where the model says that there is no answer."""
        found = [("", float("-inf"))] * len(questions)
        for begin in range(0, len(questions), 32):
            some = questions[begin : begin + 32]
            batch = encode_questions(some, self.tokenizer)
            inputs = {k: batch[k] for k in ("input_ids", "token_type_ids", "attention_mask")}
            logits = self.model(**inputs, sub_model=sub_model).logits.float()
            allowed = batch["in_text"].clone()
            allowed[:, 0] = True  # the first token: no answer here
            logits = logits.masked_fill(~allowed[..., None], -1e4)
            for row, number, offsets in zip(logits, batch["of"], batch["offsets"], strict=True):
                start, end = best_answer_span(row[:, 0], row[:, 1], max_answer_length)
                text = some[number].context[offsets[start][0] : offsets[end][1]] if start else ""
                score = float(row[start, 0] + row[end, 1])
                best = found[begin + number]
                # a part that holds no answer says so; another part may hold it
                if (bool(text), score) > (bool(best[0]), best[1]):
                    found[begin + number] = (text, score)
        return [text for text, _ in found]

    def score(
        self,
        questions: Sequence[Question],
        sub_model: SubModel | None = None,
        max_answer_length: int = 3,
    ) -> dict[str, float]:
        """Mean exact match and F1, 0..1."""
        answers = self.answer_questions(questions, sub_model, max_answer_length)
        pairs = list(zip(answers, questions, strict=True))
        return {
            "exact_match": sum(exact_match(a, q.answers) for a, q in pairs) / len(pairs),
            "f1": sum(answer_f1(a, q.answers) for a, q in pairs) / len(pairs),
        }


def load_reader(
    num_steps: int = 240,
    batch_size: int = 32,
    seed: int = 0,
    squad: Path | str | None = None,
    **changes: Any,
) -> Reader:
    """The question-answering supernet; trained first when the cache has none.

    Args:
        squad: one's own questions (`read_squad`); None: generated stories of the training world.
        changes: of the `JointRecipe`.
    """
    encoder, tokenizer = load_embedded()
    settings = {
        "num_steps": num_steps,
        "batch_size": batch_size,
        "learning_rate": 3e-4,
        "seed": seed,
        **changes,
    }
    recipe = JointRecipe(**settings)
    own = read_squad(squad) if squad is not None else None
    log_name = "log.pt"

    def texts(step: int) -> Sequence[Question]:
        if own is None:
            return [as_question(s) for s in make_stories(batch_size, seed * 1_000_003 + step)]
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        return [own[i] for i in torch.randint(len(own), (batch_size,), generator=generator)]

    def build(folder: Path) -> dict[str, Any]:
        torch.manual_seed(seed)
        dropout = NO_DROPOUT if own is None else {}  # generated stories never come twice
        model = ElasticBertForQuestionAnswering(
            ElasticBertConfig(**{**encoder.config.to_dict(), **dropout})
        )
        model.bert.load_state_dict(encoder.state_dict())
        batches: dict[int, dict[str, Any]] = {}

        def predict(step: int, sub_model: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
            if step not in batches:  # all sub-models of a step read the same
                batches.clear()
                batches[step] = encode_questions(texts(step), tokenizer)
            batch = batches[step]
            inputs = {
                k: batch[k].to(model.device)
                for k in ("input_ids", "token_type_ids", "attention_mask")
            }
            logits = model(**inputs, sub_model=sub_model).logits
            return torch.cat(logits.unbind(-1)), torch.cat((batch["starts"], batch["ends"])).to(
                model.device
            )

        log = train_on_labels(model, predict, recipe, folder, "reader 问答")
        model.save_pretrained(folder)
        torch.save(log, folder / log_name)
        return {"last_loss": log[-1]["loss"]}

    plain = {"recipe": asdict(recipe), "version": 4}
    if own is not None:
        plain["data"] = recipe_hash({"questions": [asdict(q) for q in own]})
    folder = cached("reader", plain, build)
    with quiet_loading():
        model = ElasticBertForQuestionAnswering.from_pretrained(folder).eval()
    return Reader(model, tokenizer, recipe, torch.load(folder / log_name, weights_only=True))
