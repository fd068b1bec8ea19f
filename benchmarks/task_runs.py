"""Long runs on questions, on writing, and on Chinese reviews."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any, Literal

import torch
from long_run import Job, Settings, bootstrap, by_seed, correct_predictions, summarise_fields

from tinybert_l.course import recipes
from tinybert_l.course.experiments import first_texts
from tinybert_l.course.rows import ChineseRow, GenerationRow, QuestionRow, Row
from tinybert_l.course.rows import Decoding as DecodingName
from tinybert_l.exercises.lecture_09 import distinct_n
from tinybert_l.method.config import ElasticBertConfig
from tinybert_l.method.data import Encoded, collate, encode, training_batches
from tinybert_l.method.joint import train_on_labels
from tinybert_l.method.model import ElasticBertForSequenceClassification
from tinybert_l.method.recipe import JointRecipe
from tinybert_l.method.teacher import load_embedded
from tinybert_l.submodels import SubModel
from tinybert_l.tasks.decoding import Decoding, draft_and_verify, stream
from tinybert_l.tasks.generation import Writer, load_writer
from tinybert_l.tasks.pretraining import (
    ElasticBertForMaskedLM,
    character_tokenizer,
    classifier_from,
    load_chinese_reviews,
    masked_accuracy,
    pretrain_jointly,
)
from tinybert_l.tasks.questions import Reader, as_question, load_reader
from tinybert_l.tasks.squad import answer_f1, exact_match
from tinybert_l.tasks.stories import KINDS, TESTING, Story, last_mentioned, make_stories
from tinybert_l.tasks.text_metrics import coherence, repetition, self_bleu
from tinybert_l.tasks.trigram import Trigram

DRAFT_TOKENS = 3
DECODINGS: dict[DecodingName, Decoding] = {
    "greedy": Decoding(0),
    "top_p": Decoding(0.9, top_p=0.9),
    "top_p_penalty": Decoding(0.9, top_p=0.9, repetition_penalty=1.2),
}


@dataclass(frozen=True)
class QuestionSeed:
    """One seed's answers of a sub-model or of the baseline; fields as in `QuestionRow`."""

    sub_model: SubModel | None
    exact_match_percent: dict[str, float]
    exact_match_all_percent: float
    f1_all_percent: float


def questions(seed: int, settings: Settings) -> list[QuestionSeed]:
    """Measure exact match and F1 of each kind of question, in the world of testing."""
    reader: Reader = load_reader(
        settings["num_steps"],
        settings["batch_size"],
        seed,
        learning_rate=settings["learning_rate"],
        checkpoint_every=200,
    )
    stories = make_stories(settings["stories"], 1_000_000, world=TESTING)
    rows = []
    for name in settings["sub_models"]:
        sub_model = SubModel.parse(name)
        answers = reader.answer(stories, sub_model)
        rows.append(question_row(sub_model, stories, answers))
    return [*rows, last_mentioned_row(stories)]


def question_row(
    sub_model: SubModel, stories: Sequence[Story], answers: Sequence[str]
) -> QuestionSeed:
    """Compare a sub-model's answers with those that are accepted."""
    matches: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    f1 = []
    for story, answer in zip(stories, answers, strict=True):
        accepted = as_question(story).answers
        matches[story.kind].append(exact_match(answer, accepted))
        f1.append(answer_f1(answer, accepted))
    percent = {kind: 100 * mean(values) for kind, values in matches.items()}
    return QuestionSeed(sub_model, percent, mean(percent.values()), 100 * mean(f1))


def last_mentioned_row(stories: Sequence[Story]) -> QuestionSeed:
    """The baseline that answers with what was mentioned last."""
    matches: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for story in stories:
        matches[story.kind].append(last_mentioned(story) == story.answer)
    percent = {kind: 100 * mean(values) for kind, values in matches.items()}
    average = mean(percent.values())
    return QuestionSeed(None, percent, average, average)


def summarise_questions(seeds: list[list[QuestionSeed]]) -> list[Row]:
    """Means and spreads over seeds."""
    return list(summarise_fields(QuestionRow, seeds))


@dataclass(frozen=True)
class GenerationSeed:
    """One seed's texts of an author, by metrics; fields as in `GenerationRow`."""

    author: Literal["sub_model", "trigram", "human"]
    sub_model: SubModel | None
    decoding: DecodingName | None
    drafted: bool
    kv_cache: bool
    perplexity: float | None
    distinct_2: float
    repetition: float
    self_bleu: float
    coherence: float
    tokens_per_second: float | None = None
    drafts_kept_percent: float | None = None


