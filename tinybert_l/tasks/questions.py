"""Question answering: a head that marks the answer in a text, for stories and SQuAD's files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoModelForQuestionAnswering

from tinybert_l.cache import recipe_hash
from tinybert_l.errors import InvalidInput
from tinybert_l.exercises.lecture_05 import best_answer_span
from tinybert_l.method.cached_model import TrainingLog, cached_model
from tinybert_l.method.config import NO_DROPOUT, ElasticBertConfig, config_settings
from tinybert_l.method.joint import train_on_labels
from tinybert_l.method.model import ElasticBertModel, ElasticOutput, ElasticPreTrainedModel
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.seeding import step_generator, step_seed
from tinybert_l.method.teacher import load_embedded
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.squad import Question, answer_f1, exact_match, read_squad
from tinybert_l.tasks.stories import Story, make_stories

MAX_LENGTH = 384  # tokens of a question and a part of its text
STRIDE = 128  # tokens by which the parts of a longer text overlap
QUESTIONS_PER_CALL = 32
NO_ANSWER = -1e4  # the logit of tokens that cannot be part of an answer


def as_question(story: Story) -> Question:
    """Turn a story into a question on one text, its words joined by spaces."""
    before_answer = story.words[: story.answer_at]
    start = len(" ".join([*before_answer, ""]))
    return Question(" ".join(story.question), " ".join(story.words), (story.answer,), (start,))


@dataclass(frozen=True)
class EncodedQuestions:
    """Questions as the model reads them: [CLS] question [SEP] text [SEP].

    A long text is split into parts that overlap; each part is a row.

    Args:
        inputs: input_ids, token_type_ids and attention_mask, [parts, length] each.
        starts: [parts], token at which the first right answer starts; 0, which is [CLS], in a part
            that does not hold it.
        ends: [parts], the last token of that answer, or 0.
        question_of: the question's number, for each part.
        offsets: for each part, each token's (first, last + 1) character in the text.
        in_text: bool [parts, length], True for tokens of the text.
    """

    inputs: dict[str, torch.Tensor]
    starts: torch.Tensor
    ends: torch.Tensor
    question_of: list[int]
    offsets: list[list[tuple[int, int]]]
    in_text: torch.Tensor


def encode_questions(questions: Sequence[Question], tokenizer: Any) -> EncodedQuestions:
    """Tokenise questions with their texts; long texts give several parts."""
    batch = tokenizer(
        [question.question for question in questions],
        [question.context for question in questions],
        padding=True,
        truncation="only_second",
        max_length=MAX_LENGTH,
        stride=STRIDE,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    question_of = batch["overflow_to_sample_mapping"].tolist()
    starts = []
    ends = []
    in_text = []
    for part, number in enumerate(question_of):
        start, end = _answer_tokens(batch, part, questions[number])
        starts.append(start)
        ends.append(end)
        in_text.append([sequence == 1 for sequence in batch.sequence_ids(part)])
    return EncodedQuestions(
        inputs={name: batch[name] for name in ("input_ids", "token_type_ids", "attention_mask")},
        starts=torch.tensor(starts),
        ends=torch.tensor(ends),
        question_of=question_of,
        offsets=batch["offset_mapping"].tolist(),
        in_text=torch.tensor(in_text),
    )


def _answer_tokens(batch: Any, part: int, question: Question) -> tuple[int, int]:
    """Return the first and last token of the first right answer in a part.

    (0, 0), which is [CLS], where there is no answer, or the part does not hold all of it.
    """
    if not question.answers:
        return 0, 0
    first_character = question.starts[0]
    last_character = first_character + len(question.answers[0]) - 1
    start = batch.char_to_token(part, first_character, sequence_index=1)
    end = batch.char_to_token(part, last_character, sequence_index=1)
    return (0, 0) if start is None or end is None else (start, end)


class ElasticBertForQuestionAnswering(ElasticPreTrainedModel):
    """The elastic encoder with BERT's span head: logits [batch, length, 2], start and end."""

    def __init__(self, config: ElasticBertConfig) -> None:
        super().__init__(config)
        self.bert = ElasticBertModel(config, add_pooling_layer=False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        *,
        start_positions: torch.Tensor | None = None,
        end_positions: torch.Tensor | None = None,
        return_dict: bool | None = True,
        **kwargs: Any,
    ) -> Any:
        """Run `ElasticBertModel.forward` and mark spans.

        Args:
            start_positions, end_positions: first and last token of each answer [batch], -100 where
                nothing is to be learned; None: no loss.
            return_dict, kwargs: as in `ElasticBertModel.forward`.
        Returns:
            Its output with logits [batch, length, 2] and, given positions, their mean loss; padding
            gets a logit that no answer has.
        Raises:
            InvalidInput: one of the two positions alone.
        """
        if (start_positions is None) != (end_positions is None):
            raise InvalidInput("start_positions and end_positions: allowed: both, or none.")
        output = self.bert(input_ids, attention_mask, token_type_ids, **kwargs)
        logits = self.qa_outputs(output.last_hidden_state)
        if attention_mask is not None:
            logits = logits.masked_fill(~attention_mask.bool()[..., None], NO_ANSWER)
        loss = None
        if start_positions is not None and end_positions is not None:
            positions = torch.stack((start_positions, end_positions), 1)  # [batch, 2]
            loss = F.cross_entropy(logits.float(), positions)
        output = ElasticOutput(**{**output, "loss": loss, "logits": logits})
        return output.to_tuple() if return_dict is False else output


