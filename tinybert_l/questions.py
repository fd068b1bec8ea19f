"""Question answering: small stories with questions (after bAbI, Weston et al. 2015), and a head that marks answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForQuestionAnswering

from tinybert_l.cache import cached
from tinybert_l.exercise import exercise
from tinybert_l.joint import JointRecipe, train_on_labels
from tinybert_l.model import ElasticBertConfig, ElasticBertModel, ElasticOutput, ElasticPreTrainedModel
from tinybert_l.submodels import SubModel
from tinybert_l.teacher import load_embedded, quiet_loading

PEOPLE = ("Mary", "John", "Sandra", "Daniel", "Lena", "Peter")
PLACES = ("kitchen", "garden", "office", "bathroom", "hallway", "bedroom", "cellar", "library")
OBJECTS = ("apple", "ball", "book", "lamp", "key", "cup")
KINDS = ("where is a person", "where is an object", "who has an object")


@dataclass(frozen=True)
class Story:
    """A story, a question on it, and the one word of the story that answers it.

    Args:
        kind: one of `KINDS`.
        answer_at: index of the answer among the story's words.
    """

    kind: str
    words: list[str]
    question: list[str]
    answer_at: int

    @property
    def answer(self) -> str:
        return self.words[self.answer_at]


def make_story(random: Random, kind: str, facts: int = 5) -> Story:
    """A story of `facts` sentences whose answer follows from the last ones that matter."""
    while True:
        words: list[str] = []
        place_of: dict[str, int] = {}  # person or object -> index of the word that names the place
        holder_of: dict[str, int] = {}
        for _ in range(facts):
            person = random.choice(PEOPLE)
            if random.random() < 0.6:
                place_of[person] = len(words) + 4
                words += [person, "went", "to", "the", random.choice(PLACES), "."]
                for thing, at in holder_of.items():
                    if words[at] == person:
                        place_of[thing] = place_of[person]
            else:
                thing = random.choice(OBJECTS)
                holder_of[thing] = len(words)
                words += [person, "took", "the", thing, "."]
                place_of.pop(thing, None)
                if person in place_of:
                    place_of[thing] = place_of[person]
        askable = {
            "where is a person": [p for p in PEOPLE if p in place_of],
            "where is an object": [t for t in OBJECTS if t in place_of],
            "who has an object": [t for t in OBJECTS if t in holder_of],
        }[kind]
        if not askable:
            continue
        about = random.choice(askable)
        if kind == "who has an object":
            return Story(kind, words, ["who", "has", "the", about, "?"], holder_of[about])
        the = [] if about in PEOPLE else ["the"]
        return Story(kind, words, ["where", "is", *the, about, "?"], place_of[about])


def make_stories(count: int, seed: int, kinds: Sequence[str] = KINDS) -> list[Story]:
    """Stories of all kinds in turn; the same for the same seed."""
    random = Random(seed)
    return [make_story(random, kinds[i % len(kinds)]) for i in range(count)]


def last_mentioned(story: Story) -> str:
    """The simplest baseline: the place (or person) that was named last."""
    wanted = PEOPLE if story.kind == "who has an object" else PLACES
    return next(word for word in reversed(story.words) if word in wanted)


def encode_stories(stories: Sequence[Story], tokenizer: Any) -> dict[str, torch.Tensor]:
    """[CLS] question [SEP] story [SEP].

    Returns:
        input_ids, token_type_ids, attention_mask [stories, length]; starts and ends of the answers [stories].
    """
    batch = tokenizer(
        [s.question for s in stories],
        [s.words for s in stories],
        is_split_into_words=True,
        padding=True,
        return_tensors="pt",
    )
    at = [batch.word_to_tokens(i, s.answer_at, sequence_index=1) for i, s in enumerate(stories)]
    spans = {"starts": torch.tensor([a.start for a in at]), "ends": torch.tensor([a.end - 1 for a in at])}
    return {**{k: batch[k] for k in ("input_ids", "token_type_ids", "attention_mask")}, **spans}


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


AutoModelForQuestionAnswering.register(ElasticBertConfig, ElasticBertForQuestionAnswering, exist_ok=True)


@exercise(lecture=5)
def best_answer_span(start_logits: torch.Tensor, end_logits: torch.Tensor, max_answer_length: int) -> tuple[int, int]:
    """The answer: the span of tokens with the highest sum of start and end logit.

    Args:
        start_logits, end_logits: [length] each.
        max_answer_length: tokens an answer may have, at least 1.
    Returns:
        (start, end), both inclusive, start <= end, at most max_answer_length tokens; of equal sums the
        earliest start, then the shortest.
    Raises:
        ValueError: no logits, lengths that differ, max_answer_length below 1.

    Worked example: starts [0, 2, 1], ends [5, 0, 1]: the best start is 1 and the best end 0, but that is no span;
    (0, 0) has the highest sum that is allowed, 5.
    """
    raise NotImplementedError


@dataclass(frozen=True)
class Reader:
    """A model that answers questions on stories, for every sub-model of its recipe."""

    model: ElasticBertForQuestionAnswering
    tokenizer: Any
    recipe: JointRecipe
    log: list[dict[str, Any]]

    @torch.no_grad()
    def answer(self, stories: Sequence[Story], sub_model: SubModel | None = None) -> list[str]:
        """The marked words, by the `best_answer_span` of at most three tokens."""
        batch = encode_stories(stories, self.tokenizer)
        inputs = {k: batch[k] for k in ("input_ids", "token_type_ids", "attention_mask")}
        logits = self.model(**inputs, sub_model=sub_model).logits
        spans = [best_answer_span(row[:, 0], row[:, 1], 3) for row in logits]
        return [
            self.tokenizer.decode(ids[start : end + 1])
            for ids, (start, end) in zip(batch["input_ids"], spans, strict=True)
        ]


def load_reader(num_steps: int = 240, batch_size: int = 32, seed: int = 0) -> Reader:
    """The question-answering supernet; trained on generated stories first when the cache has none."""
    encoder, tokenizer = load_embedded()
    recipe = JointRecipe(num_steps=num_steps, batch_size=batch_size, learning_rate=3e-4, seed=seed)
    log_name = "log.pt"

    def build(folder: Path) -> dict[str, Any]:
        torch.manual_seed(seed)
        model = ElasticBertForQuestionAnswering(ElasticBertConfig(**encoder.config.to_dict()))
        model.bert.load_state_dict(encoder.state_dict())

        def predict(step: int, sub_model: SubModel) -> tuple[torch.Tensor, torch.Tensor]:
            batch = encode_stories(make_stories(batch_size, seed * 1_000_003 + step), tokenizer)
            inputs = {k: batch[k] for k in ("input_ids", "token_type_ids", "attention_mask")}
            logits = model(**inputs, sub_model=sub_model).logits
            return torch.cat(logits.unbind(-1)), torch.cat((batch["starts"], batch["ends"]))

        log = train_on_labels(model, predict, recipe, folder, "reader 问答")
        model.save_pretrained(folder)
        torch.save(log, folder / log_name)
        return {"last_loss": log[-1]["loss"]}

    plain = {"steps": num_steps, "batch": batch_size, "seed": seed, "rate": recipe.learning_rate, "version": 1}
    folder = cached("reader", plain, build)
    with quiet_loading():
        model = ElasticBertForQuestionAnswering.from_pretrained(folder).eval()
    return Reader(model, tokenizer, recipe, torch.load(folder / log_name, weights_only=True))