@dataclass(frozen=True)
class WritingTask:
    """The writer of one seed, the prompts that are continued, and how far."""

    writer: Writer
    prompts: list[list[int]]
    tokens: int
    seed: int

    def measure(
        self,
        author: Literal["sub_model", "trigram", "human"],
        texts: Sequence[Sequence[int]],
        perplexity: float | None,
    ) -> GenerationSeed:
        """Measure the variety and coherence of texts."""
        encoder, tokenizer = load_embedded()
        words = [self.writer.decode(text) for text in texts]
        return GenerationSeed(
            author=author,
            sub_model=None,
            decoding=None,
            drafted=False,
            kv_cache=True,
            perplexity=perplexity,
            distinct_2=mean(distinct_n(list(text), 2) for text in texts),
            repetition=mean(map(repetition, texts)),
            self_bleu=self_bleu(texts),
            coherence=coherence(words, encoder, tokenizer),
        )

    def tokens_per_second(self, texts: Sequence[Any], seconds: float) -> float:
        return len(texts) * self.tokens / seconds

    def text_seed(self, number: int) -> int:
        return self.seed * 1000 + number

    def write(
        self,
        sub_model: SubModel,
        decoding: DecodingName,
        perplexity: float,
        prompts: list[list[int]],
        kv_cache: bool = True,
    ) -> GenerationSeed:
        """Continue prompts by a sub-model, and measure texts and speed."""
        model = self.writer.model
        rules = DECODINGS[decoding]
        texts = []
        begin = time.perf_counter()
        for number, prompt in enumerate(prompts):
            seed = self.text_seed(number)
            text = stream(model, prompt, self.tokens, rules, sub_model, seed, kv_cache)
            texts.append(list(text))
        seconds = time.perf_counter() - begin
        return replace(
            self.measure("sub_model", texts, perplexity),
            sub_model=sub_model,
            decoding=decoding,
            kv_cache=kv_cache,
            tokens_per_second=self.tokens_per_second(texts, seconds),
        )

    def draft(
        self, largest: SubModel, small: SubModel, decoding: DecodingName, perplexity: float
    ) -> GenerationSeed:
        """Continue the prompts by the largest sub-model with drafts by a small one."""
        texts, kept = [], []
        begin = time.perf_counter()
        for number, prompt in enumerate(self.prompts):
            text, accepted = draft_and_verify(
                self.writer.model,
                prompt,
                self.tokens,
                small,
                DRAFT_TOKENS,
                DECODINGS[decoding],
                self.text_seed(number),
            )
            texts.append(text)
            kept.append(accepted)
        seconds = time.perf_counter() - begin
        return replace(
            self.measure("sub_model", texts, perplexity),
            sub_model=largest,
            decoding=decoding,
            drafted=True,
            tokens_per_second=self.tokens_per_second(texts, seconds),
            drafts_kept_percent=100 * mean(kept),
        )


def generation(seed: int, settings: Settings) -> list[GenerationSeed]:
    """Let sub-models, trigram counts and humans write, and measure it by lecture 9's metrics."""
    writer = load_writer(
        settings["num_steps"],
        settings["batch_size"],
        settings["vocabulary"],
        seed,
        settings["reviews"],
    )
    held_out = writer.held_out[:200]
    last_reviews = writer.held_out[-settings["texts"] :]
    prompts = [review[:8].tolist() for review in last_reviews]
    task = WritingTask(writer, prompts, settings["tokens"], seed)
    sub_models = [SubModel.parse(name) for name in settings["sub_models"]]
    rows = []
    for sub_model in sub_models:
        perplexity = writer.perplexity(held_out, sub_model)
        for decoding in DECODINGS:
            rows.append(task.write(sub_model, decoding, perplexity, prompts))
    largest = SubModel(6)
    perplexity = writer.perplexity(held_out)
    drafted: tuple[DecodingName, ...] = ("greedy", "top_p")
    for decoding in drafted:
        rows.append(task.draft(largest, sub_models[-1], decoding, perplexity))
    rows.append(task.write(largest, "greedy", perplexity, prompts[:4], kv_cache=False))
    trigram = Trigram(writer.held_out[200:], len(writer.vocabulary))
    texts = []
    for number, prompt in enumerate(prompts):
        texts.append(trigram.write(prompt, settings["tokens"], number))
    rows.append(task.measure("trigram", texts, trigram.perplexity(held_out[:20])))
    rows.append(task.measure("human", [review.tolist() for review in last_reviews], None))
    return rows