# transformers' AutoModelForQuestionAnswering finds the class by its configuration.
AutoModelForQuestionAnswering.register(
    ElasticBertConfig, ElasticBertForQuestionAnswering, exist_ok=True
)


@dataclass(frozen=True)
class Reader:
    """A model that answers questions on texts, for every sub-model of its recipe.

    Args:
        recipe: how it was trained; see `load_reader` for what.
        log: one row per training step.
    """

    model: ElasticBertForQuestionAnswering
    tokenizer: Any
    recipe: JointRecipe
    log: TrainingLog

    def answer(self, stories: Sequence[Story], sub_model: SubModel | None = None) -> list[str]:
        """Answer the question of each story."""
        return self.answer_questions(list(map(as_question, stories)), sub_model)

    @torch.no_grad()
    def answer_questions(
        self,
        questions: Sequence[Question],
        sub_model: SubModel | None = None,
        max_answer_length: int = 3,
    ) -> list[str]:
        """Return the words that the model marks in each text (`best_answer_span`).

        Of a text's parts, the best answer counts; "" where every part says that it holds none.

        Args:
            max_answer_length: in tokens.
        """
        answers: list[str] = []
        for begin in range(0, len(questions), QUESTIONS_PER_CALL):
            group = questions[begin : begin + QUESTIONS_PER_CALL]
            best = [("", float("-inf"))] * len(group)
            for number, answer, score in self._part_answers(group, sub_model, max_answer_length):
                best_answer, best_score = best[number]
                # A part that holds no answer says so, even if another part holds it.
                if (bool(answer), score) > (bool(best_answer), best_score):
                    best[number] = (answer, score)
            answers += [answer for answer, _ in best]
        return answers

    def _part_answers(
        self, questions: Sequence[Question], sub_model: SubModel | None, max_answer_length: int
    ) -> Iterator[tuple[int, str, float]]:
        """Yield (question number, marked words, score) for each part of each text."""
        batch = encode_questions(questions, self.tokenizer)
        logits = self.model(**batch.inputs, sub_model=sub_model).logits.float()
        allowed = batch.in_text.clone()
        allowed[:, 0] = True  # [CLS], which marks that the part holds no answer
        logits = logits.masked_fill(~allowed[..., None], NO_ANSWER)
        for row, number, offsets in zip(logits, batch.question_of, batch.offsets, strict=True):
            start, end = best_answer_span(row[:, 0], row[:, 1], max_answer_length)
            answer = ""
            if start:
                answer = questions[number].context[offsets[start][0] : offsets[end][1]]
            yield number, answer, float(row[start, 0] + row[end, 1])

    def score(
        self,
        questions: Sequence[Question],
        sub_model: SubModel | None = None,
        max_answer_length: int = 3,
    ) -> dict[str, float]:
        """Return the means of "exact_match" and "f1" over the questions, 0..1."""
        answers = self.answer_questions(questions, sub_model, max_answer_length)
        exact = f1 = 0.0
        for answer, question in zip(answers, questions, strict=True):
            exact += exact_match(answer, question.answers)
            f1 += answer_f1(answer, question.answers)
        return {"exact_match": exact / len(questions), "f1": f1 / len(questions)}


