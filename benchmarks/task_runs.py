"""Long runs on questions, on writing, and on Chinese reviews."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any, Literal

import torch
from long_run import (
    Job,
    Settings,
    by_seed,
    correct_predictions,
    paired_interval,
    spread,
    summarise_fields,
)

from tinybert_l.course import recipes
from tinybert_l.course.experiments import first_texts
from tinybert_l.course.rows import ChineseRow, GenerationRow, MaskedTokenRow, QuestionRow, Row
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
from tinybert_l.tasks.generation import Writer, load_writer, review_blocks
from tinybert_l.tasks.pretraining import (
    ElasticBertForMaskedLM,
    character_tokenizer,
    classifier_from,
    load_chinese_reviews,
    most_frequent_token,
    name_hidden_tokens,
    named_by,
    pretrain_jointly,
)
from tinybert_l.tasks.questions import Reader, as_question, load_reader
from tinybert_l.tasks.squad import answer_f1, exact_match
from tinybert_l.tasks.stories import KINDS, TESTING, Story, last_mentioned, make_stories
from tinybert_l.tasks.text_metrics import coherence, repetition, self_bleu
from tinybert_l.tasks.trigram import Trigram

DRAFT_TOKENS = 3
SCORED = 200  # held-out texts whose perplexity is measured
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
    held_out = writer.held_out[:SCORED]
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
    rows.append(trigram_row(task, settings))
    rows.append(task.measure("human", [review.tolist() for review in last_reviews], None))
    return rows


def trigram_row(task: WritingTask, settings: Settings) -> GenerationSeed:
    """Let trigram counts of the whole training text write, and score the same texts."""
    writer = task.writer
    _, blocks = review_blocks(writer.tokenizer, settings["vocabulary"], settings["reviews"])
    trigram = Trigram(blocks[len(writer.held_out) :], len(writer.vocabulary))
    texts = []
    for number, prompt in enumerate(task.prompts):
        texts.append(trigram.write(prompt, settings["tokens"], number))
    return task.measure("trigram", texts, trigram.perplexity(writer.held_out[:SCORED]))


def summarise_generation(seeds: list[list[GenerationSeed]]) -> list[Row]:
    """Means and spreads over seeds."""
    return list(summarise_fields(GenerationRow, seeds))


@dataclass(frozen=True)
class ChineseSeed:
    """One seed's predictions of a sub-model on the Chinese test reviews."""

    sub_model: SubModel
    pretrained: bool
    correct: list[int]


@dataclass(frozen=True)
class ChineseTask:
    """The Chinese reviews as token ids, and the pre-training of one seed."""

    data: dict[str, Encoded]
    tokenizer: Any
    config: ElasticBertConfig
    fine_tuning: JointRecipe
    pre_training: JointRecipe

    @property
    def sub_models(self) -> list[SubModel]:
        """Every sub-model, the largest first."""
        return self.fine_tuning.sub_models()[::-1]

    def pretrained(self) -> ElasticBertForMaskedLM:
        """Pre-train a new model jointly."""
        with tempfile.TemporaryDirectory() as folder:
            return pretrain_jointly(
                self.config, self.data["train"], self.tokenizer, self.pre_training, Path(folder)
            )

    def untrained(self) -> ElasticBertForMaskedLM:
        """A new model with random weights."""
        torch.manual_seed(self.fine_tuning.seed)
        return ElasticBertForMaskedLM(self.config)


def chinese_task(seed: int, settings: Settings) -> ChineseTask:
    """Read the reviews, and set up the recipes of one seed."""
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
    return ChineseTask(data, tokenizer, config, fine_tuning, pre_training)


def chinese(seed: int, settings: Settings) -> list[ChineseSeed]:
    """Fine-tune a Chinese student jointly on sentiment, with joint pre-training and without."""
    task = chinese_task(seed, settings)
    starts = {True: task.pretrained(), False: task.untrained()}
    rows = []
    for is_pretrained, start in starts.items():
        torch.manual_seed(seed)
        student = fine_tuned(classifier_from(start), task.data["train"], task.fine_tuning)
        for sub_model in task.sub_models:
            hits = correct_predictions(student, task.data["test"], sub_model)
            rows.append(ChineseSeed(sub_model, is_pretrained, hits))
    return rows


@dataclass(frozen=True)
class MaskedTokenSeed:
    """One seed's count of hidden tokens, and of those named rightly, for each test review."""

    model: Literal["most_frequent_token", "untrained", "pretrained"]
    sub_model: SubModel | None
    right: list[int]
    hidden: list[int]


def masked_tokens(seed: int, settings: Settings) -> list[MaskedTokenSeed]:
    """Pre-train as `chinese` does, and let the sub-models name hidden tokens."""
    task = chinese_task(seed, settings["pre_training"])
    test = first_texts(task.data["test"], settings["texts"])
    frequent = most_frequent_token(task.data["train"], task.tokenizer)

    def always_frequent(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.full((int(batch["chosen"].sum()),), frequent)

    named = name_hidden_tokens(always_frequent, test, task.tokenizer)
    rows = [MaskedTokenSeed("most_frequent_token", None, named.right, named.hidden)]
    models: dict[Literal["untrained", "pretrained"], ElasticBertForMaskedLM] = {
        "untrained": task.untrained(),
        "pretrained": task.pretrained(),
    }
    for kind, model in models.items():
        for sub_model in task.sub_models:
            named = name_hidden_tokens(named_by(model, sub_model), test, task.tokenizer)
            rows.append(MaskedTokenSeed(kind, sub_model, named.right, named.hidden))
    return rows


def summarise_masked_tokens(seeds: list[list[MaskedTokenSeed]]) -> list[Row]:
    """The share of hidden tokens that are named, and the difference from the most frequent token.

    The interval draws reviews and seeds anew.
    """
    frequent = by_seed([seed[0].right for seed in seeds])
    rows: list[Row] = []
    for same in zip(*seeds, strict=True):
        right, hidden = by_seed([row.right for row in same]), by_seed([row.hidden for row in same])
        percent = [100 * sum(row.right) / sum(row.hidden) for row in same]
        gap = None
        if same[0].sub_model is not None:
            gap = paired_interval((right - frequent) / hidden.mean())
        rows.append(MaskedTokenRow(same[0].model, same[0].sub_model, spread(percent), gap))
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
            gain = paired_interval(hits - by_seed([row.correct for row in others]))
        percent = tuple((100 * hits.mean(1)).tolist())
        row = ChineseRow(sub_model, pretrained, mean(percent), gain, {"accuracy_percent": percent})
        rows.append(row)
    return rows


QUESTIONS = Job("questions", recipes.LONG_QUESTIONS, QuestionSeed, questions, summarise_questions)
GENERATION = Job(
    "generation", recipes.LONG_GENERATION, GenerationSeed, generation, summarise_generation
)
CHINESE = Job("chinese", recipes.LONG_CHINESE, ChineseSeed, chinese, summarise_chinese)
MASKED_TOKENS = Job(
    "masked_tokens",
    recipes.MASKED_TOKENS,
    MaskedTokenSeed,
    masked_tokens,
    summarise_masked_tokens,
)