def summarise_generation(seeds: list[list[GenerationSeed]]) -> list[Row]:
    """Means and spreads over seeds."""
    return list(summarise_fields(GenerationRow, seeds))


@dataclass(frozen=True)
class ChineseSeed:
    """One seed's predictions of a sub-model on the Chinese test reviews."""

    sub_model: SubModel
    pretrained: bool
    correct: list[int]
    masked_tokens_named_percent: float


def chinese(seed: int, settings: Settings) -> list[ChineseSeed]:
    """Fine-tune a Chinese student jointly on sentiment, with joint pre-training and without."""
    reviews = load_chinese_reviews()
    tokenizer = character_tokenizer(reviews["train"].texts)
    data = {}
    for name, split in reviews.items():
        data[name] = encode(split, tokenizer, settings["max_length"])
    config = ElasticBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings["hidden_size"],
        num_hidden_layers=settings["layers"],
        num_attention_heads=settings["heads"],
        intermediate_size=4 * settings["hidden_size"],
        max_position_embeddings=settings["max_length"],
        pad_token_id=tokenizer.pad_token_id,
    )
    sub_models = [SubModel.parse(name) for name in settings["sub_models"]]
    fine_tuning = JointRecipe(
        stages=((0.0, (sub_models[0],)), (0.1, tuple(sub_models[1:]))),
        num_steps=settings["fine_tuning_steps"],
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        seed=seed,
        checkpoint_every=10_000,
    )
    pre_training = replace(fine_tuning, num_steps=settings["pre_training_steps"])
    with tempfile.TemporaryDirectory() as folder:
        pretrained = pretrain_jointly(config, data["train"], tokenizer, pre_training, Path(folder))
    torch.manual_seed(seed)
    starts = {True: pretrained, False: ElasticBertForMaskedLM(config)}
    rows = []
    for is_pretrained, start in starts.items():
        torch.manual_seed(seed)
        student = fine_tuned(classifier_from(start), data["train"], fine_tuning)
        for sub_model in sub_models:
            named = masked_accuracy(start, first_texts(data["test"], 600), tokenizer, sub_model)
            hits = correct_predictions(student, data["test"], sub_model)
            rows.append(ChineseSeed(sub_model, is_pretrained, hits, 100 * named))
    return rows


def fine_tuned(
    student: ElasticBertForSequenceClassification, data: Encoded, recipe: JointRecipe
) -> ElasticBertForSequenceClassification:
    """Train the student jointly on labels, and return it."""
    batches = training_batches(data, recipe.batch_size, recipe.num_steps, recipe.seed)

    def predict(step: int, sub_model: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
        batch = collate(data, batches[step], student.device)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return student(**inputs, sub_model=sub_model).logits, batch["labels"]

    with tempfile.TemporaryDirectory() as folder:
        train_on_labels(student, predict, recipe, Path(folder), "fine-tuning 微调")
    return student


def summarise_chinese(seeds: list[list[ChineseSeed]]) -> list[Row]:
    """Accuracy, and the gain of pre-training, with interval."""
    by_model = {}
    for same in zip(*seeds, strict=True):
        by_model[same[0].sub_model, same[0].pretrained] = same
    rows: list[Row] = []
    for (sub_model, pretrained), same in by_model.items():
        hits = by_seed([row.correct for row in same])
        gain = None
        if pretrained:
            others = by_model[sub_model, False]
            gain = bootstrap(hits - by_seed([row.correct for row in others]))
        named = mean(row.masked_tokens_named_percent for row in same)
        accuracy = 100 * float(hits.mean())
        rows.append(ChineseRow(sub_model, pretrained, accuracy, named, gain))
    return rows


QUESTIONS = Job("questions", recipes.LONG_QUESTIONS, QuestionSeed, questions, summarise_questions)
GENERATION = Job(
    "generation", recipes.LONG_GENERATION, GenerationSeed, generation, summarise_generation
)
CHINESE = Job("chinese", recipes.LONG_CHINESE, ChineseSeed, chinese, summarise_chinese)