def load_reader(
    num_steps: int = 240,
    batch_size: int = 32,
    seed: int = 0,
    squad: Path | str | None = None,
    **changes: Any,
) -> Reader:
    """Load the question-answering supernet; train it first when the cache has none.

    Args:
        squad: questions to learn (see `read_squad`); None: generated stories of the training world.
        changes: further fields of the `JointRecipe`. Its weights of losses and its layer map
            concern a teacher, and this training has none.
    Raises:
        InvalidInput: `squad` cannot be read, or a field of the recipe is out of range.
    """
    encoder, tokenizer = load_embedded()
    settings = {"learning_rate": 3e-4, **changes}
    recipe = JointRecipe(num_steps=num_steps, batch_size=batch_size, seed=seed, **settings)
    # Raise the version when training changes, so that older entries are not found.
    key: dict[str, Any] = {"recipe": asdict(recipe), "version": 4}
    if squad is None:
        source = _generated_questions(recipe)
        dropout = NO_DROPOUT  # generated stories never come twice
    else:
        questions = read_squad(squad)
        key["data"] = recipe_hash({"questions": list(map(asdict, questions))})
        source = _sampled_questions(questions, recipe)
        dropout = {}

    def train(folder: Path) -> tuple[ElasticBertForQuestionAnswering, TrainingLog]:
        torch.manual_seed(seed)
        config = ElasticBertConfig(**{**config_settings(encoder.config), **dropout})
        model = ElasticBertForQuestionAnswering(config)
        model.bert.load_state_dict(encoder.state_dict())
        return model, train_reader(model, tokenizer, source, recipe, folder)

    result = cached_model("reader", key, ElasticBertForQuestionAnswering, train)
    return Reader(result.model, tokenizer, recipe, result.log)


def train_reader(
    model: ElasticBertForQuestionAnswering,
    tokenizer: Any,
    questions_of_step: Callable[[int], Sequence[Question]],
    recipe: JointRecipe,
    folder: Path,
) -> TrainingLog:
    """Train a model jointly to mark answers, in place; resumes from checkpoints in `folder`.

    Args:
        questions_of_step: the questions of a training step, the same at every call.
    Returns:
        One row per step.
    """

    @lru_cache(maxsize=1)  # all sub-models of a step read the same batch
    def batch_of_step(step: int) -> EncodedQuestions:
        return encode_questions(questions_of_step(step), tokenizer)

    def predict(step: int, sub_model: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
        batch = batch_of_step(step)
        inputs = {name: value.to(model.device) for name, value in batch.inputs.items()}
        starts_and_ends = model(**inputs, sub_model=sub_model).logits.unbind(-1)
        labels = torch.cat((batch.starts, batch.ends)).to(model.device)
        return torch.cat(starts_and_ends), labels

    return train_on_labels(model, predict, recipe, folder, "reader 问答")


def _generated_questions(recipe: JointRecipe) -> Callable[[int], list[Question]]:
    """Return the function that tells a step's stories."""

    def questions_of_step(step: int) -> list[Question]:
        stories = make_stories(recipe.batch_size, step_seed(recipe.seed, step))
        return list(map(as_question, stories))

    return questions_of_step


def _sampled_questions(
    questions: Sequence[Question], recipe: JointRecipe
) -> Callable[[int], list[Question]]:
    """Return the function that draws a step's questions, with replacement."""

    def questions_of_step(step: int) -> list[Question]:
        generator = step_generator(recipe.seed, step)
        drawn = torch.randint(len(questions), (recipe.batch_size,), generator=generator)
        return [questions[number] for number in drawn]

    return questions_of_step
